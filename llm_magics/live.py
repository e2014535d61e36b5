"""Paints answers on a page as they grow, and all else that is shown. The only module that calls ``display()``.

Bytes on the page's channel stay linear in the text: a finished block is sent once, only the open one is painted again,
and that has a budget. The answer's one lasting rendering is the cell's value, sent when all of it is there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from llm_magics import terminal
from llm_magics.call_views import page as call_page
from llm_magics.channel import Channel, size_of
from llm_magics.printable import clean
from llm_magics.renderers import mimebundle
from llm_magics.renderers.markdown import MAX_LISTED
from llm_magics.renderers.text import thought
from llm_magics.safe.html import WIDGET, safe_bundle
from llm_magics.safe.markdown import escape, fenced, rebuild
from llm_magics.terminal import PATIENCE
from llm_magics.view import CallView, View

if TYPE_CHECKING:
    from IPython.core.displaypub import CapturingDisplayPublisher

ENVELOPE = 600  # bytes of a display message besides its text
ALLOWANCE = 1_000  # bytes each message may cost besides the text itself …
SLACK = 12_000  # … and bytes that one answer's repaints may overdraw
PIECE = 4_000  # characters of finished blocks in one message: a faster text is shown with a delay
OPEN_BLOCK = 1_000  # characters after which a block without an end is sent in pieces
STEP = 0.5  # seconds between two states of a progress line
ASIDE = 400  # characters of reasoning or arguments that are shown while they grow
ACTING = 6_000  # characters of all calls of a round while they run …
LEAST = 400  # … where each has so many: else its line is all that is shown of it


class Painter(Protocol):
    """What shows a view while it grows, and leaves it behind in the end."""

    def paint(self, view: View, waited: float) -> None:
        """Show what is new; ``waited`` is how many seconds nothing has come."""

    def close(self, view: View) -> None:
        """Take away what was shown on the way, or complete it where it cannot be taken away."""

    def leave(self, view: View) -> None:
        """Show the whole view for good, where no cell value will."""

    def acts(self, view: View) -> None:
        """Show what becomes of the calls of a round: one is asked about, another runs, or is over."""

    def turn(self, view: View) -> None:
        """A round is over, with all its calls: what comes next stands below it."""

    def asks(self, markdown: str, plain: str) -> str | None:
        """The word of the person in front on a call: ``y`` once, ``a`` for this cell, anything else is no.

        None where nobody can be asked.
        """

    def allows(self, question: str) -> bool:
        """Whether the person in front says yes; False where nobody can be asked, or nothing would be different."""


class Silent:
    """Shows nothing."""

    def paint(self, view: View, waited: float) -> None:
        """Nothing."""

    def close(self, view: View) -> None:
        """Nothing."""

    def leave(self, view: View) -> None:
        """Nothing."""

    def acts(self, view: View) -> None:
        """Nothing."""

    def turn(self, view: View) -> None:
        """Nothing."""

    def asks(self, markdown: str, plain: str) -> str | None:
        """Nothing is shown, and so nobody is asked."""
        return None

    def allows(self, question: str) -> bool:
        """Nothing is shown, and so nothing is asked."""
        return False


class Shared(Silent):
    """An output area that is not this prompt's alone, as in a loop: an answer once it is there, none cleared."""

    def close(self, view: View) -> None:
        """The answer, for good."""
        _display(mimebundle(view))

    def leave(self, view: View) -> None:
        """The same."""
        self.close(view)

    def asks(self, markdown: str, plain: str) -> str | None:
        """Asked where the loop stands."""
        if is_hidden():
            return None
        _display({"text/markdown": markdown, "text/plain": plain})
        return answered(terminal.ASKED)


class Page:
    """A notebook's output area."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._channel = Channel()
        self._used = False
        self._begin()

    def _begin(self) -> None:
        """What comes next stands below all that stands there."""
        self._text = _Blocks(self._channel)
        self._aside = Handle(self._channel)
        self._calls = Handle(self._channel)

    def paint(self, view: View, waited: float) -> None:
        """At most two messages: the part that is read first comes first."""
        sent = self._text.paint(view.text)
        for handle, shown in ((self._aside, self._aside_of(view, waited)), (self._calls, _calls_growing(view))):
            if sent < 2:
                sent += handle.show(shown)

    def close(self, view: View) -> None:
        """The cell's value takes the place of what was streamed."""
        if self._used or self._has_shown():
            make_way()

    def _has_shown(self) -> bool:
        return self._text.used or self._aside.used or self._calls.used

    def leave(self, view: View) -> None:
        """The whole answer as a display, for a cell that ends in an error and so has no value."""
        self.close(view)
        _display(mimebundle(view))

    def allows(self, question: str) -> bool:
        """Asked below what has streamed; it goes with that, as front ends keep what was typed as an output."""
        self._used = True
        try:
            return (answered(question) or "") in ("y", "yes")
        except KeyboardInterrupt:
            return False

    def acts(self, view: View) -> None:
        """The calls in place of what was shown while they arrived, below what is said before them.

        What is over may be shown a little later; what runs next may take long, and is waited for a moment with.
        """
        if not self._calls.used:
            self._text.paint(view.text)
        going_on = any(one.run is not None and one.run.state in ("asking", "running") for one in view.calls)
        if not self._acts(view) and going_on:
            time.sleep(STEP)
            self._acts(view)

    def _acts(self, view: View) -> bool:
        """Whether the calls are shown as they are now; only their lines, where there is no room for more."""
        whole, lines = calls_acting(view), calls_acting(view, 0)
        return any(self._calls.show(shown) or self._calls.shows(shown) for shown in (whole, lines))

    def turn(self, view: View) -> None:
        """What was held back is shown, and the next round begins below."""
        self._text.paint(view.text)
        if not self._acts(view):
            time.sleep(STEP)
            self._acts(view)
        self._used = self._used or self._has_shown()
        self._begin()

    def asks(self, markdown: str, plain: str) -> str | None:
        """Below the calls, with all of the one that is meant; it goes when there is an answer."""
        if is_hidden():
            return None
        self._used = True
        shown = Handle()
        shown.show(markdown, plain)
        try:
            return answered(terminal.ASKED)
        finally:
            shown.show("")

    def _aside_of(self, view: View, waited: float) -> str:
        lines = [f"*{escape(note)}*" for note in view.notes]
        if view.empty and waited >= PATIENCE:
            lines.append(f"*Waiting for {escape(self._who)} … {waited:.0f} s*")
        elif view.reasoning and not view.text:
            lines.append(f"*Thinking …*\n\n> {' '.join(escape(view.reasoning[-ASIDE:]).split())}")
        elif view.reasoning:
            lines.append(f"*{thought(view.reasoning)}*")
        return "\n\n".join(lines)


class Handle:
    """One display that is updated in place."""

    def __init__(self, channel: Channel | None = None) -> None:
        self._channel = channel
        self._handle: Any = None
        self._shown = ""

    @property
    def used(self) -> bool:
        return self._handle is not None

    def show(self, text: str, plain: str = "") -> int:
        """Show this Markdown in place of what was shown; the number of messages that took, 0 also where none fits."""
        if text == self._shown or (self._channel and not self._channel.has_room(size_of(text))):
            return 0
        from IPython.display import DisplayHandle

        bundle = {"text/markdown": text} | ({"text/plain": plain} if plain else {})
        if self._handle is None:
            self._handle = DisplayHandle()
            self._handle.display(safe_bundle(bundle), raw=True)
        else:
            self._handle.update(safe_bundle(bundle), raw=True)
        if self._channel:
            self._channel.note(size_of(text))
        self._shown = text
        return 1

    def shows(self, text: str) -> bool:
        """Whether this is what is shown."""
        return text == self._shown


class _Blocks:
    """The answer's text: finished blocks sent once, the open one painted again within the budget."""

    def __init__(self, channel: Channel) -> None:
        self.used = False
        self._channel = channel
        self._handle = Handle(channel)
        self._sent_to = 0  # characters of the text in finished blocks
        self._reopen = ""  # what the rest of a divided block begins with
        self._painted = 0  # characters of the text painted so far
        self._bytes = 0
        self._messages = 0

    def paint(self, text: str) -> int:
        """The number of messages it took."""
        if len(text) == self._painted:
            return 0
        before = self._messages
        tail = text[self._sent_to :]
        cut, reopen, behind = self._finished(tail)
        if cut > 0:
            if not self._show(self._reopen + tail[:cut]):
                return 0
            self._handle, self._sent_to, self._reopen = Handle(self._channel), self._sent_to + cut, reopen
            self._painted = self._sent_to
            tail = tail[cut:]
        if not behind and tail.strip() and self._affordable(len(tail), len(text)) and self._show(self._reopen + tail):
            self._painted = len(text)
        return self._messages - before

    def _finished(self, tail: str) -> tuple[int, str, bool]:
        """Where to cut, what must stand before the rest, and whether more of the rest is finished."""
        is_behind = len(tail) > PIECE
        cut, reopen = cut_at(self._reopen + tail[:PIECE])
        if is_behind and cut <= len(self._reopen):  # a block longer than a piece
            is_behind, (cut, reopen) = False, cut_at(self._reopen + tail)
        return cut - len(self._reopen), reopen, is_behind

    def _show(self, block: str) -> bool:
        """Whether the block is on the page now."""
        shown = rebuild(block)
        sent = self._handle.show(shown)
        if not sent and not self._handle.shows(shown):
            return False
        self.used = True
        self._messages += sent
        self._bytes += sent * (len(shown.encode()) + ENVELOPE)
        return True

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


def answered(question: str) -> str | None:
    """What someone types in answer, in small letters; None where nobody can. What was typed before counts for nothing.

    Raises:
        KeyboardInterrupt: someone stopped it instead.
    """
    try:
        return input(clean(question)).strip().lower()
    except (EOFError, OSError, NotImplementedError):
        return None  # ipykernel's StdinNotImplementedError is one of these


def calls_acting(view: View, room: int = ACTING) -> str:
    """The calls of a round while they are decided on and run: of each a line, and so much behind it."""
    most = room // max(1, len(view.calls))
    return "\n\n".join(_acting(one, most) for one in view.calls[:MAX_LISTED])


def _acting(one: CallView, most: int) -> str:
    if one.run is not None and one.run.state == "asking":
        return call_page.line(one)
    return call_page.folded(one) if one.run is None or most < LEAST else call_page.call(one, most)


def _calls_growing(view: View) -> str:
    shown = []
    for one in view.calls:
        arguments = one.arguments if len(one.arguments) <= ASIDE else f"… {one.arguments[-ASIDE:]}"
        shown.append(f"Tool call: {escape(one.name)}\n\n{fenced(arguments)}")
    return "\n\n".join(shown[-3:])


class Board:
    """Lines that are added one by one: on a page one display updated in place, in a terminal what is new is written."""

    def __init__(self, *, page: bool) -> None:
        self.used = False
        self._handle = Handle() if page else None
        self._terminal = terminal.Terminal("")
        self._written = 0

    def show(self, markdown: str, lines: Sequence[str]) -> None:
        """Show all of it; a line that was shown stays as it was."""
        self.used = True
        if self._handle is not None:
            self._handle.show(markdown, "\n".join(lines))
        elif len(lines) > self._written:
            self._terminal.wait("", 0.0)
            terminal.write("".join(f"{clean(line)}\n" for line in lines[self._written :]))
            self._written = len(lines)

    def wait(self, who: str, waited: float) -> None:
        """Say who is waited for, and how long; a page shows that by itself."""
        if self._handle is None:
            self._terminal.wait(who, waited)

    def end(self) -> None:
        """Nothing more will come."""
        self.wait("", 0.0)


class Progress:
    """One line on how far something has come: on a page a display updated in place, in a terminal written over."""

    def __init__(self, *, page: bool) -> None:
        self._handle = Handle(Channel()) if page else None
        self._painted = float("-inf")
        self._line = terminal.Line()

    def show(self, line: str) -> None:
        """Show this line in place of the one before, unless that one was shown only just now."""
        now = time.monotonic()
        if now - self._painted < STEP:
            return
        self._painted = now
        self._paint(line)

    def end(self, line: str = "") -> bool:
        """A page keeps what came of it in place of how far it was, a terminal nothing; whether it was told so."""
        if self._handle is None:
            self._paint("")
            return False
        if line and self._handle.used:
            self._paint(line)
        return bool(line) and self._handle.used

    def _paint(self, line: str) -> None:
        if self._handle is not None:
            self._handle.show(escape(line), clean(line))
        else:
            self._line.show(clean(line)[: terminal.columns() - 1])  # one that wraps could not be written over


def show_widget(model_id: str) -> Callable[[], None]:
    """Show a widget in an output of its own; what this returns takes it off the page again.

    Nothing stands beside it in that output: where the widget is gone, pages show that it is gone, and nothing else.
    """
    from IPython.display import DisplayHandle

    handle = DisplayHandle()
    bundle: dict[str, Any] = {WIDGET: {"version_major": 2, "version_minor": 0, "model_id": model_id}, "text/plain": ""}
    handle.display(safe_bundle(bundle), raw=True)

    def take_off() -> None:
        bundle = {"text/plain": ""}
        handle.update(safe_bundle(bundle), raw=True)

    return take_off


def show(bundle: dict[str, str], *, page: bool) -> None:
    """Show something that is no answer: a table of settings, a request that was not sent."""
    bundle = {**bundle, "text/plain": clean(bundle["text/plain"])}
    if not page:
        terminal.write(bundle["text/plain"] + "\n")
        return
    _display(bundle)


def is_hidden() -> bool:
    """Whether what is displayed now is kept for later, as under ``%%capture`` and while a tool runs.

    Nobody can be asked about what they do not see.
    """
    return _kept_for_later() is not None


def _kept_for_later() -> CapturingDisplayPublisher | None:
    """What keeps displays instead of showing them."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.getipython import get_ipython

    publisher = getattr(get_ipython(), "display_pub", None)
    return publisher if isinstance(publisher, CapturingDisplayPublisher) else None


def is_page(shell: Any) -> bool:
    """Whether outputs go to a front end that renders them, rather than to a terminal."""
    return getattr(shell, "kernel", None) is not None


def make_way() -> None:
    """What comes next takes the place of all that the cell has shown."""
    from IPython.display import clear_output

    if (kept := _kept_for_later()) is not None:  # IPython would print a terminal's control sequences into it, too
        kept.outputs.clear()
    else:
        clear_output(wait=True)


def _display(bundle: Mapping[str, str]) -> None:
    """The only way onto a page besides a cell's value and what streams."""
    from IPython.display import display

    display(safe_bundle(bundle), raw=True)
