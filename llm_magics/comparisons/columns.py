"""Several answers on one page: side by side up to three, one below the other beyond, and in plain text.

Pure functions of what is to be shown. The page is Markdown within a few elements of our own, so that it is read without
a script, and where styles are taken away, or the page is narrow, the columns come one below the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llm_magics.channel import size_of
from llm_magics.printable import clean
from llm_magics.renderers import markdown, text
from llm_magics.safe.html import words
from llm_magics.safe.markdown import escape
from llm_magics.tables import page_table, plain_table
from llm_magics.view import View

SIDE_BY_SIDE = 3  # columns; more would be too narrow to read code in
MAX_PLAIN = 4_000  # characters of text/plain beside a Markdown rendering
MAX_LABEL = 120
GRID = "display:grid;grid-template-columns:repeat(auto-fit,minmax(18em,1fr));gap:1em 1.5em"
# The line beside a lane shows where it ends: an answer may write what looks like the name and the facts of another.
LINE = "border-left:2px solid rgba(128,128,128,0.5);padding-left:0.8em"
LANE = f"min-width:0;overflow-x:auto;overflow-wrap:break-word;{LINE}"
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a column: an answer, or why there is none; ``head`` stands above it where there are several."""

    view: View
    failure: tuple[str, ...] = ()
    head: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """What is shown of one model: its name, facts for a small line, and its answers."""

    label: str
    facts: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()


Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def page(
    columns: Sequence[Column], *, table: Table | None = None, foot: str = "", room: int = markdown.MAX_BYTES
) -> str:
    """All columns as Markdown; ``table`` sums them up where they stand one below the other, ``foot`` is Markdown."""
    wholes = [_column(column, room) for column in columns]
    sizes = [size_of(whole) for whole in wholes]
    shown = [
        whole if size <= share else _column(column, share)
        for column, whole, size, share in zip(columns, wholes, sizes, _shared(sizes, room), strict=True)
    ]
    parts = [page_table(*table)] if table and len(columns) > SIDE_BY_SIDE else []
    parts.append(_arranged(columns, shown))
    return "\n\n".join([*parts, *([foot] if foot else [])])


def growing(columns: Sequence[Column], most: int) -> str:
    """The same while answers grow: of each the last ``most`` characters."""
    ends = [replace(column, sections=tuple(_ending(one, most) for one in column.sections)) for column in columns]
    return _arranged(columns, [_column(column, markdown.MAX_BYTES) for column in ends])


def plain(columns: Sequence[Column], *, table: Table | None = None, foot: str = "", most: int = MAX_PLAIN) -> str:
    """The same in plain text, one below the other."""
    parts = [plain_table(*table)] if table and len(columns) > SIDE_BY_SIDE else []
    parts += [_plain_column(column) for column in columns]
    whole = clean("\n\n".join([*parts, *([foot] if foot else [])]))
    if len(whole) <= most:
        return whole
    return f"{whole[:most]}…\n[{len(whole) - most:,} more characters]"


def plain_head(column: Column) -> str:
    """A column's name and facts as lines of plain text."""
    facts = f"\n{' · '.join(column.facts)}" if column.facts else ""
    return clean(f"── {_short(column.label)} ──{facts}")


def plain_failure(lines: Sequence[str]) -> str:
    """Why there is no whole answer, in plain text."""
    return clean("\n".join(lines))


def _arranged(columns: Sequence[Column], shown: Sequence[str]) -> str:
    if len(columns) <= SIDE_BY_SIDE:
        lanes = [
            f'<div style="{LANE}">\n\n**{escape(_short(column.label))}**\n\n{_facts(column)}{body}\n\n</div>'
            for column, body in zip(columns, shown, strict=True)
        ]
        return f'<div style="{GRID}">\n\n' + "\n\n".join(lanes) + "\n\n</div>"
    stack = [
        f'<details open style="{LANE};margin-bottom:1em"><summary><b>{words(_short(column.label))}</b></summary>\n\n'
        f"{_facts(column)}{body}\n\n</details>"
        for column, body in zip(columns, shown, strict=True)
    ]
    return "\n\n".join(stack)


def _facts(column: Column) -> str:
    return f"*{escape(' · '.join(column.facts))}*\n\n" if column.facts else ""


def _column(column: Column, room: int) -> str:
    each = room // max(1, len(column.sections))
    return "\n\n".join(_section(section, each) for section in column.sections)


def _section(section: Section, room: int) -> str:
    head = [f"**{escape(section.head)}**"] if section.head else []
    shown = [markdown.render(section.view, room, beside=True)] if _says(section.view) else []
    if section.failure:
        first, *rest = (escape(line) for line in section.failure)
        shown.append("  \n".join([f"> **{first}**", *(f"> {line}" for line in rest)]))
    return "\n\n".join([*head, *shown]) or "*…*"


def _ending(section: Section, most: int) -> Section:
    return replace(section, view=replace(section.view, text=ending(section.view.text, most), reasoning=""))


def ending(text: str, most: int) -> str:
    """The last lines of a text, not many more than ``most`` characters; code that was begun before is begun again."""
    if len(text) <= most:
        return text
    begin = text.find("\n", len(text) - most) + 1 or len(text) - most
    fence = opening = ""
    for line in text[:begin].splitlines():
        mark = _FENCE.match(line)
        if mark and not fence and "`" not in mark[2]:
            fence, opening = mark[1], line
        elif mark and fence and mark[1].startswith(fence) and not mark[2].strip():
            fence = ""
    count = f"… {begin:,} characters above\n\n"
    return count + (f"{opening}\n" if fence else "") + text[begin:]


def _shared(sizes: Sequence[int], room: int) -> list[int]:
    """How much each may take, so that all fit: who needs little leaves the rest to the others."""
    left, shares = room, dict[int, int]()
    for count, (size, place) in enumerate(sorted((size, place) for place, size in enumerate(sizes))):
        shares[place] = min(size, left // (len(sizes) - count))
        left -= shares[place]
    return [max(shares[place], 200) for place in range(len(sizes))]


def _plain_column(column: Column) -> str:
    parts = [plain_head(column)]
    for section in column.sections:
        if section.head:
            parts.append(section.head)
        if _says(section.view):
            parts.append(text.render(section.view))
        if section.failure:
            parts.append(plain_failure(section.failure))
    return "\n".join(parts)


def _says(view: View) -> bool:
    """Whether there is anything to show of it."""
    return not view.empty or bool(view.notes or view.mark)


def _short(label: str) -> str:
    label = " ".join(label.split())
    return label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 1]}…"
