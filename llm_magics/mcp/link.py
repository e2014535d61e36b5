"""A connection to one MCP server.

The library's contexts are left by the task that entered them, so a connection is one long-lived task on the loop's
thread. Whoever asks something waits on a thread of their own, in short steps.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future, wait
from typing import Any, TypeVar

from llm_magics import logs
from llm_magics.config import child_environment, host_of
from llm_magics.errors import ServerUnusable, cut, short
from llm_magics.interrupts import held
from llm_magics.local.piped import LONGEST, Piped
from llm_magics.mcp import library
from llm_magics.mcp.spec import Spec
from llm_magics.printable import short_line
from llm_magics.runtime import Runtime
from llm_magics.secrets import redactor_of
from llm_magics.surrogates import sendable_json

T = TypeVar("T")
CONNECT_SECONDS = 60.0  # a launcher may have to fetch the server first
CALL_SECONDS = 3_600.0  # whoever runs a tool has a bound of their own, which is lower
CLOSE_SECONDS = 4.0
PAGES = 100  # of a listing
SAID = 300  # characters of a server's words that are repeated
LIST_CHANGED = "notifications/tools/list_changed"
# What the library, and what it uses, raises; whatever else is raised here stops the thread that waits.
FAILURES = (Exception, asyncio.CancelledError, BaseExceptionGroup)
# What a server may say of its own accord that is heard: all but the first and the last is declined.
_HEARD = ("ping", "roots/list", "sampling/createMessage", "elicitation/create", LIST_CHANGED)


class Link:
    """A connection, from its making to `close` or to the server's end.

    Attributes:
        stale: whether the server said that its tools are others now.
        left_out: names of tools that were not fit to be listed, and why.

    Raises:
        ServerUnusable: the server cannot be started or reached, or does not speak MCP.
    """

    def __init__(self, spec: Spec, runtime: Runtime, seconds: float = CONNECT_SECONDS) -> None:
        library.check()
        self.spec = spec
        self.stale = False
        self.left_out: dict[str, str] = {}
        self._runtime, self._owner = runtime, os.getpid()
        self._session: Any = None
        self._piped: Piped | None = None
        self._asked: set[Future[Any]] = set()
        self._asking = threading.Lock()  # what was sent can be stopped: it is among those asked
        self._status = 0  # of the last HTTP answer that was a refusal
        self._too_long = False  # whether the last HTTP answer was not read to its end
        self._down: asyncio.Event | None = None
        self._begin(seconds)

    def _begin(self, seconds: float) -> None:
        ready: Future[None] = Future()
        with held():  # an interrupt would leave a server that nobody knows of
            command = _resolved(self.spec)
            self._life = self._runtime.begin(self._live(command, ready))
            self._life.add_done_callback(lambda life: None if ready.done() else ready.set_result(None))
        try:
            _wait_for(ready, seconds)
            if self._session is None:
                self._life.result()
        except FAILURES as error:
            complaint = self._complaint(error, seconds)
            self.close()
            raise complaint from None
        except BaseException:  # whatever stopped this thread
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it can be asked something; in a fork of the kernel it cannot."""
        # How a server says that it knows nothing of a connection that was opened; and what ends one here.
        lost = self._status == 404 or self._too_long
        return self._session is not None and not self._life.done() and not lost and os.getpid() == self._owner

    def listing(self, seconds: float = CONNECT_SECONDS) -> list[dict[str, Any]]:
        """The tools as the server lists them now: ``name``, ``description`` and ``inputSchema`` of each.

        Raises:
            ServerUnusable: it does not say.
        """
        self.stale, self.left_out = False, {}
        return self._ask(self._list, seconds)

    def call(self, tool: str, arguments: Mapping[str, Any], seconds: float = CALL_SECONDS) -> dict[str, Any]:
        """What a tool answers, in MCP's form. An interrupt, or the end of the time, tells the server to stop it.

        Raises:
            ServerUnusable: there is no answer.
        """
        return self._ask(lambda session: library.call(session, tool, dict(arguments)), seconds)

    def stop(self) -> None:
        """Stop what is being asked; whoever waits for it is told, and so is the server."""
        if os.getpid() != self._owner:
            return
        with held(), self._asking:
            asked = tuple(self._asked)
        for one in asked:
            one.cancel()

    def close(self) -> None:
        """End the connection, and the server if it was started here; it may be closed twice."""
        if os.getpid() != self._owner:
            return
        closed = threading.Event()
        # On a thread of its own: what stops this one must not leave half an end behind.
        threading.Thread(target=self._end, args=(closed,), name="llm_magics-close", daemon=True).start()
        closed.wait(CLOSE_SECONDS)

    def _end(self, closed: threading.Event) -> None:
        if self._session is None:
            self._life.cancel()
        elif not self._life.done():
            self._runtime.call(lambda: self._down.set() if self._down else None)
        if self._piped is not None:
            self._piped.end()
        wait([self._life], timeout=CLOSE_SECONDS / 2)
        self._life.cancel()
        closed.set()

    # ------------------------------------------------------------ on the asker's thread

    def _ask(self, ask: Callable[[Any], Coroutine[Any, Any, T]], seconds: float) -> T:
        if not self.alive:
            raise self._complaint(ConnectionError("the connection is closed"), seconds)
        with held(), self._asking:
            asked = self._runtime.begin(self._answer(ask))
            self._asked.add(asked)
        try:
            return _wait_for(asked, seconds)
        except FAILURES as error:
            raise self._complaint(error, seconds) from None
        finally:
            self._asked.discard(asked)

    def _complaint(self, error: BaseException, seconds: float) -> ServerUnusable:
        """What went wrong, in one line without keys and without control sequences."""
        said = redactor_of(self.spec.secrets).text(self._words(_leaf(error), seconds))
        return ServerUnusable(f"MCP server {self.spec.name}: {short_line(said, 3 * SAID)}")

    def _words(self, error: BaseException, seconds: float) -> str:
        piped = self._piped
        if isinstance(error, ServerUnusable):
            return str(error)
        if piped is not None and piped.too_long:
            return f"it was ended for a message of more than {LONGEST:,} bytes."
        if self._too_long:
            return f"{host_of(self.spec.url)} answers with more than {LONGEST:,} bytes."
        if isinstance(error, CancelledError):
            return "the call was stopped."
        if isinstance(error, _Late):
            said = f" ({words})" if piped is not None and (words := cut(piped.last_words(), SAID)) else ""
            return f"no answer within {seconds:g} s{said}."
        if piped is not None and piped.has_ended(0.2):
            return f"it has ended ({cut(piped.last_words(), SAID)})."
        if 300 <= self._status < 400:
            return f"{host_of(self.spec.url)} sends calls on to another address, where they do not go."
        if self._status == 404 and self._session is not None:
            return f"{host_of(self.spec.url)} knows nothing of this connection any more. The next call opens another."
        if self._status:
            return f"{host_of(self.spec.url)} answers with HTTP status {self._status}{_MOVES.get(self._status, '')}."
        return _said(error, self.spec.url)

    # ------------------------------------------------------------ on the loop's thread

    async def _live(self, command: tuple[str, ...], ready: Future[None]) -> None:
        self._down = down = asyncio.Event()
        library.hush()
        try:
            async with contextlib.AsyncExitStack() as stack:
                logs.guard(self.spec.secrets)
                opened = self._over_pipes(command) if command else self._over_http()
                read, write = await stack.enter_async_context(opened)
                session = await stack.enter_async_context(library.new_session(read, write, self._hear))
                await library.greet(session)
                self._session = session
                ready.set_result(None)
                await down.wait()
        finally:
            down.set()

    async def _answer(self, ask: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """What the server answers, unless the connection ends before."""
        assert self._down is not None
        asked = asyncio.ensure_future(ask(self._session))
        asked.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to look at it
        ended = asyncio.ensure_future(self._down.wait())
        try:
            await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                raise ConnectionError("the connection was closed")
            return asked.result()
        finally:
            ended.cancel()
            if not asked.done():
                asked.cancel()
                await asyncio.wait({asked}, timeout=1.0)  # meanwhile the server is told

    async def _list(self, session: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor, seen = None, set()
        for _ in range(PAGES):
            page: Any = library.known_types().PaginatedRequestParams(cursor=cursor) if cursor is not None else None
            answer = library.plain(await session.list_tools(params=page))
            found += answer.get("tools") or []
            cursor = answer.get("nextCursor")
            if cursor is None or cursor in seen:
                break
            seen.add(cursor)
        return found

    async def _hear(self, message: Any) -> None:
        if getattr(getattr(message, "root", message), "method", None) == LIST_CHANGED:
            self.stale = True

    @contextlib.asynccontextmanager
    async def _over_pipes(self, command: tuple[str, ...]) -> AsyncIterator[tuple[Any, Any]]:
        import anyio

        loop = asyncio.get_running_loop()
        to_session, read = anyio.create_memory_object_stream[Any](0)
        write, from_session = anyio.create_memory_object_stream[Any](0)

        async def deliver(message: Any) -> None:
            with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await to_session.send(message)

        async def over() -> None:
            to_session.close()
            assert self._down is not None
            self._down.set()

        def hear(line: bytes | None) -> None:
            """On the pipe's thread, which goes on when the session has taken a message."""
            work = over() if line is None else None
            if line is not None and (message := self._read(line)) is not None:
                work = deliver(message)
            if work is not None:
                try:
                    asyncio.run_coroutine_threadsafe(work, loop).result()
                except (RuntimeError, CancelledError):  # the loop is no more
                    work.close()

        async def say() -> None:
            async for message in from_session:
                piped.say(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode())

        environment = child_environment() | {name: value.reveal() for name, value in self.spec.env.items()}
        self._piped = piped = Piped(command, environment, hear)
        async with anyio.create_task_group() as tasks, to_session, read, write, from_session:
            tasks.start_soon(say)
            try:
                yield read, write
            finally:
                tasks.cancel_scope.cancel()

    def _read(self, line: bytes) -> Any:
        """A line as a message; None where it is none, as what some programs print before they begin."""
        if not line.strip():
            return None
        try:
            body = self._sifted(sendable_json(json.loads(line)))
            return library.message(body) if isinstance(body, dict) and body.get("method", "ping") in _HEARD else None
        except (ValueError, RecursionError):
            if self._piped is not None:
                self._piped.note(line.decode("utf-8", "replace").strip())
            return None

    @contextlib.asynccontextmanager
    async def _over_http(self) -> AsyncIterator[tuple[Any, Any]]:
        import anyio

        async def note(response: Any) -> None:
            if response.request.method == "POST":  # servers may have nothing to say to a GET
                self._status = response.status_code if response.status_code >= 300 else 0
                self._too_long = False
                response.aread = lambda: self._read_whole(response)  # the library bounds streams of events only

        client = library.http_client({name: value.reveal() for name, value in self.spec.headers.items()}, note)
        async with client, library.http_transport(self.spec.url, client) as (heard, write, *_):
            to_session, read = anyio.create_memory_object_stream[Any](0)

            async def relay() -> None:
                async with to_session:
                    async for item in heard:
                        body = getattr(getattr(item, "message", None), "root", getattr(item, "message", None))
                        self._sifted({"result": getattr(body, "result", None)})
                        await to_session.send(item)

            async with anyio.create_task_group() as tasks, read:
                tasks.start_soon(relay)
                try:
                    yield read, write
                finally:
                    tasks.cancel_scope.cancel()

    async def _read_whole(self, response: Any) -> bytes:
        """The body of an answer; nothing of one that is too long."""
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > LONGEST:
                self._too_long = True
                if self._down is not None:
                    self._down.set()  # as a program is ended for that; the library's first version would wait on
                return b""
        return bytes(body)

    def _sifted(self, body: Any) -> Any:
        """A message in which a list of tools has only those in MCP's form, and of them what is used here.

        The library refuses a whole listing for one tool that is not.
        """
        result = body.get("result") if isinstance(body, dict) else None
        if isinstance(result, dict) and isinstance(tools := result.get("tools"), list):
            result["tools"] = [kept for tool in tools if (kept := self._fit(tool)) is not None]
        return body

    def _fit(self, tool: Any) -> dict[str, Any] | None:
        name = tool.get("name") if isinstance(tool, dict) else None
        if not isinstance(name, str):
            self.left_out["?"] = "it has no name"
            return None
        description, schema = tool.get("description"), tool.get("inputSchema")
        if not isinstance(description, str | None):
            self.left_out[name] = "its description is no text"
        elif not isinstance(schema, dict) or schema.get("type", "object") != "object":
            self.left_out[name] = "its arguments are not described by the JSON schema of an object"
        else:
            return {"name": name, "description": description or "", "inputSchema": {"type": "object", **schema}}
        return None


_MOVES = {
    401: ": it wants a key, which goes into its headers",
    403: ": it does not let this key in",
    404: ": the address may have another path",
    405: ": the address may have another path",
}


class _Late(Exception):
    """Nothing came in time."""


def _wait_for(future: Future[T], seconds: float) -> T:
    """Wait in short steps, so that an interrupt lands at once; who does not wait any more cancels."""
    deadline = time.monotonic() + seconds
    try:
        while not wait([future], timeout=0.1).done:
            if time.monotonic() >= deadline:
                raise _Late
    except BaseException:
        future.cancel()
        raise
    return future.result()


def _resolved(spec: Spec) -> tuple[str, ...]:
    if not spec.command:
        return ()
    named = os.path.expanduser(spec.command[0])  # noqa: PTH111 - Path's own fails where nobody knows whose home ~ is
    program = shutil.which(named, path=child_environment().get("PATH"))
    if program is None:
        move = "Write it as a list of words." if " " in spec.command[0] else "Install it, or say where it is."
        raise ServerUnusable(f"MCP server {spec.name}: no program {short(spec.command[0])} on the PATH. {move}")
    return (program, *spec.command[1:])


def _leaf(error: BaseException) -> BaseException:
    """The first of the errors that were raised together."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _said(error: BaseException, url: str) -> str:
    """An error of the library's, or of one that it uses, in words."""
    answer = getattr(error, "error", None)
    if isinstance(message := getattr(answer, "message", None), str):
        return f"it answers with an error: {cut(message, SAID)}"
    kind = type(error).__name__
    if kind in ("ValidationError", "JSONDecodeError"):
        return "what it answers is not MCP."
    if url and ("Connect" in kind or isinstance(error, OSError)):
        return f"nobody answers at {host_of(url)} ({kind}). Is it running?"
    return f"{kind}: {cut(str(error), SAID)}" if str(error) else f"it failed with {kind}."
