"""Everything else: text as it is, other objects as Python writes them."""

from __future__ import annotations

import re
import traceback
from typing import Any

from llm_magics.contexts import Untellable

SHOWN = 200  # bytes of a binary value
# What classes without a text of their own say, pictures among them.
_ADDRESS = re.compile(r"<[^<>\n]* (?:at 0x[0-9A-Fa-f]+|object)>")


def describe(obj: Any, budget: int) -> str:
    """``str`` of what is meant to be read; of bytes how many there are and how they begin.

    Raises:
        Untellable: its class says nothing of it but its name and where it lies in memory.
    """
    if isinstance(obj, str):
        return obj
    if isinstance(obj, bytes | bytearray):
        return f"{len(obj):,} bytes: {bytes(obj[:SHOWN])!r}{'…' if len(obj) > SHOWN else ''}"
    if isinstance(obj, BaseException):
        return "".join(traceback.format_exception_only(obj)).strip()
    if isinstance(obj, memoryview):
        return describe(obj.tobytes(), budget)
    try:
        told = str(obj)
    except ValueError:
        if type(obj) is not int:
            raise
        digits = f"{obj.bit_length() * 0.30103:,.0f}"
        raise Untellable(f"has about {digits} digits, more than Python writes: put hex(…) of it, or a part") from None
    if _ADDRESS.fullmatch(told):
        raise Untellable("has no text of its own: put one of its attributes, or give its class a method _repr_llm_()")
    return told
