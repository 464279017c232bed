"""The SQL of the SQLite ledger: accounts, what calls hold, what is settled, what operators did."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from spanwatch.core.budgets.claims import NOTHING, Action, Amount, Claim, Counter, Standing, Tally, total
from spanwatch.store.ledger.protocol import REMEMBER_S, SECOND, kept_until

SCHEMA = """
CREATE TABLE accounts (
  budget TEXT NOT NULL, scope TEXT NOT NULL, start INTEGER NOT NULL, ends INTEGER, kept_until INTEGER,
  limit_nano INTEGER, limit_tokens INTEGER,
  spent_nano INTEGER NOT NULL, spent_tokens INTEGER NOT NULL, held_nano INTEGER NOT NULL, held_tokens INTEGER NOT NULL,
  extra_nano INTEGER NOT NULL, extra_tokens INTEGER NOT NULL, unpriced INTEGER NOT NULL, fired INTEGER NOT NULL,
  PRIMARY KEY (budget, scope, start)
) WITHOUT ROWID;
CREATE INDEX accounts_kept_until ON accounts (kept_until);
CREATE TABLE held (call_id TEXT PRIMARY KEY, due INTEGER NOT NULL, holds TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX held_due ON held (due);
CREATE TABLE settled (id INTEGER PRIMARY KEY, call_id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL);
CREATE TABLE actions (
  at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, budget TEXT NOT NULL, scope TEXT,
  nano INTEGER NOT NULL, tokens INTEGER NOT NULL
);
"""
SWEPT = 512  # rows of each kind at most

_TALLY = "spent_nano, spent_tokens, held_nano, held_tokens, extra_nano, extra_tokens, unpriced, fired"
_AT = "budget = ? AND scope = ? AND start = ?"
_ONE = f"SELECT {_TALLY} FROM accounts WHERE {_AT}"  # noqa: S608 (constants)
_SINCE = f"SELECT {_TALLY} FROM accounts WHERE budget = ? AND scope = ? AND start >= ?"  # noqa: S608 (constants)
_ADD = f"""
INSERT INTO accounts (budget, scope, start, ends, kept_until, limit_nano, limit_tokens, {_TALLY})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?)
ON CONFLICT (budget, scope, start) DO UPDATE SET
  limit_nano = excluded.limit_nano, limit_tokens = excluded.limit_tokens,
  spent_nano = spent_nano + excluded.spent_nano, spent_tokens = spent_tokens + excluded.spent_tokens,
  held_nano = held_nano + excluded.held_nano, held_tokens = held_tokens + excluded.held_tokens,
  unpriced = unpriced + excluded.unpriced, fired = fired | excluded.fired
"""  # noqa: S608 (constants)
_UNHOLD = f"UPDATE accounts SET held_nano = held_nano - ?, held_tokens = held_tokens - ? WHERE {_AT}"  # noqa: S608 (constants)
_LIVE = "start <= :now AND (ends IS NULL OR ends > :now)"
_OF = ("budget = :budget", "scope = :scope")  # spelled out as far as asked, so that the key is used
_LEADING = """
SELECT budget, scope FROM accounts WHERE {where} GROUP BY budget, scope
ORDER BY sum(spent_nano) DESC, sum(spent_tokens) DESC, budget, scope LIMIT :limit
"""
_ROWS = """
SELECT budget, scope, start, ends, limit_nano, limit_tokens, {tally} FROM accounts WHERE {where} ORDER BY start
"""
_QUIET = "UPDATE accounts SET fired = 0 WHERE {where}"
_EXTRA = f"UPDATE accounts SET extra_nano = extra_nano + ?, extra_tokens = extra_tokens + ? WHERE {_AT}"  # noqa: S608 (constants)
_CLEAR = "UPDATE accounts SET spent_nano = 0, spent_tokens = 0, unpriced = 0, fired = 0 WHERE {where}"
_SWEEP_ACCOUNTS = """
DELETE FROM accounts WHERE (budget, scope, start) IN
  (SELECT budget, scope, start FROM accounts WHERE kept_until <= ? ORDER BY kept_until LIMIT ?)
"""
_SWEEP_SETTLED = """
DELETE FROM settled WHERE id IN (SELECT id FROM (SELECT id, at FROM settled ORDER BY id LIMIT ?) WHERE at <= ?)
"""


def tally_of(db: sqlite3.Connection, counter: Counter) -> Tally:
    """What a call on this counter is measured against."""
    if counter.rolling:
        rows = db.execute(_SINCE, (counter.budget, counter.scope, counter.since))
        return total(map(Tally._make, rows))
    row = db.execute(_ONE, (counter.budget, counter.scope, counter.start)).fetchone()
    return NOTHING if row is None else Tally._make(row)


def add(db: sqlite3.Connection, counter: Counter, more: Tally) -> None:
    """Add to an account, which is made where there is none, and mark what `more` has fired; extra is left alone."""
    key = (counter.budget, counter.scope, counter.start, counter.end, kept_until(counter))
    db.execute(_ADD, (*key, counter.limits.nano_usd, counter.limits.tokens, *more[:4], *more[6:]))


def hold(db: sqlite3.Connection, call_id: str, due: int, claims: Iterable[Claim], amounts: Iterable[Amount]) -> None:
    """Hold the amounts on the claims' accounts until `due`."""
    holds = []
    for (counter, _), (nano, tokens, _) in zip(claims, amounts, strict=True):
        add(db, counter, Tally(0, 0, nano, tokens))
        holds.append((counter.budget, counter.scope, counter.start, nano, tokens))
    db.execute("INSERT INTO held VALUES (?, ?, ?)", (call_id, due, json.dumps(holds)))


def held(db: sqlite3.Connection, call_id: str) -> tuple[Amount, ...] | None:
    """What a call holds, or None."""
    row = db.execute("SELECT holds FROM held WHERE call_id = ?", (call_id,)).fetchone()
    return None if row is None else tuple(Amount(nano, tokens) for *_, nano, tokens in json.loads(row[0]))


def free(db: sqlite3.Connection, call_id: str) -> bool:
    """Free what a call holds; whether it held anything."""
    row = db.execute("SELECT holds FROM held WHERE call_id = ?", (call_id,)).fetchone()
    if row is None:
        return False
    db.execute("DELETE FROM held WHERE call_id = ?", (call_id,))
    for budget, scope, start, nano, tokens in json.loads(row[0]):
        db.execute(_UNHOLD, (nano, tokens, budget, scope, start))
    return True


def renew(db: sqlite3.Connection, call_ids: Iterable[str], due: int) -> int:
    """Hold for longer what these calls hold; how many did."""
    return sum(db.execute("UPDATE held SET due = ? WHERE call_id = ?", (due, call_id)).rowcount for call_id in call_ids)


def expire(db: sqlite3.Connection, now_ns: int) -> None:
    """Free what is held past its lease."""
    for (call_id,) in db.execute("SELECT call_id FROM held WHERE due <= ?", (now_ns,)).fetchall():
        free(db, call_id)


def sweep(db: sqlite3.Connection, now_ns: int) -> None:
    """Drop a bounded number of accounts that have long ended, and of old ids of settled calls."""
    db.execute(_SWEEP_ACCOUNTS, (now_ns // SECOND, SWEPT))
    db.execute(_SWEEP_SETTLED, (SWEPT, now_ns - REMEMBER_S * SECOND))


def is_settled(db: sqlite3.Connection, call_id: str) -> bool:
    """Whether a call was charged."""
    return db.execute("SELECT 1 FROM settled WHERE call_id = ?", (call_id,)).fetchone() is not None


def remember(db: sqlite3.Connection, call_id: str, now_ns: int) -> None:
    """Know a call as charged."""
    db.execute("INSERT INTO settled (call_id, at) VALUES (?, ?)", (call_id, now_ns))


def rows_of(db: sqlite3.Connection, now_ns: int, budget: str | None, scope: str | None) -> list[Standing]:
    """The accounts in open periods, the older first."""
    return [_standing(row) for row in _live(db, _ROWS, now_ns, budget, scope)]


def leading(
    db: sqlite3.Connection, now_ns: int, budget: str | None, scope: str | None, limit: int
) -> list[tuple[str, str]]:
    """The budgets and scopes with the highest spend, the higher first."""
    return _live(db, _LEADING, now_ns, budget, scope, limit=limit).fetchall()


def clear(db: sqlite3.Connection, now_ns: int, budget: str, scope: str | None) -> None:
    """Set the spend of open periods to nothing, and let every level fire again."""
    _live(db, _CLEAR, now_ns, budget, scope)


def give(db: sqlite3.Connection, now_ns: int, newest: Standing, amount: Amount) -> None:
    """Give an account more, and let every level of its scope fire again."""
    _live(db, _QUIET, now_ns, newest.budget, newest.scope)
    db.execute(_EXTRA, (amount.nano_usd, amount.tokens, newest.budget, newest.scope, newest.start))


def _live(
    db: sqlite3.Connection, statement: str, now_ns: int, budget: str | None, scope: str | None, *, limit: int = 0
) -> sqlite3.Cursor:
    """A statement about the accounts in open periods, of one budget and scope or of all."""
    given = {"now": now_ns // SECOND, "budget": budget, "scope": scope, "limit": max(limit, 0)}
    asked = [part for part, value in zip(_OF, (budget, scope), strict=True) if value is not None]
    return db.execute(statement.format(where=" AND ".join([_LIVE, *asked]), tally=_TALLY), given)


def note(db: sqlite3.Connection, action: Action) -> None:
    """Write down what an operator did."""
    known = (action.at_ns, action.who, action.action, action.budget, action.scope)
    db.execute(
        "INSERT INTO actions VALUES (?, ?, ?, ?, ?, ?, ?)", (*known, action.amount.nano_usd, action.amount.tokens)
    )


def notes(db: sqlite3.Connection, limit: int) -> list[Action]:
    """What operators did, latest first."""
    ask = "SELECT at, who, action, budget, scope, nano, tokens FROM actions ORDER BY rowid DESC LIMIT ?"
    rows = db.execute(ask, (max(limit, 0),)).fetchall()
    return [Action(at, who, did, budget, scope, Amount(*amount)) for at, who, did, budget, scope, *amount in rows]


def _standing(row: Sequence[Any]) -> Standing:
    budget, scope, start, end, nano, tokens, *tally = row
    return Standing(budget, scope, start, end, nano, tokens, Tally._make(tally))
