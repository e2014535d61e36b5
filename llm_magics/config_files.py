"""Configuration files: where they lie, how TOML, YAML and JSON are read, and complaints with file, line and column."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from llm_magics.config import MODEL_SETTINGS, SESSION_SETTINGS, Layer, check_settings
from llm_magics.errors import ConfigError, short

MAX_BYTES = 1_000_000  # a configuration larger than this is something else
PROJECT_FILE = "llm_magics.toml"
SUFFIXES = (".toml", ".yaml", ".yml", ".json")


def config_folder() -> Path:
    """The user's configuration folder: the platform's, or ``LLM_MAGICS_DIR``."""
    import platformdirs

    return Path(os.environ.get("LLM_MAGICS_DIR") or platformdirs.user_config_dir("llm_magics", appauthor=False))


def user_files() -> list[Path]:
    """The user's own file, and what ``%llm_config --save`` wrote beside it; those that exist.

    Raises:
        ConfigError: one of them is a link that leads nowhere.
    """
    folder = config_folder()
    there = [path for name in ("config", "saved") for s in SUFFIXES if os.path.lexists(path := folder / f"{name}{s}")]
    for path in there:
        if not path.exists():
            raise ConfigError(f"{path}: is a link to a file that is not there.")
    return there


def project_file(start: Path) -> Path | None:
    """``llm_magics.toml``, or a ``pyproject.toml`` with ``[tool.llm_magics]``, here or in the nearest folder above."""
    for folder in [start, *start.parents]:
        if os.path.isfile(own := folder / PROJECT_FILE):  # noqa: PTH113 - Path.is_file raises for what it may not see
            return own
        if _mentions_us(shared := folder / "pyproject.toml"):
            return shared
    return None


def _mentions_us(path: Path) -> bool:
    """Whether a file that belongs to others has a section for us; whatever else is wrong with it is not our matter."""
    if not os.path.isfile(path):  # noqa: PTH113 - as above
        return False
    try:
        return bool(re.search(rb"^\s*\[\s*tool\s*\.\s*llm_magics\b", _bytes(path), re.M))
    except ConfigError:
        return False


def read_layer(path: Path, kind: str, *, trusted: bool = True) -> Layer:
    """A file as a layer; ``kind`` (``user file`` …) becomes part of its origin.

    Raises:
        ConfigError: it cannot be read or parsed, or holds a name or value that no setting has; with file and line.
    """
    text = _text(path)
    data = _parse(path, text)
    within: tuple[str, ...] = ()
    if path.name == "pyproject.toml":
        within, data = ("tool.llm_magics",), _section(data)
    where = _locator(path, text)
    models = data.pop("models", {})
    if not isinstance(models, Mapping):
        raise ConfigError(f"{where(*within, 'models')}models: expected a table of models, got {_kind(models)}.")
    check_settings(data, SESSION_SETTINGS, where=functools.partial(where, *within))
    for name, settings in models.items():
        if not isinstance(name, str):
            raise ConfigError(f"{where(*within, str(name))}models: a model's name is text, got {short(name)}.")
        if not isinstance(settings, Mapping):
            raise ConfigError(f"{where(*within, name)}models.{name}: expected a table, got {_kind(settings)}.")
        check_settings(settings, MODEL_SETTINGS, where=functools.partial(_model_place, where, (*within, name)))
        if settings.get("api_key"):
            _check_private(path)
    return Layer(origin=f"{kind} {path}", settings=data, models=models, trusted=trusted)


def _model_place(where: Callable[..., str], names: tuple[str, ...], key: str) -> str:
    return f"{where(*names, key)}models.{names[-1]}: "


def _section(data: Mapping[str, Any]) -> dict[str, Any]:
    tool = data.get("tool")
    ours = tool.get("llm_magics") if isinstance(tool, Mapping) else None
    return dict(ours) if isinstance(ours, Mapping) else {}


def _kind(value: Any) -> str:
    """The type of a value, in words of people who write files."""
    words = {"str": "text", "int": "a number", "float": "a number", "bool": "true or false", "list": "a list"}
    return words.get(type(value).__name__, "nothing" if value is None else type(value).__name__)


def _check_private(path: Path) -> None:
    """A key in a file that others can read is not a key any more; Windows has no such bits."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path}: holds a key and can be read by others: chmod 600 {path}, or use api_key_env.")


def fingerprint(path: Path) -> str:
    """What is remembered of a project file someone trusts: its place and its content."""
    return hashlib.sha256(str(path.resolve()).encode() + b"\0" + _bytes(path)).hexdigest()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(f"{path}: {size:,} bytes is too large for a configuration file.")
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file.") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; name the file in it.") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from None


def _text(path: Path) -> str:
    raw = _bytes(path)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path}: is UTF-16; save it as UTF-8.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}).") from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    parsers = {".toml": _toml, ".json": _json, ".yaml": _yaml, ".yml": _yaml}
    parser = parsers.get(path.suffix.lower())
    if parser is None:
        raise ConfigError(f"{path}: its name must end in {', '.join(SUFFIXES)}.")
    data = parser(path, text)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}:1:1: expected a table of settings, got {_kind(data)}.")
    if bad := [key for key in data if not isinstance(key, str)]:
        raise ConfigError(f"{path}: setting names are text, got {short(bad[0])}.")
    return data


def _toml(path: Path, text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = (int(place[1]), int(place[2])) if place else (text.count("\n") + 1, 1)
        reason = re.sub(r" \(at .*\)$", "", str(error))
        raise _syntax(path, text, line, column, reason) from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply.") from None
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"{path}: {error}") from None


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise _syntax(path, text, error.lineno, error.colno, error.msg) from None
    except _Misplaced as error:
        lines = [str(text.count("\n", 0, found.start()) + 1) for found in re.finditer(error.pattern, text)]
        raise ConfigError(f"{path}:{lines[-1] if lines else 1}: {error} (lines {', '.join(lines)}).") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply.") from None
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"{path}: {error}") from None


class _Misplaced(ValueError):
    """Something that is JSON to Python's reader and not to us; ``pattern`` finds it in the text."""

    def __init__(self, message: str, pattern: str) -> None:
        super().__init__(message)
        self.pattern = pattern


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Misplaced(f"the key {short(key)} stands twice in one table", re.escape(json.dumps(key)) + r"\s*:")
        found[key] = value
    return found


def _no_constant(word: str) -> Any:
    raise _Misplaced(f"{word} is no JSON value", rf"(?<![\w\"]){re.escape(word)}\b")


def _yaml(path: Path, text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain values only; a key may stand once, and nothing may refer to something else (no alias bombs)."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.MarkedYAMLError(problem="aliases are not read here; write the value out", problem_mark=mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: dict[str, int] = {}
            for key_node, _ in node.value:
                key, line = getattr(key_node, "value", None), key_node.start_mark.line + 1
                if isinstance(key, str) and key in seen:
                    problem = f"the key {short(key)} stands twice in one table (first in line {seen[key]})"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
                if isinstance(key, str):
                    seen[key] = line
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506 - Loader is a SafeLoader that allows less
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _syntax(path, text, line, column, error.problem or "not YAML") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # also a date or a number that there is not
        raise ConfigError(f"{path}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply.") from None


def _syntax(path: Path, text: str, line: int, column: int, reason: str) -> ConfigError:
    lines = text.splitlines()
    shown = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    # A line that may hold a key is not repeated.
    shown = "" if re.search(r"key|token|secret|authorization|sk-", shown, re.I) else shown
    return ConfigError(f"{path}:{line}:{column}: {reason}" + (f" in {short(shown)}" if shown else "") + ".")


def _locator(path: Path, text: str) -> Callable[..., str]:
    """A function that finds the line of a key, for the head of a complaint: each name is looked for behind the last."""
    lines = text.splitlines()

    def where(*names: str) -> str:
        found = 0
        for name in names:
            key = rf"""["']?{re.escape(name)}["']?"""
            pattern = re.compile(rf"""^[\s{{,\[\-]*(?:[\w\-."']+\.)?{key}\s*[=:\].]|["']{re.escape(name)}["']\s*[:=]""")
            found = next((place for place in range(found, len(lines)) if pattern.search(lines[place])), found)
        line = f":{found + 1}" if lines and names and names[-1] in lines[found] else ""
        return f"{path}{line}: "

    return where
