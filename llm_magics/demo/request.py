"""What a client may ask is checked once, here, so that everything behind it works with sound values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_LONGEST_QUESTION = 20_000  # characters; a whole book would take seconds to compare and say no more
_PART_NOTES = {"image_url": "pictures", "input_image": "pictures", "input_audio": "sound", "file": "files"}
_TYPE_NAMES = {str: "a string", bool: "true or false", int: "an integer", float: "a number"}
_TYPE_NAMES |= {list: "an array", dict: "an object"}


class RefusedError(Exception):
    """A request that gets an error instead of an answer, in the shape OpenAI's servers use."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True)
class Message:
    """One message, its text put together from its parts."""

    role: str
    text: str
    unseen: tuple[str, ...] = ()  # kinds of parts that are no text
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True)
class Tool:
    """A function the client offers."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A checked Chat Completions request."""

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    response_format: dict[str, Any] = field(default_factory=dict)
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"  # auto, none, required
    named_tool: str | None = None
    parallel_tool_calls: bool = True

    def question(self) -> str:
        """What the user said last."""
        said = next((message.text for message in reversed(self.messages) if message.role == "user"), "")
        return said[:_LONGEST_QUESTION]

    def instructions(self) -> str:
        """All system messages together."""
        return "\n".join(message.text for message in self.messages if message.role in ("system", "developer"))

    def tool_results(self) -> tuple[Message, ...]:
        """The tool messages at the very end, which wait to be answered."""
        count = 0
        while count < len(self.messages) and self.messages[-1 - count].role in ("tool", "function"):
            count += 1
        return self.messages[len(self.messages) - count :]


def parsed(body: bytes, models: Sequence[str]) -> Request:
    """The request in a body, for one of the models there are."""
    data = _decoded(body)
    model = _need(data, "model", str)
    _check_model(model, models)
    tools = tuple(_tool(tool, f"tools[{index}]") for index, tool in enumerate(_get(data, "tools", list) or ()))
    choice, named = _tool_choice(data.get("tool_choice"), tools)
    _check_temperature(_get(data, "temperature", float))
    stream_options = _get(data, "stream_options", dict) or {}
    return Request(
        model=model,
        messages=_messages(_need(data, "messages", list)),
        stream=bool(_get(data, "stream", bool)),
        include_usage=bool(_get(stream_options, "include_usage", bool, "stream_options.")),
        max_tokens=_max_tokens(data),
        stop=_stop(data.get("stop")),
        response_format=_response_format(data),
        tools=tools,
        tool_choice=choice,
        named_tool=named,
        parallel_tool_calls=_get(data, "parallel_tool_calls", bool) is not False,
    )


def _wrong(message: str, param: str | None) -> RefusedError:
    return RefusedError(400, message, param=param)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _wrong("The request's body is not valid JSON.", None) from None
    if not isinstance(data, dict):
        raise _wrong("The request's body must be a JSON object.", None)
    return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _get(data: dict[str, Any], name: str, kind: type, prefix: str = "") -> Any:
    """An optional value; null counts as absent, as it does for the real servers."""
    value = data.get(name)
    # true is an int to Python, but not on this wire; an integer is a fine number
    fits = isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if value is not None and not fits:
        raise _wrong(f"`{prefix}{name}` must be {_TYPE_NAMES[kind]}.", prefix + name)
    return value


def _need(data: dict[str, Any], name: str, kind: type, prefix: str = "") -> Any:
    value = _get(data, name, kind, prefix)
    if value is None:
        raise _wrong(f"`{prefix}{name}` is required.", prefix + name)
    return value


def _check_model(asked: str, known: Sequence[str]) -> None:
    if asked not in known:
        listed = " and ".join(f"`{name}`" for name in known)
        message = f"The model `{asked[:100]}` does not exist here; the models of this server are {listed}."
        raise RefusedError(404, message, code="model_not_found", param="model")


def _check_temperature(temperature: float | None) -> None:
    if temperature is not None and not 0 <= temperature <= 2:
        raise _wrong("`temperature` must be between 0 and 2.", "temperature")


def _max_tokens(data: dict[str, Any]) -> int | None:
    limits = []
    for name in ("max_tokens", "max_completion_tokens"):
        limit = _get(data, name, int)
        if limit is not None and limit < 1:
            raise _wrong(f"`{name}` must be at least 1.", name)
        limits += [limit] if limit is not None else []
    return min(limits, default=None)


def _stop(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = value if isinstance(value, list) else [value]
    texts = [stop for stop in stops if isinstance(stop, str)]
    if len(texts) < len(stops):
        raise _wrong("`stop` must be a string or an array of strings.", "stop")
    return tuple(filter(None, texts))


def _response_format(data: dict[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = _get(data, "response_format", dict) or {}
    if wanted and wanted.get("type") not in ("text", "json_object", "json_schema"):
        raise _wrong("`response_format.type` must be text, json_object or json_schema.", "response_format.type")
    if wanted.get("type") == "json_schema":
        described = _need(wanted, "json_schema", dict, "response_format.")
        _need(described, "schema", dict, "response_format.json_schema.")
    return wanted


def _messages(found: Sequence[object]) -> tuple[Message, ...]:
    if not found:
        raise _wrong("`messages` must hold at least one message.", "messages")
    return tuple(_message(message, f"messages[{index}]") for index, message in enumerate(found))


def _message(data: object, where: str) -> Message:
    if not isinstance(data, dict):
        raise _wrong(f"`{where}` must be an object.", where)
    role = _need(data, "role", str, f"{where}.")
    if role not in _ROLES:
        raise _wrong(f"`{where}.role` must be one of {', '.join(sorted(_ROLES))}.", f"{where}.role")
    text, unseen = _content(data.get("content"), role, f"{where}.content")
    calls = _get(data, "tool_calls", list, f"{where}.") or []
    call_id = _get(data, "tool_call_id", str, f"{where}.")
    return Message(role, text, unseen, tuple(call for call in calls if isinstance(call, dict)), call_id)


def _content(content: object, role: str, where: str) -> tuple[str, tuple[str, ...]]:
    if isinstance(content, str):
        return content, ()
    if content is None and role == "assistant":
        return "", ()
    if not isinstance(content, list):
        raise _wrong(f"`{where}` must be a string or an array of parts.", where)
    parts = [_part(part, f"{where}[{index}]") for index, part in enumerate(content)]
    texts = [text for text, unseen in parts if not unseen]
    return "\n".join(texts), tuple(dict.fromkeys(unseen for _, unseen in parts if unseen))


def _part(part: object, where: str) -> tuple[str, str]:
    """A part's text, or the kind of thing it is when it is none."""
    if not isinstance(part, dict):
        raise _wrong(f"`{where}` must be an object.", where)
    kind = _need(part, "type", str, f"{where}.")
    if kind in _PART_NOTES:
        return "", _PART_NOTES[kind]
    if kind not in ("text", "refusal"):
        raise _wrong(f"`{where}.type` is not a kind of part this server knows.", f"{where}.type")
    return _need(part, kind, str, f"{where}."), ""


def _tool(data: object, where: str) -> Tool:
    if not isinstance(data, dict) or data.get("type") != "function":
        raise _wrong(f"`{where}` must be an object of type function.", where)
    function = _need(data, "function", dict, f"{where}.")
    inside = f"{where}.function."
    name = _need(function, "name", str, inside)
    if not name:
        raise _wrong(f"`{inside}name` must not be empty.", f"{inside}name")
    description = _get(function, "description", str, inside) or ""
    return Tool(name, description, _get(function, "parameters", dict, inside) or {})


def _tool_choice(choice: object, tools: tuple[Tool, ...]) -> tuple[str, str | None]:
    if choice is None:
        return "auto", None
    if isinstance(choice, str) and choice in ("auto", "none", "required"):
        if choice == "required" and not tools:
            raise _wrong("`tool_choice` is required, but no `tools` are offered.", "tool_choice")
        return choice, None
    function = choice.get("function") if isinstance(choice, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or name not in {tool.name for tool in tools}:
        raise _wrong("`tool_choice` must be auto, none, required or name a function of `tools`.", "tool_choice")
    return "required", name
