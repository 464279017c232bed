"""200 rules over 2,000 live series: how long an evaluation takes, and how long the refusal of a hostile one.

  python -m benchmarks.bench_rules

Exit code 1 when an evaluation takes more than 100 ms, or a refusal more than 10 ms.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator

from spanwatch.core import names
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.points import Identity, Point, pack
from spanwatch.core.promql import RingSource, load
from spanwatch.core.promql.aggregates import Groups
from spanwatch.core.promql.ring import Memory
from spanwatch.core.rules import Rule, making
from spanwatch.core.rules.asking import Moment, ask
from spanwatch.core.rules.lifecycle import step
from spanwatch.core.series import SECOND_NS, Ring, Series

SERIES, RULES, TURNS, LIMIT_MS, REFUSAL_MS = 2_000, 200, 15, 100.0, 10.0
T0 = 1_700_000_000 * SECOND_NS
HOSTILE = ["(" * 4_000, "x" + "+x" * 2_000, "-" * 4_000 + "x", 'x{a=~"((a{1000}){1000}){1000}"}', "x or " * 800 + "x"]


def identities() -> list[Identity]:
    """Series as a busy service has them: calls, cost and durations by model, agent and outcome."""
    found: list[Identity] = []
    for number in range(SERIES):
        labels = ((names.AGENT_NAME, f"agent-{number % 40}"), (names.REQUEST_MODEL, f"model-{number // 40}"))
        kind = number % 4
        if kind == 0:
            found.append(Identity(names.CALLS.name, "counter", "{call}", "s", (*labels, (names.CALL_STATUS, "ok"))))
        elif kind == 1:
            found.append(Identity(names.COST.name, "counter", "{USD}", "s", labels))
        elif kind == 2:
            label = (names.OUTCOME, ("ok", "error")[number % 8 // 4])
            found.append(Identity(f"app.counter.{number % 50}", "counter", "{item}", "s", (*labels, label)))
        else:
            found.append(
                Identity(names.BUDGET_UTILIZATION.name, "gauge", "1", "s", ((names.BUDGET_NAME, f"b{number}"),))
            )
    return found


def rules() -> Iterator[Rule]:
    """The makers' rules with many limits and windows, and some of one's own."""
    for number in range(RULES // 5):
        window = ("5m", "10m", "30m", "1h")[number % 4]
        yield making.error_rate(0.1 + number / 1_000, window, of="calls", by="agent", name=f"errors {number}")
        yield making.spend(1e6 + number, window, by="model", name=f"spend {number}")
        yield making.budget(at=0.5 + number / 10, name=f"budget {number}")
        yield Rule(
            f"own {number}", f"sum by (job) (rate(app_counter_{number % 25 * 2}_total[{window}])) > {number + 100}"
        )
        yield Rule(
            f"top {number}", f"topk(3, sum by (gen_ai_request_model) (rate(spanwatch_calls_total[{window}]))) > 1e6"
        )


def moved(identity: Identity, turn: int) -> float:
    """What a series stands at: counters move every third turn, gauges are parts of one."""
    return float(turn // 3) if identity.kind == "counter" else turn % 40 / 100


def filled(hour: int = 240) -> Ring:
    """An hour of collections every 15 s, in which a third of the series move each time."""
    ring, known = Ring(), identities()
    for turn in range(hour):
        collect(ring, known, turn)
    return ring


def collect(ring: Ring, known: list[Identity], turn: int) -> int:
    """One collection; its moment."""
    at_ns = T0 + turn * 15 * SECOND_NS
    ring.take([Point(each, T0, pack((moved(each, turn + n),))) for n, each in enumerate(known)], at_ns)
    return at_ns


def evaluated(ring: Ring, now_ns: int, asked: list[Rule], kept: tuple[Memory, Groups]) -> int:
    """One evaluation as the evaluator makes it, without what it writes down; how many alerts there are."""
    resource = (("process.pid", "1"), ("service.name", "bench"))
    memory, groups = kept
    source = RingSource([Series(name, told, ring.seen_ns, resource) for name, told in ring.series()], memory=memory)
    moment = Moment(source, now_ns, groups)
    return sum(len(step(rule, {}, ask(rule, moment).found, now_ns).alerts) for rule in asked)


def refusal_ms() -> float:
    """The longest that a hostile expression takes to be refused."""
    worst = 0.0
    for text in HOSTILE:
        begun = time.perf_counter()
        try:
            load(text)
        except ConfigurationError:
            worst = max(worst, (time.perf_counter() - begun) * 1e3)
    return worst


def main() -> int:
    """Measure and print; the exit code."""
    asked = list(rules())
    ring, known = filled(), identities()
    times, alerts, kept = [], 0, (Memory(), Groups())
    for turn in range(TURNS):
        now_ns = collect(ring, known, 240 + turn)
        begun = time.perf_counter()
        alerts = evaluated(ring, now_ns, asked, kept)
        times.append((time.perf_counter() - begun) * 1e3)
    median, refused = statistics.median(times), refusal_ms()
    print(
        f"{len(asked)} rules, {SERIES:,} series, {alerts} true: {median:.1f} ms ({min(times):.1f} to {max(times):.0f})"
    )
    print(f"hostile expressions refused in {refused:.1f} ms at most")
    return 0 if median <= LIMIT_MS and refused <= REFUSAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
