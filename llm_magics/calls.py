"""One exchange with one model: `call_llm`, which blocks and returns the message, and `exchange`, a stream of events.

Both send what `request_body` builds and ask the same `adapt.Plan` what to do after a failure.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llm_magics import wire
from llm_magics.adapt import Plan, Refusal, haystack, refuses_tools
from llm_magics.config import request_params
from llm_magics.errors import PromptError, short
from llm_magics.events import Event, Note
from llm_magics.manager import ModelManager

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI
    from openai.types.chat import ChatCompletionMessage, ChatCompletionMessageParam

CONNECT_SECONDS = 10.0  # a host that takes longer to accept a connection will not accept it
PATH = "/chat/completions"
# The header by which the SDK's own ``with_raw_response`` ("true") and ``with_streaming_response`` ("stream") ask for the
# HTTP response itself. Set here, a request skips the SDK's walk through every message and its object for every chunk;
# the SDK keeps authentication, headers and error classes.
RAW_RESPONSE = "X-Stainless-Raw-Response"


def call_llm(
    model: str | None,
    usr_prompt: str | Iterable[ChatCompletionMessageParam],
    config: Mapping[str, Any] | ModelManager,
    tools: Iterable[Any] | None = None,
) -> ChatCompletionMessage:
    """Ask a model and wait for its whole answer.

    Args:
        model: a name in the configuration; None for the first.
        usr_prompt: the prompt, or the messages of a conversation in the SDK's form.
        config: as for `ModelManager`, or a ``ModelManager``.
        tools: tools in the SDK's form. When the endpoint says that this model takes none, the same request is made once
            more without them.

    Returns:
        The assistant message. Fields the server did not send are not set.

    Raises:
        ValueError: the configuration or the prompt cannot be used.
        openai.APIConnectionError: nobody answered; ``APITimeoutError`` when the answer took too long.
        openai.APIStatusError: the endpoint refused (``BadRequestError``, ``AuthenticationError`` …).
        openai.APIError: what came back is no answer.

    >>> config = {"models": {"gpt": {"api_key": "sk-…", "base_url": "https://api.openai.com/v1", "temperature": 0.7}}}
    >>> call_llm("gpt", "Name a prime number.", config).content  # doctest: +SKIP
    'Seven.'
    """
    manager = config if isinstance(config, ModelManager) else _manager(_Same(config))
    name = manager.name_of(model)
    client = manager.create_client(name)
    settings = manager.settings(name)
    body = request_body(name, settings, messages_of(usr_prompt, settings.get("system")), tools)
    return _ask(client, Plan(body, client.max_retries)).message()


def _ask(client: OpenAI, plan: Plan) -> wire.Reply:
    import openai

    timeout = _timeout(client.timeout)
    while True:
        plan.attempts += 1
        try:
            answer: Any = client.post(PATH, body=plan.body, cast_to=object, options=_options("true", timeout))
            return _reply_of(answer.http_response)
        except openai.APIError as error:
            wait = plan.after(facts(error))
            if wait is None:
                raise
        time.sleep(wait)


def _reply_of(response: Any) -> wire.Reply:
    """The reply in an HTTP response that was read whole; what is none becomes an ``openai.APIError``."""
    try:
        payload = wire.parse_body(response.content, response.headers.get("content-type", ""))
        return wire.read_completion(payload)
    except (wire.ServerError, wire.BadPayload) as error:
        raise _api_error(error, response) from None


def _api_error(error: wire.ServerError | wire.BadPayload, response: Any) -> Exception:
    from openai import APIError

    if isinstance(error, wire.ServerError):
        return APIError(error.message, response.request, body=error.body)
    hint = " Is the base_url right? It usually ends in /v1." if error.kind == "a web page" else ""
    return APIError(f"the endpoint sent {error} instead of a chat completion.{hint}", response.request, body=None)


# ---------------------------------------------------------------- the request


def messages_of(prompt: str | Iterable[Any], system: str | None = None) -> list[dict[str, Any]]:
    """The messages of a request. Message objects, such as earlier answers, are sent by a list of fields all servers take.

    Raises:
        PromptError: there is nothing to send, or something that is no message.
    """
    if isinstance(prompt, str):
        messages = [{"role": "user", "content": prompt}]
    elif isinstance(prompt, Mapping):
        messages = [_sendable(prompt)]
    else:
        messages = [_sendable(message) for message in prompt]
    if not messages or (isinstance(prompt, str) and not prompt.strip()):
        raise PromptError("the prompt is empty: nothing was sent.")
    if system and not any(message.get("role") in ("system", "developer") for message in messages):
        messages.insert(0, {"role": "system", "content": system})
    return messages


def _sendable(message: Any) -> dict[str, Any]:
    if isinstance(message, Mapping):
        return dict(message)
    role = getattr(message, "role", None)
    if role is None:
        raise PromptError(f"a message is a mapping with role and content, got {short(message)}.")
    return _whitelisted(role, message)


def _whitelisted(role: str, message: Any) -> dict[str, Any]:
    """A message object as strict servers take it back: no nulls, no fields that only answers have."""
    sent: dict[str, Any] = {"role": role}
    content = getattr(message, "content", None) or getattr(message, "refusal", None)
    calls = getattr(message, "tool_calls", None)
    if content or not calls:
        sent["content"] = content or ""
    if calls:
        sent["tool_calls"] = [_call(call) for call in calls]
    return sent


def _call(call: Any) -> dict[str, Any]:
    if isinstance(call, Mapping):
        return dict(call)
    fields: dict[str, Any] = call.model_dump(exclude_none=True, warnings=False)
    return {key: fields[key] for key in ("id", "type", "function", "custom", "extra_content") if key in fields}


def request_body(
    name: str, settings: Mapping[str, Any], messages: list[dict[str, Any]], tools: Iterable[Any] | None = None
) -> dict[str, Any]:
    """The JSON body for a model's settings: what is set, nothing else."""
    body: dict[str, Any] = {"model": settings.get("model") or name, "messages": messages}
    body.update((key, _cleared(value)) for key, value in request_params(settings) if key != "stream_options")
    offered = list(tools or ())
    if offered:
        body["tools"] = offered
    return body


def _cleared(value: Any) -> Any:
    """A parameter's value with plain containers, as JSON needs them."""
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple | set) else value


def _options(raw: str, timeout: Any) -> Any:
    """Options of one request; its retries belong to `adapt.Plan`, not to the SDK."""
    return {"headers": {RAW_RESPONSE: raw}, "timeout": timeout, "max_retries": 0}


@functools.lru_cache(maxsize=64)
def _timeout(seconds: Any) -> Any:
    from openai import Timeout

    return Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)) if isinstance(seconds, int | float) else seconds


# ---------------------------------------------------------------- the stream


@dataclass(slots=True)
class Outcome:
    """What an exchange knows besides its events; filled in as it goes."""

    reply: wire.Reply
    plan: Plan
    request_id: str | None = None


async def exchange(client: AsyncOpenAI, body: dict[str, Any], retries: int, outcome: Outcome) -> AsyncIterator[list[Event]]:
    """Ask, and give the answer's events in batches as the bytes arrive.

    Raises:
        openai.APIError: as `call_llm`, before the first event or after some; a connection that breaks in mid-stream
            raises what the SDK's HTTP library raises.
        wire.ServerError, wire.BadPayload: the body is an error report, or no answer.
    """
    import openai

    plan = outcome.plan
    while True:
        plan.attempts += 1
        begun = False
        try:
            async for events in _attempt(client, plan.body, outcome):
                begun = begun or bool(events)
                yield events
            return
        except (openai.APIError, wire.ServerError) as error:
            noted = len(plan.notes)
            wait = None if begun else plan.after(facts(error))
            if wait is None:
                raise
            outcome.reply = wire.Reply()
            if plan.notes[noted:]:
                yield [Note(text) for text in plan.notes[noted:]]
            elif wait:
                yield [Note(f"{_trouble(error)}: next try in {wait:.0f} s" if wait >= 1 else f"{_trouble(error)}: trying again")]
        await asyncio.sleep(wait)


def _trouble(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return {429: "rate limited", None: "no connection"}.get(status, f"the server said {status}")


async def _attempt(client: AsyncOpenAI, body: dict[str, Any], outcome: Outcome) -> AsyncIterator[list[Event]]:
    answer: Any = await client.post(PATH, body=body, cast_to=object, options=_options("stream", _timeout(client.timeout)))
    raw = answer.http_response
    try:
        outcome.request_id = raw.headers.get("x-request-id")
        async for events in _read(raw.aiter_bytes(), raw.headers.get("content-type", ""), outcome.reply):
            yield events
    finally:
        await raw.aclose()  # also tells the server to stop, when nobody listens any more


async def _read(chunks: AsyncIterator[bytes], content_type: str, reply: wire.Reply) -> AsyncIterator[list[Event]]:
    """Events of a body that is either a stream of server-sent events or one JSON document."""
    stream = wire.EventStream()
    whole: list[bytes] | None = None
    async for data in chunks:
        if whole is None and not reply.choices and not reply.odd and _is_document(data, content_type):
            whole = []
        if whole is not None:
            whole.append(data)
            continue
        events: list[Event] = []
        for payload in stream.feed(data):
            if payload.strip() == b"[DONE]":
                reply.done = True
                yield events + reply.close()
                return
            events += reply.feed_chunk(wire.parse(payload))
        if events:
            yield events
        if reply.finished and reply.usage is not None:
            break  # nothing more can come; some servers leave the connection open
    if whole is not None:
        yield reply.feed_completion(wire.parse_body(b"".join(whole), content_type))
    elif (rest := stream.rest()) and rest.strip() != b"[DONE]" and not reply.finished:
        yield [*reply.feed_chunk(wire.parse(rest)), *reply.close()]
    else:
        yield reply.close()


def _is_document(data: bytes, content_type: str) -> bool:
    """Whether a body is no event stream, by its first byte; the content type is often wrong."""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start in (b"{", b"[", b"<") or (not start and "event-stream" not in content_type)


# ---------------------------------------------------------------- facts of a failure


def facts(error: BaseException) -> Refusal:
    """What `adapt` needs to know of a failed attempt."""
    import openai

    if isinstance(error, wire.ServerError):
        status = _status_in(error.body)
        return Refusal(status=status, said=haystack(error.message, error.body))
    if isinstance(error, openai.APIConnectionError):
        return Refusal(status=None, said="", reached=False, timed_out=isinstance(error, openai.APITimeoutError))
    body, message = getattr(error, "body", None), getattr(error, "message", "")
    response = getattr(error, "response", None)
    if response is None:  # reported inside a 200
        return Refusal(status=_status_in(body), said=haystack(body, message))
    return Refusal(
        status=response.status_code,
        said=haystack(body, response_text(response), message),
        headers={name.lower(): value for name, value in response.headers.items()},
    )


def response_text(response: Any) -> str:
    """The body of an error response as text; nothing when it was not read."""
    try:
        return str(response.text)
    except (RuntimeError, UnicodeDecodeError):  # httpx: ResponseNotRead is a RuntimeError
        return ""


def _status_in(body: Any) -> int | None:
    code = body.get("code") if isinstance(body, Mapping) else None
    try:
        number = int(str(code))
    except ValueError:
        return None
    return number if 400 <= number <= 599 else None


def tools_refused(error: BaseException) -> bool:
    """Whether this failure says that the model takes no tools."""
    return refuses_tools(facts(error))


class _Same:
    """Stands for one object by identity, so that a configuration that cannot be hashed has one manager all the same."""

    __slots__ = ("it",)

    def __init__(self, it: Any) -> None:
        self.it = it

    def __hash__(self) -> int:
        return id(self.it)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.it is self.it


@functools.lru_cache(maxsize=16)
def _manager(config: _Same) -> ModelManager:
    return ModelManager(config.it)
