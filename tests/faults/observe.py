"""Runs all rows of the fault matrix all four ways in this Python, and prints what was seen as JSON. See `page.py`."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import ways
from matrix import ROWS, complaints
from rows import Expected, Row
from ways import Seen

AT_ONCE = 4  # rows that the bare SDK runs at the same time: it waits a lot


class Cells:
    """A shell whose output is caught; each row gets a session of its own."""

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        config = Config()
        config.HistoryManager.enabled = False
        self.ip = InteractiveShell.instance(config=config)
        self.ip.run_line_magic("colors", "NoColor")
        self.ip.run_line_magic("load_ext", "llm_magics")

    def renew(self) -> None:
        """Forget what the last row left."""
        from llm_magics import session

        session._current = session.Session()

    def run(self, cell: str) -> Any:
        from shells import Done

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            result = self.ip.run_cell(cell)
        return Done(out.getvalue(), err.getvalue(), result.result, result.error_in_exec or result.error_before_exec)


def in_a_home_of_its_own() -> str:
    """No settings and no keys of this machine; the folder that stands for a home."""
    home = tempfile.mkdtemp()
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name.lower().endswith("_proxy") or name.startswith(("LLM_MAGICS_", "OPENAI_")):
            del os.environ[name]
    os.environ |= dict.fromkeys(("HOME", "LLM_MAGICS_DIR", "IPYTHONDIR"), home)
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    os.environ[ways.KEY_NAME] = ways.KEY
    os.chdir(home)
    return home


def main() -> None:
    """All rows, all ways."""
    home = in_a_home_of_its_own()
    import openai

    print(json.dumps({"openai": openai.__version__}), flush=True)
    shell = Cells()
    for row in ROWS:
        shell.renew()
        _tell(row, "cell", ways.cell(row, shell), row.cell)
        _tell(row, "call", ways.call(row), row.call)
    for way, run in (("stream", ways.sdk_stream), ("plain", ways.sdk_plain)):
        _bare(way, run)
    shutil.rmtree(home, ignore_errors=True)
    os._exit(0)  # the bare SDK may still hang in its threads


def _bare(way: str, run: Callable[[Row], Seen]) -> None:
    alone = [row for row in ROWS if "proxy" in row.place.__name__]  # these change the environment
    for row in alone:
        _tell(row, way, run(row))
    others = [row for row in ROWS if row not in alone]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for row, seen in zip(others, pool.map(run, others), strict=True):
            _tell(row, way, seen)


def _tell(row: Row, way: str, seen: Seen, expected: Expected | None = None) -> None:
    told = {"row": row.number, "way": way, "outcome": seen.outcome, "text": seen.text, "sent": seen.sent}
    if expected is None:
        told |= {"finish": seen.also.get("finish"), "calls": seen.also.get("calls")}
    else:
        told["wrong"] = complaints(expected, seen, is_cell=way == "cell")
    print(json.dumps(told, default=str), flush=True)


if __name__ == "__main__":
    main()
