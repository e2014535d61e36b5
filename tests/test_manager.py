"""`ModelManager`: what it gives back, which client it makes, where keys go, and what it complains of."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from far_end import FarEnd
from shells import Shell

from llm_magics import ModelManager, call_llm
from llm_magics.errors import LLMError
from llm_magics.manager import connect, connect_async

KEY = "sk-secret-0123456789"
LOCAL = "http://127.0.0.1:9/v1"


def manager(**settings: Any) -> ModelManager:
    return ModelManager({"models": {"one": {"api_key": KEY, "base_url": LOCAL, **settings}}})


def message_of(work: Any) -> str:
    with pytest.raises(ValueError) as raised:
        work()
    assert isinstance(raised.value, LLMError)
    return str(raised.value)


# ---------------------------------------------------------------- what the seed promises


def test_a_manager_has_the_config_it_was_given_and_no_clients() -> None:
    config = {"models": {"gpt-3": {"api_key": KEY}}}
    made = ModelManager(config)
    assert made.config is config
    assert made.clients == {}


def test_settings_come_back_as_they_were_given_the_key_included() -> None:
    settings = {"api_key": KEY, "base_url": "https://api.openai.com/v1", "temperature": 0.7, "max_tokens": 150}
    config = {"models": {"gpt-3": settings, "other": {"api_key": "k"}}}
    made = ModelManager(config)
    assert made.get_model_config("gpt-3") == dict(settings)
    assert made.get_model_config("gpt-3")["api_key"] == KEY
    assert made.get_model_config() is settings
    assert made.get_model_config("other") == {"api_key": "k"}


@pytest.mark.parametrize("config", [{}, {"models": {}}, {"models": None}, None, []])
def test_a_configuration_without_models_is_named(config: Any) -> None:
    for ask in (ModelManager(config).get_model_config, ModelManager(config).create_client):
        assert message_of(ask) == "No models found in configuration."


def test_a_missing_model_is_named_and_the_available_ones_listed() -> None:
    made = ModelManager({"models": {"gpt-4o": {}, "local": {}}})
    for ask in (made.get_model_config, made.create_client):
        said = message_of(lambda ask=ask: ask("gpt4o"))
        assert "gpt4o" in said
        assert "Known: gpt-4o, local" in said
        assert "Did you mean 'gpt-4o'?" in said


@pytest.mark.parametrize(
    ("config", "said"), [({"models": ["gpt"]}, "models:"), ({"models": {"one": 3}}, "models.one:")]
)
def test_a_configuration_of_another_shape_is_named(config: Any, said: str) -> None:
    assert message_of(ModelManager(config).get_model_config).startswith(said)


def test_a_client_is_made_with_the_models_settings() -> None:
    client = manager(timeout=7.5, max_retries=4).create_client("one")
    assert isinstance(client, openai.OpenAI)
    assert (client.api_key, str(client.base_url), client.timeout, client.max_retries) == (KEY, f"{LOCAL}/", 7.5, 4)


@pytest.mark.parametrize("unset", [{}, {"timeout": None, "max_retries": None, "headers": None}])
def test_a_client_has_defaults(unset: dict[str, Any]) -> None:
    client = manager(**unset).create_client()
    assert (client.timeout, client.max_retries) == (120.0, 2)


def test_a_client_is_kept_and_comes_back() -> None:
    made = manager()
    client = made.create_client()
    assert made.clients == {"one": client}
    assert made.create_client("one") is client


def test_models_at_the_same_endpoint_share_a_client_and_others_do_not() -> None:
    same = {"api_key": KEY, "base_url": LOCAL}
    made = ModelManager({"models": {"a": same, "b": {**same, "temperature": 1}, "c": {**same, "timeout": 3}}})
    a, b, c = map(made.create_client, "abc")
    assert a is b
    assert a is not c


def test_settings_that_change_take_effect() -> None:
    made = manager()
    first = made.create_client()
    made.config["models"]["one"]["timeout"] = 5
    assert made.create_client().timeout == 5
    made.config["models"]["one"]["api_key"] = "sk-other-0123456789"
    assert made.create_client().api_key == "sk-other-0123456789"
    del made.config["models"]["one"]["timeout"]
    made.config["models"]["one"]["api_key"] = KEY
    assert made.create_client() is first


def test_a_client_that_someone_closed_is_replaced() -> None:
    made = manager(timeout=11)
    made.create_client().close()
    assert not made.create_client().is_closed()


def test_threads_that_come_at_once_get_one_client() -> None:
    made = [manager(timeout=12) for _ in range(16)]
    barrier = threading.Barrier(16)

    def client(mine: ModelManager) -> openai.OpenAI:
        barrier.wait()
        return mine.create_client()

    with ThreadPoolExecutor(16) as pool:
        assert len(set(map(id, pool.map(client, made)))) == 1


# ---------------------------------------------------------------- what it complains of


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("temperature", 5),
        ("timeout", 0),
        ("timeout", "fast"),
        ("max_retries", -1),
        ("max_tokens", 1.5),
        ("base_url", ""),
        ("base_url", "localhost:8000/v1"),
        ("base_url", "http://[::1"),
        ("base_url", "http://x:99999/v1"),
        ("headers", [1]),
        ("headers", {"x": 1}),
        ("headers", {"x": "a\nb"}),
        ("api_key", 5),
        ("api_key", "sk\xad"),
        ("extra_body", "x"),
        ("base_url", "http://�/v1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_before_anything_is_sent(setting: str, value: Any) -> None:
    said = message_of(manager(**{setting: value}).create_client)
    assert setting.removesuffix("s") in said
    assert "\n" not in said


def test_no_complaint_repeats_a_key() -> None:
    for settings in (
        {"api_key": f"{KEY} x"},
        {"headers": {"x-api-key": f"{KEY}\n"}},
        {"base_url": f"https://u:{KEY}@h/v1"},
    ):
        assert KEY not in message_of(manager(**settings).create_client)


@pytest.mark.parametrize("action", ["default", "always"])
def test_an_unknown_setting_is_a_warning_once_that_names_the_nearest(action: Any) -> None:
    made = manager(temprature=0.2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(action)
        for _ in range(5):
            made.create_client()
    (warning,) = [warning for warning in caught if warning.category is UserWarning]  # not of sockets elsewhere
    assert "models.one: unknown setting 'temprature' is not sent. Did you mean 'temperature'?" in str(warning.message)
    assert warning.filename == __file__


def test_an_unset_setting_of_an_unknown_name_is_no_matter() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        manager(temprature=None).create_client()


# ---------------------------------------------------------------- keys


def test_a_manager_shows_no_key() -> None:
    made = manager(headers={"x-api-key": KEY})
    made.create_client()
    assert KEY not in repr(made) + str(made) + repr(made.connection()) + repr(made.clients)
    with pytest.raises(TypeError):
        pickle.dumps(made.connection())


@pytest.mark.parametrize("names", ["MY_KEY", ["NO_KEY", "MY_KEY"]])
def test_a_key_may_come_from_the_environment(names: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    made = ModelManager({"models": {"one": {"api_key_env": names, "base_url": "https://example.org/v1"}}})
    assert made.create_client().api_key == KEY
    monkeypatch.setenv("MY_KEY", "sk-new-0123456789")
    assert made.create_client().api_key == "sk-new-0123456789"


def test_a_key_that_is_nowhere_is_named_by_its_variable() -> None:
    made = ModelManager({"models": {"one": {"api_key_env": "MY_KEY", "base_url": "https://example.org/v1"}}})
    assert "MY_KEY is not set" in message_of(made.create_client)


def test_openais_key_goes_to_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for settings in ({}, {"base_url": "https://api.openai.com/v1"}, {"base_url": None, "api_key": None}):
        assert ModelManager({"models": {"gpt": settings}}).create_client().api_key == KEY


def test_without_openais_key_openai_cannot_be_asked() -> None:
    assert "OPENAI_API_KEY is not set" in message_of(ModelManager({"models": {"gpt": {}}}).create_client)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.example.org/v1",
        "http://api.openai.com/v1",
        "https://api.openai.com.evil.org/v1",
        "http://10.0.0.7/v1",
    ],
)
def test_openais_key_goes_nowhere_else(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert ModelManager({"models": {"one": {"base_url": base_url}}}).create_client().api_key != KEY


def test_a_local_server_gets_no_key_that_was_not_given_to_it(far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"Authorization: Bearer {KEY}\nX-Gateway: {KEY}")
    call_llm("one", "hi", {"models": {"one": {"base_url": far.base_url, "headers": {"X-Mine": "yes"}}}})
    (request,) = far.requests
    assert KEY not in " ".join(request.headers.values())
    assert request.headers["X-Mine"] == "yes"


def test_openais_own_variables_hold_where_they_belong(far: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", far.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    call_llm("one", "hi", {"models": {"one": {}}})
    assert far.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert far.requests[0].headers["OpenAI-Organization"] == "org-1"


# ---------------------------------------------------------------- processes and imports


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_makes_connections_of_its_own(far: FarEnd, far_config: dict[str, Any]) -> None:
    made = ModelManager(far_config)
    call_llm("far", "parent", made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of a fork beside threads, which is what this is about
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if call_llm("far", "child", made).content and call_llm("far", "child", far_config).content else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    call_llm("far", "parent again", made)
    assert [request.body["messages"][0]["content"] for request in far.chats][:1] == ["parent"]
    assert (len(far.chats), far.connections) == (4, 2)


def test_a_fork_while_another_thread_makes_a_client_does_not_hang() -> None:
    code = """
    import os, threading, warnings
    from llm_magics import ModelManager
    warnings.simplefilter("ignore")
    def make(port):
        return ModelManager({"models": {"m": {"base_url": f"http://127.0.0.1:{port}/v1"}}}).create_client()
    make(0x7fff)  # whatever is imported is imported: CPython itself cannot fork while another thread imports
    threads = [threading.Thread(target=make, args=(port,)) for port in range(1, 9)]
    for thread in threads: thread.start()
    child = os.fork()
    if child == 0:
        make(9)
        os._exit(0)
    print(os.waitpid(child, 0)[1])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "0", done.stderr


def test_a_manager_needs_no_openai_until_a_client_is_made(tmp_path: Path) -> None:
    code = """
    import sys
    from llm_magics import ModelManager
    ModelManager({"models": {"m": {"api_key": "k"}}}).get_model_config()
    print([name for name in ("openai", "httpx", "httpx2", "pydantic", "IPython") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_clients_are_pooled_by_what_they_connect_to() -> None:
    assert connect(manager().connection()) is manager().create_client()
    assert connect_async(manager().connection()) is manager().create_async_client()
    assert manager().create_async_client().max_retries == 0


def test_the_magics_client_is_not_the_one_that_other_event_loops_use(far_shell: Shell, far: FarEnd) -> None:
    far_shell.run("%%llm\nHi")
    manager = ModelManager({"models": {"far": {"base_url": far.base_url}}})

    async def ask() -> str:
        client = manager.create_async_client("far")
        said = await client.chat.completions.create(model="far", messages=[{"role": "user", "content": "Hi"}])
        assert manager.create_async_client("far") is client
        return str(said.choices[0].message.content)

    assert {asyncio.run(ask()) for _ in range(2)} == {"Hello from the far end."}
    assert far_shell.run("%%llm\nHi").error is None
