"""Tables of plain texts, for a terminal and for a page; whoever wrote the texts, they only show."""

from __future__ import annotations

from collections.abc import Sequence

from llm_magics.printable import clean
from llm_magics.safe.markdown import escape

Cells = Sequence[str]


def plain_table(head: Cells, rows: Sequence[Cells]) -> str:
    """Columns of equal width under a head.

    >>> print(plain_table(["a", "b"], [["1", "22"], ["333", "4"]]))
    a    b
    ------
    1    22
    333  4
    """
    lines = [[clean(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    shown = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([shown[0], "-" * len(shown[0]), *shown[1:]])


def page_table(head: Cells, rows: Sequence[Cells]) -> str:
    """The same in Markdown.

    >>> page_table(["a"], [["<1>"]]).splitlines()[-1]
    '| &lt;1&gt; |'
    """
    lines = [head, [":--"] * len(head), *([escape(clean(cell)) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
