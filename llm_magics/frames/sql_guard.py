"""What SQL a model may ask for: one SELECT, over the frames there are, with functions that only compute.

It reads the tree that DuckDB's own parser made of the text, so there is nothing to misread. What it does not know is
refused: versions to come may have more. DuckDB's settings (`sql_runs`) are the second wall, and the one for files and
networks; this one is for what those settings let through: table functions that take an address in memory, settings and
logs that tell of the machine, statements that change something within a SELECT, values larger than memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from llm_magics.frames.cell_words import quoted

LONGEST_LIST = 10_000  # items that a call of `range` gives in each row
LARGEST = 100_000  # what the sizes in one query's calls of `repeat` and its like may come to, multiplied
NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
SOURCES = {"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT", "SHOW_REF"}
ORDERS = {"ORDER_DEFAULT", "ASCENDING", "DESCENDING"}
MODIFIERS = {"ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"}
KNOWN = NODES | SOURCES | ORDERS | MODIFIERS
EXPRESSIONS = {
    "BETWEEN",
    "CASE",
    "CAST",
    "COLLATE",
    "COLUMN_REF",
    "COMPARISON",
    "CONJUNCTION",
    "CONSTANT",
    "DEFAULT",
    "FUNCTION",
} | {"LAMBDA", "LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW"}
TABLE_FUNCTIONS = {"generate_series", "json_each", "json_tree", "range", "unnest"}
# Functions that tell of the machine or the process, wait, write, or take SQL as a text.
REFUSED = (
    {"current_setting", "getenv", "getvariable", "write_log", "sleep_ms", "sleep", "nextval", "currval", "setval"}
    | {"setseed", "json_execute_serialized_sql", "json_serialize_plan", "json_deserialize_sql", "which_secret", "query"}
    | {
        "query_table",
        "parse_duckdb_log_message",
        "get_block_size",
        "current_connection_id",
        "version",
        "add_parquet_key",
    }
)
REFUSED_BEGINNINGS = ("__", "pg_", "duckdb_", "pragma_", "read_", "inet_", "has_", "icu_calendar")
COMPUTES = {"pg_typeof", "pg_size_pretty"}
# Functions whose result is as large as one argument says, and which argument that is.
SIZED = {"repeat": 1, "lpad": 1, "rpad": 1, "list_resize": 1, "array_resize": 1, "bitstring": 1, "bar": 3} | {
    "equi_width_bins": 2
}
LISTS = {"range", "generate_series"}
WIDE = re.compile(
    r"\d{4}|\*|\{[^{}]*\{"
)  # in a text for `format` or `printf`: a width of thousands, or one of an argument


class Refused(ValueError):
    """SQL that is not run, in words for the model."""


def tables(tree: Any) -> list[str]:
    """The names of tables that the statement reads, as it writes them, those it defines itself left out.

    Args:
        tree: what ``json_serialize_sql`` made of it, parsed.

    Raises:
        Refused: it is no SELECT, or asks for what it may not.
    """
    if not isinstance(tree, dict) or tree.get("error") or len(tree.get("statements") or ()) != 1:
        raise Refused("Only one SELECT statement is run.")
    found: dict[str, None] = {}
    sizes: list[int] = []
    for kind, value in _walk(tree["statements"][0].get("node"), frozenset()):
        if kind == "table":
            found[value] = None
        else:
            sizes.append(value)
    if math.prod(sizes) > LARGEST:
        raise Refused(f"The sizes in its calls may come to {LARGEST:,} in all, multiplied.")
    return list(found)


def _walk(node: Any, defined: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Tables that are read, and sizes that are asked for, anywhere below; ``defined`` are names of WITH in sight."""
    if isinstance(node, list):
        for item in node:
            yield from _walk(item, defined)
        return
    if not isinstance(node, dict):
        return
    yield from _here(node, defined)
    within = defined
    for name, query in _with(node):
        yield from _walk(query, within | {name})  # a recursive one sees itself, any one those before it
        within |= {name}
    if node.get("type") == "RECURSIVE_CTE_NODE":
        within |= {str(node.get("cte_name")).lower()}
    for key, inner in node.items():
        if key == "function" and node.get("type") == "TABLE_FUNCTION":
            yield from _walk(_arguments(inner), within)  # its name was looked at, and it gives rows, whatever its size
        elif key not in ("cte_map", "type_info"):
            yield from _walk(inner, within)


def _with(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for entry in (node.get("cte_map") or {}).get("map") or ():
        yield str(entry["key"]).lower(), entry["value"]


def _here(node: dict[str, Any], defined: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """What this node itself reads or asks for.

    Raises:
        Refused: it may not.
    """
    kind = node.get("type")
    if "class" in node:
        if node["class"] not in EXPRESSIONS:
            raise Refused(f"{_plain(node['class'])} is not possible here.")
        if "function_name" in node:
            yield from _function(node)
    elif isinstance(kind, str) and kind not in KNOWN:
        raise Refused(f"Only SELECT is run: {_plain(kind)} is not possible here.")
    elif kind == "BASE_TABLE":
        yield from _table(node, defined)
    elif kind == "TABLE_FUNCTION":
        name = str((node.get("function") or {}).get("function_name")).lower()
        if name not in TABLE_FUNCTIONS:
            raise Refused(
                f"FROM {_plain(name)}(…) is not possible here: only dataframes, and range, unnest and the like."
            )
    elif kind == "SHOW_REF" and not node.get("query"):
        raise Refused("SHOW is not possible here: list_frames lists the dataframes, DESCRIBE name tells one's columns.")


def _table(node: dict[str, Any], defined: frozenset[str]) -> Iterator[tuple[str, Any]]:
    path = (node.get("qualified_name") or {}).get("path") or [node.get("table_name")]
    if len(path) != 1 or node.get("schema_name") or node.get("catalog_name"):
        raise Refused("Name a dataframe alone, without a schema before it.")
    if node.get("at_clause"):
        raise Refused("AT is not possible here: a dataframe has one version.")
    if str(path[0]).lower() not in defined:
        yield "table", str(path[0])


def _function(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    path = (node.get("qualified_name") or {}).get("path") or [node["function_name"]]
    for name in {str(node["function_name"]).lower(), str(path[-1]).lower()}:
        if name in REFUSED or (name.startswith(REFUSED_BEGINNINGS) and name not in COMPUTES):
            raise Refused(f"The function {_plain(name)} is not possible here.")
        arguments = _arguments(node)
        if name in SIZED and len(arguments) > SIZED[name]:
            yield "size", _size(name, arguments[SIZED[name]])
        elif name in LISTS:
            if any(_size(name, argument) > LONGEST_LIST for argument in arguments):
                raise Refused(f"{name}(…) may come to {LONGEST_LIST:,} here, and to any number after FROM.")
        elif name in ("format", "printf", "formatter") and arguments:
            _check_format(name, arguments[0])


def _arguments(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [one.get("expression", one) for one in node.get("arguments") or node.get("children") or ()]


def _size(name: str, argument: dict[str, Any]) -> int:
    text = _literal(argument)
    if not re.fullmatch(r"-?\d{1,7}", text):
        inside = f" (or in FROM {name}(…), where any size will do)" if name in LISTS else ""
        raise Refused(f"The size in {name}(…) has to be a plain number of at most seven digits here{inside}.")
    return max(1, abs(int(text)))


def _check_format(name: str, argument: dict[str, Any]) -> None:
    if argument.get("class") != "CONSTANT" or WIDE.search(_literal(argument)):
        raise Refused(f"The first argument of {name}(…) has to be a text here, with widths below 1,000.")


def _literal(argument: dict[str, Any]) -> str:
    """A constant as a text, in either of the forms that versions of DuckDB have; empty for anything else."""
    if argument.get("class") != "CONSTANT":
        return ""
    if isinstance(literal := argument.get("literal"), dict):
        return str(literal.get("text"))
    return str((argument.get("value") or {}).get("value"))


def _plain(name: Any) -> str:
    return quoted(str(name).removesuffix("_NODE"), 60).strip('"')


def match(named: Iterable[str], there: Iterable[str]) -> dict[str, str]:
    """Which frame each name means: SQL does not tell capitals from small letters.

    Raises:
        Refused: two names that differ only in that mean two frames.
        KeyError: there is no such frame.
    """
    names = list(there)
    meant: dict[str, str] = {}
    for name in named:
        fitting = [one for one in names if one == name] or [one for one in names if one.lower() == name.lower()]
        if not fitting:
            raise KeyError(name)
        if len(fitting) > 1 or meant.setdefault(name.lower(), fitting[0]) != fitting[0]:
            raise Refused(
                f"SQL takes {_plain(name)} for any of several dataframes: their names differ only in capitals."
            )
    return meant
