"""Settings as the lines that would set them: what was clicked can be written into a cell."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_magics.config import Layer, names_of, parse_value, without
from llm_magics.errors import UserMistake
from llm_magics.key_shapes import masked
from llm_magics.lines import check_typing, quoted, words
from llm_magics.traits import Settings

UNWRITTEN = ("api_key", "headers")  # a key, or what may hold one
_PLAIN = re.compile(r"[\w.,:/@+-]+")


def magic_lines(typed: Layer, served: Iterable[Path] = ()) -> list[str]:
    """The lines that set in a fresh kernel what this layer holds, and serve these files; keys are left out.

    >>> magic_lines(Layer(origin="", settings={"model": "openai/gpt-5.4", "temperature": 0.3}))
    ['%llm_config openai/gpt-5.4 temperature=0.3']
    """
    lines = [_line(f"--add {name}", without(model, *UNWRITTEN)) for name, model in typed.models.items()]
    chosen = typed.settings.get("model", "")
    first = chosen if _PLAIN.fullmatch(chosen) and chosen[0] != "-" else ""
    settings = without(typed.settings, "model") if first else typed.settings
    lines += [[_serving(path)] for path in served]
    if lines and "model" not in typed.settings:
        first = "--unset model"  # a model that is added or served is chosen
    lines.append(_line(first, settings))
    return [masked(line) for one in lines for line in one]


def serve_again(path: Path) -> str:
    """What to do where the process that served a file has ended."""
    return f"Serve it again: {_serving(path)}"


def _serving(path: Path) -> str:
    return f"%llm_config --local {quoted(str(path))}"


def _line(first: str, settings: Mapping[str, Any]) -> list[str]:
    """One line, and others for what cannot stand on it."""
    written = {key: word_for(key, value) for key, value in settings.items()}
    line = " ".join([part for part in (first, *written.values()) if part])
    others = [_other(key, settings[key]) for key, word in written.items() if not word]
    return [*([f"%llm_config {line}"] if line else []), *others]


def word_for(key: str, value: Any) -> str:
    """``KEY=VALUE`` as it is written on a line; empty where it cannot be.

    >>> word_for("system", 'Say "yes".')
    'system="Say \\\\"yes\\\\"."'
    >>> word_for("tools", ["frames", "weather"])
    'tools=frames,weather'
    """
    return next((word for word in _spellings(key, value) if _reads(word, key, value)), "")


def _spellings(key: str, value: Any) -> Iterator[str]:
    forms = [value] if isinstance(value, str) else []
    if key == "tools" and names_of(value):
        forms.append(",".join(value))
    with contextlib.suppress(TypeError, ValueError):  # nothing that JSON knows
        forms.append(json.dumps(value, allow_nan=False))
    for form in forms:
        if _PLAIN.fullmatch(form) or (form[:1] in ("[", "{") and not isinstance(value, str)):
            yield f"{key}={form}"
        for quote in "\"'":
            yield f"{key}={quote}{form.replace(quote, chr(92) + quote)}{quote}"


def _reads(word: str, key: str, value: Any) -> bool:
    """Whether ``%llm_config`` reads this word as this value."""
    if not word.isprintable() or word.endswith("?"):  # the question mark would ask IPython for help
        return False
    try:
        check_typing(word)
        (read, _), (again, _) = words(f'{word} x="y"'), words(f"{word} x='y'")  # as more may stand behind it
        name, _, given = read.text.partition("=")
        found = parse_value(name, given)
    except (UserMistake, ValueError):
        return False
    return bool(name == key and found == value and type(found) is type(value) and again == read)


def _other(key: str, value: Any) -> str:
    """A line of ``%config``, whose values are Python's; braces and dollars are spelt so that IPython expands none."""
    if key not in Settings.named():
        return f"# {key} cannot be written on a line"
    spelt = ascii(value).replace("{", "\\x7b").replace("}", "\\x7d").replace("$", "\\x24")
    return f"%config LLMMagics.{key} = {spelt}"
