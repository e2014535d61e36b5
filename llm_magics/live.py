"""Drains events into a view and repaints. The only module that calls ``display()``.

Bytes on the page's channel stay linear in the text: a finished block is sent once, only the open one is painted again,
and that has a budget. The answer's one lasting rendering is the cell's value, sent when all of it is there.
"""

from __future__ import annotations

import re
import sys
import time
from typing import Any, Protocol

from llm_magics.printable import clean
from llm_magics.renderers import mimebundle
from llm_magics.renderers.text import calls, sources, thought
from llm_magics.runtime import Running
from llm_magics.safe_markdown import escape, fenced, rebuild
from llm_magics.view import View, fold

TICK = 0.1  # seconds between repaints; at most two messages each
PATIENCE = 1.5  # seconds without a first token before the page says that it waits
ENVELOPE = 600  # bytes of a display message besides its text
ALLOWANCE = 1_000  # bytes each message may cost besides the text itself …
SLACK = 12_000  # … and bytes that one answer's repaints may overdraw
OPEN_BLOCK = 1_000  # characters after which a block without an end is sent in pieces
SEQUENCE = 300  # characters that a control sequence in a terminal may have
ASIDE = 400  # characters of reasoning or arguments that are shown while they grow


class Painter(Protocol):
    """What shows a view while it grows, and leaves it behind in the end."""

    def paint(self, view: View, waited: float) -> None:
        """Show what is new; ``waited`` is how many seconds nothing has come."""

    def close(self, view: View) -> None:
        """Take away what was shown on the way, or complete it where it cannot be taken away."""

    def leave(self, view: View) -> None:
        """Show the whole view for good, where no cell value will."""


def follow(running: Running, painter: Painter) -> None:
    """Read a stream to its end on this thread, painting as it grows."""
    view = View()
    painted = 0.0
    while True:
        if running.done:
            return
        view = fold(view, running.take())
        now = time.monotonic()
        first = running.first is not None and painted == 0.0
        if first or now - painted >= TICK:
            painter.paint(view, 0.0 if running.first else now - running.started)
            painted = time.monotonic() if running.first or view.notes else painted
        running.wait(TICK)
        _pause_until(painted + TICK, running)


def _pause_until(moment: float, running: Running) -> None:
    """Let a repaint's worth of events gather, unless the answer has not begun or is over."""
    while running.first is not None and not running.done and (left := moment - time.monotonic()) > 0:
        time.sleep(min(left, 0.02))


class Silent:
    """Shows nothing."""

    def paint(self, view: View, waited: float) -> None:
        """Nothing."""

    def close(self, view: View) -> None:
        """Nothing."""

    def leave(self, view: View) -> None:
        """Nothing."""


class Page:
    """A notebook's output area."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._text = _Blocks()
        self._aside = _Handle()
        self._calls = _Handle()

    def paint(self, view: View, waited: float) -> None:
        """At most two messages: the part that is read first comes first."""
        sent = self._text.paint(view.text)
        for handle, shown in ((self._aside, self._aside_of(view, waited)), (self._calls, _calls_growing(view))):
            if sent < 2:
                sent += handle.show(shown)

    def close(self, view: View) -> None:
        """The cell's value takes the place of what was streamed."""
        from IPython.display import clear_output

        if self._text.used or self._aside.used or self._calls.used:
            clear_output(wait=True)

    def leave(self, view: View) -> None:
        """The whole answer as a display, for a cell that ends in an error and so has no value."""
        from IPython.display import display

        self.close(view)
        display(mimebundle(view), raw=True)

    def _aside_of(self, view: View, waited: float) -> str:
        lines = [f"*{escape(note)}*" for note in view.notes]
        if view.empty and waited >= PATIENCE:
            lines.append(f"*Waiting for {escape(self._who)} … {waited:.0f} s*")
        elif view.reasoning and not view.text:
            lines.append(f"*Thinking …*\n\n> {' '.join(escape(view.reasoning[-ASIDE:]).split())}")
        elif view.reasoning:
            lines.append(f"*{thought(view.reasoning)}*")
        return "\n\n".join(lines)


class _Handle:
    """One display that is updated in place."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown = ""

    @property
    def used(self) -> bool:
        return self._handle is not None

    def show(self, text: str) -> int:
        """Show this Markdown in place of what was shown; the number of messages that took."""
        if text == self._shown:
            return 0
        from IPython.display import DisplayHandle

        bundle = {"text/markdown": text}
        if self._handle is None:
            self._handle = DisplayHandle()
            self._handle.display(bundle, raw=True)
        else:
            self._handle.update(bundle, raw=True)
        self._shown = text
        return 1


class _Blocks:
    """The answer's text: finished blocks sent once, the open one painted again within the budget."""

    def __init__(self) -> None:
        self.used = False
        self._handle = _Handle()
        self._sent_to = 0  # characters of the text in finished blocks
        self._reopen = ""  # what the rest of a divided block begins with
        self._painted = 0  # characters of the text painted so far
        self._bytes = 0
        self._messages = 0

    def paint(self, text: str) -> int:
        """The number of messages it took."""
        if len(text) == self._painted:
            return 0
        sent = 0
        tail = text[self._sent_to :]
        cut, reopen = cut_at(self._reopen + tail)
        cut -= len(self._reopen)
        if cut > 0:
            sent += self._show(self._reopen + tail[:cut])
            self._handle, self._sent_to, self._reopen = _Handle(), self._sent_to + cut, reopen
            self._painted = self._sent_to
            tail = tail[cut:]
        if tail.strip() and self._affordable(len(tail), len(text)):
            sent += self._show(self._reopen + tail)
            self._painted = len(text)
        return sent

    def _show(self, block: str) -> int:
        self.used = True
        shown = rebuild(block)
        sent = self._handle.show(shown)
        self._messages += sent
        self._bytes += sent * (len(shown.encode()) + ENVELOPE)
        return sent

    def _affordable(self, cost: int, text: int) -> bool:
        return self._bytes + cost + ENVELOPE <= text + ALLOWANCE * (self._messages + 1) + SLACK


_FENCE_LINE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_ITEM_LINE = re.compile(r"(?:[-*+]|\d{1,9}[.)]) ")


def cut_at(text: str) -> tuple[int, str]:
    """Where the finished part of a growing text ends, and what must stand before the rest.

    A block is finished by a blank line outside of fenced code. One that grows past `OPEN_BLOCK` without an end is cut
    at its last full line (code, which is then reopened), at its last item (a list) or after its last sentence (prose).
    """
    finished, position, fence, opening, item = 0, 0, "", "", 0
    for line in text.splitlines(keepends=True):
        whole = line.endswith("\n")
        mark = _FENCE_LINE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip() and whole:
                fence = ""
        elif mark and "`" not in mark[2]:
            fence, opening = mark[1], line
        elif not line.strip() and whole and position + len(line) < len(text):
            finished = position + len(line)
        elif _ITEM_LINE.match(line):
            item = position
        position += len(line)
        if fence and whole and position - finished > OPEN_BLOCK:
            last = text.rfind("\n") + 1
            return (last, opening) if last > text.find(opening) + len(opening) else (finished, "")
    if fence or position - finished <= OPEN_BLOCK:
        return finished, ""
    return _divided(text, finished, item), ""


def _divided(text: str, finished: int, item: int) -> int:
    if item > finished:
        return item
    if "|" in text[finished : finished + 200]:
        return finished  # a table's rows need its head
    sentence = max(text.rfind(end, finished) for end in (". ", ".\n", "! ", "? ", "。"))
    return sentence + 1 if sentence > finished else finished


def _calls_growing(view: View) -> str:
    shown = []
    for call in view.calls:
        arguments = call.arguments if len(call.arguments) <= ASIDE else f"… {call.arguments[-ASIDE:]}"
        shown.append(f"Tool call: {escape(call.name)}\n\n{fenced(arguments)}")
    return "\n\n".join(shown[-3:])


class Terminal:
    """A terminal, or any other stream of text: what is written stays."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._written = 0
        self._notes = 0
        self._thinking = False
        self._waiting = ""

    def paint(self, view: View, waited: float) -> None:
        """Write the text that is new."""
        self._wait(waited)
        self._note(view)
        if view.reasoning and not view.text and not self._thinking:
            self._thinking = True
            self._write("(thinking …)\n")
        self._text(view.text[: max(_settled(view.text), self._written)])

    def close(self, view: View) -> None:
        """Write the rest, with what could not be said before the end."""
        self._wait(0.0)
        self._note(view)
        self._text(view.text)
        after = [
            f"The model refused: {view.refusal}" if view.refusal else "",
            f"Spoken: {view.transcript}" if view.transcript else "",
            *calls(view),
            *sources(view),
            f"[{view.mark}]" if view.mark else "",
        ]
        text = "\n".join(clean(part) for part in after if part)
        gap = "\n" if self._written and not view.text.endswith("\n") else ""
        self._write(gap + text + ("\n" if text else ""))

    def leave(self, view: View) -> None:
        """The same: it is on the screen already."""
        self.close(view)

    def _wait(self, waited: float) -> None:
        """One line that counts the seconds and goes when the answer comes; only where a line can be written over."""
        if not sys.stdout.isatty():
            return
        line = f"(waiting for {clean(self._who)} … {waited:.0f} s)" if waited >= PATIENCE else ""
        if line != self._waiting:
            self._write("\r" + line.ljust(len(self._waiting)) + ("" if line else "\r"))
            self._waiting = line

    def _text(self, text: str) -> None:
        new, self._written = text[self._written :], max(len(text), self._written)
        self._write(clean(new))

    def _note(self, view: View) -> None:
        for note in view.notes[self._notes :]:
            self._write(f"({clean(note)})\n")
        self._notes = len(view.notes)

    @staticmethod
    def _write(text: str) -> None:
        if not text:
            return
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:  # a terminal that knows fewer characters
            encoding = getattr(sys.stdout, "encoding", None) or "ascii"
            sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()


def _settled(text: str) -> int:
    """How much of a growing text can be written: what may be half a control sequence waits for its rest."""
    escape_at = max(text.rfind("\x1b"), text.rfind("\x9b"))
    return escape_at if escape_at >= 0 and len(text) - escape_at < SEQUENCE else len(text)


def show(bundle: dict[str, str], *, page: bool) -> None:
    """Show something that is no answer: a table of settings, a request that was not sent."""
    if not page:
        Terminal._write(bundle["text/plain"] + "\n")
        return
    from IPython.display import display

    display(bundle, raw=True)
