"""Arguments as a model wrote them, read by pydantic, and what is wrong with them in words that a model can act on."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from llm_magics.errors import cut, did_you_mean, short
from llm_magics.surrogates import sendable_json

SAID = 3  # mistakes told at once
LONG = 200  # characters of what pydantic expects


def reader(adapter: Any, known: Sequence[str]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A function that makes Python's values of JSON's; its ValueError says which argument is wrong, and why."""

    def read(arguments: Mapping[str, Any]) -> dict[str, Any]:
        from pydantic import ValidationError

        try:
            got: dict[str, Any] = adapter.validate_json(json.dumps(sendable_json(dict(arguments))))
        except ValidationError as error:
            raise ValueError(_said(error, known)) from None
        except Exception as error:  # noqa: BLE001 - a type of the user's may raise anything; and JSON has limits
            raise ValueError(f"the arguments cannot be read: {type(error).__name__}: {cut(str(error), LONG)}") from None
        if changed := next(_changed(dict(arguments), got, ""), ""):
            raise ValueError(changed)
        return got

    return read


def _said(error: Any, known: Sequence[str]) -> str:
    mistakes = error.errors(include_url=False, include_context=False)
    said = list(dict.fromkeys(_mistake(mistake, known) for mistake in mistakes[: 10 * SAID]))
    more = [f"and {len(said) - SAID} more"] if len(said) > SAID else []
    return "; ".join(said[:SAID] + more)


def _mistake(mistake: Mapping[str, Any], known: Sequence[str]) -> str:
    where = _where(mistake["loc"])
    if mistake["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{where} is not an argument{_instead(mistake['loc'], known)}"
    if mistake["type"] == "missing":
        return f"{where} is missing"
    expected = cut(mistake["msg"].removeprefix("Input ").removeprefix("Value error, "), LONG)
    return f"{where}: {expected}" + (f", not {_shown(mistake['input'])}" if expected.startswith("should") else "")


def _where(place: Iterable[Any]) -> str:
    return cut(".".join(str(part) for part in place), 80) or "the arguments"


def _instead(place: Sequence[Any], known: Sequence[str]) -> str:
    if len(place) > 1:
        return " here"
    names = cut(", ".join(known), LONG) or "none"
    return f".{did_you_mean(str(place[0]), known)} There are: {names}"


def _shown(given: Any) -> str:
    """How what was given looks in JSON, cut: without writing all of it where it is large."""
    if isinstance(given, str):
        return short(given)
    if isinstance(given, list | dict):
        return f"a list of {len(given):,}" if isinstance(given, list) else f"an object with {len(given):,} keys"
    return cut(json.dumps(given), 60) if given is None or isinstance(given, bool | int | float) else short(given)


def _changed(given: Any, got: Any, where: str) -> Iterator[str]:
    """Where pydantic made something else of a value: 2024 is no second of 1970, and true is no number."""
    if isinstance(got, datetime.date | datetime.time):
        if not isinstance(given, str) or given.strip().lstrip("+-").replace(".", "", 1).isdigit():
            yield f"{where}: should be a {type(got).__name__} as in {_example(got)}, not {_shown(given)}"
    elif isinstance(given, bool) and isinstance(got, int | float) and not isinstance(got, bool):
        yield f"{where}: should be a number, not {json.dumps(given)}"
    elif isinstance(given, Mapping):
        for name, inner in given.items():
            yield from _changed(inner, _inner(got, name), f"{where}.{name}" if where else str(name))
    elif isinstance(given, list) and isinstance(got, list | tuple):
        for number, (one, other) in enumerate(zip(given, got, strict=False)):
            yield from _changed(one, other, f"{where}.{number}")


def _inner(whole: Any, name: str) -> Any:
    if isinstance(whole, Mapping):
        return whole.get(name)
    return vars(whole).get(name) if hasattr(whole, "__dict__") else None


def _example(got: datetime.date | datetime.time) -> str:
    """A value of that kind as it should be written."""
    if isinstance(got, datetime.time):
        return "14:30:00"
    return "2024-05-31T14:30:00" if isinstance(got, datetime.datetime) else "2024-05-31"
