"""aimock: an independent implementation of the wire (npm's @copilotkit/aimock), for what our own far end cannot prove.

Fixtures are tried in order, the first that matches answers; anything below was seen here with 1.43.0 and the openai
SDK 3.54, over loopback:

    {"match": {"userMessage": "part of the last user message"}, "response": {"content": "text"}}
    {"match": {}, ...}                                       fits all, so it comes last
    match: "hasToolResult": bool, "toolCallId": "call_7", "sequenceIndex": 0 (first time this one is hit), 1, …
    response: {"toolCalls": [{"name": "f", "arguments": {…} or "raw text", "id": "call_7"}], "content": "text before"}
    response: {"error": {"message": …, "type": …, "code": …}, "status": 429, "retryAfter": 3}    → Retry-After: 3
    response: "reasoning" → reasoning_content; "finishReason", "model", "usage" replace what it would make up
    beside them: "chunkSize" (characters a delta, 20), "latency" (ms between events), "chaos": {"malformedRate": 1},
                 "streamingProfile": {"ttft", "tps"}, "truncateAfterChunks" or "disconnectAfterMs" (cut the socket)

What comes over the wire:
* a call is streamed as one delta with id, name and empty arguments, then arguments in pieces of chunkSize; several
  calls one after the other, by index. Usage comes in a last chunk without choices, if asked for. [DONE] at the end.
* no match: 404 code "no_fixture_match"; with --strict 503.
* truncateAfterChunks without a latency closes before anything left (no answer at all); with one, two of three chunks
  arrive. Whole (not streamed) answers are never cut or slowed down.
* --chaos-drop 1: 500 "chaos_drop" · --chaos-ratelimit 1: 429 with Retry-After: 1 · --chaos-malformed 1: HTTP 200,
  application/json and `{malformed json: <<<chaos>>>`, to stream requests too (the SDK then yields nothing and raises
  nothing) · --chaos-disconnect 1: closed before headers · --chaos-latency 300: all of it 300 ms later · --latency 60:
  60 ms before each event · -c 5: five characters a delta. An unknown flag ends it at once.
* it accepts any key, unless `keys=` names those it takes; others get 401 "invalid_api_key".
* GET /v1/models lists a few fixed names; GET /__aimock/journal tells what was asked, Authorization redacted.
Not tried: record and proxy modes (they would go outside), its other APIs.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from engines.npm import Package, environment

PACKAGE = Package("@copilotkit/aimock", "1.43.0")
START_SECONDS = 15.0
LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")
available = PACKAGE.available


@contextlib.contextmanager
def serve_aimock(
    fixtures: Mapping[str, Any] | Sequence[Mapping[str, Any]], *flags: str, keys: Sequence[str] = ()
) -> Iterator[str]:
    """Run aimock with these fixtures, {"fixtures": [...]} or the list, on 127.0.0.1 and give its base_url (…/v1)."""
    entries = dict(fixtures) if isinstance(fixtures, Mapping) else {"fixtures": list(fixtures)}
    with tempfile.TemporaryDirectory(prefix="aimock-") as folder:
        file = Path(folder) / "fixtures.json"
        file.write_text(json.dumps(entries), encoding="utf-8")
        script = str(PACKAGE.folder / "dist" / "cli.js")
        # port 0: the system picks a free one, and no other process can take it in between
        command = ["node", script, "-p", "0", "-h", "127.0.0.1", "-f", str(file), *flags]
        with _running(command, keys) as said:
            yield f"{_address(said)}/v1"


@contextlib.contextmanager
def _running(command: list[str], keys: Sequence[str]) -> Iterator[Queue[str | None]]:
    """A child process, known by the queue of lines it prints (None: it ended)."""
    said: Queue[str | None] = Queue()
    given = environment() | ({"AIMOCK_API_KEYS": ",".join(keys)} if keys else {})
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=given)
    reader = threading.Thread(target=_drain, args=(child, said), daemon=True)
    reader.start()
    try:
        yield said
    finally:
        child.terminate()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        reader.join(timeout=5)
        child.stdout.close()


def _drain(child: subprocess.Popen[str], said: Queue[str | None]) -> None:
    # read to the end: a pipe that nobody empties would stop the server once it is full
    for line in child.stdout:
        said.put(line)
    said.put(None)


def _address(said: Queue[str | None]) -> str:
    heard = ""
    while True:
        try:
            line = said.get(timeout=START_SECONDS)
        except Empty:
            raise RuntimeError(f"aimock did not say within {START_SECONDS:g} s where it listens:\n{heard}") from None
        if line is None:
            raise RuntimeError(f"aimock ended before it listened:\n{heard}")
        heard += line
        if match := LISTENING.search(line):
            return match[1]
