"""Work in a thread pool belongs to the span and request that submitted it: the OTel context goes along.

`asyncio` copies its context by itself, to `asyncio.to_thread` too; `ThreadPoolExecutor.submit`, and with it `map` and
`loop.run_in_executor`, does not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from opentelemetry.context import Context, get_current

from spanwatch.otel.context import attach, detach

_METHOD = "submit"


class Executors:
    """Wraps `ThreadPoolExecutor.submit` between `start()` and `stop()`, and puts the original back."""

    def __init__(self) -> None:
        self._original: Callable[..., Future[Any]] | None = None
        self._wrapper: Callable[..., Future[Any]] | None = None
        self._on = False

    def start(self) -> None:
        """From now on contexts go along; once is enough."""
        self._on = True
        if self._wrapper is None:
            self._original = ThreadPoolExecutor.submit
            self._wrapper = self._wrapped(self._original)
            setattr(ThreadPoolExecutor, _METHOD, self._wrapper)

    def stop(self) -> None:
        """As before. Where somebody else has wrapped ours meanwhile, it stays and does nothing."""
        self._on = False
        if self._wrapper is not None and vars(ThreadPoolExecutor).get(_METHOD) is self._wrapper:
            setattr(ThreadPoolExecutor, _METHOD, self._original)
            self._original = self._wrapper = None

    def _wrapped(self, original: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
        @functools.wraps(original)
        def submit(executor: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            context = get_current()
            if not (self._on and context) or _is_elsewhere(executor):
                return original(executor, fn, *args, **kwargs)
            return original(executor, _within, context, fn, args, kwargs)

        return submit


def _is_elsewhere(executor: ThreadPoolExecutor) -> bool:
    """Whether its work leaves this interpreter, where nothing that is not pickled can follow (Python 3.14)."""
    return any(kind.__module__ == "concurrent.futures.interpreter" for kind in type(executor).__mro__)


def _within(context: Context, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = attach(context)
    try:
        return fn(*args, **kwargs)
    finally:
        detach(token)
