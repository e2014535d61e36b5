"""Draining one long stream, nothing shown: the events of an exchange beside iterating the SDK's stream."""

from __future__ import annotations

import argparse

from common import child, report, rounds, server

SDK = """
import json, time, openai
client = openai.OpenAI()
def drain(model):
    stream = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], stream=True)
    return sum(len(chunk.choices[0].delta.content or "") for chunk in stream if chunk.choices)
"""
OURS = """
import json, time
from llm_magics.events import Ask
from llm_magics.live import Silent
from llm_magics.session import current
def drain(model):
    return len(current().ask(Ask(prompt="hi", models=("openai/" + model,)), {}, lambda who: Silent()).text)
"""
ONCE = """
drain("n50-chars4")
began, cpu = time.perf_counter(), time.process_time()
got = drain(f"n{chunks}-chars4")
print(json.dumps({"s": time.perf_counter() - began, "cpu": time.process_time() - cpu, "chars": got}))
"""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=20_000)
    options = parser.parse_args()
    with server() as url:
        ways = {
            "openai, stream iterated": lambda: child(SDK + ONCE, url, chunks=options.chunks),
            "llm_magics, cell without display": lambda: child(OURS + ONCE, url, chunks=options.chunks),
        }
        results = rounds(ways, options.rounds)
        assert len({one["chars"] for measured in results.values() for one in measured}) == 1, "the same text"
        report(f"draining {options.chunks} chunks, wall", results, "s", "s", "openai, stream iterated")
        report(f"draining {options.chunks} chunks, client CPU", results, "cpu", "s", "openai, stream iterated")


if __name__ == "__main__":
    main()
