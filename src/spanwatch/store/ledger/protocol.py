"""Ledger: the small Protocol behind every budget, and what its implementations have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from spanwatch.core.budgets.claims import (
    Action,
    Amount,
    Claim,
    Counter,
    Refusal,
    Reserved,
    Settled,
    Standing,
    Tally,
    crossings,
    full,
    reached,
    total,
)

LEASE_S = 600.0  # how long a reservation lasts unless it is renewed: longer than a model call takes
GRACE_S = 7_200  # how long a calendar window is kept after it has ended, for calls that end late
REMEMBER_S = 86_400  # how long a settled call's id is known in the shared ledgers
SECOND = 1_000_000_000  # nanoseconds


class Ledger(Protocol):
    """Accounts of budgets. Each method is one atomic step, and thread-safe.

    `now_ns` is UNIX time in nanoseconds. Every method raises `LedgerUnavailable` when the ledger cannot be used within
    its timeout. Whether the step happened is then unknown; to repeat it is safe, except for `raise_`.
    """

    def reserve(
        self, claims: Sequence[Claim], call_id: str, now_ns: int, lease_s: float = LEASE_S
    ) -> Reserved | Refusal:
        """Hold every claim, or none. A call id that is held or settled already is not held again."""
        ...

    def settle(self, claims: Sequence[Claim], call_id: str, now_ns: int) -> Settled:
        """Charge what a call really took, once for each call id, and free what it held.

        It need hold nothing: the lease may have run out, or the call was never reserved.
        """
        ...

    def release(self, call_id: str, now_ns: int) -> bool:
        """Free what a call holds; whether it held anything. It may still be settled later."""
        ...

    def renew(self, call_ids: Sequence[str], now_ns: int, lease_s: float = LEASE_S) -> int:
        """Give calls that still run a new lease; how many still held something."""
        ...

    def standing(self, counter: Counter) -> Standing:
        """What a call on this counter would be measured against."""
        ...

    def standings(
        self, now_ns: int, *, budget: str | None = None, scope: str | None = None, limit: int = 100
    ) -> list[Standing]:
        """The scopes with the highest spend in windows that are open, of one budget or all."""
        ...

    def reset(self, budget: str, scope: str | None, now_ns: int, who: str) -> list[Standing]:
        """Set the spend of one scope, or all, to nothing in open windows; those that had fired levels, as they were."""
        ...

    def raise_(self, budget: str, scope: str, amount: Amount, now_ns: int, who: str) -> Standing | None:
        """Give a scope more until its window ends, levels fire again; as it was, or None when it has no open window."""
        ...

    def actions(self, limit: int = 100) -> list[Action]:
        """What operators did, latest first."""
        ...

    def close(self) -> None:
        """Give back files and connections; a later step opens them again."""
        ...


def kept_until(counter: Counter) -> int | None:
    """The second from which an account may be dropped; None is never."""
    if counter.end is None or counter.rolling:
        return counter.end
    return counter.end + GRACE_S


def standing_of(counter: Counter, tally: Tally) -> Standing:
    """The standing of one counter by its own limits."""
    limits = counter.limits
    return Standing(counter.budget, counter.scope, counter.start, counter.end, limits.nano_usd, limits.tokens, tally)


def fresh(counter: Counter, tally: Tally) -> int:
    """The levels that the spend has reached and that had not fired."""
    return reached(counter.limits, tally) & ~tally.fired


def marked(refusal: Refusal, tally: Tally, mark: Callable[[Counter, int], None]) -> Refusal:
    """The refusal with the level that it reaches, if that had not fired; `mark` writes it down."""
    counter = refusal.claim.counter
    bits = full(counter.limits) & ~tally.fired
    if not bits:
        return refusal
    mark(counter, bits)
    found = crossings(counter, bits, tally, refused=True)
    return Refusal(refusal.claim, refusal.unit, refusal.limit, refusal.spent, refusal.held, found)


def merged(standings: Iterable[Standing]) -> dict[tuple[str, str], Standing]:
    """One standing for each scope: periods that count together are summed, and the first of their ends is the end."""
    found: dict[tuple[str, str], Standing] = {}
    for more in standings:
        known = found.get((more.budget, more.scope))
        if known is not None:
            end = min((end for end in (known.end, more.end) if end is not None), default=None)
            newer = max(known, more, key=lambda s: s.start)
            tally = total((known.tally, more.tally))
            start = min(known.start, more.start)
            more = replace(newer, start=start, end=end, tally=tally)  # noqa: PLW2901 (the sum takes its place)
        found[more.budget, more.scope] = more
    return found


def highest(standings: Iterable[Standing], limit: int) -> list[Standing]:
    """Those with the highest spend, the higher first; equal ones in the order of their names."""
    order = sorted(standings, key=lambda s: (-s.tally.spent_nano, -s.tally.spent_tokens, s.budget, s.scope))
    return order[: max(limit, 0)]
