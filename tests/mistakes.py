"""What tests of bad input share: nothing is sent, the mistake is one line, and the next cell works."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from far_end import HELLO, FarEnd
from IPython.core.error import UsageError
from shells import Done, Shell

CANARY = "sk-canary-0123456789"
SECONDS = "is not usable; it takes a finite number of seconds above 0."


@contextlib.contextmanager
def nothing_sent(shell: Shell, far: FarEnd) -> Iterator[None]:
    """What runs inside sends nothing and leaves the last answer; what runs afterwards works as ever."""
    shell.run("%%llm\nThe prompt before")
    before, sent = shell["_llm"], len(far.requests)
    yield
    assert shell["_llm"] is before
    assert len(far.requests) == sent
    assert shell.run("%%llm -m far\nThe prompt after").text == f"{HELLO}\n"


def mistake(done: Done) -> str:
    """What a person reads of a cell that they typed wrong: no traceback, no key."""
    assert isinstance(done.error, UsageError)
    assert done.errors.startswith("UsageError: ")
    assert "Traceback" not in done.errors + done.text
    assert "canary" not in done.errors + done.text
    return done.errors.removeprefix("UsageError: ").removesuffix("\n")


def sent(shell: Shell, far: FarEnd, cell: str) -> str:
    """The prompt that a cell sends."""
    done = shell.run(cell)
    assert done.error is None, done.errors
    return str(far.chats[-1].body["messages"][-1]["content"])
