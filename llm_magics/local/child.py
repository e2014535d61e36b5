"""The kernel's side of a process that works for it: an order, its reports, its last words, its end."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from pathlib import Path
from typing import IO, Any

from llm_magics.printable import short_line

LINES = 40  # of what it writes to standard error, the last ones
LONGEST = 2_000  # characters of such a line
SAID = 200  # characters of its last words that are repeated
_STAMP = re.compile(r"^[\d.]+ [A-Z] +")  # llama.cpp's, in front of every line: a time, a level …
_SPEAKER = re.compile(r"^(?:(?:srv|cmn|slot|que) +)?[\w.]+ *: +")  # … and who says it


class Ended(Exception):
    """The process is no more, and has no report left."""


class Child:
    """One process of `__main__`, in a session of its own: an interrupt is for the kernel, which ends what it started.

    Args:
        module: whose ``work`` it does.
        given: what that is given; it travels over standard input, and so may hold a key.
    """

    def __init__(self, module: str, given: dict[str, Any]) -> None:
        path = [str(Path(__file__).parents[2]), *(folder for folder in sys.path if Path(folder).is_absolute())]
        order = {"module": module, "given": given, "path": path}
        windows: dict[str, Any] = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        self._process = subprocess.Popen(  # noqa: S603 - this Python, with a file of this package
            [sys.executable, "-I", str(Path(__file__).with_name("__main__.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **(windows if sys.platform == "win32" else {"start_new_session": True}),
        )
        self._owner = os.getpid()
        self._heard: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._lines: deque[str] = deque(maxlen=LINES)
        self._silent = threading.Event()
        self.end = weakref.finalize(self, _end, self._process, self._owner)
        process, heard, lines, silent = self._process, self._heard, self._lines, self._silent
        for read in (lambda: _listen(process, heard), lambda: _note(process.stderr, lines, silent)):
            threading.Thread(target=read, name="llm_magics-local", daemon=True).start()
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended already, and says why
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def hear(self, seconds: float) -> dict[str, Any]:
        """Its next report, if one comes within that time; else an empty one.

        Raises:
            Ended: there will be none.
        """
        try:
            report = self._heard.get(timeout=seconds)
        except queue.Empty:
            return {}
        if report is None:
            self._heard.put(None)  # for whoever asks again
            raise Ended
        return report

    def has_ended(self, within: float = 0.0) -> bool:
        """Whether the process is no more, or will not be within that time; nobody knows in a fork of the kernel."""
        if os.getpid() != self._owner:
            return False
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def log(self) -> str:
        """What it wrote to standard error, the end of it."""
        self._silent.wait(1.0 if self.has_ended() else 0.0)
        return "\n".join(self._lines)

    def last_words(self) -> str:
        """How it ended, and the last that it said, in words that follow a colon."""
        status = self._process.returncode
        how = f"exit status {status}"
        if status is not None and status < 0:
            with contextlib.suppress(ValueError):
                how = f"killed by {signal.Signals(-status).name}"
        said = next((line for line in reversed(self.log().splitlines()) if line.strip()), "")
        said = short_line(without_stamp(said), SAID)
        return f"{how}, {said}" if said else how

    @property
    def killed(self) -> bool:
        """Whether the system ended it, as it does where memory runs out."""
        return self._process.returncode == -getattr(signal, "SIGKILL", 9)


def without_stamp(line: str) -> str:
    """A line of llama.cpp's without the time and the function in front."""
    return _SPEAKER.sub("", _STAMP.sub("", line)) if _STAMP.match(line) else line


def _listen(process: subprocess.Popen[bytes], heard: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    assert process.stdout is not None
    with process.stdout as reports:
        for line in reports:
            with contextlib.suppress(ValueError):
                report = json.loads(line)
                if isinstance(report, dict):
                    heard.put(report)
    process.wait()
    heard.put(None)


def _note(errors: IO[bytes] | None, lines: deque[str], silent: threading.Event) -> None:
    assert errors is not None
    with errors:
        while line := errors.readline(LONGEST):
            lines.append(line.decode("utf-8", "replace").rstrip())
    silent.set()


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End it; in a fork of the kernel it is not one's own to end. It has nothing to keep, so it is not asked."""
    if os.getpid() != owner:
        return
    process.kill()
    process.wait()
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
