"""What keys of well-known providers look like: masked where typed words are repeated, and kept out of prompts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# A digit is asked for, so that ``sk-learn-pipelines`` stays a word.
_LIKE = re.compile(
    r"(?<![\w-])(?:(?:sk|pk|rk|csk|gsk|xai|hf|nvapi|pplx|ghp|r8|fw|tgp_v1)[-_]|AIza)(?=[\w-]*\d)[\w-]{12,}[\w+/=.~-]*"
)
# Enough like a key to stop a prompt: besides, twelve letters and digits in a row, at least one of them a digit.
_SURE = re.compile(
    r"(?<![\w-])(?:"
    r"(?:sk|csk|gsk|xai|hf|nvapi|pplx|r8|fw|tgp_v1)[-_][\w-]*?(?=[A-Za-z0-9]{0,40}\d)[A-Za-z0-9]{12,}"
    r"|AIza[\w-]{35}"
    r"|gh[opsu]_[A-Za-z0-9]{36}|github_pat_\w{50,}|glpat-[\w-]{20}"
    r"|A(?:KIA|SIA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|xox[abprs]-[\w-]{20,}"
    r")"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


def masked(text: str) -> str:
    """Text in which what looks like a key is ``***``: for messages that repeat what someone typed."""
    return _LIKE.sub("***", text)


def shape_in(text: str) -> str | None:
    """How a key that stands in this text begins, as it can be told (``sk-…``); None where none is."""
    found = _SURE.search(text)
    if found is None:
        return None
    return re.match(r"-+BEGIN|\w{2,4}?[-_]|\w{4}", found[0])[0] + "…"  # type: ignore[index] # one of these it begins with


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a request, however nested, but for what is no text to a person: data of pictures and sounds."""
    if isinstance(value, str):
        if not value.startswith("data:"):
            yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)
