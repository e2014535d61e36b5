"""One exchange with one model, over real HTTP: `call_llm`, which blocks, and `exchange`, which streams."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from far_end import HELLO, FarEnd, openai_error
from openai.types.chat import ChatCompletionMessage
from refusals import NOT_REFUSALS, REFUSALS, error

from llm_magics import ModelManager, call_llm, wire
from llm_magics.endpoints.exchange import Outcome, exchange
from llm_magics.errors import LLMError
from llm_magics.events import Event, Note, ReasoningDelta, TextDelta, ToolCallDelta
from llm_magics.refusals.adapt import Plan
from llm_magics.wire.event_stream import BadPayload

KEY = "sk-far-0123456789"
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
HI = [{"role": "user", "content": "hi"}]


def set_up(config: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """The configuration with more settings for its model."""
    config["models"]["far"].update(settings)
    return config


def sent(far: FarEnd) -> dict[str, Any]:
    (request,) = far.requests
    return request.body


# ---------------------------------------------------------------- what is sent


def test_a_call_gives_the_message(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.answers("Oslo.", reasoning="capital")
    message = call_llm("far", "Capital of Norway?", far_config)
    assert isinstance(message, ChatCompletionMessage)
    assert (message.role, message.content, message.reasoning_content) == ("assistant", "Oslo.", "capital")


def test_what_is_not_set_is_not_sent(far: FarEnd, far_config: dict[str, Any]) -> None:
    call_llm(
        "far", "hi", set_up(far_config, temperature=None, max_tokens=None, stop=None, system=None, timeout=9), tools=[]
    )
    assert sent(far) == {"model": "far-model", "messages": HI}


def test_what_is_set_is_sent(far: FarEnd, far_config: dict[str, Any]) -> None:
    given = {
        "temperature": 0,
        "max_tokens": 150,
        "stop": ("a", "b"),
        "seed": 7,
        "min_p": 0.1,
        "response_format": {"type": "text"},
    }
    call_llm("far", "hi", set_up(far_config, **given))
    assert sent(far) == {"model": "far-model", "messages": HI, **given, "stop": ["a", "b"]}


def test_what_only_a_connection_or_a_stream_needs_is_not_sent(far: FarEnd, far_config: dict[str, Any]) -> None:
    settings = {
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_retries": 0,
        "timeout": 5,
        "headers": {"x": "y"},
    }
    call_llm("far", "hi", set_up(far_config, **settings))
    assert sent(far) == {"model": "far-model", "messages": HI}
    assert far.requests[0].headers["x"] == "y"


def test_without_a_name_of_its_own_the_model_is_called_as_in_the_configuration(far: FarEnd) -> None:
    config = {"models": {"gpt-x": {"base_url": far.base_url}, "other": {"base_url": far.base_url}}}
    call_llm(None, "hi", config)
    call_llm("other", "hi", config)
    assert [request.body["model"] for request in far.requests] == ["gpt-x", "other"]


def test_extra_body_is_opened_into_the_body(far: FarEnd, far_config: dict[str, Any]) -> None:
    call_llm("far", "hi", set_up(far_config, temperature=1, extra_body={"guided": {"a": None}, "temperature": 0.5}))
    assert sent(far) == {"model": "far-model", "messages": HI, "guided": {"a": None}, "temperature": 0.5}


def test_an_unknown_setting_is_not_sent(far: FarEnd, far_config: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match="temprature"):
        call_llm("far", "hi", set_up(far_config, temprature=1))
    assert "temprature" not in sent(far)


@pytest.mark.parametrize("renewed", [False, True], ids=["the same dict", "an equal new dict each time"])
def test_an_unknown_setting_is_warned_of_once_in_a_loop(renewed: bool, far: FarEnd, far_config: dict[str, Any]) -> None:
    set_up(far_config, temprature=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(5):
            call_llm("far", "hi", json.loads(json.dumps(far_config)) if renewed else far_config)
    assert ["temprature" in str(warning.message) for warning in caught if warning.category is UserWarning] == [True]


def test_the_key_goes_to_its_server(far: FarEnd, far_config: dict[str, Any]) -> None:
    call_llm("far", "hi", far_config)
    assert far.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_a_key_may_come_from_the_environment(far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_KEY", "sk-env-0123456789")
    call_llm("far", "hi", {"models": {"far": {"base_url": far.base_url, "api_key_env": "FAR_KEY"}}})
    assert far.requests[0].headers["Authorization"] == "Bearer sk-env-0123456789"


def test_loopback_goes_past_every_proxy(
    far: FarEnd, far_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert call_llm("far", "hi", set_up(far_config, max_retries=0)).content == HELLO


# ---------------------------------------------------------------- prompts


def test_messages_may_be_any_iterable_and_are_read_once(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(503, "busy", headers={"retry-after": "0"}, times=1)

    def messages() -> Iterator[dict[str, Any]]:
        yield {"role": "system", "content": "Be brief."}
        yield {"role": "user", "content": [{"type": "text", "text": "hi"}]}

    call_llm("far", messages(), far_config, tools=iter(TOOLS))
    first, second = far.requests
    assert first.body == second.body
    assert [message["role"] for message in first.body["messages"]] == ["system", "user"]
    assert first.body["tools"] == TOOLS


def test_one_message_alone_is_a_conversation_too(far: FarEnd, far_config: dict[str, Any]) -> None:
    call_llm("far", HI[0], far_config)
    assert sent(far)["messages"] == HI


def test_the_callers_messages_stay_as_they_are(far: FarEnd, far_config: dict[str, Any]) -> None:
    messages = [{"role": "assistant", "content": None, "tool_calls": None, "refusal": None}, *HI]
    before = json.dumps(messages)
    call_llm("far", messages, set_up(far_config, system="Be brief."))
    assert json.dumps(messages) == before


def test_earlier_answers_go_back_without_what_strict_servers_refuse(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.calls_tool("f", x=1).answers("done", reasoning="because")
    call = call_llm("far", "hi", far_config, tools=TOOLS)
    text = call_llm("far", [*HI, call, {"role": "tool", "tool_call_id": "call_1", "content": "42"}], far_config)
    dumped = text.model_dump()
    call_llm("far", [*HI, call, text, dumped], far_config)
    called = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    assert far.requests[-1].body["messages"] == [
        *HI,
        {"role": "assistant", "tool_calls": [called]},
        {"role": "assistant", "content": "done"},
        {"role": "assistant", "content": "done"},
    ]


def test_an_answer_dumped_to_a_dict_goes_back_clean_and_keeps_its_reasoning_beside_tool_calls(
    far: FarEnd, far_config: dict[str, Any]
) -> None:
    extras = {"annotations": [], "reasoning": "r", "reasoning_details": [], "parsed": {}, "reasoning_content": "r"}
    call = {"id": "c", "type": "function", "index": 0, "function": {"name": "f", "arguments": {"x": 1}}}
    refused = {"role": "assistant", "content": None, "refusal": "No.", "tool_calls": [], **extras}
    called = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call], **extras}
    call_llm("far", [*HI, refused, called], far_config)
    assert sent(far)["messages"][1:] == [
        {"role": "assistant", "content": "No."},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "r",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}],
        },
    ]


def test_the_sdks_own_messages_go_back_clean(far: FarEnd, far_config: dict[str, Any]) -> None:
    function = {"name": "f", "arguments": {"x": "ü"}}
    answer = ChatCompletionMessage.construct(
        role="assistant",
        content=None,
        refusal=None,
        annotations=[],
        reasoning_content="r",
        tool_calls=[{"id": "a", "type": "function", "function": function, "extra_content": {"google": 1}}],
    )
    refusal = ChatCompletionMessage.construct(role="assistant", content=None, refusal="No.")
    empty = ChatCompletionMessage.construct(role="assistant", content=None)
    call_llm("far", [answer, refusal, empty], far_config)
    assert sent(far)["messages"] == [
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "extra_content": {"google": 1},
                    "function": {"name": "f", "arguments": '{"x": "ü"}'},
                }
            ],
        },
        {"role": "assistant", "content": "No."},
        {"role": "assistant", "content": ""},
    ]


def test_a_system_prompt_comes_first_unless_the_messages_have_one(far: FarEnd, far_config: dict[str, Any]) -> None:
    set_up(far_config, system="Be brief.")
    call_llm("far", "hi", far_config)
    call_llm("far", [{"role": "developer", "content": "Be long."}, *HI], far_config)
    assert far.requests[0].body["messages"] == [{"role": "system", "content": "Be brief."}, *HI]
    assert far.requests[1].body["messages"] == [{"role": "developer", "content": "Be long."}, *HI]


def test_half_a_character_in_a_prompt_is_replaced(far: FarEnd, far_config: dict[str, Any]) -> None:
    call_llm("far", "a\ud83d b\ud83d\ude00", far_config)
    call_llm(
        "far", [{"role": "user", "content": [{"type": "text", "text": "\ude00"}]}], set_up(far_config, system="\ud83d")
    )
    assert far.requests[0].body["messages"][0]["content"] == "a\ufffd b😀"
    assert [m["content"] for m in far.requests[1].body["messages"]] == ["\ufffd", [{"type": "text", "text": "\ufffd"}]]


@pytest.mark.parametrize("prompt", ["", " \n", [], (), None, 42, b"bytes", ["text"], [42], [None]])
def test_what_is_no_prompt_is_refused_before_anything_is_sent(
    prompt: Any, far: FarEnd, far_config: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"prompt|message") as raised:
        call_llm("far", prompt, far_config)
    assert isinstance(raised.value, LLMError)
    assert far.requests == []


@pytest.mark.parametrize(
    ("model", "config", "said"),
    [
        ("m", {}, "No models found in configuration."),
        ("m", {"models": {}}, "No models found in configuration."),
        ("m", {"models": {"other": {}}}, "'m'"),
        ("m", {"models": {"m": {"temperature": "hot"}}}, "temperature"),
        ("m", {"models": {"m": {"base_url": "nowhere"}}}, "base_url"),
        ("m", {"models": {"m": {}}}, "OPENAI_API_KEY"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_a_value_error(model: str, config: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call_llm(model, "hi", config)


# ---------------------------------------------------------------- tools


def test_tools_go_along_and_calls_come_back(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.calls_tools([("f", {"x": 1}), ("g", "{broken")])
    message = call_llm("far", "hi", set_up(far_config, tool_choice="auto"), tools=TOOLS)
    assert sent(far)["tools"] == TOOLS
    assert sent(far)["tool_choice"] == "auto"
    assert [call.function.arguments for call in message.tool_calls] == ['{"x": 1}', "{broken"]


@pytest.mark.parametrize("name", REFUSALS)
def test_a_model_without_tools_is_asked_once_more_without_them(
    name: str, far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.refuses_tools(*REFUSALS[name], then="No tools needed.")
    settings = {"tool_choice": "auto", "parallel_tool_calls": False, "temperature": 0.5}
    message = call_llm("far", "hi", set_up(far_config, **settings), tools=TOOLS)
    first, second = far.requests
    assert message.content == "No tools needed."
    assert first.body == {**second.body, "tools": TOOLS, "tool_choice": "auto", "parallel_tool_calls": False}
    assert second.body == {"model": "far-model", "messages": HI, "temperature": 0.5}


@pytest.mark.parametrize("name", NOT_REFUSALS)
def test_tools_are_not_dropped_for_another_error(name: str, far: FarEnd, far_config: dict[str, Any]) -> None:
    status, body = NOT_REFUSALS[name]
    far.fails(status, body)
    classes = {400: openai.BadRequestError, 401: openai.AuthenticationError, 403: openai.PermissionDeniedError}
    classes |= {404: openai.NotFoundError, 422: openai.UnprocessableEntityError}
    with pytest.raises(classes[status]) as raised:
        call_llm("far", "hi", far_config, tools=TOOLS)
    assert raised.value.status_code == status
    assert len(far.requests) == 1


def test_a_refusal_of_tools_is_an_error_like_any_other_when_there_were_none(
    far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.fails(400, openai_error("this model does not support tools"))
    with pytest.raises(openai.BadRequestError):
        call_llm("far", "hi", far_config)
    assert len(far.requests) == 1


def test_what_goes_wrong_without_tools_reaches_the_caller(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.refuses_tools(400, openai_error("this model does not support tools"), then=None)
    far.fails(404, openai_error("no such model"))
    with pytest.raises(openai.NotFoundError):
        call_llm("far", "hi", far_config, tools=TOOLS)
    assert len(far.requests) == 2


def test_a_refusal_inside_a_200_counts(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.refuses_tools(200, error("gemma3 does not support tools", 400))
    assert call_llm("far", "hi", far_config, tools=TOOLS).content == HELLO


def test_the_history_of_tools_is_told_in_words_when_they_are_dropped(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.refuses_tools(400, {"error": "does not support tools"})
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "42"}]
    call_llm("far", [*HI, *history], far_config, tools=TOOLS)
    assert far.requests[1].body["messages"] == [
        *HI,
        {"role": "assistant", "content": "(called f with {})"},
        {"role": "user", "content": "Result of the tool call: 42"},
    ]


# ---------------------------------------------------------------- failures

SOON = {"retry-after-ms": "1"}


def test_a_server_that_is_busy_is_asked_again(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(503, "busy", headers=SOON, times=2).answers("Now.")
    assert call_llm("far", "hi", set_up(far_config, max_retries=2)).content == "Now."
    assert len(far.requests) == 3


@pytest.mark.parametrize(("retries", "asked"), [(0, 1), (1, 2)])
def test_retries_end(retries: int, asked: int, far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(503, openai_error("busy"), headers=SOON)
    with pytest.raises(openai.InternalServerError, match="busy"):
        call_llm("far", "hi", set_up(far_config, max_retries=retries))
    assert len(far.requests) == asked


def test_a_server_that_says_when_is_not_asked_earlier(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(429, openai_error("slow down"), headers={"retry-after": "0.3"}, times=1)
    call_llm("far", "hi", far_config)
    first, second = far.requests
    assert 0.3 <= second.at - first.at < 2


@pytest.mark.parametrize("headers", [{"retry-after": "3600"}, {"x-should-retry": "false"}])
def test_a_server_that_asks_for_too_much_patience_gets_none(
    headers: Any, far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.fails(429, openai_error("come back tomorrow"), headers=headers)
    with pytest.raises(openai.RateLimitError):
        call_llm("far", "hi", far_config)
    assert len(far.requests) == 1


def test_an_empty_purse_is_not_tried_again(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(429, openai_error("You exceeded your current quota", code="insufficient_quota"))
    with pytest.raises(openai.RateLimitError):
        call_llm("far", "hi", far_config)
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (413, openai.APIStatusError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (301, openai.APIStatusError),
        (307, openai.APIStatusError),
    ],
)
def test_the_sdks_error_reaches_the_caller(status: int, kind: Any, far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(status, openai_error("because"), headers={"location": "http://127.0.0.1:9/elsewhere"})
    with pytest.raises(kind, match=r"because|redirect|Error code") as raised:
        call_llm("far", "hi", set_up(far_config, max_retries=0))
    assert raised.value.status_code == status
    assert raised.value.request_id == "req_far_1"
    assert len(far.requests) == 1


def test_nobody_at_home_is_a_connection_error(far_config: dict[str, Any]) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        set_up(far_config, base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1", max_retries=0)
        with pytest.raises(openai.APIConnectionError) as raised:
            call_llm("far", "hi", far_config)
    assert not isinstance(raised.value, openai.APITimeoutError)


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_drops_is_tried_again(reset: bool, far: FarEnd, far_config: dict[str, Any]) -> None:
    far.drops(reset=reset, times=1).answers("Here.")
    assert call_llm("far", "hi", far_config).content == "Here."
    assert len(far.requests) == 2


def test_patience_that_ends_is_a_timeout_and_not_tried_again(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.hangs()
    with pytest.raises(openai.APITimeoutError):
        call_llm("far", "hi", set_up(far_config, timeout=0.2, max_retries=3))
    assert len(far.requests) == 1


def http(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"content-length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


DOCUMENT = json.dumps({"choices": [{"message": {"content": "all of it"}, "finish_reason": "stop"}]}).encode()
SSE = b'data: {"choices":[{"delta":{"content":"streamed"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (http(b"<html><title>Log in</title>", "content-type: text/html"), "a web page: Log in.*base_url"),
        (http(b""), "an empty answer"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "an empty answer"),
        (http(b"upstream gone", "content-type: text/plain"), "plain text: upstream gone"),
        (http(b'{"error": {"message": "overloaded"}}'), "overloaded"),
        (http(b'{"error": "boom"}'), "boom"),
        (http(b'{"id": "x"}'), "without choices"),
        (http(b'{"choices": null}'), "without choices"),
        (http(b'{"choices": []}'), "without choices"),
        (http(b"42"), "without choices"),
        (http(b"{malformed"), "broken JSON"),
        (http(SSE[:30], "content-type: text/event-stream"), "ends in the middle"),
        (http(b"data: [DONE]\n\n", "content-type: text/event-stream"), "empty answer"),
        (http(b'data: {"error":{"message":"late"}}\n\n'), "late"),
        (http(b"\xff\xfe\x00garbage"), "plain text"),
        (http(b"", "content-type: application/json; charset=nonsense"), "an empty answer"),
    ],
)
def test_a_200_that_is_no_answer_is_an_api_error_that_says_so(
    raw: bytes, said: str, far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.replies(raw)
    with pytest.raises(openai.APIError, match=said):
        call_llm("far", "hi", far_config)
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        http(DOCUMENT[:20], length=500),
        http(DOCUMENT, length=len(DOCUMENT) + 5),
        http(b"not gzip at all", "content-encoding: gzip"),
        http(gzip.compress(DOCUMENT)[:-12], "content-encoding: gzip", length=500),
        b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"cho\r\n',
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000 + b"\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\ncontent-length: 500\r\n\r\n{",
        b"HTTP/1.1 400 Bad\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
    ],
    ids=[
        "cut",
        "too short",
        "no gzip",
        "cut gzip",
        "cut chunk",
        "bad chunk",
        "ssh",
        "huge header",
        "cut 503",
        "bad 400",
    ],
)
def test_whatever_breaks_on_the_way_is_a_connection_error(raw: bytes, far: FarEnd, far_config: dict[str, Any]) -> None:
    far.replies(raw)
    with pytest.raises(openai.APIConnectionError) as raised:
        call_llm("far", "hi", set_up(far_config, max_retries=0))
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (http(DOCUMENT, "content-type: text/html"), "all of it"),
        (http(gzip.compress(DOCUMENT), "content-encoding: gzip"), "all of it"),
        (http(b"\xef\xbb\xbf" + DOCUMENT), "all of it"),
        (http(DOCUMENT.replace(b"all", b"\xff")), "\ufffd of it"),
        (http(DOCUMENT, "content-type: application/json; charset=nonsense"), "all of it"),
        (http(b"[" + DOCUMENT + b"]"), "all of it"),
        (http(SSE, "content-type: text/event-stream"), "streamed"),
        (http(DOCUMENT.replace(b"all", b"\\ud83d")), "\ufffd of it"),
    ],
)
def test_an_answer_that_is_oddly_wrapped_is_an_answer(
    raw: bytes, text: str, far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.replies(raw)
    assert call_llm("far", "hi", far_config).content == text


def test_an_overload_reported_under_a_200_is_tried_again(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(200, error("overloaded", 503), times=1).answers("Now.")
    assert call_llm("far", "hi", far_config).content == "Now."


@pytest.mark.parametrize("status", [200, 400, 401])
def test_no_error_repeats_the_key(status: int, far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(status, openai_error(f"Incorrect API key provided: {KEY}."))
    with pytest.raises(openai.APIError) as raised:
        call_llm("far", "hi", far_config)
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(raised.value.body)
    assert KEY not in shown
    assert "Incorrect API key provided: ***" in shown


# ---------------------------------------------------------------- one connection, many calls


def test_a_call_in_a_loop_uses_one_connection(far: FarEnd, far_config: dict[str, Any]) -> None:
    manager = ModelManager(far_config)
    for _ in range(20):
        call_llm("far", "hi", manager)
    assert (len(far.requests), far.connections) == (20, 1)
    assert list(manager.clients) == ["far"]


@pytest.mark.parametrize("renewed", [False, True], ids=["the same dict", "an equal new dict each time"])
def test_a_loop_with_nothing_but_a_config_uses_one_connection(
    renewed: bool, far: FarEnd, far_config: dict[str, Any]
) -> None:
    for _ in range(20):
        call_llm("far", "hi", json.loads(json.dumps(far_config)) if renewed else far_config)
    assert (len(far.requests), far.connections) == (20, 1)


def test_failures_on_the_way_keep_the_connection(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(503, openai_error("busy"), headers=SOON, times=2).refuses_tools(400, {"error": "does not support tools"})
    call_llm("far", "hi", far_config, tools=TOOLS)
    assert far.connections == 1


def test_settings_changed_in_the_dict_take_effect_at_the_next_call(far: FarEnd, far_config: dict[str, Any]) -> None:
    twin = json.loads(json.dumps(far_config))
    call_llm("far", "hi", far_config)
    call_llm("far", "hi", set_up(far_config, temperature=0.5))
    call_llm("far", "hi", twin)
    set_up(far_config, api_key="sk-new-0123456789")
    call_llm("far", "hi", far_config)
    assert [request.body.get("temperature") for request in far.requests] == [None, 0.5, None, 0.5]
    assert far.requests[-1].headers["Authorization"] == "Bearer sk-new-0123456789"


def test_a_setting_that_is_an_array_is_no_obstacle(far: FarEnd, far_config: dict[str, Any]) -> None:
    numpy = pytest.importorskip("numpy")
    for _ in range(2):
        config = {
            "models": {"far": {**far_config["models"]["far"], "metadata": None, "seed": None}},
            "x": numpy.zeros(3),
        }
        assert call_llm("far", "hi", config).content == HELLO


def test_eight_threads_may_call_at_once(far: FarEnd, far_config: dict[str, Any]) -> None:
    def work(number: int) -> list[str]:
        return [call_llm("far", f"{number}/{turn}", far_config).content or "" for turn in range(20)]

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for answers in pool.map(work, range(8)) for answer in answers]
    assert answers == [HELLO] * 160
    asked = sorted(request.body["messages"][0]["content"] for request in far.requests)
    assert asked == sorted(f"{number}/{turn}" for number in range(8) for turn in range(20))
    assert far.connections <= 8


# ---------------------------------------------------------------- the stream


class Exchange:
    """One exchange run to its end, with all that came of it."""

    def __init__(self, config: dict[str, Any], *, retries: int = 2, **body: Any) -> None:
        self.events: list[Event] = []
        self.batches = 0
        manager = ModelManager(config)
        self._body = {"model": "far-model", "messages": HI, "stream": True, **body}
        self.outcome = Outcome(wire.Reply(), Plan(self._body, retries), manager.connection().clocks)
        self._manager = manager

    async def read(self) -> None:
        async for batch in self.stream():
            self.batches += 1
            self.events += batch

    def stream(self) -> AsyncIterator[list[Event]]:
        client = self._manager.create_async_client()
        return exchange(client, self.outcome)

    @property
    def reply(self) -> wire.Reply:
        return self.outcome.reply

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]


def running(work: Callable[[], Awaitable[Any]], config: dict[str, Any]) -> Any:
    """Run on a loop of its own, and let go of the client that belonged to it."""

    async def whole() -> Any:
        try:
            return await work()
        finally:
            await ModelManager(config).create_async_client().close()

    return asyncio.run(whole())


def exchanged(config: dict[str, Any], **options: Any) -> Exchange:
    exchange = Exchange(config, **options)
    running(exchange.read, config)
    return exchange


def failed(config: dict[str, Any], kind: Any, **options: Any) -> tuple[Exchange, Any]:
    exchange = Exchange(config, **options)
    with pytest.raises(kind) as raised:
        running(exchange.read, config)
    return exchange, raised.value


def test_an_exchange_gives_events_as_they_come(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.answers("A stream of words.", reasoning="hm", gap=0.01)
    exchange = exchanged(far_config, stream_options={"include_usage": True})
    assert exchange.events[0] == ReasoningDelta("hm")
    assert exchange.text == exchange.reply.text == "A stream of words."
    assert exchange.batches >= 4
    assert (exchange.reply.finish_reason, exchange.reply.done) == ("stop", True)
    assert exchange.reply.usage["completion_tokens"] == 5
    assert (exchange.outcome.request_id, exchange.outcome.plan.attempts) == ("req_far_1", 1)


def test_tool_calls_are_events_too(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.calls_tools([("f", {"x": 1}), ("g", {})])
    exchange = exchanged(far_config)
    names = [(event.slot, event.name) for event in exchange.events if isinstance(event, ToolCallDelta) and event.name]
    assert names == [(0, "f"), (1, "g")]


@pytest.mark.parametrize("stream", [True, False])
def test_a_document_is_read_whatever_was_asked_for(stream: bool, far: FarEnd, far_config: dict[str, Any]) -> None:
    far.replies(http(DOCUMENT, "content-type: application/json"))
    exchange = exchanged(far_config, stream=stream)
    assert (exchange.text, exchange.reply.done) == ("all of it", True)


def test_exchanges_one_after_the_other_use_one_connection(far: FarEnd, far_config: dict[str, Any]) -> None:
    async def thrice() -> None:
        for _ in range(3):
            await Exchange(far_config).read()

    running(thrice, far_config)
    assert (len(far.requests), far.connections) == (3, 1)


def test_a_busy_server_is_asked_again_and_the_wait_is_told(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(503, "busy", headers=SOON, times=1).fails(429, "slow", headers=SOON, times=1).answers("Now.")
    exchange = exchanged(far_config)
    assert exchange.text == "Now."
    assert exchange.notes == ["the server said 503: trying again", "rate limited: trying again"]
    assert exchange.outcome.plan.attempts == 3


def test_a_connection_that_drops_before_the_first_byte_is_tried_again(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.drops(times=1).answers("Here.")
    assert exchanged(far_config).notes == ["no connection: trying again"]


def test_an_overload_reported_before_the_first_text_is_tried_again(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.sends([error("overloaded", 529)], times=1).answers("Now.")
    exchange = exchanged(far_config)
    assert (exchange.text, exchange.notes) == ("Now.", ["the server said 529: trying again"])


def chunk(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def test_what_goes_wrong_after_the_first_text_is_not_tried_again(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.sends([chunk("half "), 0.05, error("overloaded", 503)])
    exchange, raised = failed(far_config, wire.ServerError)
    assert str(raised) == "overloaded"
    assert exchange.text == exchange.reply.text == "half "
    assert len(far.requests) == 1


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_a_connection_that_breaks_in_the_middle_is_a_connection_error(
    end: Any, far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.sends([chunk("half "), 0.05, chunk("an answer")], end=end, done=False)
    exchange, raised = failed(far_config, openai.APIConnectionError)
    assert raised.__cause__ is not None
    assert exchange.reply.text.startswith("half ")
    assert len(far.requests) == 1


def test_silence_in_the_middle_is_a_timeout(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.sends([chunk("half ")], end="hang", done=False)
    exchange, _ = failed(set_up(far_config, timeout=0.3), openai.APITimeoutError)
    assert exchange.text == "half "
    assert len(far.requests) == 1


def test_keep_alive_comments_do_not_keep_a_silent_server_alive(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.sends([": still here\n\n"] * 200, gap=0.05, done=False)
    begun = time.monotonic()
    failed(set_up(far_config, timeout=0.4), openai.APITimeoutError)
    assert time.monotonic() - begun < 5


def test_keep_alive_comments_before_an_answer_are_patience_well_spent(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.sends([": OPENROUTER PROCESSING\n\n", 0.05, "event: ping\n\n", 0.05, chunk("Here.", "stop")])
    assert exchanged(far_config).text == "Here."


@pytest.mark.parametrize("done", [True, False])
def test_a_server_that_lingers_after_its_answer_is_not_waited_for(
    done: bool, far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.sends([chunk("Here."), chunk("", "stop")], done=done, end="hang")
    begun = time.monotonic()
    exchange = exchanged(far_config)
    assert (exchange.text, exchange.reply.finish_reason) == ("Here.", "stop")
    assert time.monotonic() - begun < 5
    assert far.wait_for_disconnect()


def test_usage_that_comes_after_the_finish_reason_is_waited_for(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.sends([chunk("Here.", "stop"), 0.2, {"choices": [], "usage": {"prompt_tokens": 1}}])
    assert exchanged(far_config).reply.usage == {"prompt_tokens": 1}


@pytest.mark.parametrize("frames", [[chunk("half")], [chunk("half"), 'data: {"choices":[{"del']])
def test_an_answer_without_an_end_is_known_by_its_missing_finish_reason(
    frames: Any, far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.sends(frames, done=False)
    exchange = exchanged(far_config)
    assert (exchange.text, exchange.reply.finished, exchange.reply.done) == ("half", False, False)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (http(b"<html><title>Log in</title>", "content-type: text/html"), "a web page"),
        (http(b""), "an empty answer"),
        (http(b"{malformed", "content-type: application/json"), "broken JSON"),
        (http(b'{"choices": []}'), "an answer without choices"),
    ],
)
def test_a_200_that_is_no_answer_is_named(raw: bytes, kind: str, far: FarEnd, far_config: dict[str, Any]) -> None:
    far.replies(raw)
    _, raised = failed(far_config, BadPayload)
    assert raised.kind == kind


@pytest.mark.parametrize("name", ["ollama", "llama.cpp", "nim, text", "openrouter", "vercel", "fastapi"])
def test_a_model_without_tools_is_told_and_asked_without_them(
    name: str, far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.refuses_tools(*REFUSALS[name])
    exchange = exchanged(far_config, tools=TOOLS, tool_choice="auto")
    assert exchange.text == HELLO
    assert exchange.notes == exchange.outcome.plan.notes == ["this model takes no tools here: asked without them"]
    assert [sorted(request.body) for request in far.requests] == [
        ["messages", "model", "stream", "tool_choice", "tools"],
        ["messages", "model", "stream"],
    ]


def test_a_refusal_of_tools_inside_the_stream_counts(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.when(lambda request: "tools" in request.body).sends([": wait\n\n", error("gemma3 does not support tools")])
    exchange = exchanged(far_config, tools=TOOLS)
    assert exchange.text == HELLO
    assert len(far.requests) == 2


def test_tools_are_not_dropped_for_another_error_in_a_stream(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(*NOT_REFUSALS["streaming only"])
    failed(far_config, openai.BadRequestError, tools=TOOLS)
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0\r\n",
        b"HTTP/1.1 400 Bad\r\ncontent-length: 500\r\n\r\n{",
        http(b"not gzip at all", "content-encoding: gzip"),
    ],
)
def test_whatever_breaks_before_the_first_text_is_a_connection_error(
    raw: bytes, far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.replies(raw)
    failed(far_config, openai.APIConnectionError, retries=0)


def test_a_task_that_is_cancelled_closes_the_connection(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.answers("word " * 500, gap=0.01)
    exchange = Exchange(far_config)

    async def interrupted() -> float:
        task = asyncio.ensure_future(exchange.read())
        while not exchange.events:
            await asyncio.sleep(0.01)
        task.cancel()
        begun = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(far.wait_for_disconnect)
        return time.monotonic() - begun

    assert running(interrupted, far_config) < 1
    assert exchange.reply.message().content.startswith("word")


def test_a_reader_that_leaves_closes_the_connection(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.answers("word " * 500, gap=0.01)

    async def leaves() -> None:
        stream = Exchange(far_config).stream()
        await anext(stream)
        await stream.aclose()
        assert await asyncio.to_thread(far.wait_for_disconnect)

    running(leaves, far_config)


def test_what_was_held_back_as_half_a_tag_is_not_lost_when_the_answer_stops(
    far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.sends([chunk("<thi"), 0.05], end="cut", done=False)
    exchange, _ = failed(far_config, openai.APIConnectionError, retries=0)
    assert exchange.reply.message().content == "<thi"


@pytest.mark.parametrize("value", [{1, 2}, object(), {"a": b"bytes"}, [float("nan")]])
def test_a_setting_that_json_cannot_hold_is_a_value_error_and_nothing_is_sent(
    far: FarEnd, far_config: dict[str, Any], value: object
) -> None:
    far_config["models"]["far"]["metadata"] = {"x": value}
    with pytest.raises(ValueError, match="JSON"):
        call_llm("far", "Hi", far_config)
    assert far.requests == []


@pytest.mark.parametrize("cookie", ["a=1; path=/", "a=\x80b"])
def test_a_cookie_is_not_kept_whatever_is_in_it(cookie: str, far: FarEnd, far_config: dict[str, Any]) -> None:
    far.answers("one", headers={"set-cookie": cookie})
    assert call_llm("far", "Hi", far_config).content == "one"
    assert call_llm("far", "Hi", far_config).content == "one"
    assert "cookie" not in far.requests[-1].headers


def test_a_refusal_with_a_header_that_is_no_ascii_is_still_a_refusal(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.fails(400, error("no"), headers={"x-note": "a\x80b"})
    with pytest.raises(openai.BadRequestError):
        call_llm("far", "Hi", far_config)
