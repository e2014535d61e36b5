"""Tolerant reading of what servers really send: bytes of a stream or a body in, deltas and one message out.

Knows nothing of connections: the same bytes cut at any place give the same message.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from llm_magics.events import Event, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessage

MAX_EVENT = 32_000_000  # bytes of one server-sent event: more is no chat
_THINK = re.compile(r"\s*<(think|thinking|thought)>\s*", re.I)
_REASONING_FIELDS = ("reasoning", "reasoning_content")


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


class EventStream:
    """Server-sent events: `feed` takes bytes as they come and gives the data of each finished event.

    Takes LF, CRLF and CR line ends, a byte order mark, comments, several data lines in an event, and no blank after the
    colon (source: the WHATWG HTML standard, section on server-sent events).
    """

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that ``data`` completes, in order."""
        if not self._begun:
            data = self._rest + data
            if len(data) < 3 and b"\xef\xbb\xbf".startswith(data):
                self._rest = data  # perhaps the beginning of a byte order mark
                return []
            self._rest, self._begun = b"", True
            data = data.removeprefix(b"\xef\xbb\xbf")
        data = self._one_line_end(data)
        *events, self._rest = (self._rest + data).split(b"\n\n")
        if len(self._rest) > MAX_EVENT:
            raise BadPayload("an event without end", f"{len(self._rest):,} bytes")
        return [payload for event in events if (payload := _data_of(event))]

    def rest(self) -> bytes:
        """What came after the last finished event: its data, if the server forgot the closing blank line."""
        return _data_of(self._rest)

    def _one_line_end(self, data: bytes) -> bytes:
        if self._after_cr:
            data = data.removeprefix(b"\n") if data else data
            self._after_cr = False if data else self._after_cr
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
        return jiter.from_json(payload, cache_mode="keys")
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
    start = body.lstrip()[:1]
    if not start:
        raise BadPayload("an empty answer")
    if start == b"<" or "html" in content_type:
        title = re.search(rb"<title[^>]*>(.*?)</title>", body[:20_000], re.I | re.S)
        raise BadPayload("a web page", title[1].decode("utf-8", "replace").strip()[:80] if title else "")
    return parse(body)


# ---------------------------------------------------------------- payloads to one reply


class Reply:
    """The answer as it grows: `feed_chunk` for a stream's payloads, `feed_completion` for a whole one.

    Attributes:
        finish_reason: None until one arrived.
        usage: the last token counts that arrived.
        model: what the server says it runs.
        odd: payloads that were passed over because they said nothing.
        done: whether the transport came to its proper end (``[DONE]``, or a whole document).
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[_ToolCall] = []
        self._fields: dict[str, Any] = {}  # annotations, audio and what else belongs to the message
        self._splitter = _ThinkSplitter()
        self._surrogates = {TextDelta: _Surrogates(), ReasoningDelta: _Surrogates(), RefusalDelta: _Surrogates()}
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
        """What was held back until the end was known."""
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
        return not (self._text or self._reasoning or self._refusal or self._calls or self._fields)

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    def message(self) -> ChatCompletionMessage:
        """The assistant message, with the SDK's types; fields that did not arrive are not set."""
        from openai.types.chat import ChatCompletionMessage

        fields: dict[str, Any] = {"role": "assistant", "content": "".join(self._text) or None}
        refusal, reasoning = "".join(self._refusal), "".join(self._reasoning)
        if fields["content"] is None and not (self._calls or refusal or "audio" in self._fields):
            fields["content"] = ""
        if refusal:
            fields["refusal"] = refusal
        if self._calls:
            fields["tool_calls"] = [call.as_dict(place) for place, call in enumerate(self._calls)]
        if reasoning:
            fields["reasoning_content"] = reasoning
        return ChatCompletionMessage.construct(**fields, **self._fields)

    def _feed(self, payload: Any, part: str) -> list[Event]:
        if not isinstance(payload, dict):
            self.odd += 1
            return []
        choices = payload.get("choices")
        if (error := _error_in(payload, choices)) is not None:
            raise error
        if isinstance(payload.get("usage"), dict):
            self.usage = payload["usage"]
        self.model = self.model or _str(payload.get("model"))
        self.id = self.id or _str(payload.get("id"))
        if isinstance(choices, dict):
            choices = [choices]
        if not isinstance(choices, list):
            self.odd += 1
            return []
        events: list[Event] = []
        for choice in choices:
            if isinstance(choice, dict) and choice.get("index") in (0, None):
                events += self._choice(choice, part)
        return events

    def _choice(self, choice: dict[str, Any], part: str) -> list[Event]:
        self.choices += 1
        delta = choice.get(part)
        if not isinstance(delta, dict):  # some answer a stream with whole messages, or a call with a delta
            other = choice.get("message" if part == "delta" else "delta")
            delta = other if isinstance(other, dict) else {"content": _str(choice.get("text"))}
        # A finish reason is a word. Some servers send "" or null on every chunk, which ends nothing.
        self.finish_reason = _str(choice.get("finish_reason")) or self.finish_reason
        if isinstance(choice.get("usage"), dict):
            self.usage = choice["usage"]
        return self._delta(delta)

    def _delta(self, delta: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        content = delta.get("content")
        if type(content) is str:
            if len(delta) <= 2 and content:  # content alone, or with its role: nearly every chunk of a stream
                return self._text_like(TextDelta, content)
            parts = [(TextDelta, content)]
        else:
            parts = list(_parts(content))
        if reasoning := _reasoning_of(delta):
            parts = [(ReasoningDelta, reasoning), *(p for p in parts if p[0] is not ReasoningDelta)]
        if refusal := _str(delta.get("refusal")):
            parts.append((RefusalDelta, refusal))
        for kind, text in parts:
            events += self._text_like(kind, text)
        events += self._tool_calls(delta)
        self._further(delta)
        return events

    def _text_like(self, kind: type[Event], text: str) -> list[Event]:
        text = self._surrogates[kind].join(text)  # type: ignore[index]
        if not text:
            return []
        if kind is TextDelta:
            return [self._keep(event) for event in self._splitter.split(text)]
        return [self._keep(kind(text))]  # type: ignore[call-arg]

    def _keep(self, event: Event) -> Event:
        if isinstance(event, TextDelta):
            self._text.append(event.text)
        elif isinstance(event, ReasoningDelta):
            self._reasoning.append(event.text)
        elif isinstance(event, RefusalDelta):
            self._refusal.append(event.text)
        return event

    def _tool_calls(self, delta: dict[str, Any]) -> list[Event]:
        pieces = delta.get("tool_calls")
        if isinstance(pieces, dict):
            pieces = [pieces]
        if not isinstance(pieces, list):
            pieces = []
        if isinstance(delta.get("function_call"), dict):  # the form before tools
            pieces = [*pieces, {"index": 0, "type": "function", "function": delta["function_call"]}]
        return [self._piece(piece) for piece in pieces if isinstance(piece, dict)]

    def _piece(self, piece: dict[str, Any]) -> Event:
        call = self._slot(piece)
        name, arguments = call.add(piece)
        return ToolCallDelta(self._calls.index(call), name, arguments)

    def _slot(self, piece: dict[str, Any]) -> _ToolCall:
        """The call that a piece belongs to: by its index where that tells, else by its id, else the last one.

        Servers leave the index out, give every parallel call index 0, or repeat ids late; a different id, or a second
        name behind arguments that are complete, begins another call.
        """
        index, id_ = piece.get("index"), _str(piece.get("id"))
        has_index = isinstance(index, int) and not isinstance(index, bool)
        call = None
        if has_index:
            call = next((c for c in reversed(self._calls) if c.index == index), None)
        elif id_:
            call = next((c for c in self._calls if c.id == id_), None)
        elif self._calls:
            call = self._calls[-1]
        if call is not None and not call.begins_another(piece):
            return call
        call = _ToolCall(index if has_index else None)
        self._calls.append(call)
        return call

    def _further(self, delta: dict[str, Any]) -> None:
        annotations = delta.get("annotations")
        if isinstance(annotations, list) and annotations:
            kept = [item for item in annotations if isinstance(item, dict)]
            self._fields["annotations"] = [*self._fields.get("annotations", []), *kept]
        audio = delta.get("audio")
        if isinstance(audio, dict):
            so_far = self._fields.setdefault("audio", {})
            for key, value in audio.items():
                grows = key in {"data", "transcript"} and isinstance(value, str)
                so_far[key] = so_far.get(key, "") + value if grows else value


def read_completion(payload: Any) -> Reply:
    """A whole completion, read with the same tolerance as a stream.

    Raises:
        ServerError: the payload is an error report.
        BadPayload: it has no choices.
    """
    reply = Reply()
    reply.feed_completion(payload)
    if not reply.choices:
        raise BadPayload("an answer without choices", json.dumps(payload, default=str)[:80])
    return reply


# ---------------------------------------------------------------- the parts


class _ToolCall:
    """One tool call as its pieces arrive."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.kind = "function"
        self.name = ""
        self.arguments = ""
        self.extra: dict[str, Any] = {}

    def begins_another(self, piece: Mapping[str, Any]) -> bool:
        """Whether this piece cannot be a continuation of this call."""
        id_ = _str(piece.get("id"))
        if id_ and self.id and id_ != self.id:
            return True
        name = _str(_body(piece).get("name"))
        return bool(name and self.name and _is_json(self.arguments))

    def add(self, piece: Mapping[str, Any]) -> tuple[str, str]:
        """Take a piece in; the name if it is new, and the arguments it brought."""
        self.id = self.id or _str(piece.get("id")) or ""
        body = _body(piece)
        if isinstance(piece.get("custom"), dict):
            self.kind = "custom"
        if "extra_content" in piece:  # Gemini's thought signature must be sent back
            self.extra["extra_content"] = piece["extra_content"]
        name = _str(body.get("name")) or ""
        new_name = name if not self.name else ""
        self.name = self.name or name
        arguments = body.get("arguments", body.get("input"))
        brought = arguments if isinstance(arguments, str) else "" if arguments is None else _dumps(arguments)
        brought = _Surrogates.whole(brought)
        self.arguments += brought
        return new_name, brought

    def as_dict(self, place: int) -> dict[str, Any]:
        """The call in the SDK's form; an id is made up where the server gave none."""
        id_ = self.id or f"call_{place}_{uuid.uuid4().hex[:8]}"
        if self.kind == "custom":
            body = {"custom": {"name": self.name, "input": self.arguments}}
        else:
            body = {"function": {"name": self.name, "arguments": self.arguments or "{}"}}
        return {"id": id_, "type": self.kind, **body, **self.extra}


class _ThinkSplitter:
    """Takes ``<think>…</think>`` at the head of an answer out of the text."""

    def __init__(self) -> None:
        self._state = "start"  # then "thinking", then "text"
        self._held = ""
        self._end = ""

    def split(self, text: str) -> Iterable[Event]:
        """The text's pieces, each as what it is; what may be half a tag is held back."""
        if self._state == "text":
            return (TextDelta(text),)
        self._held += text
        if self._state == "start" and not self._opened():
            return ()
        return self._released() if self._state == "text" else self._thinking()

    def close(self) -> Iterable[Event]:
        """What is still held back."""
        held, self._held = self._held, ""
        if not held:
            return ()
        return (ReasoningDelta(held) if self._state == "thinking" else TextDelta(held),)

    def _opened(self) -> bool:
        """Whether it is clear how the answer begins."""
        if tag := _THINK.match(self._held):
            self._state, self._end = "thinking", f"</{tag[1].lower()}>"
            self._held = self._held[tag.end() :]
            return True
        begun = self._held.lstrip().lower()
        if any(f"<{name}>".startswith(begun) for name in ("think", "thinking", "thought")):
            return False
        self._state = "text"
        return True

    def _released(self) -> Iterable[Event]:
        held, self._held = self._held, ""
        return (TextDelta(held),) if held else ()

    def _thinking(self) -> Iterable[Event]:
        thought, tag, rest = self._partition()
        if tag:
            self._state, self._held = "text", ""
            events: list[Event] = [ReasoningDelta(thought)] if thought else []
            return events + ([TextDelta(rest)] if rest else [])
        # Hold back only what may be the beginning of the closing tag.
        keep = next((n for n in range(len(self._end) - 1, 0, -1) if self._held.lower().endswith(self._end[:n])), 0)
        cut = len(self._held) - keep
        out, self._held = self._held[:cut], self._held[cut:]
        return (ReasoningDelta(out),) if out else ()

    def _partition(self) -> tuple[str, str, str]:
        at = self._held.lower().find(self._end)
        if at < 0:
            return self._held, "", ""
        return self._held[:at], self._end, self._held[at + len(self._end) :].lstrip("\n")


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
        return self.whole(text)

    def close(self) -> str:
        high, self._high = self._high, ""
        return "\ufffd" if high else ""

    @staticmethod
    def whole(text: str) -> str:
        """Text that can be encoded."""
        if text.isascii() or not _has_surrogate(text):
            return text
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def sendable(text: str) -> str:
    """Text that can be encoded: surrogate pairs joined, lone ones replaced."""
    return _Surrogates.whole(text)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _parts(content: Any) -> Iterable[tuple[type[Event], str]]:
    """The text-like pieces of content that is not plain text."""
    if isinstance(content, str):
        yield TextDelta, content
    elif isinstance(content, dict):
        kind = content.get("type")
        if kind in ("thinking", "reasoning"):
            inner = content.get(kind) or content.get("text") or content.get("content") or ""
            yield ReasoningDelta, "".join(text for _, text in _parts(inner))
        elif kind == "refusal":
            yield RefusalDelta, _str(content.get("refusal")) or ""
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


def _error_in(payload: dict[str, Any], choices: Any) -> ServerError | None:
    """An error report, in one of the shapes servers give it."""
    error = payload.get("error")
    if error:
        return ServerError(_message_of(error) or "the server reported an error", error)
    says = isinstance(payload.get("message"), str) or payload.get("detail")
    if choices is None and says and not payload.get("usage"):
        return ServerError(_message_of(payload) or "the server reported an error", payload)
    return None


def _message_of(error: Any) -> str:
    if isinstance(error, str):
        return error
    if isinstance(error, dict):
        for key in ("message", "detail", "msg", "error"):
            if error.get(key):
                return _message_of(error[key])
    if isinstance(error, list) and error:
        return _message_of(error[0])
    return ""


def _body(piece: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ("function", "custom"):
        if isinstance(piece.get(key), dict):
            body: Mapping[str, Any] = piece[key]
            return body
    return piece if "arguments" in piece or "name" in piece else {}


def _str(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
