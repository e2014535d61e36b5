"""The selector, as someone clicks it: what it shows, ``%config`` says, the table shows and the next prompt sends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from far_end import openai_error
from notebook_page import NotebookPage, code
from test_first_answer import ACTIVE, setup

pytest.importorskip("ipywidgets")

if TYPE_CHECKING:
    from far_end import FarEnd
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser
both = pytest.mark.parametrize("app", ["lab", "notebook"])
Opener = Callable[[str, nbformat.NotebookNode], NotebookPage]

HOSTILE = "<img src=x onerror=window.struck=1>$\\href{javascript:alert(1)}{x}$"
SHOW = "%config LLMMagics.temperature"


def line(selector: Locator) -> str:
    """The line that would do the same."""
    return selector.locator("pre").inner_text().splitlines()[-1]


def choose(selector: Locator, name: str) -> None:
    """Click a model in the list."""
    value = selector.locator("select[size]").locator("option", has_text=name).first.get_attribute("value")
    selector.locator("select[size]").select_option(value)


def drag(notebook: NotebookPage, handle: Locator) -> None:
    """Move a slider a little to the right."""
    box = handle.bounding_box()
    assert box is not None
    mouse, x, y = notebook.page.mouse, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 30, y, steps=5)
    mouse.up()


@both
def test_what_is_clicked_is_what_everybody_shows_and_the_next_prompt_sends(
    app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path
) -> None:
    endpoint.models = ["small", HOSTILE, "large"]
    notebook = open_notebook(app, code(setup(endpoint), "%llm_config", SHOW, "%llm_config", "%%llm\nHi", SHOW))
    notebook.run(0)
    notebook.run(1)
    output = notebook.output(1)
    selector = output.locator(".widget-vbox").first
    selector.get_by_text("The same in a cell").wait_for()
    assert endpoint.requests == []
    notebook.shot(shots / f"selector_{app}.png", height=1500)

    selector.get_by_role("button", name="Find models").click()
    selector.get_by_text("The endpoints list 3 models.").wait_for()
    selector.get_by_label("search").fill("large")
    selector.locator("select[size] option", has_text="small").wait_for(state="detached")
    choose(selector, "far/large")
    selector.locator("pre", has_text="%llm_config far/large").wait_for()
    selector.get_by_label("search").fill("demo")
    selector.locator("select[size] option", has_text="large").wait_for(state="detached")
    selector.get_by_label("search").press("Enter")
    selector.locator("pre", has_text="%llm_config demo").wait_for()
    selector.get_by_label("search").fill("large")
    selector.get_by_label("search").press("Enter")
    selector.locator("pre", has_text="%llm_config far/large").wait_for()

    drag(notebook, selector.get_by_role("slider").first)
    selector.locator("pre", has_text=re.compile(r"temperature=1\.[1-9]")).wait_for()
    readout = selector.locator(".widget-readout").first
    readout.fill("0.95")
    readout.press("Enter")
    selector.locator("pre", has_text="temperature=0.95").wait_for()
    tokens = selector.get_by_label("max_tokens")
    tokens.fill("70")
    assert "max_tokens" not in line(selector)
    tokens.press("Enter")
    selector.locator("pre", has_text="max_tokens=70").wait_for()
    selector.get_by_label("system").fill("Be brief.\nBe kind.")
    selector.get_by_label("search").focus()
    selector.locator("pre", has_text=r"%config LLMMagics.system = 'Be brief.\nBe kind.'").wait_for()
    selector.get_by_label("stream").select_option("no")
    selector.locator("pre", has_text="stream=false").wait_for()
    selector.get_by_label("images").select_option("hosts")
    selector.get_by_label("hosts").fill("a.example, *.b.example")
    selector.get_by_label("hosts").press("Enter")
    selector.locator("pre", has_text='images=["a.example", "*.b.example"]').wait_for()

    table = output.locator("table").first
    table.locator("tr", has_text="temperature").get_by_text("0.95").wait_for()
    notebook.run(2)
    notebook.output(2).get_by_text("0.95").wait_for()
    notebook.run(4)
    body = endpoint.chats[-1].body
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("large", 0.95, 70)
    assert body["messages"][0] == {"role": "system", "content": "Be brief.\nBe kind."}
    assert "stream" not in body

    tokens.fill("many")
    tokens.press("Enter")
    selector.get_by_text("max_tokens: 'many' is not usable").wait_for()
    assert tokens.input_value() == "70"
    selector.get_by_label("temperature").uncheck()
    selector.locator("pre", has_text=re.compile("temperature")).wait_for(state="detached")
    notebook.run(5)
    assert "0.95" not in notebook.output(5).inner_text()
    notebook.shot(shots / f"selector_set_{app}.png", height=1500)
    assert selector.locator(ACTIVE).count() == 0


@both
def test_what_is_typed_is_what_the_selector_shows(app: str, open_notebook: Opener, endpoint: FarEnd) -> None:
    typed = ("%llm_config", "%llm_config temperature=0.3 demo", "%config LLMMagics.max_tokens = 40")
    notebook = open_notebook(app, code(setup(endpoint), *typed))
    notebook.run(0)
    notebook.run(1)
    selector = notebook.output(1).locator(".widget-vbox").first
    selector.get_by_text("The same in a cell").wait_for()
    notebook.run(2)
    selector.locator("pre", has_text="%llm_config demo temperature=0.3").wait_for()
    assert selector.get_by_label("temperature").is_checked()
    assert selector.get_by_role("slider").first.get_attribute("aria-valuenow") == "0.3"
    notebook.run(3)
    selector.locator("input[placeholder='40 (%config LLMMagics)']").wait_for()


@both
def test_a_check_is_drawn_in_the_selector_while_cells_run(
    app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path
) -> None:
    endpoint.refuses_tools(400, openai_error(f"tools are not supported {HOSTILE}"), then=None)
    endpoint.answers("One, two, three, four, five, six, seven.", gap=0.02, model=HOSTILE, latency=0.3)
    notebook = open_notebook(app, code(setup(endpoint), "%llm_config", "print('still', 'here')"))
    notebook.run(0)
    notebook.run(1)
    selector = notebook.output(1).locator(".widget-vbox").first
    selector.get_by_role("button", name="Check").click()
    selector.locator("td", has_text="…").wait_for()
    notebook.run(2)
    notebook.output(2).get_by_text("still here").wait_for()
    selector.get_by_role("button", name="Stop").wait_for()
    selector.get_by_text("JSON schema", exact=True).wait_for()
    selector.get_by_text("It took").wait_for()
    notebook.shot(shots / f"selector_checked_{app}.png", height=2200)
    assert selector.locator("tbody tr").count() == 17
    assert selector.locator(ACTIVE).count() == 0
    assert "onerror=window.struck" in selector.inner_text()
    assert notebook.page.evaluate("() => window.struck ?? null") is None

    endpoint.reset()
    endpoint.hangs()
    selector.get_by_role("button", name="Check").click()
    selector.get_by_role("button", name="Stop").click()
    selector.get_by_text("Stopped").wait_for()


@both
def test_a_notebook_that_is_opened_again_shows_the_table(
    app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path
) -> None:
    notebook = open_notebook(app, code(setup(endpoint), "%llm_config", "%llm_config", "%llm_config temperature=0.3"))
    for index in range(4):
        notebook.run(index)
    notebook.output(2).locator("tr", has_text="temperature").wait_for()
    saved = notebook.save()
    assert [set(output.data) for output in saved.cells[1].outputs] == [
        {"text/plain"},
        {"text/plain", "text/markdown"},
    ], "the selector that another one took the place of is gone"

    again = open_notebook(app, saved)
    shown = again.output(2)
    shown.locator("tr", has_text="temperature").get_by_text("0.3").wait_for()
    assert again.output(1).locator("table").count() == 2
    assert "Error" not in again.output(1).inner_text()
    again.shot(shots / f"selector_again_{app}.png", height=1200)


def test_the_selector_looks_well_narrow_and_dark(open_notebook: Opener, endpoint: FarEnd, shots: Path) -> None:
    notebook = open_notebook("lab", code(setup(endpoint), "%llm_config temperature=0.3 seed=7", "%llm_config"))
    for index in range(3):
        notebook.run(index)
    selector = notebook.output(2).locator(".widget-vbox").first
    selector.get_by_text("The same in a cell").wait_for()
    with notebook.theme("JupyterLab Dark"):
        notebook.shot(shots / "selector_dark.png", height=1500)
    notebook.command("application:toggle-left-area")
    size = notebook.page.viewport_size
    notebook.page.set_viewport_size({"width": 560, "height": 1800})
    notebook.page.wait_for_timeout(500)
    notebook.page.screenshot(path=shots / "selector_narrow.png")
    assert selector.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    assert size is not None
    notebook.page.set_viewport_size(size)
