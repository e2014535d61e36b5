"""The ballot of a blind comparison: a button for each answer, one for a tie, one for none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from llm_magics.errors import UserMistake
from llm_magics.votes import NONE, TIE
from llm_magics.widgets import close, show, told

SAID = {TIE: "a tie", NONE: "none is good"}


class Ballot:
    """Buttons that vote.

    Args:
        words: what can be voted for: what the answers are called, a tie, none.
        vote: does what ``%llm_vote`` would; a mistake it raises is told below the buttons.

    Attributes:
        widget: what is shown.
    """

    def __init__(self, words: Sequence[str], vote: Callable[[str], object]) -> None:
        self._vote = vote
        self._said = ipywidgets.HTML()
        buttons = [self._button(word) for word in words]
        question = ipywidgets.HTML()
        show(question, told("Which is best?"))
        row = ipywidgets.HBox([question, *buttons])
        row.layout.flex_flow = "row wrap"
        self.widget = ipywidgets.VBox([row, self._said])

    def close(self) -> None:
        """Take everything off the page, and let go of it."""
        close(self.widget)

    def _button(self, word: str) -> Any:
        button = ipywidgets.Button(description=SAID.get(word, word), tooltip=f"%llm_vote {word}")
        button.layout.width = "auto"
        button.on_click(lambda _: self._cast(word))
        return button

    def _cast(self, word: str) -> None:
        try:
            self._vote(word)
        except UserMistake as mistake:
            show(self._said, told(str(mistake)))
