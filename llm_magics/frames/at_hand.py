"""Which dataframes a namespace holds, and each with names that a query can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from llm_magics.frames.cell_words import quoted

Library = Literal["pandas", "polars", "pyarrow"]
NAMED = 20  # frames that are named to a model that asked for one that is not there


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A dataframe of the user's.

    Attributes:
        names: the variables that hold it, in the order they were made.
        native: the object itself.
        lazy: whether it is a plan whose rows nobody has computed.
    """

    names: tuple[str, ...]
    native: Any
    library: Library
    lazy: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        if self.library == "pyarrow":
            return self.native.num_rows, self.native.num_columns
        rows, columns = self.native.shape
        return rows, columns


def frames_at_hand(namespace: Mapping[str, Any]) -> list[Frame]:
    """The user's dataframes; an object with several names comes once, names that begin with ``_`` do not count."""
    found: dict[int, Frame] = {}
    for name, value in list(namespace.items()):
        if str(name).startswith("_") or not (kind := _kind(value)):
            continue
        before = found[id(value)].names if id(value) in found else ()
        found[id(value)] = Frame(names=(*before, name), native=value, library=kind[0], lazy=kind[1])
    return list(found.values())


def frame_named(name: str, frames: list[Frame]) -> Frame:
    """The frame with this name.

    Raises:
        ValueError: there is none; says which there are.
    """
    for frame in frames:
        if name in frame.names:
            return frame
    raise ValueError(f"There is no dataframe named {quoted(name, 60)}. {there_are(frames)}")


def there_are(frames: list[Frame]) -> str:
    """A sentence that names the frames there are."""
    names = [name for frame in frames for name in frame.names]
    if not names:
        return "The notebook holds no dataframes."
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"The dataframes are: {', '.join(names[:NAMED])}{more}."


def labelled(frame: Frame) -> Any:
    """The frame with texts for names, no two alike to SQL, and an index that says something as its first columns.

    Shares the values of the user's object, which stays as it is.
    """
    if frame.library == "pandas":
        return _labelled_pandas(frame.native)
    if frame.library == "pyarrow":
        table = frame.native
        if hasattr(table, "to_struct_array") and not hasattr(table, "combine_chunks"):  # a RecordBatch
            import pyarrow as pa

            table = pa.Table.from_batches([table])
        return table.rename_columns(labels(table.column_names))
    return frame.native.rename(dict(zip(frame.native.columns, labels(frame.native.columns), strict=True)))


def labels(names: Any) -> list[str]:
    """The names as texts; one that SQL would take for an earlier one gets a number."""
    seen: set[str] = set()
    out = []
    for name in names:
        label, number = str(name), 1
        while label.casefold() in seen:
            label, number = f"{name}_{number}", number + 1
        seen.add(label.casefold())
        out.append(label)
    return out


def _labelled_pandas(native: Any) -> Any:
    shallow = native.copy(deep=False)
    index = native.index
    said = [] if _only_numbers(index) else [index.get_level_values(level) for level in range(index.nlevels)]
    columns = [*(level.name if level.name is not None else "index" for level in said), *native.columns]
    shallow.columns = range(len(native.columns))
    for place, kind in enumerate(native.dtypes):
        if kind.kind == "O" and (floats := _endless_decimals(native.iloc[:, place])) is not None:
            shallow[place] = floats
    for place, level in enumerate(said):
        shallow.insert(place, -1 - place, level)
    shallow.columns = labels(columns)
    return shallow.set_axis(range(len(native)), axis=0)


def _endless_decimals(column: Any) -> Any:
    """Decimals among which some are infinite or no number, as floats; None for all else.

    DuckDB, which has no such decimals, would read all of the column as floats of half that size.
    """
    from pandas.api.types import infer_dtype

    if infer_dtype(column, skipna=True) != "decimal":
        return None
    whole = [value for value in column if hasattr(value, "is_finite")]
    return column.astype("float64") if not all(value.is_finite() for value in whole) else None


def _only_numbers(index: Any) -> bool:
    return type(index).__name__ == "RangeIndex" and index.name is None


def _kind(value: Any) -> tuple[Library, bool] | None:
    """Its library, and whether it is lazy; None for what is no dataframe, without importing a library to ask."""
    for base in type(value).__mro__:
        root = str(base.__module__).partition(".")[0]  # anybody's classes have anything there
        match root, base.__name__:
            case "pandas", "DataFrame":
                return "pandas", False
            case "polars", "DataFrame" | "LazyFrame":
                return "polars", base.__name__ == "LazyFrame"
            case "pyarrow", "Table" | "RecordBatch":
                return "pyarrow", False
    return None
