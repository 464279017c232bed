from __future__ import annotations

import threading
import time

import pytest

from spanwatch.otel.guard import Guard
from spanwatch.otel.journal import Journal, Origin
from spanwatch.otel.projector import Projector
from tests.otel.rig import new_id


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path, Origin("svc"), new_id)
    yield journal
    journal.close()


def test_the_store_is_brought_up_to_date_when_the_application_pauses_and_tidied_once(journal, tmp_path):
    projected, tidied, done = [], [], threading.Event()

    def project(home):
        projected.append(home)
        done.set()

    projector = Projector(journal, project, tidied.append, Guard(), quiet_s=0.02)
    journal.append("log", {})
    projector.start()
    assert done.wait(5)
    time.sleep(0.15)
    assert projected == [tmp_path]
    assert tidied == [tmp_path]
    done.clear()
    journal.append("log", {})
    assert done.wait(5)
    assert projector.stop(5)
    assert tidied == [tmp_path]


def test_steady_work_is_projected_at_its_interval_only(journal):
    times = []
    projector = Projector(
        journal, lambda _: times.append(time.monotonic()), lambda _: None, Guard(), quiet_s=0.02, at_least_s=0.2
    )
    projector.start()
    until = time.monotonic() + 0.7
    while time.monotonic() < until:
        journal.append("log", {})
        time.sleep(0.002)
    assert projector.stop(5)
    assert 1 <= len(times) <= 4


def test_a_failing_store_is_said_once_and_tried_again(journal, caplog):
    guard = Guard()
    tried = threading.Event()

    def broken(home):
        if guard.failures["bringing the store up to date"]:
            tried.set()
        raise OSError("disk")

    projector = Projector(journal, broken, lambda _: None, guard, quiet_s=0.02)
    projector.start()
    until = time.monotonic() + 5
    while not tried.is_set() and time.monotonic() < until:
        journal.append("log", {})
        time.sleep(0.05)
    assert projector.stop(5)
    assert tried.is_set()
    assert len(caplog.records) == 1


def test_a_projection_that_hangs_does_not_hold_up_the_end(journal):
    release, entered = threading.Event(), threading.Event()

    def hanging(home):
        entered.set()
        release.wait(10)

    projector = Projector(journal, hanging, lambda _: None, Guard(), quiet_s=0.02)
    journal.append("log", {})
    projector.start()
    assert entered.wait(5)
    assert not projector.stop(0.1)
    release.set()
    assert projector.stop(5)
