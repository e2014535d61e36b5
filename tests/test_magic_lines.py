"""Settings as lines: whatever is set, the lines that are shown for it set it again."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shells import Shell

from llm_magics import get_session
from llm_magics.config import Layer
from llm_magics.configuration import Configuration
from llm_magics.magic_lines import magic_lines

WORDS = st.text(st.sampled_from("ab é\"'\\{}$?!=-[]“—\n\t;#%"), max_size=12)
ANY = WORDS | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "system": ANY,
    "temperature": st.floats(0, 2),
    "max_tokens": st.integers(1, 10**6),
    "stream": st.booleans(),
    "images": st.sampled_from(["block", "ask", ["a.example", "*.b.example"]]),
    "user": WORDS,
    "seed": st.none() | st.integers(),
    "stop": st.lists(WORDS, max_size=3),
    "logit_bias": st.dictionaries(WORDS, st.integers(-100, 100), max_size=2),
}


@settings(max_examples=150)
@given(chosen=st.fixed_dictionaries({}, optional=SETTINGS))
def test_the_lines_set_what_was_set(shell: Shell, chosen: dict[str, Any]) -> None:
    here = get_session().configuration
    shell.ip.user_ns.update(a="never", b="never", ab="never")
    _nothing_set(here)
    here.set(chosen)
    lines = magic_lines(here.typed)
    assert all(line.isprintable() for line in lines)
    before, left_out = here.home.values, {line.split()[1] for line in lines if line.startswith("#")}
    _nothing_set(here)
    with contextlib.redirect_stdout(io.StringIO()):
        for line in lines:
            assert shell.ip.run_cell(line).success, line
    assert here.home.values == {key: value for key, value in before.items() if key not in left_out}
    assert left_out <= {"user"}


def _nothing_set(here: Configuration) -> None:
    here.reset()
    for name in here.home.named():
        setattr(here.home, name, None)


def test_added_models_come_first_and_their_keys_never() -> None:
    models = {"far": {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "FAR_KEY", "headers": {"X-Token": "abc"}}}
    typed = Layer(origin="", settings={"model": "far/large", "seed": 7}, models=models)
    assert magic_lines(typed) == [
        "%llm_config --add far base_url=http://127.0.0.1:9/v1 api_key_env=FAR_KEY",
        "%llm_config far/large seed=7",
    ]


def test_models_that_are_added_without_choosing_one_leave_the_choice_as_it_is(shell: Shell) -> None:
    shell.run("%llm_config --add a base_url=http://127.0.0.1:9/v1 max_tokens=5")
    shell.run("%llm_config --add b base_url=http://127.0.0.1:9/v1\n%llm_config --unset model temperature=0.5")
    here = get_session().configuration
    lines, chosen = magic_lines(here.typed), here.model()
    shell.run("%llm_config --reset")
    for line in lines:
        assert shell.run(line).error is None
    assert here.model() == chosen == ("a", "first model of %llm_config")


@pytest.mark.parametrize("name", ["-x", "a=b", "a b", 'a"b'])
def test_a_model_of_any_name_is_named(name: str) -> None:
    (line,) = magic_lines(Layer(origin="", settings={"model": name}))
    assert line.startswith("%llm_config model=")


def test_nothing_set_is_no_line() -> None:
    assert magic_lines(Layer(origin="")) == []
