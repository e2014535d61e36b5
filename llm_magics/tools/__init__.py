"""What a model may do: one kind of tool a sibling, each giving `Tool` objects.

A `Tool` is all the rest knows of one: how it is told to a model, what reads its arguments, what runs it, who decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from llm_magics.events import Picture

Policy = Literal["allow", "ask", "deny"]
Flag = Literal["reads_private", "reads_untrusted", "sends_out"]
FLAGS: tuple[Flag, ...] = ("reads_private", "reads_untrusted", "sends_out")
NONE = "none"  # the word for no tools, where a setting offers some


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something that a model may call.

    Attributes:
        name: what people call it; a tool of an MCP server is ``server.tool``.
        description: what the model is told that it does.
        parameters: its arguments as the JSON schema of an object.
        read: makes of the arguments, as they were in JSON, what `run` takes; a ValueError says, in words for the model,
            which argument is wrong and why. Unknown arguments are wrong.
        run: gives the value, or an awaitable of it, or a `Told`; may raise anything.
        policy: whether it runs by itself, after a question, or never.
        flags: what makes three together dangerous.
        toolset: the toolset it came with, a server's name among them; empty for a function of the user's.
        code: the argument that holds code, and its language; such an argument is shown as code.
        fixed: whether the policy is the tool's nature, and no magic loosens it.
        seconds: how long it may take; None for the session's bound.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    read: Callable[[Mapping[str, Any]], dict[str, Any]]
    run: Callable[[dict[str, Any]], Any]
    policy: Policy = "allow"
    flags: frozenset[Flag] = field(default_factory=frozenset)
    toolset: str = ""
    code: tuple[str, str] | None = None
    fixed: bool = False
    seconds: float | None = None

    @property
    def wire_name(self) -> str:
        """The name in requests: servers take letters, digits, ``_`` and ``-``, up to 64 of them."""
        return re.sub(r"[^A-Za-z0-9_-]", "__", self.name)[:64]

    def wire(self) -> dict[str, Any]:
        """The tool in the SDK's form."""
        function = {"name": self.wire_name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a tool says itself of its result; any other value is told by `results.told`.

    Attributes:
        content: what the model is told.
        table: a dataframe that the person keeps, and sees the head of.
        pictures: what only the person sees.
        failed: whether the content is an error.
    """

    content: str
    table: Any = None
    pictures: tuple[Picture, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """A value to be told like any other, and what was drawn beside it."""

    value: Any
    pictures: tuple[Picture, ...] = ()
