"""Odd surroundings, each in a process of its own: no home, no widgets, no keyboard, poor terminals, strict Pythons."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import IPython
import nbformat
import pytest
from far_end import HELLO, FarEnd
from kernels import Kernel, kernel
from nbclient import NotebookClient

KEY = "sk-surroundings-0123456789"
PEOPLE = "日本 😀 é"
SHELL = """
import json, sys
{before}
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in json.loads(sys.argv[1]):
    shell.run_cell(cell, store_history=True)
"""


def run(
    far: FarEnd, *cells: str, flags: tuple[str, ...] = (), before: str = "", env: Mapping[str, str | None] | None = None
) -> tuple[str, str]:
    """What cells print on both streams, in a fresh Python with these flags and variables; None takes one away."""
    given = {**os.environ, "FAR_KEY": KEY, **(env or {})}
    start = ["%load_ext llm_magics", f"%llm_config --add far base_url={far.base_url} api_key_env=FAR_KEY"]
    done = subprocess.run(
        [sys.executable, *flags, "-c", SHELL.format(before=before), json.dumps([*start, *cells])],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={name: value for name, value in given.items() if value is not None},
        timeout=120,
        check=True,
    )
    out, errors = (stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr))
    assert KEY not in out + errors
    assert "Traceback" not in out + errors
    return out.partition("\n")[2], errors


# ---------------------------------------------------------------- homes

NO_HOME = """
import pwd
def nobody(uid): raise KeyError(uid)
pwd.getpwuid = nobody
"""
NEEDS_HOME = pytest.mark.skipif(IPython.version_info[0] < 9, reason="IPython 8 itself does not start without a home")
HOMES = [
    pytest.param("", {"HOME": "/dev/null/nowhere"}, id="none to write in"),
    pytest.param(NO_HOME, {"HOME": None}, id="none that is known", marks=NEEDS_HOME),
]


@pytest.mark.skipif(os.name != "posix", reason="homes and users of POSIX")
@pytest.mark.parametrize(("before", "where"), HOMES)
def test_without_a_home_everything_works_but_saving_which_says_so(
    far: FarEnd, before: str, where: dict[str, str | None]
) -> None:
    env = {"LLM_MAGICS_DIR": None, "XDG_CONFIG_HOME": None, **where}
    cells = ("%%llm\nHi", "%llm_config temperature=0.5", "%llm_config", "%llm_config --save", "%llm Hi")
    out, errors = run(far, *cells, before=before, env=env)
    assert out.count(HELLO) == 2
    assert far.chats[-1].body["temperature"] == 0.5
    said = [line for line in errors.splitlines() if line.startswith("UsageError")]
    assert len(said) == 1
    assert "saved.toml: cannot be written (" in said[0]
    assert said[0].endswith("; set LLM_MAGICS_DIR to a folder that can be written.")
    assert not [path for path in Path.cwd().rglob("*") if "llm_magics" in path.name]


@NEEDS_HOME
@pytest.mark.skipif(os.name != "posix", reason="homes of POSIX")
def test_a_folder_named_like_a_home_is_nobodys_home(far: FarEnd) -> None:
    planted = Path("~") / ".config" / "llm_magics" / "config.toml"
    planted.parent.mkdir(parents=True)
    planted.write_text("temperature = 1.5\n")
    run(far, "%%llm\nHi", before=NO_HOME, env={"HOME": None, "LLM_MAGICS_DIR": None, "XDG_CONFIG_HOME": None})
    assert "temperature" not in far.chats[-1].body


def test_a_folder_that_is_named_with_a_tilde_is_the_homes(far: FarEnd, home: Path) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "config.toml").write_text("temperature = 1.5\n")
    run(far, "%%llm\nHi", env={"LLM_MAGICS_DIR": "~/mine"})
    assert far.chats[-1].body["temperature"] == 1.5


# ---------------------------------------------------------------- terminals

POOR: dict[str, tuple[dict[str, str | None], str]] = {
    "a dumb one": ({"TERM": "dumb", "PYTHONIOENCODING": "utf-8"}, PEOPLE),
    "one without colours": ({"NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}, PEOPLE),
    "none": ({"TERM": None, "PYTHONIOENCODING": "utf-8"}, PEOPLE),
    "one of Windows": ({"PYTHONIOENCODING": "cp1252"}, "?? ? \udce9"),
    "one of seven bits": ({"PYTHONIOENCODING": "ascii"}, "?? ? ?"),
}


@pytest.mark.parametrize(("env", "shown"), POOR.values(), ids=POOR)
def test_a_poor_terminal_shows_what_it_can_and_no_control_sequences(
    far: FarEnd, env: dict[str, str | None], shown: str
) -> None:
    far.answers(PEOPLE)
    out, errors = run(far, "%%llm\nHi", "%llm_config", "%%llm -t ＝\nHi", "for n in [1]:\n    %llm Hi", env=env)
    lines = out.splitlines()
    assert lines[0] == lines[-1] == shown
    assert "\x1b" not in out + errors
    assert "\r" not in out
    assert [line for line in errors.splitlines() if "UsageError: temperature: '" in line]


def test_the_names_above_compared_answers_stay_lines_where_characters_are_few(far: FarEnd) -> None:
    out, _ = run(far, "%%llm -m far demo/brief\nHi", env={"PYTHONIOENCODING": "ascii"})
    assert "-- far --" in out.splitlines()


STREAMS = {
    "one that only writes": "def write(self, text): sys.__stdout__.write(text)\n    def flush(self): pass",
    "one that says it is none": "def write(self, text): sys.__stdout__.write(text)\n    def flush(self): pass\n"
    "    def isatty(self): return False\n    encoding = None",
}


@pytest.mark.parametrize("methods", STREAMS.values(), ids=STREAMS)
def test_whatever_stands_in_place_of_the_output_is_written_to(far: FarEnd, methods: str) -> None:
    out, _ = run(far, "%%llm\nHi", "%llm_config", before=f"class Out:\n    {methods}\nsys.stdout = Out()")
    assert out.startswith(f"{HELLO}\n")
    assert "127.0.0.1" in out


# ---------------------------------------------------------------- Pythons

PYTHONS: dict[str, tuple[tuple[str, ...], str]] = {
    "without assertions": (("-O",), ""),
    "without docstrings": (("-OO",), ""),
    "with warnings as errors": (("-W", "error"), ""),
    "with every log": ((), "import logging; logging.basicConfig(level=logging.DEBUG)"),
    "without widgets": ((), "sys.modules['ipywidgets'] = None"),
    "without pandas": ((), "sys.modules['pandas'] = sys.modules['numpy'] = None"),
}


@pytest.mark.parametrize(("flags", "before"), PYTHONS.values(), ids=PYTHONS)
def test_a_strict_python_changes_nothing(far: FarEnd, flags: tuple[str, ...], before: str) -> None:
    cells = ("x = [1]", "%%llm -t 0.5 --to y\nHi {{ x }}", "%%llm -t hot\nHi", "%llm_config", "print(y == _llm.text)")
    out, errors = run(far, *cells, flags=flags, before=before)
    assert out.startswith(f"{HELLO}\n")
    assert out.endswith("True\n")
    assert "UsageError: temperature: 'hot' is not usable; it takes a number from 0 to 2.\n" in errors
    assert far.chats[-1].body["messages"] == [{"role": "user", "content": "Hi [1]"}]
    assert far.chats[-1].headers["authorization"] == f"Bearer {KEY}"


OPENAI = {
    "none": ("sys.modules['openai'] = None", "the package openai is not here"),
    "an old one": (
        "import types; sys.modules['openai'] = old = types.ModuleType('openai'); old.__version__ = '0.28.1'",
        "openai 0.28.1 is not one that llm_magics knows",
    ),
}


@pytest.mark.parametrize(("before", "state"), OPENAI.values(), ids=OPENAI)
def test_without_the_sdk_a_prompt_says_what_to_install(far: FarEnd, before: str, state: str) -> None:
    out, errors = run(far, "%%llm\nHi", "%llm_config", before=before)
    move = '%pip install "openai>=1.109,<4", and restart the kernel. Nothing was sent.'
    assert errors == f"UsageError: {state}: {move}\n"
    assert "127.0.0.1" in out
    assert far.chats == []


# ---------------------------------------------------------------- kernels that nobody sits at


def test_a_notebook_that_is_run_by_a_program_needs_no_keyboard(far: FarEnd, home: Path) -> None:
    Path("script.ipy").write_text("%llm From a script\nx = %llm Assigned in a script\n")
    (home / "work" / "llm_magics.toml").write_text('[models.theirs]\nbase_url = "https://example.invalid/v1"\n')
    cells = [
        f"%load_ext llm_magics\n%llm_config --add far base_url={far.base_url}",
        "%%llm\nPlain",
        "%llm_config --ask-key far",
        "%%llm -m theirs\nHi",
        "%%capture caught\n%%llm\nCaught",
        "print(len(caught.outputs), _llm.text)",
        "%%time\n%llm Timed",
        "%run script.ipy",
        "print(x.content)",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=120, kernel_name="python3", allow_errors=True).execute()
    shown = [json.dumps(cell.outputs, ensure_ascii=False) for cell in book.cells]
    assert HELLO in shown[1]
    no_keyboard = "nobody can be asked for a key here: set the environment variable before the kernel starts."
    assert f"UsageError: {no_keyboard}" in shown[2]
    assert "UsageError: project file" in shown[3]
    assert "%llm_config --trust" in shown[3]
    assert HELLO not in shown[4]
    assert HELLO in shown[5]
    assert HELLO in shown[6]
    assert "Wall time" in shown[6]
    assert HELLO in shown[7]
    assert HELLO in shown[8]
    assert not [text for text in shown if "Traceback" in text]
    assert [chat.body["messages"][0]["content"] for chat in far.chats] == [
        *["Plain", "Caught", "Timed", "From a script", "Assigned in a script"],
    ]


@pytest.fixture
def page(far: FarEnd) -> Iterator[Kernel]:
    """A kernel that has no widgets."""
    with kernel() as started:
        started.run("import sys; sys.modules['ipywidgets'] = None")
        started.run("%load_ext llm_magics")
        started.run(f"%llm_config --add far base_url={far.base_url}")
        yield started


def test_a_loop_shows_every_answer_on_the_page_and_clears_nothing(page: Kernel) -> None:
    ran = page.run("for n in range(2):\n    print('before', n)\n    %llm What is {{ n }}?")
    shown = [output.get("text") or output["data"]["text/markdown"] for output in ran.outputs]
    assert [HELLO in text for text in shown] == [False, True, False, True]
    assert not ran.of("clear_output")
    assert page.run("for n in range(2):\n    x = %llm What is {{ n }}?").outputs == []
    assert page.run("for n in range(2):\n    %llm What is {{ n }};").outputs == []


@pytest.mark.parametrize("line", ["%%llm -m demo", "%%llm -m far demo/brief"])
def test_what_is_captured_holds_the_answer_and_nothing_that_was_cleared(page: Kernel, line: str) -> None:
    page.run(f"%%capture caught\n{line}\nHi")
    assert page.value("[caught.stdout, caught.stderr, len(caught.outputs)]") == ["", "", 1]
    assert "text/markdown" in page.value("list(caught.outputs[0].data)")


def test_mistakes_on_a_page_are_one_line(page: Kernel, far: FarEnd) -> None:
    assert page.run("x = 1\n%%llm\nWhy?").text.startswith(
        "UsageError: %%llm stands in line 2, and works only in the first"
    )
    assert page.run("%%llm -t hot\nHi").text == (
        "UsageError: temperature: 'hot' is not usable; it takes a number from 0 to 2.\n"
    )
    assert far.chats == []
