"""What a setting may be: each kind of value, looked at.

A check gives the value that it was given, or raises `ValueError` with the words for what would be one.
"""

from __future__ import annotations

import re
import sys
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from llm_magics.secrets import Secret

EXAMPLE = "http://localhost:8000/v1"


def number(value: Any) -> float:
    """A finite number that is not a bool."""
    if not _is_number(value):
        raise ValueError("a number")
    return value


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def between(low: float, high: float) -> Callable[[Any], Any]:
    """A check for a number within two limits, both allowed."""

    def check(value: Any) -> Any:
        if not _is_number(value) or not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return value

    return check


def whole(low: int, high: int = 2**31 - 1) -> Callable[[Any], Any]:
    """A check for a whole number within two limits."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high:_}".replace("_", " "))
        return value

    return check


def seconds(value: Any) -> Any:
    """A timeout: a number of seconds above 0."""
    if not _is_number(value) or value <= 0:
        raise ValueError("a finite number of seconds above 0")
    return value


def text(value: Any) -> Any:
    """Any string."""
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def name_or_names(value: Any) -> Any:
    """The name of an environment variable, or a list of names to try in order."""
    names = list(value) if isinstance(value, list | tuple) else [value]
    # Letters of both cases and digits without a break are no name, but the key itself.
    pattern = r"(?!(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9]{20,}$)[A-Za-z_][A-Za-z0-9_]*"
    if names and all(isinstance(name, str) and re.fullmatch(pattern, name) for name in names):
        return value
    raise ValueError("the name of the environment variable that holds the key, not the key")


def key(value: Any) -> Any:
    """A key, plain or already kept as a secret."""
    return value if isinstance(value, Secret) else text(value)


def truth(value: Any) -> Any:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def tools(value: Any) -> Any:
    """The names of tools and toolsets, as a list or with commas between; or tools in the SDK's form."""
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    given = list(value) if isinstance(value, list | tuple) else [value]
    if all(isinstance(one, str) and re.fullmatch(r"[\w.-]+", one) for one in given):
        return given
    if all(isinstance(one, Mapping) for one in given):
        return value
    raise ValueError("names of tools and toolsets, such as weather,frames")


def table(value: Any) -> Any:
    """A mapping with text keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("a table of names and values")
    return value


def address(value: Any) -> Any:
    """An endpoint's base URL, without secrets in it and without the path the SDK adds itself."""
    text(value)
    try:
        parts = urllib.parse.urlsplit(value)
    except ValueError:
        raise ValueError(f"a URL such as {EXAMPLE}") from None
    if re.search(r"[\s\x00-\x1f\x7f\\]", value):
        raise ValueError("a URL without blanks")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"a URL such as {EXAMPLE}, with http:// or https:// in front")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("a URL without a password or a key in it: keys come from api_key_env")
    if not _is_port(parts):
        raise ValueError("a URL with a port from 1 to 65535")
    if not all(0 < len(label) < 64 for label in in_ascii(parts.hostname).removesuffix(".").split(".")):
        raise ValueError("a URL whose host is a name or a number")
    if end := re.search(r"(?:/chat)?/completions/*$|/responses/*$|/embeddings/*$", parts.path):
        raise ValueError(f"the URL without its end: leave out {end[0].rstrip('/')}")
    return value


def endpoint(value: Any) -> Any:
    """An MCP server's URL, without secrets in it."""
    try:
        return address(value)
    except ValueError as error:
        said = "a URL without a password or a key in it: keys go into headers" if "keys" in str(error) else error
        raise ValueError(said) from None


def command(value: Any) -> Any:
    """A program, or a list of a program and its arguments; no shell reads it."""
    texts([value] if isinstance(value, str) else value)
    if not value or not (value if isinstance(value, str) else value[0]).strip():
        raise ValueError('a program, or a list such as ["uvx", "mcp-server-time"]')
    return value


def texts(value: Any) -> Any:
    """A list of texts, as a program's arguments can be."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and "\0" not in one for one in value):
        raise ValueError("a list of texts")
    return value


def variables(value: Any) -> Any:
    """Environment variables with their values, plain or already kept as secrets."""
    for name, held in table(value).items():
        inner = held.reveal() if isinstance(held, Secret) else held
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or not isinstance(inner, str) or "\0" in inner:
            raise ValueError('a table of names and texts, such as {DATABASE = "sales.db"}')
    return value


def _is_port(parts: urllib.parse.SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def in_ascii(host: str) -> str:
    """A host's name as it is looked up and cannot be taken for another's: Cyrillic ``оpenai.com`` is not OpenAI's."""
    labels = host.lower().split(".")
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels)
