"""Prose: word by word, where blanks, line breaks, typographic quotes and the spelling of numbers do not count."""

from __future__ import annotations

from llm_magics.texts.differing import Found, counted, named
from llm_magics.texts.lexer import prose
from llm_magics.texts.pairing import Pairing, pair


def fits(left: str, right: str) -> bool:
    """Any two texts have words."""
    return True


def compare(left: str, right: str, names: tuple[str, str], tolerance: float | None) -> Found:
    """The words that differ, in rows of sentences and lines."""
    found = pair(prose(left), prose(right))
    return Found(found.rows, "equal" if left == right else _summary(found))


def _summary(found: Pairing) -> str:
    if found.words_apart:
        return counted(found.words_apart, found.words, "word")
    if signs := [lexeme.text for change in found.changes for side in change for lexeme in side]:
        one = len(signs) == 1
        return f"the words are equal, {len(signs):,} sign{'' if one else 's'} differ{'s' if one else ''}: " + named(
            list(dict.fromkeys(signs)), " "
        )
    return "equal but for formatting"
