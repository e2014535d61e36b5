"""MCP servers on the roof: which may be started, whose word counts, and what ``%llm_config --mcp`` does."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from typing import Any

from llm_magics.configuration import Configuration, shown_server
from llm_magics.errors import UserMistake, cut, did_you_mean
from llm_magics.lines import LineMistake
from llm_magics.mcp.servers import Servers
from llm_magics.mcp.spec import Spec
from llm_magics.tools import Tool

TYPED = "%llm_config --mcp"
SHOWN = 300  # characters of a description in the listing, which is no place to approve anything
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def tools_of(servers: Servers, here: Configuration, name: str) -> list[Tool]:
    """A server's tools as they are now; one that is only configured is started for that, if it may be.

    What was typed counts more than what stands in files; a file that has changed starts the server anew.

    Raises:
        UserMistake: there is no such server, nobody trusts the file that it stands in, or it does not answer.
    """
    running = servers.spec(name) if name in servers.names() else None
    configured = here.mcp_servers
    if running is not None and (running.origin == TYPED or name not in configured):
        return servers.tools(name)
    if name not in configured:
        known = ", ".join(server_names(servers, here)) or "none"
        raise UserMistake(
            f"no MCP server {cut(repr(name))}.{did_you_mean(name, server_names(servers, here))} Known: {known}. "
            "Add one with %llm_config --mcp NAME COMMAND."
        )
    spec = Spec.of(name, here.mcp_server(name), origin=configured[name].origin)
    return servers.tools(name) if spec == running else servers.add_spec(spec)


def server_names(servers: Servers, here: Configuration) -> list[str]:
    """The servers whose tools can be asked for: those at hand, and those that are configured."""
    return list(dict.fromkeys([*servers.names(), *here.mcp_servers]))


def take(servers: Servers, here: Configuration, typed: str) -> tuple[list[Tool], list[str]]:
    """What stands behind ``--mcp``: a server is connected to; its tools, and lines that say what was done.

    Raises:
        UserMistake: it cannot be read, or the server does not answer.
    """
    name, *words = _words(typed)
    if not words:
        tools = tools_of(servers, here, name)
    elif re.match(r"[A-Za-z][\w+.-]*://", words[0]):
        if len(words) > 1:
            raise LineMistake(f"--mcp {name}: nothing stands behind a URL; headers belong into a configuration file.")
        tools = servers.add_spec(Spec.of(name, {"url": words[0]}, origin=TYPED))
    else:
        tools = servers.add_spec(Spec.of(name, {"command": [_at_home(word) for word in words]}, origin=TYPED))
    count = "1 tool" if len(tools) == 1 else f"{len(tools):,} tools"
    done = [f"The MCP server {name} ({cut(servers.spec(name).target, 200)}) has {count}. Each asks before it runs."]
    return tools, [*done, *(f"Warning: {remark}." for remark in servers.remarks(name))]


def _words(typed: str) -> list[str]:
    try:
        return shlex.split(typed)
    except ValueError as error:
        raise LineMistake(f"--mcp: the command cannot be read ({str(error)[:1].lower()}{str(error)[1:]}).") from None


def _at_home(word: str) -> str:
    """``~/data`` as whoever types it means it, since no shell is there to say so."""
    return os.path.expanduser(word) if word.partition("/")[0] == "~" else word  # noqa: PTH111 - a word, perhaps a path


def listing(tools: list[Tool]) -> list[Table]:
    """The tools of one server as a table."""
    rows: list[tuple[str, ...]] = [(tool.name, cut(" ".join(tool.description.split()), SHOWN)) for tool in tools]
    return [(("tool", "what its server says of it"), rows)] if rows else []


def overview(servers: Servers, here: Configuration) -> list[Table]:
    """All servers that there are, running or not; nothing is started."""
    rows: list[tuple[str, ...]] = []
    configured: Mapping[str, Any] = here.mcp_servers
    for name in server_names(servers, here):
        if name in servers.names():
            spec = servers.spec(name)
            rows.append((name, cut(spec.target, 200), "running" if servers.runs(name) else "ended", spec.origin))
        else:
            found = configured[name]
            state = "not started" if found.trusted else "not started, and its file is not trusted"
            rows.append((name, cut(shown_server(found.value), 200), state, found.origin))
    return [(("MCP server", "how it is reached", "state", "from"), rows)] if rows else []
