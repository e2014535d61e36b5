"""Pieces of an answer that each hold all of it so far, as some servers send them, told from pieces that go on.

In Chat Completions each piece goes on where the last one ended. DashScope's older way, and some gateways', is to send
the text from its beginning every time; joined as they come, such pieces would tell it again and again.
"""

from __future__ import annotations

PROOF = 3  # pieces in a row that begin with the whole one before: a text that goes on has no three of them
VARIED = 4  # different characters, at the least: "a", "aa", "aaa" … may well go on


class Cumulative:
    """What each piece adds.

    A piece that begins with the one before is held back until the next ones tell which way it is meant.

    Attributes:
        plain: whether it is known that pieces go on.
        found: whether it is known that each holds all of it.
    """

    def __init__(self) -> None:
        self.plain = self.found = False
        self._first = self._last = ""
        self._held: list[str] = []

    def added(self, piece: str) -> str:
        """The text that is new with a piece, so far as that is known."""
        if self.plain or not piece:
            return piece
        last, self._last = self._last, piece
        if self.found:
            return self._beyond(last, piece)
        if not last:
            self._first = piece
            return piece
        holds_all = piece.startswith(last) and (len(piece) > len(last) or bool(self._held))
        self._held.append(piece)
        if holds_all and len(self._held) < PROOF:
            return ""
        return self.decided(holds_all and len(set(piece)) >= VARIED)

    def _beyond(self, last: str, piece: str) -> str:
        if piece.startswith(last):
            return piece[len(last) :]
        self._last = last
        return "" if last.startswith(piece) else piece

    def decided(self, found: bool) -> str:
        """What is held back, meant that way or the other; nothing a second time."""
        self.plain, self.found = not found, found
        held, self._held = self._held, []
        return "".join(held) if not found else self._last[len(self._first) :] if held else ""

    def close(self) -> str:
        """What is held back when no more pieces come: two are as many as a short answer may have."""
        return self.decided(len(self._held) == PROOF - 1 and len(set(self._last)) >= VARIED) if self._held else ""
