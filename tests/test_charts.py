"""A comparison as a picture: a panel a measure, a bar a lane, and what has no bar says why."""

from __future__ import annotations

import io
import json
import sys
import warnings
from typing import Any

import pytest
from test_exports import FAILED, ROWS, row

from llm_magics.comparisons.charts import plot
from llm_magics.errors import UserMistake


@pytest.fixture
def drawn() -> Any:
    """Matplotlib without a screen."""
    matplotlib = pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    matplotlib.use("Agg")
    return plot


def texts(axis: Any) -> str:
    return " | ".join(one.get_text() for one in axis.texts)


def picture(figure: Any) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # of what other tests left, and is collected now
        figure.savefig(file, format="png")
    return file.getvalue()


def test_there_is_a_panel_for_time_tokens_and_cost(drawn: Any) -> None:
    figure = drawn(ROWS)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["seconds", "tokens", "cost, USD"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["gpt", "local"]
    assert "1.40" in texts(figure.axes[0])
    assert "1,500" in texts(figure.axes[1])
    assert picture(figure).startswith(b"\x89PNG")


def test_a_lane_that_failed_or_has_no_price_is_named_with_the_reason(drawn: Any) -> None:
    figure = drawn([*ROWS, row("demo", cost=None, currency=None)])
    assert "local: failed" in texts(figure.axes[0])
    assert "demo" not in texts(figure.axes[0])
    assert "local: failed" in texts(figure.axes[2])
    assert "demo: no price" in texts(figure.axes[2])


def test_costs_in_two_currencies_have_two_panels(drawn: Any) -> None:
    figure = drawn([row("a"), row("b", currency="EUR", cost=1.0)])
    assert [axis.get_title(loc="left") for axis in figure.axes][2:] == ["cost, USD", "cost, EUR"]
    assert "b: in EUR" in texts(figure.axes[2])


@pytest.mark.parametrize("count", [1, 2, 20])
def test_any_number_of_lanes_with_long_names_is_drawn(drawn: Any, count: int) -> None:
    figure = drawn([row(f"some-organisation/some-very-long-name-of-a-model-{number}") for number in range(count)])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(set(names)) == count
    assert max(map(len, names)) <= 30
    picture(figure)


@pytest.mark.parametrize("name", ["$x^2$", r"$\frac{", "a_b%c&d#", "", "\x1b[31mred\n", "x" * 5_000])
@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_a_name_is_a_text_and_no_formula(drawn: Any, name: str, style: str) -> None:
    from matplotlib import pyplot

    with pyplot.style.context(style):
        picture(drawn([row(name), row(name), {**FAILED, "label": name}]))


def test_lanes_without_any_figure_are_drawn(drawn: Any) -> None:
    picture(drawn([FAILED]))
    picture(drawn([row(seconds=0.0, first_token=None, tokens_in=0, tokens_out=0, cost=0.0)]))
    picture(drawn([row(seconds=float("nan"), cost=float("inf"), tokens_in=None, tokens_out=None)]))


def test_no_figure_is_left_open_for_a_notebook_to_show_once_more(drawn: Any) -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    drawn(ROWS)
    assert pyplot.get_fignums() == before


def test_without_matplotlib_altair_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("altair", reason="altair is not installed")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    chart = json.dumps(plot([*ROWS, row("demo", cost=None, currency=None)]).to_dict(), ensure_ascii=False)
    for said in ("seconds", "tokens", "cost, USD", "demo: no price", "local: failed", "0.0012"):
        assert said in chart


def test_without_either_the_next_move_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("matplotlib", "altair"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserMistake, match=r'Install one with: %pip install "jupyter-llm-magics\[plot\]"'):
        plot(ROWS)


def test_nothing_to_draw_is_a_mistake() -> None:
    with pytest.raises(UserMistake, match="nothing to draw"):
        plot([])
