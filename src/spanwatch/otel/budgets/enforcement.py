"""Enforcement: refuses calls that do not fit a budget, and charges those that were made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spanwatch.core import names
from spanwatch.core.budgets import (
    Amount,
    Budget,
    Claim,
    Counter,
    Crossing,
    Estimate,
    Refusal,
    Reserved,
    Standing,
    estimate,
    exceeded,
    unpriced,
    unreachable,
)
from spanwatch.core.budgets.claims import shortage
from spanwatch.core.budgets.windows import Period, period_of
from spanwatch.core.call import Call, CallStatus
from spanwatch.core.errors import BudgetExceeded, LedgerUnavailable
from spanwatch.core.prices import PriceBook
from spanwatch.otel.budgets.elsewhere import in_event_loop
from spanwatch.otel.budgets.guarded import Guarded
from spanwatch.otel.budgets.holds import Asking, Hold, Pair, amount_of, attributes_of, charged, tokens_of
from spanwatch.otel.budgets.settling import Settling
from spanwatch.otel.budgets.telling import Telling
from spanwatch.otel.guard import Guard, say
from spanwatch.store.ledger import LEASE_S, Ledger, MemoryLedger
from spanwatch.store.ledger.outbox import Charge
from spanwatch.store.ledger.protocol import SECOND

RENEW_NS = int(LEASE_S / 3) * SECOND
MOST_WARNED = 1_000
MOST_KNOWN = 10_000  # scopes whose exhaustion is remembered for code that may not wait
_ENTRY = frozenset({names.REQUEST_MODEL, names.PROVIDER_NAME})  # what nobody knows before a call


class Enforcement:
    """The budgets of one process at work; may be used from any thread.

    Args:
        budgets: Those in force.
        ledger: Where their accounts are.
        book: The prices that calls are estimated by.
        guard: Where failures of ours stop.
        service: The `service.name` of this process.
        telling: Who hears of levels.
        count: Called with a metric, an amount and labels, for the counters of refused and unenforced calls.
        home: Where charges wait that the ledger could not take, or None.
        instance: This process, 32 hex characters.
        clock: UNIX nanoseconds.
    """

    def __init__(
        self,
        budgets: Sequence[Budget],
        ledger: Ledger,
        book: PriceBook,
        guard: Guard,
        *,
        service: str | None,
        telling: Telling,
        count: Callable[[names.Metric, float, dict[str, str | int]], None],
        home: Path | None,
        instance: Callable[[], str],
        clock: Callable[[], int],
    ) -> None:
        self.budgets, self.ledger, self.service, self.clock = tuple(budgets), ledger, service, clock
        self.book, self.quick = book, isinstance(ledger, MemoryLedger)
        self._guard, self._count, self._telling = guard, count, telling
        self._holds: dict[str, Hold] = {}
        self._periods: dict[str, Period] = {}
        self._warned: OrderedDict[Counter, None] = OrderedDict()
        self._spent: OrderedDict[tuple[str, str], Refusal | None] = OrderedDict()
        self.settling = Settling(
            ledger,
            guard,
            quick=self.quick,
            home=home,
            crossed=self._crossed,
            tick=self._tick,
            instance=instance,
            clock=clock,
        )
        self.guarded = Guarded(self._settle_hold, clock)
        self.settling.start()

    # --- before a call -----------------------------------------------------------------------------------------------

    def hold(self, asking: Asking) -> Hold | None:
        """What a call is to hold, not asked of the ledger yet; None when no budget is for it."""
        pairs = self.pairs(asking.attributes, asking.started_ns)
        if not pairs:
            return None
        bound = estimate(asking.asked, asking.price)
        hold = Hold(asking, pairs, bound, (), asking.started_ns)
        hold.claims = tuple(
            Claim(counter, amount)
            for budget, counter in pairs
            if (amount := self._amount(budget, asking, bound)) is not None
        )
        return hold

    def reserve(self, hold: Hold) -> None:
        """Hold it, on all budgets or none. Waits for the ledger; what ended before is charged first.

        Raises:
            BudgetExceeded: it does not fit, or the ledger cannot be used and a budget is closed then.
        """
        if len(hold.claims) < len(hold.pairs):
            priced = {claim.counter for claim in hold.claims}
            raise self._counted(unpriced(next(counter for _, counter in hold.pairs if counter not in priced)))
        try:
            self.settling.flush()
            with self.settling.step():
                answer = self.ledger.reserve(hold.claims, hold.asking.call_id, hold.asking.started_ns)
        except LedgerUnavailable as error:
            self._unreachable(hold.pairs, error)
            self._keep(hold)
            return
        except Exception as error:  # noqa: BLE001 (whatever a ledger does, the call goes on)
            self._guard.failed("asking a ledger", error)
            return
        self.settling.back()
        if isinstance(answer, Refusal):
            if answer.crossings:
                self.settling.soon(lambda: self._crossed(answer.crossings))
            raise self._counted(exceeded(answer))
        self._warn(answer)
        self._keep(hold)

    def given_up(self, hold: Hold) -> None:
        """The call will not be made."""
        hold.ended = True
        if self._holds.pop(hold.asking.call_id, None) is not None:
            self._settle(hold.asking.call_id, (), may_wait=False)

    # --- after it ----------------------------------------------------------------------------------------------------

    def ended(self, call: Call, *, tags: Iterable[str] = (), late: bool = False) -> int | None:
        """A counted call has ended, or what it used came `late`: charge it, and free what it held.

        Nano-USD, where it was charged an estimate.
        """
        hold = self._holds.pop(call.call_id, None)
        if hold is None:
            if call.scope != names.SCOPE and not self.guarded.reported(call):
                self._foreign(call, tags, late=late)
            return None
        if hold.awaited and call.usage is None and call.status is CallStatus.OK:
            self._holds[call.call_id] = hold
            return None
        claims, estimated = hold.charges(call)
        self._settle(call.call_id, claims, may_wait=hold.asking.blocking and not in_event_loop())
        return estimated

    def uncounted(self, call: Call) -> None:
        """A call was part of another, or refused: it is charged nothing."""
        if self._holds.pop(call.call_id, None) is not None:
            self._settle(call.call_id, (), may_wait=False)

    def close(self, timeout: float) -> bool:
        """Charge what is still open at the most that it may have taken, and end."""
        self._guard.run("charging guarded calls", self.guarded.close)
        for call_id, hold in list(self._holds.items()):
            if hold.awaited and self._holds.pop(call_id, None) is not None:
                self._settle(call_id, hold.bounded(), may_wait=False)
        drained = self.settling.close(timeout)
        self._guard.run("closing a ledger", self.ledger.close)
        return drained

    def after_fork(self) -> None:
        """In a forked child: what is held is the parent's."""
        self._holds.clear()
        self.guarded.clear()
        self._telling.after_fork()

    def _foreign(self, call: Call, tags: Iterable[str], *, late: bool) -> None:
        """A call that another instrumentation saw, which nobody could refuse."""
        if call.status is CallStatus.ERROR and call.usage is None:
            return
        known = attributes_of(
            tags,
            user_id=call.user_id,
            conversation_id=call.conversation_id,
            agent=call.agent,
            model=call.request_model or call.response_model,
            provider=call.provider,
            service=self.service,
        )
        pairs = self.pairs(known, call.started_ns)
        if pairs:
            nano = None if call.cost is None else call.cost.nano_usd
            claims = charged(pairs, nano, tokens_of(call.usage))
            self._settle(f"{call.call_id} late" if late else call.call_id, claims, may_wait=False)

    def _settle_hold(self, hold: Hold, claims: tuple[Claim, ...]) -> None:
        if self._holds.pop(hold.asking.call_id, None) is not None:
            self._settle(hold.asking.call_id, claims, may_wait=False)

    def _settle(self, call_id: str, claims: tuple[Claim, ...], *, may_wait: bool) -> None:
        self.settling.put(Charge(call_id, claims, self.clock()), may_wait=may_wait)

    # --- what is left ------------------------------------------------------------------------------------------------

    def pairs(self, attributes: Mapping[str, Any], at_ns: int, *, entry: bool = False) -> tuple[Pair, ...]:
        """The budgets that are for a call with these attributes, and their accounts.

        At the `entry` of an agent only those that refuse calls, and that what is known before a call decides.
        """
        at, found = at_ns // SECOND, []
        for budget in self.budgets:
            if entry and (not budget.limits.blocking or _asks_more(budget, attributes)):
                continue
            period = self._periods.get(budget.name)
            if period is None or not period.start <= at or (period.until is not None and at >= period.until):
                period = self._periods[budget.name] = period_of(budget.period, at)
            counter = budget.counter(attributes, at, period)
            if counter is not None:
                found.append((budget, counter))
        return tuple(found)

    def spent(self, attributes: Mapping[str, Any]) -> BudgetExceeded | None:
        """The error of work that a budget has nothing left for, else None. Waits for the ledger."""
        pairs = self.pairs(attributes, self.clock(), entry=True)
        if not pairs:
            return None
        try:
            self.settling.flush()
            for _, counter in pairs:
                refusal = self._short(counter)
                if refusal is not None:
                    return self._counted(exceeded(refusal))
        except LedgerUnavailable as error:
            self.settling.away(error)
            closed = [counter for budget, counter in pairs if budget.on_store_error == "closed"]
            return unreachable(closed[0], error) if closed else None
        return None

    def spent_as_known(self, attributes: Mapping[str, Any]) -> BudgetExceeded | None:
        """The same by what was known last, without waiting; what is true now is asked for on a thread of ours."""
        pairs = self.pairs(attributes, self.clock(), entry=True)
        if pairs:
            self.settling.soon(lambda: [self._short(counter) for _, counter in pairs])
        for _, counter in pairs:
            refusal = self._spent.get((counter.budget, counter.scope))
            if refusal is not None and refusal.claim.counter.start == counter.start:
                return self._counted(exceeded(refusal))
        return None

    def standing(self, counter: Counter) -> Standing:
        """An account as it is, with all that ended in this process."""
        self.settling.flush()
        with self.settling.step():
            return self.ledger.standing(counter)

    def leading(self, budget: str, limit: int) -> list[Standing]:
        """The scopes of a budget that spent most in windows that are open."""
        with self.settling.step():
            return self.ledger.standings(self.clock(), budget=budget, limit=limit)

    def _short(self, counter: Counter) -> Refusal | None:
        with self.settling.step():
            tally = self.ledger.standing(counter).tally
        nothing = Claim(counter, Amount(1, 1))
        short = shortage(nothing, tally._replace(held_nano=0, held_tokens=0))
        if short is not None:
            held = tally.held_nano if short.unit == "usd" else tally.held_tokens
            short = Refusal(Claim(counter, Amount()), short.unit, short.limit, short.spent, held)
        self._spent[counter.budget, counter.scope] = short
        if len(self._spent) > MOST_KNOWN:
            self._spent.popitem(last=False)
        return short

    # --- what happens then -------------------------------------------------------------------------------------------

    def _keep(self, hold: Hold) -> None:
        self._holds[hold.asking.call_id] = hold
        if hold.ended:  # the call was given up while the ledger worked
            self.given_up(hold)

    def _amount(self, budget: Budget, asking: Asking, bound: Estimate) -> Amount | None:
        try:
            return amount_of(budget, asking.asked, bound)
        except Exception as error:  # noqa: BLE001 (the callable is the application's)
            self._guard.failed(f"estimate= of budget {budget.name!r}", error)
            return Amount(bound.nano_usd or 0, bound.tokens, int(bound.nano_usd is None))

    def _counted(self, error: BudgetExceeded) -> BudgetExceeded:
        self._count(names.BUDGET_REFUSED, 1, {names.BUDGET_NAME: error.budget})
        return error

    def _unreachable(self, pairs: Iterable[Pair], error: LedgerUnavailable) -> None:
        self.settling.away(error)
        for budget, counter in pairs:
            self._count(names.BUDGET_UNENFORCED, 1, {names.BUDGET_NAME: budget.name})
            if budget.on_store_error == "closed":
                raise unreachable(counter, error) from error

    def _warn(self, answer: Reserved) -> None:
        for counter, _ in answer.over:
            budget = next((b for b in self.budgets if b.name == counter.budget), None)
            if budget is None or budget.mode != "warn" or counter in self._warned:
                continue
            self._warned[counter] = None
            if len(self._warned) > MOST_WARNED:
                self._warned.popitem(last=False)
            who = counter.scope or "everything"
            say("budget %r (%s) has no room for its calls; they go on (mode='warn')", budget.name, who)

    def _crossed(self, crossings: Sequence[Crossing]) -> None:
        self._telling.crossed(crossings)

    def _tick(self) -> None:
        now = self.clock()
        due = [(call_id, hold) for call_id, hold in list(self._holds.items()) if now - hold.leased_ns > RENEW_NS]
        if due:
            with self.settling.step():
                self.ledger.renew([call_id for call_id, _ in due], now)
            for _, hold in due:
                hold.leased_ns = now
        self.guarded.overdue(now)
        self._telling.watch(now, self.standing)


def _asks_more(budget: Budget, attributes: Mapping[str, Any]) -> bool:
    asked = {*budget.scopes, *(name for name, _ in budget.conditions)} & _ENTRY
    return bool(asked - attributes.keys())
