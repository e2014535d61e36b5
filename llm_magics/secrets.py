"""API keys: a value that does not print itself, the places it may come from, and its removal from text.

Sources, in this order (the first that has a value wins): ``api_key`` in the settings a caller passed from Python; a key
typed at the `getpass` prompt; the environment; a ``.env`` file, where opted in; the operating system's key store.
"""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from llm_magics.errors import ConfigError
from llm_magics.redaction import Redactor, redactor

NO_KEY = "not-needed"  # keyless local servers: the SDK refuses an empty key, the servers ignore this one
KEYRING_SERVICE = "llm_magics"
PATIENCE = 3.0  # seconds for the key store


class Secret:
    """A key that shows as ``Secret('***')`` wherever it is printed, formatted, or found in a traceback.

    Two secrets are equal when their values are; it hashes like its value, is its own copy, cannot be pickled, and gives
    its value only to `reveal`.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The key itself, for the one place that sends it."""
        return self.__value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self.__value

    def __hash__(self) -> int:
        return hash(self.__value)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret has no state to show")

    def redact(self, text: str) -> str:
        """``text`` without the key, in whatever form: see `redaction`."""
        return redactor_of([self]).text(text)


def redactor_of(keys: Iterable[Secret], *, answers: bool = False) -> Redactor:
    """What takes these keys out of texts; see `redaction.redactor`."""
    return redactor([key.reveal() for key in keys if key.reveal() != NO_KEY], answers=answers)


def cleaned(value: str, source: str) -> Secret:
    """A key as it can stand in an HTTP header, without the blanks and quotes that copying brings along.

    Raises:
        ConfigError: it has characters no header can carry; the message names their place, never the key.
    """
    value = value.strip().strip("\ufeff").strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1].strip()  # quotes of the shell, or of the file, it was copied from
    if not value:
        raise ConfigError(f"the key from {source} is empty: copy it again")
    for place, char in enumerate(value, 1):
        if not 0x21 <= ord(char) <= 0x7E:
            kind = "a blank" if char.isspace() else f"the character U+{ord(char):04X}"
            raise ConfigError(f"the key from {source} has {kind} at position {place}: copy it again")
    return Secret(value)


def from_environment(names: tuple[str, ...]) -> tuple[Secret, str] | None:
    """The first of these environment variables that holds something, and a word for the source."""
    for name in names:
        if os.environ.get(name, "").strip():
            return cleaned(os.environ[name], f"the environment variable {name}"), f"environment {name}"
    return None


def from_dotenv(names: tuple[str, ...], folder: Path) -> tuple[Secret, str] | None:
    """The same, out of ``folder/.env``; nothing of the file enters this process's environment."""
    path = folder / ".env"
    if not path.is_file():
        return None
    import dotenv

    try:
        values: Mapping[str, str | None] = dotenv.dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'it is no text'}).") from None
    for name in names:
        if (values.get(name) or "").strip():
            return cleaned(values[name] or "", f"{path} ({name})"), f".env {name}"
    return None


def from_keyring(names: tuple[str, ...]) -> tuple[Secret, str] | None:
    """The same, out of the operating system's key store (extra ``keyring``), service ``llm_magics``.

    A key store that is absent, locked, broken or silent is no reason to fail: the next source is asked.
    """
    for name in names:
        value = _key_store().read(name)
        if value and value.strip():
            return cleaned(value, f"the key store ({name})"), f"key store {name}"
    return None


class _KeyStore:
    """The operating system's key store, asked on a thread of its own: one that waits for a prompt nobody sees would
    hold the kernel up for ever. Once it has been silent for `PATIENCE` seconds it is not asked again."""

    def __init__(self) -> None:
        self._is_silent = False
        self._asked: dict[str, _Question] = {}

    def read(self, name: str) -> str | None:
        """What it keeps under this name, if it says so in time."""
        if self._is_silent:
            return None
        # Someone may have interrupted the wait for an earlier answer: it is not asked a second time meanwhile.
        question = self._asked.get(name)
        if question is None:
            question = self._asked[name] = _Question(name)
        answered = question.answered.wait(PATIENCE)
        self._is_silent = not answered
        self._asked.pop(name, None)
        return question.answer


class _Question:
    """The key store being asked for one name."""

    def __init__(self, name: str) -> None:
        self.answer: str | None = None
        self.answered = threading.Event()  # joining a thread is no way to wait: an interrupted join forgets the thread
        threading.Thread(target=self._ask, args=(name,), daemon=True, name="llm_magics-keys").start()

    def _ask(self, name: str) -> None:
        self.answer = _ask_key_store(name)
        self.answered.set()


def _ask_key_store(name: str) -> str | None:
    try:
        import keyring

        value = keyring.get_password(KEYRING_SERVICE, name)
    except Exception:  # noqa: BLE001 - its many backends raise what they like; a thread is where that ends
        return None
    return value if isinstance(value, str) else None


@functools.cache
def _key_store() -> _KeyStore:
    return _KeyStore()


def find_key(names: tuple[str, ...], *, dotenv_folder: Path | None = None) -> tuple[Secret, str] | None:
    """The key that goes by one of these names, and where it was found; None when it is nowhere."""
    sources: list[Callable[[], tuple[Secret, str] | None]] = [lambda: from_environment(names)]
    if dotenv_folder is not None:
        sources.append(lambda: from_dotenv(names, dotenv_folder))
    sources.append(lambda: from_keyring(names))
    for source in sources:
        if found := source():
            return found
    return None


def in_environment(names: Iterable[str]) -> list[Secret]:
    """All that these environment variables hold."""
    return [Secret(value) for name in names if (value := os.environ.get(name, "").strip())]


def is_set(names: tuple[str, ...]) -> bool:
    """Whether one of these environment variables holds something; opens no file and no key store."""
    return any(os.environ.get(name, "").strip() for name in names)


def is_there(names: tuple[str, ...]) -> bool:
    """Whether one of these environment variables exists, if only as an empty one."""
    return any(name in os.environ for name in names)


def looks_like_key_name(option: str) -> bool:
    """Whether an option's name asks for a secret, so that its value must not stand in a cell."""
    word = option.lower().replace("-", "_").lstrip("_")
    return word in _KEY_NAMES or word.endswith(("api_key", "apikey", "access_token", "secret", "password"))


def in_header(name: str, value: str) -> list[Secret]:
    """The keys in a header: nothing of one whose name asks for none, else each of its words."""
    if not KEY_HEADER.search(name):
        return []
    return [Secret(re.sub(r"^\w+=(?=.)", "", word)) for word in re.split(r"[\s;,]+", value)]


def written_in(settings: Any, depth: int = 10) -> Iterator[Secret]:
    """The keys that stand in settings: in headers, and in every table under a name that asks for one."""
    if isinstance(settings, list | tuple) and depth:
        for inner in settings:
            yield from written_in(inner, depth - 1)
    if not isinstance(settings, Mapping) or not depth:
        return
    for name, inner in settings.items():
        if name == "headers" and isinstance(inner, Mapping):
            texts = [(str(header), inner[header]) for header in inner if isinstance(inner[header], str | Secret)]
            yield from (key for header, text in texts for key in in_header(header, plain(text)))
        elif isinstance(inner, str | Secret):
            # "key" alone is what many tables call the name of something.
            if looks_like_key_name(str(name)) and str(name).lower() != "key":
                yield Secret(plain(inner))
        else:
            yield from written_in(inner, depth - 1)


def plain(value: Any) -> Any:
    """What a `Secret` holds; anything else as it is."""
    return value.reveal() if isinstance(value, Secret) else value


# Headers whose values are keys, or hold one.
KEY_HEADER = re.compile("auth|bearer|cookie|credential|jwt|key|passphrase|passw|secret|session|signature|token", re.I)
_KEY_NAMES = {"key", "token", "authorization", "bearer"}
