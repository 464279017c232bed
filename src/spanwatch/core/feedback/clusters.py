"""Clusters of sparse vectors: spherical k-means from seeds that are far apart, merged while centres are close.

Deterministic: no chance is involved, and ties go to the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

Vector = dict[str, float]

_TURNS = 12
_SETTLED = 0.002  # of the members may still move


def unit(vector: Mapping[str, float]) -> Vector:
    """The vector at length 1; of nothing, nothing."""
    length = math.sqrt(math.fsum(value * value for value in vector.values()))
    return {name: value / length for name, value in vector.items()} if length else {}


def cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The cosine of two vectors of length 1."""
    if len(one) > len(other):
        one, other = other, one
    return sum(value * other[name] for name, value in one.items() if name in other)


def clustered(vectors: Sequence[Vector], *, most: int, near: float, close: float, keep: int = 64) -> list[int]:
    """The cluster of each vector, -1 for one that is near no centre.

    Args:
        vectors: Of length 1, or empty.
        most: Clusters to begin with, at most.
        near: The cosine to its centre from which a vector belongs to it.
        close: The cosine from which two centres are merged.
        keep: Terms of a centre that are kept.
    """
    centres = _seeds(vectors, most, keep)
    placed = [-1] * len(vectors)
    for _ in range(_TURNS):
        before, placed = placed, _placed(vectors, centres, near)
        centres = _centres(vectors, placed, len(centres), keep)
        moved = sum(a != b for a, b in zip(before, placed, strict=True))
        if moved <= _SETTLED * len(vectors):
            break
    return _merged(vectors, placed, len(centres), close, keep)


def _seeds(vectors: Sequence[Vector], most: int, keep: int) -> list[Vector]:
    """Terms that many vectors share and that seldom stand together: each begins a cluster around itself."""
    weights: dict[str, float] = {}
    for vector in vectors:
        for name, value in vector.items():
            weights[name] = weights.get(name, 0.0) + value
    having: dict[str, list[int]] = {}
    ranked = sorted(weights, key=lambda name: (-weights[name], name))[: 8 * most]
    wanted = set(ranked)
    for number, vector in enumerate(vectors):
        for name in vector.keys() & wanted:
            having.setdefault(name, []).append(number)
    covered = [0.0] * len(vectors)
    seeds: list[Vector] = []
    left = list(ranked)
    while left and len(seeds) < most:
        gain = {name: sum(max(0.0, vectors[n][name] - covered[n]) for n in having[name]) for name in left}
        best = max(left, key=lambda name: gain[name])
        if gain[best] <= 0:
            break
        left.remove(best)
        seeds.append(_centre([vectors[n] for n in having[best]], keep))
        for n in having[best]:
            covered[n] = max(covered[n], vectors[n][best])
    return seeds


def _placed(vectors: Sequence[Vector], centres: Sequence[Vector], near: float) -> list[int]:
    index: dict[str, list[tuple[int, float]]] = {}
    for number, centre in enumerate(centres):
        for name, value in centre.items():
            index.setdefault(name, []).append((number, value))
    found = []
    for vector in vectors:
        scores: dict[int, float] = {}
        for name, value in vector.items():
            for number, weight in index.get(name, ()):
                scores[number] = scores.get(number, 0.0) + value * weight
        best = max(scores, key=lambda number: (scores[number], -number), default=-1)
        found.append(best if best >= 0 and scores[best] >= near else -1)
    return found


def _centres(vectors: Sequence[Vector], placed: Sequence[int], count: int, keep: int) -> list[Vector]:
    members: list[list[Vector]] = [[] for _ in range(count)]
    for vector, number in zip(vectors, placed, strict=True):
        if number >= 0:
            members[number].append(vector)
    return [_centre(each, keep) for each in members]


def _centre(members: Iterable[Vector], keep: int) -> Vector:
    total: Vector = {}
    for vector in members:
        for name, value in vector.items():
            total[name] = total.get(name, 0.0) + value
    if len(total) > keep:
        total = dict(sorted(total.items(), key=lambda item: (-item[1], item[0]))[:keep])
    return unit(total)


def _merged(vectors: Sequence[Vector], placed: Sequence[int], count: int, close: float, keep: int) -> list[int]:
    """Clusters whose centres are close become one, the closest pair first."""
    groups: dict[int, list[Vector]] = {}
    for vector, number in zip(vectors, placed, strict=True):
        if number >= 0:
            groups.setdefault(number, []).append(vector)
    centres = {number: _centre(members, keep) for number, members in groups.items()}
    into = list(range(count))
    near = {(a, b): cosine(centres[a], centres[b]) for a in centres for b in centres if a < b}
    while near:
        pair = max(near, key=lambda each: (near[each], -each[0], -each[1]))
        if near[pair] < close:
            break
        a, b = pair
        groups[a] += groups.pop(b)
        into = [a if number == b else number for number in into]
        del centres[b]
        centres[a] = _centre(groups[a], keep)
        near = {each: score for each, score in near.items() if a not in each and b not in each}
        near |= {(min(a, c), max(a, c)): cosine(centres[a], centres[c]) for c in centres if c != a}
    return [number if number < 0 else into[number] for number in placed]
