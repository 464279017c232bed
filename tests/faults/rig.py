"""Runs the application against the sink and says what became of every id."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from spanwatch.store.accounting import Tallied
from spanwatch.store.owing import accounts

HERE = Path(__file__).resolve().parent
STOCK_WAIT_S = 16.0  # the stock exporter gives a batch up after 10 s, and a batch is begun every 5 s
SLACK_S = 3.0  # a loaded machine starts and ends processes slowly


class SinkProcess:
    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "sink.py"], stdout=subprocess.PIPE, text=True, env=bare_environment()
        )
        port, control = map(int, self.process.stdout.readline().split())
        self.url, self.control = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{control}"

    def mode(self, kind, **more):
        body = json.dumps({"kind": kind, **more}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.control}/mode", body), timeout=10):
            pass

    def get(self, what):
        with urllib.request.urlopen(f"{self.control}/{what}", timeout=20) as answer:
            return json.load(answer)

    def copies(self, signal="traces"):
        """How often each id arrived."""
        return {int(key): count for key, count in self.get("seen")["seen"][signal].items()}

    def requests(self, signal="traces"):
        return self.get("seen")["requests"].get(signal, 0)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def bare_environment():
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COVERAGE_", "COV_", "OTEL_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONUNBUFFERED": "1"}


def end_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass
class Outcome:
    """One run: ids emitted, lost and repeated, seconds from the end of the work to the end of the process."""

    emitted: int = 0
    lost: int = 0
    repeated: int = 0
    most_copies: int = 0
    exit_s: float | None = None
    stderr: str = ""
    told: dict = field(default_factory=dict)


class Rig:
    def __init__(self, folder, sink, system="ours"):
        self.folder, self.sink, self.system = Path(folder), sink, system
        self.home, self.logs, self.serial, self.processes = self.folder / "home", [], 0, []

    def start(self, program="app.py", /, **plan):
        self.serial += 1
        log = self.folder / f"emitted-{self.serial}"
        plan = {"home": str(self.home), "endpoint": self.sink.url, "log": str(log), "count": 100, **plan}
        self.logs.append(log)
        command = [sys.executable, HERE / program, self.system, json.dumps(plan)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=bare_environment(),
            start_new_session=True,  # a group of its own, so that what it leaves behind can be ended
        )
        process.log, process.waits = log, plan.get("end") == "wait"
        self.processes.append(process)
        return process

    def close(self):
        """End what a failed test has left."""
        for process in self.processes:
            end_group(process)
            process.wait()
            for pipe in (process.stdin, process.stderr):
                with contextlib.suppress(OSError):
                    pipe.close()

    def finish(self, process, timeout=90):
        """Wait for an application; what it said on stderr, and how long its exit took after its work was done."""
        asked_at = time.time()
        try:
            _, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            end_group(process)
            process.communicate()
            raise
        told = self.told(process.log)
        began = asked_at if process.waits else told.get("at")
        return Outcome(exit_s=None if began is None else time.time() - began, stderr=stderr, told=told)

    def run(self, timeout=90, **plan):
        return self.finish(self.start(**plan), timeout)

    def told(self, log):
        with contextlib.suppress(FileNotFoundError):
            return json.loads(Path(f"{log}.end").read_text())
        return {}

    def emitted(self):
        found = set()
        for log in self.logs:
            with contextlib.suppress(FileNotFoundError):
                data = log.read_bytes()
                found.update(number for (number,) in struct.iter_unpack("<q", data[: len(data) // 8 * 8]))
        return found

    def wait_until(self, count, process, timeout=60):
        """Until the application has emitted so many."""
        until = time.monotonic() + timeout
        while time.monotonic() < until and process.poll() is None:
            if process.log.exists() and process.log.stat().st_size // 8 >= count:
                return
            time.sleep(0.02)

    def resume(self, wait_s=30.0):
        """Another process of the same application: whatever was left behind has until `wait_s` to arrive."""
        process = self.start(count=0, end="wait")
        self.arrived(wait_s if self.system == "ours" else 3)  # the stock processor leaves nothing behind
        process.stdin.close()
        process.wait(30)
        process.stderr.close()

    def arrived(self, wait_s):
        until = time.monotonic() + (wait_s if self.system == "ours" else min(wait_s, STOCK_WAIT_S))
        while not (self.emitted() <= self.sink.copies().keys()) and time.monotonic() < until:
            time.sleep(0.1)

    def outcome(self, found=None):
        """What became of everything emitted so far."""
        emitted, copies = self.emitted(), self.sink.copies()
        found = found or Outcome()
        found.emitted, found.lost = len(emitted), len(emitted - copies.keys())
        found.repeated = sum(count - 1 for number, count in copies.items() if number in emitted)
        found.most_copies = max(copies.values(), default=0)
        return found

    def stated(self, found):
        """What is said of spans that did not arrive: how many wait, and how many were dropped, by reason."""
        if self.system != "ours":
            return 0, {}  # the stock processor counts nothing, as it comes
        told = found.told.get("accounts", {}).get("traces")
        with contextlib.suppress(OSError):
            if (account := self.account()).emitted:
                return account.waiting, account.dropped
        return (told["journaled"] + told["in_memory"], told["dropped"]) if told else (0, {})

    def account(self):
        """The home's own account of spans."""
        return accounts(self.home).get("traces", Tallied())
