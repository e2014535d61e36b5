"""The MCP servers of a session: which there are, what their tools were when someone saw them, and their end.

A tool is remembered as it was first seen. One that is another now stays to be asked for, whatever was allowed, until
someone has seen what changed; and what was shown is what is run, or nothing is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from llm_magics.acting import only_for_people
from llm_magics.errors import ServerUnusable, UserMistake, cut, did_you_mean, short
from llm_magics.mcp.link import CALL_SECONDS, CONNECT_SECONDS, Link
from llm_magics.mcp.spec import Spec
from llm_magics.printable import short_line
from llm_magics.runtime import Runtime
from llm_magics.secrets import Secret, redactor_of
from llm_magics.tools import Told, Tool
from llm_magics.tools.mcp import Listed, difference, read_listing, told, tool_of, visible

NAMED = 10  # tools that a remark names


class Servers:
    """The servers at hand. None is started before its tools are asked for, but by `add`.

    Args:
        runtime: whose loop the connections live on.
        connect_seconds: how long a server may take to answer the first time, and to list its tools.
        call_seconds: how long a call may take.
    """

    def __init__(
        self,
        runtime: Runtime | None = None,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self.connect_seconds, self.call_seconds = connect_seconds, call_seconds
        self._runtime = runtime or Runtime()
        self._specs: dict[str, Spec] = {}
        self._links: dict[str, Link] = {}
        self._listed: dict[str, dict[str, Listed]] = {}  # by server, then by the tool's whole name
        self._left_out: dict[str, dict[str, str]] = {}
        self._approved: dict[str, Listed] = {}  # by the tool's whole name; outlives the server
        self._changing = threading.RLock()

    def add(
        self,
        name: str,
        command: Sequence[str] | None = None,
        url: str | None = None,
        env: Mapping[str, str | Secret] | None = None,
        headers: Mapping[str, str | Secret] | None = None,
    ) -> list[Tool]:
        """Connect to a server, and take its tools; one of the same name ends when the new one has answered.

        Raises:
            ConfigError: this cannot be a server.
            ServerUnusable: it cannot be started, reached or understood.
        """
        given = {"command": command, "url": url, "env": env, "headers": headers}
        return self.add_spec(Spec.of(name, {key: value for key, value in given.items() if value}))

    def add_spec(self, spec: Spec) -> list[Tool]:
        """The same for a server as it is configured.

        Raises:
            PromptError: a model is behind it.
        """
        only_for_people("which MCP servers there are")
        with self._changing:
            link = Link(spec, self._runtime, self.connect_seconds)
            try:
                listed = self._read(link)
            except BaseException:
                link.close()
                raise
            before = self._links.pop(spec.name, None)
            self._specs[spec.name], self._links[spec.name] = spec, link
            self._keep(spec.name, *listed)
        if before is not None:
            before.close()
        return self._tools(spec.name)

    def names(self) -> list[str]:
        """The servers at hand, in the order they were added."""
        return list(self._specs)

    def runs(self, name: str) -> bool:
        """Whether a server is connected at this moment."""
        return name in self._links and self._links[name].alive

    def spec(self, name: str) -> Spec:
        """How a server is reached.

        Raises:
            UserMistake: there is none of this name.
        """
        if name not in self._specs:
            known = ", ".join(self._specs) or "none"
            raise UserMistake(f"no MCP server {short(name)}.{did_you_mean(name, self._specs)} Known: {known}.")
        return self._specs[name]

    def tools(self, name: str) -> list[Tool]:
        """A server's tools as it lists them now; one that has ended is started again, once.

        Raises:
            UserMistake: there is no such server, or it does not answer.
        """
        self._refresh(name)
        return self._tools(name)

    def known(self, name: str) -> list[Tool]:
        """A server's tools as it listed them last; it is not asked."""
        return self._tools(name) if name in self._specs else []

    def remarks(self, name: str) -> list[str]:
        """What someone should know of a server: who can read along, and which of its tools are left out and why."""
        said = [exposure] if (exposure := self.spec(name).exposure) else []
        left_out = list(self._left_out.get(name, {}).items())
        said += [f"{tool} is left out: {why}" for tool, why in left_out[:NAMED]]
        if len(left_out) > NAMED:
            said.append(f"{len(left_out) - NAMED} more tools are left out")
        return [short_line(visible(cut(f"MCP server {name}: {line}", 300)), 300) for line in said]

    def changed(self, tool_name: str) -> str | None:
        """What is different in a tool since it was accepted, or first seen: a unified diff; None where nothing is."""
        before, now = self._approved.get(tool_name), self._now(tool_name)
        if before is None or now is None or before.fingerprint == now.fingerprint:
            return None
        return difference(before, now)

    def accept(self, tool_name: str) -> None:
        """Take a tool as it is now for the one that is approved.

        Raises:
            PromptError: a model is behind it.
        """
        only_for_people("what tools are approved")
        if (now := self._now(tool_name)) is not None:
            self._approved[tool_name] = now

    def stop_calls(self) -> None:
        """Stop all calls under way, from whichever thread: those that wait for them get `ServerUnusable`."""
        for link in tuple(self._links.values()):
            link.stop()

    def close(self, name: str) -> None:
        """End a server, and forget it; what its tools were is remembered.

        Raises:
            UserMistake: there is none of this name.
        """
        self.spec(name)
        with self._changing:
            del self._specs[name]
            link = self._links.pop(name, None)
            self._listed.pop(name, None)
            self._left_out.pop(name, None)
        if link is not None:
            link.close()

    def close_all(self) -> None:
        """End all of them."""
        for name in self.names():
            self.close(name)

    def __repr__(self) -> str:
        return f"Servers({', '.join(self._specs)})"

    # ------------------------------------------------------------ listings

    def _now(self, tool_name: str) -> Listed | None:
        return self._listed.get(tool_name.partition(".")[0], {}).get(tool_name)

    def _refresh(self, name: str) -> Link:
        """The server's connection, after its tools were listed anew."""
        with self._changing:
            link = self._links.get(name)
            spec = self.spec(name)
            if link is None or not link.alive:
                if link is not None:
                    link.close()
                link = self._links[name] = Link(spec, self._runtime, self.connect_seconds)
            self._keep(name, *self._read(link))
            return link

    def _read(self, link: Link) -> tuple[list[Listed], dict[str, str]]:
        listed, left_out = read_listing(link.spec.name, link.spec.target, link.listing(self.connect_seconds))
        return listed, {**link.left_out, **left_out}

    def _keep(self, name: str, listed: list[Listed], left_out: dict[str, str]) -> None:
        self._listed[name] = {one.full_name: one for one in listed}
        self._left_out[name] = left_out
        for one in listed:
            self._approved.setdefault(one.full_name, one)

    def _tools(self, name: str) -> list[Tool]:
        local = bool(self._specs[name].command)
        return [
            tool_of(one, self._call, local=local, changed=self.changed(one.full_name) is not None)
            for one in self._listed.get(name, {}).values()
        ]

    # ------------------------------------------------------------ calls

    def _call(self, listed: Listed, arguments: dict[str, Any]) -> Told:
        """Run what was shown. A call that did not come through is never made twice: it may have done something."""
        link = self._links.get(listed.server)
        if link is None or not link.alive or link.stale:
            link = self._refresh(listed.server)
        self._check_same(listed)
        answer = link.call(listed.name, arguments, self.call_seconds)
        result = told(answer)
        redactor = redactor_of(link.spec.secrets, answers=True)
        return Told(content=redactor.text(result.content), pictures=result.pictures, failed=result.failed)

    def _check_same(self, listed: Listed) -> None:
        now = self._now(listed.full_name)
        if now is None:
            raise ServerUnusable(f"MCP server {listed.server}: it has no tool {listed.name} any more. Nothing was run.")
        if now.fingerprint != listed.fingerprint or self.changed(listed.full_name) is not None:
            raise ServerUnusable(
                f"MCP server {listed.server}: the tool {listed.name} is not what it was when it was approved, so it "
                "was not run. The next prompt shows what changed, and asks."
            )
