"""What a function takes: told as the JSON schema of an object, and read from the JSON that a model writes.

Pydantic knows the types. The arguments are the fields of a TypedDict rather than of a model, since those may have any
name, such as ``schema``, ``copy`` or ``model_config``.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from llm_magics.errors import ToolMistake, short
from llm_magics.schemas.arguments import reader
from llm_magics.schemas.json_schemas import schema_of

LONG_DEFAULT = 1_000  # characters; a longer one stays what it is, and is not told


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a function takes: its schema, and what makes keyword arguments of JSON values."""

    schema: dict[str, Any]
    read: Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameter:
    """One parameter: its type, its default, and what its annotation says of it."""

    name: str
    hint: Any
    default: Any
    said: str


def taken_by(function: Callable[..., Any], said: Mapping[str, str], around: Mapping[str, Any]) -> Taken:
    """What this function takes; ``said`` describes parameters, ``around`` holds names that its annotations may use.

    Raises:
        ToolMistake: a parameter that a model cannot give.
    """
    parameters = list(_parameters(function, around))
    adapter = _adapter(parameters)
    schema = schema_of(adapter)
    properties = schema.get("properties", {})
    for parameter in parameters:
        if parameter.name in properties:
            properties[parameter.name] = _told(parameter, properties[parameter.name], said.get(parameter.name, ""))
    whole = {"type": "object", "properties": properties, "required": schema.get("required", [])}
    recursive = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return Taken(schema={**whole, "additionalProperties": False, **recursive}, read=reader(adapter, list(properties)))


def _parameters(function: Callable[..., Any], around: Mapping[str, Any]) -> Iterator[_Parameter]:
    owner = _name_of(function)
    signature = signature_of(function)
    for parameter in signature.parameters.values():
        if parameter.name in _fixed(function):
            continue
        _check_kind(owner, parameter)
        hint = _hint(owner, function, parameter, around)
        _check_type(owner, parameter.name, hint)
        taken = hint | None if parameter.default is None else hint
        yield _Parameter(name=parameter.name, hint=taken, default=parameter.default, said=_annotated(hint))


def signature_of(function: Any) -> inspect.Signature:
    """What Python knows of its parameters.

    Raises:
        ToolMistake: nothing, as of some functions written in C.
    """
    try:
        return inspect.signature(function)
    except NameError as error:  # annotations are evaluated when they are asked for, from Python 3.14
        raise _undefined(_name_of(function), error) from None
    except (ValueError, TypeError):
        raise ToolMistake(f"{_name_of(function)} does not say what it takes: write a function around it.") from None


def _name_of(function: Any) -> str:
    return str(getattr(innermost(function), "__name__", "this function"))


def innermost(function: Any) -> Any:
    """The function below ``functools.partial`` and bound methods."""
    while isinstance(function, functools.partial) or inspect.ismethod(function):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return function


def _fixed(function: Any) -> frozenset[str]:
    """The parameters that ``functools.partial`` gave by name: the user settled them, so no model changes them."""
    found: frozenset[str] = frozenset()
    while isinstance(function, functools.partial):
        found, function = found | frozenset(function.keywords), function.func
    return found


def _check_kind(owner: str, parameter: inspect.Parameter) -> None:
    name = parameter.name
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise ToolMistake(
            f"{owner} takes any arguments ({parameter}): name each with its type, or take a list or a dict."
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise ToolMistake(f"{owner} takes {name!r} by its position only, and models give names: remove the '/'.")
    if parameter.annotation is parameter.empty:
        if name in ("self", "cls"):
            raise ToolMistake(f"{owner} is a method: make a tool of the bound one, llm_magics.tool(instance.{owner}).")
        raise ToolMistake(f"{owner} does not say what {name!r} is: give it a type, such as {name}: str.")
    if type(parameter.default).__name__ == "FieldInfo":
        raise ToolMistake(f"{owner} has a Field as the default of {name!r}: write {name}: Annotated[<type>, Field(…)].")


def _hint(owner: str, function: Any, parameter: inspect.Parameter, around: Mapping[str, Any]) -> Any:
    def holder() -> None: ...

    holder.__annotations__ = {parameter.name: parameter.annotation}
    names = getattr(inspect.unwrap(innermost(function)), "__globals__", {})
    try:
        hint = typing.get_type_hints(holder, names, dict(around), include_extras=True)[parameter.name]
    except NameError as error:
        raise _undefined(owner, error) from None
    except Exception as error:  # noqa: BLE001 - an annotation is any expression
        raise _untellable(owner, parameter.name, parameter.annotation, f"{type(error).__name__}") from None
    # An Iterable would be validated while the function reads it, so that its mistakes would be the function's.
    lazily = collections.abc.Iterable in (typing.get_origin(hint), hint)
    return list[typing.get_args(hint) or (Any,)] if lazily else hint  # type: ignore[misc] # made at run time


def _check_type(owner: str, name: str, hint: Any) -> None:
    from pydantic import TypeAdapter

    for mark in getattr(hint, "__metadata__", ()):
        if type(mark).__name__ == "FieldInfo":
            _check_field(owner, name, mark)
    try:
        typing.Required[hint]  # which a Final, for one, cannot be within
        schema = schema_of(TypeAdapter(hint))
    except Exception as error:  # noqa: BLE001 - pydantic's errors have no common class, and types may have their own
        raise _untellable(owner, name, hint, _reason(error)) from None
    if not schema.keys() - {"description"}:  # Any, object, a type variable
        raise ToolMistake(
            f"{owner} takes anything as {name!r}, which tells a model nothing: give it a type, such as str | float."
        )


def _check_field(owner: str, name: str, field: Any) -> None:
    """Refuse what a Field can say of a model's field only."""
    if not field.is_required():
        raise ToolMistake(
            f"{owner} has the default of {name!r} in its annotation: put it behind, {name}: … = <default>."
        )
    if field.alias or field.validation_alias:
        raise ToolMistake(f"{owner} has an alias for {name!r}, which only a model can have: rename the parameter.")


def _undefined(owner: str, error: NameError) -> ToolMistake:
    missing = getattr(error, "name", None) or str(error)
    return ToolMistake(
        f"{owner} has an annotation that names {missing}, which is not defined: define or import it first."
    )


def _untellable(owner: str, name: str, hint: Any, reason: str) -> ToolMistake:
    shown = hint.__name__ if inspect.isclass(hint) else short(hint)
    return ToolMistake(
        f"{owner} takes {name!r} as {shown}, which a model cannot write as JSON{f' ({reason})' if reason else ''}: "
        f"take a text, a number, a list, a dict, an Enum, a dataclass or a pydantic model, and find the object by that."
    )


def _reason(error: Exception) -> str:
    """Why, where it is short: pydantic's own words end with an address."""
    first = str(getattr(error, "message", "") or error).strip().split("\n")[0]
    return "" if first.startswith(("Unable to generate", "Cannot generate")) else short(first, 90).strip("'\"")


def _annotated(hint: Any) -> str:
    """What ``Annotated`` says of a parameter: a string, a Field's description, or ``Doc``."""
    said = ""
    for mark in getattr(hint, "__metadata__", ()) if typing.get_origin(hint) is Annotated else ():
        words = mark if isinstance(mark, str) else _words_of(mark)
        said = words if isinstance(words, str) and words else said
    return said


def _words_of(mark: Any) -> Any:
    match type(mark).__name__:
        case "FieldInfo":
            return mark.description
        case "Doc":
            return mark.documentation
    return None


def _adapter(parameters: list[_Parameter]) -> Any:
    from pydantic import ConfigDict, TypeAdapter
    from typing_extensions import TypedDict  # typing's own knows no configuration before Python 3.12

    fields = {
        parameter.name: typing.Required[parameter.hint]
        if parameter.default is inspect.Parameter.empty
        else typing.NotRequired[parameter.hint]
        for parameter in parameters
    }
    arguments = TypedDict("Arguments", fields)  # type: ignore[misc] # made at run time
    setattr(arguments, "__pydantic_config__", ConfigDict(extra="forbid"))  # noqa: B010 - mypy knows no such attribute
    return TypeAdapter(arguments)


def _told(parameter: _Parameter, schema: dict[str, Any], said: str) -> dict[str, Any]:
    """The parameter's schema with its description, the nearest to it first, and with its default."""
    told, present = dict(schema), schema.get("description", "")
    description = parameter.said or said
    if description and description not in present:
        kept = present if "enum" in schema or "items" in schema else ""  # what its values mean, or what is where
        told["description"] = f"{description} {kept}".strip()
    return {**told, **_default(parameter.default)}


def _default(default: Any) -> dict[str, Any]:
    """A default that JSON can hold; None says no more than that the parameter may be left out."""
    from pydantic_core import to_jsonable_python

    if default is inspect.Parameter.empty or default is None:
        return {}
    try:
        written = to_jsonable_python(default)
        return {"default": written} if len(json.dumps(written, allow_nan=False)) <= LONG_DEFAULT else {}
    except Exception:  # noqa: BLE001 - a default is any object
        return {}
