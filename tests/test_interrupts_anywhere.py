"""An interrupt at any line of a call: it is never lost, says one thing, and leaves everything as it was."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest
from far_end import FarEnd, openai_error
from shells import RUNTIME, Shell

import llm_magics
from llm_magics import session
from llm_magics.events import Ask
from llm_magics.live import Silent
from llm_magics.view import View

OURS = f"{os.sep}llm_magics{os.sep}"
SAMPLES = 60  # moments of each call that are tried; every line would take a minute
HELLO = "Hello from the far end."


@contextmanager
def interrupted_at(moment: int, files: str = OURS, function: str = "") -> Iterator[list[str]]:
    """SIGINT comes at that step of this thread in files of that name; gives the steps there were."""
    steps: list[str] = []

    def trace(frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        code = frame.f_code
        if files not in code.co_filename or (function and code.co_name != function):
            return trace if event == "call" else None
        steps.append(f"{code.co_filename}:{frame.f_lineno} {event}")
        if len(steps) == moment:
            sys.settrace(None)
            frame.f_trace = None
            signal.raise_signal(signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield steps
    finally:
        sys.settrace(before)


@pytest.fixture(autouse=True)
def pythons_own_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def answers(far: FarEnd) -> None:
    far.answers(HELLO, chunk=4)


def refuses(far: FarEnd) -> None:
    far.fails(401, openai_error("Incorrect API key provided."))


def breaks_off(far: FarEnd) -> None:
    far.sends([{"choices": [{"index": 0, "delta": {"content": "Half an ans"}}]}], done=False, end="cut")


CALLS: dict[str, tuple[Callable[[FarEnd], None], str]] = {
    "an answer": (answers, "Hi"),
    "a refusal": (refuses, "Hi"),
    "an answer that breaks off": (breaks_off, "Hi"),
    "a dry run": (answers, "--dry-run Hi"),
    "a mistake": (answers, "-t hot Hi"),
}


@pytest.mark.parametrize(("script", "line"), CALLS.values(), ids=CALLS)
def test_code_that_lives_with_whatever_a_prompt_comes_to_is_stopped_all_the_same(
    far_shell: Shell, far: FarEnd, caplog: pytest.LogCaptureFixture, script: Callable[[FarEnd], None], line: str
) -> None:
    def call(moment: int) -> tuple[str, list[str]]:
        far.reset()
        script(far)
        ended = "went on"
        with interrupted_at(moment) as steps:
            try:
                far_shell.ip.run_line_magic("llm", line)
            except KeyboardInterrupt:
                ended = "stopped"
            except Exception:  # as in a loop that takes the next one after a failure
                pass
        return ended, steps

    call(0)
    _, steps = call(0)
    lost = Counter[str]()
    for moment in range(1, len(steps), max(1, len(steps) // SAMPLES)):
        ended, reached = call(moment)
        if len(reached) >= moment and ended != "stopped":
            lost[reached[-1]] += 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, reached[-1]
    assert not lost
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    far.reset()
    far_shell.run("answer = %llm Hi")
    assert far_shell["answer"].content == HELLO


def test_an_interrupt_after_the_last_byte_leaves_no_word_in_the_log(
    far_shell: Shell, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(Silent):
        def paint(self, view: View, waited: float) -> None:
            threading.Event().wait(0.5)  # meanwhile all of it arrives
            raise KeyboardInterrupt

    here = llm_magics.get_session()
    with pytest.raises(KeyboardInterrupt):
        here.ask(Ask(prompt="Hi"), {}, lambda who: Slow())
    far_shell.run("%llm Hi")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(("model", "name"), [("other", "llm_magics"), ("demo", "llm-magics-demo")])
def test_an_interrupt_while_a_thread_of_ours_starts_leaves_no_second_one(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch, model: str, name: str
) -> None:
    def count() -> int:
        return sum(thread.name == name for thread in threading.enumerate())

    far_shell.run(f"%llm -m {model.replace('other', 'far')} Hi")  # whatever is imported or made once is there
    monkeypatch.setattr(session, "_current", session.Session(None if model == "other" else RUNTIME))
    far_shell.run(f"%llm_config --add other base_url={far.base_url}/")
    before = count()
    with interrupted_at(8, "threading.py", "start") as steps, pytest.raises(KeyboardInterrupt):
        far_shell.ip.run_line_magic("llm", f"-m {model} Hi")
    assert len(steps) >= 8, "it was just starting"
    assert not far_shell.run(f"%llm -m {model} Hi").error
    assert count() == before + 1


def test_loading_that_was_interrupted_can_be_done_again(shell: Shell) -> None:
    shell.run("%unload_ext llm_magics")
    with interrupted_at(0) as steps:
        shell.ip.run_line_magic("load_ext", "llm_magics")
    for moment in range(1, len(steps), 3):
        shell.ip.run_line_magic("unload_ext", "llm_magics")
        with interrupted_at(moment), suppress(KeyboardInterrupt):
            shell.ip.run_line_magic("load_ext", "llm_magics")
        shell.run("%load_ext llm_magics")
        assert not shell.run("%llm --dry-run -m demo Hi").error, steps[moment]


TOOLS = '''
import llm_magics

@llm_magics.tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"7 degrees in {city}"

@llm_magics.tool
async def later(city: str) -> str:
    """The same, in a while."""
    return f"7 degrees in {city}"
'''


@pytest.mark.parametrize("files", [OURS, "deadlines.py", "tool_runs.py"], ids=["anywhere", "the limit", "the run"])
def test_a_conversation_with_tools_is_stopped_wherever_an_interrupt_lands_and_leaves_a_whole_history(
    far_shell: Shell, far: FarEnd, files: str, recwarn: pytest.WarningsRecorder
) -> None:
    far_shell.run(TOOLS)

    def places() -> tuple[Any, ...]:
        alarm = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
        return sys.stdout, sys.stderr, sys.displayhook, far_shell.ip.display_pub, signal.getsignal(signal.SIGINT), alarm

    def call(moment: int) -> tuple[str, list[str]]:
        far.reset()
        far.calls_tools([("weather", {"city": "Oslo"}), ("later", {"city": "Rome"})]).answers(HELLO)
        ended = "went on"
        with interrupted_at(moment, files) as steps:
            try:
                far_shell.ip.run_line_magic("llm", "--tools weather,later Hi")
            except KeyboardInterrupt:
                ended = "stopped"
        return ended, steps

    call(0)
    before, (_, steps) = places(), call(0)
    lost = Counter[str]()
    for moment in range(1, len(steps), max(1, len(steps) // SAMPLES)):
        far_shell.ip.user_ns.pop("_llm", None)
        ended, reached = call(moment)
        if len(reached) >= moment and ended != "stopped":
            lost[reached[-1]] += 1
        assert places() == before, reached[-1]
        messages = getattr(far_shell.ip.user_ns.get("_llm"), "messages", ())
        wanted = [one["id"] for message in messages for one in message.get("tool_calls", [])]
        assert [one["tool_call_id"] for one in messages if one["role"] == "tool"] == wanted, reached[-1]
    assert not lost
    assert call(0)[0] == "went on"
    assert far_shell["_llm"].message.content == HELLO
    assert not [one for one in recwarn if "never awaited" in str(one.message)]
