"""Hostile texts on real pages: none of them does anything, and most of them would if they were shown as they are.

`python tests/browser/payloads_page.py` writes what was counted into payloads.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hostile
import nbformat
import pytest
from far_end import FarEnd
from hostile import AS_IT_IS, PLACES, Author
from listener import Listener, listening
from payloads import payloads
from trial import Deeds, Stand, Witness

if TYPE_CHECKING:
    from loopback_jupyter import App, Server
    from playwright.sync_api import BrowserContext

pytestmark = pytest.mark.browser
BLIND = 0.3  # of the payloads must fire where nothing keeps them from it


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """The foreign host that payloads call."""
    with listening() as started:
        yield started


@pytest.fixture(scope="module")
def stand(jupyter: Server, window: BrowserContext, listener: Listener) -> Stand:
    return Stand(jupyter, window, Witness(window, listener))


@pytest.fixture(scope="module", params=["lab", "notebook"])
def app(request: pytest.FixtureRequest) -> App:
    return request.param


@pytest.fixture(scope="module")
def live(stand: Stand, app: App, listener: Listener) -> tuple[Deeds, str]:
    """What a page did that showed every payload in every place, and the notebook as it was saved then."""
    author = Author(listener.host)
    with FarEnd() as endpoint:
        hostile.script(endpoint, author)
        book = hostile.defended(endpoint, author, stand.server.root)
        return stand.live(app, book, f"hostile_{app}")


def nothing(deeds: Deeds) -> bool:
    """Whether a page did nothing but show text."""
    assert deeds.elements > len(payloads()), "there was something to be tried"
    told = {place: hostile.told_in(place, deeds.fired) for place in PLACES}
    assert {place: [payload.template for payload in fired] for place, fired in told.items() if fired} == {}
    assert deeds.harm == ()
    assert (deeds.outside, deeds.dialogs, deeds.opened, deeds.left) == ((), (), (), ())
    return True


def test_there_are_more_than_a_thousand_payloads_each_another() -> None:
    assert len({payload.template for payload in payloads()}) == len(payloads()) > 1_000
    assert len({payload.text(1, "x") for payload in payloads()}) == len(payloads())


def shown_in(saved: str) -> str:
    """All that a saved notebook shows, as it is written in there."""
    outputs = [output for cell in nbformat.reads(saved, as_version=4).cells for output in cell.get("outputs", [])]
    return "\n".join(str(output.get("data") or output.get("traceback")) for output in outputs)


def test_every_payload_stands_in_what_was_saved_of_every_place(live: tuple[Deeds, str], listener: Listener) -> None:
    author, shown = Author(listener.host), shown_in(live[1])
    for place in hostile.WHOLE:
        texts = {mark: text for mark, text in author.marked(place) if "fired" in text and "<" in text[:60]}
        absent = [text for mark, text in texts.items() if str(mark) not in shown]
        # A name is cut behind its first hundred characters, an address is left out where it cannot be followed.
        assert len([text for text in absent if len(text) <= 100]) < 0.02 * len(texts), place


def test_no_payload_does_anything_on_the_page_it_streams_to(live: tuple[Deeds, str]) -> None:
    assert nothing(live[0])


def test_no_payload_does_anything_in_a_notebook_that_is_opened_again(
    stand: Stand, app: App, live: tuple[Deeds, str]
) -> None:
    # A notebook that nobody trusts is sanitised besides; both applications do so with the same code.
    for trusted in (True, False) if app == "lab" else (True,):
        assert nothing(stand.opened_again(app, live[1], f"again_{app}_{trusted}", trusted=trusted))


@pytest.mark.parametrize("app", ["lab"], indirect=True)
def test_no_payload_does_anything_in_nbconverts_html(stand: Stand, live: tuple[Deeds, str], tmp_path: Path) -> None:
    assert nothing(stand.exported(nbformat.reads(live[1], as_version=4), tmp_path / "hostile.html"))


def test_no_payload_does_anything_where_answers_are_compared(
    stand: Stand, app: App, listener: Listener, tmp_path: Path
) -> None:
    author, every = Author(listener.host), 4 if app == "lab" else 16  # all of them would take minutes
    with FarEnd() as endpoint:
        hostile.script(endpoint, author)
        book = hostile.compared(endpoint, range(0, len(hostile.groups()), every))
        deeds, saved = stand.live(app, book, f"compared_{app}")
    assert nothing(deeds)
    marks = [mark for mark, text in author.marked("the answer's text") if "fired" in text and "<" in text[:60]]
    assert sum(str(mark) in shown_in(saved) for mark in marks) > 0.8 / every * len(marks)
    if app == "lab":
        assert nothing(stand.opened_again(app, saved, "compared_again", trusted=True))
        assert nothing(stand.exported(nbformat.reads(saved, as_version=4), tmp_path / "compared.html"))


def test_no_payload_does_anything_where_tools_are_called(
    stand: Stand, app: App, listener: Listener, tmp_path: Path
) -> None:
    author, every = Author(listener.host), 2 if app == "lab" else 8  # all of them would take minutes
    with FarEnd() as endpoint:
        hostile.script(endpoint, author)
        book = hostile.acted(endpoint, author, stand.server.root, range(0, len(hostile.groups()), every))
        deeds, saved = stand.live(app, book, f"acted_{app}")
    assert nothing(deeds)
    shown = shown_in(saved)
    for place in hostile.BY_TOOLS:
        marks = [mark for mark, text in author.marked(place) if "fired" in text and "<" in text[:60]]
        assert sum(str(mark) in shown for mark in marks) > 0.2 / every * len(marks), place
    if app == "lab":
        assert nothing(stand.opened_again(app, saved, "acted_again", trusted=True))
        assert nothing(stand.exported(nbformat.reads(saved, as_version=4), tmp_path / "acted.html"))


def test_shown_as_they_are_most_payloads_fire_so_this_is_not_blind(stand: Stand, app: App, listener: Listener) -> None:
    book = hostile.as_it_is(Author(listener.host), stand.server.root)
    deeds, _ = stand.live(app, book, f"as_it_is_{app}", saves=False)
    assert len(hostile.told_in(AS_IT_IS[0], deeds.fired)) >= BLIND * len(payloads())


def test_shown_as_they_are_most_payloads_fire_in_nbconverts_html_too(
    stand: Stand, listener: Listener, tmp_path: Path
) -> None:
    deeds = stand.exported(hostile.as_it_is_run(Author(listener.host)), tmp_path / "as_it_is.html")
    assert len(hostile.told_in(AS_IT_IS[1], deeds.fired)) >= BLIND * len(payloads())
