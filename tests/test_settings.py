"""``%llm_config``: what is shown, what is set, which layer wins, where keys come from and where they go."""

from __future__ import annotations

import getpass
import json
import stat
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from far_end import Failure, FarEnd, Request
from IPython.core.error import UsageError
from shells import Shell

from llm_magics import get_session, secrets
from llm_magics.endpoints import providers

CANARY = "sk-canary-0123456789abcdef"


def sent(shell: Shell, far: FarEnd, cell: str = "%%llm\nHi") -> dict[str, object]:
    """The body that a cell sends."""
    done = shell.run(cell)
    assert done.error is None, done.errors
    return dict(far.chats[-1].body)


def row(text: str, name: str) -> str:
    """The line of a table that begins with a word."""
    return next(line for line in text.splitlines() if line.split()[:1] == [name])


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


# ---------------------------------------------------------------- with nothing configured


def test_with_nothing_configured_demo_answers(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "llm_magics guide" in shell.run("%%llm\nWhat is this?").text
    assert "demo" in row(shell.run("%llm_config").text, "model")


def test_a_providers_key_in_the_environment_makes_it_the_model(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", CANARY)
    shown = shell.run("%llm_config").text
    assert row(shown, "model").split()[1] == "mistral"
    assert "api.mistral.ai" in row(shown, "endpoint")
    assert "set (environment MISTRAL_API_KEY)" in row(shown, "key")
    assert "canary" not in shown


@pytest.mark.parametrize("provider", providers.providers(), ids=lambda p: p.name)
def test_every_provider_is_asked_at_its_address_for_its_model(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, provider: providers.Provider
) -> None:
    monkeypatch.setenv(provider.api_key_env[0], CANARY)
    shown = shell.run(f"%%llm -m {provider.name} --dry-run\nHi").text
    head, _, body = shown.partition("\n\n")
    assert head.startswith(f"POST {provider.base_url}/chat/completions")
    assert json.loads(body)["model"] == provider.model


def test_the_openai_provider_follows_the_sdks_own_base_url(
    shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("OPENAI_BASE_URL", far.base_url)
    sent(shell, far)
    assert far.chats[-1].headers["authorization"] == f"Bearer {CANARY}"


# ---------------------------------------------------------------- setting


def test_what_is_set_is_sent_and_shown_with_its_origin(far_shell: Shell, far: FarEnd) -> None:
    done = far_shell.run('%llm_config temperature=0.2 max_tokens=500 system="Be brief."')
    assert done.text.strip() == "Set temperature = 0.2, max_tokens = 500, system = 'Be brief.'."
    body = sent(far_shell, far)
    assert (body["temperature"], body["max_tokens"]) == (0.2, 500)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    shown = far_shell.run("%llm_config").text
    assert row(shown, "temperature").split() == ["temperature", "0.2", "%llm_config"]


def test_the_cell_has_the_last_word(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run('%llm_config temperature=0.2 system="Be brief."')
    body = sent(far_shell, far, '%%llm -t 0.9 -s "Be long."\nHi')
    assert body["temperature"] == 0.9
    assert body["messages"][0]["content"] == "Be long."


def test_a_model_that_keeps_a_value_of_its_own_is_told(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run(f"%llm_config --add slow base_url={far.base_url} timeout=9 seed=1")
    said = far_shell.run("%llm_config timeout=7 seed=1 temperature=0.5").text
    assert said.endswith("\nslow keeps its own timeout = 9, until it is added again without.\n")
    assert far_shell.run("%llm_config timeout=9").text == "Set timeout = 9.\n"


def test_reset_forgets_what_was_set(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%llm_config temperature=0.2")
    far_shell.run("%llm_config --reset")
    assert "temperature" not in far_shell.run("%llm_config").text
    assert row(far_shell.run("%llm_config").text, "model").split()[1] == "demo"


def trait(shell: Shell, name: str) -> object:
    """What ``%config LLMMagics.NAME`` shows."""
    done = shell.run(f"%config LLMMagics.{name}")
    assert done.error is None
    return done.value


def test_the_newer_word_of_config_and_llm_config_wins(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%config LLMMagics.temperature = 0.5")
    assert sent(far_shell, far)["temperature"] == 0.5
    assert "%config LLMMagics" in row(far_shell.run("%llm_config").text, "temperature")
    far_shell.run("%llm_config temperature=0.7")
    assert sent(far_shell, far)["temperature"] == 0.7
    far_shell.run("%config LLMMagics.temperature = 0.9")
    assert sent(far_shell, far)["temperature"] == 0.9


VALUES = {
    "model": ("demo", "far"),
    "system": ("Be brief.", "Be long."),
    "temperature": (0.5, 0.7),
    "top_p": (0.5, 0.7),
    "max_tokens": (5, 7),
    "timeout": (5, 7.5),
    "timeout_silence": (5, 7.5),
    "timeout_total": (5, 7.5),
    "max_retries": (0, 7),
    "stream": (True, False),
    "dotenv": (True, False),
    "images": ("ask", ["example.org"]),
}


@pytest.mark.parametrize(("name", "one", "other"), [(name, *both) for name, both in VALUES.items()], ids=VALUES)
def test_whoever_sets_a_setting_everybody_reads_it(far_shell: Shell, name: str, one: object, other: object) -> None:
    far_shell.run(f"%config LLMMagics.{name} = {one!r}")
    assert trait(far_shell, name) == one
    assert "%config LLMMagics" in row(far_shell.run("%llm_config").text, name)
    written = other if isinstance(other, str) else json.dumps(other)
    far_shell.run(f'%llm_config {name}="{written}"' if isinstance(other, str) else f"%llm_config {name}={written}")
    assert trait(far_shell, name) == other
    assert row(far_shell.run("%llm_config").text, name).endswith("%llm_config")
    far_shell.run(f"%config LLMMagics.{name} = {other!r}")  # said again, and so somebody else's word
    assert row(far_shell.run("%llm_config").text, name).endswith("%config LLMMagics")
    far_shell.run("%llm_config --reset")
    assert trait(far_shell, name) == other


def test_a_setting_without_a_trait_is_one_of_the_params(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%config LLMMagics.params = {'seed': 1, 'min_p': 0.1, 'top_p': 0.9}")
    assert (trait(far_shell, "top_p"), trait(far_shell, "params")) == (0.9, {"seed": 1, "min_p": 0.1})
    far_shell.run("%llm_config seed=2 top_k=5")
    assert trait(far_shell, "params") == {"seed": 2, "min_p": 0.1, "top_k": 5}
    shown = far_shell.run("%llm_config").text
    assert row(shown, "seed").split()[-1] == row(shown, "top_k").split()[-1] == "%llm_config"
    assert row(shown, "min_p").endswith("%config LLMMagics")
    far_shell.run("%llm_config --reset")
    assert trait(far_shell, "params") == {"seed": 1, "min_p": 0.1}


def test_reset_brings_back_what_config_and_ipython_config_py_had_set(far_shell: Shell, far: FarEnd) -> None:
    far_shell.ip.config.LLMMagics.temperature = 0.35
    far_shell.run("%reload_ext llm_magics")
    far_shell.run("%config LLMMagics.max_tokens = 30")
    far_shell.run("%llm_config temperature=0.7 max_tokens=70 top_p=0.7")
    far_shell.run("%llm_config temperature=0.8")
    far_shell.run("%llm_config --reset")
    names = ("temperature", "max_tokens", "top_p", "model")
    assert [trait(far_shell, name) for name in names] == [0.35, 30, None, None]


def test_one_setting_can_be_taken_back_alone(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%config LLMMagics.temperature = 0.5")
    far_shell.run("%llm_config temperature=0.7 max_tokens=70")
    assert "temperature" in far_shell.run("%llm_config --unset temperature").text
    assert (trait(far_shell, "temperature"), trait(far_shell, "max_tokens")) == (0.5, 70)
    done = far_shell.run("%llm_config --unset temprature")
    assert "Did you mean 'temperature'?" in done.errors
    assert "is not set here" in far_shell.run("%llm_config --unset temperature").errors


def test_what_llm_config_set_outlives_a_reload(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%llm_config temperature=0.7 seed=3")
    far_shell.run("%reload_ext llm_magics")
    assert (trait(far_shell, "temperature"), trait(far_shell, "model")) == (0.7, "far")
    assert sent(far_shell, far)["seed"] == 3


def test_a_line_that_fails_leaves_every_trait_as_it_was(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%config LLMMagics.max_tokens = 30")
    far_shell.run("%llm_config temperature=0.7 seed=3")
    shown = far_shell.run("%llm_config").text
    assert far_shell.run("%llm_config temperature=0.9 max_tokens=90 seed=9 top_k=9 nosuch").error
    assert [trait(far_shell, name) for name in ("temperature", "max_tokens", "params")] == [0.7, 30, {"seed": 3}]
    assert far_shell.run("%llm_config").text == shown


def test_a_file_read_now_is_a_newer_word_than_config_and_none_than_what_was_typed(
    far_shell: Shell, far: FarEnd, home: Path
) -> None:
    write(home / "work" / "more.toml", "temperature = 0.1\ntop_p = 0.1\nseed = 1\n")
    far_shell.run("%config LLMMagics.temperature = 0.5")
    far_shell.run("%config LLMMagics.params = {'seed': 5}")
    far_shell.run("%llm_config top_p=0.7")
    far_shell.run("%llm_config --file more.toml")
    body = sent(far_shell, far)
    assert (body["temperature"], body["top_p"], body["seed"]) == (0.1, 0.7, 1)
    far_shell.run("%config LLMMagics.temperature = 0.5")
    assert sent(far_shell, far)["temperature"] == 0.5


def test_ipython_config_py_sets_the_same_traits(far_shell: Shell, far: FarEnd) -> None:
    far_shell.ip.config.LLMMagics.temperature = 0.35
    far_shell.run("%reload_ext llm_magics")
    assert sent(far_shell, far)["temperature"] == 0.35


REFUSED = {
    "temperature": ("9.0", "temperature: 9.0 is not usable; it takes a number from 0 to 2."),
    "max_tokens": ("'many'", "max_tokens: 'many' is not usable; it takes a whole number from 1 to"),
    "images": ("['not a host']", "images: a list is not usable; it takes block, ask, or a list of hosts"),
    "params": ("{'temprature': 1}", "unknown setting 'temprature'. Did you mean 'temperature'?"),
    "model": ("7", "model: 7 is not usable; it takes text."),
}


@pytest.mark.parametrize(("name", "value", "said"), [(name, *both) for name, both in REFUSED.items()], ids=REFUSED)
def test_a_value_that_no_setting_can_have_is_refused_in_one_line(
    far_shell: Shell, far: FarEnd, caplog: pytest.LogCaptureFixture, name: str, value: str, said: str
) -> None:
    before = trait(far_shell, name)
    far_shell.run(f"%config LLMMagics.{name} = {value}")
    (told,) = caplog.messages  # how IPython tells of any trait
    assert told.startswith(said)
    assert len(told.splitlines()) == 1
    assert trait(far_shell, name) == before
    assert far_shell.run("%%llm\nHi").error is None


def test_an_ipython_config_py_that_cannot_be_used_is_told_by_every_prompt(far_shell: Shell, far: FarEnd) -> None:
    far_shell.ip.config.LLMMagics.temperature = 9.0
    far_shell.run("%reload_ext llm_magics")
    assert "%config LLMMagics: temperature: 9.0 is not usable" in far_shell.run("%%llm\nHi").errors
    assert far.chats == []
    far_shell.ip.config.LLMMagics.temperature = 0.9
    far_shell.run("%reload_ext llm_magics")
    assert sent(far_shell, far)["temperature"] == 0.9


def test_layers_override_each_other_in_their_order(
    far_shell: Shell, far: FarEnd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "config" / "config.toml", "temperature = 0.1\ntop_p = 0.1\nseed = 1\nmax_tokens = 1")
    assert sent(far_shell, far)["temperature"] == 0.1
    write(home / "work" / "llm_magics.toml", "temperature = 0.2\ntop_p = 0.2\nseed = 2")
    assert sent(far_shell, far)["temperature"] == 0.2
    monkeypatch.setenv("LLM_MAGICS_TEMPERATURE", "0.3")
    monkeypatch.setenv("LLM_MAGICS_TOP_P", "0.3")
    assert sent(far_shell, far)["temperature"] == 0.3
    far_shell.run("%config LLMMagics.temperature = 0.4")
    body = sent(far_shell, far)
    assert (body["temperature"], body["top_p"], body["seed"], body["max_tokens"]) == (0.4, 0.3, 2, 1)
    shown = far_shell.run("%llm_config").text
    assert "%config LLMMagics" in row(shown, "temperature")
    assert "environment" in row(shown, "top_p")
    assert f"project file {home / 'work' / 'llm_magics.toml'}" in row(shown, "seed")
    assert f"user file {home / 'config' / 'config.toml'}" in row(shown, "max_tokens")


def test_a_project_file_is_found_by_walking_up(
    far_shell: Shell, far: FarEnd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "work" / "pyproject.toml", "[tool.llm_magics]\ntemperature = 0.6\n")
    below = home / "work" / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert sent(far_shell, far)["temperature"] == 0.6


def test_a_file_that_changes_is_read_again(far_shell: Shell, far: FarEnd, home: Path) -> None:
    path = write(home / "config" / "config.toml", "temperature = 0.1")
    assert sent(far_shell, far)["temperature"] == 0.1
    path.write_text("temperature = 0.25")
    assert sent(far_shell, far)["temperature"] == 0.25


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("models.toml", '[models.mine]\nbase_url = "{url}"\nmodel = "m-1"\n'),
        ("models.yaml", "models:\n  mine:\n    base_url: {url}\n    model: m-1\n"),
        ("models.json", '{{"models": {{"mine": {{"base_url": "{url}", "model": "m-1"}}}}}}'),
    ],
)
def test_files_of_every_kind_bring_models(shell: Shell, far: FarEnd, home: Path, name: str, text: str) -> None:
    write(home / "work" / name, text.format(url=far.base_url))
    assert "models.mine" in shell.run(f"%llm_config --file {name}").text
    assert sent(shell, far)["model"] == "m-1"


def test_a_users_first_model_is_the_default_one(shell: Shell, far: FarEnd, home: Path) -> None:
    write(
        home / "config" / "config.toml",
        f'[models.a]\nbase_url = "{far.base_url}"\n[models.b]\nbase_url = "http://x/v1"',
    )
    assert sent(shell, far)["model"] == "a"


def test_choosing_a_model_and_another_of_its_endpoint(far_shell: Shell, far: FarEnd) -> None:
    assert far_shell.run("%llm_config demo").text.startswith("Model: demo @ this machine")
    far_shell.run("%llm_config far/large")
    assert sent(far_shell, far)["model"] == "large"


def test_settings_are_saved_without_keys_beside_the_users_own_file(
    far_shell: Shell, far: FarEnd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write(home / "config" / "config.toml", "# my own words\ntop_p = 0.5\n")
    far_shell.run("%llm_config temperature=0.3")
    monkeypatch.setattr(getpass, "getpass", lambda prompt: CANARY)
    far_shell.run("%llm_config --ask-key far")
    done = far_shell.run("%llm_config --save")
    saved = home / "config" / "saved.toml"
    assert str(saved) in done.text
    assert tomllib.loads(saved.read_text())["models"]["far"] == {"base_url": far.base_url}
    assert "canary" not in saved.read_text()
    assert own.read_text() == "# my own words\ntop_p = 0.5\n"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    far_shell.run("%llm_config --reset")
    body = sent(far_shell, far)
    assert (body["model"], body["temperature"], body["top_p"]) == ("far", 0.3, 0.5)


def test_models_are_listed_also_by_the_endpoint_itself(far_shell: Shell, far: FarEnd) -> None:
    far.models = ["small-one", "large-one"]
    shown = far_shell.run("%llm_config --models").text
    assert "far/small-one" in shown
    assert "ollama serve" in shown
    shown = far_shell.run("%llm_config --models *large*").text
    assert "far/large-one" in shown
    assert "small-one" not in shown
    assert "No model matches 'zzz'" in far_shell.run("%llm_config --models zzz").text


def test_an_endpoint_that_does_not_list_its_models_is_named(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda request: request.path == "/v1/models").fails(500, {"error": {"message": "No."}})
    shown = far_shell.run("%llm_config --models")
    assert "far did not say what it has: %llm_config --check far." in " ".join(shown.text.split())
    assert "Choose one with" in shown.text


def test_endpoints_are_asked_for_their_models_all_at_once(shell: Shell) -> None:
    with FarEnd() as first, FarEnd() as second:
        both = threading.Barrier(2, timeout=20)

        def once_both_are_asked(request: Request) -> Failure:
            both.wait()
            return Failure(200, {"data": [{"id": "only-one"}]})

        for name, far in {"first": first, "second": second}.items():
            far.when(lambda request: request.path == "/v1/models").computes(once_both_are_asked)
            shell.run(f"%llm_config --add {name} base_url={far.base_url}")
        shown = shell.run("%llm_config --models").text
    assert "first/only-one" in shown
    assert "second/only-one" in shown


def test_the_manager_is_shared_and_the_same_until_something_is_set(far_shell: Shell, far: FarEnd) -> None:
    manager = get_session().manager
    far_shell.run("%%llm\nHi")
    assert get_session().manager is manager
    assert manager.create_client("far") is manager.create_client("far")
    far_shell.run("%llm_config temperature=0.4")
    assert get_session().manager.get_model_config("far")["temperature"] == 0.4


# ---------------------------------------------------------------- mistakes


MISTAKES = {
    "an unknown setting": ("%llm_config temprature=1", "'temprature'", "'temperature'"),
    "no number": ("%llm_config temperature=hot", "'hot'", "a number"),
    "no seconds": ("%llm_config timeout=abc", "'abc'", "seconds"),
    "no time at all": ("%llm_config timeout=0", "timeout: 0", "above 0"),
    "a negative time": ("%llm_config timeout=-1", "timeout: -1", "above 0"),
    "a truth as a number": ("%llm_config timeout=true", "timeout: true", "seconds"),
    "half a token": ("%llm_config max_tokens=1.5", "1.5", "whole number"),
    "an unknown model": ("%llm_config frr", "no model 'frr'", "'far'"),
    "two models": ("%llm_config far demo", "far and demo", "choose one"),
    "a file that is not there": ("%llm_config --file nowhere.toml", "no such file", ""),
    "a folder": ("%llm_config --file .", "", "name the file"),
    "a model without an address": ("%llm_config --add new model=x", "needs the endpoint's address", "base_url="),
    "an address without a scheme": ("%llm_config --add new base_url=api.x.com", "'api.x.com'", "http"),
    "an address with its end": ("%llm_config --add new base_url=http://h/v1/chat/completions", "", "leave out"),
    "an address with a password": ("%llm_config --add new base_url=http://u:canary@h/v1", "password", "api_key_env"),
    "an address for all models": ("%llm_config base_url=http://h/v1", "belongs to one model", "--add"),
    "a key": (f"%llm_config api_key={CANARY}", "does not belong on this line", "--ask-key"),
    "a key as an option": (f"%llm_config --api-key {CANARY}", "does not belong on this line", "--ask-key"),
    "a key of a new model": (
        f"%llm_config --add x base_url=http://h/v1 api_key={CANARY}",
        "does not belong",
        "--ask-key",
    ),
    "a key for an unknown model": ("%llm_config --ask-key frr", "no model 'frr'", "'far'"),
}


@pytest.mark.parametrize(("line", "wrong", "next_move"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_and_changes_nothing(
    far_shell: Shell, far: FarEnd, line: str, wrong: str, next_move: str
) -> None:
    before = far_shell.run("%llm_config").text
    done = far_shell.run(line)
    assert isinstance(done.error, UsageError)
    assert wrong in done.errors
    assert next_move in done.errors
    assert len(done.errors.strip().splitlines()) == 1
    assert "canary" not in done.errors
    assert far_shell.run("%llm_config").text == before


def test_a_broken_file_is_named_with_its_line_and_the_magics_still_load(far_shell: Shell, home: Path) -> None:
    path = write(home / "config" / "config.toml", "temperature = 0.1\ntop_p = = 2\n")
    done = far_shell.run("%%llm\nHi")
    assert f"{path}:2:" in done.errors
    path.unlink()
    assert far_shell.run("%%llm\nHi").error is None


# ---------------------------------------------------------------- keys


def test_a_missing_key_is_told_with_where_it_belongs(shell: Shell) -> None:
    done = shell.run("%%llm -m openai\nHi")
    assert "OPENAI_API_KEY" in done.errors
    assert "%llm_config --ask-key openai" in done.errors
    assert "platform.openai.com" in done.errors
    assert "missing (OPENAI_API_KEY)" in shell.run("%llm_config openai").text


def test_an_empty_key_counts_as_missing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "  ")
    assert "OPENAI_API_KEY" in shell.run("%%llm -m openai\nHi").errors


def test_a_dotenv_file_is_read_only_when_opted_in(shell: Shell, far: FarEnd, home: Path) -> None:
    write(home / "work" / ".env", f"FAR_KEY={CANARY}\n")
    shell.run(f"%llm_config --add far base_url={far.base_url} api_key_env=FAR_KEY")
    sent(shell, far)
    assert CANARY not in far.chats[-1].headers.get("authorization", "")
    shell.run("%llm_config dotenv=true")
    sent(shell, far)
    assert far.chats[-1].headers["authorization"] == f"Bearer {CANARY}"
    assert "set (.env FAR_KEY)" in shell.run("%llm_config").text


def test_a_projects_file_does_not_opt_in_to_its_own_dotenv_file(shell: Shell, far: FarEnd, home: Path) -> None:
    write(home / "work" / ".env", f"FAR_KEY={CANARY}\n")
    write(home / "work" / "llm_magics.toml", "dotenv = true\n")
    shell.run(f"%llm_config --add far base_url={far.base_url} api_key_env=FAR_KEY")
    sent(shell, far)
    assert CANARY not in far.chats[-1].headers.get("authorization", "")


def test_the_key_store_is_asked_last(shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring", reason="the extra is not installed")

    class Store(keyring.backend.KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            return CANARY if (service, username) == ("llm_magics", "FAR_KEY") else None

        def set_password(self, service: str, username: str, password: str) -> None: ...

    before = keyring.get_keyring()
    keyring.set_keyring(Store())
    try:
        shell.run(f"%llm_config --add far base_url={far.base_url} api_key_env=FAR_KEY")
        sent(shell, far)
        assert far.chats[-1].headers["authorization"] == f"Bearer {CANARY}"
    finally:
        keyring.set_keyring(before)


def test_a_typed_key_goes_to_its_host_only(far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: CANARY)
    far_shell.run("%llm_config --ask-key far")
    sent(far_shell, far)
    assert far.chats[-1].headers["authorization"] == f"Bearer {CANARY}"
    with FarEnd() as other:
        far_shell.run(f"%llm_config --add far base_url={other.base_url}")
        sent(far_shell, other)
        assert CANARY not in other.chats[-1].headers.get("authorization", "")


def test_no_local_key_is_needed_and_none_is_made_up_from_the_environment(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    sent(far_shell, far)
    assert far.chats[-1].headers["authorization"] == f"Bearer {secrets.NO_KEY}"


def test_a_project_file_does_not_send_a_key_or_a_prompt_to_a_host_nobody_approved(
    shell: Shell, far: FarEnd, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    text = f'[models.openai]\nbase_url = "{far.base_url}"\n'
    project = write(home / "work" / "llm_magics.toml", text)
    done = shell.run("%%llm -m openai\nHi")
    assert str(project) in done.errors
    assert "%llm_config --trust" in done.errors
    assert far.requests == []
    shell.run("%llm_config --trust")
    sent(shell, far, "%%llm -m openai\nHi")
    project.write_text(text + "# changed\n")
    assert "%llm_config --trust" in shell.run("%%llm -m openai\nHi").errors


@pytest.mark.parametrize("host", ["127.evil.example", "127.0.0.1.evil.example", "localhost.evil.example"])
def test_a_host_that_only_looks_like_this_machine_is_not_taken_for_it(shell: Shell, home: Path, host: str) -> None:
    write(home / "work" / "llm_magics.toml", f'[models.here]\nbase_url = "http://{host}/v1"\n')
    assert "%llm_config --trust" in shell.run("%%llm -m here\nHi").errors


def test_a_project_file_may_name_a_keyless_model_on_this_machine(shell: Shell, far: FarEnd, home: Path) -> None:
    write(home / "work" / "llm_magics.toml", f'model = "here"\n[models.here]\nbase_url = "{far.base_url}"\n')
    assert sent(shell, far)["model"] == "here"


def test_no_key_is_in_the_sessions_reprs(far_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: CANARY)
    far_shell.run("%llm_config --ask-key far")
    here = get_session()
    told = [vars(here), vars(here.configuration), here.manager, here.manager.config]
    assert "canary" not in repr([*told, here.configuration.connection("far")])


# ---------------------------------------------------------------- local servers


@pytest.fixture
def ollama() -> Iterator[FarEnd]:
    """A server on Ollama's usual port."""
    try:
        server = FarEnd(port=11434, models=("qwen3:8b",))
    except OSError:
        pytest.skip("something else stands on port 11434")
    with server:
        yield server


def test_a_local_server_is_found_when_there_is_nothing_else(shell: Shell, ollama: FarEnd) -> None:
    told = "(asked ollama, which was found running at 127.0.0.1:11434)\n"
    assert shell.run("%%llm\nHi").text == f"{told}Hello from the far end.\n"
    assert shell.run("%%llm\nHi").text == "Hello from the far end.\n"
    assert ollama.chats[-1].body["model"] == "qwen3:8b"
    assert row(shell.run("%llm_config").text, "model").split()[1:] == ["ollama", "found", "on", "its", "port"]


def test_a_local_server_is_not_looked_for_when_there_is_something_else(
    far_shell: Shell, far: FarEnd, ollama: FarEnd
) -> None:
    sent(far_shell, far)
    far_shell.run("%llm_config")
    assert ollama.requests == []


def test_a_local_server_can_be_named_at_any_time(far_shell: Shell, ollama: FarEnd) -> None:
    assert sent(far_shell, ollama, "%%llm -m ollama\nHi")["model"] == "qwen3:8b"
    assert "ollama/qwen3:8b" in far_shell.run("%llm_config --models").text


def test_a_name_in_the_environment_may_be_a_local_server(
    shell: Shell, ollama: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_MAGICS_MODEL", "ollama")
    assert sent(shell, ollama)["model"] == "qwen3:8b"
