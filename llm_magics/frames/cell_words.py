"""One value of a table in one line, as data: texts are JSON strings, so that nothing in them can pass for our words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

CELL = 200  # characters of one value
ITEMS = 20  # of a list or a mapping within a value
DEPTH = 4
_BARE = ("date", "datetime", "time", "timedelta", "Timestamp", "Timedelta")  # told without quotes: they hold no text
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


def word(value: Any, limit: int = CELL) -> str:
    """The value in one line of printable characters; what was cut is said.

    >>> word("a\\nb"), word(None), word(1.5), word(["x", 2])
    ('"a\\\\nb"', 'null', '1.5', '["x", 2]')
    """
    try:
        return _word(value, limit, DEPTH)
    except Exception as error:  # noqa: BLE001 - the value's own class tells it, and may raise anything
        return f"<{type(value).__name__}: {type(error).__name__}>"


def line(values: Any, limit: int = CELL) -> str:
    """A row: its values with commas between."""
    return ",".join(word(value, limit) for value in values)


def counted(number: int, thing: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _word(value: Any, limit: int, depth: int) -> str:
    if hasattr(value, "tolist") and type(value).__module__ == "numpy":
        value = value.tolist()
    kind = type(value).__name__
    if value is None or kind in ("NAType", "NaTType") or (isinstance(value, float) and math.isnan(value)):
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return _cut(str(value), limit)
    if kind in _BARE:
        return _cut(_escaped(str(value)), limit)
    if isinstance(value, bytes | bytearray | memoryview):
        held = bytes(value[: limit // 2])
        return quoted("0x" + held.hex(), limit) + (f" ({len(value):,} bytes)" if len(value) > len(held) else "")
    return _many(value, limit, depth) if _is_many(value) else quoted(str(value), limit)


def one_line(text: str) -> str:
    """Somebody's sentence in one line of printable characters."""
    return _escaped(" ".join(text.split()))


def quoted(text: str, limit: int = CELL) -> str:
    """A text as a JSON string in which every character can be seen."""
    rest = f" ({len(text):,} characters)" if len(text) > limit else ""
    return _escaped(json.dumps(text[:limit] + ("…" if rest else ""), ensure_ascii=False)) + rest


def _is_many(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset | Mapping) or hasattr(value, "to_list")


def _many(value: Any, limit: int, depth: int) -> str:
    if depth == 0:
        return '"…"'
    if isinstance(value, Mapping):
        pairs = [f"{quoted(str(key), limit)}: {_word(inner, limit, depth - 1)}" for key, inner in _some(value.items())]
        return _cut("{" + ", ".join(pairs + _more(value)) + "}", limit)
    items = value.to_list() if hasattr(value, "to_list") else value
    return _cut("[" + ", ".join([_word(item, limit, depth - 1) for item in _some(items)] + _more(items)) + "]", limit)


def _some(items: Any) -> list[Any]:
    return [item for _, item in zip(range(ITEMS), items, strict=False)]


def _more(items: Any) -> list[str]:
    return [f"… {len(items) - ITEMS:,} more"] if len(items) > ITEMS else []


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def _escaped(text: str) -> str:
    r"""Characters that show as nothing, or move others, as ``\uXXXX``; letters of every language stay."""
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub(lambda match: match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1], text)
