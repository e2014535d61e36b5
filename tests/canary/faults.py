"""What a server does wrong, with the key it was sent in its mouth."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from far_end import FarEnd, Raw, calling, spoken

LINE = 280  # characters before the key: it then stands across the place where a long message is cut


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail.

    Attributes:
        name: in words.
        play: scripts the server, given the key and another server's address.
        says: what a failing cell shows of it; empty where the call succeeds, or where the words do not matter.
        interrupts: whether someone stops the cell.
        seconds: the timeout it needs.
    """

    name: str
    play: Callable[[FarEnd, str, str], Any]
    says: str = ""
    interrupts: bool = False
    seconds: float | None = None


def echoes(key: str) -> Mapping[str, str]:
    """The ways a server repeats a key."""
    raw = key.encode()
    return {
        "raw": key,
        "in upper case": key.upper(),
        "in base64": base64.b64encode(raw).decode(),
        "in base64, as after a user name": base64.b64encode(b"u:" + raw).decode(),
        "in base64, as after a scheme": base64.b64encode(b"Bearer " + raw + b" ").decode(),
        "in base64 for addresses": base64.urlsafe_b64encode(raw).decode(),
        "url-encoded": urllib.parse.quote(key, safe=""),
        "url-encoded throughout": "".join(f"%{byte:02X}" for byte in raw),
        "JSON-escaped": "".join(f"\\u{byte:04x}" for byte in raw),
        "JSON-escaped but for letters": "".join(char if char.isalnum() else f"\\u{ord(char):04x}" for char in key),
        "with escaped slashes": json.dumps(key).replace("/", "\\/"),
        "JSON in JSON": json.dumps(json.dumps({"key": key.replace("=", "\\u003d")})),
        "HTML-escaped": "".join(f"&#{byte};" for byte in raw),
        "in hex": raw.hex(),
        "in hex, upper case": raw.hex().upper(),
        "backwards": key[::-1],
        "masked behind ten characters": key[:10] + "*" * 8 + key[-4:],
        "without its beginning": "…" + key[-20:],
        "cut in the middle": f"{key[:24]}...",
    }


ECHOES = tuple(echoes("").keys())


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


def _delta(**delta: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}


def _finish(reason: str = "stop") -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def _head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def _echo(way: str) -> Fault:
    def play(far: FarEnd, key: str, other: str) -> None:
        far.fails(401, error(f"Incorrect API key provided: {echoes(key)[way]}. Try again."))

    return Fault(f"401 that repeats the key {way}", play, says="does not accept the key")


def _page(far: FarEnd, key: str, other: str) -> None:
    page = f"<html><title>Sign in {key}</title><p>{html.escape(key)}</p></html>"
    far.fails(200, page, headers={"content-type": "text/html"})


def _cut(far: FarEnd, key: str, other: str) -> None:
    far.fails(400, error("x" * LINE + " " + base64.b64encode(key.encode()).decode()))


def _chunked(far: FarEnd, key: str, other: str) -> None:
    one, two = _halves(json.dumps(error(f"Incorrect key {key}")))
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part.encode()) for part in (one, two, ""))
    head = _head("401 Unauthorized", "content-type: application/json", "transfer-encoding: chunked")
    far.plays(Raw(head + body))


def _deltas(far: FarEnd, key: str, other: str) -> None:
    one, two = _halves(key)
    frames = [_delta(role="assistant", content=f"You are {one}"), _delta(content=f"{two}, are you?"), _finish()]
    far.sends([frames[0], 0.15, *frames[1:]])


def _drip(far: FarEnd, key: str, other: str) -> None:
    far.plays(spoken(f"Your key is {key}.", chunk=1, gap=0.02))


def _thought(far: FarEnd, key: str, other: str) -> None:
    far.plays(spoken("Done.", reasoning=f"The caller's key is {key}; hm.", chunk=3))


def _called(far: FarEnd, key: str, other: str) -> None:
    far.plays(calling([(f"send_{key}", {"header": f"Bearer {key}"})], text=f"I call with {key}.", chunk=5))


def _fields(far: FarEnd, key: str, other: str) -> None:
    first = {**_delta(role="assistant", content="Yes."), "model": f"model-{key}", "system_fingerprint": key}
    usage = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "key": key}}
    part = _delta(content=[{"type": f"part-{key}"}])
    far.sends([first, part, _finish(f"stop-{key}"), usage])


def _reported(far: FarEnd, key: str, other: str) -> None:
    far.sends([f"event: error\ndata: {json.dumps(error(f'no {key}'))}\n\n"])


def _reported_late(far: FarEnd, key: str, other: str) -> None:
    far.sends([_delta(role="assistant", content="Half"), error(f"key {key} has no credit")], done=False)


def _broken_json(far: FarEnd, key: str, other: str) -> None:
    far.sends([f'data: {{"choices": [{{"delta": {{"content": "{key}\n\n'], done=False)


def _redirect(status: int) -> Callable[[FarEnd, str, str], None]:
    def play(far: FarEnd, key: str, other: str) -> None:
        to = f"{other}/chat/completions?key={urllib.parse.quote(key, safe='')}"
        far.fails(status, error(f"moved, {key}"), headers={"location": to})

    return play


_JSON = {"content-type": "application/json"}

FAULTS: tuple[Fault, ...] = (
    *(_echo(way) for way in ECHOES),
    Fault("400 whose key is where the message is cut", _cut, "refused this"),
    Fault("401 in two chunks of HTTP", _chunked, "does not accept the key"),
    Fault("401 as a page", lambda far, key, _: far.fails(401, f"<h1>No</h1><p>{key}</p>"), "does not accept"),
    Fault("401 as text", lambda far, key, _: far.fails(401, f"bad key {key}"), "does not accept"),
    Fault(
        "401 with the key in its headers",
        lambda far, key, _: far.fails(401, error("no"), headers={"www-authenticate": f"Bearer {key}", "x-key": key}),
        "does not accept",
    ),
    Fault(
        "403 with the key in its request id",
        lambda far, key, _: far.fails(403, error("no"), headers={"x-request-id": f"req-{key}"}),
        "does not allow",
    ),
    Fault("404 with the key", lambda far, key, _: far.fails(404, error(f"no model for {key}")), "does not know"),
    Fault("422 with the key", lambda far, key, _: far.fails(422, {"detail": [{"msg": f"bad {key}"}]}), "refused"),
    Fault("429 with the key", lambda far, key, _: far.fails(429, error(f"slow down, {key}")), "Rate limited"),
    Fault(
        "429 out of credit",
        lambda far, key, _: far.fails(429, error(f"{key}: no credit", code="insufficient_quota")),
        "Out of credit",
    ),
    Fault(
        "500 with the key deep inside",
        lambda far, key, _: far.fails(500, error("Provider error", metadata={"raw": json.dumps({"key": key})})),
        "failed with status 500",
    ),
    Fault(
        "400 with the key as a parameter's name",
        lambda far, key, _: far.fails(400, error("no", param=key, code=key)),
        "refused this",
    ),
    Fault(
        "400 that refuses a parameter, and another in the end",
        lambda far, key, _: far.refuses(
            "stream_options", 400, error(f"Unrecognized request argument supplied: stream_options ({key})")
        ).fails(400, error(f"no, {key}")),
        "then: no",
    ),
    Fault("a page instead of an answer", _page, "web page"),
    Fault("an error inside a 200", lambda far, key, _: far.fails(200, error(f"no {key}")), "reported an error"),
    Fault("an error inside the stream", _reported, "reported an error"),
    Fault("an error after half an answer", _reported_late, "cut off"),
    Fault("an answer that spells the key in two halves", _deltas),
    Fault("an answer that spells the key letter by letter", _drip),
    Fault("a thought that holds the key", _thought),
    Fault("a tool call with the key", _called),
    Fault("the key in every other field", _fields),
    Fault("broken JSON with the key", _broken_json, "sent"),
    Fault("a line of status that is the key", lambda far, key, _: far.replies(f"HTTP/1.1 {key}\r\n\r\n".encode())),
    Fault("a header line that is the key", lambda far, key, _: far.replies(_head("200 OK", f"{key}"))),
    Fault("no HTTP but the key", lambda far, key, _: far.replies(f"{key}\r\n".encode())),
    Fault(
        "a size of a chunk that is the key",
        lambda far, key, _: far.replies(_head("200 OK", "transfer-encoding: chunked") + f"{key}\r\n".encode()),
    ),
    Fault(
        "a content coding that is the key",
        lambda far, key, _: far.fails(200, b"\x1f\x8bno", headers={"content-encoding": "gzip", "x-key": key}),
    ),
    *(Fault(f"a redirect with {status} to another host", _redirect(status), "elsewhere") for status in (301, 302, 303)),
    *(Fault(f"a redirect with {status} to another host", _redirect(status), "elsewhere") for status in (307, 308)),
    Fault("a connection closed at once", lambda far, key, _: far.drops(), "broke"),
    Fault("a connection reset at once", lambda far, key, _: far.drops(reset=True), "broke"),
    Fault(
        "a connection reset in the middle",
        lambda far, key, _: far.sends([_delta(role="assistant", content=f"Half {key} and")], done=False, end="reset"),
        "cut off",
    ),
    Fault(
        "an answer without its end",
        lambda far, key, _: far.sends([_delta(content=f"Half {key[:30]}")], done=False, end="cut"),
        "cut off",
    ),
    Fault(
        "an answer without its end, the key in its request id",
        lambda far, key, _: far.sends([_delta(content="Half")], done=False, end="cut", headers={"x-request-id": key}),
        "cut off",
    ),
    Fault(
        "bytes that are no text",
        lambda far, key, _: far.fails(200, b'{"choices": [{"message": {"content": "\xff' + key.encode(), headers=_JSON),
    ),
    Fault("a server that never answers", lambda far, key, _: far.hangs(), "said nothing", seconds=0.4),
    Fault(
        "a server that falls silent",
        lambda far, key, _: far.sends([_delta(content=f"Half {key}")], done=False, end="hang"),
        "fell silent",
        seconds=0.4,
    ),
    Fault("someone stops the wait", lambda far, key, _: far.hangs(), interrupts=True),
    Fault(
        "someone stops the answer",
        lambda far, key, _: far.sends([_delta(content=f"Half {key[:20]}"), 60.0], done=False),
        interrupts=True,
    ),
)


# A few of each kind, where all of them with everything else would take too long.
SOME: tuple[Fault, ...] = tuple(
    fault
    for fault in FAULTS
    if fault.name
    in {
        "401 that repeats the key raw",
        "401 that repeats the key in base64, as after a scheme",
        "401 with the key in its headers",
        "a thought that holds the key",
        "a header line that is the key",
        "a redirect with 307 to another host",
        "a connection reset in the middle",
        "someone stops the answer",
    }
)
