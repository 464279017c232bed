"""The stock exporters complain at every retry, on the application's log; here an outage is said once."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

from spanwatch.core.values import masked
from spanwatch.otel.guard import say


class Hush(logging.Filter):
    """Drops what one of our exporters logs while it exports, on that thread only; the application's own are heard.

    Args:
        exporter: The stock exporter.
        what: What it sends and where to, as an outage is told.
    """

    def __init__(self, exporter: object, what: str) -> None:
        super().__init__()
        self._what, self._local, self._down = masked(what), threading.local(), False
        modules = {kind.__module__ for kind in type(exporter).__mro__}
        for module in modules:
            if module.startswith("opentelemetry.exporter."):
                logging.getLogger(module).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 (its signature)
        """Whether a record may pass."""
        return not getattr(self._local, "on", False)

    @contextlib.contextmanager
    def exporting(self) -> Iterator[None]:
        """What is logged in the block is dropped."""
        self._local.on = True
        try:
            yield
        finally:
            self._local.on = False

    def done(self, *, delivered: bool, ending: bool) -> None:
        """Tell an outage when it begins; what is owed at the end is told there."""
        if not delivered and not self._down and not ending:
            say("%s cannot be delivered; later ones are tried, and this is said once", self._what)
        self._down = not delivered
