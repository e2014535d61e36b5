"""A time limit for other people's code on this thread, also where it catches every Exception."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 1.0  # seconds after which code that went on all the same is told again
LONGEST = 1e8  # seconds, which is some years, and as much as every clock takes
SOON = 0.001  # seconds until an alarm that should have come meanwhile


class Overdue(BaseException):
    """Raised in code whose time is up; no Exception, so that what catches these lets it through."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Within, code may take so long.

    On the main thread of a POSIX system an alarm also ends a wait; elsewhere the limit is noticed between two steps.
    Limits nest: an alarm that was set before this one still comes, though not before this is left.

    Raises:
        Overdue: it took longer.
    """
    on_main = threading.current_thread() is threading.main_thread()
    limit = _alarm if on_main and hasattr(signal, "setitimer") else _from_outside
    with limit(min(seconds, LONGEST)):
        yield


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    armed = True

    def ring(number: int, frame: FrameType | None) -> None:
        if armed:
            raise Overdue

    began, before = time.monotonic(), signal.getsignal(signal.SIGALRM)
    left, again = signal.getitimer(signal.ITIMER_REAL)
    try:  # from here on: a short limit is over before it is quite set, and must not ring for ever after
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(SOON, left - (time.monotonic() - began)), again)


@contextmanager
def _from_outside(seconds: float) -> Iterator[None]:
    thread, lock, over = threading.get_ident(), threading.Lock(), threading.Event()
    armed = True

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            wait = AGAIN
            with lock:
                if not armed:
                    return
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Overdue))

    try:  # from here on: the limit may be over before this thread goes on
        threading.Thread(target=watch, name="llm_magics-deadline", daemon=True).start()
        yield
    finally:
        armed = False  # first: what was raised a moment ago may arrive in any of the next steps
        with lock:  # so that none comes once this is left
            over.set()
