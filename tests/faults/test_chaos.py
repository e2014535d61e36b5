"""Random faults: whatever a server sends, a cell ends in an answer or three lines, `call_llm` in the SDK's errors."""

from __future__ import annotations

import pytest
from chaos import Chaos, tried


@pytest.mark.parametrize("seed", range(4))
def test_no_response_ends_in_anything_but_an_answer_or_an_error_of_ours(seed: int) -> None:
    came, wrong = tried(seed, 60)
    assert not wrong, "\n\n".join(wrong)
    assert sum(came.values()) == 120
    assert came["call_llm: message"] and came["cell: ok"], "some must get through, or the rest proves nothing"


def test_the_same_seed_gives_the_same_responses() -> None:
    assert [Chaos(1).response() for _ in range(3)] == [Chaos(1).response() for _ in range(3)]
    assert len({Chaos(seed).response() for seed in range(50)}) == 50
