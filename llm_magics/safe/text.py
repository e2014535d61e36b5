"""Text as Markdown that shows exactly this text, whichever parser reads it: in a line, in paragraphs, as code."""

from __future__ import annotations

import re

from llm_magics.printable import visible

BREAK_ESCAPED = re.compile(r"&lt;br\s*/?&gt;", re.I)
JOINER = "\u2060"  # shows as nothing, and keeps its neighbours from being read together
HARD = "\v"  # a hard line break, until it is known where it stands
# A fence of these is drawn by front ends, from code that nobody checked.
_DRAWN = ("mermaid", "math", "geojson", "topojson", "stl")


def fenced(code: str, language: str = "") -> str:
    """A code block that its content cannot end."""
    code = visible(readable(code))  # code that reads in another order than it runs has fooled reviewers
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    word = re.match(r"[A-Za-z0-9_+#.-]*", language.lstrip("{. "))
    shown = word[0] if word and not word[0].lower().startswith(_DRAWN) else ""
    return f"{fence}{shown}\n{code.rstrip(chr(10))}\n{fence}"


def code_span(code: str) -> str:
    """Inline code that its content cannot end: a tick in it stands between two spans, as parsers differ on more."""
    parts = " ".join(readable(code).split("\n")).split("`")
    return f"{JOINER}&#96;{JOINER}".join(_span_of(part) for part in parts)


def _span_of(code: str) -> str:
    # For some front ends a backslash escapes the tick that ends the code.
    pad = " " if (code.startswith(" ") and code.endswith(" ")) or code.endswith("\\") else ""
    return f"`{pad}{code}{pad}`" if code.strip() else escape(code)


def escape(text: str) -> str:
    """Text as Markdown that shows exactly this text, for use inside a line."""
    return unlinked(escaped(" ".join(readable(text).split("\n"))))


def prose(text: str) -> str:
    """Text as Markdown that shows exactly this text, its lines and paragraphs kept."""
    paragraphs = re.split(r"\n\s*\n", readable(text).strip("\n"))
    return "\n\n".join(lines_of(HARD.join(escape(line) for line in part.split("\n"))) for part in paragraphs)


def lines_of(text: str) -> str:
    """Lines of a paragraph: none blank, none that starts a block of another kind."""
    lines = [[line.strip(" ") for line in part.split("\n") if line.strip(" ")] for part in text.split(HARD)]
    return "  \n".join("\n".join(_line_start(line) for line in part) for part in lines if part)


def _line_start(line: str) -> str:
    """A line of a paragraph, kept from being read as a heading, a list, a rule or a table's head."""
    return _LINE_START.sub(r"\1\\\2", line)


_LINE_START = re.compile(r"^(|\d{1,9}(?=[.)]))([#+=:.)-])")


def readable(text: str) -> str:
    """One kind of line end, and no controls: parsers disagree about all others. What turns text around is shown."""
    text = re.sub(r"\r\n?|[\u2028\u2029\x85]", "\n", text)
    text = _CONTROLS.sub("", text.replace("\v", " ").replace("\f", " "))
    return re.sub("[\u202d\u202e]", lambda match: visible(match[0]), text)


_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def escaped(text: str, *, later: bool = False, more: bool = True) -> str:
    """The text with character references for all that means something: every parser leaves those alone.

    A page's typesetter pairs dollars over all text up to the next element, so a dollar that another follows gets an
    element behind it; ``later`` says that one follows behind this text, ``more`` that this element goes on behind it.
    """
    out = _SPECIAL.sub(lambda match: _NAMED.get(match[0]) or f"&#{ord(match[0])};", text)
    head, dollar, tail = out.rpartition(_DOLLAR)
    if dollar:
        parted = f"{_DOLLAR}<span></span>"
        out = head.replace(_DOLLAR, parted) + (parted if later and (tail or more) else dollar) + tail
    return _FORMULA_IN_TEXT.sub(f"&#92;{JOINER}", out)


def unlinked(text: str) -> str:
    """Escaped text in which no front end finds a URL to link, and takes what stands behind, ticks too, for its end."""
    return _URL_START.sub(rf"\1{JOINER}", text)


_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_DOLLAR = "&#36;"
# An underscore inside a word is no emphasis in any dialect, and snake_case is common. A mark of exclamation would make
# a picture of the link behind it.
_SPECIAL = re.compile(r"[&<>\\`*\[\]|$~]|!(?=\[|\Z)|(?<![^\W_])_|_(?![^\W_])")
_FORMULA_IN_TEXT = re.compile(r"&#92;(?=&#92;|&#36;|\(|&#91;|begin|(?:eq)?ref)")
_URL_START = re.compile(r"(:(?=//)|www(?=\.))", re.I)


def apart(code: str) -> str:
    """Code with its signs of formulas kept apart: front ends look for displayed formulas in code spans, too."""
    return _SIGNS_IN_CODE.sub(lambda match: match[0][0] + JOINER + match[0][1:], code)


_SIGNS_IN_CODE = re.compile(r"\$(?=\$)|\\(?:begin|end)\{|\\(?=\\[()\[\]])|@@(?=\d+@@)")
