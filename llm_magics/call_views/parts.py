"""A tool call taken apart into texts, whatever paints it: its arguments, its code, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from llm_magics.call_views.layout import laid_out
from llm_magics.events import Grid, Picture, ToolRun
from llm_magics.printable import clean
from llm_magics.view import CallView

MAX_ARGUMENTS = 20_000  # characters of arguments that are laid out, and shown
MAX_RESULT = 100_000  # characters of a result that are laid out
MAX_CELL = 60  # characters of a table's cell


@dataclass(frozen=True, slots=True)
class Part:
    """A text of a call: what it is, for those who read it, the language it is written in, and how much may be shown."""

    label: str
    text: str
    language: str = "text"
    most: int = MAX_RESULT


def name_of(one: CallView) -> str:
    """The name that people call the tool by."""
    return one.run.name if one.run else one.name


def arguments_of(one: CallView) -> str:
    """The arguments as the model wrote them."""
    return one.run.arguments if one.run else one.arguments


def signature(one: CallView, most: int) -> str:
    """The call as one short line: ``get_weather(city="Oslo")``."""
    name, text = " ".join(clean(name_of(one)).split()) or "?", arguments_of(one)
    try:
        shown = _listed(text, one.run.code if one.run else None)
    except (ValueError, RecursionError):
        shown = text
    whole = f"{name}({' '.join(clean(shown[: 4 * most]).split())})"
    return whole if len(whole) <= most else f"{whole[: most - 2]}…)"


def _listed(arguments: str, code: tuple[str, str] | None) -> str:
    value = json.loads(arguments[: MAX_ARGUMENTS + 1])
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return ", ".join(f"{name}={_short(name, one, code)}" for name, one in value.items())


def _short(name: str, value: Any, code: tuple[str, str] | None) -> str:
    """A value on one line; of code the first line that says anything."""
    if code is None or name != code[0] or not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    lines = [line.strip() for line in value.splitlines() if line.strip()]
    return f"{lines[0]} …" if len(lines) > 1 else "".join(lines)


def state_words(run: ToolRun) -> str:
    """What has become of a call, and how long it took; nothing but the time for one that is done."""
    return " · ".join(part for part in (_state(run), took(run)) if part)


def took(run: ToolRun) -> str:
    """How long a call took; nothing where it did not run."""
    if run.seconds is None:
        return ""
    return f"{run.seconds:.1f} s" if run.seconds >= 0.095 else f"{run.seconds * 1000:.0f} ms"


def _state(run: ToolRun) -> str:
    match run.state:
        case "done":
            return ""
        case "failed" | "interrupted":
            return run.state
        case "denied":
            return "not run"
        case "running":
            return "running …"
        case "asking":
            return "waiting for a yes …"
        case _:
            assert_never(run.state)


def split_code(arguments: str, code: tuple[str, str] | None) -> tuple[str, str | None]:
    """The arguments without their code, and the code; None where there is none."""
    if code is None:
        return arguments, None
    try:
        value = json.loads(arguments)
        if not isinstance(value, dict) or not isinstance(value.get(code[0]), str):
            return arguments, None
        rest = {name: one for name, one in value.items() if name != code[0]}
        return json.dumps(rest, ensure_ascii=False) if rest else "", value[code[0]]
    except (ValueError, RecursionError):
        return arguments, None


def argument_parts(one: CallView) -> list[Part]:
    """What the tool was given: JSON laid out, code as code, anything else as it is."""
    code = one.run.code if one.run else None
    rest, program = split_code(arguments_of(one), code)
    parts = [] if one.run and rest.strip() in ("", "{}") else [as_json(rest, MAX_ARGUMENTS)]
    if code is not None and program is not None:
        parts.append(Part("", program, code[1], MAX_ARGUMENTS))
    return parts


def as_json(text: str, most: int) -> Part:
    """JSON laid out; as it is where it is none, or too long to be laid out."""
    if len(text) > most:
        return Part("", text, most=most)
    try:
        return Part("", laid_out(text), "json", most)
    except (ValueError, RecursionError):
        return Part("", text, most=most)


def printed_parts(run: ToolRun) -> list[Part]:
    """What the tool wrote, unless that is all that the model was told."""
    printed = run.printed.strip("\n")
    return [Part("Printed:", printed)] if printed.strip() and printed.strip() != run.content.strip() else []


def result_parts(run: ToolRun) -> list[Part]:
    """What the model was told."""
    if not run.content.strip():
        return []
    told = as_json(run.content, MAX_RESULT) if run.content.lstrip()[0] in "[{" else Part("", run.content)
    return [Part(RESULTS.get(run.state, "Result:"), told.text, told.language)]


RESULTS: Mapping[str, str] = {"failed": "Failed:", "denied": "Not run:", "interrupted": "Interrupted:"}


def head_of(grid: Grid, most: int, columns: int) -> Grid:
    """As many rows and columns of a table as fit into so many characters, their cells on one line each, and cut."""
    heads = [_cell(name) for name in grid.columns[:columns]]
    rows, left = [], most - sum(map(len, heads))
    for row in grid.rows:
        cells = [_cell(cell) for cell in row[: len(heads)]] + [""] * (len(heads) - len(row))
        left -= sum(map(len, cells)) + 4 * len(cells)
        if left < 0:
            break
        rows.append(tuple(cells))
    return Grid(columns=tuple(heads), rows=tuple(rows), height=grid.height, width=grid.width)


def _cell(text: str) -> str:
    line = " ".join(clean(text[: 4 * MAX_CELL]).split())
    return line if len(line) <= MAX_CELL and len(text) <= 4 * MAX_CELL else f"{line[: MAX_CELL - 1]}…"


def extent(grid: Grid) -> str:
    """How much of the table is shown: ``20 of 1,000 rows, 3 columns``."""
    rows = _of(len(grid.rows), grid.height, "row")
    return f"{rows}, {_of(len(grid.columns), grid.width, 'column')}"


def _of(shown: int, whole: int, what: str) -> str:
    count = f"{whole:,} {what}{'' if whole == 1 else 's'}"
    return f"{shown:,} of {count}" if shown < whole else count


def told_besides(run: ToolRun) -> str:
    """What stands in the place of a result whose table is shown."""
    return f"The model was told {len(run.content):,} characters of it: they are in _llm." if run.content else ""


def described(picture: Picture) -> str:
    """A picture in words."""
    size = len(picture.data) * 3 // 4
    kind = " ".join(clean(picture.mime[:40]).split())
    return f"picture: {kind}, {size / 1e6:.1f} MB" if size >= 1e6 else f"picture: {kind}, {max(1, size // 1000)} kB"
