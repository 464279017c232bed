"""What users without end cost: `python -m benchmarks.bench_labels [--users 100000] [--models 20]`.

Every user calls every model once. Each call is recorded, the pair is the labels of a counter of the application's own,
and its cost is charged to the user's budget, in memory. Then the worst that requests can bring: every call of a model
with a name of its own, so that all instruments have as many series as they may. Prints JSON: series, what resident
memory grew by in MB, and how many budgets of users do not stand at exactly what was charged.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from spanwatch.core import names
from spanwatch.core.budgets.claims import Amount, Claim, Counter, Limits
from spanwatch.core.call import Call, Cost, CostStatus, Usage
from spanwatch.otel.recorder import Recorder
from spanwatch.otel.worker import Measurement
from spanwatch.store.ledger import MemoryLedger

LIMITS = Limits(10**15, None)
SECOND_NS = 1_000_000_000


def resident_mb() -> float:
    """Resident memory now."""
    gc.collect()
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def call(user: int, model: int, name: str) -> Call:
    """A call of one user."""
    return Call(
        call_id=f"{user}/{model}",
        operation=names.CHAT,
        provider="openai",
        request_model=name,
        user_id=f"user-{user}",
        usage=Usage(input_tokens=10, output_tokens=1 + model),
        cost=Cost(1_000 + model, CostStatus.PRICED, source="bench", price_version="1"),
        started_ns=SECOND_NS,
        ended_ns=2 * SECOND_NS,
    )


def series(reader: InMemoryMetricReader) -> int:
    """The most series that one instrument has."""
    data = reader.get_metrics_data()
    found = [
        len(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    return max(found)


def labelled(users: int, models: int) -> dict[str, float]:
    """The pairs as labels."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("bench")
    counter, recorder = meter.create_counter("requests"), Recorder(meter)
    before = resident_mb()
    for user in range(users):
        recorder([Measurement(call(user, model, f"model-{model}")) for model in range(models)])
        for model in range(models):
            counter.add(1, {"user": f"user-{user}", "model": f"model-{model}"})
    most, grown = series(reader), resident_mb() - before
    for user in range(users):
        recorder([Measurement(call(user, model, f"{user}/{model}")) for model in range(models)])
    worst, further = series(reader), resident_mb() - before - grown
    return {"series": most, "series_mb": round(grown, 1), "worst": worst, "worst_mb": round(further, 1)}


def charged(users: int, models: int) -> dict[str, float]:
    """The pairs charged to the users' budgets."""
    ledger, before = MemoryLedger(), resident_mb()
    counters = [Counter("daily", f"user-{user}", 0, 0, 86_400, LIMITS) for user in range(users)]
    own = resident_mb()  # what asks is the bench's
    for model in range(models):
        for user, counter in enumerate(counters):
            claims = [Claim(counter, Amount(1_000 + model, 11))]
            ledger.settle(claims, f"{user}/{model}", SECOND_NS)
    grown, due = resident_mb() - own, sum(1_000 + model for model in range(models))
    wrong = sum(ledger.standing(counter).tally.spent_nano != due for counter in counters)
    return {"budgets": users, "wrong": wrong, "budgets_mb": round(grown, 1), "asking_mb": round(own - before, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--models", type=int, default=20)
    asked = parser.parse_args()
    found = {"pairs": asked.users * asked.models, **labelled(asked.users, asked.models)}
    print(json.dumps(found | charged(asked.users, asked.models)))


if __name__ == "__main__":
    sys.exit(main())
