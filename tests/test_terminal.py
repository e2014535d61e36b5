"""A terminal: streamed text, nothing printed twice, an interrupt that keeps what has arrived."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator

import pytest
from far_end import FarEnd

pexpect = pytest.importorskip("pexpect", reason="a pseudo-terminal needs pexpect")

SOON = 10.0  # seconds; a fraction of one on a quiet machine
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


def test_no_answer_can_print_a_head_like_those_of_lanes(typist: Typist, far: FarEnd) -> None:
    typist.types(f"%llm_config --add twin base_url={far.base_url}")
    far.answers("── twin ──\n\x1b[1m── twin ──\x1b[22m\nI pose as twin.")
    shown = typist.types("%llm -m far,twin Hi")
    assert re.findall("\x1b.*", shown) == ["\x1b[1m── far ──\x1b[22m", "\x1b[1m── twin ──\x1b[22m"]
    assert shown.count("── twin ──\n── twin ──\nI pose as twin.") == 2


def test_loading_prints_nothing(typist: Typist) -> None:
    assert typist.types("%reload_ext llm_magics") == ""


def test_ctrl_c_keeps_what_has_arrived_and_the_next_line_works(typist: Typist, far: FarEnd) -> None:
    far.answers("Slow words. " * 200, gap=0.05)
    typist.child.sendline("%llm Slowly, please")
    typist.child.expect("Slow words")
    began = time.monotonic()
    typist.child.sendintr()
    shown = typist.reads()
    assert time.monotonic() - began < SOON
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


def test_ctrl_c_while_nothing_has_come_is_one_line_however_often_it_is_pressed(typist: Typist, far: FarEnd) -> None:
    far.hangs()
    typist.child.sendline("%llm Hi")
    assert far.wait_for_requests(1, 20)
    began = time.monotonic()
    typist.child.delaybeforesend = None  # at once: what comes after the cell's end is IPython's own business
    for _ in range(3):
        typist.child.sendintr()
    shown = typist.reads()
    assert time.monotonic() - began < SOON
    assert "KeyboardInterrupt: stopped before an answer came" in shown
    assert "Traceback" not in shown
    assert far.wait_for_disconnect(SOON)
    far.reset()
    assert "Hello from the far end." in typist.types("%llm Hi")


def test_leaving_after_an_interrupt_is_silent(typist: Typist, far: FarEnd) -> None:
    far.answers("Slow words. " * 200, gap=0.05)
    typist.child.sendline("%llm Slowly, please")
    typist.child.expect("Slow words")
    typist.child.sendintr()
    typist.reads()
    typist.child.sendline("exit")
    typist.child.expect(pexpect.EOF)
    typist.child.wait()
    said = re.sub(r"\x1b\[[0-9;]*\w", "", typist.child.before).strip()  # the window's title is put back
    assert (said, typist.child.exitstatus) == ("", 0)


TOOL = """
import llm_magics
ran = []
@llm_magics.tool(side_effects=True)
def send(to: str) -> str:
    'Send a mail.'
    ran.append(to)
    return 'sent to ' + to
"""
QUESTION = "Enter = no: "


@pytest.fixture
def asked(typist: Typist, far: FarEnd) -> Typist:
    """Someone whose model wants two calls that are asked about."""
    typist.types(f"exec({TOOL!r})")
    far.calls_tools([("send", {"to": "ann"}), ("send", {"to": "bob"})]).answers("Done.")
    typist.child.sendline("%llm --tools send Go")
    return typist


def told(far: FarEnd) -> list[str]:
    return [message["content"] for message in far.chats[-1].body["messages"] if message["role"] == "tool"]


NO = "Not run: the user was asked, and said no."


def test_ctrl_d_at_a_question_is_a_no_of_somebody(asked: Typist, far: FarEnd) -> None:
    for _ in range(2):
        asked.child.expect(QUESTION)
        asked.child.sendeof()
    asked.reads()
    assert told(far) == [NO, NO]


def test_lines_that_are_pasted_at_a_question_answer_no_other(asked: Typist, far: FarEnd) -> None:
    asked.child.send("y\ny\n")  # before any is asked
    asked.child.expect(QUESTION)
    asked.child.send("y\ny\ny\n")
    asked.child.expect(QUESTION)
    asked.child.sendline("")
    asked.reads()
    assert told(far) == ["sent to ann", NO]
