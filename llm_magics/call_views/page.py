"""A tool call as Markdown: one line that says what was called, and all else folded behind it.

Whatever stands in it was written by a model, a tool or whoever filled a table, and shows as text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llm_magics.call_views import parts as call_parts
from llm_magics.call_views.parts import Part
from llm_magics.channel import size_of
from llm_magics.events import Grid, Picture, ToolRun
from llm_magics.printable import clean
from llm_magics.safe.markdown import escape, fenced, picture
from llm_magics.tables import page_table
from llm_magics.view import CallView

MAX_NAME = 100
MAX_SIGNATURE = 80
MAX_COLUMNS = 30
_LEFT_OPEN = ("failed", "denied", "interrupted", "asking")  # where a reader has to see more than the line


@dataclass(frozen=True, slots=True)
class Laid:
    """A call with its texts laid out, so that they need only be cut to size.

    ``pictures`` stand below the fold: they are there for the person, not for whoever looks into it afterwards.
    """

    summary: str
    opened: bool
    parts: tuple[Part, ...]
    grid: Grid | None = None
    behind: str = ""
    pictures: tuple[str, ...] = ()

    @property
    def lengths(self) -> list[int]:
        """Characters of each of its texts."""
        cells = sum(len(cell) + 4 for row in self.grid.rows for cell in row) if self.grid else 0
        return [cells, *(len(part.text) for part in self.parts)]


def call(one: CallView, most: int) -> str:
    """A tool call, and what came of it; of each text so many characters, of its pictures so many bytes."""
    return written(laid_out(one, most), most)


def line(one: CallView) -> str:
    """A call as one line of Markdown, for a page on which it still runs."""
    return f"Tool call: {_summary(one)}"


def folded(one: CallView) -> str:
    """A call as the line that it is behind once it is over, with nothing behind it yet."""
    words = call_parts.state_words(one.run) if one.run else "waits for its turn"
    shown = f"<code>{_inert(call_parts.signature(one, MAX_SIGNATURE))}</code>{f' · {words}' if words else ''}"
    return f"<details><summary>{shown}</summary>\n\n</details>"


def laid_all(calls: Sequence[CallView], room: int) -> list[Laid]:
    """Calls laid out, with pictures that take so many bytes together: the last ones, if they are too many."""
    laid = []
    for one in reversed(calls):
        laid.append(laid_out(one, room))
        room -= sum(size_of(shown) for shown in laid[-1].pictures if shown.startswith("!"))
    return laid[::-1]


def laid_out(one: CallView, room: int) -> Laid:
    """A call with its texts laid out, and its pictures as far as they fit into so many bytes."""
    run, parts = one.run, call_parts.argument_parts(one)
    if run is None:
        return Laid(f"Tool call: {_summary(one)}", True, tuple(parts))
    parts += call_parts.printed_parts(run)
    shows_table = run.grid is not None and bool(run.grid.columns) and run.state == "done"
    parts += [] if shows_table else call_parts.result_parts(run)
    return Laid(
        _summary(one),
        run.state in _LEFT_OPEN,
        tuple(parts),
        run.grid if shows_table else None,
        _behind(run, shows_table=shows_table),
        tuple(_pictures(run.pictures, room)),
    )


def written(laid: Laid, most: int) -> str:
    """Markdown of a call, of each text so many characters."""
    parts = [_part(part, most) for part in laid.parts] if most > 0 else [_left_out(laid)]
    if laid.grid is not None and most > 0:
        parts.append(_table(laid.grid, most))
    parts += [f"*{laid.behind}*"] if laid.behind else []
    inside = "\n\n".join(part for part in parts if part)
    head = f"<details{' open' if laid.opened else ''}><summary>{laid.summary}</summary>"
    return "\n\n".join([head, *([inside] if inside else []), "</details>", *laid.pictures])


def _summary(one: CallView) -> str:
    """The line that stays when the rest is folded, as HTML."""
    if one.run is None:
        name = " ".join(clean(one.name).split()) or "?"
        return f"<code>{_inert(name if len(name) <= MAX_NAME else f'{name[: MAX_NAME - 1]}…')}</code>"
    words = call_parts.state_words(one.run)
    return f"<code>{_inert(call_parts.signature(one, MAX_SIGNATURE))}</code>" + (f" · {words}" if words else "")


def _inert(text: str) -> str:
    """Text inside HTML of ours: a character reference for all but what names and plain values are made of."""
    return re.sub(r'[^\w .:…,="-]', lambda match: f"&#{ord(match[0])};", text)


def _part(part: Part, most: int) -> str:
    shown = fenced(_capped(part.text, min(most, part.most)), part.language)
    label = f"**{part.label}**" if part.label in call_parts.RESULTS.values() else part.label
    return f"{label}\n\n{shown}" if label else shown


def _capped(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n\n… {len(text) - most:,} more characters in _llm"


def _left_out(laid: Laid) -> str:
    count = sum(len(part.text) for part in laid.parts)
    table = f"a table of {laid.grid.height:,} rows and " if laid.grid else ""
    return f"*… {table}{count:,} characters in &#95;llm*"


def _table(grid: Grid, most: int) -> str:
    head = call_parts.head_of(grid, most, MAX_COLUMNS)
    return f"{page_table([escape(name) for name in head.columns], head.rows)}\n\n*{call_parts.extent(head)}*"


def _behind(run: ToolRun, *, shows_table: bool) -> str:
    if shows_table:
        return escape(call_parts.told_besides(run))
    is_over = run.state not in ("running", "asking")
    return "No result." if is_over and not (run.content.strip() or run.pictures) else ""


def _pictures(pictures: Sequence[Picture], room: int) -> list[str]:
    shown = []
    for one in pictures:
        data = "".join(one.data.split()) if len(one.data) <= room else ""
        whole = picture(f"data:{one.mime};base64,{data}") if data else None
        room -= size_of(whole) if whole else 0
        shown.append(whole if whole and room >= 0 else f"*({escape(call_parts.described(one))}, in &#95;llm)*")
    return shown
