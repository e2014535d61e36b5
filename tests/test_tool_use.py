"""Tools in a cell: what is offered, run and told, what stays within which bound, and what is left behind."""

from __future__ import annotations

import io
import itertools
import json
import re
import sys

import pytest
from far_end import FarEnd, openai_error
from IPython.core.error import UsageError
from shells import Shell

from llm_magics.errors import ToolLimit

TOOLS = '''
import llm_magics

ran = []

@llm_magics.tool
def weather(city: str) -> str:
    """Tell the weather of a city.

    Args:
        city: a town's name.
    """
    ran.append(("weather", city))
    return f"7 degrees in {city}"

@llm_magics.tool
async def later(number: int) -> int:
    """Double a number, after a while."""
    import asyncio
    await asyncio.sleep(0)
    ran.append(("later", number))
    return 2 * number

@llm_magics.tool
def fails(city: str) -> str:
    """Fail."""
    print("about to fail")
    secret = "a local variable"
    raise LookupError(f"no such city: {city}")

@llm_magics.tool(side_effects=True)
def send(text: str) -> str:
    """Send a mail."""
    ran.append(("send", text))
    return "sent"
'''


@pytest.fixture
def tools(far_shell: Shell) -> Shell:
    assert far_shell.run(TOOLS).error is None
    return far_shell


def define(shell: Shell, name: str, *lines: str, head: str = "", takes: str = "") -> None:
    """Define a tool of these lines."""
    body = "".join(f"    {line}\n" for line in lines)
    kind = "async def" if any("await " in line for line in lines) else "def"
    done = shell.run(f'@llm_magics.tool{head}\n{kind} {name}({takes}) -> str:\n    """Do it."""\n{body}')
    assert done.error is None


def told(far: FarEnd) -> list[str]:
    """What the last request tells the model of its calls."""
    return [message["content"] for message in far.chats[-1].body["messages"] if message["role"] == "tool"]


@pytest.mark.parametrize(
    "said",
    [
        "Unexpected role 'tool' in messages",
        "messages[2].role: unknown variant `tool`, expected `user` or `assistant`",
        "Only user and assistant roles are supported!",
        "tool messages are not supported by this template",
    ],
)
def test_a_server_that_takes_no_results_of_the_calls_it_made_gets_them_as_a_prompt(
    tools: Shell, far: FarEnd, said: str
) -> None:
    far.calls_tool("weather", city="Oslo")
    far.when(lambda request: request.is_chat and any(one["role"] == "tool" for one in request.body["messages"])).fails(
        400, openai_error(said)
    )
    far.answers("Cold.")
    done = tools.run("%%llm --tools weather\nHow cold?")
    assert "this model takes no tool role here: told what tools gave as a prompt, and offered none" in done.text
    assert "Cold." in done.text
    last = far.chats[-1].body
    assert "tools" not in last
    assert last["messages"][-1] == {"role": "user", "content": "Result of the tool call: 7 degrees in Oslo"}


def test_a_tool_that_is_offered_is_called_and_its_result_goes_back(tools: Shell, far: FarEnd) -> None:
    far.calls_tool("weather", city="Oslo").answers("It is 7 degrees.")
    done = tools.run("%%llm --tools weather\nHow warm is it in Oslo?")
    first, second = far.chats
    assert [tool["function"]["name"] for tool in first.body["tools"]] == ["weather"]
    assert "a town's name" in json.dumps(first.body["tools"])
    assert second.body["tools"] == first.body["tools"]
    assert second.body["messages"][1:] == [
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "7 degrees in Oslo"},
    ]
    assert "weather" in done.text
    assert "7 degrees in Oslo" in done.text
    assert done.text.endswith("It is 7 degrees.\n")
    assert tools["_"].content == "It is 7 degrees."


def test_the_answer_keeps_steps_messages_and_usage_of_all_rounds(tools: Shell, far: FarEnd) -> None:
    far.calls_tool("weather", city="Oslo").calls_tool("weather", city="Bergen").answers("Cold.")
    tools.run("%%llm --tools weather\nHow warm is it?")
    answer = tools["_llm"]
    assert [[run.arguments for run in step.runs] for step in answer.steps] == [
        ['{"city": "Oslo"}'],
        ['{"city": "Bergen"}'],
    ]
    assert [message["role"] for message in answer.messages] == ["user", *["assistant", "tool"] * 2, "assistant"]
    assert answer.usage["completion_tokens"] == sum(n for n in (1, 1, 1))
    assert "calls=['weather', 'weather']" in repr(answer)


def test_without_tools_nothing_is_offered(tools: Shell, far: FarEnd) -> None:
    tools.run("%%llm\nHi")
    assert "tools" not in far.chats[-1].body


def test_several_calls_of_one_message_are_all_answered_in_order(tools: Shell, far: FarEnd) -> None:
    far.calls_tools([("weather", {"city": "Oslo"}), ("later", {"number": 4}), ("weather", {"city": "Rome"})]).answers(
        "Fine."
    )
    tools.run("%%llm --tools weather,later\nGo")
    assert told(far) == ["7 degrees in Oslo", "8", "7 degrees in Rome"]
    assert tools["ran"] == [("weather", "Oslo"), ("later", 4), ("weather", "Rome")]


def test_a_tools_exception_goes_to_the_model_as_text_without_frames(tools: Shell, far: FarEnd) -> None:
    far.calls_tool("fails", city="Atlantis").answers("There is none.")
    done = tools.run("%%llm --tools fails\nGo")
    assert done.error is None
    assert told(far) == ["Error: LookupError: no such city: Atlantis"]
    assert "a local variable" not in json.dumps(far.chats[-1].body)
    (run,) = tools["_llm"].steps[0].runs
    assert (run.state, run.printed) == ("failed", "about to fail\n")
    assert "about to fail" in done.text


def test_a_call_outside_the_offered_set_is_not_run_and_the_model_is_told_what_there_is(
    tools: Shell, far: FarEnd
) -> None:
    far.calls_tool("send", text="x").answers("Sorry.")
    tools.run("%%llm --tools weather\nGo")
    assert tools["ran"] == []
    assert told(far) == ["Not run: there is no tool 'send' here. The tools are: weather."]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"city": "Os', "no valid JSON"),
        ("[1]", "no JSON object"),
        ('{"town": "Oslo"}', "town"),
        ("{}", "city"),
        ('{"city": "Oslo", "city": "Rome"}', "stands twice"),
        ('{"city": NaN}', "NaN"),
        ("[" * 5_000, "nested too deeply"),
    ],
)
def test_arguments_that_cannot_be_used_are_told_and_the_tool_is_not_run(
    tools: Shell, far: FarEnd, arguments: str, said: str
) -> None:
    far.calls_tools([("weather", arguments)]).answers("Sorry.")
    done = tools.run("%%llm --tools weather\nGo")
    assert done.error is None
    assert tools["ran"] == []
    (content,) = told(far)
    assert said in content
    sent = far.chats[-1].body["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert isinstance(json.loads(sent, object_pairs_hook=dict), dict), "a strict server reads it again"


def test_a_model_is_told_twice_what_cannot_be_run_and_then_it_ends(tools: Shell, far: FarEnd) -> None:
    far.calls_tools([("nothing", {})], times=9)
    done = tools.run("%%llm --tools weather\nGo")
    assert isinstance(done.error, ToolLimit)
    assert len(far.chats) == 3
    assert "told 2 times" in str(done.error)
    assert [run.state for run in tools["_llm"].runs] == ["denied"]
    assert tools["_llm"].messages[-1]["role"] == "tool"


BOUNDS = {
    "max_tool_rounds": ("max_tool_rounds=2", [[("weather", {"city": c})] for c in "abcdef"], 2),
    "max_tool_calls": ("max_tool_calls=3", [[("weather", {"city": c}) for c in "abcde"]], 3),
    "max_tool_repeats": ("max_tool_repeats=2", [[("weather", {"city": "a"})]] * 6, 2),
}


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_bound_that_is_reached_ends_it_with_its_name_and_all_is_kept(tools: Shell, far: FarEnd, bound: str) -> None:
    setting, rounds, runs = BOUNDS[bound]
    for calls in rounds:
        far.calls_tools(calls, text="Let me look.", times=1)
    tools.run(f"%llm_config {setting}")
    done = tools.run("%%llm --tools weather\nGo")
    assert isinstance(done.error, ToolLimit)
    assert bound in str(done.error)
    assert f"%llm_config {bound}=" in str(done.error)
    assert len(tools["ran"]) == runs
    answer = tools["_llm"]
    asked = [call for message in answer.messages for call in message.get("tool_calls", [])]
    results = [message for message in answer.messages if message["role"] == "tool"]
    assert len(asked) == len(results), "a history that any server takes back"
    assert "Let me look." in done.text


def test_a_long_result_is_cut_and_the_model_is_told_how_much_is_missing(tools: Shell, far: FarEnd) -> None:
    tools.run("%llm_config max_tool_result=100")
    far.calls_tool("weather", city="x" * 500).answers("Ok.")
    tools.run("%%llm --tools weather\nGo")
    (content,) = told(far)
    assert len(content) < 300
    assert "more characters" in content


def test_a_result_without_a_word_is_told_in_words_as_some_servers_refuse_an_empty_one(
    tools: Shell, far: FarEnd
) -> None:
    define(tools, "silent", "return ' \\n'")
    far.calls_tool("silent").answers("Ok.")
    tools.run("%%llm --tools silent\nGo")
    assert told(far) == ["(an empty text)"]


def test_a_tool_that_takes_too_long_is_stopped_and_the_model_is_told(tools: Shell, far: FarEnd) -> None:
    quick = "(seconds=0.2)"
    define(tools, "sleeps", "import time", "time.sleep(60)", head=quick)
    define(
        tools, "spins", "while True:", "    try:", "        pass", "    except Exception:", "        pass", head=quick
    )
    define(tools, "waits", "import asyncio", "await asyncio.sleep(60)", head=quick)
    far.calls_tools([("sleeps", {}), ("spins", {}), ("waits", {})]).answers("Too slow.")
    done = tools.run("%%llm --tools sleeps,spins,waits\nGo")
    assert done.error is None
    assert [content.count("stopped after 0.2 s") for content in told(far)] == [1, 1, 1]


def test_whatever_a_tool_raises_is_told(tools: Shell, far: FarEnd) -> None:
    define(tools, "a", "raise SystemExit(3)")
    define(tools, "b", "raise BaseException('odd')")
    define(tools, "c", "raise StopIteration")
    far.calls_tools([("a", {}), ("b", {}), ("c", {})]).answers("Hm.")
    assert tools.run("%%llm --tools a,b,c\nGo").error is None
    assert [content.split(":")[1].strip() for content in told(far)] == ["SystemExit", "BaseException", "StopIteration"]


def test_what_a_tool_prints_is_kept_with_its_call_and_not_sent(tools: Shell, far: FarEnd) -> None:
    define(tools, "talks", "import sys", "print('to out')", "print('to err', file=sys.stderr)", "return 'x'")
    far.calls_tool("talks").answers("One.")
    done = tools.run("%%llm --tools talks\nGo")
    assert tools["_llm"].steps[0].runs[0].printed == "to out\nto err\n"
    assert told(far) == ["x"]
    assert done.text.count("to out") == 1
    assert done.errors == ""


def test_endless_printing_is_counted_and_not_kept(tools: Shell, far: FarEnd) -> None:
    define(tools, "talks", "for _ in range(100_000):", "    print('x' * 99)", "return 'x'")
    far.calls_tool("talks").answers("One.")
    tools.run("%%llm --tools talks\nGo")
    printed = tools["_llm"].steps[0].runs[0].printed
    assert len(printed) < 25_000
    assert "9,980,000 more characters" in printed


def test_a_model_that_takes_no_tools_answers_without_them_and_that_is_said_each_time(tools: Shell, far: FarEnd) -> None:
    far.refuses_tools(400, openai_error("this model does not support tools"), then="Without.")
    assert "takes no tools" in tools.run("%%llm --tools weather\nGo").text
    again = tools.run("%%llm --tools weather\nGo")
    assert "takes no tools" in again.text
    assert "Without." in again.text
    assert "tools" not in far.chats[-1].body


def test_reasoning_beside_calls_is_sent_back(tools: Shell, far: FarEnd) -> None:
    far.calls_tools([("weather", {"city": "Oslo"})], reasoning="I must look.").answers("Cold.")
    tools.run("%%llm --tools weather\nGo")
    assert far.chats[-1].body["messages"][1]["reasoning_content"] == "I must look."


def test_an_answer_that_was_cut_runs_nothing(tools: Shell, far: FarEnd) -> None:
    far.calls_tools([("weather", {"city": "Oslo"})], finish="length")
    tools.run("%%llm --tools weather\nGo")
    assert tools["ran"] == []
    answer = tools["_llm"]
    assert answer.status == "truncated"
    assert answer.messages[-1]["role"] == "tool"


def test_calls_that_end_with_stop_are_run_all_the_same(tools: Shell, far: FarEnd) -> None:
    far.calls_tools([("weather", {"city": "Oslo"})], finish="stop").answers("Cold.")
    tools.run("%%llm --tools weather\nGo")
    assert tools["ran"] == [("weather", "Oslo")]


def test_calls_without_an_end_are_not_read_to_their_end(tools: Shell, far: FarEnd) -> None:
    frames = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": n, "id": f"c{n}", "function": call}]}}]}
        for n in range(500)
        for call in [{"name": "weather", "arguments": "{}"}]
    ]
    far.sends(frames, done=False, end="hang")
    tools.run("%llm_config max_tool_calls=3")
    done = tools.run("%%llm --tools weather\nGo")
    assert isinstance(done.error, ToolLimit)
    assert "more than 6 calls at once (max_tool_calls)" in str(done.error)
    assert tools["ran"] == []
    assert far.wait_for_disconnect()


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("functions.weather", "functions_weather"),
        ("w\u0435ather", "w_ather"),
        ("", "unknown"),
        ("x" * 1_000_000, "x" * 64),
    ],
    ids=["dotted", "another letter", "none", "endless"],
)
def test_a_name_that_no_tool_could_have_is_sent_back_as_servers_take_it_and_does_not_fill_the_page(
    tools: Shell, far: FarEnd, name: str, again: str
) -> None:
    far.calls_tools([(name, {})]).answers("Sorry.")
    done = tools.run("%%llm --tools weather\nGo")
    assert far.chats[-1].body["messages"][1]["tool_calls"][0]["function"]["name"] == again
    assert "there is no tool" in told(far)[0] and "weather" in told(far)[0]
    assert len(done.text) < 2_000


def test_endless_arguments_are_not_read_to_their_end(tools: Shell, far: FarEnd) -> None:
    far.calls_tools([("weather", '{"city": "' + "x" * 3_000_000 + '"}')], chunk=2_000, gap=0.0005)
    done = tools.run("%%llm --tools weather\nGo")
    assert isinstance(done.error, ToolLimit)
    assert "max_tool_arguments" in str(done.error)
    assert tools["ran"] == []
    assert len(tools["_llm"].message.tool_calls[0].function.arguments) < 3_000_000


def test_a_failure_in_a_later_round_keeps_the_rounds_before(tools: Shell, far: FarEnd) -> None:
    tools.run("%llm_config max_retries=0")
    far.calls_tools([("weather", {"city": "Oslo"})], times=1).fails(500, openai_error("broken"), times=1)
    done = tools.run("%%llm --tools weather\nGo")
    assert type(done.error).__name__ == "ServerFailed"
    answer = tools["_llm"]
    assert [run.content for run in answer.steps[0].runs] == ["7 degrees in Oslo"]
    assert answer.status == "failed"


def test_a_tool_that_has_a_side_effect_is_not_run_where_nobody_can_be_asked(tools: Shell, far: FarEnd) -> None:
    far.calls_tool("send", text="hello").answers("I could not.")
    done = tools.run("%%llm --tools send\nGo")
    assert tools["ran"] == []
    assert "nobody can be asked" in told(far)[0]
    assert "nobody can be asked" in done.text


def test_a_session_may_offer_tools_to_every_prompt_and_a_cell_none(tools: Shell, far: FarEnd) -> None:
    tools.run("%llm_config tools=weather,later")
    tools.run("%%llm\nHi")
    assert [tool["function"]["name"] for tool in far.chats[-1].body["tools"]] == ["weather", "later"]
    tools.run("%%llm --tools none\nHi")
    assert "tools" not in far.chats[-1].body
    tools.run("%config LLMMagics.tools = ['later']")
    tools.run("%%llm\nHi")
    assert [tool["function"]["name"] for tool in far.chats[-1].body["tools"]] == ["later"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--tools wether", "Did you mean 'weather'?"),
        ("--tools plain", "put @llm_magics.tool above its definition"),
        ("--tools ,", "--tools needs names"),
        ("-m far demo --tools weather", "one model, asked once"),
    ],
)
def test_names_that_stand_for_no_tool_are_mistakes_and_nothing_is_sent(
    tools: Shell, far: FarEnd, line: str, said: str
) -> None:
    tools.run("def plain(): pass")
    done = tools.run(f"%%llm {line}\nHi")
    assert isinstance(done.error, UsageError)
    assert said in str(done.error)
    assert far.chats == []


def test_compared_answers_are_given_without_tools_and_that_is_said(tools: Shell, far: FarEnd) -> None:
    tools.run("%llm_config tools=weather")
    tools.run("%%llm -n 2\nHi")
    assert all("tools" not in chat.body for chat in far.chats)
    assert any("left out" in note for note in tools["_llm"].entries[0].answer.notes)


def test_tools_are_listed_with_who_decides(tools: Shell) -> None:
    tools.run("%llm_config tools=weather")
    shown = tools.run("%llm_config --tools").text
    rows = {line.split()[0]: line for line in shown.splitlines() if line}
    assert "by itself" in rows["weather"]
    assert "yes" in rows["weather"]
    assert "after a question" in rows["send"]
    assert "after a question" in rows["run_python"]


def test_a_policy_may_be_tightened_at_once_and_a_tool_that_is_denied_is_not_offered(tools: Shell, far: FarEnd) -> None:
    assert "never" in tools.run("%llm_config --policy weather=deny").text
    far.calls_tool("weather", city="Oslo").answers("No.")
    tools.run("%%llm --tools weather,later\nGo")
    assert [tool["function"]["name"] for tool in far.chats[0].body["tools"]] == ["later"]
    assert tools["ran"] == []


def test_loosening_needs_a_person(tools: Shell, far: FarEnd) -> None:
    done = tools.run("%llm_config --policy send=allow")
    assert isinstance(done.error, UsageError)
    assert "none can be asked" in str(done.error)
    far.calls_tool("send", text="x").answers("No.")
    tools.run("%%llm --tools send\nGo")
    assert tools["ran"] == []


@pytest.mark.parametrize(
    ("word", "said"), [("weather=maybe", "NAME=allow"), ("nothing=deny", "no tool"), ("weather", "NAME=allow")]
)
def test_policies_that_make_no_sense_are_mistakes(tools: Shell, word: str, said: str) -> None:
    done = tools.run(f"%llm_config --policy {word}")
    assert isinstance(done.error, UsageError)
    assert said in str(done.error)


def test_code_that_a_model_runs_cannot_loosen_anything(tools: Shell, far: FarEnd) -> None:
    define(
        tools,
        "escapes",
        "ip = get_ipython()",
        "if how == 0:",
        "    ip.run_line_magic('llm_config', '--policy send=allow')",
        "if how == 1:",
        "    ip.run_line_magic('config', 'LLMMagics.tools = [\"send\"]')",
        "if how == 2:",
        "    llm_magics.get_session().toolbox.policies = {'send': 'allow'}",
        "if how == 3:",
        "    llm_magics.get_session().toolbox.decide('send', 'allow', ip.user_ns)",
        "return 'done'",
        takes="how: int",
    )
    far.calls_tools([("escapes", {"how": n}) for n in range(4)] + [("send", {"text": "x"})]).answers("Ok.")
    tools.run("%%llm --tools escapes,send\nGo")
    assert tools["ran"] == []
    assert any("they are as they were" in note for note in tools["_llm"].notes)
    far.calls_tool("send", text="x").answers("Ok.")
    tools.run("%%llm --tools send\nGo")
    assert tools["ran"] == []
    assert tools.ip.run_line_magic("config", "LLMMagics.tools") is None


@pytest.mark.parametrize("flags", list(itertools.product((False, True), repeat=3)))
def test_all_three_flags_in_one_conversation_ask_even_where_a_tool_is_allowed(
    tools: Shell, far: FarEnd, flags: tuple[bool, bool, bool]
) -> None:
    private, untrusted, out = flags
    reading = f"(policy='allow', reads_private={private}, reads_untrusted={untrusted})"
    define(tools, "first", "ran.append('first')", "return 'data'", head=reading)
    define(tools, "second", "ran.append('second')", "return 'posted'", head=f"(policy='allow', sends_out={out})")
    far.calls_tool("first").calls_tool("second").answers("Done.")
    tools.run("%%llm --tools first,second\nGo")
    assert tools["ran"] == (["first"] if all(flags) else ["first", "second"])


def test_a_key_in_a_result_reaches_neither_the_model_nor_the_page(
    tools: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-far-" + "a1b2c3d4e5f6" * 3
    monkeypatch.setenv("LLM_TEST_KEY", key)
    tools.run(f"%llm_config --add keyed base_url={far.base_url} api_key_env=LLM_TEST_KEY model=x")
    define(
        tools, "env", "import os", "print(os.environ['LLM_TEST_KEY'])", "return 'key: ' + os.environ['LLM_TEST_KEY']"
    )
    far.calls_tool("env").answers("Ok.")
    done = tools.run("%%llm -m keyed --tools env\nGo")
    assert key not in json.dumps(far.chats[-1].body)
    assert key not in done.text + repr(tools["_llm"].steps)


def test_a_dry_run_shows_the_tools_and_runs_none(tools: Shell, far: FarEnd) -> None:
    assert '"name": "weather"' in tools.run("%%llm --tools weather --dry-run\nHi").text
    assert far.chats == []


def test_what_a_model_says_before_its_calls_stands_before_them_in_a_terminal(tools: Shell, far: FarEnd) -> None:
    far.calls_tools([("weather", {"city": "Oslo"})], text="First.")
    far.calls_tools([("weather", {"city": "Rome"})], text="Then that.")
    far.answers("Done.")
    done = tools.run("%%llm --tools weather\nGo")
    assert done.text.index("First.") < done.text.index("Oslo") < done.text.index("Then that.") < done.text.index("Rome")


def test_what_python_shows_of_an_answer_and_its_steps_is_short(tools: Shell, far: FarEnd) -> None:
    define(tools, "dot", "import base64", "return type('Dot', (), {'_repr_png_': lambda self: PNG})()", head="()")
    tools.ip.user_ns["PNG"] = b"\x89PNG\r\n\x1a\n" + bytes(50_000)
    far.calls_tools([("weather", {"city": "Oslo"}), ("dot", {})], text="Let me look.")
    far.calls_tools([("weather", {"city": f"town {n}"}) for n in range(12)]).answers("Fine.")
    tools.run("%%llm --tools weather,dot\nGo")
    first, _ = map(repr, tools["_llm"].steps)
    assert first.startswith("Step('Let me look.', <weather({\"city\": \"Oslo\"}), done, '7 degrees in Oslo', 0.0")
    assert "pictures=1" in first
    assert len(first) < 400
    assert "calls=14" in repr(tools["_llm"])


def test_a_function_that_the_settings_name_and_that_is_not_defined_stops_no_prompt(tools: Shell, far: FarEnd) -> None:
    tools.run("%llm_config tools=weather,later")
    tools.run("del later")
    done = tools.run("%%llm\nHi")
    assert done.error is None
    assert [tool["function"]["name"] for tool in far.chats[-1].body["tools"]] == ["weather"]
    assert "(later, which the setting tools names, is not defined here, and was not offered)" in done.text
    tools.run("later = 3")
    assert isinstance(tools.run("%%llm\nHi").error, UsageError), "it is something else now"


def test_a_tool_that_is_denied_is_not_offered_and_that_is_said(tools: Shell, far: FarEnd) -> None:
    tools.run("%llm_config --policy weather=deny,later=ask")
    done = tools.run("%%llm --tools weather,later\nHi")
    assert "(not offered, as the policy is deny: weather)" in done.text
    assert [tool["function"]["name"] for tool in far.chats[-1].body["tools"]] == ["later"]


@pytest.mark.parametrize(
    "names", ["weather later", "weather, later", "weather ,later", '"weather, later"', "weather,later,"]
)
def test_names_of_tools_stand_apart_or_with_commas_between(tools: Shell, far: FarEnd, names: str) -> None:
    assert tools.run(f"%%llm --tools {names}\nHi").error is None
    assert [tool["function"]["name"] for tool in far.chats[-1].body["tools"]] == ["weather", "later"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%llm --tools weather, later Hi", "no blanks between the names"),
        ("%llm_config tools=weather, later", "tools=weather,later"),
        ("%llm_config tools=weather later", "tools=weather,later"),
        ("%llm_config --policy weather=deny later=ask", "--policy weather=deny,later=ask"),
        ("%%llm --tools None\nHi", "Did you mean 'none'?"),
    ],
)
def test_blanks_in_lists_and_other_slips_are_told_with_what_to_write(
    tools: Shell, far: FarEnd, line: str, said: str
) -> None:
    done = tools.run(line)
    assert isinstance(done.error, UsageError)
    assert said in str(done.error)
    assert far.chats == []


def test_a_policy_may_be_that_of_a_whole_toolset(tools: Shell) -> None:
    done = tools.run("%llm_config --policy frames=deny,weather=ask")
    assert done.error is None
    assert "list_frames runs never" in done.text
    assert "describe_frame runs never" in done.text
    assert "weather runs after a question" in done.text


def test_a_tool_under_another_name_is_listed_as_offered(tools: Shell) -> None:
    tools.run("forecast = weather\n%llm_config tools=forecast")
    row = next(line for line in tools.run("%llm_config --tools").text.splitlines() if line.startswith("weather"))
    assert "yes" in row


def test_tools_are_shown_as_they_are_written(tools: Shell) -> None:
    assert "Set tools = weather,later." in tools.run("%llm_config tools=weather,later").text
    assert "weather, later" in tools.run("%llm_config").text


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%llm_config tools=we", ["tools=weather"]),
        ("%llm_config tools=weather,fr", ["tools=weather,frames"]),
        ("%llm_config --policy wea", ["weather="]),
        ("%llm_config --policy describe", ["describe_frame="]),
        ("%llm_config --policy weather=", ["weather=allow", "weather=ask", "weather=deny"]),
        ("%%llm --tools weather fr", ["frames"]),
    ],
)
def test_tools_and_policies_are_completed(tools: Shell, typed: str, offered: list[str]) -> None:
    _, matches = tools.ip.complete(None, typed, len(typed))
    assert matches == offered


def test_in_a_terminal_the_answer_stands_apart_from_the_calls_above_it(tools: Shell, far: FarEnd) -> None:
    far.calls_tools([("weather", {"city": "Oslo"}), ("later", {"number": 2})]).answers("Done.")
    assert re.search(
        r'\ATool call: weather\({"city": "Oslo"}\)\n  → 7 degrees in Oslo \(\d+ ms\)\n'
        r'Tool call: later\({"number": 2}\)\n  → 4 \(\d+ ms\)\n\nDone\.\n\Z',
        tools.run("%%llm --tools weather,later\nGo").text,
    )


def test_a_tool_that_asks_something_asks_where_the_person_sees_it(
    tools: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    define(tools, "ask", "print('before')", "return input('Your name? ')", head="()")
    monkeypatch.setattr(sys, "stdin", io.StringIO("Ann\n"))
    far.calls_tool("ask").answers("Done.")
    done = tools.run("%%llm --tools ask\nGo")
    assert told(far) == ["Ann"]
    assert "Your name? " in done.text
    assert tools["_llm"].steps[0].runs[0].printed.strip() == "before"


def test_of_a_progress_bar_the_last_state_is_kept(tools: Shell, far: FarEnd) -> None:
    define(tools, "counts", "for n in range(4): print(f'\\r{n} of 3', end='')", "print('\\r\\nover\\r\\n')", head="()")
    far.calls_tool("counts").answers("Done.")
    tools.run("%%llm --tools counts\nGo")
    assert tools["_llm"].steps[0].runs[0].printed.split("\n")[:2] == ["3 of 3", "over"]


def test_markdown_that_a_tool_displays_is_kept_as_it_is_written(tools: Shell, far: FarEnd) -> None:
    define(tools, "shows", "from IPython.display import Markdown, display", "display(Markdown('**bold**'))", head="()")
    far.calls_tool("shows").answers("Done.")
    tools.run("%%llm --tools shows\nGo")
    assert tools["_llm"].steps[0].runs[0].printed.strip() == "**bold**"
