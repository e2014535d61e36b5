"""One prompt to several models: what is sent, what a terminal shows, what is left, what one failure does to others."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from far_end import FarEnd, Reply, Request, calling, spoken
from IPython.core.error import UsageError
from openai.types.chat import ChatCompletionMessage
from shells import Shell

from llm_magics import session
from llm_magics.comparisons.comparison import Comparison
from llm_magics.errors import PromptError

NAMES = ("gpt", "claude", "local")
WORDS = "The keeper counted the ships that went by, one by one. " * 200


def to(model: str) -> Any:
    """Whether a request is for this model."""
    return lambda request: request.is_chat and request.asks_for("model") == model


@pytest.fixture
def several(shell: Shell, far: FarEnd) -> Shell:
    """A shell that knows three models of one far end: gpt, claude and local."""
    for name in NAMES:
        shell.run(f"%llm_config --add {name} base_url={far.base_url} model={name}-model")
    return shell


@pytest.fixture
def talking(several: Shell, far: FarEnd) -> Shell:
    """The same; each model says who it is."""
    for name in NAMES:
        far.when(to(f"{name}-model")).answers(f"I am {name}.")
    return several


# ---------------------------------------------------------------- asking


def test_all_models_named_behind_m_get_the_same_prompt(talking: Shell, far: FarEnd) -> None:
    done = talking.run("%%llm -m gpt claude local -t 0.5\nWho are you?")
    assert done.error is None
    assert sorted(chat.body["model"] for chat in far.chats) == ["claude-model", "gpt-model", "local-model"]
    assert {chat.body["messages"][0]["content"] for chat in far.chats} == {"Who are you?"}
    assert {chat.body["temperature"] for chat in far.chats} == {0.5}


def test_a_long_answer_beside_a_short_one_of_the_same_model_is_shown_whole(several: Shell, far: FarEnd) -> None:
    gpt = far.when(to("gpt-model"))
    for text in (WORDS + "The long one ends here.", "Short."):
        gpt.answers(text, times=1)
    several.run("%%llm -m gpt -n 2\nHow was the night?")
    page = several["_llm"]._repr_mimebundle_()["text/markdown"]
    assert "The long one ends here." in page
    assert "more characters" not in page


def test_in_a_line_models_are_separated_by_commas(talking: Shell, far: FarEnd) -> None:
    talking.run("both = %llm -m gpt,claude Who are you?")
    assert {chat.body["messages"][0]["content"] for chat in far.chats} == {"Who are you?"}
    assert {name: message.content for name, message in talking["both"].items()} == {
        "gpt": "I am gpt.",
        "claude": "I am claude.",
    }


def test_all_are_asked_at_once(several: Shell, far: FarEnd) -> None:
    everybody = threading.Barrier(3, timeout=20)

    def together(request: Request) -> Reply:
        everybody.wait()  # no answer before all requests are there
        return spoken("Together.")

    far.computes(together)
    several.run("%%llm -m gpt claude local\nHi")
    assert [row["text"] for row in several["_"].rows()] == ["Together."] * 3
    assert len(far.chats) == 3


def test_what_a_prompt_takes_in_is_looked_at_once(talking: Shell, far: FarEnd) -> None:
    talking.run("calls = []\ndef value():\n    calls.append(1)\n    return 'v'")
    talking.run("%%llm -m gpt claude\n{{ value() }}")
    assert talking["calls"] == [1]
    assert {chat.body["messages"][0]["content"] for chat in far.chats} == {"v"}


def test_n_asks_each_model_so_many_times(talking: Shell, far: FarEnd) -> None:
    talking.run("%%llm -m gpt claude -n 3\nHi")
    assert sorted(chat.body["model"] for chat in far.chats) == ["claude-model"] * 3 + ["gpt-model"] * 3
    assert [message.content for message in talking["_"]["gpt"]] == ["I am gpt."] * 3
    assert talking["_"]["gpt #2"].content == "I am gpt."


def test_n_alone_asks_the_current_model(talking: Shell, far: FarEnd) -> None:
    talking.run("%%llm -n 2\nHi")
    assert [chat.body["model"] for chat in far.chats] == ["local-model"] * 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-m gpt nobody", "no model 'nobody' in the configuration."),
        ("-m gpt gpt", "--model: 'gpt' is named twice; to ask it several times, write -n 2."),
        ("-m gpt,", "--model needs a value: --model MODEL."),
        ("-n 0", "-n: '0' is not usable; it takes a whole number from 1 to 32."),
        ("-n many", "-n: 'many' is not usable; it takes a whole number from 1 to 32."),
        ("-m gpt claude -n 20", "40 answers are too many at once: at most 32 (models times -n)."),
        ("--blind", "--blind compares two models or more, each asked once"),
        ("-m gpt claude -n 2 --blind", "--blind compares two models or more, each asked once"),
        ("-m gpt claude --judge gpt", "--judge needs 2 values: --judge MODEL CRITERIA."),
        ('-m gpt --judge gpt "short?"', "--judge compares two answers or more"),
        ('-m gpt claude --judge nobody "short?"', "no model 'nobody' in the configuration."),
        ('-m gpt claude --judge gpt ""', "--judge needs criteria"),
        ('-m gpt claude --blind --judge gpt "short?"', "--judge and --blind do not go together"),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent_to_anybody(
    talking: Shell, far: FarEnd, line: str, said: str
) -> None:
    done = talking.run(f"%%llm {line}\nHi")
    assert isinstance(done.error, UsageError)
    assert said in str(done.error)
    assert far.chats == []


def test_a_dry_run_shows_every_request(talking: Shell, far: FarEnd) -> None:
    done = talking.run("%%llm -m gpt claude --dry-run\nHi")
    assert '"model": "gpt-model"' in done.text
    assert '"model": "claude-model"' in done.text
    assert far.chats == []


def test_what_one_model_refuses_is_changed_for_it_alone_and_remembered(several: Shell, far: FarEnd) -> None:
    refused = {"error": {"message": "temperature is not supported with this model", "param": "temperature"}}
    far.when(lambda r: to("gpt-model")(r) and "temperature" in r.body).fails(400, refused)
    several.run("%%llm -m gpt claude -t 0.5\nHi")
    several.run("%%llm -m gpt claude -t 0.5\nHi")
    sent = [("temperature" in chat.body) for chat in far.chats if chat.body["model"] == "gpt-model"]
    assert sent == [True, False, False]
    assert all("temperature" in chat.body for chat in far.chats if chat.body["model"] == "claude-model")


# ---------------------------------------------------------------- what is left


def test_the_value_is_a_comparison_with_the_messages_by_name(talking: Shell) -> None:
    talking.run("%%llm -m gpt claude\nHi")
    comparison = talking["_"]
    assert isinstance(comparison, Comparison)
    assert talking["_llm"] is comparison
    assert list(comparison) == ["gpt", "claude"]
    assert isinstance(comparison["gpt"], ChatCompletionMessage)
    assert comparison["claude"].content == "I am claude."
    with pytest.raises(KeyError, match="Did you mean 'claude'"):
        comparison["cloude"]


def test_rows_tell_what_each_answer_took(several: Shell, far: FarEnd) -> None:
    usage = {
        "prompt_tokens": 12,
        "completion_tokens": 200,
        "completion_tokens_details": {"reasoning_tokens": 64},
        "cost": 0.0042,
    }
    far.when(to("gpt-model")).answers("Well.", usage=usage, ttft=0.05, gap=0.01)
    several.run("%%llm -m gpt claude\nHi")
    first, second = several["_"].rows()
    assert list(first)[:8] == ["label", "model", "repeat", "host", "status", "finish_reason", "first_token", "seconds"]
    assert (first["tokens_in"], first["tokens_out"], first["tokens_reasoning"]) == (12, 200, 64)
    assert (first["cost"], first["currency"], second["cost"]) == (0.0042, "USD", None)
    assert 0.05 <= first["first_token"] <= first["seconds"]
    assert (first["text"], first["status"], first["error"]) == ("Well.", "ok", None)


def test_a_price_of_the_configuration_makes_a_cost_and_an_unknown_one_is_never_nothing(
    talking: Shell, far: FarEnd
) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 500}
    far.when(to("priced-model")).answers("Here.", usage=usage)
    talking.run(f"%llm_config --add priced base_url={far.base_url} model=priced-model price_in=2 price_out=8")
    done = talking.run("%%llm -m priced gpt\nHi")
    assert [row["cost"] for row in talking["_"].rows()] == [0.006, None]
    assert "$0.006" in done.text
    assert "no price" in done.text
    assert "price_in" not in far.chats[0].body


def test_to_binds_each_text_by_its_label(talking: Shell) -> None:
    talking.run("%%llm -m gpt claude --to texts\nHi")
    assert talking["texts"] == {"gpt": "I am gpt.", "claude": "I am claude."}


def test_a_silent_comparison_shows_nothing_and_is_kept(talking: Shell) -> None:
    done = talking.run("%%llm -m gpt claude\nHi;")
    assert (done.text, done.value) == ("", None)
    assert talking["_llm"]["gpt"].content == "I am gpt."


def test_one_failure_is_told_in_its_lane_and_disturbs_no_other(several: Shell, far: FarEnd) -> None:
    far.when(to("claude-model")).fails(401, {"error": {"message": "who are you?"}})
    done = several.run("%%llm -m gpt claude local\nHi")
    assert done.error is None
    rows = {row["label"]: row for row in several["_"].rows()}
    assert [rows[name]["status"] for name in ("gpt", "claude", "local")] == ["ok", "failed", "ok"]
    assert "who are you?" in rows["claude"]["error"]
    assert "who are you?" in done.text
    assert done.text.count("Hello from the far end.") == 2


def test_an_answer_that_breaks_off_keeps_its_text_and_says_so(several: Shell, far: FarEnd) -> None:
    frame = {"choices": [{"index": 0, "delta": {"content": "Half of"}, "finish_reason": None}]}
    far.when(to("claude-model")).sends([frame], done=False, end="cut")
    several.run("%%llm -m gpt claude\nHi")
    row = several["_"].rows()[1]
    assert (row["status"], row["text"]) == ("cut off", "Half of")
    assert "cut off" in row["error"]


# ---------------------------------------------------------------- what is shown


def test_a_terminal_shows_one_lane_after_the_other_and_then_what_each_took(talking: Shell) -> None:
    done = talking.run("%%llm -m gpt claude\nHi")
    assert done.text.startswith("── gpt ──\nI am gpt.\n\n── claude ──\nI am claude.\n\nmodel ")
    assert "no price" in done.text


def test_up_to_three_stand_side_by_side_and_more_below_a_table(talking: Shell, far: FarEnd) -> None:
    talking.run("%%llm -m gpt claude local\nHi")
    three = talking["_"]._repr_mimebundle_()["text/markdown"]
    assert "display:grid" in three
    talking.run(f"%llm_config --add fourth base_url={far.base_url} model=fourth-model")
    talking.run("%%llm -m gpt claude local fourth\nHi")
    four = talking["_"]._repr_mimebundle_()["text/markdown"]
    assert "display:grid" not in four
    assert four.count("<details open ") == 4
    assert four.startswith("| model |")


def test_names_and_answers_of_strangers_do_nothing_on_the_page(several: Shell, far: FarEnd) -> None:
    hostile = "</div></td><img src=x onerror=alert(1)> ![x](https://evil.example/?d) $x$ </details>"
    far.answers(hostile)
    several.run(f"%llm_config --add second base_url={far.base_url} model=<script>alert(1)</script>")
    several.run("%%llm -m gpt second/<b>x</b>\nHi")
    page = several["_"]._repr_mimebundle_()["text/markdown"]
    assert "<img" not in page
    assert "<b>x" not in page
    assert "![" not in page
    assert page.count("</div>") == 3


def test_the_answers_share_the_room_of_a_page(several: Shell, far: FarEnd) -> None:
    far.when(to("gpt-model")).answers("a" * 400_000, chunk=50_000)
    far.when(to("claude-model")).answers("b" * 50_000, chunk=50_000)
    several.run("%%llm -m gpt claude\nHi;")
    page = several["_llm"]._repr_mimebundle_()["text/markdown"]
    assert "b" * 50_000 in page  # who needs little is shown whole
    assert 150_000 < len(page.encode()) < 240_000
    assert "more characters in" in page


# ---------------------------------------------------------------- what can be asked of it


def test_a_dataframe_has_a_row_an_answer(talking: Shell) -> None:
    talking.run("%%llm -m gpt claude\nHi")
    frame = talking["_"].to_df()
    assert list(frame["label"]) == ["gpt", "claude"]
    assert list(frame["text"]) == ["I am gpt.", "I am claude."]
    assert frame["cost"].isna().all()


def test_two_answers_are_told_apart_by_name(talking: Shell) -> None:
    talking.run("%%llm -m gpt claude local\nHi")
    found = talking["_"].diff("gpt", "local")
    assert found.kind == "words"
    assert found.names == ("gpt", "local")
    assert "<del>" in found._repr_mimebundle_()["text/html"]
    assert talking["_"].diff().names == ("gpt", "claude")
    with pytest.raises(KeyError, match="Known: gpt, claude, local"):
        talking["_"].diff("gpt", "nobody")
    assert talking.run("_llm.diff('gpt', 'nobody')").text.strip() == (
        "UnknownAnswer: 'nobody' is not in this comparison. Known: gpt, claude, local"
    )
    assert talking["_llm"].get("nobody") is None


def test_an_answer_that_never_came_is_compared_with_none(several: Shell, far: FarEnd) -> None:
    far.when(to("gpt-model")).fails(400, "no")
    far.answers("Here.")
    several.run("%%llm -m gpt claude local\nHi")
    comparison = several["_llm"]
    assert comparison.diff().names == ("claude", "local")
    assert comparison.diff(other="claude").names == ("local", "claude")
    with pytest.raises(PromptError, match="'gpt' gave no answer that could be compared"):
        comparison.diff("gpt", "local")


def test_equal_answers_of_a_model_are_shown_once_with_their_number(several: Shell, far: FarEnd) -> None:
    oslo = far.when(to("gpt-model"))
    for text in ("Oslo", "**Oslo**.", "Bergen"):
        oslo.answers(text, times=1)
    done = several.run("%%llm -m gpt -n 3\nThe capital of Norway?")
    page = several["_"]._repr_mimebundle_()["text/markdown"]
    assert "**2 of 3 (written in 2 ways)**" in page
    assert "**1 of 3**" in page
    assert page.count("Bergen") == 2  # the answer, and in what varies
    assert "67% agree" in page
    assert several["_"].agreement("gpt").groups[0].count == 2
    assert "67% agree" in done.text


def test_stats_have_a_row_a_model_and_sum_what_is_known_of_all(several: Shell, far: FarEnd) -> None:
    answers = far.when(to("gpt-model"))
    answers.answers("Yes.", usage={"prompt_tokens": 5, "completion_tokens": 7}, times=2)
    answers.fails(400, {"error": {"message": "no"}}, times=1)
    far.when(to("claude-model")).answers("No.", usage=False)
    several.run("%%llm -m gpt claude -n 3\nHi")
    gpt, claude = several["_"].stats().rows
    assert (gpt["model"], gpt["answers"], gpt["failed"], gpt["tokens_out"], gpt["agreement"]) == ("gpt", 2, 1, 14, 1.0)
    assert (claude["answers"], claude["failed"], claude["tokens_out"], claude["cost"]) == (3, 0, None, None)
    assert "14" in repr(several["_"].stats())


@pytest.mark.parametrize("ending", [".csv", ".json", ".html", ".md"])
def test_a_comparison_is_saved_by_its_ending(talking: Shell, tmp_path: Path, ending: str) -> None:
    talking.run("%%llm -m gpt claude\nHi")
    path = talking["_"].save(tmp_path / f"answers{ending}")
    assert "I am claude." in path.read_text("utf-8")


def test_a_figure_is_drawn_of_it(talking: Shell) -> None:
    pytest.importorskip("matplotlib")
    talking.run("%%llm -m gpt claude\nHi")
    assert len(talking["_"].plot().axes) == 3


def test_nothing_that_is_asked_of_a_blind_comparison_tells_who_is_who(talking: Shell, tmp_path: Path) -> None:
    talking.run("%%llm -m gpt claude --blind\nHi")
    done = talking.run("_.plot()")
    assert "hidden until the vote" in str(done.error)
    blind = talking["_llm"]
    saved = blind.save(tmp_path / "answers.json").read_text()
    shown = saved + blind.to_df().to_csv() + repr(blind.stats()) + str(blind.diff())
    for name in ("gpt-model", "claude-model", "127.0.0.1", '"gpt"'):
        assert name not in shown


def test_the_rest_of_two_answers_is_chosen_where_one_is_named(talking: Shell) -> None:
    talking.run("%%llm -m gpt claude -n 2\nHi")
    found = talking["_"]
    assert found.diff("gpt").names == ("gpt", "gpt #2")
    assert found.diff("claude").names == ("claude", "gpt #1")
    assert found.diff(other="claude #2").names == ("gpt #1", "claude #2")


def test_answers_that_only_call_tools_are_told_apart_by_their_calls(several: Shell, far: FarEnd) -> None:
    gpt = far.when(to("gpt-model"))
    for city in ("Oslo", "Bergen", "Oslo"):
        gpt.plays(calling([("weather", {"city": city})]), times=1)
    several.run("%%llm -m gpt -n 3\nHi")
    assert [group.count for group in several["_"].agreement().groups] == [2, 1]
    assert several["_"].stats().rows[0]["agreement"] == pytest.approx(2 / 3)
    assert "Bergen" in several["_"]._repr_mimebundle_()["text/markdown"]
    assert sum('weather({"city": "Bergen"})' in row["text"] for row in several["_"].rows()) == 1, "whichever was first"


def test_of_several_answers_it_is_said_which_is_no_json(several: Shell, far: FarEnd) -> None:
    far.when(to("gpt-model")).answers('{"a": 1}')
    far.when(to("claude-model")).answers("Sorry.")
    done = several.run("%%llm -m gpt claude --as json --to found\nHi")
    assert several["found"] == {"gpt": {"a": 1}, "claude": "Sorry."}
    assert "The answer of claude is not valid JSON" in done.errors
    assert "gpt" not in done.errors


@pytest.mark.parametrize(
    "usage", [{"cost": 10**400}, {"cost": float("inf")}, {"prompt_tokens": 10**400, "completion_tokens": 10**400}]
)
def test_counts_that_no_answer_has_are_not_known_and_disturb_no_other(
    several: Shell, far: FarEnd, usage: dict[str, Any]
) -> None:
    far.when(to("gpt-model")).answers("I am gpt.", usage=usage)
    done = several.run("%%llm -m gpt claude\nHi")
    assert done.error is None
    rows = several["_"].rows()
    assert [row["text"] for row in rows][:1] == ["I am gpt."]
    assert (rows[0]["cost"], rows[0]["tokens_out"], rows[0]["tokens_per_second"]) == (None, None, None)


# ---------------------------------------------------------------- stopping


def test_one_interrupt_stops_all_and_finished_lanes_stay(several: Shell, far: FarEnd) -> None:
    far.when(to("gpt-model")).answers("All of it.")
    far.when(to("claude-model")).answers(["Some ", "never"], gap=60)
    far.when(to("local-model")).hangs()

    def stop() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until and len(far.chats) < 3:
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), 2)

    threading.Thread(target=stop).start()
    done = several.run("%%llm -m gpt claude local\nHi")
    assert isinstance(done.error, KeyboardInterrupt)
    assert {row["label"]: (row["status"], row["text"]) for row in several["_llm"].rows()} == {
        "gpt": ("ok", "All of it."),
        "claude": ("interrupted", "Some "),
        "local": ("interrupted", ""),
    }
    assert "All of it." in done.text
    until = time.monotonic() + 5
    while len(far.disconnects) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert len(far.disconnects) == 2


def stop_when_the_others_are_there(far: FarEnd, requests: int) -> None:
    """Interrupt this process once so many requests are under way, and those that are answered have ended."""

    def stop() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until and len(far.chats) < requests:
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), 2)

    threading.Thread(target=stop).start()


def test_what_never_came_agrees_with_nothing(several: Shell, far: FarEnd) -> None:
    far.when(to("gpt-model")).answers("Oslo", times=1).hangs()
    stop_when_the_others_are_there(far, 3)
    several.run("%%llm -m gpt -n 3\nHi")
    assert [group.text for group in several["_llm"].agreement().groups] == ["Oslo"]
    assert several["_llm"].stats().rows[0]["answers"] == 1
    page = several["_llm"]._repr_mimebundle_()["text/markdown"]
    assert "agree" not in page
    assert page.count(": interrupted") == 2


def test_a_vote_after_an_interrupt_is_for_what_was_interrupted_and_not_against_who_was_stopped(
    several: Shell, far: FarEnd, home: Path
) -> None:
    far.when(to("gpt-model")).answers("Oslo")
    far.when(to("claude-model")).answers("Oslo", times=1).hangs()
    several.run("%%llm -m gpt claude --blind\nFirst")
    first = several["_llm"]
    stop_when_the_others_are_there(far, 4)
    several.run("%%llm -m gpt claude --blind\nSecond")
    letter = next(entry.label for entry in several["_llm"].entries if entry.answer.text)
    done = several.run(f"%llm_vote {letter}")
    assert first.blind
    assert not several["_llm"].blind
    assert "not counted" in done.text
    assert "not counted" in several["_llm"].plain()
    assert not (home / "config" / "votes.jsonl").exists()


# ---------------------------------------------------------------- blind


def test_a_blind_comparison_hides_names_times_and_costs_until_the_vote(several: Shell, far: FarEnd) -> None:
    done = several.run("%%llm -m gpt claude --blind\nHi")
    assert "Which is best? %llm_vote A|B|tie|none" in done.text
    comparison = several["_"]
    shown = done.text + repr(comparison) + str(comparison.rows()) + str(comparison._repr_mimebundle_())
    for hidden in ("gpt", "claude", "127.0.0.1", "no price", " s "):
        assert hidden not in shown.replace("Comparison('Hi'", "")
    assert list(comparison) == ["A", "B"]
    several.run("%llm_vote a")
    assert sorted(comparison) == ["claude", "gpt"]
    assert all(row["seconds"] for row in comparison.rows())


def test_the_order_of_a_blind_comparison_is_left_to_chance(talking: Shell, far: FarEnd) -> None:
    orders = set()
    for _ in range(40):
        talking.run("%%llm -m gpt claude --blind\nHi;")
        talking.run("%llm_vote tie")
        orders.add(tuple(talking["_llm"]))
    assert orders == {("gpt", "claude"), ("claude", "gpt")}


def test_there_are_letters_for_as_many_as_can_be_asked(several: Shell, far: FarEnd) -> None:
    names = " ".join(f"gpt/m{number}" for number in range(32))
    several.run(f"%%llm -m {names} --blind\nHi;")
    assert len(set(several["_llm"])) == 32
    several.run("%llm_vote AF")
    assert several["_llm"].voted == "AF"


def test_a_vote_is_kept_without_prompt_and_answer_for_its_owner_alone(talking: Shell, home: Path) -> None:
    talking.run("%%llm -m gpt claude --blind\nMy secret question")
    said = talking.run("%llm_vote b").text
    winner = list(talking["_llm"])[1]
    assert f"B is {winner}" in said
    file = home / "config" / "votes.jsonl"
    assert f'"winner": "{winner} ({winner}-model)"' in file.read_text()
    assert "secret" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX")
def test_a_pipe_in_place_of_the_votes_is_not_waited_for(talking: Shell, home: Path) -> None:
    (home / "config").mkdir(exist_ok=True)
    os.mkfifo(home / "config" / "votes.jsonl")
    talking.run("%%llm -m gpt claude --blind\nHi")
    assert "the vote cannot be kept" in str(talking.run("%llm_vote A").error)
    assert "No votes in" in talking.run("%llm_config --arena").text


@pytest.mark.parametrize(("word", "said"), [("C", "vote for one of A, B, tie, none"), ("", "vote for one of A, B")])
def test_a_vote_for_nobody_is_a_mistake_and_hides_on(talking: Shell, word: str, said: str) -> None:
    talking.run("%%llm -m gpt claude --blind\nHi")
    done = talking.run(f"%llm_vote {word}")
    assert isinstance(done.error, UsageError)
    assert said in str(done.error)
    assert talking["_llm"].blind


def test_without_a_blind_comparison_there_is_nothing_to_vote_on(talking: Shell) -> None:
    talking.run("%%llm -m gpt claude\nHi")
    done = talking.run("%llm_vote A")
    assert "there is no blind comparison to vote on" in str(done.error)


def test_a_model_that_could_not_answer_has_not_lost(several: Shell, far: FarEnd, home: Path) -> None:
    far.when(to("claude-model")).fails(500, "down")
    several.run("%llm_config max_retries=0")
    done = several.run("%%llm -m gpt claude local --blind\nHi")
    assert "this one failed; why is told after the vote" in done.text
    assert "down" not in done.text
    letter = next(entry.label for entry in several["_llm"].entries if entry.answered)
    assert "500" in several.run(f"%llm_vote {letter}").text + several["_llm"].plain()
    assert "claude" not in (home / "config" / "votes.jsonl").read_text()


def test_a_line_that_a_crash_left_costs_no_vote(talking: Shell, home: Path) -> None:
    file = home / "config" / "votes.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"models": ["gpt"')
    talking.run("%%llm -m gpt claude --blind\nHi")
    talking.run("%llm_vote A")
    assert "1 vote in" in talking.run("%llm_config --arena").text


def test_the_arena_ranks_this_projects_models_and_says_when_votes_are_few(
    talking: Shell, far: FarEnd, tmp_path: Path
) -> None:
    assert "No votes in" in talking.run("%llm_config --arena").text
    for _ in range(3):
        talking.run("%%llm -m gpt claude --blind\nHi;")
        label = next(entry.label for entry in talking["_llm"].entries if entry.answer.model == "gpt")
        talking.run(f"%llm_vote {label}")
    shown = talking.run("%llm_config --arena").text
    lines = shown.splitlines()
    assert lines[0].split()[:6] == ["model", "votes", "won", "tied", "lost", "score"]
    assert lines[2].split()[:6] == ["gpt", "(gpt-model)", "3", "3", "0", "0"]
    assert "Too few votes to tell (3 so far)" in shown
    assert "are not told apart by these votes" in shown
    other = tmp_path / "elsewhere"
    other.mkdir()
    talking.run(f"%cd -q {other}")
    assert "No votes in" in talking.run("%llm_config --arena").text


def test_long_answers_are_whole_in_a_terminal_before_the_vote(several: Shell, far: FarEnd) -> None:
    for name in ("gpt", "claude"):
        far.when(to(f"{name}-model")).answers(f"{WORDS} The end of {name}.")
    done = several.run("%%llm -m gpt claude --blind\nHi")
    for name in ("gpt", "claude"):
        assert f"The end of {name}." in done.text
    assert "Which is best?" in done.text


def test_what_a_blind_comparison_holds_shows_no_names(talking: Shell) -> None:
    talking.run("%%llm -m gpt claude --blind\nHi")
    shown = repr(vars(talking["_llm"])) + str(talking["_llm"].entries)
    assert "gpt" not in shown
    assert "claude" not in shown


# ---------------------------------------------------------------- judging


def judged(far: FarEnd, *texts: str) -> None:
    """Script the judge's answers, in the order they are asked for, and those it judges."""
    far.when(to("gpt-model")).answers("I am gpt.")
    far.when(to("claude-model")).answers("I am claude.")
    judge = far.when(to("local-model"))
    for text in texts:
        judge.answers(text, times=1)


def test_a_judge_is_asked_in_both_orders_by_number_and_not_by_name(several: Shell, far: FarEnd) -> None:
    judged(far, '{"scores": {"1": 8, "2": 5}, "why": "shorter"}', '{"scores": {"1": 6, "2": 9}, "why": "clearer"}')
    done = several.run('%%llm -m gpt claude --judge local "Which is shorter?"\nWho are you?')
    asked = [chat.body["messages"][-1]["content"] for chat in far.chats if chat.body["model"] == "local-model"]
    assert len(asked) == 2
    for prompt in asked:
        assert "Which is shorter?" in prompt
        assert "Who are you?" in prompt
    positions = [prompt.index("I am gpt.") < prompt.index("I am claude.") for prompt in asked]
    assert sorted(positions) == [False, True]
    judgement = several["_"].judgement
    assert judgement.judge == "local"
    assert set(judgement.scores) == {"gpt", "claude"}
    assert "Judged by local: Which is shorter?" in done.text
    assert "shorter" in done.text


def test_a_judge_is_told_the_question_with_its_values(several: Shell, far: FarEnd) -> None:
    judged(far, '{"scores": {"1": 8, "2": 5}}')
    several.run('%%llm -m gpt claude --judge local "right"\nWhat is {{ 6 * 7 }} in words?')
    asked = [chat.body["messages"][-1]["content"] for chat in far.chats if chat.body["model"] == "local-model"]
    assert len(asked) == 2
    assert all("What is 42 in words?" in prompt for prompt in asked)


def test_flips_ties_and_a_judge_of_itself_are_reported(several: Shell, far: FarEnd) -> None:
    first_is_best = '{"scores": {"1": 9, "2": 3}}'
    far.when(lambda r: to("gpt-model")(r) and "judge" in str(r.body)).answers(first_is_best)
    done = several.run('%%llm -m gpt claude --judge gpt "Which is right?"\nHi')
    assert "gpt and claude: which is better changes with their order" in done.text
    assert "gpt and claude are a tie" in done.text
    assert "gpt is gpt's own answer: it judged itself" in done.text
    page = several["_"]._repr_mimebundle_()["text/markdown"]
    assert "it judged itself" in page


@pytest.mark.parametrize("reply", ["I like both.", '{"scores": {"1": 11, "2": 1}}', '{"scores": {"1": 5}}', "[]"])
def test_a_judge_that_gives_no_scores_is_reported_and_takes_nothing_away(
    several: Shell, far: FarEnd, reply: str
) -> None:
    judged(far, reply, reply)
    done = several.run('%%llm -m gpt claude --judge local "Which is right?"\nHi')
    assert done.error is None
    assert "not read, as shown: no scores in" in done.text
    assert several["_"].judgement.scores == {}
    assert several["_"]["gpt"].content == "I am gpt."


def test_a_judge_that_fails_is_reported(several: Shell, far: FarEnd) -> None:
    far.when(to("local-model")).fails(401, {"error": {"message": "no key"}})
    done = several.run('%%llm -m gpt claude --judge local "Which is right?"\nHi')
    assert done.error is None
    assert "no key" in done.text


def test_a_judge_is_told_the_values_that_the_question_took_in(several: Shell, far: FarEnd) -> None:
    judged(far, "[8, 5]", "[8, 5]")
    several.run("figure = 'seventeen'")
    several.run('%%llm -m gpt claude --judge local "Which is right?"\nHow much is {{ figure }}?')
    asked = [chat.body["messages"][-1]["content"] for chat in far.chats if chat.body["model"] == "local-model"]
    assert all("How much is seventeen?" in prompt for prompt in asked)
    assert several["_"].prompt == "How much is seventeen?"


def test_an_answer_that_a_judge_was_not_shown_is_named(several: Shell, far: FarEnd) -> None:
    far.when(to("local-model")).answers("", reasoning="Well, well.")
    far.when(lambda request: "judge" in str(request.body)).answers("[8, 5]")
    done = several.run('%%llm -m gpt claude local --judge gpt "Which is right?"\nHi')
    assert "local gave nothing to judge" in done.text


def test_of_many_ties_the_first_are_told_and_the_others_counted(several: Shell, far: FarEnd) -> None:
    far.when(lambda request: "judge" in str(request.body)).answers(f"[{', '.join(['8'] * 20)}]")
    done = several.run('%%llm -m gpt -n 20 --judge local "Which is right?"\nHi')
    assert "gpt #1 and gpt #2 are a tie" in done.text
    assert done.text.count("are a tie") == 6
    assert "184 ties more" in done.text
    assert len(several["_"].judgement.ties) == 190


# ---------------------------------------------------------------- helps


def test_tab_offers_models_behind_every_model_and_letters_for_a_vote(talking: Shell) -> None:
    def offered(text: str) -> list[str]:
        from IPython.core.completer import provisionalcompleter

        with provisionalcompleter():
            return [found.text for found in talking.ip.Completer.completions(text, len(text))]

    assert {"claude", "gpt"} <= set(offered("%%llm -m gpt "))
    assert "--blind" in offered("%%llm -m gpt claude --bl")
    talking.run("%%llm -m gpt claude --blind\nHi")
    assert sorted(offered("%llm_vote ")) == ["A", "B", "none", "tie"]


def test_the_session_knows_the_last_comparison(talking: Shell) -> None:
    talking.run("%%llm -m gpt claude\nHi")
    assert session.current().contests.last is talking["_llm"]
