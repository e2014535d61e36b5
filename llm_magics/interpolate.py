"""``{{ expression }}`` in a prompt: found, evaluated in the user's namespace, told as text. Single braces are text."""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llm_magics.errors import PromptError, did_you_mean, short

MAX_EXPRESSION = 5_000  # characters; also how far the end of one is looked for
MAX_PROMPT = 10_000_000  # characters; some 2,500,000 tokens
MAX_TRIES = 50  # closing braces that are tried as the end of one expression


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
        parts.append(prompt[position:start])
        end = _end_of(prompt, start)
        inside = prompt[start + 2 : end].strip()
        if inside:
            parts.append(describe(_value(inside, namespace, _place(prompt, start)), inside))
        else:
            parts.append(prompt[start : end + 2])
        position = end + 2
    return "".join([*parts, prompt[position:]])


def ready(prompt: str) -> tuple[str, int]:
    """The prompt as it can be sent, and how many of its characters could not: they became U+FFFD.

    These are halves of characters, which no encoding has, and those that end texts or files elsewhere (NUL, U+FFFE).

    Raises:
        PromptError: it is empty, or longer than any model reads.
    """
    if not prompt.strip():
        raise PromptError("the prompt is empty: nothing was sent.")
    if len(prompt) > MAX_PROMPT:
        said = (
            f"the prompt has {len(prompt):,} characters (≈ {len(prompt) // 4:,} tokens), more than the {MAX_PROMPT:,}"
        )
        raise PromptError(f"{said} that one may have: put a part of it. Nothing was sent.")
    if not _UNSENDABLE.search(prompt):
        return prompt, 0
    joined = prompt.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return _UNSENDABLE.subn("\ufffd", joined)


_UNSENDABLE = re.compile("[\x00\ud800-\udfff\ufffe\uffff]")


def _end_of(prompt: str, start: int) -> int:
    """Where the braces close: at the first pair that leaves an expression, as an expression may hold braces itself."""
    first = None
    for end in _ends(prompt, start + 2):
        first = end if first is None else first
        inside = prompt[start + 2 : end].strip()
        if not inside or _parsed(inside) is not None:
            return end
    place = _place(prompt, start)
    if first is None:
        raise PromptError(f"{{{{ without }}}} {place}. Close it, or send the braces as they are with --raw.")
    said = short(prompt[start : first + 2])
    raise PromptError(f"{said} {place} is not a Python expression. To send the braces as they are, use --raw.")


def _ends(prompt: str, start: int) -> Iterator[int]:
    end = start - 1
    for _ in range(MAX_TRIES):
        end = prompt.find("}}", end + 1 if end >= start else start, start + MAX_EXPRESSION)
        if end < 0:
            return
        yield end


def _parsed(expression: str) -> ast.Expression | None:
    """The expression's tree; None when it is none. It may take several lines, as in brackets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # whatever it is, Python will say it when it evaluates it
        for text in (expression, f"({expression}\n)") if "\n" in expression else (expression,):
            try:
                return ast.parse(text, mode="eval")
            except (SyntaxError, ValueError, MemoryError, RecursionError):
                continue
    return None


def _value(expression: str, namespace: Mapping[str, Any], place: str) -> Any:
    tree = _parsed(expression)
    assert tree is not None
    if any(isinstance(node, _WAITING) for node in ast.walk(tree)):
        move = "put it into a variable in a cell before this one, and the variable here"
        raise PromptError(f"{{{{ {short(expression)[1:-1]} }}}} {place} cannot wait: {move}. Nothing was sent.")
    bound = _bound_in(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in bound:
            _check_name(node.id, namespace, place)
    try:
        return eval(compile(tree, "<prompt>", "eval"), dict(namespace))  # noqa: S307 - the user's own expression
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code may raise anything; it becomes one line
        said = f"{{{{ {short(expression)[1:-1]} }}}} {place} raised {type(error).__name__}{_said_by(error)}"
        raise PromptError(f"{said}. Nothing was sent.") from None


_WAITING = (ast.Await, ast.Yield, ast.YieldFrom)


def _said_by(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the user's own exception class
        return ""
    return f": {text if len(text) <= 200 else text[:199] + '…'}".rstrip(".") if text else ""


def _check_name(name: str, namespace: Mapping[str, Any], place: str) -> None:
    if name in namespace or hasattr(builtins, name):
        return
    known = [known for known in namespace if not known.startswith("_")]
    hint = did_you_mean(name, known) or " To send the braces as they are, use --raw."
    raise PromptError(f"{short(name)} {place} is not defined; nothing was sent.{hint}")


def _bound_in(tree: ast.Expression) -> set[str]:
    """The names that the expression gives their values itself, as comprehensions and lambdas do."""
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


def _place(prompt: str, position: int) -> str:
    line = prompt.count("\n", 0, position) + 1
    column = position - prompt.rfind("\n", 0, position)
    return f"(line {line}, column {column} of the prompt)"
