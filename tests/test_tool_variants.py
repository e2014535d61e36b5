"""Tool calls in every form that servers send them in: each runs with the right arguments, or ends in a named error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from far_end import FarEnd
from shells import Shell

TOOLS = '''
import llm_magics
ran = []

@llm_magics.tool
def weather(city: str = "nowhere") -> str:
    """Tell the weather."""
    ran.append(["weather", city])
    return f"cold in {city}"

@llm_magics.tool
def clock() -> str:
    """Tell the time."""
    ran.append(["clock"])
    return "noon"
'''
OSLO, ROME = ["weather", "Oslo"], ["weather", "Rome"]
ARGS = '{"city": "Oslo"}'


def piece(index: Any = 0, id_: Any = None, name: Any = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    """One piece of a tool call; what is None is not there."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    call = {"index": index, "id": id_, "type": "function", "function": function, **more}
    return {key: value for key, value in call.items() if value is not None}


def whole(
    name: str = "weather", arguments: Any = ARGS, id_: Any = "call_a", index: Any = 0, **more: Any
) -> dict[str, Any]:
    return piece(index, id_, name, arguments, **more)


# Each a list of deltas' tool calls, and what is to run.
GOOD: dict[str, tuple[list[list[dict[str, Any]]], list[list[str]]]] = {
    "whole in one piece": ([[whole()]], [OSLO]),
    "arguments in pieces": ([[whole(arguments="")], *[[piece(arguments=char)] for char in ARGS]], [OSLO]),
    "no index": ([[whole(index=None)], [whole(index=None, id_="call_b", arguments='{"city": "Rome"}')]], [OSLO, ROME]),
    "no index, in pieces": ([[whole(index=None, arguments="")], [piece(None, arguments=ARGS)]], [OSLO]),
    "no id": ([[whole(id_=None)]], [OSLO]),
    "an empty id": ([[whole(id_="")]], [OSLO]),
    "all at index 0": ([[whole()], [whole(id_="call_b", arguments='{"city": "Rome"}')]], [OSLO, ROME]),
    "one id for two": ([[whole()], [whole(index=1, arguments='{"city": "Rome"}')]], [OSLO, ROME]),
    "one id and one index for two": ([[whole()], [whole(name="clock", arguments="{}")]], [OSLO, ["clock"]]),
    "gaps between indexes": (
        [[whole(index=3)], [whole(index=9, id_="call_b", name="clock", arguments="{}")]],
        [OSLO, ["clock"]],
    ),
    "pieces that take turns": (
        [
            [whole(arguments=""), whole(index=1, id_="call_b", arguments="")],
            [piece(0, arguments='{"city": '), piece(1, arguments='{"city": ')],
            [piece(0, arguments='"Oslo"}')],
            [piece(1, arguments='"Rome"}')],
        ],
        [OSLO, ROME],
    ),
    "the name in every piece": ([[whole(arguments='{"city"')], [whole(arguments=': "Oslo"}')]], [OSLO]),
    "the id in every piece": ([[whole(arguments='{"city"')], [piece(0, "call_a", arguments=': "Oslo"}')]], [OSLO]),
    "the call once more at the end": (
        [[whole(arguments='{"city"')], [piece(0, arguments=': "Oslo"}')], [whole()]],
        [OSLO],
    ),
    "the arguments once more at the end": ([[whole()], [piece(0, arguments=ARGS)]], [OSLO]),
    "the arguments once more, as a text": ([[whole()], [piece(0, arguments=json.dumps(ARGS))]], [OSLO]),
    "arguments as an object": ([[whole(arguments={"city": "Oslo"})]], [OSLO]),
    "arguments written as a text": ([[whole(arguments=json.dumps(ARGS))]], [OSLO]),
    "null arguments": ([[whole("clock", "null")]], [["clock"]]),
    "empty arguments": ([[whole("clock", "")]], [["clock"]]),
    "no arguments": ([[whole("clock", None)]], [["clock"]]),
    "blanks and line ends around": ([[whole(arguments=f"\n  {ARGS}  \n")]], [OSLO]),
    "an empty object first": ([[whole(arguments="{}")], [piece(arguments=ARGS)]], [OSLO]),
    "the type missing": ([[{key: value for key, value in whole().items() if key != "type"}]], [OSLO]),
    "beside a null call": ([[None, whole()]], [OSLO]),  # type: ignore[list-item]
    "an id that is a number": ([[whole(id_=7)]], [OSLO]),
    "an unknown field": ([[whole(surprise={"deep": [1]})]], [OSLO]),
}
# What cannot be run: the model is told, and what it is told names the trouble.
BAD: dict[str, tuple[Any, str]] = {
    "JSON that ends early": ('{"city": "Os', "no valid JSON"),
    "single quotes": ("{'city': 'Oslo'}", "no valid JSON"),
    "a trailing comma": ('{"city": "Oslo",}', "no valid JSON"),
    "two objects": (ARGS + ARGS, "no valid JSON"),
    "a list": ('["Oslo"]', "no JSON object"),
    "a number": ("7", "no JSON object"),
    "an unknown argument": ('{"town": "Oslo"}', "town"),
    "a wrong type": ('{"city": {"name": "Oslo"}}', "city"),
    "code": ("get_weather(city='Oslo')", "no valid JSON"),
}


@pytest.fixture
def tools(far_shell: Shell) -> Shell:
    assert far_shell.run(TOOLS).error is None
    return far_shell


def send(far: FarEnd, deltas: list[list[dict[str, Any]]], finish: str | None = "tool_calls") -> None:
    """Script a stream of these calls, then an answer."""
    head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    frames = [
        {**head, "choices": [{"index": 0, "delta": {"tool_calls": calls}, "finish_reason": None}]} for calls in deltas
    ]
    frames.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    far.sends(frames, times=1).answers("Done.")


@pytest.mark.parametrize("variant", GOOD)
def test_calls_in_an_odd_form_are_run(tools: Shell, far: FarEnd, variant: str) -> None:
    deltas, wanted = GOOD[variant]
    send(far, deltas)
    done = tools.run("%%llm --tools weather,clock\nGo")
    assert done.error is None
    assert tools["ran"] == wanted
    assert tools["_"].content == "Done."
    messages = far.chats[-1].body["messages"]
    asked = [call["id"] for message in messages for call in message.get("tool_calls", [])]
    assert asked == [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert len(set(asked)) == len(wanted), "each has an id of its own"


@pytest.mark.parametrize(("variant", "again"), [(json.dumps(ARGS), ARGS), ("null", "{}"), ('"{}"', "{}")])
def test_arguments_that_were_read_are_sent_back_as_they_were_read(
    tools: Shell, far: FarEnd, variant: str, again: str
) -> None:
    send(far, [[whole(arguments=variant)]])
    tools.run("%%llm --tools weather\nGo")
    (call,) = far.chats[-1].body["messages"][1]["tool_calls"]
    assert call["function"]["arguments"] == again
    assert len(tools["ran"]) == 1


@pytest.mark.parametrize("variant", BAD)
def test_arguments_in_no_form_at_all_are_told_to_the_model(tools: Shell, far: FarEnd, variant: str) -> None:
    arguments, said = BAD[variant]
    send(far, [[whole(arguments=arguments)]])
    done = tools.run("%%llm --tools weather,clock\nGo")
    assert done.error is None
    assert tools["ran"] == []
    (run,) = tools["_llm"].steps[0].runs
    assert said in run.content


@pytest.mark.parametrize("finish", [None, "error"])
def test_calls_of_an_answer_that_broke_off_are_not_run(tools: Shell, far: FarEnd, finish: str | None) -> None:
    tools.run("%llm_config max_retries=0")
    head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    frames = [{**head, "choices": [{"index": 0, "delta": {"tool_calls": [whole()]}, "finish_reason": finish}]}]
    far.sends(frames, done=False, end="cut")
    done = tools.run("%%llm --tools weather\nGo")
    assert type(done.error).__name__ == "CutOff"
    assert tools["ran"] == []
    assert tools["_llm"].messages[-1]["role"] == "tool"


def test_a_finish_reason_of_calls_without_any_is_an_error_with_a_name(tools: Shell, far: FarEnd) -> None:
    far.sends([{"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}])
    done = tools.run("%%llm --tools weather\nGo")
    assert type(done.error).__name__ == "EmptyAnswer"
