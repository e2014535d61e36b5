"""Reads lanes on the cell's thread, as they come, and has them painted in between; an interrupt stops it at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from llm_magics.interrupts import Hold
from llm_magics.lanes import Lane
from llm_magics.runtime import Running

TICK = 0.1  # seconds between repaints; at most two messages each


def follow(lanes: Sequence[Lane], paint: Callable[[], None], hold: Hold) -> None:
    """Read all lanes to their end on this thread, painting as they grow; they share a bell.

    Raises:
        KeyboardInterrupt: someone stopped it; a repaint that had begun was ended first.
    """
    streams, bell = [lane.running for lane in lanes], lanes[0].running.bell
    painted, begun = 0.0, 0
    with hold.ringing(bell.ring):
        while not all(stream.done for stream in streams):
            hold.check()
            for lane in lanes:
                lane.read()
            if _begun(streams) > begun or time.monotonic() - painted >= TICK:
                begun = _begun(streams)
                paint()
                painted = time.monotonic()
            if not (hold.interrupted or all(stream.done for stream in streams)):
                bell.wait(TICK)
                _gather(painted + TICK, streams, begun, hold)


def _begun(streams: Sequence[Running]) -> int:
    """How many have had their first token."""
    return sum(stream.first is not None for stream in streams)


def _gather(moment: float, streams: Sequence[Running], begun: int, hold: Hold) -> None:
    """Let a repaint's worth of events gather, unless an answer has just begun, or all are over."""
    while 0 < begun == _begun(streams) and not (hold.interrupted or all(stream.done for stream in streams)):
        if (left := moment - time.monotonic()) <= 0:
            return
        time.sleep(min(left, 0.02))


def watch(running: Running, paint: Callable[[], None], hold: Hold) -> None:
    """Read a stream to its end on this thread; ``paint`` shows what it has left where it leaves things.

    Raises:
        KeyboardInterrupt: someone stopped it.
    """
    with hold.ringing(running.bell.ring):
        while not running.done:
            hold.check()
            running.take()
            paint()
            running.bell.wait(TICK)
            time.sleep(TICK / 2)  # steps that follow each other at once are painted together
    paint()
