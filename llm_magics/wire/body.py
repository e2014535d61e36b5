"""What a response brings, read with tolerance: its bytes in, deltas and one message out.

Knows nothing of connections: the same bytes cut at any place give the same message.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any

from llm_magics.events import Event
from llm_magics.wire.event_stream import BOM, FIELDS, MAX_EVENT, BadPayload, EventStream, parse, parse_body
from llm_magics.wire.reply import ODD, Reply, ServerError, error_in


class Body:
    """A response body as it comes: server-sent events or one document, told by how it begins.

    What was asked for does not tell: some servers stream to everybody, some to nobody; nor does the content type.
    """

    def __init__(self, reply: Reply, content_type: str = "") -> None:
        self._reply = reply
        self._content_type = content_type.lower()
        self._head = b""
        self._stream: EventStream | None = None
        self._unlike = b""  # how it begins, where that is like nothing and only its content type says what it is
        self._document: list[bytes] | None = None
        self._size = 0

    @property
    def is_document(self) -> bool:
        """Whether it has turned out to be one document."""
        return self._document is not None

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes add.

        Raises:
            ServerError: they hold an error report.
            BadPayload: they cannot be read.
        """
        if self._stream is not None:
            if self._unlike and len(self._unlike) < ODD:
                self._unlike += data
            return self._events(self._stream.feed(data))
        if self._document is not None:
            self._document.append(data)
            self._size += len(data)
            if self._size > MAX_EVENT:
                raise BadPayload("a body without end", f"{self._size:,} bytes")
            return []
        self._head += data
        return self._begin()

    def close(self) -> list[Event]:
        """What was held back until the end of the body was known. A frame that was cut off is left out.

        Raises:
            ServerError, BadPayload: as `feed`.
        """
        if self._stream is None:
            whole = b"".join(self._document) if self._document is not None else self._head
            try:
                payload = parse_body(whole, self._content_type, self._reply.notes)
            except BadPayload as error:
                return self._chunks(whole, error)
            return self._completion(payload)
        rest, reply = self._stream.rest(), self._reply
        if self._unlike and not (rest or reply.choices or reply.odd or reply.done):
            return self._completion(parse_body(self._unlike, self._content_type, reply.notes))
        events: list[Event] = []
        if rest and not reply.done:
            try:
                events = self._events([rest])
            except BadPayload:
                reply.cut = True
        return events + reply.close()

    def _begin(self) -> list[Event]:
        """Decide what it is, as soon as that is clear."""
        head = self._head.lstrip()
        start = head.removeprefix(BOM).lstrip()
        if not start or BOM.startswith(head) or any(field.startswith(start) for field in FIELDS[:-1]):
            # Blanks keep a connection alive: they are let go of at once, however many come.
            self._head = head if start or not head.startswith(BOM) else BOM
            return []
        is_stream = start.startswith(FIELDS) or (
            start[:1] not in (b"{", b"[", b"<") and "event-stream" in self._content_type
        )
        self._head = b""
        if not is_stream:
            self._document = [start]
            return []
        self._stream = EventStream()
        self._unlike = b"" if start.startswith(FIELDS) else start
        return self._events(self._stream.feed(start))

    def _events(self, payloads: Iterable[bytes]) -> list[Event]:
        reply = self._reply
        if reply.done:
            return []
        events: list[Event] = []
        for payload in payloads:
            if len(payload) < 16 and payload.strip() == b"[DONE]":
                reply.done = True
            else:
                try:
                    events += reply.feed_chunk(parse(payload, reply.notes))
                except BadPayload as error:
                    events += self._each_line(payload, error)
                except ServerError as error:
                    if not reply.complete:
                        raise
                    reply.notes.append(f"when the answer had ended, the server reported an error: {error.message}")
            if reply.done:
                return events + reply.close()
        return events

    def _each_line(self, payload: bytes, error: BadPayload) -> list[Event]:
        """What the data of an event adds where a blank line is missing, so that each line of data stands for an event.

        A proxy may write an error report behind an event that broke off: that is then what went wrong.

        Raises:
            ServerError: such a report.
            BadPayload: ``error``, where a line cannot be read.
        """
        events: list[Event] = []
        is_broken = False
        for line in payload.split(b"\n"):
            if line.strip() == b"[DONE]":
                self._reply.done = not is_broken
                break
            try:
                found = parse(line, self._reply.notes)
            except BadPayload:
                is_broken = True
                continue
            if not is_broken:
                events += self._reply.feed_chunk(found)
            elif isinstance(found, dict) and (report := error_in(found, found.get("choices"))) is not None:
                raise report
        if is_broken and not self._reply.complete:
            raise error
        return events

    def _chunks(self, body: bytes, error: BadPayload) -> list[Event]:
        """What a stream brings that has an object on each line and no fields, as some servers write it.

        Raises:
            ServerError: one of them is an error report.
            BadPayload: ``error``, where it is none.
        """
        lines = [line for line in body.split(b"\n") if line.strip() not in (b"", b"[DONE]")]
        found = []
        for line in lines:
            with contextlib.suppress(BadPayload):
                found.append(parse(line, self._reply.notes))
                continue
            break
        are_chunks = all(isinstance(one, dict) and {"choices", "error"} & set(one) for one in found)
        if not found or not are_chunks or len(lines) - len(found) > 1:  # no more than its end may be broken
            raise error
        events = [event for one in found for event in self._reply.feed_chunk(one)]
        self._reply.cut = len(found) < len(lines) and not self._reply.complete
        return events + self._reply.close()

    def _completion(self, payload: Any) -> list[Event]:
        events = self._reply.feed_completion(payload)
        if not self._reply.choices:
            said = self._reply.first_odd or json.dumps(payload, default=str)[:ODD]
            raise BadPayload("an answer without choices", said)
        return events


def read_completion(payload: Any) -> Reply:
    """A whole completion, read with the same tolerance as a stream.

    Raises:
        ServerError: the payload is an error report.
        BadPayload: it has no choices.
    """
    reply = Reply()
    Body(reply)._completion(payload)
    return reply
