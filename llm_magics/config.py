"""Settings: their names, what each may be, and how layers of them merge with their origins kept.

Layers, each overriding the one before: built-in < user file < project file < environment < ``%config LLMMagics`` <
``%llm_config`` < the cell. A layer may speak for every model (``settings``) or for one (``models[name]``); inside a
layer the more particular wins.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import math
import os
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_magics.errors import ConfigError, UnknownModel, did_you_mean, nearest, short
from llm_magics.secrets import Secret

DEFAULT_TIMEOUT = 120.0  # seconds
DEFAULT_RETRIES = 2
ENVIRONMENT_PREFIX = "LLM_MAGICS_"

# What a model's settings may hold besides request parameters.
CONNECTION = frozenset({"api_key", "api_key_env", "base_url", "headers", "max_retries", "model", "timeout"})
OURS = frozenset({"system", "stream"})
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
    trusted: bool = True


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
            if key in layer.settings:
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
                found[key] = Sourced(value, layer.origin, layer.trusted)
        if server_model:
            found["model"] = Sourced(server_model, "its name")
        return found

    def _split(self, name: str) -> tuple[str, str]:
        known = self.model_names()
        if name in known:
            return name, ""
        for slash in reversed([place for place, char in enumerate(name) if char == "/"]):
            if name[:slash] in known and name[slash + 1 :]:
                return name[:slash], name[slash + 1 :]  # a configured name may have slashes of its own
        raise unknown_model(name, known, f" Another model of an endpoint is written NAME/{name[:40]}.")


def unknown_model(name: str, known: Iterable[str], hint: str = "") -> UnknownModel:
    """The error for a model nobody configured."""
    known = list(known)
    listed = ", ".join(known) or "none"
    return UnknownModel(
        f"no model {short(name)} in the configuration.{did_you_mean(name, known)} Known: {listed}.{hint}"
    )


def without(mapping: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """A copy lacking these keys."""
    return {key: value for key, value in mapping.items() if key not in keys}


# ---------------------------------------------------------------- what a value may be


def number(value: Any) -> float:
    """A finite number that is not a bool."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a number")
    return value


def between(low: float, high: float) -> Callable[[Any], Any]:
    """A check for a number within two limits, both allowed."""

    def check(value: Any) -> Any:
        if not low <= number(value) <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return value

    return check


def whole(low: int, high: int = 2**31 - 1) -> Callable[[Any], Any]:
    """A check for a whole number within two limits."""

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high:_}".replace("_", " "))
        return value

    return check


def seconds(value: Any) -> Any:
    """A timeout: a number of seconds above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise ValueError("a number of seconds above 0")
    return value


def text(value: Any) -> Any:
    """Any string."""
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def name_or_names(value: Any) -> Any:
    """The name of an environment variable, or a list of names to try in order."""
    names = list(value) if isinstance(value, list | tuple) else [value]
    if names and all(isinstance(name, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in names):
        return value
    raise ValueError("the name of the environment variable that holds the key, not the key")


def key(value: Any) -> Any:
    """A key, plain or already kept as a secret."""
    return value if isinstance(value, Secret) else text(value)


def truth(value: Any) -> Any:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def table(value: Any) -> Any:
    """A mapping with text keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("a table of names and values")
    return value


def address(value: Any) -> Any:
    """An endpoint's base URL, without secrets in it and without the path the SDK adds itself."""
    text(value)
    try:
        parts = urllib.parse.urlsplit(value)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError("a URL with a port from 1 to 65535") from None
    if re.search(r"[\s\x00-\x1f\x7f\\]", value):
        raise ValueError("a URL without blanks")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_ok:
        raise ValueError("a URL such as http://localhost:8000/v1, with http:// or https:// in front")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("a URL without a password or a key in it: keys come from api_key_env")
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise ValueError("the URL without its end: leave out /chat/completions")
    return value


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "api_key": key,
    "api_key_env": name_or_names,
    "base_url": address,
    "dotenv": truth,
    "extra_body": table,
    "frequency_penalty": number,
    "headers": table,
    "max_completion_tokens": whole(1),
    "max_retries": whole(0, 100),
    "max_tokens": whole(1),
    "model": text,
    "n": whole(1, 128),
    "parallel_tool_calls": truth,
    "presence_penalty": number,
    "stream": truth,
    "system": text,
    "temperature": between(0, 2),
    "timeout": seconds,
    "top_k": whole(-1),
    "top_logprobs": whole(0, 20),
    "top_p": between(0, 1),
}


def checked(key: str, value: Any, *, where: str = "") -> Any:
    """The value, if this setting may have it.

    Raises:
        ConfigError: it may not; the message says what it may be, and never repeats a key.
    """
    check = CHECKS.get(key)
    if check is None:
        return value
    try:
        return check(value)
    except ValueError as error:
        given = f" {short(_address_shown(key, value))}" if key not in UNSHOWN else " this value"
        raise ConfigError(f"{where}{key}:{given} is not usable; it takes {error}.") from None


UNSHOWN = frozenset({"api_key", "api_key_env", "headers"})  # where a key is pasted, sometimes by mistake


def _address_shown(key: str, value: Any) -> Any:
    """A base URL as an error may repeat it: what might be a password or a key in it left out."""
    if key != "base_url" or not isinstance(value, str):
        return value
    return re.split(r"[?#]", value)[0].rpartition("@")[2]


def check_settings(
    settings: Mapping[str, Any], known: frozenset[str], *, where: Callable[[str], str] = lambda key: ""
) -> None:
    """Look at every setting of a table; ``where(key)`` is put before a complaint.

    Raises:
        ConfigError: a name that is not known, or a value that it cannot have.
    """
    for key, value in settings.items():
        if key not in known:
            raise unknown_setting(str(key), known, where=where(str(key)))
        try:
            checked(key, value)
        except ConfigError as error:  # only now is the place looked for
            raise ConfigError(f"{where(key)}{error}") from None


def unknown_setting(key: str, known: Iterable[str], *, where: str = "") -> ConfigError:
    """The error for a name that no setting has."""
    hint = did_you_mean(key, known) or " A parameter that only this server knows goes into extra_body."
    return ConfigError(f"{where}unknown setting {short(key)}.{hint}")


def parse_value(key: str, given: str) -> Any:
    """What ``KEY=VALUE`` on a magic's line means: JSON where it is JSON, else the text itself.

    Raises:
        ConfigError: the setting cannot have it.
    """
    if CHECKS.get(key) in (text, address, name_or_names):
        return checked(key, given)
    try:
        value = json.loads(given, parse_constant=str)
    except (ValueError, RecursionError):
        value = {"true": True, "false": False, "yes": True, "no": False}.get(given.lower(), given)
    return checked(key, value)


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
    host = parts.hostname or base_url
    return f"{host}:{parts.port}" if parts.port else host


def flatten(found: Mapping[str, Sourced]) -> dict[str, Any]:
    """Values without their origins."""
    return {key: sourced.value for key, sourced in found.items()}


def request_params(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The request parameters among a model's settings, unset ones (None) left out, ``extra_body`` opened."""
    for key, value in settings.items():
        if key in REQUEST and key != "extra_body" and value is not None:
            yield key, value
    yield from (settings.get("extra_body") or {}).items()
