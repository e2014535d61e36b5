"""Who there is to ask with nothing configured: well-known providers by a data file, local servers by their ports."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import socket
import threading
import time
import tomllib
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from llm_magics import secrets
from llm_magics.config import Layer, openai_base_url

FOUND = "found on its port"
CONNECT_SECONDS = 3.0  # a connection that is being made is the one thing that cannot be given up at once
PROBE_SECONDS = 0.5  # loopback answers in milliseconds or is not there
MAX_LISTING = 4_000_000  # bytes of a /models answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One row of the data file."""

    name: str
    title: str
    base_url: str
    api_key_env: tuple[str, ...]
    model: str
    keys_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """A server that people run beside the notebook, on its usual port; ``start`` is the command that starts it."""

    name: str
    title: str
    base_url: str
    start: str


@functools.cache
def _data() -> dict[str, Any]:
    return tomllib.loads(resources.files("llm_magics.endpoints").joinpath("providers.toml").read_text("utf-8"))


@functools.cache
def providers() -> tuple[Provider, ...]:
    """The well-known providers, in the order they are tried."""
    return tuple(
        Provider(
            name=name,
            title=row["title"],
            base_url=row["base_url"],
            api_key_env=tuple(row["api_key_env"]),
            model=row["model"],
            keys_url=row["keys_url"],
        )
        for name, row in _data()["provider"].items()
    )


@functools.cache
def local_servers() -> tuple[LocalServer, ...]:
    """The local servers that are looked for."""
    return tuple(
        LocalServer(name=name, title=row["title"], base_url=row["base_url"], start=row["start"])
        for name, row in _data()["local"].items()
    )


def key_names_for(base_url: str) -> tuple[str, ...]:
    """The environment variables whose key belongs to this host: its provider's, or none."""
    own = openai_base_url()
    if own is not None and base_url.rstrip("/") == own.rstrip("/"):
        return ("OPENAI_API_KEY",)
    wanted = _origin(base_url)
    return next((one.api_key_env for one in providers() if _origin(one.base_url) == wanted), ())


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def builtin_layer() -> Layer:
    """Every provider as a model of its own name, then ``demo``."""
    models: dict[str, dict[str, Any]] = {}
    for provider in providers():
        base_url = (openai_base_url() if provider.name == "openai" else None) or provider.base_url
        models[provider.name] = {
            "base_url": base_url,
            "api_key_env": list(provider.api_key_env),
            "model": provider.model,
        }
    models["demo"] = {}
    return Layer(origin="built-in", models=models)


def with_key() -> list[str]:
    """The providers whose key stands in the environment."""
    return [provider.name for provider in providers() if secrets.is_set(provider.api_key_env)]


def running_local_servers() -> dict[str, list[str]]:
    """The local servers that answer now, and the models each lists; asks all at once, sends no key."""
    listed = list_each([(server.name, server.base_url, None) for server in local_servers()], seconds=PROBE_SECONDS)
    return {name: models for name, models in listed.items() if models is not None}


def local_layer(running: dict[str, list[str]]) -> Layer:
    """Local servers that answer as models of their own names, each with the first model it lists."""
    by_name = {server.name: server for server in local_servers()}
    models = {
        name: {"base_url": by_name[name].base_url, "model": listed[0]} for name, listed in running.items() if listed
    }
    return Layer(origin=FOUND, models=models)


def list_each(
    endpoints: Iterable[tuple[str, str, secrets.Secret | None]], *, seconds: float = 10.0
) -> dict[str, list[str] | None]:
    """What endpoints, each a name, a base URL and a key, list under ``/models``; None for one that does not say.

    That is one that does not answer in that form and in that time. All are asked at once, each as soon as it is known.
    """
    asked: dict[str, _Listing] = {}
    try:
        for name, base_url, key in endpoints:
            asked[name] = _Listing(base_url, key, seconds)
        return {name: listing.models() for name, listing in asked.items()}
    finally:
        for listing in asked.values():
            listing.stop()


class _Listing:
    """An endpoint being asked what it has, on a thread of its own: looking a name up cannot be interrupted, waiting
    for a thread can. Whoever gave up waiting says `stop`, and the thread ends."""

    def __init__(self, base_url: str, key: secrets.Secret | None, seconds: float) -> None:
        self._base_url, self._seconds = base_url, seconds
        self._headers = {"Accept": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key.reveal()}"
        self._until = time.monotonic() + seconds
        self._connection: http.client.HTTPConnection | None = None
        self._models: list[str] | None = None
        self._answered = threading.Event()  # joining is no way to wait: an interrupted join forgets the thread
        threading.Thread(target=self._ask, name="llm_magics-models", daemon=True).start()

    def models(self) -> list[str] | None:
        """What it said, as soon as it has, or when its time is up."""
        answered = self._answered.wait(max(0.0, self._until - time.monotonic()))
        return self._models if answered else None

    def stop(self) -> None:
        """Close the connection under a thread that still waits on it."""
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None and not self._answered.is_set():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                sock.shutdown(socket.SHUT_RDWR)

    def _ask(self) -> None:
        try:
            parts = urllib.parse.urlsplit(self._base_url)
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            patience = min(self._seconds, CONNECT_SECONDS)
            self._connection = kind(parts.hostname or "", parts.port, timeout=patience)
            self._connection.set_debuglevel(0)  # whatever it is for everybody: it would print the key
            with contextlib.closing(self._connection) as connection:
                connection.connect()
                connection.sock.settimeout(self._seconds)
                connection.request("GET", f"{parts.path.rstrip('/')}/models", headers=self._headers)
                response = connection.getresponse()
                if response.status == 200:
                    self._models = ids_in(json.loads(_body(response, self._until)))
        except (OSError, http.client.HTTPException, ValueError, RecursionError):
            self._models = None
        finally:
            self._answered.set()


def _body(response: http.client.HTTPResponse, until: float) -> bytes:
    """The whole body; a server that drips it would otherwise keep each single wait short, and all of them endless."""
    body = b""
    while piece := response.read1(65_536):
        body += piece
        if len(body) > MAX_LISTING or time.monotonic() > until:
            raise TimeoutError
    return body


def ids_in(listing: Any) -> list[str] | None:
    """The models that a listing names; None where it is no listing."""
    rows = listing.get("data", listing.get("models")) if isinstance(listing, dict) else listing
    if not isinstance(rows, list):
        return None
    ids: Iterable[Any] = (row.get("id") or row.get("name") for row in rows if isinstance(row, dict))
    return [name for name in ids if isinstance(name, str)]
