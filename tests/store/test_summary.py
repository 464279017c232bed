"""The report's numbers: exact over any window, and the same however they are computed."""

import math
import random
from dataclasses import astuple, replace

import pytest

from spanwatch.core.call import CallStatus, Cost, CostReason, CostStatus, Usage
from spanwatch.store import summary as module
from spanwatch.store.projection import project
from spanwatch.store.summary import Group, Sums, summary
from tests.store.rig import HOUR, SECOND, START_NS, adds_up, call, keep, unknown


def report(home, *made, **options):
    keep(home, *made)
    project(home)
    return summary(home, **options)


def test_each_way_to_end_is_counted_and_only_calls_are_calls(tmp_path):
    found = report(
        tmp_path,
        call(),
        call(status=CallStatus.ERROR, **unknown()),
        call(status=CallStatus.CANCELLED, **unknown()),
        call(status=CallStatus.ABANDONED, **unknown()),
        call(status=CallStatus.REFUSED, **unknown()),
        call(operation="fetch_response"),
        call(cost=Cost(5, CostStatus.PARTIAL, (CostReason.UNPRICED_UNITS,))),
        call(cost=Cost(6, CostStatus.APPROXIMATE, (CostReason.REQUEST_MODEL,))),
        call(cost=Cost(7, CostStatus.ESTIMATED)),
        call(cost=Cost(None, CostStatus.UNKNOWN, (CostReason.NO_PRICE,))),
    )
    sums = found.sums
    assert (sums.calls, sums.errors, sums.cancelled, sums.abandoned, sums.refused) == (8, 1, 1, 1, 1)
    assert (sums.without_usage, sums.unpriced, sums.partial, sums.approximate, sums.estimated) == (2, 3, 1, 1, 1)
    assert (sums.nano_usd, sums.is_lower_bound) == (1_018, True)
    assert [(each.reason, each.model, each.calls) for each in found.unpriced] == [
        ("no_usage", "gpt-4o-2024-08-06", 2), ("no_price", "gpt-4o-2024-08-06", 1),
    ]  # fmt: skip


def test_what_budgets_were_charged_by_estimate_is_summed_apart_until_the_usage_is_known(tmp_path):
    lost = call(status=CallStatus.ABANDONED, charged_nano_usd=30, **unknown())
    late = call(charged_nano_usd=500, **unknown())
    sums = report(tmp_path, call(), lost, late).sums
    assert (sums.nano_usd, sums.charged_nano_usd) == (1_000, 530)
    known = replace(late, usage=Usage(3, 4), cost=Cost(7, CostStatus.PRICED))
    sums = report(tmp_path, known).sums
    assert (sums.nano_usd, sums.charged_nano_usd) == (1_007, 30)


def test_sums_over_nothing_known_are_unknown(tmp_path):
    sums = report(tmp_path, call(**unknown()), call(usage=Usage(input_tokens=3), cost=None)).sums
    assert (sums.input_tokens, sums.output_tokens, sums.reasoning_tokens, sums.nano_usd) == (3, None, None, None)
    assert sums.is_lower_bound


def test_percentiles_are_by_nearest_rank(tmp_path):
    made = [call(duration_ns=n * SECOND, time_to_first_chunk_s=n / 10 if n <= 10 else None) for n in range(1, 101)]
    found = report(tmp_path, *made)
    assert astuple(found.duration) == (100, 50.0, 95.0, 99.0)
    assert astuple(found.first_chunk) == (10, 0.5, 1.0, 1.0)


@pytest.mark.parametrize("wide", [0.0, 1.0])
def test_any_window_of_any_run_equals_the_sum_of_its_calls(tmp_path, monkeypatch, wide):
    monkeypatch.setattr(module, "_WIDE", wide)  # along the index, and by sorting
    chance = random.Random(3)
    made = {None: [], "r1": []}
    for run, calls in made.items():
        for _ in range(150):
            dice = chance.random()
            more = unknown() if dice < 0.2 else {"cost": Cost(chance.randrange(9999), CostStatus.PRICED)}
            started = START_NS + chance.randrange(60 * HOUR)
            calls.append(
                call(
                    started_ns=started,
                    duration_ns=chance.randrange(9 * SECOND),
                    user_id=f"u{chance.randrange(3)}",
                    agent=chance.choice([None, "a", "b"]),
                    time_to_first_chunk_s=chance.choice([None, 0.5, dice]),
                    **more,
                )
            )
        keep(tmp_path, *calls, run=run)
    project(tmp_path)
    edges = [None, START_NS, START_NS + HOUR // 3, START_NS + 7 * HOUR, START_NS + 30 * HOUR + 5, START_NS + 61 * HOUR]
    for since in edges:
        for until in edges:
            for run in (None, "r1"):
                for by in ("model", "user", "agent"):
                    chosen = [
                        one
                        for name, these in made.items()
                        for one in these
                        if run in {None, name}
                        and (since or 0) <= one.started_ns
                        and (until or 1 << 62) > one.started_ns
                    ]
                    found = summary(tmp_path, since_ns=since, until_ns=until, run=run, by=by)
                    check(found, chosen, by)


def check(found, chosen, by):
    costs = [one.cost.nano_usd for one in chosen if one.cost.nano_usd is not None]
    assert found.sums.calls == len(chosen)
    assert found.sums.nano_usd == (sum(costs) if costs else None)
    durations = sorted(one.ended_ns - one.started_ns for one in chosen)
    firsts = sorted(one.time_to_first_chunk_s for one in chosen if one.time_to_first_chunk_s is not None)
    for values, percentiles, unit in ((durations, found.duration, 1e9), (firsts, found.first_chunk, 1)):
        assert percentiles.count == len(values)
        if values:
            ranked = [values[math.ceil(share * len(values)) - 1] / unit for share in (0.5, 0.95, 0.99)]
            assert [percentiles.p50, percentiles.p95, percentiles.p99] == ranked
    key = {
        "model": lambda one: one.response_model,
        "user": lambda one: one.user_id,
        "agent": lambda one: one.agent or "",
    }
    keys = {key[by](one) for one in chosen}
    assert {group.key: group.sums.calls for group in found.groups} == {
        each: sum(key[by](one) == each for one in chosen) for each in keys
    }
    assert sum((group.sums for group in found.groups), Sums()) == found.sums


def test_groups_are_the_dearest_first(tmp_path):
    made = [
        call(response_model=name, cost=Cost(nano, CostStatus.PRICED)) for name, nano in (("a", 1), ("b", 3), ("c", 2))
    ]
    found = report(tmp_path, *made)
    assert [group.key for group in found.models] == ["b", "c", "a"]
    assert isinstance(found.models[0], Group)


def test_the_rollups_equal_the_view_they_sum(tmp_path):
    keep(tmp_path, *(call(started_ns=START_NS + n * HOUR // 2, user_id=f"u{n % 3}") for n in range(100)))
    project(tmp_path)
    adds_up(tmp_path)
