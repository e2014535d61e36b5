"""Texts as lexemes: the words, numbers and signs that count when texts are compared, with the blanks that do not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from llm_magics.texts import quantities
from llm_magics.texts.quantities import Quantity

SENTENCE, LINE = 1, 2  # what a lexeme can be the end of
# Signs of ASCII without the underscore, of Latin-1, of typography, arrows and mathematics, and their full-width forms.
_SIGNS = (
    r"!-/:-@\[-\^`{-~\u00a1-\u00a7\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u2010-\u2027\u2030-\u205e"
    r"\u2190-\u23ff\u3001-\u3003\u3008-\u3020\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
# Scripts that put no blanks between words: each character is a word, with the marks that stand on it.
_LONE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3040-\u3098\u309b-\u30ff\u31f0-\u31ff"
    r"\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_MARKS = r"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef"
_IN_WORD = rf"[^\s{_SIGNS}{_LONE}]"
_PROSE = re.compile(
    rf"""(?P<space>\s+)|{quantities.PATTERN}|(?P<lone>[{_LONE}][{_MARKS}]*)
    |(?P<word>{_IN_WORD}+(?:[.'’\-‐‑]{_IN_WORD}+)*)|(?P<sign_>.)(?P=sign_)*""",
    re.X | re.S,
)
_CODE = re.compile(
    r"""(?P<space>\s+)|(?P<word>\w+)|(?P<sign_>"(?:[^"\\\n]|\\.){0,400}"|'(?:[^'\\\n]|\\.){0,400}'|[()\[\]{}]"""
    r"""|[^\w\s()\[\]{}"']+|.)""",
    re.S,
)
_TYPOGRAPHY = str.maketrans("’‘‛“”„‟‐‑\u00a0", '\'\'\'""""-- ')
_ENDS = frozenset(".!?…。！？")
_ENDS_ALONE = frozenset("。！？")  # no blank follows them


class Lexeme(NamedTuple):
    """One word, number or sign.

    Attributes:
        text: as it was written.
        key: what is compared.
        lead: the indentation before it, where it begins a line.
        trail: the blanks behind it, up to the end of their line.
        end: `SENTENCE`, `LINE`, or 0 where something follows.
        is_word: whether it counts as a word.
        quantity: what it says, if it is a number.
    """

    text: str
    key: str
    lead: str
    trail: str
    end: int
    is_word: bool
    quantity: Quantity | None = None


def prose(text: str) -> list[Lexeme]:
    """The lexemes of prose: blanks, typographic quotes and the spelling of numbers do not count, case does.

    >>> [lexeme.text for lexeme in prose("It's 1,234.5 km. 東京!")]
    ["It's", '1,234.5 km', '.', '東', '京', '!']
    """
    return list(read(text))


def read(text: str) -> Iterator[Lexeme]:
    """The same one by one, for who may stop early."""
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    return _lexemes(_PROSE.finditer(text), indented=False)


def code(text: str, *, indented: bool) -> list[Lexeme]:
    """The lexemes of code in any language; ``indented`` says that the blanks at the beginning of a line mean something.

    >>> [lexeme.text for lexeme in code("f( x )==1", indented=False)]
    ['f', '(', 'x', ')', '==', '1']
    """
    return list(_lexemes(_CODE.finditer(text), indented=indented))


def _lexemes(matches: Iterator[re.Match[str]], *, indented: bool) -> Iterator[Lexeme]:
    """What was found, each with the blanks around it."""
    waiting: re.Match[str] | None = None
    lead = ""
    for match in matches:
        if match.lastgroup != "space":
            if waiting:
                yield _lexeme(waiting, lead, "", indented)
                lead = ""
            waiting = match
            continue
        line, newline, indent = match[0].rpartition("\n")
        if waiting:
            yield _lexeme(waiting, lead, line + newline if newline else match[0], indented)
            waiting, lead = None, indent if newline else ""
        else:  # the text begins with blanks
            lead = indent
    if waiting:
        yield _lexeme(waiting, lead, "\n", indented)


def _lexeme(match: re.Match[str], lead: str, trail: str, indented: bool) -> Lexeme:
    text, group = match[0], match.lastgroup
    end = LINE if "\n" in trail else SENTENCE if text[-1] in _ENDS and (trail or text[-1] in _ENDS_ALONE) else 0
    quantity = None if group in ("word", "lone", "sign_") else quantities.found(match)
    key = quantity.spelled if quantity else text if text.isascii() else text.translate(_TYPOGRAPHY)
    if indented and lead:
        key = lead.expandtabs(4) + key
    return Lexeme(text, key, lead, trail, end, group != "sign_", quantity)
