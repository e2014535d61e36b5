"""A JSON schema says what shape a value has; this fills the shape with what a text gives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from llm_magics.demo import words
from llm_magics.demo.evidence import Given
from llm_magics.demo.shapes import (
    Schema,
    alternatives,
    first_number,
    kind_of,
    listed,
    properties_of,
    resolved,
    sized,
    whole,
    within,
)

_DEEPEST = 8
_DEEPEST_OPTIONAL = 3
_MOST_ITEMS = 20
_MOST_VALUES = 2000  # a schema that refers to itself could ask for millions
_FROM = ("from", "origin", "source", "start", "departure", "begin")
_TO = ("to", "destination", "target", "end", "dest", "arrival", "into")
_NAMED = words.listed(
    """city cities location place town country region state name person who customer user author recipient company
    station airport address ticker symbol language currency title destination origin street area capital team"""
)
_ASKED = words.listed(
    """query question text prompt message q input search topic content sentence term keyword keywords body code
    subject description request task phrase what"""
)
_ANSWERED = words.listed("answer reply response summary explanation result text content description message")
_WHEN = words.listed("date day when time datetime month weekday until since deadline")
_COUNTED = words.listed("count n num times quantity amount")
_PATH = r"(?<![\w:/~.-])[~\w./-]*(?:/[\w.-]+|\w\.\w{1,5}\b)/?"
_PATTERNS = (
    (frozenset({"email", "mail", "to", "recipient", "cc"}), r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    (frozenset({"sql"}), r"(?<![\w.\"'`])(?:SELECT|select)\s[^;`]+"),
    (frozenset({"url", "uri", "link", "website"}), r"https?://[^\s<>\"')]+"),
    (frozenset({"path", "file", "filename", "folder", "directory"}), _PATH),
    (frozenset({"expression", "formula", "equation", "calculation"}), r"[\d(][\d\s+\-*/().^%]{0,200}[\d)]"),
    (frozenset({"id", "number", "sku", "isbn", "zip", "phone"}), r"(?<![\w-])[A-Za-z#-]*\d[\w-]*"),
)
_FORMATS = {
    "date": "2025-01-01",
    "date-time": "2025-01-01T00:00:00Z",
    "time": "12:00:00",
    "email": "someone@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "hostname": "example.org",
}
_SEARCHED = re.compile(
    r"^\s*(?:please\s+)?(?:search|look\s+up|google|find)\b(?:\s+the\s+web)?(?:\s+(?:for|about))?\s+", re.I
)

_SMALLEST: dict[str, Any] = {"object": {}, "array": [], "string": "", "integer": 0, "number": 0, "boolean": False}


@dataclass(frozen=True)
class Filled:
    """A value, and whether the text gave it or it was made up to fit."""

    value: Any
    given: bool


@dataclass(frozen=True)
class _Place:
    """Where in the schema a value is filled in."""

    name: str
    required: bool
    depth: int = 0
    alone: bool = False  # no other parameter competes for what the text gives
    options: int = 0  # how many alternatives within alternatives led here

    def inside(self, name: str, required: bool, alone: bool = False) -> _Place:
        return _Place(name, required, self.depth + 1, alone)


class Filler:
    """Fills a schema from a text; `everything` fills optional parts too, as an answer in JSON wants it."""

    def __init__(self, root: Schema, given: Given, *, prose: str = "", everything: bool = False) -> None:
        self._root = root
        self._given = given
        self._prose = prose
        self._everything = everything
        self._left = _MOST_VALUES
        self.missing: list[str] = []  # top-level values that had to be made up although they are required
        self._kinds: dict[str, Callable[[Schema, _Place], Filled]] = {
            "object": self._object,
            "array": self._array,
            "integer": self._number,
            "number": self._number,
            "boolean": self._boolean,
            "null": lambda schema, place: Filled(None, False),
            "string": self._string,
        }

    def fill(self) -> Filled:
        """A value for the whole schema."""
        return self._value(self._root, _Place("", True))

    def names_wanted(self) -> int:
        """How many of the top-level parameters that must be filled, or else of all, take a name from the text.

        A list of names takes any number of them, which counts as none: it is no reason for a call for each.
        """
        properties, required = properties_of(self.resolved(self._root))
        if any(kind_of(self.resolved(schema)) == "array" for schema in properties.values()):
            return 0
        texts = [name for name, schema in properties.items() if self._is_free_text(schema)]
        return len([name for name in texts if name in required] or texts)

    def _is_free_text(self, schema: Schema) -> bool:
        schema = self.resolved(schema)
        options = [self.resolved(option) for option in alternatives(schema) or [schema]]
        return any(kind_of(option) == "string" and not option.get("enum") for option in options)

    def resolved(self, schema: object) -> Schema:
        return resolved(schema, self._root)

    def _value(self, schema: object, place: _Place) -> Filled:
        schema = self.resolved(schema)
        self._left -= 1
        if self._left < 0 or place.options > _DEEPEST:
            return Filled(_SMALLEST.get(kind_of(schema)), False)
        if "const" in schema:
            return Filled(schema["const"], False)
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._enum(schema, place)
        if options := alternatives(schema):
            shared = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
            return self._option([{**shared, **self.resolved(option)} for option in options], place)
        if kinds := listed(schema.get("type")):
            return self._option([{**schema, "type": kind} for kind in kinds], place)
        return self._kinds.get(kind_of(schema), self._string)(schema, place)

    def _option(self, options: list[Schema], place: _Place) -> Filled:
        """The first alternative the text gives a value for; null when it gives none and null is allowed."""
        nullable = any(kind_of(option) == "null" for option in options)
        # a nullable value need not be there, so it is not made up
        asked = replace(place, required=place.required and not nullable, options=place.options + 1)
        fallback: Filled | None = None
        for option in options:
            if kind_of(option) == "null":
                continue
            filled = self._value(option, asked)
            if filled.given or (self._everything and place.depth < _DEEPEST):
                return filled
            fallback = fallback or filled
        if nullable or fallback is None:
            return Filled(next((option["default"] for option in options if "default" in option), None), False)
        return fallback

    def _enum(self, schema: Schema, place: _Place) -> Filled:
        values = schema["enum"]
        mentioned = [value for value in values if isinstance(value, str) and self._given.mentions(value)]
        if mentioned:
            self._given.forget(mentioned[0])
            return Filled(mentioned[0], True)
        labelled = self._given.labelled(place.name) if place.name else None
        matching = [value for value in values if labelled is not None and str(value).lower() == labelled.lower()]
        if matching:
            return Filled(matching[0], True)
        return Filled(schema["default"] if "default" in schema and schema["default"] in values else values[0], False)

    def _object(self, schema: Schema, place: _Place) -> Filled:
        properties, required = properties_of(schema)
        if place.depth >= _DEEPEST:
            return Filled({}, False)
        filled: dict[str, Filled] = {}
        for name in sorted(properties, key=lambda name: (not self._is_exact(properties[name]), name not in required)):
            alone = len(properties) == 1 or (not required and self._is_only_text(name, properties))
            filled[name] = self._value(properties[name], place.inside(name, name in required, alone))
        if place.depth == 0:
            self.missing = [name for name in required if _is_made_up(filled[name], self.resolved(properties[name]))]
        kept = [name for name in properties if name in required or filled[name].given or self._fills(place)]
        return Filled({name: filled[name].value for name in kept}, any(filled[name].given for name in kept))

    def _fills(self, place: _Place) -> bool:
        return self._everything and place.depth < _DEEPEST_OPTIONAL

    def _is_exact(self, schema: object) -> bool:
        """Values that are spelled out, numbers and truths are looked for before names that could be anything."""
        resolved = self.resolved(schema)
        return bool(resolved.get("enum")) or kind_of(resolved) in ("integer", "number", "boolean")

    def _is_only_text(self, name: str, properties: dict[str, Schema]) -> bool:
        return [other for other, schema in properties.items() if self._is_free_text(schema)] == [name]

    def _array(self, schema: Schema, place: _Place) -> Filled:
        least = whole(schema.get("minItems"), 0)
        most = min(_MOST_ITEMS, max(least, whole(schema.get("maxItems"), _MOST_ITEMS)))
        item = self.resolved(schema.get("items"))
        if isinstance(schema.get("prefixItems"), list):
            made = [self._value(part, place.inside(place.name, True)) for part in schema["prefixItems"]]
            return Filled([part.value for part in made], any(part.given for part in made))
        values = self._items(item, place, most)
        given = bool(values)
        least = max(least, int((place.required or self._everything) and place.depth < _DEEPEST))
        while len(values) < min(least, _MOST_ITEMS) and place.depth < _DEEPEST:
            values.append(self._value(item, place.inside(place.name, True)).value)
        return Filled(values, given)

    def _items(self, item: Schema, place: _Place, most: int) -> list[Any]:
        """All the values of the wanted kind that the text gives."""
        if isinstance(item.get("enum"), list):
            return [value for value in item["enum"] if isinstance(value, str) and self._given.mentions(value)][:most]
        kind = kind_of(item)
        wanted = place.required or place.alone or self._everything or self._speaks_of(place.name)
        if not wanted or kind not in ("string", "integer", "number"):
            return []
        values: list[Any] = []
        while len(values) < most:
            value = self._taken_item(kind)
            if value is None:
                break
            values.append(value)
        return values

    def _taken_item(self, kind: str) -> str | float | int | None:
        if kind == "string":
            # two quotations are a list; a single one beside names is something else
            quoted = self._given.quoted and (len(self._given.quoted) > 1 or not self._given.names)
            return self._given.take_quoted() if quoted else self._given.take_name()
        number = self._given.take_number(set(), kind == "integer", anywhere=True)
        return None if number is None else number

    def _number(self, schema: Schema, place: _Place) -> Filled:
        integral = kind_of(schema) == "integer"
        near = set(words.stems(f"{place.name} {schema.get('description', '')}"))
        labelled = self._given.labelled(place.name) if place.name else None
        found = _number_in(labelled, integral)
        if found is None:
            anywhere = place.required or place.alone or self._everything or bool(_said(place.name) & _COUNTED)
            found = self._given.take_number(near, integral, anywhere)
        if found is not None:
            return Filled(within(found, schema, integral), True)
        made_up = first_number(schema.get("default"), *listed(schema.get("examples")), fallback=1)
        return Filled(within(made_up, schema, integral), False)

    def _boolean(self, schema: Schema, place: _Place) -> Filled:
        labelled = self._given.labelled(place.name) if place.name else None
        if labelled is not None and labelled.lower() in ("true", "false", "yes", "no", "on", "off"):
            return Filled(labelled.lower() in ("true", "yes", "on"), True)
        spoken = re.escape(place.name).replace("_", r"[\s_-]")
        negated = r"\b(?:no|not|without|don'?t)\b\s+(?:\w+\s+)?"
        found = re.search(rf"({negated})?\b{spoken}\b", self._given.text, re.IGNORECASE)
        if place.name and found:
            return Filled(found[1] is None, True)
        return Filled(schema["default"] if isinstance(schema.get("default"), bool) else False, False)

    def _string(self, schema: Schema, place: _Place) -> Filled:
        found = self._found_text(schema, place)
        if found is not None:
            return Filled(sized(found, schema), True)
        return Filled(self._made_up_text(schema, place), False)

    def _found_text(self, schema: Schema, place: _Place) -> str | None:
        """A text the question gives for this parameter, the surest sign first."""
        labelled = self._given.labelled(place.name) if place.name else None
        if labelled is not None:
            return labelled
        said = _said(place.name)
        if self._everything and said & _ANSWERED and self._prose:
            return self._prose
        return self._typed_text(schema, said) or self._role_text(said) or self._loose_text(place, said)

    def _typed_text(self, schema: Schema, said: set[str]) -> str | None:
        """A text with a form of its own: a date, an address, a path, a formula."""
        if schema.get("format") in ("date", "date-time"):
            return self._given.date()
        said = said | _said(str(schema.get("format", "")))
        for hints, pattern in _PATTERNS:
            if said & hints and (found := self._given.pattern(pattern)):
                return found.strip()
        return self._given.when() if said & _WHEN else None

    def _role_text(self, said: set[str]) -> str | None:
        """`from Oslo to Rome` tells which of the two is which."""
        for role, before in ((_FROM, ("from",)), (_TO, ("to", "into"))):
            if said & set(role) and (name := self._given.take_name(before)):
                return name
        return None

    def _loose_text(self, place: _Place, said: set[str]) -> str | None:
        """A quotation or a name that nothing else has claimed."""
        wanted = place.required or place.alone or self._everything
        if said & _WHEN:
            return None
        if wanted or self._speaks_of(place.name):
            quoted = self._given.take_quoted()
            if quoted is not None:
                return quoted
        if wanted and place.name == "name" and (own := self._given.behind_own()):
            return own
        if said & _ASKED and not said & _NAMED:
            return _SEARCHED.sub("", self._given.text).strip(" ?") if wanted and not self._everything else None
        if wanted or said & _NAMED:
            return self._given.take_name()
        return None

    def _made_up_text(self, schema: Schema, place: _Place) -> str:
        for value in (schema.get("default"), *listed(schema.get("examples"))):
            if isinstance(value, str):
                return value
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if self._prose and place.alone:
            return sized(self._prose, schema)
        if place.required and self._given.text.strip() and not self._everything:
            return sized(self._given.text.strip()[:200], schema)
        return sized(place.name.replace("_", " ") or "text", schema)

    def _speaks_of(self, name: str) -> bool:
        return bool(set(words.stems(name)) & set(words.stems(self._given.text)))


def as_json(value: Any) -> str:
    """JSON as it goes over the wire: compact enough to read, whole characters, never NaN."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _said(name: str) -> set[str]:
    return {piece.lower() for token in re.findall(r"\w+", name) for piece in words.pieces(token)}


def _number_in(text: str | None, integral: bool) -> float | int | None:
    if text is None or not re.fullmatch(r"[-+]?\d{1,300}(?:\.\d+)?", text) or (integral and "." in text):
        return None
    return float(text) if "." in text else int(text)


def _is_made_up(filled: Filled, schema: Schema) -> bool:
    return not filled.given and filled.value is not None and "default" not in schema and "const" not in schema
