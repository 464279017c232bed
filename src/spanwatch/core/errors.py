"""The exceptions of spanwatch.

    SpanwatchError
    ├── ConfigurationError (ValueError)    a setting, argument or file is wrong
    ├── UsageError (ValueError)            a command line asks for something that cannot be
    ├── StoreError                         the store cannot be opened or read
    └── PriceDataError (ValueError)        a price file fails its checks; the last good one is kept

Telemetry itself raises none of them into the application: only functions called by name do.
"""

from __future__ import annotations

__all__ = ["ConfigurationError", "PriceDataError", "SpanwatchError", "StoreError", "UsageError"]


class SpanwatchError(Exception):
    """Any error that spanwatch raises on purpose."""


class ConfigurationError(SpanwatchError, ValueError):
    """A setting, argument or configuration file is wrong; the text names it, its value and the remedy."""


class UsageError(SpanwatchError, ValueError):
    """A command line asks for something that cannot be done; the text says what to do next."""


class StoreError(SpanwatchError):
    """The embedded store cannot be opened or read; the text names the file and the cause."""


class PriceDataError(SpanwatchError, ValueError):
    """A price file fails its checks; the last good data stays in force."""
