"""A notebook in a browser tab, by what a user does with it: run, interrupt, save, look."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from loopback_jupyter import PATIENCE, App, Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

READY = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    const session = panel?.context?.sessionContext;
    return session?.isReady && session.session?.kernel?.status === 'idle' && panel.content?.widgets?.length > 0;
}"""
PANEL = "window.jupyterapp.shell.currentWidget"
ALL_RAN = f"""() => {PANEL}.content.widgets.every(cell => cell.model.type !== 'code'
    || (cell.model.executionCount !== null && cell.model.executionState !== 'running'))"""

COMMAND = """([name, given]) => {
    window.ended = null;
    const over = failure => { window.ended = {failure: failure ? String(failure) : ''}; };
    window.jupyterapp.commands.execute(name, given).then(() => over(), error => over(error || 'failed'));
}"""

START = """() => {
    window.ran = false;
    const over = () => { window.ran = true; };
    window.jupyterapp.commands.execute('notebook:run-cell').then(over, over);
}"""

SELECT = f"""(index) => {{
    const book = {PANEL}.content;
    book.activeCellIndex = index;
    return book.scrollToItem(index);
}}"""

# Before each frame: how much text the cell's output shows, and how high it is: nobody can see more.
WATCH = f"""(index) => {{
    const cell = {PANEL}.content.widgets[index].node;
    const seen = window.seen = [];
    const look = () => {{
        const area = cell.querySelector('.jp-OutputArea');
        seen.push([Math.round(performance.now()), area ? area.textContent.length : 0, area ? area.offsetHeight : 0]);
        if (window.seen === seen) requestAnimationFrame(look);
    }};
    look();
}}"""


@dataclass(frozen=True, slots=True)
class Glance:
    """What a cell's output was like in one frame."""

    milliseconds: int
    characters: int
    height: int


def code(*sources: str) -> nbformat.NotebookNode:
    """A new notebook with these code cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


class NotebookPage:
    """One open notebook; cells are counted from 0, Markdown cells among them."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.file = file

    def close(self) -> None:
        """Shut the kernel down, and close the tab."""
        self.page.evaluate(f"() => {PANEL}.context.sessionContext.shutdown()")
        self.page.close()

    def command(self, name: str, **arguments: Any) -> None:
        """Run one of the application's commands to its end."""
        self.page.evaluate(COMMAND, [name, arguments])
        self.page.wait_for_function("() => window.ended", timeout=5 * PATIENCE)  # a promise alone may never end
        failure = self.page.evaluate("() => window.ended.failure")
        assert not failure, f"{name}: {failure}"

    def run_all(self) -> None:
        """Run every cell, and wait until they have run."""
        self.command("notebook:run-all-cells")

    def wait_until_all_ran(self) -> None:
        """Wait for cells behind one that failed as expected, which the application itself does not wait for."""
        self.page.wait_for_function(ALL_RAN, timeout=5 * PATIENCE)

    def start(self, index: int) -> None:
        """Run one cell, and do not wait."""
        self.select(index)
        self.page.evaluate(START)

    def finish(self) -> None:
        """Wait until the cell that was started has run."""
        self.page.wait_for_function("() => window.ran", timeout=5 * PATIENCE)  # a promise alone may never end

    def run(self, index: int) -> None:
        """Run one cell, and wait until it has run."""
        self.start(index)
        self.finish()

    def select(self, index: int) -> None:
        """Make a cell the active one, and bring it into view."""
        self.page.evaluate(SELECT, index)

    def interrupt(self) -> None:
        """Press the stop button."""
        self.command("notebook:interrupt-kernel")

    def watch(self, index: int) -> None:
        """Begin to note what a cell's output is like, frame by frame."""
        self.page.evaluate(WATCH, index)

    def watched(self) -> list[Glance]:
        """Stop, and tell what was noted, without repetitions."""
        seen = self.page.evaluate("() => { const seen = window.seen; window.seen = null; return seen; }")
        glances = [Glance(*one) for one in seen]
        before = [None, *glances]
        return [now for now, last in zip(glances, before, strict=False) if last is None or _look(now) != _look(last)]

    def output(self, index: int) -> Locator:
        """Everything a cell shows below its input."""
        cell = f'.jp-NotebookPanel:visible .jp-Cell[data-windowed-list-index="{index}"]'
        return self.page.locator(cell).locator(".jp-Cell-outputArea")

    def save(self) -> nbformat.NotebookNode:
        """Save, and read what was saved."""
        self.command("docmanager:save")
        return nbformat.read(self.file, as_version=4)

    @contextlib.contextmanager
    def theme(self, name: str) -> Iterator[None]:
        """Change the colours of the whole application, for a while."""
        self.command("apputils:change-theme", theme=name)
        yield
        self.command("apputils:change-theme", theme="JupyterLab Light")

    def shot(self, path: Path, *, height: int | None = None) -> None:
        """A picture of the page, as high as asked for."""
        size = self.page.viewport_size
        if height is None or size is None:
            self.page.screenshot(path=path)
            return
        self.page.set_viewport_size({"width": size["width"], "height": height})
        self.page.wait_for_timeout(250)  # for the application to lay itself out
        self.page.screenshot(path=path)
        self.page.set_viewport_size(size)


def open_page(
    context: BrowserContext, server: Server, app: App, notebook: nbformat.NotebookNode, name: str
) -> NotebookPage:
    """Write a notebook into the server's folder, open it in a new tab, and wait for its kernel."""
    file = server.root / f"{name}.ipynb"
    nbformat.write(notebook, file)
    from playwright.sync_api import TimeoutError as TooLate

    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(server.url(app, file.name), wait_until="domcontentloaded")
    try:
        page.wait_for_function(READY)
    except TooLate:  # on a busy machine the application may miss that its kernel is there; a user reloads
        page.reload(wait_until="domcontentloaded")
        page.wait_for_function(READY)
    return NotebookPage(page, file)


def _look(glance: Glance) -> tuple[int, int]:
    return glance.characters, glance.height
