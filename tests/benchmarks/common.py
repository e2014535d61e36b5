"""What the benchmarks share: the far end as its own process, fresh children, interleaved rounds, ratios per round."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
# Installed packages are compiled once, not at each start: a machine that is told otherwise would measure its compiler.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@contextmanager
def server() -> Iterator[str]:
    """The far end in a process of its own, answering by model name; its base URL."""
    command = [sys.executable, str(TESTS / "far_end.py"), "--serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}/v1"
    finally:
        process.terminate()
        process.wait()


def child(code: str, base_url: str, **values: Any) -> dict[str, float]:
    """Run a program in a fresh Python; the JSON it prints last."""
    with tempfile.TemporaryDirectory() as folder:
        env = {
            **os.environ,
            "OPENAI_API_KEY": "sk-bench-0123456789",
            "OPENAI_BASE_URL": base_url,
            "LLM_MAGICS_DIR": folder,
            "IPYTHONDIR": folder,
            "PYTHONPATH": str(TESTS),
        }
        program = "\n".join([f"{name} = {value!r}" for name, value in values.items()] + [code])
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def rounds(ways: Mapping[str, Callable[[], dict[str, float]]], count: int) -> dict[str, list[dict[str, float]]]:
    """Each way once a round, in turn, so that a drift of the machine meets all alike; a first round is not counted."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(count + 1):
        for name, way in ways.items():
            measured = way()
            if number:
                results[name].append(measured)
    return results


def report(title: str, results: dict[str, list[dict[str, float]]], key: str, unit: str, against: str) -> None:
    """Medians, and the median of the ratios taken round by round."""
    print(f"\n{title}")
    for name, measured in results.items():
        values = [one[key] for one in measured]
        ratios = [one[key] / base[key] for one, base in zip(measured, results[against], strict=True)]
        print(f"  {name:<34} {statistics.median(values):10.3f} {unit:<8} {statistics.median(ratios):6.2f} x {against}")
