"""The memory ledger: bounded in size."""

import gc
import tracemalloc

from spanwatch.store.ledger import MemoryLedger, memory
from tests.store.ledger.rig import DAY, NOW, SECOND, START, call_id, claim, counter, spent_and_held


def test_a_scope_takes_less_than_250_bytes():
    ledger, count = MemoryLedger(), 50_000
    claims = [claim(1_000, 1_000, user="u")]
    ledger.settle(claims, "warm", NOW)
    one = claims[0].counter
    gc.collect()
    tracemalloc.start()
    for number in range(count):
        scope = f"user.id=user-{number:07}"
        ledger._row(type(one)(one.budget, scope, one.start, one.since, one.end, one.limits))[0].charge(
            number, claims[0].amount
        )
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < taken / count < 250


def test_a_window_that_has_ended_is_dropped_with_all_of_its_scopes():
    ledger = MemoryLedger()
    for user in range(10):
        ledger.settle([claim(1, user=f"u-{user}")], call_id(), NOW)
    ledger.settle([claim(1, at=START + DAY)], call_id(), (START + DAY + 3_600) * SECOND)
    assert sorted(ledger._tables["daily"]) == [START, START + DAY]
    ledger.settle([claim(1, at=START + DAY)], call_id(), (START + DAY + 3 * 3_600) * SECOND)
    assert sorted(ledger._tables["daily"]) == [START + DAY]


def test_a_clock_that_was_far_ahead_does_not_stop_the_dropping():
    ledger = MemoryLedger()
    ledger.settle([claim(1, at=START + 900 * DAY)], call_id(), (START + 900 * DAY) * SECOND)
    for day in range(10):
        ledger.settle([claim(1, at=START + day * DAY)], call_id(), (START + day * DAY) * SECOND)
    assert sorted(ledger._tables["daily"]) == [START + 8 * DAY, START + 9 * DAY, START + 900 * DAY]


def test_slices_of_a_rolling_window_do_not_pile_up():
    ledger = MemoryLedger()
    for second in range(0, 10_000, 5):
        ledger.settle([claim(1, at=START + second, window="60s")], call_id(), NOW + second * SECOND)
    assert len(ledger._tables["daily"]) <= 25
    assert spent_and_held(ledger, at=START + 9_995, window="60s")[0] in {12, 13}


def test_leases_of_calls_that_have_ended_do_not_pile_up():
    ledger = MemoryLedger()
    for _ in range(5_000):
        one = call_id()
        ledger.reserve([claim(1, usd=1)], one, NOW)
        ledger.release(one, NOW)
    assert len(ledger._leases) <= 2 * memory._SLACK


def test_settled_call_ids_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(memory, "REMEMBERED", 100)
    ledger = MemoryLedger()
    for number in range(250):
        ledger.settle([claim(1)], str(number), NOW)
    assert (len(ledger._settled), len(ledger._order)) == (100, 100)
    assert ledger.settle([claim(1)], "249", NOW).first is False


def test_an_operators_view_is_a_copy_that_later_calls_do_not_change():
    ledger = MemoryLedger()
    ledger.settle([claim(5)], call_id(), NOW)
    (before,) = ledger.standings(NOW)
    ledger.settle([claim(5)], call_id(), NOW)
    assert before.tally.spent_nano == 5
    assert ledger.standing(counter()).tally.spent_nano == 10
