"""The ladder: each thing of a request that some endpoints refuse, how they say so, and what is asked instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from llm_magics.refusals.refusal import Refusal
from llm_magics.refusals.tool_support import offers_tools, refuses_tools, text_of, without_tools
from llm_magics.refusals.unsupported import is_blamed, is_unsupported

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rung:
    """One thing that some endpoints refuse, and what is asked instead.

    Attributes:
        name: the thing, as a setting is called where it is one; findings are kept by it.
        instead: what was done, in words that follow "this model takes no …:".
        applies: whether a request has the thing.
        refused: whether this is what a server refused.
        change: the request without it.
        always: whether `call_llm` climbs it, too, which otherwise hands every refusal to its caller.
    """

    name: str
    instead: str
    applies: Callable[[Body], bool]
    refused: Callable[[Refusal, Body], bool]
    change: Callable[[Body], dict[str, Any]]
    always: bool = False


# ---------------------------------------------------------------- one parameter

# Patterns are compiled when a server first refuses something: at import they would cost more than all the rest.


def _is_refused(name: str, refusal: Refusal, body: Body) -> bool:
    return is_unsupported(name, refusal.said) or is_blamed(name, refusal.said)


def _has(name: str, body: Body) -> bool:
    return body.get(name) is not None


def _without(names: Sequence[str], body: Body) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in names}


def _renamed(name: str, other: str, body: Body) -> dict[str, Any]:
    return {other if key == name else key: value for key, value in body.items()}


def _dropped(name: str, *, also: str = r"(?!)") -> Rung:
    """The rung of a parameter that is left out; ``also`` is what its refusals say besides naming it."""
    return Rung(
        name,
        "asked without it",
        partial(_has, name),
        lambda refusal, body: _is_refused(name, refusal, body) or bool(re.search(also, refusal.said)),
        partial(_without, (name,)),
    )


def _swapped(name: str, other: str) -> Rung:
    """The rung of a parameter that goes by another name there."""
    change = partial(_renamed, name, other)
    return Rung(name, f"asked with {other}", partial(_has, name), partial(_is_refused, name), change)


_ONE_OF_TWO = r"temperature['\"`]? and ['\"`]?top_p['\"`]? cannot both"
_NO_THINKING = (
    r"not support (?:thinking|reasoning)\b|(?:thinking|reasoning) is not (?:enabled|supported)|invalid reasoning value"
    r"|reasoning_effort['\"`]? must be one of|think value [^.¦]{1,20} is not supported"
)
# These shade how an answer comes about. What decides on its form, its end, its price or who keeps it (``stop``,
# ``guided_json``, ``service_tier``, ``store`` …) is nobody's to leave out but the user's.
_SHADES = """
    seed top_k top_a min_p typical_p repetition_penalty repeat_penalty repeat_last_n length_penalty
    dry_multiplier dynatemp_range mirostat mirostat_eta mirostat_tau xtc_probability xtc_threshold
    enable_thinking include_reasoning reasoning reasoning_format thinking thinking_budget
    cache_prompt keep_alive prompt_cache_key
"""

# ---------------------------------------------------------------- tools

_NOT_PARALLEL = (
    r"parallel(?:_| )(?:tool|function)(?:_| )call\w*[^.¦]{0,40}(?:not|n't) support"
    r"|(?:not|n't) support parallel (?:tool|function) (?:call|use)"
)
_FORCED = (
    r"not support (?:this |the )?['\"`]?tool_choice\b|tool_choice['\"`]? parameter does not support being set"
    r"|invalid tool_choice type|tool_choice forces tool use|toolchoice\.\w+ field"
)

# ---------------------------------------------------------------- streaming

_NO_STREAM = (
    r"(?:does not|doesn't|do not|don't|cannot) (?:currently )?support stream(?:ing|ed)?\b"
    r"|stream(?:ing)?(?: (?:mode|responses?))?(?: isn't|(?: is| are)? (?:currently )?(?:not|un))(?: yet)? ?"
    r"(?:supported|available|allowed|implemented)|unsupported for streaming"
    r"|can ?not be streamed|stream['\"`]? must be (?:set to )?false|(?:use|set) stream(?:=| to )false"
    r"|must be verified to stream|'stream' does not support true"
)
_TOOLS_IN_STREAM = (
    r"tools? (?:use|calls?|calling)?[^.¦]{0,40}(?:in|with|when|while) stream|cannot use tools with stream"
    r"|stream(?:ing)? (?:is|are) not [^.¦]{0,30}(?:with|when|while)(?: using)? (?:tools?|functions?)\b"
)
_TOOLS_AND_REASONING = r"tools with reasoning_effort|reasoning_effort to 'none'"


def _streams(body: Body) -> bool:
    return bool(body.get("stream"))


_UNSTREAMED = partial(_without, ("stream", "stream_options"))


def _refuses_stream(refusal: Refusal, body: Body) -> bool:
    return bool(re.search(_NO_STREAM, refusal.said)) or _is_refused("stream", refusal, body)


# ---------------------------------------------------------------- roles


def _named(roles: str) -> str:
    """The forms in which servers refuse a message for its role's name, one of these in a pattern."""
    return (
        rf"role['\"`]? does not support ['\"`](?:{roles})"
        rf"|(?:invalid|unknown|unsupported|unexpected) (?:message )?(?:role|variant|value)\W{{1,3}}(?:{roles})\b"
        rf"|role not supported(?: yet)?\W{{1,3}}(?:{roles})\b"
        rf"|role\W{{1,3}}(?:{roles})['\"`]? (?:is|are) (?:not|un)"
    )


_NO_SYSTEM = (
    r"only user(?: and|,) assistant(?:,? and tool)? roles|roles must alternate"
    r"|(?:does not|doesn't|do not|don't) (?:currently )?support (?:the |an? )?['\"`]?(?:system|developer)['\"`]?"
    r"(?: (?:role|message|prompt|instruction)s?)"
    r"|(?:system|developer) (?:role|message|prompt|instruction)s?(?: \S+)?(?:(?: is| are)? not| isn't| aren't) "
    r"(?:supported|enabled|allowed)"
    rf"|{_named('system|developer')}"
)
# The same of tools' results, by a server that has just had the model call some.
_NO_TOOL_ROLE = (
    r"only user and assistant roles|roles must alternate"
    r"|(?:does not|doesn't|do not|don't) (?:currently )?support (?:the )?['\"`]?tool['\"`]? (?:role|message)s?"
    r"|tool['\"`]? (?:role|message)s?(?:(?: is| are)? not| isn't| aren't) (?:supported|enabled|allowed)"
    rf"|{_named('tool')}"
)
# The place of the message whose role is complained of.
_ROLE_OF = r"messages\W{1,5}(\d+)\W{1,6}(?:discriminator property ['\"]?)?role\b"
_SOME_ROLE = r"unexpected message role|incorrect role information"


def _roles(body: Body) -> list[Any]:
    return [message.get("role") for message in body["messages"]]


def _has_role(role: str, body: Body) -> bool:
    return role in _roles(body)


def _is_at_fault(role: str, said: str, body: Body) -> bool | None:
    """Whether the message whose place is named has this role; None where no place is."""
    found = re.search(_ROLE_OF, said)
    return _roles(body)[int(found[1]) : int(found[1]) + 1] == [role] if found else None


def _refuses_results(refusal: Refusal, body: Body) -> bool:
    at_fault = _is_at_fault("tool", refusal.said, body)
    return bool(re.search(_NO_TOOL_ROLE, refusal.said)) if at_fault is None else at_fault


def _refuses_role(role: str, refusal: Refusal, body: Body) -> bool:
    said = refusal.said
    if (at_fault := _is_at_fault(role, said, body)) is not None:
        return at_fault
    if re.search(_SOME_ROLE, said):
        return set(_roles(body)) <= {"user", "assistant", role}
    if not re.search(_NO_SYSTEM, said):
        return False
    return role in said or role == "system"  # some complain of roles that are not user's or assistant's


def _as_system(body: Body) -> dict[str, Any]:
    messages = [{**m, "role": "system"} if m.get("role") == "developer" else m for m in body["messages"]]
    return {**body, "messages": messages}


def _system_in_prompt(body: Body) -> dict[str, Any]:
    """The system message put in front of the first user message, which every template has a place for."""
    system = "\n\n".join(text_of(m.get("content")) for m in body["messages"] if m.get("role") == "system")
    messages = [m for m in body["messages"] if m.get("role") != "system"]
    place = next((place for place, m in enumerate(messages) if m.get("role") == "user"), None)
    if place is None:
        messages.insert(0, {"role": "user", "content": system})
    else:
        messages[place] = _joined(messages[place], system, before=True)
    return {**body, "messages": messages}


def _joined(message: Mapping[str, Any], text: str, *, before: bool = False) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list):
        part = [{"type": "text", "text": text}]
        return {**message, "content": [*part, *content] if before else [*content, *part]}
    parts = [text, str(content or "")] if before else [str(content or ""), text]
    return {**message, "content": "\n\n".join(part for part in parts if part)}


# ---------------------------------------------------------------- JSON

_NO_FORMAT = (
    r"unknown response_format type|response_format: only ['\"`]?text\b"
    r"|(?:response_format(?:\.type)?|json_schema|json_object|json mode|json schema|structured outputs?)[^.¦]{0,80}?"
    r"(?:(?:not|n't|un) ?(?:currently )?(?:be )?(?:support\w*|available|permitted|allowed|enabled)|must be|unavailable"
    r"|enabled only for)"
    r"|(?:not|n't|un) ?support\w* (?:for )?(?:the )?[^.¦]{0,30}?"
    r"(?:response_format|json_schema|json_object|json mode|json schema|structured outputs?)"
)
_ABOUT_THE_SCHEMA = r"invalid schema|schema for response_format|in context=|contain the word|schema contains"


def _format_type(body: Body) -> str:
    wanted = body.get("response_format")
    return str(wanted.get("type")) if isinstance(wanted, Mapping) else ""


def _refuses_format(refusal: Refusal, body: Body) -> bool:
    if re.search(_ABOUT_THE_SCHEMA, refusal.said):
        return False
    return _is_refused("response_format", refusal, body) or bool(re.search(_NO_FORMAT, refusal.said))


def _json_object(body: Body) -> dict[str, Any]:
    """JSON asked for by mode, its schema by words."""
    wanted = body["response_format"].get("json_schema") or {}
    schema = json.dumps(wanted.get("schema") or {}, ensure_ascii=False)
    asked = _instructed(body, f"Answer with one JSON object that fits this JSON schema:\n{schema}")
    return {**asked, "response_format": {"type": "json_object"}}


def _json_in_words(body: Body) -> dict[str, Any]:
    asked = dict(body) if "JSON" in str(body["messages"][-1].get("content")) else _instructed(body, _ONLY_JSON)
    return _without(("response_format",), asked)


_ONLY_JSON = "Answer with one JSON value and nothing else."


def _instructed(body: Body, text: str) -> dict[str, Any]:
    """A further instruction behind the last user message: the system role may be refused next."""
    messages = list(body["messages"])
    place = max((place for place, m in enumerate(messages) if m.get("role") == "user"), default=None)
    if place is None:
        messages.append({"role": "user", "content": text})
    else:
        messages[place] = _joined(messages[place], text)
    return {**body, "messages": messages}


# ---------------------------------------------------------------- the ladder

# Tried from the top: what is about two things at once stands above either of them.
RUNGS: Sequence[Rung] = (
    Rung(
        "tools while it reasons",
        "asked with reasoning_effort='none'",
        lambda body: offers_tools(body) and body.get("reasoning_effort") != "none",
        lambda refusal, body: bool(re.search(_TOOLS_AND_REASONING, refusal.said)),
        lambda body: {**body, "reasoning_effort": "none"},
    ),
    Rung(
        "tools while it streams",
        "asked for the whole answer at once",
        lambda body: offers_tools(body) and _streams(body),
        lambda refusal, body: bool(re.search(_TOOLS_IN_STREAM, refusal.said)),
        _UNSTREAMED,
    ),
    _dropped("parallel_tool_calls", also=_NOT_PARALLEL),
    Rung(
        "tool_choice",
        "asked without it",
        lambda body: body.get("tool_choice") not in (None, "auto", "none"),  # of these, tools can be had without
        lambda refusal, body: _is_refused("tool_choice", refusal, body) or bool(re.search(_FORCED, refusal.said)),
        partial(_without, ("tool_choice",)),
    ),
    Rung(
        "tools",
        "asked without them",
        offers_tools,
        lambda refusal, body: refuses_tools(refusal),
        without_tools,
        always=True,
    ),
    Rung(  # when neither reasoning nor streaming was what stood in the way
        "tools",
        "asked without them",
        lambda body: offers_tools(body) and (body.get("reasoning_effort") == "none" or not _streams(body)),
        lambda refusal, body: bool(
            re.search(_TOOLS_AND_REASONING, refusal.said) or re.search(_TOOLS_IN_STREAM, refusal.said)
        ),
        without_tools,
    ),
    _dropped("stream_options", also=r"stream[_ ]options can only be"),
    Rung("streaming", "asked for the whole answer at once", _streams, _refuses_stream, _UNSTREAMED),
    _swapped("max_tokens", "max_completion_tokens"),
    _swapped("max_completion_tokens", "max_tokens"),
    Rung(
        "top_p beside temperature",
        "asked without top_p",
        lambda body: _has("temperature", body) and _has("top_p", body),
        lambda refusal, body: bool(re.search(_ONE_OF_TWO, refusal.said)),
        partial(_without, ("top_p",)),
    ),
    *map(_dropped, ("temperature", "top_p", "verbosity")),
    *(_dropped(name, also=r"penalty is not enabled") for name in ("presence_penalty", "frequency_penalty")),
    _dropped("reasoning_effort", also=_NO_THINKING),
    *map(_dropped, _SHADES.split()),
    Rung(
        "JSON schema",
        "asked for JSON, with the schema in the prompt",
        lambda body: _format_type(body) == "json_schema",
        _refuses_format,
        _json_object,
    ),
    Rung(
        "response_format",
        "asked for JSON in the prompt",
        lambda body: _format_type(body) == "json_object",
        _refuses_format,
        _json_in_words,
    ),
    Rung(
        "developer role",
        "asked with a system message",
        partial(_has_role, "developer"),
        partial(_refuses_role, "developer"),
        _as_system,
    ),
    Rung(
        "system role",
        "put into the prompt",
        partial(_has_role, "system"),
        partial(_refuses_role, "system"),
        _system_in_prompt,
    ),
    Rung(
        "tool role",
        "told what tools gave as a prompt, and offered none",
        partial(_has_role, "tool"),
        _refuses_results,
        without_tools,
    ),
)
OPPOSITE = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
