"""Texts that cost a careless parser the square of their length, each by its kind and for any length."""

from __future__ import annotations

from collections.abc import Callable


def repeated(piece: str, tail: str = "") -> Callable[[int], str]:
    """A text of one piece again and again."""
    return lambda size: piece * (size // len(piece)) + tail


def nested(opening: str, closing: str) -> Callable[[int], str]:
    """As many openings as closings, one inside the other."""
    return lambda size: opening * (size // len(opening + closing)) + "a" + closing * (size // len(opening + closing))


def numbered(piece: str, tail: str = "") -> Callable[[int], str]:
    """One piece again and again, each with another number in place of its ``#``."""

    def make(size: int) -> str:
        count = max(1, size // (len(piece) + 4))
        return "".join(piece.replace("#", str(number)) for number in range(count)) + tail

    return make


def growing(piece: str, end: str = "a\n") -> Callable[[int], str]:
    """Lines, each with one piece more than the last."""

    def make(size: int) -> str:
        count = int((2 * size / len(piece)) ** 0.5)
        return "".join(piece * number + end for number in range(count))

    return make


def wide_table(size: int) -> str:
    """A table of few rows and very many columns."""
    columns = size // 6
    return "|a" * columns + "|\n" + "|-" * columns + "|\n" + "|x" * columns + "|\n"


def ragged_table(size: int) -> str:
    """Many columns in the head, rows of a single cell: parsers fill up what is missing."""
    columns = max(2, int((size / 4) ** 0.5))
    rows = (size - 4 * columns) // 2
    return "|a" * columns + "|\n" + "|-" * columns + "|\n" + "x\n" * rows


def used_definitions(size: int) -> str:
    """One long definition, used again and again: the page grows by the definition each time."""
    half = size // 2
    return f"[a]: http://x.example/{'y' * half}\n\n" + "[a] " * (half // 4)


def used_label(size: int) -> str:
    """Links whose label is long and not defined."""
    return "".join(f"[a][{'b' * 990}] " for _ in range(size // 996))


def pictures(size: int) -> str:
    """A picture inside a picture's text inside a picture's text."""
    return "![" * (size // 6) + "a" + "](b)" * (size // 6)


NASTY: dict[str, Callable[[int], str]] = {
    "opening brackets": repeated("["),
    "links begun": repeated("[a]("),
    "links begun with an angle": repeated("[a](<b"),
    "links with titles begun": repeated('[a](b "'),
    "nested brackets": nested("[", "]"),
    "nested links": nested("[", "](u)"),
    "nested pictures": pictures,
    "marks of exclamation": repeated("!["),
    "link labels": repeated("[a][b]"),
    "undefined long labels": used_label,
    "definitions alike": repeated("[a]: u\n"),
    "definitions": numbered("[a#]: http://x.example\n"),
    "definitions begun": repeated("[a]:\n"),
    "definitions with titles begun": repeated("[a]: u 'x\n"),
    "definitions and their uses": numbered("[a#]: u\n\n[a#]\n\n"),
    "one definition used often": used_definitions,
    "footnotes": numbered("[^#]: a\n"),
    "ticks": repeated("`"),
    "ticks of every length": growing("`", " "),
    "code begun": repeated("`a"),
    "code begun twice": repeated("``a`"),
    "fences": repeated("```\n"),
    "fences inside lists": repeated("- ```\n"),
    "fences with dollars in lists": repeated("- ```\n  $\n  ```\n"),
    "tildes": repeated("~~~\n"),
    "stars": repeated("*"),
    "stars and blanks": repeated("* "),
    "stars in words": repeated("a*"),
    "three stars begun": repeated("***a "),
    "emphasis begun": repeated("*a **b "),
    "emphasis begun with either": repeated("*_"),
    "emphasis closed": repeated("a**"),
    "emphasis nested": nested("**", "**"),
    "emphasis nested in turn": nested("*_", "_*"),
    "underscores": repeated("_"),
    "underscores in words": repeated("a_b"),
    "strikes": repeated("~~a "),
    "strikes only": repeated("~"),
    "quotes": repeated(">"),
    "quotes in lines": repeated("> a\n"),
    "quotes growing": growing("> "),
    "quotes with fences": repeated("> ```\n"),
    "lists nested": repeated("- ", "a"),
    "lists of three kinds nested": repeated("- + * ", "a"),
    "lists growing": growing("  ", "- a\n"),
    "numbers nested": repeated("1. ", "a"),
    "a list": repeated("- a\n"),
    "a list of two kinds in turn": repeated("- a\n\n* b\n\n"),
    "numbers": repeated("1. a\n"),
    "empty items": repeated("-\n"),
    "items with blank lines": repeated("- a\n\n\n"),
    "dollars": repeated("$"),
    "dollars apart": repeated("$ "),
    "dollars and letters": repeated("$a"),
    "formulas": repeated("$a$ "),
    "formulas of two lines": repeated("$$\na\n$$\n"),
    "formulas begun": repeated("\\( a "),
    "formulas begun in a row": repeated("\\(|"),
    "a row of bars in formulas": repeated("$|a|$"),
    "environments begun on lines": repeated("\\begin{align}\n"),
    "URLs with underscores": repeated("https://a_b_,"),
    "displays begun": repeated("\\[ a\n"),
    "displays begun in lists": repeated("- \\[ a\n"),
    "dollar lines": repeated("$$ a\n"),
    "dollar lines in quotes": repeated("> $$ a\n"),
    "braces in a formula": lambda size: "$" + "{" * size + "$",
    "environments begun": repeated("\\begin{a}"),
    "environments in formulas": repeated("$\\begin{a}\\end{a}$ "),
    "escaped dollars": repeated("\\$"),
    "backslashes": repeated("\\"),
    "bars": repeated("|"),
    "a table": lambda size: "|a|b|\n|-|-|\n" + "|x|y|\n" * (size // 6),
    "a wide table": wide_table,
    "a ragged table": ragged_table,
    "ragged tables": repeated(ragged_table(1_500) + "\n"),
    "table heads": repeated("|a|\n|-|\n"),
    "tables begun": repeated("|a|b\n"),
    "dashes": repeated("-"),
    "lines of dashes": repeated("a\n-\n"),
    "equals": repeated("a\n=\n"),
    "hashes": repeated("#"),
    "headings": repeated("# a #\n"),
    "closing hashes": repeated("# #", ""),
    "one long line": repeated("a"),
    "words": repeated("word "),
    "many short lines": repeated("a\n"),
    "hard breaks": repeated("a  \n"),
    "blank lines": repeated("\n"),
    "blanks": repeated(" ", "a"),
    "blanks between": repeated("a" + " " * 500),
    "tabs": repeated("\t", "a"),
    "indented lines": repeated("    a\n"),
    "less than": repeated("<"),
    "tags begun": repeated("<a "),
    "tags with attributes begun": repeated("<a b='"),
    "comments begun": repeated("<!--"),
    "instructions begun": repeated("<?"),
    "declarations begun": repeated("<!A "),
    "CDATA begun": repeated("<![CDATA["),
    "autolinks begun": repeated("<http:"),
    "addresses begun": repeated("<a@"),
    "addresses of dots": repeated("<a@a."),
    "line breaks": repeated("<br>"),
    "references begun": repeated("&#x"),
    "references": repeated("&amp;"),
    "references by number": repeated("&#42;"),
    "references of long names": repeated("&CounterClockwiseContourIntegral"),
    "URLs": repeated("http://a.example/ "),
    "URLs without blanks": repeated("http://a.example/"),
    "a URL of brackets": lambda size: "http://a" + ")" * size,
    "a URL of opening brackets": lambda size: "http://a" + "(" * size,
    "a URL of stops": lambda size: "http://a" + ".," * (size // 2),
    "URLs begun": repeated("www."),
    "slashes": repeated("://"),
    "brackets in a destination": lambda size: "[a](" + "(" * size,
    "percent signs in a destination": lambda size: "[a](http://x/" + "%" * size + ")",
    "a long destination": lambda size: "[a](http://x/" + "é" * size + ")",
    "pictures": repeated("![a](http://x.example/b) "),
    "pictures in the text": repeated("![a](data:image/png;base64,AAAA) "),
    "joiners": repeated("\u2060"),
    "controls that turn text": repeated("\u202e"),
    "line separators": repeated("\u2028"),
    "combining marks": repeated("a\u0301"),
    "carriage returns": repeated("\r"),
    "zeros": repeated("\0"),
}
