"""What ``%llm_config --check`` and ``--caps`` show: how an endpoint is, and what was learnt about endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llm_magics import live, session
from llm_magics.choices import asks_for
from llm_magics.config import host_of
from llm_magics.interrupts import Interrupted
from llm_magics.tables import page_table, plain_table
from llm_magics.terminal import PATIENCE

if TYPE_CHECKING:
    from llm_magics.doctor.checkup import Checkup, Row

NAMES = 14  # columns of a terminal for the probe's name
HEAD = ("", "checked", "found", "to do")
CAPS = ("endpoint", "model", "does not take", "instead", "found by", "the server said")


def check(shell: Any, name: str | None) -> list[str]:
    """Check an endpoint, its table growing row by row; lines that sum it up.

    Raises:
        UserMistake: nothing was tried.
        Interrupted: someone stopped it; the table stays as far as it had come.
    """
    board = live.Board(page=live.is_page(shell))
    here = session.current()
    try:
        checkup = here.examining.check(name, lambda checkup, waited: _paint(board, checkup, waited))
    except KeyboardInterrupt:
        board.end()
        raise Interrupted("stopped; what was found so far is above" if board.used else "stopped") from None
    board.end()
    return summary(checkup)


def _paint(board: live.Board, checkup: Checkup, waited: float) -> None:
    lines = [line for row in checkup.rows if row.mark != "…" for line in _lines(row)]
    board.show(page_table(HEAD, rows(checkup, waited)), lines)
    if checkup.rows and checkup.rows[-1].mark == "…":
        board.wait(f"{checkup.rows[-1].name} of {checkup.host}", waited)


def rows(checkup: Checkup, waited: float) -> list[tuple[str, ...]]:
    """A check as far as it has come, as the rows of a table under `HEAD`."""
    waiting = f"{waited:.0f} s" if waited >= PATIENCE else ""
    return [(row.mark, row.name, waiting if row.mark == "…" else row.detail, row.remedy) for row in checkup.rows]


def summary(checkup: Checkup) -> list[str]:
    """How a check went, in a few lines."""
    from llm_magics.doctor.course import verdict

    learnt = f"Prompts do without from now on: {', '.join(checkup.learnt)}. See %llm_config --caps."
    return [*verdict(checkup), *([learnt] if checkup.learnt else [])]


def _lines(row: Row) -> Sequence[str]:
    found = f"{row.mark} {row.name:{NAMES}} {row.detail}".rstrip()
    return [found, f"{'':{NAMES + 2}} → {row.remedy}"] if row.remedy else [found]


def caps(shell: Any) -> list[str]:
    """Show what was learnt about endpoints; a line when there is nothing."""
    rows = [
        (host_of(base_url), model, found.name, found.instead, found.found_by, found.said)
        for base_url, model, found in session.current().capabilities
    ]
    if not rows:
        return ["Nothing was learnt about any endpoint: nothing was refused so far."]
    rows = list(dict.fromkeys(rows))  # two base URLs of one host look alike
    bundle = {"text/plain": plain_table(CAPS, rows), "text/markdown": page_table(CAPS, rows)}
    live.show(bundle, page=live.is_page(shell))
    return ["Forget it with %llm_config --caps forget, or %llm_config --caps forget MODEL."]


def forget(name: str | None) -> str:
    """Let go of what was learnt, of one model or of all.

    Raises:
        UnknownModel: nobody configured that model.
    """
    here = session.current()
    one = (here.configuration.connection(name).base_url, asks_for(here.configuration, name)) if name else ()
    found = here.capabilities.forget(*one)
    whose = f" about {name}" if name else ""
    return f"Forgot {found} {'thing' if found == 1 else 'things'}{whose}." if found else f"Nothing was learnt{whose}."
