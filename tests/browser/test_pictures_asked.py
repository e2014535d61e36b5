"""Pictures in answers, in a browser: nothing is fetched before someone says yes, and then exactly what was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import nbformat
import pytest
from listener import listening
from notebook_page import NotebookPage, code
from test_first_answer import setup

if TYPE_CHECKING:
    from far_end import FarEnd

pytestmark = pytest.mark.browser
both = pytest.mark.parametrize("app", ["lab", "notebook"])
Opener = Callable[[str, nbformat.NotebookNode], NotebookPage]
PATIENCE = 60_000  # milliseconds


@both
def test_a_picture_is_fetched_once_someone_said_yes_and_from_its_address_alone(
    app: str, open_notebook: Opener, endpoint: FarEnd
) -> None:
    with listening() as other:
        address = f"http://{other.host}/cat_(1).png?a=1&copy=2&lt=3"
        endpoint.answers(f"Look:\n\n![a cat]({address})\n\nand\n\n![evil](http://evil.example/x.png)", times=2)
        notebook = open_notebook(app, code(setup(endpoint), "%llm_config images=ask", "%%llm\nhi", "%%llm\nhi"))
        notebook.run(0)
        notebook.run(1)

        notebook.start(2)
        question = notebook.output(2).locator("input")
        question.wait_for(timeout=PATIENCE)
        assert f"Load pictures from {other.host}" in notebook.output(2).inner_text()
        assert other.paths == []
        question.fill("n")
        question.press("Enter")
        notebook.finish()
        notebook.output(2).get_by_text("Pictures are not loaded").wait_for(timeout=PATIENCE)
        assert other.paths == []
        assert notebook.output(2).locator("img").count() == 0

        notebook.start(3)
        question = notebook.output(3).locator("input")
        question.wait_for(timeout=PATIENCE)
        question.fill("y")
        question.press("Enter")
        notebook.finish()
        notebook.output(3).locator("img[alt='a cat']").wait_for(state="attached", timeout=PATIENCE)
        for _ in range(PATIENCE // 100):
            if other.paths:
                break
            notebook.page.wait_for_timeout(100)
        assert set(other.paths) == {"/cat_%281%29.png?a=1&copy=2&lt=3"}
        saved = notebook.save()
        assert [[output.output_type for output in cell.outputs] for cell in saved.cells[2:]] == [["execute_result"]] * 2
