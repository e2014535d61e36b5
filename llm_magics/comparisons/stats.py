"""A comparison summed up by model: how many answers, how fast, how much of everything, and how far they agree."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llm_magics.comparisons.agreement import agreement
from llm_magics.comparisons.exports import frame
from llm_magics.safe.html import safe_bundle
from llm_magics.tables import page_table, plain_table

if TYPE_CHECKING:
    import pandas

# Column of `Stats.rows`, and how it is headed and written.
_SHOWN = (
    ("model", "model", "{}"),
    ("answers", "answers", "{}"),
    ("failed", "failed", "{}"),
    ("first_token", "first token", "{:.2f} s"),
    ("seconds", "total", "{:.2f} s"),
    ("tokens_per_second", "tokens/s", "{:.0f}"),
    ("tokens_in", "in", "{:,}"),
    ("tokens_out", "out", "{:,}"),
    ("tokens_reasoning", "reasoning", "{:,}"),
    ("cost", "cost", "${:.6g}"),
    ("agreement", "agreement", "{:.0%}"),
)


@dataclass(frozen=True, slots=True)
class Stats:
    """One row a model: answers and failures counted, times and rates as medians, tokens and costs as sums.

    A figure that one of the answers lacks is None: a sum without it would be too small.
    """

    rows: tuple[Mapping[str, Any], ...]

    def to_df(self) -> pandas.DataFrame:
        """The same as a pandas ``DataFrame``."""
        return frame(self.rows)

    def __repr__(self) -> str:
        return plain_table(*self.table())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        table = self.table()
        return safe_bundle({"text/markdown": page_table(*table), "text/plain": plain_table(*table)})

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows, as people read them."""
        heads = [head for _, head, _ in _SHOWN]
        return heads, [[_written(row[name], form) for name, _, form in _SHOWN] for row in self.rows]


def stats(rows: Sequence[Mapping[str, Any]]) -> Stats:
    """The rows of a comparison summed up by model; while names are hidden, by label."""
    named: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        named.setdefault(str(row["model"] or row["label"]), []).append(row)
    return Stats(tuple(_summed(name, of) for name, of in named.items()))


def _summed(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    answered = [row for row in rows if row["status"] != "failed" and (row["status"] != "interrupted" or row["text"])]
    medians = {key: _median(row[key] for row in answered) for key in ("first_token", "seconds", "tokens_per_second")}
    counts = ("tokens_in", "tokens_out", "tokens_reasoning", "cost")
    agreed = agreement([row["text"] for row in answered]).share if len(answered) > 1 else None
    return {
        "model": name,
        "answers": len(answered),
        "failed": len(rows) - len(answered),
        **medians,
        **{key: _sum(row[key] for row in answered) for key in counts},
        "agreement": agreed,
    }


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _sum(values: Iterable[float | None]) -> float | None:
    all_of_them = list(values)
    known = [value for value in all_of_them if value is not None]
    return sum(known) if known and len(known) == len(all_of_them) else None


def _written(value: Any, form: str) -> str:
    return "–" if value is None else form.format(value)
