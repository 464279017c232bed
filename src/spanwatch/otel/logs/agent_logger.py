"""AgentLogger: what an agent does, as OTel log records, and by choice as lines in a file and on the console."""

from __future__ import annotations

import logging
import os
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from opentelemetry._logs import SeverityNumber

from spanwatch.core import names
from spanwatch.core.redact import Redactor, redact
from spanwatch.otel.context import carried
from spanwatch.otel.correlation import here
from spanwatch.otel.guard import Guard
from spanwatch.otel.logs.describing import REQUEST, RESPONSE, Attributes, ended, failed, gave, given, raised, said
from spanwatch.otel.logs.line_file import LineFile
from spanwatch.otel.logs.lines import Entry, console_line, json_line
from spanwatch.otel.severity import severity_of
from spanwatch.otel.spans.force import in_force
from spanwatch.otel.telemetry import Content

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_NAME = 256

Describe = Callable[[Redactor, Content], Attributes]


class AgentLogger:
    """Logs what an agent does, with the trace, span, user and conversation of the moment. Its methods never raise.

    It needs no `configure()`: before it, and after `shutdown()`, the file and the console get every record, and OTel
    what its global provider takes. Texts of requests and responses and the values of tools follow the content switch;
    with it off, sizes and types are logged. `data` is what you chose to log: it is kept, without secrets, and what is
    cut says how long it was.

    Args:
        agent_id: The agent, as `gen_ai.agent.name` on each record.
        file: A file that gets each record as one line of JSON. Other processes may append to it too.
        console: Whether stderr gets each record as one readable line.
        max_bytes: Size at which the file is rotated; 0 never.
        backups: How many rotated files are kept.
        clock: UNIX nanoseconds.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        file: str | os.PathLike[str] | None = None,
        console: bool = False,
        max_bytes: int = MAX_FILE_BYTES,
        backups: int = 5,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if not isinstance(agent_id, str):
            raise TypeError(f"agent_id is a name such as 'orders', not {type(agent_id).__name__}")
        if not agent_id.strip():
            raise ValueError("agent_id is empty: give the agent's name, such as 'orders'")
        for name, value in (("max_bytes", max_bytes), ("backups", backups)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"{name} is {value!r}: give a whole number from 0")
        self.agent_id = redact(agent_id, MAX_NAME)
        self._console, self._clock, self._guard = console, clock, Guard()
        self._file = None if file is None else LineFile(Path(file), max_bytes, backups)
        if self._file is not None:
            weakref.finalize(self, self._file.abandon)

    def request(self, text: object, *, user_id: str | None = None, data: Mapping[str, Any] | None = None) -> None:
        """The agent was asked `text`."""

        def described(safe: Redactor, content: Content) -> Attributes:
            found = said(text, REQUEST, content, safe)
            return found if user_id is None else {**found, names.USER_ID: safe.clean(user_id)}

        self._log(names.EVENT_AGENT_REQUEST, logging.INFO, described, data)

    def response(
        self,
        text: object,
        *,
        duration_s: float | None = None,
        error: BaseException | None = None,
        ok: bool | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """The agent answered `text`; it failed when `ok` says so, or with `error`. None is an answer like any other."""

        def described(safe: Redactor, content: Content) -> Attributes:
            found = said(text, RESPONSE, content, safe)
            return {**found, **ended(ok, error, duration_s, content)}

        self._log(names.EVENT_AGENT_RESPONSE, _level(ok, error), described, data)

    def tool_call(
        self,
        name: str,
        arguments: object = None,
        result: object = None,
        *,
        call_id: str | None = None,
        duration_s: float | None = None,
        error: BaseException | None = None,
        ok: bool | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """A tool was called; it failed when `ok` says so, or with `error`. A result of None is no failure."""

        def described(safe: Redactor, content: Content) -> Attributes:
            found: Attributes = {names.TOOL_NAME: safe.clean(name)}
            if call_id is not None:
                found[names.TOOL_CALL_ID] = safe.clean(call_id)
            found.update(given(arguments, content, safe))
            found.update(gave(result, content, safe))
            return {**found, **ended(ok, error, duration_s, content)}

        self._log(names.EVENT_AGENT_TOOL_CALL, _level(ok, error), described, data)

    def error(
        self, error: BaseException | str, *, message: str | None = None, data: Mapping[str, Any] | None = None
    ) -> None:
        """Something went wrong: an exception, with its type, message and stack, or words.

        With content off the messages of model clients' exceptions, which may quote a prompt, are left out; a `message`
        of your own is kept.
        """

        def described(safe: Redactor, content: Content) -> Attributes:
            if not isinstance(error, BaseException):
                return {names.EXCEPTION_MESSAGE: safe.clean(error if message is None else message)}
            found = raised(error, content)
            return found if message is None else {**found, names.EXCEPTION_MESSAGE: safe.clean(message)}

        self._log(names.EVENT_AGENT_ERROR, logging.ERROR, described, data)

    def event(self, type: str, data: Mapping[str, Any] | None = None, level: str | int = "info") -> None:  # noqa: A002 (the field's word)
        """Something of your own happened: `type` is the event's name. An unknown level counts as info."""
        self._log(type, level, lambda _safe, _content: {}, data)

    def close(self) -> None:
        """Close the file; a later record opens it again."""
        if self._file is not None:
            self._guard.run("closing a log file", self._file.close)

    def _log(self, event: str, level: str | int, describe: Describe, data: Mapping[str, Any] | None) -> None:
        self._guard.run("logging an event", self._record, event, level, describe, data)

    def _record(self, event: str, level: str | int, describe: Describe, data: Mapping[str, Any] | None) -> None:
        content, place = in_force().content, here()
        safe = Redactor(content.max_bytes)
        found: Attributes = {**safe.clean(carried().attributes), names.AGENT_NAME: self.agent_id}
        if place.user_id is not None:
            found[names.USER_ID] = safe.clean(place.user_id)
        if place.conversation_id is not None:
            found[names.CONVERSATION_ID] = safe.clean(place.conversation_id)
        found.update(self._guard.run("describing an event", describe, safe, content) or {})
        if data is not None:
            found[names.LOG_DATA] = safe.clean(data)
        if safe.removed:
            found[names.CONTENT_CUT] = safe.removed
        if safe.cut:
            found[names.REPLACED] = safe.cut
        severity = severity_of(level)
        name = redact(event, MAX_NAME) if isinstance(event, str) else f"<{event.__class__.__name__}>"
        entry = Entry(self._clock(), severity.name, name, place.trace_id, place.span_id, found)
        if self._file is not None:
            self._guard.run("writing a log file", self._file.append, json_line(entry))
        if self._console:
            self._guard.run("writing to the console", _show, entry)
        self._guard.run("emitting a log record", self._emit, entry, severity)

    def _emit(self, entry: Entry, severity: SeverityNumber) -> None:
        in_force().logger().emit(
            timestamp=entry.time_ns,
            severity_number=severity,
            severity_text=entry.severity,
            event_name=entry.event,
            attributes=dict(entry.attributes),
        )


def _level(ok: bool | None, error: BaseException | None) -> int:
    return logging.ERROR if failed(ok, error) else logging.INFO


def _show(entry: Entry) -> None:
    stream = sys.stderr
    if stream is not None:
        colour = stream.isatty() and not os.environ.get("NO_COLOR")
        encoding = getattr(stream, "encoding", None) or "utf-8"
        line = console_line(entry, colour=colour) + "\n"
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
