"""Bodies of refusals, which the SDK reads whole before anybody sees them: not for ever, and not without a bound.

What is a good answer is read by `calls` and `exchange`, each with its clocks. A response's stream is replaced by one
that ends; the HTTP library, which is httpx or httpx2 by the SDK's version, takes none but of its own classes.
"""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from llm_magics.endpoints.clocks import ClockRanOut
from llm_magics.wire.event_stream import MAX_EVENT


def hooks(*, in_coroutines: bool) -> dict[str, list[Callable[[Any], Any]]]:
    """The HTTP client's ``event_hooks`` that bound a refusal's body: in bytes, and to the request's own patience."""

    def bound(response: Any) -> None:
        if response.status_code >= 400:
            kind = "AsyncByteStream" if in_coroutines else "SyncByteStream"
            base = next(one for one in type(response.stream).__mro__ if one.__name__ == kind)
            seconds = response.request.extensions.get("timeout", {}).get("read")
            response.stream = (_in_coroutines if in_coroutines else _on_a_thread)(base)(response.stream, seconds)

    async def bound_later(response: Any) -> None:
        bound(response)

    return {"response": [bound_later if in_coroutines else bound]}


class _Bound:
    """How much of a stream was read, and for how long."""

    def __init__(self, stream: Any, seconds: float | None) -> None:
        self._stream, self._seconds = stream, float("inf") if seconds is None else seconds
        self._until, self._left = time.monotonic() + self._seconds, MAX_EVENT

    def _take(self, piece: bytes) -> bool:
        """Whether more may be read.

        Raises:
            ClockRanOut: it takes too long.
        """
        self._left -= len(piece)
        if time.monotonic() > self._until:
            raise ClockRanOut("first token", self._seconds)
        return self._left > 0


@functools.cache
def _on_a_thread(base: type[Any]) -> type[Any]:
    class Bounded(_Bound, base):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            for piece in self._stream:
                more = self._take(piece)
                yield piece
                if not more:
                    return

        def close(self) -> None:
            self._stream.close()

    return Bounded


@functools.cache
def _in_coroutines(base: type[Any]) -> type[Any]:
    class Bounded(_Bound, base):  # type: ignore[misc]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in self._stream:
                more = self._take(piece)
                yield piece
                if not more:
                    return

        async def aclose(self) -> None:
            await self._stream.aclose()

    return Bounded
