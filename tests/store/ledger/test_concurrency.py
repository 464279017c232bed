"""Many threads and many processes on one budget: sums are exact, nothing is overspent, levels fire once."""

import json
import os
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from spanwatch.store.ledger import MemoryLedger, SQLiteLedger
from tests.store.ledger import spender
from tests.store.ledger.rig import NOW, call_id, claim, spent_and_held

SPENDER = Path(spender.__file__)
LIMIT, WORST = 10_000, spender.ESTIMATE


def settled_by_processes(kind, where, processes, threads, calls):
    """What each of several processes that start at the same moment was let do."""
    command = [sys.executable, str(SPENDER), kind, where, str(threads), str(calls)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([*command, f"p{n}"], **pipes) for n in range(processes)]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=240)[0] for process in started]
    assert [process.returncode for process in started] == [0] * processes
    return [json.loads(answer) for answer in answers]


def check(standing, settled, levels, limit=LIMIT):
    """All that was let through was charged, no more than the limit, until no further estimate fitted."""
    assert standing.tally.spent_nano == settled * spender.COST
    assert standing.tally.spent_tokens == settled
    assert standing.tally.held_nano == standing.tally.held_tokens == 0
    assert limit - WORST < standing.tally.spent_nano <= limit
    assert 0.8 in levels
    assert len(levels) == len(set(levels))


@pytest.mark.parametrize("limit", [LIMIT, 32_000 * spender.COST + spender.ESTIMATE - spender.COST])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_32_threads_of_1000_calls_on_one_budget(kind, limit, tmp_path):
    ledger, done = MemoryLedger() if kind == "memory" else SQLiteLedger(tmp_path, busy_s=240), []
    usd = Decimal(limit) / 10**9
    threads = [threading.Thread(target=spender.spend, args=(ledger, f"t{n}", 1_000, done, usd)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(ledger.standing(spender.counter(usd)), len(done), [level for levels in done for level in levels], limit)
    ledger.close()


def test_4_processes_of_8_threads_at_once_on_one_budget(shared):
    answers = settled_by_processes(*shared, processes=4, threads=8, calls=100)
    ledger = spender.ledger_of(*shared)
    levels = [level for answer in answers for level in answer["levels"]]
    check(ledger.standing(spender.counter()), sum(answer["settled"] for answer in answers), levels)
    ledger.close()


@pytest.mark.skipif(sys.gettrace() is not None, reason="measuring coverage takes locks that a fork leaves locked")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_forked_child_can_spend_while_the_parents_threads_do(kind, tmp_path):
    ledger = MemoryLedger() if kind == "memory" else SQLiteLedger(tmp_path, busy_s=60)
    ledger.settle([claim(1)], call_id(), NOW)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            one = call_id()
            ledger.reserve([claim(1, user="busy", usd=1)], one, NOW)
            ledger.settle([claim(1, user="busy", usd=1)], one, NOW)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(10):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    code = 0 if ledger.settle([claim(2)], f"child-{number}", NOW).first else 2
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()
    expected = 1 if kind == "memory" else 21  # a child's memory is its own
    assert spent_and_held(ledger) == (expected, 0)
    ledger.close()
