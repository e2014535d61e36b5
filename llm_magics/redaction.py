"""Text without keys: every form a key takes in texts, whole, in pieces, or split over the parts of a stream."""

from __future__ import annotations

import base64
import functools
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

SHORTEST = 8  # characters of a key that is looked for at all, and of a key's beginning
PIECE = 12  # characters of a key that are taken out wherever they stand
LONG = 16  # characters of a key that is taken out of answers too: shorter ones may be ordinary words ("lm-studio")
STARS = "***"
_WINDOW = 6  # characters compared at once
_CONTEXT = 3  # characters that a stream lets go before it knows better


class Redactor:
    """Takes keys out of texts. Make one with `redactor`, which keeps those made before.

    What it looks for is held by functions, so that no listing of its fields shows a key.
    """

    __slots__ = ("_beginnings", "_reach", "_spans", "_wanted")

    def __init__(self, values: tuple[str, ...], *, beginnings: bool) -> None:
        self._wanted = bool(values)
        self._spans, self._reach = _search(values)
        self._beginnings = _without_beginnings(values if beginnings else ())

    def __bool__(self) -> bool:
        return self._wanted

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Redactor cannot be pickled: it knows keys")

    def text(self, text: str) -> str:
        """``text`` without the keys, whole or in pieces, in any encoding."""
        parts, position = [], 0
        for start, end in self._spans(text):
            parts += [text[position:start], STARS]
            position = end
        return self._beginnings("".join([*parts, text[position:]]) if parts else text)

    def value(self, value: Any) -> Any:
        """Containers and texts, bytes too, without the keys; what holds none comes back as it is."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray):
            clean = self.text(value.decode("latin-1")).encode("latin-1", "replace")
            return value if clean == value else type(value)(clean)
        if isinstance(value, Mapping):
            return {self.value(key): self.value(inner) for key, inner in value.items()}
        if type(value) in (list, tuple, set, frozenset):
            return type(value)(self.value(inner) for inner in value)
        return value


class StreamRedactor:
    """Takes keys out of a text that comes in parts: what may be the beginning of a key waits for the next part."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._context = ""  # the last characters let go
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be shown now."""
        if not self._redactor:
            return text
        text = self._held + text
        reach = min(self._redactor._reach(self._context + text), len(text))
        return self._release(text, len(text) - reach)

    def close(self) -> str:
        """The rest."""
        return self._release(self._held, len(self._held))

    def _release(self, text: str, cut: int) -> str:
        whole, seam = self._context + text, len(self._context)
        shown, position = [], seam
        for start, end in self._redactor._spans(whole[: seam + cut]):
            if end > position:
                shown += [whole[position : max(start, seam)], STARS]
                position = end
        shown.append(whole[position : seam + cut])
        self._held, self._context = text[cut:], whole[: seam + cut][-_CONTEXT:]
        return "".join(shown)


def redactor(values: Iterable[str], *, answers: bool = False) -> Redactor:
    """The redactor of these keys.

    Keys of fewer than `SHORTEST` characters cannot be told from ordinary words; ``answers``, which must not be changed
    for a word's sake, are only searched for keys of at least `LONG`. Other texts are searched for a key's first
    characters too, which servers like to repeat.
    """
    shortest = LONG if answers else SHORTEST
    return _redactor(tuple(dict.fromkeys(value for value in values if len(value) >= shortest)), not answers)


@functools.lru_cache(maxsize=64)
def _redactor(values: tuple[str, ...], beginnings: bool) -> Redactor:
    return Redactor(values, beginnings=beginnings)


def _forms(value: str) -> Iterator[tuple[str, int]]:
    """A key as it may stand in a text, and how many characters of that are too many."""
    raw = value.encode()
    per = min(PIECE, len(value))
    yield value, per
    yield value[::-1], per
    yield raw.hex(), 2 * per
    yield "".join(f"%{byte:02x}" for byte in raw), 3 * per
    yield "".join(f"&#{byte};" for byte in raw), 5 * per
    # Only the characters that are no letters and digits written otherwise.
    yield urllib.parse.quote(value, safe=""), per
    for mark in ("\\", "\\\\"):  # the second within JSON in JSON
        yield value.replace("/", f"{mark}/"), per
        yield "".join(char if char.isalnum() else f"{mark}u{ord(char):04x}" for char in value), per + 6
        yield "".join(f"{mark}u{byte:04x}" for byte in raw), 6 * per
    # Of base64 the key alone, and the part that is the same whatever stands around it.
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).rstrip(b"=")
        inner = encoded[(0, 2, 3)[before] : len(encoded) - (before > 0 and (before + len(raw)) % 3 > 0)].decode()
        yield inner, min(PIECE, len(inner))
        yield inner.replace("+", "-").replace("/", "_"), min(PIECE, len(inner))


Spans = list[tuple[int, int]]


def _search(values: tuple[str, ...]) -> tuple[Callable[[str], Spans], Callable[[str], int]]:
    """Two functions of a text: where pieces of the keys stand in it, from left to right and none within another; and
    how many characters at its end may belong to a key that goes on."""
    forms = tuple(dict.fromkeys((form.lower(), length) for value in values for form, length in _forms(value)))
    if not forms:
        return lambda text: [], lambda text: 0
    windows: dict[str, list[tuple[int, int]]] = {}
    for number, (form, _) in enumerate(forms):
        for at in range(len(form) - _WINDOW + 1):
            windows.setdefault(form[at : at + _WINDOW], []).append((number, at))
    stride = min(length for _, length in forms) - _WINDOW + 1  # no piece fits between two windows so far apart
    joined, longest = "\0".join(form for form, _ in forms), max(len(form) for form, _ in forms)

    def spans(text: str) -> Spans:
        low, found = _lower(text), set()
        for at in range(0, len(low), stride):
            for number, place in windows.get(low[at : at + _WINDOW], ()):
                form, length = forms[number]
                start, end = _grown(low, at, form, place)
                if end - start >= length:
                    found.add((start, end))
        return list(_merged(sorted(found))) if found else []

    def reach(text: str) -> int:
        low, length = _lower(text[-longest:]), _CONTEXT
        while length < len(low) and low[-length - 1 :] in joined:
            length += 1
        return length if length > _CONTEXT else 0

    return spans, reach


def _without_beginnings(values: tuple[str, ...]) -> Callable[[str], str]:
    patterns = [re.compile(re.escape(value[:SHORTEST]) + r"[\w*.…-]*", re.I) for value in values]

    def without(text: str) -> str:
        for pattern in patterns:
            text = pattern.sub(STARS, text)
        return text

    return without


def _grown(text: str, at: int, form: str, place: int) -> tuple[int, int]:
    """The stretch of a text that is also one of the form, grown from where both have the same characters."""
    start = end = 0
    while start < min(at, place) and text[at - start - 1] == form[place - start - 1]:
        start += 1
    while at + end < len(text) and place + end < len(form) and text[at + end] == form[place + end]:
        end += 1
    return at - start, at + end


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    last: tuple[int, int] | None = None
    for start, end in spans:
        if last is None:
            last = start, end
        elif start <= last[1]:
            last = last[0], max(last[1], end)
        else:
            yield last
            last = start, end
    if last is not None:
        yield last


def _lower(text: str) -> str:
    """In lower case, character for character; only letters of ASCII matter."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
