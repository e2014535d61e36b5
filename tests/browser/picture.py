"""Takes the README's pictures, so that they show what this version does.

python tests/browser/picture.py docs/first_answer.png docs/tools.png
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from loopback_jupyter import browse, missing_part, serve
from notebook_page import NotebookPage, code, open_page

WINDOW = {"width": 1270, "height": 730}
TITLE = "# Ask from a notebook\n\nNothing is configured yet, so `demo` answers: it runs inside the kernel, offline."
QUESTION = "%%llm\nHow do I set the temperature?"
# The buttons of the active cell, and the mark beside it, would only distract.
TIDY = """
.jp-cell-toolbar, .jp-Cell .jp-Collapser, .jp-Notebook-footer { display: none !important; }
.jp-Notebook .jp-Cell.jp-mod-active { outline: none !important; box-shadow: none !important; border: none !important; }
"""


SALES = """import pandas as pd
sales = pd.DataFrame({"region": ["north", "south", "north", "west"], "sold": [120, 80, 140, 95]})"""
ASKED = "%%llm --tools frames\nRun SELECT region, sum(sold) AS sold FROM sales GROUP BY region ORDER BY sold DESC"


def first_answer() -> nbformat.NotebookNode:
    """A prompt, and its answer."""
    book = code("%load_ext llm_magics", QUESTION)
    book.cells.insert(0, nbformat.v4.new_markdown_cell(TITLE))
    return book


def tools() -> nbformat.NotebookNode:
    """A dataframe that is asked about."""
    return code("%load_ext llm_magics\n" + SALES, ASKED)


PICTURES = {"first_answer": first_answer, "tools": tools}


def take(page: NotebookPage, path: Path) -> None:
    """Run the notebook, and take a picture of its panel alone, with what is folded in it open."""
    page.command("application:toggle-left-area")
    page.run_all()
    page.save()
    page.page.add_style_tag(content=TIDY)
    page.select(1)
    for summary in page.page.locator(".jp-OutputArea summary:visible").all():
        summary.click()
    page.page.wait_for_timeout(1000)
    page.page.locator(".jp-NotebookPanel:visible").screenshot(path=path)


def main(arguments: list[str]) -> str | None:
    """The exit status: nothing, or why there is no picture."""
    paths = [Path(argument) for argument in arguments]
    if not paths or not {path.stem for path in paths} <= set(PICTURES):
        return f"usage: python tests/browser/picture.py FOLDER/NAME.png …, of the names {', '.join(PICTURES)}"
    if problem := missing_part():
        return f"no picture: {problem}"
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder) / "jupyter") as server, browse() as browser:
        context = browser.new_context(viewport=WINDOW)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            take(open_page(context, server, "lab", PICTURES[path.stem](), path.stem), path)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
