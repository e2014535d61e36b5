"""Responses that nobody thought of: good ones, broken at random in their JSON, frames, bytes and headers.

The matrix holds the faults that were seen; this finds others. ``python tests/faults/chaos.py --seed 7 --cases 1000``
tries that many through a cell and through `call_llm`, and prints what came of them and everything that should not have.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

ODD: list[Any] = [None, True, 0, -1, 1e308, 10**30, "", "x", "\ud83d", "\x00", "💥", "<b>", [], {}, [None], [[]]]
ODD += [{"a": None}, [{"type": "text", "text": "t"}], {"type": "text", "text": 5}, "data: x\n\n"]
FIELDS = """
    annotations audio choices code content delta detail error finish_reason function_call id index logprobs message
    metadata model object param reasoning reasoning_content refusal role text tool_calls type usage
"""
STATUSES = [200] * 14 + [204, 301, 307, 400, 401, 403, 404, 405, 408, 409, 413, 418, 422, 429, 500, 501, 502, 503, 529]
STATUSES += [100, 999]
STRAY = [
    b": hi\n\n",
    b"event: ping\n\n",
    b"retry: 5\n\n",
    b"data:\n\n",
    b"data: 42\n\n",
    b'event: error\ndata: {"message":"no"}\n\n',
    b"id: 5\n",
    b'data: {"error":"boom"}\n\n',
    b"data: [1,2\n\n",
]
HEADERS = [
    "content-encoding: gzip",
    "content-encoding: br",
    "content-encoding: bogus",
    "retry-after: 0",
    "retry-after: soon",
    "location: /x",
    "location: http://evil.invalid/",
    "x-should-retry: true",
    "set-cookie: a=\x80b",
    "x-request-id: \x80",
]
TYPES = ["", "text/html", "text/plain; charset=latin-1", "application/octet-stream", "text/event-stream; charset=bogus"]


class Chaos:
    """A source of responses; the same seed gives the same ones."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)

    def response(self) -> bytes:
        """A whole HTTP response, more or less."""
        kind = self._random.random()
        if kind < 0.6:
            body, media = b"".join(self._frames()), "text/event-stream"
        elif kind < 0.8:
            body, media = self._written(self._odd(_COMPLETION)), "application/json"
        else:
            body, media = self._written(self._odd(_ERROR)), "application/json"
        if self._once_in(5):
            body = self._flipped(body)
        if self._once_in(8):
            body = body[: self._random.randrange(len(body) + 1)]
        media = self._random.choice(TYPES) if self._once_in(10) else media
        headers, payload = self._framed(body)
        headers += [f"content-type: {media}"] if media else []
        headers += [self._random.choice(HEADERS)] if self._once_in(12) else []
        head = "\r\n".join([f"HTTP/1.1 {self._random.choice(STATUSES)} X", *headers, "", ""]).encode("latin-1")
        return self._flipped(head + payload) if self._once_in(20) else head + payload

    def _once_in(self, times: int) -> bool:
        return self._random.random() * times < 1

    def _odd(self, value: Any) -> Any:
        """The same JSON, here and there another."""
        if self._once_in(8):
            return self._random.choice(ODD)
        if isinstance(value, dict):
            mixed = {key: self._odd(inner) if self._once_in(3) else inner for key, inner in value.items()}
            if self._once_in(4):
                mixed[self._random.choice(FIELDS.split())] = self._random.choice(ODD)
            if mixed and self._once_in(8):
                del mixed[self._random.choice(list(mixed))]
            return mixed
        if isinstance(value, list):
            mixed_items = [self._odd(inner) if self._once_in(3) else inner for inner in value]
            return mixed_items * 2 if self._once_in(10) else mixed_items
        return value

    def _frames(self) -> list[bytes]:
        frames = []
        for payload in _STREAM:
            end = self._random.choice([b"\n\n"] * 8 + [b"\r\n\r\n", b"\r\r", b"\n", b"\n\n\n\n", b" \n\n"])
            stray = self._random.choice(STRAY) if self._once_in(30) else b""
            frames.append(stray + b"data: " + self._written(self._odd(payload) if self._once_in(8) else payload) + end)
        return frames if self._once_in(5) else [*frames, b"data: [DONE]\n\n"]

    def _written(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=self._once_in(2)).encode("utf-8", "surrogatepass")

    def _flipped(self, data: bytes) -> bytes:
        mixed = bytearray(data)
        for _ in range(self._random.randint(0, 4)):
            at, way = self._random.randrange(len(mixed) or 1), self._random.random()
            if way < 0.4:
                mixed[at : at + 1] = bytes([self._random.randrange(256)])
            elif way < 0.7:
                del mixed[at : at + self._random.randint(1, 40)]
            else:
                mixed[at:at] = self._random.randbytes(self._random.randint(1, 6))
        return bytes(mixed)

    def _framed(self, body: bytes) -> tuple[list[str], bytes]:
        way = self._random.random()
        if way < 0.5:
            return [f"content-length: {len(body) + self._random.choice([0, 0, 0, 0, 5, -3])}"], body
        if way < 0.8:
            step = self._random.randint(1, 200)
            pieces = [body[at : at + step] for at in range(0, len(body), step)]
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            return ["transfer-encoding: chunked"], chunks + (b"" if self._once_in(10) else b"0\r\n\r\n")
        return ["connection: close"], body


def _chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


_CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
_STREAM = [
    _chunk(role="assistant", content=""),
    _chunk(content="Hello "),
    _chunk(reasoning_content="hm"),
    _chunk(content="wor"),
    _chunk(content="ld"),
    _chunk(tool_calls=[_CALL]),
    _chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"x":1}'}}]),
    _chunk("stop"),
    {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
]
_SAID = {"role": "assistant", "content": "Hello world"}
_COMPLETION = {
    "id": "x",
    "model": "m",
    "choices": [{"index": 0, "message": _SAID, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1},
}
_ERROR = {"error": {"message": "something broke", "code": 400, "type": "x", "param": "temperature"}}


def tried(seed: int | str, cases: int) -> tuple[Counter[str], list[str]]:
    """What came of so many cases, counted, and what should not have come of any, each with how it came about."""
    from far_end import FarEnd

    from llm_magics import session

    chaos, came, wrong = Chaos(seed), Counter[str](), list[str]()
    here = session.Session()
    with FarEnd() as far:
        model = {"base_url": far.base_url, "max_retries": 0, "timeout": 5.0, "timeout_total": 10.0}
        here.configuration.add_model("far", model)
        for number in range(cases):
            response = chaos.response()
            for way in (_cell, _call):
                far.reset()
                far.replies(response)
                try:
                    came[way(here, model)] += 1
                except Exception:
                    where = f"seed {seed}, case {number}, {way.__name__}"
                    wrong.append(f"{where}: {response[:400]!r}\n{traceback.format_exc()[-1500:]}")
    return came, wrong


def _cell(here: Any, model: dict[str, Any]) -> str:
    from llm_magics.errors import CallFailed
    from llm_magics.events import Ask
    from llm_magics.live import Silent
    from llm_magics.renderers import mimebundle

    try:
        answer = here.ask(Ask(prompt="Hi", models=("far",), params={"temperature": 0.5}), {}, lambda who: Silent())
    except CallFailed as failure:
        shown = failure._render_traceback_()
        assert len(failure.lines()) == 3, shown
        return f"cell: {type(failure).__name__}"
    mimebundle(here.answers.view(answer))
    repr(answer)
    assert answer.status != "ok" or answer.finish_reason or here.answers.view(answer).mark, "silently complete"
    return f"cell: {answer.status}"


def _call(here: Any, model: dict[str, Any]) -> str:
    import openai

    from llm_magics import call_llm

    try:
        call_llm("far", "Hi", {"models": {"far": {**model, "api_key": "sk-chaos-0123456789"}}})
    except openai.OpenAIError as error:
        return f"call_llm: {type(error).__name__}"
    return "call_llm: message"


def main() -> None:
    """Try some, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--cases", type=int, default=300)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    with tempfile.TemporaryDirectory() as folder:
        import os

        os.environ["LLM_MAGICS_DIR"] = folder
        came, wrong = tried(options.seed, options.cases)
    for outcome, count in sorted(came.items()):
        print(f"{count:6}  {outcome}")
    print(f"{len(wrong):6}  that should not have been")
    print("\n\n".join(wrong[:5]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
