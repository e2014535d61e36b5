"""What ``%llm_config`` does: show settings with their origins, change them, list models, keep a key, save."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llm_magics import cells, config_files, live, providers, secrets, session
from llm_magics.config import MODEL_SETTINGS, SESSION_SETTINGS, Sourced, host_of, parse_value, unknown_setting, without
from llm_magics.configuration import Configuration, is_demo
from llm_magics.errors import ConfigError, UserMistake, short
from llm_magics.lines import LineMistake, parse, secret_on_the_line, words
from llm_magics.safe_markdown import escape
from llm_magics.secrets import looks_like_key_name

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
SECRET_SETTINGS = ("api_key", "headers")
UNSHOWN = ("api_key", "base_url", "dotenv", "model")  # shown in rows of their own, or never


def read(parser: Any, line: str) -> tuple[Any, str]:
    """The options of a line, and its words that are none.

    Raises:
        UsageError: it cannot be read, or a key stands on it.
    """
    try:
        for word in words(line):
            name, equals, _ = word.text.partition("=")
            if looks_like_key_name(name) and (equals or name.startswith("-")):
                raise secret_on_the_line(name)
        return parse(parser, line)
    except UserMistake as error:
        raise cells.usage_error(error) from None


def run(shell: Any, given: tuple[Any, str]) -> None:
    """Do what the line says; whatever it cannot do leaves everything as it was.

    Raises:
        UsageError: it says something that cannot be done.
    """
    options, _ = given
    here = session.current().configuration
    try:
        done = _do(shell, here, options)
        if not done:
            show_settings(shell, here)
        for line in done:
            live.show({"text/plain": line, "text/markdown": escape(line)}, page=cells.is_page(shell))
    except UserMistake as error:
        raise cells.usage_error(error) from None


def _do(shell: Any, here: Configuration, options: Any) -> list[str]:
    names = [word for word in options.settings if "=" not in word]
    settings = _settings([word for word in options.settings if "=" in word], options.add)
    if options.add and names:
        raise LineMistake(f"unexpected word {names[0]!r}: settings of the new model are written KEY=VALUE.")
    if len(names) > 1:
        raise LineMistake(f"two models are named, {names[0]} and {names[1]}: choose one.")
    done: list[str] = []
    if options.reset:
        here.reset()
        done.append("Everything set here is forgotten.")
    if options.trust:
        path = here.trust_project()
        done.append(f"Trusted in this kernel, as it is now: {path}" if path else "There is no project file here.")
    if options.file:
        layer = here.add_file(Path(options.file).expanduser())
        done.append(f"Read {layer.origin}: {_listed([*layer.settings, *(f'models.{name}' for name in layer.models)])}.")
    if options.add:
        done.append(_add(here, options.add, settings))
    elif settings:
        here.set(settings)
        done.append(f"Set {_listed(f'{key} = {short(value)}' for key, value in settings.items())}.")
    if names:
        done.append(_choose(here, names[0]))
    if options.ask_key:
        done.append(_ask_key(here, options.ask_key))
    if options.models:
        done.append(show_models(shell, here, options.models))
    if options.save:
        done.append(f"Saved to {save(here)}, without keys.")
    return done


def _settings(given: Iterable[str], adding: str | None) -> dict[str, Any]:
    known = (MODEL_SETTINGS if adding else SESSION_SETTINGS) - {"api_key"}
    settings: dict[str, Any] = {}
    for word in given:
        key, _, value = word.partition("=")
        if key not in known:
            if not adding and key in MODEL_SETTINGS:
                raise LineMistake(f"{key} belongs to one model: %llm_config --add NAME {key}=…")
            raise unknown_setting(key, known)
        if key in settings:
            raise LineMistake(f"{key} is given twice.")
        settings[key] = parse_value(key, value)
    return settings


def _add(here: Configuration, name: str, settings: dict[str, Any]) -> str:
    if not re.fullmatch(r"[\w.:@-]+", name):
        raise LineMistake(f"--add {name}: a model's name has letters, digits and . _ - : @ only.")
    if "base_url" not in settings:
        raise LineMistake(f"--add {name} needs the endpoint's address: base_url=http://…/v1")
    here.add_model(name, settings)
    here.set({"model": name})
    return f"Added {name} at {host_of(settings['base_url'])}, and chose it. Key: {here.key_state(name)}."


def _choose(here: Configuration, name: str) -> str:
    here.resolve(name)
    here.set({"model": name})
    key = here.key_state(name)
    hint = f" Type it with %llm_config --ask-key {name.split('/')[0]}." if key.startswith("missing") else ""
    return f"Model: {name} @ {_where(here, name)}. Key: {key}.{hint}"


def _ask_key(here: Configuration, name: str) -> str:
    here.resolve(name)
    from getpass import getpass

    try:
        typed = getpass(f"Key for {name} @ {_where(here, name)} (not shown): ")
    except (EOFError, OSError, NotImplementedError):  # ipykernel's StdinNotImplementedError is one of the last
        raise ConfigError(
            "nobody can be asked for a key here: set the environment variable before the kernel starts."
        ) from None
    if not typed.strip():
        return "No key was typed; nothing has changed."
    here.keep_key(name, secrets.cleaned(typed, "the prompt"))
    return f"The key for {_where(here, name)} stays in this kernel's memory, and goes nowhere else."


def save(here: Configuration) -> Path:
    """Write what was typed into a file of its own beside the user's, which is never rewritten; keys are left out."""
    import tomli_w

    path = config_files.config_folder() / "saved.toml"
    known = config_files.read_layer(path, "user file") if path.is_file() else None
    settings = {**(known.settings if known else {}), **here.typed.settings}
    models = {**(known.models if known else {}), **here.typed.models}
    data = {**settings, "models": {name: without(model, *SECRET_SETTINGS) for name, model in models.items()}}
    text = "# Written by %llm_config --save. Your own settings belong into config.toml, which is never rewritten.\n"
    config_files.write_private(path, text + tomli_w.dumps(data if models else settings))
    return path


# ---------------------------------------------------------------- showing


def show_settings(shell: Any, here: Configuration) -> None:
    """The current model, what it is asked with and where each value came from, and the models at hand."""
    name, origin = here.model()
    found = here.resolve(name)
    rows: list[tuple[str, ...]] = [
        ("model", name, origin),
        ("endpoint", _where(here, name), found["base_url"].origin if "base_url" in found else ""),
        ("key", here.key_state(name), ""),
    ]
    if "model" in found:
        rows.append(("asks for", found["model"].value, found["model"].origin))
    rows += [(key, _shown(key, value), value.origin) for key, value in sorted(found.items()) if key not in UNSHOWN]
    if (dotenv := here.config.setting("dotenv")) is not None:
        rows.append(("dotenv", str(dotenv.value), dotenv.origin))
    at_hand = [_row(here, other) for other in here.at_hand()]
    _show(shell, [(("setting", "value", "from"), rows), (("model at hand", "asks for", "at", "key"), at_hand)])


def show_models(shell: Any, here: Configuration, pattern: str) -> str:
    """Models by pattern: those at hand, and those their endpoints list; local servers are looked for.

    Returns a line on what to do with them.
    """
    running = here.find_local_servers()
    rows: list[tuple[str, ...]] = []
    for name in here.at_hand():
        rows.append(_row(here, name))
        listed = running.get(name) if name in running else _listing(here, name)
        rows += [(f"{name}/{other}", other, _where(here, name), "") for other in listed or []]
    wanted = pattern if any(char in pattern for char in "*?[") else f"*{pattern}*"
    found = [row for row in rows if fnmatch.fnmatch(row[0].lower(), wanted.lower())]
    absent: list[tuple[str, ...]] = [
        (s.name, f"start it with: {s.start}") for s in providers.local_servers() if s.name not in running
    ]
    tables: list[Table] = [(("model", "asks for", "at", "key"), list(dict.fromkeys(found)))]
    if pattern == "*":
        tables.append((("local server not running", "how to start it"), absent))
    if not found:
        return f"No model matches {short(pattern)}: see all with %llm_config --models"
    _show(shell, tables)
    return f"Choose one with %llm_config NAME, for example %llm_config {found[-1][0]}"


def _listing(here: Configuration, name: str) -> list[str] | None:
    if is_demo(name) or here.key_state(name).startswith("missing"):
        return None
    try:
        connection = here.connection(name)
    except ConfigError:
        return None
    return providers.list_models(connection.base_url, key=connection.api_key)


def _row(here: Configuration, name: str) -> tuple[str, ...]:
    return name, _server_model(here, name), _where(here, name), here.key_state(name)


def _show(shell: Any, tables: list[Table]) -> None:
    plain = "\n\n".join(_plain_table(head, rows) for head, rows in tables)
    page = "\n\n".join(_page_table(head, rows) for head, rows in tables)
    live.show({"text/plain": plain, "text/markdown": page}, page=cells.is_page(shell))


def _plain_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _page_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(escape(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(key: str, found: Sourced) -> str:
    if key == "headers":
        return ", ".join(f"{name}: ***" for name in found.value)
    return found.value if key in ("model", "system") and len(found.value) <= 200 else short(found.value, 200)


def _server_model(here: Configuration, name: str) -> str:
    found = here.resolve(name)
    return str(found["model"].value) if "model" in found else name


def _where(here: Configuration, name: str) -> str:
    return "this machine (built in)" if is_demo(name) else host_of(here.base_url(name))


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items) or "nothing"
