"""From cause to notifier at most two evaluation intervals, whatever rules, readers, receivers and clocks do."""

import threading
import time

import pytest
from opentelemetry import metrics

import spanwatch
from spanwatch.core.points import Identity, pack
from spanwatch.core.rules import Rule
from spanwatch.core.series import SECOND_NS, Sample, Series
from spanwatch.otel.guard import Guard
from spanwatch.otel.live.live import Live, Share
from tests.otel.alerts.rig import Heard, Process, eventually

INTERVAL_S = 15
HIGH = Rule("High", "level > 5")


def alert_after(process, heard, offset_s):
    """Seconds of the process's clock from a cause, `offset_s` after an evaluation, until the notifier knows."""
    process.set(1)
    process.evaluate(INTERVAL_S)
    process.clock.later(offset_s)
    cause, count = process.clock(), len(heard.told)
    process.set(9)
    process.evaluate(INTERVAL_S - offset_s)
    heard.wait(count + 1)
    return (process.clock() - cause) / SECOND_NS


@pytest.mark.parametrize("offset_s", [0.001, 7, 14.999])
def test_a_cause_is_told_within_two_intervals_wherever_in_one_it_falls(offset_s):
    heard = Heard()
    assert alert_after(Process([HIGH], heard, interval_s=INTERVAL_S), heard, offset_s) <= 2 * INTERVAL_S


def test_rules_and_receivers_that_hang_or_raise_delay_no_alert(monkeypatch):
    monkeypatch.setattr("spanwatch.otel.alerts.evaluator.CHECK_S", 0.5)
    never, stuck, heard = threading.Event(), Heard("stuck"), Heard()
    stuck.gate.clear()
    hangs = [Rule(f"Hangs{n}", check=lambda snapshot: never.wait(60)) for n in range(4)]
    process = Process([*hangs, Rule("Raises", check=lambda snapshot: 1 / 0), HIGH], stuck, heard, interval_s=INTERVAL_S)
    begun = time.monotonic()
    assert alert_after(process, heard, 1) <= 2 * INTERVAL_S
    assert time.monotonic() - begun < INTERVAL_S  # real seconds, of which the clock of the rules knows nothing
    assert stuck.told == []
    never.set()
    stuck.gate.set()


def test_a_rule_that_hangs_holds_one_thread_and_is_asked_again_when_it_has_ended(monkeypatch):
    monkeypatch.setattr("spanwatch.otel.alerts.evaluator.CHECK_S", 0.2)
    asked, goes_on = [], threading.Event()

    def hangs(_snapshot):
        asked.append(1)
        goes_on.wait(60)
        return True

    heard = Heard()
    process = Process([Rule("Hangs", check=hangs)], heard)
    for _ in range(3):
        process.evaluate()
    assert len(asked) == 1
    assert process.evaluator.book.troubles() == {"Hangs": "it raised TimeoutError"}
    goes_on.set()
    eventually(lambda: process.evaluate() and heard.told)
    assert process.evaluator.book.troubles() == {}


@pytest.mark.parametrize("stall", ["hangs", "raises"])
def test_a_reader_that_stalls_stops_no_rule(stall, monkeypatch):
    monkeypatch.setattr("spanwatch.otel.alerts.evaluator.CHECK_S", 0.2)
    goes_on, heard, callers = threading.Event(), Heard(), []

    def refresh():
        callers.append(threading.current_thread())
        if stall == "raises":
            raise RuntimeError
        goes_on.wait(60)

    process = Process([HIGH, Rule("Own", check=lambda snapshot: True)], heard, refresh=refresh)
    process.set(9)
    process.evaluate()
    assert {alert.name for told in heard.wait(2) for alert in told.alerts} == {"High", "Own"}
    process.set(1)
    process.evaluate()
    assert [alert.name for alert in heard.wait(3)[2].alerts] == ["High"]
    assert len(callers) == (1 if stall == "hangs" else 2)
    goes_on.set()


def test_samples_that_cannot_be_read_end_no_alert_and_stop_no_other_rule():
    heard, broken = Heard(), []
    process = Process([HIGH, Rule("Own", check=lambda snapshot: bool(broken))], heard)

    def fails():
        raise OSError(5, "a disk")

    process.set(9)
    process.evaluate()
    heard.wait(1)
    process.values, kept = fails, process.values
    broken.append(1)
    process.evaluate()
    assert [alert.name for alert in heard.wait(2)[1].alerts] == ["Own"]
    assert process.evaluator.firing("High")
    process.values = {**kept, (): 1}
    process.evaluate()
    assert heard.wait(3)[2].status == "resolved"


def test_what_is_new_counts_at_once_after_the_clock_stepped_back():
    heard = Heard()
    process = Process([Rule("Grows", "increase(level_total[5m]) > 5")], heard)
    begun, counted = process.clock(), [(0, 0.0)]

    def series():
        found = tuple(Sample(begun + at * SECOND_NS, pack((value,))) for at, value in counted)
        last = begun + counted[-1][0] * SECOND_NS
        return [Series(Identity("level", "counter", "", "", ()), found, last)]

    process.values = series
    process.evaluate(1)
    process.clock.later(-3_600)
    counted += [(15, 3.0), (30, 9.0)]  # the samples' clock goes on
    process.evaluate(30)
    assert heard.wait(1)[0].alerts[0].name == "Grows"


def test_samples_go_on_when_the_machines_clock_steps_back(monkeypatch):
    live = Live(Share(None, "bot"), Guard(), lambda seconds: None)
    wall = [10**18]
    monkeypatch.setattr("spanwatch.otel.live.live.time.time_ns", lambda: wall[0])
    first = live._now_ns()
    wall[0] -= 3_600 * 10**9
    second, third = live._now_ns(), live._now_ns()
    assert first == 10**18
    assert first < second < third < first + 60 * 10**9
    wall[0] = first + 120 * 10**9
    assert live._now_ns() == wall[0]


def test_an_application_hears_within_two_intervals(tmp_path, no_providers):
    told = {}
    spanwatch.configure(
        service="bot",
        home=tmp_path / "home",
        live_interval=4,
        banner="off",
        openai="none",
        rules=[Rule("High", "sum(level) > 5"), Rule("Raises", check=lambda snapshot: 1 / 0)],
        notify=[lambda notification: told.setdefault(notification.status, time.monotonic())],
    )
    try:
        level = metrics.get_meter("app").create_gauge("level")
        begun = time.monotonic()
        level.set(9)
        eventually(lambda: told.get("firing"), 30)
        assert told["firing"] - begun <= 2 * 4
    finally:
        spanwatch.shutdown(2)
