"""Messages of every kind on a page and in a terminal; whoever wrote them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessage
from test_safe_markdown import COMMONMARK, LIVE, harm, nbconvert

from llm_magics import renderers
from llm_magics.events import (
    Answer,
    Note,
    ReasoningDelta,
    RefusalDelta,
    Status,
    TextDelta,
    Timing,
    ToolCallDelta,
)
from llm_magics.printable import clean
from llm_magics.renderers.markdown import code_in, json_in, without_code
from llm_magics.view import CallView, View, fold, mark_of, view_of


def message(**fields: Any) -> ChatCompletionMessage:
    return ChatCompletionMessage.model_construct(**{"role": "assistant", "content": None, **fields})


def page(view: View) -> str:
    return renderers.mimebundle(view)["text/markdown"]


def plain(view: View) -> str:
    return renderers.mimebundle(view)["text/plain"]


def call(name: str, arguments: Any) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}


def folded(title: str, inside: str, *, is_open: bool = False) -> str:
    return f"<details{' open' if is_open else ''}><summary>{title}</summary>\n\n{inside}\n\n</details>"


def called(name: str, arguments: str, language: str = "json") -> str:
    return folded(f"Tool call: <code>{name}</code>", f"```{language}\n{arguments}\n```", is_open=True)


CITATION = {
    "type": "url_citation",
    "url_citation": {"title": "A *page*", "url": "https://a.example/x", "start_index": 0},
}

# Fields of a message, then what a page and a terminal show.
KINDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "text": ({"content": "Hello **you**"}, "Hello **you**", "Hello **you**"),
    "text in parts": (
        {"content": [{"type": "text", "text": "Hello "}, {"type": "text", "text": "you"}]},
        "Hello you",
        "Hello you",
    ),
    "nothing": ({}, "*(an empty answer)*", "(an empty answer)"),
    "a refusal": (
        {"refusal": "I *can't*."},
        "> **The model refused:** I &#42;can't&#42;.",
        "The model refused: I *can't*.",
    ),
    "a refusal of many lines": (
        {"refusal": "No.\n\n# Never"},
        "> **The model refused:** No.\n>\n> \\# Never",
        "The model refused: No.\n\n# Never",
    ),
    "reasoning": (
        {"content": "Yes", "reasoning_content": "Let me *think*"},
        folded("Reasoning", "Let me *think*") + "\n\nYes",
        "(thought for 3 words)\n\nYes",
    ),
    "reasoning by another name": (
        {"content": "Yes", "reasoning": "hm"},
        folded("Reasoning", "hm") + "\n\nYes",
        "(thought for 1 word)\n\nYes",
    ),
    "a tool call": (
        {"tool_calls": [call("head", '{"n": 3, "of": "df"}')]},
        called("head", '{\n  "n": 3,\n  "of": "df"\n}'),
        'Tool call: head({"n": 3, "of": "df"})',
    ),
    "arguments as an object": (
        {"tool_calls": [call("head", {"n": 3})]},
        called("head", '{\n  "n": 3\n}'),
        'Tool call: head({"n": 3})',
    ),
    "arguments that are no JSON": (
        {"tool_calls": [call("head", '{"n": ')]},
        called("head", '{"n": ', "text"),
        'Tool call: head({"n": )',
    ),
    "arguments nested deep": (
        {"tool_calls": [call("head", "[" * 30_000)]},
        called("head", "[" * 20_000 + "\n\n… 10,000 more characters in _llm", "text"),
        "",
    ),
    "a custom tool's call": (
        {"tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]},
        called("sql", "SELECT 1", "text"),
        "Tool call: sql(SELECT 1)",
    ),
    "the old function call": (
        {"function_call": {"name": "head", "arguments": "{}"}},
        called("head", "{}"),
        "Tool call: head({})",
    ),
    "text and a call": (
        {"content": "Let me look.", "tool_calls": [call("f", "{}")]},
        "Let me look.\n\n" + called("f", "{}"),
        "",
    ),
    "sources": (
        {"content": "So.", "annotations": [CITATION]},
        "So.\n\nSources:\n\n1. [A &#42;page&#42;](https://a.example/x) (a.example)",
        "So.\n\n[1] A *page* https://a.example/x",
    ),
    "sources as bare URLs": (
        {"content": "So.", "citations": ["https://a.example/x"]},
        "So.\n\nSources:\n\n1. [https://a.example/x](https://a.example/x)",
        "So.\n\n[1] https://a.example/x https://a.example/x",
    ),
    "speech": (
        {"audio": {"id": "a", "data": "AAAA", "expires_at": 1, "transcript": "Good *day*"}},
        "> **Spoken:** Good &#42;day&#42;",
        "Spoken: Good *day*",
    ),
}


@pytest.mark.parametrize(("fields", "markdown", "text"), KINDS.values(), ids=KINDS)
def test_a_message_shows_what_it_holds(fields: dict[str, Any], markdown: str, text: str) -> None:
    view = view_of(message(**fields))
    assert page(view) == markdown
    assert not text or plain(view) == text


def test_a_message_of_the_sdks_own_making_shows_the_same() -> None:
    made = ChatCompletionMessage(
        role="assistant",
        content="So.",
        annotations=[CITATION | {"url_citation": {**CITATION["url_citation"], "end_index": 3}}],  # type: ignore[dict-item,list-item]
        reasoning_content="hm",  # type: ignore[call-arg]
        tool_calls=[call("f", "{}")],  # type: ignore[list-item]
    )
    shown = page(view_of(made))
    assert shown.startswith("<details><summary>Reasoning</summary>\n\nhm\n\n</details>\n\nSo.\n\n<details open>")
    assert shown.endswith("1. [A &#42;page&#42;](https://a.example/x) (a.example)")


ODD = [
    None,
    5,
    True,
    "text",
    "",
    [],
    [None],
    [5, "x", {}],
    {},
    {"a": 1},
    {"text": ["x"]},
    [[{}]],
    object(),
    b"x",
    "\ud800",
    float("nan"),
]
FIELDS = (
    "content",
    "refusal",
    "tool_calls",
    "function_call",
    "annotations",
    "citations",
    "audio",
    "reasoning_content",
    "reasoning",
)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_an_odd_message_shows_something(field: str, value: Any) -> None:
    bundle = renderers.mimebundle(view_of(message(**{field: value})))
    assert set(bundle) == {"text/markdown", "text/plain"}
    json.dumps(bundle).encode()
    "".join(bundle.values()).encode()


@pytest.mark.parametrize(
    "calls",
    [
        [None, 5, "x", {}],
        [{"function": None}, {"function": "f"}, {"function": {"name": 5, "arguments": None}}],
        [{"type": "custom", "custom": None}, {"function": {"arguments": [1]}}],
        [{"function": {"name": "f", "arguments": {"a": float("inf")}}}],
    ],
)
def test_odd_tool_calls_show_something(calls: Any) -> None:
    page(view_of(message(tool_calls=calls)))


def test_a_message_that_contains_itself_shows_its_text() -> None:
    ring: dict[str, Any] = {}
    ring["ring"] = ring
    assert page(view_of(message(content="Hi", extra=ring))) == "Hi"


# ---------------------------------------------------------------- hostile parts


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "the text": lambda text: {"content": text},
    "the reasoning": lambda text: {"content": "a", "reasoning_content": text},
    "the refusal": lambda text: {"refusal": text},
    "the transcript": lambda text: {"audio": {"transcript": text}},
    "a tool's name": lambda text: {"tool_calls": [call(text, "{}")]},
    "a tool's arguments": lambda text: {"tool_calls": [call("f", text)]},
    "a value among the arguments": lambda text: {"tool_calls": [call("f", json.dumps({"a": text, text: 1}))]},
    "a source's title": lambda text: {"content": "a", "annotations": [{"title": text, "url": "https://a.example"}]},
    "a source's address": lambda text: {"content": "a", "annotations": [{"title": "t", "url": text}]},
    "a source's address behind a host": lambda text: {"content": "a", "citations": [f"https://a.example/{text}"]},
    "all of them": lambda text: {
        "content": text,
        "refusal": text,
        "reasoning_content": text,
        "tool_calls": [call(text, text)],
        "citations": [text],
    },
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_nothing_hostile_is_live_wherever_it_stands(place: Callable[[str], dict[str, Any]]) -> None:
    for payload in LIVE:
        for text in (payload, f"\n\n{payload}\n\n{payload}", f"</details></summary>{payload}", f"</code>{payload}`"):
            shown = page(view_of(message(**place(text))))
            assert harm_beside_folds(COMMONMARK.render(shown)) == [], (text, shown)
            assert harm_beside_folds(nbconvert(shown)) == [], (text, shown)


def harm_beside_folds(html: str) -> list[str]:
    """Harm besides our own folds, which hold no more than they should."""
    return [
        found for found in harm(html.replace("<details open>", "<details>")) if found not in ("<details>", "<summary>")
    ]


def test_a_sign_in_one_part_does_not_reach_into_another() -> None:
    # nbconvert takes everything from one `$$` to the next for a formula, over code blocks too.
    view = View(text="`$$`", calls=(CallView("f", '"$$"'), CallView("g", '"<img src=x onerror=alert(1)>"')))
    assert harm_beside_folds(nbconvert(page(view))) == []
    assert "`$$`" not in page(view)
    assert page(View(text="`$$`")) == "`$$`"


def test_half_characters_are_left_out_wherever_they_stand() -> None:
    half = "a\ud800b"
    view = View(text=half, reasoning=half, refusal=half, calls=(CallView(half, half),), notes=(half,), output="text")
    for bundle in (renderers.mimebundle(view), renderers.mimebundle(View(text=half, output="json"))):
        "".join(bundle.values()).encode()


def test_notes_and_marks_are_text() -> None:
    view = View(notes=("tools *left* out <b>",), text="Hi", mark="Cut at `x`.")
    assert page(view) == "*tools &#42;left&#42; out &lt;b&gt;*\n\nHi\n\n**Cut at &#96;x&#96;.**"
    assert plain(view) == "(tools *left* out <b>)\n\nHi\n\n[Cut at `x`.]"


def test_a_tools_name_is_one_short_line() -> None:
    shown = page(View(calls=(CallView("a\n\n[x](javascript:alert(1))" + "y" * 500, "{}"),)))
    head = shown.split("\n")[0]
    assert head.startswith(
        "<details open><summary>Tool call: <code>a &#91;x&#93;&#40;javascript:alert&#40;1&#41;&#41;yy"
    )
    assert len(head) < 300


def test_what_would_reorder_a_calls_arguments_is_shown() -> None:
    shown = page(View(calls=(CallView("run\u202e", '{"code": "x\u2066y"}'),)))
    assert "run⟨U+202E⟩" in shown.replace("&#10216;", "⟨").replace("&#10217;", "⟩").replace("&#43;", "+")
    assert "x⟨U+2066⟩y" in shown


# ---------------------------------------------------------------- formats and sizes


def test_the_format_asked_for_is_the_one_shown() -> None:
    text = 'Here:\n\n```json\n{"a": [1]}\n```\n\nDone <b>.'
    assert page(View(text=text, output="text")) == f"````text\n{text}\n````"
    assert page(View(text=text, output="json")) == '```json\n{\n  "a": [\n    1\n  ]\n}\n```'
    assert page(View(text=text, output="code")) == "Here:\n\nDone &lt;b&gt;."
    assert page(View(text="not *json*", output="json")) == "not *json*\n\n*This is not valid JSON.*"
    assert page(View(text="[" * 20_000, output="json")).endswith("*This is not valid JSON.*")
    assert page(View(text="```py\nx\n```", output="code")) == "*(nothing but code)*"


CODE = "Intro\n```py\na = 1\n```\nand\n\n1. step\n   ~~~sh\n   ls\n\n   cd\n   ~~~\n2. done\n\n"
CODE += "````md\n```\nx\n```\n````\n```py\nopen"


def test_json_that_is_nested_deep_is_shown_as_it_came() -> None:
    deep = "[" * 500 + ",".join(["1"] * 9_000) + "]" * 500
    assert page(View(text=deep, output="json")) == f"```json\n{deep}\n```"
    calls = tuple(CallView("f", deep) for _ in range(50))
    assert len(page(View(calls=calls))) < 60 * len(deep)
    brackets = '["[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "\\"["]'
    assert page(View(text=brackets, output="json")).count("\n") == 5


def test_the_code_of_an_answer_is_its_fenced_blocks() -> None:
    assert code_in(CODE) == "a = 1\n\nls\n\ncd\n\n```\nx\n```\n\nopen"
    assert code_in(CODE.replace("\n", "\r\n")) == code_in(CODE)
    assert without_code(CODE) == "Intro\nand\n\n1. step\n2. done"
    assert (code_in("no code"), without_code("no code")) == ("", "no code")
    assert code_in("```\n\n```") == ""
    assert code_in("```py\nx = '\u2028\x0c'\n```") == "x = '\u2028\x0c'"


def test_the_json_of_an_answer_is_its_only_block_or_all_of_it() -> None:
    assert json.loads(json_in('Sure:\n```json\n{"a": 1}\n```\n')) == {"a": 1}
    assert json_in('{"a": 1}') == '{"a": 1}'
    assert json_in("```\n1\n```\n```\n2\n```") == "```\n1\n```\n```\n2\n```"


def test_a_long_answer_is_shown_to_its_limit_and_says_so() -> None:
    bundle = renderers.mimebundle(View(text="word " * 100_000))
    shown, _, rest = bundle["text/markdown"].rpartition("\n\n… ")
    assert 200_000 < len(shown) < 260_000
    assert rest == f"{500_000 - len(shown):,} more characters in &#95;llm"
    assert len(bundle["text/plain"]) < 4_200
    assert "more characters: print(_llm.text) shows them all]" in bundle["text/plain"]


def test_many_long_parts_stay_within_what_a_page_can_bear() -> None:
    long = "x " * 200_000
    view = View(
        reasoning=long,
        text=long,
        refusal=long,
        transcript=long,
        calls=tuple(CallView("f", json.dumps({"a": long})) for _ in range(500)),
        citations=tuple((long, f"https://a.example/{place}") for place in range(500)),
    )
    shown = page(view)
    assert len(shown) < 2_500_000
    assert "450 more tool calls" in shown
    assert len(plain(view)) < 4_200


@pytest.mark.parametrize(
    ("status", "finish_reason", "sent", "usage", "said"),
    [
        ("ok", "stop", {}, None, ""),
        ("ok", None, {}, None, "The endpoint gave no finish reason"),
        ("ok", "tool_calls", {}, None, ""),
        ("ok", "strange", {}, None, "Finished with reason 'strange'."),
        ("ok", "STOP", {}, None, ""),
        ("truncated", "length", {"max_tokens": 5}, None, "Cut at max_tokens=5: ask again with a larger --max-tokens."),
        ("truncated", "length", {}, None, "Cut at the model's limit: ask again with a larger --max-tokens."),
        (
            "truncated",
            "length",
            {"max_completion_tokens": 9},
            {"completion_tokens_details": {"reasoning_tokens": 7}},
            "Cut at max_tokens=9 (7 of the tokens went into reasoning): ask again with a larger --max-tokens.",
        ),
        ("truncated", "length", {}, {"completion_tokens_details": "x"}, "Cut at the model's limit"),
        ("filtered", "content_filter", {}, None, "Stopped by the endpoint's content filter."),
        ("interrupted", None, {}, None, "Interrupted: this is what had arrived."),
        ("cut off", None, {}, None, "Cut off: this is what had arrived."),
        ("failed", None, {}, None, "Failed: this is what had arrived."),
    ],
)
def test_an_answer_that_is_not_whole_says_why(
    status: Status, finish_reason: str | None, sent: Any, usage: Any, said: str
) -> None:
    answer = Answer(
        message=message(content="Hi"),
        model="far",
        host="h",
        status=status,
        finish_reason=finish_reason,
        usage=usage,
        timing=Timing(),
        request=sent,
        notes=("a note",),
    )
    assert mark_of(answer).startswith(said) if said else mark_of(answer) == ""
    view = view_of(answer.message, answer)
    assert (view.mark, view.status, view.notes) == (mark_of(answer), status, ("a note",))
    assert page(view).startswith("*a note*\n\nHi")


def test_events_fold_into_the_view_they_would_make_at_once() -> None:
    events = [
        TextDelta("He"),
        ReasoningDelta("h"),
        TextDelta("llo"),
        RefusalDelta("no"),
        ReasoningDelta("m"),
        ToolCallDelta(1, "g", ""),
        ToolCallDelta(0, "f", '{"a"'),
        ToolCallDelta(0, "ind", ": 1}"),
        Note("a note"),
    ]
    view = fold(View(), events)
    assert (view.text, view.reasoning, view.refusal, view.notes) == ("Hello", "hm", "no", ("a note",))
    assert view.calls == (CallView("find", '{"a": 1}'), CallView("g", ""))
    one_by_one = View()
    for event in events:
        one_by_one = fold(one_by_one, [event])
    assert one_by_one == view
    assert View(notes=("x",)).empty
    assert not view.empty


# ---------------------------------------------------------------- terminals

PIECES = [
    *[
        "\x1b",
        "[",
        "]",
        "31m",
        "0;title",
        "\x07",
        "\x1b\\",
        "8;;http://evil.example",
        "52;c;AAAA",
        "\x9b2J",
        "\x9d0;x\x9c",
        "\x90q",
        "P",
        "^",
        "_",
    ],
    *[
        "\x1b[2J",
        "\x1b]8;;http://x\x1b\\",
        "\r",
        "\n",
        "\t",
        "\x08",
        "\x00",
        "\x7f",
        "a",
        "é",
        "\u202e",
        "\u2066",
        "\ud800",
        " ",
        "m",
        "\x1b(B",
    ],
]


def test_what_a_terminal_would_obey_is_taken_out() -> None:
    assert clean("a\x1b[31mred\x1b[0m b") == "ared b"
    assert clean("\x1b]8;;http://evil.example\x1b\\text\x1b]8;;\x1b\\") == "text"
    assert clean("\x1b]52;c;QUFB\x07x\x1b]0;title\x07") == "x"
    assert clean("\x9b2Jx\x9d0;t\x9cy") == "xy"
    assert clean("\x1bP1$qx\x1b\\y") == "y"
    assert clean("one\r\ntwo\rthree\x08\x08") == "one\ntwothree"
    assert clean("a\u202eb\ud800") == "a⟨U+202E⟩b\ufffd"
    assert clean("tabs\tand\nlines é 漢 👩‍👧") == "tabs\tand\nlines é 漢 👩‍👧"


def test_a_sequence_without_its_end_hides_no_text() -> None:
    assert clean("\x1b]0;title and the whole answer\nmore") == "0;title and the whole answer\nmore"
    assert "answer" in clean("\x1bPx answer")


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(max_size=50), st.integers(0, 60))
def test_no_control_reaches_a_terminal_also_when_it_comes_in_pieces(text: str, cut: int) -> None:
    for shown in (
        clean(text),
        clean(text[:cut]) + clean(text[cut:]),
        plain(View(text=text, reasoning=text, mark=text)),
    ):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    assert clean(clean(text)) == clean(text)


def test_cleaning_takes_its_length_in_time() -> None:
    import time

    begun = time.thread_time()
    for piece in ("\x1b]", "\x1bP", "\x1b[", "\x9b;", "\x1b", "\u202e", "\x1b[0;", "\x9d"):
        clean(piece * 30_000)
    assert time.thread_time() - begun < 2
