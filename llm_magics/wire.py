"""Tolerant reading of what servers really send: bytes of a stream or a body in, deltas and one message out.

Knows nothing of connections: the same bytes cut at any place give the same message.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from llm_magics.event_stream import BOM, FIELDS, BadPayload, EventStream, parse, parse_body
from llm_magics.events import Event, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from llm_magics.surrogates import Surrogates, sendable, sendable_json
from llm_magics.thinking import ThinkSplitter
from llm_magics.tool_calls import ToolCall, is_index, tool_inner, with_own_ids, word

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessage

_REASONING_FIELDS = ("reasoning", "reasoning_content")

_TextLike = type[TextDelta] | type[ReasoningDelta] | type[RefusalDelta]


class ServerError(ValueError):
    """An error the server reported inside an answer that had begun, or under HTTP 200; ``body`` is what it said."""

    def __init__(self, message: str, body: object) -> None:
        super().__init__(message)
        self.message, self.body = message, body


class Body:
    """A response body as it comes: server-sent events or one document, told by how it begins.

    What was asked for does not tell: some servers stream to everybody, some to nobody; nor does the content type.
    """

    def __init__(self, reply: Reply, content_type: str = "") -> None:
        self._reply = reply
        self._content_type = content_type.lower()
        self._head = b""
        self._stream: EventStream | None = None
        self._document: list[bytes] | None = None

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes add.

        Raises:
            ServerError: they hold an error report.
            BadPayload: they cannot be read.
        """
        if self._stream is not None:
            return self._events(self._stream, data)
        if self._document is not None:
            self._document.append(data)
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
            return self._completion(parse_body(whole, self._content_type))
        rest = self._stream.rest()
        if not rest or self._reply.done:
            return self._reply.close()
        if rest.strip() == b"[DONE]":
            self._reply.done = True
            return self._reply.close()
        try:
            payload = parse(rest)
        except BadPayload:
            self._reply.odd += 1
            return self._reply.close()
        return self._reply.feed_chunk(payload) + self._reply.close()

    def _begin(self) -> list[Event]:
        """Decide what it is, as soon as that is clear."""
        start = self._head.removeprefix(BOM).lstrip()
        if not start or BOM.startswith(self._head) or any(field.startswith(start) for field in FIELDS[:-1]):
            return []
        is_stream = start.startswith(FIELDS) or (
            start[:1] not in (b"{", b"[", b"<") and "event-stream" in self._content_type
        )
        head, self._head = self._head, b""
        if not is_stream:
            self._document = [head]
            return []
        self._stream = EventStream()
        return self._events(self._stream, head)

    def _events(self, stream: EventStream, data: bytes) -> list[Event]:
        reply = self._reply
        if reply.done:
            return []
        events: list[Event] = []
        for payload in stream.feed(data):
            if len(payload) < 16 and payload.strip() == b"[DONE]":
                reply.done = True
                return events + reply.close()
            events += reply.feed_chunk(parse(payload))
        return events

    def _completion(self, payload: Any) -> list[Event]:
        events = self._reply.feed_completion(payload)
        if not self._reply.choices:
            raise BadPayload("an answer without choices", json.dumps(payload, default=str)[:80])
        return events


class Reply:
    """The answer as it grows: `feed_chunk` for a stream's payloads, `feed_completion` for a whole one.

    Attributes:
        finish_reason: None until one arrived.
        usage: the last token counts that arrived.
        model: what the server says it runs.
        choices: pieces of the answer that arrived, however empty.
        odd: payloads that were passed over because they said nothing.
        done: whether the transport came to its proper end (``[DONE]``, or a whole document).
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[ToolCall] = []
        self._annotations: list[dict[str, Any]] = []
        self._audio: dict[str, list[Any]] = {}
        self._index: Any = None  # of the one choice that is read, where several were asked for
        self._splitter = ThinkSplitter()
        self._surrogates: dict[_TextLike, Surrogates] = {
            kind: Surrogates() for kind in (TextDelta, ReasoningDelta, RefusalDelta)
        }
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.model: str | None = None
        self.id: str | None = None
        self.choices = 0
        self.odd = 0
        self.done = False

    def feed_chunk(self, payload: Any) -> list[Event]:
        """What one stream payload adds.

        Raises:
            ServerError: it is an error report.
        """
        return self._feed(payload, "delta")

    def feed_completion(self, payload: Any) -> list[Event]:
        """What a whole completion holds; a stream's reader then sees it as one large delta.

        Raises:
            ServerError: it is an error report.
        """
        self.done = True
        return self._feed(payload, "message") + self.close()

    def close(self) -> list[Event]:
        """What was held back until the end was known; safe to call again."""
        events: list[Event] = []
        for kind, holder in self._surrogates.items():
            if last := holder.close():
                events += self._text_like(kind, last)
        return events + [self._keep(event) for event in self._splitter.close()]

    @property
    def finished(self) -> bool:
        """Whether the server said that this is the whole answer."""
        return self.finish_reason is not None

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it at all."""
        parts = (self._text, self._reasoning, self._refusal, self._calls, self._annotations, self._audio)
        return not any(parts)

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    def message(self) -> ChatCompletionMessage:
        """The assistant message, with the SDK's types; fields that did not arrive are not set."""
        from openai.types.chat import ChatCompletionMessage

        text, refusal, reasoning = self.text, "".join(self._refusal), "".join(self._reasoning)
        speaks_otherwise = self._calls or refusal or self._audio
        fields: dict[str, Any] = {"role": "assistant", "content": text or (None if speaks_otherwise else "")}
        if refusal:
            fields["refusal"] = refusal
        if self._calls:
            fields["tool_calls"] = with_own_ids([call.as_dict() for call in self._calls])
        if reasoning:
            fields["reasoning_content"] = reasoning
        if self._annotations:
            fields["annotations"] = self._annotations
        if self._audio:
            fields["audio"] = {
                key: "".join(values) if key in _AUDIO_GROWS else values[-1] for key, values in self._audio.items()
            }
        return ChatCompletionMessage.construct(**fields)

    def _feed(self, payload: Any, part: str) -> list[Event]:
        if isinstance(payload, list):  # some wrap whatever they say in a list
            dicts = [item for item in payload if isinstance(item, dict)]
            self.odd += not dicts
            return [event for item in dicts for event in self._feed(item, part)]
        if not isinstance(payload, dict):
            self.odd += 1
            return []
        choices = payload.get("choices")
        if isinstance(choices, dict):
            choices = [choices]
        if (error := _error_in(payload, choices)) is not None:
            raise error
        self._about(payload)
        if not isinstance(choices, list):
            self.odd += 1
            return []
        events: list[Event] = []
        for choice in choices:
            if isinstance(choice, dict) and self._is_ours(choice.get("index")):
                events += self._choice(choice, part)
        return events

    def _about(self, payload: dict[str, Any]) -> None:
        if usage := _usage_in(payload):
            self.usage = usage
        if self.model is None:
            self.model = word(payload.get("model"))
        if self.id is None:
            self.id = word(payload.get("id"))

    def _is_ours(self, index: Any) -> bool:
        if self._index is None:
            self._index = index
        return index is None or index == self._index

    def _choice(self, choice: dict[str, Any], part: str) -> list[Event]:
        self.choices += 1
        delta = choice.get(part)
        if not isinstance(delta, dict):  # some answer a stream with whole messages, or a call with a delta
            part = "message" if part == "delta" else "delta"
            delta = choice.get(part)
        if not isinstance(delta, dict):
            delta = {"content": choice.get("text")}
        if error := choice.get("error"):  # OpenRouter, when the provider behind it fails
            raise ServerError(_message_of(error) or "the server reported an error", error)
        # A finish reason is a word. Some servers send "" or null on every chunk, which ends nothing.
        if reason := word(choice.get("finish_reason")):
            self.finish_reason = reason
        if usage := _usage_in(choice):
            self.usage = usage
        return self._delta(delta, whole=part == "message")

    def _delta(self, delta: dict[str, Any], *, whole: bool) -> list[Event]:
        content = delta.get("content")
        if type(content) is str and (len(delta) == 1 or (len(delta) == 2 and "role" in delta)):
            return self._text_like(TextDelta, content)  # nearly every chunk of a stream
        parts = list(_parts(content))
        if reasoning := _reasoning_of(delta):
            parts = [(ReasoningDelta, reasoning), *(p for p in parts if p[0] is not ReasoningDelta)]
        if isinstance(refusal := delta.get("refusal"), str):
            parts.append((RefusalDelta, refusal))
        events = [event for kind, text in parts for event in self._text_like(kind, text)]
        events += self._tool_calls(delta, whole=whole)
        self._further(delta)
        return events

    def _text_like(self, kind: _TextLike, text: str) -> list[Event]:
        text = self._surrogates[kind].join(text)
        if not text:
            return []
        if kind is not TextDelta or self._splitter.passed:
            return [self._keep(kind(text))]
        return [self._keep(event) for event in self._splitter.split(text)]

    def _keep(self, event: TextDelta | ReasoningDelta | RefusalDelta) -> Event:
        if isinstance(event, TextDelta):
            self._text.append(event.text)
        elif isinstance(event, ReasoningDelta):
            self._reasoning.append(event.text)
        else:
            self._refusal.append(event.text)
        return event

    def _tool_calls(self, delta: dict[str, Any], *, whole: bool) -> list[Event]:
        pieces = delta.get("tool_calls")
        if isinstance(pieces, dict):
            pieces = [pieces]
        if not (isinstance(pieces, list) and pieces):
            older = delta.get("function_call")  # the form before tools
            pieces = [{"index": 0, "function": older}] if isinstance(older, dict) else []
        return [self._piece(piece, whole=whole) for piece in pieces if isinstance(piece, dict)]

    def _piece(self, piece: dict[str, Any], *, whole: bool) -> Event:
        call = None if whole else self._slot(piece)
        if call is None or call.begins_another(piece):
            index = piece.get("index")
            call = ToolCall(len(self._calls), index if is_index(index) else None, call)
            self._calls.append(call)
        name, arguments = call.add(piece)
        return ToolCallDelta(call.slot, name, arguments)

    def _slot(self, piece: dict[str, Any]) -> ToolCall | None:
        """The call that a piece belongs to, unless it begins another: by its index, then its id, else the last one.

        Servers leave the index out, give every parallel call index 0, or tell the id late or again and again.
        """
        index, id_ = piece.get("index"), word(piece.get("id"))
        place = [call for call in self._calls if call.index == index] if is_index(index) else self._calls
        if not place and not id_ and not word(tool_inner(piece).get("name")):
            place = self._calls  # arguments alone cannot begin a call
        same_id = [call for call in place if call.id == id_] if id_ else []
        return next(reversed(same_id or place), None)

    def _further(self, delta: dict[str, Any]) -> None:
        if isinstance(annotations := delta.get("annotations"), list):
            self._annotations += [sendable_json(item) for item in annotations if isinstance(item, dict)]
        if isinstance(audio := delta.get("audio"), dict):
            for key, value in audio.items():
                if key not in _AUDIO_GROWS or isinstance(value, str):
                    self._audio.setdefault(key, []).append(sendable_json(value))


_AUDIO_GROWS = frozenset({"data", "transcript"})


def read_completion(payload: Any) -> Reply:
    """A whole completion, read with the same tolerance as a stream.

    Raises:
        ServerError: the payload is an error report.
        BadPayload: it has no choices.
    """
    reply = Reply()
    Body(reply)._completion(payload)
    return reply


def _parts(content: Any) -> Iterable[tuple[_TextLike, str]]:
    """The text-like pieces of content, plain or in parts."""
    if isinstance(content, str):
        yield TextDelta, content
    elif isinstance(content, dict):
        kind = content.get("type")
        if kind in ("thinking", "reasoning"):
            inner = content.get(kind) or content.get("text") or content.get("content") or ""
            yield ReasoningDelta, "".join(text for _, text in _parts(inner))
        elif kind == "refusal":
            yield RefusalDelta, _text_of(content.get("refusal"))
        elif isinstance(content.get("text"), str):
            yield TextDelta, content["text"]
    elif isinstance(content, list):
        for item in content:
            yield from _parts(item)


def _reasoning_of(delta: Mapping[str, Any]) -> str:
    """The reasoning text, from the first field that has it; two fields may hold the same text."""
    for field in _REASONING_FIELDS:
        if delta.get(field):
            return "".join(text for _, text in _parts(delta[field]))
    details = delta.get("reasoning_details")
    if not isinstance(details, list):
        return ""
    pieces = (d.get("text") or d.get("summary") for d in details if isinstance(d, dict))
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _usage_in(holder: Mapping[str, Any]) -> dict[str, Any] | None:
    """Token counts, if there are any: beside the choices, in a choice, or, with Groq, under ``x_groq``."""
    usage = holder.get("usage")
    if not usage and isinstance(groq := holder.get("x_groq"), dict):
        usage = groq.get("usage")
    return usage if isinstance(usage, dict) and usage else None


def _error_in(payload: dict[str, Any], choices: Any) -> ServerError | None:
    """An error report, in one of the shapes servers give it."""
    if error := payload.get("error"):
        return ServerError(_message_of(error) or _message_of(payload) or "the server reported an error", error)
    if choices or payload.get("usage") or not (said := _message_of(payload)):
        return None
    return ServerError(said, payload)


def _message_of(error: Any) -> str:
    if isinstance(error, str):
        return sendable(error)
    if isinstance(error, dict):
        for key in ("message", "detail", "msg", "error_msg", "error_message", "errors", "error"):
            if said := _message_of(error.get(key)):
                return said
    if isinstance(error, list) and error:
        return _message_of(error[0])
    return ""


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""
