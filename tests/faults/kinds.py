"""The kinds of faults: each runs the application through one and returns what became of every id."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.faults.rig import Outcome, Rig

Run = Callable[[Rig], Outcome]


@dataclass(frozen=True)
class Kind:
    """One fault: `reduced` is whether `make test` has it, `alone` whether it needs the whole machine."""

    name: str
    run: Run
    reduced: bool = False
    rejected: bool = False  # half of it is refused for good, which is no loss of ours
    fault: bool = True
    alone: bool = False
    takes_s: float = 20


def reported(found):
    """Whether the application was told that a collector took less than all."""
    return "reject" in found.stderr.lower()


def healthy(rig):
    return rig.outcome(rig.run(count=1_000, flush=10))


def outage(rig, *, seconds, rate):
    """The collector is killed while spans come and is back after some seconds."""
    process = rig.start(count=int(rate * (seconds + 4)), rate=rate, end="wait")
    rig.wait_until(rate, process)
    rig.sink.mode("down")
    time.sleep(seconds)
    rig.sink.mode("ok")
    rig.wait_until(int(rate * (seconds + 4)), process, 120)
    rig.arrived(40)
    return rig.outcome(rig.finish(process))


def dead_at_exit(rig, *, mode, count=1_000, **more):
    """The collector does not work when the application ends; a later process finds it well."""
    rig.sink.mode(mode, **more)
    found = rig.run(count=count)
    rig.sink.mode("ok")
    rig.resume(20)
    return rig.outcome(found)


def ending(rig, *, end):
    """The process ends in some way while the collector is well; then the application starts again."""
    found = rig.run(count=300, end=end)
    rig.resume(20)
    return rig.outcome(found)


def killed(rig, *, rate, times):
    """SIGKILL at random moments, each time followed by a restart."""
    chance = random.Random(6)
    for turn in range(times):
        process = rig.start(count=100_000, first=turn * 100_000, rate=rate)
        rig.wait_until(max(5, int(rate * chance.uniform(0.1, 2))), process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    rig.resume(30)
    return rig.outcome()


def forked(rig, *, way):
    """Children by one way each emit; the parent goes on."""
    process = rig.start(count=100, fork=way, end="wait")
    rig.arrived(25)
    until = time.monotonic() + 30
    while not rig.told(process.log) and time.monotonic() < until:
        time.sleep(0.1)
    rig.arrived(20)
    rig.finish(process)
    return rig.outcome()


def burst(rig, *, count, threads):
    """As many as the machine makes."""
    found = rig.run(count=count, threads=threads, flush=60, timeout=150)
    rig.resume(20)
    return rig.outcome(found)


def answered(rig, *, mode, seconds=2.0, wait_s=30.0, **more):
    """The collector answers badly for some seconds while spans come, and is well then; the application still runs."""
    rig.sink.mode(mode, **more)
    process = rig.start(count=1_000, rate=1_000, end="wait")
    rig.wait_until(1_000, process)
    until = time.monotonic() + 10
    while rig.sink.requests() == 0 and time.monotonic() < until:  # the stock processor asks every 5 s
        time.sleep(0.05)
    time.sleep(seconds)
    rig.sink.mode("ok")
    rig.arrived(wait_s)
    found = rig.outcome(rig.finish(process))
    if not found.lost or mode == "partial":
        return found
    rig.resume(20)
    return rig.outcome(found)


def several(rig, *, processes, seconds):
    """Several processes share one directory and are killed at random moments."""
    chance, until, first = random.Random(6), time.monotonic() + seconds, 0
    running = []
    while time.monotonic() < until:
        while len(running) < processes:
            running.append(rig.start(count=100_000, first=first, rate=200))
            first += 100_000
        rig.wait_until(chance.randrange(20, 200), running[0])
        doomed = running.pop(0)
        doomed.kill()
        doomed.communicate()
    for process in running:
        process.kill()
        process.communicate()
    rig.resume(40)
    return rig.outcome()


def status(code, **headers):
    return partial(answered, mode="status", status=code, headers=headers)


KINDS = (
    Kind("healthy", healthy, reduced=True, fault=False),
    Kind("outage 3 s, 300/s", partial(outage, seconds=3, rate=300), reduced=True),
    Kind("outage 10 s, 1,000/s", partial(outage, seconds=10, rate=1_000), takes_s=50),
    Kind("outage 60 s, 100/s", partial(outage, seconds=60, rate=100), takes_s=90),
    Kind("exit, collector refuses, 1,000", partial(dead_at_exit, mode="down"), reduced=True),
    Kind("exit, collector refuses, 10,000", partial(dead_at_exit, mode="down", count=10_000)),
    Kind("exit, collector hangs", partial(dead_at_exit, mode="hang"), reduced=True),
    Kind("exit, collector is a black hole", partial(dead_at_exit, mode="blackhole")),
    Kind("exit, collector answers 503", partial(dead_at_exit, mode="status", status=503)),
    Kind("SIGKILL x 3, 1,000/s", partial(killed, rate=1_000, times=3), reduced=True),
    Kind("SIGKILL x 5, 50/s", partial(killed, rate=50, times=5)),
    *(
        Kind(f"ends by {end}", partial(ending, end=end), reduced=end in {"SIGTERM", "_exit"})
        for end in ("SIGTERM", "SIGINT", "sys.exit", "raise", "_exit")
    ),
    *(
        Kind(f"children by {way}", partial(forked, way=way), reduced=True)
        for way in ("os.fork", "multiprocessing", "pool")
    ),
    Kind("burst of 50,000, 1 thread", partial(burst, count=50_000, threads=1), alone=True),
    Kind("burst of 50,000, 4 threads", partial(burst, count=50_000, threads=4), alone=True),
    Kind("burst of 10,000, 4 threads", partial(burst, count=10_000, threads=4), reduced=True),
    *(
        Kind(f"answers {code}", status(code), reduced=code in {400, 401, 413})
        for code in (400, 401, 403, 404, 408, 413)
    ),
    *(Kind(f"answers {code}", status(code)) for code in (500, 502, 504)),
    Kind("answers 302", status(302, Location="http://127.0.0.1:1/"), reduced=True),
    Kind("answers 429, Retry-After 1", status(429, **{"Retry-After": "1"}), reduced=True),
    Kind("answers 429, Retry-After 15", partial(status(429, **{"Retry-After": "15"}), wait_s=40)),
    Kind("answers 503", status(503)),
    Kind("answers 503, Retry-After -1", status(503, **{"Retry-After": "-1"})),
    Kind("answers 503, Retry-After 1e9", partial(status(503, **{"Retry-After": "1e9"}), wait_s=1)),
    Kind("503 for 30 % of requests", partial(answered, mode="status", status=503, share=0.3, seconds=6)),
    Kind("resets connections", partial(answered, mode="reset", wait_s=45)),
    Kind("stores, then resets, 15 s", partial(answered, mode="stored_reset", seconds=15, wait_s=45), takes_s=50),
    Kind("hangs", partial(answered, mode="hang", wait_s=60), takes_s=60),
    Kind("cuts its answer", partial(answered, mode="cut", wait_s=45)),
    Kind("answers junk", partial(answered, mode="junk"), reduced=True),
    Kind("rejects half", partial(answered, mode="partial", seconds=1, wait_s=3), rejected=True, reduced=True),
    Kind("answers with 64 MB", partial(answered, mode="big"), reduced=True),
    Kind("answers with a gzip bomb", partial(answered, mode="bomb")),
    Kind("answers without an end", partial(answered, mode="endless")),
    Kind("4 processes killed at random in one directory, 10 s", partial(several, processes=4, seconds=10)),
)
