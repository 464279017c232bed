"""A ledger in Redis (5 or later): exact across the hosts that share it. Needs the extra `spanwatch[redis]`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from spanwatch.core.budgets.claims import (
    Action,
    Amount,
    Claim,
    Counter,
    Crossing,
    Refusal,
    Reserved,
    Settled,
    Standing,
    Tally,
    crossings,
    full,
    shortage,
)
from spanwatch.core.errors import LedgerUnavailable
from spanwatch.core.values import masked
from spanwatch.store.ledger import scripts
from spanwatch.store.ledger.protocol import (
    LEASE_S,
    REMEMBER_S,
    SECOND,
    highest,
    kept_until,
    merged,
    standing_of,
)

TIMEOUT_S = 0.5  # to connect, and for each answer
BATCH = 1_000
_MS = 1_000_000  # nanoseconds


class RedisLedger:
    """The Ledger of a fleet. Safe for threads and forks; every step on a call is one script and one round trip.

    Time is the caller's: hosts should agree on it to the second. Accounts expire after their window.

    Raises:
        ImportError: redis is not installed.
        LedgerUnavailable: by every method: the server cannot be reached or does not answer within `timeout_s`.
    """

    def __init__(self, url: str, *, namespace: str = "spanwatch", timeout_s: float = TIMEOUT_S) -> None:
        try:
            import redis  # noqa: PLC0415 (optional extra)
            from redis.backoff import NoBackoff  # noqa: PLC0415 (optional extra)
            from redis.retry import Retry  # noqa: PLC0415 (optional extra)
        except ImportError as error:
            raise ImportError("the Redis ledger needs redis: pip install 'spanwatch[redis]'") from error
        # A connection that the server closed is replaced at once; every step may be repeated. A timeout is final.
        retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
        self._client: Any = redis.Redis.from_url(
            url, decode_responses=True, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=retry
        )
        self._errors = (redis.RedisError, OSError)
        self._where = f"the Redis ledger at {masked(url)}"
        self._timeout_s = timeout_s
        self._ns = f"{{{namespace}}}"
        self._scripts = {name: self._client.register_script(text) for name, text in _SCRIPTS.items()}

    def reserve(
        self, claims: Sequence[Claim], call_id: str, now_ns: int, lease_s: float = LEASE_S
    ) -> Reserved | Refusal:
        """See `Ledger.reserve`."""
        due = now_ns // _MS + int(lease_s * 1_000)
        word, *rest = self._run("reserve", now_ns, call_id, due, _packed(claims))
        if word == "settled":
            return Reserved(tuple(claim.amount for claim in claims))
        if word == "held":
            return Reserved(tuple(Amount(int(nano), int(tokens)) for nano, tokens in _groups(rest, 2)))
        if word == "refused":
            return _refusal(claims[int(rest[0])], rest[1], int(rest[2]), Tally(*map(int, rest[3:])))
        rows = list(zip(claims, _groups(rest, 3), strict=True))
        amounts = tuple(Amount(int(nano), int(tokens), claim.amount.unpriced) for claim, (nano, tokens, _) in rows)
        return Reserved(amounts, tuple(claim for claim, (_, _, over) in rows if over == "1"))

    def settle(self, claims: Sequence[Claim], call_id: str, now_ns: int) -> Settled:
        """See `Ledger.settle`."""
        first, *rest = self._run("settle", now_ns, call_id, REMEMBER_S, _packed(claims))
        found: list[Crossing] = []
        for place, bits, *tally in _groups(rest, 10):
            found.extend(crossings(claims[int(place)].counter, int(bits), Tally(*map(int, tally))))
        return Settled(first == "1", tuple(found))

    def release(self, call_id: str, now_ns: int) -> bool:
        """See `Ledger.release`."""
        return bool(self._run("release", now_ns, call_id))

    def renew(self, call_ids: Sequence[str], now_ns: int, lease_s: float = LEASE_S) -> int:
        """See `Ledger.renew`."""
        return int(self._run("renew", now_ns, now_ns // _MS + int(lease_s * 1_000), *call_ids))

    def standing(self, counter: Counter) -> Standing:
        """See `Ledger.standing`. Leases that have run out still count until the next call."""
        words = self._run("standing", 0, json.dumps(_fields(counter, Amount())))
        return standing_of(counter, Tally(*map(int, words)))

    def standings(
        self, now_ns: int, *, budget: str | None = None, scope: str | None = None, limit: int = 100
    ) -> list[Standing]:
        """See `Ledger.standings`. Several round trips, and for a rolling window all of its scopes are read."""
        with self._reachable():
            names = [budget] if budget is not None else self._client.hvals(f"{self._ns}:b")
        found: list[Standing] = []
        for name in names:
            starts = self._live(name, now_ns)
            scopes = [_digest(name, scope)] if scope is not None else self._leading(name, starts, limit)
            for some in _batches(scopes):
                keys = [self._account(h, start) for start in starts for h in some]
                found.extend(_standings(keys, self._run("look", now_ns, keys=keys)))
        return highest(merged(found).values(), limit)

    def reset(self, budget: str, scope: str | None, now_ns: int, who: str) -> list[Standing]:
        """See `Ledger.reset`. Of all scopes, it goes by batches: calls in between are not held up."""
        found: list[Standing] = []
        for start in self._live(budget, now_ns):
            scopes = [_digest(budget, scope)] if scope is not None else self._leading(budget, [start], None)
            for some in _batches(scopes):
                keys = [self._account(h, start) for h in some]
                found.extend(_standings(keys, self._run("reset", now_ns, _digest(budget), keys=keys)))
        with self._reachable():
            self._client.lpush(f"{self._ns}:x", _noted(Action(now_ns, who, "reset", budget, scope)))
            self._client.ltrim(f"{self._ns}:x", 0, BATCH - 1)
        return list(merged(standing for standing in found if standing.tally.fired).values())

    def raise_(self, budget: str, scope: str, amount: Amount, now_ns: int, who: str) -> Standing | None:
        """See `Ledger.raise_`."""
        keys = [self._account(_digest(budget, scope), start) for start in self._live(budget, now_ns)]
        note = _noted(Action(now_ns, who, "raise", budget, scope, amount))
        rows = self._run("raise", now_ns, amount.nano_usd, amount.tokens, note, keys=keys)
        return merged(_standings(keys, rows)).get((budget, scope))

    def actions(self, limit: int = 100) -> list[Action]:
        """See `Ledger.actions`."""
        with self._reachable():
            notes = self._client.lrange(f"{self._ns}:x", 0, limit - 1) if limit > 0 else []
        return [
            Action(at, who, did, budget, scope, Amount(*amount))
            for at, who, did, budget, scope, amount in map(json.loads, notes)
        ]

    def close(self) -> None:
        """See `Ledger.close`."""
        self._client.close()

    # --- the server -----------------------------------------------------------------------------------------------

    def _run(self, name: str, now_ns: int, *arguments: Any, keys: Sequence[str] = ()) -> Any:
        with self._reachable():
            return self._scripts[name](keys=[self._ns, *keys], args=[now_ns // SECOND, now_ns // _MS, *arguments])

    def _reachable(self) -> _Reachable:
        return _Reachable(self)

    def _live(self, budget: str, now_ns: int) -> list[int]:
        """The starts of the budget's periods that are open, in order."""
        with self._reachable():
            members = self._client.zrange(f"{self._ns}:p:{_digest(budget)}", 0, -1)
        periods = (map(int, member.split(":")) for member in members)
        second = now_ns // SECOND
        return sorted(start for start, end in periods if start <= second and (end < 0 or second < end))

    def _leading(self, budget: str, starts: Sequence[int], limit: int | None) -> list[str]:
        """The scopes with the highest spend over these periods; all of them where limit is None."""
        spend: dict[str, float] = {}
        last = limit - 1 if limit is not None and len(starts) == 1 else -1
        if limit is not None and limit <= 0:
            return []
        for start in starts:
            with self._reachable():
                key = f"{self._ns}:t:{_digest(budget)}:{start}"
                for scope, nano in self._client.zrevrange(key, 0, last, withscores=True):
                    spend[scope] = spend.get(scope, 0.0) + float(nano)
        return sorted(spend, key=lambda scope: (-spend[scope], scope))[:limit]

    def _account(self, digest: str, start: int) -> str:
        return f"{self._ns}:a:{digest}:{start}"


class _Reachable:
    """What the client raises inside is told as LedgerUnavailable."""

    def __init__(self, ledger: RedisLedger) -> None:
        self._ledger = ledger

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, self._ledger._errors):  # noqa: SLF001 (its own ledger)
            where, limit = self._ledger._where, self._ledger._timeout_s  # noqa: SLF001 (its own ledger)
            raise LedgerUnavailable(f"{where} cannot be used within {limit:g} s: {error}; check the server") from error


_SCRIPTS = {
    "reserve": scripts.RESERVE,
    "settle": scripts.SETTLE,
    "release": scripts.RELEASE,
    "renew": scripts.RENEW,
    "standing": scripts.STANDING,
    "look": scripts.LOOK,
    "reset": scripts.RESET,
    "raise": scripts.RAISE,
}


def _packed(claims: Sequence[Claim]) -> str:
    return json.dumps([_fields(claim.counter, claim.amount) for claim in claims])


def _fields(counter: Counter, amount: Amount) -> dict[str, Any]:
    """A claim as the scripts read it: no limit and no end are -1, scopes and budgets are digests in keys."""
    limits, kept = counter.limits, kept_until(counter)
    return {
        "b": counter.budget,
        "s": counter.scope,
        "h": _digest(counter.budget, counter.scope),
        "hb": _digest(counter.budget),
        "start": counter.start,
        "since": counter.since,
        "rolling": counter.rolling,
        "ends": -1 if counter.end is None else counter.end,
        "kept": -1 if kept is None else kept,
        "ln": -1 if limits.nano_usd is None else limits.nano_usd,
        "lt": -1 if limits.tokens is None else limits.tokens,
        "levels": limits.levels,
        "full": full(limits),
        "blocking": limits.blocking,
        "resize": limits.resize,
        "nano": amount.nano_usd,
        "tokens": amount.tokens,
        "unpriced": amount.unpriced,
    }


def _digest(budget: str, scope: str | None = None) -> str:
    text = budget if scope is None else f"{budget}\0{scope}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _refusal(claim: Claim, unit: str, bits: int, tally: Tally) -> Refusal:
    found = shortage(claim, tally)
    if found is None or found.unit != unit:
        raise AssertionError(f"the script refuses {claim} at {tally} by {unit}")
    return Refusal(
        claim, unit, found.limit, found.spent, found.held, crossings(claim.counter, bits, tally, refused=True)
    )


def _standings(keys: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Iterator[Standing]:
    for key, (budget, scope, end, nano, tokens, *tally) in zip(keys, rows, strict=True):
        if budget is not None and scope is not None:
            start = int(key.rpartition(":")[2])
            limits = _known(end), _known(nano), _known(tokens)
            yield Standing(budget, scope, start, *limits, Tally(*(int(word or 0) for word in tally)))


def _known(word: str | None) -> int | None:
    number = int(word or -1)
    return None if number < 0 else number


def _noted(action: Action) -> str:
    return json.dumps([action.at_ns, action.who, action.action, action.budget, action.scope, action.amount])


def _groups(words: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (words[at : at + size] for at in range(0, len(words), size))


def _batches(scopes: Sequence[str]) -> Iterator[Sequence[str]]:
    return _groups(scopes, BATCH)
