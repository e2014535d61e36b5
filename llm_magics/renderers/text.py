"""``text/plain``: for terminals, and for readers that know no Markdown; nothing in it moves a cursor."""

from __future__ import annotations

import json

from llm_magics.printable import clean
from llm_magics.view import View


def render(view: View) -> str:
    """The view as plain text."""
    parts = [
        *(f"({note})" for note in view.notes),
        thought(view.reasoning),
        view.text.strip("\n"),
        f"The model refused: {view.refusal}" if view.refusal else "",
        f"Spoken: {view.transcript}" if view.transcript else "",
        *calls(view),
        "\n".join(f"[{place}] {' '.join(title.split())} {url}" for place, (title, url) in enumerate(view.citations, 1)),
        f"[{view.mark}]" if view.mark else "",
    ]
    return clean("\n\n".join(part for part in parts if part)) or "(an empty answer)"


def thought(reasoning: str) -> str:
    """One line in place of the reasoning, which would bury the answer where nothing can be folded."""
    count = len(reasoning.split())
    return f"(thought for {count:,} word{'' if count == 1 else 's'})" if count else ""


def calls(view: View) -> list[str]:
    """Tool calls, one a line."""
    return [f"Tool call: {call.name}({_compact(call.arguments)})" for call in view.calls]


def _compact(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments
