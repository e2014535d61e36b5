"""TeX that links, loads, styles or defines."""

from __future__ import annotations

from collections.abc import Iterator

_TEX = (
    r"\href{javascript:FIRE}{x}",
    r"\HREF{javascript:FIRE}{x}",
    r"\href{ javascript:FIRE}{x}",
    r"\href{java	script:FIRE}{x}",
    r"\href{data:text/html,<script>FIRE</script>}{x}",
    r"\url{javascript:FIRE}",
    r"\require{html}\href{javascript:FIRE}{x}",
    r"\require{action}\mathtip{x}{y}",
    r"\unicode{x202e}{MARK}",
    r"\style{background:url(URL)}{x}",
    r"\style{position:fixed;inset:0}{\text{MARK}}",
    r"\class{jp-mod-MARK}{x}",
    r"\cssId{idMARK}{x}",
    r"\data{commandlinker-command=help:open}{x}",
    r"\htmlData{commandlinker-command=MARK}{x}",
    r"\includegraphics{URL}",
    r"\def\a{\href{javascript:FIRE}{x}}\a",
    r"\newcommand{\b}{\href{javascript:FIRE}{x}}\b",
    r"\let\c\href \c{javascript:FIRE}{x}",
    r"\def\d{\d\d}\d \text{MARK}",
    r"\begin{html}<img src=x onerror=FIRE>\end{html}",
    r"\text{<img src=x onerror=FIRE>}",
    r"\text{</script><img src=x onerror=FIRE>}",
    r"\texttip{x}{<img src=x onerror=FIRE>}",
    r"\mmlToken{mi}[href='javascript:FIRE']{x}",
    r"\toggle{a}{b}\endtoggle \text{MARK}",
    r"\bbox[background:url(URL)]{x}",
    r"\label{lMARK}\ref{lMARK}",
    r"\color{red;background:url(URL)}{x}",
    r"\enclose{circle}[mathbackground='url(URL)']{x}",
)
_SIGNS = (
    ("$", "$"),
    ("$$", "$$"),
    ("$$\n", "\n$$"),
    (r"\\(", r"\\)"),
    (r"\\[", r"\\]"),
    (r"\(", r"\)"),
    ("\\[\n", "\n\\]"),
)


def formulas() -> Iterator[str]:
    """Every command between some of the signs, and formulas that hold what a page must not see."""
    for place, tex in enumerate(_TEX):
        for begin, end in (_SIGNS[place % 7], _SIGNS[(place + 3) % 7]):
            yield f"Let {begin}{tex}{end} be." if "\n" not in begin else f"{begin}{tex}{end}"
    live = "<img src=x onerror=FIRE>"
    yield from (
        f"$a {live} b$",
        f"$${live}$$",
        f"$$\n{live}\n$$",
        f"\\\\({live}\\\\)",
        f"\\begin{{equation}}{live}\\end{{equation}}",
        f"\\begin{{a}}\n\n{live}\n\n\\end{{a}}",
        f"$`{live}`$",
        f"`$` {live} `$`",
        f"$a$ {live} $b$",
        f"\\$ {live} $",
        f"$$ {live} $",
        f"$ {live}",
        "$[x](javascript:FIRE)$",
        "$![x](URL)$",
        "$x$![y](URL)$z$",
        "$$\n![y](URL)\n$$",
        '$" onmouseover="FIRE$ [x](http://x.example/@@0@@)',
        f"@@0@@ $x$ {live}",
        f"```math\n{live}\n```",
        f"$\\begin{{a}}$ {live} $\\end{{a}}$",
    )
