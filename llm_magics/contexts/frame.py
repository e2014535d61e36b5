"""Dataframes and series: as CSV, which models read well; their size is told from their shape, before one is written."""

from __future__ import annotations

from collections import Counter
from typing import Any

from llm_magics.contexts import TooLarge, Untellable

CELL = 8  # characters a value takes on average; only the order of magnitude counts
HEAVY = 100  # bytes in memory for each character of the budget: such a table is full of long texts


def describe(obj: Any, budget: int) -> str:
    """The whole table as CSV, with its index where that is more than row numbers; a missing value is an empty field.

    Raises:
        TooLarge: it cannot fit; told by its shape, without writing it.
        Untellable: two of its columns have the same name, or its library cannot write it.
    """
    rows, columns = (*obj.shape, 1)[:2]
    if rows * columns * CELL > 4 * budget:
        raise TooLarge(rows * columns * CELL)
    if (size := _bytes(obj)) > HEAVY * budget:
        raise TooLarge(size)
    if columns == 0:
        return f"a table of {rows:,} rows and no columns"
    _check_names(obj)
    try:
        return _csv(obj)
    except Exception as error:  # noqa: BLE001 - whatever a library raises, the prompt must not go out without its table
        raise Untellable(f"cannot be written as CSV ({type(error).__name__}): put the columns that can") from None


def whole(obj: Any) -> Any:
    """The frame itself; of a series, one that has it as its only column. Nothing is copied."""
    return obj.to_frame() if "Series" in {base.__name__ for base in type(obj).__mro__} else obj


def head(obj: Any, rows: int, columns: int) -> tuple[list[str], list[list[Any]]]:
    """The names and the values of the first columns, each with its first rows; pandas' index before them."""
    root = _root(obj)
    if root == "pyarrow":
        part = obj.slice(0, rows)
        names = list(obj.schema.names)[:columns]
        return names, [part.column(place).to_pylist() for place in range(len(names))]
    if root == "polars":
        part = whole(obj).head(rows)
        names = part.columns[:columns]
        return names, [part.to_series(place).to_list() for place in range(len(names))]
    part = whole(obj.iloc[:rows]).iloc[:, :columns]
    indexed = [] if _numbered(part) else [part.index.get_level_values(level) for level in range(part.index.nlevels)]
    index_names = ["" if name is None else str(name) for name in part.index.names] if indexed else []
    values = [part.iloc[:, place].tolist() for place in range(part.shape[1])]
    return index_names + [str(name) for name in part.columns], [level.tolist() for level in indexed] + values


def _bytes(obj: Any) -> int:
    """What a table that is not large by its shape takes in memory, its texts included."""
    if hasattr(obj, "memory_usage"):
        used = obj.memory_usage(deep=True)
        return int(used.sum() if hasattr(used, "sum") else used)
    return int(obj.estimated_size() if hasattr(obj, "estimated_size") else obj.nbytes)


def _check_names(obj: Any) -> None:
    names = list(obj.column_names if hasattr(obj, "column_names") else getattr(obj, "columns", ()))
    if twice := [name for name, times in Counter(map(str, names)).items() if times > 1]:
        raise Untellable(f"has several columns named {twice[0]!r}: give each its own name")


def _csv(obj: Any) -> str:
    root = _root(obj)
    if root == "polars":
        return _polars(whole(obj))
    if root == "pyarrow":
        import pandas as pd

        return str(obj.to_pandas(types_mapper=pd.ArrowDtype).to_csv(index=False))  # whole numbers stay whole
    return str(obj.to_csv(index=not _numbered(obj)))


def _numbered(obj: Any) -> bool:
    """Whether its index is no more than row numbers."""
    return type(obj.index).__name__ == "RangeIndex" and obj.index.name is None


def _root(obj: Any) -> str:
    """Its library: the nearest of its classes that is one of these, since people derive classes of their own."""
    roots = (base.__module__.partition(".")[0] for base in type(obj).__mro__)
    return next((root for root in roots if root in ("pandas", "polars", "pyarrow")), "")


def _polars(frame: Any) -> str:
    """CSV has no lists and no structures: a table with such columns is told as JSON, a line a row."""
    nested = any(kind.is_nested() or kind.is_object() for kind in frame.schema.dtypes())
    return str(frame.write_ndjson() if nested else frame.write_csv())
