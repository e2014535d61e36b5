"""Tab completion on the magics' lines: options, model names, parameter names, formats."""

from __future__ import annotations

import re
from typing import Any

from llm_magics.config import REQUEST, SESSION_SETTINGS
from llm_magics.errors import ConfigError

_LINE = re.compile(r"^\s*(?:[\w, ]+=\s*)?%{1,2}(llm_config|llm)[ \t]([^\n]*)\Z")
_TAKES_MODEL = ("-m", "--model", "--ask-key")


def complete(magics: Any, text: str) -> tuple[list[str], str] | None:
    """What may stand at the end of ``text``, the cell's text up to the cursor, and the fragment it would replace.

    None where the cursor is not on a line of ours.
    """
    line = _LINE.match(text)
    if line is None:
        return None
    name, given = line[1], line[2]
    fragment = re.split(r"\s", given)[-1]
    before = given[: len(given) - len(fragment)].split()
    options = [o for action in getattr(magics, name).parser._actions for o in action.option_strings]
    candidates = _candidates(name, before[-1] if before else "", fragment, options)
    return sorted({c for c in candidates if c.startswith(fragment)}), fragment


def _candidates(name: str, previous: str, fragment: str, options: list[str]) -> list[str]:
    if previous in _TAKES_MODEL:
        return models()
    if previous == "--as":
        return ["markdown", "text", "code", "json"]
    if previous == "--param":
        return [f"{key}=" for key in REQUEST]
    if fragment.startswith("-"):
        return options
    if name == "llm_config":
        return [*models(), *(f"{key}=" for key in SESSION_SETTINGS if key != "model")]
    return options if not fragment else []


def models() -> list[str]:
    """The models that can be asked; none while the configuration cannot be read."""
    from llm_magics import session

    try:
        return session.current().configuration.at_hand()
    except ConfigError:
        return []
