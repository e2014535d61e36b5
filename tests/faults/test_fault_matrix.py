"""The fault matrix: everything that servers and networks do, through a cell and through `call_llm`."""

from __future__ import annotations

import pytest
import ways
from matrix import ROWS, complaints
from rows import Row
from shells import Shell

IDS = [f"{row.number} {row.fault}" for row in ROWS]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of every row stands in the environment, until the test is over."""
    monkeypatch.setenv(ways.KEY_NAME, ways.KEY)


def test_every_row_has_a_number_of_its_own() -> None:
    assert len({row.number for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_cell_tells_a_fault_as_it_is_and_keeps_what_had_arrived(row: Row, shell: Shell) -> None:
    assert complaints(row.cell, ways.cell(row, shell), is_cell=True) == ""


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_call_llm_gives_the_message_or_an_error_of_the_sdk(row: Row) -> None:
    assert complaints(row.call, ways.call(row), is_cell=False) == ""
