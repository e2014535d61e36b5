"""Settings: their names, what each may be, and how layers of them merge with their origins kept.

Layers, each overriding the one before: built-in < user file < project file < environment < files named on a line <
``%config LLMMagics`` < ``%llm_config`` < the cell. A layer may speak for every model (``settings``) or for one
(``models[name]``); inside a layer the more particular wins.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import functools
import ipaddress
import json
import os
import re
import urllib.parse
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_magics import setting_kinds as kinds
from llm_magics.errors import ConfigError, UnknownModel, cut, did_you_mean, nearest, short
from llm_magics.pictures import images
from llm_magics.secrets import Secret

DEFAULT_TIMEOUT = 120.0  # seconds
DEFAULT_RETRIES = 2
LISTED = 20  # models that an error names
ENVIRONMENT_PREFIX = "LLM_MAGICS_"

# What a model's settings may hold besides request parameters.
TIMEOUTS = ("timeout", "timeout_silence", "timeout_total")
CONNECTION = frozenset({"api_key", "api_key_env", "base_url", "headers", "max_retries", "model", *TIMEOUTS})
TOOL_BOUNDS = (
    "max_tool_arguments",
    "max_tool_calls",
    "max_tool_repeats",
    "max_tool_result",
    "max_tool_rounds",
    "tool_timeout",
)
OURS = frozenset({"images", "price_in", "price_out", "stream", "system", *TOOL_BOUNDS})
# Request parameters of Chat Completions (source: the openai SDK's CompletionCreateParams), then those that compatible
# servers are known to take besides (llama.cpp, vLLM, Ollama, OpenRouter); anything else goes into ``extra_body``.
_REQUEST = """
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata
    modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options
    prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store
    stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options

    cache_prompt chat_template_kwargs dry_multiplier dynatemp_range enable_thinking grammar guided_choice guided_json
    guided_regex id_slot ignore_eos include_reasoning keep_alive length_penalty min_p min_tokens mirostat mirostat_eta
    mirostat_tau models num_ctx options plugins provider reasoning reasoning_format repeat_last_n repeat_penalty
    repetition_penalty route safe_prompt search_parameters skip_special_tokens stop_token_ids structured_outputs
    thinking thinking_budget top_a top_k transforms typical_p usage use_beam_search xtc_probability xtc_threshold
    extra_body
"""
REQUEST = frozenset(_REQUEST.split())
MODEL_SETTINGS = CONNECTION | OURS | REQUEST
# What may stand outside a model's own table, for every model.
SESSION_SETTINGS = (MODEL_SETTINGS - {"api_key", "api_key_env", "base_url", "headers", "models"}) | {"dotenv"}
SERVER_NAME = re.compile(r"(?=.{1,32}$)[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*")  # without "__", which ends it in requests
# What a project's file, which may come from strangers, decides only once it is trusted; until then it does not say it.
USERS_OWN = frozenset({"images", "tools", *TOOL_BOUNDS})


@dataclass(frozen=True, slots=True)
class Sourced:
    """A value and the words for where it came from."""

    value: Any
    origin: str
    trusted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One place that settings come from. ``trusted`` is False for files that travel with a project."""

    origin: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trusted: bool = True

    def decides(self, key: str) -> bool:
        """Whether this layer has a say in a setting."""
        return self.trusted or key not in USERS_OWN


@dataclass(frozen=True, slots=True)
class Config:
    """Layers, lowest first, and the questions one may ask of them."""

    layers: tuple[Layer, ...]

    def model_names(self) -> list[str]:
        """Every model any layer names, in the order they were first named."""
        return list(dict.fromkeys(name for layer in self.layers for name in layer.models))

    def setting(self, key: str) -> Sourced | None:
        """A session-wide setting, from the highest layer that has it."""
        for layer in reversed(self.layers):
            if key in layer.settings and layer.decides(key):
                return Sourced(layer.settings[key], layer.origin, layer.trusted)
        return None

    def resolve(self, name: str) -> dict[str, Sourced]:
        """Everything that holds for one model: ``{setting: value with its origin}``.

        ``NAME/SERVER-MODEL`` is the model NAME asked for another of its endpoint's models.

        Raises:
            UnknownModel: no layer names it.
        """
        base, server_model = self._split(name)
        found: dict[str, Sourced] = {}
        for layer in self.layers:
            # A session-wide ``model`` is the choice of a name; only inside a model's table is it the server's name.
            for key, value in [*without(layer.settings, "model").items(), *layer.models.get(base, {}).items()]:
                if layer.decides(key):
                    found[key] = Sourced(value, layer.origin, layer.trusted)
        if server_model:
            found["model"] = Sourced(server_model, "its name")
        return found

    def servers(self) -> dict[str, Sourced]:
        """The MCP servers that are configured, each with its whole table: nobody else's arguments come to a command.

        A file that nobody trusts adds servers, and never takes the place of one.
        """
        found: dict[str, Sourced] = {}
        for layer in sorted(self.layers, key=lambda layer: layer.trusted):
            found |= {name: Sourced(table, layer.origin, layer.trusted) for name, table in layer.servers.items()}
        return found

    def _split(self, name: str) -> tuple[str, str]:
        known = self.model_names()
        if name in known:
            return name, ""
        for slash in reversed([place for place, char in enumerate(name) if char == "/"]):
            if name[:slash] in known and name[slash + 1 :]:
                return name[:slash], name[slash + 1 :]  # a configured name may have slashes of its own
        hint = f" Another model of an endpoint is written NAME/{cut(name, 40)}." if name and name.isprintable() else ""
        raise unknown_model(name, known, hint)


def unknown_model(name: str, known: Iterable[str], hint: str = "") -> UnknownModel:
    """The error for a model nobody configured."""
    known = list(known)
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    listed = (", ".join(known[:LISTED]) or "none") + more
    return UnknownModel(
        f"no model {short(name)} in the configuration.{did_you_mean(name, known)} Known: {listed}.{hint}"
    )


def without(mapping: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """A copy lacking these keys."""
    return {key: value for key, value in mapping.items() if key not in keys}


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "api_key": kinds.key,
    "api_key_env": kinds.name_or_names,
    "base_url": kinds.address,
    "dotenv": kinds.truth,
    "extra_body": kinds.table,
    "frequency_penalty": kinds.number,
    "headers": kinds.table,
    "images": images,
    "max_completion_tokens": kinds.whole(1),
    "max_retries": kinds.whole(0, 100),
    "max_tokens": kinds.whole(1),
    "model": kinds.text,
    "n": kinds.whole(1, 128),
    "parallel_tool_calls": kinds.truth,
    "presence_penalty": kinds.number,
    "price_in": kinds.between(0, 1_000_000),
    "price_out": kinds.between(0, 1_000_000),
    "stream": kinds.truth,
    "system": kinds.text,
    "max_tool_arguments": kinds.whole(1),
    "max_tool_calls": kinds.whole(1, 10_000),
    "max_tool_repeats": kinds.whole(1, 10_000),
    "max_tool_result": kinds.whole(1),
    "max_tool_rounds": kinds.whole(1, 10_000),
    "temperature": kinds.between(0, 2),
    "timeout": kinds.seconds,
    "timeout_silence": kinds.seconds,
    "timeout_total": kinds.seconds,
    "tool_timeout": kinds.seconds,
    "tools": kinds.tools,
    "top_k": kinds.whole(-1),
    "top_logprobs": kinds.whole(0, 20),
    "top_p": kinds.between(0, 1),
}


def checked(key: str, value: Any, *, where: str = "", typed: str | None = None) -> Any:
    """The value, if this setting may have it; ``typed`` is how it was written, where it came from a line.

    Raises:
        ConfigError: it may not; the message says what it may be, and never repeats a key.
    """
    check = CHECKS.get(key)
    if check is None:
        return value
    try:
        return check(value)
    except ValueError as error:
        raise ConfigError(f"{where}{key}: {_shown(key, value, typed)} is not usable; it takes {error}.") from None


UNSHOWN = frozenset({"api_key", "api_key_env", "headers"})  # where a key is pasted, sometimes by mistake


def _shown(key: str, value: Any, typed: str | None) -> str:
    """A value as an error may repeat it: nothing of one that may be a key, or may hold one."""
    if key in UNSHOWN:
        return "this value"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple | set):
        return "a list"
    if not isinstance(value, str):
        return cut(typed) if typed else short(value)
    return short(re.split(r"[?#]", value)[0].rpartition("@")[2] if key == "base_url" else value)


def check_settings(
    settings: Mapping[str, Any], known: frozenset[str], *, where: Callable[[str], str] = lambda key: ""
) -> None:
    """Look at every setting of a table; ``where(key)`` is put before a complaint.

    Raises:
        ConfigError: a name that is not known, or a value that it cannot have.
    """
    for key, value in settings.items():
        if key not in known or (key == "model" and isinstance(value, Mapping)):
            raise _misplaced(str(key), value, known, where(str(key)))
        try:
            checked(key, value)
        except ConfigError as error:  # only now is the place looked for
            raise ConfigError(f"{where(key)}{error}") from None


def check_headers(headers: Mapping[str, Any], *, where: Callable[[], str] = lambda: "headers: ") -> None:
    """Look at the values of headers; ``where()`` is put before a complaint.

    Raises:
        ConfigError: one is no text.
    """
    for header, value in headers.items():
        if not isinstance(value, str):
            raise ConfigError(f"{where()}the header {header} takes text.")


# What the table of an MCP server may hold.
SERVER_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "args": kinds.texts,
    "command": kinds.command,
    "env": kinds.variables,
    "headers": kinds.table,
    "url": kinds.endpoint,
}


def check_server(name: str, settings: Mapping[str, Any], *, where: Callable[[str], str] = lambda key: "") -> None:
    """Look at the table of an MCP server; ``where(key)`` is put before a complaint.

    Raises:
        ConfigError: its name, or something in it, cannot be.
    """
    if not SERVER_NAME.fullmatch(name):
        raise ConfigError(
            f"{where('')}{short(name)} cannot name an MCP server: letters and digits, with single - or _ between them, "
            "up to 32."
        )
    for key, value in settings.items():
        if key not in SERVER_CHECKS:
            raise ConfigError(
                f"{where(str(key))}unknown setting {short(key)}.{did_you_mean(str(key), SERVER_CHECKS)} "
                f"Known: {', '.join(SERVER_CHECKS)}."
            )
        try:
            SERVER_CHECKS[key](value)
        except ValueError as error:  # the value is not repeated, as a key may stand in it
            raise ConfigError(f"{where(key)}{key}: this value is not usable; it takes {error}.") from None
    if bool(settings.get("command")) == bool(settings.get("url")):
        raise ConfigError(f"{where('')}an MCP server has a command or a url, one of the two.")
    for key, other in (("args", "url"), ("env", "url"), ("headers", "command")):
        if settings.get(key) and settings.get(other):
            raise ConfigError(f"{where(key)}{key} means nothing beside {other}.")
    for header, value in (settings.get("headers") or {}).items():
        plain = value.reveal() if isinstance(value, Secret) else value
        if not isinstance(plain, str) or not all(0x20 <= ord(char) <= 0x7E for char in f"{header}{plain}"):
            raise ConfigError(f"{where('headers')}the header {short(header)} must be one line of ASCII text.")


def _misplaced(key: str, value: Any, known: frozenset[str], where: str) -> ConfigError:
    """The error for a name that is no setting here: perhaps it is one elsewhere."""
    if key not in known and key in MODEL_SETTINGS:
        return ConfigError(f"{where}{key} belongs to one model, not to all: put it into the table models.NAME.")
    if key not in known and key in SESSION_SETTINGS:
        return ConfigError(f"{where}{key} belongs to all models, not to one: put it outside of their tables.")
    if nearest(key, ["policy", "policies"]):
        return ConfigError(f"{where}{short(key)}: no file says what tools may do; %llm_config --policy TOOL=WORD does.")
    if isinstance(value, Mapping):
        name = "NAME" if nearest(key, ["models"]) else key
        if nearest(key, ["mcp"]):
            return ConfigError(f"{where}{short(key)} is no table of settings: an MCP server's table is mcp.NAME.")
        return ConfigError(f"{where}{short(key)} is no table of settings: a model's table is models.{name}.")
    return unknown_setting(key, known, where=where)


def unknown_setting(key: str, known: Iterable[str], *, where: str = "") -> ConfigError:
    """The error for a name that no setting has."""
    hint = did_you_mean(key, known) or " A parameter that only this server knows goes into extra_body."
    return ConfigError(f"{where}unknown setting {short(key)}.{hint}")


def parse_value(key: str, given: str) -> Any:
    """What ``KEY=VALUE`` on a magic's line means: JSON, a list or table as Python writes it, else the text.

    Raises:
        ConfigError: the setting cannot have it.
    """
    if CHECKS.get(key) in (kinds.text, kinds.address, kinds.name_or_names):
        return checked(key, given)
    if not given.strip():
        raise ConfigError(f"{key} needs a value: {key}=VALUE.")
    return checked(key, _value(given), typed=given)


def _value(given: str) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(given, parse_constant=str)
    if re.fullmatch(r"(?s)\[.*\]|\{.*\}", given):  # as Python writes them, with single quotes or True
        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(found := ast.literal_eval(given), list | dict):
                return found
    return {"true": True, "false": False, "yes": True, "no": False}.get(given.lower(), given)


def environment_layer() -> Layer:
    """``LLM_MAGICS_TEMPERATURE=0.2`` and its like; an empty one is not set.

    Raises:
        ConfigError: a value that cannot be used, or a name that is nearly a setting's, or one that belongs to a model.
    """
    found: dict[str, Any] = {}
    for variable, given in os.environ.items():
        key = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if not variable.startswith(ENVIRONMENT_PREFIX) or not given.strip():
            continue
        if key in SESSION_SETTINGS:
            try:
                found[key] = parse_value(key, given)
            except ConfigError as error:
                raise ConfigError(f"environment variable {variable}: {error}") from None
        else:
            _check_variable(variable, key)
    return Layer(origin="environment", settings=found)


@functools.cache  # asked for every prompt, and comparing names is what costs
def _check_variable(variable: str, key: str) -> None:
    """Complain of a variable that was surely meant as a setting; other tools' names begin like ours too."""
    if key in MODEL_SETTINGS:
        move = "a key goes into its provider's own variable" if key.startswith("api_key") else "set it in a file"
        raise ConfigError(f"environment variable {variable}: {key} belongs to one model, not to all: {move}.")
    name = nearest(key, SESSION_SETTINGS)
    if name and difflib.SequenceMatcher(None, key, name).ratio() > 0.8:
        raise ConfigError(f"environment variable {variable}: unknown setting {short(key)}. Did you mean {name!r}?")


def openai_base_url() -> str | None:
    """What the openai SDK would take from ``OPENAI_BASE_URL``, so that both talk to the same endpoint."""
    return os.environ.get("OPENAI_BASE_URL", "").strip() or None


# What a program of others gets of this process's environment; its keys, and proxies' passwords, are not among it.
_CHILDRENS = """
    PATH HOME USER LOGNAME LANG LANGUAGE TZ TMPDIR
    APPDATA COMSPEC HOMEDRIVE HOMEPATH LOCALAPPDATA PATHEXT PROGRAMDATA PROGRAMFILES SYSTEMDRIVE SYSTEMROOT TEMP TMP
    USERNAME USERPROFILE WINDIR
"""
CHILDRENS = frozenset(_CHILDRENS.split())


def child_environment() -> dict[str, str]:
    """The environment of a program that is not ours: what finds programs, folders and the language, and no more."""
    return {name: value for name, value in os.environ.items() if name.upper() in CHILDRENS or name.startswith("LC_")}


def is_loopback(base_url: str) -> bool:
    """Whether this URL's host is this machine."""
    host = urllib.parse.urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name: only the one that resolvers keep for this machine (RFC 6761, 6.3)
        return host == "localhost" or host.endswith(".localhost")


def host_of(base_url: str) -> str:
    """``host`` or ``host:port`` of a URL, for people to read."""
    parts = urllib.parse.urlsplit(base_url)
    host = kinds.in_ascii(parts.hostname or base_url)
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host


def flatten(found: Mapping[str, Sourced]) -> dict[str, Any]:
    """Values without their origins."""
    return {key: sourced.value for key, sourced in found.items()}


def names_of(tools: Any) -> tuple[str, ...]:
    """The names among what ``tools`` is set to; none where it is tools in the SDK's form."""
    return tuple(tools) if isinstance(tools, list | tuple) and all(isinstance(one, str) for one in tools) else ()


def request_params(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The request parameters among a model's settings, unset ones (None) left out, ``extra_body`` opened."""
    for key, value in settings.items():
        if key in REQUEST and key != "extra_body" and value is not None and not (key == "tools" and names_of(value)):
            yield key, value
    yield from (settings.get("extra_body") or {}).items()
