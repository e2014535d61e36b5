"""The toolset ``python``: code of a model's, run in the user's namespace; it is asked about every time."""

from __future__ import annotations

import ast
from collections.abc import Mapping, MutableMapping
from typing import Any

from llm_magics import drawings
from llm_magics.tools import Drawn, Tool

NAME = "run_python"
DESCRIPTION = (
    "Run Python code in the user's notebook session, where all of the user's variables are. The value of the last "
    "expression, what is printed, and figures are returned. The user reads the code and decides whether it runs."
)
SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "string", "description": "Python source code, of one or more lines."}},
    "required": ["code"],
    "additionalProperties": False,
}


def tools(namespace: MutableMapping[str, Any]) -> list[Tool]:
    """The one tool, for this namespace."""
    return [
        Tool(
            name=NAME,
            description=DESCRIPTION,
            parameters=SCHEMA,
            read=_read,
            run=lambda given: _run(given["code"], namespace),
            policy="ask",
            flags=frozenset({"reads_private", "reads_untrusted", "sends_out"}),
            toolset="python",
            code=("code", "python"),
            fixed=True,
        )
    ]


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    if set(given) != {"code"} or not isinstance(given["code"], str):
        raise ValueError('it takes one argument: {"code": "…"}, a text.')
    code = given["code"]
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ValueError(f"this is no Python code: {said}{where}.") from None
    return {"code": code}


def _run(code: str, namespace: MutableMapping[str, Any]) -> Any:
    """The value of the last expression; with the figures that were drawn and not shown yet."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    before = drawings.open_figures()
    try:
        exec(compile(tree, "<run_python>", "exec", dont_inherit=True), namespace)  # type: ignore[arg-type] # noqa: S102 - someone said yes
        value = None
        if isinstance(last, ast.Expr):
            whole = compile(ast.Expression(last.value), "<run_python>", "eval", dont_inherit=True)
            value = eval(whole, namespace)  # type: ignore[arg-type] # noqa: S307 - the same
        return Drawn(value, drawings.taken_figures(before))
    except BaseException:
        drawings.taken_figures(before)  # so that they are not shown with something else
        raise
