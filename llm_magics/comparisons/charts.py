"""A comparison as a picture: latency, tokens and cost by lane, drawn by matplotlib or altair, whichever is there."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_magics.errors import UserMistake
from llm_magics.printable import short_line

MAX_NAME = 28  # characters of a lane's name
MAX_LANES = 60
_SHADES = (1.0, 0.55, 0.3)  # of one colour, for the parts of a bar

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A lane's bar: its parts one behind the other; without parts, ``missing`` says why there is none."""

    name: str
    parts: tuple[float, ...] = ()
    missing: str = ""

    @property
    def total(self) -> float:
        """How long it is."""
        return sum(self.parts)


@dataclass(frozen=True, slots=True)
class Panel:
    """One measure: a bar a lane, what the parts of a bar are, and how its length is written."""

    title: str
    parts: tuple[str, ...]
    bars: tuple[Bar, ...]
    form: str

    @property
    def note(self) -> str:
        """The lanes without a bar, and why; empty where there are none."""
        return ", ".join(f"{bar.name}: {bar.missing}" for bar in self.bars if bar.missing)


def plot(rows: Rows) -> Any:
    """A figure of small multiples: seconds, tokens and cost, a bar a lane; of matplotlib, else a chart of altair.

    A lane that failed, or has no price, has no bar in that panel; its name and the reason stand there.

    Raises:
        UserMistake: neither library is installed, or there are no rows.
    """
    if not rows:
        raise UserMistake("plot(): there is nothing to draw, as no model was asked.")
    shown = panels(rows[:MAX_LANES])
    if importable("matplotlib"):
        return _by_matplotlib(shown)
    if importable("altair"):
        return _by_altair(shown)
    raise UserMistake('plot() needs matplotlib or altair. Install one with: %pip install "jupyter-llm-magics[plot]"')


def importable(name: str) -> bool:
    """Whether there is such a library, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a module that was put there by hand, or kept from being imported
        return False


def panels(rows: Rows) -> list[Panel]:
    """What is drawn, whoever draws it; a panel for each currency, as they have no common length."""
    currencies = list(dict.fromkeys(str(row.get("currency") or "") for row in rows if _number(row, "cost") is not None))
    named = list(zip(_names(rows), rows, strict=True))
    return [
        Panel("seconds", ("to the first token", "to the end"), tuple(_seconds(*one) for one in named), "{:.2f}"),
        Panel("tokens", ("in", "reasoning", "out"), tuple(_tokens(*one) for one in named), "{:,.0f}"),
        *(
            Panel(f"cost{f', {one}' if one else ''}", ("cost",), tuple(_cost(*each, one) for each in named), "{:.3g}")
            for one in currencies or [""]
        ),
    ]


def _seconds(name: str, row: Mapping[str, Any]) -> Bar:
    total = _number(row, "seconds")
    if total is None or _failed(row):
        return Bar(name, missing="failed" if _failed(row) else "no time")
    first = min(_number(row, "first_token") or 0.0, total)
    return Bar(name, (first, total - first))


def _tokens(name: str, row: Mapping[str, Any]) -> Bar:
    sent, out, thought = (_number(row, f"tokens_{kind}") for kind in ("in", "out", "reasoning"))
    if (sent is None and out is None) or _failed(row):
        return Bar(name, missing="failed" if _failed(row) else "no counts")
    thought = min(thought or 0, out or 0)  # endpoints count reasoning among what comes out
    return Bar(name, (sent or 0, thought, (out or 0) - thought))


def _cost(name: str, row: Mapping[str, Any], currency: str) -> Bar:
    cost = _number(row, "cost")
    if cost is None:
        return Bar(name, missing="failed" if _failed(row) else "no price")
    if (other := str(row.get("currency") or "")) != currency:
        return Bar(name, missing=f"in {other}" if other else "no currency")
    return Bar(name, (cost,))


def _failed(row: Mapping[str, Any]) -> bool:
    return row.get("status") == "failed" or (bool(row.get("error")) and not row.get("text"))


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return value if isinstance(value, int | float) and math.isfinite(value) and value >= 0 else None


def _names(rows: Rows) -> list[str]:
    """The lanes' names, each another; of long ones both ends, as families of models differ in the last."""
    names: list[str] = []
    for row in rows:
        name = short_line(str(row.get("label", "")), 200) or "?"
        if len(name) > MAX_NAME:
            name = f"{name[: MAX_NAME // 2 - 1]}…{name[-MAX_NAME // 2 :]}"
        again = sum(one == name or one.startswith(f"{name} (") for one in names)
        names.append(f"{name} ({again + 1})" if again else name)
    return names


def _by_matplotlib(shown: Sequence[Panel]) -> Any:
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    lanes = len(shown[0].bars)
    # Names are no formulas, whatever the user's settings are.
    with mpl.rc_context({"text.usetex": False, "text.parse_math": False}):
        figure, axes = plt.subplots(
            1, len(shown), sharey=True, figsize=(3.6 * len(shown) + 0.4, 1.5 + 0.34 * lanes), layout="constrained"
        )
        for axis, panel in zip(axes, shown, strict=True):
            _draw(axis, panel)
        axes[0].set_yticks(range(lanes), [bar.name for bar in shown[0].bars])
        axes[0].set_ylim(lanes - 0.5, -0.5)  # the first lane on top
        for label in axes[0].get_yticklabels():
            label.set_parse_math(False)
    backend = plt.get_backend().lower()
    if backend == "agg" or "inline" in backend:
        plt.close(figure)  # the cell's value shows it; a notebook would show open figures once more
    return figure


def _draw(axis: Any, panel: Panel) -> None:
    longest = max((bar.total for bar in panel.bars), default=0) or 1
    starts = [0.0] * len(panel.bars)
    for number, part in enumerate(panel.parts):
        widths = [bar.parts[number] if bar.parts else 0 for bar in panel.bars]
        if any(widths):
            axis.barh(range(len(widths)), widths, 0.62, starts, color="C0", alpha=_SHADES[number], label=part)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    for place, bar in enumerate(panel.bars):
        if bar.missing:
            axis.text(
                0.01 * longest,
                place,
                f"{bar.name}: {bar.missing}",
                va="center",
                style="italic",
                size="small",
                alpha=0.7,
            )
        else:
            axis.text(bar.total + 0.02 * longest, place, panel.form.format(bar.total), va="center", size="small")
    axis.set_xlim(0, 1.25 * longest)
    axis.set_title(panel.title, loc="left", size="medium", weight="bold")
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.locator_params(axis="x", nbins=4)
    if len(axis.containers) > 1:
        axis.legend(
            loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=2.2, ncols=3, frameon=False, fontsize="small"
        )


def _by_altair(shown: Sequence[Panel]) -> Any:
    import altair as alt

    return alt.hconcat(*(_chart(alt, panel) for panel in shown)).resolve_scale(opacity="independent")


def _chart(alt: Any, panel: Panel) -> Any:
    data = [
        {"lane": bar.name, "place": place, "part": part, "order": number, "value": bar.parts[number]}
        for place, bar in enumerate(panel.bars)
        for number, part in enumerate(panel.parts)
        if bar.parts
    ]
    parts, shades = list(panel.parts), list(_SHADES[: len(panel.parts)])
    legend = alt.Legend(title=None, orient="bottom") if len(parts) > 1 else None
    title = alt.TitleParams(panel.title, anchor="start", subtitle=panel.note.split(", ") if panel.note else [])
    return (
        alt.Chart(alt.Data(values=data), title=title, width=220)
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title=None),
            y=alt.Y("lane:N", title=None, sort=alt.EncodingSortField("place", op="min")),
            opacity=alt.Opacity("part:N", sort=parts, scale=alt.Scale(domain=parts, range=shades), legend=legend),
            order=alt.Order("order:Q"),
            tooltip=["lane:N", "part:N", "value:Q"],
        )
    )
