"""Questions to a model within a budget: priced before and after, and refused before they could cost too much."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from spanwatch.core.budgets import Asked, Budget, Claim, Counter, Estimate, Refusal, estimate, exceeded, unpriced
from spanwatch.core.call import Cost, Usage
from spanwatch.core.feedback.prompting import SCHEMA
from spanwatch.otel.openai.usage import usage_of
from spanwatch.otel.price import price
from spanwatch.store.ledger import Ledger, MemoryLedger

MAX_OUTPUT = 4_096  # tokens of one answer
_SECOND = 1_000_000_000


@dataclass(slots=True)
class Spent:
    """What questions have cost so far: exact where every answer had usage and a price."""

    calls: int = 0
    nano_usd: int = 0
    unpriced: int = 0


class Asker:
    """Asks one client and model, and counts. The client's own instrumentation traces and prices the calls too.

    Args:
        client: An `openai.OpenAI` client, or what answers `chat.completions.create` as it does.
        model: Which model.
        budget: What may be spent; None is without limit.
        provider: Whose prices hold; by default what the client's host says.
        ledger: Where the budget is kept; by default in memory, for this analysis alone.
    """

    def __init__(
        self,
        client: Any,
        model: str,
        budget: Budget | None,
        *,
        provider: str | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.spent = Spent()
        self._client, self._model, self._budget, self._provider = client, model, budget, provider
        self._ledger = ledger or MemoryLedger()

    def ask(self, messages: list[dict[str, str]]) -> str | None:
        """The text of the answer.

        Raises:
            BudgetExceeded: the question may cost more than is left; nothing was asked.
        """
        size = len(json.dumps([messages, SCHEMA]).encode("ascii"))
        most = estimate(Asked(self._model, size, max_output_tokens=MAX_OUTPUT), self._price)
        call_id, counter = uuid.uuid4().hex, self._hold(most)
        usage: Usage | None = None
        try:
            answer = self._client.chat.completions.create(
                model=self._model, messages=messages, response_format=SCHEMA, max_completion_tokens=MAX_OUTPUT
            )
            usage = usage_of(getattr(answer, "usage", None))
            return _text(answer)
        finally:
            self._charge(counter, call_id, usage, most)

    def _price(self, usage: Usage) -> Cost:
        return price(usage, provider=self._provider, model=self._model)

    def _hold(self, most: Estimate) -> Counter | None:
        """Whether the most that a question may take still fits. One question is asked at a time: nothing stays held."""
        if self._budget is None:
            return None
        now_ns = time.time_ns()
        counter = self._budget.counter({}, now_ns // _SECOND)
        if counter is None:
            return None
        amount = self._budget.claimed(Asked(self._model), most)
        if amount is None:
            raise unpriced(counter)
        call_id = uuid.uuid4().hex
        found = self._ledger.reserve([Claim(counter, amount)], call_id, now_ns)
        if isinstance(found, Refusal):
            raise exceeded(found)
        self._ledger.release(call_id, now_ns)
        return counter

    def _charge(self, counter: Counter | None, call_id: str, usage: Usage | None, most: Estimate) -> None:
        """Count what a question took; where that is not known, the most that it may have taken."""
        nano = most.nano_usd if usage is None else self._price(usage).nano_usd
        tokens = most.tokens if usage is None else (usage.input_tokens or 0) + (usage.output_tokens or 0)
        self.spent.calls += 1
        self.spent.nano_usd += nano or 0
        self.spent.unpriced += nano is None
        if counter is not None and self._budget is not None:
            self._ledger.settle([Claim(counter, self._budget.charged(nano, tokens))], call_id, time.time_ns())


def _text(answer: Any) -> str | None:
    choices = getattr(answer, "choices", None) or [None]
    found = getattr(getattr(choices[0], "message", None), "content", None)
    return found if isinstance(found, str) else None
