"""The kinds of faults, those of `make test` marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.faults.rig import Outcome, Rig
from tests.faults.runs import (
    answered,
    both_die,
    burst,
    daemon,
    dead_at_exit,
    ending,
    flapping,
    forked,
    healthy,
    home_goes,
    killed,
    no_home,
    outage,
    served,
    several,
    wrong_door,
)

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
    disk: bool = False  # the journal itself is hit, so that the account is in memory
    takes_s: float = 20


def reported(found):
    """Whether the application was told that a collector took less than all."""
    return "reject" in found.stderr.lower()


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
    *(Kind(f"answers {code} for 15 s", partial(status(code), seconds=15), takes_s=50) for code in (429, 500, 502, 503)),
    Kind("hangs for 15 s", partial(answered, mode="hang", seconds=15, wait_s=60), takes_s=60),
    Kind("resets connections for 15 s", partial(answered, mode="reset", seconds=15, wait_s=45), takes_s=60),
    *(Kind(f"answers {code}", status(code)) for code in (405, 415, 422, 501)),
    *(Kind(f"answers {code}", status(code, Location="https://127.0.0.1:1/")) for code in (301, 307, 308)),
    Kind("answers 503, Retry-After a date", status(503, **{"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})),
    Kind("answers 503, Retry-After junk", status(503, **{"Retry-After": "soon"})),
    Kind("answers a byte a second", partial(answered, mode="drip", wait_s=45), takes_s=50),
    Kind("answers after 3 s", partial(answered, mode="slow", seconds=8), takes_s=30),
    Kind("closes after each answer", partial(answered, mode="closes")),
    Kind("closes before it has read", partial(answered, mode="slams")),
    Kind("speaks no HTTP", partial(answered, mode="no_http")),
    Kind("is killed and started again, 5 x", partial(flapping, times=5), takes_s=40),
    Kind("TLS to a port without", wrong_door),
    *(
        Kind(f"ends by {end}, collector {word}", partial(both_die, end=end, mode=mode))
        for end in ("_exit", "SIGTERM", "SIGKILL")
        for mode, word in (("hang", "hangs"), ("down", "refuses"))
    ),
    Kind("100 spans of 1 MB, collector hangs", partial(dead_at_exit, mode="hang", count=100, padding=1_000_000)),
    *(
        Kind(f"children by {way}", partial(forked, way=way), takes_s=40)
        for way in ("os.fork, sys.exit", "60 x under load")
    ),
    Kind("becomes a daemon", daemon),
    Kind("another processor raises, before", partial(served, thrower="first")),
    Kind("another processor raises, after", partial(served, thrower="last")),
    Kind("the store's directory is deleted", home_goes, disk=True, reduced=True),
    Kind("the store's directory is deleted, collector refuses", partial(home_goes, mode="down"), disk=True),
    Kind("the store's directory cannot be made", partial(no_home, home="/proc/spanwatch"), disk=True, reduced=True),
    Kind("the store's directory is a file", partial(no_home, home="/etc/hostname"), disk=True),
    Kind("no file may grow beyond 64 kB", partial(served, file_bytes=65_536), disk=True, reduced=True),
    Kind("no file may grow at all", partial(served, file_bytes=9_000), disk=True),
    Kind("no more files may be opened", partial(served, files=True), disk=True),
    Kind("4 processes killed at random in one directory, 10 s", partial(several, processes=4, seconds=10)),
)
