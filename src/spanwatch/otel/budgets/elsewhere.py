"""Waiting for a ledger in asynchronous code: on a thread, so that the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

THREADS = 16  # per event loop; beside those that the application uses
T = TypeVar("T")


async def elsewhere(action: Callable[[], T]) -> T:
    """The result of an action on another thread; under asyncio and trio. A cancelled caller waits for its end.

    Raises:
        ImportError: anyio is missing, which every asynchronous client of a model brings along.
    """
    try:
        from anyio import CapacityLimiter, to_thread  # noqa: PLC0415 (comes with the client)
    except ImportError as error:
        raise ImportError("budgets in asynchronous code need anyio: pip install anyio") from error
    limiters = _limiters()
    limiter = limiters.get(None)
    if limiter is None:
        limiter = CapacityLimiter(THREADS)
        limiters.set(limiter)
    return await to_thread.run_sync(action, limiter=limiter)


@cache
def _limiters() -> Any:
    """One limiter for each event loop."""
    from anyio.lowlevel import RunVar  # noqa: PLC0415 (comes with the client)

    return RunVar("spanwatch-budgets")


def in_event_loop() -> bool:
    """Whether an event loop runs on this thread: whatever waits here stops it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
