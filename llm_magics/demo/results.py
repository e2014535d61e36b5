"""What a tool brought back is shown in an answer: short texts in a sentence, data as a list or a table."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from llm_magics.demo.request import Message

_SHORT = 300
_MOST_ROWS = 50
_LONGEST = 4000
_NOT_RUN = re.compile(r"not run: (?=\S)", re.IGNORECASE)
_FAILED = re.compile(
    r"(?:the\s+)?(?:tool\s+)?(?:call\s+)?(?:error|failed|exception)\b[\s:–-]*|(?=\w+(?:Error|Exception):)",
    re.IGNORECASE,
)


def answer_from(results: Sequence[Message], messages: Sequence[Message]) -> str:
    """An answer in Markdown that uses every result."""
    made = [call for message in messages for call in message.tool_calls]
    calls = {call["id"]: call.get("function") for call in made if isinstance(call.get("id"), str)}
    return "\n\n".join(_told(result, calls.get(result.tool_call_id or "")) for result in results)


def values(results: Sequence[Message]) -> list[Any]:
    """The results as data, for answers in JSON."""
    return [_data(result.text) for result in results]


def _told(result: Message, function: object) -> str:
    who = _who(function)
    text = result.text.strip()
    data = _data(text)
    problem = _problem(text, data)
    if problem is not None:
        return f"{who} failed with an error:{_quoted(problem)}"
    if refused := _NOT_RUN.match(text):
        return f"{who} was not run:{_quoted(text[refused.end() :])}"
    if not text:
        return f"{who} returned nothing."
    if isinstance(data, dict | list) and data:
        return f"{who} returned:\n\n{_laid_out(data)}"
    return f"{who} says:{_quoted(data if isinstance(data, str) else text)}"


def _who(function: object) -> str:
    """The call as one would write it, so that two calls of one tool can be told apart."""
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return "The tool"
    arguments = _data(str(function.get("arguments") or "{}"))
    given = arguments.items() if isinstance(arguments, dict) else ()
    shown = ", ".join(f"{key}={_short(value)}" for key, value in given)
    return _code(f"{function['name']}({shown[:_SHORT]})")


def _data(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _problem(text: str, data: Any) -> str | None:
    """An error is called an error, in whichever of the usual forms it comes."""
    if isinstance(data, dict) and data.get("error"):
        error = data["error"]
        return str(error.get("message", error)) if isinstance(error, dict) else str(error)
    if isinstance(data, str) and data.startswith("Traceback (most recent call last)"):
        return data.strip().splitlines()[-1]
    found = _FAILED.match(text)
    return (text[found.end() :] or text) if found and isinstance(data, str) else None


def _quoted(text: str) -> str:
    text = text.strip()[:_LONGEST]
    if "\n" in text:  # its lines mean something: a quotation would run them together
        fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`+", text))])
        return f"\n\n{fence}text\n{text}\n{fence}"
    if len(text) > _SHORT:
        return f"\n\n> {text}"
    return f" {text}" if text.endswith((".", "!", "?")) else f" {text}."


def _laid_out(data: Any) -> str:
    if isinstance(data, dict):
        return _table(["Field", "Value"], [[_code(str(key)), _cell(value)] for key, value in data.items()])
    if all(isinstance(row, dict) for row in data):
        columns = list(dict.fromkeys(str(key) for row in data for key in row))[:12]
        return _table([_cell(column) for column in columns], [[_cell(row.get(c, "")) for c in columns] for row in data])
    return "\n".join(f"- {_cell(value)}" for value in data[:_MOST_ROWS])


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows[:_MOST_ROWS]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    """A value that cannot break out of its row."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return re.sub(r"\s+", " ", text[:_SHORT]).replace("|", "\\|")


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _code(text: str) -> str:
    """A code span, its fence longer than any run of backticks within."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"{fence}{text}{fence}"
