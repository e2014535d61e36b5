"""What differs between two texts, drawn side by side, on a page and in a terminal; hostile texts only show."""

from __future__ import annotations

import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from llm_magics.channel import size_of
from llm_magics.printable import clean, short_line
from llm_magics.safe.html import LEFT, safe_bundle, words
from llm_magics.texts.pairing import Row, Segment

Kind = Literal["words", "code", "fields", "numbers"]
CONTEXT = 2  # equal rows that are shown before and behind what differs
FOLDED = 3  # equal rows from which on they are counted rather than shown
MAX_BYTES = 200_000  # of HTML: a page with more is slow, and Jupyter drops larger messages
MAX_PLAIN = 8_000  # characters of the text beside it; str() has all of it
NARROW = 60  # columns of a terminal that are too few for two texts beside each other
WIDEST = 160
MAX_CELL = 20_000  # characters of one cell of a page
TAG = 8  # characters that a segment takes besides its text, about
MAX_NAME = 40
MAX_LABEL = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs between two texts; a cell's value that draws itself.

    Attributes:
        kind: how they were compared: ``words``, ``code``, ``fields`` or ``numbers``.
        summary: one line, such as ``5 of 42 words differ``.
        rows: what stands beside what.
        names: what the two are called.
    """

    kind: Kind
    summary: str
    rows: tuple[Row, ...]
    names: tuple[str, str] = ("left", "right")

    def __repr__(self) -> str:
        return f"Difference({self.kind}: {self.summary})"

    def __str__(self) -> str:
        return plain(self, shutil.get_terminal_size((100, 24)).columns)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        text = plain(self, shutil.get_terminal_size((100, 24)).columns, MAX_PLAIN)
        return safe_bundle({"text/plain": text, "text/html": page(self)})


def page(difference: Difference) -> str:
    """HTML for a page: a table of two columns, what differs struck out on the left and underlined on the right."""
    labelled = any(row.label for row in difference.rows)
    heads = "".join(_cell("th", words(name)) for name in _head(difference, labelled))
    shown = [f"<p><b>{words(difference.summary)}</b></p><table><thead><tr>{heads}</tr></thead><tbody>"]
    room = MAX_BYTES - size_of(shown[0])
    pieces = list(_folded(difference.rows))
    for place, piece in enumerate(pieces):
        cells = _page_row(piece, labelled, difference.kind == "code")
        room -= size_of(cells)
        if room < 0:
            left = sum(one if isinstance(one, int) else 1 for one in pieces[place:])
            shown.append(_page_row(left, labelled, False, "more"))
            break
        shown.append(cells)
    return f"{''.join(shown)}</tbody></table>"


def plain(difference: Difference, width: int, most: int | None = None) -> str:
    """Text for a terminal of this width: two columns, or one below the other where it is narrow.

    ``most`` is how many characters it may have, about; what is left out is said.

    ``[-…-]`` differs on the left, ``{+…+}`` on the right; ``|``, ``<`` and ``>`` between the columns say that a row
    differs, or stands on the left or the right alone.
    """
    width = max(20, min(width, WIDEST))
    draw = _beside if width >= NARROW else _below
    lines, room = [clean(difference.summary), ""], most or sys.maxsize
    for line in draw(difference, width, room):
        if (room := room - len(line)) < 0:
            lines.append("… and more: print() shows all of it")
            break
        lines.append(line)
    return "\n".join(lines).rstrip()


def _folded(rows: Sequence[Row]) -> Iterator[Row | int]:
    """The rows that differ with some around them, and for the others how many they are."""
    near = [False] * len(rows)
    for place, row in enumerate(rows):
        if row.differs:
            start = max(0, place - CONTEXT)
            near[start : place + CONTEXT + 1] = [True] * len(near[start : place + CONTEXT + 1])
    place = 0
    while place < len(rows):
        end = place
        while end < len(rows) and not near[end]:
            end += 1
        if end - place >= FOLDED:
            yield end - place
        else:
            yield from rows[place : (end := max(end, place + 1))]
        place = end


def _head(difference: Difference, labelled: bool) -> list[str]:
    names = [short_line(name, MAX_NAME) for name in difference.names]
    return ["field", *names] if labelled else names


def _page_row(row: Row | int, labelled: bool, is_code: bool, kind: str = "equal") -> str:
    if isinstance(row, int):
        cells = [f"<em>… {_rows(row, kind)}</em>", *[""] * (1 + labelled)]
    else:
        cells = [
            *([f"<code>{words(short_line(row.label, MAX_LABEL))}</code>"] if labelled else []),
            _marked(row.left, "del", is_code),
            _marked(row.right, "ins", is_code),
        ]
    return f"<tr>{''.join(_cell('td', cell) for cell in cells)}</tr>"


def _marked(segments: Sequence[Segment], tag: str, is_code: bool) -> str:
    segments = _capped(segments, MAX_CELL)
    shown = "".join(f"<{tag}>{words(one.text)}</{tag}>" if one.differs else words(one.text) for one in segments)
    return f"<pre><code>{shown}</code></pre>" if is_code and shown else shown


def _cell(tag: str, shown: str) -> str:
    return f'<{tag} style="{LEFT}">{shown}</{tag}>'


def _rows(count: int, kind: str) -> str:
    return f"{count:,} {kind} row{'' if count == 1 else 's'}"


def _beside(difference: Difference, width: int, most: int) -> Iterator[str]:
    labels = [short_line(row.label, width // 4) for row in difference.rows]
    first = max(map(_width, labels), default=0)
    column = (width - 3 - first - 2 * bool(first)) // 2
    left, right = (short_line(name, min(column, MAX_NAME)) for name in difference.names)
    margin = " " * (first + 2) if first else ""
    yield f"{margin}{_padded(left, column)}   {right}"
    yield "-" * width
    for row in _folded(difference.rows):
        if isinstance(row, int):
            yield f"… {_rows(row, 'equal')}"
            continue
        label = _padded(short_line(row.label, width // 4), len(margin)) if first else ""
        lefts, rights = (_wrapped(_bracketed(*side), column) for side in _sides(row, most))
        for place in range(max(len(lefts), len(rights))):
            one, other = (side[place] if place < len(side) else "" for side in (lefts, rights))
            yield f"{margin if place else label}{_padded(one, column)} {_sign(row)} {other}".rstrip()


def _below(difference: Difference, width: int, most: int) -> Iterator[str]:
    left, right = (short_line(name, MAX_NAME) for name in difference.names)
    yield from (f"- {left}", f"+ {right}", "-" * width)
    for row in _folded(difference.rows):
        if isinstance(row, int):
            yield f"  … {_rows(row, 'equal')}"
            continue
        if row.label:
            yield f"  {short_line(row.label, MAX_LABEL)}:"
        for mark, (segments, brackets) in zip("-+", _sides(row, most), strict=True):
            if segments and (row.differs or mark == "-"):
                sign = mark if row.differs else " "
                yield from (f"{sign} {line}" for line in _wrapped(_bracketed(segments, brackets), width - 2))


def _sides(row: Row, most: int) -> list[tuple[Sequence[Segment], str]]:
    return [(_capped(row.left, most), "[-|-]"), (_capped(row.right, most), "{+|+}")]


def _capped(segments: Sequence[Segment], most: int) -> Sequence[Segment]:
    """The first of them, with about so many characters in all, and how many there are more."""
    if sum(len(one.text) for one in segments) <= most:
        return segments
    kept: list[Segment] = []
    for place, one in enumerate(segments):
        if len(one.text) > most:
            fitting = one.text[: max(0, most)]
            left = sum(len(each.text) for each in segments[place:]) - len(fitting)
            return [*kept, replace(one, text=fitting), Segment(f" … {left:,} more characters")]
        kept.append(one)
        most -= len(one.text) + TAG
    return kept


def _sign(row: Row) -> str:
    if not row.differs:
        return " "
    return "|" if row.left and row.right else "<" if row.left else ">"


def _bracketed(segments: Sequence[Segment], brackets: str) -> str:
    opening, closing = brackets.split("|")
    return clean("".join(f"{opening}{one.text}{closing}" if one.differs else one.text for one in segments))


def _wrapped(text: str, width: int) -> list[str]:
    """The lines of a text, none wider; indentation is kept."""
    return [part for line in text.split("\n") for part in _wrapped_line(line.expandtabs(4), width)]


def _wrapped_line(line: str, width: int) -> list[str]:
    if _width(line) <= width:
        return [line]
    if line.isascii():
        return textwrap.wrap(line, width, drop_whitespace=False, break_on_hyphens=False) or [""]
    return list(_cut(line, width, _char_width))


def _cut(line: str, width: int, width_of: Callable[[str], int]) -> Iterator[str]:
    """Pieces of a line, cut behind a blank where there is one in the last third, else anywhere."""
    piece, used, blank = "", 0, 0
    for char in line:
        if used + width_of(char) > width:
            cut = blank if 3 * blank > 2 * len(piece) else len(piece)
            yield piece[:cut]
            piece = piece[cut:]
            used, blank = sum(map(width_of, piece)), 0
        piece += char
        used += width_of(char)
        if char == " ":
            blank = len(piece)
    yield piece


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - _width(text))


def _width(text: str) -> int:
    """The columns a text takes in a terminal."""
    return len(text) if text.isascii() else sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
