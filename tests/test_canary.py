"""A key is given by every way there is, and found nowhere but at its own server: see `canary`."""

from __future__ import annotations

from pathlib import Path

import pytest
from canary import mutate, notebook, sinks
from canary.drive import MODES, Findings, drive, stage
from canary.faults import FAULTS, SOME, echoes
from canary.key import PIECE, Canary
from canary.sources import SOURCES, Source

ENVIRONMENT = next(source for source in SOURCES if source.name == "environment")


def of(source: Source) -> str:
    return source.name


def test_the_search_finds_any_piece_of_a_key_in_any_form() -> None:
    canary = Canary()
    for way, form in echoes(canary.value).items():
        assert canary.found_in(f"before {form} after".encode()) or "masked" in way, way
    for at in range(len(canary.value) - PIECE + 1):
        assert canary.found_in(canary.value[at : at + PIECE].encode()) == ["raw"]
    assert canary.found_in(Canary().value.encode()) == []


@pytest.mark.parametrize("mutation", mutate.MUTATIONS, ids=lambda mutation: mutation.what)
def test_every_protection_that_can_be_taken_away_is_where_it_is_looked_for(mutation: mutate.Mutation) -> None:
    assert mutation.old in (mutate.PACKAGE / mutation.file).read_text("utf-8")


@pytest.mark.parametrize("source", SOURCES, ids=of)
def test_no_failure_shows_the_key(source: Source, tmp_path: Path) -> None:
    findings = Findings()
    with stage(tmp_path / "stage", source, findings, OPENAI_LOG="debug") as on:
        on.run("import logging\nlogging.basicConfig(level=logging.DEBUG, filename='all.log', force=True)")
        odd = drive(on, FAULTS if source is ENVIRONMENT else SOME[::2], ("Verbose",))
        odd += drive(on, SOME if source is ENVIRONMENT else SOME[:2], tuple(set(MODES) - {"Verbose"}))
        if "cell" in source.faces:
            sinks.look(on)
        if source is ENVIRONMENT:
            sinks.mistakes(on)
            sinks.tools(on)
    assert findings.leaks == []
    assert odd == [], "every failure is the one that was meant"


def test_no_key_is_in_a_notebook_that_was_executed(tmp_path: Path) -> None:
    findings = Findings()
    shown = notebook.execute(tmp_path / "book", SOME, ("Verbose",), findings)
    assert findings.leaks == []
    assert {"KeyRefused", "AuthenticationError", "CutOff"} <= set(shown)
