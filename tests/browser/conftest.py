"""What browser tests share: one server, one browser, an endpoint, and a door that opens notebooks."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from far_end import FarEnd
from loopback_jupyter import Server, browse, missing_part, outside_requests, serve
from notebook_page import NotebookPage, open_page

if TYPE_CHECKING:
    from loopback_jupyter import App
    from nbformat import NotebookNode
    from playwright.sync_api import BrowserContext

SIZE = {"width": 1200, "height": 800}
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def _parts() -> None:
    """Skip without a browser; the gate, which installs one, sets LLM_MAGICS_REQUIRE_ALL=1 and fails instead."""
    reason = missing_part()
    if reason and os.environ.get("LLM_MAGICS_REQUIRE_ALL") == "1":
        pytest.fail(f"browser tests cannot run: {reason}")
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def jupyter(_parts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Jupyter server that every test here uses."""
    with serve(tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture(scope="module")
def window(_parts: None) -> Iterator[BrowserContext]:
    """A window that every test here opens its tab in; closed after it: Playwright keeps a loop running."""
    with browse() as browser:
        yield browser.new_context(viewport=SIZE)


@pytest.fixture(scope="module")
def outside(window: BrowserContext) -> list[str]:
    """The requests that left this machine."""
    return outside_requests(window)


@pytest.fixture
def endpoint() -> Iterator[FarEnd]:
    """What the notebook's model `far` talks to."""
    with FarEnd() as far:
        yield far


@pytest.fixture
def open_notebook(
    jupyter: Server, window: BrowserContext, outside: list[str]
) -> Iterator[Callable[[App, NotebookNode], NotebookPage]]:
    """Opens notebooks; in the end nothing may have left this machine, and their tabs are closed."""
    opened: list[NotebookPage] = []
    outside.clear()

    def opens(app: App, notebook: NotebookNode) -> NotebookPage:
        opened.append(open_page(window, jupyter, app, notebook, f"notebook_{next(NUMBERS)}"))
        return opened[-1]

    yield opens
    for notebook in opened:
        notebook.close()
    assert outside == []


@pytest.fixture(scope="module")
def shots() -> Path:
    """The folder for pictures that people look at."""
    folder = Path(__file__).parent / "shots"
    folder.mkdir(exist_ok=True)
    return folder
