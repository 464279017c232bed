"""The users' view of the public names, checked by mypy and never run."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import assert_type

import spanwatch
from spanwatch import Call, ConfigurationError, Cost, SpanwatchError, Usage


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
    spanwatch.configure("support-bot")  # type: ignore[misc]
    spanwatch.configure(sample="a lot")  # type: ignore[arg-type]
    if not spanwatch.flush(timeout=1.0):
        spanwatch.shutdown()


def calls(call: Call) -> None:
    assert_type(call.duration_s, float)
    assert_type(call.usage, Usage | None)
    assert_type(call.cost, Cost | None)


def errors(error: ConfigurationError) -> None:
    base: SpanwatchError = error
    value: ValueError = error
    del base, value
