"""Bytes to payloads: server-sent events cut anywhere, JSON as servers write it, and what is neither."""

from __future__ import annotations

import contextlib
import html
import json
import re
from typing import Any

MAX_DEPTH = 200  # containers in one another: where the strict reader stops, so that whoever walks them need not
MAX_EVENT = 32_000_000  # bytes of one server-sent event: more is no chat
BOM = b"\xef\xbb\xbf"
NOT_UTF8 = "some bytes of this answer are no UTF-8: each is shown as \ufffd"
FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")  # how a line of an event stream begins


class BadPayload(ValueError):
    """Bytes that are no Chat Completions payload; ``kind`` says what they are instead."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind, self.detail = kind, detail


class EventStream:
    """Server-sent events: `feed` takes bytes as they come and gives the data of each finished event.

    Takes LF, CRLF and CR line ends, a byte order mark, comments, several data lines in an event, and no blank after the
    colon (source: the WHATWG HTML standard, section on server-sent events).
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._pieces: list[bytes] = []  # of the event that is not finished; joined once, however many there are
        self._size = 0
        self._begun = False
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that ``data`` completes, in order."""
        if not self._begun:
            data = self._without_mark(data)
        data = self._one_line_end(data)
        if not self._pieces and data.startswith(b"data: ") and data.find(b"\n") == len(data) - 2 == data.find(b"\n\n"):
            return [data[6:-2]] if len(data) > 8 else []  # one event in one piece: most servers' every write
        if not data:
            return []
        ends_here = b"\n\n" in data or (data[:1] == b"\n" and self._pieces and self._pieces[-1][-1:] == b"\n")
        self._pieces.append(data)
        self._size += len(data)
        if not ends_here:
            self._check_size()
            return []
        *events, rest = b"".join(self._pieces).split(b"\n\n")
        self._pieces, self._size = [rest] if rest else [], len(rest)
        self._check_size()
        return [payload for event in events if (payload := _data_of(event))]

    def rest(self) -> bytes:
        """What came after the last finished event: its data, if the server forgot the closing blank line."""
        return _data_of(b"".join(self._pieces))

    def _check_size(self) -> None:
        if self._size > self._max_event:
            raise BadPayload("an event without end", f"{self._size:,} bytes")

    def _without_mark(self, data: bytes) -> bytes:
        data = b"".join(self._pieces) + data
        self._pieces = []
        if len(data) < len(BOM) and BOM.startswith(data):
            self._pieces = [data] if data else []  # perhaps the beginning of a byte order mark
            return b""
        self._begun = True
        return data.removeprefix(BOM)

    def _one_line_end(self, data: bytes) -> bytes:
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" not in data:
            return data
        self._after_cr = data.endswith(b"\r")  # its LF may be the next byte
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data_of(event: bytes) -> bytes:
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]  # what nearly every event looks like
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) or _bare(event)


def _bare(event: bytes) -> bytes:
    """An object that stands in a stream without its field, as some servers write the error that ends it."""
    if event.lstrip()[:1] == b"{":
        with contextlib.suppress(BadPayload):
            parse(event)
            return event
    return b""


def parse(payload: bytes, notes: list[str] | None = None) -> Any:
    """JSON as servers write it: also with lone surrogates, which Python's own reader takes and stricter ones do not.

    Args:
        payload: the JSON; bytes that are no UTF-8 become U+FFFD.
        notes: where it is said, once, that there were such bytes.

    Raises:
        BadPayload: it is no JSON.
    """
    import jiter

    try:
        return jiter.from_json(payload)
    except ValueError:
        pass
    try:
        found = json.loads(payload.decode("utf-8", "replace"))
        if _is_deeper(found, MAX_DEPTH):
            raise ValueError("nested too deep")
    except (ValueError, RecursionError):
        raise BadPayload("broken JSON", payload[:80].decode("utf-8", "replace")) from None
    if notes is not None and NOT_UTF8 not in notes and not _is_utf8(payload):
        notes.append(NOT_UTF8)
    return found


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether containers stand in one another more often than this."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < 0 or any(_is_deeper(one, depth - 1) for one in inner if isinstance(one, dict | list))


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def parse_body(body: bytes, content_type: str, notes: list[str] | None = None) -> Any:
    """The JSON of a whole response body; ``notes`` as for `parse`.

    Raises:
        BadPayload: it is a web page, nothing at all, or no JSON.
    """
    body = body.removeprefix(BOM).lstrip()
    start = body[:1]
    if not start:
        raise BadPayload("an empty answer")
    if start == b"<":
        raise BadPayload("a web page", _title(body))
    try:
        return parse(body, notes)
    except BadPayload as error:
        if start in (b"{", b"["):
            raise
        kind = "a web page" if "html" in content_type else "plain text"
        raise BadPayload(kind, " ".join(error.detail.split())) from None


def _title(page: bytes) -> str:
    title = re.search(rb"<title[^>]*>(.*?)</title>", page[:20_000], re.I | re.S)
    text = html.unescape(title[1].decode("utf-8", "replace")) if title else ""
    return " ".join(text.split())[:80]
