"""The standard library's log records as OTel log records too, while that is asked for.

A handler on the root logger would be thrown out by the application's `dictConfig`, would turn its `basicConfig` into
nothing and would silence the handler of last resort. So the one method that hands a finished record to handlers is
wrapped: it runs once per record, after levels and the logger's own filters, whatever handlers there are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry._logs import Logger
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from spanwatch.core import names
from spanwatch.core.redact import Redactor
from spanwatch.otel.correlation import FIELDS
from spanwatch.otel.errors import safe_message, stack_of, stated_message
from spanwatch.otel.guard import Guard
from spanwatch.otel.openai.failures import public_name
from spanwatch.otel.severity import severity_of
from spanwatch.otel.telemetry import Content

MAX_EXTRA = 64  # attributes taken from `extra=`
_OWN = ("spanwatch", "opentelemetry")
_STANDARD = FIELDS | {"message", "asctime", "taskName"} | vars(logging.LogRecord("", 0, "", 0, "", (), None)).keys()


class LogCapture:
    """Emits every record that reaches the handlers of a logger; `off()` ends that.

    Records of spanwatch, of OpenTelemetry, of an exporter's own requests and of whatever runs while one is emitted are
    left out: they would feed themselves.
    """

    def __init__(self, logger: Callable[[], Logger], content: Content, guard: Guard) -> None:
        self._logger, self._content, self._guard = logger, content, guard
        self._active, self._busy = True, threading.local()
        self._before = logging.Logger.callHandlers
        before, seen = self._before, self._seen

        def call_handlers(log: logging.Logger, record: logging.LogRecord) -> None:
            seen(record)
            before(log, record)

        self._wrapper = call_handlers
        logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign, assignment]  # what this is for

    def off(self) -> None:
        """Emit nothing from now on; the method is as it was, unless something else has wrapped it since."""
        self._active = False
        if logging.Logger.callHandlers is self._wrapper:
            logging.Logger.callHandlers = self._before  # type: ignore[method-assign]  # put back

    def _seen(self, record: logging.LogRecord) -> None:
        if not self._active or getattr(self._busy, "now", False) or record.name.partition(".")[0] in _OWN:
            return
        self._busy.now = True
        try:
            if is_instrumentation_enabled():
                self._guard.run("capturing a log record", self._emit, record)
        finally:
            self._busy.now = False

    def _emit(self, record: logging.LogRecord) -> None:
        safe = Redactor(self._content.max_bytes)
        body = safe.clean(_message(record))
        attributes = {**_extra(record, safe), **_place(record), **self._exception(record)}
        if safe.removed:
            attributes[names.CONTENT_CUT] = safe.removed
        severity = severity_of(record.levelno)
        self._logger().emit(
            timestamp=int(record.created * 1e9),
            severity_number=severity,
            severity_text=record.levelname,
            body=body,
            attributes=attributes,
        )

    def _exception(self, record: logging.LogRecord) -> dict[str, Any]:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is None:
            return {}
        on = self._content.on
        found: dict[str, Any] = {names.EXCEPTION_TYPE: public_name(type(error))}
        message = stated_message(error, content_on=on)
        if message is not None:
            found[names.EXCEPTION_MESSAGE] = message
        says = safe_message if on else lambda one: stated_message(one, content_on=False)
        return {**found, names.EXCEPTION_STACKTRACE: stack_of(error, says)}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 (arguments that do not fit their format, or whose `__str__` fails)
        return record.msg if isinstance(record.msg, str) else f"<{type(record.msg).__name__}>"


def _extra(record: logging.LogRecord, safe: Redactor) -> dict[str, Any]:
    found = [(key, value) for key, value in list(vars(record).items()) if key not in _STANDARD][:MAX_EXTRA]
    cleaned: dict[str, Any] = safe.clean(dict(found)) if found else {}
    return cleaned


def _place(record: logging.LogRecord) -> dict[str, Any]:
    return {
        names.LOGGER_NAME: record.name,
        names.CODE_FILE_PATH: record.pathname,
        names.CODE_FUNCTION_NAME: record.funcName or "",
        names.CODE_LINE_NUMBER: record.lineno,
    }
