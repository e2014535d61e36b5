"""Texts made to be slow: each of 60,000 characters is shown within a time that only a square would miss."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from nasty import NASTY

SIZE = 60_000  # characters: a square of it is long enough
PATIENCE = 180  # seconds of a processor for eight texts, mostly for slow machines: the slowest eight take twelve
PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[3]), int(sys.argv[3])))
sys.path.insert(0, sys.argv[1])
from nasty import NASTY
from llm_magics import renderers
from llm_magics.live import cut_at
from llm_magics.printable import clean
from llm_magics.view import CallView, View

for name in sys.argv[4:]:
    print(name, flush=True)
    text = NASTY[name](int(sys.argv[2]))
    shown = renderers.mimebundle(View(text=text))["text/markdown"]
    assert len(shown) < 30 * len(text) + 1_000, (name, len(shown))
    few = text[:10_000]
    for output in ("text", "code", "json"):
        renderers.mimebundle(View(text=few, output=output))
    renderers.mimebundle(View(refusal=few, calls=(CallView(few, few),), citations=((few, few),), notes=(few,)))
    cut_at(text)
    clean(text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000, (name, "kilobytes of memory")
"""
NAMES = list(NASTY)


@pytest.mark.parametrize("names", [NAMES[place : place + 8] for place in range(0, len(NAMES), 8)], ids=" | ".join)
def test_texts_made_to_be_slow_are_shown_all_the_same(names: list[str]) -> None:
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(SIZE), str(PATIENCE), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2_000:]
