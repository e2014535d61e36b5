"""From lanes to a comparison: what they are called, what is shown while they grow, and what they leave in the end."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from itertools import groupby
from random import SystemRandom

from llm_magics import judge
from llm_magics.comparisons.columns import Column, Section
from llm_magics.comparisons.comparison import Comparison, Entry, failure_lines
from llm_magics.events import Answer, Ask
from llm_magics.lanes import Lane, Prepared
from llm_magics.pictures import Pictures
from llm_magics.renderers.markdown import json_in


def in_order(ask: Ask, prepared: Sequence[Prepared]) -> list[Prepared]:
    """The requests, one for each answer, in the order their lanes stand in: by chance where the names are hidden."""
    lanes = [one for one in prepared for _ in range(ask.repeats)]
    if ask.blind:
        SystemRandom().shuffle(lanes)
    return lanes


def labels(ask: Ask, prepared: Sequence[Prepared]) -> list[str]:
    """What each lane is called."""
    if ask.blind:
        return [*string.ascii_uppercase, *(f"A{letter}" for letter in string.ascii_uppercase)][: len(prepared)]
    if ask.repeats == 1:
        return [one.name for one in prepared]
    return [f"{one.name} #{place % ask.repeats + 1}" for place, one in enumerate(prepared)]


def compared(ask: Ask, lanes: Sequence[Lane], pictures: Callable[[str], Pictures]) -> Comparison:
    """What lanes that have ended leave behind."""
    entries = [entry_of(lane, ask, place, pictures) for place, lane in enumerate(lanes)]
    return Comparison(ask.prompt, entries, blind=ask.blind)


def entry_of(lane: Lane, ask: Ask, place: int, pictures: Callable[[str], Pictures]) -> Entry:
    """What one of them leaves behind; ``place`` counts the lanes from 0."""
    assert lane.answer is not None
    return Entry(
        label=lane.label,
        answer=lane.answer,
        repeat=place % ask.repeats + 1,
        failure=lane.failure,
        cost=lane.cost,
        pictures=pictures(lane.name),
    )


def round_of(lane: Lane, order: Sequence[str]) -> judge.Round:
    """What a judge said whose lane is over."""
    answer = lane.end()
    if lane.failure is not None:
        return judge.Round(tuple(order), {}, error=failure_lines(lane.failure)[0])
    return judge.read(json_in(answer.text), order)


def is_from(answer: Answer, lane: Lane) -> bool:
    """Whether an answer came from the very model that a lane asks."""
    return (answer.host, answer.request.get("model")) == (lane.host, lane.model)


def growing(lanes: Sequence[Lane], *, blind: bool, patience: float) -> list[Column]:
    """What is shown of lanes that are under way; where names are hidden, only that."""
    if blind:
        done = sum(lane.answer is not None for lane in lanes)
        return [Column("Blind", (f"{done} of {len(lanes)} answers are there",))]
    return [_growing(list(group), patience) for _, group in groupby(lanes, key=lambda lane: lane.name)]


def _growing(lanes: Sequence[Lane], patience: float) -> Column:
    """One column for all the answers of a model: the first that is still under way is shown."""
    lane = next((lane for lane in lanes if lane.answer is None), lanes[-1])
    done = sum(one.answer is not None for one in lanes)
    counted = f"{done} of {len(lanes)} answers are there" if len(lanes) > 1 else ""
    facts = tuple(part for part in (counted, *_facts(lane, patience)) if part)
    return Column(lane.name, facts, (Section(lane.view, tuple(failure_lines(lane.failure))),))


def _facts(lane: Lane, patience: float) -> list[str]:
    first, seconds = lane.first_token, lane.seconds
    if lane.answer is not None:
        return [f"{seconds:.2f} s", lane.answer.finish_reason or lane.answer.status]
    if first is None:
        return [f"waiting … {lane.waited:.0f} s"] if lane.waited >= patience else []
    return [f"{first:.2f} s to the first token", f"{seconds:.0f} s"]
