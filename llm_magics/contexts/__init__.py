"""How an object of the user's is told to a model: one kind of object a sibling, each with ``describe(obj, budget)``.

An object may tell itself: a method ``_repr_llm_()`` that returns text goes before everything here.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from llm_magics.errors import PromptError

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
    "numpy.ndarray": "array:describe",
}
# Things that have no text of their own, and what to put instead.
_UNTELLABLE = (
    (inspect.isgenerator, "a generator", "list(…) of it"),
    (inspect.iscoroutine, "a coroutine", "its awaited value"),
    (inspect.ismodule, "a module", "one of its values"),
    (inspect.isroutine, "a function", "inspect.getsource(…) of it, or call it"),
    (lambda obj: isinstance(obj, Iterator) and not hasattr(obj, "__len__"), "an iterator", "list(…) of it"),
)


class TooLarge(ValueError):
    """Raised by a teller that knows, before writing a text, that it would have ``size`` characters."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} characters")
        self.size = size


def describe(obj: Any, name: str, budget: int = BUDGET) -> str:
    """What a prompt says of this object; ``name`` is the expression it came from, for complaints.

    Raises:
        PromptError: it has no text, or more than ``budget`` characters of it.
    """
    for is_one, kind, instead in _UNTELLABLE:
        if is_one(obj):
            raise PromptError(f"{name!r} is {kind}, which cannot be put into a prompt: use {instead}. Nothing was sent.")
    try:
        told: str = _teller(obj)(obj, budget)
    except TooLarge as error:
        raise too_long(name, error.size, budget) from None
    if len(told) > budget:
        raise too_long(name, len(told), budget)
    return told


def too_long(name: str, size: int, budget: int) -> PromptError:
    """The error for a value that no model could read."""
    return PromptError(
        f"{name!r} is about {size:,} characters (≈ {size // 4:,} tokens), more than the {budget:,} a value may have. "
        f"Put a part of it, such as its head or a summary. Nothing was sent."
    )


def _teller(obj: Any) -> Any:
    if callable(getattr(type(obj), "_repr_llm_", None)):
        return lambda obj, budget: str(obj._repr_llm_())
    for base in type(obj).__mro__:
        row = KINDS.get(f"{base.__module__}.{base.__qualname__}")
        if row:
            module, function = row.split(":")
            return getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return importlib.import_module(f"{__name__}.text").describe
