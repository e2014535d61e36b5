"""Whether code runs that a model asked for: what only a person may do refuses then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from llm_magics.errors import PromptError

_acting: ContextVar[str] = ContextVar("_acting", default="")


@contextmanager
def acting(tool: str) -> Iterator[None]:
    """Within, a tool of this name runs for a model."""
    token = _acting.set(tool)
    try:
        yield
    finally:
        _acting.reset(token)


def is_acting() -> bool:
    """Whether a tool is running here for a model."""
    return bool(_acting.get())


def only_for_people(what: str) -> None:
    """Refuse where a model is behind it: nothing it has run may loosen what holds it.

    Raises:
        PromptError: a tool is running.
    """
    if tool := _acting.get():
        raise PromptError(f"{what} is for the person at the keyboard: {tool} runs for a model, and cannot do it.")
