"""Where every setting comes from: layers, the models at hand, and their keys."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_magics import config_files, project_trust, secrets, trust
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
from llm_magics.endpoints import providers
from llm_magics.errors import ConfigError, UnknownModel, UserMistake, cut, did_you_mean, short
from llm_magics.interrupts import held
from llm_magics.manager import OPENAI_URL, Connection, ModelManager, connection_for, env_names, keys_at_hand
from llm_magics.pictures import BLOCKED, Pictures, policy
from llm_magics.project_trust import USER_FILE, ProjectTrust
from llm_magics.secrets import Secret
from llm_magics.served_models import ServedModels
from llm_magics.traits import ABSENT, Settings

if TYPE_CHECKING:
    from llm_magics.demo import Demo

DEMO = "demo"
FOUND = providers.FOUND
GIVEN = "%config LLMMagics"
LOOK_AGAIN = 30.0  # seconds before a prompt looks for local servers once more; ``--models`` looks at once


class Configuration:
    """All settings of a kernel, whatever they were made with.

    Attributes:
        served: the local models that are held.
        trust: whom the project's file may reach.
    """

    def __init__(self) -> None:
        self.served, self.trust = ServedModels(), ProjectTrust()
        self._home = Settings()
        self._added: Mapping[str, Mapping[str, Any]] = {}
        self._changing = threading.RLock()  # front ends speak to widgets on a thread of their own
        self._together = False  # whether what is set now belongs together
        self._watchers: list[Callable[[], None]] = []
        self._home.observe(self._heard)
        self._files: tuple[Layer, ...] = ()
        self._local: Layer | None = None
        self._looked_at = float("-inf")
        self._read: dict[tuple[Path, int, int], Layer] = {}
        self._asked: dict[str, Secret] = {}
        self._found: dict[Secret, None] = {}  # keys out of files and key stores that were asked before, in that order
        self._picture_hosts: set[str] = set()
        self._demos: dict[int, Demo] = {}  # by process: a fork has its own
        self._manager: ModelManager | None = None
        self._steady: tuple[tuple[object, ...], Config] | None = None

    @property
    def config(self) -> Config:
        """Every layer as it stands now; files are read again when they changed.

        Raises:
            ConfigError: a file or an environment variable that cannot be used.
        """
        steady = self._steady  # which another thread's prompt may end at any moment
        if steady is not None and steady[0] == self._set_here():
            return steady[1]
        layers = [providers.builtin_layer(), *([self._local] if self._local else [])]
        layers += [self._user_layer(path) for path in config_files.user_files()]
        layers += [project] if (project := self.trust.layer()) is not None else []
        layers += [environment_layer(), *self._files, self._given(), *self.served.layers(), self.typed]
        return Config(tuple(layers))

    @property
    def home(self) -> Settings:
        """Where settings are kept: the magics of this shell, else a home of its own.

        Magics that were loaded since take over what was set with ``%llm_config``.
        """
        home = _loaded() or self._home
        if home is not self._home:
            home.take(self._home.taken)
            self._home = home
            home.observe(self._heard)
            self._heard()
        return home

    def watch(self, watcher: Callable[[], None]) -> None:
        """Let somebody know whenever something was set, by whatever means."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Let them know no longer."""
        self._watchers.remove(watcher)

    def _heard(self, change: object = None) -> None:
        if not self._together:
            for watcher in tuple(self._watchers):
                watcher()

    @property
    def typed(self) -> Layer:
        """Settings made with ``%llm_config``, and the models it added."""
        return Layer(origin="%llm_config", settings=self.home.taken, models=self._added)

    def _given(self) -> Layer:
        """What ``%config LLMMagics.…`` and ``ipython_config.py`` set.

        Raises:
            ConfigError: a value its setting cannot have.
        """
        home = self.home
        if home.mistake:
            move = "Mend it with %config or in ipython_config.py, then %reload_ext llm_magics."
            raise ConfigError(f"{GIVEN}: {home.mistake} {move}")
        check_settings(home.given, SESSION_SETTINGS, where=lambda key: f"{GIVEN}: ")
        return Layer(origin=GIVEN, settings=home.given)

    @contextlib.contextmanager
    def steady(self) -> Iterator[None]:
        """Inside, files and environment are looked at once, as a prompt asks for its settings many times."""
        self._steady = self._set_here(), self.config
        try:
            yield
        finally:
            self._steady = None

    def _set_here(self) -> tuple[object, ...]:
        """What holds beside files and environment, to be compared."""
        served, trusted = tuple(self.served.state.values()), frozenset(self.trust.state)
        return self.typed, self.home.given, self._files, self._local, trusted, served

    @property
    def manager(self) -> ModelManager:
        """The session's ``ModelManager``, over the models at hand; the same until the configuration changes.

        A model that a project's file sends to a place nobody approved is not among them.
        """
        models = {name: self._plain(name) for name in self.at_hand() if self._may_be_asked(name)}
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
            try:
                self.resolve(chosen.value)
            except UnknownModel as error:
                move = "Choose another with %llm_config NAME, or mend it there."
                raise UnknownModel(f"{chosen.origin}: {error} {move}") from None
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

    @contextlib.contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What is set inside holds only if all of it could be set; a local model that is not held any more ends."""
        with self._changing:
            home, state = self.home, self.home.state
            before = self._added, self._files, self._local, self._looked_at, self._manager
            asked, trusted, served = dict(self._asked), self.trust.state, self.served.state
            self._together = True
            try:
                yield
            except BaseException:
                home.restore(state)
                self._added, self._files, self._local, self._looked_at, self._manager = before
                self._asked, self.trust.state = asked, trusted
                self.served.restore(served)
                raise
            finally:
                self._together = False
                self._heard()
            self.served.end_others(served)
            self.trust.remember()

    def set(self, settings: Mapping[str, Any]) -> None:
        """What ``%llm_config KEY=VALUE`` does.

        Raises:
            ConfigError: a name that is no setting, or a value it cannot have; then nothing is changed.
        """
        for key, value in settings.items():
            checked(key, value)
        self.home.take(settings)

    def unset(self, key: str) -> None:
        """What ``%llm_config --unset NAME`` does: what was set before, or elsewhere, holds again."""
        self.home.let_go([key])

    def add_model(self, name: str, settings: Mapping[str, Any]) -> None:
        """What ``%llm_config --add NAME …`` does."""
        self.served.let_go(name)
        self._added = {**self._added, name: dict(settings)}

    def add_file(self, path: Path) -> Layer:
        """What ``%llm_config --file PATH`` does; the file stays above the project's and below what is typed.

        Raises:
            ConfigError: the file cannot be used; then nothing is changed.
        """
        layer = config_files.read_layer(path, "file")
        self._files = (*(known for known in self._files if known.origin != layer.origin), layer)
        # A file read now is the newer word than %config, but not than what was typed for good.
        self.home.take({key: ABSENT for key in layer.settings if key in self.home.given})
        return layer

    def reset(self) -> None:
        """What ``%llm_config --reset`` does: everything typed, added or asked for is forgotten."""
        self.home.let_go()
        self._added, self._files, self._local, self._manager = {}, (), None, None
        self.served.let_go_all()
        self._looked_at = float("-inf")
        self._asked.clear()
        self._picture_hosts.clear()

    # ------------------------------------------------------------ MCP servers

    @property
    def mcp_servers(self) -> dict[str, Sourced]:
        """The MCP servers that are configured: each one's table, and where it stands. None of them is started by this.

        Raises:
            ConfigError: a file that cannot be used.
        """
        return self.config.servers()

    def mcp_server(self, name: str) -> Mapping[str, Any]:
        """The table of a server that may be started.

        Raises:
            ConfigError: there is none of this name, or it stands in a file that nobody trusts (`Untrusted`).
        """
        found = self.mcp_servers
        if name not in found:
            known = ", ".join(found) or "none"
            raise ConfigError(
                f"no MCP server {short(name)} in the configuration.{did_you_mean(name, found)} Known: {known}."
            )
        server = found[name]
        self.trust.check_server(name, server, shown_server(server.value))
        checked_table: Mapping[str, Any] = server.value
        return checked_table

    def keep_key(self, name: str, key: Secret) -> None:
        """Hold a key typed for a model's endpoint until the kernel ends; it goes to no other host."""
        self._asked[self.base_url(name)] = key

    def pictures(self, name: str | None = None) -> Pictures:
        """From where pictures in a model's answer may be loaded, as things are now; nowhere while that is not known."""
        try:
            found = self.config.resolve(name).get("images") if name else self.config.setting("images")
        except UserMistake:  # what was typed stays visible whatever has become of the files since
            return BLOCKED
        return policy(found.value if found else "block", self._picture_hosts)

    def allow_pictures(self, hosts: Iterable[str]) -> None:
        """Let these hosts' pictures be loaded until the kernel ends, as long as ``images`` is ``ask``."""
        self._picture_hosts.update(hosts)

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
        if self.served.at(self.base_url(name)):
            return "not needed"
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
        self._check_trust(name)
        found = self._plain(name)
        connection = connection_for(name, {"base_url": self.base_url(name), **found}, self._find_key)
        return connection.beside(self.known_keys())

    def known_keys(self) -> list[Secret]:
        """The keys that are at hand without asking anyone: typed, found before, in the environment or configuration."""
        models = [settings for layer in self.config.layers for settings in layer.models.values()]
        return [*self._asked.values(), *self._found, *keys_at_hand(models)]

    def _find_key(self, names: tuple[str, ...]) -> tuple[Secret, str] | None:
        found = secrets.find_key(names, dotenv_folder=self._dotenv())
        if found:
            self._found[found[0]] = None
        return found

    def _dotenv(self) -> Path | None:
        """Where a ``.env`` file is read. A project's file does not opt in: it would choose whose key is used."""
        chosen = self.config.setting("dotenv")
        return project_trust.here() if chosen and chosen.value and chosen.trusted else None

    def _may_be_asked(self, name: str) -> bool:
        try:
            self._check_trust(name)
        except ConfigError:
            return False
        return True

    def _check_trust(self, name: str) -> None:
        if not is_demo(name):
            self.trust.check_model(name, self.resolve(name), self.base_url(name))

    def _user_layer(self, path: Path) -> Layer:
        """The user's own file; one that others can write to is not followed where a project's would not be."""
        return self._layer(path, USER_FILE, trusted=not trust.others_can_write(path.stat()))

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
        """A model's settings as `ModelManager` knows them: the demo where it listens, a typed key as if it were set."""
        found = {key: value for key, value in flatten(self.resolve(name)).items() if key != "dotenv"}
        if is_demo(name):
            demo = self._started_demo()
            found.update(base_url=demo.base_url, api_key=Secret(demo.api_key))
        elif key := self._asked.get(self.base_url(name)):
            found["api_key"] = key
        return found

    def _started_demo(self) -> Demo:
        """This process's demo; where threads start one each at once, the first is kept."""
        here = os.getpid()
        if here not in self._demos:
            with held():  # an interrupt would leave a server that nobody knows of
                from llm_magics import demo

                started = demo.start()
                if self._demos.setdefault(here, started) is not started:
                    started.close()
        return self._demos[here]


def _loaded() -> Settings | None:
    """The magics of this process's shell; None where there is no shell, or it has not loaded them."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    extension = getattr(get_ipython(), "_llm_magics", None)
    return None if extension is None else extension.magics


def shown_server(table: Mapping[str, Any]) -> str:
    """What an MCP server's table runs or reaches, in words that a person is asked about."""
    if "url" in table:
        return host_of(table["url"])
    command = table["command"]
    return cut(shlex.join([*([command] if isinstance(command, str) else command), *table.get("args", ())]), 300)


def is_demo(name: str) -> bool:
    """Whether this name is the embedded model, which has no address before it is started."""
    return name.partition("/")[0] == DEMO


def connection_url() -> str:
    """Where a model without a base URL is asked."""
    return openai_base_url() or OPENAI_URL
