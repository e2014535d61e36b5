"""Configuration files: where they lie, how TOML, YAML and JSON are read, and complaints with file, line and column."""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llm_magics.config import MODEL_SETTINGS, SESSION_SETTINGS, Layer, check_headers, check_server, check_settings
from llm_magics.errors import ConfigError, cut, short
from llm_magics.secrets import KEY_HEADER, Secret, written_in

MAX_BYTES = 1_000_000  # a configuration larger than this is something else
PROJECT_FILE = "llm_magics.toml"
SUFFIXES = (".toml", ".yaml", ".yml", ".json")


def config_folder() -> Path:
    """The user's configuration folder: the platform's, or ``LLM_MAGICS_DIR``.

    Someone without a home, as in a container, has a folder where nothing can be: one named ``~`` in the current folder
    would be anybody's.
    """
    named = os.environ.get("LLM_MAGICS_DIR") or _platforms_folder()
    folder = Path(os.path.expanduser(named))  # noqa: PTH111 - Path.expanduser raises where there is no home
    return Path(os.devnull) / "llm_magics" if folder.parts[:1] == ("~",) else folder


def _platforms_folder() -> str:
    import platformdirs

    try:
        return platformdirs.user_config_dir("llm_magics", appauthor=False)
    except RuntimeError:  # someone without a home; its elders leave the tilde as it is
        return "~"


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
    models, servers = data.pop("models", {}), data.pop("mcp", {})
    if not isinstance(models, Mapping):
        raise ConfigError(f"{where(*within, 'models')}models: expected a table of models, got {_kind(models)}.")
    check_settings(data, SESSION_SETTINGS, where=functools.partial(where, *within))
    for name, settings in models.items():
        if not isinstance(name, str):
            raise ConfigError(f"{where(*within, str(name))}models: a model's name is text, got {short(name)}.")
        if not isinstance(settings, Mapping):
            raise ConfigError(f"{where(*within, name)}models.{name}: expected a table, got {_kind(settings)}.")
        check_settings(settings, MODEL_SETTINGS, where=functools.partial(_model_place, where, (*within, name)))
        place = functools.partial(_model_place, where, (*within, name), "headers")
        check_headers(settings.get("headers") or {}, where=place)
    _check_servers(servers, where, within)
    if any(written_in([data, models, servers])) or any(_keys_for(servers)):
        _check_private(path)
    models = {name: _kept(settings) for name, settings in models.items()}
    servers = {name: _kept(settings) for name, settings in servers.items()}
    return Layer(origin=f"{kind} {path}", settings=data, models=models, servers=servers, trusted=trusted)


def _check_servers(servers: Any, where: Callable[..., str], within: tuple[str, ...]) -> None:
    if not isinstance(servers, Mapping):
        raise ConfigError(f"{where(*within, 'mcp')}mcp: expected a table of MCP servers, got {_kind(servers)}.")
    for name, settings in servers.items():
        if not isinstance(name, str):
            raise ConfigError(f"{where(*within, 'mcp')}mcp: a server's name is text, got {short(name)}.")
        if not isinstance(settings, Mapping):
            raise ConfigError(f"{where(*within, name)}mcp.{name}: expected a table, got {_kind(settings)}.")
        check_server(name, settings, where=functools.partial(_server_place, where, (*within, name)))


def _server_place(where: Callable[..., str], names: tuple[str, ...], key: str) -> str:
    return f"{where(*names, key) if key else where(*names)}mcp.{cut(names[-1], 40)}: "


def _keys_for(servers: Mapping[str, Any]) -> Iterator[str]:
    """The environment variables of MCP servers that hold keys, as their names tell."""
    for settings in servers.values():
        yield from (name for name, value in (settings.get("env") or {}).items() if value and KEY_HEADER.search(name))


def _kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A model's or a server's settings, with all that may be a key as a `Secret` from here on."""
    kept = dict(settings)
    if isinstance(key := kept.get("api_key"), str):
        kept["api_key"] = Secret(key)
    if isinstance(headers := kept.get("headers"), Mapping):
        kept["headers"] = {header: Secret(value) for header, value in headers.items()}
    if isinstance(env := kept.get("env"), Mapping):
        kept["env"] = {name: Secret(value) for name, value in env.items()}
    return kept


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
        raise ConfigError(
            f"{path}: holds a key and can be read by others: chmod 600 {shlex.quote(str(path))}, or use api_key_env."
        )


def fingerprint(path: Path) -> str:
    """What is remembered of a project file someone trusts: its place and its content."""
    return hashlib.sha256(str(path.resolve()).encode() + b"\0" + _bytes(path)).hexdigest()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    data = text.encode()
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    draft.replace(path)


def open_ordinary(path: Path, flags: int = os.O_RDONLY) -> int:
    """A handle of one of our own files, which is made where ``flags`` say so; what was planted there is not opened.

    Raises:
        OSError: it cannot be opened; also for a link, and for a pipe, which would be waited for.
    """
    handle = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o600)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no ordinary file")
    return handle


def _bytes(path: Path) -> bytes:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise ConfigError(f"{path}: is a folder; name the file in it.")
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for, a device read without end
            raise ConfigError(f"{path}: is no ordinary file.")
        if found.st_size > MAX_BYTES:
            raise ConfigError(
                f"{path}: {found.st_size:,} bytes is too large for a configuration file; {MAX_BYTES:,} is the most."
            )
        return path.read_bytes()
    except ConfigError:
        raise
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file.") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from None


def _text(path: Path) -> str:
    raw = _bytes(path)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path}: is UTF-16; save it as UTF-8.")
    if b"\0" in raw:
        raise ConfigError(f"{path}: is no text (byte {raw.index(bytes(1))} is 0); save it as UTF-8.")
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
        last = text.rstrip().rpartition("\n")[2]
        end = text.rstrip().count("\n") + 1, len(last) + 1
        line, column = (int(place[1]), int(place[2])) if place else end
        reason = re.sub(r" \(at .*\)$", "", str(error))
        raise _syntax(path, text, line, column, _TOML_REASONS.get(reason, reason[:1].lower() + reason[1:])) from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply.") from None
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"{path}: {error}") from None


_TOML_REASONS = {
    "Cannot overwrite a value": "this key stands twice in one table",
    r"Illegal character '\n'": "the text in this line is never closed",
}


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise _syntax(path, text, *_json_reason(text, error)) from None
    except _Misplaced as error:
        places = [found.start() for found in re.finditer(error.pattern, text)]
        last = places[-1] if places else 0
        line, first = text.count("\n", 0, last) + 1, text.count("\n", 0, places[0] if places else 0) + 1
        also = f" (first in line {first})" if len(places) > 1 else ""
        raise _syntax(path, text, line, last - text.rfind("\n", 0, last), f"{error}{also}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply.") from None
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"{path}: {error}") from None


def _json_reason(text: str, error: json.JSONDecodeError) -> tuple[int, int, str]:
    """Line, column and reason: what people write that is nearly JSON is called by its name."""
    line, column, behind, before = error.lineno, error.colno, text[error.pos :], text[: error.pos].rstrip()
    if behind.startswith(("//", "/*", "#")):
        return line, column, "JSON has no comments"
    if behind.startswith("'"):
        return line, column, "JSON takes double quotes"
    comma = error.pos if behind.startswith(",") else len(before) - 1  # Python 3.13 points at it, its elders behind it
    if text[comma : comma + 1] == "," and text[comma + 1 :].lstrip()[:1] in ("}", "]", ""):
        line, column = text.count("\n", 0, comma) + 1, comma - text.rfind("\n", 0, comma)
        return line, column, "JSON has no comma behind the last item"
    return line, column, error.msg[:1].lower() + error.msg[1:]


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
        mark, reason = error.problem_mark or error.context_mark, error.problem or "not YAML"
        if mark and error.context_mark and mark.index >= len(text.rstrip()):  # what is never closed began elsewhere
            mark, reason = error.context_mark, f"{reason} {error.context or ''}".strip()
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _syntax(path, text, line, column, _yaml_reason(reason)) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # also a date or a number that there is not
        raise ConfigError(f"{path}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply.") from None


def _yaml_reason(reason: str) -> str:
    if r"'\t'" in reason:
        return "a tab cannot indent YAML; use blanks"
    if tag := re.search(r"constructor for the tag '(.+)'$", reason):
        return f"the tag {cut(tag[1].replace('tag:yaml.org,2002:', '!!'))} is not read here; write a plain value"
    return reason


def _syntax(path: Path, text: str, line: int, column: int, reason: str) -> ConfigError:
    """A complaint with its place, and below it the line with a caret, unless a key may stand there."""
    lines = text.splitlines()
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    start = max(0, column - 60)
    part = "".join(char if char.isprintable() else " " for char in shown[start : start + 80])
    around = "\n".join(lines[max(0, line - 4) : line])  # a value may stand some lines below its name
    if _SECRET.search(around) or _LIKE_A_KEY.search(part) or not part.strip():
        return ConfigError(f"{path}:{line}:{column}: {reason}.")
    indent = len(part) - len(part.lstrip())
    caret = " " * max(0, column - 1 - start - indent) + "^"
    return ConfigError(f"{path}:{line}:{column}: {reason}.", excerpt=f"    {part.strip()}\n    {caret}")


_SECRET = re.compile(r"key|token|secret|password|authorization|bearer|\bsk-", re.I)
_LIKE_A_KEY = re.compile(r"(?=\S*\d)[\w+/=-]{20,}")


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
