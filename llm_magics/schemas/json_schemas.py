"""JSON schemas as many servers take them: no titles, no references but those of types that contain themselves."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

_NAMED = ("properties", "patternProperties", "$defs")  # what holds schemas by names that are not ours to judge
_VALUES = ("default", "const", "enum", "examples", "required")  # what holds values, which may look like schemas


class _ContainsItself(Exception):
    """A schema that cannot be written without a reference."""


def schema_of(adapter: Any) -> dict[str, Any]:
    """The schema of what a pydantic ``TypeAdapter`` reads.

    Raises:
        Exception: whatever pydantic, or a type of the user's, says against it.
    """
    return tidied(adapter.json_schema(schema_generator=_generator()))


def tidied(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same schema with less around it."""
    whole = dict(schema)
    definitions = whole.pop("$defs", {})
    try:
        inlined: dict[str, Any] = _tidy(whole, definitions, frozenset())
    except _ContainsItself:
        inlined = _tidy(dict(schema), None, frozenset())
    return inlined


def _tidy(schema: Any, definitions: Mapping[str, Any] | None, inside: frozenset[str]) -> Any:
    """Without titles; with ``definitions``, references are replaced by what they name."""
    if isinstance(schema, list):
        return [_tidy(part, definitions, inside) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED:
            kept[key] = {name: _tidy(part, definitions, inside) for name, part in value.items()}
        elif key in _VALUES:
            kept[key] = value
        elif key not in ("title", "discriminator"):
            kept[key] = _tidy(value, definitions, inside)
    kept = as_list(kept, schema.get("prefixItems", ()))
    return kept if definitions is None else _inlined(kept, definitions, inside)


def _inlined(schema: dict[str, Any], definitions: Mapping[str, Any], inside: frozenset[str]) -> dict[str, Any]:
    match schema:
        case {"$ref": str(reference), **beside}:
            name = reference.removeprefix("#/$defs/")
            if name in inside or name not in definitions:
                raise _ContainsItself
            return _joined(_tidy(definitions[name], definitions, inside | {name}), beside)
        case {"allOf": [only], **beside}:  # how older versions of pydantic put something beside a reference
            return _joined(only, beside)
    return schema


def _joined(named: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    """A type's schema with what is said where it is used; what the values of an Enum mean stays."""
    joined = {**named, **beside}
    if "enum" in named and "description" in beside:
        joined["description"] = " ".join(filter(None, [beside["description"], named.get("description")]))
    return joined


def as_list(schema: dict[str, Any], places: Sequence[Any] = ()) -> dict[str, Any]:
    """An array in the one form that all servers take: some want ``items`` in each, some know no ``prefixItems``.

    What stands at which place is then said in words; ``places`` may be what was there with its titles.
    """
    kind = schema.get("type")
    if kind != "array" and not (isinstance(kind, list) and "array" in kind):
        return schema
    items, prefix, said = schema.get("items"), schema.get("prefixItems"), schema.get("description")
    fixed = [one for listed in (prefix, items) if isinstance(listed, list) for one in listed]
    each = [one for one in [*fixed, items] if isinstance(one, dict)]
    plain = [{key: value for key, value in one.items() if key not in ("title", "default")} for one in each]
    kinds = [kind for number, kind in enumerate(plain) if kind not in plain[:number]]
    made = {key: value for key, value in schema.items() if key != "prefixItems"}
    made["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}
    names = [_place(one) for one in places or fixed]
    if len(set(names)) > 1:
        order = f"(in this order: {', '.join(names)})"
        made["description"] = f"{said} {order}" if isinstance(said, str) and said else order
    return made


def _place(schema: Any) -> str:
    return str(schema.get("title") or schema.get("type") or "value") if isinstance(schema, dict) else "value"


@functools.cache
def _generator() -> type[Any]:
    """Pydantic's generator, which also tells what the values of an Enum mean."""
    from pydantic.errors import PydanticInvalidForJsonSchema
    from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

    class Generator(GenerateJsonSchema):
        ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

        def enum_schema(self, schema: Any) -> dict[str, Any]:
            made = super().enum_schema(schema)
            values = {member.name: member.value for member in schema["members"]}
            if not all(isinstance(value, str | int | float) for value in values.values()):
                raise PydanticInvalidForJsonSchema("an Enum whose values are neither texts nor numbers")
            if any(str(value).casefold() != name.casefold() for name, value in values.items()):
                meant = ", ".join(f"{value} is {name}" for name, value in values.items())
                made["description"] = " ".join(filter(None, [made.get("description"), f"({meant})"]))
            return made

        def get_title_from_name(self, name: str) -> str:
            """As it is written: what is where in a named tuple is told by it."""
            return name

        def generator_schema(self, schema: Any) -> dict[str, Any]:
            """Validated only while it is read: a mistake of the model's would look like one of the function's."""
            raise PydanticInvalidForJsonSchema("values that come one by one: take a list")

    return Generator
