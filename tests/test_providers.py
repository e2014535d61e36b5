"""Who there is to ask with nothing configured."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from far_end import FarEnd
from shells import Shell

from llm_magics.config import MODEL_SETTINGS, checked, is_loopback
from llm_magics.endpoints import providers
from llm_magics.secrets import Secret

EXPECTED = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GEMINI_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "groq": "GROQ_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "xai": "XAI_API_KEY",
    "together": "TOGETHER_API_KEY",
}


def test_the_well_known_providers_are_there_each_complete() -> None:
    assert {one.name: one.api_key_env[0] for one in providers.providers()} == EXPECTED
    for one in providers.providers():
        assert checked("base_url", one.base_url) == one.base_url.rstrip("/")
        assert one.base_url.startswith("https://")
        assert checked("api_key_env", one.api_key_env)
        assert one.model and one.model == one.model.strip()
        assert one.title
        assert re.fullmatch(r"[\w.-]+\.\w+(/[\w/.-]+)?", one.keys_url)


def test_no_two_providers_share_a_host_or_a_key() -> None:
    hosts = [urllib.parse.urlsplit(one.base_url).hostname for one in providers.providers()]
    keys = [name for one in providers.providers() for name in one.api_key_env]
    assert len(set(hosts)) == len(hosts)
    assert len(set(keys)) == len(keys)


def test_local_servers_are_looked_for_on_this_machine_only() -> None:
    assert {one.name for one in providers.local_servers()} == {"ollama", "lmstudio", "llamacpp", "vllm"}
    for one in providers.local_servers():
        assert is_loopback(checked("base_url", one.base_url))
    ports = [urllib.parse.urlsplit(one.base_url).port for one in providers.local_servers()]
    assert ports == [11434, 1234, 8080, 8000]


def test_every_provider_is_a_model_of_its_own_name_and_demo_the_last() -> None:
    layer = providers.builtin_layer()
    assert list(layer.models) == [*EXPECTED, "demo"]
    for settings in layer.models.values():
        assert set(settings) <= MODEL_SETTINGS
        assert "api_key" not in settings


def test_openai_follows_the_sdks_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")
    assert providers.builtin_layer().models["openai"]["base_url"] == "https://proxy.example/v1"
    assert providers.key_names_for("https://proxy.example/v1/") == ("OPENAI_API_KEY",)


def test_a_provider_is_at_hand_when_its_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert providers.with_key() == []
    monkeypatch.setenv("GOOGLE_API_KEY", "x")
    monkeypatch.setenv("GROQ_API_KEY", " ")
    assert providers.with_key() == ["google"]


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://api.openai.com/v1", ("OPENAI_API_KEY",)),
        ("https://API.OpenAI.com:443/v2/other", ("OPENAI_API_KEY",)),
        ("https://generativelanguage.googleapis.com/v1beta/openai", ("GEMINI_API_KEY", "GOOGLE_API_KEY")),
        ("http://api.openai.com/v1", ()),
        ("https://api.openai.com:8443/v1", ()),
        ("https://api.openai.com.evil.example/v1", ()),
        ("https://evil.example/api.openai.com", ()),
        ("https://evilapi.openai.com", ()),
        ("http://127.0.0.1:8000/v1", ()),
    ],
)
def test_a_key_belongs_to_its_host_alone(url: str, names: tuple[str, ...]) -> None:
    assert providers.key_names_for(url) == names


def test_local_servers_that_answer_become_models_with_the_first_they_list() -> None:
    layer = providers.local_layer({"ollama": ["qwen3", "llama"], "vllm": []})
    assert layer.models == {"ollama": {"base_url": "http://127.0.0.1:11434/v1", "model": "qwen3"}}
    assert layer.origin == "found on its port"


# ---------------------------------------------------------------- what an endpoint lists


def test_an_endpoint_lists_its_models_and_is_sent_the_key_it_is_given(far: FarEnd) -> None:
    assert models_at(far.base_url)
    assert "Authorization" not in far.requests[-1].headers
    models_at(far.base_url, key=Secret("sk-far-0123456789"))
    assert far.requests[-1].headers["Authorization"] == "Bearer sk-far-0123456789"


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that answers each connection with whatever bytes a test wants."""

    def attend(line: socket.socket) -> None:
        with line:
            line.settimeout(5)
            try:
                line.recv(65_536)
                answer(line)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                line, _ = door.accept()
            except OSError:
                return
            threading.Thread(target=attend, args=(line,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}/v1"


def models_at(url: str, *, key: Secret | None = None, seconds: float = 10.0) -> list[str] | None:
    return providers.list_each([("", url, key)], seconds=seconds)[""]


def listed(raw: bytes, *, seconds: float = 2.0) -> list[str] | None:
    with server(lambda line: line.sendall(raw)) as url:
        return models_at(url, seconds=seconds)


def ok(body: bytes, kind: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nConnection: close\r\n\r\n" + body


ANSWERS = {
    "OpenAI's form": (ok(b'{"data": [{"id": "a"}, {"id": "b"}]}'), ["a", "b"]),
    "Ollama's form": (ok(b'{"models": [{"name": "a"}]}'), ["a"]),
    "a bare list": (ok(b'[{"id": "a"}]'), ["a"]),
    "odd rows": (ok(b'{"data": [{"id": 5}, null, "x", {}, {"id": "a"}, []]}'), ["a"]),
    "none": (ok(b'{"data": []}'), []),
    "a web page": (ok(b"<!doctype html><title>x</title>", b"text/html"), None),
    "another service": (ok(b'{"status": "ok"}'), None),
    "a number": (ok(b"5"), None),
    "nothing": (ok(b""), None),
    "not UTF-8": (ok(b"\xff\xfe"), None),
    "nested": (ok(b"[" * 100_000), None),
    "not found": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", None),
    "no key": (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}", None),
    "elsewhere": (b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n", None),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", None),
    "hung up": (b"", None),
    "cut off": (b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"data": [', None),
    "without end": (ok(b'{"data": [' + b" " * 5_000_000), None),
}


@pytest.mark.parametrize(("raw", "models"), ANSWERS.values(), ids=ANSWERS)
def test_whatever_answers_is_a_list_of_models_or_none(raw: bytes, models: list[str] | None) -> None:
    assert listed(raw) == models


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/v1", "http://h:99999/v1", "http://", "", "http://no.such.host.invalid/v1"]
)
def test_nobody_there_is_none(url: str) -> None:
    assert models_at(url, seconds=0.5) is None


def test_a_server_that_drips_is_not_waited_for() -> None:
    def drip(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(50):
            line.sendall(b" ")
            time.sleep(0.1)

    def drip_headers(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n")
        for n in range(200):
            line.sendall(b"X-%d: y\r\n" % n)
            time.sleep(0.1)

    begun = time.perf_counter()
    for slow in (drip, drip_headers):
        with server(slow) as url:
            assert models_at(url, seconds=0.3) is None
    with server(lambda line: time.sleep(3)) as url:
        assert models_at(url, seconds=0.3) is None
    assert time.perf_counter() - begun < 10


def test_looking_for_local_servers_does_not_take_long() -> None:
    begun = time.perf_counter()
    found = providers.running_local_servers()
    assert set(found) <= {one.name for one in providers.local_servers()}
    assert time.perf_counter() - begun < 20


def test_a_key_is_not_printed_where_someone_watches_http_connections(
    shell: Shell, far: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    monkeypatch.setenv("FAR_KEY", "sk-canary-0123456789abcdef")
    shell.run(f"%llm_config --add far base_url={far.base_url} api_key_env=FAR_KEY")
    assert "canary" not in shell.run("%llm_config --models").text
    assert "canary" in far.requests[-1].headers["authorization"]
