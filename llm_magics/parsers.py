"""The parsers of the magics' lines, each made when it is first asked for.

IPython's `magic_arguments` makes the parser, and the help text, as soon as a magic is defined: that would be half of
what loading takes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from IPython.core.magic_arguments import MagicArgumentParser

F = TypeVar("F", bound=Callable[..., Any])


def takes_arguments(function: F) -> F:
    """Mark a magic whose `argument` decorators are its options; ``?`` tells them below what its docstring says."""
    function.getdoc = lambda: parser_of(function) and function.__doc__  # type: ignore[attr-defined] # IPython asks for it
    return function


def parser_of(magic: Callable[..., Any]) -> MagicArgumentParser:
    """The parser of a magic's line, from its `argument` decorators."""
    return _parser(getattr(magic, "__func__", magic))


@functools.cache
def _parser(function: Callable[..., Any]) -> MagicArgumentParser:
    from IPython.core.magic_arguments import construct_parser

    # It also puts the help text in place of the docstring.
    return construct_parser(function)  # type: ignore[no-untyped-call, no-any-return]
