"""Half characters: pairs that were split across deltas joined, lone halves replaced, so that no sink chokes."""

from __future__ import annotations

from typing import Any


class Surrogates:
    """Joins surrogate pairs that were split across deltas; a lone one becomes U+FFFD, so that no sink chokes on it."""

    def __init__(self) -> None:
        self._high = ""

    def join(self, text: str) -> str:
        if not self._high and (text.isascii() or not _has_surrogate(text)):
            return text
        text, self._high = self._high + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._high = text[:-1], text[-1]
        return sendable(text)

    @property
    def rest(self) -> str:
        """What stands for a half whose other half has not come."""
        return "\ufffd" if self._high else ""

    def close(self) -> str:
        rest, self._high = self.rest, ""
        return rest


def sendable(text: str) -> str:
    """Text that can be encoded: surrogate pairs joined, lone ones replaced."""
    if text.isascii() or not _has_surrogate(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def sendable_json(value: Any) -> Any:
    """The same for every text in plain containers."""
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, dict):
        return {key: sendable_json(inner) for key, inner in value.items()}
    return [sendable_json(inner) for inner in value] if isinstance(value, list) else value


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
