"""Schemas come with references, alternatives and limits; this is the reading of them, apart from the filling in."""

from __future__ import annotations

from typing import Any, TypeGuard

Schema = dict[str, Any]

_MOST_STEPS = 8  # from reference to reference; one that leads to itself ends here
_LONGEST = 2000


def resolved(schema: object, root: Schema) -> Schema:
    """The schema with its references followed and its `allOf` parts put together."""
    for _ in range(_MOST_STEPS):
        if not isinstance(schema, dict):
            return {}
        if isinstance(schema.get("$ref"), str):
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**_referenced(schema["$ref"], root), **rest}
        elif isinstance(schema.get("allOf"), list):
            schema = _merged([{k: v for k, v in schema.items() if k != "allOf"}, *schema["allOf"]])
        else:
            return schema
    return {}


def _referenced(pointer: str, root: Schema) -> Schema:
    found: Any = root
    for step in filter(None, pointer.removeprefix("#").split("/")):
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _merged(parts: list[Any]) -> Schema:
    merged: Schema = {}
    for part in parts:
        if not isinstance(part, dict):
            continue
        properties = {**_mapped(merged.get("properties")), **_mapped(part.get("properties"))}
        required = [*listed(merged.get("required")), *listed(part.get("required"))]
        merged = {**merged, **part, **({"properties": properties} if properties else {})}
        merged |= {"required": required} if required else {}
    return merged


def properties_of(schema: Schema) -> tuple[dict[str, Schema], frozenset[str]]:
    """An object's properties, and the names of those it must have."""
    properties = schema.get("properties")
    required = schema.get("required")
    names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    known: dict[str, Schema] = dict(properties) if isinstance(properties, dict) else {}
    # a required name without a schema may be anything, but it has to be there
    return known | {name: {} for name in names if name not in known}, frozenset(names)


def alternatives(schema: Schema) -> list[Any]:
    """The schemas of which one has to hold, if there are such."""
    return listed(schema.get("anyOf")) or listed(schema.get("oneOf"))


def kind_of(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapped(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def whole(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def first_number(*values: Any, fallback: int) -> Any:
    return next((value for value in values if is_number(value)), fallback)


def within(value: float | int, schema: Schema, integral: bool) -> float | int:
    """The nearest value the schema's limits allow."""
    step = 1 if integral else 0.001
    lows = [*_numbers(schema, "minimum"), *(low + step for low in _numbers(schema, "exclusiveMinimum"))]
    highs = [*_numbers(schema, "maximum"), *(high - step for high in _numbers(schema, "exclusiveMaximum"))]
    value = min([max([value, *lows]), *highs])
    for multiple in _numbers(schema, "multipleOf"):
        rounded = -(-value // multiple) * multiple if multiple > 0 else value
        value = rounded if all(rounded <= high for high in highs) else value
    return round(value) if integral else value


def _numbers(schema: Schema, key: str) -> list[float]:
    value = schema.get(key)
    return [value] if is_number(value) else []


def sized(text: str, schema: Schema) -> str:
    most = min(_LONGEST, whole(schema.get("maxLength"), _LONGEST))
    least = min(_LONGEST, whole(schema.get("minLength"), 0))
    return text[:most].ljust(least, ".")
