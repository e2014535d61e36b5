"""What a tool writes and displays while it runs: kept for its call rather than let onto the page."""

from __future__ import annotations

import builtins
import contextlib
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llm_magics.events import Picture
from llm_magics.printable import clean

PRINTED = 20_000  # characters that a tool writes and that are kept
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(slots=True)
class Captured:
    """What a tool writes and displays: kept for its call rather than let onto the page."""

    pictures: tuple[Picture, ...] = ()
    _written: Written = field(default_factory=lambda: Written())

    @property
    def text(self) -> str:
        """What it wrote, as far as it is kept."""
        more = f"\n(cut here: {self._written.more:,} more characters)" if self._written.more else ""
        return clean("\n".join(map(_last_state, self._written.getvalue().split("\n")))) + more

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Within, nothing that is written or displayed goes anywhere else."""
        from IPython.core.getipython import get_ipython
        from IPython.utils.capture import capture_output

        streams = contextlib.redirect_stdout(self._written), contextlib.redirect_stderr(self._written)
        shows = capture_output(stdout=False, stderr=False, display=True)
        with _asked_aloud(sys.stdout), streams[0], streams[1], shows as shown:
            try:
                yield
            finally:
                for output in shown.outputs if get_ipython() else ():
                    self._keep(output.data)

    def _keep(self, data: dict[str, Any]) -> None:
        kind = next((kind for kind in PICTURES if isinstance(data.get(kind), str)), None)
        if kind is not None:
            self.pictures += (Picture(kind, "".join(data[kind].split())),)
            return
        said = data.get("text/plain")
        if isinstance(said, str) and said.startswith("<IPython.core.display."):  # what says nothing in words
            said = data.get("text/markdown", said)
        if isinstance(said, str):
            self._written.write(f"{said}\n")


def _last_state(line: str) -> str:
    """What a line was in the end, of one that was written over, as progress bars are."""
    return line.rstrip("\r").rpartition("\r")[2]


@contextlib.contextmanager
def _asked_aloud(stream: Any) -> Iterator[None]:
    """Within, ``input`` asks where the person sees it: Python writes its prompt to where all else is kept."""
    ask = builtins.input

    def asks(prompt: object = "", /) -> str:
        with contextlib.redirect_stdout(stream):
            return ask(prompt)

    builtins.input = asks
    try:
        yield
    finally:
        builtins.input = ask


class Written(io.TextIOBase):
    """Text that is written, up to a limit; what is beyond it is counted."""

    def __init__(self) -> None:
        self.more = 0
        self._kept: list[str] = []
        self._room = PRINTED

    def getvalue(self) -> str:
        """What is kept."""
        return "".join(self._kept)

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Keep it, as far as there is room."""
        kept = text[: self._room]
        self._kept += [kept] if kept else []
        self._room -= len(kept)
        self.more += len(text) - len(kept)
        return len(text)

    def close(self) -> None:
        """It stays open: a tool that closes its output has still written something."""
