"""The kernel's side of a program that speaks in lines over its standard streams: started without a shell, and ended."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

LINES = 20  # of what it writes to standard error, the last ones
LONGEST_SAID = 2_000  # characters of such a line
LONGEST = 16_000_000  # bytes of a line on standard output
GRACE = 0.5  # seconds that a program has to end by itself


class Piped:
    """A program in a process group of its own: an interrupt is for the kernel, which ends what it started.

    Args:
        command: what is run, as a list that no shell reads.
        environment: all of its environment.
        hear: given every line of its standard output on a thread of this object's, and None at the end, perhaps twice.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], hear: Callable[[bytes | None], None]
    ) -> None:
        self._process = process = _start(command, environment)
        self._owner = os.getpid()
        self._lines: deque[str] = deque(maxlen=LINES)
        self._silent, self._gone, self._too_long = threading.Event(), threading.Event(), threading.Event()
        self._orders: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.end = weakref.finalize(self, _end, process, self._owner, self._orders, self._gone)
        lines, silent, gone, too_long, orders = self._lines, self._silent, self._gone, self._too_long, self._orders
        heard_all = threading.Event()
        for work in (
            lambda: _collect(process, hear, gone, heard_all),
            lambda: _listen(process, hear, gone, too_long, heard_all),
            lambda: _note(process.stderr, lines, silent),
            lambda: _write(process.stdin, orders),
        ):
            threading.Thread(target=work, name="llm_magics-pipe", daemon=True).start()

    @property
    def pid(self) -> int:
        """The number of its process group."""
        return self._process.pid

    def say(self, line: bytes) -> None:
        """Write a line to its standard input; returns at once, whether the program reads it or not."""
        self._orders.put(line + b"\n")

    def note(self, line: str) -> None:
        """Count a line of its standard output that means nothing among what it said."""
        self._lines.append(line[:LONGEST_SAID])

    def has_ended(self, within: float = 0.0) -> bool:
        """Whether it is no more, or will not be within that time."""
        return self._gone.wait(within)

    @property
    def too_long(self) -> bool:
        """Whether it was ended for a line of more than `LONGEST` bytes."""
        return self._too_long.is_set()

    def last_words(self) -> str:
        """How it ended, if it did, and the last that it said, as it is."""
        ended = self.has_ended(0.2)
        self._silent.wait(0.5 if ended else 0.0)
        said = next((line for line in reversed(tuple(self._lines)) if line.strip()), "")
        return ", ".join(part for part in (self._how() if ended else "", f"it said: {said}" if said else "") if part)

    def _how(self) -> str:
        status = self._process.returncode
        if status is not None and status < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-status).name}"
        return f"exit status {status}"


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    if sys.platform == "win32":
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
        return subprocess.Popen(list(command), env=dict(environment), creationflags=flags, **pipes)  # noqa: S603
    guard = [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py")), str(os.getpid())]
    return subprocess.Popen(  # noqa: S603 - a list, which no shell reads
        [*guard, *command], env=dict(environment), start_new_session=True, **pipes
    )


def _collect(
    process: subprocess.Popen[bytes],
    hear: Callable[[bytes | None], None],
    gone: threading.Event,
    heard_all: threading.Event,
) -> None:
    """Wait for its end, and end what it left behind in its group before the group's number can be another's."""
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):  # somebody's handler collects all processes
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        _kill(process, gone)
    process.wait()
    gone.set()
    if not heard_all.wait(GRACE):  # somebody who left the group holds its standard output open
        hear(None)


def _listen(
    process: subprocess.Popen[bytes],
    hear: Callable[[bytes | None], None],
    gone: threading.Event,
    too_long: threading.Event,
    heard_all: threading.Event,
) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        while line := lines.readline(LONGEST + 1):
            if len(line) > LONGEST:
                too_long.set()
                _kill(process, gone)
                break
            hear(line)
    heard_all.set()
    hear(None)


def _note(errors: IO[bytes] | None, lines: deque[str], silent: threading.Event) -> None:
    assert errors is not None
    with errors:
        while line := errors.readline(LONGEST_SAID):
            lines.append(line.decode("utf-8", "replace").rstrip())
    silent.set()


def _write(stdin: IO[bytes] | None, orders: queue.SimpleQueue[bytes | None]) -> None:
    """On a thread of its own: a program that does not read must not hold anybody up."""
    assert stdin is not None
    with contextlib.suppress(OSError, ValueError):  # it has ended, and whoever listens to it is told so
        while (line := orders.get()) is not None:
            stdin.write(line)
            stdin.flush()
    with contextlib.suppress(OSError, ValueError):
        stdin.close()


def _end(
    process: subprocess.Popen[bytes], owner: int, orders: queue.SimpleQueue[bytes | None], gone: threading.Event
) -> None:
    """Close its input, ask its group to end, and end it; in a fork of the kernel it is not one's own to end."""
    if os.getpid() != owner:
        return
    orders.put(None)
    for hard in (False, True):
        if gone.wait(GRACE):
            return
        _kill(process, gone, hard=hard)
    gone.wait(2 * GRACE)


def _kill(process: subprocess.Popen[bytes], gone: threading.Event, *, hard: bool = True) -> None:
    if gone.is_set():
        return
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL if hard else signal.SIGTERM)
