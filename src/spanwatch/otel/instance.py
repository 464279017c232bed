"""The one configured instance of a process: begun, told about, replaced and ended."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import logging
import sys
import threading
from collections.abc import Iterator

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.exports import Signal
from spanwatch.core.prices import PriceBook
from spanwatch.core.settings import Settings
from spanwatch.otel.engines import diverted, finish_open, start_engine, stop_engine
from spanwatch.otel.executors import Executors
from spanwatch.otel.flushed import Flushed
from spanwatch.otel.guard import say
from spanwatch.otel.multiproc import AtChildExit
from spanwatch.otel.price import IN_FORCE
from spanwatch.otel.price_file import Pricing, described, price_book
from spanwatch.otel.reach import reach
from spanwatch.otel.runtime import Runtime
from spanwatch.otel.status import Instrumented, exit_line, joined_line, start_line
from spanwatch.otel.telemetry import Telemetry
from spanwatch.otel.version import VERSION
from spanwatch.store import forks

FAREWELL, FAREWELL_S = 0.25, 0.5  # of the time at the end, what the interpreter itself takes to go
_AGENTS = "spanwatch.otel.agents_sdk"
_logger = logging.getLogger("spanwatch")


class Instance:
    """Holds the runtime in force; its methods may be called from any thread."""

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self.telemetry: Telemetry | None = None  # where agents, tools and requests report, if anything is configured
        self._executors = Executors()
        self._renew()
        forks.around(child=self._renew)
        self._run: str | None = None
        self._announced = False
        self._child_exit: AtChildExit | None = None
        self._instrumented = Instrumented()
        self._diverted = False

    def _renew(self) -> None:
        """At first, and in a forked child: a thread of the parent's may have been inside."""
        self._lock = threading.RLock()

    def start(self, settings: Settings, run: str | None, *, engine: bool = True) -> None:
        """Begin with these settings, in place of others; the same ones change nothing.

        Args:
            settings: What is configured.
            run: The id of `spanwatch run`, which tells the start line itself; else None.
            engine: Whether the client library is instrumented now, or later by `start_engine()`.
        """
        with self._lock:
            if self._diverted:
                return
            if self.runtime is not None:
                if self.runtime.settings == settings:
                    return
                self._end(settings.exit_timeout)
            self._run, self._announced = run, False
            if settings.disabled:
                self._announce(settings, None)
                return
            book = price_book(settings)
            IN_FORCE.use(book)
            self.runtime = Runtime(
                settings, Pricing(book), run=run, on_joined=self._joined, on_fork=self._at_exit().after_fork, book=book
            )
            self.telemetry = self.runtime.telemetry()
            if settings.executors:
                self._executors.start()
            if engine:
                self.start_engine()
            if settings.agents:
                self._start_agents()
            self._announce(settings, book)

    def start_engine(self) -> None:
        """Instrument the client library.

        Raises:
            ConfigurationError: the engine's package is not installed; nothing stays configured.
        """
        with self._lock:
            if self.runtime is None:
                return
            try:
                self._instrumented = start_engine(self.runtime.settings, self.runtime.telemetry())
            except ConfigurationError:
                self._end(0)
                raise

    def _start_agents(self) -> None:
        """Trace the OpenAI Agents SDK, whose module reports to this instance and so is loaded after it."""
        try:
            importlib.import_module(_AGENTS).start_agents()
        except ConfigurationError:
            self._end(0)
            raise

    def stop(self, timeout: float | None = None) -> Flushed:
        """End within `timeout` seconds, by default the configured ones."""
        with self._lock:
            return Flushed(recorded=True) if self._diverted else self._end(timeout)

    @contextlib.contextmanager
    def diverted(self, telemetry: Telemetry) -> Iterator[None]:
        """Let calls go to `telemetry` instead; `start` and `stop` change nothing meanwhile.

        Raises:
            RuntimeError: they are diverted already.
        """
        with self._lock:
            if self._diverted:
                raise RuntimeError("calls are captured already: end the first capture() before the next begins")
            self._diverted, before, self.telemetry = True, self.telemetry, telemetry
        engine = Settings().openai if self.runtime is None else self.runtime.settings.openai
        try:
            with diverted(engine, telemetry):
                yield
        finally:
            self._diverted, self.telemetry = False, before

    def _end(self, timeout: float | None) -> Flushed:
        runtime, self.runtime, self.telemetry = self.runtime, None, None
        self._executors.stop()
        IN_FORCE.use(None)
        if runtime is None:
            return Flushed(recorded=True)
        stop_engine(runtime.settings)
        if runtime.settings.agents:
            importlib.import_module(_AGENTS).stop_agents()
        told = runtime.close(runtime.settings.exit_timeout if timeout is None else timeout)
        runtime.release()
        return told

    def _at_exit(self) -> AtChildExit:
        if self._child_exit is None:
            atexit.register(self._exit)
            self._child_exit = AtChildExit(self._exit)
        return self._child_exit

    def _exit(self) -> None:
        runtime = self.runtime
        if runtime is None:
            return
        finish_open()
        self.runtime = self.telemetry = None
        settings = runtime.settings
        told = runtime.close(settings.exit_timeout - min(FAREWELL_S, settings.exit_timeout * FAREWELL))
        if told.undelivered:
            owed = [(left.signal, left.count, left.target) for left in told.undelivered]
            say("%s", exit_line(owed, settings.exit_timeout, settings.home if settings.store else None))

    def _announce(self, settings: Settings, book: PriceBook | None) -> None:
        """Tell the start line: on a terminal or on request to stderr, else to the log. Never delays the caller."""
        runtime, run, self._announced = self.runtime, self._run, True
        if run is not None or settings.banner == "off":
            return
        joined: tuple[Signal, ...] = () if runtime is None else runtime.joined_signals()
        limits = () if runtime is None else tuple(runtime.limits)
        instrumented = self._instrumented
        prices = "" if book is None else described(book)

        def tell() -> None:
            targets = {export.target for export in settings.exports if export.signal not in joined or export.url}
            line = start_line(
                settings,
                instrumented,
                version=VERSION,
                prices=prices,
                reach={target: reach(target) for target in targets},
                joined=joined,
                limits=limits,
            )
            _tell(line, aloud=settings.banner == "on" or (settings.banner == "auto" and _terminal()))

        if settings.exports:
            with contextlib.suppress(RuntimeError):  # from Python 3.12 on, while the interpreter shuts down
                threading.Thread(target=tell, name="spanwatch-start-line", daemon=True).start()
        else:
            tell()

    def _joined(self, signal: Signal, note: str | None) -> None:
        if self._announced and signal == "traces":
            _logger.info("%s", joined_line(note))  # no line on stderr: the program has only one from us


def _tell(line: str, *, aloud: bool) -> None:
    if aloud and sys.stderr is not None:
        sys.stderr.write(line + "\n")
    else:
        _logger.info("%s", line)


def _terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
