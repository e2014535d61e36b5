"""One exchange with one model as a stream of events, on the private event loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llm_magics import wire
from llm_magics.endpoints.clocks import Clocks, Watch
from llm_magics.endpoints.sdk import PATH, facts, moved_to, options, sdk_errors
from llm_magics.events import Event, Note
from llm_magics.refusals.adapt import Plan
from llm_magics.refusals.refusal import Refusal
from llm_magics.wire.body import Body

if TYPE_CHECKING:
    from openai import AsyncOpenAI

USAGE_SECONDS = 2.0  # how long after its finish reason a stream may take to tell its usage and end
# The same where that came beside text: it may stand on every chunk, and then the next one may be slow to come.
IN_TEXT_SECONDS = 5.0
CLOSING_SECONDS = 0.05  # how long a stream that is complete may take to end, so that its connection can be used again
SOCKET_SECONDS = 86_400.0  # the socket's own patience; the clocks' is what ends a wait


@dataclass(slots=True)
class Outcome:
    """What an exchange knows besides its events; filled in as it goes."""

    reply: wire.Reply
    plan: Plan
    clocks: Clocks = field(default_factory=Clocks)
    request_id: str | None = None


async def exchange(client: AsyncOpenAI, outcome: Outcome) -> AsyncIterator[list[Event]]:
    """Ask, and give the answer's events in batches as the bytes arrive.

    Raises:
        openai.APIError: as `call_llm`, before the first event or after some; also for a connection that breaks.
        wire.ServerError, BadPayload: the body is an error report, or no answer.
    """
    watch = Watch(outcome.clocks)
    try:
        async with contextlib.aclosing(_attempts(client, outcome, watch)) as batches:
            async for events in batches:
                yield events
    finally:
        watch.close()


async def _attempts(client: AsyncOpenAI, outcome: Outcome, watch: Watch) -> AsyncGenerator[list[Event]]:
    import openai

    plan = outcome.plan
    while True:
        plan.attempt()
        watch.attempt()
        try:
            async with contextlib.aclosing(_attempt(client, outcome, watch)) as batches:
                async for events in batches:
                    yield events
            return
        except (openai.APIError, wire.ServerError) as error:
            if plan.moved(moved_to(error)):
                continue
            noted, refusal = len(plan.notes), facts(error, plan)
            wait = plan.after(refusal, error) if outcome.reply.empty else None
            if wait is None:
                raise plan.standing(error) from error.__cause__
        outcome.reply = wire.Reply()
        yield [Note(text) for text in plan.notes[noted:] or _waiting(refusal, wait)]
        with sdk_errors():
            await watch.pause(wait)


def _waiting(refusal: Refusal, wait: float) -> list[str]:
    return [f"{refusal.trouble}: next try in {wait:.0f} s" if wait >= 1 else f"{refusal.trouble}: trying again"]


async def _attempt(client: AsyncOpenAI, outcome: Outcome, watch: Watch) -> AsyncGenerator[list[Event]]:
    plan = outcome.plan
    with sdk_errors():
        # A little less than the clock, so that what took so long can be told.
        patience = options(SOCKET_SECONDS, connect=0.9 * watch.clocks.first_token)
        posting = client.post(plan.path or PATH, body=plan.body, cast_to=object, options=patience)
        answer: Any = await watch.wait(posting)
    response = answer.http_response
    outcome.request_id = response.headers.get("x-request-id")
    plan.begun = True
    try:
        with sdk_errors():
            async for events in _read(response, outcome.reply, watch):
                yield events
    finally:
        outcome.reply.close()  # whatever was held back until the end, if the end came early
        await response.aclose()  # also tells the server to stop, when nobody listens any more


async def _read(response: Any, reply: wire.Reply, watch: Watch) -> AsyncIterator[list[Event]]:
    """The events of a response, until it ends, or until it is complete and lingers."""
    body = Body(reply, response.headers.get("content-type", ""))
    chunks, allowed = aiter(response.aiter_bytes()), None
    while (data := await _next(watch, chunks, reply)) is not None:
        if events := body.feed(data):
            watch.heard()
            yield events
        if (seconds := _lingering(reply)) != allowed:
            allowed = seconds
            watch.linger(seconds)
    if events := body.close():
        yield events


async def _next(watch: Watch, chunks: AsyncIterator[bytes], reply: wire.Reply) -> bytes | None:
    """The next bytes; None at the end, also of a connection that breaks or stays open when the answer is complete."""
    try:
        return await watch.wait(anext(chunks))
    except StopAsyncIteration:
        return None
    except Exception as error:
        if reply.complete and _is_of_the_connection(error):
            return None
        raise


def _is_of_the_connection(error: Exception) -> bool:
    """Whether the SDK would call this a connection's error; asked once, as asking for each chunk is slow."""
    from openai import APIConnectionError

    try:
        with sdk_errors():
            raise error
    except APIConnectionError:
        return True
    except Exception:  # noqa: BLE001 - the caller raises it
        return False


def _lingering(reply: wire.Reply) -> float | None:
    """How long an answer that is complete may take to end, as servers may keep the line open; None for any other."""
    if reply.done:
        return CLOSING_SECONDS
    if not reply.complete or reply.empty:
        return None
    if reply.finished_in_text:
        return IN_TEXT_SECONDS
    return USAGE_SECONDS if reply.usage is None else CLOSING_SECONDS
