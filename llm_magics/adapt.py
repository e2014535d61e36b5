"""Pure decisions after a refusal: what to ask instead, or how long to wait; the rest raises the original error.

`Plan` is one request on its way. Both colours of caller, blocking and async, ask it the same question: `after`.
"""

from __future__ import annotations

import copy
import email.utils
import json
import random
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_WAIT = 60.0  # seconds; whoever asks for a longer pause is told no at once
_TOOL_FIELDS = ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The facts of a failed attempt, told without any library's types.

    Attributes:
        status: HTTP status; None when the error came inside a stream, or no answer came at all.
        said: everything the server said, in lower case: its body's texts, however nested, and its raw text.
        reached: whether an HTTP answer came.
        timed_out: whether it was patience that ended.
        headers: the answer's headers, names in lower case.
    """

    status: int | None
    said: str
    reached: bool = True
    timed_out: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """One request, and what has been tried for it.

    Attributes:
        body: the request to send now.
        retries: how often a failure that may pass is tried again.
        attempts: requests sent so far.
        retried: how many of them were such second tries.
        notes: what was changed, in words for the user.
        bends: whether a parameter that is refused is renamed or left out, once each; else the caller is told.
        learnt: the parameters that were refused, and the names they go by instead (None: left out).
    """

    body: dict[str, Any]
    retries: int
    attempts: int = 0
    retried: int = 0
    notes: list[str] = field(default_factory=list)
    bends: bool = False
    learnt: dict[str, str | None] = field(default_factory=dict)

    def after(self, refusal: Refusal) -> float | None:
        """Seconds to wait before sending `body` again, or None when the failure stands."""
        if offers_tools(self.body) and refuses_tools(refusal):
            self.body = without_tools(self.body)
            self.notes.append("this model takes no tools here: asked without them")
            return 0.0
        if self.bends and (refused := refused_parameter(refusal, self.body)) and refused not in self.learnt:
            instead = self.learnt[refused] = INSTEAD[refused]
            self.body = bent(self.body, {refused: instead})
            asked = f"asked with {instead}" if instead else "asked without it"
            self.notes.append(f"this model takes no {refused} here: {asked}")
            return 0.0
        wait = pause(refusal, self.retried) if self.retried < self.retries else None
        if wait is not None:
            self.retried += 1
        return wait


# ---------------------------------------------------------------- waiting


def pause(refusal: Refusal, retried: int) -> float | None:
    """Seconds until a failure that may pass is worth another try, or None when it will not pass.

    A request that ran out of time is not sent again: the server may still be answering it, and charging for it.
    """
    if refusal.timed_out:
        return None
    if refusal.reached:
        wish = refusal.headers.get("x-should-retry")
        if wish == "false" or (wish != "true" and not _may_pass(refusal)):
            return None
        asked = _asked_pause(refusal.headers)
        if asked is not None:
            return asked if asked <= MAX_WAIT else None
    backoff: float = min(0.5 * 2**retried, 8.0)
    return backoff * (1 - 0.25 * random.random())  # noqa: S311 - jitter, not a secret


def _may_pass(refusal: Refusal) -> bool:
    if refusal.status == 429:
        return not re.search(r"insufficient_quota|out of credit|billing|exceeded your current quota", refusal.said)
    return refusal.status in {408, 409, 425} or (refusal.status or 0) >= 500


def _asked_pause(headers: Mapping[str, str]) -> float | None:
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


# ---------------------------------------------------------------- tools

# What `haystack` puts between two texts, so that no pattern reaches from one into the next.
_GAP = " ¦ "
# The thing refused, in the words servers have for it.
_TOOLS = (
    r"(?:(?:function|tool)[ _-]?(?:call(?:s|ing)?|use|usage|choice)"
    r"|[`'\"]?(?:tool[ _]calling|tools|functions|tool_choice)[`'\"]?(?: param(?:eter)?s?)?)"
)
_NOT = (
    r"(?:not (?:yet |currently )?(?:be )?(?:supported|enabled|available|allowed|implemented)"
    r"|unsupported|unavailable|disabled)"
)
_REFUSED = re.compile(
    "|".join(
        [
            r"(?:does not|doesn't|do not|don't|cannot|can't|not able to) (?:currently )?"
            rf"(?:support|use|handle|accept|take) (?:the )?{_TOOLS}",
            rf"{_TOOLS}[`'\"]? (?:is|are) (?:currently )?{_NOT}",
            rf"{_TOOLS} {_NOT}",
            rf"(?:model|endpoint|server)\b[^.¦]{{0,60}} {_NOT} for {_TOOLS}",
            rf"{_TOOLS} (?:is|are) only supported",
            rf"supports? (?:for )?{_TOOLS} (?:is )?(?:missing|disabled)",
            r"requires? --enable-auto-tool-choice|--tool-call-parser|requires? --jinja",
            r"no endpoints found that support tool",
            r"(?:unrecognized|unknown|unexpected|unsupported|extra|invalid) (?:request )?"
            r"(?:param(?:eter)?s?|fields?|arguments?|keys?|propert(?:y|ies)|inputs?)"
            r"(?: (?:supplied|provided|are not permitted|not permitted))?\W{0,4}(?:field|in body)?\W{0,4}(?:body\.)?"
            r"(?:tools|tool_choice|functions)\b(?![\[.])",
            r"does not support parameters: \[[^\]¦]*['\"](?:tools|tool_choice|functions)['\"]",
            r"cannot use tools with stream",
            # a validation error whose place is the field itself, not something inside of it
            r"¦ (?:body\.)?(?:tools|tool_choice)(?: ¦[^¦]*){0,2}(?:extra|forbidden|not permitted|unexpected|unknown)",
        ]
    )
)
# Words of errors that mention tools but are about something else, so that dropping the tools would hide a mistake.
_ABOUT_SOMETHING_ELSE = re.compile(
    "|".join(
        [
            r"tool_use_failed|failed_generation|failed to call a function",
            r"invalid schema|invalid_function_parameters|invalid json schema|schema for (?:function|tool)",
            r"tool_call_id|must be a response to|tool_calls' must be followed|tool result|tool message"
            r"|role 'tool'|tool role",
            r"context[ _]length|maximum context|too many tokens|reduce the length|available context size",
            r"with reasoning_effort|reasoning_effort to 'none'",
            r"in streaming mode|when streaming|with streaming",
            rf"(?:with|and|both|combin\w+|together with) {_TOOLS}[`'\"]? (?:is|are|{_NOT})",
            r"(?:tools|functions)\W{0,2}\[?\.?\d+|\d+ (?:tools|functions)"
            r"|(?:tools|functions)\W{0,2} ?(?:array|list) (?:is )?too long|at most|maximum number",
            r"parallel(?:_| )(?:tool|function)|\bstrict\b|tool type|type of tool|built-?in tool|custom tools?",
            r"rate limit|quota|billing|api key|unauthori[sz]ed|permission",
        ]
    )
)


def refuses_tools(refusal: Refusal) -> bool:
    """Whether a failure says that this model, or this server, takes no tools at all.

    Told by what the server said, not by the status: it comes as 400, 404, 405, 422, 500, 501 and inside streams.
    """
    if refusal.status not in {None, 400, 404, 405, 422, 500, 501} or not refusal.reached:
        return False
    said = refusal.said
    return bool(_REFUSED.search(said)) and not _ABOUT_SOMETHING_ELSE.search(said)


def offers_tools(body: Mapping[str, Any]) -> bool:
    """Whether a request carries tools."""
    return bool(body.get("tools") or body.get("functions") or body.get("tool_choice"))


def without_tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same request without tools; calls and results in its history become text, which any model reads."""
    plain = {key: value for key, value in body.items() if key not in _TOOL_FIELDS}
    plain["messages"] = [_flat(message) for message in body["messages"]]
    return plain


def _flat(message: Mapping[str, Any]) -> dict[str, Any]:
    flat = copy.copy(dict(message))
    if flat.get("role") in ("tool", "function"):
        return {"role": "user", "content": f"Result of the tool call: {_plain(flat.get('content'))}"}
    calls = list(flat.pop("tool_calls", None) or [])
    if isinstance(older := flat.pop("function_call", None), Mapping):
        calls.append({"function": older})
    if calls:
        told = "\n".join(_call_in_words(call) for call in calls)
        flat["content"] = "\n".join(part for part in (_plain(flat.get("content")), told) if part)
    return flat


def _call_in_words(call: Mapping[str, Any]) -> str:
    body = call.get("function") or call.get("custom") or {}
    return f"(called {body.get('name')} with {body.get('arguments') or body.get('input') or '{}'})"


def _plain(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return "" if content is None else str(content)


# ---------------------------------------------------------------- single parameters

# Parameters that some endpoints refuse, and the name they go by there; None: the endpoint does without.
INSTEAD: Mapping[str, str | None] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
    "stream_options": None,
    "temperature": None,
    "top_p": None,
    "presence_penalty": None,
    "frequency_penalty": None,
}
_UNFIT = re.compile(
    r"unsupported|not supported|n[o']t support|unknown|unrecognized|unexpected|extra inputs|extra_forbidden"
    r"|not permitted|only the default"
)


def refused_parameter(refusal: Refusal, body: Mapping[str, Any]) -> str | None:
    """The parameter of this request that the endpoint will not have at all; None for complaints about anything else."""
    if refusal.status not in {400, 422} or not _UNFIT.search(refusal.said):
        return None
    return next((name for name in INSTEAD if name in body and _is_subject(name, refusal.said)), None)


def _is_subject(name: str, said: str) -> bool:
    """Whether a complaint is about this parameter, rather than naming it on the way."""
    alone = rf"{_GAP}(?:body\.)?{name}(?:{_GAP}|\Z)"
    announced = rf"(?:parameter|value|field|argument supplied|inputs?[^.]*):? ['\"`]?{name}\b"
    judged = rf"['\"`#/]{name}['\"`]? (?:is|does)|#/{name}\b"
    return bool(re.search(f"{alone}|{announced}|{judged}", said))


def bent(body: Mapping[str, Any], learnt: Mapping[str, str | None]) -> dict[str, Any]:
    """The same request with these parameters renamed or left out."""
    named = {key: learnt.get(key, key) for key in body}
    return {name: body[key] for key, name in named.items() if name is not None}


# ---------------------------------------------------------------- what a server said


def haystack(*sources: Any) -> str:
    """Every text in these bodies, however nested, also in JSON inside of text; in lower case, blanks folded.

    What a validation error repeats of the request (``input``) is left out: it is the user's text, not the server's. The
    place it names (``loc``) is one text with dots.
    """
    texts = (" ".join(text.lower().replace("\\", "").split()) for text in _texts(sources))
    return _GAP + _GAP.join(texts)


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > 20:
        return
    if isinstance(value, str):
        inner = _json_in(value) if depth < 12 else None
        if inner is None:
            yield value
        else:
            yield from _texts(inner, depth + 1)
    elif isinstance(value, Mapping):
        if isinstance(place := value.get("loc"), list | tuple):
            yield ".".join(map(str, place))
        for key, inner in value.items():
            if key not in ("input", "loc"):
                yield from _texts(inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, depth + 1)


def _json_in(text: str) -> Any:
    """The list or object that a text is in JSON; None for any other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None
