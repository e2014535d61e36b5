r"""TeX in a model's Markdown: found in every spelling models use, let through where it sets a formula and nothing else.

A front end looks for formulas by itself, in the source and in the page, and each a little differently. What is written
here is what all of them read alike: ``$…$`` inside a line, ``$$`` on lines of its own, braces and environments closed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

MAX_FORMULA = 10_000  # characters: more is no formula, and a typesetter would stall on it
MAX_LINES = 100  # of a displayed formula; also keeps the search for its end cheap
ENDS = {"$$": "$$", "$": "$", r"\[": r"\]", r"\(": r"\)"}

# Commands that link, load, style, define or refer, in the dialects notebook front ends load (MathJax, KaTeX).
_DANGEROUS = re.compile(
    r"\\(?:href|url|require|class|cssId|style|data|html\w*|includegraphics|(?:re)?newcommand|def|[egx]def|let|global"
    r"|(?:re)?newenvironment|(?:provide|new)\w*|DeclareMathOperator|unicode|mmlToken|toggle|texttip|tooltip|bbox"
    r"|begingroup|input|include|write|special|char|csname|catcode|futurelet|verb|label|(?:eq)?ref)(?![A-Za-z])"
    r"|\\begin\s*\{\s*(?:html|script)",
    re.I,
)
# What ends a formula or means something to a Markdown parser that does not see one here.
_UNFIT = re.compile(r"[$`\x00-\x08\x0b-\x1f]|!\[|\\\Z|@@\d")
# How a front end finds formulas, wherever they stand; also in code.
SIGNS = re.compile(r"\$+|\\(?:begin|end)\{|\\\\?[()\[\]]|@@\d+@@")


def written(tex: str, *, display: bool, block: bool = False) -> str | None:
    r"""The formula as every front end reads it; None where it has to be shown as code.

    >>> written("a < b", display=False)
    '$a \\lt b$'
    """
    tex = _plain(tex.strip())
    if not tex or len(tex) > MAX_FORMULA or _UNFIT.search(tex) or _DANGEROUS.search(tex) or not _closed(tex):
        return None
    if block:
        return "$$\n" + re.sub(r"\n\s*", "\n", tex) + "\n$$"
    tex = " ".join(tex.split())
    return f"$${tex}$$" if display else f"${tex}$"


def _plain(tex: str) -> str:
    """The same formula without the characters that would be a tag, a link or another formula's end elsewhere."""
    tex = tex.replace(r"\>", r"\:").replace("<", r"\lt ").replace(">", r"\gt ")
    tex = re.sub(r"\\\\\[\s*-?[\d.]+\s*[a-z]{2}\s*\]", r"\\\\", tex)  # a row's extra space, \\[2pt]
    tex = re.sub(r"(\\\\)(?=[()\[\]{}])", r"\1 ", tex)
    return re.sub(r"\](?=[(:\[])|:(?=//)|www(?=\.)", r"\g<0> ", tex)


def _closed(tex: str) -> bool:
    """Whether braces and environments are closed in here, so that nobody looks for their ends further on."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", tex):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\s*\{([^}]*)\}", tex):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            return False
    return depth == 0 and not opened


# ---------------------------------------------------------------- finding


def add_rules(parser: MarkdownIt) -> None:
    """Teach a parser the tokens ``math_inline``, ``math_display`` and ``math_block``."""
    parser.inline.ruler.before("escape", "math", _inline)
    parser.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def _inline(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening not in ENDS:
        opening = opening[:1]
    if opening not in ENDS:
        return False
    start = state.pos + len(opening)
    end = _end_of(state, ENDS[opening], start)
    tex = state.src[start:end] if end >= 0 else ""
    if not tex.strip() or (opening == "$" and not _is_formula(state.src, start, end)):
        return False
    if not silent:
        token = state.push("math_inline" if opening in ("$", r"\(") else "math_display", "math", 0)
        token.content, token.markup = tex, opening
    state.pos = end + len(opening)
    return True


def _end_of(state: StateInline, closing: str, start: int) -> int:
    """Where the formula ends, or -1. A search in vain is remembered, else many openings would cost their square."""
    vain = state.env.setdefault("formulas in vain", {})
    source, since = vain.get(closing, ("", 0))
    if source is state.src and start >= since:
        return -1
    end = state.src.find(closing, start, state.posMax)
    while end > 0 and closing[0] == "$" and state.src[end - 1] == "\\":
        end = state.src.find(closing, end + 1, state.posMax)
    if end < 0:
        vain[closing] = (state.src, start)
    return end


def _is_formula(source: str, start: int, end: int) -> bool:
    """Whether single dollars hold a formula: prices come in pairs too."""
    tex = source[start:end]
    if tex[0].isspace() or tex[-1].isspace() or source[end + 1 : end + 2].isdigit():
        return False
    if start > 1 and (source[start - 2].isalnum() or source[start - 2] == "$"):
        return False
    return not re.match(r"\d[\d.,]*\w?\s+[^\W\d_]{2,}\s", tex)


def _block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    start = state.bMarks[first] + state.tShift[first]
    opening = state.src[start : start + 2]
    if opening not in ("$$", r"\[") or state.is_code_block(first):
        return False
    closing, head = ENDS[opening], state.src[start + 2 : state.eMarks[first]]
    end = _last_line(state, first, min(last, first + MAX_LINES), closing, head)
    if end is None:
        return False
    lines = [head, *state.getLines(first + 1, end + 1, state.blkIndent, False).split("\n")] if end > first else [head]
    lines[-1] = _END[closing].sub(r"\1", lines[-1])
    if closing in lines[-1] or not "".join(lines).strip():
        return False
    if silent:
        return True
    token = state.push("math_block", "math", 0)
    token.block, token.map = True, [first, end + 1]
    token.content = re.sub(r"\s+([.,;:])\Z", r"\1", "\n".join(lines))
    state.line = end + 1
    return True


def _last_line(state: StateBlock, first: int, last: int, closing: str, head: str) -> int | None:
    """The line that a displayed formula ends with. A search in vain is remembered, as inside a line."""
    vain = state.env.setdefault("displayed formulas in vain", {})
    since, until = vain.get((closing, state.blkIndent), (0, 0))
    for line in range(until if since < first < until else first, last):
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]] if line > first else head
        if closing in text:
            return line if _END[closing].search(text) else None
        if not state.isEmpty(line) and state.sCount[line] < min(state.blkIndent, state.sCount[first]):
            return None  # out of the list or quote that the formula began in
    vain[closing, state.blkIndent] = (since if since < first < until else first, last)
    return None


# A displayed formula ends its line; the sentence's punctuation behind it goes inside, as typesetters do.
_END = {end: re.compile(re.escape(end) + r"[ \t]*([.,;:]?)[ \t]*\Z") for end in ("$$", r"\]")}
