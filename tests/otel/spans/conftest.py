"""Scopes that report to a pipeline in memory, as they do to a configured one."""

from __future__ import annotations

import gc
import time
from typing import Any

import pytest

from spanwatch.otel.setup import INSTANCE
from spanwatch.otel.spans import run
from spanwatch.otel.telemetry import Content, Telemetry
from tests.otel.rig import Rig, new_id


class Told:
    """A rig, and what the scopes have told it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def telemetry(self, content: Content) -> Telemetry:
        rig = self.rig
        return Telemetry(
            tracer=lambda: rig.tracer,
            finish=rig.pipeline.finish,
            defer=rig.worker.defer,
            active=lambda: True,
            content=content,
            ask_usage=True,
            clock=time.time_ns,
            new_id=new_id,
            measure=rig.worker.put,
            totals=rig.frames.totals,
            agent=rig.frames.agent,
            logger=lambda: rig.logs.get_logger("spanwatch"),
        )

    def spans(self) -> list[Any]:
        """Every finished span, in the order of their ends; what was deferred has been done."""
        assert self.rig.worker.drain(5)
        return list(self.rig.exporter.get_finished_spans())

    def span(self, name: str) -> Any:
        """The one span of that name."""
        (found,) = [span for span in self.spans() if span.name == name]
        return found

    def attributes(self, name: str) -> dict[str, Any]:
        return dict(self.span(name).attributes)

    def parents(self) -> dict[str, str | None]:
        """Names of spans → names of their parents."""
        spans = self.spans()
        names = {span.context.span_id: span.name for span in spans}
        return {span.name: None if span.parent is None else names[span.parent.span_id] for span in spans}

    def collected(self) -> None:
        for _ in range(3):
            gc.collect()
        assert self.rig.worker.drain(5)

    def events(self) -> list[Any]:
        return [record.log_record for record in self.rig.log_exporter.get_finished_logs()]


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Everything is seen, content is off, and nothing of ours may have failed."""
    yield from _told(tmp_path, monkeypatch, Content())


@pytest.fixture
def told_content(tmp_path, monkeypatch):
    """Content is on, cut at 400 bytes."""
    yield from _told(tmp_path, monkeypatch, Content(on=True, max_bytes=400))


def _told(tmp_path, monkeypatch, content):
    told = Told(Rig(tmp_path / ".spanwatch"))
    run.GUARD.failures.clear()
    monkeypatch.setattr(INSTANCE, "telemetry", told.telemetry(content))
    yield told
    told.rig.close()
    assert not run.GUARD.failures
    assert not told.rig.guard.failures
