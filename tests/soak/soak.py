"""Ten thousand cells in one kernel, faults and interrupts mixed in: what grows, per cell.

`python tests/soak/soak.py` prints a table and fails when something grew that must not; `test_soak.py` is a short one.
IPython itself keeps inputs, outputs and the last traceback, so they are cleared at each sample, and the same is done
with a magic that does nothing (`--control`): its growth is the kernel's own.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from far_end import Drop, Events, Failure, FarEnd, Reply, Request, Silence, openai_error, spoken
from kernels import Kernel, kernel

PROSE = "A paragraph of prose with `code` and **stress** in it, of some length. " * 6
PIECE = {"choices": [{"index": 0, "delta": {"content": "Half an ans"}}]}
AGAIN = {"retry-after": "0"}


def _events(*frames: Any, end: Any = "close", done: bool = False) -> Events:
    return Events(frames=frames, done=done, gap=0.0, headers={}, end=end, eol="\n")


REPLIES: dict[str, Reply] = {
    "answer": spoken(PROSE + "\n\n```python\nx = 1\n```\n", chunk=8),
    "whole": spoken(PROSE),
    "truncated": spoken(PROSE, finish="length"),
    "busy": Failure(429, openai_error("Too many requests."), AGAIN),
    "broken": Failure(500, openai_error("Something broke."), AGAIN),
    "refused": Failure(401, openai_error("Incorrect API key provided.")),
    "page": Failure(200, "<html><title>Sign in</title></html>"),
    "parameter": Failure(400, openai_error("Unsupported parameter: 'top_p' is not supported.", param="top_p")),
    "reset": _events(PIECE, PIECE, end="reset"),
    "cut": _events(PIECE, end="cut"),
    "broken JSON": _events(PIECE, 'data: {"choices": [{"index": 0, "del\n\n'),
    "empty": _events(done=True),
    "dropped": Drop(reset=True),
    "hanging": Silence(),
    "endless": spoken("On and on. " * 3_000, gap=0.005),
}
# The cells, how often each comes, and whether it is interrupted. The prompt names the reply.
CELLS: Sequence[tuple[int, str, bool]] = (
    (42, "%%llm\nanswer", False),
    (5, "%%llm --no-stream\nwhole", False),
    (5, "x = %llm answer", False),
    (5, "%%llm --to text\ntruncated", False),
    (4, "%%llm\nbusy", False),
    (4, "%%llm\nbroken", False),
    (3, "%%llm\nrefused", False),
    (3, "%%llm\npage", False),
    (3, "%%llm --param top_p=0.5\nparameter", False),
    (5, "%%llm\nreset", False),
    (4, "%%llm\ncut", False),
    (4, "%%llm\nbroken JSON", False),
    (3, "%%llm\nempty", False),
    (1, "%%llm\ndropped", False),
    (2, "%%llm --param timeout=0.05\nhanging", False),
    (2, "%%llm\nhanging", True),
    (3, "%%llm\nendless", True),
    (1, "%llm_config --models", False),
    (1, "%%llm --dry-run\nanswer", False),
    (1, "%%llm --modle x\nanswer", False),
    (3, "message = call_llm('far', 'answer', CONFIG)", False),
    (2, "call_llm('far', 'refused', CONFIG)", False),
    (2, "call_llm('far', 'reset', CONFIG)", False),
)
SETUP = """
import collections, ctypes, gc, os, re, sys, threading
from IPython.core.magic import register_cell_magic
from llm_magics import call_llm
CONFIG = {{"models": {{"far": {{"base_url": {url!r}, "max_retries": 0}}}}}}

@register_cell_magic
def nothing(line, cell):
    pass

def forget():
    shell = get_ipython()
    shell.displayhook.flush()
    for name in [name for name in shell.user_ns if re.fullmatch(r"_i?\\d+", name)]:
        del shell.user_ns[name]
    for history in (shell.history_manager.input_hist_raw, shell.history_manager.input_hist_parsed):
        history[:] = [""]
    for name in ("outputs", "exceptions", "output_hist_reprs"):
        getattr(shell.history_manager, name, {{}}).clear()
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        vars(sys).pop(name, None)
    shell.InteractiveTB.tb = shell.InteractiveTB.etype = shell.InteractiveTB.evalue = None

def sample():
    import asyncio
    forget()
    for _ in range(3):
        gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass
    objects = gc.get_objects()
    kinds = collections.Counter()
    for kind, count in collections.Counter(map(type, objects)).items():
        kinds[str(kind.__module__) + "." + kind.__qualname__] += count
    pages = int(open("/proc/self/statm").read().split()[1]) if os.path.exists("/proc/self/statm") else 0
    return {{
        "resident": pages * os.sysconf("SC_PAGE_SIZE"),
        "objects": len(objects),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
        "tasks": sum(isinstance(o, asyncio.Task) and not o.done() for o in objects),
        "kinds": dict(kinds),
    }}
"""


def reply_to(request: Request) -> Reply:
    """The reply that the prompt names; one that refuses a parameter answers once it is gone."""
    if "messages" not in request.body:  # interrupted between the head and the body
        return REPLIES["hanging"]
    name = str(request.body["messages"][-1]["content"])
    if name == "parameter" and "top_p" not in request.body:
        name = "answer"
    return REPLIES[name]


@contextmanager
def soaking(folder: Path) -> Iterator[tuple[Kernel, FarEnd]]:
    """A kernel that keeps no history of its own on disk, with a model at a far end."""
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text("c.HistoryManager.enabled = False\n")
    with FarEnd(keep_requests=False) as far:
        far.computes(reply_to)
        (folder / "config.toml").write_text(
            f'model = "far"\n[models.far]\nbase_url = "{far.base_url}"\nmax_retries = 1\n'
        )
        with kernel(LLM_MAGICS_DIR=str(folder), IPYTHONDIR=str(folder / "ipython")) as front:
            ran = front.run(SETUP.format(url=far.base_url))
            assert not ran.error, ran.error
            assert not front.run("%load_ext llm_magics").error
            yield front, far


def soak(
    front: Kernel, far: FarEnd, cells: int, every: int, *, control: bool = False, seed: int = 1
) -> list[dict[str, Any]]:
    """Run so many cells; a sample of the kernel before, and after ``every`` of them."""
    chance = random.Random(seed)
    choices = [cell for often, *cell in CELLS for _ in range(often)]
    for _, code, stopped in CELLS:  # whatever is made once is there before the first sample
        run(front, far, code, stopped, chance)
    front.run("gc.collect(); gc.freeze()")  # what is there for good is not looked at again and again
    samples = [settled(front)]
    for number in range(1, cells + 1):
        code, stopped = ("%%nothing\nanswer", False) if control else chance.choice(choices)
        run(front, far, code, stopped, chance)
        if number % every == 0:
            samples.append(settled(front) | {"cells": number})
            print(f"  {number:>6} {shown(samples[-1])}", flush=True)
    return samples


def run(front: Kernel, far: FarEnd, code: str, stopped: bool, chance: random.Random) -> None:
    """One cell; one that is to be interrupted would not end otherwise."""
    if not stopped:
        front.run(code)
        return
    served = far.served
    cell = front.start(code)
    assert far.wait_for_requests(served + 1, 60)
    time.sleep(chance.uniform(0.0, 0.1))
    front.interrupt()
    assert "KeyboardInterrupt" in front.finish(cell).error


def settled(front: Kernel) -> dict[str, Any]:
    """A sample after ordinary answers, so that it finds the connections that are kept."""
    assert not front.run("%%llm\nanswer").error
    assert not front.run("message = call_llm('far', 'answer', CONFIG)").error
    time.sleep(0.3)
    found = front.value("sample()")
    assert isinstance(found, dict)
    return {"cells": 0, **found}


def shown(sample: dict[str, Any]) -> str:
    """A sample in one line."""
    counts = "  ".join(f"{name} {sample[name]}" for name in ("objects", "threads", "files", "tasks"))
    return f"{sample['resident'] / 1e6:8.1f} MB  {counts}"


def slope(samples: Sequence[dict[str, Any]], name: str) -> float:
    """Growth per cell, by a line through the second half of the samples."""
    half = samples[len(samples) // 2 :]
    xs, ys = [s["cells"] for s in half], [s[name] for s in half]
    x0, y0 = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True)) / (sum((x - x0) ** 2 for x in xs) or 1)


# Growth of the resident size per cell, in bytes: the kernel itself keeps a digest of every message it is sent, and the
# allocator moves by some hundred kilobytes. An answer that is kept is 4,000 bytes or more.
MOST_BYTES = 1_000
MOST_OBJECTS = 0.05  # growth of the number of objects that the collector knows, per cell


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="cells of a magic that does nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, soaking(Path(folder)) as (front, far):
        began = time.monotonic()
        samples = soak(front, far, options.cells, options.every, control=options.control, seed=options.seed)
        seconds = time.monotonic() - began
    half = samples[len(samples) // 2 :]
    grown = {name: slope(samples, name) for name in ("resident", "objects", "threads", "files", "tasks")}
    print(f"\n  {options.cells} cells in {seconds:.0f} s; growth per cell over the second half:")
    print(f"  resident {grown['resident']:.0f} bytes, objects {grown['objects']:.3f}")
    for name in ("threads", "files", "tasks"):
        print(f"  {name}: {min(s[name] for s in half)} to {max(s[name] for s in half)}")
    more = Counter(samples[-1]["kinds"])
    more.subtract(half[0]["kinds"])
    print(f"  objects, the end against the middle: {dict(more.most_common(8))}")
    flat = all(len({s[name] for s in half}) == 1 for name in ("threads", "files", "tasks"))
    if not flat or grown["resident"] > MOST_BYTES or grown["objects"] > MOST_OBJECTS:
        raise SystemExit("it grows")


if __name__ == "__main__":
    main()
