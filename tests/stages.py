"""The stages of a call at which someone may interrupt it: how each is brought about, and how to know it is reached."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from far_end import FarEnd, markdown, openai_error
from kernels import Kernel, Message, kernel

# A key store that waits for a password prompt nobody sees.
KEY_STORE = """
import pathlib, time

def get_password(service, name):
    (pathlib.Path(__file__).parent / "asked").touch()
    time.sleep(600)
"""
# What there is in a kernel that a call could leave behind: threads, open files, tasks of any event loop.
LEFT = """
def left():
    import asyncio, gc, os, threading
    ours = [t.name for t in threading.enumerate() if t.name.startswith("llm_magics")]
    tasks = [t for t in gc.get_objects() if isinstance(t, asyncio.Task) and not t.done()]
    coroutines = [getattr(t.get_coro(), "__qualname__", "") for t in tasks]
    return {
        "threads": threading.active_count(),
        "our threads": sorted(ours),
        "files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
        "tasks": sum(name.startswith(("Running.", "_told", "exchange")) for name in coroutines),
    }
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a call.

    Attributes:
        cell: the cell that reaches it; ``{nowhere}`` is an address that does not accept.
        script: what the far end does.
        reached: waits until the cell is there, and gives what it has shown by then.
        told: what the cell's one error line says.
        keeps_text: whether some of an answer is there by then.
        leaves: kinds of outputs that stay besides the error, where there is no answer.
        connected: whether the far end holds a request that has to be given up.
        hangs_on: threads that nothing can end; never more than these, however often it is interrupted.
    """

    name: str
    cell: str
    script: Callable[[FarEnd], object]
    reached: Callable[[Scene, str], list[Message]]
    told: str = "stopped before an answer came"
    keeps_text: bool = False
    leaves: tuple[str, ...] = ()
    connected: bool = True
    hangs_on: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """A kernel, the far end it talks to, the folder it keeps its settings in, an address that does not accept."""

    front: Kernel
    far: FarEnd
    folder: Path
    nowhere: str

    def left(self) -> dict[str, object]:
        """What there is in the kernel that a call could leave behind."""
        found = self.front.value("left()")
        assert isinstance(found, dict)
        return found


@contextmanager
def scene(folder: Path, far: FarEnd, python: str | None = None) -> Iterator[Scene]:
    """A kernel with a model at the far end, one that does not accept, and one whose key is in a silent key store."""
    (folder / "parts").mkdir()
    (folder / "parts" / "keyring.py").write_text(KEY_STORE)
    with full() as nowhere:
        (folder / "config.toml").write_text(
            f'model = "far"\n[models.far]\nbase_url = "{far.base_url}"\n'
            f'[models.nowhere]\nbase_url = "{nowhere}"\n'
            f'[models.keyed]\nbase_url = "{far.base_url}"\napi_key_env = "A_KEY_THAT_IS_IN_NO_ENVIRONMENT"\n'
        )
        env = {"LLM_MAGICS_DIR": str(folder), "IPYTHONDIR": str(folder / "ipython")}
        with kernel(**env) as front:
            front.run(f"import sys; sys.path.insert(0, {str(folder / 'parts')!r})\n{LEFT}")
            # The kernel's message library starts a thread of its own at the first large message.
            front.run("display({'text/plain': 'x' * 300_000}, raw=True)")
            assert not front.run("%load_ext llm_magics").error
            assert not front.run("%%llm\nThe first call imports.").error
            yield Scene(front, far, folder, nowhere)


@contextmanager
def full() -> Iterator[str]:
    """The base URL of a listener that accepts nobody and whose queue is full: to connect there takes for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        try:
            for _ in range(8):
                one = socket.socket()
                waiting.append(one)
                one.settimeout(0.2)
                try:
                    one.connect(listener.getsockname())
                except TimeoutError:
                    break
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            for one in waiting:
                one.close()


def asked(here: Scene, cell: str) -> list[Message]:
    """The far end has had the request for a while."""
    assert here.far.wait_for_requests(1, 20)
    time.sleep(0.3)
    return []


def a_moment(here: Scene, cell: str) -> list[Message]:
    """Nobody outside can tell when it is there, but it stays there for long."""
    time.sleep(0.5)
    return []


def painted(here: Scene, cell: str) -> list[Message]:
    """Some of the answer is on the page, rather than only that it is waited for."""
    shown: list[Message] = []
    while not shown or "*Waiting for " in json.dumps(shown[-1].content):
        shown += here.front.finish(cell, until="text/markdown").messages
    return shown


def key_store_asked(here: Scene, cell: str) -> list[Message]:
    """The key store has the question."""
    until = time.monotonic() + 20
    while not (here.folder / "parts" / "asked").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    return []


BUSY = openai_error("Too many requests.")
HAD_ARRIVED = "stopped; what had arrived is in _llm"
STAGES: Sequence[Stage] = (
    Stage(
        "looking for a key",
        "%%llm -m keyed\nHi",
        lambda far: None,
        key_store_asked,
        told="stopped before anything was sent",
        connected=False,
        hangs_on=1,
    ),
    Stage(
        "putting a value into the prompt",
        "%%llm\nHi {{ __import__('time').sleep(600) }}",
        lambda far: None,
        a_moment,
        told="stopped before anything was sent",
        connected=False,
    ),
    Stage(
        "a dry run",
        "%%llm --dry-run\nHi {{ __import__('time').sleep(600) }}",
        lambda far: None,
        a_moment,
        told="stopped before anything was sent",
        connected=False,
    ),
    Stage("connecting", "%%llm -m nowhere\nHi", lambda far: None, a_moment, connected=False),
    Stage("waiting for headers", "%%llm\nHi", lambda far: far.hangs(), asked),
    Stage("waiting for the first token", "%%llm\nHi", lambda far: far.sends([], done=False, end="hang"), asked),
    Stage(
        "keep-alive comments",
        "%%llm\nHi",
        lambda far: far.sends([": wait\n\n", 0.02] * 3_000, done=False, end="hang"),
        asked,
    ),
    Stage(
        "mid-stream",
        "%%llm\nHi",
        lambda far: far.answers("On and on. " * 2_000, gap=0.02),
        painted,
        told=HAD_ARRIVED,
        keeps_text=True,
    ),
    Stage(
        "an answer that is not streamed",
        "%%llm --no-stream\nHi",
        lambda far: far.answers("Whole.", latency=600),
        asked,
    ),
    Stage(
        "a flood",
        "%%llm\nHi",
        lambda far: far.answers("word" * 50_000, chunk=4, gap=0.0001),
        painted,
        told=HAD_ARRIVED,
        keeps_text=True,
    ),
    Stage(
        "painting a long answer",
        "%%llm\nHi",
        lambda far: far.answers(markdown(400_000), chunk=100, gap=0.001),
        painted,
        told=HAD_ARRIVED,
        keeps_text=True,
    ),
    Stage(
        "between retries",
        "%%llm\nHi",
        lambda far: far.fails(429, BUSY, headers={"retry-after": "30"}),
        asked,
        connected=False,
    ),
    Stage(
        "listing models",
        "%llm_config --models",
        lambda far: far.when(lambda request: request.path == "/v1/models").hangs(),
        asked,
        told="stopped",
    ),
    Stage(
        "checking an endpoint",
        "%llm_config --check",
        lambda far: far.hangs(),
        asked,
        told="stopped; what was found so far is above",
        leaves=("display_data",),
    ),
)
