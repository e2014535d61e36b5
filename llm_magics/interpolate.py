"""``{{ expression }}`` in a prompt: found, evaluated in the user's namespace, told as text. Single braces are text."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Mapping
from typing import Any

from llm_magics.errors import PromptError, did_you_mean, short


def interpolate(prompt: str, namespace: Mapping[str, Any], describe: Callable[[Any, str], str]) -> str:
    """The prompt with each ``{{ expression }}`` replaced by its value as ``describe(value, expression)`` tells it.

    ``{{}}`` is text. What a value says is never looked at for further expressions.

    Raises:
        PromptError: an expression is none, names nothing, or fails; with its line and column.

    >>> interpolate("n = {{ n }}, {not this}", {"n": 3}, lambda value, name: str(value))
    'n = 3, {not this}'
    """
    parts, position = [], 0
    while (start := prompt.find("{{", position)) >= 0:
        end = _end_of(prompt, start)
        inside = prompt[start + 2 : end].strip()
        parts.append(prompt[position:start])
        parts.append(describe(_value(inside, namespace, _place(prompt, start)), inside) if inside else prompt[start : end + 2])
        position = end + 2
    return "".join([*parts, prompt[position:]])


def _end_of(prompt: str, start: int) -> int:
    """Where the braces close: at the first pair that leaves an expression, as an expression may hold braces itself."""
    place = _place(prompt, start)
    first = end = prompt.find("}}", start + 2)
    while end >= 0:
        inside = prompt[start + 2 : end].strip()
        if not inside or _is_expression(inside):
            return end
        end = prompt.find("}}", end + 1)
    if first < 0:
        raise PromptError(f"{{{{ without }}}} {place}. Close it, or send the braces as they are with --raw.")
    said = short(prompt[start : first + 2])
    raise PromptError(f"{said} {place} is not a Python expression. To send the braces as they are, use --raw.")


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _value(expression: str, namespace: Mapping[str, Any], place: str) -> Any:
    for node in ast.walk(ast.parse(expression, mode="eval")):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            _check_name(node.id, expression, namespace, place)
    try:
        return eval(compile(expression, "<prompt>", "eval"), dict(namespace))  # noqa: S307 - the user's own expression
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything; it becomes one line
        raise PromptError(f"{{{{ {expression} }}}} {place} raised {type(error).__name__}: {error}. Nothing was sent.") from None


def _check_name(name: str, expression: str, namespace: Mapping[str, Any], place: str) -> None:
    if name in namespace or hasattr(builtins, name) or _binds(expression, name):
        return
    known = [known for known in namespace if not known.startswith("_")]
    hint = did_you_mean(name, known) or " To send the braces as they are, use --raw."
    raise PromptError(f"{name!r} {place} is not defined; nothing was sent.{hint}")


def _binds(expression: str, name: str) -> bool:
    """Whether the expression gives the name its value itself, as comprehensions and lambdas do."""
    for node in ast.walk(ast.parse(expression, mode="eval")):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
            return True
        if isinstance(node, ast.arg) and node.arg == name:
            return True
    return False


def _place(prompt: str, position: int) -> str:
    line = prompt.count("\n", 0, position) + 1
    column = position - prompt.rfind("\n", 0, position)
    return f"(line {line}, column {column} of the prompt)"
