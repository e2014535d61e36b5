"""A terminal, or any other stream of text: what is written stays, but for one line that counts seconds."""

from __future__ import annotations

import contextlib
import shutil
import sys
from typing import Any

from llm_magics.printable import clean
from llm_magics.renderers.text import calls, sources
from llm_magics.view import View

PATIENCE = 1.5  # seconds without a first token before it is said that one is waited for
ASKED = "Run it? y = once, a = whenever it is called in this cell, Enter = no: "
SEQUENCE = 300  # characters that a control sequence may have


class Line:
    """One line that the next is written over; only where that can be done."""

    def __init__(self) -> None:
        self._written = ""

    def show(self, line: str) -> None:
        """Write it in place of the one before; an empty one takes that away."""
        if line != self._written and can_write_over(sys.stdout):
            write("\r" + line.ljust(len(self._written)) + ("" if line else "\r"))
            self._written = line


class Terminal:
    """A terminal, or any other stream of text: what is written stays."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._written = 0
        self._noted: list[str] = []
        self._thinking = False
        self._calling = False
        self._below = False  # whether calls stand above, and nothing else yet below them
        self._acted = 0  # calls of this round that are written
        self._waiting = Line()

    def paint(self, view: View, waited: float) -> None:
        """Write the text that is new."""
        self.wait(self._who, waited)
        self._note(view)
        if view.reasoning and not view.text and not self._thinking:
            self._thinking = True
            write("(thinking …)\n")
        self._text(view.text[: max(_settled(view.text), self._written)])

    def close(self, view: View) -> None:
        """Write the rest, with what could not be said before the end."""
        self.wait(self._who, 0.0)
        notes = [f"({note})" for note in view.notes if note not in self._noted]
        if not self._written:
            write("".join(f"{clean(note)}\n" for note in notes))
            notes = []
        self._text(view.text)
        after = [
            f"The model refused: {view.refusal}" if view.refusal else "",
            f"Spoken: {view.transcript}" if view.transcript else "",
            *calls(view)[self._acted :],
            *sources(view),
            *notes,
            f"[{view.mark}]" if view.mark else "",
        ]
        text = "\n".join(clean(part) for part in after if part)
        gap = "\n" if self._written and not view.text.endswith("\n") and not self._calling else ""
        write(gap + text + ("\n" if text else ""))

    def leave(self, view: View) -> None:
        """The same: it is on the screen already."""
        self.close(view)

    def acts(self, view: View) -> None:
        """Write each call once it is over; one that is asked about is written with the question."""
        self._begin_calls(view)
        lines = calls(view)
        over = [one.run is not None and one.run.state not in ("asking", "running") for one in view.calls]
        settled = over.index(False) if False in over else len(over)
        for line in lines[self._acted : settled]:
            write(f"{clean(line)}\n")
        self._acted = max(self._acted, settled)

    def turn(self, view: View) -> None:
        """What comes next is written from its beginning."""
        self.acts(view)
        self._written, self._acted, self._thinking, self._calling, self._below = 0, 0, False, False, True

    def asks(self, markdown: str, plain: str) -> str | None:
        """All of the call, then the question; what was typed before it counts for nothing."""
        if not can_write_over(sys.stdin) or not can_write_over(sys.stdout):
            return None
        write(f"{plain}\n")
        forget_typed()
        try:
            return input(ASKED).strip().lower()
        except EOFError:  # Ctrl-D: there is somebody
            write("\n")
            return ""
        except OSError:
            return None

    def allows(self, question: str) -> bool:
        """A terminal shows addresses and loads nothing."""
        return False

    def wait(self, who: str, waited: float) -> None:
        """One line that counts the seconds and goes when the answer comes; only where a line can be written over."""
        self._waiting.show(f"(waiting for {clean(who)} … {waited:.0f} s)" if waited >= PATIENCE else "")

    def _text(self, text: str) -> None:
        new, self._written = text[self._written :], max(len(text), self._written)
        if new.strip() and self._below:
            self._below = False
            write("\n")
        write(clean(new))

    def _begin_calls(self, view: View) -> None:
        """The calls stand below all of the round's text."""
        self.wait(self._who, 0.0)
        if not self._calling:
            self._calling = True
            self._text(view.text)
            write("\n" if self._written and not view.text.endswith("\n") else "")

    def _note(self, view: View) -> None:
        for note in view.notes[len(self._noted) :]:
            self._noted.append(note)
            write(f"({clean(note)})\n")


def forget_typed() -> None:
    """Drop what was typed before anybody could have read what comes next."""
    with contextlib.suppress(OSError, ValueError):  # no terminal after all
        try:
            import termios
        except ImportError:
            import msvcrt

            while msvcrt.kbhit():  # type: ignore[attr-defined]
                msvcrt.getwch()  # type: ignore[attr-defined]
            return
        with contextlib.suppress(termios.error):
            termios.tcflush(sys.stdin, termios.TCIFLUSH)


# What a terminal with fewer characters shows instead of those that our own lines have.
_POORER = str.maketrans({"✓": "+", "✗": "x", "–": "-", "→": "->", "…": "...", "─": "-", "·": "-", "“": '"', "”": '"'})


def can_write_over(stream: Any) -> bool:
    """Whether what is written can be written over; a stream that somebody put in place of Python's may not say."""
    return bool(getattr(stream, "isatty", bool)())


def _settled(text: str) -> int:
    """How much of a growing text can be written: what may be half a control sequence waits for its rest."""
    escape_at = max(text.rfind("\x1b"), text.rfind("\x9b"))
    return escape_at if escape_at >= 0 and len(text) - escape_at < SEQUENCE else len(text)


def write(text: str) -> None:
    """Write into the terminal, or whatever stands in its place, with as many of the characters as it knows."""
    if not text:
        return
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:  # a terminal that knows fewer characters
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        sys.stdout.write(text.translate(_POORER).encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def strong(line: str) -> str:
    """A line of ours in bold on a terminal, which no text of a model can imitate."""
    return f"\x1b[1m{line}\x1b[22m" if can_write_over(sys.stdout) else line


def columns() -> int:
    """How many characters a line has."""
    return shutil.get_terminal_size().columns
