"""How far clusters agree with labels that people gave: purity and normalised mutual information."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence


def purity(labels: Sequence[Hashable], clusters: Sequence[Hashable]) -> float:
    """The share of items that carry the most frequent label of their cluster."""
    best: dict[Hashable, int] = {}
    for (_, cluster), count in Counter(zip(labels, clusters, strict=True)).items():
        best[cluster] = max(best.get(cluster, 0), count)
    return sum(best.values()) / len(labels)


def mutual_information(labels: Sequence[Hashable], clusters: Sequence[Hashable]) -> float:
    """Mutual information over the mean of both entropies, from 0 (nothing in common) to 1 (the same)."""
    n = len(labels)
    one, other = Counter(labels), Counter(clusters)
    both = Counter(zip(labels, clusters, strict=True))
    shared = math.fsum(c / n * math.log(c * n / (one[a] * other[b])) for (a, b), c in both.items())
    whole = _entropy(one, n) + _entropy(other, n)
    return 1.0 if whole == 0 else 2 * shared / whole


def _entropy(counts: Counter[Hashable], n: int) -> float:
    return -math.fsum(count / n * math.log(count / n) for count in counts.values())
