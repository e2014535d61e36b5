"""The ways a request is made in the fault matrix, and what is seen of each: a cell, `call_llm`, and the bare SDK."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from far_end import FarEnd, Request, spoken
from rows import AMPLE, Row

KEY = "sk-canary-0123456789abcdef"
KEY_NAME = "FAR_KEY"
PROMPT = "Tell it."
NEXT = "The next one works."
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
_PARAMETERS = ("max_tokens", "temperature", "top_p", "reasoning_effort")
PATIENCE = 8.0  # seconds the bare SDK gets beyond the row's own clock, before it counts as hanging


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of a row.

    Attributes:
        outcome: as in `rows.Expected`; for the SDK ``answer``, or the class of the exception with its module.
        text: the text that was kept.
        sent: requests that reached the far end.
        shown: all that a person could read.
        lines: the three lines of a failure.
        also: further parts of the message.
        next_text: what the next request gave, at a server without faults.
        seconds: how long it took.
    """

    outcome: str
    text: str = ""
    sent: int = 0
    shown: str = ""
    lines: Sequence[str] = ()
    also: Mapping[str, Any] = field(default_factory=dict)
    next_text: str = ""
    seconds: float = 0.0


class Cells(Protocol):
    """What runs cells: see `shells.Shell`."""

    ip: Any

    def run(self, cell: str) -> Any: ...


def cell(row: Row, shell: Cells) -> Seen:
    """The row as a ``%%llm`` cell, and a good cell after it."""
    with _set_up(row) as (far, base_url):
        os.environ[KEY_NAME] = KEY
        settings = {"base_url": base_url, "api_key_env": KEY_NAME, "model": "far-model", **row.all_settings}
        if row.tools:
            settings["tools"] = json.dumps(TOOLS)
        words = " ".join(shlex.quote(f"{name}={value}") for name, value in settings.items())
        added = shell.run(f"%llm_config --add far {words}")
        assert added.error is None, added
        if row.warm:
            shell.run("%%llm\nWarm up.")
            _begin(far, row)
        shell.ip.user_ns.pop("_llm", None)
        begun = time.monotonic()
        done = shell.run(f"%%llm\n{PROMPT}")
        seconds, sent = time.monotonic() - begun, len(far.chats)
        answer = shell.ip.user_ns.get("_llm")
        lines = list(done.error.lines()) if hasattr(done.error, "lines") else []
        trace = "\n".join(done.error._render_traceback_()) if lines else repr(done.error)
        shown = "\n".join([done.text, done.errors, *([trace] if done.error is not None else [])])
        return Seen(
            outcome=type(done.error).__name__ if done.error is not None else answer.status,
            text=answer.text if answer is not None else "",
            sent=sent,
            shown=shown,
            lines=lines,
            also=_parts(answer.message) if answer is not None else {},
            next_text=_next_cell(far, shell),
            seconds=seconds,
        )


def _next_cell(far: FarEnd, shell: Cells) -> str:
    shell.run(f"%llm_config --add far base_url={far.base_url} timeout=60")
    far.reset()
    far.answers(NEXT)
    return str(shell.run("%%llm\nAnd now?").text.strip())


def call(row: Row) -> Seen:
    """The row through `call_llm`, and a good call after it."""
    from llm_magics import call_llm

    with _set_up(row) as (far, base_url):
        model = {"base_url": base_url, "api_key": KEY, "model": "far-model", **row.all_settings}
        config = {"models": {"far": model}}
        tools = TOOLS if row.tools else None
        if row.warm:
            call_llm("far", "Warm up.", config)
            _begin(far, row)
        begun = time.monotonic()
        try:
            message = call_llm("far", PROMPT, config, tools=tools)
            outcome, text, shown, also = "message", message.content or message.refusal or "", "", _parts(message)
        except Exception as error:
            outcome, text, shown, also = _named(error), "", f"{error}\n{getattr(error, 'body', '')}", {}
        seconds, sent = time.monotonic() - begun, len(far.chats)
        far.reset()
        far.answers(NEXT)
        good = {"models": {"far": {**model, "base_url": far.base_url, "timeout": 60}}}
        after = call_llm("far", "And now?", good).content or ""
        return Seen(outcome=outcome, text=text, sent=sent, shown=shown, also=also, next_text=after, seconds=seconds)


def sdk_stream(row: Row) -> Seen:
    """The bare SDK, read as its own documentation reads a stream."""
    return _sdk(row, _read_stream)


def sdk_plain(row: Row) -> Seen:
    """The bare SDK, asked for a whole completion."""
    return _sdk(row, _read_whole)


def _sdk(row: Row, read: Callable[[Any, dict[str, Any], dict[str, Any]], None]) -> Seen:
    from openai import OpenAI

    with _set_up(row) as (far, base_url):
        settings = row.all_settings
        client = OpenAI(
            base_url=base_url, api_key=KEY, timeout=settings["timeout"], max_retries=settings["max_retries"]
        )
        request = {"model": "far-model", "messages": [{"role": "user", "content": PROMPT}]}
        request |= {"tools": TOOLS} if row.tools else {}
        request |= {name: value for name, value in settings.items() if name in _PARAMETERS}
        if row.warm:
            client.chat.completions.create(**request)
            _begin(far, row)
        found: dict[str, Any] = {"outcome": "hangs", "text": "", "finish": None, "refusal": "", "slots": {}}

        def work() -> None:
            try:
                read(client, request, found)
                found["outcome"] = "answer"
            except Exception as error:
                found["outcome"] = _named(error)

        begun = time.monotonic()
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(PATIENCE + (settings["timeout"] if settings["timeout"] < AMPLE else 0))
        seen = dict(found)
        also = {
            "finish": seen["finish"],
            "refusal": seen["refusal"],
            "calls": [tuple(c) for c in seen["slots"].values()],
        }
        return Seen(
            outcome=seen["outcome"],
            text=seen["text"] or seen["refusal"] or "",
            sent=len(far.chats),
            also=also,
            seconds=time.monotonic() - begun,
        )


def _read_stream(client: Any, request: dict[str, Any], found: dict[str, Any]) -> None:
    for chunk in client.chat.completions.create(**request, stream=True):
        if not chunk.choices:
            continue
        choice = chunk.choices[0]
        found["text"] += choice.delta.content or ""
        found["refusal"] += choice.delta.refusal or ""
        for piece in choice.delta.tool_calls or []:
            slot = found["slots"].setdefault(piece.index, ["", ""])
            slot[0] = slot[0] or piece.function.name
            slot[1] += piece.function.arguments or ""
        found["finish"] = choice.finish_reason or found["finish"]


def _read_whole(client: Any, request: dict[str, Any], found: dict[str, Any]) -> None:
    choice = client.chat.completions.create(**request).choices[0]
    found["text"], found["finish"], found["refusal"] = (
        choice.message.content,
        choice.finish_reason,
        choice.message.refusal,
    )
    calls = choice.message.tool_calls or []
    found["slots"] = {at: (call.function.name, call.function.arguments) for at, call in enumerate(calls)}


@contextlib.contextmanager
def _set_up(row: Row) -> Iterator[tuple[FarEnd, str]]:
    with FarEnd() as far, row.place(far) as base_url:
        if row.warm:
            stream, plain = row.warm
            far.when(_wants_stream).plays(stream)
            far.plays(plain)
        else:
            _begin(far, row)
        yield far, base_url


def _begin(far: FarEnd, row: Row) -> None:
    if row.warm:
        time.sleep(0.2)  # a connection that the far end closes is closed by now
    far.reset()
    stream = far.when(_wants_stream)
    for script, replies in ((stream, row.stream), (far, row.plain)):
        listed = list(replies) if isinstance(replies, Sequence) else [replies]
        for reply in listed[:-1]:
            script.plays(reply, times=1)
        for reply in listed[-1:] or [spoken("Nobody should hear this.")]:
            script.plays(reply)


def _wants_stream(request: Request) -> bool:
    return request.is_chat and bool(request.asks_for("stream"))


def _named(error: BaseException) -> str:
    """An exception's class; with its module where it is none of the SDK's or Python's own."""
    module = type(error).__module__.partition(".")[0]
    return type(error).__name__ if module in ("openai", "builtins") else f"{module}.{type(error).__name__}"


def _parts(message: Any) -> dict[str, Any]:
    calls = [(call.function.name, call.function.arguments) for call in message.tool_calls or []]
    ids = [call.id for call in message.tool_calls or []]
    assert all(ids), ids
    assert len(set(ids)) == len(ids), ids
    parts = {"reasoning": getattr(message, "reasoning_content", None), "refusal": message.refusal, "calls": calls}
    return {name: value for name, value in parts.items() if value}
