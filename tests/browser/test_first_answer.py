"""What someone sees in a browser who asks a model from a notebook, in JupyterLab and in Notebook 7."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from notebook_page import NotebookPage, code

if TYPE_CHECKING:
    from far_end import FarEnd

pytestmark = pytest.mark.browser
both = pytest.mark.parametrize("app", ["lab", "notebook"])
Opener = Callable[[str, nbformat.NotebookNode], NotebookPage]

FIRST_ANSWER = Path(__file__).parents[2] / "notebooks" / "01_first_answer.ipynb"
STORY = """## A short story

A **lighthouse** keeper counted ships, and wrote their names down.

1. the *Aurora*, bound for Bergen
2. the *Petrel*, bound for home

```python
for ship in ships:
    print(ship.name)
```

One night there were none. The keeper wrote: `none`, and slept well.
"""
WORD_JOINER = "\u2060"  # nobody sees it
ACTIVE = "img, script, iframe, svg, a[href^='javascript:']"


def setup(endpoint: FarEnd) -> str:
    """The cell that makes the endpoint a notebook's model."""
    return f"%load_ext llm_magics\n%llm_config --add far base_url={endpoint.base_url} model=far-model"


@both
def test_the_first_notebook_runs_and_is_saved_with_one_answer_per_prompt(
    app: str, open_notebook: Opener, shots: Path
) -> None:
    notebook = open_notebook(app, nbformat.read(FIRST_ANSWER, as_version=4))
    notebook.run_all()

    saved = notebook.save()
    prompts = [cell for cell in saved.cells if cell.source.startswith("%%llm") and "--dry-run" not in cell.source]
    assert len(prompts) >= 3
    for cell in prompts:
        (output,) = cell.outputs
        assert output.output_type == "execute_result"
        assert set(output.data) == {"text/markdown", "text/plain"}
    assert "Traceback" not in nbformat.writes(saved)
    assert all(output.output_type != "error" for cell in saved.cells for output in cell.get("outputs", []))
    notebook.select(0)
    notebook.shot(shots / f"first_answer_{app}.png", height=3200)


@both
def test_an_answer_grows_on_the_page_and_is_there_once_in_the_end(
    app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path
) -> None:
    endpoint.answers(STORY, chunk=8, gap=0.06)
    notebook = open_notebook(app, code(setup(endpoint), "%%llm\nTell me a short story."))
    notebook.run(0)

    notebook.watch(1)
    notebook.start(1)
    notebook.output(1).locator("ol").wait_for()
    notebook.shot(shots / f"growing_{app}.png")
    notebook.finish()
    shown = notebook.output(1)
    shown.get_by_text("slept well").wait_for()
    lengths = [glance.characters for glance in notebook.watched()]
    notebook.shot(shots / f"grown_{app}.png")

    first = next(place for place, length in enumerate(lengths) if length)
    growing = lengths[first:]
    assert len(set(growing)) > 5
    assert growing == sorted(growing), "nothing that was shown goes away, not even when the streamed text is replaced"
    assert shown.inner_text().count("A short story") == 1
    assert shown.locator(".jp-RenderedMarkdown").count() == 1
    assert shown.locator("h2").inner_text().startswith("A short story")
    assert shown.locator("ol li").count() == 2
    (output,) = notebook.save().cells[1].outputs
    assert output.output_type == "execute_result"
    assert output.data["text/plain"].strip() == STORY.strip()


@both
def test_an_interrupted_answer_keeps_its_text_and_the_next_cell_runs(
    app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path
) -> None:
    endpoint.answers("word " * 400, chunk=5, gap=0.05)
    notebook = open_notebook(app, code(setup(endpoint), "%%llm\nTalk and talk.", "print('still', 'here')"))
    notebook.run(0)

    notebook.start(1)
    shown = notebook.output(1)
    shown.get_by_text("word word word word").first.wait_for()
    notebook.interrupt()
    shown.get_by_text("Interrupted").first.wait_for()

    assert endpoint.wait_for_disconnect()
    assert "word word word word" in shown.inner_text()
    assert "Traceback" not in shown.inner_text()
    notebook.finish()  # the kernel drops what it is sent before it has told of the interrupt
    notebook.run(2)
    notebook.output(2).get_by_text("still here").wait_for()
    notebook.shot(shots / f"interrupted_{app}.png")


def hostile(endpoint: FarEnd) -> str:
    """An answer that would act on the page if it were shown as it is; each way sets a mark of its own."""
    beacon = endpoint.base_url.removesuffix("/v1") + "/beacon"
    return f"""Look: <img src=x onerror="window.struck = 'img'"> and ![x]({beacon}/image.png) and
[a link](javascript:window.struck='link') and <a href="javascript:window.struck='raw'">a raw link</a>

<script>window.struck = 'script'</script>

<iframe src="{beacon}/frame"></iframe> <svg onload="window.struck = 'svg'"></svg>

![y](http://pictures.example/outside.png)

The end.
"""


def beacons(endpoint: FarEnd) -> list[str]:
    """What the page fetched because the answer told it to."""
    return [request.path for request in endpoint.requests if request.path.startswith("/beacon")]


@both
def test_a_hostile_answer_does_nothing_where_plain_markdown_would_act(
    app: str, open_notebook: Opener, endpoint: FarEnd, outside: list[str], shots: Path
) -> None:
    text = hostile(endpoint)
    endpoint.answers(text, chunk=16, gap=0.03)
    control = f"from IPython.display import Markdown, display\ndisplay(Markdown({text!r}))"
    notebook = open_notebook(app, code(setup(endpoint), "%%llm\nBe good.", control))
    notebook.run(0)
    notebook.run(1)
    shown = notebook.output(1)
    shown.get_by_text("The end.").wait_for()
    shown.get_by_text("a link").click()
    shown.get_by_text("a raw link").click()
    notebook.page.wait_for_timeout(300)

    assert notebook.page.evaluate("() => window.struck ?? null") is None
    assert beacons(endpoint) == []
    assert outside == []
    notebook.shot(shots / f"hostile_{app}.png")
    assert shown.locator(".jp-RenderedMarkdown").locator(ACTIVE).count() == 0

    notebook.run(2)  # the same text, shown as it is: a test that saw nothing here would be blind
    notebook.page.wait_for_function("() => window.struck")
    notebook.page.wait_for_timeout(300)
    assert "/beacon/image.png" in beacons(endpoint)
    assert outside == ["http://pictures.example/outside.png"]
    outside.clear()


def test_reasoning_is_folded_and_tool_calls_are_open(open_notebook: Opener, endpoint: FarEnd, shots: Path) -> None:
    calls = [("get_weather", {"city": "Oslo", "unit": "celsius"}), ("get_time", {"zone": "Europe/Oslo"})]
    thoughts = "The user asks about Oslo. I need the weather and the time there. " * 4
    endpoint.calls_tools(calls, text="I will look that up.", reasoning=thoughts, gap=0.03)
    notebook = open_notebook("lab", code(setup(endpoint), "%%llm\nWhat is it like in Oslo right now?"))
    notebook.run(0)
    notebook.start(1)
    notebook.output(1).get_by_text("Thinking").wait_for()
    notebook.shot(shots / "thinking.png")
    notebook.finish()

    shown = notebook.output(1)
    reasoning = shown.locator("details", has_text="Reasoning")
    reasoning.wait_for()
    assert not reasoning.evaluate("details => details.open")
    assert not reasoning.get_by_text("The user asks about Oslo").is_visible()
    tools = shown.locator("details", has_text="Tool call:")
    assert tools.count() == 2
    assert all(tool.evaluate("details => details.open") for tool in tools.all())
    assert tools.first.locator("code").first.inner_text() == "get_weather"
    assert tools.first.get_by_text('"Oslo"').is_visible()
    notebook.shot(shots / "tools.png")
    reasoning.locator("summary").click()
    reasoning.get_by_text("The user asks about Oslo").wait_for()
    with notebook.theme("JupyterLab Dark"):
        notebook.shot(shots / "tools_dark.png")


def test_settings_and_models_are_shown_as_tables(open_notebook: Opener, endpoint: FarEnd, shots: Path) -> None:
    notebook = open_notebook("lab", code(setup(endpoint), "%llm_config", "%llm_config --models", "%%llm?"))
    notebook.run_all()

    assert notebook.output(1).locator("table").count() == 2
    assert notebook.output(1).locator("table").first.locator("tr", has_text="far").count() >= 1
    assert notebook.output(2).get_by_text("far-model").count() >= 1
    for option in ("--model", "--dry-run", "Ask a language model"):
        assert option in notebook.output(3).inner_text()
    notebook.shot(shots / "settings.png", height=1800)


def test_prices_are_no_formulas(open_notebook: Opener, endpoint: FarEnd, shots: Path) -> None:
    endpoint.answers("It costs $5 and $10, and $x^2$ is a formula.")
    notebook = open_notebook("lab", code(setup(endpoint), "%%llm\nWhat does it cost?"))
    notebook.run_all()

    notebook.output(1).locator("mjx-container").first.wait_for()
    notebook.shot(shots / "prices.png")
    assert notebook.output(1).locator("mjx-container").count() == 1
    assert "$5 and $10" in notebook.output(1).inner_text().replace(WORD_JOINER, "")
