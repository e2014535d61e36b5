"""``text/plain``: for terminals, and for readers that know no Markdown; nothing in it moves a cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llm_magics.call_views import lines as call_lines
from llm_magics.call_views.parts import name_of
from llm_magics.printable import clean
from llm_magics.view import CallView, View

MAX_LISTED = 50  # tool calls, and sources
MAX_TITLE, MAX_URL = 300, 2_000
MAX_NAMES = 20  # of tools, where calls are only counted


def render(view: View, *, brief: bool = False) -> str:
    """The view as plain text; ``brief`` says only how often which tools were called in the rounds before the last."""
    parts = [
        *(f"({note})" for note in view.notes),
        *([counted(view.steps)] if brief else steps(view)),
        thought(view.reasoning),
        view.text.strip("\n"),
        f"The model refused: {view.refusal}" if view.refusal else "",
        f"Spoken: {view.transcript}" if view.transcript else "",
        *calls(view),
        "(an empty answer)" if view.steps and view.empty and not view.mark else "",
        "\n".join(sources(view)),
        f"[{view.mark}]" if view.mark else "",
    ]
    # Each by itself: a control sequence that one begins would swallow what stands up to its end in another.
    return "\n\n".join(shown for part in parts if (shown := clean(part))) or "(an empty answer)"


def steps(view: View) -> list[str]:
    """The rounds before the last: what was said, and what was called."""
    shown, left = [], MAX_LISTED
    for one in view.steps[:MAX_LISTED]:
        if left > 0:
            shown.append(step(one, left))
            left -= len(one.calls)
    rounds, more = len(view.steps) - len(shown), sum(len(one.calls) for one in view.steps) - MAX_LISTED
    return [*shown, f"… {rounds} more rounds, {max(more, 0)} more tool calls"] if rounds or more > 0 else shown


def step(one: View, most: int = MAX_LISTED) -> str:
    """One round before the last, with so many of its calls."""
    said = [
        thought(one.reasoning),
        one.text.strip("\n"),
        f"The model refused: {one.refusal}" if one.refusal else "",
        *_called(one.calls[:most]),
    ]
    return "\n\n".join(shown for part in said if (shown := clean(part)))


def counted(rounds: Sequence[View]) -> str:
    """One line in place of rounds: which tools were called, and how often."""
    names = Counter(name_of(call)[: MAX_NAMES * 2] for one in rounds for call in one.calls)
    shown = [name if count == 1 else f"{name} ×{count}" for name, count in names.most_common(MAX_NAMES)]
    more = [f"{len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    return f"(called {', '.join([*shown, *more])})" if names else ""


def thought(reasoning: str) -> str:
    """One line in place of the reasoning, which would bury the answer where nothing can be folded."""
    count = len(reasoning.split())
    return f"(thought for {count:,} word{'' if count == 1 else 's'})" if count else ""


def calls(view: View) -> list[str]:
    """Tool calls, each with what came of it."""
    more = len(view.calls) - MAX_LISTED
    return [*_called(view.calls[:MAX_LISTED]), *([f"… {more} more tool calls"] if more > 0 else [])]


def _called(made: Sequence[CallView]) -> list[str]:
    return ["\n".join(call_lines.lines(one)) for one in made]


def sources(view: View) -> list[str]:
    """Sources, one a line."""
    numbered = enumerate(view.citations[:MAX_LISTED], 1)
    return [f"[{place}] {' '.join(title[:MAX_TITLE].split())} {url[:MAX_URL]}" for place, (title, url) in numbered]
