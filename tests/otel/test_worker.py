from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time

from spanwatch.core.call import Call
from spanwatch.otel.daemon import Daemon
from spanwatch.otel.guard import Guard
from spanwatch.otel.worker import QUEUE_FULL, Lost, Measurement, Worker


def counted(number: int) -> Measurement:
    return Measurement(Call(str(number), "chat", 0, 1))


def test_calls_are_recorded_in_batches_and_in_order():
    batches = []
    worker = Worker(batches.append, Guard(), linger_s=0.05)
    for number in range(100):
        worker.put(counted(number))
    assert worker.drain(5)
    assert [item.call.call_id for batch in batches for item in batch] == [str(number) for number in range(100)]
    assert len(batches) < 20
    assert worker.stop(5)


def test_draining_does_not_wait_for_the_linger():
    worker = Worker(lambda batch: None, Guard(), linger_s=30)
    worker.put(counted(1))
    began = time.monotonic()
    assert worker.drain(5)
    assert time.monotonic() - began < 2
    assert worker.stop(5)


def test_a_deferred_action_runs_and_what_it_queues_is_drained_too():
    seen = []
    worker = Worker(seen.extend, Guard())
    worker.start()
    worker.defer(lambda: worker.put(counted(7)))
    assert worker.drain(5)
    assert [item.call.call_id for item in seen] == ["7"]
    assert worker.stop(5)


def test_deferring_in_a_finalizer_while_the_queue_is_in_use_does_not_deadlock():
    ran = []
    worker = Worker(lambda batch: None, Guard(), linger_s=0)
    worker.start()

    class Dropped:
        def __init__(self):
            self.me = self

        def __del__(self):
            worker.defer(lambda: ran.append(1))

    for number in range(300):
        Dropped()
        worker.put(counted(number))
        if number % 10 == 0:
            gc.collect()
    gc.collect()
    assert worker.drain(5)
    assert len(ran) == 300
    assert worker.stop(5)


def test_failing_records_and_actions_do_not_end_the_worker(caplog):
    guard = Guard()
    worker = Worker(lambda batch: 1 / 0, guard)
    worker.put(counted(1))
    worker.defer(lambda: {}["missing"])
    assert worker.drain(5)
    worker.put(counted(2))
    assert worker.drain(5)
    assert guard.failures == {"recording metrics": 2, "a deferred action": 1}
    assert len(caplog.records) == 2
    assert worker.stop(5)


def test_what_does_not_fit_the_queue_is_counted_exactly():
    seen = []
    release, entered = threading.Event(), threading.Event()

    def slow(batch):
        entered.set()
        release.wait(5)
        seen.extend(batch)

    worker = Worker(slow, Guard(), linger_s=0, capacity=10)
    worker.put(counted(0))
    assert entered.wait(5)
    for number in range(1, 26):
        worker.put(counted(number))
    release.set()
    assert worker.drain(5)
    assert len([item for item in seen if isinstance(item, Measurement)]) == 11
    assert sum(item.count for item in seen if isinstance(item, Lost) and item.reason == QUEUE_FULL) == 15
    assert worker.stop(5)


def test_draining_gives_up_in_time_and_says_so():
    release = threading.Event()
    worker = Worker(lambda batch: release.wait(5), Guard(), linger_s=0)
    worker.put(counted(1))
    began = time.monotonic()
    assert not worker.drain(0.1)
    assert time.monotonic() - began < 2
    release.set()
    assert worker.stop(5)


def test_draining_on_the_worker_itself_returns_at_once():
    answers = []
    worker = Worker(lambda batch: None, Guard())
    worker.start()
    worker.defer(lambda: answers.append(worker.drain(5)))
    assert worker.drain(2)
    assert answers == [True]
    assert worker.stop(5)


def test_a_stopped_worker_starts_again_with_the_next_call():
    seen = []
    worker = Worker(seen.extend, Guard())
    worker.put(counted(1))
    assert worker.stop(5)
    worker.put(counted(2))
    assert worker.stop(5)
    assert len(seen) == 2


def test_a_forked_child_has_a_worker_of_its_own_and_none_of_the_parents_calls(tmp_path):
    program = """
        import os, sys, threading
        from spanwatch.core.call import Call
        from spanwatch.otel.guard import Guard
        from spanwatch.otel.worker import Measurement, Worker
        seen = []
        worker = Worker(seen.extend, Guard(), linger_s=0.5)
        worker.put(Measurement(Call("parent", "chat", 0, 1)))
        pid = os.fork()
        if pid == 0:
            worker.put(Measurement(Call("child", "chat", 0, 1)))
            done = worker.drain(5)
            ids = [item.call.call_id for item in seen]
            os._exit(0 if done and ids == ["child"] else 1)
        _, status = os.waitpid(pid, 0)
        assert worker.drain(5) and [item.call.call_id for item in seen] == ["parent"]
        sys.exit(os.waitstatus_to_exitcode(status))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=30, env=os.environ)


def test_forking_under_busy_threads_never_hangs_a_child():
    program = """
        import os, sys, threading
        from spanwatch.core.call import Call
        from spanwatch.otel.guard import Guard
        from spanwatch.otel.worker import Measurement, Worker
        worker = Worker(lambda batch: None, Guard(), linger_s=0)
        stop = threading.Event()
        def busy():
            while not stop.is_set():
                worker.put(Measurement(Call("x", "chat", 0, 1)))
        threads = [threading.Thread(target=busy, daemon=True) for _ in range(3)]
        [thread.start() for thread in threads]
        for _ in range(30):
            pid = os.fork()
            if pid == 0:
                worker.put(Measurement(Call("child", "chat", 0, 1)))
                os._exit(0 if worker.drain(10) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        stop.set()
    """
    # Measuring coverage takes locks of its own, which a fork under busy threads leaves locked in the child.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60, env=plain)


def workers():
    return [thread for thread in threading.enumerate() if thread.name == "spanwatch-worker"]


def test_the_thread_of_a_worker_that_nobody_holds_ends_after_what_was_deferred():
    before, ran, gate = set(workers()), [], threading.Event()
    worker = Worker(lambda batch: None, Guard(), linger_s=0)
    worker.start()
    (thread,) = set(workers()) - before
    worker.defer(lambda: gate.wait(5))
    worker.defer(lambda worker=worker: ran.append(worker.drain(0)))
    del worker
    gate.set()
    thread.join(5)
    assert not thread.is_alive()
    assert ran == [True]


def test_a_worker_that_somebody_holds_keeps_its_thread_through_collections():
    before = set(workers())
    worker = Worker(lambda batch: None, Guard())
    worker.start()
    (thread,) = set(workers()) - before
    gc.collect()
    thread.join(0.2)
    assert thread.is_alive()
    assert worker.stop(5)
    assert not thread.is_alive()


def test_a_child_begins_no_thread_for_a_worker_that_is_retired_until_it_asks_for_it():
    seen = []
    worker = Worker(seen.extend, Guard(), linger_s=0)
    worker.start()
    worker.retire()
    worker._daemon._in_child()  # as in a child that is forked now
    assert not worker._daemon.alive
    worker.put(counted(1))
    assert worker.drain(5)
    assert [item.call.call_id for item in seen] == ["1"]
    assert worker.stop(5)


def test_a_child_begins_no_thread_for_a_worker_that_is_gone_while_its_thread_had_not_ended_yet():
    class Queue:
        def loop(self) -> None:
            ended.wait(10)

    class Owner:
        def renew(self) -> None:
            pass

    ended, queue, owner = threading.Event(), Queue(), Owner()
    daemon = Daemon("spanwatch-test", queue.loop, owner.renew)
    assert daemon.ensure()
    del owner
    daemon._in_child()  # as in a child that is forked now
    assert not daemon.alive
    ended.set()
