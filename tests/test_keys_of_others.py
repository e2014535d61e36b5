"""Keys of other endpoints, which a gateway may know and repeat: they come out no more than its own, and go nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest
from far_end import FarEnd
from shells import Shell

from llm_magics import call_llm

ONE, OTHER = "canary-one-0123-abcdefgh", "canary-other-4567-ijklmnop"


@pytest.fixture
def near() -> Iterator[FarEnd]:
    with FarEnd() as near:
        yield near


@pytest.fixture
def two(shell: Shell, far: FarEnd, near: FarEnd, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell with two models at two endpoints, each with a key of its own."""
    monkeypatch.setenv("ONE_KEY", ONE)
    monkeypatch.setenv("OTHER_KEY", OTHER)
    shell.run(f"%llm_config --add one base_url={far.base_url} api_key_env=ONE_KEY max_retries=0")
    shell.run(f"%llm_config --add other base_url={near.base_url} api_key_env=OTHER_KEY max_retries=0")
    return shell


def test_an_endpoint_that_repeats_anothers_key_is_not_shown_with_it(two: Shell, far: FarEnd) -> None:
    far.answers(f"It is {OTHER}.", times=1).fails(401, {"error": {"message": f"upstream refused {OTHER}"}})
    shown = [two.run("%%llm -m one\nHi"), two.run("_llm"), two.run("%%llm -m one\nHi")]
    assert shown[0].text.strip().endswith("It is ***.")
    assert "upstream refused ***" in str(shown[2].error)
    assert not any(OTHER in done.text + done.errors + str(done.error) for done in shown)
    assert OTHER not in two["_llm"].message.model_dump_json()


def test_a_judge_is_sent_no_key_that_answers_repeat(two: Shell, far: FarEnd, near: FarEnd) -> None:
    far.answers(f"It is {OTHER}.")
    near.answers(f"It is {ONE}.")
    with FarEnd() as bench:
        verdict = {"scores": {"1": 3, "2": 5}, "why": f"one says {ONE}"}
        two.run(f"%llm_config --add judge base_url={bench.base_url}")
        bench.answers(json.dumps(verdict))
        done = two.run('%%llm -m one other --judge judge "short"\nHi')
        assert len(bench.chats) == 2
        assert not any(key in repr(bench.chats) for key in (ONE, OTHER))
    assert "one says ***" in done.text
    assert not any(key in done.text + repr(two["_"].to_df().to_dict()) for key in (ONE, OTHER))


def test_a_key_that_is_sent_with_leave_reaches_no_judge(two: Shell, far: FarEnd, near: FarEnd) -> None:
    far.answers("One.", times=1).answers("Two.", times=1)
    two.run(f"mine = {ONE!r}")
    near.answers('{"scores": {"1": 3, "2": 5}}')
    two.run('%%llm -m one -n 2 --judge other "short" --allow-secret\nIs {{ mine }} a key?')
    assert ONE in str(far.chats[0].body)
    assert len(near.chats) == 2
    assert not any(ONE in str(chat.body) for chat in near.chats)


def test_a_short_key_of_another_endpoint_is_a_word_here(
    two: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", "lm-studio")
    far.fails(400, {"error": {"message": "lm-studio is not loaded"}})
    assert "lm-studio is not loaded" in str(two.run("%%llm -m one\nHi").error)


def test_call_llm_takes_out_the_keys_of_all_its_models(
    far: FarEnd, near: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", OTHER)
    config = {
        "models": {
            "one": {"base_url": far.base_url, "api_key": ONE, "max_retries": 0},
            "other": {"base_url": near.base_url, "api_key_env": "OTHER_KEY"},
            "broken": {"api_key_env": [5, None]},
        }
    }
    far.answers(f"It is {OTHER}.", times=1).fails(400, {"error": {"message": f"no {OTHER}"}})
    assert call_llm("one", "Hi", config).content == "It is ***."
    with pytest.raises(openai.BadRequestError, match=r"no \*\*\*") as raised:
        call_llm("one", "Hi", config)
    assert OTHER not in repr(raised.value) + raised.value.response.text
