"""Tolerant reading of what servers really send: payloads in, deltas and one message out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from llm_magics.events import Event, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from llm_magics.refusals.refusal import message_in
from llm_magics.surrogates import Surrogates, sendable, sendable_json
from llm_magics.wire.cumulative import Cumulative
from llm_magics.wire.event_stream import BadPayload
from llm_magics.wire.thinking import ThinkSplitter, without_opening
from llm_magics.wire.tool_calls import ToolCall, is_index, tool_inner, with_own_ids, word

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessage

CUMULATIVE = "each piece of this answer held all of it so far, which is told once"
ODD = 200  # characters of what is no answer that are repeated
_REASONING_FIELDS = ("reasoning", "reasoning_content", "reasoning_text", "thinking")
_REASONING = frozenset({*_REASONING_FIELDS, "reasoning_details"})

_TextLike = type[TextDelta] | type[ReasoningDelta] | type[RefusalDelta]


class ServerError(ValueError):
    """An error the server reported inside an answer that had begun, or under HTTP 200; ``body`` is what it said."""

    def __init__(self, message: str, body: object) -> None:
        super().__init__(message)
        self.message, self.body = message, body


class Reply:
    """The answer as it grows: `feed_chunk` for a stream's payloads, `feed_completion` for a whole one.

    Attributes:
        finish_reason: None until one arrived.
        finished_in_text: whether text came in the very piece that brought it.
        goes_on: whether text came after it: with some servers it stands on every piece, and ends nothing.
        usage: the last token counts that arrived.
        model: what the server says it runs.
        choices: pieces of the answer that arrived, however empty.
        odd: payloads that were passed over because they said nothing; ``first_odd`` is how the first one begins.
        left_out: what parts of the answer are that are no text, by the names servers have for them.
        further: whether there is more than one answer, of which the first is read.
        done: whether the transport came to its proper end (``[DONE]``, or a whole document).
        cut: whether the last payload was cut off.
        notes: what was mended while reading, in words for the user.
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[ToolCall] = []
        self._annotations: list[dict[str, Any]] = []
        self._audio: dict[str, list[Any]] = {}
        self._index: Any = None  # of the one choice that is read, where several were asked for
        self._came: set[str] = set()  # the fields that came in pieces
        self._splitter = ThinkSplitter()
        self._growth: dict[_TextLike, Cumulative] = {TextDelta: Cumulative(), ReasoningDelta: Cumulative()}
        self._surrogates: dict[_TextLike, Surrogates] = {
            kind: Surrogates() for kind in (TextDelta, ReasoningDelta, RefusalDelta)
        }
        self.finish_reason: str | None = None
        self.finished_in_text = self.goes_on = False
        self.usage: dict[str, Any] | None = None
        self.model: str | None = None
        self.id: str | None = None
        self.choices = 0
        self.odd = 0
        self.first_odd = ""
        self.left_out: dict[str, None] = {}
        self.further = False
        self.done = self.cut = False
        self.notes: list[str] = []

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
        events = self._held_back()
        for kind, holder in self._surrogates.items():
            if last := holder.close():
                events += self._text_like(kind, last)
        return events + [self._keep(event) for event in self._splitter.close()]

    @property
    def finished(self) -> bool:
        """Whether the server said that this is the whole answer."""
        return self.finish_reason is not None

    @property
    def complete(self) -> bool:
        """Whether what has arrived is the whole answer, even if the connection does not end, or breaks."""
        return self.done or (self.finished and not self.goes_on)

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it at all."""
        parts = (self._text, self._reasoning, self._refusal, self._calls, self._annotations, self._audio)
        return not any(parts)

    @property
    def speechless(self) -> bool:
        """Whether there is nothing in it but thoughts, if those."""
        return not any((self._text, self._refusal, self._calls, self._annotations, self._audio))

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    def check_whole(self) -> None:
        """Look at a body that has ended without complaint.

        Raises:
            BadPayload: it is no answer all the same, or only the beginning of one.
        """
        if self.empty and self.finish_reason is not None and self.finish_reason.lower() in _CALLS:
            raise BadPayload("an empty answer", f"no tool call, though it finished with {self.finish_reason!r}")
        if self.finish_reason == "error":
            raise BadPayload("an answer that ends in an error")
        if self.finished or (self.done and not self.empty):
            return
        if self.cut or not self.empty:
            raise BadPayload("an answer that ends in the middle")
        if self.odd and not self.choices:
            raise BadPayload("an answer without choices", self.first_odd)
        raise BadPayload("an empty answer")

    def message(self) -> ChatCompletionMessage:
        """The assistant message, with the SDK's types; fields that did not arrive are not set."""
        from openai.types.chat import ChatCompletionMessage

        text, refusal, reasoning = self.text, "".join(self._refusal), "".join(self._reasoning)
        if not reasoning:
            reasoning, text = without_opening(text)
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
            return [event for item in dicts for event in self._feed(item, part)] if dicts else self._passed(payload)
        if not isinstance(payload, dict):
            return self._passed(payload)
        choices = payload.get("choices")
        if isinstance(choices, dict):
            choices = [choices]
        if (error := error_in(payload, choices)) is not None:
            raise error
        self._about(payload)
        if not isinstance(choices, list):
            return self._passed(payload)
        events: list[Event] = []
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            if self._is_ours(choice.get("index")):
                events += self._choice(choice, part)
            else:
                self.further = True
        return events

    def _passed(self, payload: Any) -> list[Event]:
        """Pass over a payload that says nothing."""
        self.odd += 1
        if not self.first_odd and not self.choices:
            self.first_odd = json.dumps(payload, default=str)[:ODD]
        return []

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
            raise ServerError(_message_of(error) or _code_of(error), error)
        if usage := _usage_in(choice):
            self.usage = usage
        was_finished = self.finished
        # A finish reason is a word. Some servers send "", null or "null" on every chunk, which ends nothing.
        reason = word(choice.get("finish_reason"))
        if reason and reason.lower() in ("null", "none"):
            reason = None
        if reason:
            # "stop" takes back no other: some gateways end every stream with it.
            self.finish_reason = reason if reason != "stop" else self.finish_reason or reason
        events = self._delta(delta, whole=part == "message")
        if reason or was_finished:
            self.goes_on = self.goes_on or (was_finished and bool(events))
            self.finished_in_text = bool(events)
        return events

    def _delta(self, delta: dict[str, Any], *, whole: bool) -> list[Event]:
        held = self._held_back() if whole else []
        if whole and self._came:  # some end a stream with all of the message once more
            repeated = self._came | _REASONING if self._came & _REASONING else self._came
            rest = self._rest_of(delta.get("content"))
            delta = {key: value for key, value in delta.items() if key not in repeated} | rest
        content = delta.get("content")
        if type(content) is str and (len(delta) == 1 or (len(delta) == 2 and "role" in delta)):
            if whole:
                return held + self._text_like(TextDelta, content)
            if content:
                self._came.add("content")
            return self._text_like(TextDelta, self._added(TextDelta, content))  # nearly every chunk of a stream
        if not whole:
            self._came |= {key for key, value in delta.items() if value}
        parts = list(_parts(content))
        if reasoning := _reasoning_of(delta):
            parts = [(ReasoningDelta, reasoning), *(p for p in parts if p[0] is not ReasoningDelta)]
        if isinstance(refusal := delta.get("refusal"), str):
            parts.append((RefusalDelta, refusal))
        if not whole:
            parts = [(kind, self._added(kind, text)) for kind, text in parts]
        events = [*held, *(event for kind, text in parts for event in self._text_like(kind, text))]
        events += self._tool_calls(delta, whole=whole)
        self._further(delta)
        return events

    def _rest_of(self, content: Any) -> dict[str, str]:
        """What a message that repeats the pieces before it has more than these."""
        text = self.text
        goes_on = isinstance(content, str) and "content" in self._came and content.startswith(text)
        return {"content": content[len(text) :]} if goes_on and len(content) > len(text) else {}

    def _added(self, kind: _TextLike, piece: str) -> str:
        """What a piece of a stream adds: some servers send all of the text each time."""
        growth = self._growth.get(kind)
        if growth is None or growth.plain:
            return piece
        text = growth.added(piece)
        if growth.found and CUMULATIVE not in self.notes:
            self.notes.append(CUMULATIVE)
        return text

    def _held_back(self) -> list[Event]:
        return [event for kind, growth in self._growth.items() for event in self._text_like(kind, growth.close())]

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
        if call is not None and call.is_told_again(piece):
            return ToolCallDelta(call.slot, "", "")
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
        self.left_out |= dict.fromkeys(_no_text(delta))
        if isinstance(annotations := delta.get("annotations"), list):
            self._annotations += [sendable_json(item) for item in annotations if isinstance(item, dict)]
        if isinstance(audio := delta.get("audio"), dict):
            for key, value in audio.items():
                if key not in _AUDIO_GROWS or isinstance(value, str):
                    self._audio.setdefault(key, []).append(sendable_json(value))


# How an answer ends that holds calls, or, with Gemini, one that the model wrote wrongly and that is left out.
_CALLS = frozenset({"tool_calls", "function_call", "malformed_function_call", "unexpected_tool_call"})
_AUDIO_GROWS = frozenset({"data", "transcript"})


def _parts(content: Any) -> Iterable[tuple[_TextLike, str]]:
    """The text-like pieces of content, plain or in parts."""
    if isinstance(content, str):
        yield TextDelta, content
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield TextDelta, json.dumps(content)
    elif isinstance(content, dict):
        kind = content.get("type")
        if kind in ("thinking", "reasoning"):
            inner = content.get(kind) or content.get("text") or content.get("content") or ""
            yield ReasoningDelta, "".join(text for _, text in _parts(inner))
        elif kind == "refusal":
            yield RefusalDelta, _text_of(content.get("refusal"))
        elif isinstance(content.get("text"), str):
            yield TextDelta, content["text"]
        elif content and kind is None:  # the JSON that was asked for, already read by the server
            yield TextDelta, json.dumps(content, ensure_ascii=False)
    elif isinstance(content, list):
        for item in content:
            yield from _parts(item)


def _no_text(delta: Mapping[str, Any]) -> Iterable[str]:
    """The names of what a delta holds that cannot be told as text."""
    if delta.get("images"):
        yield "images"
    content = delta.get("content")
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, dict) and (kind := word(part.get("type"))) and not any(True for _ in _parts(part)):
            yield kind


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


def error_in(payload: dict[str, Any], choices: Any) -> ServerError | None:
    """An error report, in one of the shapes servers give it."""
    if (error := payload.get("error")) and not _is_success(error):
        return ServerError(_message_of(error) or _message_of(payload) or _code_of(error), error)
    if isinstance(status := payload.get("base_resp"), dict) and status.get("status_code") and not choices:  # MiniMax
        return ServerError(_text_of(status.get("status_msg")) or f"code {status['status_code']}", status)
    if choices or payload.get("usage") or _is_success(payload) or not (said := _message_of(payload)):
        return None
    return ServerError(said, payload)


def _is_success(report: Any) -> bool:
    """Whether a report says that all is well, or nothing, as some gateways do beside every piece of an answer."""
    return isinstance(report, dict) and (str(report.get("code")) in ("0", "200") or not any(report.values()))


def _message_of(error: Any) -> str:
    return sendable(message_in(error))


def _code_of(error: Any) -> str:
    """What an error without a message says: its code, or what kind it is."""
    codes = (error.get(key) for key in ("code", "type", "status")) if isinstance(error, dict) else ()
    code = next((code for code in codes if isinstance(code, str | int) and code and code is not True), None)
    return f"code {sendable(str(code))}" if code is not None else "the server reported an error"


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""
