"""What a tool gave, as the model is told of it and as the person sees it: never an exception, never more than fits."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from llm_magics import drawings
from llm_magics.contexts import array, frame, is_frame, known_as
from llm_magics.errors import cut
from llm_magics.events import Grid
from llm_magics.plain_values import Plain, unable
from llm_magics.printable import clean
from llm_magics.surrogates import sendable
from llm_magics.tools import Told

NOTHING = "(nothing was returned)"
PARTS = 20  # things in a list that are told one after the other, where pictures or tables are among them
CELLS = 20_000  # of a table that are read to tell it
COLUMNS = 100
HEAD = ", of which the first are given here ({rows} rows, {columns} columns)"
ERROR = 500  # characters of an error's message


def told(value: Any, *, budget: int) -> Told:
    """What the model is told of this value in about ``budget`` characters, and what the person gets besides."""
    try:
        return _told(value, budget)
    except Exception as error:  # noqa: BLE001 - the value is anybody's, and may raise anything
        return Told(content=unable(value, error))


def error_text(error: BaseException) -> str:
    """The error's type and message in few lines, without frames."""
    said = cut(clean(_message(error)).strip(), ERROR)
    inner = getattr(error, "exceptions", ()) if isinstance(error, BaseExceptionGroup) else ()
    lines = [f"{type(error).__name__}: {said}" if said else type(error).__name__]
    return "\n".join(lines + [f"  {error_text(one)[:ERROR]}" for one in inner[:3]])


def grid_of(table: Any, *, rows: int = 20, columns: int = 20, cell: int = 80) -> Grid | None:
    """The head of a dataframe as texts, whichever library made it; None where it is none, or cannot be read.

    An index that is more than row numbers stands before the columns, and is counted with them.
    """
    try:
        return _grid(table, rows, columns, cell) if is_frame(table) else None
    except Exception:  # noqa: BLE001 - what its library raises; the model is told of the table anyway
        return None


def _told(value: Any, budget: int) -> Told:
    if isinstance(value, Told):
        return replace(value, content=_cut(value.content, budget))
    if value is None:
        return Told(content=NOTHING)
    if isinstance(value, str):
        return Told(content=_cut(str.__str__(value), budget))
    if isinstance(value, BaseException):
        return Told(content=_cut(error_text(value), budget))
    if callable(getattr(type(value), "_repr_llm_", None)):
        return Told(content=_cut(str(value._repr_llm_()), budget))
    if is_frame(value):
        return Told(content=_cut(_table(value, budget), budget), table=frame.whole(value))
    if drawn := _drawn(value):
        return drawn
    if parts := _parts(value):
        return _several(parts, budget)
    return Told(content=_text(value, budget))


def _drawn(value: Any) -> Told | None:
    try:
        picture = drawings.picture_of(value)
    except drawings.TooLarge as error:
        return Told(content=f"({error}, which is too large to be shown)")
    except Exception:  # noqa: BLE001 - what cannot be drawn is told like anything else
        return None
    return Told(content="(a picture, shown to the user)", pictures=(picture,)) if picture else None


def _parts(value: Any) -> list[tuple[str, Any]]:
    """Names and values of a short list or dictionary in which there is a table or a picture."""
    if type(value) not in (list, tuple, dict) or not 0 < len(value) <= PARTS:
        return []
    parts = [(str(key), part) for key, part in (value.items() if type(value) is dict else enumerate(value, 1))]
    return parts if any(_rich(part) for _, part in parts) else []


def _rich(value: Any) -> bool:
    methods = ("_repr_png_", "_repr_jpeg_")
    drawn = drawings.figure_of(value) is not None or any(hasattr(type(value), method) for method in methods)
    return is_frame(value) or drawn


def _several(parts: list[tuple[str, Any]], budget: int) -> Told:
    """Each part told under its name; the first table is the one that is kept."""
    each = [(name, told(part, budget=budget // len(parts))) for name, part in parts]
    content = "\n\n".join(f"{name[:80]}: {made.content}" for name, made in each)
    return Told(
        content=_cut(content, budget),
        table=next((made.table for _, made in each if made.table is not None), None),
        pictures=tuple(picture for _, made in each for picture in made.pictures),
    )


def _text(value: Any, budget: int) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        size = value.nbytes if isinstance(value, memoryview) else len(value)
        return f"({size:,} bytes, which were not shown)"
    if known_as(value, {"numpy.ndarray": "array"}) and value.ndim:
        return _cut(array.describe(value, budget), budget)
    plain = Plain(budget)
    made = plain.of(value)
    if isinstance(made, str):
        return sendable(made)
    text = json.dumps(made, ensure_ascii=False)
    if plain.shortened and len(text) > budget:
        return f"(only the beginning of {_counted(value)})\n{sendable(text[:budget])}…"
    return _cut(text, budget)


def _counted(value: Any) -> str:
    """What is cut, and how large all of it is, where it says so."""
    kind = type(value).__name__
    try:
        return f"a {kind} of {len(value):,}"
    except Exception:  # noqa: BLE001 - its length is anybody's code
        return f"a {kind}"


def _table(value: Any, budget: int) -> str:
    """The table as CSV, as many of its rows as fit, under a line that says how many there are."""
    height, width = (*value.shape, 1)[:2]
    columns = min(width, COLUMNS)
    grid = _grid(value, max(1, min(height, CELLS // max(1, columns), budget // max(1, columns) + 1)), columns, 500)
    lines = list(_csv(grid))
    heading = f"a table of {_some(height, 'row')} and {_some(width, 'column')}"
    fitting = _fitting(lines, budget - len(heading))
    if (fitting, columns) == (height, width):
        return "\n".join([f"{heading}:", *lines])
    fitting = _fitting(lines, budget - len(heading) - len(HEAD))
    rows, across = (f"{shown:,}" if shown < whole else "all" for shown, whole in ((fitting, height), (columns, width)))
    return "\n".join([heading + HEAD.format(rows=rows, columns=across) + ":", *lines[: fitting + 1]])


def _fitting(lines: list[str], room: int) -> int:
    """How many lines fit below the first."""
    sizes = itertools.accumulate(len(line) + 1 for line in lines)
    return max(0, sum(size < room for size in sizes) - 1)


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _csv(grid: Grid) -> Iterator[str]:
    for row in (grid.columns, *grid.rows):
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(row)
        yield line.getvalue()


def _grid(table: Any, rows: int, columns: int, cell: int) -> Grid:
    height, width = (*table.shape, 1)[:2]
    names, values = frame.head(table, rows, columns)
    index = len(names) - min(width, columns)
    texts = [[_cell(value, cell) for value in column] for column in values]
    return Grid(
        columns=tuple(_cell(name, cell) for name in names),
        rows=tuple(zip(*texts, strict=True)),
        height=height,
        width=width + index,
    )


def _cell(value: Any, limit: int) -> str:
    """A value as it stands in a table; nothing for a missing one."""
    if value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool | float | int) and type(value) in (bool, float, int):
        return str(value)[:limit]
    plain = Plain(limit + 1).of(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the error's own code
        return ""


def _cut(content: str, budget: int) -> str:
    """What may go to a model, and a remark where that is not all."""
    text = sendable(content)
    if len(text) <= budget:
        return text
    return f"{text[:budget]}\n… (cut here: {len(text) - budget:,} more characters are not shown)"
