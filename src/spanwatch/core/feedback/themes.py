"""Themes of comments, offline: what many speak of, found by their words alone. The same comments give the same themes.

Comments are vectors of their words (tf-idf) and of the concepts that `concepts.py` knows, clustered by k-means on the
sphere, and named by the words that set them apart from the rest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from spanwatch.core.feedback.clusters import Vector, clustered, cosine, unit
from spanwatch.core.feedback.concepts import concepts
from spanwatch.core.feedback.words import words

MOST = 20  # themes that are told
_CLUSTERS = 48
_NEAR, _CLOSE = 0.1, 0.3
_LEAST = 2  # comments of a theme
_CONCEPT = 1.5
_TITLE = 3
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Theme:
    """What `count` comments, a `share` of all, have in common; `ids` are theirs, the most typical first."""

    title: str
    terms: tuple[str, ...]
    ids: tuple[str, ...]
    share: float

    @property
    def count(self) -> int:
        """How many comments there are."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Themes:
    """Themes, the largest first, and the ids of comments that are of none."""

    themes: tuple[Theme, ...]
    others: tuple[str, ...] = ()


def themes(comments: Sequence[tuple[str, str]], *, most: int = MOST, hints: bool = True) -> Themes:
    """The themes of comments, given as (id, text).

    Args:
        comments: As many as there are; 20,000 take a few seconds.
        most: Themes that are told.
        hints: Whether words of several languages that mean the same are brought together.
    """
    said = [words(text) for _, text in comments]
    vectors = _vectors([text for _, text in comments], said, hints=hints)
    clusters = min(_CLUSTERS, max(8, round(1.3 * math.sqrt(len(comments)))))
    placed = clustered(vectors, most=clusters, near=_NEAR, close=_CLOSE)
    members: dict[int, list[int]] = {}
    for number, cluster in enumerate(placed):
        if cluster >= 0:
            members.setdefault(cluster, []).append(number)
    told = sorted((each for each in members.values() if len(each) >= _LEAST), key=lambda each: (-len(each), each))[
        :most
    ]
    everywhere = Counter(term for found in said for term in {term for term, _ in found})
    found = [_theme(comments, said, vectors, each, everywhere) for each in told]
    inside = {number for each in told for number in each}
    return Themes(tuple(found), tuple(id_ for n, (id_, _) in enumerate(comments) if n not in inside))


def _vectors(texts: Sequence[str], said: Sequence[list[tuple[str, str]]], *, hints: bool) -> list[Vector]:
    terms = [list(dict.fromkeys(term for term, _ in found)) for found in said]
    spoken = [
        Counter(concepts(found, text)) if hints else Counter[str]() for found, text in zip(terms, texts, strict=True)
    ]
    shared = Counter(term for found in terms for term in found)
    shared.update(concept for found in spoken for concept in found)
    weight = {term: math.log1p(len(texts) / count) for term, count in shared.items()}
    vectors = []
    for found, about in zip(terms, spoken, strict=True):
        vector = {term: weight[term] for term in found if shared[term] > 1}
        for concept, times in about.items():
            vector[concept] = _CONCEPT * weight[concept] * (1 + times) / 2
        vectors.append(unit(vector))
    return vectors


def _theme(
    comments: Sequence[tuple[str, str]],
    said: Sequence[list[tuple[str, str]]],
    vectors: Sequence[Vector],
    members: list[int],
    everywhere: Counter[str],
) -> Theme:
    total: Vector = {}
    for number in members:
        for name, value in vectors[number].items():
            total[name] = total.get(name, 0.0) + value
    centre = unit(total)
    typical = sorted(members, key=lambda number: (-round(cosine(vectors[number], centre), 9), number))
    terms = _distinctive([said[number] for number in members], everywhere, len(comments))
    title = " / ".join(terms[:_TITLE]) or comments[typical[0]][1][:40]
    ids = tuple(comments[number][0] for number in typical)
    return Theme(title, terms, ids, len(members) / len(comments))


def _distinctive(said: Sequence[list[tuple[str, str]]], everywhere: Counter[str], all_of_them: int) -> tuple[str, ...]:
    """The words that are frequent here and rare elsewhere, as they are mostly written."""
    here = Counter(term for found in said for term in {term for term, _ in found})
    written: dict[str, Counter[str]] = {}
    for found in said:
        for term, word in found:
            written.setdefault(term, Counter())[word] += 1
    rest = max(1, all_of_them - len(said))

    def apart(term: str) -> float:
        inside, outside = here[term] / len(said), (everywhere[term] - here[term] + 0.5) / rest
        return inside * math.log(max(inside / outside, 1e-9))

    ranked = sorted((term for term in here if here[term] > 1), key=lambda term: (-apart(term), term))
    best = [min(written[term].items(), key=lambda item: (-item[1], item[0]))[0] for term in ranked if apart(term) > 0]
    return tuple(best[:_SHOWN])
