"""A model's Markdown rebuilt from its syntax tree, so that a page shows what it says and does nothing else.

The text is hostile until shown otherwise: front ends run the scripts in a Markdown output and fetch its pictures. Here
it is parsed, and written anew leaf by leaf: raw HTML becomes text, links keep http, https and mailto and name their
host, remote pictures become a line of text, and TeX that can do more than set formulas becomes code. Writing anew also
means that the front end's parser, which is another one than ours, meets only plain forms that all of them read alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_magics.pictures import BLOCKED, Pictures, host_to_allow
from llm_magics.safe import formulas
from llm_magics.safe.blocks import blocks, tree
from llm_magics.safe.leaves import Place, picture
from llm_magics.safe.links import link
from llm_magics.safe.parsing import block_parser, parser
from llm_magics.safe.text import code_span, escape, fenced, prose, readable

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["Fence", "code_span", "escape", "fenced", "fences", "hosts_to_allow", "link", "picture", "prose", "rebuild"]

MAX_REPEATED = 100_000  # characters of addresses that a text may repeat by naming them, besides its own length


def rebuild(text: str, *, alone: bool = True, pictures: Pictures = BLOCKED, below: int = 0) -> str:
    """The same Markdown in a form that is safe to show.

    ``alone`` says that nothing else stands on the page, ``pictures`` from where it may load some, ``below`` how many
    levels of headings are the page's own.

    >>> rebuild("Hi <img src=x onerror=alert(1)> **there**")
    'Hi &lt;img src=x onerror=alert(1)&gt; **there**'
    """
    text = readable(text)
    place = Place(signs=len(formulas.SIGNS.findall(text)) + (not alone), pictures=pictures, below=below)
    tokens = parser().parse(text)
    if place.signs > formulas.MAX_FORMULAS or len(text) > formulas.MAX_TEX:
        formulas.leave_out(tokens)
    if "]:" in text:
        _bound(tokens, len(text))
    return blocks(tree(tokens), place)


def hosts_to_allow(text: str, pictures: Pictures) -> list[str]:
    """The hosts of a text's pictures that are not loaded and would be if these hosts were allowed."""
    text = readable(text)
    if "![" not in text:  # as in nearly all texts; the others are parsed once more
        return []
    leaves = [leaf for token in parser().parse(text) for leaf in token.children or []]
    urls = [str(leaf.attrs.get("src", "")) for leaf in leaves if leaf.type == "image"]
    found = [host_to_allow(url) for url in urls if pictures.address(url) is None]
    return list(dict.fromkeys(host for host in found if host))


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced code block of a text, and the lines it takes there: from ``first`` up to ``end``."""

    code: str
    language: str
    first: int
    end: int


def fences(text: str) -> list[Fence]:
    """The fenced code blocks of a text, in lists and quotes too; one that is never closed ends with its text."""
    found = [(token, token.map) for token in block_parser().parse(text) if token.type == "fence"]
    return [Fence(token.content, token.info.strip(), *lines) for token, lines in found if lines]


def _bound(tokens: list[Token], size: int) -> None:
    """Leave out addresses that would make a page of many times the text's length, where a long one is used often."""
    left, seen = MAX_REPEATED + size, set[str]()
    for leaf in (leaf for token in tokens for leaf in token.children or []):
        name = {"link_open": "href", "image": "src"}.get(leaf.type)
        if name is None:
            continue
        url = str(leaf.attrs.get(name, ""))
        left -= len(url) if url in seen else 0
        seen.add(url)
        if left < 0:
            leaf.attrs[name] = ""
