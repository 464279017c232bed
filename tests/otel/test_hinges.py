"""What is put into an application's provider and turned off there."""

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from spanwatch.otel.hinges import SpanHinge


class TurnedOffMeanwhile(SpanHinge):
    """Off by another thread as soon as it was looked whether it is on."""

    @property
    def _target(self):
        target, self.target = self.target, None
        return target

    @_target.setter
    def _target(self, target):
        self.target = target


class Noted(SpanProcessor):
    def __init__(self):
        self.seen = []

    def on_start(self, span, parent_context=None):
        self.seen.append("start")

    def on_end(self, span):
        self.seen.append("end")

    def shutdown(self):
        self.seen.append("shutdown")

    def force_flush(self, timeout_millis=30_000):
        self.seen.append("flush")
        return True


def test_a_span_that_begins_or_ends_while_another_thread_turns_us_off_raises_nothing():
    noted, provider = Noted(), TracerProvider(shutdown_on_exit=False)
    hinge = TurnedOffMeanwhile(noted)
    provider.add_span_processor(hinge)
    span = provider.get_tracer("app").start_span("work")
    for step in (span.end, provider.force_flush, provider.shutdown):
        hinge.target = noted
        step()
    assert noted.seen == ["start", "end", "flush", "shutdown"]
    hinge.off()
    assert hinge.force_flush() is True
    assert noted.seen == ["start", "end", "flush", "shutdown"]
