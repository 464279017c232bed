import json
import logging

import pytest
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from spanwatch.core.call import Cost, CostStatus
from spanwatch.core.settings import resolve
from spanwatch.otel.attachments import Taps
from spanwatch.otel.runtime import Runtime


class Configured:
    """A runtime as `configure()` makes it, whose log records are kept in memory."""

    def __init__(self, settings):
        self.exporter = InMemoryLogRecordExporter()
        taps = Taps(logs=(SimpleLogRecordProcessor(self.exporter),))
        self.runtime = Runtime(settings, lambda _call: Cost(1_000, CostStatus.PRICED), taps=taps)

    @property
    def tracer(self):
        return self.runtime.telemetry().tracer()

    def records(self):
        return [record.log_record for record in self.exporter.get_finished_logs()]

    def close(self):
        self.runtime.close(1)


@pytest.fixture
def configured(tmp_path, no_providers):
    """Begins with settings; everything ends after the test, and logging is as it was."""
    factory, call_handlers = logging.getLogRecordFactory(), logging.Logger.callHandlers
    begun = []

    def begin(**settings):
        begun.append(Configured(resolve({"home": tmp_path / "home", "service": "bot", **settings}, {})))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()
    assert logging.getLogRecordFactory() is factory
    assert logging.Logger.callHandlers is call_handlers


@pytest.fixture
def logger():
    """A standard logger of the application's own, that leaves no trace."""
    log = logging.getLogger("shop.orders")
    log.setLevel(logging.DEBUG)
    yield log
    log.handlers.clear()
    log.filters.clear()
    log.propagate = True
    log.setLevel(logging.NOTSET)


def lines(path):
    """The JSON lines of a file; each line is one."""
    text = path.read_text(encoding="ascii")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]
