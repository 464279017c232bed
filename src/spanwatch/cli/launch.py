"""Run a program as if we were not there: its streams, its signals, its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

if sys.platform == "win32":
    _FORWARDED: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    _FROM_TERMINAL: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGBREAK)  # a console tells all that hang on it
else:
    import resource

    _FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)
    _FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)  # a terminal sends these to the program too


class Launcher:
    """Starts one program and waits; signals that reach us reach it."""

    def __init__(self, command: Sequence[str], executable: str, environ: Mapping[str, str]) -> None:
        self._command, self._executable, self._environ = command, executable, environ
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def run(self) -> int:
        """The program's return code: negative when a signal ended it.

        Raises:
            OSError: it cannot be started.
        """
        heard = [number for number in (*_FORWARDED, *_FROM_TERMINAL) if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._forward) for number in heard}  # what nohup ignores stays ignored
        try:
            self._process = subprocess.Popen(self._command, executable=self._executable, env=self._environ)  # noqa: S603 (its purpose)
            for number in self._early:
                self._send(number)
            return self._process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if number in _FROM_TERMINAL and _on_terminal():
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._send(number)

    def _send(self, number: int) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)


def end_like(code: int) -> int:
    """An exit code as it is; for a signal, end this process by the same one, so that our parent sees what it would.

    Windows has no ends by signal, but exit codes of 32 bits without a sign, which only fit into `sys.exit` with one.
    """
    if sys.platform == "win32":
        return code - (1 << 32) if code >= 1 << 31 else code
    if code >= 0:
        return code
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    _leave_no_second_core_dump()
    with contextlib.suppress(OSError, ValueError):
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    return 128 - code


def _leave_no_second_core_dump() -> None:
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _on_terminal() -> bool:
    """Whether we are the foreground job of a terminal, which then sends its signals to the whole job."""
    if sys.platform == "win32":
        return True
    try:
        descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(descriptor)
