"""Dataframes and series: as CSV, which models read well; their size is told from their shape, before one is written."""

from __future__ import annotations

from collections import Counter
from typing import Any

from llm_magics.contexts import TooLarge, Untellable

CELL = 8  # characters a value takes on average; only the order of magnitude counts


def describe(obj: Any, budget: int) -> str:
    """The whole table as CSV, with its index where that is more than row numbers; a missing value is an empty field.

    Raises:
        TooLarge: it cannot fit; told by its shape, without writing it.
        Untellable: two of its columns have the same name, or its library cannot write it.
    """
    rows, columns = (*obj.shape, 1)[:2]
    if rows * columns * CELL > 4 * budget:
        raise TooLarge(rows * columns * CELL)
    if columns == 0:
        return f"a table of {rows:,} rows and no columns"
    _check_names(obj)
    try:
        return _csv(obj)
    except Exception as error:  # noqa: BLE001 - whatever a library raises, the prompt must not go out without its table
        raise Untellable(f"cannot be written as CSV ({type(error).__name__}): put the columns that can") from None


def _check_names(obj: Any) -> None:
    names = list(getattr(obj, "columns", ()))
    if twice := [name for name, times in Counter(map(str, names)).items() if times > 1]:
        raise Untellable(f"has several columns named {twice[0]!r}: give each its own name")


def _csv(obj: Any) -> str:
    root = type(obj).__module__.partition(".")[0]
    if root == "polars":
        return _polars(obj.to_frame() if hasattr(obj, "to_frame") else obj)
    if root == "pyarrow":
        return str(obj.to_pandas().to_csv(index=False))
    numbered = type(obj.index).__name__ == "RangeIndex" and obj.index.name is None
    return str(obj.to_csv(index=not numbered))


def _polars(frame: Any) -> str:
    """CSV has no lists and no structures: a table with such columns is told as JSON, a line a row."""
    nested = any(kind.is_nested() or kind.is_object() for kind in frame.schema.dtypes())
    return str(frame.write_ndjson() if nested else frame.write_csv())
