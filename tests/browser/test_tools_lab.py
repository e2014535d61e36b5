"""Tools as someone sees them on a page: a call streams, runs and folds; a question is answered at the keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbconvert import HTMLExporter
from notebook_page import NotebookPage, code

if TYPE_CHECKING:
    from far_end import FarEnd

pytestmark = pytest.mark.browser
both = pytest.mark.parametrize("app", ["lab", "notebook"])
Opener = Callable[[str, nbformat.NotebookNode], NotebookPage]

TOOLS = '''
import time, llm_magics
import pandas as pd
ran = []

@llm_magics.tool
def weather(city: str, days: int = 1) -> str:
    """Tell the weather of a city."""
    print("asking the station")
    time.sleep(1.5)
    return f"7 degrees in {city}"

@llm_magics.tool
def rows() -> pd.DataFrame:
    """Give some rows."""
    return pd.DataFrame({"town": ["Oslo", "<img src=x onerror=alert(1)>"], "degrees": [7, 9]})

@llm_magics.tool(side_effects=True)
def send(to: str, text: str) -> str:
    """Send a mail."""
    ran.append(to)
    return "sent"
'''


def setup(endpoint: FarEnd) -> str:
    return f"%load_ext llm_magics\n%llm_config --add far base_url={endpoint.base_url}\n{TOOLS}"


@both
def test_a_call_streams_runs_and_folds(app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path) -> None:
    endpoint.calls_tools([("weather", {"city": "Oslo", "days": 3})], text="Let me look.", chunk=4, gap=0.3)
    endpoint.calls_tools([("rows", {}), ("nothing", {})])
    endpoint.answers("It is **7 degrees** in Oslo.")
    notebook = open_notebook(app, code(setup(endpoint), "%%llm --tools weather,rows\nHow warm is it?"))
    notebook.run(0)
    notebook.start(1)
    shown = notebook.output(1)
    shown.get_by_text("Let me look.").wait_for()
    shown.get_by_text('{"city": "Os').wait_for()
    shown.locator("summary", has_text="running").wait_for()
    notebook.shot(shots / f"tool_running_{app}.png", height=900)
    notebook.finish()
    shown.get_by_text("7 degrees", exact=True).wait_for()
    notebook.select(1)
    notebook.shot(shots / f"tools_{app}.png", height=1400)
    summary = shown.locator("summary", has_text="weather")
    assert summary.count() == 1
    result = shown.get_by_text("7 degrees in Oslo")
    assert not result.first.is_visible(), "folded"
    summary.click()
    assert result.first.is_visible()
    shown.locator("summary", has_text="rows").click()
    assert shown.locator("td", has_text="<img src=x").count() == 1
    assert shown.locator("td img").count() == 0
    notebook.shot(shots / f"tools_unfolded_{app}.png", height=2000)
    saved = notebook.save()
    assert [output.output_type for output in saved.cells[1].outputs] == ["execute_result"]
    html, _ = HTMLExporter().from_notebook_node(saved)
    assert "asking the station" in html


@both
def test_a_question_is_answered_at_the_keyboard(app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path) -> None:
    endpoint.calls_tools([("send", {"to": "ann", "text": "hello\u202edlrow"}), ("send", {"to": "eve", "text": "x"})])
    endpoint.answers("One was sent.")
    notebook = open_notebook(app, code(setup(endpoint), "%%llm --tools send\nSend it.", "ran"))
    notebook.run(0)
    notebook.start(1)
    shown = notebook.output(1)
    shown.locator("input").wait_for()
    shown.get_by_text("⟨U+202E⟩").first.wait_for()
    notebook.shot(shots / f"asked_{app}.png", height=900)
    shown.locator("input").evaluate("field => { field.dataset.first = 'yes'; }")
    notebook.page.keyboard.type("y")  # the field has the focus: nobody has to click first
    notebook.page.keyboard.press("Enter")
    shown.locator("input:not([data-first])").press("Enter")  # once it is there
    notebook.finish()
    shown.get_by_text("One was sent.").wait_for()
    notebook.select(1)
    notebook.shot(shots / f"answered_{app}.png", height=1200)
    notebook.run(2)
    assert notebook.output(2).inner_text().strip().endswith("['ann']")
    assert shown.locator("summary", has_text="not run").count() == 1


def test_figures_of_code_are_pictures_in_the_result(open_notebook: Opener, endpoint: FarEnd, shots: Path) -> None:
    drawing = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.title('growth')"
    endpoint.calls_tools([("run_python", {"code": drawing})]).answers("Here it is.")
    notebook = open_notebook("lab", code(setup(endpoint), "%%llm --tools python\nDraw."))
    notebook.run(0)
    notebook.start(1)
    shown = notebook.output(1)
    shown.locator("input").wait_for()
    shown.locator("input").fill("y")
    shown.locator("input").press("Enter")
    notebook.finish()
    shown.locator("summary", has_text="run_python").click()
    picture = shown.locator("img").first
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 100
    notebook.select(1)
    notebook.shot(shots / "figure_lab.png", height=1400)
    with notebook.theme("JupyterLab Dark"):
        notebook.page.wait_for_timeout(500)
        notebook.shot(shots / "figure_dark.png", height=1400)
