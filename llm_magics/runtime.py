"""The one private event-loop thread, and the bridge from it to the cell's thread.

The user's own loop is never touched. The cell's thread waits in short steps, so that an interrupt lands at once.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError, Future

from llm_magics.events import Event, Note

CANCEL_SECONDS = 0.3  # how long an interrupted cell waits for its connection to be closed


class Running:
    """A stream of events under way on the loop's thread.

    Attributes:
        started: ``time.monotonic()`` when it was begun.
        first: the same for the first event that is part of the answer; None until then.
    """

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.first: float | None = None
        self._news = threading.Event()
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._future: Future[None] | None = None
        self._closed = threading.Event()

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._future is not None and self._future.done()

    @property
    def error(self) -> BaseException | None:
        """What ended it, if something went wrong."""
        assert self._future is not None
        try:
            return self._future.exception(timeout=0) if self._future.done() else None
        except CancelledError:
            return None

    def wait(self, seconds: float) -> None:
        """Until there is something to take, or it is over, or the time is up."""
        self._news.wait(seconds)

    def take(self) -> list[Event]:
        """What has arrived since the last time."""
        with self._lock:
            self._news.clear()
            events, self._events = self._events, []
            if self.done:
                self._news.set()  # nobody has to wait for more
        return events

    def cancel(self) -> None:
        """Stop it and close its connection; returns soon, whatever the other side does."""
        assert self._future is not None
        if not self._future.done():
            self._future.cancel()
            deadline = time.monotonic() + CANCEL_SECONDS
            while not self._closed.is_set() and time.monotonic() < deadline:
                self._closed.wait(0.05)

    # What the loop's thread does.

    async def _drain(self, events: AsyncIterator[list[Event]]) -> None:
        try:
            async for batch in events:
                self._put(batch)
        finally:
            aclose = getattr(events, "aclose", None)
            if aclose is not None:
                await aclose()
            self._closed.set()

    def _put(self, batch: list[Event]) -> None:
        with self._lock:
            if self.first is None and not all(isinstance(event, Note) for event in batch):
                self.first = time.monotonic()
            self._events += batch
            if not self._news.is_set():
                self._news.set()

    def _finished(self, future: Future[None]) -> None:
        self._news.set()


class Runtime:
    """An event loop on a daemon thread, started when first needed; a forked process starts its own."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def stream(self, events: AsyncIterator[list[Event]]) -> Running:
        """Begin to read these events."""
        running = Running()
        future = asyncio.run_coroutine_threadsafe(running._drain(events), self._running_loop())
        running._future = future
        future.add_done_callback(running._finished)
        return running

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=self._run, args=(self._loop,), name="llm_magics", daemon=True).start()
        return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
