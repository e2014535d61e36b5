"""All rows, and whether what was seen of one is what it asks for."""

from __future__ import annotations

from rows import Expected, Row
from rows_connection import CONNECTION
from rows_content import CONTENT
from rows_format import FORMAT
from rows_refused import REFUSED
from ways import KEY, NEXT, Seen

SECONDS = 25.0  # no row may take longer, on however slow a machine; what hangs takes for ever


def _place(row: Row) -> tuple[int, str]:
    digits = row.number.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits), row.number


ROWS = sorted([*CONNECTION, *FORMAT, *REFUSED, *CONTENT], key=_place)


def complaints(expected: Expected, seen: Seen, *, is_cell: bool) -> str:
    """What is not as the row asks, a line each; nothing when all is well."""
    wrong = []
    for name, want, got in (
        ("outcome", expected.outcome, seen.outcome),
        ("text", expected.text, seen.text),
        ("requests", expected.sent, seen.sent),
        ("next", NEXT, seen.next_text),
        *((name, value, seen.also.get(name)) for name, value in expected.also.items()),
    ):
        if want is not None and want != got:
            wrong.append(f"{name}: expected {_cut(want)}, got {_cut(got)}")
    wrong += [f"does not say {words!r}: {seen.shown}" for words in expected.says if words not in seen.shown]
    if KEY in seen.shown:
        wrong.append(f"shows the key: {seen.shown}")
    if seen.seconds > SECONDS:
        wrong.append(f"took {seen.seconds:.0f} s")
    return "\n".join(wrong + (_of_a_cell(expected, seen) if is_cell else []))


def _of_a_cell(expected: Expected, seen: Seen) -> list[str]:
    wrong = []
    if "Traceback" in seen.shown:
        wrong.append(f"shows a traceback: {seen.shown}")
    if expected.outcome[0].islower():
        return wrong
    if len(seen.lines) != 3 or any("\n" in line or len(line) > 500 for line in seen.lines):
        wrong.append(f"not three lines: {seen.lines}")
    elif seen.sent and f"attempt {seen.sent}," not in seen.lines[1]:
        wrong.append(f"{seen.sent} requests, but says: {seen.lines[1]}")
    return wrong


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:100]}…{text[-90:]}"
