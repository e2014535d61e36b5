"""server-everything: the MCP project's own reference server (npm), in JavaScript, by nobody who wrote our library."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator

from engines.npm import Package, environment

PACKAGE = Package("@modelcontextprotocol/server-everything", "2026.8.31")
START_SECONDS = 20.0
available = PACKAGE.available


def command() -> list[str]:
    """What starts it over standard input and output."""
    return ["node", str(PACKAGE.folder / "dist" / "index.js"), "stdio"]


@contextlib.contextmanager
def over_http() -> Iterator[str]:
    """Run it on loopback, and give the URL of its streamable HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    child = subprocess.Popen(
        ["node", str(PACKAGE.folder / "dist" / "index.js"), "streamableHttp"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment() | {"PORT": str(port)},
    )
    try:
        _wait_for(port, child)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        child.kill()
        child.wait()


def _wait_for(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{PACKAGE.name} does not listen")
        time.sleep(0.05)
