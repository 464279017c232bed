"""Processes that begin out of others: none of their spans is lost, none is sent twice, and none hangs."""

import os
import subprocess
import sys
import time
from collections import Counter

import pytest

CONFIGURED = """
import gc, multiprocessing, os, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
import spanwatch
from opentelemetry import trace

def begin():
    spanwatch.configure(endpoint=sys.argv[1], home=sys.argv[2], openai="none", banner="off", live_interval=0)

def work(number):
    trace.get_tracer("app").start_span(f"{number}").end()
    return number

def alone(number):
    begin()
    return work(number)

def busy(stop):
    while not stop.is_set():
        sum(range(1_000))
        time.sleep(0.001)
"""
FORKS = """
begin()
stop = threading.Event()
threads = [threading.Thread(target=busy, args=(stop,), daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for number in range(200):
    child = os.fork()
    if child == 0:
        work(number)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
"""
SPAWN = """
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=alone, args=(number,)) for number in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    with ProcessPoolExecutor(2, mp_context=context, initializer=begin) as pool:
        assert list(pool.map(work, range(3, 9))) == list(range(3, 9))
    begin()
"""
POOL = """
begin()
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
    assert list(pool.map(work, range(40))) == list(range(40))
"""


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer's locks do not survive a fork among threads")
@pytest.mark.parametrize(("code", "count"), [(FORKS, 200), (SPAWN, 9), (POOL, 40)], ids=["forks", "spawn", "pool"])
def test_every_span_of_every_child_arrives_once(sink, tmp_path, code, count):
    program = tmp_path / "program.py"
    program.write_text(CONFIGURED + code + 'if __name__ == "__main__":\n    sys.stdin.read()\n')
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("COV", "OTEL_"))}
    command = [sys.executable, "-W", "ignore", str(program), sink.url, str(tmp_path / "home")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, text=True) as process:
        names = lambda: Counter(span.name for span, _, _ in sink.spans())  # noqa: E731
        try:
            for _ in range(600):
                if len(names()) == count or process.poll() is not None:
                    break
                time.sleep(0.1)
        finally:
            _, said = process.communicate("", timeout=60)
    assert process.returncode == 0, said
    assert names() == Counter(str(number) for number in range(count))


ENDED = """
begin()
spanwatch.shutdown(5)
gc.collect()
child = os.fork()
if child == 0:
    print(sorted(each.name for each in threading.enumerate() if each.name.startswith("spanwatch")), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_child_that_is_forked_after_the_shutdown_begins_nothing_anew(sink, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(CONFIGURED.replace("live_interval=0", 'rules="default"') + ENDED)
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("COV", "OTEL_"))}
    command = [sys.executable, "-W", "ignore", str(program), sink.url, str(tmp_path / "home")]
    ended = subprocess.run(command, capture_output=True, env=environ, text=True, timeout=60, check=True)
    assert ended.stdout.strip() == "[]"
