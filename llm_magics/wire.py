"""Tolerant reading of what servers really send: bytes of a stream or a body in, deltas and one message out.

Knows nothing of connections: the same bytes cut at any place give the same message.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from llm_magics.events import Event, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessage

MAX_EVENT = 32_000_000  # bytes of one server-sent event: more is no chat
_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")  # how a line of an event stream begins
_REASONING_FIELDS = ("reasoning", "reasoning_content")

_TextLike = type[TextDelta] | type[ReasoningDelta] | type[RefusalDelta]


class BadPayload(ValueError):
    """Bytes that are no Chat Completions payload; ``kind`` says what they are instead."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind, self.detail = kind, detail


class ServerError(ValueError):
    """An error the server reported inside an answer that had begun, or under HTTP 200; ``body`` is what it said."""

    def __init__(self, message: str, body: object) -> None:
        super().__init__(message)
        self.message, self.body = message, body


# ---------------------------------------------------------------- bytes to payloads


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
        start = self._head.removeprefix(_BOM).lstrip()
        if not start or _BOM.startswith(self._head) or any(field.startswith(start) for field in _FIELDS[:-1]):
            return []
        is_stream = start.startswith(_FIELDS) or (
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


class EventStream:
    """Server-sent events: `feed` takes bytes as they come and gives the data of each finished event.

    Takes LF, CRLF and CR line ends, a byte order mark, comments, several data lines in an event, and no blank after the
    colon (source: the WHATWG HTML standard, section on server-sent events).
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the event that is not finished; joined once, however many there are
        self._size = 0
        self._begun = False
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that ``data`` completes, in order."""
        if not self._begun:
            data = self._without_mark(data)
        data = self._one_line_end(data)
        if not self._pieces and data.startswith(b"data: ") and data.find(b"\n") == len(data) - 2 == data.find(b"\n\n"):
            return [data[6:-2]] if len(data) > 8 else []  # one event in one piece: most servers' every write
        if not data:
            return []
        ends_here = b"\n\n" in data or (data[:1] == b"\n" and self._pieces and self._pieces[-1][-1:] == b"\n")
        self._pieces.append(data)
        self._size += len(data)
        if not ends_here:
            self._check_size()
            return []
        *events, rest = b"".join(self._pieces).split(b"\n\n")
        self._pieces, self._size = [rest] if rest else [], len(rest)
        self._check_size()
        return [payload for event in events if (payload := _data_of(event))]

    def rest(self) -> bytes:
        """What came after the last finished event: its data, if the server forgot the closing blank line."""
        return _data_of(b"".join(self._pieces))

    def _check_size(self) -> None:
        if self._size > MAX_EVENT:
            raise BadPayload("an event without end", f"{self._size:,} bytes")

    def _without_mark(self, data: bytes) -> bytes:
        data = b"".join(self._pieces) + data
        self._pieces = []
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._pieces = [data] if data else []  # perhaps the beginning of a byte order mark
            return b""
        self._begun = True
        return data.removeprefix(_BOM)

    def _one_line_end(self, data: bytes) -> bytes:
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" not in data:
            return data
        self._after_cr = data.endswith(b"\r")  # its LF may be the next byte
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data_of(event: bytes) -> bytes:
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]  # what nearly every event looks like
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)


def parse(payload: bytes) -> Any:
    """JSON as servers write it: also with lone surrogates, which Python's own reader takes and stricter ones do not.

    Raises:
        BadPayload: it is no JSON.
    """
    import jiter

    try:
        return jiter.from_json(payload)
    except ValueError:
        pass
    try:
        return json.loads(payload.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise BadPayload("broken JSON", payload[:80].decode("utf-8", "replace")) from None


def parse_body(body: bytes, content_type: str) -> Any:
    """The JSON of a whole response body.

    Raises:
        BadPayload: it is a web page, nothing at all, or no JSON.
    """
    body = body.removeprefix(_BOM).lstrip()
    start = body[:1]
    if not start:
        raise BadPayload("an empty answer")
    if start == b"<":
        raise BadPayload("a web page", _title(body))
    try:
        return parse(body)
    except BadPayload as error:
        if start in (b"{", b"["):
            raise
        kind = "a web page" if "html" in content_type else "plain text"
        raise BadPayload(kind, " ".join(error.detail.split())) from None


def _title(page: bytes) -> str:
    title = re.search(rb"<title[^>]*>(.*?)</title>", page[:20_000], re.I | re.S)
    text = html.unescape(title[1].decode("utf-8", "replace")) if title else ""
    return " ".join(text.split())[:80]


# ---------------------------------------------------------------- payloads to one reply


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
        self._calls: list[_ToolCall] = []
        self._annotations: list[dict[str, Any]] = []
        self._audio: dict[str, list[Any]] = {}
        self._index: Any = None  # of the one choice that is read, where several were asked for
        self._splitter = _ThinkSplitter()
        self._surrogates: dict[_TextLike, _Surrogates] = {
            kind: _Surrogates() for kind in (TextDelta, ReasoningDelta, RefusalDelta)
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
            fields["tool_calls"] = _with_own_ids([call.as_dict() for call in self._calls])
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
            self.model = _word(payload.get("model"))
        if self.id is None:
            self.id = _word(payload.get("id"))

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
        if reason := _word(choice.get("finish_reason")):
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
            call = _ToolCall(len(self._calls), index if _is_index(index) else None, call)
            self._calls.append(call)
        name, arguments = call.add(piece)
        return ToolCallDelta(call.slot, name, arguments)

    def _slot(self, piece: dict[str, Any]) -> _ToolCall | None:
        """The call that a piece belongs to, unless it begins another: by its index, then its id, else the last one.

        Servers leave the index out, give every parallel call index 0, or tell the id late or again and again.
        """
        index, id_ = piece.get("index"), _word(piece.get("id"))
        place = [call for call in self._calls if call.index == index] if _is_index(index) else self._calls
        if not place and not id_ and not _word(_inner(piece).get("name")):
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


# ---------------------------------------------------------------- the parts


class _ToolCall:
    """One tool call as its pieces arrive.

    Args:
        slot: its place among the calls of this answer.
        index: the index the server gave it, if it gave one.
        before: the call that its first piece might have continued; a nameless one is called like that.
    """

    def __init__(self, slot: int, index: int | None, before: _ToolCall | None) -> None:
        self.slot = slot
        self.index = index
        self.id = ""
        self._kind = "function"
        self._name = ""
        self._name_before = before._name if before is not None else ""
        self._arguments: list[str] = []
        self._surrogates = _Surrogates()
        self._end = _JsonEnd()
        self._extra: dict[str, Any] = {}

    def begins_another(self, piece: Mapping[str, Any]) -> bool:
        """Whether this piece cannot be a continuation of this call: another id, another name, or more arguments
        behind arguments that are complete."""
        id_, inner = _word(piece.get("id")), _inner(piece)
        if id_ and self.id and id_ != self.id:
            return True
        name = _word(inner.get("name"))
        if name and self._name and name != self._name:
            return True
        brings_more = self._end.reached and _arguments_of(inner).lstrip().startswith("{")
        return brings_more and (bool(id_ or name) or not self._end.blank)

    def add(self, piece: Mapping[str, Any]) -> tuple[str, str]:
        """Take a piece in; the name if it is new, and the arguments it brought."""
        self.id = self.id or _word(piece.get("id")) or ""
        inner = _inner(piece)
        if isinstance(piece.get("custom"), dict):
            self._kind = "custom"
        if "extra_content" in piece:  # Gemini's thought signature must be sent back
            self._extra["extra_content"] = sendable_json(piece["extra_content"])
        name = "" if self._name else _word(inner.get("name")) or ""
        self._name = self._name or name
        arguments = self._surrogates.join(_arguments_of(inner))
        if arguments and self._kind == "function":
            if self._end.reached and self._end.blank:
                self._arguments, self._end = [], _JsonEnd()  # {} held the place until the real ones came
            self._end.feed(arguments)
        self._arguments.append(arguments)
        return name, arguments

    def as_dict(self) -> dict[str, Any]:
        """The call in the SDK's form, with an empty id where the server gave none."""
        arguments, name = "".join(self._arguments) + self._surrogates.rest, self._name or self._name_before
        if self._kind == "custom":
            body = {"custom": {"name": name, "input": arguments}}
        else:
            body = {"function": {"name": name, "arguments": arguments if arguments.strip() else "{}"}}
        return {"id": self.id, "type": self._kind, **body, **self._extra}


def _with_own_ids(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls each with an id that no other has; one that must be made up depends on nothing but the calls themselves."""
    taken: set[str] = set()
    for place, call in enumerate(calls):
        made_up = hashlib.blake2s(f"{place} {_dumps(call)}".encode(), digest_size=6).hexdigest()
        id_ = own = call["id"] or f"call_{made_up}"
        count = 1
        while own in taken:
            count += 1
            own = f"{id_}_{count}"
        taken.add(own)
        call["id"] = own
    return calls


def _is_index(index: Any) -> bool:
    return isinstance(index, int) and not isinstance(index, bool)


def _inner(piece: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a piece holds name and arguments: under ``function`` or ``custom``, or, with some, in itself."""
    for key in ("function", "custom"):
        if isinstance(piece.get(key), dict):
            body: Mapping[str, Any] = piece[key]
            return body
    return piece


def _arguments_of(inner: Mapping[str, Any]) -> str:
    arguments = inner.get("arguments", inner.get("input"))
    return arguments if isinstance(arguments, str) else "" if arguments is None else _dumps(arguments)


class _JsonEnd:
    """Tells when an object that comes in pieces is complete; looks at each character once.

    Attributes:
        reached: whether it is complete.
        blank: whether there was nothing in it.
    """

    _MARK = re.compile(r'\\.|["{}\[\]\\]', re.S)

    def __init__(self) -> None:
        self.reached = False
        self.blank = True
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, text: str) -> None:
        """Look at a further piece."""
        if self._escaped:
            text, self._escaped = text[1:], False
        self.blank = self.blank and not text.strip(" \t\r\n{}")
        for mark in self._MARK.findall(text):
            if mark[0] == "\\":
                self._escaped = len(mark) == 1  # the character it stands before is in the next piece
            elif mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if mark in "{[" else -1
                self.reached = self._depth == 0


class _ThinkSplitter:
    """Takes ``<think>…</think>`` at the head of an answer out of the text.

    Attributes:
        passed: whether all that follows is text.
    """

    _OPENING = re.compile(r"\s{0,64}<(think|thinking|thought)>", re.I | re.A)
    _TAGS = ("<think>", "<thinking>", "<thought>")
    _MAX_BLANKS = 64  # so that an answer of nothing but blanks is not held back for ever

    def __init__(self) -> None:
        self.passed = False
        self._held = ""
        self._end = ""
        self._closing = re.compile("")
        self._step: Callable[[list[TextDelta | ReasoningDelta]], bool] = self._before

    def split(self, text: str) -> list[TextDelta | ReasoningDelta]:
        """The text's pieces, each as what it is; what may be half a tag is held back."""
        self._held += text
        events: list[TextDelta | ReasoningDelta] = []
        while self._held and self._step(events):
            pass
        return events

    def close(self) -> list[TextDelta | ReasoningDelta]:
        """What is still held back."""
        held, self._held = self._held, ""
        if not held:
            return []
        return [TextDelta(held)] if self._step == self._before else [ReasoningDelta(held)]

    # Steps: each takes what it can from what is held, and says whether the next one can go on.

    def _before(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        if tag := self._OPENING.match(self._held):
            self._end = f"</{tag[1].lower()}>"
            self._closing = re.compile(self._end, re.I | re.A)
            self._held, self._step = self._held[tag.end() :], self._opened
            return True
        begun = self._held.lstrip(" \t\r\n\f\v")
        if len(self._held) - len(begun) <= self._MAX_BLANKS and any(t.startswith(begun.lower()) for t in self._TAGS):
            return False
        self._step = self._text
        return True

    def _opened(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        self._held = self._held.lstrip()
        if self._held:
            self._step = self._thinking
        return bool(self._held)

    def _thinking(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        tag = self._closing.search(self._held)
        cut = tag.start() if tag else len(self._held) - self._half_a_tag()
        if cut:
            events.append(ReasoningDelta(self._held[:cut]))
        self._held = self._held[tag.end() if tag else cut :]
        if tag:
            self._step = self._closed
        return bool(tag)

    def _half_a_tag(self) -> int:
        """How many of the last characters may be the beginning of the closing tag."""
        tail = self._held[-len(self._end) :].lower()
        return next((n for n in range(len(self._end) - 1, 0, -1) if tail.endswith(self._end[:n])), 0)

    def _closed(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        self._held = self._held.lstrip("\r\n")
        if self._held:
            self._step = self._text
        return bool(self._held)

    def _text(self, events: list[TextDelta | ReasoningDelta]) -> bool:
        events.append(TextDelta(self._held))
        self._held, self.passed = "", True
        return False


class _Surrogates:
    """Joins surrogate pairs that were split across deltas; a lone one becomes U+FFFD, so that no sink chokes on it."""

    def __init__(self) -> None:
        self._high = ""

    def join(self, text: str) -> str:
        if not self._high and (text.isascii() or not _has_surrogate(text)):
            return text
        text, self._high = self._high + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._high = text[:-1], text[-1]
        return sendable(text)

    @property
    def rest(self) -> str:
        """What stands for a half whose other half has not come."""
        return "\ufffd" if self._high else ""

    def close(self) -> str:
        rest, self._high = self.rest, ""
        return rest


def sendable(text: str) -> str:
    """Text that can be encoded: surrogate pairs joined, lone ones replaced."""
    if text.isascii() or not _has_surrogate(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def sendable_json(value: Any) -> Any:
    """The same for every text in plain containers."""
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, dict):
        return {key: sendable_json(inner) for key, inner in value.items()}
    return [sendable_json(inner) for inner in value] if isinstance(value, list) else value


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


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


def _word(value: Any) -> str | None:
    """Text that says something, else None."""
    return sendable(value) if isinstance(value, str) and value else None


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
