"""Several models beside each other, as someone sees them in JupyterLab and in Notebook 7."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbconvert import HTMLExporter
from notebook_page import NotebookPage, code

if TYPE_CHECKING:
    from far_end import FarEnd

pytestmark = pytest.mark.browser
both = pytest.mark.parametrize("app", ["lab", "notebook"])
Opener = Callable[[str, nbformat.NotebookNode], NotebookPage]

NAMES = ("one", "two", "three", "four")
STORY = """## {name}

Sunlight is scattered by air, **blue** most of all: $1/\\lambda^4$.

```python
def share(wavelength, reference=550e-9):
    return (reference / wavelength) ** 4
```

| colour | nm |
|---|---:|
| blue | 450 |
| red | 700 |

The end of {name}.
"""


def setup(endpoint: FarEnd) -> str:
    """The cell that makes four models of one endpoint; each answers with its name."""
    for number, name in enumerate(NAMES):
        endpoint.when(to(name)).answers(STORY.format(name=name), chunk=8, gap=0.02 + 0.01 * number)
    added = [f"%llm_config --add {name} base_url={endpoint.base_url} model={name}" for name in NAMES]
    return "\n".join(["%load_ext llm_magics", *added])


def to(name: str) -> Any:
    """Whether a request is for this model."""
    return lambda request: request.is_chat and request.asks_for("model") == name


@both
def test_four_lanes_grow_and_are_whole_in_the_end_and_in_what_is_saved(
    app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path
) -> None:
    notebook = open_notebook(app, code(setup(endpoint), "%%llm -m one two three four\nWhy?"))
    notebook.run(0)
    notebook.watch(1)
    notebook.start(1)
    shown = notebook.output(1)
    shown.locator("summary", has_text="four").wait_for()
    shown.locator("h2", has_text="two").wait_for()
    notebook.shot(shots / f"four_growing_{app}.png", height=1600)
    notebook.finish()
    shown.get_by_text("The end of four.").wait_for()
    grown = [glance.characters for glance in notebook.watched()]
    assert len({length for length in grown if length}) > 5, "it grew"
    notebook.select(1)
    notebook.shot(shots / f"four_{app}.png", height=2400)
    for name in NAMES:
        assert shown.get_by_text(f"The end of {name}.").count() == 1
    assert shown.locator("th", has_text="first token").count() == 1
    (output,) = notebook.save().cells[1].outputs
    assert output.output_type == "execute_result"


@pytest.mark.parametrize("width", [1200, 620])
def test_three_stand_beside_each_other_on_a_wide_page_and_below_each_other_on_a_narrow_one(
    open_notebook: Opener, endpoint: FarEnd, shots: Path, width: int
) -> None:
    notebook = open_notebook("lab", code(setup(endpoint), "%%llm -m one two three\nWhy?"))
    notebook.command("application:toggle-left-area")
    notebook.page.set_viewport_size({"width": width, "height": 800})
    notebook.run_all()
    notebook.select(1)
    ends = [notebook.output(1).get_by_text(f"The end of {name}.").bounding_box() for name in NAMES[:3]]
    assert all(ends)
    lefts, tops = {round(end["x"]) for end in ends if end}, {round(end["y"]) for end in ends if end}
    assert (len(lefts), len(tops)) == ((3, 1) if width == 1200 else (1, 3))
    notebook.shot(shots / f"three_{width}.png", height=1700)
    with notebook.theme("JupyterLab Dark"):
        notebook.page.wait_for_timeout(500)
        notebook.shot(shots / f"three_{width}_dark.png", height=1700)


# Of each place that shows this name, the words of the part of the page that one line at the left runs along.
LINED = """(name) => [...document.querySelectorAll('.jp-NotebookPanel .jp-OutputArea b, .jp-OutputArea strong')]
    .filter(place => place.textContent === name && place.offsetParent)
    .map(place => {
        while (place && !(parseFloat(getComputedStyle(place).borderLeftWidth) > 0)) place = place.parentElement;
        return place ? place.textContent : '';
    })"""


@pytest.mark.parametrize("names", ["one two", "one two three four"])
def test_an_answer_that_writes_the_name_of_another_does_not_leave_its_own_lane(
    open_notebook: Opener, endpoint: FarEnd, shots: Path, names: str
) -> None:
    cells = [setup(endpoint), f"%%llm -m {names}\nWhy?"]
    endpoint.when(lambda request: request.asks_for("model") == "poser").answers(
        "Fine.\n\n**two**\n\n*0.10 s · 20 → 30 tokens · no price · stop*\n\nI am rude."
    )
    cells[0] += f"\n%llm_config --add one base_url={endpoint.base_url} model=poser"
    live = open_notebook("lab", code(*cells))
    live.page.set_viewport_size({"width": 620, "height": 900})
    live.run_all()
    live.output(1).get_by_text("The end of two.").wait_for()
    live.shot(shots / f"posing_{len(names.split())}.png", height=1600)
    again = open_notebook("lab", live.save())  # untrusted
    again.select(1)
    again.output(1).get_by_text("The end of two.").wait_for()
    for notebook in (live, again):
        posing, true = notebook.page.evaluate(LINED, "two")
        assert "I am rude." in posing
        assert "The end of two." not in posing
        assert "The end of two." in true
        assert "I am rude." not in true


@both
def test_a_vote_by_button_shows_the_names_and_takes_the_buttons_away(
    app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path
) -> None:
    pytest.importorskip("ipywidgets")
    notebook = open_notebook(app, code(setup(endpoint), "%%llm -m one two --blind\nWhy?", "%llm_config --arena"))
    notebook.run(0)
    notebook.run(1)
    shown = notebook.output(1)
    shown.get_by_role("button", name="B", exact=True).wait_for()
    assert "tokens" not in shown.inner_text()
    notebook.select(1)
    notebook.shot(shots / f"blind_{app}.png", height=1200)
    shown.get_by_role("button", name="B", exact=True).click()
    shown.get_by_text("Your vote: B").wait_for()
    notebook.shot(shots / f"voted_{app}.png", height=1200)
    assert shown.get_by_role("button").count() == 0
    assert shown.get_by_text("no price").count() == 2
    notebook.run(2)
    assert "Too few votes to tell" in notebook.output(2).inner_text()
    saved = notebook.save().cells[1].outputs
    assert "Your vote: B" in saved[0].data["text/markdown"]


@both
def test_a_saved_comparison_is_read_again_without_a_kernel_and_in_nbconverts_html(
    app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path, tmp_path: Path
) -> None:
    cells = [setup(endpoint), "%%llm -m one two\nWhy?", "%%llm -m one two three four\nWhy?", "_.diff('one', 'two')"]
    first = open_notebook(app, code(*cells))
    first.run_all()
    saved = first.save()
    live = [first.output(index).inner_text() for index in (1, 2, 3)]
    again = open_notebook(app, saved)
    again.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    for index in (1, 2, 3):
        again.select(index)
        again.output(index).locator("div").first.wait_for()
        assert again.output(index).inner_text().split() == live[index - 1].split()
    again.select(0)
    again.shot(shots / f"read_again_{app}.png", height=2600)
    html, _ = HTMLExporter().from_notebook_node(saved)
    file = tmp_path / "saved.html"
    file.write_text(html, "utf-8")
    browser = again.page.context.browser
    assert browser is not None
    page = browser.new_page(viewport={"width": 1200, "height": 3000})  # nbconvert's own scripts are not ours to forbid
    page.goto(file.as_uri(), wait_until="domcontentloaded")
    ends = [page.get_by_text(f"The end of {name}.").first.bounding_box() for name in NAMES[:2]]
    page.screenshot(path=shots / f"nbconvert_{app}.png")
    page.close()
    assert ends[0] and ends[1] and ends[0]["x"] < ends[1]["x"], "side by side there, too"
