"""Against servers nobody here wrote: llama.cpp with a model of a few megabytes, and aimock with its chaos switches."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from engines import aimock, llama
from shells import Shell

from llm_magics import ModelManager, call_llm, wire
from llm_magics.endpoints.exchange import Outcome, exchange
from llm_magics.events import TextDelta, ToolCallDelta
from llm_magics.refusals.adapt import Plan
from llm_magics.wire.event_stream import BadPayload

pytestmark = pytest.mark.engine

PROMPT = [{"role": "user", "content": "hi"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
            "required": ["city", "unit"],
        },
    },
}
CALL = ("get_weather", {"city": "Oslo", "unit": "c"})


def needs(engine: Any) -> None:
    """Skip with the reason where an engine is not to be had; where nothing may be left out, fail."""
    there, reason = engine.available()
    if there:
        return
    if os.environ.get("LLM_MAGICS_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def model(base_url: str, key: str = "any", **settings: Any) -> dict[str, Any]:
    return {"models": {"one": {"base_url": base_url, "api_key": key, **settings}}}


def called(message: Any) -> list[tuple[str, Any]]:
    return [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]


def exchanged(config: dict[str, Any], *, retries: int = 0, **body: Any) -> tuple[wire.Reply, list[Any]]:
    """One streamed exchange: the reply, and its events."""
    whole = {"model": "one", "messages": PROMPT, "stream": True, "stream_options": {"include_usage": True}, **body}
    outcome = Outcome(wire.Reply(), Plan(whole, retries))
    events: list[Any] = []

    async def read() -> None:
        client = ModelManager(config).create_async_client()
        try:
            async for batch in exchange(client, outcome):
                events.extend(batch)
        finally:
            await client.close()

    asyncio.run(read())
    return outcome.reply, events


# ---------------------------------------------------------------- llama.cpp


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A model that says one sentence."""
    yield from served(tmp_path_factory.mktemp("scripted"), "write_scripted")


@pytest.fixture(scope="module")
def tool_caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A model that calls `get_weather` when tools are offered."""
    yield from served(tmp_path_factory.mktemp("tools"), "write_tool_caller")


def served(folder: Path, write: str) -> Iterator[dict[str, Any]]:
    needs(llama)
    from engines import tiny_gguf

    path = getattr(tiny_gguf, write)(folder / "tiny.gguf")
    with llama.serve_llama(path, "one") as (base_url, key):
        yield model(base_url, key, temperature=0, max_tokens=200)


def sentence() -> str:
    from engines import tiny_gguf

    return tiny_gguf.SENTENCE


def test_llama_cpp_answers(scripted: dict[str, Any]) -> None:
    message = call_llm("one", "hi", scripted)
    assert message.content == sentence()
    assert call_llm("one", [*PROMPT, message, *PROMPT], scripted).content == sentence()


def test_llama_cpp_streams(scripted: dict[str, Any]) -> None:
    reply, events = exchanged(scripted)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == sentence()
    assert sum(isinstance(event, TextDelta) for event in events) > 3
    assert (reply.finish_reason, reply.done) == ("stop", True)
    assert reply.usage["completion_tokens"] > 3


def test_llama_cpp_cuts_an_answer_at_its_limit(scripted: dict[str, Any]) -> None:
    reply, _ = exchanged(scripted, max_tokens=3)
    assert reply.finish_reason == "length"
    assert sentence().startswith(reply.text)


def test_llama_cpp_calls_a_tool_and_uses_its_result(tool_caller: dict[str, Any]) -> None:
    message = call_llm("one", "Weather?", tool_caller, tools=[WEATHER])
    assert called(message) == [CALL]
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "3 degrees"}
    assert call_llm("one", [*PROMPT, message, result], tool_caller, tools=[WEATHER]).content == sentence()


def test_llama_cpp_streams_a_tool_call(tool_caller: dict[str, Any]) -> None:
    reply, events = exchanged(tool_caller, tools=[WEATHER])
    assert called(reply.message()) == [CALL]
    assert [event.name for event in events if isinstance(event, ToolCallDelta) and event.name] == ["get_weather"]
    assert reply.text == ""


def test_llama_cpps_errors_are_the_sdks(scripted: dict[str, Any]) -> None:
    wrong_key = {"models": {"one": {**scripted["models"]["one"], "api_key": "sk-wrong-0123456789"}}}
    with pytest.raises(openai.AuthenticationError):
        call_llm("one", "hi", wrong_key)
    with pytest.raises(openai.BadRequestError, match="context"):
        call_llm("one", "long " * 20_000, scripted, tools=[WEATHER])


WEATHER_TOOL = '''
import llm_magics
from typing import Literal
ran = []

@llm_magics.tool
def get_weather(city: str, unit: Literal["c", "f"]) -> str:
    """Tell the weather."""
    ran.append((city, unit))
    return "3 degrees"
'''


def test_llama_cpp_calls_a_function_of_the_notebook(
    shell: Shell, tool_caller: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(shell, tool_caller, monkeypatch)
    shell.run(WEATHER_TOOL)
    done = shell.run("%%llm --tools get_weather\nHow is the weather?")
    assert shell["ran"] == [("Oslo", "c")]
    assert [run.content for run in shell["_llm"].steps[0].runs] == ["3 degrees"]
    assert done.text.endswith(f"{sentence()}\n")


def add(shell: Shell, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a model known to a shell, and choose it."""
    settings = config["models"]["one"]
    monkeypatch.setattr(getpass, "getpass", lambda prompt: settings["api_key"])
    shell.run(f"%llm_config --add one base_url={settings['base_url']}")
    shell.run("%llm_config --ask-key one")


def checked(shell: Shell, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a check of a model shows."""
    add(shell, config, monkeypatch)
    return shell.run("%llm_config --check").text


def test_a_check_finds_llama_cpp_healthy(
    shell: Shell, tool_caller: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = checked(shell, tool_caller, monkeypatch)
    assert "llama.cpp, lists 1 model" in shown
    assert "called get_weather" in shown
    assert "16 of 16 fine." in shown


def test_a_check_says_what_llama_cpp_lacks_to_take_tools(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs(llama)
    from engines import tiny_gguf

    with llama.serve_llama(tiny_gguf.write_scripted(tmp_path / "tiny.gguf"), "one", jinja=False) as (base_url, key):
        shown = checked(shell, model(base_url, key), monkeypatch)
    assert "Start llama-server with --jinja." in shown
    assert "tools" in shown.partition("to mend: ")[2]


def test_llama_cpp_stops_when_nobody_reads_any_more(scripted: dict[str, Any]) -> None:
    async def leaves() -> None:
        whole = {"model": "one", "messages": PROMPT, "stream": True, "max_tokens": 50_000, "ignore_eos": True}
        client = ModelManager(scripted).create_async_client()
        try:
            stream = exchange(client, Outcome(wire.Reply(), Plan(whole, 0)))
            await anext(stream)
            await stream.aclose()
        finally:
            await client.close()

    asyncio.run(leaves())
    begun = time.monotonic()
    assert call_llm("one", "hi", scripted).content == sentence()
    assert time.monotonic() - begun < 5


# ---------------------------------------------------------------- aimock

FIXTURES = [
    {"match": {"userMessage": "weather"}, "response": {"toolCalls": [{"name": CALL[0], "arguments": CALL[1]}]}},
    {
        "match": {"userMessage": "notebook", "sequenceIndex": 0},
        "response": {
            "content": "I look.",
            "toolCalls": [
                {"name": CALL[0], "arguments": CALL[1], "id": "call_1"},
                {"name": "unknown", "arguments": "{}", "id": "call_2"},
            ],
        },
    },
    {"match": {"userMessage": "notebook"}, "response": {"content": "It is cold."}},
    {
        "match": {"userMessage": "both"},
        "response": {
            "content": "I look.",
            "toolCalls": [
                {"name": "f", "arguments": '{"x": "a long enough argument to be cut"}', "id": "call_7"},
                {"name": "g", "arguments": "{}", "id": "call_8"},
            ],
        },
    },
    {
        "match": {"userMessage": "busy", "sequenceIndex": 0},
        "response": {"error": {"message": "slow down", "type": "rate_limit"}, "status": 429, "retryAfter": 1},
    },
    {"match": {"userMessage": "busy"}, "response": {"content": "Now."}},
    {
        "match": {"userMessage": "cut"},
        "response": {"content": "0123456789" * 8},
        "latency": 20,
        "truncateAfterChunks": 3,
    },
    {"match": {"userMessage": "think"}, "response": {"content": "Yes.", "reasoning": "Hm."}},
    {"match": {}, "response": {"content": "The mock says hello."}},
]


@pytest.fixture(scope="module")
def mock() -> Iterator[dict[str, Any]]:
    """aimock behaving."""
    needs(aimock)
    with aimock.serve_aimock(FIXTURES, "-c", "5") as base_url:
        yield model(base_url)


def user(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def test_aimock_answers_whole_and_streamed(mock: dict[str, Any]) -> None:
    assert call_llm("one", "hi", mock).content == "The mock says hello."
    reply, events = exchanged(mock)
    assert reply.text == "The mock says hello."
    assert (len(events), reply.finish_reason, reply.done) == (4, "stop", True)
    assert reply.usage is not None


def test_aimock_streams_tool_calls(mock: dict[str, Any]) -> None:
    assert called(call_llm("one", "weather", mock, tools=[WEATHER])) == [CALL]
    reply, _ = exchanged(mock, tools=[WEATHER], **user("weather"))
    assert called(reply.message()) == [CALL]
    reply, _ = exchanged(mock, tools=[WEATHER], **user("both"))
    assert called(reply.message()) == [("f", {"x": "a long enough argument to be cut"}), ("g", {})]
    assert [call.id for call in reply.message().tool_calls] == ["call_7", "call_8"]
    assert reply.text == "I look."


def test_aimock_calls_a_function_of_the_notebook(
    shell: Shell, mock: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(shell, mock, monkeypatch)
    shell.run(WEATHER_TOOL)
    done = shell.run("%%llm --tools get_weather\nIn the notebook.")
    assert shell["ran"] == [("Oslo", "c")]
    assert [run.state for run in shell["_llm"].steps[0].runs] == ["done", "denied"]
    assert done.text.endswith("It is cold.\n")


def test_aimocks_reasoning_is_reasoning(mock: dict[str, Any]) -> None:
    for message in (call_llm("one", "think", mock), exchanged(mock, **user("think"))[0].message()):
        assert (message.content, message.reasoning_content) == ("Yes.", "Hm.")


def test_aimock_asks_for_patience_and_gets_it(mock: dict[str, Any]) -> None:
    begun = time.monotonic()
    assert call_llm("one", "busy", mock).content == "Now."
    assert time.monotonic() - begun >= 1


def test_a_stream_that_aimock_cuts_is_a_connection_error_with_its_text_kept(mock: dict[str, Any]) -> None:
    whole = {"model": "one", "stream": True, **user("cut")}
    outcome = Outcome(wire.Reply(), Plan(whole, 0))

    async def read() -> None:
        client = ModelManager(mock).create_async_client()
        try:
            async for _ in exchange(client, outcome):
                pass
        finally:
            await client.close()

    with pytest.raises(openai.APIConnectionError):
        asyncio.run(read())
    assert ("0123456789" * 8).startswith(outcome.reply.text)
    assert not outcome.reply.finished


CHAOS = {
    "drop": (openai.InternalServerError, openai.InternalServerError),
    "ratelimit": (openai.RateLimitError, openai.RateLimitError),
    "malformed": (openai.APIError, BadPayload),
    "disconnect": (openai.APIConnectionError, openai.APIConnectionError),
}


@pytest.fixture(scope="module", params=CHAOS)
def chaos(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    """aimock misbehaving, always in the same way."""
    needs(aimock)
    with aimock.serve_aimock(FIXTURES, f"--chaos-{request.param}", "1") as base_url:
        yield request.param, model(base_url, max_retries=0)


def test_aimocks_chaos_is_an_error_with_a_name(chaos: tuple[str, dict[str, Any]]) -> None:
    flag, config = chaos
    whole, streamed = CHAOS[flag]
    with pytest.raises(whole) as raised:
        call_llm("one", "hi", config)
    assert str(raised.value)
    with pytest.raises(streamed):
        exchanged(config)


@pytest.fixture(scope="module")
def locked() -> Iterator[str]:
    """The base URL of an aimock that takes one key only."""
    needs(aimock)
    with aimock.serve_aimock(FIXTURES, keys=["sk-right-0123456789"]) as base_url:
        yield base_url


def test_aimock_refuses_a_wrong_key(locked: str) -> None:
    assert call_llm("one", "hi", model(locked, "sk-right-0123456789")).content == "The mock says hello."
    with pytest.raises(openai.AuthenticationError):
        call_llm("one", "hi", model(locked, "sk-wrong-0123456789"))
