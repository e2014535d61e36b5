"""A real HTTP server on loopback that speaks Chat Completions, well or badly, exactly as a test scripted it.

Mock transports skip sockets, chunking and resets, which is where clients go wrong; so tests talk to this instead:

    with FarEnd() as far:
        far.fails(503, {"error": {"message": "busy"}}, times=2).answers("Now I can.")
        ...                                     # point a client at far.base_url
        assert len(far.requests) == 3

Scripted replies are served first in, first out. The last one repeats for ever, unless it was given `times=`: then it is
served exactly that often, and the default answer follows. `when(predicate)` opens a second script that only serves the
requests it fits.

`python tests/far_end.py --serve` runs it as a process of its own for benchmarks: see `by_model_name`.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Literal, Protocol, Self

HELLO = "Hello from the far end."
PACKED = 16 * 1024  # about what a buffering proxy hands on at once
PHRASES = {status.value: status.phrase for status in HTTPStatus}
SETTLE = 0.02  # a reset throws away what is still unsent, so let written bytes leave first

Framing = Literal["event", "packed"]
End = Literal["close", "chunked", "cut", "reset", "hang"]
Frame = Mapping[str, Any] | str | bytes | int | float
Body = Mapping[str, Any] | Sequence[Any] | str | bytes


# --- what arrives -----------------------------------------------------------------------------------------------------


class Headers(dict[str, str]):
    """Request headers, found whatever the case of the name."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came in; an empty body reads as {}, one that is not JSON as its bytes."""

    method: str
    path: str
    query: str
    headers: Headers
    body: Any
    at: float
    id: str

    @property
    def is_chat(self) -> bool:
        # any method: careless servers answer the GET that a 301 makes of a POST
        return self.path.endswith("/v1/chat/completions")

    def asks_for(self, name: str) -> Any:
        """A field of the JSON body, None where there is none."""
        return self.body.get(name) if isinstance(self.body, dict) else None


class ClientGone(Exception):
    """The client closed its socket, or the far end cut it, before the reply was complete."""


class Line:
    """The connection to one client."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._reader = sock.makefile("rb")
        self._stopping = stopping
        self.busy = False
        self.was_cut = False

    def read(self, name: Callable[[], str]) -> Request | None:
        """The next request, or None when the client has no more."""
        start = self._reader.readline().decode("latin-1").split()
        if len(start) != 3:
            return None
        headers = Headers()
        while line := self._reader.readline().decode("latin-1").strip():
            key, _, value = line.partition(":")
            key, value = key.lower(), value.strip()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        body = _parsed(self._body(headers))
        path, _, query = start[1].partition("?")
        return Request(
            method=start[0], path=path, query=query, headers=headers, body=body, at=time.monotonic(), id=name()
        )

    def _body(self, headers: Headers) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self._reader.read(int(headers.get("content-length", 0)))
        parts = []
        while size := int(self._reader.readline().split(b";")[0], 16):
            parts.append(self._reader.read(size))
            self._reader.readline()
        self._reader.readline()  # no client here sends trailers
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise ClientGone from error

    def wait(self, seconds: float | None) -> None:
        """Sleep (None: for ever), but notice at once when the client leaves; sleeping blindly would hide it."""
        if seconds is not None and seconds <= 0:
            return
        try:
            self._sock.settimeout(seconds)
            more = self._sock.recv(1, socket.MSG_PEEK)
            self._sock.settimeout(None)
        except TimeoutError:
            self._sock.settimeout(None)
            return
        except OSError as error:
            raise ClientGone from error
        if not more:
            raise ClientGone
        self._stopping.wait(seconds)  # a pipelined request waits in the socket: it cannot be used to watch any more

    def cut(self) -> None:
        """End the connection from another thread; its own thread then sees ClientGone and closes it."""
        self.was_cut = True
        with contextlib.suppress(OSError):  # it had ended by itself
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self, *, reset: bool = False) -> None:
        if reset:
            form = "hh" if os.name == "nt" else "ii"
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))
        self._reader.close()  # the socket stays open as long as its reader is
        self._sock.close()


def _parsed(raw: bytes) -> Any:
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except ValueError:
        return raw


# --- bytes that leave -------------------------------------------------------------------------------------------------


def to_json(value: object) -> bytes:
    """Compact JSON in UTF-8; escaped only where UTF-8 has no form for it (half a surrogate pair)."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def head(status: int, defaults: Mapping[str, str], headers: Mapping[str, str] | None = None) -> bytes:
    """Status line and headers, ending in the blank line; a caller's header replaces the default of that name."""
    fields = {"date": formatdate(usegmt=True), "server": "far-end", **defaults}
    fields.update({name.lower(): value for name, value in (headers or {}).items()})
    phrase = PHRASES.get(status, "Unassigned")  # 529 is nobody's standard, yet servers send it
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1")


def whole(request: Request, status: int, body: Body, headers: Mapping[str, str] | None = None) -> bytes:
    """A complete response with a content-length."""
    if isinstance(body, str):
        data, kind = body.encode(), "text/html" if body.lstrip().startswith("<") else "text/plain"
    elif isinstance(body, bytes):
        data, kind = body, "application/octet-stream"
    else:
        data, kind = to_json(body), "application/json"
    defaults = {"content-type": kind, "x-request-id": request.id}
    if status not in (204, 304):  # which have no body, hence no length
        defaults["content-length"] = str(len(data))
    return head(status, defaults, headers) + data


def stream_head(request: Request, *, chunked: bool, headers: Mapping[str, str] | None = None) -> bytes:
    defaults = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    defaults |= {"transfer-encoding": "chunked"} if chunked else {"connection": "close"}
    return head(200, defaults | {"x-request-id": request.id}, headers)


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = http_chunk(b"")
DONE = b"data: [DONE]\n\n"


def framed(events: Sequence[bytes], framing: Framing) -> bytes:
    """Events as HTTP chunks: one each, as servers do, or in even pieces that heed nothing, as proxies do."""
    if framing == "event":
        return b"".join(map(http_chunk, events))
    data = b"".join(events)
    return b"".join(http_chunk(data[at : at + PACKED]) for at in range(0, len(data), PACKED))


# --- replies ----------------------------------------------------------------------------------------------------------


class Reply(Protocol):
    def play(self, request: Request, line: Line) -> bool:
        """Write the reply; True when the connection can carry another request."""
        ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A well-formed completion, whole or streamed, whichever the request asks for."""

    message: Mapping[str, Any]
    deltas: Sequence[Mapping[str, Any]]
    finish: str | None
    words: int
    usage: bool | Mapping[str, Any] = True
    gap: float = 0.0
    ttft: float = 0.0
    latency: float = 0.0
    model: str | None = None
    framing: Framing = "event"
    headers: Mapping[str, str] = field(default_factory=dict)
    # a benchmark asks for the same 20,000 chunks again and again: build them once a model
    _built: dict[str, list[bytes]] = field(default_factory=dict, repr=False, compare=False)
    _joined: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def play(self, request: Request, line: Line) -> bool:
        line.wait(self.latency)
        if request.asks_for("stream"):
            self._stream(request, line)
        else:
            line.wait(self.ttft)
            line.write(whole(request, 200, self._completion(request), self.headers))
        return True

    def _completion(self, request: Request) -> dict[str, Any]:
        choice = {"index": 0, "message": self.message, "logprobs": None, "finish_reason": self.finish}
        return {
            "id": "chatcmpl-far",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self._model(request),
            "choices": [choice],
            **({"usage": self._usage(request)} if self.usage else {}),
        }

    def _stream(self, request: Request, line: Line) -> None:
        start = stream_head(request, chunked=True, headers=self.headers)
        end = framed(self._tail(request), self.framing) + LAST_CHUNK
        if self.ttft:
            line.write(start)
            line.wait(self.ttft)
            start = b""
        if self.gap:
            line.write(start)
            self._paced(self._events(request), end, line)
        else:
            line.write(start + self._bulk(request) + end)

    def _paced(self, events: list[bytes], end: bytes, line: Line) -> None:
        """Role and first piece at once, then one piece a gap by the clock, so that delays do not add up.

        What follows the last piece is one write: a client may leave at the finish reason, and that is no disconnect.
        """
        first, *rest = [framed(events[:2], "event"), *map(http_chunk, events[2:-1])]
        begin = time.monotonic()
        line.write(first)
        for count, chunk in enumerate(rest, start=1):
            line.wait(begin + count * self.gap - time.monotonic())
            line.write(chunk)
        line.write(framed(events[2:][-1:], "event") + end)

    def _events(self, request: Request) -> list[bytes]:
        model = self._model(request)
        if model not in self._built:
            frame = functools.partial(_delta_frame, _frame_start(model))
            opening = {"role": "assistant", "content": "" if self.message["content"] is not None else None}
            self._built[model] = [frame(opening), *map(frame, self.deltas), frame({}, self.finish)]
        return self._built[model]

    def _bulk(self, request: Request) -> bytes:
        model = self._model(request)
        if model not in self._joined:
            self._joined[model] = framed(self._events(request), self.framing)
        return self._joined[model]

    def _tail(self, request: Request) -> list[bytes]:
        options = request.asks_for("stream_options") or {}
        if not (self.usage and options.get("include_usage")):
            return [DONE]
        start = _frame_start(self._model(request))
        return [b'%b"choices":[],"usage":%b}\n\n' % (start, to_json(self._usage(request))), DONE]

    def _usage(self, request: Request) -> Mapping[str, Any]:
        """Counts a reader can check by eye: a token is a word."""
        if not isinstance(self.usage, bool):
            return self.usage
        asked = sum(len(text.split()) for text in _texts(request.asks_for("messages") or []))
        return {"prompt_tokens": asked, "completion_tokens": self.words, "total_tokens": asked + self.words}

    def _model(self, request: Request) -> str:
        return self.model or str(request.asks_for("model") or "far-model")


def _frame_start(model: str) -> bytes:
    shared = {"id": "chatcmpl-far", "object": "chat.completion.chunk", "created": int(time.time()), "model": model}
    return b"data: %b," % to_json(shared)[:-1]


def _delta_frame(start: bytes, delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    # pasted together, because dumping every chunk as one dict takes three times as long
    choice = b'{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}' % (to_json(delta), to_json(finish))
    return b'%b"choices":[%b]}\n\n' % (start, choice)


def _texts(messages: Iterable[Any]) -> Iterable[str]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from (part.get("text") or "" for part in content if isinstance(part, dict))


@dataclass(frozen=True)
class Failure:
    """One response with any status and body."""

    status: int
    body: Body
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0

    def play(self, request: Request, line: Line) -> bool:
        line.wait(self.latency)
        line.write(whole(request, self.status, self.body, self.headers))
        return True


@dataclass(frozen=True, kw_only=True)
class Events:
    """An event stream frame by frame, ending well or badly."""

    frames: Sequence[Frame]
    done: bool
    gap: float
    headers: Mapping[str, str]
    end: End
    eol: str

    def play(self, request: Request, line: Line) -> bool:
        wrap = bytes if self.end == "close" else http_chunk
        line.write(stream_head(request, chunked=self.end != "close", headers=self.headers))
        pause = 0.0
        for frame in [*self.frames, *(["data: [DONE]" + self.eol * 2] if self.done else [])]:
            if isinstance(frame, int | float):
                line.wait(frame)
                continue
            line.wait(pause)
            if data := self._bytes(frame):  # an empty HTTP chunk would mean the end
                line.write(wrap(data))
            pause = self.gap
        return self._finish(line)

    def _bytes(self, frame: Mapping[str, Any] | str | bytes) -> bytes:
        if isinstance(frame, bytes):
            return frame
        if isinstance(frame, str):
            return frame.encode()
        return b"data: %b%b" % (to_json(frame), (self.eol * 2).encode())

    def _finish(self, line: Line) -> bool:
        match self.end:
            case "chunked":
                with contextlib.suppress(ClientGone):  # a client may leave at [DONE], and that is no disconnect
                    line.write(LAST_CHUNK)
                return True
            case "hang":
                line.wait(None)
            case "reset":
                line.wait(SETTLE)
                line.close(reset=True)
            case "close" | "cut":
                pass
        return False


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, then the end of the connection."""

    data: bytes

    def play(self, _request: Request, line: Line) -> bool:
        line.write(self.data)
        return False


@dataclass(frozen=True)
class Silence:
    """Nothing, until the client gives up."""

    def play(self, _request: Request, line: Line) -> bool:
        line.wait(None)
        return False


@dataclass(frozen=True)
class Drop:
    """The end of the connection before any header."""

    reset: bool

    def play(self, _request: Request, line: Line) -> bool:
        line.close(reset=self.reset)
        return False


@dataclass(frozen=True)
class Computed:
    """A reply chosen by the request itself."""

    choose: Callable[[Request], Reply]

    def play(self, request: Request, line: Line) -> bool:
        return self.choose(request).play(request, line)


# --- the script -------------------------------------------------------------------------------------------------------


def spoken(
    text: str | Sequence[str],
    *,
    reasoning: str | None = None,
    reasoning_field: str = "reasoning_content",
    chunk: int = 4,
    finish: str | None = "stop",
    **more: Any,
) -> Answer:
    """An answer in words; a sequence of strings names the deltas one by one."""
    pieces = _pieces(text, chunk)
    thoughts = _pieces(reasoning or "", chunk)
    said = "".join(pieces)
    message: dict[str, Any] = {"role": "assistant", "content": said, "refusal": None}
    if reasoning is not None:
        message[reasoning_field] = reasoning
    deltas = [*({reasoning_field: piece} for piece in thoughts), *({"content": piece} for piece in pieces)]
    words = len(said.split()) + len((reasoning or "").split())
    return Answer(message=message, deltas=deltas, finish=finish, words=words, **more)


def calling(
    calls: Sequence[tuple[str, Mapping[str, Any] | str]],
    *,
    ids: Sequence[str] | None = None,
    text: str | None = None,
    reasoning: str | None = None,
    reasoning_field: str = "reasoning_content",
    chunk: int = 8,
    finish: str | None = "tool_calls",
    **more: Any,
) -> Answer:
    """An answer that calls tools; arguments given as a string are sent as they are, valid JSON or not."""
    names = ids or [f"call_{number}" for number in range(1, len(calls) + 1)]
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "tool_calls": []}
    deltas: list[dict[str, Any]] = []
    if reasoning is not None:
        message[reasoning_field] = reasoning
        deltas += ({reasoning_field: piece} for piece in _pieces(reasoning, chunk))
    deltas += ({"content": piece} for piece in _pieces(text or "", chunk))
    for index, (id_, (name, given)) in enumerate(zip(names, calls, strict=True)):
        arguments = given if isinstance(given, str) else json.dumps(given)
        function = {"name": name, "arguments": arguments}
        message["tool_calls"].append({"id": id_, "type": "function", "function": function})
        opening = {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
        deltas.append({"tool_calls": [opening]})
        for piece in _pieces(arguments, chunk):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    words = len(f"{text or ''} {reasoning or ''}".split()) + len(calls)
    return Answer(message=message, deltas=deltas, finish=finish, words=words, **more)


def _pieces(text: str | Sequence[str], chunk: int) -> list[str]:
    if not isinstance(text, str):
        return list(text)
    return [text[at : at + chunk] for at in range(0, len(text), chunk)]


class Script:
    """Replies in the order they were scripted; every verb returns the script, so that verbs can be strung together."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Reply, int | None]] = deque()
        self._last: Reply | None = None

    def answers(
        self,
        text: str | Sequence[str] = HELLO,
        *,
        reasoning: str | None = None,
        reasoning_field: str = "reasoning_content",
        usage: bool | Mapping[str, Any] = True,
        finish: str | None = "stop",
        chunk: int = 4,
        gap: float = 0.0,
        ttft: float = 0.0,
        latency: float = 0.0,
        model: str | None = None,
        framing: Framing = "event",
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> Self:
        """A good answer: `latency` seconds to the headers, `ttft` more to the first piece, `gap` between pieces.

        `usage=True` counts words; a dict is sent as it is; False sends none even if asked. `model=None` echoes the
        asked one. Whole (not streamed) answers take latency + ttft and ignore the gap. With a gap every event goes
        out alone, whatever the framing.
        """
        reply = spoken(
            text,
            reasoning=reasoning,
            reasoning_field=reasoning_field,
            usage=usage,
            finish=finish,
            chunk=chunk,
            gap=gap,
            ttft=ttft,
            latency=latency,
            model=model,
            framing=framing,
            headers=headers or {},
        )
        return self.plays(reply, times=times)

    def calls_tool(self, name: str, /, id: str = "call_1", **arguments: Any) -> Self:  # noqa: A002 - the wire's word
        """One tool call, streamed in fragments where a stream was asked for."""
        return self.plays(calling([(name, arguments)], ids=[id]))

    def calls_tools(
        self,
        calls: Sequence[tuple[str, Mapping[str, Any] | str]],
        *,
        times: int | None = None,
        **options: Any,
    ) -> Self:
        """Several tool calls in one answer; options are those of `calling` and of `Answer` (text, ids, gap, …)."""
        return self.plays(calling(calls, **options), times=times)

    def fails(
        self,
        status: int,
        body: Body = "",
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
        latency: float = 0.0,
    ) -> Self:
        """Any one response: dict → JSON, text starting with "<" → HTML, other text → plain. The status may be 200."""
        return self.plays(Failure(status, body, headers or {}, latency), times=times)

    def sends(
        self,
        frames: Sequence[Frame],
        *,
        done: bool = True,
        gap: float = 0.0,
        headers: Mapping[str, str] | None = None,
        end: End = "close",
        eol: str = "\n",
        times: int | None = None,
    ) -> Self:
        """A hand-made event stream: dict → one data event; text and bytes as they are; a number → a pause.

        Ends: "close" is delimited by EOF and so may be cut unseen; the others are chunked: "chunked" ends well, "cut"
        closes without the last chunk, "reset" with a TCP reset, "hang" says nothing more until the client leaves.
        """
        reply = Events(frames=list(frames), done=done, gap=gap, headers=headers or {}, end=end, eol=eol)
        return self.plays(reply, times=times)

    def replies(self, raw: bytes, *, times: int | None = None) -> Self:
        """Response bytes exactly as given, then the end of the connection."""
        return self.plays(Raw(raw), times=times)

    def hangs(self, *, times: int | None = None) -> Self:
        """Read the request and never answer."""
        return self.plays(Silence(), times=times)

    def drops(self, *, reset: bool = False, times: int | None = None) -> Self:
        """Close before any header: politely, or with a TCP reset."""
        return self.plays(Drop(reset), times=times)

    def computes(self, choose: Callable[[Request], Reply], *, times: int | None = None) -> Self:
        """Let a function of the request make the reply, for instance `lambda r: spoken(r.body["model"])`."""
        return self.plays(Computed(choose), times=times)

    def plays(self, reply: Reply, *, times: int | None = None) -> Self:
        self._queue.append((reply, times))
        return self

    def take(self) -> Reply | None:
        """The reply whose turn it is; None where nothing is scripted or all of it is used up."""
        if not self._queue:
            return self._last
        reply, times = self._queue.popleft()
        self._last = reply if times is None else None
        if times is not None and times > 1:
            self._queue.appendleft((reply, times - 1))
        return reply


# --- the server -------------------------------------------------------------------------------------------------------


class FarEnd(Script):
    """The server: a thread that accepts, and one for each connection."""

    def __init__(
        self,
        *,
        required_key: str | None = None,
        models: Sequence[str] = ("far-model",),
        port: int = 0,
        keep_requests: bool = True,
    ) -> None:
        super().__init__()
        self.required_key = required_key
        self.models = list(models)
        self._keep_requests = keep_requests
        self._news = threading.Condition()
        self._stopping = threading.Event()
        self._lines: set[Line] = set()
        self._threads: set[threading.Thread] = set()
        self._forget()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="far-end", daemon=True)
        self._acceptor.start()

    def _forget(self) -> None:
        self._queue.clear()
        self._last = None
        self._routes: list[tuple[Callable[[Request], bool], Script]] = []
        self.requests: list[Request] = []
        self.disconnects: list[Request] = []
        self.connections = 0
        self.served = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Request]:
        """The requests for completions, without those for the list of models."""
        return [request for request in self.requests if request.is_chat]

    def when(self, predicate: Callable[[Request], bool]) -> Script:
        """A script for the requests that fit (of any path); the first that fits and has a reply left wins."""
        script = Script()
        self._routes.append((predicate, script))
        return script

    def refuses(self, name: str, status: int, body: Body, *, then: str | None = None) -> Self:
        """Requests whose body has that field get the error; others the rest of the script, to which `then` is added."""
        self.when(lambda request: request.is_chat and isinstance(request.body, dict) and name in request.body).fails(
            status, body
        )
        return self if then is None else self.answers(then)

    def refuses_tools(self, status: int, body: Body, then: str | None = HELLO) -> Self:
        """Be a model without tools: requests that carry them get the error, others the answer."""
        return self.refuses("tools", status, body, then=then)

    def wait_for_disconnect(self, timeout: float = 5.0) -> bool:
        """True as soon as a client has left before its reply was complete."""
        with self._news:
            return self._news.wait_for(lambda: bool(self.disconnects), timeout)

    def wait_for_requests(self, count: int = 1, timeout: float = 5.0) -> bool:
        """True as soon as that many requests have come in since the start or the last reset."""
        with self._news:
            return self._news.wait_for(lambda: self.served >= count, timeout)

    def reset(self) -> None:
        """Forget script and records, and cut replies still under way; idle keep-alive connections stay."""
        with self._news:
            for line in self._lines:
                if line.busy:
                    line.cut()
            self._forget()

    def close(self) -> None:
        if self._stopping.is_set():
            return
        self._stopping.set()
        socket.create_connection(("127.0.0.1", self.port)).close()  # closing alone does not wake a thread in accept()
        self._acceptor.join(timeout=2.0)
        with self._news:
            threads = list(self._threads)
            for line in self._lines:
                line.cut()
        for thread in threads:
            thread.join(timeout=2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with self._listener:
            while True:
                sock, _ = self._listener.accept()
                if self._stopping.is_set():
                    sock.close()
                    return
                thread = threading.Thread(target=self._attend, args=(Line(sock, self._stopping),), daemon=True)
                with self._news:
                    self.connections += 1
                    self._threads.add(thread)
                thread.start()

    def _attend(self, line: Line) -> None:
        with self._news:
            self._lines.add(line)
            if self._stopping.is_set():
                line.cut()
        try:
            while (request := line.read(self._next_id)) and self._answer(request, line):
                pass
        except OSError:
            pass  # the client left between two requests
        finally:
            line.close()
            with self._news:
                self._lines.discard(line)
                self._threads.discard(threading.current_thread())

    def _next_id(self) -> str:
        return f"req_far_{self.served + 1}"

    def _answer(self, request: Request, line: Line) -> bool:
        with self._news:
            line.busy = True
            self.served += 1
            if self._keep_requests:
                self.requests.append(request)
            disconnects = self.disconnects  # a reset puts a new list here; stragglers then write into the old one
            reply = self._reply_to(request)
            self._news.notify_all()
        try:
            again = reply.play(request, line)
        except ClientGone:
            if not line.was_cut:
                with self._news:
                    disconnects.append(request)
                    self._news.notify_all()
            return False
        with self._news:
            line.busy = False
        return again and request.headers.get("connection", "").lower() != "close"

    def _reply_to(self, request: Request) -> Reply:
        if refusal := self._door(request):
            return refusal
        for predicate, script in self._routes:
            if predicate(request) and (reply := script.take()):
                return reply
        if request.is_chat:
            if not isinstance(request.body, dict):
                return Failure(400, openai_error("We could not parse the JSON body of your request."))
            return self.take() or DEFAULT
        return self._listing(request) or Failure(404, openai_error(f"Invalid URL ({request.method} {request.path})"))

    def _door(self, request: Request) -> Reply | None:
        if self.required_key is None:
            return None
        key = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if key == self.required_key:
            return None
        if not key:
            return Failure(401, openai_error("You didn't provide an API key. Send it as a Bearer token."))
        # the real one shows both ends of the key it refuses, which is a leak worth testing against
        shown = key[:4] + "*" * max(0, len(key) - 8) + key[-4:]
        return Failure(401, openai_error(f"Incorrect API key provided: {shown}.", code="invalid_api_key"))

    def _listing(self, request: Request) -> Reply | None:
        if request.method != "GET" or not request.path.startswith("/v1/models"):
            return None
        cards = [{"id": model, "object": "model", "created": 0, "owned_by": "far-end"} for model in self.models]
        if request.path == "/v1/models":
            return Failure(200, {"object": "list", "data": cards})
        wanted = request.path.removeprefix("/v1/models/")
        card = next((card for card in cards if card["id"] == wanted), None)
        return Failure(200, card) if card else no_such_model(wanted)


DEFAULT = spoken(HELLO)


def openai_error(message: str, *, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An error body in OpenAI's shape."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def no_such_model(name: str) -> Failure:
    text = f"The model `{name}` does not exist or you do not have access to it."
    return Failure(404, openai_error(text, code="model_not_found"))


# --- a process of its own, for benchmarks -----------------------------------------------------------------------------

SECTION = """\
## {number}. What the gauges said

The *upper* gauge rose by {number} cm before noon — slower than the café's owner had feared, and **well below** the
mark painted in 1954. Nobody moved the boats; see the [log](https://example.org/log/{number}) for the hours between.

1. Read the gauge at the bridge.
2. Write the level down, with `unit="cm"`:
   - a rise is positive,
   - a fall is negative.
3. Compare with yesterday's line.

```python
def rise(levels: list[float], day: int = {number}) -> float:
    # the first reading of a day is the reference
    return max(levels) - levels[0] if levels else 0.0
```

| station | level | change |
|:--------|------:|-------:|
| Bridge  | {level} cm | +{number} |
| Løkke   | {lower} cm | ±0 |

> "A river forgets nothing," said the keeper, and closed the book. 水位 stays the word for it.

With $h_{{0}}$ the first level, the rise is $\\Delta h = \\max_i h_i - h_{{0}}$; for day {number} that is {number} cm.

"""


def markdown(length: int) -> str:
    """Varied Markdown of exactly that many characters: the parts an answer is made of, numbered so no two are alike."""
    sections: list[str] = []
    size = 0
    while size < length:
        number = len(sections) + 1
        sections.append(SECTION.format(number=number, level=200 + number, lower=180 + number // 2))
        size += len(sections[-1])
    return "".join(sections)[:length]


@functools.lru_cache(maxsize=256)
def by_model_name(name: str) -> Answer | None:
    """The answer a benchmark's model name asks for, None where it is misspelt.

    Words between hyphens: n200 (pieces), chars4 (characters a piece), gap5ms (between pieces), ttft300ms (headers to
    first piece), lat50ms (request to headers), packed (HTTP chunks of 16 KiB), echo (say the last user message; n is
    then ignored), calls8 (first call the offered tool in so many rounds, with the round as its `number`). Words of
    letters only are free: "bench-n200-gap5ms". A word with a digit must be one of these.
    """
    numbers = {"n": 16.0, "chars": 4.0, "gap": 0.0, "ttft": 0.0, "lat": 0.0, "calls": 0.0}
    for word in name.split("-"):
        if match := re.fullmatch(r"(n|chars|calls)(\d+)|(gap|ttft|lat)(\d+(?:\.\d+)?)ms", word):
            numbers[match[1] or match[3]] = float(match[2] or match[4])
        elif not word.isalpha():
            return None
    chars = int(numbers["chars"])
    return spoken(
        markdown(int(numbers["n"]) * chars),
        chunk=max(1, chars),
        gap=numbers["gap"] / 1000,
        ttft=numbers["ttft"] / 1000,
        latency=numbers["lat"] / 1000,
        framing="packed" if "packed" in name.split("-") else "event",
    )


def _benchmark_reply(request: Request) -> Reply:
    name = str(request.asks_for("model"))
    answer = by_model_name(name)
    if answer is None:
        return no_such_model(name)
    if wanted := re.search(r"(?:^|-)calls(\d+)", name):
        made = sum(message.get("role") == "tool" for message in request.asks_for("messages") or [])
        if made < int(wanted[1]):
            offered = request.asks_for("tools")[0]["function"]["name"]
            return calling([(offered, {"number": made})], ids=[f"call_{made}"])
    if "echo" not in name.split("-"):
        return answer
    said = [m for m in request.asks_for("messages") or [] if m.get("role") == "user"][-1:]
    timing = {"gap": answer.gap, "ttft": answer.ttft, "latency": answer.latency, "framing": answer.framing}
    chunk = max(len(piece.get("content", "")) for piece in answer.deltas) if answer.deltas else 4
    return spoken("\n".join(_texts(said)), chunk=chunk, **timing)


def serve(port: int = 0) -> None:
    """Serve until the process that started this one is gone, so that a killed benchmark leaves nothing behind.

    GET /stats tells how many requests and connections came in and the CPU seconds this process used: the evidence that
    the server was not what a benchmark measured.
    """
    parent = os.getppid()
    with FarEnd(port=port, keep_requests=False) as far:
        far.computes(_benchmark_reply)
        far.when(lambda request: request.path == "/stats").computes(
            lambda _: Failure(
                200, {"requests": far.served, "connections": far.connections, "cpu_s": time.process_time()}
            )
        )
        print(json.dumps({"port": far.port}), flush=True)
        while os.getppid() == parent:
            time.sleep(0.3)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", required=True, help="print the port and serve")
    parser.add_argument("--port", type=int, default=0)
    serve(parser.parse_args(arguments).port)


if __name__ == "__main__":
    main(sys.argv[1:])
