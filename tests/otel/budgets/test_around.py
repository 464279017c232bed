"""Agents, tools, foreign calls, guards, levels and gauges."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

import pytest

import spanwatch
from spanwatch import Budget, BudgetExceeded, budgets
from spanwatch.core.budgets import scope_from
from tests.otel.budgets.rig import CHAT, COST_NANO, budgeted, usd
from tests.otel.rig import Rig

COST = Decimal(usd(COST_NANO)).normalize()
CLAUDE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.response.model": "claude-sonnet-4-5",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}
CLAUDE_NANO = 1000 * 3_000 + 100 * 15_000


def foreign(rig: Rig, number: int = 1) -> None:
    rig.foreign({**CLAUDE, "gen_ai.response.id": f"msg-{number}"}, scope="opentelemetry.instrumentation.anthropic")


@pytest.mark.parametrize("ledger", ["memory", "sqlite"])
def test_a_foreign_call_is_charged_and_the_next_agent_tool_and_request_are_refused(tmp_path, ledger):
    with budgeted(tmp_path, Budget("b", usd="0.004", per="user"), ledger=ledger) as rig:
        with spanwatch.request(user_id="u-1", tags=["team=search"]):
            foreign(rig)
        assert rig.one().cost * 10**9 == CLAUDE_NANO
        with spanwatch.request(user_id="u-2"), spanwatch.agent("planner"):
            pass
        with pytest.raises(BudgetExceeded) as caught, spanwatch.request(user_id="u-1"):
            pytest.fail("it began")
        assert (caught.value.scope, caught.value.estimate) == ("user.id=u-1", 0)
        (span,) = [s for s in rig.exporter.get_finished_spans() if "spanwatch.budget.name" in s.attributes]
        assert span.name == "request"
        assert span.attributes["spanwatch.outcome"] == "refused"
        assert span.attributes["error.type"] == "spanwatch.BudgetExceeded"
        assert not rig.guard.failures


@pytest.mark.parametrize("ledger", ["memory", "sqlite"])
def test_every_kind_of_scope_is_refused_at_its_entry(tmp_path, ledger):
    began = []

    @spanwatch.agent("planner")
    def plain():
        began.append("plain")

    @spanwatch.tool("search")
    async def later():
        began.append("later")

    @spanwatch.workflow("triage")
    def steps():
        began.append("steps")
        yield 1

    @spanwatch.agent("planner")
    async def asteps():
        began.append("asteps")
        yield 1

    async def entered():
        async with spanwatch.tool("search"):
            began.append("entered")

    async def all_of(items):
        return [item async for item in items]

    with budgeted(tmp_path, Budget("b", usd="0.004"), ledger=ledger) as rig:
        foreign(rig)
        assert rig.enforcement.settling.drain(5)
        for work in (
            plain,
            lambda: list(steps()),
            lambda: asyncio.run(later()),
            lambda: asyncio.run(all_of(asteps())),
            lambda: asyncio.run(entered()),
        ):
            with pytest.raises(BudgetExceeded):
                work()
        with spanwatch.retrieval("handbook"):
            began.append("retrieval")
        assert began == ["retrieval"]
        outcomes = [s.attributes["spanwatch.outcome"] for s in rig.exporter.get_finished_spans()[1:]]
        assert outcomes == ["refused"] * 5 + ["ok"]


def test_an_agents_own_budget_is_that_of_its_name(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd="0.0001", match={"agent": "planner"})) as rig:
        with spanwatch.agent("planner"):
            client.chat.completions.create(**CHAT)
            with pytest.raises(BudgetExceeded):
                client.chat.completions.create(**CHAT)
        with spanwatch.agent("writer"):
            client.chat.completions.create(**CHAT)
        assert rig.one().cost == COST


def test_a_model_budget_that_is_spent_refuses_no_agent_that_may_ask_another(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd="0.00005", match={"model": "gpt-4o*"}, estimate="resize")):
        client.chat.completions.create(**CHAT)
        client.chat.completions.create(**CHAT)
        with spanwatch.agent("planner"), pytest.raises(BudgetExceeded):
            client.chat.completions.create(**CHAT)


# guard and status --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ledger", ["memory", "sqlite"])
def test_a_guard_holds_what_it_is_given_and_refuses_what_has_no_room(tmp_path, ledger):
    with (
        budgeted(tmp_path, Budget("b", usd="0.01", per="user"), ledger=ledger) as rig,
        spanwatch.request(user_id="u-1"),
    ):
        with budgets.guard(usd="0.008"):
            assert rig.one().reserved == Decimal("0.008")
            with pytest.raises(BudgetExceeded) as caught, budgets.guard(usd="0.003"):
                pytest.fail("it began")
            assert caught.value.reserved == Decimal("0.008")
            foreign(rig)
        assert rig.one().reserved == 0
        assert rig.one().cost * 10**9 == CLAUDE_NANO
        foreign(rig, 2)
        foreign(rig, 3)
        assert rig.enforcement.settling.drain(5)
        with pytest.raises(BudgetExceeded), budgets.guard():
            pytest.fail("it began")

        async def later():
            async with budgets.guard():
                pytest.fail("it began")

        with pytest.raises(BudgetExceeded):
            asyncio.run(later())


def test_a_guard_without_budgets_lets_everything_through():
    with budgets.guard(usd=1, tokens=3):
        pass
    with pytest.raises(ValueError, match="amounts are from 0 on"):
        budgets.guard(usd=-1)


def test_status_has_cost_budget_remaining_percentage_and_reset(client, tmp_path, monkeypatch):
    with budgeted(tmp_path, Budget("per-user", usd="0.001", per="user"), Budget("all", tokens=1000)) as rig:
        monkeypatch.setattr("spanwatch.otel.budgets.asking.INSTANCE.runtime", Runtime(rig), raising=False)
        with spanwatch.request(user_id="u-1"):
            client.chat.completions.create(**CHAT)
        (user,) = budgets.status("per-user", scope="user=u-1")
        assert (user.name, user.scope) == ("per-user", "user.id=u-1")
        assert (user.cost, user.budget, user.remaining) == (COST, Decimal("0.001"), Decimal("0.001") - COST)
        assert user.percentage == pytest.approx(4.2)
        assert user.resets_at.timestamp() % 86_400 == 0
        (everything,) = budgets.status("all")
        assert (everything.cost, everything.budget, everything.remaining) == (168, 1000, 832)
        (unused,) = budgets.status("per-user", scope="user=u-9")
        assert (unused.cost, unused.budget) == (0, Decimal("0.001"))
        assert budgets.status("nothing") == []
        with pytest.raises(ValueError, match="unknown attribute"):
            budgets.status(scope="usr=1")


class Runtime:
    def __init__(self, rig):
        self.budgets = rig.enforcement


# Levels ------------------------------------------------------------------------------------------------------------


def test_each_level_is_told_once_per_scope_and_window_as_event_and_callback(client, tmp_path):
    heard = []
    budget = Budget("b", usd="0.0001", per="user", levels=(0.4, 0.8, 1.0), estimate="resize", on_level=heard.append)
    with budgeted(tmp_path, budget) as rig:
        for user in ("u-1", "u-2"):
            with spanwatch.request(user_id=user):
                for _ in range(3):
                    client.chat.completions.create(**CHAT)
        assert rig.enforcement.settling.drain(5)
        told = [(level.scope, level.level, level.spent, level.resolved) for level in heard]
        assert told == [
            (scope, level, COST * times, False)
            for scope in ("user.id=u-1", "user.id=u-2")
            for level, times in ((0.4, 1), (0.8, 2), (1.0, 3))
        ]
        events = rig.events()
        assert [event["spanwatch.budget.level"] for event in events] == [0.4, 0.8, 1.0] * 2
        assert events[0] == {
            "spanwatch.budget.name": "b",
            "spanwatch.budget.scope": "user.id=u-1",
            "spanwatch.budget.level": 0.4,
            "spanwatch.budget.unit": "usd",
            "spanwatch.budget.limit": 0.0001,
            "spanwatch.budget.spent": 4.2e-05,
            "spanwatch.budget.resolved": False,
            "spanwatch.budget.resets_at": heard[0].resets_at.isoformat(),
        }
        rig.ledger.reset("b", scope_from("user=u-1"), time.time_ns(), "ops")
        rig.enforcement.settling.soon(rig.enforcement._tick)
        rig.enforcement.settling.drain(5)
        assert [(level.scope, level.level, level.resolved) for level in heard[6:]] == [
            ("user.id=u-1", 0.4, True),
            ("user.id=u-1", 0.8, True),
            ("user.id=u-1", 1.0, True),
        ]
        with spanwatch.request(user_id="u-1"):
            client.chat.completions.create(**CHAT)
        rig.enforcement.settling.drain(5)
        assert (heard[-1].scope, heard[-1].level, heard[-1].resolved) == ("user.id=u-1", 0.4, False)


def test_a_refusal_reaches_the_level_of_the_whole_limit(client, tmp_path):
    heard = []
    with budgeted(tmp_path, Budget("b", tokens=1, on_level=heard.append)) as rig:
        for _ in range(2):
            with pytest.raises(BudgetExceeded):
                client.chat.completions.create(**CHAT)
        rig.enforcement.settling.drain(5)
    assert [(level.level, level.refused, level.spent, level.limit) for level in heard] == [(1.0, True, 0, 1)]


def test_a_window_that_ends_resolves_its_levels(client, tmp_path):
    heard = []
    with budgeted(tmp_path, Budget("b", usd="0.00005", window="1s", estimate="resize", on_level=heard.append)) as rig:
        client.chat.completions.create(**CHAT)
        deadline = time.monotonic() + 10
        while not any(level.resolved for level in heard) and time.monotonic() < deadline:
            rig.enforcement.settling.soon(rig.enforcement._tick)
            rig.enforcement.settling.drain(5)
    assert [(level.level, level.resolved) for level in heard] == [(0.8, False), (0.8, True)]


def test_a_callback_that_raises_harms_nobody(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd="0.00005", estimate="resize", on_level=lambda level: 1 / 0)) as rig:
        client.chat.completions.create(**CHAT)
        rig.enforcement.settling.drain(5)
        assert dict(rig.guard.failures) == {"on_level of budget 'b'": 1}
        assert rig.one().cost == COST


# Gauges ------------------------------------------------------------------------------------------------------------


def test_gauges_show_budgets_and_the_highest_scopes_only(tmp_path):
    with budgeted(tmp_path, Budget("daily", usd=1, per="user"), Budget("all", usd=2, tokens=400_000)) as rig:
        for number in range(30):
            with spanwatch.request(user_id=f"u-{number}"), budgets.guard(usd="0.001"):
                for again in range(number % 12):
                    foreign(rig, number * 100 + again)
        rig.enforcement.settling.drain(5)
        points = rig.points()
        spent = {p[0].get("spanwatch.budget.scope", ""): p[1] for p in points["spanwatch.budget.spent"]}
        assert len(spent) == 11
        users = [scope for scope in spent if scope]
        assert {scope for scope in users if int(scope[len("user.id=u-") :]) % 12 < 7} == set()
        assert spent["user.id=u-11"] == pytest.approx(11 * CLAUDE_NANO / 1e9)
        limits = {p[0].get("spanwatch.budget.scope", ""): p[1] for p in points["spanwatch.budget.limit"]}
        assert (limits[""], limits["user.id=u-11"]) == (2.0, 1.0)
        assert {p[1] for p in points["spanwatch.budget.reserved"]} == {0.0}


def test_utilization_is_the_nearer_of_dollars_and_tokens(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1, tokens=1680)) as rig:
        client.chat.completions.create(**CHAT)
        rig.enforcement.settling.drain(5)
        assert rig.points()["spanwatch.budget.utilization"] == [({"spanwatch.budget.name": "b"}, pytest.approx(0.1))]


async def test_a_plain_with_in_async_code_is_refused_by_what_is_known_without_waiting(tmp_path):
    with budgeted(tmp_path, Budget("b", usd="0.004"), ledger="sqlite") as rig:
        foreign(rig)
        assert rig.enforcement.settling.drain(5)
        with spanwatch.agent("planner"):  # nothing is known yet: it is asked for on another thread
            pass
        assert rig.enforcement.settling.drain(5)
        with pytest.raises(BudgetExceeded), spanwatch.agent("planner"):
            pytest.fail("it began")
