"""Processes that share a store: one evaluates the sum of all, and when it is killed another takes over."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass

import pytest

from spanwatch.core.errors import StoreError
from spanwatch.core.rules.alert import moment
from spanwatch.store import samples
from spanwatch.store.alerts import DATABASE, AlertBook
from tests.notify.rig import Server
from tests.otel.alerts.rig import eventually

# Each of four has a gauge at 1, and the limit is at 3.5: none of them breaks it alone, nor do three.
PROGRAM = textwrap.dedent("""
    import sys
    import spanwatch
    from opentelemetry import metrics
    from spanwatch import notify
    from spanwatch.otel.setup import INSTANCE
    spanwatch.configure(
        service="desk", home="home", live_interval=1, openai="none", banner="off",
        rules=[spanwatch.Rule("Crowded", "sum(level) > 3.5", for_="FOR")],
        notify=[notify.Webhook("URL", internal=["127.0.0.1"])],
    )
    level = metrics.get_meter("app").create_gauge("level")
    level.set(1)
    print(INSTANCE.runtime.instance, flush=True)
    for line in sys.stdin:
        level.set(float(line))
    """)


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@dataclass
class Worker:
    """One process of the application, and what the store calls it."""

    process: subprocess.Popen
    instance: str = ""

    def set(self, value):
        self.process.stdin.write(f"{value}\n")
        self.process.stdin.flush()

    def end(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def crowd(tmp_path, server):
    """Starts four workers, whose rule waits `for_`."""
    workers = []

    def begin(for_):
        code = PROGRAM.replace("URL", f"http://127.0.0.1:{server.port}/hook").replace("FOR", for_)
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE_", "OTEL_", "SPANWATCH_"))}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        for _ in range(4):
            process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environ, **pipes)
            workers.append(Worker(process))
        for worker in workers:
            worker.instance = worker.process.stdout.readline().strip()
        assert len({worker.instance for worker in workers}) == 4
        return workers

    yield begin
    for worker in workers:
        worker.end()


@pytest.fixture
def book(tmp_path):
    with contextlib.closing(AlertBook(tmp_path / "home")) as made:
        yield made


def leader(directory, workers):
    """The worker that evaluates, by the store."""
    with contextlib.closing(sqlite3.connect(directory / "home" / DATABASE)) as db:
        found = db.execute("SELECT holder FROM leader").fetchone()
    return next((worker for worker in workers if found is not None and worker.instance == found[0]), None)


def killed(directory, workers):
    """Kill the worker that evaluates; those that are left, once one of them does."""
    victim = eventually(lambda: leader(directory, workers))
    os.kill(victim.process.pid, signal.SIGKILL)
    victim.process.wait(30)
    left = [worker for worker in workers if worker is not victim]
    eventually(lambda: leader(directory, left), 60)
    return left


def is_shared_by_all(directory):
    """Whether what each of the four processes has is in the store: a killed one has told its part then."""
    now = time.time_ns()
    with contextlib.suppress(StoreError):  # nothing is there yet
        return len(samples.read(directory / "home", "level", now - 60 * 10**9, now)) == 4
    return False


def told(server, status):
    """The alerts of each notification of a status."""
    bodies = [json.loads(body) for _, _, body in server.requests]
    return [body["alerts"] for body in bodies if body["status"] == status]


def test_what_fires_is_told_once_and_its_end_is_told_by_who_took_over(crowd, book, server, tmp_path):
    workers = crowd("0s")
    eventually(lambda: book.told("webhook"), 60)
    ((alert,),) = told(server, "firing")
    assert (alert["labels"]["alertname"], alert["annotations"]["value"]) == ("Crowded", "4")
    eventually(lambda: is_shared_by_all(tmp_path), 60)

    left = killed(tmp_path, workers)
    before = book.history()
    for worker in left:
        worker.set(0)
    eventually(lambda: told(server, "resolved"), 60)
    assert len(told(server, "firing")) == 1
    assert len(told(server, "resolved")) == 1
    assert [change.alert.state.value for change in before] == ["firing"]


def test_what_was_pending_when_its_evaluator_was_killed_fires_in_time_and_is_told_once(crowd, book, server, tmp_path):
    workers = crowd("8s")
    eventually(lambda: is_shared_by_all(tmp_path), 60)
    (pending,) = eventually(lambda: book.alerts().get("Crowded"), 60)
    left = killed(tmp_path, workers)

    ((alert,),) = eventually(lambda: told(server, "firing"), 60)
    assert alert["startsAt"] == moment(pending.since_ns)
    eventually(lambda: book.told("webhook"), 60)
    left = killed(tmp_path, left)  # and again: two are left
    for worker in left:
        worker.set(0)
    eventually(lambda: told(server, "resolved"), 60)
    assert [len(told(server, status)) for status in ("firing", "resolved")] == [1, 1]
    assert [change.alert.state.value for change in book.history()] == ["resolved", "firing"]


SHORT = textwrap.dedent("""
    import spanwatch
    from opentelemetry import metrics
    from spanwatch import notify
    spanwatch.configure(
        home="home", live_interval=60, openai="none", banner="off", exit_timeout=20,
        rules=[spanwatch.Rule("Crowded", "level > 0.5")],
        notify=[notify.Webhook("URL", internal=["127.0.0.1"])],
    )
    metrics.get_meter("app").create_gauge("level").set(1)
    """)


def test_an_alert_that_only_the_last_evaluation_finds_is_told_before_the_program_ends(tmp_path, server):
    code = SHORT.replace("URL", f"http://127.0.0.1:{server.port}/hook")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE_", "OTEL_", "SPANWATCH_"))}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, check=True, timeout=60)
    (told,) = [json.loads(body) for _, _, body in server.requests]
    assert [alert["labels"]["alertname"] for alert in told["alerts"]] == ["Crowded"]
