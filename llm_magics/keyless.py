"""The events of an answer without keys, for the page: a key that comes in two parts is held back until it is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from llm_magics.events import Event, Note, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from llm_magics.redaction import Redactor, StreamRedactor


class Keyless:
    """Takes keys out of events: a stream for the text, one for the reasoning, two for each call …

    What it holds back when the answer ends is in the answer's last rendering, which is redacted as a whole.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._streams: dict[object, StreamRedactor] = {}

    def feed(self, events: list[Event]) -> list[Event]:
        """The same events with what can be shown of them now; pieces of one text that follow each other are joined."""
        if not self._redactor:
            return events
        return [self._clean(kind, group) for kind, group in groupby(events, key=_stream_of)]

    def _clean(self, kind: object, group: Iterable[Event]) -> Event:
        match [*group]:
            case [Note() as note]:  # our own words
                return note
            case [ToolCallDelta() as first, *more]:
                calls = [first, *(event for event in more if isinstance(event, ToolCallDelta))]
                name = self._shown((kind, "name"), "".join(call.name for call in calls))
                arguments = self._shown(kind, "".join(call.arguments for call in calls))
                return replace(first, name=name, arguments=arguments)
            case events:
                texts = [event for event in events if isinstance(event, TextDelta | ReasoningDelta | RefusalDelta)]
                return type(texts[0])(self._shown(kind, "".join(event.text for event in texts)))

    def _shown(self, kind: object, text: str) -> str:
        if kind not in self._streams:
            self._streams[kind] = StreamRedactor(self._redactor)
        return self._streams[kind].feed(text)


def _stream_of(event: Event) -> object:
    if isinstance(event, ToolCallDelta):
        return event.slot
    return id(event) if isinstance(event, Note) else type(event)
