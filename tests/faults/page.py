"""Writes `faults.md`: every row of the fault matrix, through a cell and `call_llm` and the bare SDK, under its majors.

python tests/faults/page.py              # makes an environment for each major in a temporary folder
python tests/faults/page.py PY1 PY2 PY3  # uses these Pythons
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bodies import Wire
from far_end import Events, Reply
from matrix import ROWS
from rows import Row

HERE = Path(__file__).parent
PAGE = HERE / "faults.md"
MAJORS = ("openai==1.109.1", "openai>=2,<3", "openai>=3,<4")
WAYS = {"cell": "`%%llm`", "call": "`call_llm`", "stream": "SDK, stream", "plain": "SDK, plain"}
SHOWN = 30  # characters of a text that is shown
RIGHT, SILENT, FOREIGN, HANGS, GIVES_UP = "right", "silently wrong", "foreign error", "hangs", "gives up"
WRONG = "not as asked"
SECTIONS = {
    "Reaching a server, and losing it": range(1, 21),
    "The form of what comes back": range(21, 36),
    "Refusals, and asking again": range(36, 51),
    "Odd chunks, marks, tool calls, usage": range(51, 71),
    "Bytes, reasoning, redirects, proxies": range(71, 90),
}

HEAD = """\
# The fault matrix

Written by `python tests/faults/page.py`; what each row must give stands in `rows_*.py`, and `test_fault_matrix.py`
holds every build to it. The bare SDK is asked with the same timeout and number of retries, and read as its
documentation reads it: `chunk.choices[0].delta.content` of each chunk that has choices, tool calls put together by
index.

- **right**: for ours, all that the row asks for: outcome, text kept, requests sent, the words of the message, three
  lines without a traceback, no key, and a next request that works. For the SDK only this: the answer, where there was
  one to be had; else an exception of the `openai` package.
- **silently wrong**: no exception, and not what the server meant: half an answer, an empty one, a tool call spoilt; or
  the request handed on to where nobody sent it.
- **foreign error**: an exception of another library, which `except openai.APIError` does not catch.
- **hangs**: nothing within 8 s; where the row has a timeout of its own, 8 s more than that.
- **gives up**: an error where an answer was to be had.
- –: the fault is one of streams, and `call_llm` meets it at a server that streams to everybody.

Of a cell: its status or the class of its failure, the text kept, requests sent. ✗ marks what is not as the row asks.
"""

TAIL = """\
## What is not here

- Rows 65, 67 and 68 (tools that do not exist, raise, hang, or are called for ever) wait for tools to be run; of 66 only
  the size of the arguments is tried. Row 84 (too many requests at once) waits for something that makes many at once.
- Row 85 (a network that goes away while the machine sleeps) looks like rows 9 and 14 from here; a sleeping machine is
  not tried. Row 70 is tried with 1 MB.
- Row 22 goes further than it was asked to: the answer is kept, with U+FFFD for what is no text, and that is said.
- Row 19b: `[DONE]` without a finish reason is an answer with a mark, as is a whole completion without one.
"""

Seen = Mapping[str, Any]


def main(pythons: Sequence[str]) -> None:
    """Run everything, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = pythons or [_environment(folder, major) for major in MAJORS]
        with ThreadPoolExecutor(len(chosen)) as pool:  # they mostly wait
            found = sorted(pool.map(_observed, chosen), key=lambda pair: pair[0])
    PAGE.write_text(_page(found), "utf-8")
    print(f"{PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE.name} is written.")
    for major, seen in found:
        for (number, way), one in seen.items():
            if one.get("wrong"):
                print(f"openai {major}, {number}, {way}: {one['wrong']}", file=sys.stderr)


def _environment(folder: str, major: str) -> str:
    """A Python with this major of the SDK."""
    venv = Path(folder) / major.partition("openai")[2].strip("=>")[0]
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
    requirements = [major, "pytest", str(HERE.parents[1])]
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements], check=True)
    return str(python)


def _observed(python: str) -> tuple[str, dict[tuple[str, str], Seen]]:
    """The major of the SDK in this Python, and what was seen with it, by row and way."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    run = subprocess.run(
        [python, "-W", "ignore", str(HERE / "observe.py")],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    version, *lines = map(json.loads, run.stdout.splitlines())
    return version["openai"].partition(".")[0], {(one["row"], one["way"]): one for one in lines}


# ---------------------------------------------------------------- verdicts


def verdict(row: Row, way: str, seen: Seen) -> str:
    """How a way did with a row, in one of the summary's words; nothing where it does not count."""
    if way == "plain" and _is_of_streams(row):
        return ""
    if way in ("cell", "call"):
        return WRONG if seen["wrong"] else RIGHT
    outcome, wants_answer = seen["outcome"], row.call.outcome == "message"
    if outcome == "hangs":
        # All that was to be had had come, where a stream lingers after its end; the caller does not get it.
        return HANGS
    if outcome != "answer":
        if not _is_sdks(outcome):
            return FOREIGN
        return GIVES_UP if wants_answer else RIGHT
    if not wants_answer:
        return SILENT
    return RIGHT if _has_answer(row, seen) else SILENT


def _is_of_streams(row: Row) -> bool:
    """Whether its plain form is a stream that nobody asked for, without that being the fault."""
    replies = row.plain if isinstance(row.plain, Sequence) else [row.plain]
    streams = any(isinstance(reply, Events) or b"text/event-stream" in _first_bytes(reply) for reply in replies)
    return streams and "where a whole completion was asked for" not in row.fault


def _first_bytes(reply: Reply) -> bytes:
    return reply.pieces[0] if isinstance(reply, Wire) and isinstance(reply.pieces[0], bytes) else b""


def _is_sdks(outcome: str) -> bool:
    return "." not in outcome and outcome.endswith("Error") and outcome not in _PYTHONS


_PYTHONS = {
    "AttributeError",
    "TypeError",
    "ValueError",
    "IndexError",
    "KeyError",
    "UnicodeDecodeError",
    "AssertionError",
}


def _has_answer(row: Row, seen: Seen) -> bool:
    text = seen["text"] or ""
    if not isinstance(text, str) or (row.call.text or "") not in text:
        return False
    wanted = row.call.also.get("calls", [])
    got = seen["calls"] or []
    return len(wanted) == len(got) and all(_same_call(want, call) for want, call in zip(wanted, got, strict=True))


def _same_call(want: Sequence[Any], got: Sequence[Any]) -> bool:
    arguments = got[1] or "{}"  # no arguments at all are as good as none in an object
    return want[0] == got[0] and want[1] == arguments


# ---------------------------------------------------------------- the page


def _page(found: Sequence[tuple[str, Mapping[tuple[str, str], Seen]]]) -> str:
    parts = [HEAD, _summary(found)]
    for title, numbers in SECTIONS.items():
        rows = [row for row in ROWS if int(row.number.rstrip("abcdefghijklmnopqrstuvwxyz")) in numbers]
        parts.append(_section(title, rows, found))
    return "\n".join([*parts, TAIL])


def _summary(found: Sequence[tuple[str, Mapping[tuple[str, str], Seen]]]) -> str:
    lines = [f"## {len(ROWS)} rows", "", _line(["", *(f"openai {major}" for major, _ in found)])]
    lines.append(_line(["---"] * (len(found) + 1)))
    for way, title in WAYS.items():
        counts = [[verdict(row, way, seen[row.number, way]) for row in ROWS] for _, seen in found]
        lines.append(_line([title, *(_counted(count) for count in counts)]))
    return "\n".join([*lines, ""])


def _counted(verdicts: Sequence[str]) -> str:
    words = [(word, verdicts.count(word)) for word in (RIGHT, WRONG, SILENT, FOREIGN, HANGS, GIVES_UP)]
    return ", ".join(f"**{n}** {word}" if word == RIGHT else f"{n} {word}" for word, n in words if n or word == RIGHT)


def _section(title: str, rows: Iterable[Row], found: Sequence[tuple[str, Mapping[tuple[str, str], Seen]]]) -> str:
    lines = [f"## {title}", "", _line(["#", "fault", *WAYS.values()]), _line(["---"] * 6)]
    for row in rows:
        cells = [_by_major([(m, _told(row, way, seen[row.number, way])) for m, seen in found]) for way in WAYS]
        lines.append(_line([row.number, row.fault, *cells]))
    return "\n".join([*lines, ""])


def _by_major(told: Sequence[tuple[str, str]]) -> str:
    """One text where all majors agree; else each with those it is of."""
    texts = dict.fromkeys(text for _, text in told)
    if len(texts) == 1:
        return told[0][1]
    return "<br>".join(f"{', '.join(major for major, one in told if one == text)}: {text}" for text in texts)


def _told(row: Row, way: str, seen: Seen) -> str:
    how = verdict(row, way, seen)
    if way in ("cell", "call"):
        kept = _cut(seen["text"]) if seen["text"] and row.cell.text is not None else ""
        parts = [seen["outcome"], kept, f"{seen['sent']} sent"]
        return f"{'✗ ' if how != RIGHT else ''}{', '.join(part for part in parts if part)}"
    if not how:
        return "–"
    if seen["outcome"] == "answer":
        return "answer" if how == RIGHT else f"**{how}**: {_cut(seen['text'] or '') or 'nothing'}"
    if how == HANGS:
        return f"**{how}**"
    return f"{seen['outcome']} ({how})" if how != RIGHT else str(seen["outcome"])


def _cut(text: Any) -> str:
    """A text, or whatever stands in its place, for one cell of a table."""
    line = (
        " ".join(str(text).encode("utf-8", "backslashreplace").decode().split())
        .replace("|", "\\|")
        .replace("`", "'")
        .replace("<", "&lt;")
    )
    return f"“{line if len(line) <= SHOWN else line[: SHOWN - 1] + '…'}”" if line else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(sys.argv[1:])
