"""`call_llm`: one exchange with one model, which blocks and returns the message."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from llm_magics import wire
from llm_magics.endpoints.clocks import Clocks, Stopwatch
from llm_magics.endpoints.request import messages_of, request_body
from llm_magics.endpoints.sdk import PATH, api_error, facts, moved_to, options, sdk_errors
from llm_magics.manager import ModelManager
from llm_magics.refusals.adapt import Plan
from llm_magics.scrub import message_without, scrubbed, without_variables
from llm_magics.wire.body import Body
from llm_magics.wire.event_stream import BadPayload

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletionMessage, ChatCompletionMessageParam


@without_variables
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
        tools: tools in the SDK's form, or functions that `llm_magics.tool` decorated. When the endpoint says that this
            model takes none, the same request is made once more without them.

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
    import openai

    manager = config if isinstance(config, ModelManager) else _manager(config)
    name = manager.name_of(model)
    client = manager.create_client(name)
    settings = manager.get_model_config(name)
    body = request_body(name, settings, messages_of(usr_prompt, settings.get("system")), tools)
    connection = manager.connection(name)
    try:
        reply = _ask(client, Plan(body, client.max_retries), Stopwatch(Clocks.of(settings)))
    except openai.APIError as error:
        raise scrubbed(error, connection.redactor) from error.__cause__
    return message_without(reply.message(), connection.answer_redactor)


def _ask(client: OpenAI, plan: Plan, watch: Stopwatch) -> wire.Reply:
    import openai

    while True:
        plan.attempt()
        watch.attempt()
        reply = wire.Reply()
        try:
            _attempt(client, plan, watch, reply)
            return reply
        except openai.APIError as error:
            if plan.moved(moved_to(error)):
                continue
            wait = plan.after(facts(error, plan)) if reply.empty else None
            if wait is None:
                raise
        with sdk_errors():
            watch.pause(wait)


def _attempt(client: OpenAI, plan: Plan, watch: Stopwatch, reply: wire.Reply) -> None:
    with sdk_errors():
        # The socket's own patience ends a pure silence.
        patience = min(watch.clocks.first_token, watch.clocks.total or float("inf"))
        answer: Any = client.post(plan.path or PATH, body=plan.body, cast_to=object, options=options(patience))
    response = answer.http_response
    plan.begun = True
    try:
        _read(response, watch, reply)
    except (wire.ServerError, BadPayload) as error:
        raise api_error(error, response) from None
    finally:
        response.close()


def _read(response: Any, watch: Stopwatch, reply: wire.Reply) -> None:
    """Read the reply in an HTTP response until it is complete; some servers then keep the line open, or cut it.

    Raises:
        openai.APIConnectionError: the connection broke, or a clock ran out.
        wire.ServerError, BadPayload: it is an error report, or no answer.
    """
    from openai import APIConnectionError

    body = Body(reply, response.headers.get("content-type", ""))
    try:
        with sdk_errors():
            for data in response.iter_bytes():
                events = body.feed(data)
                if reply.done:
                    break
                # Any part of a document is content; of a stream, comments and empty events are none.
                watch.arrived(content=bool(events) or (body.is_document and not data.isspace()))
    except APIConnectionError:
        if not reply.complete:
            raise
    body.close()
    reply.check_whole()


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
