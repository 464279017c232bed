"""Threads that can be given up: they outlive what fails on them, and end when they are given up."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from spanwatch.otel.alerts.patience import Patience
from spanwatch.otel.bounded import Bounded


def threads(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


def fails():
    raise ConnectionError("the collector is away")


def test_an_action_that_fails_costs_neither_its_thread_nor_a_traceback(caplog):
    ran, bounded = [], Bounded("spanwatch-test-failing")
    for action in (threading.get_ident, fails, fails, threading.get_ident):
        assert bounded.start(lambda action=action: ran.append(action())).wait(10)
    bounded.end()
    assert len(ran) == 2
    assert ran[0] == ran[1]
    assert [record.getMessage() for record in caplog.records] == [
        "spanwatch: an action of spanwatch-test-failing failed with ConnectionError; the application is not affected"
    ]


def test_a_thread_that_is_given_up_ends_after_what_was_started_and_runs_nothing_more():
    ran, gate, bounded = [], threading.Event(), Bounded("spanwatch-test-given-up")
    (thread,) = threads("spanwatch-test-given-up")
    bounded.start(lambda: gate.wait(10))
    last = bounded.start(lambda: ran.append("before"))
    bounded.end()
    assert bounded.start(lambda: ran.append("after")).is_set()
    gate.set()
    assert last.wait(10)
    thread.join(10)
    assert not thread.is_alive()
    assert ran == ["before"]


def test_what_hangs_again_and_again_leaves_no_thread_behind():
    patience, gate = Patience("spanwatch-test-hanging"), threading.Event()
    for number in range(5):
        try:
            patience.of(f"{number}", lambda: gate.wait(10), 0.01)
        except TimeoutError:
            continue
    hung = threads("spanwatch-test-hanging")
    gate.set()
    patience.end()
    for thread in hung:
        thread.join(10)
    assert len(hung) == 6
    assert threads("spanwatch-test-hanging") == []


def refused(_thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")


def test_nobody_waits_for_a_thread_that_cannot_be_started_any_more(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        bounded, patience = Bounded("spanwatch-test-late"), Patience("spanwatch-test-late")
        assert bounded.start(fails).is_set()
        with pytest.raises(TimeoutError):
            patience.of("rule", fails, 1e6)


def test_a_forked_child_starts_no_thread_that_had_ended_before():
    program = """
        import os, sys, threading
        from spanwatch.otel.bounded import Bounded
        over, at_work = Bounded("over"), Bounded("at work")
        (thread,) = [each for each in threading.enumerate() if each.name == "over"]
        over.end()
        thread.join(10)
        child = os.fork()
        if child == 0:
            os._exit(sorted(each.name for each in threading.enumerate()) != ["MainThread", "at work"])
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=30, env=os.environ)
