"""What a call of a tool is, for whoever decides whether it runs: all of it, and nothing in it that can hide.

A person says yes to what they see. So nothing is left out here, however long it is; what shows as nothing, or as
something else, is shown by its number; and nothing stands so far to the right or so far below that no one looks there.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from llm_magics.call_views.layout import laid_out
from llm_magics.call_views.parts import Part, split_code
from llm_magics.events import ToolRun
from llm_magics.safe.markdown import code_span, fenced

MAX_COLUMNS = 100  # of a line, before it goes on below
MAX_BLANKS = 40  # columns that show as nothing
MAX_EMPTY = 5  # lines that show as nothing
TAB = 8
GOES_ON = "⟨…⟩ "  # stands before the rest of a line; at a line's beginning no language reads it
TWICE = "An argument is given twice: the last one counts."
_BLANKS = re.compile(r"[ \t]{6,}")
_EMPTY = re.compile(rf"\n(?:[ \t]*\n){{{MAX_EMPTY + 1},}}")
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# What is a letter, a mark or a sign and shows as nothing: fillers, joiners, selectors of another form.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def question(run: ToolRun) -> tuple[str, str]:
    """The whole call in Markdown, and in plain text."""
    name = _wrapped(re.sub(r"\s", lambda match: _numbered(match[0]), _shown(run.name)))
    parts = list(_parts(run))
    page = [f"Tool call: {code_span(name.replace(chr(10), ' '))}"]
    page += [f"{part.label}\n\n{fenced(part.text, part.language)}".strip("\n") for part in parts]
    lines = [f"Tool call: {name}"]
    for part in parts:
        lines += [part.label] if part.label else []
        lines += [f"    {line}" if line else "" for line in part.text.split("\n")]
    return "\n\n".join(page), "\n".join(lines)


def _parts(run: ToolRun) -> Iterator[Part]:
    """The arguments, and the code among them, with all that is in them made visible."""
    rest, code = split_code(run.arguments, run.code)
    if _has_twins(run.arguments):
        rest = run.arguments
        yield Part(TWICE, visible(rest), "json")
    elif rest.strip():
        yield _laid_out(rest)
    if run.code is not None and code is not None:
        shown = visible(code)
        # A line that goes on below may have been divided within quotes: colours would make code look like a text.
        yield Part("", shown, run.code[1] if GOES_ON not in shown else "text")


def _laid_out(arguments: str) -> Part:
    try:
        return Part("", visible(laid_out(arguments)), "json")
    except (ValueError, RecursionError):
        return Part("These arguments are not JSON:", visible(arguments))


def _has_twins(arguments: str) -> bool:
    """Whether a name is given twice somewhere, so that what is read of it is not all that is written."""
    found = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        found = found or len({name for name, _ in items}) < len(items)
        return dict(items)

    try:
        json.loads(arguments, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return False
    return found


def visible(text: str) -> str:
    """Text in which nothing can hide.

    >>> visible("a\\u200bb" + " " * 500 + "c")
    'a⟨U+200B⟩b⟨500 blanks⟩c'
    """
    text = _BLANKS.sub(_blanks, _shown(text))
    text = _EMPTY.sub(lambda match: f"\n⟨{match[0].count(chr(10)) - 1} empty lines⟩\n", f"\n{text}\n")[1:-1]
    return "\n".join(map(_wrapped, text.split("\n")))


def _shown(text: str) -> str:
    """Each character that shows as nothing by its number, but for blanks, tabs and line ends."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_numbered(sign) if _hides(sign) else sign for sign in text)


def _hides(sign: str) -> bool:
    if sign in "\n\t ":
        return False
    kind = unicodedata.category(sign)
    return kind in _INVISIBLE or kind == "Zs" or bool(_IGNORABLE.match(sign))


def _numbered(sign: str) -> str:
    return f"⟨U+{ord(sign):04X}⟩"


def _blanks(match: re.Match[str]) -> str:
    run = match[0]
    if len(run.expandtabs(TAB)) <= MAX_BLANKS:
        return run
    return "".join(f"⟨{len(part)} {'tabs' if part[0] == chr(9) else 'blanks'}⟩" for part in re.findall(r" +|\t+", run))


def _wrapped(line: str) -> str:
    """A line that goes on below where it is too long, with a mark where it does."""
    if len(line.expandtabs(TAB)) <= MAX_COLUMNS // 2:
        return line
    shown, column = [], 0
    for sign in line:
        width = TAB if sign == "\t" else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        if column + width > MAX_COLUMNS:
            shown.append(f"\n{GOES_ON}")
            column = len(GOES_ON)
        shown.append(sign)
        column += width
    return "".join(shown)
