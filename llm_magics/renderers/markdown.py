"""``text/markdown``: for JupyterLab, Notebook, VS Code, GitHub and nbconvert; needs no script to be read."""

from __future__ import annotations

import html
import json
import re

from llm_magics.safe_markdown import escape, fenced, rebuild
from llm_magics.view import CallView, View

MAX_SHOWN = 200_000  # characters of one segment; a page with more is slow, and Jupyter drops larger messages


def render(view: View) -> str:
    """The view as Markdown whose every leaf is escaped."""
    parts = [
        *(f"*{escape(note)}*" for note in view.notes),
        reasoning(view.reasoning),
        body(view),
        refusal(view.refusal),
        transcript(view.transcript),
        *(call(one) for one in view.calls),
        citations(view.citations),
        f"**{escape(view.mark)}**" if view.mark else "",
    ]
    return "\n\n".join(part for part in parts if part)


def body(view: View) -> str:
    """The answer's text in the format that was asked for."""
    text = _capped(view.text)
    match view.output:
        case "markdown":
            return rebuild(text)
        case "text":
            return fenced(text, "text") if text else ""
        case "json":
            return as_json(text)
        case "code":
            return rebuild(without_code(text))


def reasoning(text: str) -> str:
    """Folded: one consults it afterwards."""
    if not text.strip():
        return ""
    return f"<details><summary>Reasoning</summary>\n\n{rebuild(_capped(text))}\n\n</details>"


def refusal(text: str) -> str:
    """Said to be one, so that it is not taken for an answer."""
    return _quoted(f"**The model refused:** {escape(_capped(text))}") if text else ""


def transcript(text: str) -> str:
    """What a spoken answer says."""
    return _quoted(f"**Spoken:** {escape(_capped(text))}") if text else ""


def call(one: CallView) -> str:
    """A tool call with its arguments laid out."""
    name = html.escape(one.name or "?")
    return f"<details open><summary>Tool call: <code>{name}</code></summary>\n\n{arguments(one.arguments)}\n\n</details>"


def arguments(text: str) -> str:
    """JSON laid out; anything else as it is."""
    try:
        laid_out = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return fenced(_capped(text), "text")
    return fenced(_capped(laid_out), "json")


def citations(pairs: tuple[tuple[str, str], ...]) -> str:
    """The sources, numbered."""
    if not pairs:
        return ""
    links = [rebuild(f"[{_label(title)}](<{_angle(url)}>)") for title, url in pairs]
    return "Sources:\n\n" + "\n".join(f"{place}. {link}" for place, link in enumerate(links, 1))


def as_json(text: str) -> str:
    """The text as laid out JSON, where it is JSON; else the text, and a line that says so."""
    try:
        value = json.loads(json_in(text))
    except ValueError:
        return f"{rebuild(text)}\n\n*This is not valid JSON.*"
    return fenced(json.dumps(value, indent=2, ensure_ascii=False), "json")


def json_in(text: str) -> str:
    """The JSON of an answer: its only fenced block, if it has one, else all of it."""
    blocks = _FENCE.findall(text)
    return blocks[0][1] if len(blocks) == 1 else text


def code_in(text: str) -> str:
    """The fenced code of an answer, its blocks one after the other; empty when there is none."""
    return "\n\n".join(code.rstrip("\n") for _, code, _ in _FENCE.findall(text))


def without_code(text: str) -> str:
    """The prose of an answer, its fenced code left out."""
    return re.sub(r"\n{3,}", "\n\n", _FENCE.sub("", text)).strip()


# A fenced block: its fence, its content, and its end, or the end of the text where it was never closed.
_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n`]*\n(.*?)(^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)", re.M | re.S)


def _capped(text: str) -> str:
    if len(text) <= MAX_SHOWN:
        return text
    return f"{text[:MAX_SHOWN]}\n\n… {len(text) - MAX_SHOWN:,} more characters in `_llm.text`"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _label(title: str) -> str:
    return " ".join(escape(title).split())


def _angle(url: str) -> str:
    return url.replace("<", "%3C").replace(">", "%3E").replace("\n", "").replace("\\", "%5C")
