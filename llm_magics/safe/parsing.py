"""The parser that model text is read with: CommonMark with tables and formulas, no HTML, and bounds of its own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from llm_magics.safe import formulas
from llm_magics.safe.links import url_in_line

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.parser_block import RuleFuncBlockType
    from markdown_it.rules_block import StateBlock

MAX_NESTING = 24  # levels of lists and quotes; what lies deeper is dropped
MAX_MISSING = 2_000  # cells that a text's tables may lack besides its length: parsers fill in each


@functools.cache
def parser() -> MarkdownIt:
    """The parser of whole texts."""
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING}).enable(["table", "strikethrough"])
    made.disable(["html_block", "html_inline"])
    made.inline.ruler.before("escape", "url", url_in_line)
    formulas.add_rules(made)
    _bound_tables(made)
    define = _rule(made, "reference")
    made.block.ruler.at("reference", lambda state, *place: not _is_footnote(state, place[0]) and define(state, *place))
    made.validateLink = lambda url: True  # type: ignore[method-assign] # what may be linked is decided when writing
    return made


@functools.cache
def block_parser() -> MarkdownIt:
    """The same for blocks alone: what stands inside a paragraph stays unread."""
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING}).enable("table")
    made.disable(["html_block", "inline"])
    formulas.add_rules(made)
    _bound_tables(made)
    return made


def _rule(parser: MarkdownIt, name: str) -> RuleFuncBlockType:
    return next(rule.fn for rule in parser.block.ruler.__rules__ if rule.name == name)


def _bound_tables(parser: MarkdownIt) -> None:
    """End a table where a text's cells would outnumber its characters: few bytes would make a page of megabytes."""
    read = _rule(parser, "table")

    def bounded(state: StateBlock, first: int, last: int, silent: bool) -> bool:
        columns = state.src.count("|", state.bMarks[first], state.eMarks[first]) + 1
        left = state.env.get("cells left", len(state.src) + MAX_MISSING)
        if not read(state, first, min(last, first + 2 + left // columns), silent):
            return False
        if not silent:
            state.env["cells left"] = left - columns * (state.line - first - 1)
        return True

    parser.block.ruler.at("table", bounded, {"alt": ["paragraph", "reference"]})


def _is_footnote(state: StateBlock, line: int) -> bool:
    """Whether a line that looks like a link's definition is a footnote: those are text here, and none of it is lost."""
    start = state.bMarks[line] + state.tShift[line]
    return state.src.startswith("[^", start)
