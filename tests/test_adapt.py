"""Decisions after a refusal: pure, so every text a server was ever seen to send can be tried without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import NOT_REFUSALS, REFUSALS

from llm_magics.refusals.adapt import Plan
from llm_magics.refusals.refusal import Refusal, haystack
from llm_magics.refusals.retries import pause
from llm_magics.refusals.tool_support import offers_tools, refuses_tools, without_tools

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def refusal(status: int | None, body: Any = "", **headers: str) -> Refusal:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refusal(status=status, said=haystack(body), headers=names)


# ---------------------------------------------------------------- tools


@pytest.mark.parametrize("name", REFUSALS)
def test_a_model_without_tools_is_known_by_what_the_server_says(name: str) -> None:
    status, body = REFUSALS[name]
    assert refuses_tools(refusal(status, body))
    assert refuses_tools(refusal(status, json.dumps(body) if not isinstance(body, str) else body))
    assert refuses_tools(refusal(None, body)), "the same inside a stream, where there is no status"


@pytest.mark.parametrize("name", NOT_REFUSALS)
def test_an_error_that_merely_mentions_tools_is_something_else(name: str) -> None:
    status, body = NOT_REFUSALS[name]
    assert not refuses_tools(refusal(status, body))
    assert not refuses_tools(refusal(status, json.dumps(body)))


@pytest.mark.parametrize("status", [401, 402, 403, 408, 409, 413, 429, 502, 503, 504])
def test_other_statuses_never_drop_tools(status: int) -> None:
    assert not refuses_tools(refusal(status, "this model does not support tools"))


def test_no_answer_at_all_is_no_refusal() -> None:
    assert not refuses_tools(Refusal(status=None, said="does not support tools", reached=False))


def test_two_texts_are_not_read_as_one_sentence() -> None:
    assert not refuses_tools(refusal(400, {"error": {"message": "The model does not support", "param": "tools"}}))


def test_what_a_validation_error_repeats_of_the_request_is_not_the_servers_word() -> None:
    said = haystack({"detail": [{"loc": ["body", "x"], "msg": "bad", "input": {"content": "quota"}}]})
    assert "quota" not in said
    assert "body.x" in said


def test_every_text_is_found_however_deep_it_is_wrapped() -> None:
    inner = json.dumps({"error": {"message": json.dumps({"error": "Deep \n  Down"})}})
    assert "deep down" in haystack([{"metadata": {"raw": inner}}])
    assert haystack("[not json", None, 7, {"a": None})
    assert haystack("[" * 5000)


def test_tools_are_dropped_once_with_what_belongs_to_them() -> None:
    plan = Plan({**ASK, "tools": TOOLS, "tool_choice": "auto", "parallel_tool_calls": True}, retries=0)
    assert plan.after(refusal(400, "does not support tools")) == 0.0
    assert plan.body == ASK
    assert plan.notes
    assert plan.after(refusal(400, "does not support tools")) is None


def test_a_request_without_tools_has_none_to_drop() -> None:
    assert Plan(ASK, retries=5).after(refusal(400, "does not support tools")) is None
    assert not offers_tools({**ASK, "tools": []})


def test_the_history_of_tools_becomes_text_when_they_are_dropped() -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "look"}]},
        {"role": "assistant", "content": "I look.", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42"}]},
        {"role": "assistant", "content": None, "function_call": {"name": "g", "arguments": "{}"}},
        {"role": "function", "name": "g", "content": "43"},
    ]
    before = json.dumps(messages)
    plain = without_tools(
        {"model": "m", "messages": messages, "tools": TOOLS, "functions": [], "function_call": "auto"}
    )
    assert json.dumps(messages) == before, "the caller's own messages stay as they are"
    assert set(plain) == {"model", "messages"}
    assert plain["messages"] == [
        messages[0],
        {"role": "assistant", "content": 'I look.\n(called f with {"x": 1})'},
        {"role": "user", "content": "Result of the tool call: 42"},
        {"role": "assistant", "content": "(called g with {})"},
        {"role": "user", "content": "Result of the tool call: 43"},
    ]


# ---------------------------------------------------------------- waiting


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_failure_that_may_pass_is_tried_again_after_growing_pauses(status: int) -> None:
    waits = [pause(refusal(status), retried) for retried in range(6)]
    assert all(
        wait is not None and low * 0.75 <= wait <= low for wait, low in zip(waits, [0.5, 1, 2, 4, 8, 8], strict=True)
    )


@pytest.mark.parametrize("status", [None, 301, 400, 401, 403, 404, 413, 422])
def test_a_failure_that_will_not_pass_stands(status: int | None) -> None:
    assert pause(refusal(status), 0) is None


def test_nobody_at_home_is_tried_again_but_patience_that_ended_is_not() -> None:
    assert pause(Refusal(status=None, said="", reached=False), 0) is not None
    assert pause(Refusal(status=None, said="", reached=False, timed_out=True), 0) is None


def test_an_empty_purse_is_not_tried_again() -> None:
    assert pause(refusal(429, {"error": {"code": "insufficient_quota"}}), 0) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "2.5"}, 2.5),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "Sun, 22 Nov 2026 10:00:05 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 5.0),
        ({"retry_after": "Sun, 22 Nov 2026 10:00:00 GMT", "date": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry_after": "3600"}, None),
        ({"x_should_retry": "false"}, None),
    ],
)
def test_the_server_says_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert pause(refusal(429, "", **headers), 0) == seconds


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Rate limit reached. Please try again in 1.5s. See https://x/account/billing.", 1.5),
        ("Rate limit reached. Please try again in 120ms.", 0.12),
        ("Limit 1000 a day. Please try again in 7m12.5s.", None),
        ("You exceeded your current quota, please check your plan and billing details. Please retry in 22.5s.", 22.5),
        ("You exceeded your current quota, please check your plan and billing details.", None),
    ],
)
def test_a_pause_told_in_words_is_kept_to_and_tells_a_limit_from_an_empty_purse(
    said: str, seconds: float | None
) -> None:
    assert pause(refusal(429, {"error": {"message": said}}), 0) == seconds


def test_a_pause_told_as_google_does_is_kept_to() -> None:
    detail = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22s"}
    body = [{"error": {"code": 429, "message": "You exceeded your current quota", "details": [detail]}}]
    assert pause(refusal(429, body), 0) == 22.0


@pytest.mark.parametrize("nonsense", ["-1", "soon", "nan", "inf", "", "Someday, 32 Foo", "1e999"])
def test_nonsense_about_waiting_is_not_listened_to(nonsense: str) -> None:
    wait = pause(refusal(503, "", retry_after=nonsense), 0)
    assert wait is not None
    assert 0 <= wait <= 0.5


@given(st.text(), st.text(), st.sampled_from([429, 503]))
def test_no_header_can_break_the_decision(retry_after: str, date: str, status: int) -> None:
    wait = pause(refusal(status, "", retry_after=retry_after, date=date), 0)
    assert wait is None or 0 <= wait <= 60


def test_a_server_may_ask_for_another_try_of_anything() -> None:
    assert pause(refusal(400, "", x_should_retry="true"), 0) is not None


def test_retries_are_counted_and_end() -> None:
    plan = Plan(ASK, retries=2)
    assert [plan.after(refusal(503)) is None for _ in range(3)] == [False, False, True]
    assert plan.retried == 2


def test_dropping_tools_costs_no_retry() -> None:
    plan = Plan({**ASK, "tools": TOOLS}, retries=1)
    assert plan.after(refusal(500, "tools param requires --jinja flag")) == 0.0
    assert plan.after(refusal(503)) is not None
    assert plan.after(refusal(503)) is None
