"""Budget ledgers: who has spent how much. In memory, in SQLite for the processes of one host, in Redis for a fleet."""

from __future__ import annotations

from spanwatch.store.ledger.memory import MemoryLedger
from spanwatch.store.ledger.protocol import LEASE_S, Ledger
from spanwatch.store.ledger.redis import RedisLedger
from spanwatch.store.ledger.sqlite import SQLiteLedger

__all__ = ["LEASE_S", "Ledger", "MemoryLedger", "RedisLedger", "SQLiteLedger"]
