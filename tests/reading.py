"""Bytes given to the tolerant reader piece by piece, and all that can be seen of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from llm_magics import wire
from llm_magics.events import Event, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from llm_magics.wire.body import Body
from llm_magics.wire.event_stream import BadPayload


def read(pieces: Iterable[bytes], content_type: str = "text/event-stream") -> wire.Reply:
    reply = wire.Reply()
    body = Body(reply, content_type)
    for piece in pieces:
        body.feed(piece)
    body.close()
    return reply


def story(pieces: Sequence[bytes], content_type: str = "text/event-stream") -> Any:
    """All that can be seen of a body read in these pieces: the message, the joined events, the end or the error."""
    reply, events = wire.Reply(), []
    body = Body(reply, content_type)
    error = None
    try:
        for piece in pieces:
            events += body.feed(piece)
        events += body.close()
    except (wire.ServerError, BadPayload) as raised:
        error = (type(raised), str(raised))
    reply.close()
    said = joined(events) if error is None else None  # an error may overtake events of its own batch
    message = reply.message().model_dump(exclude_none=True, warnings=False)
    return message, said, error, reply.finish_reason, reply.usage, reply.done, reply.choices, reply.odd


def joined(events: Iterable[Event]) -> dict[Any, Any]:
    said: dict[Any, Any] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            name, arguments = said.get(event.slot, ("", ""))
            said[event.slot] = (name + event.name, arguments + event.arguments)
        else:
            assert isinstance(event, TextDelta | ReasoningDelta | RefusalDelta)
            said[type(event)] = said.get(type(event), "") + event.text
    return said
