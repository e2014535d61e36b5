"""The child's side of every process that is started here: one order comes in, reports go out, and it ends in time."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

LOOK = 2.0  # seconds between two looks whether the kernel is still there


def main() -> NoReturn:
    """Do what the order says.

    It comes over standard input, as others can read arguments and environments: which module of this folder does the
    work, what its ``work`` is given, and what else Python's path holds in the kernel.
    """
    order = json.loads(sys.stdin.readline())
    _end_with_the_kernel()
    say = _reports()
    sys.path += [folder for folder in order["path"] if folder not in sys.path]
    status = 0
    try:
        importlib.import_module(f"llm_magics.local.{order['module']}").work(order["given"], say)
    except Exception as error:  # noqa: BLE001 - the process's end; the kernel tells it
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        status = 1
    sys.stderr.flush()
    os._exit(status)  # llama.cpp's own ending may wait for ever


def _reports() -> Callable[[dict[str, Any]], None]:
    """What writes a report. Standard output is the kernel's alone: whatever else is printed goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    writing = threading.Lock()

    def say(report: dict[str, Any]) -> None:
        with writing, contextlib.suppress(BrokenPipeError):
            out.write(json.dumps(report) + "\n")
            out.flush()

    return say


def _end_with_the_kernel() -> None:
    """End when standard input does, or the kernel.

    Loading a model holds Python's lock for as long as it takes, so no thread can see to it: a forked process does,
    where there are any. Standard input alone does not tell, as processes that the kernel forked keep it open.
    """
    if not hasattr(os, "fork"):
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        return
    worker, kernel = os.getpid(), os.getppid()
    working, kept = os.pipe()  # the other end is this process's alone, and closes when it ends
    if os.fork():
        os.close(working)
        return
    os.close(kept)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    while not select.select([0, working], [], [], LOOK)[0] and _is_there(kernel):
        pass
    if os.getppid() == worker:
        os.kill(worker, signal.SIGKILL)
    os._exit(0)


def _is_there(process: int) -> bool:
    """Whether a process runs; one that has ended keeps its number until whoever started it looks after it."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):  # a system that does not tell
        return True
    return state not in ("Z", "X")


if __name__ == "__main__":
    main()
