"""A tool call as lines of plain text: what was called, and below it, indented, what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from llm_magics.call_views import parts as call_parts
from llm_magics.call_views.parts import MAX_ARGUMENTS
from llm_magics.events import Grid, ToolRun
from llm_magics.printable import clean
from llm_magics.tables import plain_table
from llm_magics.view import CallView

MAX_LINES = 12  # of each text, and of a table
MAX_CHARACTERS = 1_500  # of each text
MAX_WIDTH = 100  # characters of a table's line
INDENT = "  "


def lines(one: CallView) -> list[str]:
    """A call, and what came of it."""
    return [*called(one), *(outcome(one.run) if one.run else [])]


def called(one: CallView) -> list[str]:
    """What is called: one line, and below it the code among the arguments."""
    rest, code = call_parts.split_code(call_parts.arguments_of(one), one.run.code if one.run else None)
    name = " ".join(call_parts.name_of(one).split()) if one.run else one.name
    given = f"({_compact(rest)})" if rest or code is None else ""
    head = clean(f"Tool call: {name}{given}")
    return [head] if code is None else [head, *_indented(_cut(code, MAX_ARGUMENTS, MAX_ARGUMENTS))]


def outcome(run: ToolRun) -> list[str]:
    """What came of a call: what it wrote and drew, then what the model was told, or the head of the table."""
    if run.state in ("running", "asking"):
        return _indented([f"… {call_parts.state_words(run)}"])
    shown = [part for one in call_parts.printed_parts(run) for part in (one.label, *_indented(_cut(one.text)))]
    shown += [f"[{clean(call_parts.described(picture))}]" for picture in run.pictures]
    return _indented([*shown, *_result(run)])


def _result(run: ToolRun) -> list[str]:
    table = run.grid if run.state == "done" and run.grid is not None and run.grid.columns else None
    told = call_parts.result_parts(run)
    shown = _table(table) if table else [line for part in told for line in _cut(part.text)]
    if not shown:
        shown = [] if run.pictures else ["no result"]
    words = {"done": "", "failed": "failed: ", "denied": "not run: ", "interrupted": "interrupted: "}[run.state]
    return _with_time(_behind_arrow(words, shown), run)


def _behind_arrow(words: str, shown: Sequence[str]) -> list[str]:
    first, *more = shown or [""]
    return [f"→ {words}{first}".rstrip(), *_indented(more)]


def _with_time(shown: list[str], run: ToolRun) -> list[str]:
    took = call_parts.took(run)
    if not took:
        return shown
    return [f"{shown[0]} ({took})"] if len(shown) == 1 else [*shown, *_indented([f"({took})"])]


def _table(grid: Grid) -> list[str]:
    """A table as wide as a terminal takes."""
    head = call_parts.head_of(grid, MAX_LINES * MAX_WIDTH, _columns(grid))
    head = Grid(columns=head.columns, rows=head.rows[:MAX_LINES], height=grid.height, width=grid.width)
    return [*plain_table(head.columns, head.rows).split("\n"), f"({call_parts.extent(head)})"]


def _columns(grid: Grid) -> int:
    """How many columns fit side by side; one at least."""
    head, left = call_parts.head_of(grid, MAX_LINES * MAX_WIDTH * 10, len(grid.columns)), MAX_WIDTH
    for count, name in enumerate(head.columns):
        left -= max(len(name), *(len(row[count]) for row in head.rows), 0) + 2
        if left < 0:
            return max(1, count)
    return len(head.columns)


def _cut(text: str, characters: int = MAX_CHARACTERS, most: int = MAX_LINES) -> list[str]:
    """The first lines of a text, and a count of what is missing."""
    text = clean(text).strip("\n")
    shown = text[:characters].split("\n")[:most]
    missing = len(text) - len("\n".join(shown))
    return [*shown, f"… {missing:,} more characters"] if missing else shown


def _indented(shown: Sequence[str]) -> list[str]:
    return [f"{INDENT}{line}".rstrip() for line in shown]


def _compact(arguments: str) -> str:
    if len(arguments) > MAX_ARGUMENTS:
        return f"{arguments[:MAX_ARGUMENTS]}… {len(arguments) - MAX_ARGUMENTS:,} more characters"
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments
