"""What stands inside a paragraph, a heading or a cell, written anew leaf by leaf."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llm_magics.pictures import BLOCKED, Pictures, host_to_allow
from llm_magics.safe import formulas
from llm_magics.safe.links import address_as_code, bare_urls, destination, host_of, link_to, normalized
from llm_magics.safe.text import BREAK_ESCAPED, HARD, JOINER, apart, code_span, escape, escaped, unlinked

if TYPE_CHECKING:
    from markdown_it.token import Token

MAX_EMPHASIS = 8  # levels of emphasis in emphasis
MAX_PICTURE = 2_000_000  # bytes of a picture that stands in the text itself
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+", re.I)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written. ``signs`` counts what a front end may take for formulas' ends in the whole text."""

    signs: int
    quoted: bool = False
    struck: bool = False  # front ends look for the end of what is struck out in code, too
    pictures: Pictures = BLOCKED
    below: int = 0  # levels of headings that stand above its own


def inline(token: Token, place: Place, *, cell: bool = False) -> str:
    """The leaves of a paragraph, a heading or a cell. Flat, as emphasis may be nested deeper than Python's stack."""
    leaves = token.children or []
    if any(leaf.type == "s_open" for leaf in leaves):
        place = replace(place, struck=True)
    dollars = [leaf.type.startswith("math") or ("text" in leaf.type and "$" in leaf.content) for leaf in leaves]
    last_dollar = max((place for place, has in enumerate(dollars) if has), default=-1)
    out: list[str] = []
    plain: list[str] = []  # what a reader is sure to see, for links
    links: list[tuple[int, int, str]] = []
    depth, inner_link = 0, -1
    for number, leaf in enumerate(leaves):
        match leaf.type:
            case "text" | "text_special":
                more = number + 1 < len(leaves) and leaves[number + 1].type in ("softbreak", "hardbreak")
                _put(out, _text(leaf.content, later=number < last_dollar, more=more, linked=bool(links)))
            case "code_inline":
                _put(out, _code_in_line(leaf.content, place, linked=bool(links), cell=cell))
            case "math_inline" | "math_display":
                shown = formulas.written(leaf.content, display=leaf.type == "math_display")
                _put(out, shown or _code_in_line(leaf.content, place, linked=bool(links), cell=cell))
            case "softbreak":
                out.append("\n")
            case "hardbreak":
                out.append(HARD)
            case "image":
                _put(out, _picture(leaf, place.pictures))
            case "link_open":
                links.append((len(out), len(plain), str(leaf.attrs.get("href", ""))))
            case "link_close":
                start, plain_start, url = links.pop()
                if start <= inner_link:
                    continue  # a link in a link: the inner one is it
                shown, out = "".join(out[start:]), out[:start]
                inner_link = len(out)
                behind = _seen(leaves[number + 1]) if number + 1 < len(leaves) else ""
                _put(out, link_to(one_line(shown), "".join(plain[plain_start:]), url, behind))
            case _:  # emphasis, strong, struck
                depth += max(leaf.nesting, 0)
                if depth <= MAX_EMPHASIS:
                    _put(out, leaf.markup)
                depth += min(leaf.nesting, 0)
        plain.append(_seen(leaf))
    return "".join(out)


def _seen(leaf: Token) -> str:
    """What a reader is sure to see of a leaf: words can be hidden in a formula, and behind a picture."""
    if leaf.type in ("text", "text_special", "code_inline"):
        return leaf.content
    return "" if leaf.nesting else " "


def _put(out: list[str], piece: str) -> None:
    """Append a leaf, kept apart from the one before where both together would be read as something else."""
    if not piece:
        return
    last, first = out[-1][-1] if out else "", piece[0]
    if {last, first} <= {"`", "~", "$"} or (last == "$" and first.isalnum()) or (last.isalnum() and first == "$"):
        out.append(JOINER)
    out.append(piece)


def _text(text: str, *, later: bool, more: bool, linked: bool) -> str:
    """Text with its breaks, and with its bare URLs as links: front ends would take our escapes for a part of them."""
    out, position = "", 0
    text = re.sub(r"\s", " ", text)
    for start, url in () if linked else bare_urls(text):
        out += unlinked(escaped(text[position:start], later="$" in text[start:] or later))
        out += link_to(escaped(url), url, normalized(url if "://" in url else f"http://{url}"))
        position = start + len(url)
    rest = escaped(text[position:], later=later, more=more)
    return BREAK_ESCAPED.sub(HARD, out + (rest if linked else unlinked(rest)))


def _code_in_line(code: str, place: Place, *, linked: bool, cell: bool) -> str:
    # Parsers differ in what may end a link's text, or a cell, from within code.
    if (linked and re.search(r"[\[\]`\\<]", code)) or (cell and re.search(r"\\\||\\\Z", code)):
        return escaped(" ".join(code.split("\n")), later=True)
    return span(code, place)


def span(code: str, place: Place) -> str:
    """A code span. Front ends look for displayed formulas in code spans too, where two signs could make one."""
    if place.signs > 1:
        code = apart(code)
    if place.struck:
        code = re.sub("~(?=~)", f"~{JOINER}", code)
    return code_span(code)


def picture(url: str, alt: str = "") -> str | None:
    """A picture that stands in the text itself; None where the URL holds none, or one that is not shown."""
    is_shown = len(url) <= MAX_PICTURE and _PICTURE.fullmatch(url)
    return f"![{BREAK_ESCAPED.sub(' ', escape(alt))}]({url})" if is_shown else None


def _picture(leaf: Token, pictures: Pictures) -> str:
    url, alt = str(leaf.attrs.get("src", "")), BREAK_ESCAPED.sub(" ", escape(leaf.content))
    if whole := picture(url, leaf.content):
        return whole
    if address := pictures.address(url):
        return f"![{alt}]({destination(address)})"
    to_allow, host = host_to_allow(url), host_of(url)
    plain = " without encryption" if host and url.startswith("http:") and not to_allow else ""
    source = f", from {address_as_code(to_allow or host or url[:60])}{plain}" if url else ""
    return f"(picture not loaded{': ' + alt if alt else ''}{source})"


def one_line(text: str, hard: str = " ") -> str:
    return " ".join(text.replace(HARD, hard).split("\n")).strip(" ")
