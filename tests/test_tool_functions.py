"""A function of the user's as a tool: what a model is told of it, what is read of arguments, and what is refused."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import functools
import json
import math
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import pydantic
import pytest
from far_end import FarEnd
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from shells import Shell
from typing_extensions import TypedDict

import llm_magics
from llm_magics import call_llm
from llm_magics.endpoints.request import as_sdk_tool
from llm_magics.errors import ToolMistake, UserMistake
from llm_magics.tools import Tool
from llm_magics.tools.functions import tool_of


class Colour(enum.Enum):
    red = 1
    blue = 2


class Unit(enum.Enum):
    metre = "metre"
    mile = "mile"


@dataclasses.dataclass
class Place:
    city: str
    colour: Annotated[Colour, Field(description="of its flag")] = Colour.red


class Person(BaseModel):
    name: str
    born: datetime.date | None = None


class Row(TypedDict):
    title: str
    count: int


class Tree(BaseModel):
    title: str
    branches: list[Tree] = []


class Point(NamedTuple):
    x: int
    y: int


def made(function: Callable[..., Any], **options: Any) -> Tool:
    """The tool of a function."""
    found = tool_of(llm_magics.tool(**options)(function))
    assert found is not None
    return found


def taking(hint: Any, **default: Any) -> Tool:
    """The tool of a function with one argument, ``value``, of this type."""

    def take(value) -> str:  # type: ignore[no-untyped-def]
        """Take a value."""
        return repr(value)

    take.__annotations__ = {"value": hint}
    take.__kwdefaults__ = None
    if default:
        take.__defaults__ = (default["default"],)
    return made(take)


def no_keys(schema: Any, key: str) -> bool:
    """Whether a key of schemas is nowhere in it; names of properties are no keys of schemas."""
    if isinstance(schema, list):
        return all(no_keys(part, key) for part in schema)
    if not isinstance(schema, dict):
        return True
    inner = [
        *schema.get("properties", {}).values(),
        *[v for k, v in schema.items() if k not in ("properties", "default")],
    ]
    return key not in schema and all(no_keys(part, key) for part in inner)


# ---------------------------------------------------------------- the decorator


def test_a_decorated_function_is_the_same_function() -> None:
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    assert llm_magics.tool(double) is double
    assert llm_magics.tool(policy="ask")(double) is double
    assert double(4) == 8


def test_a_tool_has_the_functions_name_and_docstring() -> None:
    def double(number: int) -> int:
        """Double a number.

        Slowly.
        """
        return 2 * number

    tool = made(double)
    assert (tool.name, tool.description) == ("double", "Double a number.\n\nSlowly.")
    assert tool.parameters == {
        "type": "object",
        "properties": {"number": {"type": "integer"}},
        "required": ["number"],
        "additionalProperties": False,
    }
    assert tool.run(tool.read({"number": 21})) == 42


def test_a_function_without_parameters_is_a_tool() -> None:
    def now() -> str:
        """Tell the time."""
        return "noon"

    tool = made(now)
    assert tool.parameters == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    assert tool.run(tool.read({})) == "noon"
    with pytest.raises(ValueError, match="x is not an argument"):
        tool.read({"x": 1})


@pytest.mark.parametrize(
    ("options", "policy", "flags"),
    [
        ({}, "allow", set()),
        ({"side_effects": True}, "ask", set()),
        ({"sends_out": True}, "ask", {"sends_out"}),
        ({"sends_out": True, "policy": "allow"}, "allow", {"sends_out"}),
        ({"reads_private": True, "reads_untrusted": True}, "allow", {"reads_private", "reads_untrusted"}),
        ({"policy": "deny"}, "deny", set()),
    ],
)
def test_what_acts_on_the_world_asks_first_but_where_told_otherwise(options: Any, policy: str, flags: set[str]) -> None:
    def act(thing: str) -> str:
        """Act."""
        return thing

    tool = made(act, **options)
    assert (tool.policy, set(tool.flags)) == (policy, flags)


def test_a_name_and_a_time_can_be_given() -> None:
    def act(thing: str) -> str:
        """Act."""
        return thing

    tool = made(act, name="do_it", seconds=2.5)
    assert (tool.name, tool.wire_name, tool.seconds) == ("do_it", "do_it", 2.5)


def test_an_asynchronous_function_gives_something_to_await() -> None:
    @llm_magics.tool
    async def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    tool = tool_of(double)
    assert tool is not None

    async def given() -> Any:
        return await tool.run(tool.read({"number": 4}))

    assert asyncio.run(given()) == 8


def test_looking_for_a_tool_runs_nobodys_code() -> None:
    class Trap:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

    class Open:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    assert [tool_of(thing) for thing in (Trap(), Open(), len, None, 3, test_a_name_and_a_time_can_be_given)] == [
        None
    ] * 6


def test_a_decorator_above_is_not_gone_around() -> None:
    def shouting(function: Callable[..., str]) -> Callable[..., str]:
        @functools.wraps(function)
        def loud(*args: Any, **kwargs: Any) -> str:
            return function(*args, **kwargs).upper()

        return loud

    def greet(name: str) -> str:
        """Greet."""
        return f"hello {name}"

    inside = shouting(llm_magics.tool(greet))
    assert tool_of(inside) is None
    with pytest.raises(ToolMistake, match="above its other decorators"):
        as_sdk_tool(inside)
    outside = made(shouting(greet))
    assert outside.run(outside.read({"name": "ann"})) == "HELLO ANN"


def test_methods_partials_and_caches_work_where_it_is_plain_what_they_do() -> None:
    class Store:
        def find(self, key: str, *, user: str = "nobody") -> str:
            """Find a key."""
            return f"{key} of {user}"

        @staticmethod
        def size(unit: Unit) -> str:
            """Tell the size."""
            return unit.value

        @functools.cache  # noqa: B019
        def held(self, key: str) -> str:
            """Find it once."""
            return key

    bound = made(Store().find)
    assert list(bound.parameters["properties"]) == ["key", "user"]
    assert bound.run(bound.read({"key": "a"})) == "a of nobody"
    settled = made(functools.partial(Store().find, user="me"))
    assert list(settled.parameters["properties"]) == ["key"]
    assert settled.run(settled.read({"key": "a"})) == "a of me"
    with pytest.raises(ValueError, match="user is not an argument"):
        settled.read({"key": "a", "user": "you"})
    static = made(Store.size)
    assert static.run(static.read({"unit": "mile"})) == "mile"
    cached = made(functools.cache(Store.size))
    assert cached.run(cached.read({"unit": "mile"})) == "mile"


def test_a_static_method_may_be_decorated_in_its_class() -> None:
    class Store:
        @llm_magics.tool
        @staticmethod
        def size(unit: Unit) -> str:
            """Tell the size."""
            return unit.value

    found = tool_of(Store.size)
    assert found is not None
    assert found.run(found.read({"unit": "mile"})) == Store.size(Unit.mile) == "mile"


# ---------------------------------------------------------------- what the model is told of parameters

GOOGLE = """Find rows.

Args:
    city: the city's name,
        on two lines.
    limit (int, optional): how many.

Returns:
    The rows.
"""
NUMPY = """Find rows.

Parameters
----------
city : str
    the city's name,
    on two lines.
limit : int, optional
    how many.

Returns
-------
list
    The rows.
"""
SPHINX = """Find rows.

:param city: the city's name,
    on two lines.
:param int limit: how many.
:returns: The rows.
"""


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_parameters_are_described_by_the_docstring(docstring: str) -> None:
    def find(city: str, limit: int = 3) -> list[str]:
        return [city] * limit

    find.__doc__ = textwrap.indent(docstring, "        ").lstrip()
    tool = made(find)
    assert tool.description == "Find rows.\n\nReturns: The rows."
    assert tool.parameters["properties"] == {
        "city": {"type": "string", "description": "the city's name,\non two lines."},
        "limit": {"type": "integer", "description": "how many.", "default": 3},
    }


def test_one_description_of_two_parameters_is_given_to_both() -> None:
    def add(a: int, b: int) -> int:
        """Add.

        Parameters
        ----------
        a, b : int
            what is added
        """
        return a + b

    assert {p["description"] for p in made(add).parameters["properties"].values()} == {"what is added"}


@pytest.mark.parametrize(
    "docstring",
    [
        "Plain: no sections, see :func:`len`.",
        "Plain.\n\nArgs:\n    only words",
        "Plain.\n\nParameters\n----------",
        "Plain.\n\n:param",
    ],
)
def test_any_docstring_describes_the_function(docstring: str) -> None:
    def act(thing: str) -> str:
        return thing

    act.__doc__ = docstring
    assert made(act).description.startswith("Plain")


@settings(max_examples=40)
@given(st.text(st.sampled_from("Args: \nx-:param()*\t>\"'Returns"), max_size=200))
def test_no_docstring_breaks_the_decorator(docstring: str) -> None:
    def act(x: str) -> str:
        return x

    act.__doc__ = docstring
    try:
        assert made(act).description.strip()
    except ToolMistake as error:
        assert "docstring" in str(error)


def test_an_annotations_own_description_goes_first() -> None:
    def act(
        a: Annotated[str, "from the string"],
        b: Annotated[int, Field(description="from the field", ge=1)],
        c: Annotated[Colour, "which colour"],
        d: Place,
    ) -> str:
        """Act.

        Args:
            a: from the docstring
            b: from the docstring
            d: where
        """
        return a

    properties = made(act).parameters["properties"]
    assert properties["a"] == {"type": "string", "description": "from the string"}
    assert properties["b"] == {"type": "integer", "description": "from the field", "minimum": 1}
    assert properties["c"]["description"] == "which colour (1 is red, 2 is blue)"
    assert properties["d"]["description"] == "where"
    assert properties["d"]["properties"]["colour"]["description"] == "of its flag (1 is red, 2 is blue)"


@pytest.mark.parametrize("hint", [Place, list[Person], Row, dict[str, Place], Colour | None, tuple[Place, Unit]])
def test_schemas_have_neither_titles_nor_references(hint: Any) -> None:
    schema = taking(hint).parameters
    assert no_keys(schema, "title")
    assert no_keys(schema, "$ref")
    assert no_keys(schema, "$defs")


PAIR = {"minItems": 2, "maxItems": 2, "type": "array"}


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        (tuple[int, int], {**PAIR, "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {
                **PAIR,
                "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "description": "(in this order: integer, string)",
            },
        ),
        (Point, {**PAIR, "items": {"type": "integer"}, "description": "(in this order: x, y)"}),
        (tuple[()], {"minItems": 0, "maxItems": 0, "type": "array", "items": {}}),
        (list, {"type": "array", "items": {}}),
    ],
)
def test_lists_of_a_fixed_length_are_told_as_all_servers_take_them(hint: Any, told: dict[str, Any]) -> None:
    assert taking(hint).parameters["properties"]["value"] == told
    inner = taking(dict[str, list[hint]]).parameters["properties"]["value"]["additionalProperties"]["items"]
    assert inner == told


def test_a_docstring_does_not_hide_what_is_where_in_a_list() -> None:
    def move(to: Point) -> str:
        """Move.

        Args:
            to: where
        """
        return str(to)

    assert made(move).parameters["properties"]["to"]["description"] == "where (in this order: x, y)"


def test_a_field_called_title_stays() -> None:
    assert set(taking(Row).parameters["properties"]["value"]["properties"]) == {"title", "count"}


def test_a_type_that_contains_itself_keeps_its_reference() -> None:
    tool = taking(Tree)
    assert tool.parameters["properties"]["value"] == {"$ref": "#/$defs/Tree"}
    assert set(tool.parameters["$defs"]["Tree"]["properties"]) == {"title", "branches"}
    read = tool.read({"value": {"title": "a", "branches": [{"title": "b"}]}})
    assert read["value"].branches[0] == Tree(title="b")


@pytest.mark.parametrize(
    ("default", "told"),
    [
        (3, {"default": 3}),
        (Colour.blue, {"default": 2}),
        (None, {}),
        (float("nan"), {}),
        (object(), {}),
        ("x" * 5000, {}),
    ],
    ids=["number", "enum", "none", "nan", "object", "long"],
)
def test_a_default_is_told_where_json_can_hold_it_and_kept_anyway(default: Any, told: dict[str, Any]) -> None:
    tool = taking(Colour if isinstance(default, Colour) else int, default=default)
    shown = tool.parameters["properties"]["value"]
    assert {key: value for key, value in shown.items() if key == "default"} == told
    assert tool.parameters["required"] == []
    assert tool.run(tool.read({})) == repr(default)


def test_a_parameter_whose_default_is_none_may_be_null() -> None:
    def act(place: Annotated[Place, "where"] = None) -> str:  # type: ignore[assignment]
        """Act."""
        return repr(place)

    assert made(act).read({"place": None}) == {"place": None}
    assert made(act).parameters["properties"]["place"]["description"] == "where"


def test_parameters_may_have_names_that_pydantic_uses() -> None:
    def act(
        schema: str, copy: int, json: bool, self: str, model_config: Row, fields: list[int], __pydantic_config__: int
    ) -> str:
        """Act."""
        return f"{schema} {copy} {json} {self} {model_config} {fields}"

    given = {
        "schema": "a",
        "copy": 1,
        "json": True,
        "self": "b",
        "model_config": {"title": "c", "count": 2},
        "fields": [3],
    }
    tool = made(act)
    assert tool.read({**given, "__pydantic_config__": 4}) == {**given, "__pydantic_config__": 4}


def test_an_annotation_means_what_it_means_where_the_function_is_written() -> None:
    module: dict[str, Any] = {}
    exec("def act(unit: 'list[Here]') -> str:\n    'Act.'\nHere = int", module)

    class Here(enum.Enum):
        """What the annotation does not mean, though it is nearer."""

    tool = tool_of(llm_magics.tool(module["act"]))
    assert tool is not None
    assert tool.read({"unit": ["3"]}) == {"unit": [3]}
    assert not list(Here)


def test_a_return_type_that_is_not_defined_does_no_harm() -> None:
    def act(thing: str) -> NotHere:  # noqa: F821
        """Act."""
        return thing

    assert made(act).parameters["required"] == ["thing"]


# ---------------------------------------------------------------- reading what a model wrote


@pytest.mark.parametrize(
    ("hint", "given", "read"),
    [
        (int, "3", 3),
        (int, 3.0, 3),
        (float, "2.5", 2.5),
        (bool, "true", True),
        (Colour, 2, Colour.blue),
        (Place, {"city": "Oslo", "colour": 2}, Place("Oslo", Colour.blue)),
        (Person, {"name": "Ann", "born": "1990-02-03"}, Person(name="Ann", born=datetime.date(1990, 2, 3))),
        (datetime.datetime, "2024-05-31T14:30:00", datetime.datetime(2024, 5, 31, 14, 30)),
        (set[int], [1, 2], {1, 2}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (Point, [1, 2], Point(1, 2)),
        (Path, "a/b", Path("a/b")),
        (Iterable[int], ["1", 2], [1, 2]),
        (Iterable, [1, "a"], [1, "a"]),
        (dict[str, Any], {"a": [1, {}]}, {"a": [1, {}]}),
        (int | None, None, None),
        (int | str, "3", "3"),
        (str, "half \ud800", "half \ufffd"),
    ],
)
def test_arguments_become_what_the_annotation_says(hint: Any, given: Any, read: Any) -> None:
    got = taking(hint).read({"value": given})["value"]
    assert got == read
    assert type(got) is type(read)


@pytest.mark.parametrize(
    ("hint", "given", "said"),
    [
        (int, "three", "value: should be a valid integer"),
        (int, 3.5, "value: should be a valid integer"),
        (int, True, "value: should be a number, not true"),
        (list[float], [1, False], "value.1: should be a number, not false"),
        (str, 3, "value: should be a valid string, not 3"),
        (Literal["a", "b"], "c", "value: should be 'a' or 'b', not 'c'"),
        (Colour, 3, "value: should be 1 or 2, not 3"),
        (Place, {"town": "Oslo"}, "value.city is missing; value.town is not an argument here"),
        (datetime.datetime, 20240101, "value: should be a datetime as in 2024-05-31T14:30:00, not 20240101"),
        (datetime.datetime, "2024", "value: should be a datetime as in 2024-05-31T14:30:00, not '2024'"),
        (dict[str, datetime.date], {"a": 0}, "value.a: should be a date as in 2024-05-31, not 0"),
        (Person, {"name": "Ann", "born": 0}, "value.born: should be a date as in 2024-05-31, not 0"),
        (Annotated[int, Field(ge=1)], 0, "value: should be greater than or equal to 1, not 0"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_arguments_name(hint: Any, given: Any, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        taking(hint).read({"value": given})
    assert said in str(caught.value)
    assert not isinstance(caught.value, pydantic.ValidationError)
    assert caught.value.__cause__ is None
    assert "pydantic" not in str(caught.value)


def test_a_missing_and_an_unknown_argument_are_named() -> None:
    with pytest.raises(ValueError, match=r"value is missing; valeu is not an argument\. Did you mean 'value'\?"):
        taking(int).read({"valeu": 3})


def test_complaints_stay_short_whatever_was_given() -> None:
    given = {"value": ["x" * 100_000] * 1000, **{f"{'k' * 5000}{n}": 1 for n in range(50)}}
    with pytest.raises(ValueError) as caught:
        taking(list[int]).read(given)
    assert len(str(caught.value)) < 2_000


def test_arguments_nested_beyond_measure_are_a_value_error() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="the arguments"):
        taking(list[Any]).read({"value": deep})


def test_a_types_own_validator_may_raise_anything() -> None:
    class Odd(BaseModel):
        name: str

        @pydantic.field_validator("name")
        @classmethod
        def check(cls, name: str) -> str:
            raise KeyError(name)

    with pytest.raises(ValueError, match="KeyError"):
        taking(Odd).read({"value": {"name": "a"}})


TYPES: list[Any] = [
    int,
    str,
    bool,
    float,
    Colour,
    Unit,
    Place,
    Person,
    Row,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    uuid.UUID,
    Literal["a", 2],
    Point,
]
ANY_TYPE = st.recursive(
    st.sampled_from(TYPES),
    lambda inner: st.one_of(
        inner.map(lambda hint: list[hint]),  # type: ignore[valid-type]
        inner.map(lambda hint: dict[str, hint]),  # type: ignore[valid-type]
        inner.map(lambda hint: hint | None),
        st.tuples(inner, inner).map(lambda pair: tuple[pair[0], pair[1]]),  # type: ignore[misc]
    ),
    max_leaves=4,
)


@settings(max_examples=60)
@given(st.data())
def test_what_pydantic_writes_as_json_is_read_back_equal(data: st.DataObject) -> None:
    st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
    st.register_type_strategy(datetime.datetime, st.datetimes())
    st.register_type_strategy(datetime.time, st.times())
    st.register_type_strategy(datetime.timedelta, st.timedeltas(datetime.timedelta(-9999), datetime.timedelta(9999)))
    hint = data.draw(ANY_TYPE)
    value = data.draw(st.from_type(hint))
    adapter = pydantic.TypeAdapter(hint)
    written = json.loads(adapter.dump_json(value))
    assert taking(hint).read({"value": written})["value"] == adapter.validate_json(adapter.dump_json(value)) == value


# ---------------------------------------------------------------- what is refused, and how


def refused(function: Any, **options: Any) -> str:
    """The complaint about a function, in one line."""
    with pytest.raises(ToolMistake) as caught:
        llm_magics.tool(**options)(function)
    assert isinstance(caught.value, UserMistake)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class NotForJson:
    pass


T = TypeVar("T")


@pytest.mark.parametrize(
    "hint",
    [
        NotForJson,
        list[NotForJson],
        Callable[[int], int],
        type,
        Any,
        object,
        T,
        Annotated[Any, "words"],
        range,
        list[Iterable[int]],
        Final[int],
    ],
)
def test_a_type_that_a_model_cannot_write_is_refused_by_the_parameters_name(hint: Any) -> None:
    with pytest.raises(ToolMistake, match="'value'"):
        taking(hint)


def test_a_dataframe_is_refused_with_what_to_take_instead() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ToolMistake, match="'value' as DataFrame, which a model cannot write as JSON: take a text"):
        taking(pandas.DataFrame)


def test_an_enum_of_what_json_has_not_is_refused() -> None:
    class Pair(enum.Enum):
        a = (1, 2)

    with pytest.raises(ToolMistake, match="'value'"):
        taking(Pair)


def test_parameters_that_cannot_be_given_by_name_and_type_are_refused() -> None:
    def untyped(a: int, b) -> str:  # type: ignore[no-untyped-def]
        """Act."""

    def many(a: int, *rest: int) -> str:
        """Act."""

    def named(**rest: int) -> str:
        """Act."""

    def placed(a: int, /) -> str:
        """Act."""

    def undefined(a: NotHere) -> str:  # noqa: F821
        """Act."""

    def broken(a: "int[") -> str:  # noqa: F722
        """Act."""

    def fielded(a: int = Field(3)) -> str:
        """Act."""

    def aliased(a: Annotated[int, Field(alias="b")]) -> str:
        """Act."""

    def defaulted(a: Annotated[int, Field(default=3)]) -> str:
        """Act."""

    assert "untyped does not say what 'b' is" in refused(untyped)
    assert "many takes any arguments (*rest" in refused(many)
    assert "named takes any arguments (**rest" in refused(named)
    assert "placed takes 'a' by its position only" in refused(placed)
    assert "undefined has an annotation that names NotHere" in refused(undefined)
    assert "broken takes 'a'" in refused(broken)
    assert "Annotated[" in refused(fielded)
    assert "default of 'a'" in refused(defaulted)
    assert "an alias for 'a'" in refused(aliased)


def test_what_is_no_plain_function_is_refused() -> None:
    class Store:
        """A store."""

        def find(self, key: str) -> str:
            """Find."""
            return key

        @classmethod
        def make(cls, key: str) -> str:
            """Make."""
            return key

    def rows(n: int) -> Iterator[int]:
        """Give rows."""
        yield n

    def silent(n: int) -> int:
        return n

    def hollow(n: int) -> int:
        """:param n: how many"""
        return n

    assert "a class" in refused(Store)
    assert "llm_magics.tool(instance.find)" in refused(Store.find)
    assert "outside the class" in refused(vars(Store)["make"])
    assert "lambda" in refused(lambda n: n)
    assert "return a list" in refused(rows)
    assert "silent has no docstring" in refused(silent)
    assert "hollow has no docstring that says what it does" in refused(hollow)
    assert "a tool is a function, got 3" in refused(3)
    assert "max does not say what it takes" in refused(functools.partial(max))
    assert "sqrt takes 'x' by its position only" in refused(math.sqrt)
    assert "a tool is a function" in refused(Store())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"policy": "alow"}, "'alow' is no policy. Did you mean 'allow'? There are: allow, ask, deny."),
        ({"policy": 3}, "3 is no policy."),
        ({"policy": []}, "[] is no policy."),
        ({"name": "a tool"}, "'a tool' cannot be a tool's name"),
        ({"name": "server.tool"}, "cannot be a tool's name"),
        ({"name": ""}, "'' cannot be a tool's name"),
        ({"name": "none"}, "'none' stands for no tools"),
        ({"name": "x" * 65}, "cannot be a tool's name"),
        ({"seconds": 0}, "seconds is a positive number, got 0."),
        ({"seconds": "3"}, "seconds is a positive number"),
        ({"sends_out": "no"}, "sends_out is True or False, got 'no'."),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    def act(thing: str) -> str:
        """Act."""
        return thing

    assert said in refused(act, **options)


# ---------------------------------------------------------------- in a notebook


CELL = '''
from __future__ import annotations
import dataclasses, llm_magics

@dataclasses.dataclass
class Stop:
    name: str
    next: Stop | None = None
    line: Line | None = None

@dataclasses.dataclass
class Line:
    number: int

@llm_magics.tool
def ride(start: Stop, lines: list[Line] = ()) -> str:
    """Ride from a stop."""
    return start.name
'''


def test_a_function_written_in_a_cell_knows_the_cells_classes(shell: Shell) -> None:
    shell.ip.run_cell(CELL).raise_error()
    tool = tool_of(shell.ip.user_ns["ride"])
    assert tool is not None
    read = tool.read({"start": {"name": "A", "next": {"name": "B", "line": {"number": 3}}}})
    assert read["start"].next == shell.ip.user_ns["Stop"]("B", line=shell.ip.user_ns["Line"](3))


def test_a_mistake_in_a_cell_is_one_line(shell: Shell) -> None:
    done = shell.run("import llm_magics\n@llm_magics.tool\ndef f(x): 'Act.'\n")
    assert (
        done.text + done.errors
    ).strip() == "ToolMistake: f does not say what 'x' is: give it a type, such as x: str."


def test_the_package_is_imported_without_what_tools_need() -> None:
    heavy = ["pydantic", "docstring_parser", "openai", "pandas", "numpy"]
    code = (
        "import sys, llm_magics; llm_magics.tool; from llm_magics.tools import results;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# ---------------------------------------------------------------- in call_llm


def test_call_llm_takes_mappings_and_functions_alike(far: FarEnd, far_config: dict[str, Any]) -> None:
    @llm_magics.tool
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    given = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    far.calls_tool("double", number=4)
    message = call_llm("far", "Double 4", far_config, tools=[given, double])
    (request,) = far.requests
    assert request.body["tools"] == [given, as_sdk_tool(double)]
    assert request.body["tools"][1]["function"]["name"] == "double"
    assert request.body["tools"][1]["function"]["parameters"]["required"] == ["number"]
    assert message.tool_calls[0].function.name == "double"


def test_a_tool_itself_is_taken_and_a_mapping_stays_what_it_is() -> None:
    given = {"type": "function", "function": {"name": "f"}}
    assert as_sdk_tool(given) is given
    tool = taking(int)
    assert as_sdk_tool(tool) == tool.wire()


def test_a_function_that_is_not_decorated_is_refused_before_anything_is_sent(
    far: FarEnd, far_config: dict[str, Any]
) -> None:
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    with pytest.raises(ToolMistake, match=r"'double' is not a tool\. Decorate it with @llm_magics\.tool"):
        call_llm("far", "Double 4", far_config, tools=[double])
    assert far.requests == []
