"""Bytes and messages on a kernel's output channel, exactly; first paint and interrupt, in milliseconds."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from far_end import FarEnd
from kernels import Kernel, Ran, kernel

SDK_LOOP = """
import openai
from IPython.display import display, Markdown
client = openai.OpenAI(base_url={url!r}, api_key="x")
handle, text = display(Markdown(""), display_id=True), ""
for chunk in client.chat.completions.create(model="far", messages=[{{"role": "user", "content": "hi"}}], stream=True):
    if chunk.choices and chunk.choices[0].delta.content:
        text += chunk.choices[0].delta.content
        handle.update(Markdown(text))
"""
GUIDE = (Path(__file__).parents[2] / "llm_magics" / "demo" / "guide.md").read_text("utf-8")


def line(name: str, size: int, ran: Ran) -> str:
    """A row of the table."""
    cost = f"{ran.bytes:>10} {ran.bytes / size:8.2f} {len(ran.messages):>8}"
    most, messages = ran.most_in_a_second()
    return f"  {name:<34} {size:>7} {cost} {most / 1_000:10.0f} {messages:10} {ran.seconds:8.2f}"


def sizes(front: Kernel, far: FarEnd, bare: int) -> None:
    """Zero-delay streams of growing length."""
    print(f"\n  {'':63} {'in the worst second':>22}")
    print(f"  {'':<34} {'text':>7} {'bytes':>10} {'x text':>8} {'messages':>8} {'kB':>10} {'messages':>10} {'s':>8}")
    text = (GUIDE * 80)[:400_000]
    for size in (4_000, 20_000, 80_000, 200_000, 400_000):  # a page takes some 250,000 of the last
        far.reset()
        far.answers(text[:size], chunk=4)
        print(line("%%llm", size, front.run("%%llm\nhi")))
    far.reset()
    far.answers(text[:200_000], chunk=40, gap=0.001)
    print(line("%%llm, 40 characters each ms", 200_000, front.run("%%llm\nhi", timeout=300)))
    far.reset()
    far.answers(text[:bare], chunk=4)
    print(line("openai, Markdown each chunk", bare, front.run(SDK_LOOP.format(url=far.base_url), timeout=300)))


def moments(front: Kernel, far: FarEnd, count: int) -> None:
    """First paint after the first token, and the way back to the prompt after an interrupt."""
    paints, returns = [], []
    for _ in range(count):
        far.reset()
        far.answers("Some words of an answer. " * 60, ttft=0.5, gap=0.02)
        cell = front.start("%%llm\nhi")
        sent = far.wait_for_requests(1, 5)
        assert sent
        asked = time.monotonic()
        front.finish(cell, until="Some")
        paints.append((time.monotonic() - asked - 0.5) * 1e3)
        time.sleep(0.3)
        began = time.monotonic()
        front.interrupt()
        front.finish(cell)
        returns.append((time.monotonic() - began) * 1e3)
    print(f"\n  first paint after the first token: {sorted(paints)[count // 2]:.0f} ms (worst {max(paints):.0f})")
    print(f"  back after an interrupt:           {sorted(returns)[count // 2]:.0f} ms (worst {max(returns):.0f})")


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--bare", type=int, default=8_000, help="characters for the naive loop, which is quadratic")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, FarEnd() as far, kernel(LLM_MAGICS_DIR=folder) as front:
        os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        front.run("%load_ext llm_magics")
        front.run(f"%llm_config --add far base_url={far.base_url}")
        front.run("%%llm\nhi")
        sizes(front, far, options.bare)
        moments(front, far, options.rounds)


if __name__ == "__main__":
    main()
