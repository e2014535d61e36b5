"""Asking before a tool runs: all of the call is shown, only a word typed then is a yes, and exactly that call runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from far_end import FarEnd
from kernels import Kernel, Ran, kernel
from nbclient import NotebookClient

TOOLS = '''
import llm_magics
ran = []

@llm_magics.tool(side_effects=True)
def send(to: str, text: str = "") -> str:
    """Send a mail."""
    ran.append((to, text))
    return "sent to " + to

@llm_magics.tool(side_effects=True)
def slow(to: str) -> str:
    """Take long."""
    import time
    ran.append(("slow", to))
    time.sleep(60)
    return "done"
'''


@pytest.fixture(scope="module")
def far() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


@pytest.fixture(scope="module")
def one(far: FarEnd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("asking")
    with kernel(HOME=str(folder), LLM_MAGICS_DIR=str(folder), IPYTHONDIR=str(folder)) as started:
        started.run(f"%load_ext llm_magics\n%llm_config --add far base_url={far.base_url}")
        yield started


@pytest.fixture
def front(one: Kernel, far: FarEnd) -> Kernel:
    far.reset()
    assert not one.run(TOOLS).error
    return one


def told(far: FarEnd) -> list[str]:
    return [message["content"] for message in far.chats[-1].body["messages"] if message["role"] == "tool"]


def asked(front: Kernel, words: list[str], cell: str = "%%llm --tools send\nGo") -> tuple[Ran, list[str]]:
    """Run a cell and type these words in answer to its questions; the cell's end, and the questions."""
    begun, questions = front.start(cell), []
    for word in words:
        questions.append(front.asked())
        front.answer(word)
    return front.finish(begun), questions


def test_enter_means_no_and_the_model_is_told(front: Kernel, far: FarEnd) -> None:
    far.calls_tool("send", to="eve").answers("Then not.")
    ran, (question,) = asked(front, [""])
    assert "Enter = no" in question
    assert front.value("ran") == []
    assert told(far) == ["Not run: the user was asked, and said no."]
    assert "said no" in ran.outputs[-1]["data"]["text/markdown"]


@pytest.mark.parametrize("word", ["n", "no", "yes please", "yy", "ya", "1", "true", "ok", "\u0443", "y\u200b"])
def test_only_the_words_that_were_offered_are_a_yes(front: Kernel, far: FarEnd, word: str) -> None:
    far.calls_tool("send", to="eve").answers("Then not.")
    asked(front, [word])
    assert front.value("ran") == []


def test_y_runs_the_call_once(front: Kernel, far: FarEnd) -> None:
    far.calls_tool("send", to="ann").calls_tool("send", to="eve").answers("Done.")
    asked(front, ["y", ""])
    assert front.value("ran") == [["ann", ""]]
    assert told(far)[0] == "sent to ann"


def test_a_runs_it_whenever_it_is_called_in_this_cell_and_in_no_other(front: Kernel, far: FarEnd) -> None:
    far.calls_tool("send", to="ann").calls_tool("send", to="bob").answers("Done.")
    asked(front, ["a"])
    assert front.value("ran") == [["ann", ""], ["bob", ""]]
    far.calls_tool("send", to="eve").answers("Done.")
    asked(front, [""])
    assert front.value("ran") == [["ann", ""], ["bob", ""]]


def test_the_question_shows_all_of_the_call_with_hidden_characters_made_visible(front: Kernel, far: FarEnd) -> None:
    text = "begin\u202e" + "x" * 30_000 + "\x1b[2Jend"
    far.calls_tool("send", to="ann", text=text).answers("Done.")
    ran, _ = asked(front, [""])
    questions = [m.content["data"]["text/markdown"] for m in ran.of("display_data") if "xxx" in str(m.content["data"])]
    whole = next(q for q in questions if q.replace("\n", "").count("x") >= 30_000)
    assert "⟨U+202E⟩" in whole
    assert "\u202e" not in whole
    assert "\x1b" not in whole
    assert "end" in whole


def test_what_is_typed_ahead_counts_for_nothing(front: Kernel, far: FarEnd) -> None:
    far.calls_tool("send", to="eve").answers("Then not.")
    front.answer("y")  # before anything was asked
    asked(front, [""])
    assert front.value("ran") == []


SWAP = '''
@llm_magics.tool
def swap() -> str:
    """Swap."""
    global send

    @llm_magics.tool
    def send(to: str) -> str:
        """Another."""
        ran.append(("other", to))
        return "other"

    return "swapped"
'''
DRAWING = """
import matplotlib
matplotlib.use('agg')
import matplotlib.pyplot as plt
plt.plot([1, 2])
print('drawn')
6 * 7
"""


def test_what_was_approved_is_what_runs_whatever_became_of_the_function(front: Kernel, far: FarEnd) -> None:
    front.run(SWAP)
    far.calls_tools([("swap", {}), ("send", {"to": "ann"})]).answers("Done.")
    asked(front, ["y"], "%%llm --tools swap,send\nGo")
    assert front.value("ran") == [["ann", ""]]


def test_an_interrupt_at_the_question_stops_and_leaves_a_valid_history(front: Kernel, far: FarEnd) -> None:
    far.calls_tools([("send", {"to": "ann"}), ("send", {"to": "bob"})]).answers("Never.")
    begun = front.start("%%llm --tools send\nGo")
    front.asked()
    front.interrupt()
    ran = front.finish(begun)
    assert "KeyboardInterrupt" in ran.error
    assert front.value("ran") == []
    check_history(front)
    far.reset()
    far.answers("Fine.")
    assert "Fine." in front.run("%%llm\nStill there?").outputs[-1]["data"]["text/markdown"]


def test_an_interrupt_in_a_tool_stops_it_and_leaves_a_valid_history(front: Kernel, far: FarEnd) -> None:
    far.calls_tools([("send", {"to": "ann"}), ("slow", {"to": "x"}), ("send", {"to": "bob"})]).answers("Never.")
    begun = front.start("%%llm --tools send,slow\nGo")
    for _ in range(2):
        front.asked()
        front.answer("y")
    ran = front.finish(begun, until="running")
    front.interrupt()
    ran = front.finish(begun)
    assert "KeyboardInterrupt" in ran.error
    assert front.value("[run.state for run in _llm.runs]") == ["done", "interrupted", "interrupted"]
    assert front.value("_llm.status") == "interrupted"
    check_history(front)


def check_history(front: Kernel) -> None:
    messages: list[dict[str, Any]] = front.value("list(map(dict, _llm.messages))")
    wanted = [call["id"] for message in messages for call in message.get("tool_calls", [])]
    assert [message["tool_call_id"] for message in messages if message["role"] == "tool"] == wanted
    assert wanted


def test_code_is_asked_about_every_time_and_its_figures_and_values_are_shown(front: Kernel, far: FarEnd) -> None:
    far.calls_tool("run_python", code=DRAWING).calls_tool("run_python", code="1 / 0").answers("Done.")
    ran, questions = asked(front, ["y", "y"], "%%llm --tools python\nGo")
    assert len(questions) == 2
    first, second = told(far)
    assert first.startswith("42")
    assert "a picture, shown to the user" in first
    assert second == "Error: ZeroDivisionError: division by zero"
    assert front.value("[len(step.runs[0].pictures) for step in _llm.steps]") == [1, 0]
    shown = ran.outputs[-1]["data"]["text/markdown"]
    assert "```python" in shown
    assert "data:image/png;base64," in shown


def test_code_may_use_and_set_the_users_variables(front: Kernel, far: FarEnd) -> None:
    front.run("numbers = [3, 4]")
    far.calls_tool("run_python", code="total = sum(numbers)\ntotal").answers("Seven.")
    asked(front, ["y"], "%%llm --tools python\nGo")
    assert front.value("total") == 7


def test_three_kinds_in_one_conversation_are_asked_about_and_named(front: Kernel, far: FarEnd) -> None:
    front.run(
        "@llm_magics.tool(policy='allow', reads_private=True, reads_untrusted=True)\n"
        'def inbox() -> str:\n    """Read mail."""\n    return "mail"\n\n'
        "@llm_magics.tool(policy='allow', sends_out=True)\n"
        'def post(text: str) -> str:\n    """Post."""\n    ran.append(("post", text))\n    return "posted"\n'
    )
    far.calls_tool("post", text="before").calls_tool("inbox").calls_tool("post", text="after").answers("Done.")
    ran, _ = asked(front, ["y", ""], "%%llm --tools inbox,post\nGo")
    assert front.value("ran") == [["post", "before"]]
    shown = json.dumps([m.content for m in ran.of("display_data", "update_display_data")])
    assert "inbox reads private data" in shown
    assert "post can send something out" in shown
    assert "a stranger's words could send your data out" in shown


HIDDEN = {
    "capture": "%%capture\n%llm --tools send Go",
    "a loop under capture": "%%capture\nfor _ in range(1):\n    %llm --tools send Go",
    "a silent cell": "%%llm --tools send\nGo;",
}


@pytest.mark.parametrize("cell", HIDDEN.values(), ids=HIDDEN)
def test_nobody_is_asked_about_a_call_that_is_not_shown(front: Kernel, far: FarEnd, cell: str) -> None:
    far.calls_tool("send", to="eve").answers("Then not.")
    front.run(cell, timeout=20)
    assert front.value("ran") == []
    assert "nobody can be asked" in told(far)[0]


NESTED = '''
@llm_magics.tool
def ask(prompt: str) -> str:
    """Ask another model."""
    get_ipython().run_line_magic('llm', '--tools send ' + prompt)
    return 'asked'

@llm_magics.tool
async def ask_later(prompt: str) -> str:
    """Ask another model, in a while."""
    get_ipython().run_line_magic('llm', '--tools send ' + prompt)
    return 'asked'
'''


@pytest.mark.parametrize("tool", ["ask", "ask_later"])
def test_nobody_is_asked_from_within_a_tool(front: Kernel, far: FarEnd, tool: str) -> None:
    front.run(NESTED)
    far.calls_tool(tool, prompt="Hi").calls_tool("send", to="eve").answers("Inner.").answers("Outer.")
    front.run(f"%%llm --tools {tool}\nGo", timeout=20)
    assert front.value("ran") == []
    assert told(far) == ["asked"]


def test_a_loop_asks_each_time_and_shows_the_call(front: Kernel, far: FarEnd) -> None:
    far.calls_tool("send", to="ann").answers("One.").calls_tool("send", to="bob").answers("Two.")
    ran, _ = asked(front, ["y", ""], "for n in range(2):\n    %llm --tools send Go")
    assert front.value("ran") == [["ann", ""]]
    shown = [m.content["data"]["text/plain"] for m in ran.of("display_data")]
    questions = [text for text in shown if text.startswith("Tool call") and '"to": ' in text]
    assert any('"ann"' in text for text in questions)
    assert any('"bob"' in text for text in questions)


@pytest.mark.parametrize("tool", ["send", "python"])
def test_where_nobody_can_be_asked_the_answer_is_no_and_is_told(far: FarEnd, tmp_path: Path, tool: str) -> None:
    far.reset()
    name, arguments = ("send", {"to": "eve"}) if tool == "send" else ("run_python", {"code": "ran.append(1)"})
    far.calls_tools([(name, arguments)]).answers("Then not.")
    sources = [
        f"%load_ext llm_magics\n%llm_config --add far base_url={far.base_url}",
        TOOLS,
        f"%%llm --tools {tool}\nGo",
        "print(ran)",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "nobody can be asked" in told(far)[0]
    assert "nobody can be asked" in book.cells[2].outputs[-1]["data"]["text/markdown"]
    assert book.cells[3].outputs[0]["text"] == "[]\n"
    assert [output["output_type"] for output in book.cells[2].outputs] == ["execute_result"]


DRAWN = '''
import llm_magics
import matplotlib
matplotlib.use("inline")
import matplotlib.pyplot as plt

@llm_magics.tool
def drawn(given_back: bool) -> object:
    """Draw."""
    figure, axes = plt.subplots(figsize=(1, 1))
    axes.plot([1, 3, 2])
    return figure if given_back else None

@llm_magics.tool
def fails_drawing() -> None:
    """Draw, and fail."""
    plt.plot([1, 2])
    raise ValueError("no")
'''


@pytest.mark.parametrize("call", [("drawn", {"given_back": True}), ("drawn", {"given_back": False})])
def test_a_figure_belongs_to_its_call_and_is_shown_nowhere_else(
    front: Kernel, far: FarEnd, call: tuple[str, dict[str, Any]]
) -> None:
    assert not front.run(DRAWN).error
    far.calls_tools([call, ("fails_drawing", {})]).answers("Drawn.")
    ran = front.run("%%llm --tools drawn,fails_drawing\nGo")
    assert [output["output_type"] for output in ran.outputs] == ["execute_result"]
    assert ran.outputs[0]["data"]["text/markdown"].count("data:image/png;base64,") == 1
    assert "a picture, shown to the user" in told(far)[0]
    assert front.value("plt.get_fignums()") == []


def test_a_figure_that_code_gives_back_is_shown_once(front: Kernel, far: FarEnd) -> None:
    front.run(DRAWN)
    far.calls_tool("run_python", code="figure = plt.figure(figsize=(1, 1))\nfigure").answers("Drawn.")
    ran, _ = asked(front, ["y"], "%%llm --tools python\nGo")
    assert told(far)[0].count("a picture, shown to the user") == 1
    assert ran.outputs[-1]["data"]["text/markdown"].count("data:image/png;base64,") == 1


def test_a_figure_of_the_users_own_stays_open(front: Kernel, far: FarEnd) -> None:
    front.run(DRAWN)
    far.calls_tool("drawn", given_back=True).answers("Drawn.")
    ran = front.run("plt.plot([5, 6])\nget_ipython().run_cell_magic('llm', '--tools drawn', 'Go')\nplt.get_fignums()")
    assert "[1]" in [one.content["data"]["text/plain"] for one in ran.of("execute_result")]


def test_what_a_model_says_before_its_calls_is_shown_before_them_however_fast_it_comes(
    front: Kernel, far: FarEnd
) -> None:
    far.calls_tools([("send", {"to": "ann"})]).calls_tools([("send", {"to": "eve"})], text="The second time.")
    far.answers("Done.")
    begun = front.start("%%llm --tools send\nGo")
    front.asked()
    front.answer("")
    front.asked()
    front.answer("")
    shown = [json.dumps(message.content) for message in front.finish(begun).messages]
    assert "waiting for a yes" in "".join(shown)
    said = next(place for place, one in enumerate(shown) if "The second time." in one)
    assert said < next(place for place, one in enumerate(shown) if "eve" in one)


def test_painting_does_not_hold_up_many_quick_calls_with_large_results(front: Kernel, far: FarEnd) -> None:
    front.run(
        "@llm_magics.tool\n"
        'def large(number: int, text: str) -> str:\n    """Give much."""\n    return "a line <b>\\n" * 3_000\n'
    )
    far.calls_tools([("large", {"number": n, "text": "y" * 6_000}) for n in range(32)], text="All of them.")
    far.answers("Done.")
    ran = front.run("%%llm --tools large\nGo")
    size, messages = ran.most_in_a_second()
    assert (size <= 300_000, messages <= 20) == (True, True)
    assert len(ran.of("update_display_data")) > 5, "it is seen to go on"
    assert ran.seconds < 20, "half a second for each state of each call were 32"
    assert [output["output_type"] for output in ran.outputs] == ["execute_result"]


def test_calls_that_wait_for_their_turn_are_lines_like_those_that_are_over(front: Kernel, far: FarEnd) -> None:
    far.calls_tools([("send", {"to": "ann"}), ("send", {"to": "eve"})]).answers("Done.")
    ran, _ = asked(front, ["", ""])
    shown = [
        message.content["data"].get("text/markdown", "") for message in ran.of("display_data", "update_display_data")
    ]
    waiting = next(one for one in shown if "waits for its turn" in one)
    assert 'eve"&#41;</code> · waits for its turn</summary>' in waiting
    assert not any("<details open><summary>Tool call" in one for one in shown)
