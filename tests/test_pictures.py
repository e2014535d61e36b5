"""Pictures in answers: none is loaded before its host is allowed, and then exactly the one that was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from far_end import FarEnd
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernels import Kernel, Ran, kernel
from shells import Shell
from test_safe_markdown import COMMONMARK, JOINER, nbconvert

from llm_magics.config import checked
from llm_magics.errors import ConfigError
from llm_magics.pictures import policy
from llm_magics.safe.markdown import rebuild

CAT = "![cat](https://good.example/cat.png)"
SHOWN = CAT
BLOCKED = "(picture not loaded: cat, from `good.example`)"


def sources(page: str) -> list[str]:
    """What a page would load as pictures."""
    import html

    return [html.unescape(found) for found in re.findall(r'<img\b[^>]*\bsrc="([^"]*)"', page)]


# ---------------------------------------------------------------- which address is let through

ALLOWED = {
    "https://good.example/a.png": "https://good.example/a.png",
    "HTTPS://GOOD.Example/A.png": "https://good.example/A.png",
    "https://good.example:443/a": "https://good.example/a",
    "https://good.example": "https://good.example",
    "https://good.example/?x=1&copy=2&amp=3#f": "https://good.example/?x=1&copy=2&amp=3#f",
    "https://good.example/a%20b.png": "https://good.example/a%20b.png",
    "https://good.example/ä.png": "https://good.example/%C3%A4.png",
    "https://good.example/a_(b).png": "https://good.example/a_%28b%29.png",
    "https://any.wiki.example/a": "https://any.wiki.example/a",
    "https://a.b.wiki.example/a": "https://a.b.wiki.example/a",
    "https://bücher.example/a": "https://xn--bcher-kva.example/a",
    "http://localhost:8888/a": "http://localhost:8888/a",
    "http://127.0.0.1:9/a": "http://127.0.0.1:9/a",
    "https://port.example:8443/a": "https://port.example:8443/a",
}
HOSTS = ["good.example", "*.wiki.example", "BÜCHER.example", "localhost:8888", "127.0.0.1:9", "port.example:8443"]
TRICKS = [
    "http://good.example/a",
    "https://good.example@evil.example/a",
    "https://good.example:443@evil.example/a",
    "https://user:password@good.example/a",
    "//good.example/a",
    "///good.example/a",
    "https:good.example/a",
    "https:/good.example/a",
    "https:///good.example/a",
    r"https:\\good.example/a",
    r"https://good.example\@evil.example/a",
    r"https://evil.example\@good.example/a",
    r"\\good.example\a",
    "https://good.example:444/a",
    "https://good.example:0/a",
    "https://good.example:99999/a",
    "https://good.example./a",
    "https://good%2Eexample/a",
    "https://good.example%2F@evil.example/a",
    "https://%67ood.example/a",
    "https://good.example%00.evil.example/a",
    "https://ｇood.example/a",
    "https://gооd.example/a",
    "https://good.example.evil.example/a",
    "https://notgood.example/a",
    "https://wiki.example/a",
    "https://evilwiki.example/a",
    "https://*.wiki.example/a",
    "https://evil.example/good.example",
    "https://evil.example/?https://good.example/",
    "https://evil.example#@good.example/",
    "https://evil.example?@good.example/",
    "https://port.example/a",
    "https://localhost:8888.evil.example/a",
    "http://localhost/a",
    "http://0x7f.1:9/a",
    "http://2130706433:9/a",
    "http://127.1:9/a",
    "http://[::1]:9/a",
    "ftp://good.example/a",
    "file://good.example/a",
    "javascript://good.example/%0aalert(1)",
    "data:image/svg+xml,<svg xmlns='http://good.example'/>",
    "blob:https://good.example/a",
    "view-source:https://good.example/a",
    "filesystem:https://good.example/a",
    "attachment:good.example",
    "good.example/a",
    "/good.example/a",
    "https://good.example/" + "a" * 2_000,
    "https://ev\til.example/a",
    "https://evil.example&sol;@good.example/a",
    "https://good.example&commat;evil.example/a",
]
LENIENT = [
    "https://@good.example/a",
    "https://good.example:/a",
    "ht\ttps://good.example/a",
    "https://go\nod.example/a",
    "\x01https://good.example/a",
    "https://good.example\u202e/a",
    "https://good。example/a",
    "https&colon;//good.example/a",
]


def written(url: str) -> list[str]:
    """A picture in the spellings that Markdown has for it."""
    angle = url.replace("<", "").replace(">", "")
    return [
        f"![cat]({url})",
        f"![cat](<{angle}>)",
        f"![cat]({url} 'a title')",
        f"![cat][p]\n\n[p]: {url}",
        f"![cat][]\n\n[cat]: <{angle}>",
        f"| a |\n|---|\n| ![cat](<{angle}>) |",
        f"[![cat]({url})](https://else.example/)",
        f"- > ![cat]({url})",
    ]


@pytest.mark.parametrize(("url", "loaded"), ALLOWED.items(), ids=ALLOWED)
def test_a_picture_of_an_allowed_host_is_read_by_every_parser_as_exactly_its_address(url: str, loaded: str) -> None:
    for spelling in written(url):
        out = rebuild(spelling, pictures=policy(HOSTS))
        assert sources(COMMONMARK.render(out)) == [loaded]
        assert sources(nbconvert(out)) == [loaded]
        assert rebuild(out, pictures=policy(HOSTS)) == out


@pytest.mark.parametrize("url", TRICKS)
def test_an_address_that_only_looks_like_an_allowed_one_is_not_loaded(url: str) -> None:
    for spelling in written(url):
        out = rebuild(spelling, pictures=policy(HOSTS))
        assert sources(COMMONMARK.render(out)) == sources(nbconvert(out)) == [], (spelling, out)


@pytest.mark.parametrize("url", LENIENT)
def test_an_address_that_parsers_mend_is_written_as_mended_or_not_loaded(url: str) -> None:
    for spelling in written(url):
        out = rebuild(spelling, pictures=policy(HOSTS))
        for page in (COMMONMARK.render(out), nbconvert(out)):
            assert set(sources(page)) <= {"https://good.example/a"}, (spelling, out)


@settings(max_examples=300)
@example("//localhost:8888")
@given(
    st.lists(
        st.sampled_from(
            [
                *"/\\@:?#.%&;[]()<> \t\n'\"*`|",
                *[
                    "https:",
                    "http:",
                    "//",
                    "good.example",
                    "evil.example",
                    "wiki.example",
                    "![a](",
                    ")",
                    "[r]: ",
                    "![a][r]",
                ],
                *[
                    "%2e",
                    "%2f",
                    "%40",
                    "&sol;",
                    "&#64;",
                    "&bsol;",
                    "。",
                    "\u2060",
                    "localhost:8888",
                    "data:image/png;base64,AA",
                ],
            ]
        ),
        max_size=18,
    ).map("".join)
)
def test_no_spelling_loads_a_picture_from_another_host(text: str) -> None:
    for around in ("![a](https://good.example{})", "![a](<https:{}>)", "![a]({})", "{}"):
        out = rebuild(around.format(text), pictures=policy(HOSTS))
        for source in sources(COMMONMARK.render(out)) + sources(nbconvert(out)):
            plain = r"https://(good\.example|([a-z0-9-]+\.)+wiki\.example)(/|\?|#|\Z)|https?://localhost:8888(/|\?|#|\Z)|data:image/png"
            assert re.match(plain, source), (text, out)
            assert "\\" not in source


GOOD = ["block", "ask", [], ["upload.wikimedia.org"], ["*.example.org", "a.example:8443", "münchen.example"]]
BAD = ["all", "Block", "", "good.example", True, None, 1, {}, [1], [None]]
NO_HOST = ["", "*", "*.org", "a.*", "*a.example", "https://good.example", "good.example/a", "a@b.example", "a b"]
NO_HOST += ["a:99999", "a:0", "a.", "a..b", "\ud800", "x" * 300]


@pytest.mark.parametrize("value", GOOD, ids=ascii)
def test_what_the_setting_takes(value: object) -> None:
    assert checked("images", value) == value


@pytest.mark.parametrize("value", [*BAD, *([host] for host in NO_HOST), ["good.example", "a b"]], ids=ascii)
def test_what_the_setting_does_not_take(value: object) -> None:
    with pytest.raises(ConfigError, match="it takes block, ask, or a list of hosts such as"):
        checked("images", value)


# ---------------------------------------------------------------- what a person sees and says


@pytest.fixture(scope="module")
def far_end() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


@pytest.fixture(scope="module")
def front(far_end: FarEnd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("pictures")
    with kernel(LLM_MAGICS_DIR=str(folder), IPYTHONDIR=str(folder)) as started:
        started.run("%load_ext llm_magics")
        started.run(f"import os; os.chdir({str(folder)!r})")
        yield started


@pytest.fixture
def page(front: Kernel, far_end: FarEnd) -> Kernel:
    far_end.reset()
    front.run("%llm_config --reset")
    front.run(f"%llm_config --add far base_url={far_end.base_url}")
    return front


def value(ran: Ran) -> str:
    """The Markdown that the cell leaves behind, when it leaves nothing else."""
    assert not ran.error, ran.error
    assert [output["output_type"] for output in ran.outputs] == ["execute_result"]
    return str(ran.outputs[0]["data"]["text/markdown"])


def asked(page: Kernel, code: str, answer: str) -> tuple[str, Ran]:
    """Run a cell that asks something; its question, and what it did."""
    cell = page.start(code)
    question = page.client.get_stdin_msg(timeout=60)["content"]["prompt"]
    page.client.input(answer)
    return question, page.finish(cell)


def unasked(page: Kernel, code: str) -> Ran:
    """Run a cell where nobody can be asked, as nbconvert and ``jupyter execute`` do."""
    return page.finish(page.client.execute(code, allow_stdin=False))


HINT = "*Pictures are not loaded. To allow them:* `%llm_config images={}`"


def test_pictures_are_not_loaded_unless_one_says_so_and_the_answer_says_how(page: Kernel, far_end: FarEnd) -> None:
    far_end.answers(f"Look: {CAT} and {CAT}")
    assert value(page.run("%%llm\nhi")) == f"Look: {BLOCKED} and {BLOCKED}\n\n{HINT.format('ask')}"
    far_end.answers("No picture ![x](/lab/x.png) and ![y](http://plain.example/y.png)")
    shown = value(page.run("%%llm\nhi"))
    assert shown.endswith("and (picture not loaded: y, from `plain.example` without encryption)")


def test_pictures_of_listed_hosts_are_shown_also_when_the_answer_is_shown_again(page: Kernel, far_end: FarEnd) -> None:
    page.run('%llm_config images=["good.example"]')
    far_end.answers(f"{CAT} ![dog](https://other.example/dog.png)")
    dog = "(picture not loaded: dog, from `other.example`)"
    expected = f"{SHOWN} {dog}\n\n" + HINT.format('["other.example"]')
    ran = page.run("%%llm\nhi")
    assert value(ran) == expected
    assert value(page.run("_llm.message")) == expected
    page.run("%llm_config images=block")
    assert value(page.run("_llm.message")).startswith(f"{BLOCKED} {dog}")


def test_while_an_answer_streams_no_picture_is_loaded(page: Kernel, far_end: FarEnd) -> None:
    page.run("%llm_config images=ask")
    far_end.answers(f"{CAT}\n\nMore.\n\n" * 20, gap=0.01)
    _, ran = asked(page, "%%llm\nhi", "y")
    streamed = [
        str(message.content["data"]["text/markdown"]) for message in ran.of("display_data", "update_display_data")
    ]
    assert streamed
    assert not [text for text in streamed if "![" in text]
    assert value(ran).count(SHOWN) == 20


def test_the_question_does_not_stay_in_the_notebook(page: Kernel, far_end: FarEnd) -> None:
    page.run("%llm_config images=ask")
    far_end.answers(CAT)
    _, ran = asked(page, "%%llm --no-stream\nhi", "y")  # front ends save a question with its answer, until they clear
    kinds = [message.kind for message in ran.messages]
    assert kinds[-2:] == ["clear_output", "execute_result"]


def test_a_yes_shows_the_pictures_and_holds_for_that_host_in_this_kernel(page: Kernel, far_end: FarEnd) -> None:
    page.run("%llm_config images=ask")
    far_end.answers(f"{CAT} ![dog](https://other.example/dog.png)")
    question, ran = asked(page, "%%llm\nhi", "y")
    assert question == "Load pictures from good.example, other.example? [y/N] "
    assert value(ran) == f"{SHOWN} ![dog](https://other.example/dog.png)"
    far_end.answers(CAT)
    assert value(unasked(page, "%%llm\nhi")) == SHOWN
    far_end.answers(f"{CAT} ![x](https://third.example/x.png)")
    question, ran = asked(page, "%%llm\nhi", "")
    assert question == "Load pictures from third.example? [y/N] "
    assert value(ran).startswith(f"{SHOWN} (picture not loaded: x, from `third.example`)")
    page.run("%llm_config images=block")
    assert value(page.run("_llm.message")).startswith(BLOCKED)
    page.run("%llm_config --reset")
    page.run("%llm_config images=ask")
    assert value(page.run("_llm.message")).startswith(BLOCKED)


@pytest.mark.parametrize("answer", ["", "n", "no", "N", "yesterday", "ja", "y\x1b[A", "1"])
def test_anything_but_a_yes_is_a_no(page: Kernel, far_end: FarEnd, answer: str) -> None:
    page.run("%llm_config images=ask")
    far_end.answers(CAT)
    _, ran = asked(page, "%%llm\nhi", answer)
    assert value(ran) == f"{BLOCKED}\n\n" + HINT.format('["good.example"]')


def test_where_nobody_can_be_asked_the_answer_says_how_to_allow_the_host(page: Kernel, far_end: FarEnd) -> None:
    page.run("%llm_config images=ask")
    far_end.answers(CAT)
    assert value(unasked(page, "%%llm\nhi")) == f"{BLOCKED}\n\n" + HINT.format('["good.example"]')


def test_an_interrupt_of_the_question_is_a_no(page: Kernel, far_end: FarEnd) -> None:
    page.run("%llm_config images=ask")
    far_end.answers(CAT)
    cell = page.start("%%llm\nhi")
    assert page.client.get_stdin_msg(timeout=60)["content"]["prompt"].startswith("Load pictures")
    page.interrupt()
    assert value(page.finish(cell)).startswith(BLOCKED)
    assert page.value("1 + 1") == 2


def test_an_answer_without_pictures_asks_nothing(page: Kernel, far_end: FarEnd) -> None:
    page.run("%llm_config images=ask")
    for text in (
        "Just text.",
        "`![a](https://good.example/a)`",
        "```\n![a](https://good.example/a)\n```",
        r"\![a](https://good.example/a)",
    ):
        far_end.answers(text)
        ran = page.run("%%llm\nhi")  # a question would keep it waiting
        assert "Pictures are not loaded" not in value(ran)


def test_a_project_file_cannot_let_pictures_in_until_it_is_trusted(page: Kernel, far_end: FarEnd) -> None:
    try:
        page.run(
            """open("llm_magics.toml", "w").write('images = ["good.example"]\\nmodels.far.images = ["good.example"]')"""
        )
        far_end.answers(CAT)
        assert value(page.run("%%llm -m far\nhi")).startswith(BLOCKED)
        assert "good.example" not in str(page.run("%llm_config").outputs[-1]["data"])
        page.run("%llm_config --trust")
        assert value(page.run("_llm.message")) == SHOWN
    finally:
        page.run('os.unlink("llm_magics.toml")')


def test_a_project_file_does_not_hide_what_one_allowed_oneself(page: Kernel, far_end: FarEnd) -> None:
    try:
        page.run("""open("llm_magics.toml", "w").write('images = "ask"')""")
        page.run("""os.environ["LLM_MAGICS_IMAGES"] = '["good.example"]'""")
        far_end.answers(CAT)
        assert value(page.run("%%llm\nhi")) == SHOWN
    finally:
        page.run('os.unlink("llm_magics.toml"); del os.environ["LLM_MAGICS_IMAGES"]')


def test_one_model_may_have_pictures_and_another_not(page: Kernel, far_end: FarEnd) -> None:
    page.run(f'%llm_config --add drawing base_url={far_end.base_url} images=["good.example"]')
    far_end.answers(CAT)
    assert value(page.run("%%llm -m drawing\nhi")) == SHOWN
    far_end.answers(CAT)
    assert value(page.run("%%llm -m far\nhi")).startswith(BLOCKED)


def test_pictures_in_reasoning_are_asked_about_too(page: Kernel, far_end: FarEnd) -> None:
    page.run("%llm_config images=ask")
    far_end.answers("<think>" + CAT + "</think>Done.")
    question, ran = asked(page, "%%llm\nhi", "yes")
    assert question == "Load pictures from good.example? [y/N] "
    assert SHOWN in value(ran)


def test_a_terminal_is_never_asked(far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    far_shell.run("%llm_config images=ask")
    far.answers(CAT)
    done = far_shell.run("%%llm\nhi")
    assert (done.error, done.text.strip()) == (None, CAT)


def test_a_bad_value_is_told_in_one_line(far_shell: Shell, far: FarEnd, home: Path) -> None:
    for line in ("images=all", 'images=["https://x.example"]', "images=true"):
        done = far_shell.run(f"%llm_config {line}")
        assert (
            'it takes block, ask, or a list of hosts such as ["upload.wikimedia.org", "*.example.org"].' in done.errors
        )
        assert done.errors.count("\n") == 1
    assert JOINER not in done.errors
