"""What a budget costs a call: reserve and settle on each ledger, and a million scopes in memory.

`python -m benchmarks.bench_ledger`; Redis is measured where redis-server is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from spanwatch.core.budgets import Amount, Budget, Claim
from spanwatch.core.names import USER_ID
from spanwatch.store.ledger import Ledger, MemoryLedger, RedisLedger, SQLiteLedger

ROUNDS = 7
SCOPES = 1_000_000
SECOND = 1_000_000_000
START = 1_790_000_000


def claims_of(user: str) -> list[Claim]:
    counter = Budget("daily", 9_000, tokens=10**12, per="user.id").counter({USER_ID: user}, START)
    assert counter is not None
    return [Claim(counter, Amount(3_000_000, 1_200))]


def microseconds(ledger: Ledger, calls: int, name: str) -> list[tuple[float, float]]:
    """Per reserve and settle of one call, CPU time of this thread and time on the clock: the mean of each round."""
    found = []
    for turn in range(ROUNDS):
        wanted = [(f"{name}-{turn}-{n}", claims_of(f"user-{n % 1_000}")) for n in range(calls)]
        cpu, clock = time.thread_time(), time.perf_counter()
        for n, (call_id, claims) in enumerate(wanted):
            ledger.reserve(claims, call_id, START * SECOND + n)
            ledger.settle(claims, call_id, START * SECOND + n)
        found.append(((time.thread_time() - cpu) / calls * 1e6, (time.perf_counter() - clock) / calls * 1e6))
    return found


def shown(name: str, figures: list[tuple[float, float]], limit: str) -> None:
    cpu, clock = (statistics.median(column) for column in zip(*figures, strict=True))
    print(f"{name:8} reserve + settle  {cpu:6.1f} us of CPU, {clock:6.1f} us on the clock  ({limit})")


@contextlib.contextmanager
def redis_url(folder: Path) -> Iterator[str]:
    socket = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL) as server:
        try:
            while not socket.exists():
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            server.terminate()


def million() -> None:
    """A million scopes in memory, in a process of its own: what it takes more than an empty one."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ledger = MemoryLedger()
    for n in range(SCOPES):
        claims = claims_of(f"user-{n:07}")
        ledger.reserve(claims, str(n), START * SECOND)
        ledger.settle(claims, str(n), START * SECOND)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    assert len(ledger.standings(START * SECOND, limit=10)) == 10
    took = time.perf_counter() - began
    used = (peak - before) * 1024 / 1e6
    print(f"memory   {SCOPES} scopes  {used:.0f} MB at the peak  (limit 250); the top 10 in {took:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="only fill the memory ledger with a million scopes")
    if parser.parse_args().million:
        million()
        return
    shown("memory", microseconds(MemoryLedger(), 20_000, "m"), "limit 10")
    with tempfile.TemporaryDirectory() as folder:
        ledger = SQLiteLedger(Path(folder))
        shown("sqlite", microseconds(ledger, 2_000, "s"), "limit 150")
        ledger.close()
        if shutil.which("redis-server"):
            with redis_url(Path(folder)) as url:
                remote = RedisLedger(url)
                shown("redis", microseconds(remote, 1_000, "r"), "one round trip each")
                remote.close()
    subprocess.run([sys.executable, "-m", "benchmarks.bench_ledger", "--million"], check=True)


if __name__ == "__main__":
    main()
