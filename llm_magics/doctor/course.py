"""Checks an endpoint: probe after probe, and how it went in the end.

What makes the rest pointless ends the check. What an endpoint does not take is learnt for the prompts to come.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from llm_magics.config import is_loopback
from llm_magics.doctor.checkup import Checkup, Row, counted
from llm_magics.doctor.probes import probes_for
from llm_magics.events import Event, Note


async def examine(checkup: Checkup) -> AsyncIterator[list[Event]]:
    """Let each probe have its turn; a note says that there is something new in the check's rows."""
    checkup.begin()
    for name, probe in probes_for(checkup).items():
        checkup.probing = time.monotonic()
        checkup.rows.append(Row(name, "…"))
        yield [Note(name)]
        row = Row(name, "–", checkup.stopped) if checkup.stopped else await probe(checkup)
        checkup.rows[-1] = replace(row, name=name)
        yield [Note(name)]


def verdict(checkup: Checkup) -> Sequence[str]:
    """How it went, in a line or two, and what it cost."""
    rows = [row for row in checkup.rows if row.mark in "✓✗"]
    fine = sum(row.mark == "✓" for row in rows)
    mend = [row.name for row in rows if row.mark == "✗" and not row.handled]
    handled = [row.name for row in rows if row.mark == "✗" and row.handled]
    told = [f"{fine} of {len(rows)} fine"]
    if mend:
        told.append(f"{len(mend)} to mend: {', '.join(mend)}")
    if handled:
        told.append(f"prompts get along without: {', '.join(handled)}")
    if not checkup.requests:
        return ["; ".join(told) + ".", "No model was asked."]
    took = f"It took {counted(checkup.requests, 'request')} to the model"
    if checkup.taken:  # something was answered
        took += f", and {counted(checkup.tokens, 'token') if checkup.tokens else 'tokens that nobody counted'}"
        took += "" if is_loopback(checkup.base_url) else "; they may be charged"
    return ["; ".join(told) + ".", f"{took}."]
