"""``<think>…</think>`` at the head of an answer, told apart from its text while both still arrive."""

from __future__ import annotations

import re
from collections.abc import Callable

from llm_magics.events import ReasoningDelta, TextDelta


class ThinkSplitter:
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


_CLOSING = re.compile(r"</(think|thinking|thought)>(?=[ \t\r]*(?:\n|\Z))", re.I | re.A)
_MARKUP = re.compile(r"</?(?:think|thinking|thought)>", re.I | re.A)


def without_opening(text: str) -> tuple[str, str]:
    """Reasoning and answer of a whole text whose opening tag is missing; all of it is answer where that is not clear.

    Some chat templates end the prompt with the opening tag, and then the answer holds the closing one alone. Clear is
    it when that is the only such tag, ends its line, and stands neither in code nor in backticks.
    """
    tag = _CLOSING.search(text)
    if tag is None or len(_MARKUP.findall(text)) > 1:
        return "", text
    before = text[: tag.start()]
    if before.count("`") % 2 or before.count("```") % 2:
        return "", text
    return before.strip(), text[tag.end() :].lstrip()
