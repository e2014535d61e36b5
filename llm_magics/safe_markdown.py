"""A model's Markdown rebuilt from its syntax tree, so that a page shows what it says and does nothing else.

The text is hostile until shown otherwise: front ends run the scripts in a Markdown output and fetch its pictures. Here it
is parsed, and written anew leaf by leaf: raw HTML becomes text, links keep http, https and mailto and name their host,
remote pictures become a line of text, and TeX that can do more than set formulas becomes code. Writing anew also means
that the front end's parser, which is another one than ours, meets only plain forms both read alike.
"""

from __future__ import annotations

import functools
import re
import urllib.parse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.tree import SyntaxTreeNode

LINK_SCHEMES = ("http", "https", "mailto")
MAX_PICTURE = 2_000_000  # bytes of a picture that stands in the text itself
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+", re.I)
# TeX that links, loads, styles, or defines, in the dialects notebook front ends load (MathJax, KaTeX).
_TEX_COMMANDS = (
    r"(?:href|url|require|class|cssId|style|data|html\w*|includegraphics|(?:re)?newcommand|def|gdef|edef|xdef|let|global"
    r"|providecommand|DeclareMathOperator|(?:re)?newenvironment|unicode|mmlToken|toggle|texttip|tooltip|bbox|begingroup"
    r"|input|include|write|special|char|csname|catcode|futurelet|verb|label|ref|eqref|tag)(?![A-Za-z])"
)
_DANGEROUS_TEX = re.compile(rf"\\{_TEX_COMMANDS}|\\begin\s*\{{\s*(?:html|script)", re.I)
_TEX_IN_TEXT = re.compile(rf"&#92;(?={_TEX_COMMANDS})", re.I)
_BREAK = re.compile(r"<br\s*/?>", re.I)


def rebuild(text: str) -> str:
    """The same Markdown in a form that is safe to show.

    >>> rebuild("Hi <img src=x onerror=alert(1)> **there**")
    'Hi &lt;img src=x onerror=alert(1)&gt; **there**'
    """
    from markdown_it.tree import SyntaxTreeNode

    return _blocks(SyntaxTreeNode(_parser().parse(text)).children)


def fenced(code: str, language: str = "") -> str:
    """A code block that its content cannot end."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    word = re.match(r"[A-Za-z0-9_+#.-]*", language)
    return f"{fence}{word[0] if word else ''}\n{code.rstrip(chr(10))}\n{fence}"


def code_span(code: str) -> str:
    """An inline code span that its content cannot end."""
    code = " ".join(code.split("\n"))
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if code.startswith("`") or code.endswith("`") or (code.startswith(" ") and code.endswith(" ")) else ""
    return f"{ticks}{pad}{code}{pad}{ticks}" if code.strip() else escape(code)


def escape(text: str) -> str:
    """Text as Markdown that shows exactly this text."""
    out = _SPECIAL.sub(lambda match: _ESCAPES.get(match[0], "\\" + match[0]), text)
    return _TEX_IN_TEXT.sub("&#92;\u2060", out)  # breaks a command that a front end would take for TeX


_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "&#92;"}
# An underscore inside a word is no emphasis in any dialect, and snake_case is common.
_SPECIAL = re.compile(r"[&<>\\`*\[\]|$~]|(?<![^\W_])_|_(?![^\W_])")


# ---------------------------------------------------------------- blocks


def _blocks(nodes: Sequence[SyntaxTreeNode], tight: bool = False) -> str:
    written = [text for node in nodes if (text := _block(node))]
    return ("\n" if tight else "\n\n").join(written)


def _block(node: SyntaxTreeNode) -> str:
    write = _BLOCKS.get(node.type)
    if write is not None:
        return write(node)
    return escape(node.content) if not node.children and not node.is_root and node.content else _blocks(node.children)


def _paragraph(node: SyntaxTreeNode) -> str:
    return "\n".join(_line_start(line) for line in _inline(node).split("\n"))


def _heading(node: SyntaxTreeNode) -> str:
    return f"{'#' * int(node.tag[1:])} {_one_line(_inline(node))}".rstrip()


def _code(node: SyntaxTreeNode) -> str:
    return fenced(node.content, node.info.strip() if node.type == "fence" else "")


def _quote(node: SyntaxTreeNode) -> str:
    return "\n".join(f"> {line}".rstrip() for line in _blocks(node.children).split("\n"))


def _list(node: SyntaxTreeNode) -> str:
    ordered = node.type == "ordered_list"
    first = int(node.attrs.get("start", 1)) if ordered else 0
    tight = all(child.hidden for item in node.children for child in item.children if child.type == "paragraph")
    # A list's bullet tells it from a list right before it.
    bullet = "*" if node.markup == "*" else "+" if node.markup == "+" else "-"
    items = []
    for place, item in enumerate(node.children):
        mark = f"{first + place}{node.markup if node.markup in ('.', ')') else '.'} " if ordered else f"{bullet} "
        content = _unescape_task(_blocks(item.children, tight=tight))
        items.append(mark + content.replace("\n", "\n" + " " * len(mark)))
    return _no_trailing_blanks(("\n" if tight else "\n\n").join(items))


def _unescape_task(item: str) -> str:
    return re.sub(r"\A\\\[([ xX])\\\] ", r"[\1] ", item)


def _table(node: SyntaxTreeNode) -> str:
    rows = [row for part in node.children for row in part.children]
    cells = [[_cell(cell) for cell in row.children] for row in rows]
    styles = [str(cell.attrs.get("style", "")) for cell in rows[0].children] if rows else []
    marks = {"text-align:left": ":---", "text-align:right": "---:", "text-align:center": ":---:"}
    lines = [cells[0], [marks.get(style, "---") for style in styles], *cells[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(node: SyntaxTreeNode) -> str:
    # Escaped in text already; a bar inside code still needs it here.
    return re.sub(r"(?<!\\)\|", r"\|", _one_line(_inline(node), "<br>"))


def _math_block(node: SyntaxTreeNode) -> str:
    return _math(node.content.strip("\n"), block=True)


_BLOCKS: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "paragraph": _paragraph,
    "heading": _heading,
    "fence": _code,
    "code_block": _code,
    "blockquote": _quote,
    "bullet_list": _list,
    "ordered_list": _list,
    "table": _table,
    "hr": lambda node: "---",
    "math_block": _math_block,
    "math_block_label": _math_block,
}


# ---------------------------------------------------------------- inside a block


def _inline(node: SyntaxTreeNode) -> str:
    return "".join(_leaf(child) for child in node.children)


def _leaf(node: SyntaxTreeNode) -> str:
    write = _LEAVES.get(node.type)
    if write is not None:
        return write(node)
    return _inline(node) if node.children else escape(node.content)


def _text(node: SyntaxTreeNode) -> str:
    return "  \n".join(escape(part) for part in _BREAK.split(node.content))


def _around(mark: str) -> Callable[[SyntaxTreeNode], str]:
    return lambda node: f"{mark}{_inline(node)}{mark}"


def _link(node: SyntaxTreeNode) -> str:
    shown, url = _one_line(_inline(node)), str(node.attrs.get("href", ""))
    parts = _split(url)
    if parts is None or parts.scheme.lower() not in LINK_SCHEMES:
        return f"{shown} ({code_span(url)})" if url and url not in shown else shown
    host = parts.hostname or parts.path
    named = "" if host in shown.replace("\\", "") else f" ({escape(host)})"
    return f"[{shown}]({_destination(url)}){named}"


def _picture(node: SyntaxTreeNode) -> str:
    url, alt = str(node.attrs.get("src", "")), _one_line(escape(node.content))
    if len(url) <= MAX_PICTURE and _PICTURE.fullmatch(url):
        return f"![{alt}]({url})"
    parts = _split(url)
    host = (parts and parts.hostname) or url[:60]
    return f"(picture not loaded{': ' + alt if alt else ''}, from {code_span(host)})"


def _split(url: str) -> urllib.parse.SplitResult | None:
    try:
        return urllib.parse.urlsplit(url)
    except ValueError:
        return None


def _destination(url: str) -> str:
    """A URL that no parser can take for anything else: what could end it, or open a tag, percent-encoded."""
    return urllib.parse.quote(url, safe="/:?#@!$&'*+,;=%~-._")


def _math(tex: str, *, block: bool) -> str:
    if _DANGEROUS_TEX.search(tex) or "$" in tex:
        return fenced(tex, "latex") if block else code_span(tex)
    # MathJax reads the page's own text, so a bare < would be a tag there first.
    tex = tex.replace("<", r"\lt ").replace(">", r"\gt ")
    return f"$$\n{tex}\n$$" if block else f"${' '.join(tex.split())}$"


def _inline_math(node: SyntaxTreeNode) -> str:
    if node.type == "math_inline":
        return _math(node.content, block=False)
    tex = " ".join(node.content.split())
    shown = _math(tex, block=False)
    return shown if shown.startswith("`") else f"${shown}$"


_LEAVES: dict[str, Callable[[SyntaxTreeNode], str]] = {
    "text": _text,
    "text_special": lambda node: escape(node.content),
    "inline": _inline,
    "code_inline": lambda node: code_span(node.content),
    "em": _around("*"),
    "strong": _around("**"),
    "s": _around("~~"),
    "softbreak": lambda node: "\n",
    "hardbreak": lambda node: "  \n",
    "link": _link,
    "image": _picture,
    "math_inline": _inline_math,
    "math_inline_double": _inline_math,
}


def _one_line(text: str, hard: str = " ") -> str:
    return " ".join(text.replace("  \n", hard).split("\n"))


_LINE_START = re.compile(r"^(\s*)(?:([#+=-])|(\d{1,9})([.)]))")


def _line_start(line: str) -> str:
    """A line of a paragraph, kept from being read as a heading, a list or a rule."""

    def mend(match: re.Match[str]) -> str:
        return f"{match[1]}\\{match[2]}" if match[2] else f"{match[1]}{match[3]}\\{match[4]}"

    return _LINE_START.sub(mend, line)


def _no_trailing_blanks(text: str) -> str:
    return re.sub(r"\n[ ]+(?=\n)", "\n", text)


# ---------------------------------------------------------------- the parser


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 40}).enable(["table", "strikethrough"])
    parser.disable(["html_block", "html_inline"])
    parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True)
    parser.inline.ruler.before("escape", "bracket_math", _bracket_math)
    parser.validateLink = lambda url: True  # type: ignore[method-assign] # what may be linked is decided when writing
    return parser


def _bracket_math(state: StateInline, silent: bool) -> bool:
    r"""``\(…\)`` and ``\[…\]``, as models write formulas."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in (r"\(", r"\["):
        return False
    closing = r"\)" if opening == r"\(" else r"\]"
    end = state.src.find(closing, state.pos + 2, state.posMax)
    if end < 0 or not state.src[state.pos + 2 : end].strip():
        return False
    if not silent:
        token = state.push("math_inline" if opening == r"\(" else "math_inline_double", "math", 0)
        token.content = state.src[state.pos + 2 : end].strip()
    state.pos = end + 2
    return True
