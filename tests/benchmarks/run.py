"""All benchmarks, one after the other: ``python tests/benchmarks/run.py [--rounds N]``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

NAMES = (
    "bench_load",
    "bench_call",
    "bench_stream",
    "bench_tools",
    "bench_page",
    "bench_render",
    "bench_compare",
    "bench_interrupt",
)

for name in NAMES:
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, str(HERE / f"{name}.py"), *sys.argv[1:]], check=True, cwd=HERE)
