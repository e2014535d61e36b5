"""Runs a program that nobody here wrote, and ends it with the kernel, together with all that it started.

Run as a script, with the kernel's number and the command: this process leads a process group of which the program is a
member, and hands its standard streams on. It imports nothing of the package, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import NoReturn

LOOK = 0.5  # seconds between two looks whether the kernel is still there
NOT_STARTED = 127  # the status that a shell gives for a command it cannot run


def main() -> NoReturn:
    """Run the command to its end, or to the kernel's."""
    kernel, command = int(sys.argv[1]), sys.argv[2:]
    try:
        program = subprocess.Popen(command)  # noqa: S603 - a list, which no shell reads
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(NOT_STARTED)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is for the program, which may need a moment to end
    _let_go_of_streams()
    while True:
        try:
            _end_like(program.wait(LOOK))
        except subprocess.TimeoutExpired:
            if os.getppid() != kernel:  # whoever loses its parent is given another
                os.killpg(0, signal.SIGKILL)


def _let_go_of_streams() -> None:
    """They are the program's now: who reads them must see its end, not this process's."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _end_like(status: int) -> NoReturn:
    if status < 0:
        with contextlib.suppress(OSError):  # of signals that are always what they are
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status & 0xFF)


if __name__ == "__main__":
    main()
