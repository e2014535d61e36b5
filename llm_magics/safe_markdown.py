"""A model's Markdown rebuilt from its syntax tree, so that a page shows what it says and does nothing else.

The text is hostile until shown otherwise: front ends run the scripts in a Markdown output and fetch its pictures. Here
it is parsed, and written anew leaf by leaf: raw HTML becomes text, links keep http, https and mailto and name their
host, remote pictures become a line of text, and TeX that can do more than set formulas becomes code. Writing anew also
means that the front end's parser, which is another one than ours, meets only plain forms that all of them read alike.
"""

from __future__ import annotations

import functools
import html.entities
import re
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llm_magics import formulas
from llm_magics.pictures import BLOCKED, Pictures, host_to_allow
from llm_magics.printable import visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.parser_block import RuleFuncBlockType
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

LINK_SCHEMES = ("http", "https", "mailto")
MAX_PICTURE = 2_000_000  # bytes of a picture that stands in the text itself
MAX_NESTING = 24  # levels of lists and quotes; what lies deeper is dropped
MAX_EMPHASIS = 8  # levels of emphasis in emphasis
MAX_MISSING = 2_000  # cells that a text's tables may lack besides its length: parsers fill in each
MAX_REPEATED = 100_000  # characters of addresses that a text may repeat by naming them, besides its own length
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+", re.I)
_BREAK_ESCAPED = re.compile(r"&lt;br\s*/?&gt;", re.I)
# A fence of these is drawn by front ends, from code that nobody checked.
_DRAWN = ("mermaid", "math", "geojson", "topojson", "stl")
_JOINER = "\u2060"  # shows as nothing, and keeps its neighbours from being read together
_HARD = "\v"  # a hard line break, until it is known where it stands


def rebuild(text: str, *, alone: bool = True, pictures: Pictures = BLOCKED, below: int = 0) -> str:
    """The same Markdown in a form that is safe to show.

    ``alone`` says that nothing else stands on the page, ``pictures`` from where it may load some, ``below`` how many
    levels of headings are the page's own.

    >>> rebuild("Hi <img src=x onerror=alert(1)> **there**")
    'Hi &lt;img src=x onerror=alert(1)&gt; **there**'
    """
    text = _readable(text)
    place = _Place(signs=len(formulas.SIGNS.findall(text)) + (not alone), pictures=pictures, below=below)
    tokens = _parser().parse(text)
    if place.signs > formulas.MAX_FORMULAS or len(text) > formulas.MAX_TEX:
        formulas.leave_out(tokens)
    if "]:" in text:
        _bound(tokens, len(text))
    return _blocks(_tree(tokens), place)


def hosts_to_allow(text: str, pictures: Pictures) -> list[str]:
    """The hosts of a text's pictures that are not loaded and would be if these hosts were allowed."""
    text = _readable(text)
    if "![" not in text:  # as in nearly all texts; the others are parsed once more
        return []
    leaves = [leaf for token in _parser().parse(text) for leaf in token.children or []]
    urls = [str(leaf.attrs.get("src", "")) for leaf in leaves if leaf.type == "image"]
    found = [host_to_allow(url) for url in urls if pictures.address(url) is None]
    return list(dict.fromkeys(host for host in found if host))


def fenced(code: str, language: str = "") -> str:
    """A code block that its content cannot end."""
    code = visible(_readable(code))  # code that reads in another order than it runs has fooled reviewers
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    word = re.match(r"[A-Za-z0-9_+#.-]*", language.lstrip("{. "))
    shown = word[0] if word and not word[0].lower().startswith(_DRAWN) else ""
    return f"{fence}{shown}\n{code.rstrip(chr(10))}\n{fence}"


def code_span(code: str) -> str:
    """Inline code that its content cannot end: a tick in it stands between two spans, as parsers differ on more."""
    parts = " ".join(_readable(code).split("\n")).split("`")
    return f"{_JOINER}&#96;{_JOINER}".join(_span_of(part) for part in parts)


def _span_of(code: str) -> str:
    # For some front ends a backslash escapes the tick that ends the code.
    pad = " " if (code.startswith(" ") and code.endswith(" ")) or code.endswith("\\") else ""
    return f"`{pad}{code}{pad}`" if code.strip() else escape(code)


def escape(text: str) -> str:
    """Text as Markdown that shows exactly this text, for use inside a line."""
    return _unlinked(_escape(" ".join(_readable(text).split("\n"))))


def prose(text: str) -> str:
    """Text as Markdown that shows exactly this text, its lines and paragraphs kept."""
    paragraphs = re.split(r"\n\s*\n", _readable(text).strip("\n"))
    return "\n\n".join(_lines(_HARD.join(escape(line) for line in part.split("\n"))) for part in paragraphs)


def picture(url: str, alt: str = "") -> str | None:
    """A picture that stands in the text itself; None where the URL holds none, or one that is not shown."""
    is_shown = len(url) <= MAX_PICTURE and _PICTURE.fullmatch(url)
    return f"![{_BREAK_ESCAPED.sub(' ', escape(alt))}]({url})" if is_shown else None


def link(shown: str, url: str) -> str:
    """A link that shows this text and names its host; text alone where the URL may not be linked."""
    return _link(_escape(" ".join(_readable(shown).split("\n"))), shown, _parser().normalizeLink(url))


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced code block of a text, and the lines it takes there: from ``first`` up to ``end``."""

    code: str
    language: str
    first: int
    end: int


def fences(text: str) -> list[Fence]:
    """The fenced code blocks of a text, in lists and quotes too; one that is never closed ends with its text."""
    found = [(token, token.map) for token in _block_parser().parse(text) if token.type == "fence"]
    return [Fence(token.content, token.info.strip(), *lines) for token, lines in found if lines]


def _readable(text: str) -> str:
    """One kind of line end, and no controls: parsers disagree about all others. What turns text around is shown."""
    text = re.sub(r"\r\n?|[\u2028\u2029\x85]", "\n", text)
    text = _CONTROLS.sub("", text.replace("\v", " ").replace("\f", " "))
    return re.sub("[\u202d\u202e]", lambda match: visible(match[0]), text)


_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def _escape(text: str, *, later: bool = False, more: bool = True) -> str:
    """The text with character references for all that means something: every parser leaves those alone.

    A page's typesetter pairs dollars over all text up to the next element, so a dollar that another follows gets an
    element behind it; ``later`` says that one follows behind this text, ``more`` that this element goes on behind it.
    """
    out = _SPECIAL.sub(lambda match: _NAMED.get(match[0]) or f"&#{ord(match[0])};", text)
    head, dollar, tail = out.rpartition(_DOLLAR)
    if dollar:
        apart = f"{_DOLLAR}<span></span>"
        out = head.replace(_DOLLAR, apart) + (apart if later and (tail or more) else dollar) + tail
    return _FORMULA_IN_TEXT.sub(f"&#92;{_JOINER}", out)


def _unlinked(escaped: str) -> str:
    """Escaped text in which no front end finds a URL to link, and takes what stands behind, ticks too, for its end."""
    return _URL_START.sub(rf"\1{_JOINER}", escaped)


_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_DOLLAR = "&#36;"
# An underscore inside a word is no emphasis in any dialect, and snake_case is common. A mark of exclamation would make
# a picture of the link behind it.
_SPECIAL = re.compile(r"[&<>\\`*\[\]|$~]|!(?=\[|\Z)|(?<![^\W_])_|_(?![^\W_])")
_FORMULA_IN_TEXT = re.compile(r"&#92;(?=&#92;|&#36;|\(|&#91;|begin|(?:eq)?ref)")
_URL_START = re.compile(r"(:(?=//)|www(?=\.))", re.I)


# ---------------------------------------------------------------- blocks


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something is written. ``signs`` counts what a front end may take for formulas' ends in the whole text."""

    signs: int
    quoted: bool = False
    struck: bool = False  # front ends look for the end of what is struck out in code, too
    pictures: Pictures = BLOCKED
    below: int = 0  # levels of headings that stand above its own


@dataclass(slots=True)
class _Node:
    """A block with the blocks in it."""

    type: str
    token: Token
    children: list[_Node] = field(default_factory=list)


def _tree(tokens: Sequence[Token]) -> list[_Node]:
    levels: list[list[_Node]] = [[]]
    for token in tokens:
        if token.nesting < 0:
            levels.pop()
            continue
        node = _Node(token.type.removesuffix("_open"), token)
        levels[-1].append(node)
        if token.nesting > 0:
            levels.append(node.children)
    return levels[0]


def _blocks(nodes: Sequence[_Node], place: _Place, *, tight: bool = False) -> str:
    written, before = "", None
    for node in nodes:
        text = _list(node, place, before) if node.type.endswith("_list") else _BLOCKS[node.type](node, place)
        if not text:
            continue
        written += (("\n" if tight and _may_touch(before, node) else "\n\n") if written else "") + text
        before = node
    return written


def _may_touch(before: _Node | None, node: _Node) -> bool:
    """Whether one block can follow another without a blank line and still be read as a block of its own."""
    if before is None or before.type in ("table", "blockquote") or node.type in ("paragraph", "table"):
        return False
    if before.type.endswith("_list") and node.type == "math_block":
        return False
    if before.type == "paragraph" and node.type.endswith("_list"):
        return bool(node.children[0].children) and node.token.attrs.get("start", 1) == 1
    return True


def _paragraph(node: _Node, place: _Place) -> str:
    return _lines(_inline(node.children[0].token, place))


def _lines(text: str) -> str:
    """Lines of a paragraph: none blank, none that starts a block of another kind."""
    lines = [[line.strip(" ") for line in part.split("\n") if line.strip(" ")] for part in text.split(_HARD)]
    return "  \n".join("\n".join(_line_start(line) for line in part) for part in lines if part)


def _line_start(line: str) -> str:
    """A line of a paragraph, kept from being read as a heading, a list, a rule or a table's head."""
    return _LINE_START.sub(r"\1\\\2", line)


_LINE_START = re.compile(r"^(|\d{1,9}(?=[.)]))([#+=:.)-])")


def _heading(node: _Node, place: _Place) -> str:
    text = _one_line(_inline(node.children[0].token, place))
    text = re.sub(r"(^|(?<= ))(#+)$", r"\\\2", text)  # would be a closing mark
    level = min(int(node.token.tag[1:]) + place.below, 6)
    return f"{'#' * level} {text}".rstrip()


def _code(node: _Node, place: _Place) -> str:
    code = node.token.content
    if place.quoted and _signs_here_and_elsewhere(code, place):
        # A front end that looks for formulas first does not see where code in a quote ends; of a code span it does.
        lines = (_span(line, place) if line.strip() else "&#160;" for line in code.rstrip().split("\n"))
        return _lines(_HARD.join(lines))
    return fenced(code, node.token.info.strip())


def _signs_here_and_elsewhere(code: str, place: _Place) -> bool:
    here = len(formulas.SIGNS.findall(code))
    return 0 < here < place.signs


def _quote(node: _Node, place: _Place) -> str:
    text = _blocks(node.children, replace(place, quoted=True))
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n")) if text else ""


def _list(node: _Node, place: _Place, before: _Node | None = None) -> str:
    tight = _is_tight(node, place)
    marks = _marks(node, before)
    items = []
    for number, item in enumerate(node.children):
        mark = marks(number)
        content = re.sub(r"\A&#91;([ xX])&#93; ", r"[\1] ", _blocks(item.children, place, tight=tight))
        items.append((mark + content.replace("\n", "\n" + " " * len(mark))).rstrip(" "))
    return re.sub(r"\n +(?=\n)", "\n", ("\n" if tight else "\n\n").join(items))


def _is_tight(node: _Node, place: _Place) -> bool:
    """Whether the items stand close. Code with a formula's signs gets blank lines around it: they end its search."""
    children = [child for item in node.children for child in item.children]
    if any(child.type == "paragraph" and not child.token.hidden for child in children):
        return False
    return not any(_signs_here_and_elsewhere(code.token.content, place) for code in _codes(node))


def _codes(node: _Node) -> list[_Node]:
    if node.type in ("fence", "code_block"):
        return [node]
    return [code for child in node.children for code in _codes(child)]


def _marks(node: _Node, before: _Node | None) -> Callable[[int], str]:
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


def _table(node: _Node, place: _Place) -> str:
    rows = [row for part in node.children for row in part.children]
    cells = [[_cell(cell, place) for cell in row.children] for row in rows]
    styles = [str(cell.token.attrs.get("style", "")) for cell in rows[0].children] if rows else []
    marks = {"text-align:left": ":---", "text-align:right": "---:", "text-align:center": ":---:"}
    lines = [cells[0], [marks.get(style, "---") for style in styles], *cells[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(node: _Node, place: _Place) -> str:
    for leaf in node.children[0].token.children or [] if node.children else []:
        formulas.restore_bars(leaf)
    # Escaped in text already; a bar inside code still needs it here.
    text = _one_line(_inline(node.children[0].token, place, cell=True), "<br>") if node.children else ""
    return re.sub(r"(?<!\\)\|", r"\|", text)


def _formula(node: _Node, place: _Place) -> str:
    tex = node.token.content
    # On one line in a quote: a front end that takes formulas out first would take the marks of its lines along.
    return formulas.written(tex, display=True, block=not place.quoted) or _code_of(tex, place)


def _code_of(tex: str, place: _Place) -> str:
    if not place.quoted:
        return fenced(tex.strip("\n"), "latex")
    return "  \n".join(_span(line, place) for line in tex.split("\n") if line.strip())


_BLOCKS: dict[str, Callable[[_Node, _Place], str]] = {
    "paragraph": _paragraph,
    "heading": _heading,
    "fence": _code,
    "code_block": _code,
    "blockquote": _quote,
    "table": _table,
    "hr": lambda node, place: "___",  # dashes below a line would make a heading of it, stars in a list another list
    "math_block": _formula,
}


# ---------------------------------------------------------------- inside a block


def _inline(token: Token, place: _Place, *, cell: bool = False) -> str:
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
                out.append(_HARD)
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
                _put(out, _link(_one_line(shown), "".join(plain[plain_start:]), url, behind))
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
        out.append(_JOINER)
    out.append(piece)


def _text(text: str, *, later: bool, more: bool, linked: bool) -> str:
    """Text with its breaks, and with its bare URLs as links: front ends would take our escapes for a part of them."""
    out, position = "", 0
    text = re.sub(r"\s", " ", text)
    for match in () if linked else _BARE_URL.finditer(text):
        url = _without_end(match[0])
        out += _unlinked(_escape(text[position : match.start()], later="$" in text[match.start() :] or later))
        out += _link(_escape(url), url, _parser().normalizeLink(url if "://" in url else f"http://{url}"))
        position = match.start() + len(url)
    rest = _escape(text[position:], later=later, more=more)
    return _BREAK_ESCAPED.sub(_HARD, out + (rest if linked else _unlinked(rest)))


_URL_SIGN = r"[^\s<>\"'`\\|{}，。；：！？）】」』、…]"
_BARE_URL = re.compile(rf"(?<![\w@/.])(?:https?://|www\.)(?=\w){_URL_SIGN}+", re.I)


def _url_in_line(state: StateInline, silent: bool) -> bool:
    """A bare URL is plain text while a line is read: what is an underscore in it is no emphasis."""
    if state.src[state.pos] != ":":
        return False
    scheme = re.search(r"https?\Z", state.src[max(state.pos - 5, 0) : state.pos], re.I)
    url = _URL_IN_LINE.match(state.src, state.pos - len(scheme[0]), state.posMax) if scheme else None
    end = url.start() + len(_without_end(url[0])) if url else 0
    if end <= state.pos:
        return False
    if not silent:
        state.pending += state.src[state.pos : end]
    state.pos = end
    return True


# Up to what else may mean something: brackets, a formula, stars, an entity.
_URL_IN_LINE = re.compile(rf"(?<![\w@/.])https?://(?=\w)(?:(?!~~|&#?\w{{1,32}};|[\[\]$*]){_URL_SIGN})+", re.I)


def _without_end(url: str) -> str:
    """A bare URL without the punctuation that belongs to the sentence around it."""
    end, unopened = len(url), url.count(")") - url.count("(")
    while (url[end - 1] in ".,:;!?*_~]" and not _DUNDER.search(url, max(end - 40, 0), end)) or (
        url[end - 1] == ")" and unopened > 0
    ):
        end, unopened = end - 1, unopened - (url[end - 1] == ")")
    return url[:end]


# Python's special names, which many addresses of its documentation end in.
_DUNDER = re.compile(r"(?<![^\W_])__[^\W_]+(?:_[^\W_]+)*__\Z")


def _code_in_line(code: str, place: _Place, *, linked: bool, cell: bool) -> str:
    # Parsers differ in what may end a link's text, or a cell, from within code.
    if (linked and re.search(r"[\[\]`\\<]", code)) or (cell and re.search(r"\\\||\\\Z", code)):
        return _escape(" ".join(code.split("\n")), later=True)
    return _span(code, place)


def _span(code: str, place: _Place) -> str:
    """A code span. Front ends look for displayed formulas in code spans too, where two signs could make one."""
    if place.signs > 1:
        code = _SIGNS_IN_CODE.sub(_apart, code)
    if place.struck:
        code = re.sub("~(?=~)", f"~{_JOINER}", code)
    return code_span(code)


_SIGNS_IN_CODE = re.compile(r"\$(?=\$)|\\(?:begin|end)\{|\\(?=\\[()\[\]])|@@(?=\d+@@)")


def _address_as_code(url: str) -> str:
    """An address that may not be linked. It may be written many times, so that signs in it always count as two."""
    return code_span(re.sub("~(?=~)", f"~{_JOINER}", _SIGNS_IN_CODE.sub(_apart, url)))


def _apart(match: re.Match[str]) -> str:
    return match[0][0] + _JOINER + match[0][1:]


def _link(shown: str, plain: str, url: str, behind: str = "") -> str:
    """A link and, unless its text or what stands behind it does, the name of the host it leads to."""
    host = _host(url)
    if host is None:
        return _unlinked(shown) + (f" ({_address_as_code(url)})" if url and url not in plain else "")
    is_named = re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-]|\.\w)", plain, re.I) or (
        behind.replace(_JOINER, "").startswith(f" ({host})")
    )
    named = "" if is_named else f" ({_unlinked(_escape(host))})"
    return f"[{shown.strip(' ') or _escape(host)}]({_destination(url)}){named}"


def _host(url: str) -> str | None:
    """The host that a link leads to (the address, for mail); None where it may not be a link."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.path if parts.scheme.lower() == "mailto" else parts.hostname
    except ValueError:
        return None
    return host if parts.scheme.lower() in LINK_SCHEMES and re.fullmatch(r"[\w.@+-]+", host or "") else None


def _destination(url: str) -> str:
    """A URL that no parser can take for anything else: what could end it, or begin something, percent-encoded."""
    return _LIKE_A_REFERENCE.sub("&amp;", urllib.parse.quote(url, safe="/:?#@!&+,=%~-._").replace("~~", "%7E%7E"))


# Parsers differ on ``&copy=1``: for some it is a sign of copyright.
_LIKE_A_REFERENCE = re.compile(f"&(?={'|'.join(name for name in html.entities.html5 if name[-1] != ';')})")


def _picture(leaf: Token, pictures: Pictures) -> str:
    url, alt = str(leaf.attrs.get("src", "")), _BREAK_ESCAPED.sub(" ", escape(leaf.content))
    if whole := picture(url, leaf.content):
        return whole
    if address := pictures.address(url):
        return f"![{alt}]({_destination(address)})"
    to_allow, host = host_to_allow(url), _host(url)
    plain = " without encryption" if host and url.startswith("http:") and not to_allow else ""
    source = f", from {_address_as_code(to_allow or host or url[:60])}{plain}" if url else ""
    return f"(picture not loaded{': ' + alt if alt else ''}{source})"


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


def _one_line(text: str, hard: str = " ") -> str:
    return " ".join(text.replace(_HARD, hard).split("\n")).strip(" ")


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING}).enable(["table", "strikethrough"])
    parser.disable(["html_block", "html_inline"])
    parser.inline.ruler.before("escape", "url", _url_in_line)
    formulas.add_rules(parser)
    _bound_tables(parser)
    define = _rule(parser, "reference")
    parser.block.ruler.at(
        "reference", lambda state, *place: not _is_footnote(state, place[0]) and define(state, *place)
    )
    parser.validateLink = lambda url: True  # type: ignore[method-assign] # what may be linked is decided when writing
    return parser


@functools.cache
def _block_parser() -> MarkdownIt:
    """The same for blocks alone: what stands inside a paragraph stays unread."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING}).enable("table")
    parser.disable(["html_block", "inline"])
    formulas.add_rules(parser)
    _bound_tables(parser)
    return parser


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
