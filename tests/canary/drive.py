"""Drives a real kernel down one path after another, and searches for the canary all that comes out of it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from far_end import FarEnd
from jupyter_client.manager import KernelManager
from kernels import Kernel, Ran

from canary.faults import Fault
from canary.key import Canary
from canary.sources import Source

TESTS = Path(__file__).parents[1]
MODES = ("Plain", "Context", "Verbose", "Minimal")


@dataclass(frozen=True, slots=True)
class Leak:
    """A piece of the key where it must not be: on which path, in what, in which form."""

    path: str
    where: str
    form: str


@dataclass(slots=True)
class Findings:
    """What a run drove and found."""

    driven: dict[str, int] = field(default_factory=dict)
    searched: int = 0
    leaks: list[Leak] = field(default_factory=list)

    def count(self, kind: str) -> None:
        """One more path of this kind."""
        self.driven[kind] = self.driven.get(kind, 0) + 1

    def search(self, canary: Canary, blob: bytes, path: str, where: str) -> None:
        """Look for the key in bytes that a path left behind."""
        self.searched += len(blob)
        self.leaks += [Leak(path, where, form) for form in canary.found_in(blob)]

    @property
    def paths(self) -> int:
        """How many paths were driven."""
        return sum(self.driven.values())


class _Tape:
    """A socket whose messages are kept as they came."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.frames: list[bytes] = []

    def poll(self, timeout: int) -> int:
        """As the socket's."""
        return int(self._socket.poll(timeout))

    def recv_multipart(self) -> list[bytes]:
        """As the socket's."""
        frames: list[bytes] = self._socket.recv_multipart()
        self.frames += frames
        return frames


class Stage(Kernel):
    """A kernel whose messages, files and streams are all kept within one folder, and the servers it can reach."""

    def __init__(self, folder: Path, canary: Canary, source: Source, findings: Findings, **env: str) -> None:
        self.canary, self.source, self.findings = canary, source, findings
        self.folder, self.work = folder, folder / "work"
        self.far, self.other = FarEnd(), FarEnd()
        self.path = f"{source.name}: start"
        self.planted: set[Path] = set()
        self.work.mkdir(parents=True)
        for path, text in source.files(self).items():
            self.plant(path, text)
        known = self.plant(folder / "given" / "known.txt", canary.value)
        given = environment(folder, **source.env(self), CANARY_KEY=str(known), **env)
        self._out = (folder / "kernel.out").open("wb")
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=given, cwd=str(self.work), stdout=self._out, stderr=self._out)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        socket = self.client.iopub_channel.socket
        socket.RCVHWM = 0
        self._tape = self._socket = _Tape(socket)

    # ------------------------------------------------------------ driving

    def run(self, code: str, *, timeout: float = 120.0) -> Ran:
        """Run a cell, and search what it sent."""
        ran = super().run(code, timeout=timeout)
        self._look()
        return ran

    def answer(self, code: str, typed: str) -> Ran:
        """Run a cell that asks a question, and type the answer."""
        cell = self.start(code)
        with contextlib.suppress(queue.Empty):  # nobody asks, where a protection is taken away
            self.client.get_stdin_msg(timeout=20)
            self.client.input(typed)
        ran = self.finish(cell, timeout=120)
        self._look()
        return ran

    def squeeze(self) -> None:
        """Take the last error apart."""
        self.run("import canary.squeeze as _squeeze, sys as _sys\n_squeeze.error(_sys.last_value)")

    def exchange(self, asked: str) -> None:
        """Take the answer to a request that is no cell, such as one for completions."""
        while True:
            reply = self.client.get_shell_msg(timeout=60)
            self.findings.search(self.canary, json.dumps(reply, default=str).encode(), self.path, "reply")
            if reply["parent_header"].get("msg_id") == asked:
                return

    def stop(self, code: str, asked: int) -> Ran:
        """Run a cell and interrupt it once the server has its request."""
        cell = self.start(code)
        assert self.far.wait_for_requests(asked, timeout=60), "nothing was sent"
        time.sleep(0.1)
        self.interrupt()
        ran = self.finish(cell, timeout=120)
        self._look()
        return ran

    def ask(self, fault: Fault, code: str) -> Ran:
        """Let the server fail while this code asks it."""
        self.far.reset()
        fault.play(self.far, self.canary.value, self.other.base_url)
        return self.stop(code, 1) if fault.interrupts else self.run(code)

    def _look(self) -> None:
        self.findings.search(self.canary, b"\n".join(self._tape.frames), self.path, "messages")  # as they came
        self._tape.frames.clear()

    def _reply(self, cell: str) -> dict[str, Any]:
        reply = super()._reply(cell)
        self.findings.search(self.canary, json.dumps(reply, default=str).encode(), self.path, "reply")
        return reply

    # ------------------------------------------------------------ afterwards

    def close(self) -> None:
        """End the kernel, then search files, streams and what other hosts received."""
        self.client.stop_channels()
        self.manager.shutdown_kernel()  # in peace, so that what it writes at its end is there
        self._out.close()
        path = f"{self.source.name}: all of it"
        for file in self.files():
            self.findings.search(self.canary, file.read_bytes(), path, file.relative_to(self.folder).as_posix())
            self.findings.search(self.canary, file.name.encode(), path, "a file's name")
        for request in self.other.requests:
            self.findings.search(self.canary, repr(request).encode(), path, "another host")
        self.far.close()
        self.other.close()

    def files(self) -> list[Path]:
        """What there is in the folder by now, but for what was put there to give the key."""
        return [p for p in self.folder.rglob("*") if p.is_file() and not p.is_symlink() and p not in self.planted]

    def plant(self, path: Path, text: str) -> Path:
        """Put a file there that may hold the key."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text, "utf-8")
        path.chmod(0o600)
        self.planted.add(path)
        return path


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a process whose every file is under the folder."""
    from llm_magics.endpoints import providers

    keys = {name for provider in providers.providers() for name in provider.api_key_env}
    kept = {n: v for n, v in os.environ.items() if n not in keys and not n.startswith(("LLM_", "OPENAI_", "XDG_"))}
    places = {"HOME": "home", "TMPDIR": "tmp", "LLM_MAGICS_DIR": "config", "IPYTHONDIR": "ipython"}
    places |= {"XDG_CONFIG_HOME": "xdg", "XDG_CACHE_HOME": "cache", "XDG_DATA_HOME": "data"}
    places |= {"JUPYTER_DATA_DIR": "jupyter/data", "JUPYTER_CONFIG_DIR": "jupyter/config"}
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    python_path = os.pathsep.join(part for part in (os.environ.get("PYTHONPATH"), str(TESTS)) if part)
    return {
        **kept,
        **{name: str(folder / place) for name, place in places.items()},
        "PYTHONPATH": python_path,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        **more,
    }


@contextlib.contextmanager
def stage(folder: Path, source: Source, findings: Findings, **env: str) -> Iterator[Stage]:
    """A kernel that has its key from this source, ready to ask ``far``."""
    canary = Canary()
    started = Stage(folder, canary, source, findings, **env)
    try:
        started.run("%load_ext llm_magics")
        source.set_up(started)
        yield started
    finally:
        started.close()


def drive(on: Stage, faults: tuple[Fault, ...], modes: tuple[str, ...] = MODES) -> list[str]:
    """Every fault by both faces, in every mode of tracebacks, ``%tb`` afterwards; what did not end as it should."""
    odd: list[str] = []
    before: tuple[str, float] | None = None
    for mode in modes:
        on.run(f"%xmode {mode}")
        for face in on.source.faces:
            for fault in faults:
                on.path = f"{on.source.name}: {face}, %xmode {mode}: {fault.name}"
                timeout = f"timeout={fault.seconds}" if fault.seconds else "timeout=60"
                if (begun := (face, fault.seconds or 60)) != before:
                    on.source.before(on, *begun)
                    before = begun
                ran = on.ask(fault, on.source.cell(face, timeout))
                wanted = "|".join(filter(None, [fault.says, "wants a key" if on.source.name == "headers" else ""]))
                if face == "cell" and fault.says and not re.search(wanted, ran.error):
                    odd.append(f"{on.path}: {ran.error or ran.text or 'no error'}")
                on.findings.count(f"{on.source.name}, {face}")
                after = "%tb\n" if ran.error else ""
                if mode == "Verbose":
                    after += "import canary.squeeze as _squeeze, sys as _sys\n"
                    after += "_squeeze.error(_sys.last_value)\n" if ran.error else ""
                    after += "_squeeze.thing(_llm)\n" if face == "cell" else ""
                on.run(after)
    return odd
