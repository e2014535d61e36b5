"""Texts that are the same but for their numbers: number by number, equal within a tolerance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

from llm_magics.texts import lexer
from llm_magics.texts.differing import Found, counted, numbers_apart, within
from llm_magics.texts.lexer import Lexeme
from llm_magics.texts.pairing import pair
from llm_magics.texts.quantities import apart, percent, same


def fits(left: str, right: str) -> bool:
    """Whether the words are the same, and some number is another, or written in another way."""
    respelled = False
    for one, other in zip_longest(_open(lexer.read(left)), _open(lexer.read(right))):
        if one is None or other is None or one.key != other.key:
            return False
        respelled = respelled or (one.quantity is not None and one.text != other.text)
    return respelled


def compare(left: str, right: str, names: tuple[str, str], tolerance: float | None) -> Found:
    """The numbers that are further from each other than ``tolerance``, and the words that differ besides."""

    def is_far(one: Lexeme, other: Lexeme) -> bool:
        return bool(one.quantity and other.quantity and not same(one.quantity, other.quantity, tolerance))

    found = pair(list(_open(lexer.read(left))), list(_open(lexer.read(right))), differs=is_far)
    pairs = [(one, other, is_far(one, other)) for one, other in found.pairs if one.quantity and other.quantity]
    both = [(one.quantity, other.quantity, far) for one, other, far in pairs if one.quantity and other.quantity]
    far = [(one, other) for one, other, is_far in both if is_far]
    near = [(one, other) for one, other, is_far in both if not is_far and one.value != other.value]
    said = []
    if len(far) == 1:
        one, other = far[0]
        said.append(f"{one.text} and {other.text} differ by {percent(apart(one, other))}")
    elif far:
        said.append(f"{counted(len(far), len(both), 'number')}: {numbers_apart(far)}")
    if near:
        said.append(within(near, tolerance))
    if found.words_apart:
        said.append(counted(found.words_apart, found.words, "word"))
    elif found.changes:
        said.append("signs differ")
    return Found(found.rows, "; ".join(said) or ("equal" if left == right else "equal but for formatting"))


def _open(lexemes: Iterable[Lexeme]) -> Iterator[Lexeme]:
    """The lexemes, where one number stands for any other of its kind."""
    return (one._replace(key=f"\0{one.quantity.kind}") if one.quantity else one for one in lexemes)
