"""Rows about reaching a server, and about what ends a connection."""

from __future__ import annotations

from collections.abc import Iterator

import places
from bodies import (
    ANSWER,
    ANSWER_BYTES,
    CHUNKED,
    CLOSE,
    GOOD,
    GOOD_WHOLE,
    HALF,
    HALF_STREAM,
    HALF_WHOLE,
    JSON,
    REST,
    SSE,
    STREAM_HEAD,
    TEXT,
    WHOLE,
    ForEver,
    ThenClosed,
    Wire,
    chunk,
    document,
    eof_delimited,
    event,
    head,
    in_pieces,
    of_length,
    squeezed,
    streamed,
    whole,
)
from far_end import Answer, Drop, Failure, Silence, http_chunk, spoken
from rows import CLOCK, Expected, Row, bad, good

SLOW = {"timeout": CLOCK}
RETRY = {"max_retries": 1}
COMMENT = b": still here\n\n"
FINISH = chunk(finish="stop")
LONG_HEADER = head(f"x-long: {'x' * 200_000}")
OPENED = http_chunk(HALF_STREAM)


def late(seconds: float) -> Answer:
    """A good answer whose headers take a while."""
    return spoken(TEXT, latency=seconds)


def after_the_end() -> Iterator[Row]:
    """Answers that are complete, whatever becomes of their connection then."""
    finished = b"".join(map(event, ANSWER))
    ends = {
        "13b": (
            "closed after the finish reason, without the end of HTTP",
            Wire([STREAM_HEAD, http_chunk(finished)]),
        ),
        "13c": ("reset after the finish reason", Wire([STREAM_HEAD, http_chunk(finished)], "reset")),
        "13d": ("closed after [DONE], without the end of HTTP", Wire([STREAM_HEAD, http_chunk(ANSWER_BYTES)])),
        "13e": ("broken JSON after the finish reason", streamed(*ANSWER, "data: {broken\n\n")),
        "13f": ("an error report after the finish reason", streamed(*ANSWER, {"error": {"message": "Late."}})),
    }
    for number, (fault, reply) in ends.items():
        yield Row(number=number, fault=fault, stream=reply, plain=reply, settings=RETRY, **good(TEXT))


CONNECTION = [
    Row(
        number="1",
        fault="connection refused",
        stream=(),
        plain=(),
        place=places.nobody,
        settings=RETRY,
        **bad("ConnectionFailed", "APIConnectionError", "Nothing listens at 127.0.0.1", "attempt 2", sent=0),
    ),
    Row(
        number="2",
        fault="the host name does not exist",
        stream=(),
        plain=(),
        place=places.no_such_host,
        **bad("ConnectionFailed", "APIConnectionError", "host name nowhere.invalid was not found", sent=0),
    ),
    Row(
        number="3",
        fault="a certificate that nobody vouches for",
        stream=(),
        plain=(),
        place=places.untrusted,
        settings=RETRY,
        **bad("ConnectionFailed", "APIConnectionError", "is not trusted", "SSL_CERT_FILE", "attempt 1", sent=0),
    ),
    Row(
        number="4a",
        fault="https to a plain http port that waits",
        stream=(),
        plain=(),
        place=places.waits_for_plain_http,
        settings=SLOW,
        **bad("TimedOut", "APITimeoutError", "did not accept", "http://", sent=0),
    ),
    Row(
        number="4b",
        fault="https to a plain http port that answers",
        stream=(),
        plain=(),
        place=places.plain_http_with_manners,
        **bad("ConnectionFailed", "APIConnectionError", "does not speak TLS", "http://", sent=0),
    ),
    Row(
        number="5",
        fault="no TCP answer (a firewall drops it)",
        stream=(),
        plain=(),
        place=places.firewall,
        settings=SLOW,
        **bad("TimedOut", "APITimeoutError", "did not accept a connection", sent=0),
    ),
    Row(
        number="6a",
        fault="closed before any header, again and again",
        stream=Drop(reset=False),
        plain=Drop(reset=False),
        settings=RETRY,
        **bad("ConnectionFailed", "APIConnectionError", "may have been charged", "attempt 2", sent=2),
    ),
    Row(
        number="6b",
        fault="closed before any header, once",
        stream=(Drop(reset=False), GOOD),
        plain=(Drop(reset=False), GOOD_WHOLE),
        settings=RETRY,
        **good(TEXT, "1 retry", sent=2),
    ),
    Row(
        number="7a",
        fault="reset before any header, again and again",
        stream=Drop(reset=True),
        plain=Drop(reset=True),
        settings=RETRY,
        **bad("ConnectionFailed", "APIConnectionError", "may have been charged", "attempt 2", sent=2),
    ),
    Row(
        number="7b",
        fault="a kept connection that is reset when used again",
        stream=(Drop(reset=True), GOOD),
        plain=(Drop(reset=True), GOOD_WHOLE),
        settings=RETRY,
        warm=(GOOD, GOOD_WHOLE),
        **good(TEXT, "1 retry", sent=2),
    ),
    Row(
        number="7c",
        fault="a kept connection that was closed meanwhile",
        stream=GOOD,
        plain=GOOD_WHOLE,
        warm=(ThenClosed(GOOD), ThenClosed(GOOD_WHOLE)),
        **good(TEXT),
    ),
    Row(
        number="8a",
        fault="no headers within the clock",
        stream=Silence(),
        plain=Silence(),
        settings=SLOW | RETRY,
        **bad("TimedOut", "APITimeoutError", "said nothing for 0.8 s", "timeout="),
    ),
    Row(
        number="8b",
        fault="slow headers, within the clock",
        stream=late(0.3),
        plain=late(0.3),
        **good(TEXT),
    ),
    Row(
        number="9",
        fault="falls silent in the middle",
        stream=streamed(*ANSWER[:2], done=False, end="hang"),
        plain=Wire([head(JSON, CHUNKED), http_chunk(HALF_WHOLE)], "hang"),
        settings=SLOW | RETRY,
        **bad("CutOff", "APITimeoutError", "fell silent", text=HALF),
    ),
    Row(
        number="10a",
        fault="keep-alive comments for ever, before any content",
        stream=ForEver(STREAM_HEAD + http_chunk(COMMENT), http_chunk(COMMENT), 0.1),
        plain=ForEver(head(JSON, CHUNKED) + http_chunk(b"\n"), http_chunk(b"\n"), 0.1),
        settings=SLOW | RETRY,
        **bad("TimedOut", "APITimeoutError", "said nothing for 0.8 s"),
    ),
    Row(
        number="10b",
        fault="keep-alive comments for ever, in the middle",
        stream=ForEver(STREAM_HEAD + OPENED, http_chunk(COMMENT), 0.1),
        plain=ForEver(head(JSON, CHUNKED) + http_chunk(HALF_WHOLE), http_chunk(b" "), 0.1),
        settings=SLOW | RETRY,
        **bad("CutOff", "APITimeoutError", "fell silent", text=HALF),
    ),
    Row(
        number="11",
        fault="a drip of content, for ever",
        stream=ForEver(STREAM_HEAD + OPENED, http_chunk(event(chunk("."))), 0.1),
        plain=ForEver(head(JSON, CHUNKED) + http_chunk(HALF_WHOLE), http_chunk(b"."), 0.1),
        settings={"timeout_total": CLOCK} | RETRY,
        cell=Expected(outcome="CutOff", text=None, says=["the time for all of it was up"]),
        call=Expected(outcome="APITimeoutError"),
    ),
    Row(
        number="12a",
        fault="lingers after [DONE]",
        stream=Wire([STREAM_HEAD, http_chunk(ANSWER_BYTES)], "hang"),
        plain=Wire([head(JSON, f"content-length: {len(WHOLE)}"), WHOLE], "hang"),
        settings={"timeout": 4},
        **good(TEXT),
    ),
    Row(
        number="12b",
        fault="a stream where none was asked for, lingering after [DONE]",
        stream=Wire([STREAM_HEAD, http_chunk(ANSWER_BYTES)], "hang"),
        plain=Wire([STREAM_HEAD, http_chunk(ANSWER_BYTES)], "hang"),
        settings={"timeout": 4},
        **good(TEXT),
    ),
    Row(
        number="13",
        fault="lingers after the finish reason, without [DONE]",
        stream=streamed(*ANSWER, done=False, end="hang"),
        plain=streamed(*ANSWER, done=False, end="hang"),
        settings={"timeout": 4},
        **good(TEXT),
    ),
    *after_the_end(),
    Row(
        number="14",
        fault="reset in the middle",
        stream=streamed(*ANSWER[:2], done=False, end="reset"),
        plain=Wire([head(JSON, CHUNKED), http_chunk(HALF_WHOLE)], "reset"),
        settings=RETRY,
        **bad("CutOff", "APIConnectionError", "The answer was cut off", "in _llm", text=HALF),
    ),
    Row(
        number="15",
        fault="closed inside of an HTTP chunk",
        stream=Wire([STREAM_HEAD + OPENED, b"40\r\ndata: "]),
        plain=Wire([head(JSON, CHUNKED), http_chunk(HALF_WHOLE) + b"40\r\n and"]),
        settings=RETRY,
        **bad("CutOff", "APIConnectionError", "The answer was cut off", text=HALF),
    ),
    Row(
        number="16",
        fault="a content-length longer than the body",
        stream=of_length(HALF_STREAM, 4000, SSE),
        plain=of_length(HALF_WHOLE, 4000),
        settings=RETRY,
        **bad("CutOff", "APIConnectionError", "The answer was cut off", text=HALF),
    ),
    Row(
        number="17a",
        fault="an HTTP/1.0 body cut off",
        stream=eof_delimited(HALF_STREAM),
        plain=eof_delimited(HALF_WHOLE, JSON),
        settings=RETRY,
        **bad("CutOff", "APIError", "ends in the middle", text=HALF),
    ),
    Row(
        number="17b",
        fault="a body with “connection: close” cut off",
        stream=eof_delimited(HALF_STREAM, version="HTTP/1.1"),
        plain=eof_delimited(HALF_WHOLE, JSON, version="HTTP/1.1"),
        **bad("CutOff", "APIError", "ends in the middle", text=HALF),
    ),
    Row(
        number="17c",
        fault="an HTTP/1.0 body, whole",
        stream=eof_delimited(ANSWER_BYTES),
        plain=eof_delimited(WHOLE, JSON),
        **good(TEXT),
    ),
    Row(
        number="18",
        fault="ends without [DONE], with a finish reason",
        stream=streamed(*ANSWER, done=False),
        plain=streamed(*ANSWER, done=False),
        **good(TEXT),
    ),
    Row(
        number="19a",
        fault="ends without [DONE] and without a finish reason",
        stream=streamed(*ANSWER[:2], done=False),
        plain=streamed(*ANSWER[:2], done=False),
        settings=RETRY,
        **bad("CutOff", "APIError", "ends in the middle", text=HALF),
    ),
    Row(
        number="19b",
        fault="[DONE] without a finish reason",
        stream=streamed(*ANSWER[:3]),
        plain=whole(document(finish=None)),
        **good(TEXT, "no finish reason"),
    ),
    Row(
        number="20a",
        fault="the last frame cut off",
        stream=streamed(*ANSWER[:2], event(chunk(REST))[:-20], done=False),
        plain=streamed(*ANSWER[:2], event(chunk(REST))[:-20], done=False),
        **bad("CutOff", "APIError", "ends in the middle", text=HALF),
    ),
    Row(
        number="20b",
        fault="the last frame without its blank line",
        stream=streamed(*ANSWER[:3], event(FINISH)[:-2], done=False),
        plain=streamed(*ANSWER[:3], event(FINISH)[:-2], done=False),
        **good(TEXT),
    ),
    Row(
        number="20c",
        fault="the first frame with text cut off",
        stream=streamed(ANSWER[0], event(chunk(HALF))[:-20], done=False),
        plain=streamed(ANSWER[0], event(chunk(HALF))[:-20], done=False),
        settings=RETRY,
        **bad("ProtocolBroken", "APIError", "ends in the middle", "may have been charged"),
    ),
    Row(
        number="71",
        fault="a gzipped body",
        stream=squeezed(ANSWER_BYTES, SSE),
        plain=squeezed(WHOLE, JSON),
        **good(TEXT),
    ),
    Row(
        number="72",
        fault="a body that says it is gzipped and is not",
        stream=squeezed(ANSWER_BYTES, SSE, spoilt=True),
        plain=squeezed(WHOLE, JSON, spoilt=True),
        settings=RETRY,
        **bad("ProtocolBroken", "APIConnectionError", "compressed"),
    ),
    Row(
        number="73",
        fault="the bytes of an emoji in different packets",
        stream=in_pieces(event(chunk("😀 Grüße, 日本")) + event(FINISH), 1),
        plain=in_pieces(event(chunk("😀 Grüße, 日本")) + event(FINISH), 1),
        **good("😀 Grüße, 日本"),
    ),
    Row(
        number="76",
        fault="a proxy that holds all of it back and hands it over at once",
        stream=Wire([0.3, STREAM_HEAD + http_chunk(ANSWER_BYTES) + http_chunk(b"")]),
        plain=late(0.3),
        **good(TEXT),
    ),
    Row(
        number="81a",
        fault="not HTTP at all",
        stream=Wire([b"-ERR unknown command 'POST'\r\n\r\n"]),
        plain=Wire([b"-ERR unknown command 'POST'\r\n\r\n"]),
        settings=RETRY,
        **bad("ProtocolBroken", "APIConnectionError", "no HTTP server"),
    ),
    Row(
        number="81c",
        fault="a TLS server, asked in plain HTTP",
        stream=Wire([b"\x15\x03\x01\x00\x02\x02\x46"]),
        plain=Wire([b"\x15\x03\x01\x00\x02\x02\x46"]),
        settings=RETRY,
        **bad("ProtocolBroken", "APIConnectionError", "no HTTP server", "https://"),
    ),
    *(
        Row(
            number=f"81{letter}",
            fault=fault,
            stream=Wire([data]),
            plain=Wire([data]),
            settings=RETRY,
            **bad("ProtocolBroken", "APIConnectionError", "no HTTP server"),
        )
        for letter, fault, data in (
            ("d", "two content-lengths that differ", head(JSON, "content-length: 5", "content-length: 7") + WHOLE),
            ("e", "blank lines, and no status line", b"\r\n\r\nhello\r\n\r\n"),
            ("f", "a status below 100", head(JSON, CLOSE, status="099 Odd") + WHOLE),
        )
    ),
    Row(
        number="81b",
        fault="a header of 200 kB",
        stream=Wire([LONG_HEADER]),
        plain=Wire([LONG_HEADER]),
        settings=RETRY,
        **bad("ProtocolBroken", "APIConnectionError", "no HTTP server"),
    ),
    Row(
        number="82a",
        fault="a proxy in the environment",
        stream=GOOD,
        plain=GOOD_WHOLE,
        place=places.behind_a_proxy,
        **good(TEXT),
    ),
    Row(
        number="82b",
        fault="a proxy in the environment, with nobody there",
        stream=(),
        plain=(),
        place=places.behind_a_dead_proxy,
        **bad("ConnectionFailed", "APIConnectionError", "proxy http://127.0.0.1", sent=0),
    ),
    Row(
        number="82c",
        fault="a proxy that cannot reach the host",
        stream=Failure(502, "<html><h1>Bad gateway</h1></html>"),
        plain=Failure(502, "<html><h1>Bad gateway</h1></html>"),
        place=places.behind_a_proxy,
        **bad("ServerFailed", "InternalServerError", "Bad gateway", "status 502"),
    ),
]
