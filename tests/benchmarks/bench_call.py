"""One call to a server without latency: `call_llm` beside the SDK's own call with a kept client."""

from __future__ import annotations

import argparse

from common import child, report, rounds, server

LOOP = """
import json, time
for _ in range(30):
    ask()
began, cpu = time.perf_counter(), time.process_time()
for _ in range(calls):
    ask()
print(json.dumps({"ms": (time.perf_counter() - began) / calls * 1e3, "cpu": (time.process_time() - cpu) / calls * 1e3}))
"""
SDK = """
import openai
client = openai.OpenAI()
def ask():
    return client.chat.completions.create(
        model="n16", messages=[{"role": "user", "content": "hi"}], temperature=0.2).choices[0].message
"""
OURS = """
import os
from llm_magics import call_llm
settings = {"base_url": os.environ["OPENAI_BASE_URL"], "api_key": "sk-x", "model": "n16", "temperature": 0.2}
config = {"models": {"m": settings}}
def ask():
    return call_llm("m", "hi", config)
"""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    with server() as url:
        ways = {
            "openai, kept client": lambda: child(SDK + LOOP, url, calls=options.calls),
            "call_llm": lambda: child(OURS + LOOP, url, calls=options.calls),
        }
        results = rounds(ways, options.rounds)
        report("one call, wall", results, "ms", "ms", "openai, kept client")
        report("one call, client CPU", results, "cpu", "ms", "openai, kept client")


if __name__ == "__main__":
    main()
