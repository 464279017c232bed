"""Several processes on one ledger, and processes that are killed: what is settled is what the store says."""

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time

from spanwatch.store.ledger import SQLiteLedger
from tests.programs import CHAT

NANO = 42_000  # of each call of the demo server

PROGRAM = CHAT + textwrap.dedent("""
    import asyncio, sys, threading
    import spanwatch
    spanwatch.configure(
        service="desk",
        budgets=[spanwatch.Budget("all", usd=LIMIT, window="lifetime"), spanwatch.Budget("user", usd=9, per="user")],
        banner="off",
    )
    def work(user):
        with spanwatch.request(user_id=user):
            for _ in range(CALLS):
                try:
                    chat(max_tokens=100)
                except spanwatch.BudgetExceeded:
                    return
                print("done", flush=True)
    async def later(user):
        async with openai.AsyncOpenAI(max_retries=0) as made:
            with spanwatch.request(user_id=user):
                for _ in range(CALLS):
                    try:
                        await made.chat.completions.create(
                            model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}], max_tokens=100
                        )
                    except spanwatch.BudgetExceeded:
                        return
                    print("done", flush=True)
    async def gathered():
        await asyncio.gather(*(later(f"a-{n}") for n in range(4)))
    threads = [threading.Thread(target=work, args=(f"u-{n}",)) for n in range(4)]
    threads.append(threading.Thread(target=lambda: asyncio.run(gathered())))
    print("ready", flush=True)
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    """)


def started(place, limit, calls):
    code = PROGRAM.replace("LIMIT", repr(str(limit))).replace("CALLS", str(calls))
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=place.path, env=place.environ, stdout=subprocess.PIPE, text=True
    )


def spent(place, budget="all"):
    """What the ledger has, in nano-USD: settled and held."""
    with contextlib.closing(SQLiteLedger(place.path / ".spanwatch")) as ledger:
        found = ledger.standings(time.time_ns(), budget=budget, limit=1000)
    return sum(s.tally.spent_nano for s in found), sum(s.tally.held_nano for s in found)


def stored(place):
    ((total, calls),) = place.rows("SELECT sum(nano_usd), count(*) FROM calls WHERE counted")
    return total or 0, calls


def test_four_processes_of_threads_and_tasks_settle_exactly_what_the_store_sums(place):
    running = [started(place, 5, 15) for _ in range(4)]
    [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert stored(place) == (4 * 8 * 15 * NANO, 480)
    assert spent(place) == (480 * NANO, 0)
    assert spent(place, "user") == (480 * NANO, 0)


def test_processes_at_a_limit_never_pass_it(place):
    limit = 100 * NANO
    running = [started(place, limit / 1e9, 15) for _ in range(4)]
    [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 4
    total, calls = stored(place)
    assert spent(place) == (total, 0)
    assert limit - 84_000 * 2 < total <= limit
    assert calls == total // NANO


def test_kills_leave_nothing_charged_twice_and_nothing_that_ended_uncharged(place):
    """A call whose answer is just there when the process dies may be charged and not stored, never the other way."""
    dice, kills, in_flight = random.Random(7), 6, 8
    for _ in range(kills):
        process = started(place, 5, 10_000)
        assert process.stdout.readline() == "ready\n"
        for _ in range(dice.randrange(1, 40)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        process.stdout.close()
    # Whoever comes next settles what is left.
    settled = place.python("import spanwatch; spanwatch.configure(budgets=[spanwatch.Budget('x', usd=1)]); chat()")
    assert settled.returncode == 0, settled.stderr
    stored_ids = {call_id for (call_id,) in place.rows("SELECT call_id FROM calls WHERE counted AND nano_usd")}
    with contextlib.closing(sqlite3.connect(place.path / ".spanwatch" / "budgets.db")) as db:
        settled_ids = {call_id for (call_id,) in db.execute("SELECT call_id FROM settled")}
    assert len(stored_ids) > kills
    assert stored_ids <= settled_ids
    assert len(settled_ids - stored_ids) <= kills * in_flight
    charged, _ = spent(place)
    assert charged + NANO == len(settled_ids) * NANO  # the last call was on another budget
