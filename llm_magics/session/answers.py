"""The answers of a session that are still known: what goes with a message wherever it is shown again."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from llm_magics.configuration import Configuration
from llm_magics.events import Answer
from llm_magics.view import View, view_of

KEPT = 200  # answers whose notes and marks are still known when their message is shown again


class Answers:
    """The last answers, by their messages, and what they look like.

    Args:
        configuration: says from where pictures may be loaded.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._answers: dict[int, Answer] = {}
        self._keeping = threading.Lock()

    def keep(self, answer: Answer) -> Answer:
        """Know its notes, wherever its message is shown again."""
        with self._keeping:
            self._answers[id(answer.message)] = answer
            while len(self._answers) > KEPT:
                del self._answers[next(iter(self._answers))]
        return answer

    def of(self, message: Any) -> Answer | None:
        """The answer that a message came with, if it is one of the last ones."""
        answer = self._answers.get(id(message))
        return answer if answer is not None and answer.message is message else None

    def view(self, answer: Answer) -> View:
        """What an answer looks like when it is finished."""
        return self.view_of(answer.message, answer)

    def view_of(self, message: Any, answer: Answer | None = None) -> View:
        """What any message looks like; with the pictures that may be loaded as things are now."""
        answer = answer or self.of(message)
        pictures = self._configuration.pictures(answer.model if answer else None)
        return replace(view_of(message, answer), pictures=pictures)
