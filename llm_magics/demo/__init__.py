"""The model that is there before any other: a small server inside the package, so that the first prompt has an answer.

It speaks the Chat Completions protocol like any real server, on a loopback port and with a key of its own, and
answers from the packaged guide. Nothing leaves the process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_magics.demo.server import Server

__all__ = ["MODEL", "Demo", "start"]

MODEL = "demo"
PACE = 0.008  # seconds a word; slow enough to see the answer grow, fast enough not to wait for it


@dataclass(frozen=True)
class Demo:
    """A running demo server, and what a client needs to talk to it."""

    base_url: str
    api_key: str = field(repr=False)
    model: str
    _server: Server = field(repr=False, compare=False)

    def close(self) -> None:
        """Stop listening and end the answers under way; closing twice does no harm."""
        self._server.stop()


def start(pace: float = PACE) -> Demo:
    """Start a server in the background. `pace` is the time between two streamed words, in seconds."""
    # imported here, because most sessions name a real model and never need a server
    import secrets

    from llm_magics.demo.reply import BRIEF
    from llm_magics.demo.server import Server

    key = secrets.token_hex(24)
    server = Server(key=key, models=(MODEL, BRIEF), pace=pace)
    server.start()
    return Demo(f"http://127.0.0.1:{server.server_port}/v1", key, MODEL, server)
