"""A notebook that nobody watches: every cell is executed by ``jupyter execute``, and the saved file is searched."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
from far_end import FarEnd, Request

from canary.drive import Findings, environment
from canary.faults import Fault
from canary.key import Canary
from canary.sources import VARIABLE

BEGIN = """%load_ext llm_magics
%llm_config --add far base_url={url} max_retries=0 timeout=2 api_key_env={variable}
from llm_magics import call_llm, ModelManager
manager = ModelManager({{"models": {{"far": {{"base_url": "{url}", "max_retries": 0, "timeout": 2,
                                            "api_key_env": "{variable}"}}}}}})"""
END = """%llm_config --save
%llm_config --ask-key far
%llm_config --trust
%history
_llm"""


def execute(folder: Path, faults: tuple[Fault, ...], modes: tuple[str, ...], findings: Findings) -> list[str]:
    """Run it, and search the saved notebook, what else was written, and what another host received.

    Each cell's prompt names the fault it is for. Returns the errors' names that the saved notebook shows.
    """
    canary = Canary()
    work = folder / "work"
    work.mkdir(parents=True)
    with FarEnd() as far, FarEnd() as other:
        for fault in (fault for fault in faults if not fault.interrupts):
            fault.play(far.when(_asks(fault.name)), canary.value, other.base_url)  # type: ignore[arg-type]
        cells = [BEGIN.format(url=far.base_url, variable=VARIABLE)]
        for mode in modes:
            cells.append(f"%xmode {mode}")
            for fault in (fault for fault in faults if not fault.interrupts):
                cells += [f"%%llm -m far\n{fault.name}", "%tb", f'call_llm("far", "{fault.name}", manager)', "%tb"]
                findings.driven["notebook"] = findings.driven.get("notebook", 0) + 2
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in [*cells, *END.split("\n")]])
        nbformat.write(book, work / "book.ipynb")
        done = subprocess.run(
            [sys.executable, "-m", "jupyter", "execute", "--allow-errors", "--output=done.ipynb", "book.ipynb"],
            cwd=work,
            env=environment(folder, **{VARIABLE: canary.value, "OPENAI_LOG": "debug"}),
            capture_output=True,
            timeout=1800,
        )
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        assert any(canary.value in repr(request.headers) for request in far.chats), "no key was sent"
        findings.search(canary, done.stdout + done.stderr, "notebook", "what jupyter printed")
        for file in (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            findings.search(canary, file.read_bytes(), "notebook", file.relative_to(folder).as_posix())
        findings.search(canary, repr(other.requests).encode(), "notebook", "another host")
    saved = nbformat.read(work / "done.ipynb", as_version=4)
    outputs = [output for cell in saved.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.ename for output in outputs if output.output_type == "error"]


def _asks(name: str) -> Callable[[Request], bool]:
    def asked(request: Request) -> bool:
        messages = request.asks_for("messages") or [{}]
        return bool(messages[-1].get("content") == name)

    return asked
