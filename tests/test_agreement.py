"""Answers to one question: which are equal, how many agree, what varies."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics.comparisons.agreement import agreement, normal

LONG = "The quick brown fox jumps over the lazy dog and then goes away to the forest."
COUNTED = "The mean of all the many numbers in this sample is {} and there are {} of them."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Oslo", "oslo"),
        ("Oslo", " Oslo.\n"),
        ("Oslo", "**Oslo**"),
        ("the *very* `first`", "The __very__ first!"),
        ("## Title\n- a\n- b", "Title\n* a\n* b"),
        ("It’s 1,000.50 km", "It's 1000.5 km"),
        ('{"a": 1, "b": 2}', '```json\n{"b": 2.0, "a": 1}\n```'),
        ("```python\nx=1 # one\n```", "```python\nx = 1\n```"),
    ],
)
def test_answers_that_say_the_same_are_equal(one: str, other: str) -> None:
    assert normal(one) == normal(other)
    assert agreement([one, other]).varies == "both answers are equal but for formatting"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Oslo", "Bergen"),
        ("Oslo?", "Oslo."),
        ("2 * 3 * 4", "2 3 4"),
        ("2*3*4", "234"),
        ("snake_case_name", "snakecasename"),
        ("-5", "5"),
        ("[1, 2]", "[2, 1]"),
        ('{"a": "1"}', '{"a": 1}'),
        ('{"a": true}', '{"a": 1}'),
        ("```python\nx = 1\n```", "```python\nx = 2\n```"),
        ("C#", "C"),
        ("", "0"),
    ],
)
def test_answers_that_say_something_else_are_not(one: str, other: str) -> None:
    assert normal(one) != normal(other)


def test_groups_have_their_members_the_most_frequent_first() -> None:
    found = agreement(["Bergen", "Oslo", "oslo.", "Oslo"])
    assert [(one.text, one.members, one.count, one.spellings) for one in found.groups] == [
        ("Oslo", (1, 2, 3), 3, 2),
        ("Bergen", (0,), 1, 1),
    ]
    assert (found.count, found.share, found.pairs) == (4, 0.75, 0.5)


def test_nothing_and_one_answer_agree_with_nobody() -> None:
    assert (agreement([]).share, agreement([]).pairs, agreement([]).varies) == (None, None, "nothing to compare")
    assert (agreement(["a"]).share, agreement(["a"]).pairs, agreement(["a"]).varies) == (1.0, None, "one answer")


@pytest.mark.parametrize(
    ("texts", "varies"),
    [
        (["a", "a", "a"], "all 3 answers are equal"),
        (["Oslo", "Oslo", "oslo", "Bergen"], "varies: 'Oslo' 3×, 'Bergen' 1×"),
        (["a", "b", "c", "d", "e", "f"], "varies: 'a' 1×, 'b' 1×, 'c' 1×, 'd' 1× and 2 more"),
        (['{"a": 1, "b": 2}', '{"a": 1, "b": 3}', '{"b": 3, "a": 1}'], "varies in 1 of 2 fields: b (3 2×, 2 1×)"),
        (["[1]", "[1, 2]", "x" * 80], "answers differ in"),
        ([COUNTED.format(0.48, 5), COUNTED.format(0.51, 5)], "varies in 1 of 2 numbers: 0.48 1×, 0.51 1×"),
        ([LONG, LONG.replace("brown", "red")], "answers differ in 1 of 16 words, e.g. 'brown' / 'red'"),
        ([LONG, f"{LONG} Really."], "answers differ in 1 of 17 words"),
        ([LONG, LONG.replace(" and", ", and")], "answers differ in signs alone"),
    ],
)
def test_what_varies_is_one_line(texts: list[str], varies: str) -> None:
    found = agreement(texts).varies
    assert found.startswith(varies) if varies.endswith(" in") else found == varies


def test_short_json_varies_by_its_texts() -> None:
    assert agreement(["[1]", "[2]"]).varies == "varies in 1 of 1 fields: [0] (1 1×, 2 1×)"


@settings(max_examples=200)
@given(st.lists(st.text(st.sampled_from('ab .*_`{}[]":1,\n#\0\ud800\x1b'), max_size=30), max_size=6))
def test_any_answers_have_an_agreement(texts: list[str]) -> None:
    found = agreement(texts)
    assert sorted(place for group in found.groups for place in group.members) == list(range(len(texts)))
    assert found.varies.isprintable()


def test_long_answers_take_no_square_of_their_length() -> None:
    start = time.process_time()
    agreement(["_a " * 60_000, "_a " * 60_000 + "b", "**a" * 60_000, "`" * 200_000, "word " * 40_000])
    assert time.process_time() - start < 60
