"""The users' view of the public names, checked by mypy and never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

from opentelemetry.trace import Span

import spanwatch
from spanwatch import Call, ConfigurationError, Cost, Health, Report, SpanwatchError, Stats, Trace, Usage, budgets


def prices() -> None:
    usage = Usage(input_tokens=1000, cache_read_tokens=200, output_tokens=100)
    cost = spanwatch.price(usage, provider="openai", model="gpt-4o-mini", at=datetime(2026, 11, 1, tzinfo=UTC))
    assert_type(cost, Cost)
    assert_type(cost.usd, Decimal | None)
    assert_type(cost.nano_usd, int | None)
    assert_type(cost.reason, str | None)
    spanwatch.price({"input_tokens": 1000, "output_tokens": 100}, model="gpt-4o-mini")
    spanwatch.price("gpt-4o-mini")  # type: ignore[arg-type]
    cost.nano_usd = 1  # type: ignore[misc]


def set_up() -> None:
    spanwatch.configure()
    spanwatch.configure(service="support-bot", home=Path("store"), content="on", sample=0.01, cost_attributes=["a.b"])
    spanwatch.configure("support-bot")  # type: ignore[call-arg]
    spanwatch.configure(sample="a lot")  # type: ignore[arg-type]
    if not spanwatch.flush(timeout=1.0):
        spanwatch.shutdown()


def calls(call: Call) -> None:
    assert_type(call.duration_s, float)
    assert_type(call.usage, Usage | None)
    assert_type(call.cost, Cost | None)


def questions() -> None:
    assert_type(spanwatch.stats("orders"), Stats)
    assert_type(spanwatch.stats("orders", window="1h", by="kind"), tuple[Stats, ...])
    assert_type(spanwatch.stats("orders", 90, model="gpt-4o").p95_bounds, tuple[float, float] | None)
    spanwatch.stats("orders", by=3)  # type: ignore[call-overload]
    assert_type(spanwatch.health(), Health)
    assert_type(spanwatch.health("10m", thresholds="mean_s=1/2").since_ns, int)


def looking_back(span: Span) -> None:
    assert_type(spanwatch.trace(span), Trace)
    assert_type(spanwatch.trace(7).as_dict()["spans"], Any)
    assert_type(spanwatch.report(since="1h", until=datetime(2026, 11, 1, tzinfo=UTC), by="user"), Report)
    assert_type(spanwatch.report().text(), str)
    spanwatch.report(by="moon")  # type: ignore[arg-type]
    spanwatch.trace(None)  # type: ignore[arg-type]


def one_monitor() -> None:
    monitor = spanwatch.AgentMonitor("orders", console=True)
    with monitor.request(user_id="u-1") as span:
        monitor.monitor_cost(Decimal("0.25"), call=span)
    key = monitor.monitor_request("Why?")
    monitor.monitor_tool_call("search", {"q": 1}, request_id=key, duration_s=0.5)
    assert_type(monitor.monitor_response(key, ok=True), bool)
    assert_type(monitor.get_health_status(), Health)
    assert_type(monitor.generate_report(since=3600), Report)
    monitor.monitor_cost(None)  # type: ignore[arg-type]


def told(level: budgets.Level) -> None:
    assert_type(level.remaining, Decimal | int)


def limits() -> None:
    daily = spanwatch.Budget("daily", usd=5, per=("user", "tags.team"), window="calendar day", on_level=told)
    own = spanwatch.Budget("own", tokens=100_000, estimate=lambda asked, bound: budgets.Amount(tokens=bound.tokens))
    spanwatch.configure(budgets=[daily, own], ledger="redis://localhost:6379")
    spanwatch.Budget("daily", mode="sometimes")  # type: ignore[arg-type]
    with budgets.guard(usd="0.05", provider="anthropic"):
        assert_type(budgets.status("daily", scope="user=u-1"), list[budgets.Status])
    for status in budgets.status():
        assert_type(status.percentage, float)


def errors(error: ConfigurationError) -> None:
    base: SpanwatchError = error
    value: ValueError = error
    del base, value


@spanwatch.tool("search", call_id="call_1", arguments={"query": "dogs"})
def search(query: str, limit: int = 3) -> list[str]:
    return [query] * limit


@spanwatch.agent("planner", description="Plans.")
async def plan(question: str) -> str:
    return question


@spanwatch.workflow("triage")
def triage(first: int) -> Iterator[int]:
    yield first


@spanwatch.retrieval("handbook", top_k=3)
async def pages(query: str) -> AsyncIterator[str]:
    yield query


class Desk:
    @spanwatch.tool("ask")
    def ask(self, question: str) -> str:
        return question

    @spanwatch.tool("ask_all")
    @classmethod
    def ask_all(cls, question: str) -> str:
        return question

    @staticmethod
    @spanwatch.tool("rate")
    def rate(stars: int) -> int:
        return stars


async def scopes() -> None:
    assert_type(search("dogs", limit=2), list[str])
    search(3)  # type: ignore[arg-type]
    assert_type(await plan("Why?"), str)
    assert_type(triage(1), Iterator[int])
    assert_type(pages("leave"), AsyncIterator[str])
    assert_type(Desk().ask("Why?"), str)
    assert_type(Desk.ask_all("Why?"), str)
    assert_type(Desk.rate(3), int)
    with spanwatch.request("chat", user_id="u-1", conversation_id=7, tags=["beta"], baggage=("user_id",)) as span:
        assert_type(span, Span)
    async with spanwatch.agent("planner") as span:
        assert_type(span, Span)
    spanwatch.agent(3)  # type: ignore[arg-type]
    spanwatch.request(user_id=3.5)  # type: ignore[arg-type]
    spanwatch.configure(executors=False)


def feedback(span: Span, call: Call) -> None:
    done = spanwatch.feedback(span, rating=4, comment="fine", user_id=7, tags=["web"], idempotency_key="k")
    assert_type(done, spanwatch.Feedback)
    assert_type(done.duplicate, bool)
    assert_type(spanwatch.feedback_token(call, lasts="2d"), str)
    spanwatch.feedback(42, rating=4)  # type: ignore[arg-type]
    collector = spanwatch.FeedbackCollector()
    assert_type(str(collector.average()), str)
    assert_type(collector.average(by="user")["alice"].n, int)
    collector.average(by="colour")  # type: ignore[call-overload]
    found = spanwatch.analyze_feedback(since="7d", budget=spanwatch.Budget("themes", usd=1))
    assert_type(found, spanwatch.FeedbackAnalysis)
    assert_type(found.cost_usd, Decimal)
