"""What a tool gave: as the model is told of it, as the person sees it, whatever the value does meanwhile."""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import itertools
import json
import pathlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics.events import Picture
from llm_magics.tools import Told
from llm_magics.tools.results import error_text, grid_of, told

BUDGET = 2_000
REMARK = 160  # characters of what is said about what is missing
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Colour(enum.Enum):
    red = "the red one"


@dataclasses.dataclass
class Place:
    city: str
    founded: datetime.date
    mayor: str = dataclasses.field(default="not for others", repr=False)


class Person(pydantic.BaseModel):
    name: str
    born: datetime.date
    password: pydantic.SecretStr = pydantic.SecretStr("hunter2")
    hidden: str = pydantic.Field("not for others", exclude=True)


class Point(NamedTuple):
    x: int
    y: int


def content(value: Any, budget: int = BUDGET) -> str:
    return told(value, budget=budget).content


# ---------------------------------------------------------------- words and numbers


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("as it is\n", "as it is\n"),
        (None, "(nothing was returned)"),
        (True, "true"),
        (3, "3"),
        (0.1, "0.1"),
        ([1, "a", None], '[1, "a", null]'),
        ({"a": {1, 2}, 3: (4,)}, '{"a": [1, 2], "3": [4]}'),
        ({"é": "水"}, '{"é": "水"}'),
        (Place("Oslo", datetime.date(1048, 1, 2)), '{"city": "Oslo", "founded": "1048-01-02"}'),
        (Point(1, 2), '{"x": 1, "y": 2}'),
        (Colour.red, "the red one"),
        ([Colour.red], '["the red one"]'),
        (datetime.datetime(2024, 5, 31, 14, 30), "2024-05-31T14:30:00"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (decimal.Decimal("1.10"), "1.10"),
        ([uuid.UUID(int=1)], '["00000000-0000-0000-0000-000000000001"]'),
        (range(3), "[0, 1, 2]"),
        ({"a": 1}.keys(), '["a"]'),
        (collections.deque([1]), "[1]"),
        (b"abc", "(3 bytes, which were not shown)"),
        ([b"abc"], '["(3 bytes)"]'),
        pytest.param(10**5000, "a whole number of 16,610 bits", id="very large"),
        (ValueError("no such city"), "ValueError: no such city"),
        ("half \ud800", "half \ufffd"),
        (Told(content="my own words"), "my own words"),
    ],
)
def test_a_value_is_told_as_json_where_that_works(value: Any, said: str) -> None:
    assert told(value, budget=BUDGET) == Told(content=said)


def test_a_model_leaves_out_what_it_always_leaves_out() -> None:
    said = json.loads(content(Person(name="Ann", born=datetime.date(1990, 2, 3))))
    assert said == {"name": "Ann", "born": "1990-02-03", "password": "**********"}


def test_an_object_may_tell_itself() -> None:
    class Telling(dict[str, int]):
        def _repr_llm_(self) -> str:
            return "in my own words"

    assert content(Telling(a=1)) == "in my own words"
    assert content([Telling(a=1)]) == '["in my own words"]'


def test_other_objects_are_told_by_their_repr() -> None:
    assert content(functools.partial(int, base=2)) == "functools.partial(<class 'int'>, base=2)"


def test_an_iterator_is_not_read() -> None:
    endless = itertools.count()
    assert "none of whose values was read" in content(endless)
    assert next(endless) == 0


def test_what_contains_itself_is_told_once() -> None:
    circle: list[Any] = [1]
    circle.append(circle)
    assert content(circle) == '[1, "(itself, once more)"]'
    same = [1]
    assert content([same, same]) == "[[1], [1]]"


def test_what_is_nested_beyond_measure_is_told_to_some_depth() -> None:
    deep: Any = "end"
    for _ in range(100_000):
        deep = [deep]
    assert "nested too deeply" in content(deep)


# ---------------------------------------------------------------- budgets


def test_a_long_text_is_cut_with_a_count_of_what_is_missing() -> None:
    said = content("x" * 5_000)
    assert said == "x" * BUDGET + "\n… (cut here: 3,000 more characters are not shown)"


def test_a_long_list_says_how_long_it_is() -> None:
    said = content(list(range(1_000_000)))
    assert said.startswith("(only the beginning of a list of 1,000,000)\n[0, 1, 2,")
    assert len(said) <= BUDGET + REMARK


def test_what_just_fits_is_whole() -> None:
    assert content("x" * BUDGET) == "x" * BUDGET
    assert json.loads(content(list(range(300)))) == list(range(300))


# ---------------------------------------------------------------- values that misbehave


def broken(name: str) -> Any:
    """An object one of whose methods raises."""

    def fail(self: Any, *_: Any) -> Any:
        raise RuntimeError("broken")

    return type("Broken", (), {name: fail})()


class Liar(list[int]):
    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __iter__(self) -> Iterator[int]:
        return itertools.count()


class Endless(dict[str, int]):
    def items(self) -> Any:
        return ((str(number), number) for number in itertools.count())


class Posing:
    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no class")


class Strange(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError("no attribute")


class OfStrange(metaclass=Strange):
    pass


@dataclasses.dataclass
class Unset:
    value: int = dataclasses.field(init=False)


HOSTILE: list[Any] = [
    *[
        broken(name)
        for name in ("__repr__", "__len__", "__iter__", "__getattribute__", "__eq__", "__bool__", "__str__")
    ],
    *[broken(name) for name in ("_repr_llm_", "_repr_png_", "model_dump", "__dict__", "__hash__")],
    Liar([1]),
    Endless(),
    Posing(),
    OfStrange,
    Unset(),
    type("Long", (), {"__repr__": lambda self: "x" * 10**6})(),
    type("NoText", (), {"__repr__": lambda self: 3})(),
    type("Drawn", (), {"_repr_png_": lambda self: "not base64 at all"})(),
    type("Text", (str,), {"__len__": lambda self: 10**9, "__str__": lambda self: 3, "__getitem__": None})("ab"),
    type("Error", (ValueError,), {"__str__": lambda self: 1 / 0})(),
    type("Number", (int,), {"__int__": lambda self: 1 / 0, "__repr__": lambda self: 1 / 0})(3),
    Told(content="x" * 10_000),
]


@pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "in a list"])
@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_whatever_a_value_does_it_is_told_within_the_budget(place: int, wrapped: bool) -> None:
    value = [HOSTILE[place], 1] if wrapped else HOSTILE[place]
    said = told(value, budget=BUDGET)
    assert 0 < len(said.content) <= BUDGET + REMARK
    assert grid_of(value) is None


def test_a_value_that_cannot_be_told_says_so() -> None:
    assert content(broken("__repr__")) == "(a Broken, whose text cannot be made: RuntimeError)"
    assert content([broken("__repr__"), 2]) == '["(a Broken, whose text cannot be made: RuntimeError)", 2]'


def test_an_interrupt_goes_on_its_way() -> None:
    def interrupted(self: Any) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told(type("Slow", (), {"__repr__": interrupted})(), budget=BUDGET)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(JSON, st.integers(1, 300))
def test_plain_values_are_told_whole_or_cut(value: Any, budget: int) -> None:
    assert len(content(value, budget)) <= budget + REMARK
    whole = content(value, 10**6)
    if value is None or isinstance(value, str):
        assert whole == (value or ("(nothing was returned)" if value is None else ""))
    else:
        assert json.loads(whole) == value


# ---------------------------------------------------------------- tables


def frames() -> list[tuple[str, Callable[[dict[str, list[Any]]], Any]]]:
    """The libraries that are here, and how each makes a frame."""
    makers: list[tuple[str, Callable[[dict[str, list[Any]]], Any]]] = []
    for name, maker in (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "table")):
        try:
            makers.append((name, getattr(__import__(name), maker)))
        except ImportError:
            continue
    return makers


MAKERS = frames()


@pytest.mark.parametrize("make", [maker for _, maker in MAKERS], ids=[name for name, _ in MAKERS])
def test_a_table_is_told_with_its_shape_and_kept(make: Callable[[dict[str, list[Any]]], Any]) -> None:
    frame = make({"n": [1, 2], "word": ["a, b", None]})
    said = told(frame, budget=BUDGET)
    assert said.content == 'a table of 2 rows and 2 columns:\nn,word\n1,"a, b"\n2,'
    assert said.table is frame
    grid = grid_of(frame)
    assert grid is not None
    assert (grid.columns, grid.rows) == (("n", "word"), (("1", "a, b"), ("2", "")))
    assert (grid.height, grid.width) == (2, 2)


@pytest.mark.parametrize("make", [maker for _, maker in MAKERS], ids=[name for name, _ in MAKERS])
def test_a_long_or_wide_table_is_told_by_its_beginning(make: Callable[[dict[str, list[Any]]], Any]) -> None:
    long = make({"n": list(range(10_000))})
    said = content(long)
    assert said.startswith("a table of 10,000 rows and 1 column, of which the first are given here (")
    assert said.splitlines()[1:4] == ["n", "0", "1"]
    assert BUDGET - 20 < len(said) <= BUDGET
    wide = make({f"c{place}": [place] for place in range(150)})
    assert "150 columns, of which the first are given here (all rows, 100 columns)" in content(wide, 20_000)
    grid = grid_of(wide, columns=3)
    assert grid is not None
    assert (grid.columns, grid.rows, grid.width) == (("c0", "c1", "c2"), (("0", "1", "2"),), 150)
    grid = grid_of(long, rows=2)
    assert grid is not None
    assert (grid.rows, grid.height) == ((("0",), ("1",)), 10_000)


@pytest.mark.parametrize("make", [maker for _, maker in MAKERS], ids=[name for name, _ in MAKERS])
def test_long_cells_are_cut(make: Callable[[dict[str, list[Any]]], Any]) -> None:
    grid = grid_of(make({"a": ["x" * 1000]}), cell=10)
    assert grid is not None
    assert grid.rows == (("x" * 9 + "…",),)


def test_a_series_becomes_a_frame_and_an_index_stands_before_the_columns() -> None:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series([1.5, None], index=pandas.Index(["Oslo", "Bergen"], name="city"), name="rain")
    said = told(series, budget=BUDGET)
    assert said.content == "a table of 2 rows and 1 column:\ncity,rain\nOslo,1.5\nBergen,"
    assert list(said.table.columns) == ["rain"]
    grid = grid_of(series)
    assert grid is not None
    assert (grid.columns, grid.width) == (("city", "rain"), 2)
    levels = pandas.DataFrame({"a": [1], "b": [2], "c": [3]}).set_index(["a", "b"])
    assert content(levels).splitlines()[1:] == ["a,b,c", "1,2,3"]


def test_a_polars_series_becomes_a_frame() -> None:
    polars = pytest.importorskip("polars")
    said = told(polars.Series("rain", [1, 2]), budget=BUDGET)
    assert said.content.splitlines()[1:] == ["rain", "1", "2"]
    assert said.table.columns == ["rain"]


def test_odd_tables_are_told() -> None:
    pandas = pytest.importorskip("pandas")
    assert content(pandas.DataFrame()) == "a table of 0 rows and 0 columns:\n"
    twice = pandas.DataFrame([[1, 2]], columns=["a", "a"])
    assert content(twice).splitlines()[1:] == ["a,a", "1,2"]
    nested = pandas.DataFrame({"a": [[1, {"b": 2}]], "t": [pandas.Timestamp("2024-05-31")], "o": [broken("__repr__")]})
    assert "2024-05-31T00:00:00" in content(nested)
    assert '"[1, {""b"": 2}]"' in content(nested)

    class Mine(pandas.DataFrame):  # type: ignore[misc,name-defined]
        pass

    assert content(Mine({"a": [1]})) == "a table of 1 row and 1 column:\na\n1"


def test_the_head_of_a_huge_table_is_taken_without_copying_it() -> None:
    pandas, numpy = pytest.importorskip("pandas"), pytest.importorskip("numpy")
    values = numpy.broadcast_to(numpy.int64(7), (10**12,))  # eight bytes that look like eight terabytes
    series = pandas.Series(values, copy=False)
    grid = grid_of(series, rows=2)
    assert grid is not None
    assert (grid.rows, grid.height) == ((("7",), ("7",)), 10**12)
    assert content(series).startswith("a table of 1,000,000,000,000 rows and 1 column")


def test_tables_among_other_things_are_told_one_by_one() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1]})
    said = told((frame, "and a note"), budget=BUDGET)
    assert said.content == "1: a table of 1 row and 1 column:\na\n1\n\n2: and a note"
    assert said.table is frame
    assert content({"sales": frame}) == "sales: a table of 1 row and 1 column:\na\n1"
    assert content([[[frame]]]) == '[[["(a DataFrame of shape (1, 1))"]]]'


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    assert content(numpy.int64(3)) == "3"
    assert content({"a": numpy.float32(1.5), "b": numpy.arange(2)}) == '{"a": 1.5, "b": [0, 1]}'
    assert content(numpy.arange(3)).endswith("[0, 1, 2]")
    assert len(content(numpy.zeros((3_000, 3_000)))) <= BUDGET
    assert "(an array of shape (3000, 3000), float64)" in content([numpy.zeros((3_000, 3_000))])


# ---------------------------------------------------------------- pictures


def test_what_draws_itself_is_a_picture_that_the_person_sees() -> None:
    drawn = type("Drawn", (), {"_repr_png_": lambda self: PNG})()
    picture = Picture("image/png", base64.b64encode(PNG).decode())
    assert told(drawn, budget=BUDGET) == Told(content="(a picture, shown to the user)", pictures=(picture,))
    for given_as in (base64.b64encode(PNG).decode(), (PNG, {"width": 1})):
        other = type("Other", (), {"_repr_png_": lambda self, given=given_as: given})()
        assert told(other, budget=BUDGET).pictures == (picture,)
    several = told([drawn, "words", drawn], budget=BUDGET)
    assert several.pictures == (picture, picture)
    assert several.content.startswith("1: (a picture, shown to the user)\n\n2: words")


def test_what_says_it_draws_itself_and_does_not_is_told_in_words() -> None:
    for given_as in (None, b"<script>", "<script>alert(1)</script>", 3):
        drawn = type("Drawn", (), {"_repr_png_": lambda self, given=given_as: given, "__repr__": lambda _: "words"})()
        assert told(drawn, budget=BUDGET) == Told(content="words")


def test_a_picture_that_no_page_should_hold_is_not_shown() -> None:
    drawn = type("Drawn", (), {"_repr_png_": lambda self: PNG + bytes(9_000_000)})()
    said = told(drawn, budget=BUDGET)
    assert said.pictures == ()
    assert "too large to be shown" in said.content


def test_figures_and_their_axes_are_pictures() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    figure = Figure((1, 1))
    axes = figure.subplots(1, 2)
    for value in (figure, axes[0], axes):
        (picture,) = told(value, budget=BUDGET).pictures
        assert picture.mime == "image/png"
        assert base64.b64decode(picture.data).startswith(b"\x89PNG")


def test_pictures_of_pillow_are_pictures() -> None:
    image = pytest.importorskip("PIL.Image")
    (picture,) = told(image.new("RGB", (2, 2)), budget=BUDGET).pictures
    assert picture.mime == "image/png"


# ---------------------------------------------------------------- errors


def raised(make: Callable[[], Any]) -> BaseException:
    try:
        make()
    except Exception as error:
        return error
    raise AssertionError


def test_an_error_is_its_type_and_message_without_frames() -> None:
    said = error_text(raised(lambda: {}["city"]))
    assert said == "KeyError: 'city'"
    assert error_text(raised(lambda: int("x"))) == "ValueError: invalid literal for int() with base 10: 'x'"
    assert error_text(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert error_text(type("Odd", (Exception,), {"__str__": lambda self: 1 / 0})()) == "Odd"


def test_a_long_error_is_cut_and_colours_are_taken_out() -> None:
    assert len(error_text(ValueError("x" * 10_000))) < 600
    assert error_text(ValueError("\x1b[31mred\x1b[0m")) == "ValueError: red"


def test_a_group_of_errors_names_the_first() -> None:
    group = ExceptionGroup("several", [ValueError(str(number)) for number in range(10)])
    said = error_text(group)
    assert said.startswith("ExceptionGroup: several (10 sub-exceptions)\n  ValueError: 0\n")
    assert len(said.splitlines()) == 4
