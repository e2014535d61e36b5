"""The one private event-loop thread, and the bridge from it to the cell's thread.

The user's own loop is never touched. The cell's thread waits in short steps, so that an interrupt lands at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from llm_magics.events import Event, Note
from llm_magics.interrupts import held

T = TypeVar("T")
CANCEL_SECONDS = 0.3  # how long an interrupted cell waits for its connection to be closed
# The connections opened for the stream at hand.
_opened: ContextVar[list[asyncio.Transport] | None] = ContextVar("_opened", default=None)


class Bell:
    """Wakes the thread that waits for streams; may be rung from any thread, and by a signal handler."""

    def __init__(self) -> None:
        self._rung: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        """End a `wait`, the present one or the next."""
        self._rung.put(None)

    def wait(self, seconds: float) -> None:
        """Until someone rings, or the time is up; however often it was rung before, that counts once."""
        with suppress(Empty):
            self._rung.get(timeout=seconds)
            while True:
                self._rung.get_nowait()


class Running:
    """A stream of events under way on the loop's thread.

    Attributes:
        started: ``time.monotonic()`` when it was begun.
        first: the same for the first event that is part of the answer; None until then.
        ended: the same for its end.
        error: what ended it, if something went wrong; known when it is `done`.
        bell: rung when there is something to take, and at the end; several streams may share one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, events: AsyncIterator[list[Event]], bell: Bell) -> None:
        self.started = time.monotonic()
        self.first: float | None = None
        self.ended: float | None = None
        self.error: BaseException | None = None
        self.bell = bell
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop = loop
        loop.call_soon_threadsafe(self._begin, events)

    @property
    def done(self) -> bool:
        """Whether nothing more will come, and its connection is closed or free for the next."""
        return self._over.is_set()

    def take(self) -> list[Event]:
        """What has arrived since the last time."""
        with self._lock:
            events, self._events = self._events, []
        return events

    def stop(self) -> None:
        """Begin to stop it and to close its connection."""
        self._loop.call_soon_threadsafe(self._stop)

    def over(self, seconds: float) -> bool:
        """Whether it is done, or is within so many seconds."""
        return self._over.wait(seconds)

    # What the loop's thread does.

    def _begin(self, events: AsyncIterator[list[Event]]) -> None:
        self._task = self._loop.create_task(self._drain(events))
        self._task.add_done_callback(self._end)

    def _stop(self) -> None:
        if self._task is not None:  # else it has ended meanwhile
            self._task.cancel()

    async def _drain(self, events: AsyncIterator[list[Event]]) -> None:
        opened: list[asyncio.Transport] = []
        _opened.set(opened)
        try:
            async for batch in events:
                self._put(batch)
        except asyncio.CancelledError:
            for transport in opened:  # the HTTP library forgets one whose TLS handshake is under way
                transport.abort()
            raise
        finally:
            aclose = getattr(events, "aclose", None)
            if aclose is not None:
                await aclose()

    def _put(self, batch: list[Event]) -> None:
        with self._lock:
            if self.first is None and not all(isinstance(event, Note) for event in batch):
                self.first = time.monotonic()
            if not self._events:
                self.bell.ring()
            self._events += batch

    def _end(self, task: asyncio.Task[None]) -> None:
        self.error = None if task.cancelled() else task.exception()
        self._task = None  # an error's frames hold this object, and it would hold them
        self.ended = time.monotonic()
        self._over.set()
        self.bell.ring()


def cancel(*streams: Running) -> None:
    """Stop streams and close their connections, all at once; returns soon, whatever the other side does."""
    for stream in streams:
        stream.stop()
    deadline = time.monotonic() + CANCEL_SECONDS
    for stream in streams:
        while not stream.done and (left := deadline - time.monotonic()) > 0:
            stream.over(min(left, 0.05))


class Runtime:
    """An event loop on a daemon thread, started when first needed; a forked process starts its own."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._parents: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        _runtimes.add(self)

    def stream(self, events: AsyncIterator[list[Event]], bell: Bell | None = None) -> Running:
        """Begin to read these events; ``bell`` is the one of several streams that are read together."""
        return Running(self._running_loop(), events, bell or Bell())

    def call(self, function: Callable[[], T]) -> T:
        """What a function gives on the loop's thread, where no interrupt comes. Waiting for it can be interrupted."""
        future: Future[T] = Future()
        self._running_loop().call_soon_threadsafe(_settle, future, function)
        while not wait([future], timeout=0.1).done:
            pass
        return future.result()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin some work on the loop's thread; cancelling what is given cancels the work."""
        return asyncio.run_coroutine_threadsafe(work, self._running_loop())

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with held(), self._lock:  # an interrupt would leave a thread that nobody knows of
            if self._loop is None:
                loop = _Loop()
                threading.Thread(target=self._run, args=(loop,), name="llm_magics", daemon=True).start()
                self._loop = loop
            return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()

    def _forked(self) -> None:
        """In a forked process: the loop's thread is not here. The loop is kept, so that nothing of it is closed."""
        self._loop, self._parents = None, self._loop
        self._lock = threading.Lock()  # another thread may have held it


_runtimes: weakref.WeakSet[Runtime] = weakref.WeakSet()


def _after_fork() -> None:
    for runtime in _runtimes:
        runtime._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# A loop of asyncio's own, whatever policy the user's code has set: theirs may be patched, ours is private.
if sys.platform == "win32":
    _AsyncioLoop = asyncio.ProactorEventLoop
else:
    _AsyncioLoop = asyncio.SelectorEventLoop


class _Loop(_AsyncioLoop):
    """Notes whose connections it opens, and looks names up on threads of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.set_default_executor(_LookUps())

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Open a connection for whichever stream's task, or task of that one, this is."""
        transport, protocol = await super().create_connection(*args, **kwargs)
        if (opened := _opened.get()) is not None:
            opened.append(transport)
        return transport, protocol


def _settle(future: Future[Any], function: Callable[[], Any]) -> None:
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
        future.set_exception(error)
    else:
        future.set_result(result)


class _LookUps(ThreadPoolExecutor):
    """What the loop runs on other threads: names being looked up, which nothing can stop.

    Each has a daemon thread of its own, so that one that hangs keeps neither the next nor the process's end waiting.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it on a thread of its own."""
        future: Future[Any] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                _settle(future, lambda: fn(*args, **kwargs))

        threading.Thread(target=work, name="llm_magics-lookup", daemon=True).start()
        return future
