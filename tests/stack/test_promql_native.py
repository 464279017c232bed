"""Exponential histograms, which Prometheus has as native ones: the same answers here and from the real server."""

import math
import random
from collections import Counter

import pytest

from spanwatch.core.buckets import Exponential
from spanwatch.core.points import Distribution
from spanwatch.core.promql import Track
from spanwatch.core.promql.tracks import NAME
from tests.stack.promql_rig import LENGTH, STEP_MS, compared, server

SEED = 20_261_127
MODELS = ("gpt-4o", "o3", "claude")


def native(start_ms):
    """90 exponential histograms with gaps, ends, resets and changes of scale."""
    chance = random.Random(SEED + 2)
    for n in range(90):
        labels = {NAME: "nat", "n": str(n // 9), "i": str(n % 9), "model": chance.choice(MODELS)}
        begun, gone = chance.choice((0, 0, 40)), chance.choice((LENGTH, LENGTH, 80))
        scale, coarser_at = chance.choice((0, 2, 3)), chance.choice((-1, 30, 70))
        times, values, seen = [], [], []
        for place in range(begun, gone):
            if chance.random() < 0.03:
                seen = []  # a reset
            for _ in range(chance.choice((0, 1, 5))):
                seen.append(chance.choice((0.0, 0.3, chance.lognormvariate(0, 1.5), -2.0 if n % 4 == 0 else 1.0)))
            if chance.random() < 0.05:
                continue
            times.append(start_ms + place * STEP_MS + chance.randint(0, 2_000))
            values.append(histogram_of(seen, scale - (0 <= coarser_at <= place)))
        yield Track(tuple(sorted(labels.items())), times, values)


def histogram_of(seen, scale):
    """Observations as an exponential histogram."""
    sides = {True: Counter(), False: Counter()}
    for each in seen:
        if each:
            sides[each > 0][math.ceil(math.log2(abs(each)) * 2**scale) - 1] += 1.0
    positive, negative = (tuple(sorted(sides[side].items())) for side in (True, False))
    found = Exponential(scale, float(seen.count(0.0)), 0.0, positive, negative)
    return Distribution(float(len(seen)), math.fsum(seen), math.nan, math.nan, found)


NATIVE = [
    "nat{c}{o}",
    "{r}(nat{c}[{w}]{o})",
    "{h}(nat{c}[{w}])",
    "histogram_quantile({q}, nat{c})",
    "histogram_quantile({p}, rate(nat{c}[{w}]{o}))",
    "histogram_quantile({p}, sum by (n) (rate(nat{c}[{w}])))",
    "histogram_quantile({p}, sum(increase(nat[{w}])))",
    "sum by (n) (rate(nat{c}[{w}])) {ar} {k}",
    "{a} by (n) (nat{c})",
    "count(nat{c}) + group(nat)",
    "sum by (n) (nat) + sum by (n) (nat{c})",
    "sum by (n) (nat) - sum by (n) (nat{c})",
    "rate(nat{c}[{w}]) {s} on (n) nat{c}",
    "nat{c} {op} {k}",
    "{k} {ar} nat{c}",
    "absent(nat{c}) or topk(2, nat{c})",
    "nat {op} on (n, i) nat",
    "-nat{c}",
]


def native_expressions():
    """Expressions of every shape over them."""
    chance = random.Random(SEED + 3)
    chosen = ["", '{model="o3"}', '{n=~"1|2|3"}', '{i="0"}']
    return [
        *dict.fromkeys(
            shape.format(
                c=chance.choice(chosen),
                o=chance.choice(("", " offset 1m", " offset 5m")),
                r=chance.choice(("rate", "increase")),
                h=chance.choice(("count_over_time", "present_over_time", "last_over_time", "resets", "changes")),
                w=chance.choice(("20s", "1m", "5m", "7m30s", "20m")),
                q=chance.choice((0, 0.1, 0.5, 0.9, 0.99, 1, -1, 2)),
                p=chance.choice((0, 0.13, 0.47, 0.53, 0.91, 0.993, 1)),  # of a rate, rounding decides where one ends
                a=chance.choice(("sum", "avg", "min", "max")),
                ar=chance.choice(("*", "/", "+", "-")),
                op=chance.choice(("==", "!=", ">", "<=")),
                s=chance.choice(("and", "or", "unless")),
                k=chance.choice((1, 2.5, 100)),
            )
            for shape in NATIVE
            for _ in range(10)
        )
    ]


@pytest.fixture(scope="module")
def prometheus(binaries_here, tmp_path_factory):
    with server(binaries_here / "prometheus", tmp_path_factory.mktemp("promql"), native) as found:
        yield found


def test_both_give_the_same_answers_of_exponential_histograms(prometheus):
    texts = native_expressions()
    answered, differences = compared(prometheus, texts)
    assert len(texts) > 100
    assert answered > len(texts)
    assert not differences, f"{len(differences)} differ:\n" + "\n".join(differences[:20])
