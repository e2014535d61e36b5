"""Long answers in a real JupyterLab, whose server has its limits as they come: what is saved is whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import nbformat
import pytest
from notebook_page import NotebookPage, code

if TYPE_CHECKING:
    from far_end import FarEnd

pytestmark = pytest.mark.browser
Opener = Callable[[str, nbformat.NotebookNode], NotebookPage]

SENTENCE = "The keeper of the lighthouse counted the ships that went by. "
PARAGRAPH = (SENTENCE * 8).strip() + "\n\n"
TOKENS = (PARAGRAPH * 500)[:200_000].rsplit(".", 1)[0] + "."  # 50,000 at four characters each
MORE = PARAGRAPH * 1_000


def saved_answer(notebook: NotebookPage) -> tuple[str, int]:
    """The answer as the notebook's file has it, and how long it is in the kernel."""
    notebook.run_all()
    cells = notebook.save().cells
    (output,) = cells[1].outputs
    assert output.output_type == "execute_result"
    return output.data["text/markdown"], int(cells[2].outputs[0].data["text/plain"])


def asking(endpoint: FarEnd) -> nbformat.NotebookNode:
    """A notebook that asks once."""
    setup = f"%load_ext llm_magics\n%llm_config --add far base_url={endpoint.base_url} model=far-model"
    return code(setup, "%%llm\nTell all.", "len(_llm.text)")


@pytest.mark.parametrize("chunk", [4, 4_000], ids=["token by token", "in large pieces"])
def test_50_000_tokens_are_whole_in_the_saved_notebook(open_notebook: Opener, endpoint: FarEnd, chunk: int) -> None:
    endpoint.answers(TOKENS, chunk=chunk)
    shown, length = saved_answer(open_notebook("lab", asking(endpoint)))
    assert length == len(TOKENS) > 199_000
    assert shown == TOKENS


def test_an_answer_that_no_page_takes_is_saved_to_its_line_on_the_rest(open_notebook: Opener, endpoint: FarEnd) -> None:
    endpoint.answers(MORE, chunk=400, gap=0.001)
    shown, length = saved_answer(open_notebook("lab", asking(endpoint)))
    text, _, rest = shown.rpartition("\n\n… ")
    assert length == len(MORE) > 480_000
    assert MORE.startswith(text)
    assert 200_000 < len(text) < 300_000
    assert rest.endswith("more characters in &#95;llm")
