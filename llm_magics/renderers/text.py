"""``text/plain``: for terminals, and for readers that know no Markdown; control sequences are taken out."""

from __future__ import annotations

import json
import re

from llm_magics.view import View

# What moves a cursor, sets a title, writes a clipboard or makes a link, then every other control but tab and newline.
_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_].*?(?:\x1b\\|\Z)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?",
    re.S,
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Characters that change the order in which text is shown, so that it reads as what it is not.
_BIDI = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Text without control sequences.

    >>> clean("a\\x1b[31mb\\r\\n")
    'ab\\n'
    """
    text = text.replace("\r\n", "\n")
    if text.isprintable():
        return text
    text = _CONTROLS.sub("", _SEQUENCES.sub("", text))
    return _BIDI.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def render(view: View) -> str:
    """The view as plain text."""
    parts = [
        *(f"({note})" for note in view.notes),
        thought(view.reasoning),
        view.text.strip("\n"),
        f"The model refused: {view.refusal}" if view.refusal else "",
        f"Spoken: {view.transcript}" if view.transcript else "",
        *calls(view),
        *(f"[{place}] {title} {url}" for place, (title, url) in enumerate(view.citations, 1)),
        f"[{view.mark}]" if view.mark else "",
    ]
    return clean("\n\n".join(part for part in parts if part))


def thought(reasoning: str) -> str:
    """One line in place of the reasoning, which would bury the answer where nothing can be folded."""
    return f"(thought for {len(reasoning.split())} words)" if reasoning.strip() else ""


def calls(view: View) -> list[str]:
    """Tool calls, one a line."""
    return [f"Tool call: {call.name}({_compact(call.arguments)})" for call in view.calls]


def _compact(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except ValueError:
        return arguments
