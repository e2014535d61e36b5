"""Does this model take tools? What servers say when it does not, and the same request without them."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from llm_magics.refusals.refusal import Refusal
from llm_magics.refusals.unsupported import is_unsupported

_TOOL_FIELDS = ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")

# The thing refused, in the words servers have for it.
_TOOLS = (
    r"(?:(?:function|tool)[ _-]?(?:call(?:s|ing)?|use|usage|invocation|choice)"
    r"|[`'\"]?(?:tool[ _]calling|tools|functions|tool_choice)[`'\"]?(?: param(?:eter)?s?)?)"
)
_NOT = (
    r"(?:not (?:yet |currently )?(?:be )?(?:supported|enabled|available|allowed|implemented)"
    r"|unsupported|unavailable|disabled)"
)
_REFUSED = "|".join(
    [
        r"(?:does not|doesn't|do not|don't|cannot|can't|not able to) (?:currently )?"
        rf"(?:support|use|handle|accept|take) (?:the )?{_TOOLS}",
        rf"{_TOOLS}[`'\"]? (?:is|are) (?:currently )?{_NOT}",
        rf"{_TOOLS}[`'\"]? (?:isn't|aren't) (?:yet |currently )?(?:supported|enabled|available|allowed)",
        rf"no support for {_TOOLS}",
        rf"{_TOOLS} {_NOT}",
        rf"(?:model|endpoint|server)\b[^.¦]{{0,60}} {_NOT} for {_TOOLS}",
        rf"{_TOOLS} (?:is|are) only supported",
        rf"supports? (?:for )?{_TOOLS} (?:is )?(?:missing|disabled)",
        r"requires? --enable-auto-tool-choice|--tool-call-parser|requires? --jinja",
        r"no endpoints found that support (?:tool|the provided 'tool_choice')",
        r"no tools? support\b",
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
# Words of errors that mention tools but are about something else, so that dropping the tools would hide a mistake.
_ABOUT_SOMETHING_ELSE = "|".join(
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


def refuses_tools(refusal: Refusal) -> bool:
    """Whether a failure says that this model, or this server, takes no tools at all.

    Told by what the server said, not by the status, of which there are many.
    """
    if not refusal.may_be_of_one_thing:
        return False
    said = refusal.said
    if re.search(_ABOUT_SOMETHING_ELSE, said):
        return False
    return bool(re.search(_REFUSED, said)) or is_unsupported("tools", said)


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
        return {"role": "user", "content": f"Result of the tool call: {text_of(flat.get('content'))}"}
    calls = list(flat.pop("tool_calls", None) or [])
    if isinstance(older := flat.pop("function_call", None), Mapping):
        calls.append({"function": older})
    if calls:
        told = "\n".join(_call_in_words(call) for call in calls)
        flat["content"] = "\n".join(part for part in (text_of(flat.get("content")), told) if part)
    return flat


def _call_in_words(call: Mapping[str, Any]) -> str:
    body = call.get("function") or call.get("custom") or {}
    return f"(called {body.get('name')} with {body.get('arguments') or body.get('input') or '{}'})"


def text_of(content: Any) -> str:
    """A message's content as text, whether it is text or a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return "" if content is None else str(content)
