"""``{{ expression }}`` in a prompt, and how values are told to a model."""

from __future__ import annotations

import datetime
import decimal
import io
import json
import math
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics.contexts import describe
from llm_magics.errors import PromptError
from llm_magics.interpolate import interpolate


def filled(prompt: str, **namespace: Any) -> str:
    return interpolate(prompt, namespace, describe)


def complaint(prompt: str, **namespace: Any) -> str:
    with pytest.raises(PromptError) as caught:
        filled(prompt, **namespace)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 600
    return said


# ---------------------------------------------------------------- the braces

PASTED = {
    "JSON": '{"a": {"b": [1, {"c": 2}]}}',
    "LaTeX": r"\frac{1}{2} \text{a} {\bf x} \sqrt{\frac{a}{b}}",
    "Python": 'def f(): return {"x": {1, 2}}\nf"{x}" and {{}}',
    "Jinja": "{% for x in y %}{# no #}{% endfor %}",
    "C": "int main() { if (1) { return 0; }}",
    "shell": "${HOME} ${x:-{}}",
    "closing only": "}} a }}",
}


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED)
def test_pasted_text_with_single_braces_stays_as_it_is(text: str) -> None:
    assert filled(text, x=1, y=2) == text


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_double_braces_stays_as_it_is(text: str) -> None:
    assert filled(text) == text


@given(st.text(alphabet="{}() '\"[]:,x1\n#\\=f", max_size=40))
def test_whatever_stands_in_braces_gives_text_or_one_line(text: str) -> None:
    try:
        assert isinstance(filled(text, x=1), str)
    except PromptError as error:
        assert "\n" not in str(error)


EXPRESSIONS = {
    "a name": ("{{ x }}", "3"),
    "without blanks": ("{{x}}", "3"),
    "two": ("{{ x }}{{x+1}}", "34"),
    "an attribute and a call": ("{{ name.upper()[:2] }}", "AD"),
    "a dictionary in it": ("{{ {'a': {'b': x}}['a']['b'] }}", "3"),
    "a dictionary last": ("{{ {'a': {'b': x}} }}", "{'a': {'b': 3}}"),
    "a closing pair in a string": ("{{ 'a}}b' }}", "a}}b"),
    "a comprehension": ("{{ [y * x for y in range(2)] }}", "[0, 3]"),
    "a lambda": ("{{ (lambda z: z + x)(1) }}", "4"),
    "a nested scope": ("{{ [[a + b for a in [1]] for b in [x]] }}", "[[4]]"),
    "a builtin": ("{{ len(name) }}", "3"),
    "many lines": ("{{\n  x\n  + 1\n}}", "4"),
    "a comment": ("{{ x  # three\n}}", "3"),
    "a format string": ("{{ f'{x:>3}' }}", "  3"),
    "a conditional": ("{{ 'big' if x > 2 else 'small' }}", "big"),
    "nothing": ("{{ }} {{}}", "{{ }} {{}}"),
}


@pytest.mark.parametrize(("prompt", "text"), EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_expression_is_replaced_by_its_value(prompt: str, text: str) -> None:
    assert filled(prompt, x=3, name="Ada") == text


def test_what_a_value_says_is_never_looked_at_for_expressions() -> None:
    assert filled("{{ a }}{{ b }}", a="{{ secret }} {{", b="}} {x}", secret="no") == "{{ secret }} {{}} {x}"


def test_evaluating_leaves_the_namespace_alone() -> None:
    namespace = {"x": 1}
    interpolate("{{ (y := x) }}", namespace, describe)
    assert namespace == {"x": 1}


COMPLAINTS = {
    "an undefined name": (
        "Say {{ sals }}",
        ["'sals' (line 1, column 5", "not defined; nothing was sent", "Did you mean 'sales'?"],
    ),
    "a name far from all": ("\n\n  {{ qqq }}", ["'qqq' (line 3, column 3", "--raw"]),
    "no expression": (
        "{{ for x in y }}",
        ["'{{ for x in y }}' (line 1, column 1", "is not a Python expression", "--raw"],
    ),
    "a statement": ("{{ import os }}", ["is not a Python expression"]),
    "open braces": ("a {{ sales", ["{{ without }} (line 1, column 3", "--raw"]),
    "a failure": (
        "{{ 1 / 0 }}",
        ["{{ 1 / 0 }} (line 1, column 1", "raised ZeroDivisionError: division by zero", "Nothing was sent"],
    ),
    "a failure of many lines": ("{{ fail() }}", ["raised ValueError: first second third. Nothing"]),
    "a failure without end": ("{{ fail_long() }}", ["raised ValueError: xxx", "…. Nothing was sent"]),
    "leaving": ("{{ leave() }}", ["raised SystemExit: 3"]),
    "an unhappy exception": ("{{ unhappy() }}", ["raised Unhappy. Nothing was sent"]),
    "a missing key": ("{{ {}['a'] }}", ["raised KeyError: 'a'"]),
    "waiting": ("{{ await x }}", ["cannot wait: put it into a variable"]),
    "a long expression": ("{{ " + "nonsense + " * 600 + "x }}", ["{{ without }}"]),
}


class Unhappy(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def raiser(error: BaseException) -> Any:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(("prompt", "words"), COMPLAINTS.values(), ids=COMPLAINTS)
def test_a_mistake_is_one_line_with_its_place_and_the_next_move(prompt: str, words: list[str]) -> None:
    namespace = {
        "fail": raiser(ValueError("first\nsecond\n\tthird")),
        "fail_long": raiser(ValueError("x" * 100_000)),
        "leave": raiser(SystemExit(3)),
        "unhappy": raiser(Unhappy()),
        "sales": 1,
        "x": 1,
    }
    said = complaint(prompt, **namespace)
    assert all(word in said for word in words), said


def test_an_interrupt_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        filled("{{ stop() }}", stop=raiser(KeyboardInterrupt()))


def test_braces_without_end_do_not_take_long() -> None:
    begun = time.thread_time()
    for prompt in ("{{ ( " + "}} " * 30_000, "{{ " * 30_000, "{{ 'a" * 20_000 + "}}"):
        complaint(prompt)
    assert time.thread_time() - begun < 2


# ---------------------------------------------------------------- values


class Telling:
    def _repr_llm_(self) -> str:
        return "what I am"


class Failing:
    def __repr__(self) -> str:
        raise ValueError("no")


class Wrong:
    def __str__(self) -> int:  # type: ignore[override]
        return 5


VALUES: dict[str, tuple[Any, str]] = {
    "text": ("as {it} is\n", "as {it} is\n"),
    "a number": (1.5, "1.5"),
    "none": (None, "None"),
    "infinity": (math.inf, "inf"),
    "a decimal": (decimal.Decimal("1.10"), "1.10"),
    "a date": (datetime.datetime(2024, 1, 2, 3, 4), "2024-01-02 03:04:00"),
    "a path": (Path("/a/b"), str(Path("/a/b"))),
    "a dictionary": ({"a": [1, {"b": None}]}, "{'a': [1, {'b': None}]}"),
    "an exception": (ValueError("boo"), "ValueError: boo"),
    "bytes": (b"\x00ab", "3 bytes: b'\\x00ab'"),
    "its own words": (Telling(), "what I am"),
    "a failing text": (Failing(), "<Failing: its text failed with ValueError>"),
    "a text that is none": (Wrong(), "<Wrong: its text failed with TypeError>"),
    "an array": (np.arange(4).reshape(2, 2), "array of shape (2, 2), int64:\n[[0, 1],\n [2, 3]]"),
    "an array of no dimension": (np.array(5), "5"),
    "a missing time": (pd.NaT, "NaT"),
    "a range": (range(3), "range(0, 3)"),
    "a frame": (pd.DataFrame({"a": [1, 2], "b": ["x", "y,z"]}), 'a,b\n1,x\n2,"y,z"\n'),
    "a frame with an index": (pd.DataFrame({"a": [1]}, index=["r"]), ",a\nr,1\n"),
    "missing values": (
        pd.DataFrame(
            {"f": [1.5, None], "t": pd.to_datetime(["2024-01-01", None]).tz_localize("UTC"), "s": ["x", None]}
        ),
        "f,t,s\n1.5,2024-01-01 00:00:00+00:00,x\n,,\n",
    ),
    "categories": (pd.DataFrame({"c": pd.Categorical(["x", None, "y"]), "n": 1}), "c,n\nx,1\n,1\ny,1\n"),
    "an index of levels": (
        pd.DataFrame({"n": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)], names=["k", "i"])),
        "k,i,n\na,1,1\na,2,2\n",
    ),
    "columns of levels": (
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_product([["a"], ["x", "y"]])),
        "a,a\nx,y\n1,2\n",
    ),
    "numbered columns": (pd.DataFrame([[1, 2]]), "0,1\n1,2\n"),
    "no rows": (pd.DataFrame({"a": [], "b": []}), "a,b\n"),
    "no columns": (pd.DataFrame(index=range(5)), "a table of 5 rows and no columns"),
    "an empty frame": (pd.DataFrame(), "a table of 0 rows and no columns"),
    "a series": (pd.Series([1, 2], name="n"), "n\n1\n2\n"),
    "a polars frame": (pl.DataFrame({"a": [1, None], "b": ["x", "y,z"]}), 'a,b\n1,x\n,"y,z"\n'),
    "a polars series": (pl.Series("n", [1, 2]), "n\n1\n2\n"),
    "nested columns": (pl.DataFrame({"a": [[1, 2]], "s": [{"x": 1}]}), '{"a":[1,2],"s":{"x":1}}\n'),
}


@pytest.mark.parametrize(("value", "text"), VALUES.values(), ids=VALUES)
def test_a_value_is_told_as_text(value: Any, text: str) -> None:
    assert filled("{{ value }}", value=value) == text


def test_a_frame_reads_back_as_it_was() -> None:
    frame = pd.DataFrame({"n": [1, 2], "s": ['a"b', "c\nd"], "d": [1.25, -3.0]})
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(filled("{{ f }}", f=frame))), frame)


def test_a_thing_that_contains_itself_is_told_to_its_edge() -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    assert filled("{{ ring }}", ring=ring) == "[1, [...]]"
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert filled("{{ deep }}", deep=deep) == "<list: its text failed with RecursionError>"


async def waiting() -> None: ...


UNTOLD: dict[str, tuple[Any, str]] = {
    "a generator": ((c for c in "ab"), "is a generator, which has no text: put list(…) of it"),
    "an iterator": (iter([1]), "is an iterator"),
    "a pair of lists": (zip([1], [2], strict=True), "is an iterator"),
    "a function": (complaint, "is a function, which has no text: put inspect.getsource(…) of it, or call it"),
    "a builtin": (len, "is a function"),
    "a method": ("x".upper, "is a function"),
    "a class": (Telling, "is a class"),
    "a module": (json, "is a module"),
    "a lock": (threading.Lock(), "is a lock"),
    "a file in memory": (io.StringIO("x"), "is an open file, which has no text: put its text, with .read()"),
    "a lazy frame": (pl.LazyFrame({"a": [1]}), "is a lazy frame, which has no text: put its .collect()"),
    "a thing without a text": (
        object(),
        "has no text of its own: put one of its attributes, or give its class a method",
    ),
    "columns of one name": (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), "has several columns named 'a'"),
    "columns of objects": (pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}), "cannot be written as CSV"),
    "a long text": ("x" * 400_001, "is about 400,001 characters (≈ 100,000 tokens)"),
}


@pytest.mark.parametrize(("value", "words"), UNTOLD.values(), ids=UNTOLD)
def test_what_has_no_text_is_refused_with_what_to_put_instead(value: Any, words: str) -> None:
    said = complaint("{{ value }}", value=value)
    assert said.startswith("'value' ")
    assert words in said
    assert said.endswith("Nothing was sent.")


def test_nothing_is_consumed_and_nothing_left_running() -> None:
    letters = (c for c in "ab")
    complaint("{{ letters }}", letters=letters)
    assert list(letters) == ["a", "b"]
    promise = waiting()
    assert "is a coroutine" in complaint("{{ promise }}", promise=promise)
    promise.close()
    with Path(__file__).open() as file:
        complaint("{{ file }}", file=file)
        assert file.tell() == 0


HUGE = {
    "rows and columns": lambda: pd.DataFrame(np.broadcast_to(np.zeros(1), (10_000_000, 200)), copy=False),
    "a series": lambda: pd.Series(np.broadcast_to(np.zeros(1), (10**9,)), copy=False),
}


@pytest.mark.parametrize("make", HUGE.values(), ids=HUGE)
def test_a_huge_table_is_measured_by_its_shape(make: Any) -> None:
    table = make()
    begun = time.thread_time()
    said = complaint("{{ table }}", table=table)
    assert time.thread_time() - begun < 1
    assert "Put a part of it, such as its head" in said
    assert "000,000 characters" in said


def test_a_huge_array_is_told_by_its_corners() -> None:
    begun = time.thread_time()
    told = filled("{{ a }}", a=np.broadcast_to(np.zeros(1), (100_000, 10_000)))
    assert time.thread_time() - begun < 1
    assert told.startswith("array of shape (100000, 10000), float64:")
    assert len(told) < 1_000
