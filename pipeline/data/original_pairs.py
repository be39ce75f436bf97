"""Which English conversation each translated one comes from, among all of one id; none where it is not clear.

Files that were translated keep their order, so where as many conversations have the id in both, the k-th is the k-th,
unless lengths and digits speak against it. Where some were left out, these decide: a pair stands when each of the two
is far more likely the other's than all others are. The cost is n log n: only conversations of like length are compared.
"""

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from unicodedata import normalize

RATIO, DEVIATION = -0.05, 0.25
"""Logarithm of two Japanese characters over one English one: mean and deviation of human and machine translations."""
COST_OF_DIGITS = 3.0
"""Of a group of digits that only one of the two has: one translation in twenty has such a one."""
CLEAR = math.log(100)
"""How much likelier a pair must be than the next."""
COMPARED = 64
"""Conversations of like length that one is compared with."""
OUT_OF_ORDER = 2
"""Clear pairs at different places of the two files from which on these are not in one order; one may be chance."""
FURTHEST = 4.0
"""Deviations from which on a turn is no translation of the other."""


class Shape(NamedTuple):
    """What is compared of a conversation: of each turn the log of its length in English characters, and its digits."""

    lengths: tuple[float, ...]
    digits: tuple[frozenset[str], ...]

    @property
    def num_turns(self) -> int:
        return len(self.lengths)


def shape_of(texts: Sequence[str], *, is_japanese: bool) -> Shape:
    """The shape of some turns."""
    factor = 2 if is_japanese else 1
    return Shape(
        tuple(math.log(1 + factor * len(text)) - RATIO * is_japanese for text in texts),
        tuple(frozenset(re.findall(r"\d+", normalize("NFKC", text))) for text in texts),
    )


def pairs_of(translated: Sequence[Shape], originals: Sequence[Shape]) -> list[int | None]:
    """For each translated conversation of an id the place of its original; both in the order of their files."""
    found: list[int | None] = [None] * len(translated)
    here, there = _by_turns(translated), _by_turns(originals)
    for num_turns, places in here.items():
        others = there.get(num_turns, [])
        clear = list(_clear([translated[place] for place in places], [originals[place] for place in others]))
        if len(places) == len(others) and sum(left != right for left, right in clear) < OUT_OF_ORDER:
            clear = [(place, place) for place in range(len(places))]
        for left, right in clear:
            found[places[left]] = others[right]
    return found


def _by_turns(shapes: Sequence[Shape]) -> dict[int, list[int]]:
    places = defaultdict(list)
    for place, shape in enumerate(shapes):
        places[shape.num_turns].append(place)
    return places


def _clear(translated: Sequence[Shape], originals: Sequence[Shape]) -> Iterator[tuple[int, int]]:
    """Pairs of which each is the other's best by far."""
    there = _best(originals, translated)
    for place, best in enumerate(_best(translated, originals)):
        if best is not None and there[best] == place:
            yield place, best


def _best(shapes: Sequence[Shape], others: Sequence[Shape]) -> list[int | None]:
    """For each shape the place of the other that is clearly likelier than all others; None where none is."""
    order = sorted((sum(other.lengths), place) for place, other in enumerate(others))
    totals = [total for total, _ in order]
    found: list[int | None] = []
    for shape in shapes:
        middle = bisect_left(totals, sum(shape.lengths))
        start = max(0, min(middle - COMPARED // 2, len(order) - COMPARED))
        costs = sorted((_cost(shape, others[place]), place) for _, place in order[start : start + COMPARED])
        is_clear = costs and costs[0][0] < math.inf and (len(costs) == 1 or costs[1][0] - costs[0][0] >= CLEAR)
        found.append(costs[0][1] if is_clear else None)
    return found


def _cost(left: Shape, right: Shape) -> float:
    """Negative logarithm of how likely one is the other's translation."""
    cost = 0.0
    for a, b, digits, others in zip(left.lengths, right.lengths, left.digits, right.digits, strict=True):
        deviations = abs(a - b) / DEVIATION
        if deviations > FURTHEST:
            return math.inf
        cost += deviations**2 / 2 + COST_OF_DIGITS * len(digits ^ others)
    return cost
