"""The wire: HTTP and server-sent events exactly as real servers speak them, for clients on this computer only."""

from __future__ import annotations

import hmac
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from llm_magics.demo import words
from llm_magics.demo.reply import Replies, Reply
from llm_magics.demo.request import RefusedError, Request, parsed

_LARGEST_BODY = 10 * 1024 * 1024
_LARGEST_DRAINED = 64 * 1024 * 1024  # read away, so that the client gets to see the refusal
_IDLE = 300  # seconds until a silent connection is given up
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_FRAGMENT = 12  # characters of a tool call's arguments in one piece

Json = dict[str, Any]


class Server(ThreadingHTTPServer):
    """Listens on a free loopback port; every connection has a thread that dies with the process."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, key: str, models: Sequence[str], pace: float) -> None:
        self.models = tuple(models)
        self.pace = pace
        self.created = int(time.time())
        self.replies = Replies()
        self.stopping = threading.Event()
        self._key = key.encode()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.2,), name="llm-magics-demo", daemon=True)
        super().__init__(("127.0.0.1", 0), Handler)

    def server_bind(self) -> None:
        # the inherited method asks for the host's full name, which can take seconds without a network
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting, then cut what is still open."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        if self._thread.is_alive():  # in a forked process it is not, and waiting for it would never end
            self.shutdown()
        self.server_close()
        with self._open_lock:
            for connection in self._open:
                _cut(connection)

    def is_key(self, offered: str) -> bool:
        return hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), self._key)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news, and a notebook is no place for a server's log."""


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive over many requests."""

    server: Server
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # what cannot be read still gets an answer with a head
    server_version = "llm-magics-demo"
    sys_version = ""
    disable_nagle_algorithm = True  # a word is sent when it is there, not when a packet is full
    timeout = _IDLE

    def do_POST(self) -> None:
        self._answer()

    # every method is answered here, so that a wrong one gets an error in the right shape
    do_GET = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_POST  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
        """Nothing is logged: the output would land in somebody's notebook."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses, a broken request line for one, also gets the usual shape."""
        self.close_connection = True
        self._send_json(int(code), RefusedError(int(code), message or "The request could not be read.").body())

    def _answer(self) -> None:
        try:
            body = self._body()
            self._check_caller()
            self._route(body)
        except RefusedError as refusal:
            self._send_json(refusal.status, refusal.body())
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the client has gone, and with it the reason to go on

    def _body(self) -> bytes:
        """The request's body; it is read before anything is refused, or the next request would begin within it."""
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise RefusedError(411, "This server needs a Content-Length; chunked requests are not supported.")
        declared = self.headers.get("Content-Length") or "0"
        if not (declared.isascii() and declared.isdigit() and len(declared) < 20):
            self.close_connection = True
            raise RefusedError(400, "The Content-Length header is not a number.")
        length = int(declared)
        if length > _LARGEST_BODY:
            self.close_connection = True
            self._drain(min(length, _LARGEST_DRAINED))
            raise RefusedError(413, "The request is larger than 10 MB.")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the client left in the middle of its request")
        return body

    def _drain(self, length: int) -> None:
        while length > 0 and (read := len(self.rfile.read(min(length, 65536)))):
            length -= read

    def _check_caller(self) -> None:
        """Only programs on this computer that know the key; a web page, even one that rebinds a name, is kept out."""
        hosts = self.headers.get_all("Host") or []
        name = hosts[0].strip().lower() if len(hosts) == 1 else ""
        name = name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() else name
        if name not in _LOOPBACK:
            raise RefusedError(403, "This server only answers under a loopback address.", code="forbidden_host")
        if self.headers.get("Origin") is not None:
            raise RefusedError(403, "This server does not answer web pages.", code="forbidden_origin")
        scheme, _, key = (self.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not self.server.is_key(key.strip()):
            raise RefusedError(401, "The API key is missing or not the one of this server.", code="invalid_api_key")

    def _route(self, body: bytes) -> None:
        path = self.path.partition("?")[0].rstrip("/").removeprefix("/v1")
        models = {f"/models/{model}": model for model in self.server.models}
        allowed = {"/chat/completions": "POST", "/models": "GET", **dict.fromkeys(models, "GET")}.get(path)
        if allowed is None:
            raise RefusedError(404, "There is nothing at this address; try /v1/chat/completions.", code="unknown_url")
        if self.command != allowed:
            raise RefusedError(405, f"This address only takes {allowed}.", code="method_not_allowed")
        if path == "/chat/completions":
            self._complete(parsed(body, self.server.models))
        else:
            self._send_json(200, self._model(models[path]) if path in models else self._models())

    def _models(self) -> Json:
        return {"object": "list", "data": [self._model(model) for model in self.server.models]}

    def _model(self, model: str) -> Json:
        return {"id": model, "object": "model", "created": self.server.created, "owned_by": "llm_magics"}

    def _complete(self, request: Request) -> None:
        reply = self.server.replies.to(request)
        head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": request.model}
        if request.stream:
            self._send_stream(_chunks(head, reply, request.include_usage))
        else:
            self._send_json(200, _completion(head, reply))

    def _send_json(self, status: int, data: Json) -> None:
        body = json.dumps(data).encode()
        self._send_head(status, "application/json", {"Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_head(self, status: int, content_type: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("x-request-id", f"req_{secrets.token_hex(12)}")
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_stream(self, chunks: Iterator[tuple[Json, bool]]) -> None:
        """Send chunk after chunk; when the client hangs up the write fails, and no further one is made."""
        chunked = self.request_version != "HTTP/1.0"
        self.close_connection = self.close_connection or not chunked
        headers = {"Cache-Control": "no-cache"} | ({"Transfer-Encoding": "chunked"} if chunked else {})
        self._send_head(200, "text/event-stream; charset=utf-8", headers)
        for data, paced in chunks:
            if paced and self.server.pace > 0 and self.server.stopping.wait(self.server.pace):
                raise ConnectionAbortedError("the server was closed")
            self._send_piece(f"data: {json.dumps(data)}\n\n".encode(), chunked)
        self._send_piece(b"data: [DONE]\n\n", chunked)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send_piece(self, piece: bytes, chunked: bool) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)


def _completion(head: Json, reply: Reply) -> Json:
    message: Json = {"role": "assistant", "content": None if reply.calls else reply.text}
    if reply.calls:
        message["tool_calls"] = [call.wire() for call in reply.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": reply.usage()}


def _chunks(head: Json, reply: Reply, include_usage: bool) -> Iterator[tuple[Json, bool]]:
    """The chunks of a stream, and for each whether it waits its turn."""
    head = {**head, "object": "chat.completion.chunk"}
    blank = {"usage": None} if include_usage else {}

    def chunk(delta: Json, finish_reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**head, "choices": [choice], **blank}

    yield chunk({"role": "assistant", "content": None if reply.calls else ""}), False
    for piece in words.in_pieces(reply.text):
        yield chunk({"content": piece}), True
    for delta in _call_deltas(reply):
        yield chunk({"tool_calls": [delta]}), True
    yield chunk({}, reply.finish_reason), False
    if include_usage:
        yield {**head, "choices": [], "usage": reply.usage()}, False


def _call_deltas(reply: Reply) -> Iterator[Json]:
    """A call comes with its name first and its arguments bit by bit."""
    for index, call in enumerate(reply.calls):
        yield {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        for start in range(0, len(call.arguments), _FRAGMENT):
            yield {"index": index, "function": {"arguments": call.arguments[start : start + _FRAGMENT]}}
