"""The canary: a key made for one run, and the search for any piece of it in any form."""

from __future__ import annotations

import base64
import html
import secrets
import string
import urllib.parse
from functools import cached_property

PIECE = 12  # characters of the key that are a leak wherever they stand
_ALPHABET = string.ascii_letters + string.digits


class Canary:
    """A key nobody else has.

    Attributes:
        value: the key; no `PIECE` of it is without one of ``/``, ``+`` and ``=``, which encodings write differently.
        plain: a second one that does not look like a key, for places that are known to hold one.
    """

    def __init__(self) -> None:
        body = [secrets.choice(_ALPHABET) for _ in range(38)]
        body[0] = secrets.choice(string.digits)
        body[8], body[17], body[26], body[31], body[35] = "/", "/", "/", "+", "="
        self.value = "sk-" + "".join(body)
        self.plain = "".join(secrets.choice(_ALPHABET) for _ in range(36))

    def found_in(self, blob: bytes) -> list[str]:
        """The forms in which a piece of the key stands in these bytes."""
        found = set()
        # Within JSON a backslash is written twice, and within JSON in JSON four times.
        for seen in {blob, blob.replace(b"\\\\", b"\\"), blob.replace(b"\\\\\\\\", b"\\")}:
            low = seen.lower()
            for form, pieces in self._pieces.items():
                if any(piece in (low if form in _ANY_CASE else seen) for piece in pieces):
                    found.add(form)
        return sorted(found)

    @cached_property
    def _pieces(self) -> dict[str, set[bytes]]:
        raw = self.value.encode()
        pieces = {
            "raw": _pieces_of(self.value.lower(), PIECE) | _pieces_of(self.plain.lower(), PIECE),
            "reversed": _pieces_of(self.value[::-1].lower(), PIECE),
            "hex": _pieces_of(raw.hex(), 2 * PIECE, 2),
            "url-encoded": _pieces_of("".join(f"%{byte:02x}" for byte in raw), 3 * PIECE, 3)
            | _pieces_of(urllib.parse.quote(self.value, safe="").lower(), PIECE + 4),
            "JSON-escaped": _pieces_of("".join(f"\\u{byte:04x}" for byte in raw), 6 * PIECE, 6)
            | _pieces_of(self.value.lower().replace("/", "\\/"), PIECE + 1)
            | _pieces_of("".join(c if c.isalnum() else f"\\u{ord(c):04x}" for c in self.value).lower(), PIECE + 6),
            "HTML-escaped": _pieces_of("".join(f"&#{byte};" for byte in raw), 6 * PIECE)
            | _pieces_of(html.escape(self.value.lower()), PIECE),
        }
        encoded = set()
        for before in range(3):
            whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
            inner = whole[(0, 2, 3)[before] : len(whole) - 1]
            encoded |= _pieces_of(inner, 16) | _pieces_of(inner.replace("+", "-").replace("/", "_"), 16)
        pieces["JSON-escaped"] = {piece for piece in pieces["JSON-escaped"] if b"\\" in piece}
        pieces["HTML-escaped"] = {piece for piece in pieces["HTML-escaped"] if b"&" in piece}
        return {**pieces, "base64": encoded}


_ANY_CASE = {"raw", "reversed", "hex", "url-encoded", "JSON-escaped", "HTML-escaped"}


def _pieces_of(form: str, length: int, step: int = 1) -> set[bytes]:
    return {form[at : at + length].encode() for at in range(0, max(1, len(form) - length + 1), step)}
