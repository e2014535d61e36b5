"""What ``%llm_config`` does: show settings with their origins, change them, list models, keep a key, save."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llm_magics import checks, config_files, live, mcp_tools, secrets, session, widgets
from llm_magics.acting import only_for_people
from llm_magics.choices import asks_for, listings, where
from llm_magics.commands import cells, deciding, local_models, voting
from llm_magics.config import (
    MODEL_SETTINGS,
    SESSION_SETTINGS,
    Sourced,
    check_headers,
    host_of,
    names_of,
    parse_value,
    unknown_setting,
    without,
)
from llm_magics.configuration import Configuration, is_demo
from llm_magics.endpoints import providers
from llm_magics.errors import ConfigError, UnknownModel, UserMistake, cut, short
from llm_magics.key_shapes import masked, shape_in
from llm_magics.lines import LineMistake, parse, secret_on_the_line, twice, without_keys, words
from llm_magics.safe.markdown import escape
from llm_magics.secrets import KEY_HEADER, looks_like_key_name
from llm_magics.tables import page_table, plain_table
from llm_magics.toolbox import POLICIES

MAGIC = "%llm_config "
SHOW, FORGET = "show", "forget"  # what --caps does
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
SECRET_SETTINGS = ("api_key", "headers")
UNSHOWN = ("api_key", "base_url", "dotenv", "model")  # shown in rows of their own, or never


def read(parser: Any, line: str) -> tuple[Any, str]:
    """The options of a line, and its words that are none.

    Raises:
        UsageError: it cannot be read, or a key stands on it.
    """
    try:
        line, start = MAGIC + line, len(MAGIC)
        found = words(line, start)
        for word in found:
            name, equals, _ = word.text.partition("=")
            if looks_like_key_name(name) and (equals or name.startswith("-")):
                raise secret_on_the_line(name)
            if shape_in(word.text) or (name == "headers" and KEY_HEADER.search(word.text)):
                raise secret_on_the_line(name if equals else "A key")
        # All that stands behind --mcp is a command, with options of its own.
        end = next((word.end for word in found if word.text == "--mcp"), len(line))
        options, rest = parse(parser, line[:end], start)
        if end < len(line):
            options.mcp = line[end:].strip()
        return options, rest
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
        only_for_people("%llm_config")
        with here.all_or_nothing():
            done = _do(shell, here, options)
        if options.caps or options.check is not None:
            done += _about_endpoints(shell, options)
        if options.policy:
            done += deciding.decide(shell, options.policy)
        if options.tools:
            done += deciding.show_tools(shell)
        if options.mcp is not None:
            done += _mcp(shell, here, options.mcp)
        if options.arena:
            voting.show_arena(shell)
        elif not done and options.mcp is None:
            show_settings(shell, here)
        for line in done:
            live.show({"text/plain": line, "text/markdown": escape(line)}, page=live.is_page(shell))
    except UserMistake as error:
        raise cells.usage_error(error) from None


def _do(shell: Any, here: Configuration, options: Any) -> list[str]:
    names = [word for word in options.settings if "=" not in word]
    _check_lists(shell, options, names)
    _check_words(options.settings, here)
    settings = _settings([word for word in options.settings if "=" in word], options.add)
    if options.caps == FORGET:
        names = []  # the model of which it is forgotten
    elif options.caps not in (None, SHOW):
        raise LineMistake(
            f"--caps {short(options.caps)}: write --caps alone, or --caps forget, or --caps forget MODEL."
        )
    if options.add and names:
        raise LineMistake(f"unexpected word {names[0]!r}: settings of the new model are written KEY=VALUE.")
    if options.local is not None and (names or options.add):
        raise LineMistake("--local chooses the model that it adds: no other can be named beside it.")
    named = {"--file PATH": options.file, "--add NAME": options.add, "--ask-key NAME": options.ask_key}
    for option, given in {**named, "--models PATTERN": options.models}.items():
        if given == "":
            raise LineMistake(f"{option.split()[0]} needs a value: {option}.")
    if options.local == "":
        raise LineMistake("--local needs a value: --local PATH.gguf, or --local ORG/REPO.")
    if len(names) > 1:
        raise LineMistake(f"two models are named, {names[0]} and {names[1]}: choose one.")
    done: list[str] = []
    if options.reset:
        ended = f" Local models have ended: {_listed(here.served.names)}." if here.served else ""
        here.reset()
        session.current().mcp_servers.close_all()
        session.current().capabilities.forget()
        session.current().toolbox.forget()
        done.append(f"Everything set here is forgotten.{ended}")
    if options.unset:
        done.append(_unset(here, options.unset))
    if options.trust:
        path = here.trust.accept_present()
        done.append(f"Trusted as it is now: {path}" if path else "There is no project file here.")
    if options.file:
        layer = here.add_file(Path(options.file).expanduser())
        done.append(f"Read {layer.origin}: {_listed([*layer.settings, *(f'models.{name}' for name in layer.models)])}.")
    if options.add:
        done.append(_add(here, options.add, settings))
    elif settings:
        if "model" in settings:
            here.resolve(settings["model"])
        session.current().toolbox.check(names_of(settings.get("tools")), shell.user_ns)
        here.set(settings)
        done.append(f"Set {_listed(f'{key} = {_set(key, value)}' for key, value in settings.items())}.")
        done += _kept_by_models(here, settings)
    if options.local is not None:
        done += local_models.serve(shell, here, options.local)
    if names:
        done.append(_choose(here, names[0]))
    if options.ask_key:
        done.append(_ask_key(here, options.ask_key))
    if options.models:
        done.append(show_models(shell, here, options.models))
    if options.save:
        kept = " Local models are not in it: their processes end with the kernel." if here.served else ""
        done.append(f"Saved to {save(here)}, without keys.{kept}")
    return done


def _check_lists(shell: Any, options: Any, names: list[str]) -> None:
    """Complain of blanks between what is written with commas."""
    tools = next((word for word in options.settings if word.startswith("tools=")), "")
    more = names[0].strip(",") if names else ""
    if tools and more and (tools.endswith(",") or more in session.current().toolbox.names(shell.user_ns)):
        raise LineMistake(f"several tools are written without blanks: {cut(tools.rstrip(','))},{cut(more)}")
    also = next((word for word in options.settings if word.partition("=")[2] in POLICIES), "")
    if options.policy and also:
        raise LineMistake(f"several policies are written with commas: --policy {cut(options.policy[-1])},{cut(also)}")


def _check_words(given: list[str], here: Configuration) -> None:
    """Complain of words that are neither a model nor ``KEY=VALUE``, and look as if they were to be one."""
    for place, word in enumerate(given):
        if word.startswith("#"):
            raise LineMistake(f"this line takes no comments: leave out {short(' '.join(given[place:]))}.")
        if word.startswith("="):
            raise LineMistake(
                f"{short(' '.join(given[max(0, place - 1) : place + 2]))}: write KEY=VALUE without blanks."
            )
        if place and given[place - 1].startswith("system=") and "=" not in word and not _is_model(word, here):
            raise LineMistake(f'unexpected word {short(word)}: quote what has blanks, as in system="Be brief."')
        equals_follows = place + 1 < len(given) and given[place + 1].startswith("=")
        is_setting = word in MODEL_SETTINGS | SESSION_SETTINGS and word not in here.config.model_names()
        if is_setting and not equals_follows:
            raise LineMistake(f"{word} is a setting, and no model: write {word}=VALUE, without blanks.")


def _is_model(word: str, here: Configuration) -> bool:
    try:
        return bool(here.config.resolve(word))
    except UnknownModel:
        return False


def _set(key: str, value: Any) -> str:
    """A value as it was typed, so far as it is short."""
    return cut(",".join(names_of(value))) if key == "tools" and names_of(value) else short(value)


def _about_endpoints(shell: Any, options: Any) -> list[str]:
    done: list[str] = []
    if options.caps == FORGET:
        done.append(checks.forget(next((word for word in options.settings if "=" not in word), None)))
    elif options.caps:
        done += checks.caps(shell)
    return done if options.check is None else done + checks.check(shell, options.check or None)


def _mcp(shell: Any, here: Configuration, typed: str) -> list[str]:
    servers = session.current().mcp_servers
    if typed:
        tools, done = mcp_tools.take(servers, here, typed)
        _show(shell, mcp_tools.listing(tools))
        return done
    tables = mcp_tools.overview(servers, here)
    _show(shell, tables)
    return [] if tables else ["There is no MCP server. Add one with %llm_config --mcp NAME COMMAND, or a URL."]


def _settings(given: Iterable[str], adding: str | None) -> dict[str, Any]:
    known = (MODEL_SETTINGS if adding else SESSION_SETTINGS) - {"api_key"}
    typed: dict[str, str] = {}
    for word in given:
        key, _, value = word.partition("=")
        if key not in known:
            if adding and key in SESSION_SETTINGS:
                raise LineMistake(f"{key} belongs to all models, not to one: %llm_config {key}=…")
            if not adding and key in MODEL_SETTINGS:
                raise LineMistake(f"{key} belongs to one model: %llm_config --add NAME {key}=…")
            raise unknown_setting(key, known)
        if key in typed:
            raise twice(key, typed[key], value)
        typed[key] = value
    return without_keys({key: parse_value(key, value) for key, value in typed.items()})


def _kept_by_models(here: Configuration, settings: Mapping[str, Any]) -> list[str]:
    """A line for each model that was added with another value for one of these: its own holds."""
    said = []
    for name, own in here.typed.models.items():
        others = [key for key in settings if key != "model" and own.get(key, settings[key]) != settings[key]]
        if others:
            kept = _listed(f"{key} = {_set(key, own[key])}" for key in others)
            said.append(f"{name} keeps its own {kept}, until it is added again without.")
    return said


def _add(here: Configuration, name: str, settings: dict[str, Any]) -> str:
    if not re.fullmatch(r"[\w.:@-]+", name):
        raise LineMistake(f"--add {name}: a model's name has letters, digits and . _ - : @ only.")
    if is_demo(name):
        raise LineMistake(f"--add {name}: the built-in model keeps its name; take another.")
    if "base_url" not in settings:
        raise LineMistake(f"--add {name} needs the endpoint's address: base_url=http://…/v1")
    check_headers(settings.get("headers") or {})
    here.add_model(name, settings)
    here.set({"model": name})
    return f"Added {name} at {host_of(settings['base_url'])}, and chose it. Key: {here.key_state(name)}."


def _unset(here: Configuration, names: Iterable[str]) -> str:
    for name in names:
        if name not in SESSION_SETTINGS:
            raise unknown_setting(name, SESSION_SETTINGS, where="--unset: ")
        if name not in here.typed.settings:
            raise LineMistake(f"--unset {name}: it is not set here; %llm_config shows where its value comes from.")
        here.unset(name)
    return f"Took back {_listed(names)}."


def _choose(here: Configuration, name: str) -> str:
    here.resolve(name)
    here.set({"model": name})
    key = here.key_state(name)
    hint = f" Type it with %llm_config --ask-key {name.split('/')[0]}." if key.startswith("missing") else ""
    return f"Model: {name} @ {where(here, name)}. Key: {key}.{hint}"


def _ask_key(here: Configuration, name: str) -> str:
    here.resolve(name)
    if is_demo(name) or here.served.is_one(name):
        raise LineMistake(f"--ask-key {name}: this model needs no key.")
    from getpass import getpass

    try:
        typed = getpass(f"Key for {name} @ {where(here, name)} (not shown): ")
    except (EOFError, OSError, NotImplementedError):  # ipykernel's StdinNotImplementedError is one of the last
        raise ConfigError(
            "nobody can be asked for a key here: set the environment variable before the kernel starts."
        ) from None
    if not typed.strip():
        return "No key was typed; nothing has changed."
    here.keep_key(name, secrets.cleaned(typed, "the prompt"))
    return f"The key for {where(here, name)} stays in this kernel's memory, and goes nowhere else."


def save(here: Configuration) -> Path:
    """Write what was typed into a file of its own beside the user's, which is never rewritten; keys are left out."""
    import tomli_w

    path = config_files.config_folder() / "saved.toml"
    known = config_files.read_layer(path, "user file") if os.path.isfile(path) else None  # noqa: PTH113 - never raises
    typed = here.typed.settings
    if here.served.is_one(typed.get("model")):
        typed = without(typed, "model")  # the next kernel does not have it
    settings = {**(known.settings if known else {}), **typed}
    settings = {key: value for key, value in settings.items() if value is not None}  # TOML has no null
    models = {**(known.models if known else {}), **here.typed.models}
    data = {**settings, "models": {name: without(model, *SECRET_SETTINGS) for name, model in models.items()}}
    text = "# Written by %llm_config --save. Your own settings belong into config.toml, which is never rewritten.\n"
    try:
        config_files.write_private(path, text + tomli_w.dumps(data if models else settings))
    except OSError as error:
        move = "set LLM_MAGICS_DIR to a folder that can be written"
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); {move}.") from None
    except (TypeError, UnicodeEncodeError) as error:
        raise ConfigError(f"{path}: cannot be written, as TOML has no such value ({error}).") from None
    return path


# ---------------------------------------------------------------- showing


def show_settings(shell: Any, here: Configuration) -> None:
    """What is set, as a table; above it, where widgets live, the selector, whose changes the table shows as well."""
    bundle = _bundle(_settings_now(here))
    if not live.is_page(shell) or not widgets.available():
        live.show(bundle, page=live.is_page(shell))
        return
    from llm_magics.widgets.selector import Selector

    current = session.current()
    current.close_selector()
    board = live.Board(page=True)

    def paint() -> None:
        bundle = _bundle(_settings_now(here))
        board.show(bundle["text/markdown"], bundle["text/plain"].splitlines())

    selector = Selector(current, lambda: paint() if board.used else None)
    take_off = live.show_widget(selector.widget.model_id)
    paint()

    def close() -> None:
        selector.close()
        take_off()

    current.close_selector = close


def _settings_now(here: Configuration) -> list[Table]:
    """The current model, what it is asked with and where each value came from, and the models at hand."""
    with here.steady():
        return _tables(here)


def _tables(here: Configuration) -> list[Table]:
    name, origin = here.model()
    found = here.resolve(name)
    rows: list[tuple[str, ...]] = [
        ("model", name, origin),
        ("endpoint", where(here, name), found["base_url"].origin if "base_url" in found else ""),
        ("key", here.key_state(name), ""),
    ]
    if "model" in found:
        rows.append(("asks for", found["model"].value, found["model"].origin))
    rows += [(key, _shown(key, value), value.origin) for key, value in sorted(found.items()) if key not in UNSHOWN]
    if (dotenv := here.config.setting("dotenv")) is not None:
        rows.append(("dotenv", str(dotenv.value), dotenv.origin))
    at_hand = [_row(here, other) for other in here.at_hand()]
    return [(("setting", "value", "from"), rows), (("model at hand", "asks for", "at", "key"), at_hand)]


def show_models(shell: Any, here: Configuration, pattern: str) -> str:
    """Models by pattern: those at hand, and those their endpoints list; local servers are looked for.

    Returns a line on what to do with them.
    """
    running = here.find_local_servers()
    listed = listings(here, running)
    rows: list[tuple[str, ...]] = []
    for name in here.at_hand():
        rows.append(_row(here, name))
        rows += [(f"{name}/{other}", other, where(here, name), "") for other in listed.get(name) or []]
    wanted = pattern if any(char in pattern for char in "*?[") else f"*{pattern}*"
    found = [row for row in rows if fnmatch.fnmatch(row[0].lower(), wanted.lower())]
    absent: list[tuple[str, ...]] = [
        (s.name, f"start it with: {s.start}") for s in providers.local_servers() if s.name not in running
    ]
    tables: list[Table] = [(("model", "asks for", "at", "key"), list(dict.fromkeys(found)))]
    if pattern == "*":
        absent.append(("a file", "without a server: %llm_config --local PATH.gguf, or --local ORG/REPO"))
        tables.append((("local server not running", "how to start it"), absent))
    if not found:
        return f"No model matches {short(pattern)}: see all with %llm_config --models"
    _show(shell, tables)
    silent = [name for name, models in listed.items() if models is None]
    why = f"{_listed(silent)} did not say what it has: %llm_config --check {silent[0]}. " if silent else ""
    return f"{why}Choose one with %llm_config NAME, for example %llm_config {found[-1][0]}"


def _row(here: Configuration, name: str) -> tuple[str, ...]:
    return name, asks_for(here, name), where(here, name), here.key_state(name)


def _show(shell: Any, tables: list[Table]) -> None:
    if tables:
        live.show(_bundle(tables), page=live.is_page(shell))


def _bundle(tables: list[Table]) -> dict[str, str]:
    # A file's author may have taken the one field for the other.
    tables = [(head, [tuple(masked(cell) for cell in row) for row in rows]) for head, rows in tables]
    plain = "\n\n".join(plain_table(head, rows) for head, rows in tables)
    page = "\n\n".join(page_table(head, rows) for head, rows in tables)
    return {"text/plain": plain, "text/markdown": page}


def _shown(key: str, found: Sourced) -> str:
    if key == "headers":
        return ", ".join(f"{name}: ***" for name in found.value)
    if key in ("model", "system") and len(found.value) <= 200:
        return str(found.value)
    if key == "tools" and (names := ", ".join(names_of(found.value))):
        return cut(names, 200)
    return secrets.redactor_of(secrets.written_in({key: found.value})).text(short(found.value, 200))


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items) or "nothing"
