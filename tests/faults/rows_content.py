"""Rows about what stands in an answer: odd deltas, marks, tool calls, usage, half characters, reasoning."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bodies import (
    ANSWER,
    HALF,
    REST,
    STREAM_HEAD,
    TEXT,
    USAGE,
    Wire,
    both,
    chunk,
    document,
    escaped,
    event,
    streamed,
    whole,
)
from far_end import DONE, http_chunk
from rows import Row, bad, good

FINISH = chunk(finish="stop")
CALLED = chunk(finish="tool_calls")
NO_CONTENT: dict[str, Any] = {"content": None}


def piece(arguments: Any = None, name: str | None = None, **more: Any) -> dict[str, Any]:
    """A piece of a tool call; what is None is not there."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**more, "function": function}


def calls(
    number: str,
    fault: str,
    pieces: Sequence[Any],
    message: Sequence[dict[str, Any]] | None,
    *expected: tuple[str, str],
    finish: str = "tool_calls",
) -> Row:
    """Tool calls in pieces, and the same calls in a whole completion; None where only pieces can be odd like that."""
    frames = [*(chunk(tool_calls=one if isinstance(one, list) else [one]) for one in pieces), chunk(finish=finish)]
    whole_calls = [{"type": "function", **call} for call in message or ()]
    plain = whole(document(None, finish=finish, tool_calls=whole_calls)) if message else streamed(*frames)
    return Row(
        number=number,
        fault=fault,
        stream=streamed(*frames),
        plain=plain,
        tools=True,
        **good("", calls=list(expected)),
    )


def tool_calls() -> Iterator[Row]:
    """What servers make of a tool call."""
    f_x = {"name": "f", "arguments": '{"x": 1}'}
    g_y = {"name": "g", "arguments": '{"y": 2}'}
    x, y = ("f", '{"x": 1}'), ("g", '{"y": 2}')
    split = [piece("", "f", index=0, id="a"), piece('{"x"', index=0), piece(": 1}", index=0)]
    yield calls(
        "59",
        "arguments that are no JSON",
        [piece("{broken", "f", index=0, id="a")],
        [{"id": "a", "function": {"name": "f", "arguments": "{broken"}}],
        ("f", "{broken"),
    )
    yield calls(
        "60",
        "arguments as an object",
        [piece({"x": 1}, "f", index=0, id="a")],
        [{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}],
        x,
    )
    yield calls(
        "61a",
        "arguments that are empty",
        [piece("", "f", index=0, id="a")],
        [{"id": "a", "function": {"name": "f", "arguments": ""}}],
        ("f", "{}"),
    )
    yield calls(
        "61b",
        "arguments that are null",
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}],
        [{"id": "a", "function": {"name": "f", "arguments": None}}],
        ("f", "{}"),
    )
    yield calls(
        "62a",
        "two calls with the same id",
        [piece('{"x": 1}', "f", index=0, id="a"), piece('{"y": 2}', "g", index=1, id="a")],
        [{"id": "a", "function": f_x}, {"id": "a", "function": g_y}],
        x,
        y,
    )
    yield calls(
        "62b",
        "two calls with the same index",
        [piece('{"x": 1}', "f", index=0, id="a"), piece('{"y": 2}', "g", index=0, id="b")],
        None,
        x,
        y,
    )
    yield calls(
        "62c",
        "two calls with the same index and id",
        [piece('{"x": 1}', "f", index=0, id="a"), piece('{"y": 2}', "g", index=0, id="a")],
        None,
        x,
        y,
    )
    yield calls(
        "63a",
        "no index",
        [piece("", "f", id="a"), piece('{"x"'), piece(": 1}"), piece('{"y": 2}', "g", id="b")],
        None,
        x,
        y,
    )
    yield calls(
        "63b",
        "no id",
        [piece('{"x": 1}', "f", index=0), piece('{"y": 2}', "g", index=1)],
        [{"function": f_x}, {"function": g_y}],
        x,
        y,
    )
    yield calls(
        "63c",
        "an index that begins at 1, with a gap",
        [piece('{"x": 1}', "f", index=1, id="a"), piece('{"y": 2}', "g", index=3, id="b")],
        None,
        x,
        y,
    )
    yield calls("63d", "neither index nor id", [piece("", "f"), piece('{"x"'), piece(": 1}")], None, x)
    yield calls(
        "63e",
        "pieces of two calls in turn",
        [
            piece('{"x"', "f", index=0, id="a"),
            piece('{"y"', "g", index=1, id="b"),
            piece(": 1}", index=0),
            piece(": 2}", index=1),
        ],
        None,
        x,
        y,
    )
    yield calls(
        "63f",
        "the name again in every piece",
        [piece('{"x"', "f", index=0, id="a"), piece(": 1}", "f", index=0, id="a")],
        None,
        x,
    )
    yield calls("63g", "the id late", [piece("", "f", index=0), piece('{"x": 1}', index=0, id="late")], None, x)
    yield (calls("63h", "null among the pieces", [split[0], [None, split[1]], split[2]], None, x))
    yield calls(
        "62d",
        "a call told once more when it is complete",
        [*split, piece('{"x": 1}', "f", index=0, id="a")],
        None,
        x,
    )
    yield calls("62e", "arguments told once more, as a text", [*split, piece(json.dumps('{"x": 1}'), index=0)], None, x)
    yield calls("64a", "tool calls, and finished with “stop”", split, [{"id": "a", "function": f_x}], x, finish="stop")
    yield calls(
        "66",
        "arguments of 1 MB",
        [split[0], *(piece(part, index=0) for part in ('{"x": "', *("y" * 10_000 for _ in range(100)), '"}'))],
        None,
        ("f", '{"x": "' + "y" * 1_000_000 + '"}'),
    )


def slowly(*chunks: dict[str, Any]) -> Wire:
    """Chunks that each come with usage and a pause."""
    events = [http_chunk(event({**one, "usage": USAGE})) for one in chunks]
    return Wire([STREAM_HEAD, *(part for one in events for part in (one, 0.3)), http_chunk(DONE), http_chunk(b"")])


def other_words() -> Iterator[Row]:
    """Finish reasons in the words of others than OpenAI."""
    words = {
        "57f": ("model_length", "truncated", "Cut at"),
        "57g": ("MAX_TOKENS", "truncated", "Cut at"),
        "57h": ("SAFETY", "filtered", "content filter"),
        "57i": ("sensitive", "filtered", "content filter"),
    }
    for number, (reason, status, says) in words.items():
        yield Row(
            number=number,
            fault=f"finish reason “{reason}”",
            **both([*ANSWER[:2], chunk(finish=reason)], document(HALF, finish=reason)),
            **good(HALF, says, status=status),
        )


def usage() -> Iterator[Row]:
    """Token counts, wherever they are, and where they are not."""
    some = {"prompt_tokens": 3, "completion_tokens": 1}
    forms: dict[str, tuple[str, list[Any]]] = {
        "69a": ("no usage", [*ANSWER]),
        "69b": ("usage that is null, or has nulls in it", [*ANSWER, {"choices": [], "usage": {"prompt_tokens": None}}]),
        "69c": (
            "usage that grows with every chunk",
            [{**ANSWER[1], "usage": some}, {**ANSWER[2], "usage": USAGE}, FINISH],
        ),
        "69d": ("usage beside the finish reason", [*ANSWER[:3], {**FINISH, "usage": USAGE}]),
        "69e": ("usage that is text", [*ANSWER, {"choices": [], "usage": "9 tokens"}]),
        "69f": ("usage in numbers below zero", [*ANSWER, {"choices": [], "usage": {"prompt_tokens": -1}}]),
    }
    for number, (fault, frames) in forms.items():
        last = next((frame["usage"] for frame in reversed(frames) if frame.get("usage")), None)
        yield Row(number=number, fault=fault, **both(frames, {**document(), "usage": last}), **good(TEXT))


def reasoning() -> Iterator[Row]:
    """What the model thinks, under the names it goes by."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    details = [{"type": "reasoning.text", "text": "hm"}]
    forms: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
        "75a": ("reasoning_content", [chunk(reasoning_content="hm"), *ANSWER], document(reasoning_content="hm")),
        "75b": ("reasoning", [chunk(reasoning="hm"), *ANSWER], document(reasoning="hm")),
        "75c": (
            "both, with the same text",
            [chunk(reasoning="hm", reasoning_content="hm"), *ANSWER],
            document(reasoning="hm", reasoning_content="hm"),
        ),
        "75d": ("reasoning_details", [chunk(reasoning_details=details), *ANSWER], document(reasoning_details=details)),
        "75e": ("<think> tags", [chunk("<think>hm</think>"), *ANSWER], document(f"<think>hm</think>{TEXT}")),
        "75f": (
            "<think> tags in pieces",
            [chunk("<th"), chunk("ink>\nhm"), chunk("</thi"), chunk("nk>\n\n"), *ANSWER],
            document(f"<think>\nhm</think>\n\n{TEXT}"),
        ),
        "75g": (
            "content parts of type thinking",
            [chunk([thinking]), *ANSWER],
            document([thinking, {"type": "text", "text": TEXT}]),
        ),
        "75h": (
            "</think> without its opening tag",
            [chunk("hm"), chunk("</think>\n\n"), *ANSWER],
            document(f"hm</think>\n\n{TEXT}"),
        ),
    }
    for number, (fault, frames, message) in forms.items():
        yield Row(number=number, fault=f"reasoning: {fault}", **both(frames, message), **good(TEXT, reasoning="hm"))


CONTENT = [
    Row(
        number="53a",
        fault="delta null, content null",
        stream=streamed({**FINISH, "choices": [{"index": 0, "delta": None}]}, chunk(**NO_CONTENT), *ANSWER),
        plain=whole(document()),
        **good(TEXT),
    ),
    Row(
        number="53b",
        fault="content as a list of parts",
        **both(
            [
                chunk([{"type": "text", "text": HALF}, {"type": "image_url"}]),
                chunk([{"type": "text", "text": REST}]),
                FINISH,
            ],
            document([{"type": "text", "text": HALF}, {"type": "image_url"}, {"type": "text", "text": REST}]),
        ),
        **good(TEXT, "not shown of this answer: image_url"),
    ),
    Row(
        number="53c",
        fault="an index that is not 0",
        stream=streamed(*({**frame, "choices": [{**frame["choices"][0], "index": 1}]} for frame in ANSWER)),
        plain=whole({**document(), "choices": [{**document()["choices"][0], "index": 1}]}),
        **good(TEXT),
    ),
    Row(
        number="53d",
        fault="two choices, where one was asked for",
        stream=streamed(
            *(
                {**frame, "choices": [frame["choices"][0], {"index": 1, "delta": {"content": "other"}}]}
                for frame in ANSWER
            )
        ),
        plain=whole({**document(), "choices": [*document()["choices"], {"index": 1, "message": {"content": "other"}}]}),
        **good(TEXT, "more than one answer"),
    ),
    Row(
        number="53e",
        fault="no role, no id, no model",
        stream=streamed({"choices": [{"delta": {"content": TEXT}, "finish_reason": "stop"}]}),
        plain=whole({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}),
        **good(TEXT),
    ),
    Row(
        number="53f",
        fault="the whole message once more, at the end of its pieces",
        stream=streamed(
            chunk(HALF, reasoning_content="hm"),
            chunk(REST, tool_calls=[{"index": 0, "id": "a", **piece("{}", "f")}]),
            {
                **document(reasoning_content="hm", tool_calls=[{"id": "a", **piece("{}", "f")}]),
                "object": "chat.completion",
            },
        ),
        plain=whole(document(reasoning_content="hm", tool_calls=[{"id": "a", **piece("{}", "f")}])),
        **good(TEXT, reasoning="hm", calls=[("f", "{}")]),
    ),
    Row(
        number="53g",
        fault="content that is a number",
        **both([chunk(42), FINISH], document(42)),
        **good("42"),
    ),
    Row(
        number="53h",
        fault="content that is the JSON that was asked for, and no text",
        **both([chunk({"name": "é"}), FINISH], document({"name": "é"})),
        **good('{"name": "é"}'),
    ),
    Row(
        number="53i",
        fault="pictures and no text",
        **both([chunk("", images=[{"type": "image_url"}]), FINISH], document("", images=[{"type": "image_url"}])),
        **good("", "not shown of this answer: images"),
    ),
    Row(
        number="55",
        fault="stopped by the content filter",
        **both([*ANSWER[:2], chunk(finish="content_filter")], document(HALF, finish="content_filter")),
        **good(HALF, "content filter", status="filtered"),
    ),
    Row(
        number="56a",
        fault="stopped at max_tokens",
        **both([*ANSWER[:2], chunk(finish="length")], document(HALF, finish="length")),
        settings={"max_tokens": 3},
        **good(HALF, "max_tokens=3", status="truncated"),
    ),
    Row(
        number="56b",
        fault="stopped at max_tokens, all of them spent on reasoning",
        **both(
            [
                chunk(reasoning_content="hm"),
                chunk(finish="length"),
                {"choices": [], "usage": {"completion_tokens_details": {"reasoning_tokens": 3}}},
            ],
            document("", finish="length", reasoning_content="hm"),
        ),
        settings={"max_tokens": 3},
        **good("", "max_tokens=3", "3 of the tokens went into reasoning", status="truncated", reasoning="hm"),
    ),
    Row(
        number="57a",
        fault="a finish reason nobody knows",
        **both([*ANSWER[:3], chunk(finish="tired")], document(finish="tired")),
        **good(TEXT, "'tired'"),
    ),
    Row(
        number="57b",
        fault="finish reason “” on every chunk, and “eos” in the end",
        stream=streamed(chunk(HALF, finish=""), chunk(REST, finish=""), chunk(finish="eos")),
        plain=whole(document(finish="eos")),
        **good(TEXT),
    ),
    Row(
        number="57c",
        fault="finish reason “error”, and no word of which",
        **both([*ANSWER[:2], chunk(finish="error")], document(HALF, finish="error")),
        **bad("CutOff", "APIError", "ends in an error", text=HALF),
    ),
    Row(
        number="57d",
        fault="finish reason “stop” and usage on every chunk, some time apart",
        stream=slowly(chunk(HALF, finish="stop"), chunk(REST, finish="stop")),
        plain=slowly(chunk(HALF, finish="stop"), chunk(REST, finish="stop")),
        **good(TEXT),
    ),
    Row(
        number="57e",
        fault="finish reason “length”, and “stop” behind it",
        **both([*ANSWER[:2], chunk(finish="length"), FINISH], document(HALF, finish="length")),
        **good(HALF, "Cut at", status="truncated"),
    ),
    *other_words(),
    Row(
        number="58",
        fault="a refusal",
        **both([chunk(refusal="I can"), chunk(refusal="not."), FINISH], document(None, refusal="I cannot.")),
        **good("I cannot.", "refused", status="refused", refusal="I cannot."),
    ),
    *tool_calls(),
    Row(
        number="64b",
        fault="finished with “tool_calls”, and no call",
        **both([chunk("", role="assistant"), CALLED], document(None, finish="tool_calls")),
        **bad("EmptyAnswer", "APIError", "tool"),
    ),
    Row(
        number="64c",
        fault="finished with “stop”, and no word",
        **both([chunk("", role="assistant"), FINISH], document("")),
        **good("", "nothing"),
    ),
    Row(
        number="64d",
        fault="finished with “stop”, and nothing but thoughts",
        **both([chunk(reasoning="hm"), FINISH], document("", reasoning="hm")),
        **good("", "nothing but thoughts", reasoning="hm"),
    ),
    *usage(),
    Row(
        number="74a",
        fault="an emoji as half surrogate pairs in two deltas",
        stream=streamed(escaped(chunk("a\ud83d")), escaped(chunk("\ude00b")), FINISH),
        plain=whole(document("a😀b")),
        **good("a😀b"),
    ),
    Row(
        number="74b",
        fault="half a surrogate pair alone",
        stream=streamed(escaped(chunk("a\ud83d")), escaped(chunk("b")), FINISH),
        plain=whole(document("a\ud83db")),
        **good("a\ufffdb"),
    ),
    *reasoning(),
]
