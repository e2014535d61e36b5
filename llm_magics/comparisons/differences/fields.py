"""JSON: field by field, where the order of keys does not count; the items of a list by their place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from llm_magics.renderers.markdown import json_in
from llm_magics.texts.differing import Found, NotThisKind, counted, named, within
from llm_magics.texts.lexer import prose
from llm_magics.texts.pairing import Row, one_row, pair
from llm_magics.texts.quantities import Quantity, same

MAX_DEPTH = 30  # levels that have paths; what lies deeper is compared as a whole
LONG = 60  # characters of texts that are compared word by word


class _Absent:
    """What stands where there is no such field."""


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class _Pair:
    """A path, and what stands there on both sides."""

    path: str
    left: Any
    right: Any


def fits(left: str, right: str) -> bool:
    """Whether both are objects or lists of JSON."""
    try:
        return all(isinstance(value_in(text), dict | list) for text in (left, right))
    except NotThisKind:
        return False


def compare(left: str, right: str, names: tuple[str, str], tolerance: float | None) -> Found:
    """The fields that differ, each by its path.

    Raises:
        NotThisKind: one of the texts is no JSON.
    """
    values = []
    for text, name in zip((left, right), names, strict=True):
        try:
            values.append(value_in(text))
        except NotThisKind:
            raise NotThisKind(f"{name} is not JSON") from None
    rows, apart, near = [], [], []
    try:
        pairs = list(_pairs(*values))
        for one in pairs:
            equal = _same(one.left, one.right, tolerance)
            rows += _rows(one, equal)
            if not equal:
                apart.append(_said(one, names))
            elif _is_number(one.left) and one.left != one.right:
                near.append((_quantity(one.left), _quantity(one.right)))
    except RecursionError:
        raise NotThisKind("JSON nested this deeply is not compared") from None
    said = [f"{counted(len(apart), len(pairs), 'field')}: {named(apart)}"] if apart else []
    said += [within(near, tolerance)] if near else []
    return Found(tuple(rows), "; ".join(said) or ("equal" if left == right else "equal but for formatting"))


def value_in(text: str) -> Any:
    """The JSON of an answer: of its only fenced block, if it has one, else of all of it.

    Raises:
        NotThisKind: there is none.
    """
    if "```" in text or "~~~" in text:
        text = json_in(text)
    if text.lstrip()[:1] not in _BEGINNINGS:
        raise NotThisKind("no JSON")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise NotThisKind("no JSON") from None


_BEGINNINGS = tuple('{["-0123456789tfnNI')


def canonical(value: Any) -> str:
    """One text for all JSON that says the same, whatever the order of its keys and the spelling of its numbers.

    Raises:
        RecursionError: it is nested too deeply.
    """
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def paths(value: Any) -> Mapping[str, str]:
    """Every field of JSON by its path, with its value as one text.

    Raises:
        RecursionError: it is nested too deeply.
    """
    return {one.path: canonical(one.left) for one in _pairs(value, value)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _pairs(left: Any, right: Any) -> Iterator[_Pair]:
    """The leaves of both, in the order of the left; what the right alone has stands behind its neighbours."""
    waiting = [(_Pair("", left, right), 0)]
    while waiting:
        one, depth = waiting.pop()
        inner: list[_Pair] = []
        if depth < MAX_DEPTH and isinstance(one.left, dict) and isinstance(one.right, dict):
            keys = dict.fromkeys([*one.left, *one.right])
            inner = [
                _Pair(one.path + _step(key, not one.path), one.left.get(key, ABSENT), one.right.get(key, ABSENT))
                for key in keys
            ]
        elif depth < MAX_DEPTH and isinstance(one.left, list) and isinstance(one.right, list):
            count = max(len(one.left), len(one.right))
            sides = [[*side, *[ABSENT] * (count - len(side))] for side in (one.left, one.right)]
            inner = [_Pair(f"{one.path}[{place}]", *both) for place, both in enumerate(zip(*sides, strict=True))]
        if inner:
            waiting += [(each, depth + 1) for each in reversed(inner)]
        else:
            yield one if one.path else replace(one, path="(all of it)")


def _step(key: str, first: bool) -> str:
    if re.fullmatch(r"[\w-]{1,60}", key):
        return key if first else f".{key}"
    return f"[{json.dumps(key[:60], ensure_ascii=False)}]"


def _same(left: Any, right: Any, tolerance: float | None) -> bool:
    if _is_number(left) and _is_number(right):
        return left == right or same(_quantity(left), _quantity(right), tolerance)
    if isinstance(left, dict | list) and isinstance(right, dict | list):
        return canonical(left) == canonical(right)
    return type(left) is type(right) and (left is right or bool(left == right))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value - value == 0


def _quantity(value: float) -> Quantity:
    text = json.dumps(value)
    return Quantity(Decimal(text), "", isinstance(value, int), text)


def _said(one: _Pair, names: tuple[str, str]) -> str:
    if one.left is ABSENT or one.right is ABSENT:
        return f"{one.path} (only in {names[one.left is ABSENT]})"
    return one.path


def _rows(one: _Pair, equal: bool) -> list[Row]:
    """The row of a field, or the rows of a long text in it."""
    texts = [value if isinstance(value, str) else "" for value in (one.left, one.right)]
    if not equal and min(map(len, texts)) > LONG:
        rows = pair(prose(texts[0]), prose(texts[1])).rows
        return (
            [replace(row, label=one.path) for row in rows]
            if any(row.differs for row in rows)
            else [one_row(*map(_shown, texts), differs=True, label=one.path)]
        )
    left, right = ("" if value is ABSENT else _shown(value) for value in (one.left, one.right))
    row = one_row(left, right, differs=not equal, label=one.path)
    sides = [side if value is not ABSENT else () for side, value in ((row.left, one.left), (row.right, one.right))]
    return [Row(sides[0], sides[1], one.path)]


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
