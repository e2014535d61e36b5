"""What there is to say about a finished answer besides itself: quiet lines, none for an ordinary one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from llm_magics.printable import short_line
from llm_magics.refusals.adapt import Plan
from llm_magics.wire.reply import Reply

NOTE = 200  # characters of a line
NAME = 80  # characters of a model's name, which is whatever the server says
# What servers add to the name of one and the same model: a date or a build, a tag, a file's ending. Shorter numbers and
# sizes are other models: gpt-4 is not gpt-5.
_VARIANT = re.compile(
    r"(?:[-_@]\d{4}-\d\d-\d\d|[-_@](?:preview|exp)(?:-\d\d-\d\d)?|[-_@]\d{3,8}|[-_@:](?:latest|default|main)"
    r"|:(?:free|nitro|floor|online|beta)|\.gguf)+\Z"
)


def remarks(plan: Plan, reply: Reply, keyless: Callable[[str], str]) -> Iterator[str]:
    """Tries that were made before it, each of which may have been charged; what was mended; what is missing.

    ``keyless`` takes keys out of what the server chose the words of, before it is cut.
    """
    if plan.retried:
        yield f"{plan.retried} {'retry' if plan.retried == 1 else 'retries'}: {plan.trouble}"
    yield from (short_line(keyless(note), NOTE) for note in reply.notes)
    if reply.further:
        yield "there is more than one answer: this is the first"
    if reply.left_out:
        yield short_line(f"not shown of this answer: {keyless(', '.join(reply.left_out))}", NAME)
    elif reply.finished and reply.speechless and (reply.empty or reply.finish_reason != "length"):
        yield "the model answered with nothing" + ("" if reply.empty else " but thoughts")


def other_model(asked: str, got: str | None) -> str | None:
    """A line that says that another model answered than was asked; None for another form of the same name."""
    if not got or _plain(asked) == _plain(got):
        return None
    return f"asked {asked}, got {short_line(got, NAME)}"


def _plain(name: str) -> str:
    """A model's name without its folder or provider, its date and its tag."""
    last = name.casefold().replace("\\", "/").rstrip("/").rpartition("/")[2]
    return _VARIANT.sub("", last)
