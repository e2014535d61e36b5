"""API keys: a value that does not print itself, the places it may come from, and its removal from text.

Sources, in this order (the first that has a value wins): ``api_key`` in the settings a caller passed from Python; a key
typed at the `getpass` prompt; the environment; a ``.env`` file, where opted in; the operating system's key store.
"""

from __future__ import annotations

import base64
import os
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from llm_magics.errors import ConfigError

NO_KEY = "not-needed"  # keyless local servers: the SDK refuses an empty key, the servers ignore this one
KEYRING_SERVICE = "llm_magics"


class Secret:
    """A key that shows as ``Secret('***')`` wherever it is printed, formatted, or found in a traceback.

    Two secrets are equal when their values are; it hashes like its value, cannot be pickled, and gives its value only to
    `reveal`.
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

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def redact(self, text: str) -> str:
        """``text`` without the key, also where it stands base64- or url-encoded."""
        if len(self.__value) < 8 or self.__value == NO_KEY:
            return text  # too short to be told from ordinary words, or no secret at all
        for form in self._forms():
            text = text.replace(form, "***")
        return text

    def _forms(self) -> list[str]:
        raw = self.__value.encode()
        return [self.__value, urllib.parse.quote(self.__value, safe=""), base64.b64encode(raw).decode().rstrip("=")]


def cleaned(value: str, source: str) -> Secret:
    """A key as it can stand in an HTTP header.

    Raises:
        ConfigError: it has characters no header can carry; the message names their place, never the key.
    """
    value = value.strip().strip("\ufeff").strip()
    for place, char in enumerate(value, 1):
        if not 0x21 <= ord(char) <= 0x7E:
            kind = "a blank" if char.isspace() else "a character outside ASCII"
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

    values: Mapping[str, str | None] = dotenv.dotenv_values(path)
    for name in names:
        if (values.get(name) or "").strip():
            return cleaned(values[name] or "", f"{path} ({name})"), f".env {name}"
    return None


def from_keyring(names: tuple[str, ...]) -> tuple[Secret, str] | None:
    """The same, out of the operating system's key store (extra ``keyring``), service ``llm_magics``.

    A key store that is absent, locked or broken is no reason to fail: the next source is asked.
    """
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    for name in names:
        try:
            value = keyring.get_password(KEYRING_SERVICE, name)
        except (keyring.errors.KeyringError, RuntimeError, OSError):
            return None
        if value and value.strip():
            return cleaned(value, f"the key store ({name})"), f"key store {name}"
    return None


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


def is_set(names: tuple[str, ...]) -> bool:
    """Whether one of these environment variables holds something; opens no file and no key store."""
    return any(os.environ.get(name, "").strip() for name in names)


def looks_like_key_name(option: str) -> bool:
    """Whether an option's name asks for a secret, so that its value must not stand in a cell."""
    word = option.lower().replace("-", "_").lstrip("_")
    return word in {"api_key", "apikey", "key", "token", "secret", "password", "authorization", "bearer", "access_token"}
