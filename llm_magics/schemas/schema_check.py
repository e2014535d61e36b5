"""Whether arguments fit a JSON schema that strangers wrote: what can be told without following or running any of it.

A schema may refer to addresses, and its patterns may be made to never end, so both are left to the server. What is
looked at is what models get wrong: arguments that lack, are unknown, or are of another type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from llm_magics.errors import did_you_mean, short

DEPTH = 20
_WORDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "text",
}


def check(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """See that arguments fit.

    Raises:
        ValueError: they do not; the message names the first argument that is wrong, and says what it takes.
    """
    for wrong in _wrong(arguments, schema, "", DEPTH):
        raise ValueError(wrong)


def _wrong(value: Any, schema: Any, place: str, depth: int) -> Iterator[str]:
    if not isinstance(schema, Mapping) or not depth:
        return
    if (types := _types(schema)) and not any(_is(value, name) for name in types):
        yield f"{place or 'the arguments'} takes {' or '.join(_WORDS[name] for name in types)}, not {short(value)}"
        return
    allowed = schema.get("enum")
    if isinstance(allowed, list) and not any(_same(value, one) for one in allowed):
        listed = ", ".join(json.dumps(one, ensure_ascii=False) for one in allowed[:20])
        yield f"{place or 'the arguments'} takes one of {short_list(listed)}, not {short(value)}"
        return
    if isinstance(value, Mapping):
        yield from _wrong_inside(value, schema, place, depth)
    elif isinstance(value, list) and isinstance(items := schema.get("items"), Mapping):
        for number, item in enumerate(value):
            yield from _wrong(item, items, f"{place}[{number}]", depth - 1)


def _wrong_inside(value: Mapping[str, Any], schema: Mapping[str, Any], place: str, depth: int) -> Iterator[str]:
    known = schema.get("properties")
    known = known if isinstance(known, Mapping) else {}
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in value:
            yield f"{_at(place, name)} is missing"
    if schema.get("additionalProperties") is False and "patternProperties" not in schema:
        for name in value:
            if name not in known:
                listed = short_list(", ".join(known)) or "none"
                yield f"there is no {_at(place, name)}.{did_you_mean(str(name), known)} Known: {listed}"
    for name, inner in value.items():
        if name in known:
            yield from _wrong(inner, known[name], _at(place, name), depth - 1)


def short_list(listed: str, limit: int = 400) -> str:
    """A listing, cut where it would fill a page."""
    return listed if len(listed) <= limit else listed[: limit - 1] + "…"


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else str(name)


def _types(schema: Mapping[str, Any]) -> list[str]:
    """The types that a value may have; none where the schema does not say so in a way that is known here."""
    named = schema.get("type")
    names = [*(named if isinstance(named, list) else [named]), *(["null"] if schema.get("nullable") is True else [])]
    known = [name for name in names if isinstance(name, str) and name in _WORDS]
    return known if len(known) == len(names) else []


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    match name:
        case "integer":
            return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        case "number":
            return isinstance(value, int | float)
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, Mapping)
        case _:
            return value is None


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON, in which true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
