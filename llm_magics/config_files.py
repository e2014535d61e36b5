"""Configuration files: where they lie, how TOML, YAML and JSON are read, and complaints with file, line and column."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from llm_magics.config import MODEL_SETTINGS, SESSION_SETTINGS, Layer, check_settings, short
from llm_magics.errors import ConfigError

MAX_BYTES = 1_000_000  # a configuration larger than this is something else
PROJECT_FILE = "llm_magics.toml"
SUFFIXES = (".toml", ".yaml", ".yml", ".json")


def config_folder() -> Path:
    """The user's configuration folder: the platform's, or ``LLM_MAGICS_DIR``."""
    import platformdirs

    return Path(os.environ.get("LLM_MAGICS_DIR") or platformdirs.user_config_dir("llm_magics", appauthor=False))


def user_files() -> list[Path]:
    """The user's own file, and what ``%llm_config --save`` wrote beside it; those that exist."""
    folder = config_folder()
    return [path for name in ("config", "saved") for path in (folder / f"{name}{s}" for s in SUFFIXES) if path.is_file()]


def project_file(start: Path) -> Path | None:
    """``llm_magics.toml``, or a ``pyproject.toml`` with ``[tool.llm_magics]``, in ``start`` or the nearest folder above."""
    for folder in [start, *start.parents]:
        if (own := folder / PROJECT_FILE).is_file():
            return own
        shared = folder / "pyproject.toml"
        if shared.is_file() and re.search(rb"^\s*\[\s*tool\s*\.\s*llm_magics\b", _bytes(shared), re.M):
            return shared
    return None


def read_layer(path: Path, kind: str, *, trusted: bool = True) -> Layer:
    """A file as a layer; ``kind`` (``user file`` …) becomes part of its origin.

    Raises:
        ConfigError: the file cannot be read or parsed, or holds a name or value that no setting has; with file and line.
    """
    text = _text(path)
    data = _parse(path, text)
    if path.name == "pyproject.toml":
        data = data.get("tool", {}).get("llm_magics", {})
    where = _locator(path, text)
    models = data.pop("models", {})
    if not isinstance(models, Mapping):
        raise ConfigError(f"{where('models')}models: expected a table of models, got {type(models).__name__}.")
    check_settings(data, SESSION_SETTINGS, where=where)
    for name, settings in models.items():
        if not isinstance(settings, Mapping):
            raise ConfigError(f"{where(name)}models.{name}: expected a table, got {type(settings).__name__}.")
        check_settings(settings, MODEL_SETTINGS, where=lambda key, name=name: f"{where(key)}models.{name}: ")
    return Layer(origin=f"{kind} {path}", settings=data, models=models, trusted=trusted)


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
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None


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
        raise ConfigError(f"{path}:1:1: expected a table of settings, got {type(data).__name__}.")
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


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _syntax(path, text, error.lineno, error.colno, error.msg) from None
    except ValueError as error:
        where = _locator(path, text)
        raise ConfigError(f"{where(str(error).split(chr(39))[1])}{error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply.") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' stands there twice.")
        found[key] = value
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"'{word}' is no JSON value.")


def _yaml(path: Path, text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain values only; a key may stand once, and nothing may refer to something else (no alias bombs)."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark
                raise yaml.MarkedYAMLError(problem="aliases are not read here; write the value out", problem_mark=mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = getattr(key_node, "value", None)
                if isinstance(key, str) and key in seen:
                    problem = f"the key {key!r} stands there twice"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
                if isinstance(key, str):
                    seen.add(key)
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506 - Loader is a SafeLoader that allows less
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _syntax(path, text, line, column, error.problem or "not YAML") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply.") from None


def _syntax(path: Path, text: str, line: int, column: int, reason: str) -> ConfigError:
    lines = text.splitlines()
    shown = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    # A line that may hold a key is not repeated.
    shown = "" if re.search(r"key|token|secret|authorization", shown, re.I) else shown
    return ConfigError(f"{path}:{line}:{column}: {reason}" + (f" in {short(shown)}" if shown else "") + ".")


def _locator(path: Path, text: str) -> Callable[[str], str]:
    """A function that finds the line a key stands in, for the head of a complaint."""
    lines = text.splitlines()

    def where(key: str) -> str:
        pattern = re.compile(rf"""^[\s{{,\[\-]*(?:[\w\-."']+\.)?["']?{re.escape(key)}["']?\s*[=:\]]|["']{re.escape(key)}["']\s*:""")
        for place, line in enumerate(lines, 1):
            if pattern.search(line):
                return f"{path}:{place}: "
        return f"{path}: "

    return where
