"""The one place where our own failures stop: logged once each, counted, and never shown to the application."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("spanwatch")


class Guard:
    """Runs hooks that may fail. Only `Exception` is caught: interrupts, exits and cancellations pass."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()

    def run(self, what: str, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """The action's result, or None when it failed; `what` names it in the log, once."""
        try:
            return action(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 (a failing hook must not reach the application)
            self.failed(what, error)
            return None

    def failed(self, what: str, error: Exception) -> None:
        """Count a failure and say the first of its kind, without the error's text: it may quote content."""
        self.failures[what] += 1
        if self.failures[what] == 1:
            say("%s failed with %s; the application is not affected", what, type(error).__qualname__)


def say(text: str, *args: object) -> None:
    """One warning through the standard logging, whatever its handlers do."""
    with contextlib.suppress(Exception):  # a throwing log handler leaves nowhere to say it
        logger.warning("spanwatch: %s", text % args)
