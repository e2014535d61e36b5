"""The tolerant reader: whatever servers send, and wherever the network cuts it, the same message comes out."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reading import read, story

from llm_magics import wire
from llm_magics.events import TextDelta
from llm_magics.wire.body import Body
from llm_magics.wire.event_stream import BadPayload, EventStream

DONE = b"data: [DONE]\n\n"


def frame(payload: Any) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(arguments: Any = None, *, name: str | None = None, id: str | None = None, index: int | None = None) -> Any:  # noqa: A002 - the wire's word
    piece: dict[str, Any] = {"function": {}}
    for key, value in {"id": id, "index": index}.items():
        if value is not None:
            piece[key] = value
    for key, value in {"name": name, "arguments": arguments}.items():
        if value is not None:
            piece["function"][key] = value
    return piece


def streamed(*payloads: Any) -> wire.Reply:
    """The reply after these payloads, as one stream."""
    return read([b"".join(map(frame, payloads)) + DONE])


def calls_of(reply: wire.Reply) -> list[tuple[str, str]]:
    """Each call's name and arguments."""
    return [(call.function.name, call.function.arguments) for call in reply.message().tool_calls or []]


def called(*pieces: Any) -> list[tuple[str, str]]:
    return calls_of(streamed(*(chunk(tool_calls=[piece]) for piece in pieces)))


# ---------------------------------------------------------------- bytes may be cut anywhere

TEXTS = st.sampled_from(
    [
        "",
        "a",
        " ",
        "\n",
        "\n\n",
        "<",
        "<think>",
        "<THINK>\n",
        "<thi",
        "nk>",
        "</",
        "think>",
        "</think>",
        "</Think>\n\n",
        "İK",
        "日本",
        "😀",
        "�",
        "�",
        "data: x",
        '{"a":',
        "}",
        "\u2028",
        "\x85",
        "[DONE]",
    ]
)
DELTAS = st.one_of(
    st.builds(lambda text: {"content": text}, TEXTS),
    st.builds(lambda text: {"role": "assistant", "content": text}, TEXTS),
    st.builds(lambda text: {"reasoning_content": text, "content": None}, TEXTS),
    st.builds(lambda text, more: {"reasoning": text, "content": more}, TEXTS, TEXTS),
    st.builds(lambda text: {"refusal": text}, TEXTS),
    st.builds(lambda text: {"content": [{"type": "text", "text": text}]}, TEXTS),
    st.builds(
        lambda index, id_, name, arguments: {"tool_calls": [call(arguments, name=name, id=id_, index=index)]},
        st.sampled_from([None, 0, 1]),
        st.sampled_from([None, "", "id1", "id2"]),
        st.sampled_from([None, "f", "g"]),
        st.sampled_from([None, "", "{", '"x', "\\", '"', ":1}", "{}", '{"y":2}', "\ud83d", "\ude00", {"z": 3}]),
    ),
)
PAYLOADS = st.one_of(
    st.builds(lambda delta: chunk(**delta), DELTAS),
    st.builds(lambda delta, finish: chunk(finish, **delta), DELTAS, st.sampled_from(["", "stop", "length"])),
    st.sampled_from(
        [
            42,
            None,
            [],
            "x",
            {},
            {"choices": None},
            {"choices": []},
            {"choices": [], "usage": {"prompt_tokens": 1}},
            {"choices": [{"delta": None}]},
            {"choices": [{"index": 1, "delta": {"content": "other"}}]},
        ]
    ),
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """An event stream as odd as servers write it."""
    end = lambda: draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))  # noqa: E731
    out = [draw(st.sampled_from([b"", b"\xef\xbb\xbf", b"\n"]))]
    for payload in draw(st.lists(PAYLOADS, max_size=8)):
        match draw(st.integers(0, 9)):
            case 0:
                out += [b": keep-alive", end(), end()]
            case 1:
                out += [b"event: ping", end(), end()]
            case 2:
                out += [b"data:", end(), b"retry: 100", end(), end()]
            case 3:
                out += [b"event: message", end()]
        text = json.dumps(payload, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
        head, comma, tail = text.partition(b", ")
        if comma and draw(st.booleans()):
            text = head + b"," + end() + b"data: " + tail
        out += [draw(st.sampled_from([b"data: ", b"data:"])), text, end(), end()]
    out.append(
        draw(st.sampled_from([b"", DONE, b"data: [DONE]", b'data: {"choices":[{"del', b'data: {"error":"boom"}']))
    )
    return b"".join(out)


@settings(max_examples=150)
@given(bodies(), st.lists(st.integers(0, 2000), max_size=12), st.sampled_from(["", "text/event-stream"]))
@example(b"data: 1\r\n\ndata: 2\n\n", [8, 9, 10], "")
@example(b'\xef\xbb\xbfdata: {"choices":[]}\n\n', [1, 2, 3], "")
def test_a_body_cut_at_any_place_gives_the_same_message(body: bytes, cuts: list[int], content_type: str) -> None:
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    pieces = [body[a:b] for a, b in itertools.pairwise(places)]
    one_by_one = [body[at : at + 1] for at in range(len(body))]
    assert story(pieces, content_type) == story([body], content_type) == story(one_by_one, content_type)


@settings(max_examples=150)
@given(st.lists(TEXTS, max_size=10).map("".join), st.lists(st.integers(0, 99), max_size=8))
@example(" <think>\n a\n</think>\n\nb", [1, 3, 8, 9, 12, 20])
@example("<think>İİ</think>x", [8])
def test_text_cut_into_any_deltas_gives_the_same_message(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    deltas = [chunk(content=text[a:b]) for a, b in itertools.pairwise(places)]
    assert streamed(*deltas).message() == streamed(chunk(content=text)).message()


@settings(max_examples=100)
@given(
    st.dictionaries(st.text(max_size=5), st.text() | st.integers() | st.lists(st.booleans()), max_size=4),
    st.lists(st.integers(0, 99), max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_arguments_cut_at_any_place_are_put_together(
    arguments: dict[str, Any], cuts: list[int], repeats_name: bool, ascii_only: bool
) -> None:
    text = json.dumps(arguments, ensure_ascii=ascii_only)
    units = text.encode("utf-16-le", "surrogatepass")  # cut between the halves of a pair, too
    places = [0, *sorted(cut * 2 % (len(units) + 2) for cut in cuts), len(units)]
    parts = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in itertools.pairwise(places)]
    pieces = [call("", name="f", id="a", index=0)]
    pieces += [call(part, name="f" if repeats_name else None, index=0) for part in parts]
    assert [json.loads(given) for _, given in called(*pieces)] == [arguments]


@pytest.mark.parametrize(
    "names",
    [["get_", "weather"], ["g", "et", "_weather"], ["get_", "get_weather"], ["get_weather", "get_weather"]],
    ids=" ".join,
)
@pytest.mark.parametrize("id_again", [None, "", "a"])
def test_a_name_that_comes_in_pieces_is_one_name(names: list[str], id_again: str | None) -> None:
    nothing = "" if id_again else None  # else it could be another call, which has no arguments either
    pieces = [call(nothing, name=name, id=id_again if at else "a", index=0) for at, name in enumerate(names)]
    assert called(*pieces, call('{"city": "Oslo"}', index=0)) == [("get_weather", '{"city": "Oslo"}')]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_every_line_end_and_a_byte_order_mark_give_the_same_text(size: int) -> None:
    plain = frame(chunk(content="Straße ")) + b": comment\n\n" + frame(chunk("stop", content="日本 😀")) + DONE
    for end in (b"\n", b"\r\n", b"\r"):
        for mark in (b"", b"\xef\xbb\xbf"):
            body = mark + plain.replace(b"\n", end)
            reply = read(body[at : at + size] for at in range(0, len(body), size))
            assert (reply.text, reply.finish_reason, reply.done) == ("Straße 日本 😀", "stop", True)


def test_data_over_several_lines_is_one_event() -> None:
    assert read([b'data: {"choices":\ndata: [{"delta":{"content":"x"}}]}\n\n']).text == "x"


def test_frames_that_say_nothing_are_passed_over() -> None:
    noise = b": hello\n\nevent: ping\n\ndata:\n\nretry: 100\n\nid: 7\n\ndata: 42\n\ndata: null\n\ndata: []\n\n"
    reply = read([noise + b'data: "x"\n\n' + frame(chunk("stop", content="there")) + noise + DONE])
    assert (reply.text, reply.odd) == ("there", 7)


def test_a_last_frame_without_its_blank_line_is_read() -> None:
    assert read([frame(chunk(content="a")), frame(chunk("stop", content="b"))[:-2]]).text == "ab"


def test_a_last_frame_that_was_cut_off_is_left_out_and_the_answer_is_not_finished() -> None:
    reply = read([frame(chunk(content="a")), frame(chunk("stop", content="b"))[:-20]])
    assert (reply.text, reply.finished, reply.done) == ("a", False, False)


def test_broken_json_in_the_middle_is_named() -> None:
    with pytest.raises(BadPayload, match="broken JSON"):
        read([frame(chunk(content="a")) + b'data: {"choices": [{\n\n'])


def test_done_ends_the_stream_whatever_follows() -> None:
    reply = streamed(chunk("stop", content="a"))
    assert read([frame(chunk("stop", content="a")) + DONE + frame(chunk(content="b"))]).text == reply.text == "a"


def test_an_event_without_end_is_refused_before_memory_is_full() -> None:
    stream = EventStream(max_event=1000)
    with pytest.raises(BadPayload, match="an event without end"):
        for _ in range(2000):
            stream.feed(b"x")


def test_a_document_without_end_is_refused_before_memory_is_full() -> None:
    fed = 0
    body = Body(wire.Reply(), "application/json")
    with pytest.raises(BadPayload, match="a body without end"):
        for _ in range(100):
            body.feed(b"{" + b"x" * 1_000_000)
            fed += 1
    assert fed < 50


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
def test_events_whose_blank_lines_are_missing_are_read_line_by_line(eol: bytes) -> None:
    lines = [frame(one).strip() for one in (chunk(content="a"), chunk(content="b"), chunk("stop"))]
    reply = read([eol.join([*lines, b"data: [DONE]", b""])])
    assert (reply.text, reply.finish_reason, reply.done) == ("ab", "stop", True)
    together = lines[0] + eol * 2 + lines[1] + eol + lines[2] + eol + b"data: [DONE]" + eol * 2
    assert (read([together]).text, read([together]).done) == ("ab", True)


def test_an_error_report_behind_an_event_that_broke_off_is_what_went_wrong() -> None:
    broken = b'data: {"choices":[{"delta":{"content":"par\nevent: error\n'
    with pytest.raises(wire.ServerError, match="upstream died"):
        read([frame(chunk(content="a")) + broken + frame({"error": {"message": "upstream died"}}) + DONE])


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json", "text/event-stream"])
@pytest.mark.parametrize("last", [b"", b"[DONE]\n", b"\n\n"])
def test_a_stream_of_an_object_a_line_without_fields_is_read(content_type: str, last: bytes) -> None:
    body = b"".join(json.dumps(one).encode() + b"\n" for one in (chunk(content="a"), chunk(content="b"), chunk("stop")))
    reply = read([body + last], content_type)
    assert (reply.text, reply.finish_reason) == ("ab", "stop")
    with pytest.raises(wire.ServerError, match="upstream died"):
        read([body + json.dumps({"error": {"message": "upstream died"}}).encode()], content_type)


def test_a_stream_of_an_object_a_line_keeps_its_text_where_it_is_cut() -> None:
    body = b"".join(json.dumps(one).encode() + b"\n" for one in (chunk(content="a"), chunk(content="b"), chunk("stop")))
    for end in range(body.index(b"\n") + 2, len(body) - 2):
        reply = read([body[:end]], "application/x-ndjson")
        assert reply.text in ("a", "ab")
        assert not reply.complete


def test_what_stands_on_the_line_below_a_completion_does_it_no_harm() -> None:
    whole = {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}
    reply = read([json.dumps(whole).encode() + b"\n<!-- served by a proxy -->\n"], "application/json")
    assert (reply.text, reply.complete, reply.cut) == ("a", True, False)


def test_two_objects_that_are_no_chunks_are_no_stream() -> None:
    with pytest.raises(BadPayload, match="broken JSON"):
        read([b'{"response": "a"}\n{"response": "b"}\n'], "application/x-ndjson")


@pytest.mark.parametrize("nothing", ["", "null", "None", None])
def test_a_finish_reason_that_says_nothing_ends_nothing(nothing: str | None) -> None:
    reply = streamed(chunk(nothing, content="a"), chunk(nothing, content="b"), chunk("stop"))
    assert (reply.text, reply.finish_reason) == ("ab", "stop")
    assert not streamed(chunk(nothing, content="a")).finished


def test_a_broken_line_among_several_is_named_though_good_ones_follow() -> None:
    with pytest.raises(BadPayload, match="broken JSON"):
        read([b'data: {"choices":[{"delta\n' + frame(chunk("stop", content="b")) + DONE])


# ---------------------------------------------------------------- a stream, a document, or neither


def document(**message: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "text/html", ""])
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_document_is_read_where_a_stream_was_asked_for(content_type: str, size: int) -> None:
    body = b"\xef\xbb\xbf \n" + document(role="assistant", content="all of it")
    reply = read((body[at : at + size] for at in range(0, len(body), size)), content_type)
    assert (reply.text, reply.done, reply.finish_reason) == ("all of it", True, "stop")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_a_stream_is_read_whatever_its_content_type(content_type: str) -> None:
    assert read([b": hi\n\n" + frame(chunk("stop", content="a")) + DONE], content_type).text == "a"


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b"", "application/json", "an empty answer"),
        (b" \r\n", "text/event-stream", "an empty answer"),
        (b"<!DOCTYPE html><html><title>Log &amp; \n in</title>", "text/html", "a web page: Log & in"),
        (b"\n<html>", "text/event-stream", "a web page"),
        (b"upstream timed out", "text/plain", "plain text: upstream timed out"),
        (b"login please", "text/html", "a web page: login please"),
        (b"error: too many requests", "text/event-stream", "plain text: error: too many requests"),
        (b"too many requests\n\n", "text/event-stream", "plain text: too many requests"),
        (b"\x8b\x08zipped", "text/event-stream", "plain text: \ufffd\x08zipped"),
        (b'{"choices": [', "application/json", 'broken JSON: {"choices": ['),
        (b'{"a": 1}', "application/json", 'an answer without choices: {"a": 1}'),
        (b'{"choices": []}', "application/json", 'an answer without choices: {"choices": []}'),
        (b"null", "application/json", "an answer without choices: null"),
        (b"{malformed json: <<<chaos>>>", "application/json", "broken JSON: {malformed json: <<<chaos>>>"),
    ],
)
def test_what_is_no_answer_is_named(body: bytes, content_type: str, kind: str) -> None:
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        with pytest.raises(BadPayload) as raised:
            read(pieces, content_type)
        assert str(raised.value) == kind


def test_a_document_nested_beyond_reason_is_broken_not_fatal() -> None:
    with pytest.raises(BadPayload, match="broken JSON"):
        read([b"[" * 200_000], "application/json")


def test_a_body_that_is_not_utf8_is_read_with_replacement_characters() -> None:
    assert read([b'data: {"choices":[{"delta":{"content":"caf\xe9"}}]}\n\n']).text == "caf\ufffd"


# ---------------------------------------------------------------- errors under a 200

ERRORS: list[tuple[Any, str]] = [
    ({"error": {"message": "overloaded", "code": 529}}, "overloaded"),
    ({"error": "boom"}, "boom"),
    ({"error": {"detail": "no"}}, "no"),
    ({"error": True, "message": "said beside it"}, "said beside it"),
    ({"error": {"code": 7}}, "code 7"),
    ({"error": {"type": "overloaded_error"}}, "code overloaded_error"),
    ({"error": {"param": "x"}}, "the server reported an error"),
    ({"message": "quota", "code": 429}, "quota"),
    ({"object": "error", "message": "old vLLM", "code": 400}, "old vLLM"),
    ({"detail": "Not authenticated"}, "Not authenticated"),
    ({"detail": [{"loc": ["body"], "msg": "field required"}]}, "field required"),
    ({"code": 1113, "msg": "no balance"}, "no balance"),
    ({"error_code": 17, "error_msg": "daily limit"}, "daily limit"),
    ({"errors": [{"message": "first"}, {"message": "second"}]}, "first; second"),
    ([{"error": {"message": "wrapped in a list"}}], "wrapped in a list"),
    ({"choices": [], "message": "nothing for you"}, "nothing for you"),
    ({"choices": [{"delta": {"content": "x"}}], "error": {"message": "both"}}, "both"),
    ({"choices": [{"error": {"message": "provider died", "code": 502}, "finish_reason": "error"}]}, "provider died"),
]


@pytest.mark.parametrize(("payload", "said"), ERRORS, ids=[said for _, said in ERRORS])
def test_an_error_is_known_in_any_shape_in_a_stream_and_as_a_document(payload: Any, said: str) -> None:
    for pieces in (
        [frame(payload)],
        [b"event: error\n" + frame(payload)],
        [frame(payload).rstrip()],
        [json.dumps(payload).encode()],
    ):
        with pytest.raises(wire.ServerError) as raised:
            read(pieces)
        assert raised.value.message == said


@pytest.mark.parametrize("error", [None, "", {}, False])
def test_an_error_field_that_says_nothing_is_no_error(error: Any) -> None:
    assert streamed({**chunk("stop", content="fine"), "error": error}).text == "fine"


def test_an_error_of_empty_fields_beside_an_answer_is_no_error() -> None:
    nothing = {"error": {"message": "", "type": "", "param": None, "code": None}}
    assert streamed({**chunk(content="a"), **nothing}, {**chunk("stop"), **nothing}).text == "a"


@pytest.mark.parametrize("usage", [{}, {"usage": {"total_tokens": 0}}])
def test_an_error_in_the_status_of_a_response_is_told(usage: dict[str, Any]) -> None:
    body = {"choices": None, **usage, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}
    for pieces in ([frame(body)], [json.dumps(body).encode()]):
        with pytest.raises(wire.ServerError, match="insufficient balance"):
            read(pieces)
    fine = {"base_resp": {"status_code": 0, "status_msg": "success"}}
    assert streamed(chunk("stop", content="a"), {"choices": [], **fine}).text == "a"


def test_what_came_before_an_error_is_kept() -> None:
    reply = wire.Reply()
    with pytest.raises(wire.ServerError):
        Body(reply).feed(frame(chunk(content="half a ")) + frame({"error": "boom"}))
    assert reply.text == "half a "


# ---------------------------------------------------------------- choices, deltas, finish, usage


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": [], "prompt_filter_results": []},
        {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": None, "tool_calls": None, "refusal": None}}]},
        {"choices": [{"index": 0, "delta": {}}]},
        {"choices": [None, 3]},
        {"choices": "no"},
        {"choices": [{"index": 0, "delta": {"content": {"type": "image"}, "tool_calls": [None], "audio": None}}]},
    ],
)
def test_chunks_without_an_answer_in_them_disturb_nothing(odd: dict[str, Any]) -> None:
    reply = streamed(odd, chunk(content="a"), odd, chunk("stop", content="b"), odd)
    assert (reply.text, reply.finish_reason) == ("ab", "stop")
    assert reply.message().tool_calls is None


@pytest.mark.parametrize("reason", ["tool_calls", "function_call", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
def test_an_answer_that_ends_in_a_call_which_never_came_is_none(reason: str) -> None:
    with pytest.raises(BadPayload, match="no tool call, though it finished with"):
        streamed(chunk(finish=reason)).check_whole()


def test_what_an_answer_said_is_kept_when_an_error_comes_behind_its_end() -> None:
    late = {"error": {"message": "The cache is full."}}
    reply = streamed(chunk(content="Oslo."), chunk(finish="stop"), late)
    assert (reply.text, reply.finish_reason) == ("Oslo.", "stop")
    assert reply.notes == ["when the answer had ended, the server reported an error: The cache is full."]


def test_an_empty_finish_reason_ends_nothing() -> None:
    reply = streamed(chunk("", content="a"), chunk("", content="b"))
    assert reply.finish_reason is None


def test_a_finish_reason_is_not_taken_back_by_the_chunk_that_follows() -> None:
    assert streamed(chunk("stop", content="a"), chunk(None), {"choices": []}).finish_reason == "stop"


@pytest.mark.parametrize("choices", [{"delta": {"content": "x"}}, [{"text": "x"}], [{"message": {"content": "x"}}]])
def test_other_forms_of_a_choice_are_read(choices: Any) -> None:
    assert streamed({"choices": choices}).text == "x"


def test_a_message_that_repeats_its_pieces_and_goes_on_is_read_to_its_end() -> None:
    whole = {"choices": [{"message": {"content": "Hello world"}, "finish_reason": "stop"}]}
    assert streamed(chunk(content="Hel"), whole).text == "Hello world"
    assert streamed(chunk(content="Hello world"), whole).text == "Hello world"


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
@pytest.mark.parametrize("whole", ["The keeper counted the ships.", "x = 1\nx = 1\nx = 1\n", "Élan 😀 and more"])
@pytest.mark.parametrize("words", [1, 2])
def test_pieces_that_each_hold_all_of_it_so_far_are_told_once(field: str, whole: str, words: int) -> None:
    places = [*[n for n, sign in enumerate(whole) if sign in " \n"][::words], len(whole), len(whole)]
    reply = streamed(chunk(role="assistant", content=""), *(chunk(**{field: whole[:end]}) for end in places))
    message = reply.message().model_dump()
    assert message[field] == whole
    assert wire.CUMULATIVE in reply.notes


@pytest.mark.parametrize(
    "pieces",
    [
        ["ha", "haha", " it goes on"],
        ["ha", "haha"],
        ["a", "aa", "aaa", "aaaa", "aaaaa"],
        ["1", "10", "100", "2"],
        ["no", "no, not", "no, not", "no"],
    ],
)
def test_pieces_that_happen_to_begin_like_the_one_before_are_joined(pieces: list[str]) -> None:
    reply = streamed(*(chunk(content=piece) for piece in pieces))
    assert reply.text == "".join(pieces)
    assert not reply.notes


def test_an_answer_that_ends_while_it_is_open_which_way_its_pieces_are_meant_loses_nothing() -> None:
    body = Body(reply := wire.Reply(), "text/event-stream")
    body.feed(frame(chunk(content="Oslo")) + frame(chunk(content="Oslo is")))
    reply.close()
    assert reply.text == "OsloOslo is"


def test_of_several_choices_the_first_is_read() -> None:
    payload = {"choices": [{"index": 0, "delta": {"content": "A"}}, {"index": 1, "delta": {"content": "B"}}]}
    assert streamed(payload, payload).text == "AA"
    assert streamed({"choices": [{"index": 1, "delta": {"content": "only"}}]}).text == "only"


USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


@pytest.mark.parametrize(
    "payloads",
    [
        [chunk("stop"), {"choices": [], "usage": USAGE}],
        [chunk("stop"), {"choices": None, "usage": USAGE}],
        [chunk("stop"), {"usage": USAGE}],
        [{**chunk("stop"), "usage": USAGE}, {"choices": [], "usage": None}],
        [{**chunk(content="a"), "usage": {"prompt_tokens": 3, "completion_tokens": 1}}, {**chunk(), "usage": USAGE}],
        [{"choices": [{"delta": {}, "finish_reason": "stop", "usage": USAGE}]}],
        [{**chunk("stop"), "x_groq": {"id": "r", "usage": USAGE}}],
        [{**chunk("stop"), "usage": USAGE}, {"choices": [], "usage": {}}],
    ],
)
def test_usage_is_found_wherever_servers_put_it(payloads: list[Any]) -> None:
    assert streamed(*payloads).usage == USAGE


def test_content_in_parts_is_joined_and_thinking_parts_are_reasoning() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm "}, {"type": "text", "text": "yes"}]},
        {"type": "text", "text": "Answer"},
        "!",
        {"type": "image_url", "image_url": {"url": "x"}},
    ]
    for reply in (streamed(chunk(content=parts)), read([document(content=parts)])):
        message = reply.message()
        assert (message.content, message.reasoning_content) == ("Answer!", "hm yes")


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_beside_content_in_the_same_delta_is_kept(field: str) -> None:
    message = streamed(chunk(**{field: "why", "content": "what"})).message()
    assert (message.reasoning_content, message.content) == ("why", "what")


def test_reasoning_told_twice_is_taken_once() -> None:
    details = [{"type": "reasoning.text", "text": "once"}, {"type": "reasoning.encrypted", "data": "…"}]
    delta = {"reasoning": "once", "reasoning_content": "once", "reasoning_details": details}
    assert streamed(chunk(**delta)).message().reasoning_content == "once"
    assert streamed(chunk(reasoning_details=details)).message().reasoning_content == "once"


def test_a_message_has_no_fields_that_did_not_arrive() -> None:
    assert streamed(chunk("stop", content="x")).message().model_dump(exclude_unset=True) == {
        "role": "assistant",
        "content": "x",
    }


def test_a_refusal_is_a_refusal_and_content_stays_empty() -> None:
    message = streamed(chunk(refusal="I can"), chunk(refusal="not.", content="")).message()
    assert (message.content, message.refusal) == (None, "I cannot.")


def test_audio_and_annotations_are_gathered() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A\ud83d", "start_index": 0}}
    message = streamed(
        chunk(audio={"id": "a1", "data": "QUJ", "transcript": "He"}),
        chunk(audio={"data": "D", "transcript": "llo", "expires_at": 7}),
        chunk(annotations=[note]),
        chunk(annotations=[note, None]),
    ).message()
    assert (message.audio.data, message.audio.transcript, message.audio.expires_at) == ("QUJD", "Hello", 7)
    assert [found.url_citation.title for found in message.annotations] == ["A\ufffd"] * 2
    assert message.content is None


# ---------------------------------------------------------------- halves of characters


def test_a_pair_split_over_deltas_is_joined_and_a_lone_half_replaced() -> None:
    assert streamed(chunk(content="a\ud83d"), chunk(content="\ude00b")).text == "a😀b"
    assert streamed(chunk(content="a\ud83d"), chunk(content="b")).text == "a\ufffdb"
    assert streamed(chunk(content="\ude00b")).text == "\ufffdb"
    assert streamed(chunk("stop", content="a\ud83d")).text == "a\ufffd"
    assert streamed(chunk(reasoning="\ud83d"), chunk(content="x"), chunk(reasoning="\ude00")).message().to_dict() == {
        "role": "assistant",
        "content": "x",
        "reasoning_content": "😀",
    }


def test_a_pair_split_over_the_pieces_of_arguments_is_joined() -> None:
    assert called(call('{"x":"\ud83d', name="f", index=0), call('\ude00"}', index=0)) == [("f", '{"x":"😀"}')]
    assert called(call('{"x":"\ud83d', name="f\ud83d", index=0)) == [("f\ufffd", '{"x":"\ufffd')]


# ---------------------------------------------------------------- thinking


@pytest.mark.parametrize(
    ("said", "reasoning", "text"),
    [
        ("<think>a</think>b", "a", "b"),
        (" \n<think>\na\n</think>\n\nb", "a\n", "b"),
        ("<THINK>a</Think>b", "a", "b"),
        ("<thinking>a</think></thinking>b", "a</think>", "b"),
        ("<thought>a</thought>b", "a", "b"),
        ("<think>never closed", "never closed", ""),
        ("<think></think>b", None, "b"),
        ("<think>\n\n</think>\n\nb", None, "b"),
        ("<think>İstanbul K</think>b", "İstanbul K", "b"),
        ("<think>a</think>b <think>c</think>", "a", "b <think>c</think>"),
        ("Use <think> tags.</think>", None, "Use <think> tags.</think>"),
        ("<thin", None, "<thin"),
        ("<think", None, "<think"),
        ("<table>", None, "<table>"),
        ("  indented", None, "  indented"),
        (" \n ", None, " \n "),
        ("<think>a</thi", "a</thi", ""),
    ],
)
def test_thinking_at_the_head_of_an_answer_is_reasoning(said: str, reasoning: str | None, text: str) -> None:
    one_by_one = streamed(*(chunk(content=char) for char in said))
    for reply in (one_by_one, streamed(chunk(content=said)), read([document(content=said)])):
        message = reply.message()
        assert (getattr(message, "reasoning_content", None), message.content) == (reasoning, text)


@pytest.mark.parametrize(
    ("said", "reasoning", "text"),
    [
        ("hm, yes\n</think>\n\nA.", "hm, yes", "A."),
        ("hm, yes.</think>\nA.", "hm, yes.", "A."),
        ("hm `x` </THINK> \nA.", "hm `x`", "A."),
        ("only thoughts</think>", "only thoughts", ""),
        ("The tag </think> ends it.", None, "The tag </think> ends it."),
        ("Write `</think>\n` there.", None, "Write `</think>\n` there."),
        ("```\n</think>\n```\nends it", None, "```\n</think>\n```\nends it"),
        ("first <think>\n</think>\nthen", None, "first <think>\n</think>\nthen"),
        ("a</think>\nb</think>\nc", None, "a</think>\nb</think>\nc"),
    ],
)
def test_reasoning_without_its_opening_tag_is_known_only_where_that_is_clear(
    said: str, reasoning: str | None, text: str
) -> None:
    for reply in (streamed(chunk("stop", content=said)), read([document(content=said)])):
        message = reply.message()
        assert (getattr(message, "reasoning_content", None), message.content) == (reasoning, text)


def test_text_is_not_held_back_longer_than_it_may_be_a_tag() -> None:
    reply = wire.Reply()
    assert reply.feed_chunk(chunk(content=" <th")) == []
    assert reply.feed_chunk(chunk(content="e")) == [TextDelta(" <the")]
    assert reply.feed_chunk(chunk(content="<think>")) == [TextDelta("<think>")]


def test_an_answer_of_nothing_but_blanks_is_not_held_back_for_ever() -> None:
    reply = wire.Reply()
    assert sum(len(reply.feed_chunk(chunk(content=" "))) for _ in range(100)) > 0


# ---------------------------------------------------------------- tool calls


def test_openai_sends_id_and_name_first() -> None:
    pieces = [call("", name="f", id="a", index=0), call('{"x"', index=0), call(":1}", index=0)]
    assert called(*pieces, call("", name="g", id="b", index=1), call("{}", index=1)) == [("f", '{"x":1}'), ("g", "{}")]


def test_interleaved_calls_are_told_apart_by_their_index() -> None:
    pieces = [call("", name="f", id="a", index=0), call("", name="g", id="b", index=1)]
    pieces += [call('{"x"', index=0), call('{"y"', index=1), call(":1}", index=0), call(":2}", index=1)]
    assert called(*pieces) == [("f", '{"x":1}'), ("g", '{"y":2}')]


@pytest.mark.parametrize("index", [None, 0])
def test_different_ids_are_different_calls_whatever_the_index(index: int | None) -> None:
    pieces = [call('{"x"', name="f", id="a", index=index), call(":1}", index=index)]
    pieces += [call('{"y":2}', name="f", id="b", index=index)]
    assert called(*pieces) == [("f", '{"x":1}'), ("f", '{"y":2}')]


@pytest.mark.parametrize("index", [None, 0])
def test_pieces_that_repeat_their_id_find_their_call_though_interleaved(index: int | None) -> None:
    pieces = [call('{"x"', name="f", id="a", index=index), call('{"y"', name="f", id="b", index=index)]
    pieces += [call(":1}", id="a", index=index), call(":2}", id="b", index=index)]
    assert called(*pieces) == [("f", '{"x":1}'), ("f", '{"y":2}')]


@pytest.mark.parametrize(("id_", "index"), [("same", 0), (None, 0), (None, None), ("same", None), ("", 0)])
def test_a_name_behind_complete_arguments_begins_another_call(id_: str | None, index: int | None) -> None:
    pieces = [call('{"x":"}{"}', name="f", id=id_, index=index), call('{"x":2}', name="f", id=id_, index=index)]
    assert called(*pieces, call("{}", name="g", id=id_, index=index)) == [
        ("f", '{"x":"}{"}'),
        ("f", '{"x":2}'),
        ("g", "{}"),
    ]


def test_another_name_begins_another_call_though_the_first_had_no_arguments() -> None:
    assert called(call("", name="f", index=0), call("", name="g", index=0)) == [("f", "{}"), ("g", "{}")]


def test_more_arguments_behind_complete_ones_are_another_call_of_that_name() -> None:
    assert called(call('{"x":1}', name="f", index=0), call('{"y":2}', index=0)) == [("f", '{"x":1}'), ("f", '{"y":2}')]


@pytest.mark.parametrize(
    "again",
    [
        {"index": 0},
        {"index": 0, "id": "a"},
        {"index": 0, "id": "a", "name": "f"},
        {"index": 0, "id": None, "name": None},
        {"id": "a", "name": "f"},
        {},
    ],
)
@pytest.mark.parametrize("arguments", ['{"x":1}', ' {"x":1}\n', json.dumps('{"x":1}')])
def test_a_call_told_once_more_when_it_is_complete_is_one_call(again: dict[str, Any], arguments: str) -> None:
    pieces = [call("", name="f", id="a", index=0), call('{"x"', index=0), call(":1}", index=0)]
    assert called(*pieces, call(arguments, **again)) == [("f", '{"x":1}')]


@pytest.mark.parametrize("again", [{"index": 1, "id": "b"}, {"index": 0, "id": "b"}, {"index": 1}])
def test_equal_calls_of_other_ids_or_indexes_are_as_many_calls(again: dict[str, Any]) -> None:
    pieces = [call('{"x":1}', name="f", id="a", index=0), call('{"x":1}', name="f", **again)]
    assert called(*pieces) == [("f", '{"x":1}')] * 2


def test_equal_calls_with_a_name_and_nothing_else_are_as_many_calls() -> None:
    assert called(call('{"x":1}', name="f"), call('{"x":1}', name="f")) == [("f", '{"x":1}')] * 2


@pytest.mark.parametrize("index", [None, 0, 3])
def test_a_name_and_an_id_repeated_in_every_piece_are_one_call(index: int | None) -> None:
    pieces = [call(part, name="f", id="a", index=index) for part in ("", '{"x":', '"{', '}"', "}", "")]
    assert called(*pieces) == [("f", '{"x":"{}"}')]


def test_an_id_that_comes_late_belongs_to_the_call_that_has_none() -> None:
    reply = streamed(
        chunk(tool_calls=[call("", name="f", index=0)]),
        chunk(tool_calls=[call('{"x":1}', index=0, id="late")]),
    )
    assert [call.id for call in reply.message().tool_calls] == ["late"]


def test_pieces_with_neither_index_nor_id_belong_to_the_last_call() -> None:
    pieces = [call("", name="f", id="a", index=0), call("", name="g", id="b", index=1), call('{"y"'), call(":2}")]
    assert called(*pieces) == [("f", "{}"), ("g", '{"y":2}')]


def test_arguments_under_an_index_nobody_knows_belong_to_the_last_call() -> None:
    assert called(call("", name="f", id="a"), call('{"x":1}', index=0)) == [("f", '{"x":1}')]


def test_indexes_may_begin_anywhere_and_have_gaps() -> None:
    assert called(call("{}", name="f", index=1), call("{}", name="g", index=5)) == [("f", "{}"), ("g", "{}")]


def test_an_empty_object_that_held_the_place_gives_way_to_the_arguments() -> None:
    assert called(call("{}", name="f", id="a", index=0), call('{"x"', index=0), call(":1}", index=0)) == [
        ("f", '{"x":1}')
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({"x": "ü"}, '{"x": "ü"}'), ({}, "{}"), ("", "{}"), (None, "{}"), (" ", "{}"), ("not json", "not json")],
)
def test_arguments_become_text(arguments: Any, expected: str) -> None:
    assert called(call(arguments, name="f", index=0)) == [("f", expected)]


def test_an_answer_given_whole_has_the_calls_it_lists() -> None:
    same = {"type": "function", "function": {"name": "f", "arguments": ""}}
    flat = {"name": "g", "arguments": {"x": 1}}
    assert calls_of(read([document(content=None, tool_calls=[same, same, flat])])) == [
        ("f", "{}"),
        ("f", "{}"),
        ("g", '{"x": 1}'),
    ]


def test_the_form_before_tools_is_a_tool_call_but_not_told_twice() -> None:
    older = {"name": "f", "arguments": '{"x":1}'}
    assert calls_of(streamed(chunk(function_call={"name": "f"}), chunk(function_call={"arguments": "{}"}))) == [
        ("f", "{}")
    ]
    both = document(content=None, function_call=older, tool_calls=[{"id": "a", "function": older}])
    assert calls_of(read([both])) == [("f", '{"x":1}')]


def test_a_custom_tools_input_is_free_text() -> None:
    pieces = [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "shell", "input": "ls {}"}}]
    pieces += [{"index": 0, "custom": {"input": "{} | wc"}}]
    (found,) = streamed(*(chunk(tool_calls=[piece]) for piece in pieces)).message().tool_calls
    assert (found.type, found.custom.name, found.custom.input) == ("custom", "shell", "ls {}{} | wc")


def test_what_must_be_sent_back_with_a_call_is_kept() -> None:
    extra = {"google": {"thought_signature": "s"}}
    (found,) = (
        streamed(chunk(tool_calls=[{**call("{}", name="f", index=0), "extra_content": extra}])).message().tool_calls
    )
    assert found.extra_content == extra


def test_every_call_has_an_id_of_its_own_and_keeps_it() -> None:
    pieces = [call("{}", name="f", id="same", index=0), call("{}", name="g", id="same", index=1)]
    pieces += [call("{}", name="h", index=2), call("{}", name="h", index=3)]
    reply = streamed(*(chunk(tool_calls=[piece]) for piece in pieces))
    ids = [found.id for found in reply.message().tool_calls]
    assert ids[:2] == ["same", "same_2"]
    assert len(set(ids)) == 4
    assert all(id_.startswith("call_") for id_ in ids[2:])
    assert [found.id for found in reply.message().tool_calls] == ids


def test_tool_calls_count_whatever_the_finish_reason_says() -> None:
    message = streamed(chunk("stop", tool_calls=[call("{}", name="f", index=0)])).message()
    assert (message.content, len(message.tool_calls)) == (None, 1)


def test_text_and_a_call_in_the_same_delta_are_both_kept() -> None:
    reply = streamed(chunk(content="I look.", tool_calls=[call("{}", name="f", index=0)]))
    assert (reply.text, calls_of(reply)) == ("I look.", [("f", "{}")])


# ---------------------------------------------------------------- what it costs


def seconds(work: Any) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def grows_linearly(work: Any, small: int) -> bool:
    """Whether eight times the input takes less than some twenty times the time; squared it would be sixty-four."""
    return any(seconds(lambda: work(8 * small)) < 20 * max(seconds(lambda: work(small)), 0.005) for _ in range(3))


def test_a_huge_event_in_tiny_pieces_takes_linear_time() -> None:
    def work(count: int) -> None:
        stream = EventStream()
        stream.feed(b"data: ")
        for _ in range(count):
            stream.feed(b"x" * 50)
        assert len(stream.feed(b"\n\n")[0]) == 50 * count

    assert grows_linearly(work, 20_000)


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "word "},
        {"content": " "},
        {"reasoning_content": "word "},
        {"tool_calls": [call('"x{', name="f", id="a", index=0)]},
        {"tool_calls": [call("{", index=0)]},
        {"audio": {"data": "QUJD" * 20}},
        {"annotations": [{"type": "url_citation"}]},
    ],
    ids=["text", "blanks", "reasoning", "repeated names", "arguments", "audio", "annotations"],
)
def test_a_long_answer_takes_linear_time(delta: dict[str, Any]) -> None:
    def work(count: int) -> None:
        reply = wire.Reply()
        for _ in range(count):
            reply.feed_chunk(chunk(**delta))
        reply.close()
        reply.message()

    assert grows_linearly(work, 2_000)


def test_thinking_that_is_never_closed_takes_linear_time() -> None:
    def work(count: int) -> None:
        reply = wire.Reply()
        reply.feed_chunk(chunk(content="<think>"))
        for _ in range(count):
            reply.feed_chunk(chunk(content="</thin"))
        reply.close()

    assert grows_linearly(work, 5_000)
