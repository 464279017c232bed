"""The call site with budgets on a whole pipeline, and what the ledger says of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spanwatch.core.budgets import Budget
from spanwatch.core.prices import PriceBook
from spanwatch.otel.budgets.asking import Status, statuses
from spanwatch.otel.budgets.enforcement import Enforcement
from spanwatch.otel.budgets.gauges import Gauges
from spanwatch.otel.budgets.telling import Telling
from spanwatch.otel.openai import OpenAIInstrumentor
from spanwatch.otel.setup import INSTANCE
from spanwatch.otel.telemetry import Content, Telemetry
from spanwatch.otel.worker import Added
from spanwatch.store.ledger import Ledger, MemoryLedger, SQLiteLedger
from tests.otel.rig import Rig, new_id

CHAT: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "a question"}],
    "max_tokens": 100,
}
# The demo server answers with 120 input tokens, 64 cached and 16 written to the cache, and 48 output tokens.
COST_NANO = (120 - 64) * 150 + 64 * 75 + 48 * 600
BOOK = PriceBook()


def usd(nano: int) -> str:
    return f"{nano / 1e9:.9f}"


class Budgeted(Rig):
    """A pipeline with budgets in force."""

    def __init__(self, home: Path, budgets: list[Budget], ledger: Ledger, **more: Any) -> None:
        self.ledger = ledger
        self.enforcement: Enforcement = None  # type: ignore[assignment]  # made below, with the rig's own parts
        super().__init__(home, price=BOOK.price_call, **more)
        self.enforcement = Enforcement(
            budgets,
            ledger,
            BOOK,
            self.guard,
            service="desk",
            telling=Telling(budgets, lambda: self.logs.get_logger("spanwatch"), self.guard),
            count=lambda metric, amount, labels: self.worker.put(Added(metric, amount, labels)),
            home=home,
            instance=lambda: self.journal.instance,
            clock=time.time_ns,
        )
        self.gauges = Gauges(self.meters.get_meter("spanwatch"), budgets, self.enforcement.leading)
        self.pipeline._budgets = self.enforcement

    def telemetry(self) -> Telemetry:
        return Telemetry(
            tracer=lambda: self.tracer,
            finish=self.pipeline.finish,
            defer=self.worker.defer,
            active=lambda: True,
            content=Content(),
            ask_usage=True,
            clock=time.time_ns,
            new_id=new_id,
            agent=self.frames.agent,
            budgets=self.enforcement,
        )

    def status(self, name: str | None = None) -> list[Status]:
        assert self.enforcement.settling.drain(30)
        return statuses(self.ledger, self.enforcement.budgets, name, None, 1000)

    def one(self) -> Status:
        (status,) = self.status()
        return status

    def spent_nano(self) -> int:
        return sum(int(status.cost * 10**9) for status in self.status())

    def events(self) -> list[dict[str, Any]]:
        assert self.enforcement.settling.drain(30)
        found = [entry.log_record for entry in self.log_exporter.get_finished_logs()]
        return [dict(log.attributes) for log in found if log.event_name == "spanwatch.budget.level_changed"]


LEDGERS = {"memory": lambda _home: MemoryLedger(), "sqlite": SQLiteLedger}


@contextlib.contextmanager
def budgeted(home: Path, *budgets: Budget, ledger: Ledger | str = "memory", **more: Any) -> Iterator[Budgeted]:
    """The call site switched on with budgets; scopes report there too."""
    rig = Budgeted(home, list(budgets), LEDGERS[ledger](home) if isinstance(ledger, str) else ledger, **more)
    telemetry = rig.telemetry()
    instrumentor = OpenAIInstrumentor()
    before = INSTANCE.telemetry
    INSTANCE.telemetry = telemetry
    instrumentor.instrument(telemetry=telemetry, skip_dep_check=True)
    try:
        yield rig
    finally:
        instrumentor.finish_open()
        instrumentor.uninstrument()
        INSTANCE.telemetry = before
        rig.enforcement.close(5)
        rig.close()


__all__ = ["BOOK", "CHAT", "COST_NANO", "Budgeted", "budgeted", "usd"]
