"""The ledger that the settings name."""

from __future__ import annotations

from pathlib import Path

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.settings import Settings
from spanwatch.core.values import masked
from spanwatch.store.ledger import Ledger, MemoryLedger, RedisLedger, SQLiteLedger


def ledger_of(settings: Settings) -> Ledger:
    """A ledger by the setting `ledger`; nothing is opened yet.

    Raises:
        ConfigurationError: its package is missing, or its URL is none.
    """
    place = settings.ledger_in_force
    if place == "memory":
        return MemoryLedger()
    if place == "sqlite":
        return SQLiteLedger(Path(settings.home).absolute())
    try:
        return RedisLedger(place)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"setting ledger={masked(place)!r}: {error}") from None
