"""The demo must pass for a real server on the wire, and be honest and useful in what it says."""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics import demo as demo_package
from llm_magics.demo import Demo, start
from llm_magics.demo.guide import examples, guide
from llm_magics.demo.reply import Replies
from llm_magics.demo.request import parsed

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """One server for most tests; it has introduced itself already."""
    running = start(pace=0)
    client(running).chat.completions.create(model="demo", messages=[{"role": "user", "content": "hi"}])
    yield running
    running.close()


@pytest.fixture
def fresh() -> Iterator[Demo]:
    """A server nobody has asked anything yet."""
    running = start(pace=0)
    yield running
    running.close()


def plain_http(**options: Any) -> httpx.Client:
    """A client without proxies; loading certificates it never needs would take most of the tests' time."""
    return httpx.Client(trust_env=False, verify=False, **options)


@functools.cache
def client(running: Demo, key: str | None = None) -> openai.OpenAI:
    transport = plain_http()
    return openai.OpenAI(
        base_url=running.base_url, api_key=key or running.api_key, max_retries=0, http_client=transport
    )


def complete(running: Demo, question: str, system: str | None = None, model: str = "demo", **options: Any) -> Any:
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": "user", "content": question}]
    return client(running).chat.completions.create(model=model, messages=messages, **options)


def ask(running: Demo, question: str, system: str | None = None, **options: Any) -> str:
    return complete(running, question, system, **options).choices[0].message.content


def post(running: Demo, body: Any, path: str = "/chat/completions", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Authorization": f"Bearer {running.api_key}"} | {name.replace("_", "-"): v for name, v in headers.items()}
    with plain_http() as http:
        return http.post(running.base_url + path, content=content, headers=sent)


def asking(question: Any = "hi", **more: Any) -> dict[str, Any]:
    return {"model": "demo", "messages": [{"role": "user", "content": question}], **more}


def tool(name: str, description: str, properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


WEATHER = tool(
    "get_weather",
    "Get the current weather for a city",
    {"city": STRING, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}, "days": INTEGER},
    ["city"],
)
ADD = tool("add", "Add two numbers", {"a": NUMBER, "b": NUMBER})
SEARCH = tool("web_search", "Search the web", {"query": STRING})


def calls(running: Demo, question: str, *tools: dict[str, Any], **options: Any) -> list[tuple[str, dict[str, Any]]]:
    message = complete(running, question, tools=list(tools), **options).choices[0].message
    return [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]


def after_tools(running: Demo, *results: str, **options: Any) -> str:
    made = [
        {"id": f"c{i}", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
        for i in range(len(results))
    ]
    told = [{"role": "tool", "tool_call_id": f"c{i}", "content": result} for i, result in enumerate(results)]
    messages: Any = [
        {"role": "user", "content": "The weather in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": made},
        *told,
    ]
    reply = client(running).chat.completions.create(model="demo", messages=messages, tools=[WEATHER], **options)
    assert reply.choices[0].finish_reason == "stop"
    return reply.choices[0].message.content or ""


# --- starting and stopping


def test_importing_the_demo_loads_no_server() -> None:
    code = "import sys, llm_magics.demo; print([m for m in ('http.server', 'secrets', 'json') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_key_does_not_show_in_the_repr(demo: Demo) -> None:
    assert demo.api_key not in repr(demo)
    assert demo.base_url in repr(demo)


def test_every_server_has_its_own_port_and_key(demo: Demo, fresh: Demo) -> None:
    assert demo.base_url != fresh.base_url
    assert demo.api_key != fresh.api_key
    assert len(demo.api_key) >= 32


def test_a_closed_server_no_longer_answers_and_closes_twice_without_harm() -> None:
    running = start(pace=0)
    running.close()
    running.close()
    with pytest.raises(openai.APIConnectionError):
        complete(running, "hi")


def test_closing_ends_an_answer_under_way_and_a_connection_kept_alive() -> None:
    running = start(pace=0.05)
    kept = client(running)
    stream = kept.chat.completions.create(stream=True, **asking("What is llm_magics?"))
    next(iter(stream))
    running.close()
    with pytest.raises((openai.APIConnectionError, httpx.HTTPError)):
        list(stream)
    with pytest.raises(openai.APIConnectionError):
        kept.chat.completions.create(**asking())


# --- the wire


def test_an_answer_has_the_shape_of_a_chat_completion(demo: Demo) -> None:
    data = post(demo, asking("How do I choose a model?")).json()
    assert data["object"] == "chat.completion"
    assert data["id"].startswith("chatcmpl-")
    assert data["model"] == "demo"
    assert abs(data["created"] - time.time()) < 60
    assert data["choices"][0]["message"]["role"] == "assistant"
    assert data["choices"][0]["finish_reason"] == "stop"
    usage = data["usage"]
    assert usage["prompt_tokens"] == 6
    assert usage["completion_tokens"] == len(data["choices"][0]["message"]["content"].split())
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_stream_says_the_same_as_a_whole_answer(demo: Demo) -> None:
    whole = ask(demo, "How do I add a model?")
    chunks = list(complete(demo, "How do I add a model?", stream=True))
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(deltas) == whole
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert max(len(delta.split()) for delta in deltas) == 1
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_comes_last_in_a_stream_when_it_is_asked_for(demo: Demo) -> None:
    chunks = list(complete(demo, "hi", stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_the_raw_stream_is_server_sent_events_and_ends_with_done(demo: Demo) -> None:
    answer = post(demo, asking(stream=True))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["transfer-encoding"] == "chunked"
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith("data: ") for event in events[:-1])


def test_a_stream_is_paced_so_that_it_can_be_seen_growing() -> None:
    running = start(pace=0.01)
    began = time.perf_counter()
    words = ask_streamed(running, "thanks") + ask_streamed(running, "thanks")
    assert time.perf_counter() - began > 0.01 * words * 0.9
    running.close()


def ask_streamed(running: Demo, question: str) -> int:
    return sum(len((c.choices[0].delta.content or "").split()) for c in complete(running, question, stream=True))


def test_one_connection_serves_many_requests_even_after_a_refusal(demo: Demo) -> None:
    with plain_http(limits=httpx.Limits(max_connections=1)) as http:
        ports = set()
        for key, status in ((demo.api_key, 200), ("wrong", 401), (demo.api_key, 200)):
            headers = {"Authorization": f"Bearer {key}"}
            answer = http.post(demo.base_url + "/chat/completions", json=asking(), headers=headers)
            ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
            assert answer.status_code == status
    assert len(ports) == 1


def test_many_clients_are_answered_at_once(demo: Demo) -> None:
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(demo, "thanks"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["You are welcome!"] * 12


def test_the_models_are_listed_under_both_addresses(demo: Demo) -> None:
    assert [model.id for model in client(demo).models.list()] == ["demo", "brief"]
    assert client(demo).models.retrieve("demo").id == "demo"
    assert client(demo).models.retrieve("brief").id == "brief"
    with plain_http() as http:
        bare = demo.base_url.removesuffix("/v1") + "/models"
        assert http.get(bare, headers={"Authorization": f"Bearer {demo.api_key}"}).json()["object"] == "list"


def test_the_brief_model_answers_in_a_sentence_of_prose(demo: Demo) -> None:
    question = "How do I set the temperature?"
    long, brief = complete(demo, question), complete(demo, question, model="brief")
    assert brief.choices[0].message.content == (
        "Parameters shape the answer: the temperature (how much chance plays a part), the largest number of tokens an "
        "answer may have, and the system message that sets the tone."
    )
    assert brief.choices[0].message.content in long.choices[0].message.content


def test_every_answer_has_a_request_id(demo: Demo) -> None:
    answers = [post(demo, asking()), post(demo, asking(stream=True)), post(demo, b"{"), post(demo, {}, "/nowhere")]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 4


def test_max_tokens_cuts_the_answer_and_says_so(demo: Demo) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        reply = complete(demo, "How do I choose a model?", **{name: 5})
        assert len(reply.choices[0].message.content.split()) == 5
        assert reply.choices[0].finish_reason == "length"
        assert reply.usage.completion_tokens == 5


def test_a_stop_string_ends_the_answer_before_it(demo: Demo) -> None:
    whole = ask(demo, "How do I choose a model?")
    assert ask(demo, "How do I choose a model?", stop=["slash", "session"]) == whole[: whole.index("session")]
    assert ask(demo, "How do I choose a model?", stop="not in there") == whole


def test_n_and_unknown_parameters_do_not_matter(demo: Demo) -> None:
    reply = complete(demo, "hi", n=3, seed=1, extra_body={"top_k": 5})
    assert len(reply.choices) == 1


def test_content_may_come_in_parts(demo: Demo) -> None:
    parts = [{"type": "text", "text": "How do I"}, {"type": "text", "text": "choose a model?"}]
    assert ask(demo, parts) == ask(demo, "How do I choose a model?")  # type: ignore[arg-type]


def test_it_says_that_it_cannot_see_pictures(demo: Demo) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    answer = ask(demo, [{"type": "text", "text": "What is this?"}, picture])  # type: ignore[arg-type]
    assert answer.startswith("I cannot see pictures")


# --- refusals


def test_a_wrong_key_is_refused_without_echoing_it(demo: Demo) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client(demo, "sk-secret-typo").models.list()
    assert caught.value.code == "invalid_api_key"
    assert "typo" not in caught.value.response.text
    assert demo.api_key not in caught.value.response.text


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer \xe9\xff"])
def test_a_missing_or_broken_authorization_is_refused(demo: Demo, header: str) -> None:
    answer = raw(demo, f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: {header}\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::2]:1"])
def test_a_host_that_is_not_loopback_is_refused(demo: Demo, host: str) -> None:
    assert post(demo, asking(), Host=host).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:9"])
def test_every_spelling_of_loopback_is_accepted(demo: Demo, host: str) -> None:
    assert post(demo, asking(), Host=host).status_code == 200


def test_web_pages_are_refused_with_and_without_the_key(demo: Demo) -> None:
    assert post(demo, asking(), Origin="https://evil.example").status_code == 403
    assert post(demo, asking(), Origin="null").status_code == 403


def test_an_unknown_model_is_refused_naming_the_known_one(demo: Demo) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client(demo).chat.completions.create(**{**asking(), "model": "gpt-9"})
    assert caught.value.code == "model_not_found"
    assert "`gpt-9`" in str(caught.value)
    assert "`demo`" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{not json", None),
        (b"[]", None),
        (b"\xff\xfe\xfd", None),
        (b'{"model": NaN}', None),
        (b"[" * 100_000, None),
        ({"messages": [{"role": "user", "content": "hi"}]}, "model"),
        ({"model": "demo"}, "messages"),
        ({"model": "demo", "messages": []}, "messages"),
        ({"model": "demo", "messages": "hi"}, "messages"),
        ({"model": "demo", "messages": ["hi"]}, "messages[0]"),
        ({"model": "demo", "messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"model": "demo", "messages": [{"role": "boss", "content": "hi"}]}, "messages[0].role"),
        (asking(None), "messages[0].content"),
        (asking(5), "messages[0].content"),
        (asking([{"type": "text"}]), "messages[0].content[0].text"),
        (asking([{"type": "smell"}]), "messages[0].content[0].type"),
        (asking(stream="yes"), "stream"),
        (asking(stream_options={"include_usage": 1}), "stream_options.include_usage"),
        (asking(max_tokens=0), "max_tokens"),
        (asking(max_tokens="many"), "max_tokens"),
        (asking(max_completion_tokens=True), "max_completion_tokens"),
        (asking(temperature="hot"), "temperature"),
        (asking(temperature=3), "temperature"),
        (asking(stop=[1]), "stop"),
        (asking(response_format={"type": "xml"}), "response_format.type"),
        (asking(response_format={"type": "json_schema"}), "response_format.json_schema"),
        (asking(tools={}), "tools"),
        (asking(tools=[{"type": "function"}]), "tools[0].function"),
        (asking(tool_choice="required"), "tool_choice"),
        (asking(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "other"}}), "tool_choice"),
    ],
)
def test_a_malformed_request_is_told_what_is_wrong_and_where(demo: Demo, body: Any, param: str | None) -> None:
    answer = post(demo, body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert error["message"]


def test_a_body_beyond_ten_megabytes_is_refused_and_the_client_gets_to_know(demo: Demo) -> None:
    answer = post(demo, b" " * (10 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert "10 MB" in answer.json()["error"]["message"]


def test_a_large_body_within_the_limit_is_answered_quickly(demo: Demo) -> None:
    began = time.process_time()  # which other programs do not disturb
    assert post(demo, asking("word json only " * 500_000)).status_code == 200
    assert time.process_time() - began < 3


def test_unknown_paths_and_wrong_methods_are_refused_in_the_same_shape(demo: Demo) -> None:
    assert post(demo, asking(), "/completions").status_code == 404
    assert post(demo, asking(), "/models").status_code == 405
    with plain_http(headers={"Authorization": f"Bearer {demo.api_key}"}) as http:
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = http.request(method, demo.base_url + "/chat/completions")
            assert answer.status_code == 405
            assert "POST" in answer.json()["error"]["message"]
        assert http.head(demo.base_url + "/chat/completions").status_code == 405


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("nonsense\r\n\r\n", b"400"),
        ("BREW /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", b"501"),
        ("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", b"400"),
        ("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", b"400"),
        ("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        ("GET //[x HTTP/1.1\r\nHost: localhost\r\n\r\n", b"401"),
        ("GET /v1/models HTTP/1.1\r\n\r\n", b"403"),
    ],
)
def test_broken_http_gets_an_error_and_no_silence(demo: Demo, request_text: str, status: bytes) -> None:
    answer = raw(demo, request_text)
    assert answer.split()[1] == status
    assert b'{"error": ' in answer


def raw(running: Demo, text: str) -> bytes:
    """What comes back for bytes no client would send."""
    with connected(running) as connection:
        connection.sendall(text.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def connected(running: Demo) -> socket.socket:
    port = int(running.base_url.rsplit(":", 1)[1].removesuffix("/v1"))
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def streaming_request(running: Demo, version: str = "1.1") -> bytes:
    body = json.dumps(asking("What is llm_magics?", stream=True))
    head = f"POST /v1/chat/completions HTTP/{version}\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Authorization: Bearer {running.api_key}\r\n\r\n{body}".encode()


def test_an_old_client_gets_the_stream_without_chunks(demo: Demo) -> None:
    answer = raw(demo, streaming_request(demo, "1.0").decode())
    assert b"transfer-encoding" not in answer.lower()
    assert answer.endswith(b"data: [DONE]\n\n")


def test_a_client_that_hangs_up_ends_the_generating_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    running = start(pace=0.03)  # the whole answer would take several seconds
    before = handlers()
    connection = connected(running)
    connection.sendall(streaming_request(running))
    assert b"data:" in connection.recv(65536) + connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    until = time.perf_counter() + 1
    while handlers() > before and time.perf_counter() < until:
        time.sleep(0.01)
    assert handlers() <= before
    assert ask(running, "thanks").endswith("You are welcome!")
    running.close()
    assert capfd.readouterr() == ("", "")


def handlers() -> int:
    return sum("process_request" in thread.name for thread in threading.enumerate())


# --- honesty


def test_it_introduces_itself_once_as_no_language_model(fresh: Demo) -> None:
    first, second = ask(fresh, "How do I choose a model?"), ask(fresh, "How do I choose a model?")
    introduction, _, rest = first.partition("\n\n")
    assert introduction.startswith("*")
    assert introduction.endswith("*")
    assert "no language model" in introduction
    assert "offline" in introduction
    assert "`%llm_config`" in introduction
    assert rest == second


def test_json_and_tool_calls_are_not_disturbed_by_the_introduction(fresh: Demo) -> None:
    json.loads(ask(fresh, "hi", response_format={"type": "json_object"}))
    assert calls(fresh, "weather in Oslo", WEATHER)
    assert "no language model" in ask(fresh, "hi")


def test_the_same_question_gets_the_same_answer(demo: Demo) -> None:
    for question in ("What is a dry run?", "Tell me a joke", "weather in Oslo and Rome"):
        assert ask(demo, question) == ask(demo, question)


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of France?",
        "Write a haiku about the sea",
        "Explain quantum computing with an example",
        "Suggest a name for a sailing boat.",
        "Explain closures in two sentences.",
        "How warm is it in Oslo?",
        "日本の首都はどこですか",
    ],
)
def test_what_it_does_not_know_it_says_and_offers_the_topics(demo: Demo, question: str) -> None:
    answer = ask(demo, question)
    assert answer.startswith("I only know the llm_magics guide")
    assert "- Dry run" in answer


# --- answers


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("What is llm_magics?", "What llm_magics is"),
        ("How do I start?", "First answer"),
        ("How do I choose a model?", "Choosing a model"),
        ("how can I switch to gpt-5?", "Choosing a model"),
        ("Which environment variables hold the keys?", "Providers and their environment keys"),
        ("How do I use Claude?", "Providers and their environment keys"),
        ("Which providers are supported?", "Providers and their environment keys"),
        ("Can I use ollama?", "Local servers"),
        ("How do I use a model on my own machine?", "Local servers"),
        ("How do I set the temperature?", "Setting parameters"),
        ("How do I set a system prompt?", "Setting parameters"),
        ("Where do I put my settings?", "Configuration files"),
        ("What goes into llm_magics.toml?", "Configuration files"),
        ("How do I add a custom endpoint?", "Adding a model"),
        ("Where do I put my API key?", "Keys"),
        ("How do I use a .env file?", "Keys"),
        ("How do I put a variable into the prompt?", "Values in the prompt"),
        ("How do I get the answer in Python?", "Answers in Python"),
        ("How do I get JSON?", "Output formats"),
        ("What does --as code do?", "Output formats"),
        ("How can I see what would be sent?", "Dry run"),
        ("How do I ask on a single line?", "Line form"),
        ("How do I stop an answer?", "Streaming and stopping"),
        ("What does the semicolon do?", "Silence with a semicolon"),
        ("What is call_llm?", "Use from plain Python"),
        ("Can the model call my functions?", "Tools from Python"),
        ("How do I display a message?", "Displaying messages"),
        ("Who are you?", "The demo model"),
        ("Is it safe to render HTML?", "Privacy and safety"),
        ("I get a 401 error", "Troubleshooting"),
        ("connection refused", "Troubleshooting"),
    ],
)
def test_a_question_about_llm_magics_gets_the_right_section(demo: Demo, question: str, title: str) -> None:
    answer = ask(demo, question)
    section = next(section for section in guide().sections if section.title == title)
    assert answer.startswith(f"**{title}**\n\n{section.body}")
    assert "See also: " in answer.splitlines()[-1]
    assert f"*{title}*" not in answer.splitlines()[-1]


def test_small_talk_gets_a_short_fitting_reply(demo: Demo) -> None:
    assert ask(demo, "Hello there!").startswith("Hello!")
    assert ask(demo, "Thanks a lot!") == "You are welcome!"
    assert ask(demo, "bye") == "Goodbye!"


def test_asked_what_it_can_do_it_lists_every_topic(demo: Demo) -> None:
    answer = ask(demo, "What can you do?")
    assert all(f"- {section.title}" in answer for section in guide().sections)


def test_a_question_for_a_small_program_gets_one(demo: Demo) -> None:
    answer = ask(demo, "Write a function that prints the Fibonacci numbers")
    assert "not in the llm_magics guide" in answer
    assert "def fibonacci" in answer


def test_the_guide_s_sections_are_short_and_have_an_example() -> None:
    assert len(guide().sections) == 24
    for section in guide().sections:
        assert 60 <= len(section.body.split()) <= 150, section.title
        assert section.body.count("```") >= 2, section.title
        assert section.body.count("```") % 2 == 0, section.title


def test_every_python_block_is_python_and_every_example_runs() -> None:
    for section in (*guide().sections, *examples().sections):
        if code := section.python():
            ast.parse(code)
    for section in examples().sections:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(section.python() or "", {"__name__": "example"})
        assert shown.getvalue(), section.title


# --- sums


@pytest.mark.parametrize(
    ("question", "result"),
    [
        ("what is 17*23?", "391"),
        ("What's 2 + 2", "4"),
        ("Calculate (1 + 2) * 3 - 4.5 =", "4.5"),
        ("how much is 1,000 minus 1?", "999"),
        ("0.1 + 0.2", "0.3"),
        ("what is 20% of 50?", "10"),
        ("2^10", "1024"),
        ("3 × 4", "12"),
        ("what is -5 + 3?", "-2"),
    ],
)
def test_a_plain_sum_is_worked_out(demo: Demo, question: str, result: str) -> None:
    assert ask(demo, question).endswith(f"= **{result}**")


@pytest.mark.parametrize(
    "question",
    [
        "9**9**9",
        "what is 9**9**9**9?",
        "2**99999999",
        "1e999 * 2",
        "99999**999 * 99999**999 * 99999**999",
        "(" * 150 + "1+1",
        "1+" * 300 + "1",
        "10/0",
        "0**-1",
        "(-8)**0.5",
        "2.5**99999",
        "1 " + " " * 5000 + "+x",
        "__import__('os').getcwd() + 1",
        "-" * 190 + "1+1",
    ],
)
def test_a_hopeless_sum_is_answered_at_once(demo: Demo, question: str) -> None:
    began = time.perf_counter()
    assert ask(demo, question)
    assert time.perf_counter() - began < 10


def test_sums_that_have_no_result_say_why(demo: Demo) -> None:
    assert "too large" in ask(demo, "what is 9**9**9?")
    assert "zero" in ask(demo, "what is 10/0?")


def test_a_date_or_a_telephone_number_is_no_sum(demo: Demo) -> None:
    assert "**" not in ask(demo, "2025-12-24")
    assert "**" not in ask(demo, "555-0100")


# --- JSON and code


def test_a_json_object_is_valid_json_with_the_answer(demo: Demo) -> None:
    data = json.loads(ask(demo, "How do I choose a model?", response_format={"type": "json_object"}))
    assert data["section"] == "Choosing a model"
    assert "%llm_config" in data["answer"]


def test_a_system_message_that_wants_json_and_nothing_else_gets_it(demo: Demo) -> None:
    assert json.loads(ask(demo, "What is a dry run?", "Answer with JSON and nothing else."))["section"] == "Dry run"


def test_a_json_schema_is_filled_from_the_question(demo: Demo) -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": STRING,
            "age": {"type": "integer", "minimum": 0},
            "mood": {"enum": ["glad", "sad"]},
            "answer": STRING,
            "born": {"type": "string", "format": "date"},
            "tags": {"type": "array", "items": STRING, "minItems": 2},
            "friend": {"anyOf": [{"$ref": "#/$defs/Friend"}, {"type": "null"}]},
        },
        "required": ["name", "age", "mood", "answer", "born", "tags", "friend"],
        "$defs": {"Friend": {"type": "object", "properties": {"nick": STRING}, "required": ["nick"]}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    data = json.loads(ask(demo, "Ann is 33 and sad. How do I choose a model?", response_format=wanted))
    assert list(data) == schema["required"]
    assert (data["name"], data["age"], data["mood"]) == ("Ann", 33, "sad")
    assert "%llm_config" in data["answer"]
    assert len(data["tags"]) >= 2
    assert data["born"][4] == "-"
    assert isinstance(data["friend"]["nick"], str)


def test_a_schema_that_contains_itself_is_filled_within_bounds(demo: Demo) -> None:
    children = {f"child{i}": {"$ref": "#"} for i in range(12)}
    schema: dict[str, Any] = {"type": "object", "properties": children, "required": list(children)}
    nested: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        nested = {"anyOf": [nested]}
    began = time.perf_counter()
    for hopeless in (schema, nested, {"$ref": "#"}, {"allOf": [{"$ref": "#"}]}):
        wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": hopeless}}
        json.loads(ask(demo, "hi", response_format=wanted))
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize("question", ["fibonacci numbers", "How do I display a message?", "hello", "anything at all"])
def test_a_system_message_that_wants_a_code_block_gets_one_of_python(demo: Demo, question: str) -> None:
    answer = ask(demo, question, "Answer with one fenced code block.")
    prose, code, rest = answer.split("```")
    assert prose.strip()
    assert code.startswith("python\n")
    assert not rest.strip()
    ast.parse(code.removeprefix("python\n"))


# --- tools


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the weather in Oslo?", [("get_weather", {"city": "Oslo"})]),
        ("weather in oslo", [("get_weather", {"city": "oslo"})]),
        ("Weather in New York in Fahrenheit", [("get_weather", {"city": "New York", "unit": "fahrenheit"})]),
        ("Is it raining in Paris today?", [("get_weather", {"city": "Paris"})]),
        ("The weather in Rome for the next 5 days", [("get_weather", {"city": "Rome", "days": 5})]),
        ("add 3 and 4.5", [("add", {"a": 3, "b": 4.5})]),
        ("What is 17+23?", [("add", {"a": 17, "b": 23})]),
        ("Search for python tutorials", [("web_search", {"query": "python tutorials"})]),
    ],
)
def test_the_fitting_tool_is_called_with_what_the_question_gives(
    demo: Demo, question: str, expected: list[tuple[str, dict[str, Any]]]
) -> None:
    assert calls(demo, question, SEARCH, WEATHER, ADD) == expected


def test_two_names_joined_by_and_make_two_calls_unless_that_is_not_wanted(demo: Demo) -> None:
    cities = [arguments["city"] for _, arguments in calls(demo, "weather in Oslo and Rome", WEATHER)]
    assert cities == ["Oslo", "Rome"]
    three = calls(demo, "Weather in Oslo, New York and São Paulo, please", WEATHER)
    assert [arguments["city"] for _, arguments in three] == ["Oslo", "New York", "São Paulo"]
    assert len(calls(demo, "weather in Oslo and Rome", WEATHER, parallel_tool_calls=False)) == 1


def test_two_names_for_two_parameters_stay_in_one_call(demo: Demo) -> None:
    distance = tool("distance", "Distance between places", {"origin": STRING, "destination": STRING})
    apart = [("distance", {"origin": "Oslo", "destination": "Rome"})]
    assert calls(demo, "distance between Oslo and Rome", distance) == apart
    assert calls(demo, "How far is it to Rome from Oslo?", distance) == apart


@pytest.mark.parametrize("question", ["What is llm_magics?", "How do I choose a model?", "hello", "thanks"])
def test_a_lone_tool_is_not_called_for_what_the_guide_or_good_manners_answer(demo: Demo, question: str) -> None:
    assert calls(demo, question, WEATHER) == []


def test_a_lone_tool_is_called_on_a_weak_match_when_the_text_gives_what_it_needs(demo: Demo) -> None:
    lookup = tool("lookup", "Look a thing up", {"city": STRING})
    assert calls(demo, "How many people live in Oslo?", lookup) == [("lookup", {"city": "Oslo"})]
    assert calls(demo, "tell me a joke", lookup) == []


def test_tool_choice_is_honoured(demo: Demo) -> None:
    assert calls(demo, "weather in Oslo", WEATHER, tool_choice="none") == []
    assert [name for name, _ in calls(demo, "hello", WEATHER, tool_choice="required")] == ["get_weather"]
    named = {"type": "function", "function": {"name": "add"}}
    assert calls(demo, "weather in Oslo", WEATHER, ADD, tool_choice=named) == [("add", {"a": 1, "b": 1})]


def test_arguments_have_the_types_the_schema_asks_for(demo: Demo) -> None:
    party = tool(
        "plan_party",
        "Plan a party",
        {
            "guests": {"type": "array", "items": STRING},
            "place": {"$ref": "#/$defs/Place"},
            "loud": {"type": "boolean"},
            "kind": {"enum": ["indoor", "garden"]},
            "budget": {"anyOf": [NUMBER, {"type": "null"}]},
            "note": {"type": ["string", "null"]},
        },
    )
    party["function"]["parameters"]["$defs"] = {
        "Place": {
            "type": "object",
            "properties": {"floor": INTEGER, "open": {"type": "boolean"}},
            "required": ["floor"],
        }
    }
    [(_, arguments)] = calls(demo, "Plan a garden party for Ann, Bob and Carl on floor 12, not loud", party)
    assert arguments == {
        "guests": ["Ann", "Bob", "Carl"],
        "place": {"floor": 12},
        "loud": False,
        "kind": "garden",
        "budget": None,
        "note": None,
    }


@pytest.mark.parametrize(
    ("question", "offered", "arguments"),
    [
        (
            'Translate "good morning" to French',
            tool("translate", "Translate", {"text": STRING, "target_language": STRING}),
            {"text": "good morning", "target_language": "French"},
        ),
        (
            "Convert 100 USD to EUR",
            tool("convert", "Convert money", {"amount": NUMBER, "from_currency": STRING, "to_currency": STRING}),
            {"amount": 100, "from_currency": "USD", "to_currency": "EUR"},
        ),
        ("Roll 3 dice", tool("roll", "Roll dice", {"count": INTEGER, "sides": INTEGER}, []), {"count": 3}),
        ("Read the file notes/todo.txt", tool("read_file", "Read", {"path": STRING}), {"path": "notes/todo.txt"}),
        (
            'Send an email to ann@example.org saying "hello there"',
            tool("send_email", "Send an email", {"to": STRING, "body": STRING, "subject": STRING}, ["to", "body"]),
            {"to": "ann@example.org", "body": "hello there"},
        ),
        ("list files", tool("list_files", "List files", {}), {}),
    ],
)
def test_arguments_are_found_by_their_form_and_role(
    demo: Demo, question: str, offered: dict[str, Any], arguments: dict[str, Any]
) -> None:
    assert calls(demo, question, offered) == [(offered["function"]["name"], arguments)]


def test_a_streamed_tool_call_comes_in_pieces_that_add_up(demo: Demo) -> None:
    chunks = list(complete(demo, "weather in Oslo and Rome", tools=[WEATHER], stream=True))
    deltas = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    first = [delta for delta in deltas if delta.id]
    assert [delta.function.name for delta in first] == ["get_weather", "get_weather"]
    assert [delta.function.arguments for delta in first] == ["", ""]
    for index, city in enumerate(("Oslo", "Rome")):
        fragments = [delta.function.arguments for delta in deltas if delta.index == index]
        assert len(fragments) > 2
        assert json.loads("".join(fragments)) == {"city": city}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_a_tool_call_has_no_content_and_its_own_finish_reason(demo: Demo) -> None:
    choice = complete(demo, "weather in Oslo", tools=[WEATHER]).choices[0]
    assert choice.message.content is None
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].id.startswith("call_")


def test_a_tool_s_short_text_is_quoted_in_a_sentence(demo: Demo) -> None:
    assert after_tools(demo, "12 degrees, rain") == '`get_weather(city="Oslo")` says: 12 degrees, rain.'


def test_the_lines_of_a_tool_s_text_stay_lines(demo: Demo) -> None:
    assert after_tools(demo, "3 rows\nnorth,1").endswith(" says:\n\n```text\n3 rows\nnorth,1\n```")
    assert after_tools(demo, "a\n```\nb").endswith("````text\na\n```\nb\n````")


def test_a_call_that_was_not_run_is_not_said_to_say_so(demo: Demo) -> None:
    assert (
        after_tools(demo, "Not run: the user said no.") == '`get_weather(city="Oslo")` was not run: the user said no.'
    )


def test_a_tool_s_data_becomes_a_table_or_a_list(demo: Demo) -> None:
    assert "| `sky` | rain\\|snow |" in after_tools(demo, '{"temp": 12, "sky": "rain|snow"}')
    assert "- 1\n- 2" in after_tools(demo, "[1, 2]")
    assert "| a | b |\n| --- | --- |\n| 1 |  |" in after_tools(demo, '[{"a": 1}, {"b": 2}]')


def test_every_one_of_several_results_is_used(demo: Demo) -> None:
    answer = after_tools(demo, "rain", "sun")
    assert "rain" in answer
    assert "sun" in answer


@pytest.mark.parametrize(
    "result",
    [
        "Error: no such city",
        '{"error": "no such city"}',
        '{"error": {"message": "no such city"}}',
        "KeyError: no such city",
    ],
)
def test_a_tool_s_error_is_named_as_one(demo: Demo, result: str) -> None:
    answer = after_tools(demo, result)
    assert "failed with an error" in answer
    assert "no such city" in answer


def test_after_a_tool_result_it_answers_even_if_tools_are_required(demo: Demo) -> None:
    assert "rain" in after_tools(demo, "rain", tool_choice="required")


def test_a_json_answer_holds_the_tool_s_data(demo: Demo) -> None:
    answer = after_tools(demo, '{"temp": 12}', response_format={"type": "json_object"})
    assert json.loads(answer)["results"] == [{"temp": 12}]


# --- whatever comes


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYWORDS = ["type", "properties", "required", "items", "enum", "anyOf", "allOf", "$ref", "const", "default", "minimum"]
SCHEMAS = st.recursive(
    st.sampled_from(
        [STRING, INTEGER, NUMBER, {"type": "boolean"}, {"type": ["string", "null"]}, {"$ref": "#"}, {"enum": [1, None]}]
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries({"properties": st.dictionaries(st.text(max_size=6), inner, max_size=4)}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, max_size=3)}),
        st.dictionaries(st.sampled_from(KEYWORDS), JSON_VALUES | inner, max_size=4),
    ),
    max_leaves=8,
)


@settings(max_examples=150, database=None)
@given(question=st.text(max_size=200), schema=SCHEMAS)
def test_no_question_and_no_schema_breaks_it(question: str, schema: dict[str, Any]) -> None:
    offered = {"type": "function", "function": {"name": "some_tool", "parameters": schema}}
    formats = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for more in ({}, {"tools": [offered], "tool_choice": "required"}, {"response_format": formats}):
        reply = Replies().to(parsed(json.dumps(asking(question, **more)).encode(), "demo"))
        for call in reply.calls:
            assert isinstance(json.loads(call.arguments), dict)
        if "response_format" in more:
            json.loads(reply.text)
        assert reply.calls or reply.text


@settings(max_examples=100, database=None)
@given(result=st.text(max_size=200) | JSON_VALUES.map(json.dumps))
def test_no_tool_result_breaks_it(result: str) -> None:
    body = asking("go", tools=[WEATHER])
    body["messages"] += [{"role": "tool", "tool_call_id": "c0", "content": result}]
    assert Replies().to(parsed(json.dumps(body).encode(), "demo")).text


def test_the_demo_needs_nothing_from_the_rest_of_the_package() -> None:
    code = "import sys; from llm_magics.demo import start; start().close(); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.startswith("llm_magics.")}
    assert all(name.startswith("llm_magics.demo") for name in ours if name != "llm_magics")
    assert demo_package.MODEL == "demo"
