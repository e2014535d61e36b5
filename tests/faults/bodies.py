"""What the far end says in the fault matrix: pieces of a good answer, and replies that no well-behaved server gives."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from far_end import DONE, ClientGone, End, Events, Failure, Frame, Line, Request, http_chunk, to_json

MODEL = "far-model"
TEXT = "Half of it and the rest."
HALF = "Half of it"
REST = " and the rest."
USAGE = {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}


def chunk(content: Any = None, *, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One chunk of a stream."""
    if content is not None:
        delta["content"] = content
    return {
        "id": "chatcmpl-far",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def document(content: Any = TEXT, *, finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    """A whole completion."""
    return {
        "id": "chatcmpl-far",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
        ],
        "usage": USAGE,
    }


def streamed(
    *frames: Frame, done: bool = True, end: End = "chunked", eol: str = "\n", headers: Mapping[str, str] | None = None
) -> Events:
    """An event stream; the verb `sends` of the far end explains its ends."""
    return Events(frames=frames, done=done, gap=0.0, headers=headers or {}, end=end, eol=eol)


def whole(body: Any, **headers: str) -> Failure:
    """One response with status 200."""
    return Failure(200, body, {name.replace("_", "-"): value for name, value in headers.items()})


def both(frames: Sequence[Frame], message: dict[str, Any]) -> dict[str, Any]:
    """The same oddity as a stream and as a whole completion, as keyword arguments of a row."""
    return {"stream": streamed(*frames), "plain": whole(message)}


def error(message: str | None = None, **more: Any) -> dict[str, Any]:
    """An error body; without a message it holds codes alone."""
    return {"error": ({} if message is None else {"message": message}) | more}


def event(payload: Any) -> bytes:
    """A payload as a server-sent event."""
    return b"data: " + to_json(payload) + b"\n\n"


ANSWER = (chunk("", role="assistant"), chunk(HALF), chunk(REST), chunk(finish="stop"))
GOOD = streamed(*ANSWER)
GOOD_WHOLE = whole(document())
ANSWER_BYTES = b"".join(map(event, ANSWER)) + DONE


@dataclass(frozen=True)
class Wire:
    """Bytes as they are, with pauses in seconds between them, and then some end of the connection."""

    pieces: Sequence[bytes | float]
    end: Literal["close", "reset", "hang"] = "close"

    def play(self, _request: Request, line: Line) -> bool:
        for piece in self.pieces:
            if isinstance(piece, bytes):
                line.write(piece)
            else:
                line.wait(piece)
        if self.end == "hang":
            line.wait(None)
        elif self.end == "reset":
            line.wait(0.05)  # a reset throws away what is still unsent
            line.close(reset=True)
        return False


@dataclass(frozen=True)
class ForEver:
    """The first bytes once, then the same piece again and again until the client leaves."""

    first: bytes
    piece: bytes
    gap: float

    def play(self, _request: Request, line: Line) -> bool:
        line.write(self.first)
        while True:
            line.wait(self.gap)
            line.write(self.piece)


@dataclass(frozen=True)
class ThenClosed:
    """A good answer that promises to keep the connection, which then closes all the same, a moment later."""

    reply: Failure | Events

    def play(self, request: Request, line: Line) -> bool:
        self.reply.play(request, line)
        with contextlib.suppress(ClientGone):
            line.wait(0.05)
        return False


def head(*lines: str, status: str = "200 OK", version: str = "HTTP/1.1") -> bytes:
    """Status line and headers."""
    return "\r\n".join([f"{version} {status}", *lines, "", ""]).encode("latin-1")


SSE = "content-type: text/event-stream"
JSON = "content-type: application/json"
CLOSE = "connection: close"
CHUNKED = "transfer-encoding: chunked"
STREAM_HEAD = head(SSE, CHUNKED)
HALF_STREAM = event(chunk("", role="assistant")) + event(chunk(HALF))
WHOLE = to_json(document())
HALF_WHOLE = WHOLE[: WHOLE.index(REST.encode())]


def eof_delimited(data: bytes, kind: str = SSE, version: str = "HTTP/1.0") -> Wire:
    """A body that ends where the connection ends, so that nobody can see it being cut."""
    return Wire([head(kind, CLOSE, version=version), data])


def of_length(data: bytes, length: int, kind: str = JSON) -> Wire:
    """A body of another length than promised."""
    return Wire([head(kind, f"content-length: {length}", CLOSE), data])


def in_pieces(data: bytes, size: int) -> Wire:
    """A good event stream, in HTTP chunks of this many bytes."""
    parts = [http_chunk(data[at : at + size]) for at in range(0, len(data), size)]
    return Wire([STREAM_HEAD, *parts, http_chunk(b"")])


def squeezed(data: bytes, kind: str, *, spoilt: bool = False) -> Wire:
    """A gzipped body; spoilt, it is none."""
    packed = gzip.compress(data)
    if spoilt:
        packed = packed[:10] + bytes(255 - byte for byte in packed[10:])
    return Wire([head(kind, "content-encoding: gzip", f"content-length: {len(packed)}", CLOSE), packed])


def escaped(payload: Any) -> bytes:
    """An event whose JSON is ASCII, as half surrogate pairs need it."""
    return b"data: " + json.dumps(payload).encode() + b"\n\n"
