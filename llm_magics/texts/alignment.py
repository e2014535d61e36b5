"""Two sequences aligned: which parts are equal, in a time that grows with their length and not with its square.

What is unique on both sides holds the sequences together; the small gaps between such anchors are difflib's. Where
little is unique, as in one word a thousand times, the longest common subsequence is found a whole row at a time, in the
bits of large integers, and of very long gaps in pieces from the same places of both.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

SMALL = 100 * 100  # pairs of items in a gap for difflib …
REPEATED = 4  # … where each item has no more than so many equal ones on the other side
PIECE = 2_000  # items on a side of what is compared in rows of bits
DEPTH = 8  # anchors between anchors


class Block(NamedTuple):
    """Items ``i1`` up to ``i2`` on the left, ``j1`` up to ``j2`` on the right; as many on both sides if equal."""

    equal: bool
    i1: int
    i2: int
    j1: int
    j2: int


def align(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Block]:
    """Blocks that are equal and blocks that differ, in turn, over the whole of both.

    >>> align("abcd", "axd")
    [Block(equal=True, i1=0, i2=1, j1=0, j2=1), Block(equal=False, i1=1, i2=3, j1=1, j2=2), \
Block(equal=True, i1=3, i2=4, j1=2, j2=3)]
    """
    numbers: dict[Hashable, int] = {}
    a = [numbers.setdefault(item, len(numbers)) for item in left]
    b = [numbers.setdefault(item, len(numbers)) for item in right]
    blocks: list[Block] = []
    for i, j in _pairs(a, b, 0, len(a), 0, len(b), 0):
        last = blocks[-1] if blocks else Block(True, 0, 0, 0, 0)
        if (last.i2, last.j2) == (i, j) and last.equal:
            blocks[-1:] = [last._replace(i2=i + 1, j2=j + 1)]
            continue
        if (last.i2, last.j2) != (i, j):
            blocks.append(Block(False, last.i2, i, last.j2, j))
        blocks.append(Block(True, i, i + 1, j, j + 1))
    i, j = (blocks[-1].i2, blocks[-1].j2) if blocks else (0, 0)
    if (i, j) != (len(a), len(b)):
        blocks.append(Block(False, i, len(a), j, len(b)))
    return blocks


def _pairs(a: list[int], b: list[int], i1: int, i2: int, j1: int, j2: int, depth: int) -> Iterator[tuple[int, int]]:
    """The places of equal items, in order."""
    while i1 < i2 and j1 < j2 and a[i1] == b[j1]:
        yield i1, j1
        i1, j1 = i1 + 1, j1 + 1
    tail = 0
    while i1 < i2 - tail and j1 < j2 - tail and a[i2 - tail - 1] == b[j2 - tail - 1]:
        tail += 1
    i2, j2 = i2 - tail, j2 - tail
    if i1 < i2 and j1 < j2:
        if (i2 - i1) * (j2 - j1) <= SMALL and _is_varied(a[i1:i2], b[j1:j2]):
            yield from _by_difflib(a, b, i1, i2, j1, j2)
        elif depth < DEPTH and (anchors := _anchors(a, b, i1, i2, j1, j2)):
            for (i, j), (next_i, next_j) in pairwise([(i1 - 1, j1 - 1), *anchors, (i2, j2)]):
                if i >= i1:
                    yield i, j
                yield from _pairs(a, b, i + 1, next_i, j + 1, next_j, depth + 1)
        else:
            yield from _in_pieces(a, b, i1, i2, j1, j2)
    yield from ((i2 + n, j2 + n) for n in range(tail))


def _is_varied(a: list[int], b: list[int]) -> bool:
    times = Counter(b)
    return sum(times[item] for item in a) <= REPEATED * (len(a) + len(b))


def _by_difflib(a: list[int], b: list[int], i1: int, i2: int, j1: int, j2: int) -> Iterator[tuple[int, int]]:
    matcher = difflib.SequenceMatcher(None, a[i1:i2], b[j1:j2], autojunk=False)
    for i, j, size in matcher.get_matching_blocks():
        yield from ((i1 + i + n, j1 + j + n) for n in range(size))


def _anchors(a: list[int], b: list[int], i1: int, i2: int, j1: int, j2: int) -> list[tuple[int, int]]:
    """The longest row of items that are unique on both sides and stand there in the same order."""
    once = {item for item, times in Counter(a[i1:i2]).items() if times == 1}
    once &= {item for item, times in Counter(b[j1:j2]).items() if times == 1}
    if not once:
        return []
    place = {b[j]: j for j in range(j1, j2) if b[j] in once}
    pairs = [(i, place[a[i]]) for i in range(i1, i2) if a[i] in once]
    ends: list[int] = []  # of the rows of each length, where the one with the lowest end stops
    lasts: list[int] = []
    before: list[int] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before.append(lasts[length - 1] if length else -1)
        ends[length : length + 1], lasts[length : length + 1] = [j], [number]
    row = []
    number = lasts[-1]
    while number >= 0:
        row.append(pairs[number])
        number = before[number]
    return row[::-1]


def _in_pieces(a: list[int], b: list[int], i1: int, i2: int, j1: int, j2: int) -> Iterator[tuple[int, int]]:
    count = -(-max(i2 - i1, j2 - j1) // PIECE)
    cuts = [(i1 + (i2 - i1) * n // count, j1 + (j2 - j1) * n // count) for n in range(count + 1)]
    for (i, j), (next_i, next_j) in pairwise(cuts):
        yield from ((i + x, j + y) for x, y in longest_common(a[i:next_i], b[j:next_j]))


def longest_common(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]]:
    """The places of a longest common subsequence.

    Bit ``j`` of a row is 0 where the subsequence grows by ``b[j]`` (Hyyrö 2004; Crochemore et al. 2001).

    >>> longest_common([1, 2, 3], [2, 9, 3])
    [(1, 0), (2, 2)]
    """
    masks: dict[int, int] = {}
    for j, item in enumerate(b):
        masks[item] = masks.get(item, 0) | 1 << j
    full = (1 << len(b)) - 1
    rows = [full]
    for item in a:
        row = rows[-1]
        matched = row & masks.get(item, 0)
        rows.append(((row + matched) | (row - matched)) & full)
    pairs, i, j = [], len(a), len(b)
    while i and j:
        if rows[i] >> (j - 1) & 1:
            j -= 1
        else:
            i -= 1
            if rows[i] >> (j - 1) & 1:
                j -= 1
                pairs.append((i, j))
    return pairs[::-1]
