"""Whether a failure may pass, and how long to wait for that."""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Mapping

from llm_magics.refusals.refusal import TOO_LONG, Refusal, is_out_of_credit, told_pause

MAX_WAIT = 60.0  # seconds; whoever asks for a longer pause is told no at once


def pause(refusal: Refusal, retried: int) -> float | None:
    """Seconds until a failure that may pass is worth another try, or None when it will not pass.

    A request that ran out of time is not sent again, nor one whose answer broke off: the server may still be answering
    it, and charging for it. One that the server may have seen without a word of answer is sent again once.
    """
    if refusal.timed_out and refusal.sent:
        return None
    if not refusal.reached and (refusal.lasting or refusal.begun or (refusal.sent and retried)):
        return None
    if refusal.reached:
        wish = refusal.headers.get("x-should-retry")
        if wish == "false" or (wish != "true" and not _may_pass(refusal)):
            return None
        asked = asked_pause(refusal.headers)
        if asked is None and refusal.status == 429:
            asked = told_pause(refusal.said)
        if asked is not None:
            return asked if asked <= MAX_WAIT else None
    backoff: float = min(0.5 * 2**retried, 8.0)
    return backoff * (1 - 0.25 * random.random())  # noqa: S311 - jitter, not a secret


def _may_pass(refusal: Refusal) -> bool:
    if refusal.status == 429:
        return not is_out_of_credit(refusal.said)
    if TOO_LONG.search(refusal.said):
        return False
    return refusal.status in {408, 409, 425} or ((refusal.status or 0) >= 500 and refusal.status not in {501, 505, 511})


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds, where it says something sensible (source: RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            asked = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if 0 <= asked < float("inf"):
            return asked
    until = _seconds_of(headers.get("retry-after", ""))
    if until is None:
        return None
    now = _seconds_of(headers.get("date", ""))  # the server's own clock, which may differ from this machine's
    return max(until - (time.time() if now is None else now), 0.0)


def _seconds_of(date: str) -> float | None:
    """An HTTP date in seconds since 1970; None where it is no date."""
    try:
        when = email.utils.parsedate_tz(date)
        return float(email.utils.mktime_tz(when)) if when else None
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
