"""Functions of the user's as tools: `tool` reads name, docstring and types once, where the function is written."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar, get_args, overload

from llm_magics.acting import is_acting
from llm_magics.endpoints.request import MARK, marked
from llm_magics.errors import ToolMistake, did_you_mean, short
from llm_magics.schemas.docstrings import Described, described
from llm_magics.schemas.signatures import innermost, signature_of, taken_by
from llm_magics.tools import FLAGS, NONE, Policy, Tool

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Call:
    """Runs a function with the arguments that were read for it."""

    function: Callable[..., Any]

    def __call__(self, arguments: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(self.function):
            return Later(self.function, arguments)
        return self.function(**arguments)


@dataclass(frozen=True, slots=True)
class Later:
    """What a coroutine function comes to. It is called by whoever awaits this: who is stopped before leaves nothing."""

    function: Callable[..., Any]
    arguments: dict[str, Any]

    def __await__(self) -> Generator[Any, None, Any]:
        made: Generator[Any, None, Any] = self.function(**self.arguments).__await__()
        return made


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    *,
    policy: Policy | None = None,
    side_effects: bool = False,
    reads_private: bool = False,
    reads_untrusted: bool = False,
    sends_out: bool = False,
    name: str | None = None,
    seconds: float | None = None,
) -> Callable[[F], F]: ...
def tool(
    function: Any = None,
    /,
    *,
    policy: Policy | None = None,
    side_effects: bool = False,
    reads_private: bool = False,
    reads_untrusted: bool = False,
    sends_out: bool = False,
    name: str | None = None,
    seconds: float | None = None,
) -> Any:
    """Make a function something that models may call: ``@llm_magics.tool`` above it.

    What the model is told of it stands in its docstring and its types. It stays the function it is; of a bound method
    or a ``functools.partial`` a function is made.

    Args:
        function: typed and documented, synchronous or not.
        policy: whether it runs by itself (``allow``), after a question (``ask``), or never (``deny``).
        side_effects: whether it changes something: then it asks first.
        reads_private: whether it reads what is not everybody's.
        reads_untrusted: whether it reads what strangers wrote.
        sends_out: whether it sends something to others: then it asks first.
        name: what the model calls it, where that is not the function's name.
        seconds: how long it may take.

    Raises:
        ToolMistake: a model could not call it; says which parameter is the reason.

    >>> @tool
    ... def double(number: int) -> int:
    ...     '''Double a whole number.'''
    ...     return 2 * number
    >>> double(4)
    8
    """
    flags = {"reads_private": reads_private, "reads_untrusted": reads_untrusted, "sends_out": sends_out}
    _check_options({**flags, "side_effects": side_effects}, policy, seconds)
    chosen = policy or ("ask" if side_effects or sends_out else "allow")
    if chosen == "allow" and is_acting():
        chosen = "ask"  # a model has had it defined, and it is not for a model to say that nobody need be asked
    options: dict[str, Any] = {
        "name": name,
        "policy": chosen,
        "flags": frozenset(flag for flag in FLAGS if flags[flag]),
        "fixed": is_acting(),  # nor does what someone said of a tool of that name hold for this one
        "seconds": seconds,
    }

    def decorated(function: Any) -> Any:
        return _decorated(function, sys._getframe(1), options)

    return decorated if function is None else _decorated(function, sys._getframe(1), options)


def tool_of(obj: Any) -> Tool | None:
    """The tool that a decorated function holds; None for anything else, without running its code."""
    held = marked(obj)
    return held if isinstance(held, Tool) else None


def _decorated(function: Any, frame: FrameType, options: Mapping[str, Any]) -> Any:
    if isinstance(function, staticmethod):
        _decorated(function.__func__, frame, options)
        return function
    _check(function)
    holder = _holder(function)
    setattr(holder, MARK, _tool(function, holder, frame, **options))
    return holder


def _check(function: Any) -> None:
    """Refuse what has no name, what is no function, and what does not give its result."""
    inner = innermost(function)
    if inspect.isclass(inner):
        raise ToolMistake(f"{inner.__name__} is a class, and a tool is a function: write one that makes what it needs.")
    if isinstance(inner, classmethod | property):
        raise ToolMistake(f"a {type(inner).__name__} is no function yet: make a tool of it from outside the class.")
    if not inspect.isroutine(inner) and not hasattr(inner, "__wrapped__"):
        raise ToolMistake(f"a tool is a function, got {short(inner)}: write one, or name a method of it.")
    if inner.__name__ == "<lambda>":
        raise ToolMistake("a lambda has neither a name nor types nor a docstring: write a function with def.")
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise ToolMistake(f"{inner.__name__} is a generator, and a model gets its result at once: return a list.")


def _holder(function: Any) -> Any:
    """What holds the tool: the function, or one around what takes no attributes."""
    if not isinstance(function, functools.partial) and not inspect.ismethod(function):
        return function

    @functools.wraps(innermost(function))
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    call.__signature__ = signature_of(function)  # type: ignore[attr-defined] # what inspect looks for
    return call


def _tool(function: Any, holder: Any, frame: FrameType, *, name: str | None, **options: Any) -> Tool:
    inner = innermost(function)
    called = _name(inner.__name__ if name is None else name)
    said = _described(inner)
    # Names of the scope it is written in; those of another module mean something else there.
    around = frame.f_locals if getattr(inspect.unwrap(inner), "__globals__", None) is frame.f_globals else {}
    taken = taken_by(function, said.parameters, around)
    return Tool(
        name=called, description=said.text, parameters=taken.schema, read=taken.read, run=Call(holder), **options
    )


def _name(name: Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", name):
        raise ToolMistake(
            f"{short(name)} cannot be a tool's name, which has up to 64 of a-z, A-Z, 0-9, _ and -: give it another, "
            f"@llm_magics.tool(name='…')."
        )
    if name == NONE:
        raise ToolMistake(f"{NONE!r} stands for no tools: give this one another name, @llm_magics.tool(name='…').")
    return name


def _described(inner: Any) -> Described:
    said = described(inner.__doc__ or "")
    if not said.text:
        raise ToolMistake(
            f"{inner.__name__} has no docstring that says what it does, all that a model knows of it: write one."
        )
    return said


def _check_options(switches: Mapping[str, Any], policy: Any, seconds: Any) -> None:
    """Refuse values that mean nothing, here and not when a model calls."""
    for option, value in switches.items():
        if not isinstance(value, bool):
            raise ToolMistake(f"{option} is True or False, got {short(value)}.")
    if policy is not None and policy not in get_args(Policy):
        near = did_you_mean(policy, get_args(Policy)) if isinstance(policy, str) else ""
        raise ToolMistake(f"{short(policy)} is no policy.{near} There are: {', '.join(get_args(Policy))}.")
    if seconds is not None and not (type(seconds) in (int, float) and 0 < seconds < float("inf")):
        raise ToolMistake(f"seconds is a positive number, got {short(seconds)}.")
