"""What a page did while hostile text was on it: scripts it ran, hosts it called, and whatever else it should not do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from listener import Listener
from loopback_jupyter import PATIENCE, App, Server, outside_requests
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary
from notebook_page import PANEL, NotebookPage, open_page

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Frame, Page

SETTLE = 1_500  # milliseconds for what was started to be done: slow loads, timers, animations
OUTPUTS = ".jp-OutputArea-output, .jp-RenderedMarkdown"

# What no text of a model may have made of itself. Front ends add headings' anchors, check boxes of tasks and a
# typesetter's elements, all of them without handlers.
HARM = """(element) => {
    const found = [];
    const outside = value => { try { const url = new URL(value, location.href);
        return url.protocol !== 'data:' && url.origin !== location.origin; } catch { return true; } };
    const tags = ['SCRIPT', 'IFRAME', 'FRAME', 'OBJECT', 'EMBED', 'APPLET', 'FORM', 'STYLE', 'LINK', 'META', 'BASE',
        'VIDEO', 'AUDIO', 'SOURCE', 'TRACK', 'TEXTAREA', 'SELECT', 'MARQUEE', 'TEMPLATE', 'BODY', 'DIALOG'];
    const tag = element.tagName.toUpperCase();
    if (tags.includes(tag) || tag.includes(':')) found.push('<' + tag + '>');
    if (tag === 'INPUT' && !(element.type === 'checkbox' && element.disabled)) found.push('<INPUT ' + element.type);
    for (const {name, value} of element.attributes) {
        const scheme = value.replace(/[\\0- ]/g, '').toLowerCase();
        const bad = /^(on|data-commandlinker)|^(srcdoc|ping)$/.test(name)
            || /^(javascript|vbscript|livescript|command|file|blob|view-source):/.test(scheme)
            || (/^data:/.test(scheme) && !/^data:image\\/(png|jpeg|gif|webp);base64,/.test(scheme))
            || (['src', 'srcset', 'poster', 'background', 'action', 'formaction'].includes(name) && outside(value))
            || (name === 'style' && /url\\(|image-set|expression|fixed|absolute/i.test(value))
            || (name === 'name' && !element.closest('mjx-container'));
        if (bad) found.push('<' + tag + ' ' + name + '=' + value.slice(0, 80) + '>');
    }
    return found;
}"""

# From the page's start: note every harmful element that ever is in an output, if only for one frame.
WATCH = f"""() => {{
    const harm = {HARM};
    window.__harm = [];
    const inside = element => element.closest && element.closest('.jp-OutputArea');
    const look = element => {{
        if (!inside(element)) return;
        for (const one of [element, ...element.querySelectorAll('*')]) window.__harm.push(...harm(one));
    }};
    new MutationObserver(changes => {{
        for (const change of changes) {{
            if (change.type === 'attributes') window.__harm.push(...inside(change.target) ? harm(change.target) : []);
            for (const node of change.addedNodes) if (node.nodeType === 1) look(node);
        }}
    }}).observe(document, {{subtree: true, childList: true, attributes: true}});
}}"""

# All that someone could do by hand on what is shown, except to follow a link that says where it leads.
PROVOKE = """(within) => {
    const events = ['mouseover', 'mouseenter', 'mousemove', 'mouseout', 'mousedown', 'mouseup', 'dblclick', 'auxclick',
        'pointerover', 'pointerenter', 'pointermove', 'pointerdown', 'pointerup', 'wheel', 'contextmenu', 'keydown',
        'keyup', 'copy', 'paste', 'dragstart', 'touchstart', 'focus', 'focusin', 'toggle', 'beforetoggle'];
    let count = 0;
    for (const element of [...document.querySelectorAll(within)].flatMap(area => [...area.querySelectorAll('*')])) {
        count++;
        for (const event of events) element.dispatchEvent(new Event(event, {cancelable: true}));
        const link = element.closest('a');
        if (link && /^(https?|mailto):/i.test(link.getAttribute('href') || '')
            && !link.matches('[onclick], [data-commandlinker-command]')) continue;
        if (element.matches('summary')) continue;
        element.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
    }
    return count;
}"""

HARM_NOW = f"""(within) => [...document.querySelectorAll(within)].flatMap(
    area => [...area.querySelectorAll('*')].flatMap({HARM}))"""

TRUSTED = f"""() => {PANEL}.content.widgets.filter(cell => cell.model.type === 'code')
    .every(cell => cell.model.trusted)"""


@dataclass(frozen=True)
class Deeds:
    """What a page did. All of it should be empty, but for `elements`, how many there were to be tried by hand.

    Attributes:
        ran: numbers that scripts told.
        called: numbers that the listener was called with.
        outside: requests to hosts that are not this machine.
        dialogs: messages of dialogs that opened.
        opened: addresses of further pages that opened.
        left: addresses that the page went to.
        harm: elements that should not be there, now or at any time since the page was opened.
    """

    ran: frozenset[int]
    called: frozenset[int]
    outside: tuple[str, ...]
    dialogs: tuple[str, ...]
    opened: tuple[str, ...]
    left: tuple[str, ...]
    harm: tuple[str, ...]
    elements: int

    @property
    def fired(self) -> frozenset[int]:
        """All numbers told, whichever way."""
        return self.ran | self.called


@dataclass
class Witness:
    """Someone who sees all that a browser window's pages do."""

    window: BrowserContext
    listener: Listener
    ran: set[int] = field(default_factory=set)
    outside: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    page: Page | None = None
    here: str = ""

    def __post_init__(self) -> None:
        self.window.expose_binding("__fired", lambda _source, number=0: self.ran.add(int(number)))
        self.window.add_init_script(f"({WATCH})()")
        self.window.on("page", self._opened)
        self.outside = outside_requests(self.window)

    def begin(self) -> None:
        """Forget what was seen; the next page that opens is the one to be looked at."""
        self.page = None
        for seen in (self.ran, self.outside, self.dialogs, self.opened, self.left, self.listener.paths):
            seen.clear()

    def settle(self, page: Page) -> None:
        """The page has come to where it is to stay."""
        self.here = _path(page.url)
        self.left.clear()

    def finish(self, page: Page) -> Deeds:
        """Try by hand whatever is shown, and tell what was seen since the beginning."""
        page.wait_for_timeout(SETTLE)
        elements = int(page.evaluate(PROVOKE, OUTPUTS))
        page.wait_for_timeout(SETTLE)
        harm = (*page.evaluate(HARM_NOW, OUTPUTS), *page.evaluate("() => window.__harm"))
        ran, called = frozenset(self.ran), frozenset(self.listener.called)
        lists = (self.outside, self.dialogs, self.opened, self.left)
        return Deeds(ran, called, *map(tuple, lists), harm, elements)  # type: ignore[arg-type]

    def _opened(self, page: Page) -> None:
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        if self.page is None:
            self.page = page
            page.on("framenavigated", self._went)
        else:
            self.opened.append(page.url)
            page.close()

    def _went(self, frame: Frame) -> None:
        if self.page is not None and frame == self.page.main_frame and _path(frame.url) != self.here:
            self.left.append(frame.url)


@dataclass(frozen=True)
class Stand:
    """Where notebooks are tried: a server, a window and who watches it."""

    server: Server
    window: BrowserContext
    witness: Witness

    def live(self, app: App, book: nbformat.NotebookNode, name: str, *, saves: bool = True) -> tuple[Deeds, str]:
        """Run a notebook as its user would, and the text of the file it was saved in."""
        page = self._open(app, book, name)
        page.run_all()
        page.wait_until_all_ran()
        deeds = self.witness.finish(page.page)
        saved = nbformat.writes(page.save()) if saves else ""
        self._close(page, shut=saves)
        return deeds, saved

    def opened_again(self, app: App, saved: str, name: str, *, trusted: bool) -> Deeds:
        """Open a notebook that was saved, as someone does who got it by mail; ``trusted``: and who trusts it."""
        book = nbformat.reads(saved, as_version=4)
        book.cells.append(nbformat.v4.new_markdown_cell("changed"))  # so that it is not the one this server signed
        if trusted:
            NotebookNotary(data_dir=str(self.server.data)).sign(book)
        page = self._open(app, book, name)
        page.page.wait_for_selector(".jp-OutputArea-output", state="attached")
        assert page.page.evaluate(TRUSTED) is trusted
        deeds = self.witness.finish(page.page)
        self._close(page)
        return deeds

    def exported(self, book: nbformat.NotebookNode, file: Path) -> Deeds:
        """Open what nbconvert makes of a notebook."""
        html, _ = HTMLExporter().from_notebook_node(book)
        empty, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook())
        file.write_text(html, "utf-8")
        self.witness.begin()
        page = self.window.new_page()
        page.goto(file.as_uri(), wait_until="domcontentloaded", timeout=PATIENCE)
        self.witness.settle(page)
        deeds = self.witness.finish(page)
        page.close()
        own = [url for url in deeds.outside if url == file.as_uri() or url in empty]  # scripts that nbconvert loads
        return replace(deeds, outside=tuple(url for url in deeds.outside if url not in own))

    def _open(self, app: App, book: nbformat.NotebookNode, name: str) -> NotebookPage:
        self.witness.begin()
        page = open_page(self.window, self.server, app, book, name)
        self.witness.settle(page.page)
        return page

    def _close(self, page: NotebookPage, *, shut: bool = True) -> None:
        if shut:
            page.close()
        else:
            page.page.close()


def _path(url: str) -> str:
    return url.split("#")[0].split("?")[0]
