"""Ledgers that are slow or away: the event loop goes on, and calls do as on_store_error says."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time

import pytest

import spanwatch
from spanwatch import Budget, BudgetExceeded
from spanwatch.core import names
from spanwatch.core.budgets import Amount, Claim, Counter
from spanwatch.core.budgets.claims import Limits
from spanwatch.core.errors import ConfigurationError, LedgerUnavailable
from spanwatch.core.settings import Settings
from spanwatch.otel.budgets.ledgers import ledger_of
from spanwatch.store.ledger import MemoryLedger, RedisLedger, SQLiteLedger
from spanwatch.store.ledger.outbox import Charge, Outbox, left_behind
from tests.otel.budgets.rig import CHAT, COST_NANO, budgeted

NOBODY = "redis://127.0.0.1:1"


@contextlib.contextmanager
def locked(path):
    """Another process's long transaction, as far as SQLite can tell."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield db


async def lag(stop: asyncio.Event) -> float:
    """The longest time that the event loop did not come around, in seconds."""
    worst, before = 0.0, time.perf_counter()
    while not stop.is_set():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        worst, before = max(worst, now - before), now
    return worst


async def test_a_locked_sqlite_ledger_does_not_stop_the_event_loop(later, tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1), ledger=SQLiteLedger(tmp_path, busy_s=1.0)) as rig:
        await later.chat.completions.create(**CHAT)
        assert rig.enforcement.settling.drain(5)
        stop = asyncio.Event()
        watching = asyncio.create_task(lag(stop))
        began = time.perf_counter()
        with locked(tmp_path / "budgets.db"):
            await asyncio.gather(*(later.chat.completions.create(**CHAT) for _ in range(3)))
            waited = time.perf_counter() - began
        stop.set()
        assert waited > 0.9  # it did wait for the lock
        assert await watching < 0.4
        for _ in range(100):
            if rig.enforcement.settling.drain(5):
                break
        assert rig.one().cost * 10**9 == 4 * COST_NANO


async def test_an_agent_in_async_code_waits_for_no_ledger_on_the_loop(tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1), ledger=SQLiteLedger(tmp_path, busy_s=1.0)) as rig:
        rig.ledger.standings(0)

        @spanwatch.agent("planner")
        async def plan():
            return "done"

        stop = asyncio.Event()
        watching = asyncio.create_task(lag(stop))
        with locked(tmp_path / "budgets.db"):
            assert await plan() == "done"
            async with spanwatch.tool("search"):
                pass
            with spanwatch.tool("search"):
                await asyncio.sleep(0)
        stop.set()
        assert await watching < 0.4


def test_an_open_budget_lets_calls_through_counts_them_and_says_so_once(client, tmp_path, asked, caplog):
    with budgeted(tmp_path, Budget("b", usd=1), ledger=RedisLedger(NOBODY, timeout_s=0.2)) as rig:
        for _ in range(3):
            client.chat.completions.create(**CHAT)
        assert asked() == 3
        assert rig.points()[names.BUDGET_UNENFORCED.name] == [({"spanwatch.budget.name": "b"}, 3)]
        rig.enforcement.settling._pending.clear()
    said = [record.message for record in caplog.records if "ledger" in record.message]
    assert len(said) == 1
    assert "127.0.0.1:1" in said[0]


def test_a_closed_budget_refuses_while_its_ledger_is_away_and_says_why(client, tmp_path, asked):
    ledger = RedisLedger(NOBODY, timeout_s=0.2)
    with budgeted(tmp_path, Budget("b", usd=1, on_store_error="closed"), ledger=ledger) as rig:
        with pytest.raises(BudgetExceeded) as caught:
            client.chat.completions.create(**CHAT)
        assert asked() == 0
        assert (caught.value.spent, caught.value.reserved) == (None, None)
        assert "on_store_error='closed'" in str(caught.value)
        assert "127.0.0.1:1" in str(caught.value)
        assert isinstance(caught.value.__cause__, LedgerUnavailable)
        with pytest.raises(BudgetExceeded), spanwatch.agent("planner"):
            pass
        assert rig.calls()[0].status == "refused"


class Flaky(MemoryLedger):
    """Away while told so; not quick, as the enforcement sees it."""

    away = False

    def settle(self, claims, call_id, now_ns):
        if self.away:
            raise LedgerUnavailable("the ledger of this test is away")
        return super().settle(claims, call_id, now_ns)


def test_a_ledger_that_is_away_is_asked_again_now_and_then_however_many_calls_there_are(client, tmp_path, monkeypatch):
    monkeypatch.setattr("spanwatch.otel.budgets.settling.RETRY_S", 0.2)
    asked, reserved = [], []

    class Gone(Flaky):
        def reserve(self, claims, call_id, now_ns, lease_s=600.0):
            (asked if self.away else reserved).append(call_id)
            if self.away:
                raise LedgerUnavailable("the ledger of this test is away")
            return super().reserve(claims, call_id, now_ns, lease_s)

    with budgeted(tmp_path, Budget("b", usd=1), ledger=Gone()) as rig:
        rig.ledger.away, calls, began = True, 0, time.monotonic()
        while not reserved and time.monotonic() < began + 20:
            rig.ledger.away = time.monotonic() < began + 0.7 or calls < 20
            client.chat.completions.create(**CHAT)
            calls += 1
        assert reserved
        assert 1 <= len(asked) < calls / 2
        assert rig.one().cost * 10**9 == calls * COST_NANO


def test_what_ends_while_the_ledger_is_away_is_charged_when_it_is_back_and_once(client, tmp_path):
    ledger = Flaky()
    with budgeted(tmp_path, Budget("b", usd=1), ledger=ledger) as rig:
        ledger.away = True
        client.chat.completions.create(**CHAT)
        ledger.away = False
        client.chat.completions.create(**CHAT)
        assert rig.one().cost * 10**9 == 2 * COST_NANO
        assert rig.one().reserved == 0


def test_what_a_process_could_not_charge_is_charged_by_the_next_one_once(client, tmp_path):
    ledger = Flaky()
    with budgeted(tmp_path, Budget("b", usd=1), ledger=ledger):
        ledger.away = True
        client.chat.completions.create(**CHAT)
    assert len(list((tmp_path / "charges").iterdir())) == 1
    ledger.away = False
    for _ in range(2):
        with budgeted(tmp_path, Budget("b", usd=1), ledger=ledger) as rig:
            assert rig.one().cost * 10**9 == COST_NANO
    assert list((tmp_path / "charges").iterdir()) == []


def test_charges_on_disk_come_back_as_they_were_and_old_ones_do_not(tmp_path):
    counter = Counter("b", "user.id=u-1", 0, 0, None, Limits(10**9, None, (800_000,)))
    now = 10**18
    charge = Charge("c1", (Claim(counter, Amount(5, 7, 1)),), now)
    box = Outbox(tmp_path)
    assert box.append(charge, "a" * 32)
    assert box.append(Charge("c2", (), now - 2 * 86_400 * 10**9), "a" * 32)
    assert list(left_behind(tmp_path, now)) == []  # its writer lives
    box.close()
    assert list(left_behind(tmp_path, now)) == [[charge]]
    assert list(left_behind(tmp_path, now)) == []


def test_a_ledger_is_the_one_that_the_settings_name(tmp_path):
    assert isinstance(ledger_of(Settings(home=str(tmp_path))), SQLiteLedger)
    assert isinstance(ledger_of(Settings(store=False)), MemoryLedger)
    assert isinstance(ledger_of(Settings(ledger="memory")), MemoryLedger)
    assert isinstance(ledger_of(Settings(ledger=NOBODY)), RedisLedger)
    with pytest.raises(ConfigurationError, match="setting ledger='redis://h"):
        ledger_of(Settings(ledger="redis://h:no"))


async def test_a_call_cancelled_while_its_reservation_is_made_holds_nothing(later, tmp_path):
    entered, go, held = threading.Event(), threading.Event(), threading.Event()

    class Slow(SQLiteLedger):
        def reserve(self, claims, call_id, now_ns, lease_s=600.0):
            entered.set()
            go.wait(30)
            try:
                return super().reserve(claims, call_id, now_ns, lease_s)
            finally:
                held.set()

    with budgeted(tmp_path, Budget("b", usd=1), ledger=Slow(tmp_path)) as rig:
        task = asyncio.create_task(later.chat.completions.create(**CHAT))
        assert await asyncio.to_thread(entered.wait, 30)
        task.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(held.wait, 30)
        for _ in range(200):  # it is let go off the loop
            if rig.one().reserved == 0:
                break
            await asyncio.sleep(0.05)
        assert (rig.one().cost, rig.one().reserved) == (0, 0)


def test_draining_waits_for_what_was_put_before_and_not_for_what_comes_meanwhile(tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1), ledger=SQLiteLedger(tmp_path)) as rig:
        settling, stop = rig.enforcement.settling, threading.Event()

        def keep_coming():
            while not stop.is_set():
                settling.put(Charge("c" * 32, (), 0), may_wait=False)
                time.sleep(0.0002)

        thread = threading.Thread(target=keep_coming)
        thread.start()
        try:
            assert [settling.drain(30) for _ in range(200)] == [True] * 200
        finally:
            stop.set()
            thread.join()


def test_draining_says_so_when_the_ledger_is_away(tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1), ledger=SQLiteLedger(tmp_path, busy_s=0.05)) as rig:
        settling = rig.enforcement.settling
        assert settling.drain(30)
        with locked(tmp_path / "budgets.db"):
            settling.put(Charge("c" * 32, (), 0), may_wait=False)
            assert not settling.drain(30)
        for _ in range(100):
            if settling.drain(5):
                break
            time.sleep(0.1)
        else:
            pytest.fail("it was not settled once the ledger was back")
