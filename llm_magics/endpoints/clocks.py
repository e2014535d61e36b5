"""Three clocks of one exchange: until the first token, between two pieces of content, and for all of it.

The HTTP library's own timeout counts from one byte to the next, so a server's keep-alive comments wind it up for ever.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from llm_magics.config import DEFAULT_TIMEOUT

Clock = Literal["first token", "silence", "total", "linger"]
SLEPT = 1.0  # seconds; a timer that goes off so much too late tells that the machine, or this process, was asleep
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Seconds: until the first token, between two pieces of content, and for the whole exchange, retries included."""

    first_token: float = DEFAULT_TIMEOUT
    silence: float = DEFAULT_TIMEOUT
    total: float | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Clocks:
        """What ``timeout``, ``timeout_silence`` (else the same) and ``timeout_total`` (else none) say."""
        first = settings.get("timeout") or DEFAULT_TIMEOUT
        return cls(
            first_token=first,
            silence=settings.get("timeout_silence") or first,
            total=settings.get("timeout_total"),
        )


class ClockRanOut(TimeoutError):
    """A clock ran out: which one, and how many seconds it had."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__(f"{clock}: {seconds:g} s")
        self.clock, self.seconds = clock, seconds


class Stopwatch:
    """The clocks of a blocking exchange: looked at whenever something arrived."""

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks
        self._began = self._heard = time.monotonic()

    def attempt(self) -> None:
        """A request goes out."""
        self._heard = time.monotonic()

    def arrived(self, *, content: bool) -> None:
        """Something came: content, or what only keeps a connection alive.

        Raises:
            ClockRanOut: it came too late.
        """
        now = time.monotonic()
        self._check(now)
        if content:
            self._heard = now  # late or not: the machine may have slept while it lay here
        elif now - self._heard > self.clocks.first_token:
            raise ClockRanOut("first token", self.clocks.first_token)

    def pause(self, seconds: float) -> None:
        """Wait before another attempt.

        Raises:
            ClockRanOut: there would be no time left for it.
        """
        self._check(time.monotonic() + seconds)
        time.sleep(seconds)

    def _check(self, now: float) -> None:
        if self.clocks.total is not None and now - self._began > self.clocks.total:
            raise ClockRanOut("total", self.clocks.total)


class Watch:
    """The clocks of an exchange on the event loop: whatever it waits for ends when one of them runs out.

    One timer serves them all, and moves only when it goes off: a timer for each chunk would be a tenth of the reading.
    """

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[Any] | None = None
        self._ran_out: Clock | None = None
        self.attempt()

    def attempt(self) -> None:
        """A request goes out."""
        self._heard = self._loop.time()
        self._clock: Clock = "first token"
        self._patience = self.clocks.first_token
        self._move()

    def heard(self) -> None:
        """Content came."""
        self._heard = self._loop.time()
        if self._clock == "first token":
            self._clock, self._patience = "silence", self.clocks.silence
            self._move()

    def linger(self, seconds: float | None) -> None:
        """The answer is complete but for its end, which may take this long; None if it turns out that it goes on."""
        self._heard = self._loop.time()
        self._clock, self._patience = ("silence", self.clocks.silence) if seconds is None else ("linger", seconds)
        self._move()

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """What it gives.

        Raises:
            ClockRanOut: that took too long; it is cancelled.
        """
        task = asyncio.current_task()
        assert task is not None
        if self._timer is None:
            self._move()
        self._waiting = task
        try:
            return await awaitable
        except asyncio.CancelledError:
            if self._ran_out is None or task.uncancel() > 0:  # the latter: somebody else cancels, too
                raise
            raise self._error() from None
        finally:
            self._waiting = None

    async def pause(self, seconds: float) -> None:
        """Wait before another attempt.

        Raises:
            ClockRanOut: there would be no time left for it.
        """
        total = self.clocks.total
        if total is not None and self._loop.time() + seconds > self._began + total:
            raise ClockRanOut("total", total)
        await asyncio.sleep(seconds)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> tuple[float, Clock]:
        due, total = self._heard + self._patience, self.clocks.total
        if total is None or self._clock == "linger" or due < self._began + total:
            return due, self._clock
        return self._began + total, "total"

    def _move(self) -> None:
        self.close()
        self._timer = self._loop.call_at(self._due()[0], self._went_off)

    def _went_off(self) -> None:
        moment, clock = self._due()
        self._timer = None
        late = self._loop.time() - moment
        if late > SLEPT and clock != "total":  # what came meanwhile has not been read yet
            self._heard = self._loop.time()
            self._move()
        elif late < 0:
            self._move()
        elif self._waiting is not None:
            self._ran_out = clock
            self._waiting.cancel()
        # else the next wait sets it again, in the past: what has arrived meanwhile is read first

    def _error(self) -> ClockRanOut:
        clock, self._ran_out = self._ran_out, None
        assert clock is not None
        return ClockRanOut(clock, self.clocks.total or 0.0 if clock == "total" else self._patience)
