"""A process of its own that spends from a ledger: `python spender.py KIND WHERE THREADS CALLS NAME`.

Prints `ready`, waits for a line, then works, and prints a JSON
object of what it was let do.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from spanwatch.core.budgets import Amount, Budget, Claim, Reserved
from spanwatch.core.names import USER_ID
from spanwatch.store.ledger import RedisLedger, SQLiteLedger

START = 1_790_000_000
SECOND = 1_000_000_000
ESTIMATE, COST = 10, 7
LIMIT = "0.00001"  # 10,000 nano-USD: fewer than all calls want


def ledger_of(kind, where, *, patience=60.0):
    if kind == "sqlite":
        return SQLiteLedger(Path(where), busy_s=patience)
    return RedisLedger(where, namespace=f"spender-{kind}", timeout_s=patience)


def counter(limit=LIMIT):
    return Budget("one", limit, per="user.id", window="lifetime").counter({USER_ID: "u"}, START)


def spend(ledger, name, calls, done, limit=LIMIT):
    """Reserve, spend less than reserved, settle; what happened is added to `done`."""
    account = counter(limit)
    for number in range(calls):
        call_id = f"{name}-{number}"
        answer = ledger.reserve([Claim(account, Amount(ESTIMATE, 1))], call_id, START * SECOND)
        if isinstance(answer, Reserved):
            settled = ledger.settle([Claim(account, Amount(COST, 1))], call_id, START * SECOND)
            done.append([crossing.level for crossing in settled.crossings])


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(kind, where, threads, calls, name):
    ledger, done = ledger_of(kind, where), []
    workers = [
        threading.Thread(target=spend, args=(ledger, f"{name}-{n}", int(calls), done)) for n in range(int(threads))
    ]
    say("ready")
    sys.stdin.readline()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ledger.close()
    say(json.dumps({"settled": len(done), "levels": [level for levels in done for level in levels]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
