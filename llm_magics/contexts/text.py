"""Everything else: text as it is, other objects as Python writes them."""

from __future__ import annotations

import traceback
from typing import Any

from llm_magics.contexts import Untellable

SHOWN = 200  # bytes of a binary value


def describe(obj: Any, budget: int) -> str:
    """``str`` of what is meant to be read; of bytes how many there are and how they begin.

    Raises:
        Untellable: its class says nothing of it but where it lies in memory.
    """
    if isinstance(obj, str):
        return obj
    if isinstance(obj, bytes | bytearray):
        return f"{len(obj):,} bytes: {bytes(obj[:SHOWN])!r}{'…' if len(obj) > SHOWN else ''}"
    if isinstance(obj, BaseException):
        return "".join(traceback.format_exception_only(obj)).strip()
    told = str(obj)
    if told == object.__repr__(obj):
        raise Untellable("has no text of its own: put one of its attributes, or give its class a method _repr_llm_()")
    return told
