"""Rows about the form of a stream, and about bodies that are no answer, or an answer in another form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bodies import (
    ANSWER,
    ANSWER_BYTES,
    CLOSE,
    GOOD,
    GOOD_WHOLE,
    HALF,
    HALF_WHOLE,
    JSON,
    TEXT,
    WHOLE,
    Wire,
    both,
    chunk,
    document,
    eof_delimited,
    error,
    event,
    head,
    streamed,
    whole,
)
from far_end import DONE, Events, Failure, to_json
from rows import Row, bad, good

RETRY = {"max_retries": 1}
FINISH = chunk(finish="stop")
MULTILINE = ANSWER_BYTES.replace(b',"choices"', b',\ndata: "choices"')
LOGIN = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>…</body></html>"
NOT_UTF8 = event(chunk("caf@ au lait")).replace(b"@", b"\xe9")
TITLED = "a web page titled 'Sign in'"


def bytes_of(data: bytes) -> Events:
    """An event stream of exactly these bytes."""
    return streamed(data, done=False)


def forms() -> Iterator[Row]:
    """The same answer in every form that the standard of event streams allows, and in some that it does not."""
    crlf = ANSWER_BYTES.replace(b"\n", b"\r\n")
    lines = {
        "23a": ("CRLF line ends", crlf),
        "23b": ("CR line ends", ANSWER_BYTES.replace(b"\n", b"\r")),
        "23c": (
            "a byte order mark, and content in the first chunk",
            b"\xef\xbb\xbf" + ANSWER_BYTES[len(event(ANSWER[0])) :],
        ),
        "23d": ("an event over several data lines", MULTILINE),
        "23f": ("no blank line before [DONE]", ANSWER_BYTES.replace(b"\n\ndata: [DONE]", b"\ndata: [DONE]")),
        "23g": ("no blank lines at all", ANSWER_BYTES.replace(b"\n\n", b"\n")),
        "23e": ("no blank after “data:”", ANSWER_BYTES.replace(b"data: ", b"data:")),
        "24": ("comments such as “: OPENROUTER PROCESSING”", _between(b": OPENROUTER PROCESSING\n\n")),
        "25a": ("“event: ping” without data", _between(b"event: ping\n\n")),
        "25b": ("“retry:” frames", _between(b"retry: 100\n\n")),
        "25c": ("empty “data:” frames", _between(b"data:\n\n")),
        "25d": (
            "“id:” and “event: message” lines",
            ANSWER_BYTES.replace(b"data: {", b"id: 7\nevent: message\ndata: {"),
        ),
    }
    for number, (fault, data) in lines.items():
        yield Row(number=number, fault=fault, stream=bytes_of(data), plain=bytes_of(data), **good(TEXT))


def _between(noise: bytes) -> bytes:
    return noise + ANSWER_BYTES.replace(b"\n\n", b"\n\n" + noise)


def errors_inside(number: str, fault: str, payload: Any, *says: str, frame: bytes | None = None) -> Row:
    """An error in the middle of a stream; to a plain request the same error is the body."""
    return Row(
        number=number,
        fault=fault,
        stream=streamed(*ANSWER[:2], frame if frame is not None else payload),
        plain=whole(payload),
        settings=RETRY,
        **bad("CutOff", "APIError", "The answer was cut off", *says, text=HALF, call_says=says),
    )


FORMAT = [
    Row(
        number="21a",
        fault="broken JSON in the middle",
        stream=streamed(*ANSWER[:2], 'data: {"choices": [{"delta\n\n', *ANSWER[2:]),
        plain=Wire([head(JSON, CLOSE), HALF_WHOLE]),
        settings=RETRY,
        **bad("CutOff", "APIError", "broken JSON", '{"choices": [{"delta', text=HALF),
    ),
    Row(
        number="21b",
        fault="broken JSON at once",
        stream=streamed('data: {"choices": [{"delta\n\n'),
        plain=whole(b"{broken"),
        settings=RETRY,
        **bad("ProtocolBroken", "APIError", "broken JSON"),
    ),
    Row(
        number="22",
        fault="bytes that are no UTF-8",
        stream=streamed(NOT_UTF8, FINISH),
        plain=Wire([head(JSON, CLOSE), to_json(document("caf@ au lait")).replace(b"@", b"\xe9")]),
        **good("caf\ufffd au lait", "UTF-8"),
    ),
    *forms(),
    Row(
        number="26",
        fault="raw U+2028 and U+0085 in the JSON",
        stream=streamed(chunk("a\u2028b\x85c"), FINISH),
        plain=whole(document("a\u2028b\x85c")),
        **good("a\u2028b\x85c"),
    ),
    errors_inside("27a", "an error report in a 200", error("upstream died", code="down"), "upstream died"),
    Row(
        number="27b",
        fault="a rate limit in a 200, before any content, once",
        stream=(streamed(error("slow down", code=429)), GOOD),
        plain=(whole(error("slow down", code=429)), GOOD_WHOLE),
        settings=RETRY,
        **good(TEXT, "rate limited", sent=2),
    ),
    Row(
        number="27c",
        fault="“overloaded” in a 200, before any content, again and again",
        stream=streamed(error("overloaded", code=529)),
        plain=whole(error("overloaded", code=529)),
        settings=RETRY,
        **bad("ServerFailed", "APIError", "overloaded", "attempt 2", sent=2, call_says=["overloaded"]),
    ),
    Row(
        number="27d",
        fault="a rate limit in a 200, in the middle",
        stream=streamed(*ANSWER[:2], error("slow down", code=429)),
        plain=Failure(429, error("slow down")),
        **bad("CutOff", "RateLimitError", "slow down", text=HALF),
    ),
    Row(
        number="27e",
        fault="an error beside a choice, “finish_reason”: “error”",
        stream=streamed(*ANSWER[:2], {**chunk("", finish="error"), **error("provider died", code=502)}),
        plain=whole({**document("", finish="error"), **error("provider died", code=502)}),
        **bad("CutOff", "APIError", "provider died", text=HALF, call_says=["provider died"]),
    ),
    Row(
        number="27f",
        fault="a rate limit in a 200, told by its type alone",
        stream=(streamed(error("slow down", type="rate_limit_error")), GOOD),
        plain=(whole(error("slow down", type="rate_limit_error")), GOOD_WHOLE),
        settings=RETRY,
        **good(TEXT, "rate limited", "1 retry", sent=2),
    ),
    Row(
        number="27g",
        fault="no credit left, in a 200",
        stream=streamed(error("no", code="insufficient_quota")),
        plain=whole(error("no", code="insufficient_quota")),
        settings=RETRY,
        **bad("OutOfCredit", "APIError", "Out of credit"),
    ),
    Row(
        number="27h",
        fault="a full context, in a 200",
        stream=streamed(error("This model's maximum context length is 8192 tokens")),
        plain=whole(error("This model's maximum context length is 8192 tokens")),
        settings=RETRY,
        **bad("PromptTooLong", "APIError", "is too long", "8192"),
    ),
    errors_inside("28", "an error that is a string, in a 200", {"error": "boom"}, "boom"),
    errors_inside(
        "29",
        "“event: error” with the message at the top",
        {"message": "quota of today is used up", "code": 429_001},
        "quota of today",
        frame=b"event: error\n" + event({"message": "quota of today is used up", "code": 429_001}),
    ),
    errors_inside("29b", "an error of codes alone, in a 200", error(code="model_crashed"), "model_crashed"),
    errors_inside(
        "27k",
        "OpenRouter's error in a 200, with what the provider behind it said",
        error("Provider returned error", code="upstream", metadata={"raw": json.dumps(error("out of memory"))}),
        "Provider returned error: out of memory",
    ),
    Row(
        number="27l",
        fault="an error as JSON inside of text, in a 200",
        **both([*ANSWER[:2], {"error": json.dumps({"message": "boom"})}], {"error": json.dumps({"message": "boom"})}),
        **bad("CutOff", "APIError", "reported an error, boom", text=HALF, call_says=["boom"]),
    ),
    errors_inside(
        "29c",
        "an error without its “data:”",
        error("out of memory"),
        "out of memory",
        frame=to_json(error("out of memory")) + b"\n\n",
    ),
    Row(
        number="27m",
        fault="an error report of empty fields beside every piece",
        stream=streamed(*({**one, "error": {"message": "", "code": None}} for one in ANSWER)),
        plain=whole({**document(), "error": {"message": "", "code": None}}),
        **good(TEXT),
    ),
    errors_inside(
        "27n",
        "an error report behind an event that broke off",
        error("upstream died"),
        "upstream died",
        frame=b'data: {"choices":[{"delta":{"content":"par\nevent: error\n' + event(error("upstream died")),
    ),
    errors_inside(
        "27o",
        "an error in the status of the response, as MiniMax tells it",
        {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "too many at once"}},
        "too many at once",
    ),
    Row(
        number="27i",
        fault="a rate limit in the middle of a stream that nobody asked for",
        stream=(streamed(*ANSWER[:2], error("slow down", code=429)), GOOD),
        plain=(streamed(*ANSWER[:2], error("slow down", code=429)), GOOD),
        settings=RETRY,
        **bad("CutOff", "APIError", "slow down", text=HALF, call_says=["slow down"]),
    ),
    Row(
        number="27j",
        fault="a report that all is well beside every piece",
        stream=streamed(
            *({**one, "error": {"code": 0, "message": "success"}} for one in ANSWER),
            {"code": 0, "message": "Success", "choices": []},
        ),
        plain=whole({**document(), "error": {"code": "0", "message": "success"}}),
        **good(TEXT),
    ),
    Row(
        number="30",
        fault="an error as JSON with status 200",
        stream=whole(error("no quota left", code="quota")),
        plain=whole(error("no quota left", code="quota")),
        **bad("ServerFailed", "APIError", "no quota left", call_says=["no quota left"]),
    ),
    Row(
        number="31a",
        fault="a login page with status 200",
        stream=whole(LOGIN),
        plain=whole(LOGIN),
        settings=RETRY,
        **bad("ProtocolBroken", "APIError", TITLED, "base_url", call_says=["a web page"]),
    ),
    Row(
        number="31b",
        fault="a web page that says it is an event stream",
        stream=whole(LOGIN, content_type="text/event-stream"),
        plain=whole(LOGIN, content_type="application/json"),
        **bad("ProtocolBroken", "APIError", TITLED, call_says=["a web page"]),
    ),
    Row(
        number="32",
        fault="a gateway's web page with status 502",
        stream=Failure(502, "<html><body><h1>Bad gateway</h1></body></html>"),
        plain=Failure(502, "<html><body><h1>Bad gateway</h1></body></html>"),
        **bad("ServerFailed", "InternalServerError", "status 502: Bad gateway"),
    ),
    Row(
        number="33a",
        fault="a whole completion where a stream was asked for",
        stream=whole(document()),
        plain=whole(document()),
        **good(TEXT),
    ),
    Row(
        number="33b",
        fault="a stream where a whole completion was asked for",
        stream=GOOD,
        plain=GOOD,
        **good(TEXT),
    ),
    Row(
        number="34a",
        fault="an empty body with status 200",
        stream=whole(""),
        plain=whole(""),
        **bad("EmptyAnswer", "APIError", "an empty answer"),
    ),
    Row(
        number="34b",
        fault="status 204",
        stream=Failure(204, ""),
        plain=Failure(204, ""),
        **bad("EmptyAnswer", "APIError", "an empty answer"),
    ),
    Row(
        number="34c",
        fault="[DONE] and nothing before it",
        stream=bytes_of(DONE),
        plain=bytes_of(DONE),
        **bad("EmptyAnswer", "APIError", "an empty answer"),
    ),
    Row(
        number="34d",
        fault="plain text that says it is an event stream",
        stream=whole("too many requests", content_type="text/event-stream"),
        plain=whole("too many requests", content_type="text/event-stream"),
        **bad("ProtocolBroken", "APIError", "too many requests", call_says=["too many requests"]),
    ),
    Row(
        number="35a",
        fault="an event stream that says it is JSON",
        stream=streamed(*ANSWER, headers={"content-type": "application/json"}),
        plain=streamed(*ANSWER, headers={"content-type": "application/json"}),
        **good(TEXT),
    ),
    Row(
        number="35b",
        fault="a completion that says it is text",
        stream=eof_delimited(WHOLE, "content-type: text/plain"),
        plain=eof_delimited(WHOLE, "content-type: text/plain"),
        **good(TEXT),
    ),
    Row(
        number="35c",
        fault="a body without a content type",
        stream=eof_delimited(ANSWER_BYTES, "x-none: 1"),
        plain=eof_delimited(WHOLE, "x-none: 1"),
        **good(TEXT),
    ),
    Row(
        number="51a",
        fault="chunks with empty choices (Azure's filter results, usage)",
        stream=streamed({"choices": [], "prompt_filter_results": []}, *ANSWER, {"choices": [], "usage": {}}),
        plain=whole(document()),
        **good(TEXT),
    ),
    Row(
        number="51b",
        fault="a completion with empty choices",
        stream=whole({**document(), "choices": []}),
        plain=whole({**document(), "choices": []}),
        **bad("ProtocolBroken", "APIError", "without choices"),
    ),
    Row(
        number="52a",
        fault="chunks whose choices are null or missing",
        stream=streamed({"choices": None}, *ANSWER[:2], {"id": "x"}, *ANSWER[2:], {"choices": None}),
        plain=whole(document()),
        **good(TEXT),
    ),
    Row(
        number="52b",
        fault="choices null and nothing else",
        stream=streamed({"id": "x", "choices": None}),
        plain=whole({"id": "x", "choices": None}),
        **bad("ProtocolBroken", "APIError", "without choices"),
    ),
    Row(
        number="52c",
        fault="the events of another kind of API",
        stream=streamed({"type": "response.output_text.delta", "delta": HALF}, {"type": "response.completed"}),
        plain=whole({"output": [{"type": "message"}]}),
        **bad("ProtocolBroken", "APIError", "without choices", "output"),
    ),
    Row(
        number="54a",
        fault="frames that say 42, null or []",
        stream=streamed("data: 42\n\n", *ANSWER[:2], "data: null\n\n", "data: []\n\n", *ANSWER[2:]),
        plain=whole(document()),
        **good(TEXT),
    ),
    Row(
        number="54b",
        fault="nothing but such frames",
        stream=streamed("data: 42\n\n", "data: null\n\n"),
        plain=Wire([head(JSON, CLOSE), b"42"]),
        **bad("ProtocolBroken", "APIError", "without choices"),
    ),
    Row(
        number="70",
        fault="an answer of 1 MB in 2,000 chunks",
        stream=streamed(*(chunk("x" * 499 + "\n") for _ in range(2000)), FINISH),
        plain=whole(document(("x" * 499 + "\n") * 2000)),
        **good(("x" * 499 + "\n") * 2000),
    ),
]
