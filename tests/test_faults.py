"""Failures as the person waiting sees them: three lines, the text kept, no key, no third party's traceback."""

from __future__ import annotations

import importlib.util
import re
import socket
from typing import Any

import openai
import pytest
from far_end import FarEnd
from IPython.core.error import UsageError
from shells import Shell

from llm_magics import call_llm, errors

CANARY = "sk-canary-0123456789abcdef"


def failed(shell: Shell, cell: str = "%%llm\nHi") -> errors.CallFailed:
    """The failure a cell ends in, looked at as every failure should be."""
    done = shell.run(cell)
    failure = done.error
    assert isinstance(failure, errors.CallFailed), done
    shown = "\n".join(failure._render_traceback_())
    assert "Traceback" not in shown + done.text + done.errors
    assert CANARY not in shown + done.text + done.errors + repr(failure) + str(failure)
    assert len(failure.lines()) == 3
    assert all("\n" not in line and len(line) < 500 for line in failure.lines())
    return failure


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


STATUSES = {
    "a key that is wanted": (401, error("No API key provided"), errors.KeyRefused, "wants a key, and none is set"),
    "a forbidden region": (403, error("Country not supported"), errors.KeyRefused, "does not allow"),
    "an unknown model": (404, error("The model `x` does not exist"), errors.ModelNotFound, "does not exist"),
    "an unknown path": (404, "<html><title>404</title></html>", errors.ModelNotFound, "no such path"),
    "a bad request": (400, error("n must be 1"), errors.RequestRefused, "n must be 1"),
    "FastAPI's form": (422, {"detail": [{"msg": "field required"}]}, errors.RequestRefused, "field required"),
    "the field a validation error is about": (
        422,
        {"detail": [{"loc": ["body", "n"], "msg": "must be 1"}, {"loc": ["body", "m", 0], "msg": "field required"}]},
        errors.RequestRefused,
        "n: must be 1; m.0: field required",
    ),
    "a title beside the message": (
        400,
        {"statusCode": 400, "error": "Bad Request", "message": ["n must be 1", "m is missing"]},
        errors.RequestRefused,
        "n must be 1; m is missing",
    ),
    "a flag for an error": (400, {"error": True, "message": "real words"}, errors.RequestRefused, "): real words"),
    "a model that is gone": (
        400,
        error("The model `llama-3.1-70b` has been decommissioned"),
        errors.ModelNotFound,
        "decommissioned",
    ),
    "no model's name": (400, error("acme/x is not a valid model ID"), errors.ModelNotFound, "not a valid model"),
    "a path that FastAPI does not know": (404, {"detail": "Not Found"}, errors.ModelNotFound, "no such path"),
    "a path that Go does not know": (404, "404 page not found\n", errors.ModelNotFound, "no such path"),
    "a path for others than POST": (405, {"detail": "Method Not Allowed"}, errors.ModelNotFound, "no such path"),
    "Anthropic's empty purse": (
        400,
        error("Your credit balance is too low to access the API. Please go to Plans & Billing."),
        errors.OutOfCredit,
        "Out of credit",
    ),
    "an empty purse that is forbidden": (403, error("Insufficient credits"), errors.OutOfCredit, "Out of credit"),
    "OpenAI's rate limit": (
        429,
        error("Rate limit reached. Try again in 20s. Add a payment method at https://x/account/billing."),
        errors.RateLimited,
        "Rate limited",
    ),
    "Google's rate limit": (
        429,
        [error("You exceeded your current quota, please check your plan and billing details.\nPlease retry in 22.5s.")],
        errors.RateLimited,
        "Rate limited",
    ),
    "text for an error": (400, {"error": "plain words"}, errors.RequestRefused, "plain words"),
    "a long prompt": (400, error("maximum context length is 8192"), errors.PromptTooLong, "too long"),
    "no credit": (429, error("x", code="insufficient_quota"), errors.OutOfCredit, "Out of credit"),
    "a broken server": (500, error("CUDA out of memory"), errors.ServerFailed, "CUDA out of memory"),
    "a broken gateway": (502, "<html><h1>Bad gateway</h1></html>", errors.ServerFailed, "Bad gateway"),
    "a wrapped error": (
        400,
        error("Provider returned error", metadata={"raw": '{"e": "inner"}'}),
        errors.RequestRefused,
        "inner",
    ),
}


@pytest.mark.parametrize(("status", "body", "kind", "says"), STATUSES.values(), ids=STATUSES.keys())
def test_a_refusal_is_told_in_three_lines(
    far_shell: Shell, far: FarEnd, status: int, body: Any, kind: type[errors.CallFailed], says: str
) -> None:
    far_shell.run("%llm_config max_retries=0")
    far.fails(status, body)
    failure = failed(far_shell)
    assert type(failure) is kind
    assert says in failure.what
    assert f"far @ 127.0.0.1:{far.port}, attempt 1" in failure.where
    assert failure.status == status


@pytest.mark.parametrize("status", [401, 403])
def test_the_key_that_is_wanted_is_asked_for_by_the_models_name(far_shell: Shell, far: FarEnd, status: int) -> None:
    far.fails(status, error("no"), times=2)
    for model in ("far", "far/other"):
        failure = far_shell.run(f"%%llm -m {model}\nHi").error
        assert isinstance(failure, errors.KeyRefused)
        assert f"%llm_config --ask-key {model}" in failure.next_move


@pytest.mark.parametrize(
    "said",
    [
        "max_tokens is too large: 9000. This model supports at most 4096 completion tokens, whereas you provided 9000.",
        "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the "
        "`context_window` for this model",
        "'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 8192 "
        "tokens and your request has 20 input tokens (9000 > 8192 - 20).",
        "max_new_tokens must be <= 4096",
        "max_completion_tokens exceeds the model's limit",
    ],
)
def test_an_answer_that_may_be_longer_than_a_model_writes_is_told_as_such(
    far_shell: Shell, far: FarEnd, said: str
) -> None:
    far.fails(400, error(said))
    failure = failed(far_shell)
    assert type(failure) is errors.RequestRefused
    assert failure.next_move == "Ask with a smaller --max-tokens."


def test_a_rate_limit_is_waited_for_and_said(far_shell: Shell, far: FarEnd) -> None:
    far.fails(429, error("slow down"), headers={"retry-after": "1"}, times=1)
    far.answers("Now.")
    done = far_shell.run("%%llm\nHi")
    assert done.text.startswith("(rate limited: next try in 1 s)\n")
    assert sorted(done.text.splitlines()[1:]) == ["(1 retry: rate limited)", "Now."]
    assert len(far.chats) == 2


def test_a_failure_that_lasts_ends_after_the_retries(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%llm_config max_retries=2")
    far.fails(503, error("busy"), headers={"retry-after": "0"})
    failure = failed(far_shell)
    assert isinstance(failure, errors.ServerFailed)
    assert "attempt 3" in failure.where
    assert len(far.chats) == 3


def test_nobody_listens(shell: Shell) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    shell.run(f"%llm_config --add gone base_url=http://127.0.0.1:{port}/v1 max_retries=0")
    failure = failed(shell)
    assert isinstance(failure, errors.ConnectionFailed)
    assert failure.what == f"Nothing listens at 127.0.0.1:{port}."
    assert "Start the server" in failure.next_move


def test_a_host_that_does_not_exist(shell: Shell) -> None:
    shell.run("%llm_config --add gone base_url=http://nowhere.invalid/v1 max_retries=0")
    assert "nowhere.invalid was not found" in failed(shell).what


def test_a_server_that_never_answers_times_out(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%llm_config timeout=0.4")
    far.hangs()
    failure = failed(far_shell)
    assert isinstance(failure, errors.TimedOut)
    assert "0.4 s" in failure.what
    assert len(far.chats) == 1, "it may still be answering, and charging"


def test_a_server_that_falls_silent_leaves_what_it_said(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%llm_config timeout=0.4")
    far.sends([{"choices": [{"index": 0, "delta": {"content": "Half"}}]}], done=False, end="hang")
    failure = failed(far_shell)
    assert isinstance(failure, errors.CutOff)
    assert "fell silent" in failure.what
    assert failure.partial == far_shell["_llm"].text == "Half"


@pytest.mark.parametrize("end", ["close", "chunked", "cut", "reset"])
def test_an_answer_without_its_end_is_never_taken_for_whole(far_shell: Shell, far: FarEnd, end: Any) -> None:
    far.sends([{"choices": [{"index": 0, "delta": {"content": "Half an ans"}}]}], done=False, end=end)
    failure = failed(far_shell, "%%llm --to half\nHi")
    assert isinstance(failure, errors.CutOff)
    assert far_shell["half"] == "Half an ans"
    assert far_shell["_llm"].status == "cut off"


def test_an_error_report_in_the_middle_keeps_what_came_before(far_shell: Shell, far: FarEnd) -> None:
    far.sends([{"choices": [{"index": 0, "delta": {"content": "Half"}}]}, error("upstream died", code=502)])
    failure = failed(far_shell)
    assert "upstream died" in failure.what
    assert far_shell["_llm"].text == "Half"


NO_ANSWERS = {
    "a login page": (b"<html><head><title>Sign in</title></head></html>", "text/html", "a web page titled 'Sign in'"),
    "nothing": (b"", "text/event-stream", "an empty answer"),
    "JSON that is an error": (b'{"error": {"message": "no quota"}}', "application/json", "no quota"),
    "broken JSON": (b'{"choices": [', "application/json", "broken JSON"),
    "no choices": (b'{"choices": []}', "application/json", "without choices"),
    "text": (b"Hello!", "text/plain", "plain text: Hello!"),
}


@pytest.mark.parametrize(("body", "kind", "says"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_what_is_no_answer_is_told_as_what_it_is(
    far_shell: Shell, far: FarEnd, body: bytes, kind: str, says: str
) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    far.replies(head.encode() + body)
    assert says in failed(far_shell).what


def test_a_whole_answer_to_a_stream_request_is_shown(far_shell: Shell, far: FarEnd) -> None:
    body = b'{"choices": [{"message": {"content": "All at once."}, "finish_reason": "stop"}]}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    far.replies(head.encode() + body)
    assert far_shell.run("%%llm\nHi").text == "All at once.\n"


def test_a_redirect_is_not_followed_with_the_prompt(far_shell: Shell, far: FarEnd) -> None:
    with FarEnd() as other:
        far.fails(302, "", headers={"location": f"{other.base_url}/chat/completions"})
        failure = failed(far_shell)
        assert "elsewhere" in failure.what
        assert other.requests == []


def test_a_redirect_to_what_is_no_address_is_told_in_three_lines(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%llm_config max_retries=0")
    far.fails(307, "", headers={"location": "http://[::1/v1"})
    failure = far_shell.run("%%llm\nHi").error
    assert isinstance(failure, errors.RequestRefused | errors.ConnectionFailed)  # older SDKs' HTTP reads it itself
    assert len(failure.lines()) == 3


def test_an_error_that_repeats_the_key_is_shown_without_it(
    shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_KEY", CANARY)
    shell.run(f"%llm_config --add far base_url={far.base_url} api_key_env=FAR_KEY")
    far.fails(401, error(f"Incorrect API key provided: {CANARY}."))
    failure = failed(shell)
    assert "does not accept the key" in failure.what
    assert "***" in failure.what


def test_of_an_endless_complaint_the_beginning_is_kept(
    far_shell: Shell, far: FarEnd, far_config: dict[str, Any]
) -> None:
    far.fails(400, error(f"n must be 1{' and' * 2_000_000}"))
    failure = failed(far_shell)
    assert "n must be 1 and and" in failure.what
    with pytest.raises(openai.BadRequestError) as raised:
        call_llm("far", "Hi", far_config)
    kept = [str(raised.value), str(raised.value.body), raised.value.response.text, repr(failure.__cause__)]
    assert all(100 < len(text) < 200_000 for text in kept)


NESTED = '{"a":[' * 300 + "1" + "]}" * 300
ANSWER = '"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]'


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"error":{"message":"no","details":%s}}'),
        (200, '{"error":{"message":"no","details":%s}}'),
        (200, '{"usage":{"details":%s},' + ANSWER + "}"),
        (200, '{"choices":[{"message":{"content":"x","annotations":[{"a":%s}]},"finish_reason":"stop"}]}'),
        (200, '{"choices":[{"message":{"audio":{"a":%s}},"finish_reason":"stop"}]}'),
    ],
)
def test_what_is_nested_beyond_reason_is_a_failure_like_others(
    far_shell: Shell, far: FarEnd, far_config: dict[str, Any], status: int, body: str
) -> None:
    far_shell.run("%llm_config max_retries=0")
    far.fails(status, body.replace("%s", NESTED))
    failed(far_shell)
    with pytest.raises(openai.APIError):
        call_llm("far", "Hi", far_config)


def test_a_part_of_an_answer_that_is_named_like_the_key_is_told_without_it(
    shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_KEY", CANARY)
    shell.run(f"%llm_config --add far base_url={far.base_url} api_key_env=FAR_KEY")
    far.sends([{"choices": [{"delta": {"content": [{"type": f"x{CANARY}"}]}, "finish_reason": "stop"}]}])
    done = shell.run("%%llm\nHi")
    assert "(not shown of this answer: x***)" in done.text
    assert CANARY not in done.text + repr(shell["_llm"])


@pytest.mark.parametrize("mode", ["Plain", "Context", "Verbose", "Minimal"])
def test_no_traceback_mode_shows_frames_or_the_key(
    shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("FAR_KEY", CANARY)
    shell.run(f"%xmode {mode}")
    shell.run(f"%llm_config --add far base_url={far.base_url} api_key_env=FAR_KEY")
    far.fails(401, error("no"))
    done = shell.run("%%llm\nHi")
    shown = done.text + done.errors + shell.run("%tb").text
    assert CANARY not in shown
    assert "calls.py" not in shown
    assert "KeyRefused" in shown
    shell.run("%xmode Context")


def test_a_model_that_takes_no_tools_is_noted_on_the_answer(shell: Shell, far: FarEnd) -> None:
    far.refuses_tools(400, error("far-model does not support tools"))
    tools = '[{"type": "function", "function": {"name": "f", "parameters": {}}}]'
    (shell.ip.user_ns["tools"],) = (tools,)
    shell.run(f"%llm_config --add far base_url={far.base_url} tools={tools!r}")
    done = shell.run("%%llm\nHi")
    assert "takes no tools here" in done.text
    assert shell["_llm"].notes
    assert "tools" not in far.chats[-1].body


PARAMETERS = {
    "max_tokens": (
        "%%llm --max-tokens 5\nHi",
        error(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        ),
        {"max_completion_tokens": 5},
    ),
    "max_completion_tokens": (
        "%%llm --param max_completion_tokens=5\nHi",
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"], "msg": "Extra inputs"}]},
        {"max_tokens": 5},
    ),
    "temperature": (
        "%%llm -t 0.2\nHi",
        error(
            "Unsupported value: 'temperature' does not support 0.2 with this model. "
            "Only the default (1) value is supported.",
            param="temperature",
            code="unsupported_value",
        ),
        {},
    ),
    "stream_options": ("%%llm\nHi", error("Extra inputs are not permitted, field: 'stream_options'"), {}),
}


@pytest.mark.parametrize(("name", "case"), PARAMETERS.items(), ids=PARAMETERS.keys())
def test_a_parameter_that_is_refused_is_changed_once_said_and_remembered(
    far_shell: Shell, far: FarEnd, name: str, case: tuple[str, dict[str, Any], dict[str, Any]]
) -> None:
    cell, body, instead = case
    far.refuses(name, 400, body, then="Here.")
    done = far_shell.run(cell)
    assert f"(this model takes no {name} here: asked with" in done.text
    assert done.text.endswith("Here.\n")
    first, second = (chat.body for chat in far.chats)
    assert second == {**{key: value for key, value in first.items() if key != name}, **instead}
    assert far_shell.run(cell).text == "Here.\n"
    assert len(far.chats) == 3


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 99999. This model supports at most 16384 completion tokens.",
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.",
        "Unknown parameter: 'top_k'. Known are 'temperature' and 'max_tokens'.",
        "This model is not supported.",
    ],
)
def test_a_complaint_that_only_mentions_a_parameter_is_passed_on(far_shell: Shell, far: FarEnd, message: str) -> None:
    far.fails(400, error(message))
    assert message[:40] in failed(far_shell, "%%llm -t 0.2 --max-tokens 99999\nHi").what
    assert len(far.chats) == 1


@pytest.mark.parametrize(
    "url", ["javascript://x.example/%0aalert(1)//x", "JAVASCRIPT://x/%0ax", "xhttp://a.example", "data:text/html,<b>x"]
)
def test_a_notebook_finds_no_script_to_link_in_what_a_server_said(far_shell: Shell, far: FarEnd, url: str) -> None:
    # what JupyterLab makes links of in plain output
    links = re.compile(r"""(?:[a-zA-Z][a-zA-Z0-9+.-]{2,40}://|data:|www\.)[^\s"]{2,}[^\s"'(){}\[\],:;.!?]""")
    far.fails(400, error(f"see {url} and https://docs.example/x"))
    failure = failed(far_shell)
    assert links.findall("\n".join(failure._render_traceback_())) == ["https://docs.example/x"]


@pytest.mark.parametrize("given", ["http://me:{0}@", "me:{0}@", "http://me:a/{0}@", "http://me:a@{0}@"])
def test_a_proxys_password_is_not_shown(shell: Shell, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTP_PROXY", f"{given.format(CANARY)}127.0.0.1:{unused.getsockname()[1]}")
        shell.run("%llm_config --add far base_url=http://behind.invalid/v1 max_retries=0")
        failure = failed(shell)
    proxy = "http://127.0.0.1:" if given.startswith("http") else "127.0.0.1:"
    assert f"through the proxy {proxy}" in failure.what


def test_a_failure_knows_how_many_requests_were_sent(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%llm_config max_retries=2")
    far.fails(503, error("busy"), headers={"retry-after": "0"})
    assert failed(far_shell).attempts == len(far.chats) == 3


def test_a_limit_on_the_answer_is_not_taken_for_a_long_prompt(far_shell: Shell, far: FarEnd) -> None:
    far.fails(400, error("max_tokens is too large: 99999. This model supports at most 16384 completion tokens."))
    assert type(failed(far_shell)) is errors.RequestRefused


SURROUNDINGS = {
    "a SOCKS proxy": ("ALL_PROXY", "socks5h://user:{}@127.0.0.1:9", "needs the package socksio"),
    "a proxy of another kind": ("ALL_PROXY", "socks4://user:{}@127.0.0.1:9", "ALL_PROXY: no proxy of that kind"),
    "certificates that are not there": ("SSL_CERT_FILE", "/nowhere/{}.pem", "SSL_CERT_FILE"),
}


@pytest.mark.parametrize(("name", "value", "says"), SURROUNDINGS.values(), ids=SURROUNDINGS.keys())
def test_surroundings_that_no_client_can_be_made_in_are_told_in_one_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    if "socksio" in says and importlib.util.find_spec("socksio"):
        pytest.skip("socksio is installed")
    for other in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    monkeypatch.setenv(name, value.format(CANARY))
    model = {"base_url": f"https://{name.replace('_', '-')}.invalid/v1", "max_retries": 0}  # no client of it is kept
    shell.run(f"%llm_config --add far base_url={model['base_url']} max_retries=0")
    for cell in ("%%llm\nHi", "%llm_config --check"):
        done = shell.run(cell)
        assert isinstance(done.error, UsageError), done
        assert says in str(done.error)
        assert CANARY not in str(done.error) + done.text + done.errors
    with pytest.raises(ValueError, match=says) as raised:
        call_llm("far", "Hi", {"models": {"far": model}})
    assert CANARY not in str(raised.value)


def test_a_proxy_that_is_no_address_is_told_by_a_check(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://[bad")
    monkeypatch.delenv("NO_PROXY", raising=False)
    shell.run("%llm_config --add far base_url=http://nowhere.invalid/v1 max_retries=0")
    done = shell.run("%llm_config --check")
    assert done.error is None
    assert "its proxy was not found" in done.text
    assert "Check the proxy that HTTP_PROXY names" in done.text
