"""Settings: what each may be, how layers merge, how files are read; every complaint is one line with its place."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import config, config_files
from llm_magics.config import (
    MODEL_SETTINGS,
    SESSION_SETTINGS,
    Config,
    Layer,
    Sourced,
    checked,
    environment_layer,
    flatten,
    host_of,
    is_loopback,
    parse_value,
    request_params,
)
from llm_magics.errors import ConfigError, UnknownModel
from llm_magics.secrets import Secret

CANARY = "sk-canary-0123456789"

# ---------------------------------------------------------------- layers

LAYERS = Config(
    (
        Layer(origin="built-in", models={"far": {"model": "m0", "base_url": "http://far/v1", "temperature": 0.1}}),
        Layer(
            origin="user file", settings={"temperature": 0.2, "top_p": 0.5}, models={"far": {"top_p": 0.6}, "near": {}}
        ),
        Layer(origin="project file", settings={"model": "near"}, models={"far": {"seed": 1}}, trusted=False),
        Layer(origin="environment", settings={"top_p": 0.7}),
    )
)


def test_a_higher_layer_wins_and_in_a_layer_the_model_wins() -> None:
    found = LAYERS.resolve("far")
    assert flatten(found) == {"model": "m0", "base_url": "http://far/v1", "temperature": 0.2, "top_p": 0.7, "seed": 1}
    assert {name: one.origin for name, one in found.items()} == {
        "model": "built-in",
        "base_url": "built-in",
        "temperature": "user file",
        "top_p": "environment",
        "seed": "project file",
    }
    assert flatten(Config(LAYERS.layers[:2]).resolve("far"))["top_p"] == 0.6


def test_what_an_untrusted_layer_says_is_marked() -> None:
    assert LAYERS.setting("model") == Sourced("near", "project file", trusted=False)
    assert not LAYERS.resolve("far")["seed"].trusted
    assert LAYERS.resolve("far")["top_p"].trusted
    assert LAYERS.setting("stream") is None


def test_the_choice_of_a_model_is_not_the_servers_name_for_it() -> None:
    assert "model" not in LAYERS.resolve("near")


def test_a_model_of_an_endpoint_is_named_behind_a_slash() -> None:
    found = LAYERS.resolve("far/org/other:7b")
    assert found["model"] == Sourced("org/other:7b", "its name")
    assert found["base_url"].value == "http://far/v1"


def test_a_configured_name_may_have_slashes_of_its_own() -> None:
    both = Config((Layer(origin="file", models={"org/a": {"seed": 1}, "org": {"seed": 2}}),))
    assert flatten(both.resolve("org/a")) == {"seed": 1}
    assert flatten(both.resolve("org/a/b")) == {"seed": 1, "model": "b"}
    assert flatten(both.resolve("org/b")) == {"seed": 2, "model": "b"}


@pytest.mark.parametrize("name", ["fra", "far/", "/far", "fra/x", "", "x" * 500, "a\nb"])
def test_an_unknown_model_is_told_with_the_nearest_and_all_that_there_are(name: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        LAYERS.resolve(name)
    said = str(caught.value)
    assert "Known: far, near." in said
    assert "\n" not in said
    assert len(said) < 300
    assert isinstance(caught.value, ValueError)
    assert name != "fra" or "Did you mean 'far'?" in said


def test_request_parameters_are_told_from_the_rest() -> None:
    given = {"base_url": "x", "temperature": 0.1, "top_p": None, "system": "x", "extra_body": {"mine": 1}, "odd": 2}
    assert dict(request_params(given)) == {"temperature": 0.1, "mine": 1}
    assert dict(request_params({"extra_body": None})) == {}


# ---------------------------------------------------------------- values

REFUSED: dict[str, tuple[str, Any, str]] = {
    "text as a number": ("temperature", "hot", "temperature: 'hot' is not usable; it takes a number from 0 to 2."),
    "too hot": ("temperature", 9, "temperature: 9 is not usable; it takes a number from 0 to 2."),
    "no number": ("temperature", float("nan"), "temperature: nan is not usable"),
    "infinite": ("timeout", float("inf"), "timeout: inf is not usable; it takes a finite number of seconds above 0."),
    "no time": ("timeout", 0, "timeout: 0 is not usable"),
    "a truth as a number": ("timeout", True, "timeout: True is not usable"),
    "half a token": (
        "max_tokens",
        1.5,
        "max_tokens: 1.5 is not usable; it takes a whole number from 1 to 2 147 483 647.",
    ),
    "too many tokens": ("max_tokens", 10**30, "max_tokens: 1000000"),
    "no tokens": ("max_tokens", 0, "max_tokens: 0 is not usable"),
    "a number as text": ("system", 5, "system: 5 is not usable; it takes text."),
    "a list as text": ("model", ["a"], "model: a list is not usable; it takes text."),
    "a text as truth": ("stream", "yes", "stream: 'yes' is not usable; it takes true or false."),
    "a text as a table": ("headers", "x", "headers: this value is not usable; it takes a table"),
    "an address without scheme": (
        "base_url",
        "api.example.com",
        "base_url: 'api.example.com' is not usable; it takes a URL such",
    ),
    "another scheme": ("base_url", "htp://h/v1", "it takes a URL such as http://localhost:8000/v1"),
    "no host": ("base_url", "http:///v1", "it takes a URL such as"),
    "a port beyond all": ("base_url", "http://h:99999/v1", "it takes a URL with a port from 1 to 65535."),
    "the whole path": ("base_url", "https://h/v1/chat/completions/", "leave out /chat/completions."),
    "a password": ("base_url", f"https://u:{CANARY}@h/v1", "a URL without a password or a key in it"),
    "a key in the query": ("base_url", f"https://h/v1?key={CANARY}", "a URL without a password or a key in it"),
    "a key behind a hash": ("base_url", f"https://h/v1#{CANARY}", "a URL without a password or a key in it"),
    "a blank": ("base_url", "https://h /v1", "a URL without blanks"),
    "a line end": ("base_url", "https://h/v1\n", "a URL without blanks"),
    "a number as a key": ("api_key", 5, "api_key: this value is not usable; it takes text."),
    "a key as a variable's name": (
        "api_key_env",
        CANARY,
        "api_key_env: this value is not usable; it takes the name of the",
    ),
    "no variable": ("api_key_env", [], "the name of the environment variable that holds the key, not the key."),
    "long text": ("temperature", "x" * 9_000, "temperature: 'xxxx"),
    "many lines": ("temperature", "a\nb", "temperature: 'a\\nb' is not usable"),
}


@pytest.mark.parametrize(("key", "value", "said"), REFUSED.values(), ids=REFUSED)
def test_a_value_that_cannot_be_is_told_with_what_could(key: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(key, value)
    complaint = str(caught.value)
    assert said in complaint
    assert "\n" not in complaint
    assert len(complaint) < 300
    assert "canary" not in complaint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temperature", 0),
        ("temperature", 2.0),
        ("timeout", 0.5),
        ("base_url", "http://[::1]:8080/v1"),
        ("base_url", "https://bücher.example/v1"),
        ("base_url", "HTTP://localhost/v1/"),
        ("api_key_env", "OPENAI_API_KEY"),
        ("api_key_env", ["A", "B_2"]),
        ("api_key_env", ("A",)),
        ("stop", ["a"]),
        ("logit_bias", {"5": -100}),
    ],
)
def test_a_value_that_can_be_is_given_back_as_it_is(key: str, value: Any) -> None:
    assert checked(key, value) is value


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("temperature", "0.2", 0.2),
        ("max_tokens", "500", 500),
        ("system", "5", "5"),
        ("system", '{"a": 1}', '{"a": 1}'),
        ("stream", "False", False),
        ("stream", "no", False),
        ("stream", "true", True),
        ("stop", '["a b", "c"]', ["a b", "c"]),
        ("stop", "END", "END"),
        ("reasoning_effort", "none", "none"),
        ("logit_bias", '{"5": 1}', {"5": 1}),
        ("user", "NaN", "NaN"),
        ("user", "[" * 100_000, "[" * 100_000),
    ],
)
def test_a_value_on_a_line_is_json_where_it_is_json(key: str, given: str, value: Any) -> None:
    assert parse_value(key, given) == value


@given(
    st.sampled_from(sorted(MODEL_SETTINGS)), st.text() | st.from_regex(r"-?[0-9.e]+|\[.*|\{.*|[a-z]+", fullmatch=True)
)
def test_any_value_on_a_line_is_read_or_refused_in_one_line(key: str, given: str) -> None:
    try:
        parse_value(key, given)
    except ConfigError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://127.0.0.1/v1", "http://127.8.9.1", "http://[::1]:80", "http://a.localhost"]
)
def test_this_machine_is_known(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://0.0.0.0",
        "https://api.example",
        "http://notlocalhost",
    ],
)
def test_other_machines_are_not_taken_for_this_one(url: str) -> None:
    assert not is_loopback(url)


def test_hosts_are_shown_without_the_rest_of_the_url() -> None:
    assert host_of("https://u:p@api.example:8443/v1") == "api.example:8443"
    assert host_of("https://api.example/v1") == "api.example"


# ---------------------------------------------------------------- the environment


def test_settings_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "TEMPERATURE": "0.2",
        "SYSTEM": "Be brief.",
        "STREAM": "false",
        "MAX_TOKENS": "5",
        "TOP_P": " ",
    }.items():
        monkeypatch.setenv(f"LLM_MAGICS_{name}", value)
    layer = environment_layer()
    assert dict(layer.settings) == {"temperature": 0.2, "system": "Be brief.", "stream": False, "max_tokens": 5}
    assert layer.origin == "environment"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "LLM_MAGICS_TEMPERATURE",
            "hot",
            "environment variable LLM_MAGICS_TEMPERATURE: temperature: 'hot' is not usable",
        ),
        (
            "LLM_MAGICS_TEMPRATURE",
            "1",
            "environment variable LLM_MAGICS_TEMPRATURE: unknown setting 'temprature'. Did you mean 'temp",
        ),
        (
            "LLM_MAGICS_API_KEY",
            CANARY,
            "LLM_MAGICS_API_KEY: api_key belongs to one model, not to all: a key goes into its provider's",
        ),
        ("LLM_MAGICS_BASE_URL", "http://x", "base_url belongs to one model, not to all: set it in a file."),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        environment_layer()
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


def test_other_names_that_begin_like_ours_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIR", "NODE_CACHE", "INSTALL_NODE", "REQUIRE_ALL", "CHROMIUM", "X", "", "TEST_MODE", "BENCH", "KEEP"):
        monkeypatch.setenv(f"LLM_MAGICS_{name}", "1")
    monkeypatch.setenv("llm_magics_temperature", "hot")
    assert dict(environment_layer().settings) == {}


# ---------------------------------------------------------------- files

SAME = {"temperature": 0.2, "system": "Be brief."}
FILES = {
    "config.toml": 'temperature = 0.2\nsystem = "Be brief."\n[models.far]\nbase_url = "http://far/v1"\nstop = ["a"]\n',
    "config.yaml": "temperature: 0.2\nsystem: Be brief.\nmodels:\n  far:\n    base_url: http://far/v1\n    stop: [a]\n",
    "config.yml": "{temperature: 0.2, system: Be brief., models: {far: {base_url: 'http://far/v1', stop: [a]}}}",
    "config.json": '{"temperature": 0.2, "system": "Be brief.", "models": {"far": '
    '{"base_url": "http://far/v1", "stop": ["a"]}}}',
    "pyproject.toml": '[project]\nname = "x"\n[tool.llm_magics]\ntemperature = 0.2\nsystem = "Be brief."\n'
    '[tool.llm_magics.models.far]\nbase_url = "http://far/v1"\nstop = ["a"]\n',
}


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def complaint(path: Path) -> str:
    """What is said of a file, its own path shortened to its name."""
    with pytest.raises(ConfigError) as caught:
        config_files.read_layer(path, "file")
    said = str(caught.value)
    assert said.startswith(str(path))
    assert said.count("\n") in (0, 2)  # what is wrong; then perhaps the line of the file, and a caret
    assert len(said) < 600
    assert "canary" not in said
    return said.replace(str(path), path.name)


@pytest.mark.parametrize(("name", "text"), FILES.items(), ids=FILES)
def test_files_of_every_kind_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    layer = config_files.read_layer(write(tmp_path, name, text), "user file", trusted=False)
    assert dict(layer.settings) == SAME
    assert layer.models == {"far": {"base_url": "http://far/v1", "stop": ["a"]}}
    assert layer.origin == f"user file {tmp_path / name}"
    assert not layer.trusted


@pytest.mark.parametrize("suffix", config_files.SUFFIXES)
@pytest.mark.parametrize("text", [b"", b"\n\n", b"\xef\xbb\xbf"], ids=["empty", "blank", "a byte order mark"])
def test_an_empty_file_is_an_empty_layer(tmp_path: Path, suffix: str, text: bytes) -> None:
    layer = config_files.read_layer(write(tmp_path, f"c{suffix}", text), "file")
    assert (dict(layer.settings), dict(layer.models)) == ({}, {})


def test_a_byte_order_mark_before_settings_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, "c.toml", b"\xef\xbb\xbftemperature = 0.2\r\n")
    assert dict(config_files.read_layer(path, "file").settings) == {"temperature": 0.2}


BROKEN = {
    "TOML syntax": ("c.toml", "a = 1\ntop_p = = 2\n", "c.toml:2:9: ", "invalid value.\n    top_p = = 2\n            ^"),
    "TOML, not closed": ("c.toml", 'system = "a', "c.toml:1:12: ", "unterminated string"),
    "TOML, twice": ("c.toml", "seed = 1\nseed = 2\n", "c.toml:2:9: ", "this key stands twice in one table"),
    "TOML, a key in the line": ("c.toml", f'api_key = = "{CANARY}"', "c.toml:1:11: ", ""),
    "YAML tab": (
        "c.yaml",
        "models:\n\tfar: 1\n",
        "c.yaml:2:1: ",
        "a tab cannot indent YAML; use blanks.\n    far: 1\n    ^",
    ),
    "YAML, twice": (
        "c.yaml",
        "seed: 1\nmodels: {}\nseed: 2\n",
        "c.yaml:3:1: ",
        "stands twice in one table (first in line 1)",
    ),
    "YAML alias": (
        "c.yaml",
        "a: &a [1]\nb: [*a, *a]\n",
        "c.yaml:2:5: ",
        "aliases are not read here; write the value out",
    ),
    "YAML tag": (
        "c.yaml",
        "seed: !!python/object/apply:os.system ['true']\n",
        "c.yaml:1:7: ",
        "the tag !!python/object/apply:os.system is not read here; write a plain value",
    ),
    "YAML, two documents": ("c.yaml", "seed: 1\n---\nseed: 2\n", "c.yaml:2:1: ", "another document"),
    "YAML, an impossible date": ("c.yaml", "seed: 2024-13-45\n", "c.yaml: ", "month"),
    "YAML list": ("c.yaml", "- a\n", "c.yaml:1:1: ", "expected a table of settings, got a list"),
    "YAML text": ("c.yaml", "hello\n", "c.yaml:1:1: ", "got text"),
    "YAML, a number as a name": ("c.yaml", "1: 2\n", "c.yaml: ", "setting names are text, got 1"),
    "YAML, a number as a model": ("c.yaml", "models:\n  4: {}\n", "c.yaml:2: ", "a model's name is text, got 4"),
    "JSON comma": ("c.json", '{\n "seed": 1,\n}', "c.json:2:11: ", "JSON has no comma behind the last item"),
    "JSON comment": ("c.json", '{\n // x\n "seed": 1}', "c.json:2:2: ", "JSON has no comments"),
    "JSON NaN": ("c.json", '{\n "seed": NaN}', "c.json:2:10: ", "NaN is no JSON value"),
    "JSON, twice": (
        "c.json",
        '{"seed": 1,\n "seed": 2}',
        "c.json:2:2: ",
        "the key 'seed' stands twice in one table (first in line 1)",
    ),
    "JSON, twice, with quotes": ("c.json", '{"a\'b": 1,\n "a\'b": 2}', "c.json:2:2: ", "stands twice"),
    "JSON, a number without end": ("c.json", '{"seed": ' + "1" * 5_000 + "}", "c.json: ", ""),
    "JSON, nested": ("c.json", "[" * 200_000, "c.json: ", "is nested too deeply"),
    "YAML, nested": ("c.yaml", "[" * 5_000, "c.yaml: ", "is nested too deeply"),
    "TOML, nested": ("c.toml", "seed = " + "[" * 50_000, "c.toml", ""),
    "JSON list": ("c.json", "[1]", "c.json:1:1: ", "expected a table of settings, got a list"),
    "UTF-16": ("c.toml", "seed = 1".encode("utf-16"), "c.toml: ", "is UTF-16; save it as UTF-8"),
    "Latin-1": ("c.toml", 'system = "é"'.encode("latin-1"), "c.toml: ", "is not UTF-8 text (byte 10)"),
    "binary": ("c.toml", bytes(range(256)), "c.toml", ""),
    "too large": ("c.toml", b"#" * 1_000_001, "c.toml: ", "1,000,001 bytes is too large for a configuration file"),
    "another kind": ("c.ini", "[a]", "c.ini: ", "its name must end in .toml, .yaml, .yml, .json"),
    "unknown setting": (
        "c.toml",
        "seed = 1\ntemprature = 1\n",
        "c.toml:2: ",
        "unknown setting 'temprature'. Did you mean 'temperature'?",
    ),
    "a model's setting for all": (
        "c.toml",
        'base_url = "http://h/v1"\n',
        "c.toml:1: ",
        "base_url belongs to one model, not to all",
    ),
    "unknown setting of a model": (
        "c.toml",
        '[models.a]\nmodel = "x"\n[models.b]\nseed = 1\nmodle = "y"\n',
        "c.toml:5: models.b: ",
        "unknown setting 'modle'. Did you mean 'model'?",
    ),
    "a wrong type": (
        "c.toml",
        '[models.a]\nmodel = "x"\n[models.b]\nmodel = ["y"]\n',
        "c.toml:4: models.b: ",
        "model: a list is not usable; it takes text",
    ),
    "a wrong type in YAML": (
        "c.yaml",
        "models:\n  a:\n    seed: 1\n  b:\n    timeout: soon\n",
        "c.yaml:5: models.b: ",
        "timeout: 'soon'",
    ),
    "a wrong type in JSON": (
        "c.json",
        '{"models": {\n"a": {"timeout": 5},\n"b": {\n"timeout": 0}}}',
        "c.json:4: models.b: ",
        "timeout: 0",
    ),
    "a value out of range": ("c.toml", "seed = 1\n\ntemperature = 9\n", "c.toml:3: ", "a number from 0 to 2"),
    "models as text": ("c.toml", 'models = "x"', "c.toml:1: ", "models: expected a table of models, got text"),
    "a model as text": ("c.toml", '[models]\nfar = "x"', "c.toml:2: ", "models.far: expected a table, got text"),
    "a key as a variable": (
        "c.toml",
        f'[models.far]\napi_key_env = "{CANARY}"',
        "c.toml:2: models.far: ",
        "not the key",
    ),
    "nothing as a value": ("c.yaml", "temperature:\n", "c.yaml:1: ", "temperature: None is not usable"),
}


@pytest.mark.parametrize(("name", "text", "place", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_with_its_place(
    tmp_path: Path, name: str, text: str | bytes, place: str, said: str
) -> None:
    told = complaint(write(tmp_path, name, text))
    assert told.startswith(place)
    assert said in told


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.toml") == "none.toml: no such file."
    (tmp_path / "folder.toml").mkdir()
    assert complaint(tmp_path / "folder.toml") == "folder.toml: is a folder; name the file in it."
    (tmp_path / "link.toml").symlink_to(tmp_path / "gone")
    assert complaint(tmp_path / "link.toml") == "link.toml: no such file."
    (tmp_path / "ring.toml").symlink_to(tmp_path / "ring.toml")
    assert complaint(tmp_path / "ring.toml").startswith("ring.toml: cannot be read (")
    if os.name == "posix" and os.geteuid() != 0:
        closed = write(tmp_path, "closed.toml", "seed = 1")
        closed.chmod(0)
        assert complaint(closed) == "closed.toml: cannot be read (Permission denied)."


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_key_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "c.toml", f'[models.far]\napi_key = "{CANARY}"\n')
    path.chmod(0o644)
    assert complaint(path).startswith("c.toml: holds a key and can be read by others: chmod 600 ")
    path.chmod(0o600)
    assert config_files.read_layer(path, "file").models["far"]["api_key"] == Secret(CANARY)


@given(st.text() | st.text(alphabet="[]{}:=\"'\n -ab1.#&*!|>,"), st.sampled_from([".toml", ".yaml", ".json"]))
def test_any_text_is_a_layer_or_a_complaint_with_its_place(text: str, suffix: str) -> None:
    parse: Mapping[str, Any] = {".toml": config_files._toml, ".yaml": config_files._yaml, ".json": config_files._json}
    try:
        parse[suffix](Path(f"c{suffix}"), text)
    except ConfigError as error:
        assert str(error).startswith(f"c{suffix}:")
        assert str(error).count("\n") in (0, 2)


def test_a_large_file_is_read_in_time(tmp_path: Path) -> None:
    text = "models:\n" + "".join(f"  m{number}: {{seed: {number}}}\n" for number in range(2_000))
    begun = time.thread_time()
    assert len(config_files.read_layer(write(tmp_path, "c.yaml", text), "file").models) == 2_000
    assert time.thread_time() - begun < 5


# ---------------------------------------------------------------- where files lie


def test_the_users_files_are_found_in_their_order(home: Path) -> None:
    assert config_files.user_files() == []
    folder = config_files.config_folder()
    assert folder == home / "config"
    saved, own = write(folder, "saved.toml", ""), write(folder, "config.yaml", "")
    write(folder, "other.toml", "")
    assert config_files.user_files() == [own, saved]
    (folder / "config.json").symlink_to(folder / "gone")
    with pytest.raises(ConfigError, match=r"config\.json: is a link to a file that is not there"):
        config_files.user_files()


def test_without_a_folder_of_ours_the_platforms_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLM_MAGICS_DIR")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert config_files.config_folder().name == "llm_magics"
    assert str(config_files.config_folder()).startswith(str(home))


def test_a_project_file_is_the_nearest_one_upwards(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    assert config_files.project_file(deep) is None
    shared = write(tmp_path, "pyproject.toml", "[tool.llm_magics]\nseed = 1\n")
    assert config_files.project_file(deep) == shared
    own = write(tmp_path / "a", "llm_magics.toml", "")
    assert config_files.project_file(deep) == own
    write(deep, "pyproject.toml", '[project]\nname = "tool.llm_magics"\n')
    assert config_files.project_file(deep) == own


def test_a_pyproject_that_is_not_ours_is_no_concern_of_ours(tmp_path: Path) -> None:
    for text in (b"[tool.llm_magics]" + b"#" * 1_100_000, b"[tool.other]\n= broken", b"\xff\xfe"):
        write(tmp_path, "pyproject.toml", text)
        assert config_files.project_file(tmp_path) is None
    (tmp_path / "pyproject.toml").unlink()
    (tmp_path / "pyproject.toml").mkdir()
    (tmp_path / "llm_magics.toml").mkdir()
    assert config_files.project_file(tmp_path) is None


def test_a_trusted_file_is_known_by_its_place_and_its_content(tmp_path: Path) -> None:
    path = write(tmp_path, "llm_magics.toml", "seed = 1")
    before = config_files.fingerprint(path)
    assert config_files.fingerprint(path) == before
    assert config_files.fingerprint(write(tmp_path, "other.toml", "seed = 1")) != before
    write(tmp_path, "llm_magics.toml", "seed = 2")
    assert config_files.fingerprint(path) != before


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_what_we_write_only_its_owner_reads(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        path = tmp_path / "new" / "saved.toml"
        config_files.write_private(path, "seed = 1")
        config_files.write_private(path, "seed = 2")
    finally:
        os.umask(old)
    assert path.read_text() == "seed = 2"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["saved.toml"]


def test_every_setting_for_all_is_one_a_model_may_have() -> None:
    assert SESSION_SETTINGS - {"dotenv"} < MODEL_SETTINGS
    assert set(config.CHECKS) <= MODEL_SETTINGS | SESSION_SETTINGS
    assert not {"api_key", "base_url", "headers", "api_key_env"} & SESSION_SETTINGS
