"""Configuration files and keys that cannot be used: told with their place, and never with the key."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from far_end import FarEnd
from mistakes import CANARY, SECONDS, mistake, nothing_sent, sent
from shells import Shell

# ---------------------------------------------------------------- keys

KEYS = {
    "not set": (
        None,
        "model 'openai' has no API key: OPENAI_API_KEY is not set in the environment, and not in the key store. Set it "
        "before the kernel starts (a key comes from platform.openai.com/api-keys), or type it with "
        "%llm_config --ask-key openai",
    ),
    "empty": (
        "  ",
        "model 'openai' has no API key: OPENAI_API_KEY is empty in the environment, and not in the key store. Set it "
        "before the kernel starts (a key comes from platform.openai.com/api-keys), or type it with "
        "%llm_config --ask-key openai",
    ),
    "a blank inside": (
        "sk-can ary-1",
        "the key from the environment variable OPENAI_API_KEY has a blank at position 7: copy it again",
    ),
    "a line end inside": (
        "sk-canary\n-1",
        "the key from the environment variable OPENAI_API_KEY has a blank at position 10: copy it again",
    ),
    "a letter no header carries": (
        "sk-canary-é",
        "the key from the environment variable OPENAI_API_KEY has the character U+00E9 at position 11: copy it again",
    ),
    "quotes around nothing": (
        "''",
        "the key from the environment variable OPENAI_API_KEY is empty: copy it again",
    ),
}


@pytest.mark.parametrize(("key", "said"), KEYS.values(), ids=KEYS)
def test_a_key_that_cannot_be_used_is_told_without_it(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch, key: str | None, said: str
) -> None:
    with nothing_sent(far_shell, far):
        if key is not None:
            monkeypatch.setenv("OPENAI_API_KEY", key)
        assert mistake(far_shell.run("%%llm -m openai\nHi")) == said


def test_a_key_store_that_does_not_work_is_passed_over(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    with nothing_sent(far_shell, far):
        assert mistake(far_shell.run("%%llm -m openai\nHi")) == KEYS["not set"][1]


@pytest.mark.parametrize("key", [f"{CANARY}\n", f" {CANARY}\r\n", f'"{CANARY}"', f"\ufeff{CANARY}"])
def test_what_copying_adds_to_a_key_is_taken_away(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("FAR_KEY", key)
    far_shell.run(f"%llm_config --add keyed base_url={far.base_url} api_key_env=FAR_KEY")
    sent(far_shell, far, "%%llm\nHi")
    assert far.chats[-1].headers["authorization"] == f"Bearer {CANARY}"


def test_the_command_that_makes_a_file_private_can_be_pasted(shell: Shell, home: Path) -> None:
    folder = home / "Application Support"
    folder.mkdir()
    path = folder / "c.toml"
    path.write_text(f'[models.a]\nbase_url = "http://127.0.0.1:9/v1"\napi_key = "{CANARY}"\n')
    path.chmod(0o644)
    said = mistake(shell.run(f'%llm_config --file "{path}"'))
    command = said.partition("chmod 600 ")[2].partition(", or use")[0]
    assert shlex.split(command) == [str(path)]


def test_a_chosen_model_that_does_not_exist_is_told_with_its_place(far_shell: Shell, far: FarEnd, home: Path) -> None:
    (home / "config").mkdir(exist_ok=True)
    (home / "config" / "config.toml").write_text('model = "frr"\n')
    far_shell.run("%llm_config --unset model")
    for cell in ("%%llm\nHi", "%llm_config", "%llm_config --check"):
        said = mistake(far_shell.run(cell))
        assert said.startswith(f"user file {home / 'config' / 'config.toml'}: no model 'frr' in the configuration.")
        assert said.endswith("Choose another with %llm_config NAME, or mend it there.")
    assert far_shell.run("%llm_config temperature=0.5").error is None
    assert far_shell.run("%llm_config far").error is None
    sent(far_shell, far, "%%llm\nHi")


# ---------------------------------------------------------------- files

FILES: dict[str, tuple[str, str | bytes, str]] = {
    "TOML, a value missing": (
        "config.toml",
        "seed = 1\ntop_p = = 2\n",
        "2:9: invalid value.\n    top_p = = 2\n            ^",
    ),
    "TOML, an equals sign missing": (
        "config.toml",
        "seed 1\n",
        "1:6: expected '=' after a key in a key/value pair.\n    seed 1\n         ^",
    ),
    "TOML, an open quote": (
        "config.toml",
        'seed = 1\nsystem = "Be brief\n',
        '2:19: the text in this line is never closed.\n    system = "Be brief\n                      ^',
    ),
    "TOML, twice": (
        "config.toml",
        "seed = 1\nseed = 2\n",
        "2:9: this key stands twice in one table.\n    seed = 2\n            ^",
    ),
    "TOML, a line with a key": (
        "config.toml",
        f'[models.a]\napi_key = "{CANARY}\n',
        "2:32: the text in this line is never closed.",
    ),
    "YAML, a tab": (
        "config.yaml",
        "models:\n\tfar: 1\n",
        "2:1: a tab cannot indent YAML; use blanks.\n    far: 1\n    ^",
    ),
    "YAML, twice": (
        "config.yaml",
        "seed: 1\nstop: x\nseed: 2\n",
        "3:1: the key 'seed' stands twice in one table (first in line 1).\n    seed: 2\n    ^",
    ),
    "YAML, a bomb": (
        "config.yaml",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "2:8: aliases are not read here; write the value out.\n    b: &b [*a, *a]\n           ^",
    ),
    "YAML, a tag": (
        "config.yaml",
        "seed: !!python/object/apply:os.system ['true']\n",
        "1:7: the tag !!python/object/apply:os.system is not read here; write a plain value.\n"
        "    seed: !!python/object/apply:os.system ['true']\n          ^",
    ),
    "YAML, an open quote": (
        "config.yaml",
        "seed: 1\nsystem: 'Be brief\n",
        "2:9: found unexpected end of stream while scanning a quoted scalar.\n    system: 'Be brief\n            ^",
    ),
    "YAML, two colons": (
        "config.yaml",
        "system: a: b\n",
        "1:10: mapping values are not allowed here.\n    system: a: b\n             ^",
    ),
    "JSON, a last comma": (
        "config.json",
        '{\n "seed": 1,\n}',
        '2:11: JSON has no comma behind the last item.\n    "seed": 1,\n             ^',
    ),
    "JSON, a last comma in a list": (
        "config.json",
        '{"stop": ["a",]}',
        '1:14: JSON has no comma behind the last item.\n    {"stop": ["a",]}\n                 ^',
    ),
    "JSON, a comment": ("config.json", '{\n // x\n "seed": 1}', "2:2: JSON has no comments.\n    // x\n    ^"),
    "JSON, single quotes": ("config.json", "{'seed': 1}", "1:2: JSON takes double quotes.\n    {'seed': 1}\n     ^"),
    "JSON, no number": (
        "config.json",
        '{\n "seed": NaN}',
        '2:10: NaN is no JSON value.\n    "seed": NaN}\n            ^',
    ),
    "JSON, twice": (
        "config.json",
        '{"seed": 1,\n "seed": 2}',
        "2:2: the key 'seed' stands twice in one table (first in line 1).\n    \"seed\": 2}\n    ^",
    ),
    "JSON, a line with a key": (
        "config.json",
        f'{{"models": {{"a": {{"api_key": "{CANARY}",}}}}}}',
        "1:52: JSON has no comma behind the last item.",
    ),
    "a misspelt setting": (
        "config.toml",
        "seed = 1\n\ntemprature = 1\n",
        "3: unknown setting 'temprature'. Did you mean 'temperature'?",
    ),
    "a misspelt setting of a model": (
        "config.toml",
        '[models.a]\nmodel = "x"\nbase_ulr = "http://h/v1"\n',
        "3: models.a: unknown setting 'base_ulr'. Did you mean 'base_url'?",
    ),
    "a setting of one model": (
        "config.toml",
        'base_url = "http://h/v1"\n',
        "1: base_url belongs to one model, not to all: put it into the table models.NAME.",
    ),
    "a key for all": (
        "config.toml",
        f'api_key = "{CANARY}"\n',
        "1: api_key belongs to one model, not to all: put it into the table models.NAME.",
    ),
    "a setting of all models": (
        "config.toml",
        "[models.a]\ndotenv = true\n",
        "2: models.a: dotenv belongs to all models, not to one: put it outside of their tables.",
    ),
    "a table beside models": (
        "config.toml",
        f'[far]\nbase_url = "http://h/v1"\napi_key = "{CANARY}"\n',
        "1: 'far' is no table of settings: a model's table is models.far.",
    ),
    "a misspelt table": (
        "config.toml",
        f'[model.far]\napi_key = "{CANARY}"\n',
        "1: 'model' is no table of settings: a model's table is models.NAME.",
    ),
    "a policy of a tool": (
        "config.toml",
        '[policy]\nsend = "allow"\n',
        "1: 'policy': no file says what tools may do; %llm_config --policy TOOL=WORD does.",
    ),
    "a list for a text": (
        "config.toml",
        '[models.fast]\nmodel = ["x"]\n',
        "2: models.fast: model: a list is not usable; it takes text.",
    ),
    "a table for a text": ("config.toml", "[system]\na = 1\n", "1: system: a table is not usable; it takes text."),
    "a text for a number": (
        "config.toml",
        'temperature = "hot"\n',
        "1: temperature: 'hot' is not usable; it takes a number from 0 to 2.",
    ),
    "no number": ("config.toml", "timeout = nan\n", f"1: timeout: nan {SECONDS}"),
    "two bytes a character": ("config.toml", "seed = 1".encode("utf-16"), " is UTF-16; save it as UTF-8."),
    "the same unmarked": (
        "config.toml",
        "seed = 1".encode("utf-16-le"),
        " is no text (byte 1 is 0); save it as UTF-8.",
    ),
    "another encoding": ("config.toml", 'system = "é"'.encode("latin-1"), " is not UTF-8 text (byte 10)."),
    "any bytes": ("config.toml", bytes(range(1, 256)), " is not UTF-8 text (byte 127)."),
    "too much": (
        "config.toml",
        b"#" * 50_000_000,
        " 50,000,000 bytes is too large for a configuration file; 1,000,000 is the most.",
    ),
}


@pytest.mark.parametrize(("name", "content", "said"), FILES.values(), ids=FILES)
def test_a_file_that_is_wrong_is_told_with_its_place(
    far_shell: Shell, far: FarEnd, home: Path, name: str, content: str | bytes, said: str
) -> None:
    path = home / "config" / name
    path.parent.mkdir()
    with nothing_sent(far_shell, far):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert mistake(far_shell.run("%%llm\nHi")) == f"{path}:{said}"
        assert mistake(far_shell.run("%llm_config")) == f"{path}:{said}"
        assert far_shell.run("%reload_ext llm_magics").error is None
        path.unlink()


def no_file(path: Path, kind: str) -> None:
    """Put something where a file should be."""
    make = {
        "a folder": path.mkdir,
        "a link to nothing": lambda: path.symlink_to("gone"),
        "a link to itself": lambda: path.symlink_to(path.name),
        "a pipe": lambda: os.mkfifo(path),
        "a device": lambda: path.symlink_to("/dev/zero"),
        "a closed file": lambda: path.touch(mode=0),
    }
    make[kind]()


NO_FILES = {
    "a folder": "is a folder; name the file in it.",
    "a link to nothing": "is a link to a file that is not there.",
    "a link to itself": "is a link to a file that is not there.",
    "a pipe": "is no ordinary file.",
    "a device": "is no ordinary file.",
}
if os.name == "posix" and os.geteuid() != 0:  # nothing is closed to root
    NO_FILES["a closed file"] = "cannot be read (Permission denied)."


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are POSIX")
@pytest.mark.parametrize(("kind", "said"), NO_FILES.items(), ids=NO_FILES)
def test_what_is_no_file_is_neither_waited_for_nor_read_without_end(
    far_shell: Shell, far: FarEnd, home: Path, kind: str, said: str
) -> None:
    path = home / "config" / "config.toml"
    path.parent.mkdir()
    with nothing_sent(far_shell, far):
        no_file(path, kind)
        assert mistake(far_shell.run("%%llm\nHi")) == f"{path}: {said}"
        path.rmdir() if kind == "a folder" else path.unlink()


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "\ufefftemperature = 0.2\r\n"], ids=["0", "1", "2", "3"])
def test_an_empty_file_and_a_mark_at_its_beginning_are_no_mistakes(
    far_shell: Shell, far: FarEnd, home: Path, text: str
) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_bytes(text.encode())
    assert sent(far_shell, far, "%%llm\nHi") == "Hi"
    assert far.chats[-1].body.get("temperature") == (0.2 if "temperature" in text else None)


def test_a_project_file_that_is_a_device_is_no_project_file(far_shell: Shell, far: FarEnd, home: Path) -> None:
    (home / "work" / "llm_magics.toml").symlink_to("/dev/zero")
    (home / "work" / "pyproject.toml").symlink_to("/dev/zero")
    assert sent(far_shell, far, "%%llm\nHi") == "Hi"


def test_a_setting_of_the_environment_is_told_with_its_variable(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nothing_sent(far_shell, far):
        monkeypatch.setenv("LLM_MAGICS_TEMPERATURE", "hot")
        said = "temperature: 'hot' is not usable; it takes a number from 0 to 2."
        assert mistake(far_shell.run("%%llm\nHi")) == f"environment variable LLM_MAGICS_TEMPERATURE: {said}"
        monkeypatch.delenv("LLM_MAGICS_TEMPERATURE")


def test_a_value_is_shown_with_the_place_it_came_from(
    far_shell: Shell, far: FarEnd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text("temperature = 0.1\nseed = 1\n")
    (home / "work" / "llm_magics.toml").write_text("temperature = 0.2\n")
    shown = far_shell.run("%llm_config").text
    assert re.search(rf"temperature +0\.2 +project file {re.escape(str(home / 'work' / 'llm_magics.toml'))}", shown)
    assert re.search(rf"seed +1 +user file {re.escape(str(home / 'config' / 'config.toml'))}", shown)


@pytest.mark.skipif(os.name != "posix", reason="only POSIX deletes a folder someone is in")
def test_a_kernel_whose_folder_was_deleted_still_answers(far_shell: Shell, far: FarEnd, home: Path) -> None:
    (home / "work").rmdir()
    assert sent(far_shell, far, "%%llm\nHi") == "Hi"
    assert far_shell.run("%llm_config").error is None
    assert far_shell.run("%llm_config dotenv=true").error is None
    assert sent(far_shell, far, "%%llm\nHi") == "Hi"
