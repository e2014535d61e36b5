"""The ladder: each thing that some server refuses is recognised by its words, changed once, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from far_end import FarEnd, Request
from hypothesis import given
from hypothesis import strategies as st
from refusals import NOT_REFUSALS, error
from shells import Shell

from llm_magics import errors
from llm_magics.config import REQUEST
from llm_magics.refusals.adapt import MAX_CHANGES, Plan, fitted
from llm_magics.refusals.ladder import RUNGS
from llm_magics.refusals.refusal import Refusal, haystack

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "title": "Prime"}}}
EVERYTHING: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "max_tokens": 5,
    "temperature": 0.2,
    "top_p": 0.9,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "reasoning_effort": "low",
    "verbosity": "low",
    "response_format": SCHEMA,
}


def forbidden(name: str) -> dict[str, Any]:
    """FastAPI's way of refusing a field."""
    return {"detail": [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]}


def unsupported(name: str, text: str) -> dict[str, Any]:
    """OpenAI's way of refusing a parameter."""
    return error(text, "unsupported_parameter", param=name, type="invalid_request_error")


# (the rung, the status, what the server said)
REFUSED: list[tuple[str, int | None, Any]] = [
    (
        "tools while it reasons",
        400,
        error(
            "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. "
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            param="reasoning_effort",
        ),
    ),
    ("tools while it streams", 400, error("This model doesn't support tool use in streaming mode.")),
    ("tools while it streams", 500, error("Cannot use tools with stream", 500)),
    ("parallel_tool_calls", 400, unsupported("parallel_tool_calls", "'parallel_tool_calls' is not supported here.")),
    ("parallel_tool_calls", 400, error("parallel tool calls are not supported by this model")),
    ("parallel_tool_calls", 422, forbidden("parallel_tool_calls")),
    ("tools", 400, error("gemma3:4b does not support tools")),
    ("tools", None, error("gemma3:4b does not support tools")),
    ("stream_options", 400, error("Extra inputs are not permitted, field: 'stream_options'")),
    ("stream_options", 400, error("Validation error at #/stream_options: Extra inputs are not permitted")),
    ("stream_options", 422, forbidden("stream_options")),
    ("stream_options", 400, error("Unrecognized request argument supplied: stream_options")),
    ("streaming", 400, error("Unsupported value: 'stream' does not support true with this model.", param="stream")),
    (
        "streaming",
        400,
        error(
            "Your organization must be verified to stream this model.", "unsupported_value", param="stream", type="x"
        ),
    ),
    ("streaming", 400, error("Streaming is not supported for this model.")),
    ("streaming", 501, {"detail": "This endpoint does not support streaming"}),
    (
        "max_tokens",
        400,
        unsupported(
            "max_tokens", "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
        ),
    ),
    ("max_tokens", 422, forbidden("max_tokens")),
    (
        "temperature",
        400,
        error(
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value.",
            "unsupported_value",
            param="temperature",
        ),
    ),
    ("temperature", 400, error("litellm.UnsupportedParamsError: azure does not support parameters: ['temperature']")),
    ("top_p", 400, unsupported("top_p", "Unsupported parameter: 'top_p' is not supported with this model.")),
    ("presence_penalty", 400, error("Unknown parameter: 'presence_penalty'.")),
    ("frequency_penalty", 422, forbidden("frequency_penalty")),
    ("verbosity", 400, error("Unrecognized request argument supplied: verbosity")),
    ("reasoning_effort", 400, error('"gemma3" does not support thinking')),
    ("reasoning_effort", 400, error('think value "high" is not supported for this model')),
    ("reasoning_effort", 400, error("invalid reasoning value: 'low'")),
    ("reasoning_effort", 400, error("Unrecognized request argument supplied: reasoning_effort")),
    ("JSON schema", 400, error("This response_format type is unavailable now", type="invalid_request_error")),
    ("JSON schema", 400, error("'response_format' of type 'json_schema' is not supported with this model")),
    ("JSON schema", 400, error("Structured outputs are not supported by this model")),
    ("JSON schema", 400, error("'response_format.type' must be 'text' or 'json_object'")),
    ("JSON schema", 422, forbidden("response_format")),
    ("system role", 400, error("Unsupported value: 'messages[0].role' does not support 'system' with this model.")),
    ("system role", 400, error("Only user and assistant roles are supported!")),
    ("system role", 500, error("Conversation roles must alternate user/assistant/user/assistant/...")),
    ("system role", 400, error("System role not supported")),
    ("system role", 400, error("Developer instruction is not enabled for models/gemma-3-27b-it")),
    ("system role", 422, error("messages[0].role: unknown variant `system`, expected `user` or `assistant`")),
    # the same things in the words of other servers
    ("presence_penalty", 400, {"code": "x", "error": "Argument not supported on this model: presencePenalty"}),
    ("presence_penalty", 400, {"code": "x", "error": "Model grok-9 does not support parameter presencePenalty."}),
    ("presence_penalty", 400, error("Penalty is not enabled for models/gemini-9")),
    ("frequency_penalty", 400, [error('Invalid JSON payload received. Unknown name "frequency_penalty": no field.')]),
    ("frequency_penalty", 400, error("gemini does not support parameters: {'frequency_penalty': 0.5}, for model=x")),
    ("temperature", 400, error("invalid temperature: only 0.6 is allowed for this model")),
    ("temperature", 400, error("`temperature` is deprecated for this model.")),
    ("temperature", 400, error("temperature: deprecated for this model")),
    ("temperature", 400, error("The model does not support sampling parameters (temperature, top_p, top_k).")),
    ("temperature", 400, {"message": "This model doesn't support the temperature field. Remove it and try again."}),
    ("temperature", 400, error("`temperature` may only be set to 1 when thinking is enabled.")),
    ("top_p", 400, {"message": "This model doesn't support the topP field. Remove topP and try again."}),
    ("top_p beside temperature", 400, error("`temperature` and `top_p` cannot both be specified for this model.")),
    ("reasoning_effort", 400, error("reasoning_effort is not supported with this model")),
    ("reasoning_effort", 400, error("`reasoning_effort` must be one of `none` or `default`")),
    ("reasoning_effort", 400, {"code": "x", "error": "Model x does not support parameter reasoningEffort."}),
    ("reasoning_effort", 400, [error("Thinking is not enabled for models/gemini-9")]),
    ("stream_options", 400, {"message": "Validation: Unsupported parameter(s): `stream_options`"}),
    ("stream_options", 400, {"message": "The model returned: stream_options: Extra inputs are not permitted"}),
    ("stream_options", 400, error("Malformed input request: #: extraneous key [stream_options] is not permitted")),
    (
        "stream_options",
        400,
        {"message": "[{'loc': ('body', 'stream_options'), 'msg': 'Extra inputs are not permitted'}]"},
    ),
    ("parallel_tool_calls", 400, {"message": "parallel_tool_calls=False is not supported by this model."}),
    ("streaming", 400, {"message": "The model is unsupported for streaming"}),
    ("streaming", 400, error("stream=True is not supported for this model")),
    ("tools while it streams", 400, error("Streaming is not supported when tools are used")),
    ("JSON schema", 400, error("response_format value as json_schema is enabled only for api versions from 2024-08")),
    ("system role", 400, error("invalid params, chat content has invalid message role: system (2013)")),
    ("system role", 400, {"message": "message role not supported yet: system"}),
    ("system role", 422, {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Input should be 'user'"}]}),
    ("system role", 400, error("chat template rejected the request: Unexpected message role.")),
    ("tools", 400, {"message": "Validation: Unsupported parameter(s): `tools`, `tool_choice`"}),
    ("tools", 404, error("No endpoints found that support the provided 'tool_choice' value.")),
    ("tools", 400, error("Function calling isn't supported by this model")),
    ("tools", 400, error("This model has no support for function calling")),
    ("temperature", 400, error("Parameter temperature not supported by model x")),
    ("temperature", 400, error("temperature is not a supported parameter")),
    ("temperature", 400, error("request validation failed: additionalProperties 'temperature' not allowed")),
    ("temperature", 400, {"title": "Bad Request", "detail": "Unsupported field(s) in request: temperature"}),
    ("stream_options", 400, error("stream_options: unknown field")),
    ("stream_options", 400, error("no such parameter: stream_options")),
    ("max_tokens", 400, error("'max_tokens' has been deprecated in favour of 'max_completion_tokens'")),
    ("reasoning_effort", 400, error("reasoning_effort is only supported by reasoning models")),
    ("parallel_tool_calls", 400, error("This model does not support parallel tool calls")),
    ("streaming", 400, error("Streaming isn't supported for this deployment")),
    ("streaming", 400, error("This model can not be streamed. Set stream to false.")),
    ("system role", 400, error("System messages aren't supported by this model")),
    ("system role", 400, error("This model does not support a system prompt")),
    ("system role", 400, error("Only user, assistant and tool roles are supported, got system.")),
    ("JSON schema", 400, error("response_format: only 'text' is supported")),
]
NOT_REFUSED: list[tuple[int, Any]] = [
    *((status, body) for name, (status, body) in NOT_REFUSALS.items() if name in {"key", "quota", "echo", "mentions"}),
    (400, error("max_tokens is too large: 99999. This model supports at most 16384 completion tokens.")),
    (400, error("Invalid 'temperature': decimal above maximum value. Expected a value <= 2.")),
    (400, error("Unknown parameter: 'top_k'. Known are 'temperature' and 'max_tokens'.")),
    (400, error("Invalid schema for response_format 'n': In context=(), 'additionalProperties' is required.")),
    (400, error("'messages' must contain the word 'json' in some form, to use 'response_format' of that type.")),
    (400, error("This model's maximum context length is 8192 tokens; the system message is too long.")),
    (400, error("This model is not supported.")),
    (400, error("the system is not available right now")),
    (400, error("Setting 'max_tokens' and 'top_p' at the same time is not supported.", param="max_tokens")),
    (400, error("This model does not support temperature values above 1.")),
    (400, error("temperature is not allowed to exceed 1.0 for this model")),
    (400, error("Unknown parameter: 'foo'. Supported parameters: ['temperature', 'tools', 'stream']", param="foo")),
    (422, "unknown field `foo`, expected one of `model`, `messages`, `temperature`, `tools`, `stream`, `max_tokens`"),
    (422, {"detail": [*forbidden("foo")["detail"], {"loc": ["body", "temperature"], "msg": "Input should be less"}]}),
    (400, error("The provided JSON schema contains features not supported by xgrammar.")),
    (400, error("The maximum context length is 8192 tokens; streaming is not supported beyond.")),
    (400, {"message": "[{'type': 'missing', 'loc': ('body', 'x'), 'input': {'content': 'tools are not supported'}}]"}),
    (400, error("messages[1].role: must not be 'user'; system role not supported there")),
    (400, error("temperature is only supported between 0 and 1")),
    (400, error("The 'stream_options' parameter is only allowed when 'stream' is enabled.")),
    (400, error("Duplicate function names are not supported: tools must be unique")),
    (401, error("streaming is not supported for this key")),
    (429, error("streaming is not supported on the free plan")),
    (503, error("temperature is not supported")),
]


def refusal(status: int | None, body: Any) -> Refusal:
    return Refusal(status=status, said=haystack(body))


def climbed(status: int | None, body: Any, ask: dict[str, Any] = EVERYTHING) -> Plan:
    """The plan after a server said this."""
    plan = Plan(ask, retries=0, bends=True)
    plan.after(refusal(status, body))
    return plan


@pytest.mark.parametrize(("name", "status", "body"), REFUSED)
def test_what_a_server_refuses_is_known_by_its_words(name: str, status: int | None, body: Any) -> None:
    assert list(climbed(status, body).learnt) == [name]


@pytest.mark.parametrize("name", ["seed", "top_k", "min_p", "repetition_penalty", "enable_thinking"])
def test_what_only_shades_an_answer_is_left_out_where_it_is_refused(name: str) -> None:
    plan = climbed(400, error(f"Unrecognized request argument supplied: {name}"), {**EVERYTHING, name: 1})
    assert (list(plan.learnt), name in plan.body) == ([name], False)


@pytest.mark.parametrize("name", ["stop", "n", "logprobs", "logit_bias", "store", "service_tier", "guided_json"])
def test_what_decides_on_an_answer_is_never_left_out(name: str) -> None:
    ask = {**EVERYTHING, name: 1}
    plan = climbed(400, unsupported(name, f"Unsupported parameter: '{name}' is not supported with this model."), ask)
    assert (plan.learnt, plan.body) == ({}, ask)


def test_a_tool_that_was_asked_for_by_name_is_left_to_choice_before_all_tools_are_left_out() -> None:
    ask = {**EVERYTHING, "tool_choice": "required"}
    plan = climbed(400, error("Thinking mode does not support this tool_choice"), ask)
    assert (list(plan.learnt), plan.body["tools"]) == (["tool_choice"], TOOLS)
    assert "tool_choice" not in plan.body


def test_a_role_is_refused_only_at_its_own_place() -> None:
    developer = {**EVERYTHING, "messages": [{"role": "developer", "content": "x"}, EVERYTHING["messages"][1]]}
    assert list(climbed(400, error("developer is not one of ['system'] - 'messages.['0].role'"), developer).learnt) == [
        "developer role"
    ]
    told = {**EVERYTHING, "messages": [*EVERYTHING["messages"], {"role": "tool", "content": "42"}]}
    at_place = "messages[2].role: Input should be 'system', 'user' or 'assistant'"
    assert list(climbed(400, error(at_place), told).learnt) == ["tool role"]
    assert climbed(400, error("Unexpected message role."), told).learnt == {}


@pytest.mark.parametrize("text", ["(", "temperature ", "unknown field a, ", "tools with ", "'input': ", "['seed "])
def test_a_server_cannot_keep_anyone_busy_with_a_long_refusal(text: str) -> None:
    climbed(400, error("does not support parameters: [" + text * 200_000 + " temperature"))


@pytest.mark.parametrize(("status", "body"), NOT_REFUSED)
def test_other_complaints_change_nothing(status: int, body: Any) -> None:
    plan = climbed(status, body)
    assert plan.learnt == {}
    assert plan.body == EVERYTHING


@pytest.mark.parametrize(("name", "status", "body"), REFUSED)
def test_the_caller_of_the_function_is_told_of_all_refusals_but_that_of_tools(
    name: str, status: int | None, body: Any
) -> None:
    plan = Plan(EVERYTHING, retries=0)
    plan.after(refusal(status, body))
    assert list(plan.learnt) == (
        ["tools"] if name == "tools" or body == error("Cannot use tools with stream", 500) else []
    )


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_a_rung_changes_its_own_thing_and_leaves_the_callers_request_alone(rung: Any) -> None:
    ask = {**EVERYTHING, "max_completion_tokens": 5}
    if rung.name == "response_format":
        ask["response_format"] = {"type": "json_object"}
    if rung.name == "developer role":
        ask["messages"] = [{"role": "developer", "content": "Be brief."}, *ask["messages"][1:]]
    if rung.name == "tool role":
        ask["messages"] = [*ask["messages"], {"role": "tool", "tool_call_id": "a", "content": "7 degrees"}]
    if rung.name == "tool_choice":
        ask["tool_choice"] = "required"
    if rung.name in REQUEST:
        ask.setdefault(rung.name, 1)
    if not rung.applies(ask):
        ask["reasoning_effort"] = "none"
    before = json.dumps(ask)
    assert rung.applies(ask)
    changed = rung.change(ask)
    assert json.dumps(ask) == before
    assert changed != ask
    assert not rung.applies(changed) or rung.name in {"max_tokens", "max_completion_tokens"}


def test_a_system_message_goes_in_front_of_the_prompt() -> None:
    plan = climbed(400, error("Only user and assistant roles are supported!"))
    assert plan.body["messages"] == [{"role": "user", "content": "Be brief.\n\nhi"}]
    parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    ask = {**EVERYTHING, "messages": [EVERYTHING["messages"][0], {"role": "user", "content": parts}]}
    assert fitted(ask, ["system role"])["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Be brief."}, *parts]}
    ]


def test_a_developer_message_becomes_a_system_message_first() -> None:
    ask = {"model": "m", "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}]}
    plan = climbed(400, error("messages[0].role: unknown variant `developer`, expected `system`"), ask)
    assert [message["role"] for message in plan.body["messages"]] == ["system", "user"]


def test_a_schema_that_is_refused_goes_into_the_prompt_and_then_the_mode_as_well() -> None:
    plan = climbed(400, error("'response_format' of type 'json_schema' is not supported"))
    assert plan.body["response_format"] == {"type": "json_object"}
    assert '"title": "Prime"' in plan.body["messages"][-1]["content"]
    plan.after(refusal(400, error("JSON mode is not supported by this model")))
    assert "response_format" not in plan.body
    assert plan.body["messages"][-1]["content"].count("JSON") == 2


def test_tools_stay_when_reasoning_stood_in_the_way_and_go_when_it_did_not() -> None:
    said = refusal(
        400, error("Function tools with reasoning_effort are not supported. Set reasoning_effort to 'none'.")
    )
    plan = Plan(EVERYTHING, retries=0, bends=True)
    assert plan.after(said) == 0.0
    assert (plan.body["reasoning_effort"], plan.body["tools"]) == ("none", TOOLS)
    assert plan.after(said) == 0.0
    assert "tools" not in plan.body
    assert plan.after(said) is None


def test_a_thing_is_changed_once_and_a_parameter_is_not_renamed_back() -> None:
    plan = climbed(422, forbidden("max_tokens"))
    assert plan.body["max_completion_tokens"] == 5
    assert plan.after(refusal(422, forbidden("max_completion_tokens"))) is None


def test_a_server_that_finds_fault_with_everything_is_not_asked_for_ever() -> None:
    plan = Plan(EVERYTHING, retries=0, bends=True)
    said = refusal(400, {"error": " ".join(json.dumps(body) for _, _, body in REFUSED)})
    asked = 0
    while asked < 50 and plan.after(said) is not None:
        asked += 1
    assert asked == MAX_CHANGES


@given(st.lists(st.sampled_from([body for _, _, body in REFUSED]) | st.text(max_size=60), max_size=12))
def test_whatever_a_server_says_a_request_stays_a_request(said: list[Any]) -> None:
    plan = Plan(EVERYTHING, retries=0, bends=True)
    for body in said:
        plan.after(refusal(400, body))
    assert plan.body["model"] == "m"
    assert "hi" in plan.body["messages"][-1]["content"]
    assert len(plan.learnt) <= MAX_CHANGES
    json.dumps(plan.body)


# ---------------------------------------------------------------- seen from a cell


def fussy(far: FarEnd, **faults: tuple[int, Any]) -> None:
    """A server that refuses these fields, one after the other, and then answers."""
    for name, (status, body) in faults.items():
        far.refuses(name, status, body)
    far.answers("Here.")


def test_every_change_is_said_once_and_remembered_for_that_model(far_shell: Shell, far: FarEnd) -> None:
    fussy(
        far,
        stream_options=(422, forbidden("stream_options")),
        temperature=(422, forbidden("temperature")),
        max_tokens=(422, forbidden("max_tokens")),
    )
    first = far_shell.run("%%llm -t 0 --max-tokens 9\nHi").text
    assert first.count("this model takes no") == 3
    assert first.endswith("Here.\n")
    assert len(far.chats) == 4
    assert far_shell.run("%%llm -t 0 --max-tokens 9\nHi").text == "Here.\n"
    assert len(far.chats) == 5
    assert far.chats[-1].body["max_completion_tokens"] == 9
    far_shell.run("%%llm -m far/another -t 0\nHi")
    assert far.chats[-3].body["temperature"] == 0, "another model of the endpoint is asked afresh"


def test_a_server_that_does_not_stream_is_asked_for_the_whole_answer(far_shell: Shell, far: FarEnd) -> None:
    far.refuses("stream", 400, error("Streaming is not supported for this model."), then="All at once.")
    done = far_shell.run("%%llm\nHi")
    assert "this model takes no streaming here: asked for the whole answer at once" in done.text
    assert "All at once." in done.text
    assert sorted(far.chats[-1].body) == ["messages", "model"]


def test_a_model_without_a_system_role_gets_it_in_the_prompt(far_shell: Shell, far: FarEnd) -> None:
    def has_system(request: Request) -> bool:
        return request.is_chat and any(message["role"] == "system" for message in request.body["messages"])

    far.when(has_system).fails(400, error("System role not supported"))
    far.answers("Yes.")
    assert (
        "(this model takes no system role here: put into the prompt)"
        in far_shell.run('%%llm --system "Be brief."\nHi').text
    )
    assert far.chats[-1].body["messages"] == [{"role": "user", "content": "Be brief.\n\nHi"}]


def test_when_nothing_helps_the_first_error_is_shown_with_what_was_tried(far_shell: Shell, far: FarEnd) -> None:
    far.refuses("temperature", 422, {"detail": [{**forbidden("temperature")["detail"][0], "msg": "Extra inputs: no"}]})
    far.fails(400, error("something else is wrong"))
    failure = far_shell.run("%%llm -t 0\nHi").error
    assert isinstance(failure, errors.RequestRefused)
    assert "Extra inputs: no" in failure.what
    assert "takes no temperature here: asked without it; then: something else is wrong" in failure.where
    assert len(far.chats) == 2
    far_shell.run("%%llm -t 0\nHi")
    assert far.chats[-2].body["temperature"] == 0, "nothing was learnt from what did not help"


def test_what_is_not_recognised_is_passed_on_as_it_is(far_shell: Shell, far: FarEnd) -> None:
    far.fails(400, error("the moon is in the wrong quarter"))
    failure = far_shell.run("%%llm -t 0 --max-tokens 5\nHi").error
    assert isinstance(failure, errors.RequestRefused)
    assert "wrong quarter" in failure.what
    assert len(far.chats) == 1
