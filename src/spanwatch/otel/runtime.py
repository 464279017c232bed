"""One configured instance: pipeline, journal, attachments to the three providers, and how it ends."""

from __future__ import annotations

import os
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor

from spanwatch.core import names
from spanwatch.core.call import Call, Cost
from spanwatch.core.exports import Export, Signal
from spanwatch.core.health import thresholds_from
from spanwatch.core.prices import PriceBook
from spanwatch.core.redact import MAX_REDACTED, redact, rules_from
from spanwatch.core.settings import Settings
from spanwatch.core.values import masked
from spanwatch.otel.alerts.starting import Alerting
from spanwatch.otel.attachments import Logs, Metrics, Taps, Traces
from spanwatch.otel.bounded import left, wait
from spanwatch.otel.budgets.enforcement import Enforcement
from spanwatch.otel.budgets.gauges import Gauges
from spanwatch.otel.budgets.ledgers import ledger_of
from spanwatch.otel.budgets.telling import Telling
from spanwatch.otel.call_events import CallEvents
from spanwatch.otel.clearing import Clearing
from spanwatch.otel.coverage import ENGINES
from spanwatch.otel.delivery.delivery import Delivery
from spanwatch.otel.delivery.lane import Lane
from spanwatch.otel.delivery.syncing import Syncing
from spanwatch.otel.desk import Desk
from spanwatch.otel.encode import Border
from spanwatch.otel.flushed import Flushed, Undelivered
from spanwatch.otel.frames import Frames
from spanwatch.otel.guard import Guard
from spanwatch.otel.journal import Journal, Origin
from spanwatch.otel.live.live import Live, Share
from spanwatch.otel.log_hooks import LogHooks
from spanwatch.otel.outlets import Way
from spanwatch.otel.pipeline import Pipeline
from spanwatch.otel.processor import CallProcessor, LogProcessor
from spanwatch.otel.projector import Projector
from spanwatch.otel.recorder import Recorder
from spanwatch.otel.scrape import Door
from spanwatch.otel.telemetry import Content, Telemetry
from spanwatch.otel.version import VERSION
from spanwatch.otel.worker import Added, Worker
from spanwatch.store import forks
from spanwatch.store.ledger import Ledger
from spanwatch.store.projection import project
from spanwatch.store.retention import Limits, prune
from spanwatch.store.samples import MAX_SAMPLES

_NO_TAPS = Taps()
STOP_S = 0.1  # that a sender has to end, once its connection is broken off


def _border(settings: Settings) -> Border:
    most = max(MAX_REDACTED, settings.content_max_bytes if settings.content else 0)
    return Border(rules_from(settings.redact), most, 2 * most)


def new_id() -> str:
    """32 hex characters, random."""
    return os.urandom(16).hex()


class Runtime:
    """Everything between `configure()` and `shutdown()`. `instance` is 32 hex, unique per process, also after a fork.

    Args:
        settings: What is configured.
        price: Call → Cost.
        run: The id that `spanwatch run` gave, or None.
        on_joined: Called when the application's provider comes into force, with a limit to tell or None.
        taps: Further receivers of spans, logs and metrics.
        on_fork: Called in each forked child.
        observers: Called with every counted call.
        book: The prices that budgets estimate calls by; without it there are no budgets.

    Raises:
        ConfigurationError: the ledger of the budgets cannot be had.
    """

    _worker: Worker
    _resource: tuple[str, Resource] | None = None

    def __init__(
        self,
        settings: Settings,
        price: Callable[[Call], Cost],
        *,
        run: str | None = None,
        on_joined: Callable[[Signal, str | None], None] = lambda _signal, _note: None,
        taps: Taps = _NO_TAPS,
        on_fork: Callable[[], object] = lambda: None,
        observers: Sequence[Callable[[Call], None]] = (),
        book: PriceBook | None = None,
    ) -> None:
        self.settings, self.taps, self.guard, self.active = settings, taps, Guard(), True
        self.clearing = Clearing(_border(settings))
        self.live = self._live()
        self._alerting = Alerting(settings, self.live, self.guard, lambda: self.instance, self.border)
        self.alerts, self._spending = self._alerting.evaluator, (*settings.budgets, *self._alerting.budgets)
        ledger = ledger_of(settings) if self._spending and book is not None else None
        self.ways: list[Way] = []
        self.limits: list[str] = []
        self.on_joined, self.on_fork = on_joined, on_fork
        self.instance = new_id()
        self.traces, self.metrics, self.logs = Traces(self), Metrics(self), Logs(self)
        self.delivery = Delivery(settings, self._sent_resource, self._count, self.guard)
        self.metrics.attach()
        self._worker = Worker(Recorder(self.metrics.meter()), self.guard)
        self.journal = self._journal(run)
        self.delivery.attach(self.journal)
        self.delivery.observe(self.metrics.meter())
        self._syncing = None
        if self.journal is not None and settings.fsync == "interval":
            self._syncing = Syncing(self.journal.sync, self.guard)
        self.logs.attach()
        self.budgets = None if ledger is None or book is None else self._budgets(ledger, book)
        self.desk = Desk(
            Path(settings.home).absolute() if settings.store else None, [key.encode() for key in settings.feedback_key]
        )
        self.pipeline = Pipeline(
            price,
            self._worker,
            Frames(),
            self.guard,
            journal=self.journal,
            logger=self.logs.logger,
            compat=settings.cost_attributes,
            content_on=settings.content,
            observers=(self.desk.saw, *self._alerting.observers(self._worker.defer), *observers),
            details=CallEvents(self.logs.logger) if settings.call_events else None,
            budgets=self.budgets,
        )
        self.traces.attach()
        self._worker.start()
        self.door = self._door()
        self._projector = self._projecting()
        self._alerting.start()
        self._log_hooks = LogHooks(settings, self.logs.logger, self.guard)
        forks.FORKS.after_others()  # providers renew their locks and name themselves anew: ours is the last word
        forks.around(child=self._in_child)

    @property
    def border(self) -> Border:
        """What may leave."""
        return self.clearing.border

    def telemetry(self) -> Telemetry:
        """What an instrumentation needs."""
        return Telemetry(
            tracer=self.traces.tracer,
            finish=self.pipeline.finish,
            defer=self._worker.defer,
            active=lambda: self.active,
            content=Content(self.settings.content, self.settings.content_max_bytes),
            ask_usage=self.settings.stream_usage,
            providers=dict(self.settings.providers),
            clock=time.time_ns,
            new_id=new_id,
            measure=self._worker.put,
            totals=self.pipeline.frames.totals,
            agent=self.pipeline.frames.agent,
            calling=self.pipeline.frames.calling,
            report_cost=self.pipeline.report_cost,
            restate_cost=self.pipeline.restate_cost,
            logger=self.logs.logger,
            budgets=self.budgets,
            keep=lambda kind, body: self.journal is not None and self.journal.append(kind, body),
            desk=self.desk,
        )

    def resource(self) -> Resource:
        """Who this process is; made once, for it takes threads, which the end of the process has none of."""
        if self._resource is None or self._resource[0] != self.instance:
            named = {} if self.settings.service is None else {names.SERVICE_NAME: self.settings.service}
            made = Resource.create(
                {
                    **named,
                    "service.instance.id": str(uuid.UUID(self.instance)),
                    "telemetry.distro.name": "spanwatch",
                    "telemetry.distro.version": VERSION,
                }
            )
            self._resource = (self.instance, made)
        return self._resource[1]

    def processor(self, inner: Sequence[SpanProcessor], lane: Lane | None, *, whole: bool) -> SpanProcessor:
        """The hinge's inside."""
        engine = ENGINES.get(self.settings.openai)
        scope = None if engine is None else engine.scope
        content_on = self.settings.content
        return CallProcessor(
            self.pipeline, inner, whole=whole, engine_scope=scope, content_on=content_on, lane=lane, border=self.border
        )

    def log_processor(self, lane: Lane | None) -> LogProcessor | None:
        """What journals log records, with the store on, and what has them sent."""
        keeper = lane or self.journal
        return None if keeper is None else LogProcessor(keeper, self.guard, self.border)

    def lane(self, signal: Signal, export: Export | None, only_scope: str | None) -> Lane | None:
        """Our own way out for a signal; None where it has none, or goes out by the stock exporter."""
        found = None if export is None else self.delivery.open(export, only_scope)
        if found is None:
            self.delivery.close(signal)
        return found

    def opened(self, way: Way) -> None:
        """A signal has a way out from now on."""
        self.ways.append(way)

    def joined(self, signal: Signal, note: str | None) -> None:
        """The application's provider is in force."""
        if note is not None:
            self.limits.append(note)
        self.on_joined(signal, note)

    def joined_signals(self) -> tuple[Signal, ...]:
        """The signals whose provider is the application's."""
        return tuple(part.signal for part in (self.traces, self.metrics, self.logs) if part.is_joined)

    def flush(self, timeout: float) -> Flushed:
        """Hand everything over within `timeout` seconds; what failed is told here once and written off."""
        return self._settle(time.monotonic() + timeout, lambda way, until: way.flush(until))

    def drain(self, timeout: float) -> bool:
        """Wait until what was deferred or queued for the metrics is done; False when the time was too short."""
        return self._worker.drain(timeout)

    def close(self, timeout: float) -> Flushed:
        """Stop: providers stay, empty-handed; waits at most `timeout` seconds, all steps together."""
        self.active, deadline = False, time.monotonic() + timeout
        self._log_hooks.off()
        if self.budgets is not None:
            self._worker.drain(left(deadline))  # ends of dropped streams, which are charged
            self.budgets.close(left(deadline))
        if self.door is not None:
            self.door.close(left(deadline))
        self._alerting.stop(lambda: self._worker.drain(left(deadline)))
        if self.live is not None:
            self._worker.drain(left(deadline))
            self.live.stop()
        if self.journal is not None:
            self.journal.hurry(left(deadline) / 2)
        told = self._settle(deadline, lambda way, until: way.close(until))
        for way in self.ways:
            self.guard.run("ending an exporter", way.abort)
        for part in (self.traces, self.metrics, self.logs):
            part.detach()
        self.delivery.stop(min(STOP_S, timeout))
        if self._syncing is not None:
            self._syncing.stop(left(deadline))
        if self.journal is not None:
            self.journal.hurry(left(deadline))
            self.journal.close()
        self.delivery.release()
        self.desk.close()
        self._alerting.join(left(deadline))
        if self.live is not None:
            self.live.join(left(deadline))
        if self._projector is not None:
            self._projector.stop(left(deadline))
        self._worker.retire()
        return told

    def release(self) -> None:
        """After `close`, where the process goes on: take out of the application's providers what can be."""
        self.guard.run("taking a reader out of a provider", self.metrics.release)

    def _settle(self, deadline: float, begin: Callable[[Way, float], threading.Event]) -> Flushed:
        recorded = self._worker.drain(left(deadline))
        begun = [(way, way.owed(), begin(way, deadline)) for way in self.ways]
        rest = [(way, way.left(before, tried=wait(tried, deadline))) for way, before, tried in begun]
        recorded = (self.journal is None or self.journal.drain(left(deadline))) and recorded
        owed = [(each.export, count) for each, count in rest if count]
        told = (Undelivered(export.signal, count, str(masked(export.target))) for export, count in owed)
        return Flushed(recorded, tuple(told), self.delivery.accounts())

    def _in_child(self) -> None:
        """After a fork: a process of its own, with its own id, counts from zero and connections."""
        if not self.active:
            return
        self.ways = [way for way in self.ways if way.export.signal != "metrics"]
        if self.journal is None:
            self._renamed()
        if self.door is not None:
            self.door.after_fork()
        if self.budgets is not None:
            self.budgets.after_fork()
        self._alerting.after_fork()
        if self.live is not None:
            self.live.renew()
        for renew in (self.traces.renew, self.logs.renew, self.metrics.renew):
            self.guard.run("starting anew after a fork", renew)
        self.on_fork()

    def _budgets(self, ledger: Ledger, book: PriceBook) -> Enforcement:
        settings = self.settings
        found = Enforcement(
            self._spending,
            ledger,
            book,
            self.guard,
            service=settings.service,
            telling=Telling(self._spending, self.logs.logger, self.guard),
            count=lambda metric, amount, labels: self._worker.put(Added(metric, amount, labels)),
            home=Path(settings.home).absolute() if settings.store else None,
            instance=lambda: self.instance,
            clock=time.time_ns,
        )
        self._gauges = Gauges(
            self.metrics.meter(), settings.budgets, found.leading, own=settings.ledger_in_force == "memory"
        )
        return found

    def _projecting(self) -> Projector | None:
        if self.journal is None:
            return None
        projector = Projector(self.journal, project, self._tidy, self.guard, freed=self.delivery.freed)
        projector.start()
        return projector

    def _tidy(self, home: Path) -> None:
        limits = Limits(self.settings.retention_days, self.settings.retention_bytes)
        prune(home, limits, time.time_ns())

    def _live(self) -> Live | None:
        settings = self.settings
        if not settings.live_interval:
            return None
        most = min(MAX_SAMPLES, settings.retention_bytes // 1024)  # about a quarter of what the store may take
        share = Share(Path(settings.home).absolute() if settings.store else None, self._service() or None, most)
        drain = weakref.WeakMethod(self.drain)  # a provider never lets go of its readers
        return Live(
            share,
            self.guard,
            lambda timeout: (found := drain()) and found(timeout),
            interval_s=settings.live_interval,
            clear=self.clearing.metrics,
        )

    def _door(self) -> Door | None:
        settings = self.settings
        if settings.metrics_port is None or self.live is None:
            return None
        limits = thresholds_from(settings.health or "")
        door = Door(self.live, limits, self.guard, host=settings.metrics_host, port=settings.metrics_port)
        self.guard.run("opening /metrics", door.ensure)
        self.live.on_tick = door.ensure
        return door

    def _journal(self, run: str | None) -> Journal | None:
        if not self.settings.store:
            return None
        delivery, names = self.delivery, iter([self.instance])
        origin = Origin(self._service(), run, self._sent_resource, delivery.owed)
        spool = delivery.spool
        return Journal(
            Path(self.settings.home).absolute(),
            origin,
            lambda: next(names, "") or self._renamed(),
            lost=self._worker.lost,
            rules=self.border.rules,
            begun=lambda path: None if spool is None else spool.opened(path),
            ended=lambda: None if spool is None else spool.closed(),
        )

    def _service(self) -> str:
        return redact(self.settings.service or "", rules=self.border.rules)

    def _count(self, added: Added) -> None:
        self._worker.put(added)

    def _sent_resource(self) -> Mapping[str, Any]:
        """The resource that spans have, without secrets: the application's, where its provider is joined."""
        theirs = self.traces.resource()
        return self.clearing.resource(self.resource() if theirs is None else theirs).attributes

    def _renamed(self) -> str:
        self.instance = new_id()
        return self.instance
