"""What differs between two answers: found by what they are, told in one line, drawn side by side."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY
from test_safe_html import Page, strays
from test_safe_markdown import LIVE

from llm_magics.comparisons.differences import KINDS, difference
from llm_magics.comparisons.side_by_side import Difference, page, plain
from llm_magics.errors import UserMistake
from llm_magics.safe.html import clean_html
from llm_magics.texts import quantities
from llm_magics.texts.alignment import align, longest_common

KIND = [*KINDS, "auto"]
TEXTS = st.text(st.sampled_from("ab .,\n`{}[]\":1٣2%-'é漢か*#\t\0\ud800\u202e"), max_size=60) | st.text(max_size=40)


def fence(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}\n```"


def shown(found: Difference) -> dict[str, str]:
    return found._repr_mimebundle_()


def marked(found: Difference) -> list[tuple[str, str]]:
    """What is marked on the left and on the right of each row."""
    rows = [row for row in found.rows if row.differs]
    return [tuple("".join(one.text for one in side if one.differs) for side in (row.left, row.right)) for row in rows]  # type: ignore[misc]


# ------------------------------------------------------------------------------------------------ which kind it is


@pytest.mark.parametrize(
    ("left", "right", "kind"),
    [
        ("Oslo is old.", "Bergen is old.", "words"),
        ('{"a": 1}', '{"a": 2}', "fields"),
        ('Here you are:\n\n```json\n{"a": 1}\n```\n', "[1]", "fields"),
        (fence("x = 1"), fence("x = 2"), "code"),
        ("Sure!\n\n" + fence("print('a long line of code')"), fence("x = 2"), "code"),
        ("A long sentence about code, and some more words. " + fence("x = 1"), fence("x = 2"), "words"),
        ("The mean is 0.48.", "The mean is 0.51.", "numbers"),
        ("42", "43", "numbers"),
        ("The mean is 0.48.", "The mode is 0.51.", "words"),
        ("", "", "words"),
    ],
)
def test_the_kind_is_found_out(left: str, right: str, kind: str) -> None:
    assert difference(left, right).kind == kind


def test_a_kind_that_does_not_fit_says_so_and_words_are_compared() -> None:
    found = difference("no JSON", '{"a": 1}', kind="fields", names=("gpt", "claude"))
    assert (found.kind, found.summary.split(":")[0]) == ("words", "gpt is not JSON, so by words")


def test_an_unknown_kind_and_an_impossible_tolerance_are_mistakes() -> None:
    with pytest.raises(UserMistake, match=r"no such kind\. Did you mean 'words'"):
        difference("a", "b", kind="word")  # type: ignore[arg-type]
    for tolerance in (-1, float("nan"), float("inf"), "5 %"):
        with pytest.raises(UserMistake, match="takes a share"):
            difference("1.0", "2.0", tolerance=tolerance)


# ----------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("left", "right", "summary"),
    [
        ("same", "same", "equal"),
        ("one  two\nthree", "one two three\n", "equal but for formatting"),
        ("It’s “so”", 'It\'s "so"', "equal but for formatting"),
        ("1,000 of them", "1000 of them, too", "1 of 4 words differs"),
        ("The cat sat.", "A cat slept.", "2 of 3 words differ"),
        ("a", "b", "the word differs"),
        ("", "two words", "2 of 2 words differ"),
        ("Oslo.", "Oslo!", "the words are equal, 2 signs differ: . !"),
        ("naïve cafe\u0301", "naïve caf\u00e9", "equal but for formatting"),
    ],
)
def test_words_are_counted(left: str, right: str, summary: str) -> None:
    assert difference(left, right, kind="words").summary == summary


def test_only_the_words_that_differ_are_marked() -> None:
    found = difference("The capital is Oslo. It is old.", "The capital is Bergen. It is old.")
    assert marked(found) == [("Oslo", "Bergen")]
    assert [row.differs for row in found.rows] == [True, False]


def test_a_paragraph_that_only_one_side_has_stands_alone() -> None:
    found = difference("First one.\n\nSecond one.", "First one.\n\nIn between.\n\nSecond one.")
    assert [("".join(s.text for s in row.left), "".join(s.text for s in row.right)) for row in found.rows] == [
        ("First one.", "First one."),
        ("", "In between."),
        ("Second one.", "Second one."),
    ]


def test_lines_that_are_broken_elsewhere_are_no_difference() -> None:
    words = [f"word{number}" for number in range(60)]
    folded = "\n".join(" ".join(words[place : place + 7]) for place in range(0, 60, 7))
    assert difference(" ".join(words), folded).summary == "equal but for formatting"


def test_scripts_without_blanks_are_compared_character_by_character() -> None:
    found = difference("今日は天気がいいです。東京に行きます。", "今日は天気がいいです。京都に行きます。")
    assert found.summary == "2 of 18 words differ"
    assert [row.differs for row in found.rows] == [False, True]


def test_an_equal_word_among_many_others_is_chance() -> None:
    found = difference("one two three four and five six seven eight", "uno dos tres cuatro and cinco seis siete ocho")
    assert found.summary == "9 of 9 words differ"


# ------------------------------------------------------------------------------------------------------------ code


@pytest.mark.parametrize(
    ("left", "right", "summary"),
    [
        (fence("x=f( 'a' )  # why"), fence('x = f("a")'), "the code is equal but for formatting"),
        (fence("x = 1"), "Sure!\n" + fence("x = 1"), "the code is equal"),
        (fence("x = 1"), fence("x = 1"), "equal"),
        (fence("x = 1\ny = 2"), fence("x = 1\ny = 3"), "1 of 2 lines differs"),
        (fence("f( x )\n{ }", "js"), fence("f(x) { }", "js"), "the code is equal but for formatting"),
        (fence('f("a  b")', "js"), fence('f("a b")', "js"), "the line differs"),
        (fence("a:\n  b: 1\n  c: 2", "yaml"), fence("a:\n  b: 1\nc: 2", "yaml"), "1 of 3 lines differs"),
        (fence("if x:\n  f()\n g(", "py"), fence("if x:\n  f()\n  g(", "py"), "1 of 3 lines differs"),
    ],
)
def test_code_is_compared_by_its_syntax(left: str, right: str, summary: str) -> None:
    assert difference(left, right, kind="code").summary == summary


def test_code_without_a_fence_is_all_of_the_text() -> None:
    assert difference("x=1", "x  =  1", kind="code").summary == "the code is equal but for formatting"


@pytest.mark.parametrize(
    "piece", ["(", "[", "-", "not ", "a**", "a if b else ", "lambda: ", "a.", "f'{", "a(", "if a:\n el"]
)
@pytest.mark.parametrize("times", [100, 9_000])
def test_code_nested_to_break_a_parser_is_compared_all_the_same(piece: str, times: int) -> None:
    program = (
        "import sys\nfrom llm_magics.comparisons.differences import difference\n"
        "code = sys.argv[1] * int(sys.argv[2])\n"
        "print(difference(f'```python\\n{code}a\\n```', f'```python\\n{code}b\\n```', kind='code').kind)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, piece, str(times)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("code\n", "")


# ---------------------------------------------------------------------------------------------------------- fields


@pytest.mark.parametrize(
    ("left", "right", "summary"),
    [
        ('{"a": 1, "b": [1, 2]}', '{"b":[1,2],"a":1.0}', "equal but for formatting"),
        ('{"a": {"b": 1}, "c": 2}', '{"a": {"b": 2}, "c": 3}', "2 of 2 fields differ: a.b, c"),
        ('{"a": 1}', '{"a": 1, "x y": null}', '1 of 2 fields differs: ["x y"] (only in right)'),
        ("[1, 2, 3]", "[1, 5]", "2 of 3 fields differ: [1], [2] (only in left)"),
        ('{"a": true}', '{"a": 1}', "the field differs: a"),
        ('{"a": "1"}', '{"a": 1}', "the field differs: a"),
        ('{"a": {}}', '{"a": []}', "the field differs: a"),
        ('{"a": 0.480}', '{"a": 0.481}', "equal within 1 %: 0.48 and 0.481"),
        ('{"id": 1001}', '{"id": 1002}', "the field differs: id"),
        ("{}", "{}\n", "equal but for formatting"),
        ('{"a": NaN}', '{"a": 1}', "the field differs: a"),
    ],
)
def test_json_is_compared_field_by_field(left: str, right: str, summary: str) -> None:
    assert difference(left, right).summary == summary


def test_many_fields_are_counted_and_a_few_named() -> None:
    left, right = ({f"key{number}": number + more for number in range(20)} for more in (0, 1))
    found = difference(json.dumps(left), json.dumps(right))
    assert found.summary == "20 of 20 fields differ: key0, key1, key2, key3 and 16 more"


def test_json_nested_deeply_is_compared() -> None:
    for depth in (10, 100, 900, 5_000):
        deep = "[" * depth + "{}" + "]" * depth
        assert difference(deep, deep.replace("{}", "{},1")).summary != "equal"


# --------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("left", "right", "summary"),
    [
        ("The mean is 0.48.", "The mean is 0.51.", "0.48 and 0.51 differ by 6 %"),
        ("It is 0.480.", "It is 0.481.", "equal within 1 %: 0.480 and 0.481"),
        ("In 1999.", "In 2000.", "1999 and 2000 differ by 0.05 %"),
        ("1,234.5 of 10", "1.234,50 of 10", "equal but for formatting"),
        ("It is 1e-3.", "It is 0.001.", "equal but for formatting"),
        ("2×10^5 m", "200 km", "equal but for formatting"),
        ("48 % of it", "0.48 of it", "equal but for formatting"),
        ("From 1.0 to 2.0", "From 3.0 to 4.0", "2 of 2 numbers differ: 1.0 and 3.0 by 67 %, 2.0 and 4.0 by 50 %"),
        ("It is -5.", "It is 5.", "-5 and 5 differ by 200 %"),
    ],
)
def test_numbers_are_compared_by_what_they_say(left: str, right: str, summary: str) -> None:
    found = difference(left, right)
    assert (found.kind, found.summary) == ("numbers", summary)


def test_a_tolerance_that_someone_gives_holds_for_all_numbers() -> None:
    assert difference("100 of 1.0", "102 of 1.0", tolerance=0.05).summary == "equal within 5 %: 100 and 102"
    assert difference("It is 0.480.", "It is 0.481.", tolerance=0).summary == "0.480 and 0.481 differ by 0.2 %"


@pytest.mark.parametrize("text", ["3rd", "1.2.3", "GPT-4", "007", "192.168.100.200", "1,2,3", "2x", "9" * 300])
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    assert quantities.read(text) is None


@given(st.integers(-(10**30), 10**30))
def test_a_whole_number_is_read_however_it_is_grouped(number: int) -> None:
    spelled = {
        found.spelled for form in (f"{number}", f"{number:,}", f"{number:_}") if (found := quantities.read(form))
    }
    assert spelled == {str(number)}


# --------------------------------------------------------------------------------------------------------- drawing


LEFT = "The capital is Oslo.\n" + "".join(f"Line {number}.\n" for number in range(20)) + "It is old.\n"
RIGHT = LEFT.replace("Oslo", "Bergen").replace("old", "very old")


def test_a_page_strikes_out_and_underlines_and_counts_what_is_equal() -> None:
    html = shown(difference(LEFT, RIGHT, names=("gpt", "claude")))["text/html"]
    assert "<del>Oslo</del>" in html
    assert "<ins>Bergen</ins>" in html
    assert "… 16 equal rows" in Page(html).text
    assert re.findall(r"<th[^>]*>(\w+)", html) == ["gpt", "claude"]


@pytest.mark.parametrize("width", [20, 59, 60, 100, 300])
def test_a_terminal_shows_both_sides_in_its_width(width: int) -> None:
    text = plain(difference(LEFT, RIGHT, names=("gpt", "claude")), width)
    assert "[-Oslo-]" in text
    assert "{+Bergen+}" in text
    assert max(map(len, text.splitlines())) <= width


def test_the_terminal_and_the_page_say_the_same() -> None:
    found = difference('{"a": {"b": 1}, "c": "x"}', '{"a": {"b": 2}}', names=("gpt", "claude"))
    bundle = shown(found)
    for text in (found.summary, "gpt", "claude", "a.b"):
        assert text in bundle["text/plain"]
        assert text in Page(bundle["text/html"]).text


def test_wide_characters_take_two_columns() -> None:
    lines = plain(difference("東京は大きい。", "東京は大きな。"), 80).splitlines()
    assert lines[-1].startswith("東京は大き[-い-]。")
    assert lines[-1].index("|") == 39 - 7


def test_a_difference_says_little_of_itself() -> None:
    assert repr(difference("a " * 10_000, "b " * 10_000)) == "Difference(words: 10,000 of 10,000 words differ)"


def test_what_is_drawn_is_bounded() -> None:
    for left, right in (
        ("a\n" * 50_000, "b c\n" * 50_000),
        ("漢" * 200_000, "字" * 200_000),
        ("a" * 10**6, "b" * 10**6),
    ):
        bundle = shown(difference(left, right))
        assert len(bundle["text/html"]) < 230_000
        assert len(bundle["text/plain"]) < 30_000
        assert "more" in bundle["text/plain"]


@pytest.mark.parametrize("kind", KIND)
def test_hostile_texts_do_nothing_on_a_page_or_in_a_terminal(kind: str) -> None:
    for payload in LIVE:
        for left, right in (
            (payload, f"{payload} x"),
            (fence(payload, "html"), fence(f"x {payload}", "html")),
            (json.dumps({payload: payload}), json.dumps({payload: f"{payload} {'x' * 70}"})),
        ):
            found = difference(left, right, kind=kind, names=(payload, payload))  # type: ignore[arg-type]
            made = page(found)
            assert strays(made) == []
            assert Page(clean_html(made)).text == Page(made).text
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown(found)["text/plain"])


def test_no_formula_is_found_in_what_differs() -> None:
    html = shown(difference("costs $5 and $6", "costs $5 or $6"))["text/html"]
    assert not re.search(r"\$\d", html)


# ------------------------------------------------------------------------------------------------- any text at all


@settings(max_examples=300)
@given(TEXTS, TEXTS, st.sampled_from(KIND))
def test_any_two_texts_can_be_compared(left: str, right: str, kind: str) -> None:
    found = difference(left, right, kind=kind)  # type: ignore[arg-type]
    bundle = shown(found)
    assert strays(bundle["text/html"]) == []
    assert "\n" not in found.summary
    plain(found, 30)


@settings(max_examples=200)
@given(TEXTS, st.sampled_from(KIND))
def test_a_text_is_equal_to_itself(text: str, kind: str) -> None:
    found = difference(text, text, kind=kind)  # type: ignore[arg-type]
    assert found.summary.split(": ")[-1] == "equal"
    assert not any(row.differs for row in found.rows)


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(["a", "b", "c.", "d\n", "e,"]), max_size=30), st.lists(st.sampled_from("abc"), max_size=30)
)
def test_no_word_is_lost(left: list[str], right: list[str]) -> None:
    found = difference(" ".join(left), " ".join(right), kind="words")
    for side, text in (("left", " ".join(left)), ("right", " ".join(right))):
        rows = ["".join(segment.text for segment in getattr(row, side)) for row in found.rows]
        assert "".join(" ".join(rows).split()) == "".join(text.split())


@settings(max_examples=200)
@given(st.lists(st.integers(0, 3), max_size=25), st.lists(st.integers(0, 3), max_size=25))
def test_a_longest_common_subsequence_is_as_long_as_any(left: list[int], right: list[int]) -> None:
    lengths = [[0] * (len(right) + 1)]
    for one in left:
        row = [0]
        for j, other in enumerate(right):
            row.append(lengths[-1][j] + 1 if one == other else max(row[j], lengths[-1][j + 1]))
        lengths.append(row)
    pairs = longest_common(left, right)
    assert len(pairs) == lengths[-1][-1]
    assert all(left[i] == right[j] for i, j in pairs)
    assert all(i < x and j < y for (i, j), (x, y) in pairwise(pairs))


@settings(max_examples=100)
@given(st.integers(0, 400), st.integers(0, 400), st.integers(1, 300), st.integers(0, 2**32))
def test_an_alignment_covers_both_sides(left: int, right: int, letters: int, seed: int) -> None:
    chance = random.Random(seed)
    a, b = ([chance.randrange(letters) for _ in range(length)] for length in (left, right))
    blocks = align(a, b)
    assert [x for _, i1, i2, _, _ in blocks for x in a[i1:i2]] == a
    assert [x for _, _, _, j1, j2 in blocks for x in b[j1:j2]] == b
    assert all(a[i1:i2] == b[j1:j2] for equal, i1, i2, j1, j2 in blocks if equal)


def words(count: int, seed: int, letters: str) -> str:
    return " ".join(random.Random(seed).choices(letters, k=count))


LONG = {
    "one word": ("a " * 50_000, "a " * 25_000 + "b " + "a " * 24_000),
    "two words": (words(50_000, 1, "ab"), words(50_000, 2, "ab")),
    "lines": ("a\n" * 50_000, "b\na\n" * 25_000),
    "nothing in common": (words(50_000, 1, "abcdefgh"), words(50_000, 2, "ijklmnop")),
    "numbers": (words(20_000, 1, "0123456789"), words(20_000, 2, "0123456789")),
    "JSON": (json.dumps(list(range(15_000))), json.dumps(list(range(1, 15_001)))),
    "code": (fence("x = 1\n" * 15_000), fence("x = 2\n" * 15_000)),
}


@pytest.mark.parametrize("name", LONG)
def test_long_texts_take_no_square_of_their_length(name: str) -> None:
    start = time.process_time()
    shown(difference(*LONG[name]))
    assert time.process_time() - start < 60  # the slowest takes four, and a square would take an hour


def test_texts_made_to_be_slow_are_compared_all_the_same() -> None:
    start = time.process_time()
    for make in NASTY.values():
        for kind in ("auto", "code"):
            difference(make(2_500), make(2_400) + "x", kind=kind)  # type: ignore[arg-type]
    assert time.process_time() - start < 120


def test_nothing_is_imported_that_a_comparison_does_not_need() -> None:
    program = "import sys, llm_magics.comparisons.differences\n"
    program += "print({'openai', 'pandas', 'IPython', 'nh3'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    assert done.stdout == "set()\n"
