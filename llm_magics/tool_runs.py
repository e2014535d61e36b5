"""A tool's call runs on the cell's thread: what it prints and draws is kept, its time bounded, its errors told."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from llm_magics import drawings
from llm_magics.acting import acting, is_acting
from llm_magics.captured import Captured
from llm_magics.deadlines import Overdue, deadline
from llm_magics.events import Grid, Picture, ToolRun
from llm_magics.interrupts import Hold
from llm_magics.loop import Bounds, Call
from llm_magics.tools import Drawn, Told, Tool
from llm_magics.tools.results import error_text, grid_of, told

STOPPED = "interrupted by the user before it was over."
LEAVING = 1.0  # seconds for what a tool has left running on its loop
_one = threading.Lock()  # held while a tool runs: a process has one standard output, and one place to display


@dataclass(slots=True)
class Ran:
    """What running a call came to: what is shown, and the dataframe it gave, if it gave one."""

    run: ToolRun
    table: Any = None


def run(call: Call, bounds: Bounds, keyless: Callable[[str], str], hold: Hold) -> Ran:
    """Run a call. Whatever it raises becomes what the model is told; ``keyless`` takes keys out of texts.

    Raises:
        KeyboardInterrupt: someone stopped it; what had come of it stands in ``call.run``. So it is where the tool
            took the interrupt for itself, and went on to its end.
    """
    tool = call.tool
    assert tool is not None
    with _alone(hold):
        ran, stopped = _run(call, tool, bounds, keyless, hold)
    call.run = ran.run
    if stopped:
        raise KeyboardInterrupt
    return ran


@contextlib.contextmanager
def _alone(hold: Hold) -> Iterator[None]:
    """Within, no tool of another thread runs; one that a tool has called for does not wait for that one's end."""
    if is_acting():
        yield
        return
    while not _one.acquire(timeout=0.1):
        hold.check()
    try:
        yield
    finally:
        _one.release()


def _run(call: Call, tool: Tool, bounds: Bounds, keyless: Callable[[str], str], hold: Hold) -> tuple[Ran, bool]:
    """What running a call came to, and whether someone has stopped it."""
    seconds = tool.seconds or bounds.seconds
    began, seen, heard = time.monotonic(), Captured(), hold.raised
    # What ends this, besides the tool itself, is raised within; so nothing here can be left in the middle.
    answer, grid, stopped = Told(content=STOPPED, failed=True), None, False
    try:
        with seen.kept(), acting(tool.name), _stoppable(), deadline(seconds), hold.opened():
            answer = _answer_of(call, bounds)
            grid = grid_of(answer.table) if answer.table is not None else None
    except KeyboardInterrupt:
        stopped = True
    except Overdue:
        answer = Told(content=f"stopped after {seconds:g} s, which is all that {_whose_limit(tool)}.", failed=True)
    except BaseException as error:  # noqa: BLE001 - the value's own, as it was looked at
        answer = Told(content=type(error).__name__, failed=True)
    state = "interrupted" if stopped else "failed" if answer.failed else "done"
    run = ToolRun(
        id=call.id,
        name=tool.name,
        arguments=call.text,
        state=state,  # type: ignore[arg-type]
        content=_cut(keyless(answer.content), bounds.result),
        printed=keyless(seen.text),
        grid=_without_keys(grid, keyless) if grid is not None else None,
        pictures=(*answer.pictures, *seen.pictures),
        seconds=time.monotonic() - began,
        code=tool.code,
    )
    return Ran(run, answer.table), stopped or hold.raised > heard


def _whose_limit(tool: Tool) -> str:
    return f"{tool.name} may take" if tool.seconds else "a tool may take (tool_timeout)"


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Afterwards an interrupt is heard by whoever heard it before, whatever the tool has set."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        on_main = threading.current_thread() is threading.main_thread()
        if on_main and before is not None and signal.getsignal(signal.SIGINT) != before:
            signal.signal(signal.SIGINT, before)


def _without_keys(grid: Grid, keyless: Callable[[str], str]) -> Grid:
    rows = tuple(tuple(map(keyless, row)) for row in grid.rows)
    return replace(grid, columns=tuple(map(keyless, grid.columns)), rows=rows)


def _answer_of(call: Call, bounds: Bounds) -> Told:
    """What the tool gave, or what it raised: SystemExit is among what is told to the model."""
    try:
        return _value_of(call, bounds)
    except (KeyboardInterrupt, Overdue):
        raise
    except BaseException as error:  # noqa: BLE001 - the tool's own
        return Told(content=error_text(error), failed=True)


def _value_of(call: Call, bounds: Bounds) -> Told:
    assert call.tool is not None
    before = drawings.open_figures()
    drawn: tuple[Picture, ...] = ()
    try:
        value = call.tool.run(call.arguments())
        if inspect.isawaitable(value):
            value = _awaited(value)
    finally:
        if drawings.are_shown_at_the_end():  # they belong to the call, and not below the answer
            drawn = drawings.taken_figures(before)
    if isinstance(value, Drawn):
        value, drawn = value.value, (*value.pictures, *drawn)
    answer = value if isinstance(value, Told) else told(value, budget=bounds.result)
    drawn = tuple(picture for picture in drawn if picture not in answer.pictures)
    if not drawn:
        return answer
    count = "a picture" if len(drawn) == 1 else f"{len(drawn)} pictures"
    content = f"{answer.content}\n({count}, shown to the user)"
    return Told(content=content, table=answer.table, pictures=(*answer.pictures, *drawn), failed=answer.failed)


def _awaited(value: Any) -> Any:
    """What an awaitable comes to, on a loop of its own: this thread's may be the kernel's, which is running."""
    done: Future[Any] = Future()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []
    given_up = False

    async def whole() -> Any:
        return await value

    def work() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        task = loop.create_task(whole())
        running.append((loop, task))
        if given_up:
            task.cancel()
        give: Callable[[], None]
        try:
            came = loop.run_until_complete(task)
            give = partial(done.set_result, came)
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            give = partial(done.set_exception, error)
        _wind_up(loop)
        if inspect.iscoroutine(value):
            value.close()  # it may have been stopped before it began
        give()

    try:  # from here on: it may just be starting when nobody waits for it any more
        # In this thread's context: what knows that a tool is running has to know it there.
        threading.Thread(target=copy_context().run, args=(work,), name="llm_magics-tool", daemon=True).start()
        while not wait([done], timeout=0.05).done:
            pass
    except BaseException:
        given_up = True
        for loop, task in running:
            with contextlib.suppress(RuntimeError):  # it has just ended, and its loop is closed
                loop.call_soon_threadsafe(task.cancel)
        wait([done], timeout=0.2)
        raise
    return done.result()


def _wind_up(loop: asyncio.AbstractEventLoop) -> None:
    """What a tool has left running on its loop is stopped, as it is at the end of ``asyncio.run``."""
    with contextlib.suppress(BaseException):  # the tool's own, which it has not waited for
        if left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            ended, _ = loop.run_until_complete(asyncio.wait(left, timeout=LEAVING))
            for task in ended:
                task.cancelled() or task.exception()
        loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n(cut here: {len(text) - most:,} more characters)"
