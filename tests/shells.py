"""A shell under test: cells go in, what a person would read comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from llm_magics.runtime import Runtime

RUNTIME = Runtime()  # the one event loop that all tests of a process share


@dataclass(slots=True)
class Done:
    """What a cell did: the text on both streams, its value, and the error it ended in."""

    text: str
    errors: str
    value: Any
    error: BaseException | None


class Shell:
    """An ``InteractiveShell`` whose output is caught."""

    def __init__(self, ip: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
        self.ip, self._capsys = ip, capsys

    def run(self, cell: str) -> Done:
        """Run a cell as if it were typed."""
        self._capsys.readouterr()
        result = self.ip.run_cell(cell, store_history=True)
        caught = self._capsys.readouterr()
        return Done(caught.out, caught.err, result.result, result.error_in_exec or result.error_before_exec)

    def __getitem__(self, name: str) -> Any:
        return self.ip.user_ns[name]
