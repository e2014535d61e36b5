"""The request: messages and settings turned into the JSON body that every server takes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

from llm_magics.config import request_params
from llm_magics.errors import PromptError, ToolMistake, short
from llm_magics.surrogates import sendable, sendable_json

MARK = "__llm_tool__"  # where a function that `llm_magics.tool` decorated has its tool


def messages_of(prompt: str | Iterable[Any], system: str | None = None) -> list[dict[str, Any]]:
    """The messages of a request; message objects, such as earlier answers, by a list of fields that all servers take.

    Raises:
        PromptError: there is nothing to send, or something that is no message.
    """
    if isinstance(prompt, str):
        messages = [{"role": "user", "content": sendable(prompt)}]
    elif isinstance(prompt, Mapping) or getattr(prompt, "role", None) is not None:
        messages = [_message(prompt)]
    elif isinstance(prompt, Iterable) and not isinstance(prompt, bytes | bytearray):
        messages = [_message(message) for message in prompt]
    else:
        raise PromptError(f"a prompt is a string or a list of messages, got {short(prompt)}.")
    if not messages or (isinstance(prompt, str) and not prompt.strip()):
        raise PromptError("the prompt is empty: nothing was sent.")
    if system and not any(message.get("role") in ("system", "developer") for message in messages):
        messages.insert(0, {"role": "system", "content": sendable(system)})
    return messages


def _message(message: Any) -> dict[str, Any]:
    if isinstance(message, Mapping):
        # What `model_dump` leaves as null is not set; only content may be null, beside tool calls.
        given = {key: value for key, value in message.items() if value is not None or key == "content"}
        return _encodable(_resent(given) if given.get("role") == "assistant" else given)
    role = getattr(message, "role", None)
    if role is None:
        raise PromptError(f"a message is a mapping with role and content, got {short(message)}.")
    return _encodable(_whitelisted(role, message))


def _resent(given: dict[str, Any]) -> dict[str, Any]:
    """An earlier answer that was dumped to a mapping, without what only answers have: strict servers refuse that.

    A server that wants its reasoning back wants it beside tool calls only; there it stays.
    """
    calls = given.get("tool_calls")
    only = _ANSWERS_ONLY if calls else _ANSWERS_ONLY | {"reasoning_content", "tool_calls"}
    message = {key: value for key, value in given.items() if key not in only}
    if not message.get("content") and given.get("refusal"):
        message["content"] = given["refusal"]
    if calls:
        message["tool_calls"] = [_call(call) if isinstance(call, Mapping) else call for call in calls]
    return message


_ANSWERS_ONLY = frozenset({"annotations", "parsed", "reasoning", "reasoning_details", "refusal"})


def _encodable(message: dict[str, Any]) -> dict[str, Any]:
    return {key: sendable_json(value) for key, value in message.items()}


def _whitelisted(role: str, message: Any) -> dict[str, Any]:
    """A message object as strict servers take it back: no nulls, no fields that only answers have."""
    sent: dict[str, Any] = {"role": role}
    content = getattr(message, "content", None) or getattr(message, "refusal", None)
    calls = getattr(message, "tool_calls", None)
    if content or not calls:
        sent["content"] = content or ""
    if calls:
        sent["tool_calls"] = [_call(call) for call in calls]
    if role == "tool" and (id_ := getattr(message, "tool_call_id", None)):
        sent["tool_call_id"] = id_
    return sent


def _call(call: Any) -> dict[str, Any]:
    fields: dict[str, Any] = dict(call) if isinstance(call, Mapping) else call.model_dump(warnings=False)
    kept = {key: fields[key] for key in ("id", "type", "extra_content") if fields.get(key)}
    if isinstance(custom := fields.get("custom"), Mapping):
        return {**kept, "custom": {"name": custom.get("name"), "input": custom.get("input") or ""}}
    function = fields.get("function") or {}
    arguments = function.get("arguments")
    if not isinstance(arguments, str):  # an object, from servers that do not write it as text
        arguments = json.dumps(arguments or {}, ensure_ascii=False)
    return {**kept, "function": {"name": function.get("name"), "arguments": arguments or "{}"}}


def request_body(
    name: str, settings: Mapping[str, Any], messages: list[dict[str, Any]], tools: Iterable[Any] | None = None
) -> dict[str, Any]:
    """The JSON body for a model's settings: what is set, nothing else."""
    body: dict[str, Any] = {"model": settings.get("model") or name, "messages": messages}
    body.update((key, _cleared(value)) for key, value in request_params(settings) if key != "stream_options")
    offered = [as_sdk_tool(item) for item in tools or ()]
    if offered:
        body["tools"] = offered
    return body


def _cleared(value: Any) -> Any:
    """A parameter's value with plain containers, as JSON needs them."""
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple | set) else value


def as_sdk_tool(item: Any) -> Any:
    """A tool in the SDK's form: one that is in it, a `Tool`, or a function that `llm_magics.tool` decorated.

    Raises:
        ToolMistake: a function that is not decorated, or anything else that can only be called.
    """
    if isinstance(item, Mapping):
        return item
    tool = marked(item) or item
    if callable(getattr(type(tool), "wire", None)):
        return tool.wire()
    if callable(item):
        raise ToolMistake(f"{short(getattr(item, '__name__', item))} is not a tool. {_decorating(item)}")
    return item


def marked(item: Any) -> Any:
    """The tool that a decorated function holds, or None; nobody's code is run to find out.

    A decorator above `tool` copies the function's attributes, its tool among them: calling that one would go around the
    decorator, so it does not count.
    """
    tool = inspect.getattr_static(item, MARK, None)
    return tool if getattr(getattr(tool, "run", None), "function", None) is item else None


def _decorating(item: Any) -> str:
    if inspect.getattr_static(item, MARK, None) is not None:
        return "Put @llm_magics.tool above its other decorators."
    return "Decorate it with @llm_magics.tool."
