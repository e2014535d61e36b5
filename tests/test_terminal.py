"""A terminal: streamed text, nothing printed twice, an interrupt that keeps what has arrived."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest
from far_end import FarEnd

pexpect = pytest.importorskip("pexpect", reason="a pseudo-terminal needs pexpect")

PROMPT = r"In \[\d+\]: "


class Typist:
    """Someone at a terminal IPython."""

    def __init__(self) -> None:
        command = ["-m", "IPython", "--colors=NoColor", "--simple-prompt", "--no-banner", "--no-confirm-exit"]
        self.child = pexpect.spawn(sys.executable, command, encoding="utf-8", timeout=30, echo=False)
        self.child.expect(PROMPT)

    def types(self, line: str) -> str:
        """Type a line; what the terminal shows until the next prompt."""
        self.child.sendline(line)
        return self.reads()

    def reads(self) -> str:
        """What the terminal shows until the next prompt."""
        self.child.expect(PROMPT)
        return str(self.child.before).replace("\r\n", "\n").strip()


@pytest.fixture
def typist(far: FarEnd) -> Iterator[Typist]:
    someone = Typist()
    someone.types("%load_ext llm_magics")
    someone.types(f"%llm_config --add far base_url={far.base_url}")
    try:
        yield someone
    finally:
        someone.child.close(force=True)


def test_the_answer_is_printed_once_and_is_the_last_value(typist: Typist, far: FarEnd) -> None:
    far.answers("An answer of **some** words.")
    assert typist.types("%llm Is it?") == "An answer of **some** words."
    assert typist.types("_.content") == "Out[4]: 'An answer of **some** words.'"


def test_loading_prints_nothing(typist: Typist) -> None:
    assert typist.types("%reload_ext llm_magics") == ""


def test_ctrl_c_keeps_what_has_arrived_and_the_next_line_works(typist: Typist, far: FarEnd) -> None:
    far.answers("Slow words. " * 200, gap=0.05)
    typist.child.sendline("%llm Slowly, please")
    typist.child.expect("Slow words")
    began = time.monotonic()
    typist.child.sendintr()
    shown = typist.reads()
    assert time.monotonic() - began < 1.0
    assert "Interrupted: this is what had arrived." in shown
    assert "Traceback" not in shown
    assert typist.types("_llm.status") == "Out[4]: 'interrupted'"


def test_a_key_is_typed_without_being_shown_and_never_listed(typist: Typist, far: FarEnd) -> None:
    typist.child.sendline("%llm_config --ask-key far")
    typist.child.expect("not shown")
    typist.child.sendline("sk-typed-0123456789")
    assert "stays in this kernel's memory" in typist.reads()
    shown = typist.types("%llm_config")
    assert "set (typed)" in shown
    assert "sk-typed" not in shown
    typist.types("%llm Hi")
    assert far.chats[-1].headers["authorization"] == "Bearer sk-typed-0123456789"
