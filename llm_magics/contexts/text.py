"""Everything else: text as it is, other objects as Python writes them."""

from __future__ import annotations

import traceback
from typing import Any


def describe(obj: Any, budget: int) -> str:
    """``str`` of what is meant to be read, ``repr`` of data; an object whose own text fails is told by its class."""
    if isinstance(obj, str):
        return obj
    if isinstance(obj, bytes | bytearray):
        return f"{len(obj):,} bytes: {bytes(obj[:200])!r}{'…' if len(obj) > 200 else ''}"
    if isinstance(obj, BaseException):
        return "".join(traceback.format_exception_only(obj)).strip()
    try:
        told = str(obj)
    except Exception as error:  # noqa: BLE001 - the user's own class may raise anything
        return f"<{type(obj).__name__}: its text failed with {type(error).__name__}>"
    return told
