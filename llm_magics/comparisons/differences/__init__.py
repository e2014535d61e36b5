"""What differs between two answers: one kind of text a sibling, each with ``compare(left, right, names, tolerance)``.

A sibling returns rows and one line that sums them up, or raises `NotThisKind` for texts that it cannot read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from llm_magics.comparisons.differences import code, fields, numbers, words
from llm_magics.comparisons.side_by_side import Difference, Kind
from llm_magics.errors import UserMistake, did_you_mean, short
from llm_magics.printable import short_line
from llm_magics.texts.differing import Found, NotThisKind

Compare = Callable[[str, str, tuple[str, str], float | None], Found]

# In the order in which they are tried: each after those that read more out of a text.
KINDS: Mapping[Kind, tuple[Callable[[str, str], bool], Compare]] = {
    "fields": (fields.fits, fields.compare),
    "code": (code.fits, code.compare),
    "numbers": (numbers.fits, numbers.compare),
    "words": (words.fits, words.compare),
}
MAX_SUMMARY = 300


def difference(
    left: str,
    right: str,
    *,
    kind: Kind | Literal["auto"] = "auto",
    tolerance: float | None = None,
    names: Sequence[str] = ("left", "right"),
) -> Difference:
    """What differs between two texts, in rows that stand side by side.

    ``kind`` says how they are compared; ``auto`` finds out:

    - ``fields``: both are JSON, alone or in their only fenced block. The order of keys does not count.
    - ``code``: both are mostly fenced code. Formatting does not count, nor do quotes and comments of Python.
    - ``numbers``: both have the same words around other numbers.
    - ``words``: anything else. Blanks and typographic quotes do not count.

    In ``fields`` and ``numbers``, two numbers are equal within ``tolerance`` of the larger one. Unless given, that is
    0.01 where one of them is written with a fraction, an exponent or a percent sign; whole numbers are counts and
    years, and must be equal.

    Raises:
        UserMistake: there is no such kind, or no such tolerance.

    >>> difference("The mean is 0.48.", "The mean is 0.51.")
    Difference(numbers: 0.48 and 0.51 differ by 6 %)
    """
    if kind != "auto" and kind not in KINDS:
        raise UserMistake(
            f"kind={short(kind)}: no such kind.{did_you_mean(str(kind), KINDS)} Known: auto, {', '.join(KINDS)}."
        )
    if tolerance is not None and not (isinstance(tolerance, int | float) and 0 <= tolerance < float("inf")):
        raise UserMistake(f"tolerance={short(tolerance)}: takes a share of 0 or more, such as 0.01 for one percent.")
    one, other = (*names, "left", "right")[:2]
    both = (str(one), str(other))
    wanted = [name for name, (fits, _) in KINDS.items() if kind == name or (kind == "auto" and fits(left, right))]
    for name in (*wanted, "words"):
        try:
            rows, summary = KINDS[name][1](left, right, both, tolerance)
        except NotThisKind as error:
            why = f"{error}, so by words: "
            continue
        said = summary if kind in ("auto", name) else why + summary
        return Difference(kind=name, summary=short_line(said, MAX_SUMMARY), rows=rows, names=both)
    raise AssertionError("any two texts can be compared by words")
