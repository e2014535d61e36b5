"""A tool's arguments come out of a sentence: this finds the numbers, names, quotes and dates a text gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from llm_magics.demo import words

_LONGEST = 4000  # characters; nobody hides an argument behind more
_WORD = re.compile(r"[^\W\d_](?:[\w'’.-]*\w)?")
_NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|\.\d)")
_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|«([^»\n]+)»|`([^`\n]+)`|(?<!\w)'([^'\n]+)'(?!\w)")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?\b")
_WHEN = words.listed(
    "today tomorrow yesterday tonight monday tuesday wednesday thursday friday saturday sunday january february march "
    "april may june july august september october november december"
)
_CONNECTORS = words.listed("de da do di del der den van von of the upon sur am la le el al y")
_ABBREVIATIONS = frozenset({"St", "Mt", "Ft", "Dr", "Mr", "Mrs", "Ms"})
_STARTERS = (
    words.listed(
        """add ask book buy call check compare convert count create delete divide fetch google hello hey hi i'd i'll i'm
        i've list multiply open order play please read remind return run search send set show subtract sum thanks
        translate today tomorrow weather what's how's where's who's ok okay mr the time use using schedule roll sort
        lookup calculate compute report plan plot draw save start stop turn update write"""
    )
    | words.STOP
)
_JOINT = re.compile(r"\s*,\s*|\s*(?:,\s*)?(?:\band\b|&)\s+(?:(?:in|for|of|at|to)\s+)?|\s*(?:,\s*)?\bas well as\s+")
_PHRASE = r"\b(?:%s)\s+(?!(?:%s)\b)([^\W\d_][\w'’-]*(?:\s+[^\W\d_][\w'’-]*){0,5})"
_PLACED = "in|at|for|of|near|about|around|on"


@dataclass(frozen=True)
class Name:
    """A name in the text, where it stands, and the word before it, which may tell its role."""

    text: str
    start: int
    end: int
    before: str = ""


@dataclass
class Given:
    """What a text gives. Values are taken as they are used, so that no two parameters get the same one."""

    text: str
    quoted: list[str] = field(default_factory=list)
    numbers: list[re.Match[str]] = field(default_factory=list)
    names: list[Name] = field(default_factory=list)
    ignored: frozenset[str] = frozenset()  # the tool's own words, in lower case: `Weather` is no name of a place

    @classmethod
    def of(cls, text: str, ignored: frozenset[str] = frozenset()) -> Given:
        text = text[:_LONGEST]
        bare = _QUOTED.sub(lambda quote: " " * len(quote[0]), text)
        quoted = [next(filter(None, quote.groups())) for quote in _QUOTED.finditer(text)]
        undated = _DATE.sub(lambda date: "x" * len(date[0]), bare)
        names = list(_names(bare, ignored)) or list(_phrases(bare, _PLACED))
        return cls(text, quoted, list(_NUMBER.finditer(undated)), names, ignored)

    def only(self, name: Name) -> Given:
        """The same text, as if it named this one name alone."""
        return replace(self, names=[name], quoted=list(self.quoted), numbers=list(self.numbers))

    def forget(self, value: str) -> None:
        """A value that was used for something else is no longer a name."""
        self.names = [name for name in self.names if name.text.lower() != value.lower()]

    def joined(self) -> list[Name]:
        """The first names listed with an `and`: `Oslo, Rome and Paris`."""
        for start in range(len(self.names)):
            end = start + 1
            while end < len(self.names) and _JOINT.fullmatch(self._between(end)):
                end += 1
            if end - start > 1 and re.search(r"and|&|well", self._between(end - 1)):
                return self.names[start:end]
        return []

    def _between(self, index: int) -> str:
        return self.text[self.names[index - 1].end : self.names[index].start]

    def labelled(self, label: str) -> str | None:
        """The value in `label=value` or `label: value`."""
        spelled = re.escape(label).replace("_", r"[\s_-]")
        found = re.search(rf"(?<!\w){spelled}\s*[=:]\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s,;]+))", self.text, re.IGNORECASE)
        return next((group for group in found.groups() if group is not None), None) if found else None

    def behind_own(self) -> str | None:
        """The word behind one of the tool's own: `sales` in `describe the frame sales`."""
        own = {words.stem(word) for word in self.ignored}
        said: list[str] = re.findall(r"[^\W\d_]\w*", self.text)
        for word, behind in pairwise(said):
            if words.stem(word) in own and words.stem(behind) not in own and behind.lower() not in words.STOP:
                return behind
        return None

    def take_quoted(self) -> str | None:
        return self.quoted.pop(0) if self.quoted else None

    def take_name(self, before: tuple[str, ...] = ()) -> str | None:
        """The next name, or the next one that follows one of these words."""
        for index, name in enumerate(self.names):
            if not before or name.before in before:
                return self.names.pop(index).text
        return next((name.text for name in _phrases(self.text, "|".join(before))), None) if before else None

    def take_number(self, near: set[str], integral: bool, anywhere: bool) -> float | int | None:
        """A number with one of these words beside it, else the next one when it may stand anywhere."""
        fitting = [number for number in self.numbers if not (integral and "." in number[0])]
        beside = [number for number in fitting if near & self._neighbours(number)]
        chosen = next(iter(beside or (fitting if anywhere else [])), None)
        if chosen is None:
            return None
        self.numbers.remove(chosen)
        return _as_number(chosen[0])

    def _neighbours(self, number: re.Match[str]) -> set[str]:
        before = re.findall(r"\w+", self.text[: number.start()])[-2:]
        after = re.findall(r"\w+", self.text[number.end() :])[:1]
        return {words.stem(word) for word in before + after} - words.STOP

    def mentions(self, value: str) -> bool:
        spelled = r"[\s_-]+".join(map(re.escape, re.split(r"[\s_-]+", value)))
        return bool(value) and re.search(rf"(?<!\w){spelled}(?!\w)", self.text, re.IGNORECASE) is not None

    def date(self) -> str | None:
        found = _DATE.search(self.text)
        return found[0] if found else None

    def when(self) -> str | None:
        """A date, or a word for a day."""
        found = re.search(rf"\b(?:{'|'.join(sorted(_WHEN))})\b", self.text, re.IGNORECASE)
        return self.date() or (found[0] if found else None)

    def pattern(self, expression: str) -> str | None:
        found = re.search(expression, self.text)
        return found[0] if found else None


def _as_number(written: str) -> float | int:
    plain = written.replace("−", "-").replace(",", "")
    plain = plain[:300]  # beyond that a float would be infinite
    return float(plain) if "." in plain else int(plain)


def _names(text: str, ignored: frozenset[str]) -> Iterator[Name]:
    """Runs of capitalised words, without those that are only capitalised because they begin a sentence."""
    run: list[re.Match[str]] = []
    for word in [*_WORD.finditer(text), None]:
        if word is not None and _continues(text, run, word):
            run.append(word)
            continue
        yield from _name(text, run, ignored)
        run = [word] if word is not None and word[0][0].isupper() else []


def _continues(text: str, run: list[re.Match[str]], word: re.Match[str]) -> bool:
    if not run or not (word[0][0].isupper() or word[0] in _CONNECTORS):
        return False
    between = text[run[-1].end() : word.start()]
    return between == " " or (between == ". " and run[-1][0] in _ABBREVIATIONS)


def _name(text: str, run: list[re.Match[str]], ignored: frozenset[str]) -> Iterator[Name]:
    while run and _is_no_name(run[0][0].lower(), ignored):
        run = run[1:]
    while run and (run[-1][0] in _CONNECTORS or run[-1][0].lower() in _WHEN):
        run = run[:-1]
    if run:
        start, end = run[0].start(), run[-1].end()
        before = re.findall(r"\w+", text[:start])[-1:]
        name = re.sub(r"['’]s$", "", text[start:end])
        yield Name(name, start, start + len(name), before[0].lower() if before else "")


def _is_no_name(word: str, ignored: frozenset[str]) -> bool:
    return word in _STARTERS or word in _WHEN or word in ignored or word in _CONNECTORS


def _phrases(text: str, prepositions: str) -> Iterator[Name]:
    """What stands behind a preposition, for those who write `weather in oslo`."""
    skipped = "|".join(sorted(words.STOP | _WHEN))
    for found in re.finditer(_PHRASE % (prepositions, skipped), text, re.IGNORECASE):
        start = found.start(1)
        for part in re.split(r"(\s+and\s+)", found[1]):
            kept = re.match(rf"(?:(?!(?:{skipped}|{prepositions})\b)[\w'’-]+\s?)+", part, re.IGNORECASE)
            if kept and part.strip() != "and":
                yield Name(kept[0].strip(), start, start + len(kept[0].rstrip()), found[0].split()[0].lower())
            start += len(part)
            if kept and kept.end() < len(part):
                break
