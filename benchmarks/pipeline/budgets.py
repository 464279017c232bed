"""What a budget in Redis costs the server: its own CPU for each call that is reserved and settled."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import redis

from benchmarks.bench_ledger import SECOND, START, claims_of, redis_url
from spanwatch.store.ledger import RedisLedger

CALLS = 20_000


def server_microseconds(calls: int = CALLS) -> float | None:
    """Microseconds of the server's CPU for each call, one budget per user; None where there is no redis-server."""
    if shutil.which("redis-server") is None:
        return None
    with tempfile.TemporaryDirectory() as folder, redis_url(Path(folder)) as url:
        ledger, watcher = RedisLedger(url), redis.Redis.from_url(url)
        before = _cpu_s(watcher)
        for n in range(calls):
            claims = claims_of(f"user-{n % 1_000}")
            ledger.reserve(claims, f"call-{n}", START * SECOND + n)
            ledger.settle(claims, f"call-{n}", START * SECOND + n)
        used = _cpu_s(watcher) - before
        ledger.close()
        watcher.close()
    return used / calls * 1e6


def _cpu_s(watcher: redis.Redis) -> float:
    found = watcher.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])
