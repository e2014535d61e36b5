"""The servers the other tests lean on do what they say: our own far end, llama.cpp and aimock."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import far_end
import openai
import pytest
from engines import aimock, llama, tiny_gguf
from far_end import HELLO, FarEnd

ASK: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "two words"}]}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
            "required": ["city", "unit"],
        },
    },
}


@pytest.fixture
def far() -> Iterator[FarEnd]:
    with FarEnd() as far:
        yield far


@pytest.fixture
def client(far: FarEnd) -> Iterator[openai.OpenAI]:
    with client_of(far.base_url) as client:
        yield client


def client_of(base_url: str, key: str = "sk-test") -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=10)


def say(client: openai.OpenAI, **more: Any) -> str:
    return client.chat.completions.create(**ASK, **more).choices[0].message.content


def stream(client: openai.OpenAI, **more: Any) -> list[Any]:
    with client.chat.completions.create(**ASK, stream=True, **more) as chunks:
        return list(chunks)


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def delta(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def fail_to_reach(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIConnectionError):
        say(client)


def raw_answer(far: FarEnd, body: dict[str, Any]) -> bytes:
    """What goes over the socket, headers and all."""
    data = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", far.port)) as sock:
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        sock.sendall(head.encode() + data)
        return b"".join(iter(lambda: sock.recv(65536), b""))


# --- good answers -----------------------------------------------------------------------------------------------------


def test_without_a_script_it_says_hello(client: openai.OpenAI) -> None:
    assert say(client) == HELLO


def test_whole_and_streamed_answers_carry_the_same_text_and_usage(far: FarEnd, client: openai.OpenAI) -> None:
    far.answers("Grüße 🎉 aus der Ferne", reasoning="well now")
    whole = client.chat.completions.create(**ASK)
    chunks = stream(client, stream_options={"include_usage": True})
    assert text_of(chunks) == whole.choices[0].message.content == "Grüße 🎉 aus der Ferne"
    assert whole.choices[0].message.model_extra == {"reasoning_content": "well now"}
    assert [c.choices[0].delta.model_extra for c in chunks[1:3]] == [
        {"reasoning_content": "well"},
        {"reasoning_content": " now"},
    ]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (2, 7)


def test_usage_is_sent_only_when_asked_for_and_as_scripted(far: FarEnd, client: openai.OpenAI) -> None:
    far.answers("x").answers("x", usage=False).answers("x", usage={"total_tokens": 9})
    assert stream(client)[-1].usage is None
    assert stream(client, stream_options={"include_usage": True})[-1].usage is None
    assert client.chat.completions.create(**ASK).usage.total_tokens == 9


def test_tool_calls_come_whole_or_in_fragments(far: FarEnd, client: openai.OpenAI) -> None:
    far.calls_tools([("get_weather", {"city": "Oslo"}), ("broken", "{not json")])
    whole = client.chat.completions.create(**ASK).choices[0]
    wanted = [("call_1", "get_weather", '{"city": "Oslo"}'), ("call_2", "broken", "{not json")]
    assert whole.finish_reason == "tool_calls"
    assert [(c.id, c.function.name, c.function.arguments) for c in whole.message.tool_calls] == wanted

    pieces = [call for chunk in stream(client) for call in chunk.choices[0].delta.tool_calls or []]
    assert [(p.id, p.function.name) for p in pieces if p.id] == [(id_, name) for id_, name, _ in wanted]
    for index, (_, _, arguments) in enumerate(wanted):
        assert "".join(p.function.arguments for p in pieces if p.index == index) == arguments
    assert len(pieces) > 2 * len(wanted)


def test_a_tool_argument_may_be_called_name(far: FarEnd, client: openai.OpenAI) -> None:
    far.calls_tool("greet", name="Ada", id="call_x")
    call = client.chat.completions.create(**ASK).choices[0].message.tool_calls[0]
    assert (call.id, call.function.arguments) == ("call_x", '{"name": "Ada"}')


def test_replies_come_in_order_and_the_last_one_repeats(far: FarEnd, client: openai.OpenAI) -> None:
    far.answers("one").answers("two")
    assert [say(client) for _ in range(4)] == ["one", "two", "two", "two"]


def test_a_counted_reply_does_not_repeat(far: FarEnd, client: openai.OpenAI) -> None:
    far.fails(503, {"error": {"message": "busy"}}, times=2)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError, match="busy"):
            say(client)
    assert say(client) == HELLO


def test_gap_and_first_token_time_are_kept(far: FarEnd, client: openai.OpenAI) -> None:
    far.answers("abcdefgh", chunk=2, gap=0.05, ttft=0.1)
    begin = time.monotonic()
    times = [time.monotonic() - begin for chunk in client.chat.completions.create(**ASK, stream=True) if chunk.choices]
    assert times[0] >= 0.1
    assert 0.25 <= times[-1] < 1.0


def test_each_event_is_an_http_chunk_of_its_own_unless_packed(far: FarEnd) -> None:
    far.answers("abcd" * 50).answers("abcd" * 50, framing="packed")
    by_event = raw_answer(far, {**ASK, "stream": True}).partition(b"\r\n\r\n")[2]
    packed = raw_answer(far, {**ASK, "stream": True}).partition(b"\r\n\r\n")[2]
    assert by_event.count(b"\r\ndata: ") == by_event.count(b"data: ")
    assert packed.count(b"\r\ndata: ") < packed.count(b"data: ") / 10


def test_one_connection_serves_many_requests(far: FarEnd, client: openai.OpenAI) -> None:
    for _ in range(5):
        say(client)
    assert (far.connections, len(far.requests)) == (1, 5)


def test_a_connection_survives_a_stream_that_is_read_to_its_end(far: FarEnd) -> None:
    # the SDK stops reading at [DONE] and then closes the connection, so it cannot show this
    far.answers("a b").sends([delta("a", "stop")], end="chunked")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", far.port)) as connection:
        for _ in range(4):
            connection.request("POST", "/v1/chat/completions", json.dumps({**ASK, "stream": True}))
            assert connection.getresponse().read().endswith(b"data: [DONE]\n\n")
    assert (far.connections, len(far.requests)) == (1, 4)


def test_answers_cost_the_server_well_under_a_millisecond(far: FarEnd) -> None:
    data = json.dumps(ASK).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)
    times = []
    with socket.create_connection(("127.0.0.1", far.port)) as sock:
        for _ in range(200):
            begin = time.perf_counter()
            sock.sendall(request)
            assert HELLO.encode() in sock.recv(65536)  # in one piece: it was one write
            times.append(time.perf_counter() - begin)
    assert min(times) < 0.0005  # the best of many, because what else the machine does is not the server's time


def test_twenty_thousand_chunks_leave_in_a_blink(far: FarEnd) -> None:
    far.answers("abcd" * 20_000)
    raw_answer(far, {**ASK, "stream": True})  # the first time they are built
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        data = raw_answer(far, {**ASK, "stream": True})
        times.append(time.perf_counter() - begin)
        assert data.count(b'{"content":"abcd"}') == 20_000
    assert min(times) < 0.2  # 10 µs a chunk, reading included


# --- what it tells ----------------------------------------------------------------------------------------------------


def test_requests_are_kept_as_they_came(far: FarEnd, client: openai.OpenAI) -> None:
    begin = time.monotonic()
    client.chat.completions.with_raw_response.create(**ASK, extra_headers={"X-Odd": "Yes"}, extra_query={"a": "1"})
    request = far.requests[0]
    assert (request.method, request.path, request.query) == ("POST", "/v1/chat/completions", "a=1")
    assert request.body == ASK
    assert request.headers["x-odd"] == request.headers["X-ODD"] == "Yes"
    assert request.headers["Authorization"] == "Bearer sk-test"
    assert begin <= request.at <= time.monotonic()


def test_the_list_of_models_is_settable(far: FarEnd, client: openai.OpenAI) -> None:
    assert [card.id for card in client.models.list()] == ["far-model"]
    far.models = ["a", "b"]
    assert [card.id for card in client.models.list()] == ["a", "b"]
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("c")
    assert far.chats == []


def test_another_key_is_refused_in_openais_shape() -> None:
    with FarEnd(required_key="sk-right") as far, client_of(far.base_url, "sk-wrong-and-long") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            say(client)
        assert caught.value.code == "invalid_api_key"
        assert say(client.with_options(api_key="sk-right")) == HELLO


def test_a_path_it_does_not_know_is_not_found(far: FarEnd) -> None:
    with (
        client_of(far.base_url.removesuffix("/v1")) as client,
        pytest.raises(openai.NotFoundError, match="Invalid URL"),
    ):
        say(client)


def test_a_client_that_leaves_a_stream_is_noticed_at_once(far: FarEnd, client: openai.OpenAI) -> None:
    far.answers("word " * 1000, gap=2.0)
    chunks = client.chat.completions.create(**ASK, stream=True)
    next(iter(chunks))
    assert not far.wait_for_disconnect(0.05)
    chunks.close()
    assert far.wait_for_disconnect(1.0)
    assert far.disconnects == far.requests


def test_a_client_that_reads_to_the_end_is_no_disconnect(far: FarEnd, client: openai.OpenAI) -> None:
    far.answers("a few words", gap=0.001)
    stream(client)
    client.close()
    assert not far.wait_for_disconnect(0.1)


def test_reset_forgets_everything_and_cuts_what_is_under_way(far: FarEnd, client: openai.OpenAI) -> None:
    far.when(lambda _: True).hangs()
    waiting = threading.Thread(target=fail_to_reach, args=(client,))
    waiting.start()
    assert far.wait_for_requests(1)
    far.reset()
    waiting.join(5)
    assert not waiting.is_alive()
    assert (far.requests, far.disconnects, far.connections) == ([], [], 0)
    assert say(client) == HELLO


def test_close_ends_even_replies_that_would_never_end() -> None:
    far = FarEnd()
    far.hangs()
    with client_of(far.base_url) as client:
        waiting = threading.Thread(target=fail_to_reach, args=(client,))
        waiting.start()
        assert far.wait_for_requests(1)
        far.close()
        waiting.join(20)
        assert not waiting.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", far.port))


# --- bad answers ------------------------------------------------------------------------------------------------------


def test_failures_have_the_status_body_and_headers_given(far: FarEnd, client: openai.OpenAI) -> None:
    far.fails(429, {"error": {"message": "slow down"}}, {"Retry-After": "7"}).fails(502, "<h1>Bad</h1>")
    with pytest.raises(openai.RateLimitError) as limited:
        say(client)
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.InternalServerError) as broken:
        say(client)
    assert broken.value.response.headers["content-type"] == "text/html"


def test_only_requests_with_tools_are_refused(far: FarEnd, client: openai.OpenAI) -> None:
    far.refuses_tools(400, {"error": {"message": "does not support tools"}}, then="text")
    with pytest.raises(openai.BadRequestError, match="does not support tools"):
        say(client, tools=[WEATHER])
    assert say(client) == "text"


def test_a_route_serves_only_what_fits_and_only_so_often(far: FarEnd, client: openai.OpenAI) -> None:
    far.when(lambda request: request.asks_for("temperature") == 0).answers("cold").answers("colder", times=1)
    far.answers("warm")
    assert [say(client, temperature=t) for t in (1, 0, 1, 0, 0)] == ["warm", "cold", "warm", "colder", "warm"]


def test_a_reply_may_be_computed_from_the_request(far: FarEnd, client: openai.OpenAI) -> None:
    far.computes(lambda request: far_end.spoken(request.body["messages"][-1]["content"].upper()))
    assert say(client) == "TWO WORDS"


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
def test_frames_go_out_as_given(far: FarEnd, client: openai.OpenAI, eol: str) -> None:
    odd = f'data: {{"choices":{eol}data: [{{"index":0,"delta":{{"content":"b"}}}}]}}{eol}{eol}'
    far.sends([f": comment{eol}{eol}", delta("a"), odd.encode(), 0.01, delta("\ud83d"), delta("c", "stop")], eol=eol)
    assert text_of(stream(client)) == "ab\ud83dc"


@pytest.mark.parametrize(
    ("end", "errors"),
    [
        ("close", [""]),
        ("chunked", [""]),
        # The SDK's own error, or, before its third version, that of the HTTP library it stands on.
        ("cut", ["APIConnectionError", "RemoteProtocolError"]),
        ("reset", ["APIConnectionError", "ReadError"]),
        ("hang", ["APITimeoutError", "ReadTimeout"]),
    ],
)
def test_a_stream_ends_as_scripted(far: FarEnd, client: openai.OpenAI, end: Any, errors: list[str]) -> None:
    far.sends([delta("a"), delta("b")], done=False, end=end)
    seen, raised = [], ""
    try:
        for chunk in client.with_options(timeout=2.0).chat.completions.create(**ASK, stream=True):
            seen.append(chunk.choices[0].delta.content)
    except Exception as caught:
        raised = type(caught).__name__
    assert seen == ["a", "b"]
    assert raised in errors


@pytest.mark.parametrize("reset", [False, True])
def test_a_dropped_connection_has_no_headers(far: FarEnd, reset: bool) -> None:
    far.drops(reset=reset)
    if reset:
        with pytest.raises(ConnectionResetError):
            raw_answer(far, ASK)
    else:
        assert raw_answer(far, ASK) == b""


def test_raw_bytes_are_written_as_they_are(far: FarEnd) -> None:
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"
    far.replies(raw)
    assert raw_answer(far, ASK) == raw


def test_silence_lasts_until_the_client_gives_up(far: FarEnd, client: openai.OpenAI) -> None:
    far.hangs()
    with pytest.raises(openai.APITimeoutError):
        say(client.with_options(timeout=0.1))
    assert far.wait_for_disconnect(1.0)


# --- as a process of its own ------------------------------------------------------------------------------------------


def test_markdown_is_as_long_as_asked_and_never_repeats_a_section() -> None:
    text = far_end.markdown(20_000)
    assert len(text) == 20_000
    sections = text.split("\n## ")
    assert len(sections) == len(set(sections)) > 10
    for part in ("```python", "| station |", "1. Read", "> ", "水位"):
        assert part in text


def test_served_models_are_what_their_names_say() -> None:
    command = [sys.executable, far_end.__file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = json.loads(process.stdout.readline())["port"]
            with client_of(f"http://127.0.0.1:{port}/v1") as client:
                chunks = client.chat.completions.create(**{**ASK, "model": "bench-n30-chars5-gap2ms"}, stream=True)
                pieces = [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content]
                assert pieces == [far_end.markdown(150)[at : at + 5] for at in range(0, 150, 5)]
                begin = time.monotonic()
                echo = client.chat.completions.create(**{**ASK, "model": "echo-lat50ms"})
                assert time.monotonic() - begin >= 0.05
                assert echo.choices[0].message.content == "two words"
                with pytest.raises(openai.NotFoundError, match="n30x"):
                    client.chat.completions.create(**{**ASK, "model": "n30x"})
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats") as answer:
                assert json.load(answer)["requests"] == 4
        finally:
            process.terminate()


# --- engines nobody here wrote ----------------------------------------------------------------------------------------


def need(state: tuple[bool, str]) -> None:
    ready, reason = state
    if not ready and os.environ.get("LLM_MAGICS_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    if not ready:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def tool_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    need(llama.available())
    path = tiny_gguf.write_tool_caller(tmp_path_factory.mktemp("gguf") / "tools.gguf")
    with llama.serve_llama(path, "tiny") as (base_url, key), client_of(base_url, key) as client:
        yield client


@pytest.mark.engine
def test_llama_says_the_scripted_sentence_even_if_words_repeat(tmp_path: Path) -> None:
    need(llama.available())
    sentence = "A rose is a rose is a **rose**,\nsaid Ærøskøbing."
    path = tiny_gguf.write_scripted(tmp_path / "said.gguf", sentence)
    with llama.serve_llama(path, "said") as (base_url, key), client_of(base_url, key) as client:
        assert [card.id for card in client.models.list()] == ["said"]
        assert say(client) == sentence
        assert text_of(stream(client)) == sentence
        assert client.chat.completions.create(**ASK).model == "said"  # though "any" was asked for
        with pytest.raises(openai.AuthenticationError):
            say(client.with_options(api_key="wrong"))


@pytest.mark.engine
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_llama_calls_the_tool_and_then_speaks(tool_model: openai.OpenAI, choice: Any) -> None:
    offer: dict[str, Any] = {"model": "tiny", "tools": [WEATHER], "tool_choice": choice}
    first = tool_model.chat.completions.create(messages=ASK["messages"], **offer).choices[0]
    assert first.finish_reason == "tool_calls"
    call = first.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", tiny_gguf.ARGUMENTS)
    asked = {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]}
    result = {"role": "tool", "tool_call_id": call.id, "content": "21 °C"}
    second = tool_model.chat.completions.create(
        messages=[*ASK["messages"], asked, result], **{**offer, "tool_choice": "auto"}
    )
    assert second.choices[0].message.content == tiny_gguf.SENTENCE


@pytest.mark.engine
def test_llama_babbles_on_until_the_client_leaves(tool_model: openai.OpenAI) -> None:
    endless = {"max_tokens": 100_000, "extra_body": {"ignore_eos": True}}
    with tool_model.chat.completions.create(**ASK, stream=True, **endless) as chunks:
        assert sum(1 for _ in zip(range(50), chunks, strict=False)) == 50
    assert say(tool_model) == tiny_gguf.SENTENCE


@pytest.mark.engine
def test_llama_tells_why_it_did_not_start(tmp_path: Path) -> None:
    need(llama.available())
    (tmp_path / "bad.gguf").write_bytes(b"not a model")
    with pytest.raises(RuntimeError, match="said:"), llama.serve_llama(tmp_path / "bad.gguf", "bad"):
        pass


@pytest.mark.engine
def test_aimock_answers_calls_tools_and_limits() -> None:
    need(aimock.available())
    fixtures = [
        {"match": {"userMessage": "two", "toolName": "get_weather"},
         "response": {"toolCalls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}]}, "chunkSize": 5},
        {"match": {"model": "limited"},
         "response": {"error": {"message": "slow", "type": "rate_limit_error"}, "status": 429, "retryAfter": 3}},
        {"match": {}, "response": {"content": "Hello from aimock."}},
    ]  # fmt: skip
    with aimock.serve_aimock(fixtures, keys=["sk-mock"]) as base_url, client_of(base_url, "sk-mock") as client:
        assert text_of(stream(client)) == say(client) == "Hello from aimock."
        calls = [c for chunk in stream(client, tools=[WEATHER]) for c in chunk.choices[0].delta.tool_calls or []]
        assert len(calls) > 3
        assert json.loads("".join(c.function.arguments for c in calls)) == {"city": "Oslo"}
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(**{**ASK, "model": "limited"})
        assert limited.value.response.headers["retry-after"] == "3"
        with pytest.raises(openai.AuthenticationError):
            say(client.with_options(api_key="sk-other"))


@pytest.mark.engine
def test_aimocks_chaos_is_switched_by_flags() -> None:
    need(aimock.available())
    fixtures = [{"match": {}, "response": {"content": "x"}}]
    with aimock.serve_aimock(fixtures, "--chaos-disconnect", "1") as base_url, client_of(base_url) as client:
        fail_to_reach(client)
    with pytest.raises(RuntimeError, match="Unknown option"), aimock.serve_aimock([], "--nonsense"):
        pass
