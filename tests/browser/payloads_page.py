"""Writes what hostile texts do on real pages, with the defence and without it.

python tests/browser/payloads_page.py
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import hostile
import nbformat
from far_end import FarEnd
from hostile import AS_IT_IS, PLACES, Author
from listener import listening
from loopback_jupyter import App, browse, missing_part, serve
from payloads import FAMILIES, Payload, payloads
from trial import Deeds, Stand, Witness

PAGE = Path(__file__).with_name("payloads.md")
WINDOW = {"width": 1200, "height": 800}
APPS: dict[App, str] = {"lab": "JupyterLab", "notebook": "Notebook 7"}
HEAD = """# Hostile texts on real pages

Written by `python tests/browser/payloads_page.py`; `tests/browser/test_payloads.py` asserts what is said here.

{tried}

"""
TRIED = """{total:,} payloads, all different: `tests/payloads/`. Each runs a script that tells its number, or calls a
listener that is another host than the notebook's. All that is shown is clicked on, pointed at and typed into, but for
links that lead to the http address they name. A payload has fired when its number was told or called."""
AS_THEY_ARE = """Shown as they are means `text/markdown` with the same texts: in the same groups in {apps}, each by
itself in nbconvert's HTML. Some fire in none of these pages: those for a parser that none of them uses, and those that
a front end knows how to stop."""
BY_US = """Shown by llm_magics means: in {places}; every payload in each of the first {whole} of these places, some of
them in the others. Answers stream, cut at random places, {group} payloads in one text. The notebook is then saved,
opened again untrusted and trusted, and turned into HTML by nbconvert, which is opened without a sanitiser."""


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120)


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _share(fired: int) -> str:
    return f"{fired:,} ({100 * fired / len(payloads()):.0f} %)"


def table(off: dict[str, list[Payload]], on: dict[str, Deeds]) -> str:
    """How many of each family fired where; `off` without the defence, `on` with it."""
    per_page = {page: Counter(payload.family for payload in fired) for page, fired in off.items()}
    fired_on = Counter(payloads()[mark % hostile.APART].family for deeds in on.values() for mark in deeds.fired)
    sizes = Counter(payload.family for payload in payloads())
    head = ["kind", "payloads", *(f"as they are: {page}" for page in off), "by llm_magics: all pages"]
    lines = [_row(head), _row(["---", *["---:"] * (len(head) - 1)])]
    for family in FAMILIES:
        counts = [per_page[page][family] for page in off]
        lines.append(_row([family, sizes[family], *counts, fired_on[family]]))
    everything = [_share(len(fired)) for fired in off.values()]
    lines.append(_row(["**all**", f"{len(payloads()):,}", *everything, sum(fired_on.values())]))
    return "\n".join(lines)


def pages(on: dict[str, Deeds]) -> str:
    """What each page did that llm_magics wrote."""
    columns = ["page", "elements tried", "scripts run", "foreign requests", "dialogs", "pages opened", "page left"]
    lines = [_row([*columns, "harmful elements"]), _row(["---", *["---:"] * len(columns)])]
    for page, deeds in on.items():
        foreign = len(deeds.called) + len(deeds.outside)
        seen = (len(deeds.ran), foreign, len(deeds.dialogs), len(deeds.opened), len(deeds.left), len(deeds.harm))
        lines.append(_row([page, "all" if deeds.elements > len(payloads()) else "too few", *seen]))
    return "\n".join(lines)


def tried() -> tuple[dict[str, list[Payload]], dict[str, Deeds]]:
    """Try everything: what fired without the defence, and what pages did with it."""
    off: dict[str, list[Payload]] = {}
    on: dict[str, Deeds] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder) / "jupyter") as server,
        browse() as browser,
        listening() as listener,
    ):
        window = browser.new_context(viewport=WINDOW)
        stand, author = Stand(server, window, Witness(window, listener)), Author(listener.host)
        for app, name in APPS.items():
            with FarEnd() as endpoint:
                hostile.script(endpoint, author)
                book = hostile.defended(endpoint, author, server.root)
                on[f"{name}, as it streams"], saved = stand.live(app, book, f"hostile_{app}")
            for trust in ("untrusted", "trusted"):
                page = f"{name}, opened again, {trust}"
                on[page] = stand.opened_again(app, saved, f"{trust}_{app}", trusted=trust == "trusted")
        html = Path(folder) / "page.html"
        on["nbconvert's HTML"] = stand.exported(nbformat.reads(saved, as_version=4), html)
        for app, name in APPS.items():
            deeds, _ = stand.live(app, hostile.as_it_is(author, server.root), f"as_it_is_{app}", saves=False)
            off[name] = hostile.told_in(AS_IT_IS[0], deeds.fired)
        deeds = stand.exported(hostile.as_it_is_run(author), html)
        off["nbconvert's HTML"] = hostile.told_in(AS_IT_IS[1], deeds.fired)
    return off, on


def main() -> str | None:
    """The exit status: nothing, or why there is no page."""
    if problem := missing_part():
        return f"no page: {problem}"
    off, on = tried()
    apps = " and ".join(APPS.values())
    places = f"{', '.join(place.replace(', ', ' ') for place in PLACES[:-1])} and {PLACES[-1]}"
    text = HEAD.format(tried=_filled(TRIED.format(total=len(payloads())))) + table(off, on)
    text += f"\n\n{_filled(AS_THEY_ARE.format(apps=apps))}\n\n"
    text += _filled(BY_US.format(places=places, whole=len(hostile.WHOLE), group=hostile.GROUP))
    text += f"\n\n{pages(on)}\n"
    PAGE.write_text(text, "utf-8")
    print(text)
    return None


if __name__ == "__main__":
    sys.exit(main())
