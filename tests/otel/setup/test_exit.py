"""The end of a process: one deadline for all of it, whatever hangs; what was owed arrives later, or before it ends."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from opentelemetry import metrics, trace

from spanwatch.core.budgets import Budget
from spanwatch.core.prices import PriceBook
from spanwatch.core.settings import resolve
from spanwatch.otel.runtime import Runtime

SLACK_S = 3.0  # interpreters take their time on a loaded machine

PROGRAM = """
import atexit, time
began = time.time()
atexit.register(lambda: print(time.time() - began, flush=True))  # before ours, and so run after it
import spanwatch
from opentelemetry import trace
from opentelemetry._logs import LogRecord, get_logger
spanwatch.configure(endpoint={url!r}, home={home!r}, openai="none", banner="off", **{more!r})
for number in range({count}):
    trace.get_tracer("app").start_span("s").end()
    get_logger("app").emit(LogRecord(timestamp=time.time_ns(), body="one"))
began = time.time()
print(began, flush=True)
"""


def environ():
    return {key: value for key, value in os.environ.items() if not key.startswith(("COV", "OTEL_"))}


def run(url, home, count=20, **more):
    """Run a program to its end; seconds of its exit as it sees them and as they are, and what it said."""
    code = PROGRAM.format(url=url, home=str(home), more=more, count=count)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environ(), check=True
    )
    at, inside = map(float, ended.stdout.split())
    return inside, time.time() - at, ended.stderr


def wait_for(true, timeout=30):
    until = time.monotonic() + timeout
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    assert true()


@pytest.mark.parametrize(("given", "seconds"), [(0, 0), (1, 1), (None, 2), (4, 4)])
def test_the_exit_takes_as_long_as_was_said_when_a_collector_hangs_and_loses_nothing(sink, tmp_path, given, seconds):
    sink.gate.clear()
    home, more = tmp_path / "home", {} if given is None else {"exit_timeout": given}
    inside, whole, stderr = run(sink.url, home, **more)
    assert seconds * 0.75 <= inside <= whole <= seconds + SLACK_S
    assert stderr.count("is kept in") == 1
    assert f"not delivered within {seconds} s" in stderr
    assert "20 spans" in stderr
    assert "20 log records" in stderr
    sink.gate.set()
    sink.requests.clear()
    code = PROGRAM.format(url=sink.url, home=str(home), more={"exit_timeout": 20}, count=20) + "input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ()
    ) as again:
        wait_for(lambda: len({span.span_id for span, _, _ in sink.spans()}) == 40)
        wait_for(lambda: len(sink.logs()) >= 40)
        again.communicate(b"\n", timeout=60)


def test_the_interpreter_has_some_of_the_time_at_the_end_for_itself(sink, tmp_path):
    sink.gate.clear()
    inside, _, _ = run(sink.url, tmp_path / "home", exit_timeout=10)
    assert 9 <= inside < 10


@pytest.mark.parametrize("count", [1, 2_000])
def test_in_memory_only_what_ended_just_before_the_process_arrives(sink, tmp_path, count):
    _, _, stderr = run(sink.url, tmp_path / "home", count, store=False, exit_timeout=30)
    assert (stderr, len(sink.spans()), len(sink.logs())) == ("", count, count)


@pytest.fixture
def hung():
    """A listener that takes connections and says nothing: to it even a TLS handshake never ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


def test_all_steps_of_the_end_share_one_deadline_though_each_of_them_hangs(no_providers, hung, tmp_path):
    given = {
        "home": str(tmp_path / "home"),
        "openai": "none",
        "endpoint": hung,
        "metrics_port": 0,
        "live_interval": 5,
        "budgets": (Budget("all", usd=5),),
    }
    runtime, release = Runtime(resolve(given, {}), PriceBook().price_call), threading.Event()
    try:
        trace.get_tracer("app").start_span("one").end()
        metrics.get_meter("app").create_observable_gauge("slow", [lambda _options: release.wait(60) and []])
        runtime.telemetry().defer(lambda: release.wait(60))  # whoever drains the worker waits for it
        began = time.monotonic()
        told = runtime.close(1)
        took = time.monotonic() - began
    finally:
        release.set()
    assert not told
    assert 0.9 <= took <= 2.9  # each step has the rest of one second, and not one of its own: there are ten


def test_a_handshake_under_way_is_broken_off_at_the_end(no_providers, hung, tmp_path):
    given = {"home": str(tmp_path / "home"), "openai": "none", "endpoint": hung, "live_interval": 0}
    runtime = Runtime(resolve(given, {}), PriceBook().price_call)
    trace.get_tracer("app").start_span("one").end()
    runtime.close(0.5)
    senders = {"spanwatch-traces", "spanwatch-logs", "spanwatch-metrics"}
    wait_for(lambda: not senders & {thread.name for thread in threading.enumerate()}, 5)  # its timeout is 10 s
