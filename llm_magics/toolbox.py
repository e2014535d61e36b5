"""Which tools there are, what names stand for, and who decides on each: the session's word on it, kept by no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from llm_magics import toolsets
from llm_magics.acting import only_for_people
from llm_magics.configuration import Configuration
from llm_magics.errors import PromptError, ToolMistake, did_you_mean, short
from llm_magics.mcp.servers import Servers
from llm_magics.mcp_tools import server_names, tools_of
from llm_magics.tools import NONE, Policy, Tool
from llm_magics.tools.functions import tool_of

POLICIES: tuple[Policy, ...] = get_args(Policy)


@dataclass(frozen=True, slots=True)
class Offer:
    """The tools of one prompt, and what is to be said of them beforehand."""

    tools: tuple[Tool, ...] = ()
    notes: tuple[str, ...] = ()


class Toolbox:
    """What a kernel's prompts may use.

    Args:
        configuration: names the MCP servers that may be started.

    Attributes:
        policies: what the person said of tools by name, where it is not what the tool itself says.
        servers: the MCP servers at hand.
    """

    def __init__(self, servers: Servers, configuration: Configuration) -> None:
        self.policies: Mapping[str, Policy] = {}
        self.servers = servers
        self._configuration = configuration

    def offer(self, names: Iterable[str], namespace: Mapping[str, Any], *, of_session: bool = False) -> Offer:
        """The tools that these names stand for.

        ``of_session`` says that no one typed them for this prompt: then a function that is not defined, in a fresh
        kernel or any longer, is left out, and that is said.

        Raises:
            ToolMistake: a name stands for none, or two tools have the same name.
        """
        found: dict[str, Tool] = {}
        notes: list[str] = []
        for name in dict.fromkeys(names):
            if name == NONE:
                continue
            try:
                tools, note = self._named(name, namespace)
            except ToolMistake:
                if not of_session or name in namespace or not name.isidentifier():
                    raise
                tools, note = [], f"{name}, which the setting tools names, is not defined here, and was not offered"
            notes += [note] if note else []
            for tool in tools:
                other = found.get(tool.wire_name)
                if other is not None and (other.name, other.toolset) != (tool.name, tool.toolset):
                    raise ToolMistake(f"two tools are called {tool.wire_name!r} in requests: offer one of them.")
                found[tool.wire_name] = tool
        denied = [tool.name for tool in found.values() if tool.policy == "deny"]
        if denied:
            notes.append(f"not offered, as the policy is deny: {', '.join(denied)}")
        return Offer(tuple(tool for tool in found.values() if tool.policy != "deny"), tuple(notes))

    def check(self, names: Iterable[str], namespace: Mapping[str, Any]) -> None:
        """Look whether names stand for tools; nothing is started.

        Raises:
            ToolMistake: one does not.
        """
        for name in names:
            if name != NONE and name.partition(".")[0] not in server_names(self.servers, self._configuration):
                self._named(name, namespace)

    def listed(self, namespace: Mapping[str, Any]) -> list[Tool]:
        """All there are without starting anything: the user's functions, then the toolsets'."""
        own = [tool for tool in (tool_of(value) for value in list(namespace.values())) if tool is not None]
        own = list({tool.name: tool for tool in own}.values())
        return [self._as_decided(tool) for tool in [*own, *toolsets.all_tools(namespace), *self._served()]]

    def names(self, namespace: Mapping[str, Any]) -> list[str]:
        """What may stand behind ``--tools``."""
        own = [name for name, value in list(namespace.items()) if tool_of(value) is not None and name[:1] != "_"]
        return [*own, *toolsets.TOOLSETS, *server_names(self.servers, self._configuration)]

    def members(self, name: str, namespace: Mapping[str, Any]) -> list[str]:
        """The tools that a name of a policy stands for: a toolset's, a running server's, or the one of that name."""
        listed = self.listed(namespace)
        if any(name in (one.name, one.wire_name) for one in listed):
            return [name]
        variable = tool_of(namespace.get(name))
        return [one.name for one in listed if one.toolset == name] or [variable.name if variable else name]

    def decide(self, name: str, policy: Policy, namespace: Mapping[str, Any]) -> Tool:
        """Say what happens to a tool's calls from now on, until the kernel ends.

        Raises:
            ToolMistake: there is no such tool, or its policy is its nature.
            PromptError: a model is behind it.
        """
        only_for_people("what tools may do")
        tool = next((one for one in self.listed(namespace) if name in (one.name, one.wire_name)), None)
        if tool is None:
            known = [one.name for one in self.listed(namespace)]
            raise ToolMistake(f"there is no tool {short(name)}.{did_you_mean(name, known)} Known: {', '.join(known)}.")
        if tool.fixed and policy == "allow":
            raise ToolMistake(f"{tool.name} is always asked about, and nothing changes that.")
        self.policies = {**self.policies, tool.name: policy}
        return replace(tool, policy=policy)

    def loosens(self, name: str, policy: Policy, namespace: Mapping[str, Any]) -> bool:
        """Whether this policy lets a tool do more than it may now."""
        tool = next((one for one in self.listed(namespace) if name in (one.name, one.wire_name)), None)
        return tool is not None and _is_looser(policy, tool.policy)

    def own_policies(self, namespace: Mapping[str, Any]) -> dict[str, Policy]:
        """What the user's functions say of themselves."""
        tools = [tool_of(value) for value in list(namespace.values())]
        return {tool.name: tool.policy for tool in tools if tool is not None}

    def loosened(self, before: Mapping[str, Policy], namespace: Mapping[str, Any]) -> dict[str, Policy]:
        """Of functions that say now that they may do more than they said before: what they said."""
        now = self.own_policies(namespace)
        return {name: said for name, said in before.items() if _is_looser(now.get(name, said), said)}

    def guarded(self, namespace: Mapping[str, Any]) -> Callable[[], str]:
        """Remembers what only the person may set; what this gives puts it back after a tool, and says if it had to."""
        home, policies = self._configuration.home, dict(self.policies)  # a copy: it can be changed in place
        state, own = home.state, self.own_policies(namespace)

        def unchanged() -> str:
            loosened = self.loosened(own, namespace)
            if self.policies == policies and home.state == state and not loosened:
                return ""
            home.restore(state)
            self.policies = {**loosened, **policies}
            return "a tool tried to change the settings of this session: they are as they were"

        return unchanged

    def forget(self) -> None:
        """Every tool's policy is its own again."""
        only_for_people("what tools may do")
        self.policies = {}

    def _as_decided(self, tool: Tool) -> Tool:
        decided = self.policies.get(tool.name)
        return replace(tool, policy=decided) if decided and not (tool.fixed and decided == "allow") else tool

    def _served(self) -> list[Tool]:
        """The tools of MCP servers that were connected to, as these listed them last."""
        return [tool for name in self.servers.names() for tool in self.servers.known(name)]

    def _named(self, name: str, namespace: Mapping[str, Any]) -> tuple[list[Tool], str]:
        own = tool_of(namespace.get(name))
        if own is not None and name in toolsets.TOOLSETS:
            raise ToolMistake(f"{name!r} is a toolset and a function of yours: give the function another name.")
        if own is not None:
            return [self._as_decided(own)], ""
        if name in toolsets.TOOLSETS:
            tools, note = toolsets.toolset(name, namespace)
            return [self._as_decided(tool) for tool in tools], note
        server, _, rest = name.partition(".")
        if server in server_names(self.servers, self._configuration):
            served = [self._as_decided(tool) for tool in tools_of(self.servers, self._configuration, server)]
            chosen = [tool for tool in served if not rest or tool.name == name]
            if not chosen and rest:
                known = [tool.name for tool in served]
                hint = did_you_mean(name, known)
                raise ToolMistake(
                    f"the MCP server {server} has no tool {short(rest)}.{hint} Known: {', '.join(known)}."
                )
            return chosen, "; ".join(self.servers.remarks(server))
        alone = next((one for one in self.listed(namespace) if name in (one.name, one.wire_name)), None)
        if alone is not None:
            return [alone], ""
        if callable(namespace.get(name)):
            raise ToolMistake(f"{name} is a function, and no tool yet: put @llm_magics.tool above its definition.")
        known = [*self.names(namespace), NONE]
        raise ToolMistake(f"there is no tool {short(name)}.{did_you_mean(name, known)} Known: {', '.join(known)}.")


def _is_looser(policy: Policy, than: Policy) -> bool:
    order = ("deny", "ask", "allow")
    return order.index(policy) > order.index(than)


def policy_of(word: str) -> tuple[str, Policy]:
    """A tool's name and its policy, from ``NAME=POLICY``.

    Raises:
        PromptError: it is no such thing.
    """
    name, _, given = word.partition("=")
    policy = next((one for one in POLICIES if one == given), None)
    if not name or policy is None:
        raise PromptError(f"--policy {short(word)}: write NAME=allow, NAME=ask or NAME=deny.")
    return name, policy
