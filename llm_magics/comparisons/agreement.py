"""Several answers to one question: which of them are equal, how many agree, and what varies between the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llm_magics.comparisons.differences import code, fields, numbers
from llm_magics.printable import short_line
from llm_magics.renderers.markdown import without_code
from llm_magics.texts import lexer
from llm_magics.texts.differing import NotThisKind, named
from llm_magics.texts.pairing import pair

SHORT = 60  # characters of answers that are quoted whole
MAX_GROUPS = 20  # groups that are compared with the first one
_EMPHASIS = re.compile(r"(?<!\w)(\*{1,3}|_{1,3}|`{1,2})(?=\S)([^\n]{1,200}?)(?<=\S)\1(?!\w)")
_MARKS = re.compile(r"^[ \t]*(?:#{1,6}|[-*+])[ \t]+", re.M)  # of a heading, or of an item in a list
_CLOSING = ".!,;:。！、"


@dataclass(frozen=True, slots=True)
class Group:
    """Answers that are equal.

    Attributes:
        text: as most of them are written.
        members: their places among the answers, from 0.
        spellings: in how many ways they are written.
    """

    text: str
    members: tuple[int, ...]
    spellings: int = 1

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.members)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far answers agree.

    Attributes:
        groups: equal answers, the most frequent first; among as frequent ones, what was answered first.
        varies: one line on what is equal or varies.
    """

    groups: tuple[Group, ...]
    varies: str

    @property
    def count(self) -> int:
        """How many answers there are."""
        return sum(group.count for group in self.groups)

    @property
    def share(self) -> float | None:
        """The share of the answers that are in the largest group; None without answers."""
        return self.groups[0].count / self.count if self.groups else None

    @property
    def pairs(self) -> float | None:
        """The share of pairs of answers whose two are equal: how likely two answers agree; None of fewer than two."""
        count = self.count
        equal = sum(group.count * (group.count - 1) for group in self.groups)
        return equal / (count * (count - 1)) if count > 1 else None


def agreement(texts: Sequence[str]) -> Agreement:
    """How far these answers agree.

    Answers are equal if they say the same up to case, blanks, typographic quotes, punctuation at their end, Markdown's
    emphasis, headings and bullets, the spelling of numbers, the order of keys in JSON, and the formatting of code.

    >>> agreement(["Oslo", "**oslo**.", "Bergen"]).varies
    "varies: 'Oslo' 2×, 'Bergen' 1×"
    """
    found: dict[object, list[int]] = {}
    for place, text in enumerate(texts):
        found.setdefault(normal(text), []).append(place)
    groups = tuple(_group(texts, members) for members in sorted(found.values(), key=lambda members: -len(members)))
    return Agreement(groups, _varies(groups, len(texts)))


def normal(text: str) -> object:
    """What is the same of two answers that say the same; it is hashable, and nothing else is promised of it."""
    try:
        if isinstance(value := fields.value_in(text), dict | list):
            return "json", fields.canonical(value)
    except (NotThisKind, RecursionError):
        pass
    if code.fits(text, text):
        return "code", tuple(one.key for one in code.lexemes(code.blocks_of(text))), _words(without_code(text))
    return "words", _words(text)


def _words(text: str) -> tuple[str, ...]:
    text = _EMPHASIS.sub(r"\2", _EMPHASIS.sub(r"\2", _MARKS.sub("", text)))
    return tuple(lexeme.key.casefold() for lexeme in lexer.prose(text.rstrip().rstrip(_CLOSING)))


def _group(texts: Sequence[str], members: list[int]) -> Group:
    written = Counter(texts[place] for place in members)
    return Group(written.most_common(1)[0][0], tuple(members), len(written))


def _varies(groups: tuple[Group, ...], count: int) -> str:
    if count < 2:
        return "nothing to compare" if not count else "one answer"
    if len(groups) == 1:
        both = "both" if count == 2 else f"all {count}"
        return f"{both} answers are equal" + (" but for formatting" if groups[0].spellings > 1 else "")
    compared = groups[:MAX_GROUPS]
    try:
        return _fields_that_vary(compared)
    except (NotThisKind, RecursionError):
        pass
    texts = [group.text.strip() for group in groups]
    if max(len(text) for text in texts) <= SHORT and not any("\n" in text for text in texts):
        return f"varies: {_tally([(repr(short_line(group.text, SHORT)), group.count) for group in groups])}"
    if all(numbers.fits(groups[0].text, group.text) for group in compared[1:]):
        return _numbers_that_vary(compared)
    return _words_that_vary(compared)


def _tally(things: Sequence[tuple[str, int]]) -> str:
    """What was said how often, the most frequent first."""
    total: Counter[str] = Counter()
    for thing, times in things:
        total[thing] += times
    return named([f"{thing} {times}×" for thing, times in total.most_common()])


def _fields_that_vary(groups: Sequence[Group]) -> str:
    """The fields of JSON that are not the same in all answers.

    Raises:
        NotThisKind: one of them is no JSON.
    """
    values = [fields.value_in(group.text) for group in groups]
    if not all(isinstance(value, dict | list) for value in values):
        raise NotThisKind("no object and no list")
    by_path = [fields.paths(value) for value in values]
    every = dict.fromkeys(path for paths in by_path for path in paths)
    varying = [path for path in every if len({paths.get(path) for paths in by_path}) > 1]
    said = [
        f"{path} ({_tally([(short_line(paths.get(path, 'absent'), SHORT), one.count) for paths, one in both])})"
        for path in varying[:2]
        for both in [list(zip(by_path, groups, strict=True))]
    ]
    more = len(varying) - len(said)
    return f"varies in {len(varying):,} of {len(every):,} fields: {', '.join(said)}" + (
        f" and {more:,} more" if more else ""
    )


def _numbers_that_vary(groups: Sequence[Group]) -> str:
    """The numbers that are not the same in all answers, which have the same words."""
    rows = [[one.quantity for one in lexer.prose(group.text) if one.quantity] for group in groups]
    columns = list(zip(*rows, strict=True))
    varying = [column for column in columns if len({one.spelled for one in column}) > 1]
    said = [_tally([(one.text, group.count) for one, group in zip(column, groups, strict=True)]) for column in varying]
    return f"varies in {len(varying):,} of {len(columns):,} numbers: {named(said, '; ')}"


def _words_that_vary(groups: Sequence[Group]) -> str:
    """How many of the most frequent answer's words are not in all others, and an example."""
    first = lexer.prose(groups[0].text)
    places = {id(lexeme): place for place, lexeme in enumerate(first) if lexeme.is_word}
    varying: set[int] = set()
    added, example = 0, ""
    for group in groups[1:]:
        found = pair(first, lexer.prose(group.text))
        more = 0
        for left, right in found.changes:
            gone = [places[id(one)] for one in left if one.is_word]
            varying.update(gone)
            more += max(0, sum(one.is_word for one in right) - len(gone))
            if not example and left and right:
                example = f", e.g. {_quoted(left)} / {_quoted(right)}"
        added = max(added, more)
    apart = len(varying) + added
    if not apart:
        return "answers differ in signs alone"
    return f"answers differ in {apart:,} of {len(places) + added:,} words{example}"


def _quoted(lexemes: Sequence[lexer.Lexeme]) -> str:
    return repr(short_line("".join(one.text + one.trail for one in lexemes), 30))
