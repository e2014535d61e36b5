"""Where every setting comes from: layers, the models at hand, their keys, and whom a project's file may reach."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_magics import config_files, providers, secrets
from llm_magics.config import (
    SESSION_SETTINGS,
    Config,
    Layer,
    Sourced,
    check_settings,
    checked,
    environment_layer,
    flatten,
    host_of,
    is_loopback,
    openai_base_url,
)
from llm_magics.errors import ConfigError, UnknownModel
from llm_magics.manager import OPENAI_URL, Connection, ModelManager, connection_for, env_names
from llm_magics.secrets import Secret

if TYPE_CHECKING:
    from llm_magics.demo import Demo

DEMO = "demo"
FOUND = providers.FOUND
LOOK_AGAIN = 30.0  # seconds before a prompt looks for local servers once more; ``--models`` looks at once


class Configuration:
    """All settings of a kernel, whatever they were made with.

    Attributes:
        typed: settings typed with ``%llm_config``, and the models it added.
    """

    def __init__(self) -> None:
        self.typed = Layer(origin="%llm_config")
        self._files: tuple[Layer, ...] = ()
        self._local: Layer | None = None
        self._looked_at = float("-inf")
        self._read: dict[tuple[Path, int, int], Layer] = {}
        self._asked: dict[str, Secret] = {}
        self._trusted: set[str] = set()
        self._demo: Demo | None = None
        self._demo_pid = 0
        self._manager: ModelManager | None = None

    @property
    def config(self) -> Config:
        """Every layer as it stands now; files are read again when they changed.

        Raises:
            ConfigError: a file or an environment variable that cannot be used.
        """
        here = Path.cwd()
        layers = [providers.builtin_layer(), *([self._local] if self._local else [])]
        layers += [self._layer(path, "user file") for path in config_files.user_files()]
        if (project := config_files.project_file(here)) is not None:
            layers.append(self._layer(project, "project file", trusted=self._is_trusted(project)))
        layers += [
            environment_layer(),
            traits_layer(),
            *self._files,
            self.typed,
        ]
        return Config(tuple(layers))

    @property
    def manager(self) -> ModelManager:
        """The session's ``ModelManager``, over the models at hand; the same until the configuration changes."""
        models = {name: self._plain(name) for name in self.at_hand()}
        if self._manager is None or self._manager.config != {"models": models}:
            self._manager = ModelManager({"models": models})
        return self._manager

    def model(self) -> tuple[str, str]:
        """The current model's name, and where that choice came from.

        Raises:
            UnknownModel: the configured one does not exist.
        """
        config = self.config
        if chosen := config.setting("model"):
            self.resolve(chosen.value)
            return chosen.value, chosen.origin
        for layer in reversed(config.layers):
            if layer.origin not in ("built-in", FOUND) and layer.models:
                return next(iter(layer.models)), f"first model of {layer.origin}"
        if keyed := providers.with_key():
            return keyed[0], "its key is in the environment"
        if time.monotonic() - self._looked_at > LOOK_AGAIN:
            self.find_local_servers()
        if self._local and self._local.models:
            return next(iter(self._local.models)), FOUND
        return DEMO, "nothing else is configured"

    def at_hand(self) -> list[str]:
        """The models that can be asked: those configured, those whose provider's key is set, and ``demo``."""
        keyed = providers.with_key()
        named = [name for layer in self.config.layers if layer.origin != "built-in" for name in layer.models]
        return list(dict.fromkeys([*named, *keyed, DEMO]))

    def resolve(self, name: str) -> dict[str, Sourced]:
        """Everything that holds for a model, each value with its origin.

        Raises:
            UnknownModel: nobody configured it.
        """
        try:
            return self.config.resolve(name)
        except UnknownModel:
            self.find_local_servers()  # it may be one that started meanwhile
            return self.config.resolve(name)

    def find_local_servers(self) -> dict[str, list[str]]:
        """Look for local servers on their usual ports; what answers becomes a layer."""
        running = providers.running_local_servers()
        self._looked_at = time.monotonic()
        self._local = providers.local_layer(running)
        return running

    def set(self, settings: Mapping[str, Any]) -> None:
        """What ``%llm_config KEY=VALUE`` does.

        Raises:
            ConfigError: a name that is no setting, or a value it cannot have; then nothing is changed.
        """
        for key, value in settings.items():
            checked(key, value)
        self.typed = replace(self.typed, settings={**self.typed.settings, **settings})

    def forget_setting(self, key: str) -> None:
        """Let go of a typed setting, so that what was set since shows through."""
        self.typed = replace(self.typed, settings={k: v for k, v in self.typed.settings.items() if k != key})

    def add_model(self, name: str, settings: Mapping[str, Any]) -> None:
        """What ``%llm_config --add NAME …`` does."""
        self.typed = replace(self.typed, models={**self.typed.models, name: dict(settings)})

    def add_file(self, path: Path) -> Layer:
        """What ``%llm_config --file PATH`` does; the file stays above the project's and below what is typed.

        Raises:
            ConfigError: the file cannot be used; then nothing is changed.
        """
        layer = config_files.read_layer(path, "file")
        self._files = (*(known for known in self._files if known.origin != layer.origin), layer)
        return layer

    def reset(self) -> None:
        """What ``%llm_config --reset`` does: everything typed, added or asked for is forgotten."""
        self.typed = Layer(origin=self.typed.origin)
        self._files, self._local, self._manager = (), None, None
        self._looked_at = float("-inf")
        self._asked.clear()

    def keep_key(self, name: str, key: Secret) -> None:
        """Hold a key typed for a model's endpoint until the kernel ends; it goes to no other host."""
        self._asked[self.base_url(name)] = key

    def trust_project(self) -> Path | None:
        """Let this folder's project file say where prompts and keys are sent, as long as it stays as it is."""
        path = config_files.project_file(Path.cwd())
        if path is not None:
            self._trusted.add(config_files.fingerprint(path))
        return path

    # ------------------------------------------------------------ keys and connections

    def base_url(self, name: str) -> str:
        """Where a model is asked."""
        if is_demo(name):
            return "demo"
        found = self.resolve(name)
        return found["base_url"].value if "base_url" in found else connection_url()

    def key_state(self, name: str) -> str:
        """``set`` with its source, ``missing``, or ``not needed``; never a part of the key."""
        if is_demo(name):
            return "not needed"
        found = flatten(self.resolve(name))
        if self.base_url(name) in self._asked:
            return "set (typed)"
        if found.get("api_key"):
            return "set (configuration)"
        names = env_names(found) or providers.key_names_for(self.base_url(name))
        if not names:
            return "not needed" if is_loopback(self.base_url(name)) else "none"
        known = secrets.find_key(names, dotenv_folder=self._dotenv())
        return f"set ({known[1]})" if known else f"missing ({' or '.join(names)})"

    def connection(self, name: str) -> Connection:
        """What a model's client connects to.

        Raises:
            ConfigError: no key, or a project file that wants one sent to a host nobody approved.
        """
        if is_demo(name):
            demo = self._started_demo()
            found = flatten(self.resolve(name))
            return connection_for(name, {**found, "base_url": demo.base_url, "api_key": Secret(demo.api_key)})
        sourced = self.resolve(name)
        found = flatten(sourced)
        url = self.base_url(name)
        self._check_trust(name, sourced, url)
        if url in self._asked:
            found["api_key"] = self._asked[url]
        return connection_for(name, {**found, "base_url": url}, self._find_key)

    def _find_key(self, names: tuple[str, ...]) -> tuple[Secret, str] | None:
        return secrets.find_key(names, dotenv_folder=self._dotenv())

    def _dotenv(self) -> Path | None:
        """Where a ``.env`` file is read. A project's file does not opt in: it would choose whose key is used."""
        chosen = self.config.setting("dotenv")
        return Path.cwd() if chosen and chosen.value and chosen.trusted else None

    def _check_trust(self, name: str, found: Mapping[str, Sourced], url: str) -> None:
        """A project's file may come from strangers: it does not decide where prompts and keys go."""
        ways = ("base_url", "api_key_env", "headers")
        foreign = [found[key].origin for key in ways if key in found and not found[key].trusted]
        if not foreign:
            return
        names = env_names(flatten(found))
        harmless = is_loopback(url) and not names
        if harmless or (names and set(names) <= set(providers.key_names_for(url))):
            return
        takes = f" with the key from {' or '.join(names)}" if names else ""
        raise ConfigError(
            f"{foreign[0]} sends the prompts of {name!r} to {host_of(url)}{takes}. If you trust this project, say "
            f"%llm_config --trust, or put the model into your own file {config_files.config_folder() / 'config.toml'}"
        )

    def _is_trusted(self, path: Path) -> bool:
        return config_files.fingerprint(path) in self._trusted

    def _layer(self, path: Path, kind: str, *, trusted: bool = True) -> Layer:
        try:
            stat = path.stat()
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None
        key = (path, stat.st_mtime_ns, stat.st_size)
        if key not in self._read:
            self._read[key] = config_files.read_layer(path, kind)
        return replace(self._read[key], trusted=trusted)

    def _plain(self, name: str) -> dict[str, Any]:
        """A model's settings for `ModelManager`, which knows nothing of the session."""
        found = {key: value for key, value in flatten(self.resolve(name)).items() if key != "dotenv"}
        if is_demo(name):
            demo = self._started_demo()
            found.update(base_url=demo.base_url, api_key=Secret(demo.api_key))
        elif self.base_url(name) in self._asked:
            found["api_key"] = self._asked[self.base_url(name)]
        return found

    def _started_demo(self) -> Demo:
        if self._demo is None or self._demo_pid != os.getpid():
            from llm_magics import demo

            self._demo, self._demo_pid = demo.start(), os.getpid()
        return self._demo


def traits_layer() -> Layer:
    """What ``%config LLMMagics.…`` and ``ipython_config.py`` set, in a shell that has the magics.

    Raises:
        ConfigError: a value its setting cannot have.
    """
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    extension = getattr(get_ipython(), "_llm_magics", None)
    made = extension.magics.settings_made() if extension is not None else {}
    check_settings(made, SESSION_SETTINGS, where=lambda key: "%config LLMMagics: ")
    return Layer(origin="%config LLMMagics", settings=made)


def is_demo(name: str) -> bool:
    """Whether this name is the embedded model, which has no address before it is started."""
    return name.partition("/")[0] == DEMO


def connection_url() -> str:
    """Where a model without a base URL is asked."""
    return openai_base_url() or OPENAI_URL
