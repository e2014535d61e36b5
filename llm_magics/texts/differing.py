"""What the kinds of comparing share: what they return, and how they say how much differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from llm_magics.printable import short_line
from llm_magics.texts.pairing import Row
from llm_magics.texts.quantities import TOLERANCE, Quantity, apart, percent

MAX_NAMED = 4  # things that a summary names
MAX_SHOWN = 40  # characters of one


class Found(NamedTuple):
    """Rows, and one line that sums them up."""

    rows: tuple[Row, ...]
    summary: str


class NotThisKind(ValueError):
    """Texts that cannot be compared this way; says why."""


def counted(some: int, total: int, thing: str) -> str:
    """How many of them differ.

    >>> counted(1, 7, "field"), counted(1, 1, "word")
    ('1 of 7 fields differs', 'the word differs')
    """
    if total == 1:
        return f"the {thing} differs"
    return f"{some:,} of {total:,} {thing}s differ{'s' if some == 1 else ''}"


def named(things: Sequence[str], joint: str = ", ") -> str:
    """The first few of them, and how many more there are."""
    shown = [short_line(thing, MAX_SHOWN) for thing in things[:MAX_NAMED]]
    more = len(things) - len(shown)
    return joint.join(shown) + (f" and {more:,} more" if more > 0 else "")


def numbers_apart(pairs: Sequence[tuple[Quantity, Quantity]]) -> str:
    """How far numbers are apart, two by two."""
    return named([f"{one.text} and {other.text} by {percent(apart(one, other))}" for one, other in pairs])


def within(pairs: Sequence[tuple[Quantity, Quantity]], tolerance: float | None) -> str:
    """What passes as equal and is not quite, so that it is not hidden."""
    shown = named([f"{one.text} and {other.text}" for one, other in pairs])
    return f"equal within {percent(TOLERANCE if tolerance is None else tolerance)}: {shown}"
