"""An evaluator over series that a test sets, with a clock of its own; and receivers that remember."""

import threading
import time
from typing import ClassVar

from spanwatch.core.points import Identity, pack
from spanwatch.core.series import SECOND_NS, Sample, Series
from spanwatch.notify.routing import to
from spanwatch.otel.alerts.evaluator import Evaluator, Wiring
from spanwatch.otel.guard import Guard

T0 = 1_700_000_000 * SECOND_NS


class Clock:
    def __init__(self, at_ns=T0):
        self.at_ns = at_ns

    def __call__(self):
        return self.at_ns

    def later(self, seconds):
        self.at_ns += int(seconds * SECOND_NS)


class Heard:
    """A receiver: remembers what it is told, and fails or hangs when it is told to."""

    def __init__(self, name="heard"):
        self.receiver_name, self.told, self.tried = name, [], 0
        self.fails, self.gate = False, threading.Event()
        self.gate.set()
        self._changed = threading.Condition()

    def __call__(self, notification):
        with self._changed:
            self.tried += 1
            self._changed.notify_all()
        self.gate.wait(30)
        if self.fails:
            raise ConnectionError("refused")
        with self._changed:
            self.told.append(notification)
            self._changed.notify_all()

    def wait(self, count, seconds=20):
        """The first `count` notifications."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.told) >= count, seconds), self.told
        return self.told[:count]

    def wait_tried(self, count, seconds=20):
        with self._changed:
            assert self._changed.wait_for(lambda: self.tried >= count, seconds)


class Process:
    """One process's evaluator, whose gauge `level` a test sets; `over` ends those of a test."""

    made: ClassVar[list] = []

    def __init__(
        self, rules, *receivers, home=None, clock=None, holder="one", interval_s=15.0, refresh=lambda: None, **route
    ):
        self.clock, self.values = clock or Clock(), {}
        wiring = Wiring(
            lambda _window: self.series(),
            lambda: holder,
            Guard(),
            home=home,
            clock=self.clock,
            service="bot",
            refresh=refresh,
        )
        routes = [to(each, **{"severities": ("info", "warning", "critical"), **route}) for each in receivers]
        self.evaluator = Evaluator(rules, routes, wiring, interval_s=interval_s)
        self.made.append(self.evaluator)

    @classmethod
    def over(cls):
        while cls.made:
            evaluator = cls.made.pop()
            for courier in evaluator._couriers:
                courier.stop()
            for courier in evaluator._couriers:
                courier.join(5)
            evaluator.book.close()

    def set(self, value, **labels):
        self.values[tuple(sorted(labels.items()))] = value

    def series(self):
        if callable(self.values):
            return self.values()
        now = self.clock()
        return [
            Series(Identity("level", "gauge", "", "", labels), (Sample(now - SECOND_NS, pack((value,))),), now)
            for labels, value in self.values.items()
        ]

    def evaluate(self, after_s=15):
        self.clock.later(after_s)
        return self.evaluator.evaluate()


def eventually(question, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.02)
    raise AssertionError("it never came true")
