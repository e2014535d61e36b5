"""Names, notes and messages that strangers wrote: on a page and in a terminal they are text, in errors too."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from far_end import FarEnd
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessage
from shells import Shell
from test_rendering import harm_beside_folds
from test_safe_markdown import COMMONMARK, nbconvert

from llm_magics import renderers
from llm_magics.errors import CallFailed, UserMistake
from llm_magics.terminal import Terminal
from llm_magics.view import View

OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SEQUENCES = [
    "\x1b]52;c;QUJD\x07",
    "\x1b[2J",
    "\x9b1A",
    "\x9d0;t\x9c",
    "\x1bP+q\x1b\\",
    "\x1b]8;;http://e.example\x1b\\",
    "\r\x08",
]
NASTY = "".join(SEQUENCES) + "\u202e<img src=x onerror=alert(1)>\x00"
TYPED = NASTY.replace("\r", "").replace("\x00", "")


@pytest.fixture
def nasty_project(home: Path) -> Path:
    """A project's file whose model's name is hostile."""
    path = home / "work" / "llm_magics.toml"
    path.write_text(f'[models.{json.dumps("m" + NASTY)}]\nbase_url = "http://127.0.0.1:1/v1"\n', "utf-8")
    return path


def said(done: object) -> str:
    """All that a person reads of what a cell did, its error with it."""
    error = getattr(done, "error", None)
    lines = "\n".join(error._render_traceback_()) if hasattr(error, "_render_traceback_") else str(error or "")
    return f"{getattr(done, 'text', '')}{getattr(done, 'errors', '')}{lines}"


@pytest.mark.parametrize(
    "line",
    [
        "%llm_config",
        "%llm_config --models",
        "%llm -m absent hi",
        "%llm_config absent",
        "%llm hi",
        f"%llm_config {TYPED}",
        f"%llm_config system='{TYPED}'",
        f"%llm_config --file /nowhere/{TYPED}.toml",
        f"%llm --to {TYPED} hi",
        f"%llm --param {TYPED} hi",
        "%llm_config --trust",
    ],
    ids=ascii,
)
def test_no_name_of_a_strangers_file_is_obeyed_by_a_terminal(shell: Shell, nasty_project: Path, line: str) -> None:
    assert not OBEYED.search(said(shell.run(line)))


def test_a_file_with_a_hostile_name_is_told_without_its_controls(shell: Shell, home: Path) -> None:
    folder = home / "work" / "\x1b]52;c;QUJD\x07\u202edir"
    folder.mkdir()
    (folder / "x.toml").write_text("models = 5")
    shell.run(f"import os; os.chdir({str(folder)!r})")
    for line in ("%llm_config --file x.toml", f"%llm_config --file {folder}/x.toml"):
        assert not OBEYED.search(said(shell.run(line)))
    (folder / "llm_magics.toml").write_text("models = 5")
    assert not OBEYED.search(said(shell.run("%llm hi")))


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
def test_no_error_body_is_obeyed_by_a_terminal(far_shell: Shell, far: FarEnd, status: int) -> None:
    far.fails(status, {"error": {"message": f"no such {NASTY}", "code": NASTY, "type": NASTY}}, times=9)
    done = far_shell.run("%llm_config max_retries=0\n%llm hi")
    assert isinstance(done.error, CallFailed)
    assert not OBEYED.search(said(done))
    assert len(str(done.error).splitlines()) <= 3


def test_no_answer_is_obeyed_by_a_terminal(far_shell: Shell, far: FarEnd) -> None:
    far.answers(NASTY * 3, chunk=3)
    assert not OBEYED.search(said(far_shell.run("%llm hi")))
    far.calls_tool("f" + NASTY, **{NASTY: NASTY})
    assert not OBEYED.search(said(far_shell.run("%llm hi")))


def test_what_is_said_of_a_mistake_or_a_failure_is_lines_of_text() -> None:
    mistake = UserMistake(f"no model {NASTY}\nin\tit", f"name = {NASTY}\n    ^")
    failure = CallFailed(f"refused: {NASTY}\n\nmore", f"m{NASTY} @ h", f"do {NASTY}")
    for error in (mistake, failure):
        for text in (str(error), *error._render_traceback_()):
            assert not OBEYED.search(text)
    assert len(str(mistake).splitlines()) == 3
    assert len(str(failure).splitlines()) == 3


# ---------------------------------------------------------------- any bytes, in any pieces

PIECES = st.sampled_from(
    [*SEQUENCES, *"\x1b\x9b\x9d\x90[]P;m\x07\\\x9c\r\n\t\x08\u202e\ud83d\ude00", "31", "words ", "é"]
)
TEXTS = st.lists(PIECES, max_size=25).map("".join)


@settings(max_examples=200)
@given(text=TEXTS, other=TEXTS, data=st.data())
def test_whatever_the_pieces_a_terminal_gets_text(text: str, other: str, data: st.DataObject) -> None:
    import contextlib
    import io

    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        painter = Terminal(other)
        for end in sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6))):
            painter.paint(View(text=text[:end], reasoning=other, notes=(other,)), waited=9.0)
        painter.close(View(text=text, refusal=other, transcript=other, notes=(other, text), mark=other))
    assert not OBEYED.search(written.getvalue())


@settings(max_examples=150)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.recursive(
                st.none()
                | st.booleans()
                | st.integers()
                | st.floats()
                | TEXTS
                | st.sampled_from([NASTY, "$$", "`", "\\("]),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(
                            [
                                "function",
                                "name",
                                "arguments",
                                "type",
                                "text",
                                "url_citation",
                                "url",
                                "title",
                                "transcript",
                                "custom",
                            ]
                        ),
                        inner,
                        max_size=4,
                    )
                ),
                max_leaves=12,
            )
            for name in (
                "content",
                "refusal",
                "tool_calls",
                "function_call",
                "annotations",
                "citations",
                "audio",
                "reasoning",
            )
        },
    )
)
def test_any_message_at_all_is_shown_and_harmless(fields: dict[str, object]) -> None:
    from llm_magics.view import view_of

    message = ChatCompletionMessage.model_construct(role="assistant", **{"content": None, **fields})  # type: ignore[arg-type]
    bundle = renderers.mimebundle(view_of(message))
    "".join(bundle.values()).encode()
    assert not OBEYED.search(bundle["text/plain"])
    assert harm_beside_folds(COMMONMARK.render(bundle["text/markdown"])) == []
    assert harm_beside_folds(nbconvert(bundle["text/markdown"])) == []
