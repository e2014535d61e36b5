"""How an MCP server is reached, from its settings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_magics.config import check_server, host_of, is_loopback
from llm_magics.secrets import KEY_HEADER, Secret, in_header


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """How a server is reached: the command that starts it, or its address.

    Attributes:
        command: program and arguments, which no shell reads; empty where there is a URL.
        env: what its environment holds besides the few variables that every program gets.
        headers: what goes along with every request to its URL.
        origin: where it was said that there is this server.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    env: Mapping[str, Secret] = field(default_factory=dict)
    headers: Mapping[str, Secret] = field(default_factory=dict)
    origin: str = field(default="", compare=False)

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any], origin: str = "") -> Spec:
        """A server from its settings, as they stand in a file or are given.

        Raises:
            ConfigError: they cannot be a server's.
        """
        check_server(name, settings, where=lambda key: f"mcp.{name}: ")
        command = settings.get("command") or ()
        words = (command,) if isinstance(command, str) else tuple(command)
        return cls(
            name=name,
            command=(*words, *(settings.get("args") or ())),
            url=settings.get("url") or "",
            env=_kept(settings.get("env")),
            headers=_kept(settings.get("headers")),
            origin=origin,
        )

    @property
    def target(self) -> str:
        """The command as it would be typed, or the URL."""
        return self.url or shlex.join(self.command)

    @property
    def secrets(self) -> list[Secret]:
        """The keys that it is given."""
        named = [value for name, value in self.env.items() if KEY_HEADER.search(name)]
        return [*named, *(key for name, value in self.headers.items() for key in in_header(name, value.reveal()))]

    @property
    def exposure(self) -> str | None:
        """That others can read what goes to the server; None for one on this machine, or behind TLS."""
        if not self.url.lower().startswith("http:") or is_loopback(self.url):
            return None
        what = "calls and the headers" if self.headers else "calls"
        return f"{what} go to {host_of(self.url)} over plain http: anyone on the way can read them"


def _kept(values: Mapping[str, str | Secret] | None) -> dict[str, Secret]:
    return {name: value if isinstance(value, Secret) else Secret(value) for name, value in (values or {}).items()}
