"""Rebuilding a model's Markdown: an ordinary answer beside parsing alone, and how hostile texts grow by length."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from markdown_it import MarkdownIt
from nasty import NASTY

from llm_magics.safe.markdown import rebuild

GUIDE = (Path(__file__).parents[2] / "llm_magics" / "demo" / "guide.md").read_text("utf-8")


def milliseconds(work: Callable[[str], object], text: str) -> float:
    """One run, in time of the processor: other programs do not count."""
    began = time.process_time()
    work(text)
    return (time.process_time() - began) * 1e3


def ordinary(rounds: int) -> None:
    """An answer of 80,000 characters: headings, lists, tables, code, formulas, links."""
    text = (GUIDE * 20)[:80_000]
    parse = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse
    pairs = [(milliseconds(rebuild, text), milliseconds(parse, text)) for _ in range(rounds + 1)][1:]
    ours, bare = statistics.median(one for one, _ in pairs), statistics.median(other for _, other in pairs)
    ratio = statistics.median(one / other for one, other in pairs)
    written = len(rebuild(text)) / len(text)
    print(f"\n  an answer of {len(text):,} characters: {ours:.1f} ms, parsing alone {bare:.1f} ms, {ratio:.2f} x")
    print(f"  characters written for each character read: {written:.3f}")


def growth(size: int) -> None:
    """Each hostile text at once, twice and four times its length; a square would show 4 and 16."""
    print("\n  milliseconds for so many characters, then what twice and four times as many cost beside the first")
    print(f"  {'':<32} {size:>9,} {2 * size:>9,} {4 * size:>9,}")
    for name, make in NASTY.items():
        once, twice, four = (milliseconds(rebuild, make(size * times)) for times in (1, 2, 4))
        ratios = f"{twice / once:6.1f} {four / once:6.1f}"
        print(f"  {name:<32} {once:>9.0f} {twice:>9.0f} {four:>9.0f} {ratios}", flush=True)


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, default=10_000)
    options = parser.parse_args()
    ordinary(options.rounds)
    growth(options.size)


if __name__ == "__main__":
    main()
