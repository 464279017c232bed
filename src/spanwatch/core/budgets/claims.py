"""What a ledger is asked and what it answers, and the arithmetic that every ledger has in common: integers only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

PPM = 1_000_000
MOST = 2**53 - 1  # nano-USD or tokens that every ledger, Redis too, counts and compares exactly: 9,007,199 USD


class Amount(NamedTuple):
    """Nano-USD and tokens of one call; `unpriced` is 1 when its price is unknown and `nano_usd` no cost of it."""

    nano_usd: int = 0
    tokens: int = 0
    unpriced: int = 0


NO_AMOUNT = Amount()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a ledger needs to know of a budget. None is no limit. `levels` are rising parts per million of the limit."""

    nano_usd: int | None
    tokens: int | None
    levels: tuple[int, ...] = ()
    blocking: bool = True
    resize: bool = False  # a call that does not fit may have what is left


@dataclass(frozen=True, slots=True)
class Counter:
    """One budget's account of one scope in one period; see `windows.Period` for the times, in UNIX seconds."""

    budget: str
    scope: str
    start: int
    since: int
    end: int | None
    limits: Limits

    @property
    def rolling(self) -> bool:
        """Whether earlier periods count too."""
        return self.since < self.start


class Claim(NamedTuple):
    """An amount to reserve on, or charge to, a counter."""

    counter: Counter
    amount: Amount


class Tally(NamedTuple):
    """What a counter stands at. `extra` is what operators gave on top of the limit; `fired` has a bit per level."""

    spent_nano: int = 0
    spent_tokens: int = 0
    held_nano: int = 0
    held_tokens: int = 0
    extra_nano: int = 0
    extra_tokens: int = 0
    unpriced: int = 0
    fired: int = 0


NOTHING = Tally()


def total(tallies: Iterable[Tally]) -> Tally:
    """Periods that count together, as one: sums, and every level that fired in any of them."""
    sums, fired = [0] * (len(Tally._fields) - 1), 0
    for tally in tallies:
        sums = [a + b for a, b in zip(sums, tally, strict=False)]
        fired |= tally.fired
    return Tally._make((*sums, fired))


@dataclass(frozen=True, slots=True)
class Crossing:
    """A level was reached, once per scope and window; `refused` when a call was turned away, not by what is spent."""

    counter: Counter
    level: float
    spent: Tally
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Reserved:
    """Every claim is held. `amounts` are what is held for each, less than claimed only where a budget resizes.

    `over` are the claims of budgets that do not block and have no room for the call.
    """

    amounts: tuple[Amount, ...]
    over: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing is held: `claim` does not fit. `unit` says whether it is `usd` or `tokens` that do not suffice."""

    claim: Claim
    unit: str
    limit: int
    spent: int
    held: int
    crossings: tuple[Crossing, ...] = ()

    @property
    def estimate(self) -> int:
        """What was asked for, in nano-USD or tokens."""
        return self.claim.amount.nano_usd if self.unit == "usd" else self.claim.amount.tokens


@dataclass(frozen=True, slots=True)
class Settled:
    """`first` is False when the call had been settled before, and nothing was charged now."""

    first: bool
    crossings: tuple[Crossing, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """A scope's account over the periods that count now. Limits are those of the last call, without the extra."""

    budget: str
    scope: str
    start: int
    end: int | None
    limit_nano: int | None
    limit_tokens: int | None
    tally: Tally


@dataclass(frozen=True, slots=True)
class Action:
    """What an operator did: `reset` or `raise`, when and who. `scope` None is every scope of the budget."""

    at_ns: int
    who: str
    action: str
    budget: str
    scope: str | None
    amount: Amount = NO_AMOUNT


def admit(claims: Sequence[Claim], tallies: Sequence[Tally]) -> Reserved | Refusal:
    """Whether all claims fit on counters that stand as given; the first that does not refuses them all."""
    amounts, over = [], []
    for claim, tally in zip(claims, tallies, strict=True):
        if (short := shortage(claim, tally)) is None:
            amounts.append(claim.amount)
        elif not claim.counter.limits.blocking:
            amounts.append(claim.amount)
            over.append(claim)
        elif (rest := remainder(claim, tally)) is not None:
            amounts.append(rest)
        else:
            return short
    return Reserved(tuple(amounts), tuple(over))


def shortage(claim: Claim, tally: Tally) -> Refusal | None:
    """Why a claim does not fit, or None when it does. What takes nothing always fits: a free call cannot overspend."""
    limits, amount = claim.counter.limits, claim.amount
    if limits.nano_usd is not None and amount.nano_usd > 0:
        limit = limits.nano_usd + tally.extra_nano
        if tally.spent_nano + tally.held_nano + amount.nano_usd > limit:
            return Refusal(claim, "usd", limit, tally.spent_nano, tally.held_nano)
    if limits.tokens is not None and amount.tokens > 0:
        limit = limits.tokens + tally.extra_tokens
        if tally.spent_tokens + tally.held_tokens + amount.tokens > limit:
            return Refusal(claim, "tokens", limit, tally.spent_tokens, tally.held_tokens)
    return None


def remainder(claim: Claim, tally: Tally) -> Amount | None:
    """What a resizing budget has left for the claim, or None when it does not resize or has nothing."""
    limits, amount = claim.counter.limits, claim.amount
    if not limits.resize:
        return None
    nano, tokens = amount.nano_usd, amount.tokens
    if limits.nano_usd is not None:
        nano = min(nano, limits.nano_usd + tally.extra_nano - tally.spent_nano - tally.held_nano)
    if limits.tokens is not None:
        tokens = min(tokens, limits.tokens + tally.extra_tokens - tally.spent_tokens - tally.held_tokens)
    if (nano <= 0 < amount.nano_usd) or (tokens <= 0 < amount.tokens):
        return None
    return Amount(max(nano, 0), max(tokens, 0), amount.unpriced)


def threshold(limit: int, level: int) -> int:
    """The least amount that reaches a level (parts per million) of a limit."""
    return -(-limit * level // PPM)


def reached(limits: Limits, tally: Tally) -> int:
    """A bit for each level that the spend has reached, by dollars or by tokens."""
    bits = 0
    for place, level in enumerate(limits.levels):
        dollars = limits.nano_usd is not None and tally.spent_nano >= threshold(
            limits.nano_usd + tally.extra_nano, level
        )
        tokens = limits.tokens is not None and tally.spent_tokens >= threshold(
            limits.tokens + tally.extra_tokens, level
        )
        bits |= (dollars or tokens) << place
    return bits


def full(limits: Limits) -> int:
    """The bit of the level 1.0, which a refusal reaches too; 0 where the budget has no such level."""
    return 1 << limits.levels.index(PPM) if PPM in limits.levels else 0


def crossings(counter: Counter, bits: int, tally: Tally, *, refused: bool = False) -> tuple[Crossing, ...]:
    """One crossing for each bit."""
    levels = enumerate(counter.limits.levels)
    return tuple(Crossing(counter, level / PPM, tally, refused) for place, level in levels if bits >> place & 1)


def levels_in(bits: int, levels: Sequence[float]) -> tuple[float, ...]:
    """The levels behind a tally's `fired`: what a reset resolves."""
    return tuple(level for place, level in enumerate(levels) if bits >> place & 1)
