"""What ``%llm_vote`` and ``%llm_config --arena`` do: keep a vote on a blind comparison, and show what votes come to."""

from __future__ import annotations

from typing import Any

from llm_magics import arena, live, session, votes
from llm_magics.commands import cells
from llm_magics.errors import UserMistake
from llm_magics.safe.markdown import escape
from llm_magics.tables import page_table, plain_table


def vote(shell: Any, line: str) -> None:
    """Keep a vote, and show whose answers they were, where they stand.

    Raises:
        UsageError: there is nothing to vote on, or no such answer.
    """
    try:
        comparison = session.current().contests.vote(line)
    except UserMistake as error:
        raise cells.usage_error(error) from None
    names = ", ".join(f"{entry.label} is {entry.answer.model}" for entry in comparison.entries)
    uncounted = "" if comparison.counts else " It is not counted, as fewer than two answered."
    _show(shell, f"Voted: {comparison.voted}. {names}.{uncounted}")


def show_arena(shell: Any) -> None:
    """The models of this project's blind comparisons, the strongest first."""
    cast = votes.kept()
    if not cast:
        _show(shell, f"No votes in {votes.project()} yet: compare with %%llm -m MODEL MODEL --blind, then %llm_vote.")
        return
    found = arena.standings(cast)
    head = ["model", "votes", "won", "tied", "lost", "score", "95 % of draws"]
    rows = [
        [
            standing.model,
            *map(str, (standing.votes, standing.wins, standing.ties, standing.losses)),
            f"{standing.score:.0f}",
            f"{standing.low:.0f} – {standing.high:.0f}",
        ]
        for standing in found
    ]
    said = [
        f"{len(cast)} {'vote' if len(cast) == 1 else 'votes'} in {votes.project()}. Scores are Bradley-Terry's: "
        "400 points more are odds of ten to one; 1000 is average.",
        *arena.warnings(cast, found),
    ]
    live.show(
        {
            "text/plain": "\n".join([plain_table(head, rows), "", *said]),
            "text/markdown": "\n\n".join([page_table(head, rows), *map(escape, said)]),
        },
        page=live.is_page(shell),
    )


def _show(shell: Any, line: str) -> None:
    live.show({"text/plain": line, "text/markdown": escape(line)}, page=live.is_page(shell))
