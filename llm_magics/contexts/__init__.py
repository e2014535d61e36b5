"""How an object of the user's is told to a model: one kind of object a sibling, each with ``describe(obj, budget)``.

An object may tell itself: a method ``_repr_llm_()`` that returns text goes before everything here.
"""

from __future__ import annotations

import importlib
import inspect
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llm_magics.errors import PromptError, short

BUDGET = 400_000  # characters of one value; about 100,000 tokens

# "module.Class", looked for along the class's bases, so that nothing is imported to ask.
KINDS = {
    "pandas.core.frame.DataFrame": "frame:describe",
    "pandas.DataFrame": "frame:describe",
    "pandas.core.series.Series": "frame:describe",
    "pandas.Series": "frame:describe",
    "polars.dataframe.frame.DataFrame": "frame:describe",
    "polars.series.series.Series": "frame:describe",
    "pyarrow.lib.Table": "frame:describe",
    "pyarrow.lib.RecordBatch": "frame:describe",
    "numpy.ndarray": "array:describe",
}
# Things that have no text of their own, and what to put instead.
_UNTELLABLE: tuple[tuple[Callable[[Any], bool], str, str], ...] = (
    (lambda obj: isinstance(obj, io.IOBase), "an open file", "its text, with .read()"),
    (inspect.isgenerator, "a generator", "list(…) of it"),
    (inspect.isasyncgen, "an asynchronous generator", "a list of its values"),
    (inspect.isawaitable, "a coroutine", "its awaited value"),
    (inspect.ismodule, "a module", "one of its values"),
    (inspect.isclass, "a class", "inspect.getsource(…) of it, or one of its instances"),
    (inspect.isroutine, "a function", "inspect.getsource(…) of it, or call it"),
    (lambda obj: isinstance(obj, Iterator) and not hasattr(obj, "__len__"), "an iterator", "list(…) of it"),
    (lambda obj: _name_of(obj) == "polars.lazyframe.frame.LazyFrame", "a lazy frame", "its .collect()"),
    (lambda obj: type(obj).__module__ in ("_thread", "threading"), "a lock or a thread", "something that has a text"),
)


class TooLarge(ValueError):
    """Raised by a teller that knows, before writing a text, that it would have ``size`` characters."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} characters")
        self.size = size


class Untellable(ValueError):
    """Raised by a teller for an object that would be told wrongly; says why, and what to do."""


def describe(obj: Any, name: str, budget: int = BUDGET) -> str:
    """What a prompt says of this object; ``name`` is the expression it came from, for complaints.

    Raises:
        PromptError: it has no text, or more than ``budget`` characters of it.
    """
    for is_one, kind, instead in _UNTELLABLE:
        if _is(is_one, obj):
            raise PromptError(f"{short(name)} is {kind}, which has no text: put {instead}. Nothing was sent.")
    try:
        told = _told(obj, budget)
    except TooLarge as error:
        raise too_long(name, error.size, budget) from None
    except Untellable as error:
        raise PromptError(f"{short(name)} {error}. Nothing was sent.") from None
    if len(told) > budget:
        raise too_long(name, len(told), budget)
    return told


def _is(is_one: Callable[[Any], bool], obj: Any) -> bool:
    """Whether it is one; False of an object that cannot even be asked, as a proxy of something that is not there."""
    try:
        return bool(is_one(obj))
    except Exception:  # noqa: BLE001 - the object answers for its class, and may raise anything
        return False


def too_long(name: str, size: int, budget: int) -> PromptError:
    """The error for a value that no model could read."""
    return PromptError(
        f"{short(name)} is about {size:,} characters (≈ {size // 4:,} tokens), more than the {budget:,} a value may "
        f"have. Put a part of it, such as its head or a summary. Nothing was sent."
    )


def _told(obj: Any, budget: int) -> str:
    try:
        return str(_teller(obj)(obj, budget))
    except (TooLarge, Untellable):
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's own class, or its library, may raise anything
        return f"<{type(obj).__name__}: its text failed with {type(error).__name__}>"


def _teller(obj: Any) -> Callable[[Any, int], str]:
    if callable(getattr(type(obj), "_repr_llm_", None)):
        return lambda obj, budget: str(obj._repr_llm_())
    if row := known_as(obj, KINDS):
        module, function = row.split(":")
        teller: Callable[[Any, int], str] = getattr(importlib.import_module(f"{__name__}.{module}"), function)
        return teller
    from llm_magics.contexts import text

    return text.describe


def known_as(obj: Any, kinds: Mapping[str, str]) -> str | None:
    """The row of the nearest of its classes that such a table of ``module.Class`` names; None where there is none."""
    for base in type(obj).__mro__:
        if row := kinds.get(f"{base.__module__}.{base.__qualname__}"):
            return row
    return None


def is_frame(obj: Any) -> bool:
    """Whether it is a dataframe or a series, of whichever library."""
    return (known_as(obj, KINDS) or "").startswith("frame:")


def _name_of(obj: Any) -> str:
    return f"{type(obj).__module__}.{type(obj).__qualname__}"
