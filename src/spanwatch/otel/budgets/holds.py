"""A call as budgets see it: what it may cost, what is held for it, and what it is settled at when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from spanwatch.core import names
from spanwatch.core.budgets import Amount, Asked, Budget, Claim, Counter, Estimate, guess
from spanwatch.core.budgets.scopes import TAG
from spanwatch.core.call import Call, CallStatus, Cost, Usage

Price = Callable[[Usage], Cost]
Pair = tuple[Budget, Counter]


@dataclass(frozen=True, slots=True)
class Asking:
    """A call that is about to be made. `blocking` is whether its thread may wait for a ledger."""

    call_id: str
    started_ns: int
    asked: Asked
    attributes: Mapping[str, Any]
    price: Price
    blocking: bool = True


class Charges(NamedTuple):
    """What to settle a call with; `estimated_nano` is its cost where that is a guess."""

    claims: tuple[Claim, ...]
    estimated_nano: int | None = None


@dataclass(slots=True)
class Hold:
    """What is held for a call.

    `received` are bytes of output so far and `chunks` their number; `awaited` says that the provider works on after the
    answer, and will tell the usage to who fetches it.
    """

    asking: Asking
    pairs: tuple[Pair, ...]
    bound: Estimate
    claims: tuple[Claim, ...]
    leased_ns: int
    received: int = 0
    chunks: int = 0
    awaited: bool = False
    ended: bool = field(default=False)

    def charges(self, call: Call) -> Charges:
        """What a call that ended is charged on each budget: nothing where nothing of it is billed."""
        cost = None if call.cost is None else call.cost.nano_usd
        if call.usage is not None or cost is not None:
            return Charges(charged(self.pairs, cost, tokens_of(call.usage)))
        if call.status is CallStatus.ERROR and not self.chunks:
            return Charges(())
        usage = guess(self.asking.asked, self.bound, self.received, self.chunks)
        nano = self.asking.price(usage).nano_usd
        return Charges(charged(self.pairs, nano, tokens_of(usage)), nano)

    def bounded(self) -> tuple[Claim, ...]:
        """What a call is charged whose end nobody saw: the most that it may have taken."""
        return charged(self.pairs, self.bound.nano_usd, self.bound.tokens)


def charged(pairs: Iterable[Pair], nano_usd: int | None, tokens: int) -> tuple[Claim, ...]:
    """The claims to settle a call with; `nano_usd` None is a cost that is not known."""
    return tuple(Claim(counter, budget.charged(nano_usd, tokens)) for budget, counter in pairs)


def tokens_of(usage: Usage | None) -> int:
    """Input and output together, as far as they are known."""
    return 0 if usage is None else int(usage.input_tokens or 0) + int(usage.output_tokens or 0)


def amount_of(budget: Budget, asked: Asked, bound: Estimate) -> Amount | None:
    """What a budget wants held; its own callable may decide, and what that gives is checked.

    Raises:
        ValueError: the callable gave no amount.
    """
    amount = budget.claimed(asked, bound)
    if amount is None or not callable(budget.estimate):
        return amount
    if not isinstance(amount, Amount) or any(type(part) is not int or part < 0 for part in amount):
        raise ValueError(f"estimate= of budget {budget.name!r} must give an Amount of whole numbers, not {amount!r}")
    return amount


def attributes_of(tags: Iterable[str], **known: str | None) -> dict[str, Any]:
    """The attributes that budgets scope and match by. A tag is `team=search`, `team:search`, or a word that is set."""
    found: dict[str, Any] = {_NAMED[name]: value for name, value in known.items() if value is not None}
    for tag in tags:
        for mark in "=:":
            name, parted, value = tag.partition(mark)
            if parted and name:
                found[TAG + name] = value
                break
        else:
            found[TAG + tag] = "true"
    return found


_NAMED = {
    "user_id": names.USER_ID,
    "conversation_id": names.CONVERSATION_ID,
    "agent": names.AGENT_NAME,
    "model": names.REQUEST_MODEL,
    "provider": names.PROVIDER_NAME,
    "service": names.SERVICE_NAME,
}
