"""Four models in one cell: the whole against the slowest, each lane's first paint, bytes, outputs in a wrong cell."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from far_end import FarEnd, Reply, Request, spoken
from kernels import Kernel, kernel

SECONDS = {"one": 0.2, "two": 0.4, "three": 0.6, "four": 0.8}
ALL = " ".join(SECONDS)
WORDS = " ".join(["The keeper counted the ships that went by, one by one."] * 8) + "\n\n"
LONG = (WORDS * 102).strip()  # some 10,000 tokens


def by_model(request: Request) -> Reply:
    """Each model takes its time to the first token, and says its name."""
    name = request.body["model"]
    return spoken(f"I am {name}.", chunk=50, ttft=SECONDS[name])


def echo(request: Request) -> Reply:
    """What was asked, in small pieces."""
    return spoken(f"({request.body['messages'][-1]['content']})", chunk=3, gap=0.001)


def cells(front: Kernel, far: FarEnd, rounds: int) -> None:
    """Four models of 200, 400, 600 and 800 ms: how long the cell takes, and when each lane is on the page."""
    ratios, paints = [], []
    for number in range(rounds + 1):
        far.reset()
        far.computes(by_model)
        began = time.monotonic()
        ran = front.finish(front.start(f"%%llm -m {ALL}\nhi"))
        if not number:
            continue
        ratios.append(ran.seconds / max(SECONDS.values()))
        for chat in far.chats:
            name = chat.body["model"]
            first = next(message for message in ran.messages if f"I am {name}." in json.dumps(message.content))
            paints.append((began + first.at - chat.at - SECONDS[name]) * 1e3)
    print(f"\n  whole cell / slowest model: {statistics.median(ratios):.3f} (worst {max(ratios):.3f})")
    print(f"  first paint after a lane's first token: {statistics.median(paints):.0f} ms (worst {max(paints):.0f})")


def long_answers(front: Kernel, far: FarEnd) -> None:
    """Four answers of 10,000 tokens, as fast as they come and at a model's pace."""
    for gap in (0.0, 0.004):
        far.reset()
        far.answers(LONG, chunk=4 if not gap else 16, gap=gap)
        ran = front.run(f"%%llm -m {ALL}\nhi", timeout=300)
        most, messages = ran.most_in_a_second()
        whole = ran.outputs[0]["data"]["text/markdown"].count(LONG)
        size = f"{ran.bytes / (4 * len(LONG)):.2f} x text in {len(ran.messages)} messages"
        worst = f"worst second {most / 1e3:.0f} kB, {messages} messages"
        print(f"  4 x 10,000 tokens, {ran.seconds:.1f} s: {size}; {worst}; whole in what is saved: {whole} of 4")


def wrong_cells(front: Kernel, far: FarEnd, outputs: int) -> None:
    """Cells that are queued at once: whose outputs hold another cell's text."""
    far.reset()
    far.computes(echo)
    wrong = count = number = 0
    while count < outputs:
        queued = {}
        for _ in range(20):
            number += 1
            queued[number] = front.start(f"%%llm -m {ALL}\ncell {number}")
        for own, cell in queued.items():
            for message in front.finish(cell, timeout=120).messages:
                said = json.dumps(message.content)
                count += 1
                wrong += any(f"(cell {other})" in said for other in others(own))
    print(f"  outputs in a wrong cell: {wrong} of {count} (ipykernel {version('ipykernel')}, {number} cells)")


def others(own: int) -> Any:
    """The numbers of the cells around."""
    return (number for number in range(max(1, own - 30), own + 30) if number != own)


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--outputs", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, FarEnd() as far, kernel(LLM_MAGICS_DIR=folder) as front:
        front.run("%load_ext llm_magics")
        for name in SECONDS:
            front.run(f"%llm_config --add {name} base_url={far.base_url} model={name}")
        front.run("%%llm\nhi")
        cells(front, far, options.rounds)
        long_answers(front, far)
        wrong_cells(front, far, options.outputs)


if __name__ == "__main__":
    main()
