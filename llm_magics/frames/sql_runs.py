"""A query over dataframes in a DuckDB that can reach nothing else, and an end to it: by rows, seconds or an interrupt.

DuckDB reads the frames where they are. Each query has a database of its own, in memory, without files, extensions,
network and Python's variables; its settings are locked before anything of the model's is run.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_magics.frames import sql_guard
from llm_magics.frames.at_hand import Frame, labelled, labels, there_are
from llm_magics.frames.cell_words import line, one_line

TICK = 0.05  # seconds between two looks at whether the query is done
PATIENCE = 3.0  # seconds for a query that was interrupted to end
LONGEST = 20_000  # characters of SQL
KEPT = 100_000  # rows of a result
HEAVY = 256_000_000  # bytes of a result in memory
DAY = 86_400_000_000  # microseconds
SAID = 600  # characters of an error of DuckDB's
# What holds from the start; then, with the frames registered, what can only be said of a database that is open. The
# directory for what does not fit into memory has to be named before access to files is taken away.
AT_START = {
    "temp_directory": "",
    "max_temp_directory_size": "0KB",
    "threads": "4",
    "python_enable_replacements": "false",
    "python_scan_all_frames": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "allow_persistent_secrets": "false",
}
THEN = (
    "SET disabled_filesystems = 'LocalFileSystem'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


class QueryFailed(ValueError):
    """A query that gave no table, in words for the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a query gave: a dataframe in the library of what was queried, and whether it goes on.

    Attributes:
        more: whether there are rows that were not kept.
        remarks: what else the model should know, a sentence each.
    """

    table: Any
    more: bool
    remarks: tuple[str, ...] = ()


def query(sql: str, frames: list[Frame], *, seconds: float, memory: str = "2GB") -> Result:
    """The table that a SELECT over the frames gives.

    Args:
        memory: what DuckDB may take for sorting, grouping and joining, the frames themselves not counted.

    Raises:
        QueryFailed: it is refused, fails, or takes longer.
        KeyboardInterrupt: someone interrupted; the query has been stopped.
    """
    run = _Run(sql, frames, memory)
    thread = threading.Thread(target=run.work, name="llm_magics query", daemon=True)
    try:
        thread.start()  # within, as it waits too
        ended = run.wait(seconds)
    except BaseException:
        run.stop()
        raise
    if not ended:
        run.stop()
        raise QueryFailed(f"The query took longer than {seconds:g} s and was stopped. Ask for less.")
    return run.result()


class _Run:
    """One query on a thread of its own: whoever waits for it can be interrupted, whatever DuckDB is doing."""

    def __init__(self, sql: str, frames: list[Frame], memory: str) -> None:
        self._sql, self._frames, self._memory = sql, frames, memory
        self._done = threading.Event()
        self._stopped = False
        self._closing = threading.Lock()  # what is stopped is not being closed meanwhile, which DuckDB does not look at
        self._connection: Any = None
        self._result: Result | None = None
        self._error: BaseException | None = None

    def work(self) -> None:
        try:
            self._result = self._query()
        except BaseException as error:  # noqa: BLE001 - it is raised, or told, on the thread that waits
            self._error = error
        finally:
            self._done.set()

    def wait(self, seconds: float) -> bool:
        """Whether it is done by then."""
        end = time.monotonic() + seconds
        while not self._done.wait(TICK):
            if time.monotonic() > end:
                return False
        return True

    def stop(self) -> None:
        """End it, as soon as DuckDB looks up; often enough, as an interrupt between two steps is not heard."""
        self._stopped = True
        end = time.monotonic() + PATIENCE
        while not self._done.wait(TICK) and time.monotonic() < end:
            with self._closing:
                if self._connection is not None:
                    self._connection.interrupt()

    def result(self) -> Result:
        if self._result is not None:
            return self._result
        if isinstance(self._error, QueryFailed):
            raise self._error
        raise QueryFailed(_said(self._error)) from None

    def _query(self) -> Result:
        connection = self._connection = connected(self._memory)
        try:
            return self._asked(connection)
        finally:
            with self._closing:
                self._connection = None
            connection.close()

    def _asked(self, connection: Any) -> Result:
        chosen = _chosen(connection, self._sql, self._frames)
        tables = {name: labelled(frame) for name, frame in chosen.items()}
        remarks = [said for name, frame in chosen.items() for said in _register(connection, name, frame, tables[name])]
        remarks += _set_clock(connection, tables.values())
        lock(connection)
        (statement,) = connection.extract_statements(self._sql)
        if self._stopped:
            raise QueryFailed("The query was stopped.")
        library = _library(list(chosen.values()) or self._frames)
        table, more = _KEEP[library](connection, statement)
        return Result(table=table, more=more, remarks=tuple(remarks))


def connected(memory: str) -> Any:
    """A DuckDB of its own, in memory; what it is to read can still be registered."""
    import duckdb

    return duckdb.connect(":memory:", config={**AT_START, "memory_limit": memory})


def lock(connection: Any) -> None:
    """From now on it reads what is registered, and nothing changes that."""
    for setting in THEN:
        connection.execute(setting).fetchall()


def _chosen(connection: Any, sql: str, frames: list[Frame]) -> Mapping[str, Frame]:
    """The frames that the text names, by the names it is to find them under.

    Raises:
        QueryFailed: it is more than one SELECT over the frames there are.
    """
    if len(sql) > LONGEST:
        raise QueryFailed(f"The query has {len(sql):,} characters; {LONGEST:,} are taken.")
    if "\0" in sql:
        raise QueryFailed("The query holds a character that SQL cannot hold (U+0000).")
    _check_statements(connection, sql)
    by_name = {name: frame for frame in frames for name in frame.names}
    try:
        ((tree,),) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
        meant = sql_guard.match(sql_guard.tables(json.loads(tree)), by_name)
    except sql_guard.Refused as error:
        raise QueryFailed(str(error)) from None
    except KeyError as error:
        raise QueryFailed(f"There is no dataframe named {error.args[0]!r:.80}. {there_are(frames)}") from None
    except RecursionError:
        raise QueryFailed("The query is nested too deeply.") from None
    if lazy := [name for name in meant.values() if by_name[name].lazy]:
        raise QueryFailed(
            f"{lazy[0]} is a lazy frame, whose rows are not computed: the user would have to .collect() it."
        )
    return {name: by_name[name] for name in meant.values()}


def _check_statements(connection: Any, sql: str) -> None:
    statements = connection.extract_statements(sql)
    kinds = [statement.type.name for statement in statements]
    if (kinds == ["MULTI"] or kinds[:-1] == ["CREATE"]) and "pivot" in sql.lower():
        raise QueryFailed("PIVOT needs its values here: PIVOT … ON column IN ('a', 'b') USING …")
    if len(kinds) != 1:
        raise QueryFailed(
            f"One statement is run at a time, and this is {len(kinds)}: {', '.join(kinds)[:80]}".rstrip(": ")
        )
    if kinds != ["SELECT"]:
        raise QueryFailed(f"Only SELECT is run (and DESCRIBE or SUMMARIZE of a dataframe): this is {kinds[0]}.")


def _register(connection: Any, name: str, frame: Frame, table: Any) -> Iterator[str]:
    """Let the connection read the frame, which is labelled; says which of its columns it cannot read."""
    readable, left = _readable(connection, table, frame)
    if not readable:
        raise QueryFailed(f"{name} has no columns that SQL can read.")
    if left:
        table = _only(table, frame, [place for place, label in enumerate(_labels(table)) if label not in left])
        yield f"Columns of {name} that SQL cannot read are left out: {line(left, 60)[:300]}."
    connection.register(name, table)


def _set_clock(connection: Any, tables: Iterable[Any]) -> Iterator[str]:
    """Let a day be a day where the frames' times are, and not where this machine is; says where their zones differ."""
    zones = {str(zone) for table in tables for kind in _kinds(table) if (zone := _zone(kind))}
    if len(zones) == 1 and _goes_by(connection, *zones):
        return
    if zones and _goes_by(connection, "UTC"):
        yield f"Times with a zone ({line(sorted(zones), 40)[:100]}) are in UTC here, so that days begin then."


def _kinds(table: Any) -> list[Any]:
    """The types of a frame's columns as its library has them."""
    return list(table.schema.types if hasattr(table, "column_names") else table.dtypes)


def _zone(kind: Any) -> Any:
    """The zone of times of this type; None for any other."""
    kind = getattr(kind, "pyarrow_dtype", kind)
    return getattr(kind, "tz", None) or getattr(kind, "time_zone", None)


def _goes_by(connection: Any, zone: str) -> bool:
    """Whether SQL's clock is that of this zone from now on."""
    with suppress(Exception):  # a zone that it does not know
        connection.execute(f"SET TimeZone = '{zone.replace(chr(39), chr(39) * 2)}'").fetchall()
        return True
    return False


def _readable(connection: Any, table: Any, frame: Frame) -> tuple[list[str], list[str]]:
    """The columns that DuckDB can read, and those that it cannot, each tried by a row."""
    names = _labels(table)
    bad = set()
    if frame.library == "polars":  # what it holds as objects comes out as their addresses in memory, in some versions
        bad = {name for name, kind in table.schema.items() if str(kind) == "Object"}
    head = _head(table, frame)
    if bad or not _reads(connection, head):
        bad |= {
            n for place, n in enumerate(names) if n not in bad and not _reads(connection, _only(head, frame, [place]))
        }
    return [name for name in names if name not in bad], [name for name in names if name in bad]


def _reads(connection: Any, table: Any) -> bool:
    try:
        connection.register("__tried", table)
        connection.execute("SELECT * FROM __tried LIMIT 0").fetchall()
        connection.unregister("__tried")
    except Exception:  # noqa: BLE001 - a type it does not know is told by several errors
        return False
    return True


def _labels(table: Any) -> list[str]:
    return list(table.column_names if hasattr(table, "column_names") else table.columns)


def _head(table: Any, frame: Frame) -> Any:
    return table.slice(0, 1) if frame.library == "pyarrow" else table.head(1)


def _only(table: Any, frame: Frame, places: list[int]) -> Any:
    """The columns at these places, their values shared."""
    names = [_labels(table)[place] for place in places]
    if frame.library != "pandas":
        return table.select(names)
    import pandas as pd

    return pd.DataFrame({name: table.iloc[:, place] for name, place in zip(names, places, strict=True)}, copy=False)


def _library(frames: list[Frame]) -> str:
    libraries = {frame.library for frame in frames}
    return next((one for one in ("pandas", "polars", "pyarrow") if one in libraries), "pyarrow")


def _keep_pandas(connection: Any, statement: Any) -> tuple[Any, bool]:
    import pandas as pd

    connection.execute(statement)
    kinds = [str(column[1]) for column in connection.description]
    chunks, rows, size = [connection.fetch_df_chunk(1)], 0, 0
    while len(chunks[-1]):
        rows, size = rows + len(chunks[-1]), size + int(chunks[-1].memory_usage(deep=True).sum())
        if rows > KEPT or size > HEAVY:
            break
        chunks.append(connection.fetch_df_chunk(1))
    full = [chunk for chunk in chunks if len(chunk)] or chunks[:1]
    table = pd.concat(full, ignore_index=True) if len(full) > 1 else full[0]
    more = rows > KEPT or size > HEAVY
    return _whole_numbers(table.iloc[:KEPT], kinds), more


def _whole_numbers(table: Any, kinds: list[str]) -> Any:
    """Sums of whole numbers as whole numbers: DuckDB has them in 128 bits, which pandas knows only as floats."""
    for place, kind in enumerate(kinds):
        column = table.iloc[:, place]
        if kind.upper() in ("HUGEINT", "UHUGEINT") and not column.isna().any() and (column.abs() < 2**53).all():
            table = table.astype({table.columns[place]: "int64"}) if table.columns.is_unique else table
    return table


def _keep_pyarrow(connection: Any, statement: Any) -> tuple[Any, bool]:
    import pyarrow as pa

    reader = _reader(connection.sql(statement))
    batches: list[Any] = []
    rows = size = 0
    for batch in reader:
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows > KEPT or size > HEAVY:
            break
    table = pa.Table.from_batches(batches, schema=reader.schema)
    return _narrow(table.slice(0, KEPT)), rows > KEPT or size > HEAVY


def _reader(relation: Any) -> Any:
    read = getattr(relation, "to_arrow_reader", None) or relation.fetch_record_batch  # its name before DuckDB 2
    return read(2048)


def _narrow(table: Any) -> Any:
    """Sums of whole numbers in 64 bits, where they fit: Arrow has DuckDB's 128 bits as decimals."""
    import pyarrow as pa

    for place, column in enumerate(table.schema):
        if pa.types.is_decimal(column.type) and column.type.precision == 38 and column.type.scale == 0:
            try:
                table = table.set_column(place, column.name, table.column(place).cast(pa.int64()))
            except pa.ArrowInvalid:
                continue
    return table


def _keep_polars(connection: Any, statement: Any) -> tuple[Any, bool]:
    import polars as pl

    table, more = _keep_pyarrow(connection, statement)
    table = _known_to_polars(table.rename_columns(labels(table.column_names)))  # which has each name once
    return pl.from_arrow(table), more


def _known_to_polars(table: Any) -> Any:
    """Spans of time as durations; as texts where they are of months, whose length varies, and what else is unknown."""
    import pyarrow as pa

    for place, column in enumerate(table.schema):
        if not _is_foreign(column.type):
            continue
        values = table.column(place).to_pylist()
        spans = [value for value in values if value is not None] if pa.types.is_interval(column.type) else None
        if spans is not None and not any(span.months for span in spans):
            made = pa.array([None if one is None else _microseconds(one) for one in values], pa.duration("us"))
        else:
            made = pa.array([None if one is None else str(one) for one in values], pa.string())
        table = table.set_column(place, column.name, made)
    return table


def _is_foreign(kind: Any) -> bool:
    """Whether there is a span of time or a union in it, which polars ends a thread over."""
    import pyarrow as pa

    inner = (kind.field(number).type for number in range(kind.num_fields))
    return pa.types.is_interval(kind) or pa.types.is_union(kind) or any(map(_is_foreign, inner))


def _microseconds(span: Any) -> int:
    return int(span.days * DAY + span.nanoseconds // 1000)


_KEEP: Mapping[str, Callable[[Any, Any], tuple[Any, bool]]] = {
    "pandas": _keep_pandas,
    "polars": _keep_polars,
    "pyarrow": _keep_pyarrow,
}


def _said(error: BaseException | None) -> str:
    """What DuckDB says of its error, without Python's frames and without where this person's files are."""
    if isinstance(error, ModuleNotFoundError):
        return f"The query cannot be run: the library {error.name} is not installed in the notebook's environment."
    if type(error).__name__ == "OutOfMemoryException":
        return "The query needs more memory than it may take, and was stopped. Aggregate, or ask for less."
    text = str(error).partition("Traceback (most recent call last)")[0].partition("\n\nAt:")[0].strip()
    text = one_line(text.replace(str(Path.home()), "~"))  # it may repeat what stands in a cell
    return (text or f"The query failed ({type(error).__name__}).")[:SAID]
