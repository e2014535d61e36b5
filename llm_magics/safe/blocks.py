"""Blocks written anew, each so that the blocks beside it, and no parser, can take it for another."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llm_magics.safe import formulas
from llm_magics.safe.leaves import Place, inline, one_line, span
from llm_magics.safe.text import HARD, fenced, lines_of

if TYPE_CHECKING:
    from markdown_it.token import Token


@dataclass(slots=True)
class Node:
    """A block with the blocks in it."""

    type: str
    token: Token
    children: list[Node] = field(default_factory=list)


def tree(tokens: Sequence[Token]) -> list[Node]:
    """The blocks that a parser's flat row of tokens stands for."""
    levels: list[list[Node]] = [[]]
    for token in tokens:
        if token.nesting < 0:
            levels.pop()
            continue
        node = Node(token.type.removesuffix("_open"), token)
        levels[-1].append(node)
        if token.nesting > 0:
            levels.append(node.children)
    return levels[0]


def blocks(nodes: Sequence[Node], place: Place, *, tight: bool = False) -> str:
    """These blocks as Markdown; ``tight`` lets those stand close that may."""
    written, before = "", None
    for node in nodes:
        text = _list(node, place, before) if node.type.endswith("_list") else _BLOCKS[node.type](node, place)
        if not text:
            continue
        written += (("\n" if tight and _may_touch(before, node) else "\n\n") if written else "") + text
        before = node
    return written


def _may_touch(before: Node | None, node: Node) -> bool:
    """Whether one block can follow another without a blank line and still be read as a block of its own."""
    if before is None or before.type in ("table", "blockquote") or node.type in ("paragraph", "table"):
        return False
    if before.type.endswith("_list") and node.type == "math_block":
        return False
    if before.type == "paragraph" and node.type.endswith("_list"):
        return bool(node.children[0].children) and node.token.attrs.get("start", 1) == 1
    return True


def _paragraph(node: Node, place: Place) -> str:
    return lines_of(inline(node.children[0].token, place))


def _heading(node: Node, place: Place) -> str:
    text = one_line(inline(node.children[0].token, place))
    text = re.sub(r"(^|(?<= ))(#+)$", r"\\\2", text)  # would be a closing mark
    level = min(int(node.token.tag[1:]) + place.below, 6)
    return f"{'#' * level} {text}".rstrip()


def _code(node: Node, place: Place) -> str:
    code = node.token.content
    if place.quoted and _signs_here_and_elsewhere(code, place):
        # A front end that looks for formulas first does not see where code in a quote ends; of a code span it does.
        lines = (span(line, place) if line.strip() else "&#160;" for line in code.rstrip().split("\n"))
        return lines_of(HARD.join(lines))
    return fenced(code, node.token.info.strip())


def _signs_here_and_elsewhere(code: str, place: Place) -> bool:
    here = len(formulas.SIGNS.findall(code))
    return 0 < here < place.signs


def _quote(node: Node, place: Place) -> str:
    text = blocks(node.children, replace(place, quoted=True))
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n")) if text else ""


def _list(node: Node, place: Place, before: Node | None = None) -> str:
    tight = _is_tight(node, place)
    marks = _marks(node, before)
    items = []
    for number, item in enumerate(node.children):
        mark = marks(number)
        content = re.sub(r"\A&#91;([ xX])&#93; ", r"[\1] ", blocks(item.children, place, tight=tight))
        items.append((mark + content.replace("\n", "\n" + " " * len(mark))).rstrip(" "))
    return re.sub(r"\n +(?=\n)", "\n", ("\n" if tight else "\n\n").join(items))


def _is_tight(node: Node, place: Place) -> bool:
    """Whether the items stand close. Code with a formula's signs gets blank lines around it: they end its search."""
    children = [child for item in node.children for child in item.children]
    if any(child.type == "paragraph" and not child.token.hidden for child in children):
        return False
    return not any(_signs_here_and_elsewhere(code.token.content, place) for code in _codes(node))


def _codes(node: Node) -> list[Node]:
    if node.type in ("fence", "code_block"):
        return [node]
    return [code for child in node.children for code in _codes(child)]


def _marks(node: Node, before: Node | None) -> Callable[[int], str]:
    """What stands before each item; another sign than the list's right before, which would swallow it."""
    beside = before.token.markup if before is not None and before.type == node.type else ""
    if node.type == "bullet_list":
        sign = node.token.markup if node.token.markup != beside else ("*" if beside == "-" else "-")
        node.token.markup = sign
        return lambda number: f"{sign} "
    sign = node.token.markup if node.token.markup != beside else (")" if beside == "." else ".")
    node.token.markup = sign
    first = int(node.token.attrs.get("start", 1))
    return lambda number: f"{min(first + number, 999_999_999)}{sign} "


def _table(node: Node, place: Place) -> str:
    rows = [row for part in node.children for row in part.children]
    cells = [[_cell(cell, place) for cell in row.children] for row in rows]
    styles = [str(cell.token.attrs.get("style", "")) for cell in rows[0].children] if rows else []
    marks = {"text-align:left": ":---", "text-align:right": "---:", "text-align:center": ":---:"}
    lines = [cells[0], [marks.get(style, "---") for style in styles], *cells[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(node: Node, place: Place) -> str:
    for leaf in node.children[0].token.children or [] if node.children else []:
        formulas.restore_bars(leaf)
    # Escaped in text already; a bar inside code still needs it here.
    text = one_line(inline(node.children[0].token, place, cell=True), "<br>") if node.children else ""
    return re.sub(r"(?<!\\)\|", r"\|", text)


def _formula(node: Node, place: Place) -> str:
    tex = node.token.content
    # On one line in a quote: a front end that takes formulas out first would take the marks of its lines along.
    return formulas.written(tex, display=True, block=not place.quoted) or _code_of(tex, place)


def _code_of(tex: str, place: Place) -> str:
    if not place.quoted:
        return fenced(tex.strip("\n"), "latex")
    return "  \n".join(span(line, place) for line in tex.split("\n") if line.strip())


_BLOCKS: dict[str, Callable[[Node, Place], str]] = {
    "paragraph": _paragraph,
    "heading": _heading,
    "fence": _code,
    "code_block": _code,
    "blockquote": _quote,
    "table": _table,
    "hr": lambda node, place: "___",  # dashes below a line would make a heading of it, stars in a list another list
    "math_block": _formula,
}
