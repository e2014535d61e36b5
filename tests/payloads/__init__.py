"""Texts that act on a page which shows them as they are: run a script, fetch something, fill a form.

The kinds are public knowledge; `payloads()` spells them out in the ways that parsers of HTML and Markdown differ about.
A payload is a template. `Payload.text` puts in the number it tells of itself, and the address of the listener that it
calls: what fires names itself.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from payloads import code, formulas, links, pictures, raw_html, seams
from payloads.template import OPEN

FAMILIES = {
    "scripts": raw_html.scripts,
    "handlers that need no hand": raw_html.handlers,
    "handlers that wait for a hand": raw_html.handlers_for_hands,
    "frames and objects": raw_html.frames,
    "remote HTML": raw_html.remote,
    "commands of the front end": raw_html.commands,
    "comments and declarations": raw_html.markup_declarations,
    "links": links.links,
    "pictures": pictures.pictures,
    "formulas": formulas.formulas,
    "diagrams": code.diagrams,
    "fences": code.fences,
    "seams between parsers": seams.seams,
    "forms, bases, refreshes": raw_html.page_wide,
    "names that clobber": raw_html.clobbering,
}
# What a template says for the address to fetch from, and for that address without its scheme; FIRE is a script's call,
# MARK the number alone.
_ADDRESS = re.compile(r"\b(?:URL|AT)\b")


@dataclass(frozen=True, slots=True)
class Payload:
    """One text.

    Attributes:
        number: its place among `payloads()`.
        family: its kind, in words.
        template: the text before numbers and addresses are put in.
        is_open: whether text behind it would be taken for a part of it, so that it stands last.
    """

    number: int
    family: str
    template: str
    is_open: bool = False

    def text(self, mark: int, listener: str) -> str:
        """The text that tells this number, and calls this listener (``host:port``)."""
        place = f"{listener}/{mark}"
        filled = _ADDRESS.sub(lambda found: place if found[0] == "AT" else f"http://{place}", self.template)
        return filled.replace("FIRE", f"__fired({mark})").replace("MARK", str(mark))


@functools.cache
def payloads() -> tuple[Payload, ...]:
    """All of them, every template once."""
    found: dict[str, tuple[str, bool]] = {}
    for family, make in FAMILIES.items():
        for template in make():
            is_open = template.endswith(OPEN)
            found.setdefault(template.removesuffix(OPEN), (family, is_open))
    return tuple(
        Payload(number, family, text, is_open) for number, (text, (family, is_open)) in enumerate(found.items())
    )
