"""The answer on a page: a real kernel, every message of its output channel counted."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from far_end import FarEnd
from kernels import Kernel, Ran, kernel

SOON = 10.0  # seconds; milliseconds on a quiet machine: see benchmarks/bench_interrupt.py
PROSE = "A paragraph of plain prose that goes on for a while, as answers do, with `code` and **stress** in it.\n\n"
CODE = "```python\n" + "value = compute(value, step=0.25)  # one more line\n" * 40 + "```\n\n"
LIST = "".join(f"- item {n} of a list that has a few words in each of its lines\n" for n in range(30)) + "\n"
TABLE = "| name | value |\n|---|---|\n" + "".join(f"| row {n} | {n * n} |\n" for n in range(30)) + "\n"
ANSWER = "# A heading\n\n" + PROSE * 3 + LIST + CODE + TABLE


@pytest.fixture(scope="module")
def far() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


@pytest.fixture(scope="module")
def front(far: FarEnd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    with kernel(LLM_MAGICS_DIR=str(folder), IPYTHONDIR=str(folder / "ipython")) as started:
        started.run("%load_ext llm_magics")
        assert not started.run(f"%llm_config --add far base_url={far.base_url}").error
        assert not started.run("%%llm\nThe first call imports.").error
        yield started


@pytest.fixture(autouse=True)
def fresh_script(far: FarEnd) -> None:
    far.reset()


def only(ran: Ran) -> dict[str, object]:
    (output,) = ran.outputs
    return output


def test_the_saved_cell_holds_exactly_one_rendering_of_the_answer(front: Kernel, far: FarEnd) -> None:
    far.answers(ANSWER, gap=0.002, chunk=20)
    ran = front.run("%%llm\nHi")
    output = only(ran)
    assert output["output_type"] == "execute_result"
    assert set(output["data"]) == {"text/markdown", "text/plain"}
    assert len(ran.of("display_data", "update_display_data")) > 3, "it streamed"


@pytest.mark.parametrize("ask", ["%llm Hi", "get_ipython().run_cell_magic('llm', '', 'Hi')"])
def test_each_answer_of_a_loop_stays(front: Kernel, far: FarEnd, ask: str) -> None:
    ran = front.run(f"for n in range(3):\n    {ask}")
    assert [output["output_type"] for output in ran.outputs] == ["display_data"] * 3


@pytest.mark.parametrize("ask", ["{}", "return {}", "print({}.content)"])
@pytest.mark.parametrize("magic", ["run_line_magic('llm', 'Later')", "run_cell_magic('llm', '', 'Later')"])
def test_what_a_callback_asks_when_no_cell_runs_is_shown_once_below_the_last_one(
    front: Kernel, far: FarEnd, ask: str, magic: str
) -> None:
    later = ask.format(f"get_ipython().{magic}")
    front.run(
        f"def once(done):\n    get_ipython().events.unregister('post_run_cell', once)\n    {later}\n"
        "def at_the_end():\n"
        "    get_ipython().events.unregister('pre_execute', at_the_end)\n"
        "    get_ipython().events.register('post_run_cell', once)\n"
        "get_ipython().events.register('pre_execute', at_the_end)"
    )
    far.answers("Now.", times=1).answers("Later.")
    ran = front.run("%%llm\nHi")
    answer, called = ran.outputs
    assert answer["data"]["text/markdown"] == "Now."
    assert (called.get("text") or called["data"]["text/markdown"]).strip() == "Later."
    assert front.value("__import__('signal').getsignal(2).__name__") == "default_int_handler"


def test_the_text_grows_while_it_arrives(front: Kernel, far: FarEnd) -> None:
    far.answers(PROSE * 6, chunk=8, gap=0.02)
    ran = front.run("%%llm\nHi")
    painted = ran.of("display_data", "update_display_data")
    assert len(painted) >= 8
    assert painted[0].at < ran.seconds / 3


def test_the_first_token_is_on_the_page_at_once(front: Kernel, far: FarEnd) -> None:
    far.answers("Hello there, " * 20, ttft=0.5, gap=0.05)
    first = front.run("%%llm\nHi").messages[0]
    assert "Hel" in first.content["data"]["text/markdown"]
    assert first.at - 0.5 < 0.25, "50 ms on a quiet machine: see benchmarks/bench_page.py"


def test_a_wait_for_the_first_token_is_counted_on_the_page_and_gone_afterwards(front: Kernel, far: FarEnd) -> None:
    far.answers("At last.", ttft=2.2)
    ran = front.run("%%llm\nHi")
    assert "Waiting for far" in ran.messages[0].content["data"]["text/markdown"]
    assert only(ran)["data"]["text/markdown"] == "At last."


@pytest.mark.parametrize(
    ("kind", "text"),
    {
        "mixed": ANSWER * 20,
        "one code block": "```python\n" + "x = 'one of very many lines'  # and a comment\n" * 1_700 + "```\n",
        "one paragraph": "A sentence of some words that ends here. " * 1_950,
        "one list": LIST.rstrip("\n") * 45,
        "one line": "word" * 20_000,
    }.items(),
)
def test_an_answer_of_80_kb_costs_at_most_two_and_a_half_times_its_text(
    front: Kernel, far: FarEnd, kind: str, text: str
) -> None:
    text = text[:80_000]
    far.answers(text, chunk=4)
    ran = front.run("%%llm\nHi")
    assert ran.bytes <= 2.5 * len(text) + 1_000 * len(ran.messages), kind
    assert len(ran.messages) <= 20 * max(ran.seconds, 0.5) + 4
    assert only(ran)["output_type"] == "execute_result"


@pytest.mark.parametrize("size", [10_000, 40_000, 160_000])
def test_bytes_stay_under_the_same_line_however_long_the_text(front: Kernel, far: FarEnd, size: int) -> None:
    far.answers((ANSWER * 60)[:size], chunk=4)
    ran = front.run("%%llm\nHi")
    assert ran.bytes <= 2.5 * size + 1_000 * len(ran.messages)


def test_a_slow_answer_stays_within_its_budget_too(front: Kernel, far: FarEnd) -> None:
    far.answers(ANSWER[:3_000], chunk=10, gap=0.01)
    ran = front.run("%%llm\nHi")
    assert ran.bytes <= 2.5 * 3_000 + 1_000 * len(ran.messages)
    assert len(ran.messages) <= 20 * ran.seconds + 2


TOKENS = "Fifty thousand tokens of an answer, as fast as the wire gives them. " * 3_600  # four characters each
LONG = {
    "50,000 tokens of prose": TOKENS[:200_000],
    "paragraphs and code": (ANSWER * 60)[:215_000],
    "more than a page takes": (ANSWER * 120)[:400_000],
    "signs that are written longer": "<" * 120_000,
    "one line without an end": "word" * 50_000,
    "Chinese": "这是一个很长的回答，没有尽头。" * 8_000,
}


@pytest.mark.parametrize("gap", [0.0, 0.02], ids=["at once", "in two seconds"])
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_no_second_of_a_long_answer_has_more_than_300_kb_or_20_messages(
    front: Kernel, far: FarEnd, text: str, gap: float
) -> None:
    calls = [(f"tool_{n}", {"text": text[:3_000]}) for n in range(3)]
    far.calls_tools(calls, text=text, reasoning=PROSE * 40, chunk=len(text) // 80, gap=gap)
    ran = front.run("%%llm\nHi")
    size, messages = ran.most_in_a_second()
    assert size <= 300_000
    assert messages <= 20
    assert only(ran)["output_type"] == "execute_result"


def test_50_000_tokens_are_whole_in_what_is_saved(front: Kernel, far: FarEnd) -> None:
    far.answers(LONG["50,000 tokens of prose"], chunk=4)
    assert only(front.run("%%llm\nHi"))["data"]["text/markdown"] == LONG["50,000 tokens of prose"].strip()
    assert front.value("len(_llm.text)") == 200_000


def test_what_a_page_does_not_take_is_counted_at_its_end(front: Kernel, far: FarEnd) -> None:
    far.calls_tools(
        [(f"tool_{n}", {"text": "y" * 30_000}) for n in range(40)],
        text="<b> " * 100_000,
        reasoning="because " * 40_000,
        chunk=40_000,
    )
    shown = str(only(front.run("%%llm\nHi"))["data"]["text/markdown"])
    assert 150_000 < len(shown.encode()) < 240_000
    assert shown.count("more characters in") == 42
    assert shown.count("&lt;b&gt;") > 10_000, "the answer's text comes before all else"
    assert front.value("[len(_llm.text), len(_llm.message.reasoning_content)]") == [400_000, 320_000]


def test_an_interrupt_keeps_the_text_says_so_stops_the_server_and_the_next_cell_works(
    front: Kernel, far: FarEnd
) -> None:
    far.answers("Counting on and on. " * 400, gap=0.05)
    cell = front.start("%%llm --to text\nCount.")
    time.sleep(0.8)
    began = time.monotonic()
    front.interrupt()
    ran = front.finish(cell)
    assert time.monotonic() - began < SOON
    assert [output["output_type"] for output in ran.outputs] == ["display_data", "error"]
    assert "Interrupted: this is what had arrived" in ran.outputs[0]["data"]["text/markdown"]
    assert ran.error == "KeyboardInterrupt: stopped; what had arrived is in _llm"
    assert front.value("[_llm.status, text == _llm.text, 'Counting' in text]") == ["interrupted", True, True]
    assert far.wait_for_disconnect(2)
    far.reset()
    assert only(front.run("%%llm\nHi"))["data"]["text/markdown"] == "Hello from the far end."


def test_an_interrupt_while_nothing_has_come_returns_at_once(front: Kernel, far: FarEnd) -> None:
    far.hangs()
    cell = front.start("%%llm\nHi")
    time.sleep(0.7)
    began = time.monotonic()
    front.interrupt()
    assert "KeyboardInterrupt" in front.finish(cell).error
    assert time.monotonic() - began < SOON


def test_an_interrupt_stops_the_cells_that_were_queued_behind_it(front: Kernel, far: FarEnd) -> None:
    far.answers("On and on. " * 400, gap=0.05)
    first, second = front.start("%%llm\nHi"), front.start("ran_on = True")
    time.sleep(0.6)
    front.interrupt()
    front.finish(first)
    front.finish(second)
    assert front.value("'ran_on' in globals()") is False


def test_a_cut_off_answer_is_kept_and_the_cell_fails_in_three_lines(front: Kernel, far: FarEnd) -> None:
    far.sends([{"choices": [{"index": 0, "delta": {"content": "Half an ans"}}]}], done=False, end="reset")
    ran = front.run("%%llm --to half\nHi")
    assert "Half an ans" in ran.outputs[0]["data"]["text/markdown"]
    assert "Cut off" in ran.outputs[0]["data"]["text/markdown"]
    lines = ran.error.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("CutOff: The answer was cut off")
    assert front.value("[half, _llm.status]") == ["Half an ans", "cut off"]


def test_a_model_that_names_itself_at_length_is_named_in_a_line(front: Kernel, far: FarEnd) -> None:
    far.answers("Hi.", model="another model\n" * 200)
    first, *rest = str(only(front.run("%%llm\nHi"))["data"]["text/markdown"]).split("\n\n")
    assert first.startswith("*asked far, got another model another model")
    assert len(first) < 120
    assert rest == ["Hi."]


def test_a_silent_cell_sends_nothing_to_the_page(front: Kernel, far: FarEnd) -> None:
    assert front.run("%%llm\nHi;").messages == []
    assert front.value("_llm.text") == "Hello from the far end."


def test_a_line_among_others_leaves_the_cells_other_outputs_alone(front: Kernel, far: FarEnd) -> None:
    ran = front.run("print('before')\nm = %llm Hi\nprint(m.content)")
    assert ran.text == "before\nHello from the far end.\n"
    assert ran.of("clear_output", "display_data") == []


def test_a_lone_line_streams_like_a_cell(front: Kernel, far: FarEnd) -> None:
    far.answers(PROSE * 4, chunk=8, gap=0.01)
    ran = front.run("%llm Hi there?")
    assert only(ran)["output_type"] == "execute_result"
    assert len(ran.of("display_data", "update_display_data")) > 3


def test_a_message_of_any_origin_renders_as_markdown(front: Kernel) -> None:
    front.run("from openai.types.chat import ChatCompletionMessage as Message")
    ran = front.run("Message(role='assistant', content='**bold**', reasoning='hm')")
    shown = only(ran)["data"]["text/markdown"]
    assert "**bold**" in shown
    assert "<details><summary>Reasoning</summary>" in shown


def test_as_code_asks_the_front_end_for_a_new_cell(front: Kernel, far: FarEnd) -> None:
    far.answers("Here:\n\n```python\nx = 41 + 1\n```\n")
    ran = front.run("%%llm --as code\nWrite it.")
    (payload,) = [p for p in ran.reply["payload"] if p["source"] == "set_next_input"]
    assert (payload["text"], payload["replace"]) == ("x = 41 + 1", False)
    assert only(ran)["data"]["text/markdown"] == "Here:"


def test_output_goes_to_the_cell_that_asked_also_when_others_are_queued(front: Kernel, far: FarEnd) -> None:
    far.answers("First answer, in pieces. " * 10, gap=0.02).answers("Second answer, at once.")
    first, second = front.start("%%llm\nOne"), front.start("%%llm\nTwo")
    assert "First" in only(front.finish(first))["data"]["text/plain"]
    assert "Second" in only(front.finish(second))["data"]["text/plain"]


def test_a_user_mistake_is_one_line_without_a_traceback(front: Kernel, far: FarEnd) -> None:
    ran = front.run("%%llm --modle x\nHi")
    assert ran.text.strip() == "UsageError: unknown option '--modle'. Did you mean '--model'?"
    assert ran.of("error") == []
    assert far.chats == []


def test_no_thread_or_connection_is_left_behind(front: Kernel, far: FarEnd) -> None:
    count = "[__import__('threading').active_count(), len(__import__('os').listdir('/proc/self/fd'))]"
    before = front.value(count)
    for n in range(20):
        far.reset()
        if n % 2:
            far.answers("Some text. " * 20)
            front.run("%%llm\nHi")
        else:
            far.sends([{"choices": [{"index": 0, "delta": {"content": "Half"}}]}], done=False, end="reset")
            front.run("%%llm\nHi")
    threads, files = front.value(count)
    assert threads <= before[0] + 1
    assert files <= before[1] + 2
