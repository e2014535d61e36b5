"""The reader against every body of the fault matrix, cut anywhere, and against bodies spoilt at random."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from bodies import ANSWER_BYTES, WHOLE, Wire, chunk, document, event
from far_end import DONE, Events, Failure, Reply, to_json
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matrix import ROWS
from reading import read, story

from llm_magics import wire
from llm_magics.view import view_of
from llm_magics.wire.body import Body
from llm_magics.wire.event_stream import BadPayload

SMALL = 10_000  # bytes of a body that is also read byte by byte
CUTS = 23  # places at which such a body is cut in two


def bodies_of(reply: Reply | Sequence[Reply]) -> Iterator[bytes]:
    """The bodies of these replies, as far as they are plain bytes."""
    for one in reply if isinstance(reply, Sequence) else [reply]:
        match one:
            case Events(frames=frames, done=done):
                yield b"".join(_bytes(frame) for frame in frames) + (DONE if done else b"")
            case Failure(status=200, body=body):
                yield body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else to_json(body)
            case Wire(pieces=[bytes(), bytes() as body]):
                yield body


def _bytes(frame: Any) -> bytes:
    if isinstance(frame, bytes):
        return frame
    return frame.encode() if isinstance(frame, str) else event(frame)


# Each body once, by the first row that has it.
ZOO = {
    name: body
    for body, name in {
        body: f"{row.number}{form} {row.fault}"
        for row in reversed(ROWS)
        for form, reply in ((" whole", row.plain), ("", row.stream))
        for body in bodies_of(reply)
    }.items()
}


def test_the_zoo_is_not_empty() -> None:
    assert len(ZOO) > 100


@pytest.mark.parametrize("body", [*ZOO.values()], ids=[*ZOO])
def test_every_body_of_the_matrix_is_read_alike_wherever_it_is_cut(body: bytes) -> None:
    for content_type in ("text/event-stream", "application/json"):
        whole = story([body], content_type)
        if len(body) <= SMALL:
            assert story([body[at : at + 1] for at in range(len(body))], content_type) == whole
        cuts = CUTS if len(body) <= SMALL else 3
        for number in range(cuts):
            at = number * len(body) // cuts
            assert story([body[:at], body[at:]], content_type) == whole, f"cut at {at}"


# ---------------------------------------------------------------- spoilt at random

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
HALF_PAIRS = st.sampled_from(["\ud83d", "\ude00", "a\ud83d", "\x00", "</think>", "<think>"])
CALL = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
FULL = {
    **chunk("text", reasoning="r", refusal="no", tool_calls=[CALL], annotations=[{"type": "url_citation"}]),
    "usage": {"prompt_tokens": 1},
}
FULL["choices"][0]["delta"]["audio"] = {"id": "a", "data": "QUJD", "transcript": "t"}
MESSAGE = {**document("text", reasoning_content="r", tool_calls=[CALL], refusal=None), "error": None}


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a payload."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from paths(one, (*at, key))


def replaced(value: Any, at: tuple[Any, ...], by: Any) -> Any:
    """The payload with something else in that place."""
    if not at:
        return by
    copy = value.copy()
    copy[at[0]] = replaced(value[at[0]], at[1:], by)
    return copy


def odd(payload: dict[str, Any]) -> st.SearchStrategy[Any]:
    """The payload with one thing in it that does not belong there."""
    return st.builds(replaced, st.just(payload), st.sampled_from([*paths(payload)]), JSON | HALF_PAIRS)


def looked_at(body: bytes, content_type: str = "text/event-stream") -> wire.Reply | None:
    """The reply, if there is one, looked at as everything else looks at it; what is none must be told as such."""
    reply = wire.Reply()
    reader = Body(reply, content_type)
    try:
        reader.feed(body)
        reader.close()
        reply.check_whole()
    except (wire.ServerError, BadPayload) as error:
        assert str(error).encode() or not error.args[0]
        reply.close()
    message = reply.message()
    for text in (message.content, message.refusal, getattr(message, "reasoning_content", None), reply.text):
        (text or "").encode()
    for call in message.tool_calls or []:
        assert call.id
        assert isinstance(call.function.arguments if call.type == "function" else call.custom.input, str)
    json.dumps(message.model_dump(exclude_unset=True, warnings=False)).encode()
    view_of(message)
    return reply


@settings(max_examples=300)
@given(st.lists(odd(FULL), min_size=1, max_size=4), st.booleans())
@example([{**FULL, "choices": [{"delta": {"tool_calls": [{"function": None, "index": True}]}}]}], False)
def test_a_stream_with_anything_anywhere_is_an_answer_or_a_named_failure(payloads: list[Any], done: bool) -> None:
    body = b"".join(b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads)
    looked_at(body + (DONE if done else b""))


@settings(max_examples=150)
@given(odd(MESSAGE))
def test_a_completion_with_anything_anywhere_is_an_answer_or_a_named_failure(payload: Any) -> None:
    looked_at(json.dumps(payload).encode(), "application/json")


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from(["text/event-stream", "application/json", "text/html", ""]))
def test_any_bytes_are_an_answer_or_a_named_failure(body: bytes, content_type: str) -> None:
    looked_at(body, content_type)


@settings(max_examples=200)
@given(
    st.sampled_from([ANSWER_BYTES, WHOLE, *(body for body in ZOO.values() if len(body) < SMALL)]),
    st.lists(st.tuples(st.integers(0, 5_000), st.binary(max_size=4), st.integers(0, 4)), min_size=1, max_size=4),
)
def test_a_body_spoilt_in_places_is_an_answer_or_a_named_failure(body: bytes, spoils: list[Any]) -> None:
    for place, put, taken in spoils:
        at = place % (len(body) + 1)
        body = body[:at] + put + body[at + taken :]
    looked_at(body)


def test_a_stream_of_one_megabyte_arrives_byte_by_byte() -> None:
    body = b"".join(event(chunk(f"{number} ")) for number in range(6_000)) + event(chunk(finish="stop")) + DONE
    assert len(body) > 900_000
    reply = read(body[at : at + 1] for at in range(len(body)))
    assert reply.text.split() == [str(number) for number in range(6_000)]


@pytest.mark.parametrize("noise", [b"\r", b"\n", b": x\n\n", b"data\n", b"data:\n", b"<", b"{", b"\xef\xbb\xbf"])
def test_noise_of_two_megabytes_arrives_in_small_pieces(noise: bytes) -> None:
    pieces = itertools.repeat(noise * 8, 2_000_000 // (8 * len(noise)))
    try:
        read(pieces)
    except BadPayload as error:
        assert error.kind
