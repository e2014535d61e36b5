"""Where several answers are shown while they grow, and left in the end: a page's columns, a terminal's stack."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from llm_magics import comparing, widgets
from llm_magics.channel import Channel
from llm_magics.comparisons import columns
from llm_magics.comparisons.comparison import Comparison, failure_lines, seen
from llm_magics.lanes import Lane
from llm_magics.live import Handle, make_way, show, show_widget
from llm_magics.safe.markdown import escape
from llm_magics.terminal import PATIENCE, Terminal, strong, write

TAILS = 6_000  # characters of all answers together that are shown while they grow
SHORTEST = 400  # … and of one of them at least


class Board(Protocol):
    """What shows several lanes."""

    def paint(self) -> None:
        """Show what is new."""

    def judging(self, judge: str, seconds: float) -> None:
        """Show that all answers are there, and who has been judging them for so long."""

    def close(self) -> None:
        """Nothing was sent: take away what was shown."""

    def finish(self, comparison: Comparison) -> None:
        """All lanes are over: make way for the cell's value, or complete what cannot be taken away."""

    def leave(self, comparison: Comparison) -> None:
        """Show all of it for good, where no cell value will."""

    def reveal(self, comparison: Comparison) -> None:
        """The names, which were hidden, are known now: show them where the answers stand."""


Vote = Callable[[Comparison, Board, str], object]


class Silent:
    """Shows nothing."""

    def paint(self) -> None:
        """Nothing."""

    def judging(self, judge: str, seconds: float) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def finish(self, comparison: Comparison) -> None:
        """Nothing."""

    def leave(self, comparison: Comparison) -> None:
        """Nothing."""

    def reveal(self, comparison: Comparison) -> None:
        """Nothing."""


class Shared(Silent):
    """An output area that is not this prompt's alone: all answers once they are there, none cleared."""

    def finish(self, comparison: Comparison) -> None:
        """All of it, for good."""
        show(comparison._repr_mimebundle_(), page=True)

    def leave(self, comparison: Comparison) -> None:
        """The same."""
        self.finish(comparison)


class Page:
    """A notebook's output area: one display for all lanes, of each its end, within the channel's budget."""

    def __init__(self, lanes: Sequence[Lane], *, blind: bool, vote: Vote) -> None:
        self._lanes, self._blind, self._vote = lanes, blind, vote
        self._handle = Handle(Channel())
        self._final = Handle()
        self._take_off: Callable[[], None] = lambda: None

    def paint(self) -> None:
        """One message at most."""
        self._handle.show(self._growing())

    def judging(self, judge: str, seconds: float) -> None:
        """The same, with a line on it below."""
        self._handle.show(f"{self._growing()}\n\n*{escape(judge)} is judging … {seconds:.0f} s*")

    def _growing(self) -> str:
        shown = comparing.growing(self._lanes, blind=self._blind, patience=PATIENCE)
        return columns.growing(shown, max(SHORTEST, TAILS // len(shown)))

    def close(self) -> None:
        """Take it away."""
        if self._handle.used:
            make_way()

    def finish(self, comparison: Comparison) -> None:
        """The cell's value comes next; but what a vote will change has to stay a display, which can be updated."""
        self.close()
        if self._blind:
            self.reveal(comparison)
            self._offer(comparison)

    def leave(self, comparison: Comparison) -> None:
        """A display, for a cell that ends in an error and so has no value."""
        self.close()
        self.reveal(comparison)

    def reveal(self, comparison: Comparison) -> None:
        """Show it as it is now, in place of what was shown of it."""
        bundle = comparison._repr_mimebundle_()
        self._final.show(bundle["text/markdown"], bundle["text/plain"])
        self._take_off()

    def _offer(self, comparison: Comparison) -> None:
        """Buttons to vote with, where widgets live; the vote takes them off."""
        if not widgets.available():
            return
        from llm_magics.widgets.ballot import Ballot

        ballot = Ballot(comparison.ballot, lambda word: self._vote(comparison, self, word))
        off_the_page = show_widget(ballot.widget.model_id)

        def take_off() -> None:
            ballot.close()
            off_the_page()
            self._take_off = lambda: None

        self._take_off = take_off


class Stack:
    """A terminal: one lane after the other, the first that is not over as it grows."""

    def __init__(self, lanes: Sequence[Lane], *, blind: bool) -> None:
        self._lanes, self._blind = lanes, blind
        self._place = 0
        self._terminal: Terminal | None = None
        self._wait = Terminal("").wait  # one line, which goes before anything else is written

    def paint(self) -> None:
        """Write what is new of the lane whose turn it is, and all of those that are over."""
        if self._blind:
            self._wait(f"{len(self._lanes)} answers", max(lane.seconds for lane in self._lanes))
            return
        while self._place < len(self._lanes):
            lane = self._lanes[self._place]
            if self._terminal is None:
                if lane.running.first is None and lane.answer is None:
                    self._wait(lane.label, lane.waited)
                    return
                self._wait("", 0.0)
                gap = "\n" if self._place else ""
                write(f"{gap}{strong(columns.plain_head(columns.Column(lane.label)))}\n")
                self._terminal = Terminal(lane.name)
            if lane.answer is None:
                self._terminal.paint(lane.view, lane.waited)
                return
            _end(lane, self._terminal)
            self._place, self._terminal = self._place + 1, None

    def judging(self, judge: str, seconds: float) -> None:
        """Write the rest; what takes time is counted on a line that goes."""
        self.paint()
        self._wait(f"{judge}, who judges", seconds)

    def close(self) -> None:
        """Take the line away."""
        self._wait("", 0.0)

    def finish(self, comparison: Comparison) -> None:
        """Write the rest, and what all of them took."""
        self._wait("", 0.0)
        if self._blind:
            write(f"{comparison.plain(most=sys.maxsize)}\n")
            return
        self.paint()
        write(f"\n{comparison.summary()}\n")

    def leave(self, comparison: Comparison) -> None:
        """The same."""
        self.finish(comparison)

    def reveal(self, comparison: Comparison) -> None:
        """The names, below what was written."""
        write(f"{comparison.summary()}\n")


def _end(lane: Lane, terminal: Terminal) -> None:
    """Complete what a terminal shows of a lane that is over."""
    assert lane.answer is not None
    view = seen(lane.answer, lane.failure)
    if not view.empty or view.notes or lane.failure is None:
        terminal.close(view)
    if lane.failure is not None:
        write(f"{columns.plain_failure(failure_lines(lane.failure))}\n")
