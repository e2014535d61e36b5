"""One row of the fault matrix: what goes wrong, and what a person must see of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import places
from far_end import Reply

CLOCK = 0.8  # seconds that rows about time allow; the others are far from their clocks
AMPLE = 60.0


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What must come of a row.

    Attributes:
        outcome: for a cell the status of its answer, or the class of its failure; for `call_llm` ``message``, or the
            class of what it raises.
        text: the text kept; None where it may be any.
        sent: requests that reach the far end; None where it may be any number.
        says: words that must be shown.
        also: further parts of the message that must be so: ``reasoning``, ``refusal``, ``calls`` (name, arguments).
    """

    outcome: str
    text: str | None = ""
    sent: int | None = 1
    says: Sequence[str] = ()
    also: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault.

    Attributes:
        number: its number in the matrix; letters tell its forms apart.
        fault: what goes wrong, in words.
        stream: what the far end replies to a request for a stream: one reply for ever, or several in turn.
        plain: the same for a request for a whole completion.
        place: where the requests go.
        settings: of the model, besides its address and key.
        warm: the reply to a good call before, which leaves a connection to use again: to a stream, and to a plain call.
        tools: whether the request offers a tool.
    """

    number: str
    fault: str
    stream: Reply | Sequence[Reply]
    plain: Reply | Sequence[Reply]
    cell: Expected
    call: Expected
    place: places.Place = places.far_end
    settings: Mapping[str, Any] = field(default_factory=dict)
    warm: tuple[Reply, Reply] | None = None
    tools: bool = False

    @property
    def all_settings(self) -> dict[str, Any]:
        """The model's settings with the matrix's own defaults: no retries, and patience no row comes near."""
        return {"timeout": AMPLE, "max_retries": 0, **self.settings}


def good(text: str, *says: str, sent: int = 1, status: str = "ok", **also: Any) -> dict[str, Expected]:
    """Both ways give the answer; words are what only the cell has to say about it."""
    return {
        "cell": Expected(outcome=status, text=text, sent=sent, says=says, also=also),
        "call": Expected(outcome="message", text=text, sent=sent, also=also),
    }


def bad(
    cell: str, call: str, *says: str, text: str = "", sent: int = 1, call_says: Sequence[str] = ()
) -> dict[str, Expected]:
    """Both ways fail, the cell with the text that had arrived and these words."""
    return {
        "cell": Expected(outcome=cell, text=text, sent=sent, says=says),
        "call": Expected(outcome=call, sent=sent, says=call_says),
    }
