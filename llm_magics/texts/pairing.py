"""Lexemes of two texts in rows: what stands beside what, and which parts of it differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, zip_longest

from llm_magics.texts.alignment import Block, align
from llm_magics.texts.lexer import LINE, SENTENCE, Lexeme

CHANCE = 4  # words on both sides that differ for each equal one between them, which then is equal by chance


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of one side's text."""

    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What stands side by side; a side without segments has nothing there. ``label`` is a field's path."""

    left: tuple[Segment, ...]
    right: tuple[Segment, ...]
    label: str = ""

    @property
    def differs(self) -> bool:
        """Whether any part of it does."""
        return any(segment.differs for segment in (*self.left, *self.right))


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two texts in rows.

    Attributes:
        rows: in the order of the texts.
        pairs: the lexemes that stand for each other, equal by their keys.
        changes: what stands in place of what: lexemes of the left, lexemes of the right.
    """

    rows: tuple[Row, ...]
    pairs: tuple[tuple[Lexeme, Lexeme], ...]
    changes: tuple[tuple[tuple[Lexeme, ...], tuple[Lexeme, ...]], ...]

    @property
    def words_apart(self) -> int:
        """How many words differ: of each change, those of its longer side."""
        return sum(max(sum(one.is_word for one in side) for side in change) for change in self.changes)

    @property
    def words(self) -> int:
        """How many words there are, equal or not."""
        return self.words_apart + sum(left.is_word for left, _ in self.pairs)


def pair(
    left: Sequence[Lexeme], right: Sequence[Lexeme], differs: Callable[[Lexeme, Lexeme], bool] = lambda a, b: False
) -> Pairing:
    """Two texts in rows, cut where on both sides a line ends, or a sentence.

    ``differs`` says of two lexemes with the same key whether they differ all the same.
    """
    rows = _Rows()
    pairs: list[tuple[Lexeme, Lexeme]] = []
    changes: list[tuple[tuple[Lexeme, ...], tuple[Lexeme, ...]]] = []
    for equal, i1, i2, j1, j2 in _blocks(left, right):
        if equal:
            for one, other in zip(left[i1:i2], right[j1:j2], strict=True):
                pairs.append((one, other))
                rows.add([one], [other], differs=differs(one, other))
            continue
        changes.append((tuple(left[i1:i2]), tuple(right[j1:j2])))
        for ones, others in zip_longest(_lines(left[i1:i2]), _lines(right[j1:j2]), fillvalue=()):
            rows.add(ones, others, differs=True)
    return Pairing(rows.close(), tuple(pairs), tuple(changes))


def one_row(left: str, right: str, *, differs: bool, label: str = "") -> Row:
    """A row of two texts that are not looked into."""
    return Row((Segment(left, differs),), (Segment(right, differs),), label)


def _blocks(left: Sequence[Lexeme], right: Sequence[Lexeme]) -> list[Block]:
    """Blocks of lexemes: sentences that are equal first, then what is equal within the others."""
    lefts, rights = _sentences(left), _sentences(right)
    found: list[Block] = []
    for equal, i1, i2, j1, j2 in align([key for key, _, _ in lefts], [key for key, _, _ in rights]):
        i, next_i = _span(lefts, i1, i2)
        j, next_j = _span(rights, j1, j2)
        if equal:
            found.append(Block(True, i, next_i, j, next_j))
            continue
        inner = align([one.key for one in left[i:next_i]], [one.key for one in right[j:next_j]])
        found += [Block(one.equal, i + one.i1, i + one.i2, j + one.j1, j + one.j2) for one in inner]
    return _merged(_without_chance(_merged(found)))


def _sentences(lexemes: Sequence[Lexeme]) -> list[tuple[tuple[str, ...], int, int]]:
    """Each sentence's keys, and where it stands."""
    return [(tuple(one.key for one in lexemes[i:j]), i, j) for i, j in _pieces(lexemes, SENTENCE)]


def _span(sentences: list[tuple[tuple[str, ...], int, int]], first: int, end: int) -> tuple[int, int]:
    if first < end:
        return sentences[first][1], sentences[end - 1][2]
    place = sentences[first][1] if first < len(sentences) else sentences[-1][2] if sentences else 0
    return place, place


def _without_chance(blocks: list[Block]) -> list[Block]:
    """The blocks without equal words that stand alone among many that differ: an "and" is in every text."""
    kept = list(blocks)
    for place in range(1, len(blocks) - 1):
        before, one, after = blocks[place - 1 : place + 2]
        smaller = min(max(b.i2 - b.i1, b.j2 - b.j1) for b in (before, after))
        if one.equal and not before.equal and not after.equal and CHANCE * (one.i2 - one.i1) <= smaller:
            kept[place] = one._replace(equal=False)
    return kept


def _merged(blocks: Iterable[Block]) -> list[Block]:
    merged: list[Block] = []
    for block in blocks:
        if merged and merged[-1].equal == block.equal:
            merged[-1] = merged[-1]._replace(i2=block.i2, j2=block.j2)
        else:
            merged.append(block)
    return merged


def _lines(lexemes: Sequence[Lexeme]) -> list[Sequence[Lexeme]]:
    return [lexemes[i:j] for i, j in _pieces(lexemes, LINE)]


def _pieces(lexemes: Sequence[Lexeme], least: int) -> Iterator[tuple[int, int]]:
    """Where each piece begins and stops: at the end of a line, or, with `SENTENCE`, of a sentence."""
    start = 0
    for place, lexeme in enumerate(lexemes, 1):
        if lexeme.end >= least or place == len(lexemes):
            yield start, place
            start = place


@dataclass(slots=True)
class _Side:
    """One side of a row while it grows: lexemes, and whether they differ."""

    parts: list[tuple[Lexeme, bool]] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.parts[-1][0].end if self.parts else LINE

    def segments(self) -> tuple[Segment, ...]:
        """The text, its blanks kept out of what is marked."""
        pieces: list[tuple[str, bool]] = []
        for place, (lexeme, differs) in enumerate(self.parts):
            before = differs and place > 0 and self.parts[place - 1][1]
            behind = differs and place + 1 < len(self.parts) and self.parts[place + 1][1]
            pieces += [(lexeme.lead, before), (lexeme.text, differs), (lexeme.trail, behind)]
        whole = [(text, differs) for text, differs in pieces if text]
        if whole and not whole[-1][0].strip():
            whole.pop()
        found = []
        for differs, group in groupby(whole, key=lambda piece: piece[1]):
            found.append(Segment("".join(text for text, _ in group), differs))
        return tuple(found)


class _Rows:
    """Rows while they grow."""

    def __init__(self) -> None:
        self._rows: list[tuple[_Side, _Side]] = []
        self._left, self._right = _Side(), _Side()
        self._open = False  # whether the last row may grow: it is equal, and its line goes on

    def add(self, left: Sequence[Lexeme], right: Sequence[Lexeme], *, differs: bool) -> None:
        """Set these side by side, and end the row where both sides end something."""
        self._left.parts += [(lexeme, differs) for lexeme in left]
        self._right.parts += [(lexeme, differs) for lexeme in right]
        end = min(self._left.end, self._right.end)
        if end >= SENTENCE:
            self._cut(end)

    def close(self) -> tuple[Row, ...]:
        """All rows."""
        if self._left.parts or self._right.parts:
            self._cut(LINE)
        return tuple(Row(left.segments(), right.segments()) for left, right in self._rows)

    def _cut(self, end: int) -> None:
        equal = not any(differs for side in (self._left, self._right) for _, differs in side.parts)
        if equal and self._open:
            for grown, more in zip(self._rows[-1], (self._left, self._right), strict=True):
                grown.parts += more.parts
        else:
            self._rows.append((self._left, self._right))
        self._open = equal and end == SENTENCE
        self._left, self._right = _Side(), _Side()
