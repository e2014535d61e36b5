"""HTML of our own: texts stay texts, and a leaf that somebody forgot to escape does nothing either."""

from __future__ import annotations

import html.parser
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rendering import PLACES, message, page
from test_safe_markdown import AROUND, COMMONMARK, LIVE, nbconvert

from llm_magics import live
from llm_magics.safe.html import PROSE, TAGS, clean_html, leaf, safe_bundle, table, words
from llm_magics.safe.markdown import rebuild
from llm_magics.view import view_of


class Page(html.parser.HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.found.append(("!--", {}))

    handle_decl = handle_pi = unknown_decl = handle_comment


def strays(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """Elements and attributes that have no business in HTML of ours."""
    return [(tag, attrs) for tag, attrs in Page(page).found if tag not in TAGS or not _plain(tag, attrs)]


def _plain(tag: str, attrs: dict[str, str | None]) -> bool:
    if tag == "a":
        href = attrs.get("href", "mailto:nobody") or ""
        return set(attrs) <= {"href", "rel"} and href.lower().startswith(("http://", "https://", "mailto:"))
    if tag in ("td", "th"):
        return attrs in ({}, {"style": "text-align:left"})
    return not attrs or (tag == "details" and set(attrs) == {"open"})


def test_a_table_shows_exactly_its_texts() -> None:
    shown = clean_html(table(["check", "a < b"], [["<b>x</b>", 'it\'s & "so"'], ["two\nlines", ""]]))
    assert Page(shown).text == 'checka < b<b>x</b>it\'s & "so"twolines'
    tags = [tag for tag, _ in Page(shown).found]
    assert tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td", "tr", "td", "br", "td"]


def test_a_table_says_the_same_behind_the_door() -> None:
    made = table(["a"], [["$x$ \\(y\\) é 漢 \u200f"], ["'\""]])
    assert Page(clean_html(made)).text == Page(made).text == "a$x$ \\(y\\) é 漢 \u200f'\""


@pytest.mark.parametrize("payload", LIVE)
def test_a_hostile_text_is_a_text_and_nothing_else(payload: str) -> None:
    for made in (table([payload], [[payload]]), f'<p>{words(payload)}</p><a href="https://a.example/{leaf(payload)}">'):
        assert strays(made) == []


@pytest.mark.parametrize("payload", LIVE)
def test_a_hostile_text_that_nobody_escaped_does_nothing_behind_the_door(payload: str) -> None:
    for made in (payload, f"<table><tr><td>{payload}", f'<details open><summary title="{payload}">{payload}'):
        assert strays(clean_html(made)) == []


def test_without_the_door_they_would_do_something() -> None:
    assert sum(bool(strays(payload)) for payload in LIVE) > 50


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*LIVE, *"<>\"'&/= ", "\0", "\ud800", "\x1b[2J", "</td>", "<a href="]), max_size=6))
def test_nothing_passes_the_door_whatever_stands_together(parts: list[str]) -> None:
    once = clean_html("".join(parts))
    assert strays(once) == []
    assert clean_html(once) == once


def test_links_lead_outside_and_tell_nobody_where_they_were_found() -> None:
    assert clean_html('<a href="https://a.example/?b=1&amp;c" title="x">t</a>') == (
        '<a href="https://a.example/?b=1&amp;c" rel="noopener noreferrer">t</a>'
    )
    for url in (
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "/lab/tree",
        "//e.example",
        "x",
        "\tx",
    ):
        assert "href" not in clean_html(f'<a href="{url}">t</a>')


def test_pictures_styles_and_names_do_not_pass() -> None:
    for made in (
        '<img src="https://e.example/x.png">',
        '<p style="background:url(//e.example)">x</p>',
        '<td style="text-align:left;background:url(//e.example)">x</td>',
        '<div id="a" class="jp-x" name="b" data-commandlinker-command="c">x</div>',
        '<details open="open" ontoggle="alert(1)">x</details>',
    ):
        shown = clean_html(f"<table><tr>{made}</tr></table>" if made.startswith("<td") else made)
        assert "e.example" not in shown
        assert "jp-x" not in shown
        assert strays(shown) == []


def test_the_tags_of_prose_pass_where_they_are_allowed_and_pictures_only_from_the_text_itself() -> None:
    made = '<h2 id="a">x</h2><ul><li>y</li></ul><img src="data:image/png;base64,AAAA" alt="z" onerror="alert(1)">'
    assert clean_html(made) == "xy"
    assert clean_html(made, PROSE) == '<h2>x</h2><ul><li>y</li></ul><img src="data:image/png;base64,AAAA" alt="z">'
    for url in ("https://e.example/x.png", "data:image/svg+xml;base64,AAAA", "data:text/html,x", "//e.example", "x"):
        assert "src" not in clean_html(f'<img src="{url}">', PROSE)
        assert "href" not in clean_html(f'<a href="data:{url}">', PROSE)


def test_a_page_finds_no_formula_in_our_texts() -> None:
    for text in ("$a$", "$$a$$", r"\(a\)", r"\[a\]", r"\begin{a}x\end{a}", r"\\(a", r"\$a$", r"\ref{x}"):
        shown = clean_html(table([], [[text]]))
        assert Page(shown).text == text
        assert not any(sign in shown for sign in ("$a", r"\(", r"\[", r"\begin", r"\ref", "$$", r"\$", r"\\"))


def test_a_bundle_shows_only_what_was_made_safe() -> None:
    bundle = {"text/plain": "<b>", "text/markdown": "*x*", "text/html": "<b onclick=x>y</b><script>z</script>"}
    assert safe_bundle(bundle) == {"text/plain": "<b>", "text/markdown": "*x*", "text/html": "<b>y</b>"}
    with pytest.raises(ValueError, match="application/javascript: not shown"):
        safe_bundle({"application/javascript": "alert(1)"})


def test_what_is_shown_on_a_page_passes_the_door(shell: object, capsys: pytest.CaptureFixture[str]) -> None:
    from IPython.utils.capture import capture_output

    with capture_output() as caught:
        live.show({"text/plain": "x", "text/html": "<b onclick=alert(1)>y</b><img src=//e.example>"}, page=True)
    assert [output.data for output in caught.outputs] == [{"text/plain": "x", "text/html": "<b>y</b>"}]


@pytest.mark.parametrize("piece", ["<b>", "<", "&", "<table>", "</p>", "<a href='", "<!--", "$", "<td>", "x\n"])
def test_the_door_takes_any_length(piece: str) -> None:
    clean_html(piece * (200_000 // len(piece)))
    table([piece * 1_000], [[piece * 1_000]] * 20)


# ---------------------------------------------------------------- the Markdown of answers, read as a browser reads it

HEADINGS = {f"h{level}" for level in range(1, 7)}
MARKDOWN_TAGS = TAGS | HEADINGS | {"ul", "ol", "li", "blockquote", "hr", "strong", "s", "del", "img"}
MARKDOWN_ATTRIBUTES = {
    "*": set(),
    "a": {"href", "class"},
    **{tag: {"class"} for tag in ("code", "div", "span")},
    "details": {"open"},
    "img": {"src", "alt"},
    "ol": {"start"},
    "td": {"style"},
    "th": {"style"},
}
ANY = re.compile(r".*", re.S)
KNOWN = {  # nbconvert's classes, for code in colours and the mark behind a heading; pictures in the text itself
    "class": re.compile(r"anchor-link|highlight|language-[\w+#.-]+|[a-z]{1,2}[0-9]?"),
    "src": re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]*"),
    "style": re.compile(r"text-align: ?(?:left|right|center);?"),
}


def as_allowed(shown: str) -> str:
    """A page without all that an answer's Markdown never makes."""
    import nh3

    return nh3.clean(
        shown,
        tags=MARKDOWN_TAGS,
        attributes=MARKDOWN_ATTRIBUTES,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel=None,
        attribute_filter=lambda tag, name, value: value if KNOWN.get(name, ANY).fullmatch(value) else None,
    )


def as_anything(shown: str) -> str:
    """The same page with all its elements, as the same reader reads it."""
    import nh3

    found = {tag for tag, _ in Page(shown).found} - {"!--"}
    names = {name for _, attrs in Page(shown).found for name in attrs}
    return nh3.clean(
        shown,
        tags=MARKDOWN_TAGS | found,
        clean_content_tags=set(),
        attributes={"*": names},
        generic_attribute_prefixes={"on", "data-"},
        url_schemes={"http", "https", "mailto", "data", "javascript", "vbscript", "file", "attachment", "ftp"},
        strip_comments=False,
        link_rel=None,
    )


def shown_pages(written: str) -> list[str]:
    """The page as two parsers make it, without the names that nbconvert gives to headings."""
    pages = [COMMONMARK.render(written), nbconvert(written)]
    return [re.sub(r'(<h[1-6]) id="[^"]*"(?=>)', r"\1", one) for one in pages]


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_a_sanitiser_finds_nothing_to_take_out_of_an_answer(around: str) -> None:
    for payload in LIVE:
        for shown in shown_pages(rebuild(around.replace("{}", payload))):
            assert as_allowed(shown) == as_anything(shown), payload


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_sanitiser_finds_nothing_to_take_out_of_any_part_of_a_message(place: Callable[[str], dict[str, Any]]) -> None:
    for payload in LIVE:
        for text in (payload, f"</details></summary>{payload}", f"</code>{payload}`"):
            for shown in shown_pages(page(view_of(message(**place(text))))):
                assert as_allowed(shown) == as_anything(shown), text


def test_it_would_find_much_without_us() -> None:
    found = [as_allowed(one) != as_anything(one) for payload in LIVE for one in shown_pages(payload)]
    assert sum(found) > 80
