"""Any value as what JSON holds, never more of it than there is room for, whatever the value does meanwhile."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import uuid
from collections import deque
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from llm_magics.contexts import is_frame, known_as

DEEPEST = 40
DIGITS = 4_000  # of a whole number; Python writes no more than 4300
_READ_AS_TEXT = (decimal.Decimal, fractions.Fraction, pathlib.PurePath, uuid.UUID, datetime.timedelta, complex)
_LISTS = (list, tuple, set, frozenset, deque, range, KeysView, ValuesView, ItemsView)
_NUMPY = {"numpy.generic": "scalar", "numpy.ndarray": "array"}


class Plain:
    """Makes values plain until there is no more room: about as many characters as their JSON will have.

    Attributes:
        shortened: whether something was left out for want of room.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._open: set[int] = set()
        self.shortened = False

    def of(self, value: Any) -> Any:
        """Texts, numbers, lists and dictionaries with the names of texts."""
        if len(self._open) > DEEPEST:
            return "(nested too deeply to be told)"
        if id(value) in self._open:
            return "(itself, once more)"
        self._open.add(id(value))
        try:
            return self._of(value)
        except Exception as error:  # noqa: BLE001 - the value is anybody's, and may raise anything
            return unable(value, error)
        finally:
            self._open.discard(id(value))

    def _of(self, value: Any) -> Any:
        self._room -= 1
        if isinstance(value, enum.Enum):
            return self.of(value.value)
        if value is None or isinstance(value, bool | float):
            return float(value) if isinstance(value, float) else value
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, int):
            return int(value) if value.bit_length() < DIGITS * 3 else f"a whole number of {value.bit_length():,} bits"
        if isinstance(value, bytes | bytearray | memoryview):
            return f"({_size(value):,} bytes)"
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if isinstance(value, _READ_AS_TEXT):
            return self._text(str(value))
        return self._container(value)

    def _container(self, value: Any) -> Any:
        if callable(getattr(type(value), "_repr_llm_", None)):
            return self._text(str(value._repr_llm_()))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            shown = [field.name for field in dataclasses.fields(value) if field.repr]
            return self._mapping((name, getattr(value, name)) for name in shown)
        if isinstance(value, tuple) and callable(getattr(type(value), "_asdict", None)):
            return self._mapping(zip(value._fields, value, strict=False))  # type: ignore[attr-defined] # a named tuple
        if hasattr(type(value), "model_dump") and hasattr(type(value), "model_fields"):
            return self.of(value.model_dump(mode="json", warnings=False))  # leaves out what its fields leave out
        if isinstance(value, Mapping):
            return self._mapping(value.items(), _count(value))
        if isinstance(value, _LISTS):
            return self._list(value, _count(value))
        match known_as(value, _NUMPY):
            case "scalar":
                return self.of(value.item()) if value.item() is not value else self._text(str(value))
            case "array":
                return self._array(value)
        if isinstance(value, Iterator):
            return f"(a {type(value).__name__}, none of whose values was read: a list of them can be told)"
        if is_frame(value):
            return f"(a {type(value).__name__} of shape {tuple(value.shape)})"
        return self._text(repr(value))

    def _text(self, text: str) -> str:
        kept = text[: max(0, self._room)]
        self._room -= len(kept)
        if len(kept) == len(text):
            return text
        self.shortened = True
        return f"{kept}… ({len(text) - len(kept):,} more characters)"

    def _array(self, array: Any) -> Any:
        if array.ndim == 0:
            return self.of(array.item())
        if array.size <= max(0, self._room) // 2:
            return self.of(array.tolist())
        self.shortened = True
        return f"(an array of shape {array.shape}, {array.dtype})"

    def _list(self, values: Iterable[Any], count: int | None) -> list[Any]:
        made: list[Any] = []
        for value in values:
            if self._room <= 0:
                return [*made, self._more(count, len(made))]
            made.append(self.of(value))
        return made

    def _mapping(self, pairs: Iterable[tuple[Any, Any]], count: int | None = None) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in pairs:
            if self._room <= 0:
                return {**made, "…": self._more(count, len(made))}
            named = self._text(str.__str__(name) if isinstance(name, str) else str(self.of(name)))
            made[named] = self.of(value)
        return made

    def _more(self, count: int | None, made: int) -> str:
        self.shortened = True
        return "… and more" if count is None or count <= made else f"… and {count - made:,} more"


def unable(value: Any, error: Exception) -> str:
    """What is said of a value that cannot be told."""
    return f"(a {_class_name(value)}, whose text cannot be made: {type(error).__name__})"


def _class_name(value: Any) -> str:
    try:
        return str(type(value).__name__)
    except Exception:  # noqa: BLE001 - a metaclass answers for it
        return "value"


def _size(value: Any) -> int:
    return value.nbytes if isinstance(value, memoryview) else len(value)


def _count(value: Any) -> int | None:
    try:
        return len(value)
    except Exception:  # noqa: BLE001 - its length is anybody's code
        return None
