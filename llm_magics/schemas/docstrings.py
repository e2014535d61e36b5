"""What a docstring says of a function and of its parameters, whether Google, NumPy or Sphinx would have written it so.

The parser is docstring-parser: it needs nothing else, finds out the style itself, and forgives a section that stands
without a blank line above it, as they do in notebooks.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Described:
    """What a docstring says: of the function, and of parameters by their names."""

    text: str
    parameters: dict[str, str] = field(default_factory=dict)


def described(docstring: str) -> Described:
    """What this docstring says; all of it is about the function where no style can be made out."""
    from docstring_parser import ParseError, parse

    whole = inspect.cleandoc(docstring).strip()
    try:
        parsed = parse(whole)
    except (ParseError, ValueError, IndexError):  # half a section, which belongs to no style
        return Described(whole)
    said = (parsed.description or "").strip()
    notes = [note for part in parsed.meta if (note := _note(part))]
    return Described("\n\n".join([said, *notes]).strip(), _parameters(parsed))


def _parameters(parsed: Any) -> dict[str, str]:
    """NumPy's ``a, b : int`` describes both."""
    found = {}
    for parameter in parsed.params:
        for name in parameter.arg_name.split(","):
            if parameter.description:
                found[name.strip().lstrip("*")] = parameter.description.strip()
    return found


def _note(part: Any) -> str:
    """What else a caller wants to know: what it returns, notes, examples; not what it raises."""
    from docstring_parser import DocstringParam, DocstringRaises

    if isinstance(part, DocstringParam | DocstringRaises) or not part.args or not (part.description or "").strip():
        return ""
    return f"{part.args[0].capitalize()}: {part.description.strip()}"
