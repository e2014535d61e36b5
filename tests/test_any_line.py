"""Whatever stands on a magic's line: a prompt that can be sent, or one line that says why not, and nothing sent."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from far_end import FarEnd
from hypothesis import example, given, settings
from hypothesis import strategies as st
from IPython.core.error import UsageError
from mistakes import CANARY
from shells import Shell

from llm_magics import config_files, get_session
from llm_magics.lines import parse
from llm_magics.magics import LLMMagics
from llm_magics.parsers import parser_of

ANYTHING = settings(max_examples=300)

ASK = [option for action in parser_of(LLMMagics.llm)._actions for option in action.option_strings]
CONFIG = [option for action in parser_of(LLMMagics.llm_config)._actions for option in action.option_strings]
# Those that neither look for servers, nor ask at the keyboard, nor write a file.
QUIET = [option for option in CONFIG if option not in ("--models", "--ask-key", "--check", "--save", "--trust")]
NEARLY = ["--modle", "--temp", "—model", "–m", "-‐m", "--", "-", "---", "--api-key", "--token=", "-t0.2", "--=", "-m="]
KEYS = [
    "temperature",
    "timeout",
    "timeout_total",
    "max_tokens",
    "stop",
    "system",
    "stream",
    "seed",
    "base_url",
    "model",
]
KEYS += ["temprature", "api_key", ""]
VALUES = [
    *["far", "fra", "demo", "0.2", "9", "hot", "nan", "1e309", "-1", "true", "null", "1k", "class", "list", "é", ";"],
    *["%", "?", "#", "!ls", "=", "＝", "~", ".", "/dev/zero", "C:\\new\\table", "nowhere.toml", "http://h/v1"],
    *["http://h:99999", str(10**30), "9" * 500, "''", '"Be brief."', "'", '"', "“x”"],
    *["«", "’", "{{", "}}", "{{ x }}", "{{ nobody }}", "[1", '{"a": 1}', "[" * 200, "\\", f" {CANARY} "],
    *["\u00a0", "\u200b", "\ufeff", "\u2028", "\x00", "\x1b[2J", "\ud83d", "\U0001f600"],
]
BODIES = ["", " ", "\n", "Hi", "Hi;", "{{ x }}", "{{ nobody }}", "%%llm\nHi", "\ud83d\x00", "--model x"]


def lines_of(options: list[str]) -> st.SearchStrategy[str]:
    """Lines of options, values, junk and any text, with blanks of any kind or none between them."""
    word = (
        st.sampled_from([*options, *NEARLY, *VALUES])
        | st.builds("{}={}".format, st.sampled_from([*options, *KEYS, *NEARLY]), st.sampled_from(VALUES))
        | st.text(st.characters(exclude_characters="\n"), max_size=20)
    )
    blank = st.sampled_from([" ", " ", " ", "  ", "\t", "\u00a0", ""])
    return st.lists(st.builds(str.__add__, word, blank), max_size=8).map("".join)


def is_done(shell: Shell, far: FarEnd, run: Callable[[], Any]) -> bool:
    """Whether a magic did what its line says; if not, it said so in one line and sent nothing."""
    before, sent = shell.ip.user_ns.get("_llm"), len(far.requests)
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        try:
            run()
        except UsageError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 2_000
            assert "canary" not in str(error) + shown.getvalue()
            assert len(far.requests) == sent
            assert shell.ip.user_ns.get("_llm") is before
            return False
    return True


@pytest.fixture
def asked(far_shell: Shell) -> Shell:
    """A shell with a model at the far end, a value and an answer."""
    far_shell.run("x = 5")
    far_shell.run("%%llm\nThe first")
    return far_shell


@ANYTHING
@given(line=lines_of([*ASK, *CONFIG]), body=st.sampled_from(BODIES))
@example(line="-m ''", body="Hi")
@example(line="--param stop=[", body="Hi")
@example(line="-t " + "9" * 400, body="Hi")
@example(line="--to \ud83d", body="Hi")
def test_a_cell_is_sent_once_or_said_to_be_wrong(asked: Shell, far: FarEnd, line: str, body: str) -> None:
    sent = len(far.chats)
    if is_done(asked, far, lambda: asked.ip.run_cell_magic("llm", line, body)):
        assert len(far.chats) - sent <= 1
        assert body.strip().strip(";")
        assert not line.strip().strip(";").strip() or line.lstrip().startswith("-")


@ANYTHING
@given(line=lines_of([*ASK, *CONFIG]))
def test_a_line_is_sent_once_or_said_to_be_wrong(asked: Shell, far: FarEnd, line: str) -> None:
    sent = len(far.chats)
    is_done(asked, far, lambda: asked.ip.run_line_magic("llm", line))
    assert len(far.chats) - sent <= 1


@ANYTHING
@given(line=lines_of(ASK), body=st.sampled_from(BODIES))
def test_a_dry_run_sends_nothing_whatever_else_its_line_says(asked: Shell, far: FarEnd, line: str, body: str) -> None:
    sent = len(far.requests)
    is_done(asked, far, lambda: asked.ip.run_cell_magic("llm", f"--dry-run {line}", body))
    assert len(far.requests) == sent


@ANYTHING
@given(line=lines_of(QUIET))
@example(line="temperature=0.5 fra")
@example(line="--reset --file nowhere.toml")
@example(line="temperature=0.5 --file /dev/zero")
@example(line="model=fra")
def test_a_settings_line_is_done_or_changes_nothing(asked: Shell, far: FarEnd, line: str) -> None:
    before = get_session().configuration.config
    sent = len(far.requests)
    if is_done(asked, far, lambda: asked.ip.run_line_magic("llm_config", line)):
        with contextlib.redirect_stdout(io.StringIO()):
            asked.ip.run_line_magic("llm_config", f"--reset --add far base_url={far.base_url}")
    else:
        assert get_session().configuration.config == before
    assert len(far.requests) == sent


PIECES = [
    *["%llm", "%%llm", "%%llm_config", "x = %llm", "  %%llm", "    %llm Hi?", "for n in [1]:", "'''", '"', "#", "f'"],
    *["Hi", "Why?", "x = 1", "!true", "%%time", "\u00a0", "-m far", "--modle", "{{ x }}", ";", "\\", "("],
]


@ANYTHING
@given(
    pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=6),
    glue=st.sampled_from(["\n", " ", "\r\n"]),
)
def test_any_cell_is_taken_apart(asked: Shell, pieces: list[str], glue: str) -> None:
    lines = (glue.join(pieces) + "\n").splitlines(keepends=True)
    for transform in asked.ip.input_transformers_cleanup:
        lines = transform(lines)
        assert lines
        assert all(isinstance(line, str) for line in lines)


def test_no_line_takes_long(asked: Shell, far: FarEnd) -> None:
    sent = len(far.chats)
    for piece in ("-m ", "'", "--param a=", "—", "＝", "x", "{[", "[", '"\\', "\u00a0"):
        with pytest.raises(UsageError):
            asked.ip.run_cell_magic("llm", piece * 50_000 + "x", "Hi")
        with pytest.raises(UsageError):
            asked.ip.run_line_magic("llm_config", piece * 50_000 + "x")
    assert len(far.chats) == sent


# ---------------------------------------------------------------- there and back

PLAIN = st.text(st.characters(exclude_characters='"\\\n', exclude_categories=["Cs"]), max_size=30)
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUED = ["max_tokens", "model", "system", "temperature", "to"]


@ANYTHING
@given(
    chosen=st.dictionaries(st.sampled_from(VALUED), PLAIN),
    params=st.lists(PLAIN, max_size=3),
    prompt=PLAIN.map(str.strip),
)
def test_what_is_written_with_quotes_is_read_as_it_was(chosen: dict[str, str], params: list[str], prompt: str) -> None:
    words = [f'--{name.replace("_", "-")}="{value}"' for name, value in chosen.items()]
    words += [f'--param "p={value}"' for value in params]
    options, rest = parse(parser_of(LLMMagics.llm), " ".join([*words, "--", prompt]), rest=True, several=False)
    read = {name: value for name in VALUED if (value := getattr(options, name)) is not None}
    assert read == {name: [value] if name == "model" else value for name, value in chosen.items()}
    assert (options.param or []) == [f"p={value}" for value in params]
    assert rest == prompt


SETTINGS = {
    "system": UNICODE,
    "temperature": st.floats(0, 2),
    "max_tokens": st.integers(1, 2**31 - 1),
    "stop": st.lists(UNICODE, max_size=3),
    "logit_bias": st.dictionaries(st.text("0123456789ab.'\" \\", max_size=5), st.integers(-100, 100), max_size=3),
    "stream": st.booleans(),
}


@ANYTHING
@given(chosen=st.fixed_dictionaries({}, optional=SETTINGS))
def test_what_is_saved_is_read_as_it_was(asked: Shell, chosen: dict[str, Any]) -> None:
    here = get_session().configuration
    here.reset()
    here.set(chosen)
    with contextlib.redirect_stdout(io.StringIO()):
        asked.ip.run_line_magic("llm_config", "--save")
    here.reset()
    found = {key: here.config.setting(key) for key in chosen}
    (config_files.config_folder() / "saved.toml").unlink()
    assert {key: one.value for key, one in found.items() if one} == chosen
