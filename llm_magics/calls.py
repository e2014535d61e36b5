"""One exchange with one model: `call_llm`, which blocks and returns the message, and `exchange`, a stream of events.

Both send what `request_body` builds and ask the same `adapt.Plan` what to do after a failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llm_magics import wire
from llm_magics.adapt import Plan, Refusal, haystack
from llm_magics.config import request_params
from llm_magics.errors import PromptError, short
from llm_magics.event_stream import BadPayload
from llm_magics.events import Event, Note
from llm_magics.manager import ModelManager
from llm_magics.secrets import Secret
from llm_magics.surrogates import sendable, sendable_json

if TYPE_CHECKING:
    from openai import APIError, AsyncOpenAI, OpenAI
    from openai.types.chat import ChatCompletionMessage, ChatCompletionMessageParam

CONNECT_SECONDS = 10.0  # a host that takes longer to accept a connection will not accept it
PATH = "/chat/completions"
USAGE_SECONDS = 2.0  # how long after its finish reason a stream may take to tell its usage and end
CLOSING_SECONDS = 0.05  # how long a stream that is complete may take to end, so that its connection can be used again
# The header by which the SDK's own ``with_raw_response`` ("true") and ``with_streaming_response`` ("stream") ask for
# the HTTP response itself. Set here, a request skips the SDK's walk through every message and its object for every
# chunk; the SDK keeps authentication, headers and error classes.
RAW_RESPONSE = "X-Stainless-Raw-Response"
_HTTP_LIBRARIES = frozenset({"anyio", "h11", "httpcore", "httpcore2", "httpx", "httpx2", "ssl", "zlib"})


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
    manager = config if isinstance(config, ModelManager) else _manager(config)
    name = manager.name_of(model)
    client = manager.create_client(name)
    settings = manager.get_model_config(name)
    body = request_body(name, settings, messages_of(usr_prompt, settings.get("system")), tools)
    return _ask(client, Plan(body, client.max_retries)).message()


def _ask(client: OpenAI, plan: Plan) -> wire.Reply:
    import openai

    timeout = _timeout(client.timeout)
    while True:
        plan.attempts += 1
        try:
            return _attempt_blocking(client, plan.body, timeout)
        except openai.APIError as error:
            wait = plan.after(facts(error))
            if wait is None:
                _redact(error, client.api_key)
                raise
        time.sleep(wait)


def _attempt_blocking(client: OpenAI, body: dict[str, Any], timeout: Any) -> wire.Reply:
    with _sdk_errors():
        answer: Any = client.post(PATH, body=body, cast_to=object, options=_options("true", timeout))
        response = answer.http_response
        content: bytes = response.content
    return _reply_of(content, response)


def _reply_of(content: bytes, response: Any) -> wire.Reply:
    """The reply in an HTTP response that was read whole; what is none becomes an ``openai.APIError``."""
    reply = wire.Reply()
    body = wire.Body(reply, response.headers.get("content-type", ""))
    try:
        body.feed(content)
        body.close()
        if not (reply.done or reply.finished):
            raise BadPayload("an answer that ends in the middle")
        if not reply.choices:
            raise BadPayload("an empty answer")
    except (wire.ServerError, BadPayload) as error:
        raise _api_error(error, response) from None
    return reply


def _api_error(error: wire.ServerError | BadPayload, response: Any) -> Exception:
    from openai import APIError

    if isinstance(error, wire.ServerError):
        return APIError(error.message, response.request, body=error.body)
    hint = " Is the base_url right? It usually ends in /v1." if error.kind == "a web page" else ""
    return APIError(f"the endpoint sent {error} instead of a chat completion.{hint}", response.request, body=None)


@contextlib.contextmanager
def _sdk_errors() -> Iterator[None]:
    """Raise what the HTTP library lets through as the SDK's nearest class; any other error stays as it is.

    That library is httpx or httpx2, by the SDK's version, so its errors are known by the name of their module.
    """
    from openai import APIConnectionError, APITimeoutError

    try:
        yield
    except (TypeError, ValueError) as error:
        if "JSON" not in str(error) or isinstance(error, UnicodeError | BadPayload | wire.ServerError):
            raise
        raise PromptError(f"the request cannot be written as JSON ({error}): nothing was sent.") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _HTTP_LIBRARIES:
            raise
        request: Any = None
        with contextlib.suppress(RuntimeError):  # it has none
            request = getattr(error, "request", None)
        if "Timeout" in type(error).__name__:
            raise APITimeoutError(request=request) from error
        raise APIConnectionError(message=f"Connection error: {error}", request=request) from error


def _redact(error: APIError, key: str) -> None:
    """Take the key out of an error that is about to reach the caller; some servers repeat it."""
    secret = Secret(key)
    error.message = secret.redact(error.message)
    error.args = tuple(secret.redact(arg) if isinstance(arg, str) else arg for arg in error.args)
    error.body = _redacted(error.body, secret)


def _redacted(value: Any, secret: Secret) -> Any:
    if isinstance(value, str):
        return secret.redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(inner, secret) for key, inner in value.items()}
    return [_redacted(inner, secret) for inner in value] if isinstance(value, list) else value


# ---------------------------------------------------------------- the request


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
        return _encodable(given)
    role = getattr(message, "role", None)
    if role is None:
        raise PromptError(f"a message is a mapping with role and content, got {short(message)}.")
    return _encodable(_whitelisted(role, message))


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


async def exchange(client: AsyncOpenAI, outcome: Outcome) -> AsyncIterator[list[Event]]:
    """Ask, and give the answer's events in batches as the bytes arrive.

    Raises:
        openai.APIError: as `call_llm`, before the first event or after some; also for a connection that breaks.
        wire.ServerError, BadPayload: the body is an error report, or no answer.
    """
    import openai

    plan = outcome.plan
    while True:
        plan.attempts += 1
        try:
            async with contextlib.aclosing(_attempt(client, plan.body, outcome)) as batches:
                async for events in batches:
                    yield events
            return
        except (openai.APIError, wire.ServerError) as error:
            noted, refusal = len(plan.notes), facts(error)
            wait = plan.after(refusal) if outcome.reply.empty else None
            if wait is None:
                raise
        outcome.reply = wire.Reply()
        if notes := plan.notes[noted:] or _waiting(refusal, wait):
            yield [Note(text) for text in notes]
        await asyncio.sleep(wait)


def _waiting(refusal: Refusal, wait: float) -> list[str]:
    trouble = "no connection" if not refusal.reached else f"the server said {refusal.status}"
    if refusal.status == 429:
        trouble = "rate limited"
    return [f"{trouble}: next try in {wait:.0f} s" if wait >= 1 else f"{trouble}: trying again"]


async def _attempt(client: AsyncOpenAI, body: dict[str, Any], outcome: Outcome) -> AsyncGenerator[list[Event]]:
    options = _options("stream", _timeout(client.timeout))
    with _sdk_errors():
        answer: Any = await client.post(PATH, body=body, cast_to=object, options=options)
    response = answer.http_response
    outcome.request_id = response.headers.get("x-request-id")
    try:
        with _sdk_errors():
            async for events in _read(response, outcome.reply, client.timeout):
                yield events
    finally:
        outcome.reply.close()  # whatever was held back until the end, if the end came early
        await response.aclose()  # also tells the server to stop, when nobody listens any more


async def _read(response: Any, reply: wire.Reply, patience: Any) -> AsyncIterator[list[Event]]:
    """The events of a response, until it ends, or until it is complete and lingers."""
    body = wire.Body(reply, response.headers.get("content-type", ""))
    chunks, deadline = aiter(response.aiter_bytes()), None
    silence = _Silence(patience)
    while (data := await _next(chunks, deadline)) is not None:
        if events := body.feed(data):
            yield events
        deadline = deadline if deadline and not _complete(reply) else _deadline(reply)
        if silence.lasts(reply):
            from openai import APITimeoutError

            raise APITimeoutError(request=response.request)
    if events := body.close():
        yield events


async def _next(chunks: AsyncIterator[bytes], deadline: float | None) -> bytes | None:
    try:
        if deadline is None:  # nearly every chunk: a timer each would be a tenth of the reading
            return await anext(chunks)
        async with asyncio.timeout_at(deadline):
            return await anext(chunks)
    except (StopAsyncIteration, TimeoutError):
        return None


def _complete(reply: wire.Reply) -> bool:
    return reply.done or (reply.finished and reply.usage is not None)


def _deadline(reply: wire.Reply) -> float | None:
    """Until when to wait for the end of an answer that has its finish reason; servers may keep the line open."""
    if not (reply.done or reply.finished):
        return None
    return asyncio.get_running_loop().time() + (CLOSING_SECONDS if _complete(reply) else USAGE_SECONDS)


class _Silence:
    """Tells when a server has sent nothing but keep-alive comments for longer than the timeout."""

    def __init__(self, patience: Any) -> None:
        self._patience = patience if isinstance(patience, int | float) else float("inf")
        self._heard = time.monotonic()
        self._size = 0

    def lasts(self, reply: wire.Reply) -> bool:
        now, size = time.monotonic(), reply.choices + reply.odd
        if size != self._size:
            self._heard, self._size = now, size
        return now - self._heard > self._patience


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
        said=haystack(response_text(response) or (body, message)),
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


def _manager(config: Mapping[str, Any]) -> ModelManager:
    """The manager of this configuration, or of an equal one: so an unknown setting is warned of once in a loop, too."""
    known = list(_managers())
    manager = next((m for m in known if m.config is config), None) or next(
        (m for m in known if _equal(m, config)), None
    )
    if manager is None:
        manager = ModelManager(config)
        _managers().append(manager)
    return manager


@functools.cache
def _managers() -> deque[ModelManager]:
    return deque(maxlen=16)


def _equal(manager: ModelManager, config: Mapping[str, Any]) -> bool:
    try:
        return bool(manager.config == config)
    except ValueError:  # arrays among the settings have no single answer
        return False
