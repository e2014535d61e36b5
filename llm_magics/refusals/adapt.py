"""What to do after a refusal: change one thing and ask again, wait and ask again, or let the failure stand.

`Plan` is one request on its way. Both colours of caller, blocking and async, ask it the same question: `after`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_magics.refusals.ladder import OPPOSITE, RUNGS, Rung
from llm_magics.refusals.refusal import TOO_LONG, Refusal, is_out_of_credit
from llm_magics.refusals.retries import pause

MAX_MOVES = 3  # of one request within its origin
MAX_CHANGES = 6  # of one request; a server that finds fault with more of it is not this ladder's business


@dataclass(frozen=True, slots=True)
class Finding:
    """What an endpoint turned out not to take.

    Attributes:
        name: the rung's name.
        note: what was refused and what was asked instead, in one line.
        said: the server's own words; not yet cut or redacted.
        instead: what was asked instead, in words that stand alone.
        found_by: what was asked when it turned out.
    """

    name: str
    note: str
    said: str = ""
    instead: str = ""
    found_by: str = "a prompt"


@dataclass(slots=True)
class Plan:
    """One request, and what has been tried for it.

    Attributes:
        body: the request to send now.
        retries: how often a failure that may pass is tried again.
        bends: whether the whole ladder is climbed, or only the rungs that are for everybody.
        path: where it is posted when the server said that it lives elsewhere at the same origin; else None.
        attempts: requests sent so far.
        begun: whether the answer to the last of them had begun to arrive.
        retried: how many of them were second tries of the same request.
        notes: what was changed, in words for the user.
        learnt: what was refused on the way, by the rung's name.
        last_said: the last refusal's message.
        trouble: why the last retry was made.
    """

    body: dict[str, Any]
    retries: int
    bends: bool = False
    path: str | None = None
    attempts: int = 0
    begun: bool = False
    retried: int = 0
    notes: list[str] = field(default_factory=list)
    learnt: dict[str, Finding] = field(default_factory=dict)
    last_said: str = ""
    trouble: str = ""
    _moves: int = 0
    _is_refused: bool = False
    _original: Exception | None = None

    def attempt(self) -> None:
        """A request goes out."""
        self.attempts += 1
        self.begun = False

    def moved(self, path: str | None) -> bool:
        """Whether the request is now to be posted to this place of the same origin; a circle of moves ends."""
        if path is None or self._moves >= MAX_MOVES:
            return False
        self.path, self._moves = path, self._moves + 1
        return True

    def after(self, refusal: Refusal, error: Exception | None = None) -> float | None:
        """Seconds to wait before sending `body` again, or None when the failure stands.

        ``error`` is the failure itself; the first that something was changed after is the one `standing` gives.
        """
        self.last_said = refusal.message
        self._is_refused = refusal.status in {400, 405, 422, 424}
        if rung := self._next_rung(refusal):
            self._original = self._original or error
            self.body = rung.change(self.body)
            note = f"this model takes no {rung.name} here: {rung.instead}"
            self.learnt[rung.name] = Finding(rung.name, note, refusal.message, rung.instead)
            self.notes.append(note)
            return 0.0
        wait = pause(refusal, self.retried) if self.retried < self.retries else None
        if wait is not None:
            self.retried += 1
            self.trouble = refusal.trouble
        return wait

    def standing(self, error: Exception) -> Exception:
        """The failure to raise: when nothing that was changed helped, the original one."""
        return self._original if self._original is not None and self._is_refused else error

    def _next_rung(self, refusal: Refusal) -> Rung | None:
        if not refusal.may_be_of_one_thing or len(self.learnt) >= MAX_CHANGES:
            return None
        if TOO_LONG.search(refusal.said) or is_out_of_credit(refusal.said):
            return None  # whatever else is named on the way
        for rung in RUNGS:
            climbed = {rung.name, OPPOSITE.get(rung.name)} & set(self.learnt)
            ours = (rung.always or self.bends) and not climbed
            if ours and rung.applies(self.body) and rung.refused(refusal, self.body):
                return rung
        return None


def fitted(body: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A request changed by these rungs, as far as they apply to it."""
    changed = dict(body)
    for rung in _each(names):
        if rung.applies(changed):
            changed = rung.change(changed)
    return changed


def _each(names: Sequence[str]) -> Sequence[Rung]:
    """One rung for each name, in the order they were learnt."""
    by_name = {rung.name: rung for rung in reversed(RUNGS)}
    return [by_name[name] for name in names if name in by_name]
