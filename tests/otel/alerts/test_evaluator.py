"""The evaluator: what fires is told once, by one process, however receivers, rules and clocks behave."""

import threading

import pytest

from spanwatch.core.rules import Firing, Rule, State
from spanwatch.core.rules.silences import Silence, conditions_of
from spanwatch.otel.alerts import couriers
from tests.otel.alerts.rig import T0, Clock, Heard, Process, eventually

HIGH = Rule("High", "level > 5", severity="critical", summary="{{ $labels.of }} is at {{ $value }}")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(couriers, "FIRST_RETRY_S", 0.05)


def test_an_alert_is_told_when_it_fires_and_when_it_ends():
    heard = Heard()
    process = Process([HIGH], heard)
    process.set(9, of="queue")
    assert process.evaluate()
    (first,) = heard.wait(1)
    assert (first.status, first.service, first.title) == ("firing", "bot", "[FIRING] High (bot)")
    assert (first.alerts[0].summary, first.alerts[0].value) == ("queue is at 9", 9.0)
    process.set(1, of="queue")
    process.evaluate()
    _, last = heard.wait(2)
    assert (last.status, last.key, last.alerts[0].state) == ("resolved", first.key, State.RESOLVED)
    assert [change.alert.state.value for change in process.evaluator.book.history()] == ["resolved", "firing"]


def test_the_same_is_told_once_until_it_is_time_to_repeat():
    heard = Heard()
    process = Process([HIGH], heard, repeat="1h")
    process.set(9)
    for _ in range(5):
        process.evaluate()
        heard.wait(1)
    assert len(heard.told) == 1
    process.evaluate(3_600)
    heard.wait(2)


def test_what_does_not_arrive_is_tried_again_and_told_once_it_does():
    heard = Heard()
    heard.fails = True
    process = Process([HIGH], heard)
    process.set(9)
    process.evaluate()
    heard.wait_tried(3)
    heard.fails = False
    heard.wait(1)
    process.evaluate()
    assert len(heard.told) == 1


def test_a_receiver_that_hangs_delays_no_other():
    stuck, heard = Heard("stuck"), Heard("heard")
    stuck.gate.clear()
    process = Process([HIGH], stuck, heard)
    process.set(9)
    process.evaluate()
    heard.wait(1)
    process.set(1)
    process.evaluate()
    heard.wait(2)
    assert (stuck.tried, stuck.told) == (1, [])
    stuck.gate.set()
    stuck.wait(1)


def test_ten_thousand_firings_over_ten_keys_are_ten_notifications():
    heard = Heard()
    process = Process([HIGH], heard, group_by=("alertname", "of"))
    for _ in range(20):
        for n in range(500):
            process.set(9, of=str(n % 10), n=str(n))
        process.evaluate(1)
    heard.wait(10)
    assert len({each.key for each in heard.told}) == 10
    for labels in process.values:
        process.values[labels] = 1
    process.evaluate(1)
    heard.wait(20)
    assert len(heard.told) == 20


def test_a_storm_of_many_rules_is_one_summary():
    heard = Heard()
    process = Process([Rule(f"Rule{n}", "level > 5") for n in range(60)], heard)
    process.set(9)
    process.evaluate()
    (one,) = heard.wait(1)
    assert (len(one.alerts), one.omitted) == (50, 10)
    process.evaluate()
    assert len(heard.told) == 1


def test_a_rule_that_raises_or_hangs_stops_no_other(monkeypatch):
    monkeypatch.setattr("spanwatch.otel.alerts.evaluator.CHECK_S", 0.2)
    never = threading.Event()
    rules = [
        Rule("Raises", check=lambda snapshot: 1 / 0),
        Rule("Hangs", check=lambda snapshot: never.wait(20)),
        Rule("Ambiguous", "level / on () level"),
        HIGH,
    ]
    heard = Heard()
    process = Process(rules, heard)
    process.set(9, of="a")
    process.set(8, of="b")
    process.evaluate()
    (told,) = heard.wait(1)
    assert [alert.name for alert in told.alerts] == ["High", "High"]
    troubles = process.evaluator.book.troubles()
    assert troubles["Raises"] == "it raised ZeroDivisionError"
    assert troubles["Hangs"] == "it raised TimeoutError"
    assert "many-to-many" in troubles["Ambiguous"]
    never.set()
    process.values.popitem()
    process.evaluate()
    assert "Ambiguous" not in process.evaluator.book.troubles()


def test_a_clock_that_steps_back_loses_no_alert():
    heard = Heard()
    process = Process([HIGH], heard)
    process.set(9)
    process.evaluate()
    heard.wait(1)
    process.clock.later(-86_400)
    process.set(1)
    assert process.evaluate()
    assert heard.wait(2)[1].status == "resolved"


def test_callbacks_are_called_with_the_alert_and_may_fail():
    called = []

    def fails(alert):
        called.append(("fire", alert.name))
        raise RuntimeError

    rule = Rule("High", "level > 5", on_fire=fails, on_resolve=lambda alert: called.append(("end", alert.state.value)))
    process = Process([rule])
    process.set(9)
    process.evaluate()
    process.set(1)
    process.evaluate()
    eventually(lambda: len(called) == 2)
    assert called == [("fire", "High"), ("end", "resolved")]


def test_one_of_several_processes_evaluates_and_another_takes_over_when_it_dies(tmp_path):
    clock, heard = Clock(), [Heard("chat"), Heard("chat"), Heard("chat"), Heard("chat")]
    workers = [Process([HIGH], heard[n], home=tmp_path, clock=clock, holder=str(n)) for n in range(4)]
    for worker in workers:
        worker.set(9)
    assert [worker.evaluate(1) for worker in workers] == [True, False, False, False]
    heard[0].wait(1)
    eventually(lambda: workers[0].evaluator.book.told("chat"))
    assert workers[2].evaluator.firing("High").value == 9.0
    clock.later(60)  # the first one says nothing any more
    assert [worker.evaluate(1) for worker in workers[1:]] == [True, False, False]
    for worker in workers:
        worker.set(1)
    workers[1].evaluate(1)
    assert heard[1].wait(1)[0].status == "resolved"
    assert sum(len(each.told) for each in heard) == 2


def test_state_and_what_was_told_survive_a_restart(tmp_path):
    clock, before, after = Clock(), Heard("chat"), Heard("chat")
    first = Process([Rule("High", "level > 5", for_="20s")], before, home=tmp_path, clock=clock)
    first.set(9)
    first.evaluate()
    assert not before.told
    first.evaluator.book.close()
    second = Process([Rule("High", "level > 5", for_="20s")], after, home=tmp_path, clock=clock, holder="two")
    second.set(9)
    second.evaluate(60)
    assert after.wait(1)[0].alerts[0].since_ns == T0 + 15 * 10**9
    eventually(lambda: second.evaluator.book.told("chat"))
    third = Process([Rule("High", "level > 5", for_="20s")], again := Heard("chat"), home=tmp_path, clock=clock)
    third.set(9)
    third.evaluate(120)
    third.set(1)
    third.evaluate()
    assert again.wait(1)[0].status == "resolved"


def test_a_silenced_alert_fires_and_is_not_told():
    heard = Heard()
    process = Process([HIGH, Rule("Other", "level > 5")], heard)
    process.set(9)
    now = process.clock()
    process.evaluator.book.silence(Silence("s1", conditions_of(["High"]), now, now + 10**12, "me", "known"))
    process.evaluate()
    (told,) = heard.wait(1)
    assert [alert.name for alert in told.alerts] == ["Other"]
    assert {alert.name: alert.silenced_by for alert in process.evaluator.alerts()} == {"High": "s1", "Other": None}
    assert process.evaluator.book.unsilence("s1")
    process.evaluate()
    assert heard.wait(2)[1].alerts[0].name == "High"


def test_what_happens_elsewhere_becomes_an_alert_that_ends(tmp_path):
    clock, heard = Clock(), Heard("chat")
    rule = Rule("Dear", when=lambda call: True, keep_firing_for="1m", summary="{{ $value }}")
    leader = Process([rule], heard, home=tmp_path, clock=clock)
    other = Process([rule], home=tmp_path, clock=clock, holder="two")
    leader.evaluate()
    firing = Firing((("gen_ai_request_model", "gpt-4o"),), 1.5, ("a" * 32,))
    other.evaluator.happen(rule, firing, clock(), clock() + 60 * 10**9)
    leader.evaluate(1)
    (told,) = heard.wait(1)
    assert (told.alerts[0].value, told.alerts[0].trace_ids) == (1.5, ("a" * 32,))
    leader.evaluate(30)
    assert leader.evaluator.firing("Dear")
    leader.evaluate(60)
    assert heard.wait(2)[1].status == "resolved"


def test_alerts_of_rules_that_are_no_more_are_forgotten(tmp_path):
    clock = Clock()
    first = Process([HIGH], home=tmp_path, clock=clock)
    first.set(9)
    first.evaluate()
    second = Process([Rule("Other", "level > 50")], home=tmp_path, clock=clock)
    second.set(9)
    second.evaluate()
    assert second.evaluator.alerts() == []


def test_the_thread_evaluates_by_itself_and_ends_in_time():
    heard = Heard()
    process = Process([HIGH], heard, interval_s=0.2, clock=Clock())
    process.set(9)
    process.evaluator.start()
    heard.wait(1)
    process.evaluator.stop()
    assert process.evaluator.join(20)


def test_every_receiver_has_its_thread_before_there_is_anything_to_tell_and_none_after_the_end():
    before = set(threading.enumerate())
    watched = Process([Rule("High", "level > 1")], Heard("one"), Heard("two"))
    watched.evaluator.start()
    begun = set(threading.enumerate()) - before
    assert {"spanwatch-notify-one", "spanwatch-notify-two", "spanwatch-alerts"} <= {each.name for each in begun}
    watched.evaluator.stop()
    assert watched.evaluator.join(20)
    for thread in begun:
        thread.join(10)
    assert [thread.name for thread in begun if thread.is_alive()] == []
