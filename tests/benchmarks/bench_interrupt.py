"""From the stop button to the prompt: interrupts at random moments of every stage of a call, and what each left wrong.

Not ratios but milliseconds, of a real kernel: from the signal until the kernel says that it is idle.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from far_end import FarEnd
from stages import STAGES, Scene, Stage, scene

GONE = 1.0  # seconds in which the far end is to see the connection close
ENDED = 4.0  # seconds in which a thread that was making a connection ends


def interrupted(here: Scene, stage: Stage, moment: float, wrong: Counter[str]) -> float:
    """Milliseconds from an interrupt ``moment`` seconds into this stage's cell until the kernel is idle."""
    here.far.reset()
    stage.script(here.far)
    cell = here.front.start(stage.cell)
    here.front.begun(cell)
    time.sleep(moment)
    began = time.monotonic()
    here.front.interrupt()
    ran = here.front.finish(cell)
    took = time.monotonic() - began
    wrong["the cell's last line"] += not ran.error.startswith("KeyboardInterrupt: stopped")
    wrong["more than one line"] += "\n" in ran.error or "Traceback" in ran.text
    asked = bool(here.far.chats) or stage.name == "listing models"
    if stage.connected and asked:
        wrong["the far end still connected"] += not here.far.wait_for_disconnect(GONE)
    if "what had arrived" in ran.error:
        shown = [output for output in ran.outputs if output["output_type"] == "display_data"]
        kept = here.front.value("[_llm.status, len(_llm.text)]")
        wrong["text"] += len(shown) != 1 or kept[0] != "interrupted" or not kept[1]
    elif stage.keeps_text:
        wrong["text"] += here.front.value("_llm.text != '' and _llm.status == 'interrupted'")
    return took * 1e3


def after(here: Scene, before: dict[str, int], wrong: Counter[str]) -> None:
    """What a cell in the old kernel is like."""
    here.far.reset()
    ran = here.front.run("%%llm\nHi")
    wrong["the next cell"] += [o["data"]["text/markdown"] for o in ran.outputs] != ["Hello from the far end."]
    until = time.monotonic() + ENDED
    while over(left := here.left(), before) and time.monotonic() < until:
        time.sleep(0.1)
    for what in over(left, before):
        wrong[f"{what} left behind ({before} → {left})"] += 1


def over(left: dict[str, object], before: dict[str, int]) -> list[str]:
    """What there is more of than before; a thread that waits on the key store cannot be ended."""
    counts = {name: left[name] for name in before}
    return [name for name, count in counts.items() if int(str(count)) > before[name] + (name == "threads")]


def line(name: str, times: list[float]) -> str:
    """A row of the table."""
    times = sorted(times)
    p50, p99 = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]
    return f"  {name:<34} {len(times):>5} {p50:>9.0f} {p99:>9.0f} {times[-1]:>9.0f}"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=None, help="interrupts of each stage instead of --interrupts")
    parser.add_argument("--interrupts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = options.rounds * len(STAGES) if options.rounds else options.interrupts
    chance, wrong = random.Random(options.seed), Counter[str]()
    times: dict[str, list[float]] = {stage.name: [] for stage in STAGES}
    with tempfile.TemporaryDirectory() as folder, FarEnd() as far, scene(Path(folder), far) as here:
        after(here, {}, Counter())
        left = here.left()
        before = {name: int(str(left[name])) for name in ("threads", "files", "tasks")}
        for number in range(count):
            stage = STAGES[number % len(STAGES)]
            times[stage.name].append(interrupted(here, stage, chance.uniform(0.02, 0.9), wrong))
            after(here, before, wrong)
    print(f"\n  {'ms from an interrupt to the prompt':<34} {'n':>5} {'p50':>9} {'p99':>9} {'worst':>9}")
    for name, found in times.items():
        print(line(name, found))
    print(line("all", [one for found in times.values() for one in found]))
    print(f"  wrong after {count}: {dict(+wrong) or 0}")


if __name__ == "__main__":
    main()
