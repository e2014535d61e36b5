"""What someone sees in a browser who checks an endpoint: a table that grows in place, its texts only texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from far_end import openai_error
from notebook_page import NotebookPage, code

if TYPE_CHECKING:
    from far_end import FarEnd

pytestmark = pytest.mark.browser
Opener = Callable[[str, nbformat.NotebookNode], NotebookPage]

HOSTILE = "<img src=x onerror=alert(1)> ![](https://evil.example/p.png) | $\\href{javascript:alert(1)}{x}$"


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_a_check_is_one_table_that_grows_and_whose_texts_are_only_texts(
    app: str, open_notebook: Opener, endpoint: FarEnd, shots: Path
) -> None:
    endpoint.refuses_tools(400, openai_error(f"tools are not supported {HOSTILE}"), then=None)
    endpoint.when(lambda request: request.asks_for("temperature") is not None).answers("Hello.", latency=2.5)
    endpoint.answers("One, two, three, four, five, six, seven.", gap=0.02, model=HOSTILE)
    add = f"%load_ext llm_magics\n%llm_config --add far base_url={endpoint.base_url}"
    notebook = open_notebook(app, code(add, "%llm_config --check", "%llm_config --caps"))
    notebook.run(0)
    notebook.start(1)
    shown = notebook.output(1)
    shown.get_by_text("system role").wait_for()
    notebook.shot(shots / f"check_growing_{app}.png")
    notebook.finish()
    shown.get_by_text("JSON schema", exact=True).wait_for()
    notebook.run(2)
    notebook.output(2).locator("table").wait_for()

    assert shown.locator("table").count() == 1
    assert shown.locator("tbody tr").count() == 17
    assert shown.locator("img, script, a").count() == 0
    assert notebook.output(2).locator("img, script, a").count() == 0
    assert "onerror=alert(1)" in shown.inner_text()
    notebook.select(0)
    notebook.shot(shots / f"check_{app}.png", height=1600)
