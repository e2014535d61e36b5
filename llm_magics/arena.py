"""Which model wins blind comparisons: Bradley-Terry scores with intervals that say how little is known.

A vote among several models counts as one win over each of the others; a tie as half a win for both of each pair. Every
pair that met has one win each besides, as if nothing were known before. The intervals are those of a Bayesian
bootstrap: all votes, those included, are weighed anew by chance, and the pairs of one vote stay together.

Sources: Bradley and Terry, Rank analysis of incomplete block designs, Biometrika 39 (1952); fitted with the iteration
of Hunter, MM algorithms for generalized Bradley-Terry models, Annals of Statistics 32 (2004); Rubin, The Bayesian
bootstrap, Annals of Statistics 9 (1981).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from llm_magics.votes import Vote

SURE = 0.975  # of the draws, before a model is said to be ahead of another
ENOUGH = 10  # votes a model should have before its score is worth reading
DRAWS = 400  # of the votes, for the intervals
STEPS, CLOSE = 200, 1e-4
AVERAGE, SCALE = 1000.0, 400.0  # the scale of chess: 400 points are odds of ten to one

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a model stands.

    ``low`` and ``high`` hold its score in 95 of 100 draws of the votes; ``ahead`` is the share of draws in which it has
    more than the next model, 1 for the last.
    """

    model: str
    votes: int
    wins: float
    ties: int
    losses: int
    score: float
    low: float
    high: float
    ahead: float


def standings(votes: Sequence[Vote], *, seed: int = 0) -> list[Standing]:
    """All models that took part in these votes, of which there is at least one, the strongest first."""
    models = sorted({model for vote in votes for model in vote.models})
    met = sorted({pair for vote in votes for pair in permutations(vote.models, 2)})
    scores = fitted(models, won(votes, [1.0] * len(votes), met, [1.0] * len(met)))
    chance = random.Random(seed)  # noqa: S311 - statistics, not secrets
    drawn = []
    for _ in range(DRAWS):
        weights = [chance.expovariate(1.0) for _ in range(len(votes) + len(met))]
        drawn.append(fitted(models, won(votes, weights, met, weights[len(votes) :]), scores))
    ranked = sorted(models, key=lambda model: -scores[model])
    return [
        _standing(model, votes, scores[model], [draw[model] for draw in drawn], [draw[after] for draw in drawn])
        for model, after in zip(ranked, [*ranked[1:], ranked[-1]], strict=True)
    ]


def warnings(votes: Sequence[Vote], found: Sequence[Standing]) -> list[str]:
    """What has to be said besides the scores: how little they rest on, and what they cannot tell."""
    said = []
    few = [standing.model for standing in found if standing.votes < ENOUGH]
    if few:
        said.append(f"Too few votes to tell ({len(votes)} so far): fewer than {ENOUGH} each for {', '.join(few)}.")
    groups = _groups(votes)
    if len(groups) > 1:
        apart = "; ".join(", ".join(sorted(group)) for group in groups)
        said.append(f"These were never compared with each other, so their scores are not comparable: {apart}.")
    if len(found) > 1 and found[0].ahead < SURE:
        said.append(f"{found[0].model} and {found[1].model} are not told apart by these votes.")
    return said


def won(
    votes: Sequence[Vote], weights: Sequence[float], met: Sequence[Pair], before: Sequence[float]
) -> dict[Pair, float]:
    """How often the first of each pair won against the second, by the weights of votes and of the wins before them."""
    pairs = dict(zip(met, before, strict=True))
    for vote, weight in zip(votes, weights, strict=False):
        for one, other in combinations(vote.models, 2):
            if vote.winner not in vote.models:
                pairs[one, other] += weight / 2
                pairs[other, one] += weight / 2
            elif vote.winner in (one, other):
                pairs[(one, other) if vote.winner == one else (other, one)] += weight
    return pairs


def fitted(
    models: Sequence[str], pairs: Mapping[Pair, float], start: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The score of each model that makes these wins most likely; ``start`` is near it, where something is known."""
    strength = {model: 10 ** ((start[model] - AVERAGE) / SCALE) if start else 1.0 for model in models}
    wins, games = dict.fromkeys(models, 0.0), {model: list[tuple[str, float]]() for model in models}
    for (one, other), count in pairs.items():
        wins[one] += count
        games[one].append((other, count + pairs[other, one]))
    for _ in range(STEPS):
        farthest = 0.0
        for model in models:
            now = wins[model] / sum(count / (strength[model] + strength[other]) for other, count in games[model])
            farthest = max(farthest, abs(math.log(now / strength[model])))
            strength[model] = now
        if farthest < CLOSE:
            break
    middle = sum(map(math.log10, strength.values())) / len(models)  # only differences mean anything
    return {model: AVERAGE + SCALE * (math.log10(strength[model]) - middle) for model in models}


def _standing(
    model: str, votes: Sequence[Vote], score: float, drawn: Sequence[float], after: Sequence[float]
) -> Standing:
    cast = [vote for vote in votes if model in vote.models]
    wins = sum(vote.winner == model for vote in cast)
    ties = sum(vote.winner not in vote.models for vote in cast)
    low, high = (sorted(drawn)[int(len(drawn) * share)] for share in (0.025, 0.975))
    return Standing(
        model=model,
        votes=len(cast),
        wins=wins,
        ties=ties,
        losses=len(cast) - wins - ties,
        score=score,
        low=min(low, score),
        high=max(high, score),
        ahead=sum(mine >= other for mine, other in zip(drawn, after, strict=True)) / len(drawn),
    )


def _groups(votes: Sequence[Vote]) -> list[set[str]]:
    """Models that are linked by votes, however many steps apart."""
    groups: list[set[str]] = []
    for vote in votes:
        linked = [group for group in groups if group & set(vote.models)]
        groups = [group for group in groups if group not in linked]
        groups.append(set(vote.models).union(*linked))
    return groups
