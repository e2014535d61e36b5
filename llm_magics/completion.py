"""Tab completion on the magics' lines: options, model names, parameter names, formats."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from llm_magics.config import MODEL_SETTINGS, REQUEST, SESSION_SETTINGS, TIMEOUTS
from llm_magics.config_files import SUFFIXES
from llm_magics.errors import ConfigError
from llm_magics.parsers import parser_of

_LINE = re.compile(r"^\s*(?:[\w, ]+=\s*)?%{1,2}(llm_config|llm_vote|llm)[ \t]([^\n]*)\Z")
# Settings whose values are few.
_VALUES = {"stream": ("true", "false"), "dotenv": ("true", "false"), "images": ("block", "ask")}
# What is behind these is to be thought of.
_OPEN = ("-n", "--repeat", "-s", "--system", "-t", "--temperature", "--max-tokens", "--to", "--add")
_TAKES_MODEL = ("-m", "--model", "--ask-key", "--check", "--judge")


def complete(magics: Any, text: str) -> tuple[list[str], str] | None:
    """What may stand at the end of ``text``, the cell's text up to the cursor, and the fragment it would replace.

    None where the cursor is not on a line of ours.
    """
    line = _LINE.match(text)
    if line is None:
        return None
    name, given = line[1], line[2]
    fragment = re.split(r"\s", given)[-1]
    if name == "llm_vote":
        return [word for word in _ballot() if word.startswith(fragment)], fragment
    before = given[: len(given) - len(fragment)].split()
    if text.lstrip().startswith("%%llm"):  # where all words behind -m are models, and behind --tools tools
        option = next((place for place in reversed(range(len(before))) if before[place].startswith("-")), len(before))
        before = before[: option + 1] if before[option:][:1] in (["-m"], ["--model"], ["--tools"]) else before
    options = [o for action in parser_of(getattr(magics, name))._actions for o in action.option_strings]
    previous = before[-1] if before else ""
    if "--add" in before[:-1] and not fragment.startswith("-"):
        candidates = [f"{key}=" for key in MODEL_SETTINGS - {"api_key"}]
    else:
        candidates = _candidates(magics, name, previous, fragment, options)
    return sorted({c for c in candidates if c.startswith(fragment)}), fragment


def _candidates(magics: Any, name: str, previous: str, fragment: str, options: list[str]) -> list[str]:
    if previous in _OPEN:
        return []
    if previous == "--local":
        return _files(fragment, (".gguf",))
    if previous == "--file":
        return _files(fragment, SUFFIXES)
    if previous == "--unset":
        return set_here()
    if previous in ("-m", "--model") and "," in fragment:
        return _with_commas(fragment, models())
    if previous in _TAKES_MODEL and not fragment.startswith("-"):
        return models()
    if previous == "--caps":
        return ["forget"]
    if previous == "forget":
        return models()
    if name == "llm" and previous == "--tools":
        return _with_commas(fragment, tools(magics))
    if name == "llm_config" and fragment.startswith("tools="):
        return [f"tools={names}" for names in _with_commas(fragment.removeprefix("tools="), tools(magics))]
    if previous == "--policy":
        return _policies(fragment, magics)
    if previous == "--mcp":
        return _servers()
    if previous == "--as":
        return ["markdown", "text", "code", "json"]
    if previous == "--param":
        return [f"{key}=" for key in (*REQUEST, *TIMEOUTS)]
    if fragment.startswith("-"):
        return options
    if name == "llm_config" and (values := _values(fragment)):
        return values
    if name == "llm_config":
        return [*models(), *(f"{key}=" for key in SESSION_SETTINGS if key != "model")]
    return options if not fragment else []


def _values(fragment: str) -> list[str]:
    """``KEY=VALUE`` for a setting whose values are few, or the models for ``model=``."""
    key, equals, _ = fragment.partition("=")
    if not equals:
        return []
    return [f"{key}={value}" for value in (models() if key == "model" else _VALUES.get(key, ()))]


def _with_commas(fragment: str, names: list[str]) -> list[str]:
    """The names that may follow those that are typed already."""
    named, comma, _ = fragment.rpartition(",")
    return [f"{named}{comma}{name}" for name in names if name not in named.split(",")]


def tools(magics: Any) -> list[str]:
    """The tools and toolsets that may be named."""
    from llm_magics import session

    return session.current().toolbox.names(magics.shell.user_ns)


def _policies(fragment: str, magics: Any) -> list[str]:
    """``NAME=`` of what there is to decide on; then what can be decided."""
    from llm_magics import session
    from llm_magics.toolbox import POLICIES

    done, comma, last = fragment.rpartition(",")
    tool, equals, _ = last.partition("=")
    if equals:
        return [f"{done}{comma}{tool}={policy}" for policy in POLICIES]
    listed = session.current().toolbox.listed(magics.shell.user_ns)
    return [
        f"{done}{comma}{name}="
        for name in {*(one.name for one in listed), *(one.toolset for one in listed if one.toolset)}
    ]


def _servers() -> list[str]:
    """The MCP servers that are known."""
    from llm_magics import session

    return session.current().toolbox.servers.names()


def _ballot() -> list[str]:
    """What can be voted for."""
    from llm_magics import session

    comparison = session.current().contests.last
    return comparison.ballot if comparison and comparison.blind else []


def _files(fragment: str, suffixes: tuple[str, ...]) -> list[str]:
    """The files with these endings in the folder that is being typed, and the folders in it."""
    typed, slash, _ = fragment.rpartition("/")
    try:
        found = sorted(Path(typed + slash or ".").expanduser().iterdir())
        folders = [f"{typed}{slash}{path.name}/" for path in found if not path.name.startswith(".") and path.is_dir()]
        return [f"{typed}{slash}{path.name}" for path in found if path.name.lower().endswith(suffixes)] + folders
    except (OSError, RuntimeError):  # the latter where nobody knows whose home ~ is
        return []


def set_here() -> list[str]:
    """The settings that can be taken back."""
    from llm_magics import session

    return list(session.current().configuration.typed.settings)


def models() -> list[str]:
    """The models that can be asked; none while the configuration cannot be read."""
    from llm_magics import session

    try:
        return session.current().configuration.at_hand()
    except ConfigError:
        return []
