"""Which cell is running: what asks outside of one, as a button's callback does, has no cell's output to itself."""

from __future__ import annotations

import threading
from typing import Any


class RunningCells:
    """The text of the cell that runs on a thread, as it was typed; a cell may run others."""

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}

    @property
    def text(self) -> str | None:
        """That of this thread's innermost cell; None where none runs."""
        texts = self._texts.get(threading.get_ident())
        return texts[-1] if texts else None

    def begin(self, info: Any) -> None:
        """IPython's ``pre_run_cell``."""
        self._texts.setdefault(threading.get_ident(), []).append(info.raw_cell or "")

    def end(self, result: Any) -> None:
        """IPython's ``post_run_cell``; of the cell that loaded the extension there was no begin."""
        here = threading.get_ident()
        if texts := self._texts.get(here):
            texts.pop()
        if not texts:
            self._texts.pop(here, None)
