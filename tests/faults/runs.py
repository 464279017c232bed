"""What is done to the application and its collector: each run returns what became of every id."""

from __future__ import annotations

import random
import shutil
import signal
import time


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


def dead_at_exit(rig, *, mode, count=1_000, padding=0, **more):
    """The collector does not work when the application ends; a later process finds it well."""
    rig.sink.mode(mode, **more)
    found = rig.run(count=count, padding=padding)
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


def served(rig, *, wait_s=20.0, **plan):
    """The collector is well all the time, the application is not."""
    process = rig.start(**{"count": 1_000, "rate": 1_000, "end": "wait", **plan})
    rig.wait_until(1_000, process)
    rig.arrived(wait_s)
    return rig.outcome(rig.finish(process))


def daemon(rig):
    """The application forks twice after it is set up, and goes on in the grandchild alone."""
    process = rig.start(count=1_000, rate=1_000, end="wait", daemon=True)
    process.wait(30)
    until = time.monotonic() + 30
    while not rig.told(process.log) and time.monotonic() < until:
        time.sleep(0.1)
    rig.arrived(20)
    return rig.outcome(rig.finish(process, 20))


def home_goes(rig, *, mode="ok"):
    """The directory of the store is deleted under the running application."""
    process = rig.start(count=1_500, rate=500, end="wait")
    rig.wait_until(500, process)
    rig.arrived(10)
    rig.sink.mode(mode)
    shutil.rmtree(rig.home, ignore_errors=True)
    rig.wait_until(1_500, process)
    rig.sink.mode("ok")
    rig.arrived(30)
    return rig.outcome(rig.finish(process))


def no_home(rig, *, home):
    """The directory of the store cannot be made, by anybody."""
    return served(rig, home=home)


def wrong_door(rig):
    """TLS spoken to a port without; the next start has the address right."""
    found = rig.run(count=1_000, endpoint=rig.sink.url.replace("http:", "https:"))
    rig.resume(20)
    return rig.outcome(found)


def both_die(rig, *, end, mode):
    """The collector is gone or hangs, and the application ends hard; both come again."""
    rig.sink.mode(mode)
    found = rig.run(count=300, end=end)
    rig.sink.mode("ok")
    rig.resume(20)
    return rig.outcome(found)


def flapping(rig, *, times):
    """The collector is killed and started again, once a second."""
    process = rig.start(count=300 * (2 * times + 2), rate=300, end="wait")
    rig.wait_until(300, process)
    for _ in range(times):
        rig.sink.mode("down")
        time.sleep(1)
        rig.sink.mode("ok")
        time.sleep(1)
    rig.wait_until(300 * (2 * times + 2), process)
    rig.arrived(30)
    return rig.outcome(rig.finish(process))
