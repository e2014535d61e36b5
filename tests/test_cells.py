"""``%%llm`` and ``%llm`` as someone uses them: what is sent, what is shown, what is left behind."""

from __future__ import annotations

import json

import pytest
from far_end import FarEnd
from IPython.core.error import UsageError
from openai.types.chat import ChatCompletionMessage
from shells import Shell


def test_a_cell_sends_its_text_and_prints_the_answer_once(far_shell: Shell, far: FarEnd) -> None:
    far.answers("It is **blue**.")
    done = far_shell.run("%%llm\nWhy is the sky blue?")
    assert done.text == "It is **blue**.\n"
    assert far.chats[-1].body["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]


def test_afterwards_the_last_value_is_the_message_and_llm_the_answer(far_shell: Shell, far: FarEnd) -> None:
    far.answers("Yes.", model="far-model-2026")
    far_shell.run("%%llm\nSure?")
    message, answer = far_shell["_"], far_shell["_llm"]
    assert isinstance(message, ChatCompletionMessage)
    assert message.content == "Yes."
    assert far_shell["Out"][far_shell.ip.execution_count - 1] is message
    assert (answer.text, answer.model, answer.status, answer.finish_reason) == ("Yes.", "far", "ok", "stop")
    assert answer.server_model == "far-model-2026"
    assert answer.usage["completion_tokens"] >= 1
    assert 0 <= answer.timing.first_token <= answer.timing.total


def test_options_of_the_cell_are_sent_and_nothing_else(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run('%%llm -s "Be brief." -t 0.3 --max-tokens 50 --param top_p=0.9 --param stop=["END"]\nHi')
    assert far.chats[-1].body == {
        "model": "far",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "temperature": 0.3,
        "max_tokens": 50,
        "top_p": 0.9,
        "stop": ["END"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_without_streaming_the_whole_answer_is_asked_for_at_once(far_shell: Shell, far: FarEnd) -> None:
    assert far_shell.run("%%llm --no-stream\nHi").text == "Hello from the far end.\n"
    assert "stream" not in far.chats[-1].body
    assert "stream_options" not in far.chats[-1].body


def test_the_model_option_may_name_another_model_of_the_endpoint(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%%llm -m far/org/large-model\nHi")
    assert far.chats[-1].body["model"] == "org/large-model"


def test_to_binds_the_text(far_shell: Shell, far: FarEnd) -> None:
    far.answers("Forty-two.")
    far_shell.run("%%llm --to answer\nWhat is it?")
    assert far_shell["answer"] == "Forty-two."


def test_as_code_puts_the_fenced_code_into_the_next_cell_and_shows_the_prose(far_shell: Shell, far: FarEnd) -> None:
    far.answers("Here it is:\n\n```python\nx = 1\n```\n\nAnd more:\n\n~~~\ny = 2\n~~~\n\nDone.")
    far_shell.run("%%llm --as code --to code\nWrite it.")
    assert far_shell.ip.rl_next_input == "x = 1\n\ny = 2"
    assert far_shell["code"] == "x = 1\n\ny = 2"
    shown = far_shell.ip.display_formatter.format(far_shell["_"])[0]["text/markdown"]
    assert "Here it is" in shown
    assert "x = 1" not in shown
    assert far.chats[-1].body["messages"][0]["content"] == "Answer with a fenced code block."


def test_as_json_binds_the_value_and_lays_it_out(far_shell: Shell, far: FarEnd) -> None:
    far.answers('```json\n{"a": [1, 2]}\n```')
    far_shell.run("%%llm --as json --to data\nGive me JSON.")
    assert far_shell["data"] == {"a": [1, 2]}
    shown = far_shell.ip.display_formatter.format(far_shell["_"])[0]["text/markdown"]
    assert shown == '```json\n{\n  "a": [\n    1,\n    2\n  ]\n}\n```'


def test_an_answer_that_is_no_json_is_kept_as_text_and_said_to_be_none(far_shell: Shell, far: FarEnd) -> None:
    far.answers("I'd rather not.")
    done = far_shell.run("%%llm --as json --to data\nGive me JSON.")
    assert far_shell["data"] == "I'd rather not."
    assert "not valid JSON" in done.errors


@pytest.mark.parametrize("cell", ["%%llm\nHi;", "%%llm ;\nHi", "%%llm --to x ;\nHi", "%llm Hi;"])
def test_a_trailing_semicolon_shows_nothing_and_keeps_the_answer(far_shell: Shell, far: FarEnd, cell: str) -> None:
    done = far_shell.run(cell)
    assert (done.text, done.value) == ("", None)
    assert far_shell["_llm"].text == "Hello from the far end."
    assert far.chats[-1].body["messages"][-1]["content"] == "Hi"


def test_the_line_form_returns_the_message_and_prints_nothing_when_assigned(far_shell: Shell, far: FarEnd) -> None:
    done = far_shell.run("answer = %llm -t 0 What is 'this' and \\n that?")
    assert done.text == ""
    assert far_shell["answer"].content == "Hello from the far end."
    assert far.chats[-1].body["messages"][-1]["content"] == "What is 'this' and \\n that?"


def test_a_question_on_the_line_form_reaches_the_model_and_not_ipythons_help(far_shell: Shell, far: FarEnd) -> None:
    assert far_shell.run("%llm How do I choose a model?").text == "Hello from the far end.\n"
    assert far.chats[-1].body["messages"][-1]["content"] == "How do I choose a model?"


def test_a_question_may_stand_behind_another_magic(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%time m = %llm How long does it take?")
    assert far.chats[-1].body["messages"][-1]["content"] == "How long does it take?"


def test_a_question_mark_behind_the_magic_still_shows_its_help(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%%llm?")
    assert far.chats == []


def test_a_loop_may_ask_again_and_again(far_shell: Shell, far: FarEnd) -> None:
    done = far_shell.run("for n in range(3):\n    m = %llm What is {{ n }} squared?\n    print(m.content)")
    assert done.text == "Hello from the far end.\n" * 3
    assert [chat.body["messages"][0]["content"] for chat in far.chats] == [f"What is {n} squared?" for n in range(3)]


def test_values_of_the_notebook_go_into_the_prompt_and_single_braces_are_text(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("rate = 0.25")
    far_shell.run('%%llm\nRate {{ rate * 100 }} %, as {"rate": 1} and $\\frac{a}{b}$ and {rate}')
    assert far.chats[-1].body["messages"][0]["content"] == 'Rate 25.0 %, as {"rate": 1} and $\\frac{a}{b}$ and {rate}'


def test_raw_sends_double_braces_as_they_are(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%%llm --raw\n{{ not_a_name }}")
    assert far.chats[-1].body["messages"][0]["content"] == "{{ not_a_name }}"


def test_a_dry_run_shows_the_request_without_its_key_and_sends_nothing(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRY_KEY", "sk-canary-0123456789")
    far_shell.run(f"%llm_config --add keyed base_url={far.base_url} api_key_env=DRY_KEY")
    done = far_shell.run("%%llm --dry-run -t 0.5\nHow much is {{ 1 + 1 }}?")
    head, _, body = done.text.partition("\n\n")
    assert head == f"POST {far.base_url}/chat/completions\nAuthorization: Bearer ***"
    assert json.loads(body)["messages"] == [{"role": "user", "content": "How much is 2?"}]
    assert "canary" not in done.text
    assert far.chats == []


def test_a_dry_run_shows_exactly_what_is_sent(far_shell: Shell, far: FarEnd) -> None:
    shown = far_shell.run('%%llm --dry-run -s "Briefly." --param seed=7 --as json\nHi').text
    far_shell.run('%%llm -s "Briefly." --param seed=7 --as json\nHi')
    assert json.loads(shown.partition("\n\n")[2]) == far.chats[-1].body


def test_a_cut_answer_says_so(far_shell: Shell, far: FarEnd) -> None:
    far.answers("Once upon a", finish="length")
    done = far_shell.run("%%llm --max-tokens 3\nTell a story.")
    assert done.text == "Once upon a\n[Cut at max_tokens=3: ask again with a larger --max-tokens.]\n"
    assert far_shell["_llm"].status == "truncated"


def test_reasoning_is_kept_apart_from_the_text(far_shell: Shell, far: FarEnd) -> None:
    far.answers("Four.", reasoning="Two and two are four.")
    done = far_shell.run("%%llm --to text\nWhat is 2+2?")
    assert far_shell["text"] == "Four."
    assert far_shell["_"].reasoning_content == "Two and two are four."
    assert "Two and two" not in done.text


def test_terminal_control_sequences_of_the_model_do_not_reach_the_terminal(far_shell: Shell, far: FarEnd) -> None:
    far.answers("a\x1b[2Jb\x1b]52;c;aGk=\x07c\u202ed", chunk=1)
    assert far_shell.run("%%llm\nHi").text == "abc⟨U+202E⟩d\n"


MISTAKES = {
    "an unknown option": ("%%llm --modle far\nHi", "unknown option '--modle'", "--model"),
    "a model where an option belongs": ("%%llm far\nHi", "unexpected word 'far'", "-m far"),
    "a word that is none": ("%%llm please\nHi", "unexpected word 'please'", "-m"),
    "an empty prompt": ("%%llm\n   \n", "the prompt is empty", "%llm"),
    "a temperature that is no number": ("%%llm -t hot\nHi", "temperature: 'hot'", "a number"),
    "a temperature out of range": ("%%llm -t 9\nHi", "temperature: 9", "0 to 2"),
    "tokens that are no whole number": ("%%llm --max-tokens 1k\nHi", "max_tokens: '1k'", "whole number"),
    "an option given twice": ("%%llm -m far -m far\nHi", "-m is given twice", ""),
    "an option without its value": ("%%llm --to\nHi", "--to needs a value", "--to NAME"),
    "an open quote": ("%%llm -s 'Be brief\nHi", "never closed", "column 10"),
    "a typographic dash": ("%%llm —model far\nHi", "U+2014", "--"),
    "typographic quotes": ("%%llm -s “brief” x\nHi", "U+201C", '"'),
    "an unknown model": ("%%llm -m fra\nHi", "no model 'fra'", "'far'"),
    "an unknown format": ("%%llm --as xml\nHi", "'xml'", "markdown"),
    "an unknown parameter": ("%%llm --param temprature=1\nHi", "'temprature'", "'temperature'"),
    "a parameter without a value": ("%%llm --param seed\nHi", "--param seed needs a value", "seed=VALUE"),
    "an undefined name": ("%%llm\nAbout {{ slaes }}", "'slaes' (line 1, column 7 of the prompt)", "'sales'"),
    "an expression that fails": ("%%llm\n{{ 1 / 0 }}", "ZeroDivisionError", "Nothing was sent"),
    "a generator": ("%%llm\n{{ (n for n in []) }}", "generator", "list"),
    "a target that is a keyword": ("%%llm --to class\nHi", "'class' is a keyword", ""),
    "a target that is no name": ("%%llm --to 1x\nHi", "not a variable name", ""),
    "a key on the line": (
        "%%llm --api-key sk-canary-123456\nHi",
        "--api-key does not belong on this line",
        "--ask-key",
    ),
    "a key as a parameter": ("%%llm --param api_key=sk-canary-123456\nHi", "does not belong on this line", "--ask-key"),
}


@pytest.mark.parametrize(("cell", "wrong", "next_move"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_and_nothing_is_sent(
    far_shell: Shell, far: FarEnd, cell: str, wrong: str, next_move: str
) -> None:
    far_shell.run("sales = 3")
    done = far_shell.run(cell)
    assert isinstance(done.error, UsageError)
    assert wrong in done.errors
    assert next_move in done.errors
    assert done.errors.startswith("UsageError: ")
    assert len(done.errors.strip().splitlines()) == 1
    assert "canary" not in done.errors + done.text
    assert far.chats == []


def test_typographic_quotes_inside_a_prompt_are_the_prompts_own(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%%llm\nWhat does “brief” mean — here?")
    assert far.chats[-1].body["messages"][0]["content"] == "What does “brief” mean — here?"
    far_shell.run("%llm What does “brief” mean — here")
    assert far.chats[-1].body["messages"][0]["content"] == "What does “brief” mean — here"


def test_lines_of_the_prompt_that_look_like_options_or_commands_are_text(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%%llm\n--model x\n!ls\n%pwd")
    assert far.chats[-1].body["messages"][0]["content"] == "--model x\n!ls\n%pwd"


def test_json_on_the_line_keeps_its_quotes_and_blanks(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run('m = %llm --param stop=["END", "the end"] --param logit_bias={"50256": -100} -t 0 What\'s "that"?')
    body = far.chats[-1].body
    assert (body["stop"], body["logit_bias"]) == (["END", "the end"], {"50256": -100})
    assert body["messages"][0]["content"] == 'What\'s "that"?'


@pytest.mark.parametrize("prompt", ["It's 5 o'clock", '"quoted" words', "- a dash first", "-5 degrees", "100% sure"])
def test_the_line_forms_prompt_is_sent_as_it_stands(far_shell: Shell, far: FarEnd, prompt: str) -> None:
    far_shell.run(f"m = %llm -t 0 {prompt}")
    assert far.chats[-1].body["messages"][0]["content"] == prompt


def test_an_answer_without_a_finish_reason_says_that_it_may_not_be_whole(far_shell: Shell, far: FarEnd) -> None:
    far.sends([{"choices": [{"index": 0, "delta": {"content": "So far."}}]}])
    assert "no finish reason" in far_shell.run("%%llm\nHi").text
    assert far_shell["_llm"].text == "So far."


def test_a_timeout_may_be_given_for_one_cell(far_shell: Shell, far: FarEnd) -> None:
    far.hangs()
    assert "said nothing for 0.3 s" in str(far_shell.run("%%llm --param timeout=0.3\nHi").error)


def test_a_setting_that_json_cannot_hold_is_a_mistake_of_one_line(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%config LLMMagics.params = {'metadata': {'x': object()}}")
    done = far_shell.run("%%llm\nHi")
    assert isinstance(done.error, UsageError)
    assert "JSON" in done.errors
