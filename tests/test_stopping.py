"""Stopping: an interrupt at any stage ends the cell at once, keeps the text, and leaves nothing behind."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import pytest
from far_end import FarEnd, markdown
from kernels import kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError
from stages import STAGES, Scene, Stage, asked, painted, scene

SOON = 10.0  # seconds; what is measured on a quiet machine is in benchmarks/bench_interrupt.py


@pytest.fixture(scope="module")
def far() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


@pytest.fixture(scope="module")
def here(far: FarEnd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene"), far) as made:
        yield made


@pytest.fixture(autouse=True)
def fresh_script(far: FarEnd) -> None:
    far.reset()


def soon(true: Callable[[], bool]) -> bool:
    """Whether it becomes true before long."""
    until = time.monotonic() + 2 * SOON
    while not (now := true()) and time.monotonic() < until:
        time.sleep(0.05)
    return now


def answers_again(here: Scene) -> bool:
    here.far.reset()
    ran = here.front.run("%%llm\nHi")
    return [output["data"]["text/markdown"] for output in ran.outputs] == ["Hello from the far end."]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_an_interrupt_at_any_stage_ends_the_cell_and_leaves_nothing_behind(here: Scene, stage: Stage) -> None:
    assert answers_again(here)
    before = here.left()
    here.far.reset()
    stage.script(here.far)
    cell = here.front.start(stage.cell)
    shown = stage.reached(here, cell)
    began = time.monotonic()
    here.front.interrupt()
    ran = here.front.finish(cell)
    ran.messages[:0] = shown
    assert time.monotonic() - began < SOON
    assert ran.error == f"KeyboardInterrupt: {stage.told}"
    assert "Traceback" not in ran.text
    if stage.connected:
        assert here.far.wait_for_disconnect(SOON), "the server stops, too"
    if stage.keeps_text:
        assert [output["output_type"] for output in ran.outputs] == ["display_data", "error"]
        assert "Interrupted: this is what had arrived" in ran.outputs[0]["data"]["text/markdown"]
        assert here.front.value("[_llm.status, len(_llm.text) > 0]") == ["interrupted", True]
    else:
        assert [output["output_type"] for output in ran.outputs] == [*stage.leaves, "error"]
    assert soon(lambda: within(here.left(), before, stage.hangs_on)), (before, here.left())
    assert answers_again(here)


def within(left: dict[str, Any], before: dict[str, Any], hanging: int) -> bool:
    """Nothing is there that was not; a connection that was kept for the next call may have been closed."""
    threads = left["threads"] <= before["threads"] + hanging
    return threads and left["files"] <= before["files"] and left["tasks"] == before["tasks"] == 0


def test_an_interrupt_while_hands_are_shaken_hangs_up(here: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here.front.run(f"%llm_config --add mute base_url=https://127.0.0.1:{listener.getsockname()[1]}/v1")
        cell = here.front.start("%%llm\nHi")
        line, _ = listener.accept()
        with line:
            line.settimeout(2 * SOON)
            assert line.recv(1)[:1] == b"\x16", "TLS begins with a handshake"
            here.front.interrupt()
            assert here.front.finish(cell).error == "KeyboardInterrupt: stopped before an answer came"
            while line.recv(65_536):
                pass  # to its end, which comes when the connection is closed
    here.front.run("%llm_config --reset")
    assert answers_again(here)


def test_a_second_and_a_third_interrupt_change_nothing(here: Scene) -> None:
    here.far.answers("On and on. " * 2_000, gap=0.02)
    cell = here.front.start("%%llm\nHi")
    shown = painted(here, cell)
    for _ in range(3):
        here.front.interrupt()
        time.sleep(0.02)
    ran = here.front.finish(cell)
    ran.messages[:0] = shown
    assert ran.error == "KeyboardInterrupt: stopped; what had arrived is in _llm"
    assert "Interrupted: this is what had arrived" in ran.outputs[0]["data"]["text/markdown"]
    assert here.front.value("_llm.text")
    assert answers_again(here)


def test_interrupts_around_the_end_of_an_answer_lose_none_of_it(here: Scene, far: FarEnd) -> None:
    text = markdown(60_000)

    def begin() -> str:
        here.far.reset()
        here.far.answers(text, chunk=1_000, gap=0.002)
        cell = here.front.start("%%llm\nHi")
        assert far.wait_for_requests(1, 20)
        return cell

    begun, cell = time.monotonic(), begin()
    here.front.finish(cell)
    wait = 0.8 * (time.monotonic() - begun)  # from here on to and fro around the end, however fast this machine is
    step, endings = wait / 12, set()
    for tried in range(60):
        if tried >= 14 and len(endings) > 1:
            break  # else the machine has become slower, or quicker, than it was
        cell = begin()
        time.sleep(max(0.0, wait))
        here.front.interrupt()
        try:
            ran = here.front.finish(cell)
        except Empty:  # the cell was over: what the kernel itself had still to send was interrupted
            wait -= step
            continue
        said, status = here.front.value("[_llm.text, _llm.status]")
        (shown,) = (output for output in ran.outputs if output["output_type"] != "error")
        assert text.startswith(said)
        assert status in ("ok", "interrupted")
        assert said == text or status == "interrupted"  # the last word may be there and the finish reason not yet
        assert said[:1_000].split()[1] in shown["data"]["text/markdown"]
        assert ("Interrupted:" in shown["data"]["text/markdown"]) == (status == "interrupted")
        assert "\n" not in ran.error, ran.error
        endings.add((status, ran.error))
        wait += step if status == "interrupted" else -step
    assert len(endings) > 1, "some came before the end, some after"


def test_queued_cells_are_not_sent_after_an_interrupt_and_can_be_run_again(here: Scene) -> None:
    here.far.answers("On and on. " * 2_000, gap=0.02)
    cells = [here.front.start("%%llm\nHi") for _ in range(4)]
    painted(here, cells[0])
    here.front.interrupt()
    ran = [here.front.finish(cell) for cell in cells]
    assert [one.reply["status"] for one in ran] == ["error", "aborted", "aborted", "aborted"]
    assert len(here.far.chats) == 1
    assert answers_again(here)


def test_a_line_in_a_cell_that_awaits_is_interrupted_like_any_other(here: Scene) -> None:
    here.far.hangs()
    cell = here.front.start("import asyncio\nawait asyncio.sleep(0)\nanswer = %llm Hi")
    asked(here, cell)
    began = time.monotonic()
    here.front.interrupt()
    assert "KeyboardInterrupt" in here.front.finish(cell).error
    assert time.monotonic() - began < SOON
    assert answers_again(here)


def test_an_interrupted_line_among_others_stops_its_cell(here: Scene) -> None:
    here.far.answers("On and on. " * 2_000, gap=0.02)
    cell = here.front.start("for n in range(3):\n    get_ipython().run_cell_magic('llm', '', 'Hi')\nran_on = True")
    asked(here, cell)
    here.front.interrupt()
    assert here.front.finish(cell).error.startswith("KeyboardInterrupt: stopped")
    assert len(here.far.chats) == 1
    assert here.front.value("['ran_on' in globals(), _llm.status]") == [False, "interrupted"]


def test_the_users_own_code_is_interrupted_as_ever_after_an_answer(here: Scene) -> None:
    cell = here.front.start("answer = %llm Hi\nimport time; time.sleep(600)")
    asked(here, cell)
    time.sleep(0.3)
    here.front.interrupt()
    error = here.front.finish(cell).error
    assert "KeyboardInterrupt" in error
    assert "stopped" not in error
    assert here.front.value("answer.content") == "Hello from the far end."


def test_typing_a_key_can_be_interrupted(here: Scene) -> None:
    cell = here.front.start("%llm_config --ask-key far")
    assert "not shown" in here.front.client.get_stdin_msg(timeout=20)["content"]["prompt"]
    here.front.interrupt()
    assert here.front.finish(cell).error == "KeyboardInterrupt: stopped"
    assert answers_again(here)


def test_a_blocking_call_is_interrupted_and_its_server_sees_it_leave(here: Scene) -> None:
    config = {"models": {"far": {"base_url": here.far.base_url, "api_key": "sk-far-0123456789"}}}
    here.front.run(f"from llm_magics import call_llm\ncall_llm('far', 'Hi', {config})")
    before = here.left()
    here.far.reset()
    here.far.hangs()
    cell = here.front.start(f"call_llm('far', 'Hi', {config})")
    asked(here, cell)
    began = time.monotonic()
    here.front.interrupt()
    assert "KeyboardInterrupt" in here.front.finish(cell).error
    assert time.monotonic() - began < SOON
    assert here.far.wait_for_disconnect(SOON)
    assert soon(lambda: within(here.left(), before, 0)), (before, here.left())
    here.far.reset()
    assert here.front.value(f"call_llm('far', 'Hi', {config}).content") == "Hello from the far end."


@pytest.mark.parametrize("delay", [0.03, 0.15, 0.3])
def test_an_interrupt_while_the_first_prompt_imports_breaks_nothing(
    far: FarEnd, tmp_path_factory: pytest.TempPathFactory, delay: float
) -> None:
    folder = tmp_path_factory.mktemp("fresh")
    (folder / "config.toml").write_text(f'[models.far]\nbase_url = "{far.base_url}"\n')
    with kernel(LLM_MAGICS_DIR=str(folder), IPYTHONDIR=str(folder / "ipython")) as front:
        front.run("%load_ext llm_magics")
        far.hangs(times=1)
        cell = front.start("print('begun')\nget_ipython().run_cell_magic('llm', '', 'Hi')")
        front.finish(cell, until="begun")
        time.sleep(delay)
        began = time.monotonic()
        front.interrupt()
        error = front.finish(cell).error
        assert "KeyboardInterrupt" in error
        assert "llm_magics" not in error, "at the very first it may hit IPython itself, which shows its own lines"
        assert time.monotonic() - began < 3 * SOON, "an import goes on to its end"
        far.reset()
        assert front.run("%%llm\nHi").outputs[0]["data"]["text/markdown"].endswith("Hello from the far end.")


@pytest.mark.parametrize("interrupts", [True, False], ids=["interrupted", "ended"])
def test_a_notebook_that_is_run_with_a_time_limit_lets_go_of_the_server(
    far: FarEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupts: bool
) -> None:
    (tmp_path / "config.toml").write_text(f'model = "far"\n[models.far]\nbase_url = "{far.base_url}"\n')
    monkeypatch.setenv("LLM_MAGICS_DIR", str(tmp_path))
    far.hangs()
    sources = ["%load_ext llm_magics", "%%llm\nHi", "went_on = print('went on')"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = NotebookClient(book, timeout=8, interrupt_on_timeout=interrupts, allow_errors=True, kernel_name="python3")
    if interrupts:
        client.execute()
        assert book.cells[1].outputs[-1]["evalue"] == "stopped before an answer came"
        assert book.cells[2].outputs[0]["text"] == "went on\n"
    else:
        with pytest.raises(CellTimeoutError):
            client.execute()
    assert far.wait_for_disconnect(SOON)
