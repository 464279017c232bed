"""What budgets stand at, asked by name, and `guard()` around calls that spanwatch cannot refuse itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Self

from opentelemetry.trace import get_current_span

from spanwatch.core.budgets import Amount, Asked, Budget, Claim, Estimate, Standing, scope_from
from spanwatch.core.budgets.claims import NOTHING
from spanwatch.core.budgets.windows import period_of
from spanwatch.core.call import Cost, CostStatus, Usage
from spanwatch.core.money import to_nano, to_usd
from spanwatch.otel.budgets.elsewhere import elsewhere
from spanwatch.otel.budgets.enforcement import Enforcement
from spanwatch.otel.budgets.holds import Asking, Hold, attributes_of
from spanwatch.otel.budgets.ledgers import ledger_of
from spanwatch.otel.context import carried
from spanwatch.otel.environment import settings_from
from spanwatch.otel.setup import INSTANCE
from spanwatch.store.ledger import Ledger
from spanwatch.store.ledger.protocol import SECOND

_UNPRICED = Cost(None, CostStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Status:
    """An account of a budget in the window that is open, or that was open last.

    `cost` is what is spent, `budget` the limit with what operators gave, `reserved` what calls in flight may take: USD
    as `Decimal`, or whole tokens for a budget of tokens alone. `tokens` and `token_limit` (None for no limit) are there
    for every budget. `unpriced_calls` have no known cost and are not in `cost`, unless the budget assumes one.
    """

    name: str
    scope: str
    cost: Decimal | int
    budget: Decimal | int
    reserved: Decimal | int
    tokens: int
    token_limit: int | None
    unpriced_calls: int
    resets_at: datetime | None

    @property
    def remaining(self) -> Decimal | int:
        """What is left, without what calls in flight may take; below 0 when more was spent."""
        return self.budget - self.cost

    @property
    def percentage(self) -> float:
        """The part of the limit that is spent, in percent."""
        return float(self.cost) / float(self.budget) * 100 if self.budget else 0.0


def status(name: str | None = None, *, scope: str | None = None, limit: int = 100) -> list[Status]:
    """What budgets stand at: exact, and with every call of this process that has ended.

    Waits for the ledger: in asynchronous code ask on a thread, unless it is in memory. Without `configure()` the
    settings of environment and file say which ledger is meant.

    Args:
        name: One budget; None is all.
        scope: One account, such as `user.id=u-1` (`user=u-1` is the same); None is those that spent most.
        limit: How many at most.

    Raises:
        LedgerUnavailable: the ledger cannot be used.
        ValueError: `scope` is none.
    """
    runtime, budgets = INSTANCE.runtime, _in_force()
    wanted = None if scope is None else scope_from(scope)
    if budgets is not None:
        budgets.settling.flush()
        with budgets.settling.step():
            return statuses(budgets.ledger, budgets.budgets, name, wanted, limit)
    settings = settings_from({}) if runtime is None else runtime.settings
    with _opened(ledger_of(settings)) as ledger:
        return statuses(ledger, settings.budgets, name, wanted, limit)


def statuses(
    ledger: Ledger, budgets: Iterable[Budget], name: str | None, scope: str | None, limit: int
) -> list[Status]:
    """What `standings` says, as it is told."""
    found = standings(ledger, budgets, time.time_ns(), name=name, scope=scope, limit=limit)
    return [status_of(standing) for standing in found]


def standings(
    ledger: Ledger,
    budgets: Iterable[Budget],
    now_ns: int,
    *,
    name: str | None = None,
    scope: str | None = None,
    limit: int = 100,
) -> list[Standing]:
    """The accounts with the highest spend first, then those of declared budgets that were not used yet.

    Raises:
        LedgerUnavailable: the ledger cannot be used.
    """
    found = ledger.standings(now_ns, budget=name, scope=scope, limit=limit)
    seen = {(standing.budget, standing.scope) for standing in found}
    for budget in budgets:
        place = scope if scope is not None else "" if not budget.scopes else None
        if name not in {None, budget.name} or place is None or (budget.name, place) in seen:
            continue
        if [part.partition("=")[0] for part in place.split(",") if part] == list(budget.scopes):
            period = period_of(budget.period, now_ns // SECOND)
            limits = budget.limits
            found.append(
                Standing(budget.name, place, period.start, period.end, limits.nano_usd, limits.tokens, NOTHING)
            )
    return found[:limit]


def status_of(standing: Standing) -> Status:
    """A ledger's account as it is told."""
    tally = standing.tally
    tokens = None if standing.limit_tokens is None else standing.limit_tokens + tally.extra_tokens
    numbers: tuple[Decimal | int, Decimal | int, Decimal | int] = (tally.spent_tokens, tokens or 0, tally.held_tokens)
    if standing.limit_nano is not None:
        limit = standing.limit_nano + tally.extra_nano
        numbers = (to_usd(tally.spent_nano), to_usd(limit), to_usd(tally.held_nano))
    return Status(
        standing.budget,
        standing.scope,
        *numbers,
        tokens=tally.spent_tokens,
        token_limit=tokens,
        unpriced_calls=tally.unpriced,
        resets_at=None if standing.end is None else datetime.fromtimestamp(standing.end, UTC),
    )


class guard:  # noqa: N801 (called like the scopes, and used as they are)
    """Refuse work that a budget has no room for: around calls of providers that spanwatch sees only when they end.

    `with guard():` asks whether anything is left for the user, agent and tags around it; `with guard(usd="0.05"):` also
    holds that much until the block ends. What the calls inside cost is charged when they end. `async with` works too.

    Args:
        usd: The most that the block may cost.
        tokens: The most tokens that it may take, input and output together.
        model: The model that it will ask, for budgets per model.
        provider: The provider, likewise.

    Raises:
        BudgetExceeded: on entering: there is no room.
        ValueError: an amount is none.
    """

    def __init__(
        self,
        usd: Decimal | float | str | None = None,
        tokens: int = 0,
        *,
        model: str | None = None,
        provider: str | None = None,
    ) -> None:
        nano = None if usd is None else to_nano(str(usd))
        if (nano or 0) < 0 or isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0:
            raise ValueError(f"guard(usd={usd!r}, tokens={tokens!r}): amounts are from 0 on, tokens whole")
        self._nano, self._tokens, self._model, self._provider = nano, tokens, model, provider
        self._holds: list[Hold] = []

    def __enter__(self) -> Self:
        budgets = _in_force()
        if budgets is not None:
            self._admit(budgets, self._known(budgets))
        return self

    async def __aenter__(self) -> Self:
        budgets = _in_force()
        if budgets is not None:
            known = self._known(budgets)
            if budgets.quick:
                self._admit(budgets, known)
            else:
                await elsewhere(lambda: self._admit(budgets, known))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        budgets = _in_force()
        if self._holds:
            hold = self._holds.pop()
            if budgets is not None:
                budgets.given_up(hold)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _admit(self, budgets: Enforcement, known: dict[str, str]) -> None:
        error = budgets.spent(known)
        if error is not None:
            raise error
        if self._nano is None and not self._tokens:
            return
        now = budgets.clock()
        pairs = budgets.pairs(known, now)
        if not pairs:
            return
        amount = Amount(self._nano or 0, self._tokens)
        asking = Asking(uuid.uuid4().hex, now, Asked(), known, _no_price)
        claims = tuple(Claim(counter, amount) for _, counter in pairs)
        hold = Hold(asking, pairs, Estimate(0, self._tokens, self._nano), claims, now)
        budgets.reserve(hold)
        self._holds.append(hold)

    def _known(self, budgets: Enforcement) -> dict[str, str]:
        who, telemetry = carried(), INSTANCE.telemetry
        agent = None if telemetry is None else telemetry.agent(get_current_span().get_span_context())
        return attributes_of(
            who.tags,
            user_id=who.user_id,
            conversation_id=who.conversation_id,
            agent=agent or who.agent,
            model=self._model,
            provider=self._provider,
            service=budgets.service,
        )


def _no_price(_usage: Usage) -> Cost:
    return _UNPRICED


def _in_force() -> Enforcement | None:
    telemetry = INSTANCE.telemetry
    return None if telemetry is None else telemetry.budgets


@contextmanager
def _opened(ledger: Ledger) -> Iterator[Ledger]:
    try:
        yield ledger
    finally:
        ledger.close()
