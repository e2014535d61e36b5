"""Code: by its syntax, where formatting does not count, nor do the quotes and comments of Python."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

from llm_magics.renderers.markdown import without_code
from llm_magics.safe.markdown import Fence, fences
from llm_magics.texts import lexer
from llm_magics.texts.differing import Found, counted
from llm_magics.texts.lexer import Lexeme
from llm_magics.texts.pairing import pair

MAX_PARSED = 100_000  # characters of Python that are parsed
MAX_NESTED = 50  # levels of brackets, and of indentation; Python's own parser fails at twice as many
_PYTHON = ("python", "py", "python3", "py3", "ipython", "")
# Languages where the beginning of a line means something, and texts of which nobody says what they are.
_INDENTED = {*_PYTHON, "yaml", "yml", "haskell", "hs", "nim", "make", "makefile", "fsharp", "f#", "elm", "pug", "sass"}
_INDENTED |= {"coffee", "coffeescript", "text", "txt", "md", "markdown", "rst", "diff"}


def fits(left: str, right: str) -> bool:
    """Whether both consist mostly of fenced code."""
    return _mostly_code(left) and _mostly_code(right)


def compare(left: str, right: str, names: tuple[str, str], tolerance: float | None) -> Found:
    """The lines of code that differ; prose around it is left out, unless there is no fenced code at all."""
    ones, others = blocks_of(left), blocks_of(right)
    found = pair(lexemes(ones), lexemes(others))
    apart = sum(row.differs for row in found.rows)
    if apart:
        return Found(found.rows, counted(apart, len(found.rows), "line"))
    same = [one.code for one in ones] == [other.code for other in others]
    if left.strip() == right.strip():
        return Found(found.rows, "equal")
    return Found(found.rows, "the code is equal" if same else "the code is equal but for formatting")


def blocks_of(text: str) -> list[Fence]:
    """The fenced code of a text; all of it where nothing is fenced."""
    found = [block for block in fences(text) if block.code.strip()] if "```" in text or "~~~" in text else []
    return found or [Fence(text, "", 0, 0)]


def lexemes(blocks: Sequence[Fence]) -> list[Lexeme]:
    """The code's lexemes, as its syntax has them."""
    return [one for block in blocks for one in lexer.code(_normal(block), indented=_language(block) in _INDENTED)]


def _mostly_code(text: str) -> bool:
    if "```" not in text and "~~~" not in text:
        return False
    inside = sum(len("".join(block.code.split())) for block in fences(text))
    return 0 < inside >= len("".join(without_code(text).split()))


def _language(block: Fence) -> str:
    found = re.match(r"[{.\s]*([\w#+-]*)", block.language)
    return found[1].lower() if found else ""


def _normal(block: Fence) -> str:
    """Python as Python writes it down; anything else as it is."""
    code = block.code
    if _language(block) not in _PYTHON or len(code) > MAX_PARSED or _nesting(code) > MAX_NESTED:
        return code
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.unparse(ast.parse(code)) + "\n"
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return code


def _nesting(code: str) -> int:
    """How deep a parser would go, at most: brackets, words and signs that open something, one after the other."""
    depth = deepest = 0
    for sign in _NESTING.findall(code):
        if sign in ")]}":
            depth = max(0, depth - 1)
        elif sign in "([{":
            depth += 1
        else:
            deepest = max(deepest, len(sign) // 2)
        deepest = max(deepest, depth)
    return deepest


_NESTING = re.compile(r"[()\[\]{}]|(?:[-+~]\s*){8,}|(?:\bnot\s+){4,}|(?:\bawait\s+){4,}|(?:\blambda\b[^:\n]*:\s*){4,}")
