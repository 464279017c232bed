"""Series for tests, as text: `x{a="b"}: 1 2 _ 4` has a sample every 15 s, none at `_`, its end at `stale`."""

import re

from spanwatch.core.promql import Evaluation, Track, Tracks, load

STEP = 15_000


def track(line, step=STEP):
    name, labels, values = re.fullmatch(r"(\w+)(?:\{(.*?)\})?:\s*(.*)", line).groups()
    pairs = tuple(sorted([("__name__", name), *re.findall(r'(\w+)="([^"]*)"', labels or "")]))
    told = [(n * step, None if v == "stale" else float(v)) for n, v in enumerate(values.split()) if v != "_"]
    return Track(pairs, [at for at, _ in told], [value for _, value in told])


def tracks(*lines, step=STEP):
    return Tracks([track(line, step) for line in lines])


def evaluated(text, source, at_ms):
    """Labels without a fixed order → value, or the number."""
    found = Evaluation(source, at_ms).result(load(text))
    return found if isinstance(found, float) else {each.labels: each.value for each in found}


def by(label, found):
    return {dict(labels).get(label): value for labels, value in found.items()}
