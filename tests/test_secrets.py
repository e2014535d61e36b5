"""API keys: a value that never shows itself, the places it comes from, and its removal from text."""

from __future__ import annotations

import base64
import builtins
import copy
import dataclasses
import json
import logging
import pickle
import pprint
import sys
import threading
import time
import traceback
import types
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.lib.pretty import pretty

from llm_magics import secrets
from llm_magics.errors import ConfigError
from llm_magics.secrets import NO_KEY, Secret, cleaned, find_key, looks_like_key_name

KEY = "sk-canary-0123456789+/="
NAMES = ("FAR_API_KEY", "FAR_TOKEN")


@dataclasses.dataclass(frozen=True)
class Holder:
    key: Secret


SHOWN: dict[str, Any] = {
    "repr": repr,
    "str": str,
    "an f-string": lambda key: f"{key} {key!r} {key!s} {key:>40}",
    "percent": lambda key: "%s %r" % (key, key),  # noqa: UP031 - it is what is tested
    "format": lambda key: "{0} {0:x}".format(key),  # noqa: UP032
    "a list": lambda key: repr([key, {key: key}, (key,)]),
    "a dataclass": lambda key: repr(Holder(key)),
    "as a dictionary": lambda key: repr(dataclasses.asdict(Holder(key))),
    "pretty": lambda key: pretty({"key": key}) + pprint.pformat({"key": key}),
    "copies": lambda key: repr([copy.copy(key), copy.deepcopy({"key": key})]),
    "attributes": lambda key: repr([getattr(key, name) for name in dir(key) if not name.startswith("_Secret")]),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_a_secret_shows_stars(show: Any) -> None:
    shown = show(Secret(KEY))
    assert "canary" not in shown
    assert "***" in shown or show is SHOWN["attributes"]


def test_a_secret_cannot_be_written_away() -> None:
    key = Secret(KEY)
    for write in (
        *(
            lambda key, protocol=protocol: pickle.dumps(key, protocol)
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
        json.dumps,
        vars,
        lambda key: key.__getstate__(),
        lambda key: key + "",
        len,
        iter,
    ):
        with pytest.raises(TypeError) as caught:
            write(key)
        assert "canary" not in str(caught.value)


def test_a_secret_is_no_part_of_logs_and_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    key = Secret(KEY)
    logging.getLogger("llm_magics").warning("using %s and %r", key, {"key": key})
    try:
        raise ValueError(key)
    except ValueError:
        shown = "".join(traceback.TracebackException(*sys.exc_info(), capture_locals=True).format())
    assert "sk-canary" not in caplog.text + shown.replace(repr(KEY), "")


def test_a_secret_is_equal_to_its_like_and_gives_its_value_when_asked() -> None:
    assert Secret(KEY) == Secret(KEY) != Secret("other")
    assert Secret(KEY) != KEY
    assert len({Secret(KEY), Secret(KEY)}) == 1
    assert Secret(KEY).reveal() == KEY
    assert (bool(Secret("")), bool(Secret(KEY))) == (False, True)


# ---------------------------------------------------------------- in texts


def test_a_key_is_taken_out_of_text_in_whatever_form() -> None:
    forms = [
        KEY,
        urllib.parse.quote(KEY, safe=""),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        KEY[:12] + "****" + "9",
        KEY[:10] + "…",
        f"Bearer {KEY}",
    ]
    for form in forms:
        told = Secret(KEY).redact(f"Incorrect API key provided: {form}. Try again.")
        assert "***" in told
        assert told.endswith("Try again.")
        assert KEY[:8] not in told
        assert form[7:15] not in told


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_a_key_is_taken_out_of_base64_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    told = Secret(KEY).redact(base64.b64encode(before + KEY.encode() + after).decode())
    assert "***" in told
    around = len(base64.b64encode(before)) + len(base64.b64encode(after))
    assert len(told) - len("***") <= around + 8  # at the seams a character belongs half to the key


@given(st.text())
def test_text_without_the_key_stays_as_it_is(text: str) -> None:
    assert Secret(KEY).redact(text) == text


def test_what_is_no_secret_is_not_looked_for() -> None:
    for value in ("", "a", "1234567", NO_KEY):
        assert Secret(value).redact(f"a 1234567 {NO_KEY}") == f"a 1234567 {NO_KEY}"


# ---------------------------------------------------------------- as they are typed


@pytest.mark.parametrize(
    "typed",
    [f"{KEY}\n", f"  {KEY}\t", f"\ufeff{KEY}", f'"{KEY}"', f"'{KEY}' ", f'\ufeff "{KEY}"\r\n', f'" {KEY} "'],
)
def test_what_copying_brings_along_is_left_out(typed: str) -> None:
    assert cleaned(typed, "there").reveal() == KEY


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("sk-canary x", "the key from there has a blank at position 10: copy it again"),
        ("sk-canary\u00e9", "has the character U+00E9 at position 10"),
        ("sk-\u200bcanary", "has the character U+200B at position 4"),
        ("sk-canary\x00", "has the character U+0000 at position 10"),
        ("Bearer sk-canary", "has a blank at position 7"),
        ("sk-canary\nsk-other", "has a blank at position 10"),
        ('""', "the key from there is empty: copy it again"),
        ("  ", "the key from there is empty"),
    ],
)
def test_a_key_that_no_header_can_carry_is_told_by_its_place(typed: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cleaned(typed, "there")
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["--api-key", "api_key", "APIKEY", "--token", "key", "openai_api_key", "X-Api-Key", "client_secret", "password"],
)
def test_names_that_ask_for_a_secret_are_known(name: str) -> None:
    assert looks_like_key_name(name)


@pytest.mark.parametrize(
    "name", ["--model", "max_tokens", "prompt_cache_key", "stop_token_ids", "--ask-key", "api_key_env", ""]
)
def test_other_names_are_none(name: str) -> None:
    assert not looks_like_key_name(name)


# ---------------------------------------------------------------- where they come from


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A key store; what it holds under ``answer`` is called instead."""
    held: dict[str, Any] = {}

    def get_password(service: str, name: str) -> Any:
        assert service == "llm_magics"
        return held["answer"]() if "answer" in held else held.get(name)

    module = types.ModuleType("keyring")
    module.get_password = get_password  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    secrets._key_store.cache_clear()
    return held


def where(folder: Path | None = None) -> str | None:
    found = find_key(NAMES, dotenv_folder=folder)
    assert found is None or isinstance(found[0], Secret)
    return found and f"{found[0].reveal()} from {found[1]}"


def test_the_environment_goes_before_the_file_and_the_file_before_the_store(
    home: Path, store: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert where(home) is None
    store["FAR_TOKEN"] = "stored-2\n"
    assert where(home) == "stored-2 from key store FAR_TOKEN"
    store["FAR_API_KEY"] = "stored-1"
    assert where(home) == "stored-1 from key store FAR_API_KEY"
    (home / ".env").write_text("FAR_TOKEN='filed'\nFAR_API_KEY=\n")
    assert where(home) == "filed from .env FAR_TOKEN"
    assert where(None) == "stored-1 from key store FAR_API_KEY"
    monkeypatch.setenv("FAR_TOKEN", " set ")
    assert where(home) == "set from environment FAR_TOKEN"
    monkeypatch.setenv("FAR_API_KEY", "  ")
    assert where(home) == "set from environment FAR_TOKEN"
    assert secrets.is_set(NAMES)
    assert not secrets.is_set(("FAR_API_KEY",))


def test_a_dotenv_file_is_read_as_it_stands(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "leak")
    (home / ".env").write_bytes(b'\xef\xbb\xbfexport FAR_API_KEY="a${OTHER}b" # mine\nnot a line\n')
    assert where(home) == "a${OTHER}b from .env FAR_API_KEY"
    assert "FAR_API_KEY" not in __import__("os").environ
    (home / ".env").write_bytes(b"FAR_API_KEY=\xff\xfe")
    with pytest.raises(ConfigError, match=r"\.env: cannot be read \(it is no text\)"):
        where(home)
    (home / ".env").unlink()
    (home / ".env").mkdir()
    assert where(home) is None


def test_a_bad_key_is_told_with_its_source(home: Path, store: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    store["FAR_API_KEY"] = "sk-canary x"
    with pytest.raises(ConfigError, match=r"the key from the key store \(FAR_API_KEY\) has a blank at position 10"):
        where()
    (home / ".env").write_text("FAR_API_KEY='sk-canary x'")
    with pytest.raises(ConfigError, match=r"\.env \(FAR_API_KEY\) has a blank"):
        where(home)
    monkeypatch.setenv("FAR_API_KEY", "sk-canary x")
    with pytest.raises(ConfigError, match="the environment variable FAR_API_KEY has a blank"):
        where(home)


class Locked(Exception):
    """What a backend may raise: nothing that anybody else knows."""


def raises(error: BaseException) -> Any:
    def answer() -> None:
        raise error

    return answer


@pytest.mark.parametrize(
    "answer", [raises(Locked()), raises(RuntimeError()), raises(SystemError()), lambda: 5, lambda: b"x", lambda: ""]
)
def test_a_store_that_fails_is_passed_over(store: dict[str, Any], answer: Any) -> None:
    store["answer"] = answer
    assert where() is None


def test_a_store_that_is_not_installed_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "keyring":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    secrets._key_store.cache_clear()
    assert where() is None


def test_a_store_that_never_answers_is_waited_for_once(store: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    store["answer"] = over.wait
    monkeypatch.setattr(secrets, "PATIENCE", 0.5)
    begun = time.perf_counter()
    assert [where() for _ in range(40)] == [None] * 40
    assert time.perf_counter() - begun < 10
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "llm_magics-keys")
    over.set()
    secrets._key_store.cache_clear()


def test_no_name_asks_nobody(store: dict[str, Any]) -> None:
    store["answer"] = raises(AssertionError())
    assert find_key(()) is None
