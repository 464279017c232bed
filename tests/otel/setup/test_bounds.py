"""Bounds held end to end: the journal's size, its place failing, time at exit, and what is said of a loss."""

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest
from opentelemetry import trace

from spanwatch.core.prices import PriceBook
from spanwatch.core.settings import resolve
from spanwatch.otel.delivery import telling
from spanwatch.otel.journal import SEGMENT_BYTES
from spanwatch.otel.runtime import Runtime

MIB = 1 << 20


@pytest.fixture
def begin(no_providers, tmp_path):
    begun = []

    def begin(**settings):
        given = {"home": str(tmp_path / "home"), "openai": "none", "live_interval": 0, **settings}
        begun.append(Runtime(resolve(given, {}), PriceBook().price_call))
        return begun[-1]

    yield begin
    for each in begun:
        each.close(1)


def work(count, **attributes):
    tracer = trace.get_tracer("app")
    for number in range(count):
        tracer.start_span(f"span {number}", attributes=attributes).end()


def wait_for(true, timeout=30):
    until = time.monotonic() + timeout
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    assert true()


def account(runtime):
    (found,) = (each for each in runtime.delivery.accounts() if each.signal == "traces")
    assert found.emitted == found.delivered + found.waiting + found.lost
    return found


def test_the_journal_keeps_to_its_size_and_a_loss_is_said_when_it_begins_and_when_it_ends(
    begin, sink, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(telling, "CALM_S", 0.5)
    sink.status = 503
    runtime = begin(endpoint=sink.url, journal_bytes=MIB)
    for _ in range(5):  # more than four segments, of which three at least have to go
        work(450, text="lorem ipsum " * 1_700)
    wait_for(lambda: account(runtime).dropped.get("journal_full", 0) > 0)
    size = lambda: sum(path.stat().st_size for path in (tmp_path / "home" / "journal").glob("*.log"))  # noqa: E731
    wait_for(lambda: size() <= MIB + SEGMENT_BYTES, 60)  # when the store has read them, they go
    sink.status = 200
    wait_for(lambda: account(runtime).waiting == 0, 60)
    found = account(runtime)
    assert found.emitted == 2_250
    assert len(sink.spans()) == found.delivered == found.emitted - found.lost
    said = lambda words: [text for each in caplog.records if words in (text := each.getMessage())]  # noqa: E731
    ends = lambda: said("were lost; none is lost any more")  # noqa: E731
    wait_for(lambda: sum(int(text.split(" were lost")[0].rsplit(" ", 1)[1]) for text in ends()) == found.lost)
    assert len(said("are being lost (journal_full")) == len(ends())


def test_what_was_delivered_leaves_the_journal_though_nothing_more_is_written(begin, sink, tmp_path):
    sink.status = 503
    runtime = begin(endpoint=sink.url)
    work(450, text="lorem ipsum " * 1_700)  # a whole segment and a bit
    journal = tmp_path / "home" / "journal"
    assert len(list(journal.glob("*.log"))) == 2
    wait_for(lambda: rows(tmp_path / "home") == 450)  # the store has read all of it, and nobody writes
    assert len(list(journal.glob("*.log"))) == 2
    sink.status = 200
    wait_for(lambda: account(runtime).waiting == 0, 60)
    wait_for(lambda: len(list(journal.glob("*.log"))) == 1)


def rows(home):
    uri = f"file:{home / 'store.db'}?mode=ro"
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        return db.execute("SELECT count(*) FROM spans").fetchone()[0]
    return 0  # not made yet


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_while_the_journal_cannot_be_written_spans_go_out_from_memory_and_none_is_lost(
    begin, sink, monkeypatch, caplog, code
):
    runtime = begin(endpoint=sink.url)
    work(3)
    assert runtime.flush(20)
    write = os.write

    def failing(fd, data):
        if b'"k":"' in bytes(data[:64]):
            raise OSError(code, os.strerror(code))
        return write(fd, data)

    monkeypatch.setattr(os, "write", failing)
    work(5)
    assert not runtime.journal.writable
    assert runtime.flush(20)
    assert (account(runtime).delivered, account(runtime).lost) == (8, 0)
    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(runtime.journal, "_retry_s", 0.0)
    work(2)
    assert runtime.journal.writable
    assert runtime.flush(20)
    assert (account(runtime).delivered, account(runtime).lost) == (10, 0)
    assert len({span.span_id for span, _, _ in sink.spans()}) == 10
    told = [each.getMessage() for each in caplog.records]
    again = " is written again; 6 records could not be kept in it meanwhile"  # the report of metrics is one
    assert [text for text in told if text.endswith(again)]
    assert not [text for text in told if "lost" in text]  # they were delivered


def test_a_directory_that_is_deleted_under_way_costs_no_span_that_ends_later(begin, sink, tmp_path):
    runtime = begin(endpoint=sink.url)
    work(3)
    assert runtime.flush(20)
    shutil.rmtree(tmp_path / "home")
    time.sleep(0.1)  # the journal looks for its segment every 50 ms
    work(4)
    assert runtime.flush(20)
    assert len({span.span_id for span, _, _ in sink.spans()}) == 7
    assert (account(runtime).delivered, account(runtime).lost) == (7, 0)


def test_what_waited_in_a_directory_that_is_deleted_is_counted(begin, sink, tmp_path):
    sink.status = 503
    runtime = begin(endpoint=sink.url)
    work(5)
    time.sleep(0.2)
    shutil.rmtree(tmp_path / "home")
    time.sleep(0.1)
    work(2)
    sink.status = 200
    wait_for(lambda: account(runtime).waiting == 0)
    found = account(runtime)
    assert found.emitted == 7
    assert len({span.span_id for span, _, _ in sink.spans()}) == found.delivered >= 2


@pytest.mark.parametrize(("fsync", "forced"), [("interval", True), ("never", False)])
def test_the_journal_is_forced_to_the_disk_only_when_asked(begin, monkeypatch, tmp_path, fsync, forced):
    synced, real = [], os.fdatasync

    def watched(fd):
        synced.append(os.fstat(fd).st_ino)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", watched)
    runtime = begin(fsync=fsync)
    work(1)
    if forced:
        wait_for(lambda: synced)
        assert set(synced) <= {path.stat().st_ino for path in (tmp_path / "home" / "journal").iterdir()}
        synced.clear()
        work(1)
        wait_for(lambda: synced)  # and again, at its interval
    else:
        time.sleep(1.2)
    runtime.close(1)
    assert bool(synced) is forced


USERS = """
import resource
import spanwatch
from opentelemetry import metrics
spanwatch.configure(home={home!r}, openai="none", banner="off", live_interval=1, metrics_port=0)
counter = metrics.get_meter("app").create_counter("requests")
models = [f"model-{{number}}" for number in range(20)]
counter.add(1, {{"user": "first", "model": models[0]}})
assert spanwatch.flush(20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for user in range(100_000):
    counter.add(1, {{"user": f"user-{{user}}", "model": models[user % 20]}})
    counter.add(1, {{"user": f"user-{{user}}", "model": models[(user + 7) % 20]}})
from spanwatch.core.windows import Window
from spanwatch.otel.setup import INSTANCE
live = INSTANCE.runtime.live
live.refresh()
series = live.find("requests", Window(0, 1 << 62))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(series), (after - before) * 1024)
"""


def test_a_hundred_thousand_users_of_twenty_models_cost_20_mb_at_most_and_2000_series(tmp_path):
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("COV", "OTEL_"))}
    code = USERS.format(home=str(tmp_path / "home"))
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environ, check=True
    )
    series, grown = map(int, ended.stdout.split())
    assert 1_000 <= series <= 2_001
    assert grown <= 20 * MIB
