"""Settings made in any order and by any means: whoever is asked says the same, and that is what is sent."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from far_end import FarEnd
from hypothesis import given, settings
from hypothesis import strategies as st
from shells import Shell

from llm_magics import get_session
from llm_magics.errors import UnknownModel
from llm_magics.magic_lines import magic_lines

pytest.importorskip("ipywidgets")

# Of each setting values that it can have and, at the end, one that it cannot.
VALUES: dict[str, tuple[Any, ...]] = {
    "model": ("far", "far/large", "demo", "own", "nosuch"),
    "system": ("Be brief.", "Sag „Ünïc😀\" und 'ja'?", "", "{{ x }} $x", 7),
    "temperature": (0, 0.2, 2, 2.1),
    "top_p": (0.3, 1, 1.1),
    "max_tokens": (1, 70, 2**31 - 1, 2**31),
    "timeout": (5, 7.5, 0),
    "max_retries": (0, 7, 101),
    "stream": (True, False, "perhaps"),
    "images": ("block", "ask", ["a.example", "*.b.example"], ["no/host"]),
    "seed": (1, 2),
    "stop": (["a", "b"], "x y"),
}
SENT = ("temperature", "top_p", "max_tokens", "seed", "stop")
OWN = {"temperature": 0.1, "seed": 9}  # what the model `own` has of its own

SET = st.sampled_from([(key, value) for key, values in VALUES.items() for value in values])
STEPS = st.lists(
    st.tuples(st.sampled_from(["magic", "config", "click"]), SET)
    | st.tuples(st.sampled_from(["unset", "none"]), SET)
    | st.tuples(st.just("file"), st.lists(SET, min_size=1, max_size=3))
    | st.tuples(st.sampled_from(["reset", "reload", "fail", "add far", "add own"]), st.none()),
    min_size=1,
    max_size=8,
)


@pytest.fixture
def run(shell: Shell) -> Iterator[Callable[[str], str]]:
    """Runs a cell, whatever it does, and gives what was shown."""

    def runs(cell: str) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            shell.ip.run_cell(cell)
        return out.getvalue()

    yield runs
    get_session().close_selector()


@settings(max_examples=40)
@given(steps=STEPS)
def test_magics_config_and_the_selector_never_disagree(
    shell: Shell, run: Callable[[str], str], far: FarEnd, home: Path, steps: list[tuple[str, Any]]
) -> None:
    from llm_magics.widgets.selector import Selector

    shell.ip.config.pop("LLMMagics", None)
    run("%reload_ext llm_magics\n%llm_config --reset")
    added = {"far": f"--add far base_url={far.base_url} model=small", "own": f"--add own base_url={far.base_url}"}
    added["own"] += "".join(f" {key}={value}" for key, value in OWN.items())
    run(f"%llm_config {added['own']}\n%llm_config {added['far']}")
    selector = Selector(get_session(), lambda: None)
    try:
        for kind, given in steps:
            _do(kind, given, run, selector, added)
            _agree(run, selector, far)
        _reproduced(run, shell)
    finally:
        selector.close()


def _do(kind: str, given: Any, run: Callable[[str], str], selector: Any, added: dict[str, str]) -> None:
    match kind:
        case "magic":
            key, value = given
            run(f"get_ipython().run_line_magic('llm_config', {_word(key, value)!r})")
        case "config":
            run(f"%config LLMMagics.{given[0]} = {given[1]!r}" if given[0] not in ("seed", "stop") else _params(*given))
        case "none":
            run(f"%config LLMMagics.{given[0]} = None" if given[0] not in ("seed", "stop") else _params())
        case "click":
            _click(selector, *given)
        case "unset":
            run(f"%llm_config --unset {given[0]}")
        case "file":
            lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in dict(given).items()]
            Path("more.toml").write_text("\n".join(lines), "utf-8")
            run("%llm_config --file more.toml")
        case "fail":
            run("%llm_config temperature=0.9 seed=8 nosuch")
        case "reset" | "reload":
            run("%llm_config --reset" if kind == "reset" else "%reload_ext llm_magics")
        case _:
            run(f"%llm_config {added[kind.removeprefix('add ')]}")
    home = get_session().configuration.home
    if home.mistake:  # %config keeps what was refused, and a reload meets it again
        run("get_ipython().config.pop('LLMMagics')\n%reload_ext llm_magics")


def _word(key: str, value: Any) -> str:
    return f"{key}=" + ('"' + value.replace('"', '\\"') + '"' if isinstance(value, str) else json.dumps(value))


def _params(*given: Any) -> str:
    return f"%config LLMMagics.params = {dict([given] if given else [])!r}"


def _click(selector: Any, key: str, value: Any) -> None:
    field = next((field for field in selector._fields if field.key == key), None)
    if key == "model":
        names = [name for _, name in selector._models.options]
        if value in names:
            selector._models.index = names.index(value)
    elif key in ("temperature", "top_p"):
        field._slider.value = value
    elif key == "images" and isinstance(value, list):
        field._how.value = "hosts"
        field._hosts.value = " ".join(value)
    elif key == "images":
        field._how.value = value
    elif key == "stream" and isinstance(value, bool):
        field._control.value = value
    elif field is not None and key != "stream":
        field._control.value = str(value)


def _agree(run: Callable[[str], str], selector: Any, far: FarEnd) -> None:
    here = get_session().configuration
    table = run("%llm_config")
    try:
        name, _ = here.model()
    except UnknownModel:  # %config and files take any name, and a reset takes models away; it is said everywhere
        gone = f"no model {str(here.config.setting('model').value)!r}"
        assert gone in table
        assert gone in run("%%llm --dry-run\nHi")
        return
    found = {key: one.value for key, one in here.resolve(name).items()}
    own = OWN if name == "own" else {}
    for key, value in here.home.values.items():
        assert (name if key == "model" else found[key]) == value or key in own, key
    rows = {line.split()[0]: line for line in table.split("\nmodel at hand")[0].splitlines() if line.strip()}
    assert f" {name} " in rows["model"]
    assert {key for key in VALUES if key in rows} - {"model"} == {key for key in VALUES if key in found} - {"model"}
    for key in SENT[:-1]:
        assert key not in found or f" {found[key]} " in rows[key]
    _shows(selector, name, found)
    dry = run("%%llm --dry-run\nHi")
    if name != "demo":
        run("%%llm --allow-secret --raw\nHi")
        body = far.chats[-1].body
        assert {key: body[key] for key in SENT if key in body} == {key: found[key] for key in SENT if key in found}
        assert [m["content"] for m in body["messages"][:-1]] == ([found["system"]] if found.get("system") else [])
        assert body.get("stream", False) == found.get("stream", True)
        assert all(f'"{key}"' in dry for key in SENT if key in body)


def _shows(selector: Any, name: str, found: dict[str, Any]) -> None:
    typed = get_session().configuration.typed.settings
    names = [name for _, name in selector._models.options]
    assert names[selector._models.index] == name
    for field in selector._fields:
        here = field.key in typed and field.key in found
        if field.key in ("temperature", "top_p"):
            assert field._box.value == here
            assert field.key not in found or field._slider.value == pytest.approx(found[field.key])
        elif field.key == "images":
            shown = field._how.value if field._how.value != "hosts" else field._hosts.value.split(", ")
            assert not here or shown == found["images"]
        elif field.key == "stream":
            assert not here or field._control.value == found["stream"]
        else:
            assert field._control.value == (str(found[field.key]) if here else "")


def _reproduced(run: Callable[[str], str], shell: Shell) -> None:
    """The lines that are shown bring back in a kernel without anything else what ``%llm_config`` has set here."""
    typed = get_session().configuration.typed
    lines = magic_lines(typed)
    shell.ip.config.pop("LLMMagics", None)
    run("%llm_config --reset")
    for name in get_session().configuration.home.named():
        setattr(get_session().configuration.home, name, None)
    get_session().configuration.home.params = {}
    for line in lines:
        run(line)
    assert get_session().configuration.home.values == typed.settings
    assert get_session().configuration.typed.models == typed.models
