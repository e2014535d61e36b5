"""Interrupts while a magic runs: they land between two steps, never in the middle of one.

Python raises ``KeyboardInterrupt`` between any two instructions. In a half-sent message, or while an answer that just
ended is being kept, that would lose text. So a `Hold` takes interrupts down, and the code says where it stops for them.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

IMPATIENT = 1.0  # seconds after which an interrupt that was not heard yet is raised wherever the code stands
SHOWING = 2.0  # seconds for which a cell's value is shown undisturbed


class Interrupted(KeyboardInterrupt):
    """Someone stopped a magic; shown as one line."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


class Hold:
    """Interrupts from now on, until `release`.

    Only a main thread whose interrupts are Python's own is held; anywhere else this does nothing. Holds nest: what an
    inner one took down when it ends goes to the outer one.

    Attributes:
        interrupted: whether an interrupt came that was not raised yet.
        raised: how many were raised at once, in code that may have taken them for itself.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self.raised = 0
        self._came = 0.0
        self._open = False
        self._until = float("inf")
        self._bell: Callable[[], None] = _nothing
        self._before: Any = None
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):  # neither ignored nor left to the system
                self._before = before
                signal.signal(signal.SIGINT, self._take)

    def check(self) -> None:
        """Stop here, if someone wants to.

        Raises:
            KeyboardInterrupt: an interrupt came.
        """
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Within, an interrupt is raised at once: for steps that may take long and lose nothing."""
        self._open = True
        try:
            self.check()  # for one that came before
            yield
        finally:
            self._open = False

    @contextmanager
    def ringing(self, bell: Callable[[], None]) -> Iterator[None]:
        """Within, ``bell`` is called when an interrupt comes; it must be safe wherever this thread stands."""
        self._bell = bell
        try:
            yield
        finally:
            self._bell = _nothing

    def release(self) -> bool:
        """Give interrupts back; whether there is one that was not raised."""
        if self._before is not None and signal.getsignal(signal.SIGINT) == self._take:
            signal.signal(signal.SIGINT, self._before)
        return self.interrupted

    def pass_on(self) -> None:
        """Let whoever held interrupts before know of one that was not raised.

        Raises:
            KeyboardInterrupt: nobody did.
        """
        outer = getattr(self._before, "__self__", None)
        if not isinstance(outer, Hold):
            raise KeyboardInterrupt
        outer._take(signal.SIGINT, None)

    def release_when_shown(self, shell: Any) -> None:
        """Give interrupts back when the cell's value is on the page; what comes until then has nothing left to stop."""
        if self._before is None:
            return
        self._until = time.monotonic() + SHOWING

        def shown() -> None:
            shell.events.unregister("post_execute", shown)
            self.release()

        shell.events.register("post_execute", shown)

    def _take(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        late = now > self._until or (self.interrupted and now - self._came > IMPATIENT)
        if self._open or late:
            self.interrupted = False
            self.raised += 1
            raise KeyboardInterrupt
        if not self.interrupted:
            self.interrupted, self._came = True, now
        self._bell()


def _nothing() -> None:
    pass


@contextmanager
def held() -> Iterator[Hold]:
    """Hold interrupts within; one that was not raised there is raised, or passed on, at the end.

    So it is where the steps within fail: whoever lives with the failure is stopped all the same.
    """
    hold = Hold()
    try:
        yield hold
    except KeyboardInterrupt:
        hold.release()
        raise
    except BaseException:
        if hold.release():
            hold.pass_on()
        raise
    if hold.release():
        hold.pass_on()


@contextmanager
def told() -> Iterator[None]:
    """An interrupt within is told in one line."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt:
        raise Interrupted("stopped") from None
