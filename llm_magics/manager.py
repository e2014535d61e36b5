"""`ModelManager`: a configuration turned into ``openai`` clients, each made once and kept.

Clients are pooled by what they connect to, so that a call in a loop pays for no second client, TLS context or
connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import threading
import urllib.parse
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from llm_magics import logs, secrets
from llm_magics.config import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    MODEL_SETTINGS,
    checked,
    host_of,
    is_loopback,
    openai_base_url,
    unknown_model,
    without,
)
from llm_magics.endpoints import error_bodies, providers
from llm_magics.endpoints.clocks import Clocks
from llm_magics.errors import ConfigError, MissingKey, did_you_mean, short
from llm_magics.key_shapes import masked
from llm_magics.redaction import LONG, Redactor
from llm_magics.scrub import without_variables
from llm_magics.secrets import Secret
from llm_magics.setting_kinds import table

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

_ELSEWHERE = " A parameter that only this server knows goes into extra_body."
OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Connection:
    """All that decides which client is needed, and the clocks of what is asked over it; ``timeout`` in seconds."""

    base_url: str
    api_key: Secret
    timeout: float
    max_retries: int
    headers: tuple[tuple[str, Secret], ...] = ()  # any of them may be a key
    parameters: tuple[Secret, ...] = ()  # the keys among what is sent with every request
    others: tuple[Secret, ...] = field(default=(), compare=False)  # other endpoints' keys, which this one may know
    clocks: Clocks = field(default_factory=Clocks, compare=False)

    @property
    def credentials(self) -> tuple[Secret, ...]:
        """The API key, and what stands in headers whose names ask for one."""
        return self.api_key, *(key for name, value in self.headers for key in secrets.in_header(name, value.reveal()))

    @property
    def keys(self) -> tuple[Secret, ...]:
        """All that must come out nowhere."""
        return *self.credentials, *self.parameters, *self.others

    @property
    def redactor(self) -> Redactor:
        """What takes these keys out of errors and notes."""
        return secrets.redactor_of(self.keys)

    @property
    def answer_redactor(self) -> Redactor:
        """The same for answers, where a short key is left alone: it may be an ordinary word."""
        return secrets.redactor_of(self.keys, answers=True)

    def beside(self, keys: Iterable[Secret]) -> Connection:
        """The same connection, from which these keys come out no more than its own; short ones may be words here."""
        own = set(self.keys)
        return replace(self, others=tuple(key for key in keys if len(key.reveal()) >= LONG and key not in own))


class ModelManager:
    """The models of a configuration, and their clients.

    Args:
        config: a mapping whose ``"models"`` maps model names to their settings: ``api_key`` or ``api_key_env``,
            ``base_url``, ``model`` (the server's name for it, where that differs), ``timeout`` in seconds (120),
            ``max_retries`` (2), ``headers``, ``system``, and any request parameter.

    Attributes:
        config: the object given.
        clients: the clients made so far, by model name.

    >>> manager = ModelManager({"models": {"local": {"base_url": "http://127.0.0.1:8000/v1", "temperature": 0.2}}})
    >>> manager.get_model_config()["temperature"]
    0.2
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.clients: dict[str, OpenAI] = {}
        self._made_for: dict[str, Connection] = {}
        self._process = os.getpid()
        self._warned: set[str] = set()

    def __repr__(self) -> str:
        return f"ModelManager(models={self._names()!r})"

    def __reduce__(self) -> tuple[type[ModelManager], tuple[Mapping[str, Any]]]:
        """Its configuration alone, and only one without keys: a pickle is a file, or goes to another process."""
        for name, settings in (self.config.get("models") or {}).items():
            if isinstance(settings, Mapping) and (settings.get("api_key") or settings.get("headers")):
                raise TypeError(f"models.{name} has a key or headers in it: use api_key_env to pickle a ModelManager")
        return ModelManager, (self.config,)

    def get_model_config(self, model_name: str | None = None) -> Mapping[str, Any]:
        """The settings of a model as they were given; of the first model when none is named.

        Raises:
            ValueError: there are no models, or none of that name.
        """
        settings: Mapping[str, Any] = self._models()[self.name_of(model_name)]
        return settings

    def name_of(self, model_name: str | None = None) -> str:
        """The name itself, or the first model's; checked to be there."""
        models = self._models()
        name = next(iter(models)) if model_name is None else model_name
        if name not in models:
            raise unknown_model(name, models)
        if not isinstance(models[name], Mapping):
            raise ConfigError(f"models.{name}: expected a table of settings, got {short(models[name])}.")
        return name

    @without_variables
    def create_client(self, model_name: str | None = None) -> OpenAI:
        """The client for a model; made at the first call, the same object afterwards while its settings stay the same.

        Raises:
            ValueError: the configuration has no such model, or a setting that cannot be used, or no key.
        """
        name, connection = self._connection(model_name)
        if self._process != os.getpid():  # a fork: the connections are the parent's
            self.clients.clear()
            self._process = os.getpid()
        client = self.clients.get(name)
        if client is None or self._made_for.get(name) != connection or client.is_closed():
            client = self.clients[name] = connect(connection)
            self._made_for[name] = connection
        return client

    @without_variables
    def create_async_client(self, model_name: str | None = None) -> AsyncOpenAI:
        """The same for coroutines; only for the one event loop that llm_magics runs. It never retries by itself."""
        return connect_async(self.connection(model_name))

    @without_variables
    def connection(self, model_name: str | None = None) -> Connection:
        """What a model's client connects to."""
        return self._connection(model_name)[1].beside(keys_at_hand(self._models().values()))

    @without_variables
    def settings(self, model_name: str | None = None) -> Mapping[str, Any]:
        """A model's settings, each looked at; a name that is no setting is warned of once.

        Raises:
            ValueError: as `create_client`.
        """
        name = self.name_of(model_name)
        settings = self.get_model_config(name)
        for key, value in settings.items():
            if value is None:
                continue
            if key not in MODEL_SETTINGS:
                hint = did_you_mean(str(key), MODEL_SETTINGS) or _ELSEWHERE
                self._warn(f"models.{name}: unknown setting {str(key)!r} is not sent.{hint}")
            else:
                checked(key, value, where=f"models.{name}: ")
        return settings

    def _connection(self, model_name: str | None) -> tuple[str, Connection]:
        name = self.name_of(model_name)
        connection = connection_for(name, self.settings(name))
        if said := exposure(connection):
            self._warn(f"models.{name}: {said}")
        return name, connection

    def _models(self) -> Mapping[str, Any]:
        models = self.config.get("models") if isinstance(self.config, Mapping) else None
        if not models:
            raise ConfigError("No models found in configuration.")
        if not isinstance(models, Mapping):
            raise ConfigError(f"models: expected a table of models, got {short(models)}.")
        return models

    def _names(self) -> list[str]:
        models = self.config.get("models") if isinstance(self.config, Mapping) else None
        return [str(name) for name in models] if isinstance(models, Mapping) else []

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            warnings.warn(masked(text), stacklevel=_callers_level())


def _callers_level() -> int:
    """The ``stacklevel`` of the first frame outside this package: where the person's own code is."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__", "")).startswith("llm_magics"):
        level, frame = level + 1, frame.f_back
    return level


def connection_for(
    name: str,
    settings: Mapping[str, Any],
    find_key: Callable[[tuple[str, ...]], tuple[Secret, str] | None] = secrets.find_key,
) -> Connection:
    """The connection that these settings ask for.

    A key goes nowhere but where it belongs: without ``base_url`` that is OpenAI (or ``OPENAI_BASE_URL``) with
    ``OPENAI_API_KEY``; with one, the variable that ``api_key_env`` names, else the variable of the provider whose host
    it is, else no key at all.

    Raises:
        MissingKey: no key is where it should be.
        ConfigError: a key or header that cannot be sent.
    """
    base_url = settings.get("base_url")
    names = env_names(settings) or (providers.key_names_for(base_url) if base_url else ())
    if base_url is None:
        base_url, names = openai_base_url() or OPENAI_URL, names or ("OPENAI_API_KEY",)
        checked("base_url", base_url, where="environment variable OPENAI_BASE_URL: ")
    if settings.get("api_key"):
        key = secrets.cleaned(secrets.plain(settings["api_key"]), f"models.{name}.api_key")
    elif names:
        found = find_key(names)
        if found is None and not is_loopback(base_url):
            raise missing_key(name, names)
        key = found[0] if found else Secret(secrets.NO_KEY)
    else:
        key = Secret(secrets.NO_KEY)
    timeout, retries = settings.get("timeout"), settings.get("max_retries")
    return Connection(
        base_url=base_url,
        api_key=key,
        timeout=DEFAULT_TIMEOUT if timeout is None else timeout,
        max_retries=DEFAULT_RETRIES if retries is None else retries,
        headers=_headers(name, settings.get("headers") or {}),
        parameters=tuple(secrets.written_in(without(settings, "api_key", "headers"))),
        clocks=Clocks.of(settings),
    )


def exposure(connection: Connection) -> str | None:
    """That others can read what goes to an endpoint; None for one on this machine, or behind TLS."""
    url = connection.base_url
    if urllib.parse.urlsplit(url).scheme != "http" or is_loopback(url):
        return None
    what = "prompts" if connection.api_key.reveal() == secrets.NO_KEY else "prompts and the key"
    return f"{what} go to {host_of(url)} over plain http: anyone on the way can read them"


def env_names(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The environment variables a model's key may stand in."""
    names = settings.get("api_key_env") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def keys_at_hand(models: Iterable[Any]) -> list[Secret]:
    """The keys that need no asking: those written in models' settings, and those in the environment."""
    tables = [settings for settings in models if isinstance(settings, Mapping)]
    named = [names if isinstance(names := table.get("api_key_env"), list | tuple) else [names] for table in tables]
    variables = {name for names in named for name in names if isinstance(name, str)}
    variables |= {name for provider in providers.providers() for name in provider.api_key_env}
    return [*secrets.written_in(tables), *secrets.in_environment(sorted(variables))]


def missing_key(name: str, names: tuple[str, ...]) -> MissingKey:
    """The error for a key that is nowhere."""
    pages = [provider.keys_url for provider in providers.providers() if set(names) & set(provider.api_key_env)]
    whence = f" (a key comes from {pages[0]})" if pages else ""
    state = "is empty" if secrets.is_there(names) else "is not set"
    return MissingKey(
        f"model {name!r} has no API key: {' or '.join(names)} {state} in the environment, and not in the key store. "
        f"Set it before the kernel starts{whence}, or type it with %llm_config --ask-key {name}"
    )


def _headers(name: str, headers: Mapping[str, Any]) -> tuple[tuple[str, Secret], ...]:
    for header, value in table(headers).items():
        value = secrets.plain(value)
        clean = isinstance(value, str) and all(0x20 <= ord(c) <= 0x7E for c in header + value)
        if not clean:
            raise ConfigError(f"models.{name}: the header {short(header)} must be one line of ASCII text.")
    return tuple((header, Secret(secrets.plain(headers[header]))) for header in sorted(headers))


# The cache alone would let two threads that come at once make a client each. Held while the process forks, so that the
# child does not find it locked by a thread that it does not have.
_making = threading.RLock()


def connect(connection: Connection) -> OpenAI:
    """A client for a connection; the same one each time, until someone closes it."""
    with _making:
        if _client(connection).is_closed():
            _client.cache_clear()
        return _client(connection)


def connect_async(connection: Connection) -> AsyncOpenAI:
    """The same for coroutines on the event loop that runs here; retries and timeouts have other owners there."""
    connection = replace(connection, timeout=DEFAULT_TIMEOUT, max_retries=0)
    with _making:
        if _async_client(connection, _loop_here()).is_closed():
            _async_client.cache_clear()
        return _async_client(connection, _loop_here())


def _loop_here() -> Hashable:
    """What tells event loops apart: connections of one cannot be used on another."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@functools.lru_cache(maxsize=64)
def _client(connection: Connection) -> OpenAI:
    from openai import DefaultHttpxClient, OpenAI

    with _usable(connection):
        http_client = _http(connection, DefaultHttpxClient, in_coroutines=False)
        client = OpenAI(**_arguments(connection), max_retries=connection.max_retries, http_client=http_client)
    _drop_ambient_headers(client, connection)
    logs.guard(connection.keys)
    return client


@functools.lru_cache(maxsize=64)
def _async_client(connection: Connection, loop: Hashable) -> AsyncOpenAI:
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    with _usable(connection):
        http_client = _http(connection, DefaultAsyncHttpxClient, in_coroutines=True)
        client = AsyncOpenAI(**_arguments(connection), max_retries=0, http_client=http_client)
    _drop_ambient_headers(client, connection)
    logs.guard(connection.keys)
    return client


@contextlib.contextmanager
def _usable(connection: Connection) -> Iterator[None]:
    """What the HTTP library finds fault with in an address, and in the environment, is the person's to mend."""
    try:
        yield
    except ImportError as error:
        if "socks" not in str(error).lower():
            raise
        raise ConfigError(
            f"{_proxy_variables('socks')} names a SOCKS proxy, which needs the package socksio. "
            "Install it with: %pip install socksio"
        ) from None
    except OSError as error:  # the certificates are read when a client is made
        raise ConfigError(
            f"SSL_CERT_FILE or SSL_CERT_DIR: the certificates cannot be read ({error.strerror or error})."
        ) from None
    except Exception as error:
        if type(error).__name__ == "InvalidURL":  # of httpx or httpx2, by the SDK's version
            raise ConfigError(f"base_url: {short(connection.base_url)} is not usable: {error}.") from None
        if not isinstance(error, ValueError) or "proxy" not in str(error):
            raise
        raise ConfigError(
            f"{_proxy_variables()}: no proxy of that kind can be used, only http://, https:// and socks5:// ones."
        ) from None


def _proxy_variables(kind: str = "") -> str:
    """The environment's variables that name such proxies; not what they hold, which may be a password."""
    from urllib.request import getproxies

    names = (f"{scheme.upper()}_PROXY" for scheme, url in getproxies().items() if url.startswith(kind))
    return " or ".join(names) or "a variable of the environment"


def _forget_clients() -> None:
    """A forked process must not share its parent's connections, nor wait on an event loop that runs only there."""
    _client.cache_clear()
    _async_client.cache_clear()
    _making.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_making.acquire, after_in_parent=_making.release, after_in_child=_forget_clients)


def _arguments(connection: Connection) -> dict[str, Any]:
    headers = _plain_headers(connection)
    return {
        "base_url": connection.base_url,
        "api_key": connection.api_key.reveal(),
        "timeout": connection.timeout,
        "default_headers": headers or None,
    }


def _plain_headers(connection: Connection) -> dict[str, str]:
    return {name: value.reveal() for name, value in connection.headers}


def _drop_ambient_headers(client: OpenAI | AsyncOpenAI, connection: Connection) -> None:
    """Let a client that does not go to OpenAI forget the headers the SDK takes from ``OPENAI_*`` variables.

    ``OPENAI_CUSTOM_HEADERS`` may hold another host's key; organization and project are nobody else's business.
    """
    host = urllib.parse.urlsplit(connection.base_url).hostname or ""
    if host.endswith(".openai.com") or connection.base_url == openai_base_url():
        return
    client.organization = client.project = None
    client._custom_headers = _plain_headers(connection)


def _http(connection: Connection, client_class: Callable[..., Any], *, in_coroutines: bool) -> Any:
    """The SDK's own HTTP client, except that loopback goes past every proxy, plain http needs no TLS context, and no
    cookie is kept: a key says who asks, and what one answer brought must not spoil the next request.
    """
    from http.cookiejar import CookieJar, DefaultCookiePolicy  # the HTTP library brings it along

    plain = {"verify": False} if connection.base_url.startswith("http://") else {}
    proxies = {"trust_env": False} if is_loopback(connection.base_url) else {}
    # A redirect would turn the POST into a GET, or carry the prompt to another host: the address is to be mended.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    hooks = error_bodies.hooks(in_coroutines=in_coroutines)
    common = {"cookies": no_cookies, "event_hooks": hooks, **plain, **proxies}
    return client_class(timeout=connection.timeout, follow_redirects=False, **common)
