"""Where the requests of the fault matrix go: to the far end, past it, or to somebody who is no HTTP server."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import trustme
from far_end import FarEnd

Place = Callable[[FarEnd], AbstractContextManager[str]]


@contextlib.contextmanager
def far_end(far: FarEnd) -> Iterator[str]:
    """The scripted server itself."""
    yield far.base_url


@contextlib.contextmanager
def without_v1(far: FarEnd) -> Iterator[str]:
    """The scripted server, with a base URL that lacks its last part."""
    yield far.base_url.removesuffix("/v1")


@contextlib.contextmanager
def nobody(_far: FarEnd) -> Iterator[str]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@contextlib.contextmanager
def no_such_host(_far: FarEnd) -> Iterator[str]:
    """A host name that is reserved for not existing."""
    yield "http://nowhere.invalid/v1"


@contextlib.contextmanager
def firewall(_far: FarEnd) -> Iterator[str]:
    """A port that takes no further connection and says nothing about it: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@contextlib.contextmanager
def untrusted(_far: FarEnd) -> Iterator[str]:
    """A TLS server whose certificate nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def shake_hands(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as secure:
            secure.recv(1)

    with _attended(shake_hands) as port:
        yield f"https://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def waits_for_plain_http(_far: FarEnd) -> Iterator[str]:
    """A plain HTTP server that waits for the end of a line, which TLS does not send."""

    def listen(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            while sock.recv(1000):
                pass

    with _attended(listen) as port:
        yield f"https://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def plain_http_with_manners(_far: FarEnd) -> Iterator[str]:
    """A plain HTTP server that answers TLS as most do: with an error in plain text."""

    def refuse(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            sock.recv(1000)
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    with _attended(refuse) as port:
        yield f"https://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def behind_a_proxy(far: FarEnd) -> Iterator[str]:
    """A host that only a proxy reaches; the scripted server is the proxy."""
    with _environment(HTTP_PROXY=f"http://127.0.0.1:{far.port}"):
        yield f"http://model-{far.port}.invalid/v1"


@contextlib.contextmanager
def behind_a_dead_proxy(far: FarEnd) -> Iterator[str]:
    """The same, with nobody at the proxy's port."""
    with nobody(far) as url, _environment(HTTP_PROXY=url.removesuffix("/v1")):
        yield f"http://hidden-{far.port}.invalid/v1"


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _attended(attend: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose connections are each given to a function."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            if stopping.is_set():
                sock.close()
                return
            attend(sock)

    stopping = threading.Event()
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield port
    finally:
        stopping.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
        thread.join(timeout=2.0)
        listener.close()
