"""``%llm_config --check`` and ``--caps``: each server is told for what it is, and what to do; prompts learn of it."""

from __future__ import annotations

import getpass
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from far_end import Failure, FarEnd, Raw, Request, openai_error
from faults import places
from faults.chaos import Chaos
from kernels import kernel
from refusals import NEEDS_PARSER, error
from shells import Done, Shell

from llm_magics.session import Session

CANARY = "sk-canary-0123456789abcdef"
COUNTED = "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen."
NOT_FOUND = {"detail": "Not Found"}


@dataclass(frozen=True)
class Found:
    """One line of a check's table, as it is printed."""

    mark: str
    detail: str
    remedy: str


def found(done: Done) -> dict[str, Found]:
    """A check's table by the probes' names."""
    rows: dict[str, Found] = {}
    for line in done.text.splitlines():
        if match := re.fullmatch(r"([✓✗–]) (\S+(?: \S+)*?)(?:  +(.*))?", line):
            name = match[2]
            rows[name] = Found(match[1], match[3] or "", "")
        elif match := re.fullmatch(r" +→ (.*)", line):
            rows[name] = Found(rows[name].mark, rows[name].detail, match[1])
    return rows


def wrong(done: Done) -> list[str]:
    """The probes that found something wrong."""
    return [name for name, row in found(done).items() if row.mark == "✗"]


def untried(done: Done) -> set[str]:
    """Why probes were not tried, but for TLS, which plain http has none of."""
    return {row.detail for name, row in found(done).items() if row.mark == "–" and name != "TLS"}


def does_all(far: FarEnd) -> FarEnd:
    """Be a server that can do everything."""
    far.when(lambda request: request.asks_for("tools")).calls_tools([("get_weather", {"city": "Oslo"})])
    far.when(lambda request: request.asks_for("response_format")).answers('{"colour": "red"}')
    return far.answers(COUNTED)


def check(shell: Shell, line: str = "") -> Done:
    done = shell.run(f"%llm_config --check {line}")
    assert done.error is None, done.errors
    return done


# ---------------------------------------------------------------- healthy


def test_a_healthy_endpoint_is_fine_throughout(far_shell: Shell, far: FarEnd) -> None:
    does_all(far)
    done = check(far_shell)
    assert {row.mark for name, row in found(done).items() if name != "TLS"} == {"✓"}
    assert found(done)["tools"].detail == "called get_weather"
    assert found(done)["JSON schema"].detail == "kept to"
    assert "16 of 16 fine." in done.text
    assert far_shell.run("%llm_config --caps").text.startswith("Nothing was learnt")


def test_the_demo_can_be_checked_and_still_introduces_itself_afterwards(shell: Shell) -> None:
    done = check(shell)
    assert wrong(done) == []
    assert "16 of 16 fine." in done.text
    assert "no language model" in shell.run("%%llm\nHow do I choose a model?").text


def test_a_check_asks_little_and_says_how_much(far_shell: Shell, far: FarEnd) -> None:
    does_all(far)
    done = check(far_shell)
    assert len(far.chats) <= 10
    assert all(chat.body["max_tokens"] <= 50 for chat in far.chats)
    spent = re.search(rf"It took {len(far.chats)} requests to the model, and (\d+) tokens", done.text)
    assert spent is not None
    assert int(spent[1]) > 40


def test_another_model_is_checked_without_being_chosen(far_shell: Shell, far: FarEnd) -> None:
    does_all(far)
    assert wrong(check(far_shell, "demo")) == []
    assert far.requests == []
    far_shell.run("%%llm\nHi")
    assert len(far.chats) == 1


def test_a_model_that_nobody_knows_is_a_mistake(far_shell: Shell) -> None:
    done = far_shell.run("%llm_config --check frr")
    assert "no model 'frr'" in done.errors
    assert "'far'" in done.errors


def test_a_server_is_recognised_by_what_it_lists(far_shell: Shell, far: FarEnd) -> None:
    listing = {"data": [{"id": "far", "owned_by": "vllm"}]}
    far.when(lambda request: request.path == "/v1/models").fails(200, listing)
    assert found(check(far_shell))["API"].detail == "vLLM, lists 1 model"


def test_a_local_server_is_recognised_by_a_path_of_its_own(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda request: request.path == "/api/version").fails(200, {"version": "0.12.1"})
    assert found(check(far_shell))["API"].detail.startswith("Ollama")


def test_an_endpoint_without_a_list_of_models_is_fine(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda request: request.path.endswith("/models")).fails(404, NOT_FOUND)
    done = check(far_shell)
    assert found(done)["API"] == Found("✓", "has no list of models", "")
    assert found(done)["answer"].mark == "✓"


def test_a_model_that_answers_by_another_name_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.answers(COUNTED, model="far-model")
    assert found(check(far_shell))["model"].detail == "asked far, got far-model"


def test_a_form_of_the_same_models_name_is_told_too(far_shell: Shell, far: FarEnd) -> None:
    far.answers(COUNTED, model="far-2026-11-01")
    assert found(check(far_shell))["model"].detail == "far, answered by far-2026-11-01"


def test_an_empty_answer_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.answers("")
    done = check(far_shell)
    assert wrong(done)[:2] == ["answer", "streaming"]
    assert "chat template" in found(done)["answer"].remedy


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_that_the_server_closed_between_two_probes_is_nobodys_fault(
    far_shell: Shell, far: FarEnd, reset: bool
) -> None:
    asks_with_system = far.when(lambda r: r.is_chat and r.body["messages"][0]["role"] == "system")
    asks_with_system.drops(reset=reset, times=1)
    done = far_shell.run("%llm_config --check")
    assert found(done)["system role"].mark == "✓"


def test_a_server_that_hangs_up_on_a_probe_again_and_again_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda r: r.is_chat and r.body["messages"][0]["role"] == "system").drops()
    assert "system role" in wrong(far_shell.run("%llm_config --check"))


def test_a_terminal_with_few_characters_still_tells_right_from_wrong() -> None:
    code = "%load_ext llm_magics\n%llm_config --add gone base_url=http://127.0.0.1:1/v1\n%llm_config --check"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "-c", code],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "+ address " in done.stdout
    assert "x connection " in done.stdout
    assert "-> Start the server" in done.stdout


# ---------------------------------------------------------------- not reached


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_where_nothing_listens_one_thing_is_wrong_and_the_rest_is_not_tried(shell: Shell) -> None:
    shell.run(f"%llm_config --add gone base_url=http://127.0.0.1:{free_port()}/v1")
    done = check(shell)
    assert wrong(done) == ["connection"]
    assert found(done)["connection"].detail.startswith("nothing listens at 127.0.0.1:")
    assert untried(done) == {"there is no connection"}
    assert "No model was asked." in done.text


def test_the_command_that_starts_a_local_server_is_named(shell: Shell) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that has just been left is fine
        try:
            listener.bind(("127.0.0.1", 11434))  # taken, but nothing listens
        except OSError:
            pytest.skip("something else stands on port 11434")
        shell.run("%llm_config --add mine base_url=http://127.0.0.1:11434/v1")
        assert "ollama serve" in found(check(shell))["connection"].remedy


def test_a_host_that_is_not_found_is_told(shell: Shell) -> None:
    shell.run("%llm_config --add gone base_url=https://llm.nowhere.invalid/v1")
    done = check(shell)
    assert wrong(done) == ["host name"]
    assert "llm.nowhere.invalid" in found(done)["host name"].detail
    assert untried(done) == {"its host was not found"}


TLS = {
    "a certificate that nobody vouches for": (places.untrusted, "SSL_CERT_FILE"),
    "plain http, which answers": (places.plain_http_with_manners, "http://"),
    "plain http, which waits": (places.waits_for_plain_http, "http://"),
}


@pytest.mark.parametrize("place", TLS)
def test_what_is_wrong_with_tls_is_told(shell: Shell, far: FarEnd, place: str) -> None:
    stands, remedy = TLS[place]
    with stands(far) as base_url:
        shell.run(f"%llm_config --add far base_url={base_url} timeout=3")
        done = check(shell)
    assert wrong(done) == ["TLS"]
    assert remedy in found(done)["TLS"].remedy
    assert "No model was asked." in done.text


def test_a_port_that_takes_nobody_costs_bounded_time(shell: Shell, far: FarEnd) -> None:
    with places.firewall(far) as base_url:
        shell.run(f"%llm_config --add far base_url={base_url} timeout=1")
        row = found(check(shell))["connection"]
    assert row.mark == "✗"
    assert "did not answer within 1 s" in row.detail


def test_a_proxy_is_named_and_the_check_goes_through_it(
    shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{CANARY}@127.0.0.1:{far.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    far.answers(COUNTED)
    shell.run("%llm_config --add away base_url=http://llm.example.invalid/v1")
    done = check(shell)
    assert "through the proxy that HTTP_PROXY names" in found(done)["connection"].detail
    assert found(done)["answer"].mark == "✓"
    assert found(done)["address"].mark == "✗"  # plain http to somewhere else
    assert "canary" not in done.text


def test_a_proxy_that_is_not_there_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{free_port()}")
    shell.run("%llm_config --add away base_url=https://llm.example.invalid/v1")
    row = found(check(shell))["connection"]
    assert "HTTPS_PROXY" in row.remedy
    assert "NO_PROXY" in row.remedy


# ---------------------------------------------------------------- not the API

LOGIN = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>"


def test_a_missing_v1_is_found_and_told(shell: Shell, far: FarEnd) -> None:
    shell.run(f"%llm_config --add far base_url=http://127.0.0.1:{far.port} model=far-model")
    done = check(shell)
    assert wrong(done) == ["API"]
    assert f"base_url=http://127.0.0.1:{far.port}/v1 " in found(done)["API"].remedy
    assert untried(done) == {"there is no API at this address"}


def test_a_login_page_is_told_by_its_title(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda request: True).fails(200, LOGIN)
    row = found(check(far_shell))["API"]
    assert "'Sign in'" in row.detail
    assert "login page" in row.remedy


def test_a_page_that_only_stands_beside_the_api_does_not_matter(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda request: not request.is_chat).fails(200, LOGIN)
    assert found(check(far_shell))["API"].mark == "✓"


def test_where_requests_are_sent_elsewhere_is_told(far_shell: Shell, far: FarEnd) -> None:
    there = "https://api.example.invalid/llm/v1"
    far.when(lambda request: True).fails(301, "", {"location": f"{there}/chat/completions"})
    row = found(check(far_shell))["API"]
    assert there in row.detail
    assert row.remedy.endswith(f"base_url={there}")
    assert {request.method for request in far.requests} == {"GET", "POST"}


def test_a_check_does_not_follow_to_another_host(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: CANARY)
    far_shell.run("%llm_config --ask-key far")
    with FarEnd() as other:
        for status in (301, 307):
            far.reset()
            far.when(lambda request: True).fails(status, "", {"location": f"{other.base_url}/chat/completions"})
            assert wrong(check(far_shell)) == ["API"]
        assert other.requests == []


def test_http_where_https_is_wanted_is_told(far_shell: Shell, far: FarEnd) -> None:
    page = "<html><title>400</title>The plain HTTP request was sent to HTTPS port</html>"
    far.when(lambda request: True).fails(400, page)
    assert found(check(far_shell))["API"].remedy == f"Set base_url=https://127.0.0.1:{far.port}/v1"


def test_a_gateway_before_a_dead_server_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda request: True).fails(502, "<html><h1>502 Bad Gateway</h1></html>")
    row = found(check(far_shell))["API"]
    assert "502" in row.detail
    assert "gateway" in row.remedy


@pytest.mark.parametrize("status", [404, 405])
def test_another_server_at_this_address_is_told(far_shell: Shell, far: FarEnd, status: int) -> None:
    far.when(lambda request: True).fails(status, NOT_FOUND)
    row = found(check(far_shell))["API"]
    assert row.mark == "✗"
    assert row.remedy == "Check base_url: another server stands there, or its API is at another path."


def test_what_is_no_http_server_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda request: True).replies(b"220 mail.example.org ESMTP\r\n")
    done = check(far_shell)
    assert wrong(done) == ["API"]
    assert "Traceback" not in done.text + done.errors


# ---------------------------------------------------------------- key and model


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Iterator[FarEnd]:
    with FarEnd(required_key="sk-the-right-key-0123") as server:
        monkeypatch.setenv("FAR_KEY", CANARY)
        yield server


def test_a_wrong_key_is_told_with_its_source_and_never_shown(shell: Shell, locked: FarEnd) -> None:
    locked.when(lambda request: request.is_chat).fails(401, openai_error(f"Incorrect API key provided: {CANARY}."))
    shell.run(f"%llm_config --add far base_url={locked.base_url} api_key_env=FAR_KEY")
    done = check(shell)
    assert wrong(done) == ["key"]
    assert "environment FAR_KEY" in found(done)["key"].detail
    assert untried(done) == {"the key is not accepted"}
    assert "canary" not in done.text
    assert len(locked.chats) == 1


def test_an_endpoint_that_wants_a_key_where_none_is_set(shell: Shell, locked: FarEnd) -> None:
    shell.run(f"%llm_config --add far base_url={locked.base_url}")
    row = found(check(shell))["key"]
    assert row.mark == "✗"
    assert row.remedy == "Type one: %llm_config --ask-key far"


def test_an_endpoint_that_allows_nothing_where_no_key_is_set_may_have_another_reason(
    far_shell: Shell, far: FarEnd
) -> None:
    far.when(lambda request: request.is_chat).fails(403, openai_error("Region not supported."))
    row = found(check(far_shell))["key"]
    assert "Region not supported" in row.detail
    assert row.remedy == "It may want a key (type one: %llm_config --ask-key far), or not serve this region."


def test_a_key_that_is_nowhere_is_told_after_the_way_was_looked_at(
    shell: Shell, locked: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{locked.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    shell.run("%llm_config --add far base_url=http://keyless.example.invalid/v1 api_key_env=NOT_SET")
    done = check(shell)
    assert found(done)["connection"].mark == "✓"
    assert found(done)["API"].detail == "asks for a key"
    assert found(done)["key"].mark == "✗"
    assert "--ask-key far" in found(done)["key"].remedy
    assert locked.chats == []


def test_a_key_that_is_accepted_is_told_with_its_source(
    shell: Shell, locked: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "sk-the-right-key-0123")
    shell.run(f"%llm_config --add far base_url={locked.base_url}")
    shell.run("%llm_config --ask-key far")
    assert found(check(shell))["key"] == Found("✓", "set (typed)", "")


def no_such_model(far: FarEnd, message: str, status: int = 404) -> None:
    far.when(lambda request: request.is_chat).fails(status, openai_error(message))


def test_a_model_that_is_not_known_is_told_with_the_nearest_one(shell: Shell, far: FarEnd) -> None:
    far.models = ["qwen3-8b", "gemma3-4b"]
    no_such_model(far, "The model `qwen3-8` does not exist.")
    shell.run(f"%llm_config --add far base_url={far.base_url} model=qwen3-8")
    done = check(shell)
    assert wrong(done) == ["model"]
    assert found(done)["model"].remedy == "Did you mean qwen3-8b? %llm_config far/qwen3-8b"


def test_a_model_that_is_like_no_other_is_told_with_those_there_are(shell: Shell, far: FarEnd) -> None:
    far.models = ["qwen3-8b", "gemma3-4b"]
    no_such_model(far, "The model `zzz` does not exist.")
    shell.run(f"%llm_config --add far base_url={far.base_url} model=zzz")
    assert found(check(shell))["model"].remedy == "It has: qwen3-8b, gemma3-4b."


def test_a_model_that_ollama_lacks_is_told_with_the_command_that_fetches_it(shell: Shell, far: FarEnd) -> None:
    far.models = ["gemma3:4b"]
    far.when(lambda request: request.path == "/api/version").fails(200, {"version": "0.12.1"})
    no_such_model(far, 'model "qwen3:8b" not found, try pulling it first')
    shell.run(f"%llm_config --add far base_url={far.base_url} model=qwen3:8b")
    assert found(check(shell))["model"].remedy == "Fetch it: ollama pull qwen3:8b"


# ---------------------------------------------------------------- what it does not take

MAX_TOKENS = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
)
TEMPERATURE = "'temperature' does not support 0.5 with this model. Only the default (1) value is supported."
SYSTEM = "Only user and assistant roles are supported!"
SCHEMA = "This response_format type is unavailable now"


def has_system(request: Request) -> bool:
    return any(message["role"] == "system" for message in request.asks_for("messages") or [])


def has_schema(request: Request) -> bool:
    return (request.asks_for("response_format") or {}).get("type") == "json_schema"


def has(name: str) -> Any:
    return lambda request: request.asks_for(name) is not None


# probe: (which requests are refused, status, words, what is asked instead, as the next prompt shows it)
REFUSED: dict[str, tuple[Any, int, str, str]] = {
    "max_tokens": (has("max_tokens"), 400, MAX_TOKENS, "asked with max_completion_tokens"),
    "temperature": (has("temperature"), 400, TEMPERATURE, "asked without it"),
    "system role": (has_system, 400, SYSTEM, "put into the prompt"),
    "usage": (
        has("stream_options"),
        422,
        "Extra inputs are not permitted, field: 'stream_options'",
        "asked without it",
    ),
    "streaming": (
        has("stream"),
        400,
        "Streaming is not supported by this model.",
        "asked for the whole answer at once",
    ),
    "JSON schema": (has_schema, 400, SCHEMA, "asked for JSON, with the schema in the prompt"),
}


@pytest.mark.parametrize("probe", REFUSED)
def test_what_is_refused_is_told_and_needs_no_mending(far_shell: Shell, far: FarEnd, probe: str) -> None:
    refuses, status, words, instead = REFUSED[probe]
    far.when(refuses).fails(status, openai_error(words))
    does_all(far)
    done = check(far_shell)
    assert wrong(done) == [probe]
    assert words.strip("!.")[:40] in found(done)[probe].detail
    assert found(done)[probe].remedy == f"Nothing to do: {instead}."
    assert "to mend" not in done.text
    assert f"prompts get along without: {probe}." in done.text


def test_where_no_kind_of_json_is_taken_it_is_asked_for_in_words(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("response_format")).fails(400, openai_error("response_format is not supported by this model"))
    far.answers('{"colour": "red"}')
    row = found(check(far_shell))["JSON schema"]
    assert row.detail.startswith("refused, as JSON mode is")
    shown = far_shell.run("%llm_config --caps").text
    assert "JSON schema" in shown
    assert "response_format" in shown


def test_the_next_prompt_does_not_try_in_vain(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("temperature")).fails(400, openai_error(TEMPERATURE))
    far.when(has("stream_options")).fails(422, openai_error("Extra inputs are not permitted, field: 'stream_options'"))
    check(far_shell)
    before = len(far.chats)
    assert far_shell.run("%%llm -t 0.2\nHi").text == "Hello from the far end.\n"
    (body,) = [chat.body for chat in far.chats[before:]]
    assert "temperature" not in body
    assert "stream_options" not in body


def test_each_thing_is_refused_once_in_a_check(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("max_tokens")).fails(400, openai_error(MAX_TOKENS))
    does_all(far)
    check(far_shell)
    assert sum("max_tokens" in chat.body for chat in far.chats) == 1
    assert all("max_completion_tokens" in chat.body for chat in far.chats[1:])


def test_a_thing_that_works_again_is_forgotten(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("temperature")).fails(400, openai_error(TEMPERATURE))
    check(far_shell)
    assert "temperature" in far_shell.run("%llm_config --caps").text
    far.reset()
    assert found(check(far_shell))["temperature"].mark == "✓"
    assert far_shell.run("%llm_config --caps").text.startswith("Nothing was learnt")
    far_shell.run("%%llm -t 0.2\nHi")
    assert far.chats[-1].body["temperature"] == 0.2


TOOLS = {
    "llama.cpp": (500, "tools param requires --jinja flag", "--jinja"),
    "vllm": (400, NEEDS_PARSER, "--enable-auto-tool-choice --tool-call-parser"),
    "ollama": (400, "registry.ollama.ai/library/gemma3:4b does not support tools", "tool support"),
}


@pytest.mark.parametrize("server", TOOLS)
def test_refused_tools_are_told_with_what_this_server_needs(far_shell: Shell, far: FarEnd, server: str) -> None:
    status, words, remedy = TOOLS[server]
    if server == "ollama":
        far.when(lambda request: request.path == "/api/version").fails(200, {"version": "0.12.1"})
    far.refuses_tools(status, openai_error(words))
    done = check(far_shell)
    assert found(done)["tools"].mark == "✗"
    assert remedy in found(done)["tools"].remedy
    assert "1 to mend: tools" in done.text
    assert far_shell.run("%llm_config --caps").text.count("asked without them") == 1


def test_a_tool_call_that_comes_as_text_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("tools")).answers('<tool_call>{"name": "get_weather"}</tool_call>')
    assert found(check(far_shell))["tools"].detail == "taken, but the call came as text"


def test_json_that_is_not_kept_to_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("response_format")).answers("Red is a colour.")
    row = found(check(far_shell))["JSON schema"]
    assert row.mark == "✗"
    assert "Red is a colour." in row.detail


def test_a_persons_own_settings_are_tried_too(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("top_p")).fails(400, openai_error("Unsupported parameter: 'top_p' is not supported with this model."))
    far_shell.run("%llm_config top_p=0.9 seed=7")
    row = found(check(far_shell))["your settings"]
    assert row.detail == "refused: top_p"
    assert far.chats[-1].body["seed"] == 7


def test_reasoning_that_leaks_into_the_answer_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.answers("They greet me.</think>Hello.")
    assert found(check(far_shell))["reasoning"].mark == "✗"


def test_reasoning_that_comes_apart_is_fine(far_shell: Shell, far: FarEnd) -> None:
    far.answers("Hello.", reasoning="They greet me.")
    assert found(check(far_shell))["reasoning"].detail == "comes apart from the answer"


def test_an_answer_that_is_all_thinking_is_an_answer(far_shell: Shell, far: FarEnd) -> None:
    far.answers("", reasoning="They greet me, so", finish="length")
    row = found(check(far_shell))["answer"]
    assert row.mark == "✓"
    assert row.detail.endswith("all of it thinking")


# ---------------------------------------------------------------- how it streams


def test_a_proxy_that_holds_the_stream_back_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("stream")).answers(COUNTED, latency=1.5, framing="packed", times=1)
    row = found(check(far_shell))["streaming"]
    assert row.mark == "✗"
    assert "all at once" in row.detail
    assert "buffering" in row.remedy


def test_a_server_that_answers_a_stream_with_a_document_is_told(far_shell: Shell, far: FarEnd) -> None:
    choice = {"message": {"role": "assistant", "content": COUNTED}, "finish_reason": "stop"}
    far.when(has("stream")).fails(200, {"choices": [choice]})
    row = found(check(far_shell))["streaming"]
    assert row.detail == "the answer came whole"


def test_a_short_answer_that_came_whole_is_one_piece(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("stream")).fails(200, {"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]})
    assert found(check(far_shell))["streaming"].detail.startswith("1 piece, ")


def test_a_context_that_is_too_small_for_tools_is_not_the_users_prompts_fault(far_shell: Shell, far: FarEnd) -> None:
    far.refuses("tools", 400, error("the request exceeds the available context size"))
    row = found(check(far_shell))["tools"]
    assert "too long" in row.detail
    assert row.remedy.startswith("Give the model a larger context")


def test_a_slow_first_token_is_said(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("stream")).answers(COUNTED, ttft=3.2, gap=0.01, times=1)
    row = found(check(far_shell))["speed"]
    assert re.search(r"first token after \d\.\d s", row.detail)
    assert "slow" in row.detail


def test_a_stream_without_counts_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.answers(COUNTED, usage=False)
    done = check(far_shell)
    assert wrong(done) == ["usage", "JSON schema"]
    assert "tokens that nobody counted" in done.text


@pytest.mark.parametrize("count", [-5, 1e400, "many", None, True])
def test_counts_that_no_answer_has_are_not_known(far_shell: Shell, far: FarEnd, count: Any) -> None:
    far.answers(COUNTED, usage={"prompt_tokens": 12_345, "completion_tokens": count})
    assert found(check(far_shell))["usage"].detail == "12,345 tokens in, ? out"


def test_a_stream_that_is_cut_is_told_and_the_rest_is_tried(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("stream")).sends([{"choices": [{"delta": {"content": "Hel"}}]}], done=False, end="reset")
    done = check(far_shell)
    assert found(done)["streaming"].mark == "✗"
    assert found(done)["system role"].mark == "✓"


def test_a_server_that_only_streams_is_told(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda request: request.is_chat and not request.asks_for("stream")).fails(
        400, openai_error("This model only supports stream mode, please enable the stream parameter.")
    )
    does_all(far)
    done = check(far_shell)
    assert wrong(done) == ["answer"]
    assert found(done)["answer"].remedy == "Nothing to do: prompts are asked as streams."


# ---------------------------------------------------------------- limits


def test_a_rate_limit_ends_the_check(far_shell: Shell, far: FarEnd) -> None:
    far.answers(COUNTED, times=3)
    far.fails(429, openai_error("Rate limit reached"), {"retry-after": "1"})
    done = check(far_shell)
    assert len(far.chats) == 4
    assert "Rate limited" in found(done)["temperature"].detail
    assert untried(done) == {"no more requests are allowed for now"}


def test_a_rate_limit_from_the_start_is_told_where_it_is_met(far_shell: Shell, far: FarEnd) -> None:
    far.fails(429, openai_error("You exceeded your current quota", code="insufficient_quota"))
    done = check(far_shell)
    assert wrong(done) == ["answer"]
    assert "Out of credit" in found(done)["answer"].detail
    assert len(far.chats) == 1


def test_an_endpoint_that_refuses_everything_is_asked_a_bounded_number_of_times(far_shell: Shell, far: FarEnd) -> None:
    far.answers(COUNTED, times=1)
    far.computes(lambda request: Failure(400, openai_error(_complaint(request))))
    done = check(far_shell)
    assert len(far.chats) <= 16
    assert "Traceback" not in done.text


def _complaint(request: Request) -> str:
    for name in ("stream_options", "stream", "temperature", "max_tokens", "max_completion_tokens", "tools"):
        if name in request.body:
            return f"Unsupported parameter: '{name}' is not supported with this model."
    return "No."


def test_a_server_that_never_answers_costs_bounded_time(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda request: True).hangs()
    far_shell.run("%llm_config timeout=0.5")
    began = time.monotonic()
    done = check(far_shell)
    assert time.monotonic() - began < 30
    assert wrong(done) == ["API"]
    assert "timeout=SECONDS" in found(done)["API"].remedy


def test_a_model_that_never_answers_costs_bounded_time(far_shell: Shell, far: FarEnd) -> None:
    far.hangs()
    far_shell.run("%llm_config timeout=0.5")
    done = check(far_shell)
    assert wrong(done) == ["answer"]
    assert untried(done) == {"no answer came", "it does not answer"}
    assert len(far.chats) == 1


def test_a_list_of_models_without_end_costs_bounded_time(far_shell: Shell, far: FarEnd) -> None:
    far.when(lambda request: request.path.endswith("/models")).sends([b'{"data": ['] + [b" ", 0.2] * 100, done=False)
    far_shell.run("%llm_config timeout=1")
    began = time.monotonic()
    assert found(check(far_shell))["answer"].mark == "✓"
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_server_sends_a_check_ends_with_a_verdict(far_shell: Shell, far: FarEnd, seed: int) -> None:
    far_shell.run("%llm_config timeout=2")
    for case in range(6):
        chaos, dice = Chaos(f"{seed}.{case}"), random.Random(case)
        far.reset()
        broken = far.when(lambda request, dice=dice, share=case / 5: dice.random() < share)
        broken.computes(lambda request, chaos=chaos: Raw(chaos.response()))
        done = check(far_shell)
        assert re.search(r"^\d+ of \d+ fine", done.text, re.M), done.text
        assert "Traceback" not in done.text + done.errors


def test_a_complaint_is_told_in_the_servers_words_wherever_they_stand(far_shell: Shell, far: FarEnd) -> None:
    detail = {"type": "extra_forbidden", "loc": ["body", "tools"], "msg": "Extra inputs are not permitted"}
    far.refuses_tools(422, {"detail": [detail]})
    assert "“tools: Extra inputs are not permitted”" in found(check(far_shell))["tools"].detail


# ---------------------------------------------------------------- hostile texts

HOSTILE = "\x1b]0;owned\x07\x1b[2J<script>alert(1)</script> | x | ![](https://evil.example/p.png) \u202eabc\n# big"


def hostile(far: FarEnd) -> None:
    far.models = [HOSTILE, "far"]
    far.when(has("tools")).fails(400, openai_error(f"tools are not supported {HOSTILE} {CANARY}"))
    far.when(has("response_format")).answers(HOSTILE)
    far.when(has("temperature")).fails(400, openai_error(f"'temperature' is not supported. {HOSTILE} {CANARY}"))
    far.answers(COUNTED, model=HOSTILE)


def test_hostile_texts_do_nothing_to_a_terminal_and_the_key_is_not_in_them(
    far_shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: CANARY)
    far_shell.run("%llm_config --ask-key far")
    hostile(far)
    shown = check(far_shell).text + far_shell.run("%llm_config --caps").text
    assert "tools are not supported" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert "canary" not in shown
    assert not [line for line in shown.splitlines() if line.startswith("# big")]


# ---------------------------------------------------------------- on a page


def test_on_a_page_one_table_grows_in_place_and_stays(far: FarEnd) -> None:
    does_all(far)
    far.when(has("system")).answers(COUNTED)
    with kernel() as running:
        running.run(f"%load_ext llm_magics\n%llm_config --add far base_url={far.base_url}")
        ran = running.run("%llm_config --check")
        assert ran.error == ""
        table, *lines = ran.outputs
        assert len(ran.of("update_display_data")) >= 1
        assert len(ran.messages) < 60
        assert table["data"]["text/markdown"].startswith("|  | checked | found | to do |")
        assert "| ✓ | tools | called get" in table["data"]["text/markdown"]
        assert "✓ tools          called get_weather" in table["data"]["text/plain"]
        assert "16 of 16 fine." in lines[0]["data"]["text/plain"]


def test_on_a_page_hostile_texts_are_only_text(far: FarEnd) -> None:
    hostile(far)
    with kernel() as running:
        running.run(f"%load_ext llm_magics\n%llm_config --add far base_url={far.base_url}")
        check_, caps = running.run("%llm_config --check"), running.run("%llm_config --caps")
    for ran in (check_, caps):
        shown = ran.outputs[0]["data"]["text/markdown"]
        assert "alert(1)" in shown
        assert "<script" not in shown
        assert "![](" not in shown
        assert len({line.replace("\\|", "").count("|") for line in shown.splitlines()}) == 1


@pytest.mark.parametrize("at", ["tools", "models"])
def test_an_interrupt_stops_a_check_at_once_and_keeps_its_table(far: FarEnd, at: str) -> None:
    far.when(lambda request: bool(request.asks_for("tools")) if at == "tools" else request.method == "GET").hangs()
    far.answers(COUNTED)
    with kernel() as running:
        running.run(f"%load_ext llm_magics\n%llm_config --add far base_url={far.base_url}")
        cell = running.start("%llm_config --check")
        assert far.wait_for_requests(1, timeout=30)
        deadline = time.monotonic() + 30
        while at == "tools" and not any(chat.asks_for("tools") for chat in far.chats):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        began = time.monotonic()
        running.interrupt()
        ran = running.finish(cell)
        assert time.monotonic() - began < 10
        assert "stopped; what was found so far is above" in ran.error
        assert "Traceback" not in ran.error
        assert "| ✓ | connection |" in ran.outputs[0]["data"]["text/markdown"]
        assert far.wait_for_disconnect()
        far.reset()
        assert running.run("%%llm\nHi").outputs[0]["data"]["text/plain"] == "Hello from the far end."


def test_what_was_found_before_an_interrupt_is_learnt(far: FarEnd) -> None:
    far.when(has("stream_options")).fails(422, openai_error("Extra inputs are not permitted, field: 'stream_options'"))
    far.when(has("tools")).hangs()
    far.answers(COUNTED)
    with kernel() as running:
        running.run(f"%load_ext llm_magics\n%llm_config --add far base_url={far.base_url}")
        cell = running.start("%llm_config --check")
        deadline = time.monotonic() + 30
        while not any(chat.asks_for("tools") for chat in far.chats):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.interrupt()
        running.finish(cell)
        assert "stream_options" in running.run("%llm_config --caps").outputs[0]["data"]["text/plain"]


def test_a_check_leaves_no_thread_and_no_task_behind(far_shell: Shell, far: FarEnd) -> None:
    does_all(far)
    check(far_shell)
    before = {thread.name for thread in threading.enumerate()}
    check(far_shell)
    assert {thread.name for thread in threading.enumerate()} <= before | {"asyncio_0", "asyncio_1"}


# ---------------------------------------------------------------- what was learnt


def test_what_prompts_found_out_is_shown_with_the_servers_words(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("temperature")).fails(400, openai_error(TEMPERATURE))
    far_shell.run("%%llm -t 0.2\nHi")
    head, _, line, *_ = far_shell.run("%llm_config --caps").text.splitlines()
    assert re.split("  +", head) == ["endpoint", "model", "does not take", "instead", "found by", "the server said"]
    assert re.split("  +", line) == [
        f"127.0.0.1:{far.port}",
        "far",
        "temperature",
        "asked without it",
        "a prompt",
        TEMPERATURE,
    ]


def test_what_was_learnt_can_be_forgotten_for_one_endpoint_or_all(far_shell: Shell, far: FarEnd) -> None:
    with FarEnd() as other:
        far_shell.run(f"%llm_config --add other base_url={other.base_url}")
        for server in (far, other):
            server.when(has("temperature")).fails(400, openai_error(TEMPERATURE))
        for name in ("far", "other"):
            far_shell.run(f"%%llm -m {name} -t 0.2\nHi")
        assert far_shell.run("%llm_config --caps forget far").text.strip() == "Forgot 1 thing about far."
        shown = far_shell.run("%llm_config --caps").text
        assert str(other.port) in shown
        assert str(far.port) not in shown
        assert far_shell.run("%llm_config --caps forget").text.strip() == "Forgot 1 thing."
        assert far_shell.run("%llm_config --caps forget").text.strip() == "Nothing was learnt."
        far_shell.run("%%llm -m far -t 0.2\nHi")
        assert sum("temperature" in chat.body for chat in far.chats) == 2


def test_forgetting_a_model_keeps_what_was_learnt_of_others_at_its_endpoint(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("temperature")).fails(400, openai_error(TEMPERATURE))
    for name in ("far/big", "far/small"):
        far_shell.run(f"%%llm -m {name} -t 0.2\nHi")
    assert far_shell.run("%llm_config --caps forget far/big").text.strip() == "Forgot 1 thing about far/big."
    shown = far_shell.run("%llm_config --caps").text
    assert "small" in shown
    assert "big" not in shown


def test_forgetting_a_model_does_not_choose_it(far_shell: Shell) -> None:
    far_shell.run("%llm_config --caps forget demo")
    assert "far " in far_shell.run("%llm_config").text.splitlines()[2]


def test_reset_forgets_what_was_learnt(far_shell: Shell, far: FarEnd) -> None:
    far.when(has("temperature")).fails(400, openai_error(TEMPERATURE))
    far_shell.run("%%llm -t 0.2\nHi")
    far_shell.run("%llm_config --reset")
    assert far_shell.run("%llm_config --caps").text.startswith("Nothing was learnt")


def test_a_session_that_learnt_nothing_says_so(fresh_session: Session, shell: Shell) -> None:
    assert list(fresh_session.capabilities) == []
    assert shell.run("%llm_config --caps").text.strip() == (
        "Nothing was learnt about any endpoint: nothing was refused so far."
    )


@pytest.mark.parametrize(
    ("line", "wrong", "move"),
    [
        ("--caps everything", "--caps 'everything'", "--caps forget"),
        ("--caps forget nobody", "no model 'nobody'", "Known:"),
        ("--check nobody", "no model 'nobody'", "Known:"),
        ("--check --check", "--check is given twice", ""),
    ],
)
def test_a_mistake_is_one_line(far_shell: Shell, far: FarEnd, line: str, wrong: str, move: str) -> None:
    done = far_shell.run(f"%llm_config {line}")
    assert wrong in done.errors
    assert move in done.errors
    assert len(done.errors.strip().splitlines()) == 1
    assert far.requests == []


# ---------------------------------------------------------------- help


def completed(shell: Shell, text: str) -> list[str]:
    from llm_magics.completion import complete

    found_ = complete(shell.ip._llm_magics.magics, text)
    assert found_ is not None
    return found_[0]


def test_check_and_caps_are_completed(far_shell: Shell) -> None:
    assert {"--check", "--caps"} <= set(completed(far_shell, "%llm_config --c"))
    assert "far" in completed(far_shell, "%llm_config --check ")
    assert completed(far_shell, "%llm_config --caps f") == ["forget"]
    assert "far" in completed(far_shell, "%llm_config --caps forget ")


def test_check_and_caps_are_explained(far_shell: Shell) -> None:
    shown = far_shell.ip.inspector.info(far_shell.ip.find_line_magic("llm_config"))["docstring"]
    assert "--check" in shown
    assert "--caps" in shown
