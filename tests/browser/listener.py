"""A listener on loopback that counts who calls: a host that is not the notebook's own, as an attacker's would be."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Listener:
    """What was called, by the number in the path."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _called(self) -> None:
                listener.paths.append(self.path)
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(204)  # a page that was sent here stays where it is
                self.send_header("access-control-allow-origin", "*")
                self.end_headers()

            do_GET = do_POST = do_HEAD = do_OPTIONS = do_PUT = _called

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """Its ``host:port``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def called(self) -> set[int]:
        """The numbers that were called."""
        return {int(found[1]) for path in self.paths if (found := re.search(r"/(\d+)", path))}

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener for as long as the block lasts."""
    listener = Listener()
    try:
        yield listener
    finally:
        listener.close()
