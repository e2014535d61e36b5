"""Three clocks: to the first token, between two pieces of content, and for all of it; and what is never asked twice."""

from __future__ import annotations

import time
from typing import Any

import openai
import pytest
from far_end import FarEnd
from shells import Shell

from llm_magics import call_llm, errors
from llm_magics.endpoints.exchange import USAGE_SECONDS

LONG = 30.0  # seconds that none of these may take, however slow the machine


def chunk(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


@pytest.fixture
def quick(far_shell: Shell) -> Shell:
    """A shell with the far end as its model, and no retries."""
    far_shell.run("%llm_config max_retries=0")
    return far_shell


def failed(shell: Shell) -> errors.CallFailed:
    begun = time.monotonic()
    failure = shell.run("%%llm\nHi").error
    assert isinstance(failure, errors.CallFailed)
    assert time.monotonic() - begun < LONG
    return failure


def test_the_first_token_has_a_clock_that_keep_alive_comments_do_not_wind_up(quick: Shell, far: FarEnd) -> None:
    quick.run("%llm_config timeout=0.5")
    far.sends([": still here\n\n"] * 2000, gap=0.05, done=False)
    failure = failed(quick)
    assert isinstance(failure, errors.TimedOut)
    assert failure.what == f"127.0.0.1:{far.port} said nothing for 0.5 s."
    assert far.wait_for_disconnect()


def test_a_chunk_without_content_is_no_first_token(quick: Shell, far: FarEnd) -> None:
    quick.run("%llm_config timeout=0.5 timeout_silence=60")
    role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    far.sends([role, *[": still here\n\n"] * 2000], gap=0.05, done=False)
    assert isinstance(failed(quick), errors.TimedOut)


def test_silence_has_a_clock_of_its_own(quick: Shell, far: FarEnd) -> None:
    quick.run("%llm_config timeout=60 timeout_silence=0.4")
    far.sends([1.0, chunk("Half"), *[": still here\n\n", 0.05] * 2000], done=False)
    failure = failed(quick)
    assert isinstance(failure, errors.CutOff)
    assert "fell silent" in failure.what
    assert "%llm_config timeout_silence=SECONDS" in failure.next_move
    assert quick["_llm"].text == "Half"


def test_silence_lasts_as_long_as_the_first_token_may_unless_it_is_said(quick: Shell, far: FarEnd) -> None:
    quick.run("%llm_config timeout=0.4")
    far.sends([chunk("Half")], done=False, end="hang")
    assert isinstance(failed(quick), errors.CutOff)


def test_a_drip_of_tokens_ends_when_the_total_is_up(quick: Shell, far: FarEnd) -> None:
    quick.run("%llm_config timeout=60 timeout_total=1")
    far.answers(["drip "] * 2000, gap=0.05)
    failure = failed(quick)
    assert isinstance(failure, errors.CutOff)
    assert "the time for all of it was up" in failure.what
    assert quick["_llm"].text.startswith("drip ")
    assert far.wait_for_disconnect()


def test_the_total_counts_while_nothing_comes_at_all(quick: Shell, far: FarEnd) -> None:
    quick.run("%llm_config timeout=60 timeout_total=0.5")
    far.hangs()
    failure = failed(quick)
    assert failure.what == f"127.0.0.1:{far.port} did not finish within 0.5 s."
    assert "timeout_total" in failure.next_move


def test_the_total_counts_retries_and_leaves_no_time_for_one_that_comes_too_late(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%llm_config timeout_total=2 max_retries=5")
    far.fails(429, {"error": {"message": "slow down"}}, headers={"retry-after": "30"})
    failure = failed(far_shell)
    assert isinstance(failure, errors.TimedOut)
    assert len(far.chats) == 1


@pytest.mark.parametrize("first", [{"content": "Half"}, {"role": "assistant", "content": ""}])
def test_a_finish_reason_on_every_chunk_ends_no_answer_that_goes_on_slowly(
    far_shell: Shell, far: FarEnd, first: dict[str, str]
) -> None:
    chunks = [{"choices": [{"delta": delta, "finish_reason": "stop"}]} for delta in (first, {"content": " of it."})]
    far.sends([chunks[0], USAGE_SECONDS + 0.5, chunks[1]])
    far_shell.run("%%llm\nHi")
    assert far_shell["_llm"].text == first["content"] + " of it."


def test_an_answer_that_is_complete_but_lingers_is_not_late(quick: Shell, far: FarEnd) -> None:
    quick.run("%llm_config timeout=60 timeout_total=1")
    far.sends([chunk("Here."), chunk("", "stop")], done=False, end="hang")
    assert quick.run("%%llm\nHi").text == "Here.\n"


def test_the_clocks_may_be_set_for_one_cell(quick: Shell, far: FarEnd) -> None:
    far.hangs()
    failure = quick.run("%%llm --param timeout_total=0.5\nHi").error
    assert isinstance(failure, errors.TimedOut)


def test_cells_with_other_clocks_share_their_connection(quick: Shell, far: FarEnd) -> None:
    for seconds in (5, 6, 7):
        quick.run(f"%%llm --param timeout={seconds}\nHi")
    assert len(far.chats) == 3
    assert far.connections == 1


# ---------------------------------------------------------------- call_llm


def with_settings(config: dict[str, Any], **settings: Any) -> dict[str, Any]:
    config["models"]["far"].update(max_retries=0, **settings)
    return config


def test_blanks_before_a_whole_answer_are_waited_through(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.sends(
        ["\n"] * 5 + ['{"choices":[{"message":{"content":"Here."},"finish_reason":"stop"}]}'], gap=0.05, done=False
    )
    assert call_llm("far", "Hi", with_settings(far_config, timeout=20)).content == "Here."


def test_blanks_do_not_keep_a_silent_server_alive(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.sends(["\n"] * 2000, gap=0.05, done=False)
    begun = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        call_llm("far", "Hi", with_settings(far_config, timeout=0.5))
    assert time.monotonic() - begun < LONG
    assert len(far.chats) == 1


@pytest.mark.parametrize("noise", [": still here\n\n", "event: ping\n\n", 'data: {"choices":[]}\n\n', "x"])
def test_a_stream_of_no_content_does_not_keep_a_blocking_call_waiting(
    far: FarEnd, far_config: dict[str, Any], noise: str
) -> None:
    far.sends(["data: " if noise == "x" else "", *[noise] * 2000], gap=0.05, done=False)
    begun = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        call_llm("far", "Hi", with_settings(far_config, timeout=0.5))
    assert time.monotonic() - begun < LONG


def test_a_blocking_call_has_a_total_too(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.sends(["x"] * 2000, gap=0.05, done=False)
    begun = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        call_llm("far", "Hi", with_settings(far_config, timeout=60, timeout_total=0.5))
    assert time.monotonic() - begun < LONG


# ---------------------------------------------------------------- what is asked again, and what is not

BEGUN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"


def test_an_answer_that_broke_off_is_not_asked_for_again(far_shell: Shell, far: FarEnd) -> None:
    far.replies(BEGUN + b'{"choices": [')
    failure = failed(far_shell)
    assert isinstance(failure, errors.CallFailed)
    assert len(far.chats) == 1, "it may have been charged"


def test_call_llm_does_not_ask_again_for_an_answer_that_broke_off(far: FarEnd, far_config: dict[str, Any]) -> None:
    far.replies(BEGUN + b'{"choices": [')
    with pytest.raises(openai.APIConnectionError):
        call_llm("far", "Hi", far_config)
    assert len(far.chats) == 1


def test_a_server_that_hangs_up_without_a_word_is_asked_once_more(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%llm_config max_retries=5")
    far.drops()
    assert isinstance(failed(far_shell), errors.ConnectionFailed)
    assert len(far.requests) <= 2


def test_an_error_inside_a_stream_is_retried_only_while_nothing_has_come(far_shell: Shell, far: FarEnd) -> None:
    busy = {"error": {"message": "overloaded", "code": 503}}
    far.sends([busy], done=False, times=1).answers("Now.")
    assert far_shell.run("%%llm\nHi").text.count("\nNow.\n") == 1
    assert len(far.chats) == 2
    far.reset()
    far.sends([chunk("Half"), busy], done=False)
    assert isinstance(failed(far_shell), errors.CutOff)
    assert len(far.chats) == 1


@pytest.mark.parametrize("status", [307, 308])
def test_a_move_within_the_same_origin_is_followed(far_shell: Shell, far: FarEnd, status: int) -> None:
    far.when(lambda request: request.path == "/v1/chat/completions").fails(
        status, "", headers={"location": "/elsewhere/v1/chat/completions"}
    )
    far.answers("Here.")
    assert far_shell.run("%%llm\nHi").text == "Here.\n"
    first, second = far.chats
    assert (first.body, second.path) == (second.body, "/elsewhere/v1/chat/completions")


def test_a_move_in_a_circle_ends(far_shell: Shell, far: FarEnd, far_config: dict[str, Any]) -> None:
    far.when(lambda request: request.path == "/v1/chat/completions").fails(
        307, "", headers={"location": "/b/v1/chat/completions"}
    )
    far.when(lambda request: request.path.startswith("/b")).fails(307, "", headers={"location": "/v1/chat/completions"})
    assert "elsewhere" in failed(far_shell).what
    with pytest.raises(openai.APIStatusError):
        call_llm("far", "Hi", far_config)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_move_to_another_host_is_refused(
    far_shell: Shell, far: FarEnd, status: int, far_config: dict[str, Any]
) -> None:
    with FarEnd() as other:
        far.fails(status, "", headers={"location": f"{other.base_url}/chat/completions"})
        assert isinstance(failed(far_shell), errors.RequestRefused)
        with pytest.raises(openai.APIStatusError):
            call_llm("far", "Hi", far_config)
        assert other.requests == []


def test_an_answer_that_took_retries_says_so(far_shell: Shell, far: FarEnd) -> None:
    far.fails(503, {"error": {"message": "busy"}}, headers={"retry-after": "0"}, times=2).answers("Now.")
    far_shell.run("%%llm\nHi")
    assert far_shell["_llm"].notes == ("2 retries: the server said 503",)
    assert far_shell["_llm"].status == "ok"
