"""How much a page's channel takes: bytes and messages within any one second, not on average.

Beyond that front ends stall, and a Jupyter server drops what is sent, silently for whoever opens the notebook later.
"""

from __future__ import annotations

import json
import time
from collections import deque

# Of the 300,000 bytes and 20 messages that any one second may have, what a growing text leaves is enough for the
# answer's last rendering, so that it never has to wait.
GROWING = 40_000  # bytes
MESSAGES = 14  # the cell's own beginning and end add five
ENVELOPE = 1_100  # bytes of a display message besides its text


def size_of(text: str) -> int:
    """The bytes of a text inside a message."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass"))


class Channel:
    """What one cell has sent within the last second."""

    def __init__(self) -> None:
        self._sent: deque[tuple[float, int]] = deque()

    def has_room(self, size: int) -> bool:
        """Whether a message with a text of this size can be sent now."""
        return self._recent() + size + ENVELOPE <= GROWING and len(self._sent) < MESSAGES

    def note(self, size: int) -> None:
        """One was sent."""
        self._sent.append((time.monotonic(), size + ENVELOPE))

    def _recent(self) -> int:
        now = time.monotonic()
        while self._sent and now - self._sent[0][0] > 1.0:
            self._sent.popleft()
        return sum(size for _, size in self._sent)
