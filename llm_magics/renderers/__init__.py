"""How a view becomes what a front end shows: one MIME type a sibling, pure functions of the view."""

from __future__ import annotations

from llm_magics.renderers import markdown, text
from llm_magics.view import View

PLAIN_LIMIT = 4_000  # characters of text/plain beside a Markdown rendering: more would send and save the text twice


def mimebundle(view: View) -> dict[str, str]:
    """``text/markdown`` for pages, and ``text/plain`` for everything else."""
    plain = text.render(view)
    if len(plain) > PLAIN_LIMIT and view.steps:  # what was called must not push the answer out
        plain = text.render(view, brief=True)
    if len(plain) > PLAIN_LIMIT:
        left = len(plain) - PLAIN_LIMIT
        plain = f"{plain[:PLAIN_LIMIT]}…\n[{left:,} more characters: print(_llm.text) shows them all]"
    return {"text/markdown": markdown.render(view), "text/plain": plain}
