"""``text/plain``: for terminals, and for readers that know no Markdown; nothing in it moves a cursor."""

from __future__ import annotations

import json

from llm_magics.printable import clean
from llm_magics.view import View

MAX_LISTED = 50  # tool calls, and sources
MAX_ARGUMENTS = 20_000  # characters of one call's arguments
MAX_TITLE, MAX_URL = 300, 2_000


def render(view: View) -> str:
    """The view as plain text."""
    parts = [
        *(f"({note})" for note in view.notes),
        thought(view.reasoning),
        view.text.strip("\n"),
        f"The model refused: {view.refusal}" if view.refusal else "",
        f"Spoken: {view.transcript}" if view.transcript else "",
        *calls(view),
        "\n".join(sources(view)),
        f"[{view.mark}]" if view.mark else "",
    ]
    return clean("\n\n".join(part for part in parts if part)) or "(an empty answer)"


def thought(reasoning: str) -> str:
    """One line in place of the reasoning, which would bury the answer where nothing can be folded."""
    count = len(reasoning.split())
    return f"(thought for {count:,} word{'' if count == 1 else 's'})" if count else ""


def calls(view: View) -> list[str]:
    """Tool calls, one a line."""
    lines = [f"Tool call: {call.name}({_compact(call.arguments)})" for call in view.calls[:MAX_LISTED]]
    more = len(view.calls) - MAX_LISTED
    return [*lines, f"… {more} more tool calls"] if more > 0 else lines


def sources(view: View) -> list[str]:
    """Sources, one a line."""
    numbered = enumerate(view.citations[:MAX_LISTED], 1)
    return [f"[{place}] {' '.join(title[:MAX_TITLE].split())} {url[:MAX_URL]}" for place, (title, url) in numbered]


def _compact(arguments: str) -> str:
    if len(arguments) > MAX_ARGUMENTS:
        return f"{arguments[:MAX_ARGUMENTS]}… {len(arguments) - MAX_ARGUMENTS:,} more characters"
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments
