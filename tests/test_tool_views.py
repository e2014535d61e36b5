"""What tools were called and what came of it, on a page and in a terminal; whoever wrote it."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessage
from payloads import payloads
from test_safe_markdown import COMMONMARK, LIVE, harm, nbconvert

from llm_magics import renderers
from llm_magics.call_views.asking import question
from llm_magics.call_views.page import line
from llm_magics.channel import size_of
from llm_magics.events import Answer, CallState, Grid, Picture, Step, Timing, ToolRun
from llm_magics.renderers import markdown, text
from llm_magics.renderers.markdown import MAX_BYTES
from llm_magics.view import CallView, View, view_of

PNG = "iVBORw0KGgo="


def run(name: str = "get_weather", arguments: str = '{"city": "Oslo"}', **fields: Any) -> ToolRun:
    return ToolRun(**{"id": "1", "name": name, "arguments": arguments, "state": "done", "seconds": 0.2, **fields})


def made(*runs: ToolRun) -> tuple[CallView, ...]:
    return tuple(CallView(one.name, one.arguments, one) for one in runs)


def page(*runs: ToolRun) -> str:
    return markdown.render(View(calls=made(*runs)))


def plain(*runs: ToolRun) -> str:
    return text.render(View(calls=made(*runs)))


def message(content: str | None, *calls: tuple[str, str]) -> ChatCompletionMessage:
    tool_calls = [
        {"id": place, "type": "function", "function": {"name": name, "arguments": '{"city": "Oslo"}'}}
        for place, name in calls
    ]
    return ChatCompletionMessage.model_construct(role="assistant", content=content, tool_calls=tool_calls or None)


def answer(last: ChatCompletionMessage, *steps: Step, **fields: Any) -> Answer:
    filled = {"model": "far", "host": "h", "status": "ok", "finish_reason": "stop", "usage": None, "timing": Timing()}
    return Answer(message=last, steps=steps, **{**filled, **fields})


def shown_by_browsers(page: str) -> list[str]:
    """The page as two parsers write it that let HTML through."""
    return [COMMONMARK.render(page), nbconvert(page)]


def harm_beside_folds(html: str) -> list[str]:
    found = harm(html.replace("<details open>", "<details>"))
    return [one for one in found if one not in ("<details>", "<summary>")]


# ---------------------------------------------------------------- from answers to views


def test_a_view_has_the_rounds_with_what_came_of_their_calls() -> None:
    first = Step(message=message("I look.", ("a", "f"), ("b", "g")), runs=(run("g", id="b"), run("f", id="a")))
    view = view_of(message("So."), answer(message("So."), first))
    (step,) = view.steps
    assert (step.text, view.text) == ("I look.", "So.")
    assert [(one.name, one.run and one.run.id) for one in step.calls] == [("f", "a"), ("g", "b")]


@pytest.mark.parametrize(
    ("ids", "runs", "found"),
    [
        (["a", "b"], ["b", "a"], ["a", "b"]),
        (["1", "1"], ["1", "1#2"], ["1", "1#2"]),
        (["1", "1"], ["1", "1"], ["1", "1"]),
        (["", ""], ["x", "y"], ["x", "y"]),
        (["a", "b"], ["b"], [None, "b"]),
        (["a"], ["x", "a", "z"], ["a", "x", "z"]),
        ([], ["x"], ["x"]),
    ],
)
def test_calls_find_their_runs_by_id_or_place_and_no_run_is_lost(
    ids: list[str], runs: list[str], found: list[str | None]
) -> None:
    stopped = answer(message("", *((one, "f") for one in ids)), runs=tuple(run("f", id=one) for one in runs))
    assert [one.run and one.run.id for one in view_of(stopped.message, stopped).calls] == found


# ---------------------------------------------------------------- on a page


def test_a_finished_call_is_folded_behind_one_line() -> None:
    assert page(run(content='{"degrees": 12}')) == (
        '<details><summary><code>get_weather&#40;city="Oslo"&#41;</code> · 0.2 s</summary>\n\n'
        '```json\n{\n  "city": "Oslo"\n}\n```\n\n'
        'Result:\n\n```json\n{\n  "degrees": 12\n}\n```\n\n</details>'
    )


STATES: dict[CallState, tuple[str, str]] = {
    "done": ("<details>", "</code> · 1.2 s</summary>"),
    "failed": ("<details open>", "</code> · failed · 1.2 s</summary>"),
    "denied": ("<details open>", "</code> · not run</summary>"),
    "interrupted": ("<details open>", "</code> · interrupted · 1.2 s</summary>"),
    "running": ("<details>", "</code> · running …</summary>"),
    "asking": ("<details open>", "</code> · waiting for a yes …</summary>"),
}


@pytest.mark.parametrize("state", get_args(CallState))
def test_the_line_says_what_became_of_the_call_and_what_needs_reading_is_open(state: CallState) -> None:
    began, said = STATES[state]
    shown = page(run(state=state, seconds=1.23 if state in ("done", "failed", "interrupted") else None))
    assert shown.startswith(began + "<summary>")
    assert said in shown.split("\n")[0]


def test_errors_are_marked() -> None:
    assert "**Failed:**\n\n```text\nno such city\n```" in page(run(state="failed", content="no such city"))
    assert "**Not run:**\n\n```text\nnobody said yes\n```" in page(run(state="denied", content="nobody said yes"))
    assert "→ failed: no such city (0.2 s)" in plain(run(state="failed", content="no such city"))
    assert "→ not run: nobody said yes" in plain(run(state="denied", content="nobody said yes", seconds=None))


def test_the_line_is_short_whatever_was_called() -> None:
    for one in (run("x" * 500), run(arguments=json.dumps({"a": "y" * 9_000})), run(arguments="{" * 30_000)):
        head = re.sub("&#\\d+;", "?", page(one).split("\n")[0])
        assert len(head) < 140
        assert "…)" in head.replace("?", ")")


def test_code_among_the_arguments_is_shown_as_code() -> None:
    one = run("run", json.dumps({"code": "import os\n\nos.getcwd()", "timeout": 5}), code=("code", "python"))
    assert '```json\n{\n  "timeout": 5\n}\n```\n\n```python\nimport os\n\nos.getcwd()\n```' in page(one)
    assert "run&#40;code=import os …, timeout=5&#41;" in page(one)
    assert plain(one).startswith('Tool call: run({"timeout": 5})\n  import os\n\n  os.getcwd()\n')


@pytest.mark.parametrize("arguments", ["{", "[]", "null", '{"code": 5}', '{"other": 1}', "", "[" * 9_000])
def test_arguments_without_the_code_they_should_have_are_shown_as_they_are(arguments: str) -> None:
    shown = page(run("run", arguments, code=("code", "python")))
    assert re.sub(r"\s", "", arguments)[:500] in re.sub(r"\s", "", shown)
    assert "```python" not in shown


GRID = Grid(columns=("name", "n"), rows=(("a|b\n<c>", "1"), ("d" * 100, "22")), height=1_000_000, width=12)


def test_a_table_is_a_table_with_a_count_of_what_it_leaves_out() -> None:
    shown = page(run(content="name,n", grid=GRID))
    assert "| name | n |\n| :-- | :-- |\n| a&#124;b &lt;c&gt; | 1 |\n" in shown
    assert "*2 of 1,000,000 rows, 2 of 12 columns*" in shown
    assert "The model was told 6 characters of it" in shown
    for html in shown_by_browsers(shown):
        assert html.count("<tr") == 3
    assert "name" in plain(run(grid=GRID)).split("\n")[1]
    assert "(2 of 1,000,000 rows, 2 of 12 columns)" in plain(run(grid=GRID))


def test_a_table_without_rows_says_so() -> None:
    empty = Grid(columns=("a",), rows=(), height=0, width=1)
    assert "*0 rows, 1 column*" in page(run(grid=empty))
    assert "(0 rows, 1 column)" in plain(run(grid=empty))


def test_a_wide_table_is_as_wide_as_a_terminal() -> None:
    wide = Grid(columns=tuple(f"column{n}" for n in range(40)), rows=(("x" * 30,) * 40,) * 40, height=40, width=40)
    assert max(map(len, plain(run(grid=wide)).split("\n"))) < 110
    assert re.search(r"\(\d+ of 40 rows, 3 of 40 columns\)", plain(run(grid=wide)))


def test_pictures_stand_below_the_fold_where_parsers_show_them() -> None:
    shown = page(run(content="drawn", pictures=(Picture("image/png", f"{PNG[:4]}\n{PNG[4:]}\n"),)))
    assert shown.endswith(f"</details>\n\n![](data:image/png;base64,{PNG})")
    for html in shown_by_browsers(shown):
        assert f'<img src="data:image/png;base64,{PNG}"' in html
    assert "[picture: image/png, 1 kB]" in plain(run(pictures=(Picture("image/png", PNG),)))


@pytest.mark.parametrize(
    "picture",
    [
        Picture("image/svg+xml", PNG),
        Picture("text/html", PNG),
        Picture("image/png;base64,x) ![](http://evil.example/?", PNG),
        Picture("image/png", "not) ![](http://evil.example/)"),
        Picture("image/png", ""),
        Picture("image/png", "A" * 3_000_000),
    ],
)
def test_a_picture_that_cannot_be_shown_is_told_of(picture: Picture) -> None:
    shown = page(run(pictures=(picture,)))
    assert "*(picture: " in shown
    assert size_of(shown) < 2_000
    assert not any("<img" in html for html in shown_by_browsers(shown))


def test_of_many_pictures_the_last_are_shown_and_the_others_told_of() -> None:
    shown = page(*(run(f"draw{n}", pictures=(Picture("image/png", "A" * 60_000),)) for n in range(10)))
    assert size_of(shown) <= MAX_BYTES
    places = [shown.index(f"<code>draw{n}&#40;") for n in range(10)]
    assert places == sorted(places)
    assert shown.count("![](data:") == 2
    assert shown.count("picture: image/png, 45 kB") == 8
    assert shown.index("![](data:") > places[8]


def test_what_a_tool_printed_is_shown_once() -> None:
    assert "Printed:\n\n```text\nhello\n```\n\nResult:\n\n```text\n5\n```" in page(run(printed="hello\n", content="5"))
    assert page(run(printed="hello\n", content="hello")).count("hello") == 1
    assert plain(run(printed="hello\n", content="5")).endswith("\n  Printed:\n    hello\n  → 5 (0.2 s)")


def test_a_result_that_says_nothing_is_told_of() -> None:
    assert "*No result.*" in page(run(content=" \n"))
    assert plain(run(content="")).endswith("→ no result (0.2 s)")


def test_long_results_are_cut_with_a_count() -> None:
    told = page(run(content="x" * 300_000))
    assert "… 200,000 more characters in _llm" in told
    lines = plain(run(content="\n".join(f"line {n}" for n in range(100))))
    assert "line 11\n" in lines
    assert "line 12\n" not in lines
    assert re.search(r"… \d{3} more characters\n", lines)


def test_rounds_stand_in_their_order_before_the_answer() -> None:
    step = View(reasoning="first hm", text="I **look**.", calls=made(run(content="12 degrees")))
    view = View(steps=(step, replace(step, text="Once more.")), reasoning="then hm", text="It is *cold*.")
    shown = markdown.render(view)
    wanted = ["first hm", "I **look**.", "12 degrees", "first hm", "Once more.", "12 degrees", "then hm", "*cold*"]
    at = 0
    for words in wanted:
        at = shown.index(words, at) + 1
    assert text.render(view) == (
        '(thought for 2 words)\n\nI **look**.\n\nTool call: get_weather({"city": "Oslo"})\n  → 12 degrees (0.2 s)\n\n'
        '(thought for 2 words)\n\nOnce more.\n\nTool call: get_weather({"city": "Oslo"})\n  → 12 degrees (0.2 s)\n\n'
        "(thought for 2 words)\n\nIt is *cold*."
    )


def test_the_format_asked_for_is_the_last_texts() -> None:
    view = View(steps=(View(text="I *look*.", calls=made(run())),), text='{"a": 1}')
    assert "valid JSON" not in markdown.render(replace(view, output="json"))
    assert "```text\nI *look*.\n```" in markdown.render(replace(view, output="text"))


def test_rounds_without_an_answer_behind_them_say_so() -> None:
    view = View(steps=(View(calls=made(run(content="12"))),))
    assert markdown.render(view).endswith("*(an empty answer)*")
    assert text.render(view).endswith("(an empty answer)")
    assert not markdown.render(replace(view, mark="Interrupted.")).endswith("(an empty answer)*")


def test_a_running_call_is_one_line_that_says_how_long() -> None:
    (one,) = made(run(state="running", seconds=3.0))
    assert line(one) == 'Tool call: <code>get_weather&#40;city="Oslo"&#41;</code> · running … · 3.0 s'
    assert plain(run(state="running", seconds=3.0)).endswith("\n  … running … · 3.0 s")
    assert markdown.step(View(calls=(one,))).startswith("<details><summary>")


def test_the_plain_text_beside_a_page_keeps_the_answer() -> None:
    step = View(calls=made(*(run(content="x" * 1_000) for _ in range(8)), run("other")))
    beside = renderers.mimebundle(View(steps=(step,), text="It is cold."))["text/plain"]
    assert beside == "(called get_weather ×8, other)\n\nIt is cold."


# ---------------------------------------------------------------- sizes


def test_thirty_two_calls_with_large_results_are_all_on_a_page_that_can_be_sent() -> None:
    runs = [run(f"tool{n}", content="word " * 6_500, printed="y" * 9_000, id=str(n)) for n in range(32)]
    view = View(steps=tuple(View(text="Next.", calls=made(*runs[n : n + 4])) for n in range(0, 32, 4)), text="So.")
    shown = markdown.render(view)
    assert MAX_BYTES / 2 < size_of(shown) <= MAX_BYTES
    assert all(f"<code>tool{n}&#40;" in shown for n in range(32))
    assert shown.count(" more characters in _llm") >= 32
    assert shown.endswith("So.")


def test_a_long_answer_has_its_room_before_its_calls() -> None:
    calls = made(*(run(f"tool{n}", content="x" * 30_000) for n in range(32)))
    view = View(steps=(View(calls=calls),), text="word " * 100_000)
    shown = markdown.render(view)
    assert size_of(shown) <= MAX_BYTES
    assert shown.count("word ") * 5 > MAX_BYTES * 0.7
    assert all(f"<code>tool{n}&#40;" in shown for n in range(32))


@pytest.mark.parametrize(
    "long", ["x" * 400_000, "`$|\U0001f600\n" * 9_000, "![](a)\n" * 9_000], ids=["x", "odd", "pictures"]
)
def test_a_page_that_is_too_long_in_every_part_is_still_no_larger_than_its_room(long: str) -> None:
    one = hostile(long, table=True)
    each = View(text=long, reasoning=long, refusal=long, calls=made(*[one] * 4), transcript=long)
    sources = tuple((long, f"https://a.example/{place}") for place in range(60))
    view = replace(each, steps=(each,) * 15, citations=sources, notes=("a note",) * 5, mark="Cut.")
    shown = markdown.render(view)
    assert size_of(shown) <= MAX_BYTES
    assert shown.count("<details><summary><code>") == 50


def test_calls_beyond_the_list_are_counted() -> None:
    rounds = tuple(View(calls=made(*(run() for _ in range(20)))) for _ in range(5))
    shown = markdown.render(View(steps=rounds, text="So.", calls=made(run(), run())))
    assert shown.count("<summary>") == 50
    assert "*… 10 more tool calls*" in shown
    assert "*… 2 more rounds with 40 tool calls, in &#95;llm*" in shown
    assert "*… 2 more tool calls*" in shown
    assert "… 2 more rounds, 50 more tool calls" in text.render(View(steps=rounds))


# ---------------------------------------------------------------- hostile parts


def hostile(words: str, state: CallState = "done", *, table: bool = False) -> ToolRun:
    """A run that says this in every place it has."""
    grid = Grid(columns=(words, "b"), rows=((words, "1"), ("2", words)), height=2, width=2)
    arguments = json.dumps({"code": words, words: [words]})
    drawn = (Picture(words, PNG), Picture("image/png", words))
    told: dict[str, Any] = {"content": words, "printed": f"{words}!", "pictures": drawn}
    return run(words, arguments, state=state, code=("code", words), grid=grid if table else None, **told)


def all_of(words: str) -> View:
    runs = [hostile(words), hostile(words, table=True), hostile(words, "failed"), hostile(words, "denied")]
    last = replace(hostile(words), arguments=words, code=None)
    return View(steps=(View(text=words, reasoning=words, calls=made(*runs)),), text="So.", calls=made(last))


def wordings() -> Sequence[str]:
    chance = random.Random(5)
    texts = [payload.text(payload.number, "127.0.0.1:9") for payload in payloads()]
    return [*LIVE, *chance.sample(texts, 60)]


@pytest.mark.parametrize("part", range(4))
def test_nothing_hostile_is_live_wherever_it_stands_in_a_call(part: int) -> None:
    for payload in wordings()[part::4]:
        for words in (payload, f"</code></summary></details>\n\n{payload}"):
            shown = [markdown.render(all_of(words)), question(hostile(words))[0]]
            for html in (html for one in shown for html in shown_by_browsers(one)):
                assert harm_beside_folds(html) == [], words


def test_what_reorders_text_is_shown_by_its_number_wherever_it_stands() -> None:
    one = hostile("a\u202eb", table=True)
    for shown in (page(one, hostile("a\u202eb")), plain(one), *question(one)):
        assert "\u202e" not in shown
        assert "a⟨U+202E⟩b" in re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), shown)


def test_no_control_sequence_reaches_a_terminal_or_hides_what_stands_behind_it() -> None:
    shown = plain(run(content="\x1b]0;title", printed="\x1b[2Jx"), run("second", content="y\x07\x1b[31m"))
    assert "second" in shown
    assert "0;title" in shown
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)


WORDS = st.text(max_size=300) | st.sampled_from(["x" * 30_000, "&" * 9_000, "`$|\n" * 500, "", "\ud800", "[1, 2]"])
RUNS = st.builds(
    ToolRun,
    id=st.sampled_from(["", "a", "b"]),
    name=WORDS,
    arguments=WORDS | st.dictionaries(st.text(max_size=9), WORDS, max_size=3).map(json.dumps),
    state=st.sampled_from(get_args(CallState)),
    content=WORDS,
    printed=WORDS,
    grid=st.none()
    | st.builds(
        Grid,
        columns=st.lists(WORDS, max_size=40).map(tuple),
        rows=st.lists(st.lists(WORDS, max_size=9).map(tuple), max_size=9).map(tuple),
        height=st.integers(0, 10**7),
        width=st.integers(0, 900),
    ),
    pictures=st.lists(st.builds(Picture, mime=st.just("image/png"), data=st.sampled_from([PNG, "A" * 90_000]))).map(
        tuple
    ),
    seconds=st.none() | st.floats(0, 1e6),
    code=st.none() | st.just(("code", "python")),
)
ROUNDS = st.builds(
    View, text=WORDS, reasoning=WORDS, refusal=WORDS, calls=st.lists(RUNS, max_size=6).map(lambda runs: made(*runs))
)


@settings(max_examples=25)
@given(st.lists(ROUNDS, max_size=9), ROUNDS, st.integers(16_000, MAX_BYTES))
def test_no_view_is_larger_than_its_room_or_cannot_be_shown(before: list[View], last: View, room: int) -> None:
    view = replace(last, steps=tuple(before))
    assert size_of(markdown.render(view, room)) <= room
    text.render(view).encode()
    text.render(view, brief=True).encode()
    renderers.mimebundle(view)


@settings(max_examples=60)
@given(st.integers(0, 60_000), st.integers(0, 60_000), st.integers(0, 60_000), st.integers(1, 12))
def test_what_a_page_leaves_out_of_a_call_is_counted(told: int, printed: int, given: int, calls: int) -> None:
    one = run("f", "p" * given, content="q" * told, printed="w" * printed)
    shown = page(*[one] * calls)
    counts = sum(int(count.replace(",", "")) for count in re.findall(r"… ([\d,]+) (?:more )?characters", shown))
    heads = sum(head.count("p") for head in re.findall("<code>.*?</code>", shown))
    left = sum(shown.count(letter) for letter in "pqw") - heads
    assert left + counts == calls * (told + printed + given)


def test_many_laid_out_results_take_no_square_of_time() -> None:
    deep = json.dumps([{"a": list(range(50))}] * 150)
    shown = page(*(run(content=deep) for _ in range(32)))
    assert size_of(shown) <= MAX_BYTES


# ---------------------------------------------------------------- the question


def test_a_tools_name_in_a_question_has_no_blanks_that_a_page_would_swallow() -> None:
    for shown in question(run("look" + " " * 3 + "\n\tup")):
        assert "look⟨U+0020⟩⟨U+0020⟩⟨U+0020⟩⟨U+000A⟩⟨U+0009⟩up" in shown


def test_a_question_shows_the_whole_call() -> None:
    code = "import os\nos.remove('a')"
    page, plain = question(run("run", json.dumps({"code": code, "timeout": 5}), code=("code", "python")))
    assert page == f'Tool call: `run`\n\n```json\n{{\n  "timeout": 5\n}}\n```\n\n```python\n{code}\n```'
    assert plain == "Tool call: run\n    {\n      \"timeout\": 5\n    }\n    import os\n    os.remove('a')"


PIECES = st.text(max_size=150) | st.sampled_from([" " * 200, "\t" * 9, "\n" * 30, "\n \n", "x" * 300, "\u202e", "\r"])


@settings(max_examples=200)
@given(st.lists(PIECES, min_size=1, max_size=6).map("".join))
def test_a_question_elides_nothing_and_nothing_in_it_is_invisible(words: str) -> None:
    words = re.sub("[⟨⟩]", "", words)
    one = run("f", json.dumps({"code": words}), code=("code", "python"))
    for shown in question(one):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\ud800-\udfff\ufeff]", shown)
        assert not re.search(r" {41}|\t{6}|\n{7}", shown)
    lines = question(one)[1].split("\n")[1:]
    assert empty_lines_apart(as_written("\n".join(line.removeprefix("    ") for line in lines))) == (
        empty_lines_apart(words)
    )


def as_written(shown: str) -> str:
    """What a question shows, read back."""
    shown = shown.replace("\n⟨…⟩ ", "")
    shown = re.sub(r"⟨(\d+) (blanks|tabs)⟩", lambda run: int(run[1]) * {"blanks": " ", "tabs": "\t"}[run[2]], shown)
    shown = re.sub(r"⟨\d+ empty lines⟩", "", shown)
    return re.sub(r"⟨U\+([0-9A-F]+)⟩", lambda number: chr(int(number[1], 16)), shown)


def empty_lines_apart(words: str) -> list[str]:
    return [line for line in words.split("\n") if line.strip(" \t")]


@pytest.mark.parametrize(
    "sign",
    [
        *["\x00", "\x1b", "\r", "\x7f", "\x85", "\xa0", "\xad", "\u200b", "\u200d", "\u2028", "\u202e", "\u2066"],
        *["\ue000", "\u0378", "\ud800", "\ufeff", "\U000e0041", "\u3164", "\u115f", "\u2800", "\ufe0f", "\U000e0100"],
    ],
)
def test_what_shows_as_nothing_or_as_something_else_is_shown_by_its_number(sign: str) -> None:
    for code in (("code", "python"), None):
        for shown in question(run(f"run{sign}", json.dumps({"code": f"a{sign}b"}), code=code)):
            assert sign not in shown
            number, as_json = f"⟨U+{ord(sign):04X}⟩", json.dumps(sign, ensure_ascii=False)[1:-1]
            assert f"a{number}b" in shown or (as_json != sign and f"a{as_json}b" in shown)
            assert f"run{number}" in shown


def test_nothing_hides_far_to_the_right_or_far_below() -> None:
    hidden = "x = 1" + " " * 500 + "; evil()" + "\n" * 200 + "worse()" + "\t" * 30 + "z" + "\n" + "y" * 5_000
    for shown in question(run("run", json.dumps({"code": hidden}), code=("code", "python"))):
        assert "x = 1⟨500 blanks⟩; evil()" in shown
        assert "⟨199 empty lines⟩\n" in shown
        assert "worse()⟨30 tabs⟩z" in shown
        assert sum(run.count("y") for run in shown.split("z\n")[1].split("\n")) == 5_000
        assert max(map(len, shown.split("\n"))) <= 104
        assert shown.count("⟨…⟩ ") == 52


def test_wide_letters_do_not_run_out_of_sight() -> None:
    page, _ = question(run("run", json.dumps({"code": "漢" * 60 + "evil()"}), code=("code", "python")))
    assert max(map(len, page.split("\n"))) <= 60


def test_an_argument_that_is_given_twice_is_shown_twice() -> None:
    one = run("run", '{"code": "harmless()", "code": "evil()"}', code=("code", "python"))
    for shown in question(one):
        assert "An argument is given twice" in shown
        assert "harmless()" in shown
        assert shown.count("evil()") == 2


@pytest.mark.parametrize("arguments", ["{", "[" * 60_000, "\ud800", '{"a": ' * 500 + "1" + "}" * 500, "x" * 60_000])
def test_arguments_of_any_form_are_shown_in_full(arguments: str) -> None:
    for code in (("code", "python"), None):
        for shown in question(run("f", arguments, code=code)):
            assert re.sub(r"\s|⟨…⟩", "", arguments).replace("\ud800", "⟨U+D800⟩") in re.sub(r"\s|⟨…⟩", "", shown)


def test_colours_do_not_make_code_look_like_a_text_where_a_long_line_was_divided() -> None:
    def shown(code: str) -> str:
        arguments = json.dumps({"code": code})
        asked = ToolRun(id="1", name="run_python", arguments=arguments, state="asking", code=("code", "python"))
        return question(asked)[0]

    assert "```python" in shown("x = 'short'\nsend(x)")
    divided = shown(f"x = '{'a' * 200}'\nsend(x)")
    assert "⟨…⟩ a" in divided
    assert "```text" in divided
    assert "```python" not in divided
