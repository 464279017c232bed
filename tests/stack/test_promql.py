"""Our evaluation against the real Prometheus: the same samples, the same expressions, the same answers.

Generated from a seed: 1,000 series with gaps, ends, resets and odd values, and a few hundred expressions over them.
"""

import json
import math
import random
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from spanwatch.core.promql import Track
from spanwatch.core.promql.tracks import NAME
from spanwatch.core.rules.defaults import defaults
from spanwatch.core.rules.making import burn_rate
from spanwatch.generate.prometheus_rules import rule_file
from tests.stack.promql_rig import LENGTH, STEP_MS, compared, server

SEED = 20_261_126
ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "collector-config" / "prometheus" / "rules"
MODELS, STATUSES = ("gpt-4o", "o3", "claude"), ("ok", "error", "")
BOUNDS = ("0.5", "1", "2", "5", "+Inf")


def generated(start_ms):
    """1,000 series: counters, gauges, and buckets of classic histograms."""
    chance = random.Random(SEED)
    for n in range(1_000):
        kind = ("calls", "level", "lat_bucket")[n % 3]
        labels = {
            NAME: kind,
            "n": str(n // 15),
            "i": str(n // 3 % 5),
            "model": chance.choice(MODELS),
            "status": chance.choice(STATUSES),
        }
        if kind == "lat_bucket":
            labels |= {"le": BOUNDS[n // 3 % 5], "i": "", "model": "m", "status": ""}
        times, values, total = [], [], float(chance.choice((0, 0, 5, 1e6)))
        begun = chance.choice((0, 0, 0, 20, 60))
        gone = chance.choice((LENGTH, LENGTH, LENGTH, 70, 90))
        jitter = chance.choice((0, 0, 1_700, 6_000))
        for place in range(begun, gone):
            if chance.random() < chance.choice((0, 0.1)):
                continue
            if kind == "level":
                total = chance.choice((chance.uniform(-10, 10), total, 0.0, math.inf if n % 97 == 1 else 1.0))
            elif chance.random() < 0.03:
                total = 0.0  # a reset
            else:
                total += chance.choice((0, 1, 2.5, 10)) * (1 + BOUNDS.index(labels.get("le", "0.5")))
            times.append(start_ms + place * STEP_MS + chance.randint(0, jitter))
            values.append(total)
        if gone < LENGTH and times and chance.random() < 0.5:
            times.append(times[-1] + STEP_MS)
            values.append(None)
        if times:
            yield Track(tuple(sorted(pair for pair in labels.items() if pair[1])), times, values)


RANGED = ["rate", "increase", "delta", "irate", "idelta", "changes", "resets", "avg_over_time", "min_over_time"]
RANGED += ["max_over_time", "sum_over_time", "count_over_time", "present_over_time", "last_over_time"]
CHOSEN = ["", '{model="o3"}', '{model=~"gpt.*|o3"}', '{status!=""}', '{status!~"ok|error"}', '{n="3",model!="x"}']
SHAPES = [
    "{f}({m}{c}[{w}]{o})",
    "{a} by (model) ({f}({m}{c}[{w}]{o}))",
    "{a} without (n, le) ({m}{c}{o})",
    "{a}({m}{c}) {op} {k}",
    "{m}{c}{o} {op} {k}",
    "{m}{c} {op} bool {k}",
    "{k} {op} {m}{c}",
    "{k} {ar} {m}{c}",
    "topk by (model) (2, {f}(calls{c}[{w}]))",
    "bottomk(3, level{c})",
    "quantile({q}, {m}{c})",
    "histogram_quantile({q}, sum by (le, n) (rate(lat_bucket[{w}]{o})))",
    "histogram_quantile({q}, sum by (le) (increase(lat_bucket{c}[{w}])))",
    "sum by (model) (rate(calls{c}[{w}])) / sum by (model) (rate(calls[{w}]))",
    "rate(calls[{w}]) {ar} on (n, model, status) rate(calls[{w}] offset 1m)",
    "calls {ar} on (model) group_left () sum by (model) (calls{c})",
    "sum by (model) (calls) {ar} on (model) group_right () calls{c}",
    "calls{c} {ar} ignoring (status) level",
    "calls{c} {s} on (n) level{c}",
    "level {s} ignoring (status) calls{c}",
    "absent({m}{c}{o})",
    'absent({m}{{n="nothing",model=~"x"}})',
    'absent_over_time({m}{{n="nothing"}}[{w}])',
    "clamp(level{c}, -{k}, {k}) + clamp_max(level{c}, 1) + clamp_min(level{c}, 0)",
    "abs(level{c}) + ceil(level{c}) - floor(level{c})",
    "-level{c} {ar} {k}",
    "scalar(sum(calls{c})) {ar} time()",
    "vector(scalar(level{c})) or vector({k})",
    "sum(level{c} > 0) {ar} count(level)",
    "stddev by (model) (calls{c}) + stdvar(level)",
    '{{__name__=~"calls|level",n="2"}} > {k}',
]


def expressions():
    """Expressions of every shape, several of each, and those of the shipped rules."""
    chance = random.Random(SEED + 1)
    found = [_filled(shape, chance) for shape in SHAPES for _ in range(14)]
    return [*dict.fromkeys(found), *(rule.expr for rule in (*defaults(), *burn_rate()))]


def _filled(shape, chance):
    return shape.format(
        f=chance.choice(RANGED),
        m=chance.choice(("calls", "level", "lat_bucket")),
        c=chance.choice(CHOSEN),
        w=chance.choice(("20s", "1m", "2m", "5m", "7m30s", "20m")),
        o=chance.choice(("", "", " offset 1m", " offset 10m", " offset -1m")),
        a=chance.choice(("sum", "avg", "min", "max", "count", "group")),
        op=chance.choice(("==", "!=", ">", "<", ">=", "<=")),
        ar=chance.choice(("+", "-", "*", "/", "%", "^")),
        s=chance.choice(("and", "or", "unless")),
        k=chance.choice((0, 1, 2.5, 100)),
        q=chance.choice((0, 0.5, 0.9, 0.99, 1, -1, 2)),
    )


@pytest.fixture(scope="module")
def prometheus(binaries_here, tmp_path_factory):
    with server(binaries_here / "prometheus", tmp_path_factory.mktemp("promql"), generated) as found:
        yield found


def test_both_give_the_same_answers(prometheus):
    texts = expressions()
    answered, differences = compared(prometheus, texts)
    assert len(texts) > 300
    assert answered > len(texts)  # most have elements: nothing agrees with nothing, and proves little
    assert not differences, f"{len(differences)} differ:\n" + "\n".join(differences[:20])


def test_every_expression_of_the_rules_is_parsed_by_the_server(prometheus):
    url, _, _ = prometheus
    for rule in (*defaults(), *burn_rate()):
        query = urllib.parse.urlencode({"query": rule.expr})
        with urllib.request.urlopen(f"{url}/api/v1/parse_query?{query}", timeout=20) as answer:
            assert json.loads(answer.read())["status"] == "success"


def test_promtool_accepts_the_rules_and_their_unit_tests(binaries_here):
    for words in (("check", "rules", "--lint=all", "spanwatch.yaml"), ("test", "rules", "spanwatch_test.yaml")):
        answer = subprocess.run(
            [binaries_here / "promtool", *words], cwd=RULES, capture_output=True, text=True, timeout=60, check=False
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr


def test_promtool_accepts_what_is_recorded_once_for_several_rules(binaries_here, tmp_path):
    (tmp_path / "burns.yaml").write_text(rule_file(burn_rate(by="agent")), encoding="utf-8")
    assert "record: gen_ai_agent_name:" in (tmp_path / "burns.yaml").read_text(encoding="utf-8")
    words = ("check", "rules", "--lint=all", "--lint-fatal", "burns.yaml")
    answer = subprocess.run(
        [binaries_here / "promtool", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
