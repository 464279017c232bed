"""The real client under budgets in a real Redis."""

import asyncio
import contextlib

import openai

import spanwatch
from spanwatch import Budget, BudgetExceeded
from spanwatch.store.ledger import RedisLedger
from tests.otel.budgets.rig import CHAT, COST_NANO, budgeted
from tests.otel.rig import new_id


@contextlib.contextmanager
def shared(tmp_path, url, limit):
    """A pipeline on a Redis of its own name; its steps are counted."""
    ledger = RedisLedger(url, namespace=new_id(), timeout_s=20)
    with budgeted(tmp_path, Budget("b", usd=limit, per="user"), ledger=ledger) as rig:
        yield rig


def test_calls_are_refused_and_charged_by_redis_sync_and_async(client, server, tmp_path, redis_url, asked):
    async def later():
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="x", max_retries=0) as made:
            with spanwatch.request(user_id="u-1"):
                calls = (made.chat.completions.create(**CHAT) for _ in range(4))
                return await asyncio.gather(*calls, return_exceptions=True)

    with shared(tmp_path, redis_url, "0.0003") as rig:
        with spanwatch.request(user_id="u-1"):
            client.chat.completions.create(**CHAT)
        refused = [error for error in asyncio.run(later()) if isinstance(error, BaseException)]
        assert {(type(error), error.scope) for error in refused} == {(BudgetExceeded, "user.id=u-1")}
        (status,) = rig.status("b")
        assert status.reserved == 0
        assert status.cost * 10**9 == asked() * COST_NANO
        assert asked() == 5 - len(refused)
        assert not rig.guard.failures


def test_a_call_takes_one_round_trip_before_and_one_after(client, tmp_path, redis_url, monkeypatch):
    with shared(tmp_path, redis_url, 1) as rig:
        client.chat.completions.create(**CHAT)
        steps, run = [], RedisLedger._run
        monkeypatch.setattr(RedisLedger, "_run", lambda self, name, *more: steps.append(name) or run(self, name, *more))
        client.chat.completions.create(**CHAT)
        assert rig.enforcement.settling.drain(5)
        assert steps == ["reserve", "settle"]
