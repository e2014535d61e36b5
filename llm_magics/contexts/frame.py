"""Dataframes and series: as CSV, which models read well; their size is told from their shape before anything is written."""

from __future__ import annotations

from typing import Any

from llm_magics.contexts import TooLarge

CELL = 8  # characters a value takes on average; only the order of magnitude counts


def describe(obj: Any, budget: int) -> str:
    """The whole table as CSV, with its index where that is more than row numbers.

    Raises:
        TooLarge: it cannot fit; told by its shape, without writing it.
    """
    shape = getattr(obj, "shape", (len(obj), 1))
    rows, columns = shape[0], (shape[1] if len(shape) > 1 else 1)
    expected = rows * max(columns, 1) * CELL
    if expected > 4 * budget:
        raise TooLarge(expected)
    return _csv(obj)


def _csv(obj: Any) -> str:
    root = type(obj).__module__.partition(".")[0]
    if root == "polars":
        return str((obj.to_frame() if hasattr(obj, "to_frame") else obj).write_csv())
    if root == "pyarrow":
        return str(obj.to_pandas().to_csv(index=False))
    numbered = type(obj.index).__name__ == "RangeIndex" and obj.index.name is None
    return str(obj.to_csv(index=not numbered))
