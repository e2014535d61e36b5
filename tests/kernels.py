"""A real kernel under test: cells go in, every message of its output channel is kept with its size and its moment."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

OUTPUTS = ("display_data", "update_display_data", "stream", "execute_result", "clear_output", "error")


@dataclass(slots=True)
class Message:
    """One message of the output channel: its kind, its content, its bytes on the wire, seconds since the cell began.

    ``sent`` is the kernel's own clock, in seconds: a busy reader does not bend it.
    """

    kind: str
    content: dict[str, Any]
    size: int
    at: float
    sent: float = 0.0


@dataclass(slots=True)
class Ran:
    """What a cell did."""

    messages: list[Message] = field(default_factory=list)
    seconds: float = 0.0
    reply: dict[str, Any] = field(default_factory=dict)

    def of(self, *kinds: str) -> list[Message]:
        """The messages of these kinds."""
        return [message for message in self.messages if message.kind in kinds]

    def most_in_a_second(self) -> tuple[int, int]:
        """The most bytes and the most messages that any one second had, whenever it began."""
        seconds = [[m for m in self.messages if 0 <= m.sent - first.sent < 1.0] for first in self.messages]
        return max(sum(m.size for m in second) for second in seconds), max(map(len, seconds))

    @property
    def bytes(self) -> int:
        """All that outputs cost on the wire."""
        return sum(message.size for message in self.messages)

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """The outputs a front end would save: displays in their last state, those cleared away left out."""
        saved: list[dict[str, Any]] = []
        clear = False
        for message in self.messages:
            if message.kind == "clear_output":
                clear = True
                continue
            if message.kind == "update_display_data":
                _update(saved, message.content)
                continue
            if clear:
                saved, clear = [], False
            saved.append({"output_type": message.kind, **message.content})
        return saved

    @property
    def text(self) -> str:
        """What was printed."""
        return "".join(message.content["text"] for message in self.of("stream"))

    @property
    def error(self) -> str:
        """The error output as a person reads it; empty when there is none."""
        return "\n".join(line for message in self.of("error") for line in message.content["traceback"])


def _update(saved: list[dict[str, Any]], content: Mapping[str, Any]) -> None:
    for output in saved:
        if output.get("transient", {}).get("display_id") == content["transient"]["display_id"]:
            output["data"] = content["data"]


class Kernel:
    """A kernel process of this environment; what it writes to standard error goes into ``log``, where one is given."""

    def __init__(self, log: Path | None = None, **env: str) -> None:
        self.manager = KernelManager(kernel_name="python3")
        with log.open("w") if log is not None else nullcontext() as stderr:
            self.manager.start_kernel(env={**os.environ, **env}, stderr=stderr)
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=60)
        except BaseException:
            self.close()  # a process that nobody knows of would stay
            raise
        self._socket = self.client.iopub_channel.socket
        self._socket.RCVHWM = 0  # count everything, however fast it comes

    def start(self, code: str) -> str:
        """Begin a cell; its id."""
        return self.client.execute(code)

    def begun(self, cell: str, *, timeout: float = 60.0) -> None:
        """Wait until the kernel runs a cell: an interrupt before that is for nobody."""
        until = time.monotonic() + timeout
        while self._read(cell)[0] != "execute_input":
            if time.monotonic() > until:
                raise TimeoutError(f"the cell did not begin in {timeout:g} s")

    def finish(self, cell: str, *, until: str = "", timeout: float = 60.0) -> Ran:
        """Read a cell's messages to its end, or until one holds the text ``until``."""
        ran, began = Ran(), time.monotonic()
        while time.monotonic() - began < timeout:
            kind, content, size, sent = self._read(cell)
            if kind in OUTPUTS:
                ran.messages.append(Message(kind, content, size, time.monotonic() - began, sent))
                if until and until in json.dumps(content, ensure_ascii=False):
                    break
            if kind == "status" and content["execution_state"] == "idle":
                ran.reply = self._reply(cell)
                break
        else:
            raise TimeoutError(f"the cell did not end in {timeout:g} s")
        ran.seconds = time.monotonic() - began
        return ran

    def _read(self, cell: str) -> tuple[str, dict[str, Any], int, float]:
        """The next message of a cell, if one comes soon: its kind, its content, its bytes, when it was sent."""
        if not self._socket.poll(200):
            return "", {}, 0, 0.0
        frames = self._socket.recv_multipart()
        place = frames.index(b"<IDS|MSG>")
        head, parent, content = (json.loads(frames[place + n]) for n in (2, 3, 5))
        if parent.get("msg_id") != cell:
            return "", {}, 0, 0.0
        return head["msg_type"], content, sum(map(len, frames)), datetime.fromisoformat(head["date"]).timestamp()

    def run(self, code: str, *, timeout: float = 60.0) -> Ran:
        """Run a cell to its end."""
        return self.finish(self.start(code), timeout=timeout)

    def asked(self, *, timeout: float = 60.0) -> str:
        """The question that a cell asks the person in front."""
        return str(self.client.get_stdin_msg(timeout=timeout)["content"]["prompt"])

    def answer(self, word: str) -> None:
        """What that person types, and Enter."""
        self.client.input(word)

    def interrupt(self) -> None:
        """What the stop button does."""
        self.manager.interrupt_kernel()

    def value(self, expression: str) -> Any:
        """A JSON value out of the kernel."""
        ran = self.run(f"import json as _json; print(_json.dumps({expression}))")
        assert not ran.error, ran.error
        return json.loads(ran.text)

    def close(self) -> None:
        """End the process."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def _reply(self, cell: str) -> dict[str, Any]:
        while True:
            reply = self.client.get_shell_msg(timeout=10)
            if reply["parent_header"].get("msg_id") == cell:
                return dict(reply["content"])


@contextmanager
def kernel(log: Path | None = None, **env: str) -> Iterator[Kernel]:
    """A kernel with these environment variables besides."""
    started = Kernel(log, **env)
    try:
        yield started
    finally:
        started.close()
