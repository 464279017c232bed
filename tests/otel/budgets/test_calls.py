"""Calls of the real client under budgets: refused before a byte leaves, charged once at the true cost."""

from __future__ import annotations

import gc
import json
from decimal import Decimal
from typing import Any

import openai
import pydantic
import pytest
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

import spanwatch
from demo.server import cue
from spanwatch import Budget, BudgetExceeded
from spanwatch.core import names
from spanwatch.core.budgets import Amount
from spanwatch.core.call import CallStatus
from tests.otel.budgets.rig import CHAT, COST_NANO, budgeted, usd

COST = Decimal(usd(COST_NANO)).normalize()
MESSAGES: list[Any] = CHAT["messages"]


PARIS = cue(text='{"city": "Paris"}')


class Weather(pydantic.BaseModel):
    city: str


def raw(client):
    return client.chat.completions.with_raw_response.create(**CHAT)


def streamed_raw(client):
    with client.chat.completions.with_streaming_response.create(**CHAT) as answer:
        return answer.read()


def helper(client):
    with client.chat.completions.stream(**CHAT) as stream:
        return stream.get_final_completion()


SHAPES = {
    "chat": lambda client: client.chat.completions.create(**CHAT),
    "stream": lambda client: list(client.chat.completions.create(**CHAT, stream=True)),
    "parse": lambda client: client.chat.completions.parse(**CHAT, response_format=Weather, extra_headers=PARIS),
    "raw": raw,
    "streaming response": streamed_raw,
    "helper": helper,
    "responses": lambda client: client.responses.create(model="gpt-4o-mini", input="x"),
    "responses stream": lambda client: list(client.responses.create(model="gpt-4o-mini", input="x", stream=True)),
    "completions": lambda client: client.completions.create(model="gpt-3.5-turbo-instruct", prompt="x"),
    "embeddings": lambda client: client.embeddings.create(model="text-embedding-3-small", input="x"),
    "images": lambda client: client.images.generate(model="gpt-image-1", prompt="x"),
}  # fmt: skip


@pytest.mark.parametrize("ledger", ["memory", "sqlite"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_call_that_does_not_fit_is_refused_and_the_server_sees_nothing(client, tmp_path, asked, shape, ledger):
    with budgeted(tmp_path, Budget("tiny", tokens=1), ledger=ledger) as rig:
        with pytest.raises(BudgetExceeded) as caught:
            SHAPES[shape](client)
        assert asked() == 0
        assert (caught.value.budget, caught.value.scope, caught.value.limit) == ("tiny", "", 1)
        assert (caught.value.spent, caught.value.reserved) == (0, 0)
        assert caught.value.estimate > 1
        assert caught.value.resets_at is not None
        (call,) = rig.calls()
        assert (call.status, call.usage, call.cost) == (CallStatus.REFUSED, None, None)
        (span,) = rig.exporter.get_finished_spans()
        assert span.status.status_code.name == "ERROR"
        assert span.attributes["spanwatch.call.status"] == "refused"
        assert span.attributes["error.type"] == "spanwatch.BudgetExceeded"
        assert span.attributes["spanwatch.budget.name"] == "tiny"
        assert "spanwatch.cost.usd" not in span.attributes
        points = rig.points()
        assert points[names.BUDGET_REFUSED.name] == [({"spanwatch.budget.name": "tiny"}, 1)]
        assert names.CALLS.name not in points
        assert rig.spent_nano() == 0
        assert not rig.guard.failures


@pytest.mark.parametrize("ledger", ["memory", "sqlite"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_charged_what_the_store_says_it_cost(client, tmp_path, shape, ledger):
    with budgeted(tmp_path, Budget("b", usd=10, window="lifetime"), ledger=ledger) as rig:
        SHAPES[shape](client)
        (call,) = rig.calls()
        assert call.status is CallStatus.OK
        status = rig.one()
        assert status.cost * 10**9 == (call.cost.nano_usd or 0)
        assert status.tokens == (call.usage.input_tokens or 0) + (call.usage.output_tokens or 0)
        assert (status.reserved, status.unpriced_calls) == (0, int(call.cost.nano_usd is None))
        assert not rig.guard.failures


async def test_async_calls_are_refused_and_charged_alike(later, tmp_path, asked):
    for ledger in ("memory", "sqlite"):
        with budgeted(tmp_path / ledger, Budget("b", usd="0.0001"), ledger=ledger) as rig:
            before = asked()
            await later.chat.completions.create(**CHAT)
            with pytest.raises(BudgetExceeded) as caught:
                await later.chat.completions.create(**CHAT)
            assert caught.value.spent == COST
            assert asked() == before + 1
            stream_model = {**CHAT, "max_tokens": 1}
            async for _ in await later.chat.completions.create(**stream_model, stream=True):
                pass
            assert rig.spent_nano() == 2 * COST_NANO
            assert rig.one().reserved == 0


def test_a_loop_stops_at_its_budget_and_the_spend_never_passes_the_limit(client, tmp_path, asked):
    with budgeted(tmp_path, Budget("loop", usd="0.001")) as rig:

        def loop():
            while True:
                client.chat.completions.create(**CHAT)

        with pytest.raises(BudgetExceeded) as caught:
            loop()
        assert asked() > 15
        assert caught.value.spent + caught.value.estimate > caught.value.limit
        assert rig.spent_nano() == asked() * COST_NANO <= 1_000_000


def test_resize_lets_the_last_call_go_with_what_is_left(client, tmp_path, asked):
    with budgeted(tmp_path, Budget("b", usd="0.00005", estimate="resize")) as rig:
        client.chat.completions.create(**CHAT)  # its bound is 83 400 nano-USD, the limit 50 000
        client.chat.completions.create(**CHAT)  # 8 000 are left
        with pytest.raises(BudgetExceeded):
            client.chat.completions.create(**CHAT)
        assert asked() == 2
        assert rig.spent_nano() == 2 * COST_NANO


def test_an_estimate_of_the_applications_own_decides_and_a_broken_one_does_not_stop_calls(client, tmp_path, asked):
    small = Budget("small", usd="0.00005", estimate=lambda asked, bound: Amount(1_000, 10))
    broken = Budget("broken", usd=1, estimate=lambda asked, bound: 1 / 0)
    nonsense = Budget("nonsense", usd=1, estimate=lambda asked, bound: 7)
    with budgeted(tmp_path, small, broken, nonsense) as rig:
        client.chat.completions.create(**CHAT)
        assert asked() == 1
        assert {s.name: s.cost for s in rig.status()} == dict.fromkeys(["small", "broken", "nonsense"], COST)
        assert dict(rig.guard.failures) == {
            "estimate= of budget 'broken'": 1,
            "estimate= of budget 'nonsense'": 1,
        }


def test_user_conversation_agent_tags_model_and_service_find_their_accounts(client, tmp_path):
    budgets = [
        Budget("user", usd=1, per="user"),
        Budget("conversation", usd=1, per="conversation"),
        Budget("agent", usd=1, per="agent"),
        Budget("team", usd=1, per="tags.team"),
        Budget("model", usd=1, per=("model", "service")),
        Budget("beta", usd=1, match={"tags.beta": "true"}),
        Budget("others", usd=1, match={"model": "gpt-5*"}),
    ]
    with (
        budgeted(tmp_path, *budgets) as rig,
        spanwatch.request(user_id="u-1", conversation_id="c-1", tags=["team=search", "beta"]),
        spanwatch.agent("planner"),
    ):
        client.chat.completions.create(**CHAT)
        found = {status.name: status.scope for status in rig.status() if status.cost}
    assert found == {
        "user": "user.id=u-1",
        "conversation": "gen_ai.conversation.id=c-1",
        "agent": "gen_ai.agent.name=planner",
        "team": "tags.team=search",
        "model": "gen_ai.request.model=gpt-4o-mini,service.name=desk",
        "beta": "",
    }


def test_one_user_is_refused_while_another_goes_on(client, tmp_path, asked):
    with budgeted(tmp_path, Budget("daily", usd="0.0001", per="user")) as rig:
        for user in ("u-1", "u-2", "u-1"):
            with spanwatch.request(user_id=user):
                if user == "u-1" and asked() == 2:
                    with pytest.raises(BudgetExceeded) as caught:
                        client.chat.completions.create(**CHAT)
                else:
                    client.chat.completions.create(**CHAT)
        assert caught.value.scope == "user.id=u-1"
        assert asked() == 2
        assert {status.scope: status.cost for status in rig.status()} == {"user.id=u-1": COST, "user.id=u-2": COST}
        spans = [span.attributes for span in rig.exporter.get_finished_spans()]
        assert [span["spanwatch.budget.scope"] for span in spans if "spanwatch.budget.scope" in span] == ["user.id=u-1"]


def test_warn_and_observe_let_calls_through(client, tmp_path, caplog):
    budgets = [Budget("loud", tokens=1, mode="warn"), Budget("quiet", tokens=1, mode="observe")]
    with budgeted(tmp_path, *budgets) as rig:
        for _ in range(3):
            client.chat.completions.create(**CHAT)
        assert {status.name: status.tokens for status in rig.status()} == {"loud": 504, "quiet": 504}
    said = [record.message for record in caplog.records if "no room" in record.message]
    assert said == ["spanwatch: budget 'loud' (everything) has no room for its calls; they go on (mode='warn')"]


def test_a_model_without_a_price_is_counted_denied_or_charged_as_assumed(client, tmp_path, asked):
    strange = {**CHAT, "model": "nobody-knows-1"}
    with budgeted(tmp_path / "1", Budget("b", usd=1)) as rig:
        client.chat.completions.create(**strange)
        assert (rig.one().cost, rig.one().unpriced_calls) == (0, 1)
    with budgeted(tmp_path / "2", Budget("b", usd=1, on_unknown=0.25)) as rig:
        client.chat.completions.create(**strange)
        assert (rig.one().cost, rig.one().unpriced_calls) == (Decimal("0.25"), 1)
    before = asked()
    with budgeted(tmp_path / "3", Budget("b", usd=1, on_unknown="deny")) as rig:
        with pytest.raises(BudgetExceeded, match="refuses calls without a price"):
            client.chat.completions.create(**strange)
        assert asked() == before


# How calls end -----------------------------------------------------------------------------------------------------


def test_a_failed_call_is_charged_nothing_and_frees_what_it_held(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd="0.0001"), ledger="sqlite") as rig:
        for _ in range(5):
            with pytest.raises(openai.RateLimitError):
                client.chat.completions.create(**CHAT, extra_headers=cue(status=429))
        client.chat.completions.create(**CHAT)
        assert rig.one().cost == COST
        assert rig.one().reserved == 0


def test_a_retried_call_is_reserved_and_charged_once(server, tmp_path):
    server.state.by_path.clear()
    with (
        openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=3) as client,
        budgeted(tmp_path, Budget("b", usd="0.0001")) as rig,
    ):
        client.chat.completions.create(**CHAT, extra_headers=cue(status=500, fail_first=2, retry_after="0.01"))
        assert rig.one().cost == COST


def test_an_abandoned_stream_is_charged_an_estimate_and_says_that_its_usage_is_unknown(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1), ledger="sqlite") as rig:
        with client.chat.completions.create(**CHAT, stream=True) as stream:
            next(stream)
            next(stream)
        (call,) = rig.calls()
        assert (call.status, call.usage, call.cost.nano_usd) == (CallStatus.ABANDONED, None, None)
        attributes = rig.spans()["chat gpt-4o-mini"]
        assert (attributes["spanwatch.cost.status"], attributes["spanwatch.cost.reason"]) == ("unknown", "no_usage")
        assert attributes["spanwatch.budget.estimated_usd"] == float(rig.one().cost)
        assert call.charged_nano_usd == rig.one().cost * 10**9
        body = {"messages": MESSAGES, "model": "gpt-4o-mini", "max_tokens": 100, "stream": True}
        sent = len(json.dumps(body, separators=(",", ":")))
        seen = 3  # chunks: the role and two words, of which the client read two
        assert rig.one().tokens - -(-sent // 3) in range(2, 2 + seen)
        assert rig.one().cost * 10**9 == -(-sent // 3) * 150 + (rig.one().tokens - -(-sent // 3)) * 600
        assert rig.one().reserved == 0


def test_a_dropped_stream_is_charged_when_it_is_collected(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1)) as rig:
        next(iter(client.chat.completions.create(**CHAT, stream=True)))
        gc.collect()
        gc.collect()
        assert rig.worker.drain(5)
        assert rig.one().cost > 0
        assert rig.one().reserved == 0


def test_a_stream_that_breaks_is_charged_for_what_came(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1)) as rig:
        with pytest.raises(openai.APIError):
            list(client.chat.completions.create(**CHAT, stream=True, extra_headers=cue(fault="reset", after_chunks=3)))
        assert rig.calls()[0].status is CallStatus.ERROR
        assert rig.one().cost > 0
        assert rig.one().reserved == 0


def test_a_background_response_keeps_its_reservation_until_its_usage_is_fetched(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1), ledger="sqlite") as rig:
        begun = client.responses.create(
            model="gpt-4o-mini", input="x", max_output_tokens=100, extra_headers=cue(response_status="queued")
        )
        assert rig.one().cost == 0
        assert rig.one().reserved > 0
        client.responses.retrieve(begun.id)
        assert rig.one().reserved > 0
        for _ in range(2):
            client.responses.retrieve(begun.id, extra_headers=cue(settled_status="completed"))
        assert rig.one().cost == COST
        assert rig.one().reserved == 0


def test_a_background_response_that_nobody_fetches_is_charged_its_bound_at_the_end(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1, window="lifetime"), ledger="sqlite") as rig:
        client.responses.create(
            model="gpt-4o-mini", input="x", max_output_tokens=100, extra_headers=cue(response_status="queued")
        )
        held = rig.one().reserved
        rig.enforcement.close(5)
        (standing,) = rig.ledger.standings(10**18 * 2)
        assert (standing.tally.held_nano, standing.tally.spent_nano) == (0, int(held * 10**9))


def test_calls_of_unsampled_traces_are_charged(client, tmp_path):
    with budgeted(tmp_path, Budget("b", usd=1), sampler=TraceIdRatioBased(0.0)) as rig:
        for _ in range(3):
            client.chat.completions.create(**CHAT)
        assert rig.exporter.get_finished_spans() == ()
        assert rig.one().cost == 3 * COST


def test_input_that_is_not_all_text_is_held_at_the_models_limit(client, tmp_path):
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]
    with budgeted(tmp_path, Budget("b", usd="0.01")) as rig:
        with pytest.raises(BudgetExceeded) as caught:
            client.chat.completions.create(model="gpt-4o-mini", messages=picture, max_tokens=100)
        assert caught.value.estimate == Decimal(usd(128_000 * 150 + 100 * 600)).normalize()
        assert rig.spent_nano() == 0
