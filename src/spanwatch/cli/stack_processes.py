"""Processes that outlive the command that started them: written down when started, ended by what was written down.

A process id alone can come back as somebody else's. What is recorded beside it is when the process started, and nothing
is signalled whose start differs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from spanwatch.core.errors import StackError
from spanwatch.generate.stack import HOST, Options, Service

STATE = "state.json"
if sys.platform == "win32":
    _KILL = signal.SIGTERM  # ends a process at once there
else:
    _KILL = signal.SIGKILL
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "TZ", "GOMEMLIMIT", "GOMAXPROCS")


@dataclass(frozen=True, slots=True)
class Started:
    """A process of ours: its id, when the machine says it started, and its command."""

    pid: int
    began: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StackState:
    """What `up` left behind: its options, ports, addresses and processes by their names."""

    options: Options
    ports: Mapping[str, int]
    addresses: Mapping[str, str]
    processes: Mapping[str, Started]


def load(directory: Path) -> StackState | None:
    """What was written down, or None.

    Raises:
        StackError: the file is damaged.
    """
    path = directory / STATE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        processes = {
            name: Started(int(entry["pid"]), str(entry["began"]), tuple(entry["command"]))
            for name, entry in found["processes"].items()
        }
        chosen = {**found["options"], "rules": tuple(found["options"]["rules"])}
        return StackState(Options(**chosen), found["ports"], found["addresses"], processes)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StackError(f"{path} cannot be read ({error}): end its processes yourself and remove it") from None


def save(directory: Path, state: StackState) -> None:
    """Write it down, at one stroke."""
    path = directory / STATE
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(asdict(state), indent=2), encoding="utf-8")
    new.replace(path)


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """A free loopback port for each name, no two the same."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in names]
        for one in sockets:
            one.bind((HOST, 0))
        return {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}


def start(service: Service, binary: Path, log: Path) -> Started:
    """Start a program in a session of its own, its output into a file.

    Raises:
        StackError: it cannot be started.
    """
    command = (str(binary), *service.arguments)
    environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 (its purpose)
                command,
                env={**environ, **service.environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise StackError(f"{binary} cannot be started: {error.strerror}") from None
    process.returncode = 0  # it outlives us on purpose: nobody waits for it
    return Started(process.pid, began(process.pid) or "", command)


def began(pid: int) -> str | None:
    """When a running process started, as the machine says it; None when it is gone or has only to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _began_by_ps(pid)
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else fields[19]


def _began_by_ps(pid: int) -> str | None:
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (numbers only)
    state, _, when = answer.stdout.strip().partition(" ")
    return when.strip() or None if not state.startswith("Z") else None


def alive(process: Started) -> bool:
    """Whether it is this very process that still runs."""
    return bool(process.began) and began(process.pid) == process.began


def end(process: Started, patience_s: float = 20.0) -> None:
    """Ask it to end, and make it when it has not after a while."""
    for number, seconds in ((signal.SIGTERM, patience_s), (_KILL, 5.0)):
        if not alive(process):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        until(lambda: not alive(process), seconds)


def until(condition: Callable[[], bool], seconds: float, every_s: float = 0.05) -> bool:
    """Whether a condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def answers(url: str) -> bool:
    """Whether something answers there with success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 (a loopback address of ours)
            return bool(200 <= response.status < 300)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def last_words(log: Path, lines: int = 5) -> str:
    """The end of a log."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
