"""JSON as people read it: on lines of its own, unless it is nested so deep that it would be mostly blanks."""

from __future__ import annotations

import json
import re

MAX_INDENTED = 30  # levels
_SIGNS = re.compile(r'[\[\]{}]|"(?:[^"\\]|\\.)*"')


def laid_out(text: str) -> str:
    """JSON on lines of its own, or as it is where it is nested too deep.

    Raises:
        ValueError, RecursionError: it is no JSON.

    >>> print(laid_out('{"a": 1}'))
    {
      "a": 1
    }
    """
    value = json.loads(text)
    depth = deepest = 0
    for sign in _SIGNS.findall(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(sign, 0)
        deepest = max(deepest, depth)
    return json.dumps(value, indent=2, ensure_ascii=False) if deepest <= MAX_INDENTED else text
