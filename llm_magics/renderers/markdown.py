"""``text/markdown``: for JupyterLab, Notebook, VS Code, GitHub and nbconvert; needs no script to be read."""

from __future__ import annotations

import json
import re

from llm_magics.printable import clean
from llm_magics.safe_markdown import escape, fenced, fences, link, prose, rebuild
from llm_magics.view import CallView, View

MAX_SHOWN = 200_000  # characters of one segment; a page with more is slow, and Jupyter drops larger messages
MAX_ARGUMENTS = 20_000  # characters of one tool call's arguments
MAX_LISTED = 50  # tool calls, and sources
MAX_NAME = 100
MAX_TITLE, MAX_URL = 300, 2_000


def render(view: View) -> str:
    """The view as Markdown whose every leaf is escaped."""
    alone = not (view.notes or view.reasoning or view.refusal or view.transcript or view.calls or view.citations)
    parts = [
        *(f"*{escape(note.strip())}*" for note in view.notes),
        reasoning(view.reasoning),
        body(view, alone=alone),
        _quoted("**The model refused:** ", view.refusal),
        _quoted("**Spoken:** ", view.transcript),
        *(call(one) for one in view.calls[:MAX_LISTED]),
        f"*… {len(view.calls) - MAX_LISTED} more tool calls*" if len(view.calls) > MAX_LISTED else "",
        citations(view.citations),
        f"**{escape(view.mark)}**" if view.mark else "",
    ]
    return (
        "\n\n".join(part for part in parts if part) or f"*({'an empty answer' if view.empty else 'nothing but code'})*"
    )


def body(view: View, *, alone: bool = True) -> str:
    """The answer's text in the format that was asked for; ``alone`` says that nothing else stands on the page."""
    match view.output:
        case "markdown":
            return rebuild(_capped(view.text), alone=alone)
        case "text":
            return fenced(_capped(view.text), "text") if view.text else ""
        case "json":
            return as_json(view.text)
        case "code":
            return rebuild(_capped(without_code(view.text)), alone=alone)


def reasoning(text: str) -> str:
    """Folded: one consults it afterwards."""
    if not text.strip():
        return ""
    return f"<details><summary>Reasoning</summary>\n\n{rebuild(_capped(text), alone=False)}\n\n</details>"


def call(one: CallView) -> str:
    """A tool call with its arguments laid out."""
    head = f"<details open><summary>Tool call: <code>{_name(one.name)}</code></summary>"
    return f"{head}\n\n{arguments(one.arguments)}\n\n</details>"


def _name(name: str) -> str:
    """A tool's name inside HTML of ours: one line, and a character reference for all but what names are made of."""
    shown = " ".join(clean(name).split()) or "?"
    shown = shown if len(shown) <= MAX_NAME else f"{shown[: MAX_NAME - 1]}…"
    return re.sub(r"[^\w .:…-]", lambda match: f"&#{ord(match[0])};", shown)


def arguments(text: str) -> str:
    """JSON laid out; anything else as it is. What would reorder it is shown: it is what someone decides upon."""
    try:
        laid_out = json.dumps(json.loads(text[: MAX_ARGUMENTS + 1]), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # also where it is too long to be laid out
        return fenced(_capped(text, MAX_ARGUMENTS), "text")
    return fenced(_capped(laid_out, MAX_ARGUMENTS), "json")


def citations(pairs: tuple[tuple[str, str], ...]) -> str:
    """The sources, numbered."""
    if not pairs:
        return ""
    links = [
        f"{place}. {link(title[:MAX_TITLE], url[:MAX_URL])}" for place, (title, url) in enumerate(pairs[:MAX_LISTED], 1)
    ]
    return "Sources:\n\n" + "\n".join(links)


def as_json(text: str) -> str:
    """The text as laid out JSON, where it is JSON; else the text, and a line that says so."""
    try:
        laid_out = json.dumps(json.loads(json_in(text)), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "\n\n".join(part for part in (rebuild(_capped(text), alone=False), "*This is not valid JSON.*") if part)
    return fenced(_capped(laid_out), "json")


def json_in(text: str) -> str:
    """The JSON of an answer: its only fenced block, if it has one, else all of it."""
    blocks = fences(text)
    return blocks[0].code if len(blocks) == 1 else text


def code_in(text: str) -> str:
    """The fenced code of an answer, its blocks one after the other; empty when there is none."""
    return "\n\n".join(block.code.rstrip("\n") for block in fences(text) if block.code.strip())


def without_code(text: str) -> str:
    """The prose of an answer, its fenced code left out."""
    lines = re.split(r"\r\n?|\n", text)
    for block in reversed(fences(text)):
        del lines[block.first : block.end]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _capped(text: str, most: int = MAX_SHOWN) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n\n… {len(text) - most:,} more characters in _llm"


def _quoted(head: str, text: str) -> str:
    """A quote that says what it is, so that it is not taken for an answer."""
    if not text.strip():
        return ""
    return "\n".join(f"> {line}" if line else ">" for line in (head + prose(_capped(text.strip()))).split("\n"))
