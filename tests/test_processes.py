"""Threads, forks, other people's event loops, sleep and shutdown: what runs around a call does not break it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from far_end import FarEnd, Reply, Request, Silence, spoken
from kernels import Kernel, kernel

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks and stops processes")


def said(request: Request) -> Reply:
    """The prompt itself, so that nobody gets another's; ``Slowly`` takes its time, ``Hang`` takes for ever."""
    prompt = str(request.body["messages"][-1]["content"])
    if prompt == "Hang":
        return Silence()
    return spoken(prompt, gap=0.05 if prompt.startswith("Slowly") else 0.0)


@pytest.fixture(scope="module")
def far() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


@pytest.fixture(autouse=True)
def echo(far: FarEnd) -> None:
    far.reset()
    far.computes(said)


def settings_in(folder: Path, far: FarEnd) -> dict[str, str]:
    """The environment of a process whose model is the far end."""
    (folder / "config.toml").write_text(f'model = "far"\n[models.far]\nbase_url = "{far.base_url}"\n')
    return {"LLM_MAGICS_DIR": str(folder), "IPYTHONDIR": str(folder / "ipython")}


def ready(front: Kernel, far: FarEnd) -> None:
    """The extension loaded, and ``CONFIG`` for `call_llm`."""
    assert not front.run("%load_ext llm_magics").error
    front.run(f"from llm_magics import call_llm\nCONFIG = {{'models': {{'far': {{'base_url': {far.base_url!r}}}}}}}")


@pytest.fixture(scope="module")
def front(far: FarEnd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(**settings_in(tmp_path_factory.mktemp("kernel"), far)) as started:
        ready(started, far)
        yield started


# ---------------------------------------------------------------- threads

WORKER = """
import threading
got = []
def work():
    got.append(get_ipython().run_cell_magic("llm", "", "{prompt}").content)
worker = threading.Thread(target=work)
worker.start()
"""


def test_64_threads_get_each_their_own_answer(front: Kernel) -> None:
    ran = front.run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(64) as pool:\n"
        "    blocking = list(pool.map(lambda n: call_llm('far', f'call {n}', CONFIG).content, range(128)))\n"
        "    ask = get_ipython().run_cell_magic\n"
        "    cells = list(pool.map(lambda n: ask('llm', '', f'cell {n}').content, range(128)))\n"
        "print(blocking == [f'call {n}' for n in range(128)], cells == [f'cell {n}' for n in range(128)])",
        timeout=300,
    )
    assert not ran.error, ran.error
    assert ran.text == "True True\n"
    assert [message.kind for message in ran.messages] == ["stream"], "only the cell's own thread displays"


AT_ONCE = """
import json, sys, threading
sys.setswitchinterval(1e-5)
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "llm_magics")
import llm_magics
sessions, answers, start = [], [], threading.Barrier(16)
ask = shell.find_line_magic("llm")  # IPython's own run_line_magic sets builtins and takes them away, in no safe order

def work(n):
    start.wait()
    sessions.append(id(llm_magics.get_session()))
    try:
        for model in ("far", "demo"):
            answers.append(ask(f"-m {model} call {n};") is None)
    except Exception as error:
        answers.append(repr(error))

workers = [threading.Thread(target=work, args=(n,)) for n in range(16)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
servers = [thread for thread in threading.enumerate() if thread.name == "llm-magics-demo"]
print(json.dumps([len(set(sessions)), sorted(set(map(str, answers))), len(servers)]))
"""


def test_threads_that_are_the_first_to_ask_share_one_session(far: FarEnd, tmp_path: Path) -> None:
    env = {**os.environ, **settings_in(tmp_path, far)}
    done = subprocess.run([sys.executable, "-c", AT_ONCE], env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout == '[1, ["True"], 1]\n', done.stderr


def test_a_thread_that_fails_leaves_the_others_their_answers(front: Kernel) -> None:
    front.run("%%llm\nThe last answer.")
    ran = front.run(
        "import threading\n"
        "def fails():\n"
        "    try:\n"
        "        get_ipython().run_cell_magic('llm', '-m nowhere/x', 'Hi')\n"
        "    except BaseException as error:\n"
        "        print(type(error).__name__)\n"
        "worker = threading.Thread(target=fails)\n"
        "worker.start(); worker.join()\n"
        "print(_llm.text)"
    )
    assert ran.text == "UsageError\nThe last answer.\n"


def test_a_thread_goes_on_when_the_cell_of_another_is_interrupted(front: Kernel, far: FarEnd) -> None:
    front.run(WORKER.format(prompt="Slowly, in a thread of its own."))
    cell = front.start("%%llm\nHang")
    assert far.wait_for_requests(2, 20)
    front.interrupt()
    assert "KeyboardInterrupt" in front.finish(cell).error
    assert front.value("worker.join(30) or got") == ["Slowly, in a thread of its own."]


# ---------------------------------------------------------------- forks

FORK = """
import multiprocessing

def child(answers):
    answers.put(call_llm("far", "child's call", CONFIG).content)
    answers.put(get_ipython().run_cell_magic("llm", "", "child's cell").content)

def forked():
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=child, args=(answers,))
    process.start()
    found = [answers.get(timeout=60) for _ in range(2)]
    process.join(60)
    return [*found, process.exitcode]
"""


@LINUX
def test_a_forked_process_asks_and_so_does_its_parent_afterwards(front: Kernel) -> None:
    front.run(FORK)
    assert not front.run("%%llm\nHi").error
    assert front.value("forked()") == ["child's call", "child's cell", 0]
    assert front.run("%%llm\nparent").outputs[0]["data"]["text/markdown"] == "parent"


@LINUX
def test_a_fork_in_the_middle_of_an_answer_disturbs_neither(front: Kernel, far: FarEnd) -> None:
    front.run(FORK)
    far.reset()
    far.computes(said)
    front.run(WORKER.format(prompt="Slowly, while others fork." * 3))
    assert far.wait_for_requests(1, 20)
    assert front.value("forked()") == ["child's call", "child's cell", 0]
    assert front.value("worker.join(30) or got") == ["Slowly, while others fork." * 3]


# ---------------------------------------------------------------- event loops

LOOPS = {
    "nest_asyncio": "import nest_asyncio\nnest_asyncio.apply()",
    "uvloop": "import asyncio, uvloop\nasyncio.set_event_loop_policy(uvloop.EventLoopPolicy())",
    "no autoawait": "%autoawait off",
    "debugging": "import asyncio\nasyncio.get_event_loop().set_debug(True)",
}


@pytest.mark.parametrize("kind", LOOPS)
def test_whatever_was_done_to_the_users_event_loop_a_prompt_works_and_stops(
    far: FarEnd, tmp_path: Path, kind: str
) -> None:
    if kind in ("nest_asyncio", "uvloop"):
        pytest.importorskip(kind)
    with kernel(**settings_in(tmp_path, far)) as front:
        ready(front, far)
        for code in (LOOPS[kind], ""):  # before the first prompt, and once more with everything running
            assert not front.run(code).error
            assert front.run("%%llm\nHi").outputs[0]["data"]["text/markdown"] == "Hi"
            far.reset()
            far.computes(said)
            cell = front.start("%%llm\nHang")
            assert far.wait_for_requests(1, 20)
            front.interrupt()
            assert front.finish(cell).error == "KeyboardInterrupt: stopped before an answer came"
            assert front.value("call_llm('far', 'call', CONFIG).content") == "call"
        if kind != "no autoawait":
            asked = "async def ask():\n    return get_ipython().run_line_magic('llm', 'in a coroutine').content\n"
            ran = front.run(f"import asyncio\nawait asyncio.sleep(0)\n{asked}print(await ask())")
            assert (ran.error, ran.text) == ("", "in a coroutine\n")


# ---------------------------------------------------------------- sleep


def asleep(front: Kernel, seconds: float) -> None:
    """The kernel's process stands still for so long."""
    pid = front.manager.provisioner.pid
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


@LINUX
def test_an_answer_goes_on_after_the_machine_slept(front: Kernel, far: FarEnd) -> None:
    text = "Slowly, through the night. " * 4
    cell = front.start(f"%%llm --param timeout=2 --param timeout_silence=1\n{text}")
    front.finish(cell, until="Slowly")
    asleep(front, 3.5)
    ran = front.finish(cell)
    assert not ran.error, ran.error
    assert front.value("[_llm.status, _llm.text]") == ["ok", text]


@LINUX
def test_an_answer_that_came_while_the_machine_slept_is_taken(front: Kernel, far: FarEnd) -> None:
    far.reset()
    far.answers("In the night.", latency=1.0)
    config = {"models": {"far": {"base_url": far.base_url, "timeout": 2}}}
    cell = front.start(f"print(call_llm('far', 'Hi', {config}).content)")
    assert far.wait_for_requests(1, 20)
    asleep(front, 3.0)
    ran = front.finish(cell)
    assert (ran.error, ran.text) == ("", "In the night.\n")


# ---------------------------------------------------------------- the end

STREAM = """
import threading, time
from llm_magics.events import Ask
from llm_magics.live import Silent
from llm_magics.session import current
threading.Thread(target=lambda: current().ask(Ask(prompt="{prompt}"), {{}}, lambda who: Silent()), daemon=True).start()
time.sleep(2)
"""
CALL = """
import threading, time
from llm_magics import call_llm
threading.Thread(target=call_llm, args=("far", "Hang", {config}), daemon=True).start()
time.sleep(2)
"""
STUCK = """
import socket
socket.getaddrinfo = lambda *args, **more: __import__("time").sleep(600)  # a resolver that waits for a dead network
"""


@pytest.mark.parametrize("kind", ["a stream", "a silent stream", "a blocking call", "a name that is looked up"])
def test_a_process_ends_at_once_and_without_a_word_whatever_is_under_way(
    far: FarEnd, tmp_path: Path, kind: str
) -> None:
    env = settings_in(tmp_path, far)
    program = STREAM.format(prompt="Hang")
    if kind == "a stream":
        program = STREAM.format(prompt="Slowly " * 100)
    if kind == "a blocking call":
        program = CALL.format(config={"models": {"far": {"base_url": far.base_url}}})
    if kind == "a name that is looked up":
        env |= {"LLM_MAGICS_MODEL": "elsewhere"}
        (tmp_path / "config.toml").write_text('[models.elsewhere]\nbase_url = "http://a.name.invalid/v1"\n')
        program = STUCK + program
    program += "print('last line', flush=True)\nimport time; began = time.monotonic()\n"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **env}, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "last line\n", "")
    assert time.monotonic() - began < 30, "two seconds of sleep, the imports, and no more"


def test_a_kernel_that_is_shut_down_in_an_answer_ends_soon_and_says_nothing_of_ours(
    far: FarEnd, tmp_path: Path
) -> None:
    log = tmp_path / "kernel.log"
    with kernel(log=log, **settings_in(tmp_path, far)) as front:
        ready(front, far)
        front.start("%%llm\n" + "Slowly " * 100)
        assert far.wait_for_requests(1, 20)
        time.sleep(0.5)
        before = log.read_text()
        began = time.monotonic()
        front.manager.shutdown_kernel()
        assert time.monotonic() - began < 10
        assert far.wait_for_disconnect(5)
    said = log.read_text().removeprefix(before)  # the kernel itself may complain that its own sockets are closed
    assert not [word for word in ("llm_magics", "Task", "Exception ignored", "event loop") if word in said], said
