"""A ledger in this process's memory: exact for its threads, gone with it."""

from __future__ import annotations

import heapq
import threading
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from spanwatch.core.budgets.claims import (
    NOTHING,
    Action,
    Amount,
    Claim,
    Counter,
    Crossing,
    Limits,
    Refusal,
    Reserved,
    Settled,
    Standing,
    Tally,
    admit,
    crossings,
    total,
)
from spanwatch.store import forks
from spanwatch.store.ledger.protocol import (
    LEASE_S,
    SECOND,
    fresh,
    highest,
    kept_until,
    marked,
    merged,
    standing_of,
)

REMEMBERED = 100_000  # settled call ids that are known
ACTIONS = 1_000
SWEEP_S = 60
_SLACK = 64


class _Table:
    """The accounts of all scopes of one budget in one period, as columns: a million must fit in memory."""

    __slots__ = ("columns", "end", "kept_until", "limits", "rare", "rows", "scopes")

    def __init__(self, counter: Counter) -> None:
        self.end = counter.end
        self.kept_until = kept_until(counter)
        self.limits: Limits = counter.limits
        self.rows: dict[str, int] = {}
        self.scopes: list[str] = []
        self.columns: tuple[array[int], ...] = (array("q"), array("q"), array("q"), array("q"))
        self.rare: dict[int, Tally] = {}  # rows with extra, unpriced calls or fired levels

    def row(self, scope: str) -> int:
        row = self.rows.get(scope)
        if row is None:
            row = self.rows[scope] = len(self.scopes)
            self.scopes.append(scope)
            for column in self.columns:
                column.append(0)
        return row

    def tally(self, row: int) -> Tally:
        a, b, c, d = self.columns
        rare = self.rare.get(row)
        if rare is None:
            return Tally(a[row], b[row], c[row], d[row])
        return rare._replace(spent_nano=a[row], spent_tokens=b[row], held_nano=c[row], held_tokens=d[row])

    def hold(self, row: int, nano: int, tokens: int) -> None:
        """Hold more, or less."""
        self.columns[2][row] += nano
        self.columns[3][row] += tokens

    def charge(self, row: int, amount: Amount) -> None:
        """Count what was spent."""
        nano, tokens, unpriced = amount
        self.columns[0][row] += nano
        self.columns[1][row] += tokens
        if unpriced:
            self.note(row, Tally(unpriced=unpriced))

    def note(self, row: int, more: Tally) -> None:
        """Add what few rows have."""
        self.rare[row] = total((self.rare.get(row, NOTHING), more))

    def clear(self, row: int) -> None:
        """Set the spend to nothing, and let every level fire again."""
        self.columns[0][row] = self.columns[1][row] = 0
        if row in self.rare:
            self.rare[row] = self.rare[row]._replace(unpriced=0, fired=0)

    def quiet(self, row: int) -> None:
        """Let every level fire again."""
        if row in self.rare:
            self.rare[row] = self.rare[row]._replace(fired=0)


_FIRST, _AGAIN = Settled(first=True), Settled(first=False)
_Hold = tuple[_Table, int, Amount]


class MemoryLedger:
    """The Ledger of one process. Each step takes one lock; the work under it grows with the claims alone."""

    def __init__(self) -> None:
        self._start_anew()
        self._tables: dict[str, dict[int, _Table]] = {}  # budget → start of period → accounts
        self._open: dict[str, tuple[int, tuple[_Hold, ...]]] = {}  # call → due, what it holds
        self._leases: list[tuple[int, str]] = []
        self._settled: set[str] = set()
        self._order: deque[str] = deque()
        self._actions: deque[Action] = deque(maxlen=ACTIONS)
        self._swept_s = 0
        forks.around(child=self._start_anew)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()  # in a forked child: the parent's may be held for ever

    def reserve(
        self, claims: Sequence[Claim], call_id: str, now_ns: int, lease_s: float = LEASE_S
    ) -> Reserved | Refusal:
        """See `Ledger.reserve`."""
        with self._lock:
            self._expire(now_ns)
            held = self._open.get(call_id)
            if held is not None:
                return Reserved(tuple(amount for _, _, amount in held[1]))
            if call_id in self._settled:
                return Reserved(tuple(claim.amount for claim in claims))
            tallies = [self._tally(claim.counter) for claim in claims]
            answer = admit(claims, tallies)
            if isinstance(answer, Refusal):
                tally = tallies[claims.index(answer.claim)]
                return marked(answer, tally, self._fire)
            holds = []
            for claim, amount in zip(claims, answer.amounts, strict=True):
                table, row = self._row(claim.counter)
                table.limits = claim.counter.limits
                table.hold(row, amount[0], amount[1])
                holds.append((table, row, amount))
            self._hold(call_id, now_ns + int(lease_s * SECOND), tuple(holds))
            return answer

    def settle(self, claims: Sequence[Claim], call_id: str, now_ns: int) -> Settled:
        """See `Ledger.settle`."""
        with self._lock:
            self._expire(now_ns)
            self._free(call_id)
            if call_id in self._settled:
                return _AGAIN
            self._remember(call_id)
            found: list[Crossing] = []
            for counter, amount in claims:
                table, row = self._row(counter)
                table.charge(row, amount)
                if not counter.limits.levels:
                    continue
                tally = self._tally(counter) if counter.rolling else table.tally(row)
                bits = fresh(counter, tally)
                if bits:
                    table.note(row, Tally(fired=bits))
                    found.extend(crossings(counter, bits, tally))
            return Settled(first=True, crossings=tuple(found)) if found else _FIRST

    def release(self, call_id: str, now_ns: int) -> bool:
        """See `Ledger.release`."""
        with self._lock:
            self._expire(now_ns)
            return self._free(call_id)

    def renew(self, call_ids: Sequence[str], now_ns: int, lease_s: float = LEASE_S) -> int:
        """See `Ledger.renew`."""
        with self._lock:
            self._expire(now_ns)
            running = [call_id for call_id in call_ids if call_id in self._open]
            for call_id in running:
                self._hold(call_id, now_ns + int(lease_s * SECOND), self._open[call_id][1])
            return len(running)

    def standing(self, counter: Counter) -> Standing:
        """See `Ledger.standing`."""
        with self._lock:
            tally = self._tally(counter)
        return standing_of(counter, tally)

    def standings(
        self, now_ns: int, *, budget: str | None = None, scope: str | None = None, limit: int = 100
    ) -> list[Standing]:
        """See `Ledger.standings`. The lock is held to copy columns, not to sort."""
        with self._lock:
            names = [name for name in self._tables if budget is None or name == budget]
            periods = {name: list(self._live(name, now_ns)) for name in names}
            if scope is not None:
                found = [
                    _standing(name, start, table, table.rows[scope])
                    for name, tables in periods.items()
                    for start, table in tables
                    if scope in table.rows
                ]
                return highest(merged(found).values(), limit)
            copies = {name: [(start, _copied(table)) for start, table in periods[name]] for name in names}
        leading = (standing for name, tables in copies.items() for standing in _top(name, tables, limit))
        return highest(merged(leading).values(), limit)

    def reset(self, budget: str, scope: str | None, now_ns: int, who: str) -> list[Standing]:
        """See `Ledger.reset`."""
        with self._lock:
            self._expire(now_ns)
            found = []
            for start, table in self._live(budget, now_ns):
                rows = range(len(table.scopes)) if scope is None else [table.rows[scope]] if scope in table.rows else []
                for row in rows:
                    if (standing := _standing(budget, start, table, row)).tally.fired:
                        found.append(standing)
                    table.clear(row)
            self._actions.append(Action(now_ns, who, "reset", budget, scope))
            return list(merged(found).values())

    def raise_(self, budget: str, scope: str, amount: Amount, now_ns: int, who: str) -> Standing | None:
        """See `Ledger.raise_`."""
        with self._lock:
            self._expire(now_ns)
            tables = [pair for pair in self._live(budget, now_ns) if scope in pair[1].rows]
            if not tables:
                return None
            before = merged([_standing(budget, start, table, table.rows[scope]) for start, table in tables])
            for _, table in tables:
                table.quiet(table.rows[scope])
            newest = tables[-1][1]
            newest.note(newest.rows[scope], Tally(extra_nano=amount.nano_usd, extra_tokens=amount.tokens))
            self._actions.append(Action(now_ns, who, "raise", budget, scope, amount))
            return before[budget, scope]

    def actions(self, limit: int = 100) -> list[Action]:
        """See `Ledger.actions`."""
        with self._lock:
            return list(reversed(self._actions))[:limit]

    def close(self) -> None:
        """Nothing to give back."""

    # --- under the lock -------------------------------------------------------------------------------------------

    def _live(self, budget: str, now_ns: int) -> Iterator[tuple[int, _Table]]:
        second = now_ns // SECOND
        for start, table in sorted(self._tables.get(budget, {}).items(), key=lambda pair: pair[0]):
            if start <= second and (table.end is None or second < table.end):
                yield start, table

    def _tally(self, counter: Counter) -> Tally:
        tables = self._tables.get(counter.budget, {})
        if not counter.rolling:
            table = tables.get(counter.start)
            row = None if table is None else table.rows.get(counter.scope)
            return NOTHING if table is None or row is None else table.tally(row)
        counting = (table for start, table in tables.items() if start >= counter.since)
        return total(t.tally(row) for t in counting if (row := t.rows.get(counter.scope)) is not None)

    def _row(self, counter: Counter) -> tuple[_Table, int]:
        tables = self._tables.get(counter.budget)
        if tables is None:
            tables = self._tables[counter.budget] = {}
        table = tables.get(counter.start)
        if table is None:
            table = tables[counter.start] = _Table(counter)
        return table, table.row(counter.scope)

    def _fire(self, counter: Counter, bits: int) -> None:
        table, row = self._row(counter)
        table.note(row, Tally(fired=bits))

    def _hold(self, call_id: str, due: int, holds: tuple[_Hold, ...]) -> None:
        self._open[call_id] = (due, holds)
        heapq.heappush(self._leases, (due, call_id))
        if len(self._leases) > 2 * len(self._open) + _SLACK:  # most entries are of calls that have ended
            self._leases = [(due, name) for name, (due, _) in self._open.items()]
            heapq.heapify(self._leases)

    def _free(self, call_id: str) -> bool:
        held = self._open.pop(call_id, None)
        for table, row, amount in held[1] if held else ():
            table.hold(row, -amount[0], -amount[1])
        return held is not None

    def _remember(self, call_id: str) -> None:
        self._settled.add(call_id)
        self._order.append(call_id)
        if len(self._order) > REMEMBERED:
            self._settled.discard(self._order.popleft())

    def _expire(self, now_ns: int) -> None:
        """Free what is held past its lease, and drop periods that have long ended."""
        while self._leases and self._leases[0][0] <= now_ns:
            due, call_id = heapq.heappop(self._leases)
            held = self._open.get(call_id)
            if held is not None and held[0] == due:
                self._free(call_id)
        second = now_ns // SECOND
        if self._swept_s <= second < self._swept_s + SWEEP_S:
            return
        self._swept_s = second
        for budget, tables in list(self._tables.items()):
            kept = {s: t for s, t in tables.items() if t.kept_until is None or t.kept_until > second}
            if len(kept) < len(tables):
                self._tables[budget] = kept


def _copied(table: _Table) -> _Table:
    """A table as it is now: to be read later, without the lock."""
    copy = _Table.__new__(_Table)
    copy.end, copy.limits, copy.rare = table.end, table.limits, dict(table.rare)
    copy.scopes, copy.columns = list(table.scopes), tuple(column[:] for column in table.columns)
    return copy


def _top(budget: str, periods: Sequence[tuple[int, _Table]], limit: int) -> Iterator[Standing]:
    """The standings of some periods; of a single one only those that can be among the highest."""
    for start, table in periods:
        rows: Iterable[int] = range(len(table.scopes))
        if len(periods) == 1:
            nano, tokens = table.columns[:2]
            rows = heapq.nsmallest(limit, rows, key=lambda row: (-nano[row], -tokens[row], table.scopes[row]))
        for row in rows:
            yield _standing(budget, start, table, row)


def _standing(budget: str, start: int, table: _Table, row: int) -> Standing:
    limits = table.limits
    return Standing(budget, table.scopes[row], start, table.end, limits.nano_usd, limits.tokens, table.tally(row))
