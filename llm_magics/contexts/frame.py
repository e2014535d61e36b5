"""Dataframes and series: as CSV, which models read well; their size is told from their shape before anything is written."""

from __future__ import annotations

from typing import Any

CELL = 8  # characters a value takes on average; only the order of magnitude counts


def describe(obj: Any, budget: int) -> str:
    """The whole table as CSV, with its index where that is more than row numbers.

    A table that cannot fit is not written at all: then the text is a line of the size it would have had.
    """
    shape = getattr(obj, "shape", (len(obj), 1))
    rows, columns = shape[0], (shape[1] if len(shape) > 1 else 1)
    expected = rows * max(columns, 1) * CELL
    if expected > 4 * budget:
        return _Sized(expected)
    return _csv(obj)


class _Sized(str):
    """Text that is not there, of a known length."""

    __slots__ = ("_size",)
    _size: int

    def __new__(cls, size: int) -> _Sized:
        text = super().__new__(cls, "")
        text._size = size
        return text

    def __len__(self) -> int:
        return self._size


def _csv(obj: Any) -> str:
    root = type(obj).__module__.partition(".")[0]
    if root == "polars":
        return str((obj.to_frame() if hasattr(obj, "to_frame") else obj).write_csv())
    if root == "pyarrow":
        return str(obj.to_pandas().to_csv(index=False))
    numbered = type(obj.index).__name__ == "RangeIndex" and obj.index.name is None
    return str(obj.to_csv(index=not numbered))
