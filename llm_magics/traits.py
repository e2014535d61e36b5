"""The one home of what is set in a kernel: a trait for every setting, whoever sets it.

``%config LLMMagics.x = …`` and ``ipython_config.py`` set traits as any Configurable's. ``%llm_config x=…`` and the
selector *take* them: what stood there before is remembered beneath, and comes back when they let go. Whoever speaks
last is heard, and a trait that is not None is what holds, so that it can be read anywhere.

What a setting takes is looked up when one is set: loading the extension sets none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import traitlets

ABSENT = object()  # in place of a value: nothing is set


class Setting(traitlets.TraitType[Any, Any]):
    """A trait that takes what the setting of its name takes; None leaves it to the layers below."""

    allow_none = True
    default_value = None

    def validate(self, obj: Any, value: Any) -> Any:
        """The value, if it can be used; else one line that says what can."""
        from llm_magics.config import checked

        return _usable(lambda: checked(self.name or "", value))

    def from_string(self, s: str) -> Any:
        """What a command line says, as ``%llm_config`` reads it."""
        from llm_magics.config import parse_value

        return None if s == "None" else _usable(lambda: parse_value(self.name or "", s))

    def set(self, obj: Any, value: Any) -> None:
        """Whoever sets a trait as a trait is heard from now on, also who says what was said before."""
        super().set(obj, value)
        obj.beneath = {key: before for key, before in obj.beneath.items() if key != self.name}


class Params(traitlets.Dict):
    """Settings that have no trait of their own; those that have one are moved there."""

    def validate(self, obj: Any, value: Any) -> Any:
        """The settings, if all of them can be used."""
        given: dict[str, Any] = super().validate(obj, value) or {}
        if given:
            from llm_magics.config import SESSION_SETTINGS, check_settings

            _usable(lambda: check_settings(given, SESSION_SETTINGS))
        return given

    def set(self, obj: Any, value: Any) -> None:
        """The same as for a `Setting`."""
        given: dict[str, Any] = self.validate(obj, value)
        own = {key: one for key, one in given.items() if key in obj.named()}
        super().set(obj, {key: one for key, one in given.items() if key not in own})
        for key, one in own.items():
            setattr(obj, key, one)
        obj.beneath = {key: before for key, before in obj.beneath.items() if key in obj.named()}


def _usable(value: Callable[[], Any]) -> Any:
    """What a check lets through; its complaint, one line, as traitlets expects one."""
    from llm_magics.errors import ConfigError

    try:
        return value()
    except ConfigError as error:
        raise traitlets.TraitError(str(error)) from None


class State(NamedTuple):
    """What the home held at some time."""

    values: Mapping[str, Any]
    beneath: Mapping[str, Any]


class Settings(traitlets.HasTraits):
    """The traits, and what ``%llm_config`` does with them."""

    model = Setting(help="The model to ask: a configured name, or NAME/SERVER-MODEL.").tag(config=True)
    system = Setting(help="The system prompt.").tag(config=True)
    temperature = Setting(help="Sampling temperature, 0 to 2.").tag(config=True)
    top_p = Setting(help="Only the likeliest tokens that make up this probability, 0 to 1.").tag(config=True)
    max_tokens = Setting(help="The most tokens an answer may have.").tag(config=True)
    timeout = Setting(help="Seconds to wait for an answer; 120 where nothing is set.").tag(config=True)
    timeout_silence = Setting(help="Seconds between two pieces of an answer; as timeout where nothing is set.").tag(
        config=True
    )
    timeout_total = Setting(help="Seconds for all of an answer with its retries; no limit where nothing is set.").tag(
        config=True
    )
    max_retries = Setting(help="How often a failure that may pass is tried again.").tag(config=True)
    stream = Setting(help="Show the answer as it arrives.").tag(config=True)
    dotenv = Setting(help="Also read keys from a .env file beside the notebook.").tag(config=True)
    images = Setting(help="Load pictures in answers: 'block', 'ask', or a list of hosts.").tag(config=True)
    tools = Setting(help="What models may call: names of functions and toolsets, such as ['frames'].").tag(config=True)
    params = Params(help="Further request parameters, such as {'seed': 7}.").tag(config=True)

    # The settings that are taken, each with what stood in its place before; a trait, as whoever watches is told of it.
    beneath: traitlets.Dict[str, Any] = traitlets.Dict()
    mistake = ""  # why what the configuration says could not be set

    @classmethod
    def named(cls) -> list[str]:
        """The settings that have a trait of their own."""
        return [name for name, trait in cls.class_traits().items() if isinstance(trait, Setting)]

    @property
    def values(self) -> dict[str, Any]:
        """Every setting that has a value."""
        made = {name: value for name in self.named() if (value := getattr(self, name)) is not None}
        return {**self.params, **made}

    @property
    def taken(self) -> dict[str, Any]:
        """Those of them that were taken."""
        return {key: value for key, value in self.values.items() if key in self.beneath}

    @property
    def given(self) -> dict[str, Any]:
        """Those that nobody took."""
        return {key: value for key, value in self.values.items() if key not in self.beneath}

    def take(self, settings: Mapping[str, Any]) -> None:
        """Set these above whatever else is set; `ABSENT` leaves one to the layers below."""
        before = {key: self.values.get(key, ABSENT) for key in settings}
        self._put(settings, {**before, **self.beneath})

    def let_go(self, keys: Iterable[str] | None = None) -> None:
        """Take these settings back, or all; what stood there before comes back."""
        keys = set(self.beneath if keys is None else keys) & set(self.beneath)
        beneath = {key: before for key, before in self.beneath.items() if key not in keys}
        self._put({key: self.beneath[key] for key in keys}, beneath)

    @property
    def state(self) -> State:
        """All of it, for `restore`."""
        return State(self.values, self.beneath)

    def restore(self, state: State) -> None:
        """Everything as it was."""
        if self.state != state:
            missing = dict.fromkeys(self.values.keys() - state.values.keys(), ABSENT)
            self._put({**missing, **state.values}, state.beneath)

    def _put(self, settings: Mapping[str, Any], beneath: Mapping[str, Any]) -> None:
        own = {key: value for key, value in settings.items() if key in self.named()}
        for key, value in own.items():
            setattr(self, key, None if value is ABSENT else value)
        if len(own) < len(settings):
            params = {key: value for key, value in {**self.params, **settings}.items() if key not in own}
            self.params = {key: value for key, value in params.items() if value is not ABSENT}
        self.beneath = dict(beneath)  # last, as setting a trait is the newer word
