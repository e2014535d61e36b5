r"""TeX in a model's Markdown: found in every spelling models use, let through where it sets a formula and nothing else.

A front end looks for formulas by itself, in the source and in the page, and each a little differently. What is written
here is what all of them read alike: ``$…$`` inside a line, ``$$`` on lines of its own, braces and environments closed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from llm_magics.safe.tex import COMMANDS, ENVIRONMENTS

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.parser_block import RuleFuncBlockType
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

MAX_FORMULA = 10_000  # characters: more is no formula, and a typesetter would stall on it
MAX_FORMULAS = 2_000  # in one text; a page sets about a thousand in a second, and does nothing else meanwhile
MAX_TEX = 50_000  # characters of all of them; so many letters took JupyterLab 8 seconds, twice as many 80
MAX_LINES = 100  # of a displayed formula; also keeps the search for its end cheap
MAX_DEPTH = 60  # braces and environments in one another: typesetters call themselves for each
ENDS = {"$$": "$$", "$": "$", r"\[": r"\]", r"\(": r"\)"}

# What ends a formula or means something to a Markdown parser that does not see one here.
_UNFIT = re.compile(r"(?<!\\)(?:\\\\)*\$|[`\x00-\x08\x0b-\x1f]|!\[|\\\Z|@@\d")
# How a front end finds formulas, wherever they stand; also in code.
SIGNS = re.compile(r"\$+|\\(?:begin|end)\{|\\\\?[()\[\]]|@@\d+@@")
_PARTS = re.compile(r"\\(?:([A-Za-z]+)\*?|(.))|([{}])", re.S)
_ENVIRONMENT = re.compile(r"\s*\{([A-Za-z]+\*?)\}")
_LENGTH = r"-?\s*(?:\d?(?:\.\d+)?\s*(?:em|ex|pc)|\d{0,2}(?:\.\d+)?\s*(?:mu|pt|px|mm)|[0-4]?(?:\.\d+)?\s*(?:cm|in))"
_COLOUR = r"\s*(?:\[[A-Za-z]+\]\s*)?\{[A-Za-z0-9 #,.!-]{1,40}\}"
# What must stand behind a command that takes more than formulas: lengths that stay in the formula, plain colours.
_BEHIND = {
    **dict.fromkeys(("hspace", "mspace"), re.compile(rf"\s*\{{\s*(?:{_LENGTH})\s*\}}")),
    **dict.fromkeys(("kern", "mkern", "mskip", "hskip"), re.compile(rf"\s*(?:\{{\s*)?(?:{_LENGTH})(?!\w)")),
    **dict.fromkeys(("color", "textcolor", "colorbox"), re.compile(_COLOUR)),
    "fcolorbox": re.compile(_COLOUR * 2),
    "genfrac": re.compile(
        r"\s*(?:\{[^{}]{0,8}\}|[^{}\s])\s*(?:\{[^{}]{0,8}\}|[^{}\s])\s*\{\s*(?:[0-4](?:\.\d+)?\s*(?:pt|px|mm)?)?\s*\}"
    ),
    **dict.fromkeys(("cancel", "bcancel", "xcancel", "cancelto"), re.compile(r"(?!\s*\[)")),
}
_COLUMNS = re.compile(r"\s*(?:\[[tcb]\]\s*)?\{[lcr|:\s.]{0,60}\}")
_WITH_COLUMNS = ("array", "darray", "subarray", "crampedsubarray")


def written(tex: str, *, display: bool, block: bool = False) -> str | None:
    r"""The formula as every front end reads it; None where it has to be shown as code.

    >>> written("a < b", display=False)
    '$a \\lt b$'
    """
    tex = _plain(tex.strip()).strip()
    if not tex or len(tex) > MAX_FORMULA or _UNFIT.search(tex) or not _is_harmless(tex):
        return None
    if block:
        return "$$\n" + re.sub(r"\n\s*", "\n", tex) + "\n$$"
    tex = " ".join(tex.split())
    tex += "{}" if tex.endswith(r"\$") else ""  # with the formula's own dollar behind it, some would see no end
    return f"$${tex}$$" if display else f"${tex}$"


def _plain(tex: str) -> str:
    """The same formula without the characters that would be a tag, a link or another formula's end elsewhere."""
    tex = _SPELT.sub(_spell, tex)
    return re.sub(r"\](?=[(:\[])|:(?=//)|www(?=\.)", r"\g<0> ", tex)


# A row's end with its extra space, a name that nothing can refer to, and signs that are HTML, or hide what follows.
_SPELT = re.compile(
    r"\\\\\*?(?:\s*\[\s*-?[\d.]+\s*[a-z]{2}\s*\])?(?P<bracket>(?=[()\[\]{}]))?"
    r"|\\label\s*\{[^{}]*\}|\\[A-Za-z]+|\\.|[<>%]",
    re.S,
)


def _spell(match: re.Match[str]) -> str:
    sign = match[0]
    if sign.startswith("\\\\"):
        return "\\\\" if match["bracket"] is None else "\\\\ "
    return "" if sign.startswith(r"\label") and "{" in sign else _SPELLING.get(sign, sign)


_SPELLING = {r"\>": r"\:", "<": r"\lt ", ">": r"\gt ", "%": r"\%"}


def _is_harmless(tex: str) -> bool:
    """Whether all commands are allowed ones, and braces and environments closed, so that none ends further on."""
    opened: list[str] = []
    for part in _PARTS.finditer(tex):
        name, sign, brace = part.groups()
        if brace == "{":
            opened.append(brace)
        elif brace:
            if not opened or opened.pop() != "{":
                return False
        elif sign is not None:
            if sign in "()[]":
                return False
        elif name in ("begin", "end"):
            environment = _ENVIRONMENT.match(tex, part.end())
            if environment is None or environment[1] not in ENVIRONMENTS:
                return False
            if name == "begin" and not _has_columns(environment[1], tex, environment.end()):
                return False
            if name == "begin":
                opened.append(environment[1])
            elif not opened or opened.pop() != environment[1]:
                return False
        elif name not in COMMANDS or (name in _BEHIND and not _BEHIND[name].match(tex, part.end())):
            return False
        if len(opened) > MAX_DEPTH:
            return False
    return not opened


def _has_columns(environment: str, tex: str, place: int) -> bool:
    """Whether columns are plain where there are some: a typesetter would repeat ``*{99999}{c}``."""
    return environment.rstrip("*") not in _WITH_COLUMNS or _COLUMNS.match(tex, place) is not None


def leave_out(tokens: Iterable[Token]) -> None:
    """Make code of the formulas that are too many for a page to set."""
    left, letters = MAX_FORMULAS, MAX_TEX
    for token in tokens:
        for leaf in (token, *(token.children or [])):
            if leaf.type.startswith("math"):
                left, letters = left - 1, letters - len(leaf.content)
                if left < 0 or letters < 0:
                    leaf.type = "fence" if leaf.type == "math_block" else "code_inline"
                    leaf.content = leaf.content.strip("\n")


# ---------------------------------------------------------------- finding


def add_rules(parser: MarkdownIt) -> None:
    """Teach a parser the tokens ``math_inline``, ``math_display`` and ``math_block``."""
    parser.inline.ruler.before("escape", "math", _inline)
    parser.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    table = next(rule.fn for rule in parser.block.ruler.__rules__ if rule.name == "table")
    parser.block.ruler.at("table", functools.partial(_table, table), {"alt": ["paragraph", "reference"]})


# ---------------------------------------------------------------- bars in tables

_BAR = "\x01"  # stands for a formula's bar while a table's rows are cut into cells; no text has one of its own
_IN_ROW = re.compile(r"\$([^\s$`](?:\\\$|[^$`\n])*)\$|\\\(((?:(?!\\\()[^$`\n])*?)\\\)")
_BARE_BAR = re.compile(r"(?<!\\)\|")


def _table(read: RuleFuncBlockType, state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """Front ends take formulas out before they see a table: a bar in one begins no cell there, nor here."""
    source = state.src
    try:
        state.src = state.env["without bars"]
    except KeyError:
        state.src = state.env["without bars"] = "\n".join(map(_without_bars, source.split("\n")))
    try:
        return read(state, first, last, silent)
    finally:
        state.src = source


def _without_bars(line: str) -> str:
    """The line, its formulas' bars replaced."""
    if "|" not in line or ("$" not in line and r"\(" not in line):
        return line
    return _IN_ROW.sub(lambda match: _BARE_BAR.sub(_BAR, match[0]) if _has_bars(match) else match[0], line)


def _has_bars(match: re.Match[str]) -> bool:
    """Whether the bars between two signs are a formula's: prices stand in neighbouring cells, too."""
    if match[1] is None:
        return True
    if not _is_formula(match.string, match.start(1), match.end(1)):
        return False
    depth = outside = 0
    for sign in _BRACKET_OR_BAR.findall(match[1]):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(sign[-1], 0)
        outside += sign == "|" and depth <= 0
    return outside % 2 == 0 and (not outside or match[1].startswith("|") or "\\" in match[1])


_BRACKET_OR_BAR = re.compile(r"\\[\\|]|\\?[()\[\]{}]|\|")


def restore_bars(leaf: Token) -> None:
    """Give a cell's leaf its bars back."""
    if leaf.type.startswith("math"):
        leaf.content = re.sub(rf"{_BAR}(?![A-Za-z])", r"\\vert", leaf.content).replace(_BAR, r"\vert ")
    leaf.content = leaf.content.replace(_BAR, "|")
    leaf.attrs = {
        name: value.replace(_BAR, "|") if isinstance(value, str) else value for name, value in leaf.attrs.items()
    }


# ---------------------------------------------------------------- finding inside a line and on lines


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
    if tex[0].isspace() or tex[-1].isspace() or "`" in tex or source[end + 1 : end + 2].isdigit():
        return False
    if start > 1 and (source[start - 2].isalnum() or source[start - 2] == "$"):
        return False
    return not re.match(r"\d[\d.,]*\w?\s+[^\W\d_]{2,}\s", tex)


def _block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    opening = _OPENING.match(state.src, state.bMarks[first] + state.tShift[first], state.eMarks[first])
    if opening is None or state.is_code_block(first) or (opening[1] and opening[1] not in ENVIRONMENTS):
        return False
    closing, head = ENDS.get(opening[0], rf"\end{{{opening[1]}}}"), state.src[opening.end() : state.eMarks[first]]
    end = _last_line(state, first, min(last, first + MAX_LINES), closing, head)
    if end is None:
        return False
    lines = [head, *state.getLines(first + 1, end + 1, state.blkIndent, False).split("\n")] if end > first else [head]
    lines[-1] = _end(closing).sub(r"\1", lines[-1])
    if closing in lines[-1] or not "".join(lines).strip():
        return False
    if silent:
        return True
    token = state.push("math_block", "math", 0)
    token.block, token.map = True, [first, end + 1]
    token.content = re.sub(r"\s+([.,;:])\Z", r"\1", "\n".join(lines))
    if opening[1]:
        token.content = f"{opening[0]}{token.content.removesuffix(chr(10))}{chr(10) * (end > first)}{closing}"
    state.line = end + 1
    return True


def _last_line(state: StateBlock, first: int, last: int, closing: str, head: str) -> int | None:
    """The line that a displayed formula ends with. A search in vain is remembered, as inside a line."""
    vain = state.env.setdefault("displayed formulas in vain", {})
    since, until = vain.get((closing, state.blkIndent), (0, 0))
    for line in range(until if since < first < until else first, last):
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]] if line > first else head
        if closing in text:
            return line if _end(closing).search(text) else None
        if not state.isEmpty(line) and state.sCount[line] < min(state.blkIndent, state.sCount[first]):
            return None  # out of the list or quote that the formula began in
    vain[closing, state.blkIndent] = (since if since < first < until else first, last)
    return None


_OPENING = re.compile(r"\$\$|\\\[|\\begin\{([A-Za-z]+\*?)\}")


@functools.cache
def _end(closing: str) -> re.Pattern[str]:
    """A displayed formula ends its line; the sentence's punctuation behind it goes inside, as typesetters do."""
    return re.compile(re.escape(closing) + r"[ \t]*([.,;:]?)[ \t]*\Z")
