"""A short soak: what ten thousand cells would make visible must not be there after some hundred either."""

from __future__ import annotations

from pathlib import Path

from soak import soak, soaking

KEPT = 200  # answers whose notes are still known


def test_some_hundred_cells_with_faults_and_interrupts_leave_nothing_open(tmp_path: Path) -> None:
    with soaking(tmp_path) as (front, far):
        samples = soak(front, far, cells=300, every=100)
    first, last = samples[0], samples[-1]
    for name in ("threads", "files", "tasks"):
        assert last[name] == first[name], name
    ours = {name: count for name, count in last["kinds"].items() if name.startswith("llm_magics.")}
    kept = {name for name, count in ours.items() if count > 3}
    assert kept <= {"llm_magics.events.Answer", "llm_magics.events.Timing"}, ours
    assert ours.get("llm_magics.events.Answer", 0) <= KEPT + 3
