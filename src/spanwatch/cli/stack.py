"""The stack on this machine, for development: collector, Jaeger, Prometheus, Alertmanager and Loki as plain processes.

They listen on free loopback ports, keep what they have below the home directory, and run until `down`. The programs are
found in --bin, SPANWATCH_STACK_BIN, on PATH, or where `make stack` of the checkout built them. The configuration is the
one shipped in collector-config/; by default every trace is kept (--sampling: as shipped, decided by tail sampling).

Examples:
  spanwatch stack up
  spanwatch run --endpoint "$(spanwatch stack status --endpoint)" -- python app.py
  spanwatch stack up --quick --rules ./rules --webhook http://localhost:8080/alerts
  spanwatch stack status
  spanwatch stack down

Not on Windows; compose.yaml starts the same there.

Exit codes: 0 done, and for status all run; 1 one is missing, did not start or does not run.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import spanwatch
from spanwatch.cli import reading
from spanwatch.cli import stack_processes as processes
from spanwatch.cli.screen import write
from spanwatch.cli.stack_processes import StackState, Started
from spanwatch.core.errors import StackError, UsageError
from spanwatch.generate.stack import PORTS, TEXTS, Options, Plan, Service, plan

BIN_VARIABLE = "SPANWATCH_STACK_BIN"
_SUBCOMMANDS = ("up", "down", "status")
_NOBODY = "http://127.0.0.1:9/nobody-listens"
_ALIASES = {"otelcol": ("otelcol", "otelcol-contrib")}


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of `spanwatch stack`."""
    verbs = parser.add_subparsers(dest="what", required=True, metavar="|".join(_SUBCOMMANDS))
    up = verbs.add_parser("up", help="start what does not run, on the ports of the last time")
    up.add_argument("programs", nargs="*", metavar="PROGRAM", help="only these (default: all)")
    up.add_argument("--bin", metavar="DIR", help=f"directory of the programs ({BIN_VARIABLE})")
    up.add_argument("--sampling", action="store_true", help="sample traces as the shipped gateway does")
    up.add_argument("--content", action="store_true", help="let prompts and completions through")
    up.add_argument("--keep", action="store_true", help="keep traces on disk")
    up.add_argument("--quick", action="store_true", help="evaluate rules and send alerts within seconds")
    up.add_argument("--rules", metavar="DIR", action="append", default=[], help="further rule files, DIR/*.yaml")
    up.add_argument("--webhook", metavar="URL", help="where alerts go")
    up.add_argument("--wait", metavar="SECONDS", type=float, default=90.0, help="for each to be ready (default: 90)")
    down = verbs.add_parser("down", help="end what runs")
    down.add_argument("programs", nargs="*", metavar="PROGRAM", help="only these (default: all)")
    status = verbs.add_parser("status", help="what runs, and where")
    status.add_argument("--json", action="store_true", help="one JSON object")
    status.add_argument("--endpoint", action="store_true", help="only the OTLP address")
    for verb in (up, down, status):
        reading.add_home(verb)


def run(args: argparse.Namespace) -> int:
    """Run one subcommand; the exit code."""
    if sys.platform == "win32":  # who a process id belongs to is asked in ways that Windows does not have
        raise StackError(
            "spanwatch stack runs on Linux and macOS; on Windows start compose.yaml: docker compose up --wait"
        )
    directory = Path(reading.settings_of(args).home).absolute() / "stack"
    if args.what == "up":
        return _up(args, directory)
    state = processes.load(directory)
    if args.what == "down":
        return _down(args, directory, state)
    return _status(args, state)


def _up(args: argparse.Namespace, directory: Path) -> int:
    state = processes.load(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    ports = dict(state.ports) if state is not None else processes.free_ports(PORTS)
    options = _options(args, state)
    planned = plan(texts(), str(directory), ports, _secret(directory / "secrets" / "redaction_hmac_key"), options)
    wanted = [service for service in planned.services if not args.programs or service.name in args.programs]
    found = {service.name: binary(service.name, args.bin) for service in wanted}
    _lay(directory, planned, args.webhook)
    running = dict(state.processes) if state is not None else {}
    fresh = [service for service in wanted if service.name not in running or not processes.alive(running[service.name])]
    for service in fresh:
        running[service.name] = processes.start(service, found[service.name], directory / f"{service.name}.log")
        processes.save(directory, StackState(options, ports, planned.addresses, running))
    for service in fresh:
        _await(service, running[service.name], directory, args.wait)
    return _status(
        argparse.Namespace(json=False, endpoint=False), StackState(options, ports, planned.addresses, running)
    )


def _options(args: argparse.Namespace, state: StackState | None) -> Options:
    """What was asked for; while something runs, what it was started with."""
    asked = Options(
        args.sampling, args.content, args.keep, args.quick, tuple(str(Path(rules).absolute()) for rules in args.rules)
    )
    if state is None or not any(map(processes.alive, state.processes.values())):
        return asked
    if asked not in {Options(), state.options}:
        raise UsageError("it runs already, with other options: spanwatch stack down first")
    return state.options


def _await(service: Service, process: Started, directory: Path, seconds: float) -> None:
    log = directory / f"{service.name}.log"
    ready = processes.until(lambda: processes.answers(service.ready) or not processes.alive(process), seconds)
    if not processes.alive(process):
        raise StackError(f"{service.name} ended at once; {log} says: {processes.last_words(log)}")
    if not ready:
        raise StackError(f"{service.name} is not ready after {seconds:g} s (it still runs); see {log}")


def _lay(directory: Path, planned: Plan, webhook: str | None) -> None:
    for name in planned.directories:
        (directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in planned.files.items():
        path = directory / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name in ("alert_chat_url", "alert_pager_url"):
        path = directory / "secrets" / name
        if webhook is not None or not path.exists():
            _private(path, webhook or _NOBODY)


def _secret(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _private(path, secrets.token_hex(32))
    return path.read_text(encoding="utf-8").strip()


def _private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _down(args: argparse.Namespace, directory: Path, state: StackState | None) -> int:
    if state is None:
        write("nothing runs")
        return 0
    chosen = [name for name in state.processes if not args.programs or name in args.programs]
    for name in reversed(chosen):
        processes.end(state.processes[name])
    stubborn = [name for name in chosen if processes.alive(state.processes[name])]
    left = {name: process for name, process in state.processes.items() if name not in chosen or name in stubborn}
    processes.save(directory, StackState(state.options, state.ports, state.addresses, left))
    if stubborn:
        raise StackError(f"{', '.join(stubborn)} did not end")
    write(f"ended: {', '.join(chosen) or 'nothing ran'}")
    return 0


def _status(args: argparse.Namespace, state: StackState | None) -> int:
    running = {} if state is None else {name: processes.alive(process) for name, process in state.processes.items()}
    addresses: Mapping[str, str] = {} if state is None else state.addresses
    good = bool(running) and all(running.values())
    if args.endpoint:
        if good:
            write(addresses["otlp"])
        else:
            sys.stderr.write("spanwatch: the stack does not run: spanwatch stack up\n")
    elif args.json:
        write(json.dumps({"running": running, "addresses": addresses, "processes": _pids(state)}))
    elif not running:
        write("nothing runs: spanwatch stack up")
    else:
        for name, up in running.items():
            write(f"{name:<18}{'runs' if up else 'has ended'}")
        for name, address in addresses.items():
            write(f"{name:<18}{address}")
    return 0 if good else 1


def _pids(state: StackState | None) -> dict[str, int]:
    return {} if state is None else {name: process.pid for name, process in state.processes.items()}


def texts() -> dict[str, str]:
    """The shipped configurations by name: those of the package, or of the checkout it is run from.

    Raises:
        StackError: they are in neither.
    """
    package = Path(spanwatch.__file__).resolve().parent
    for place in (package / "collector-config", package.parents[1] / "collector-config"):
        if (place / TEXTS[0]).is_file():
            return {name: (place / name).read_text(encoding="utf-8") for name in TEXTS}
    raise StackError(f"{package} was installed without collector-config: install the wheel, or run from a checkout")


def binary(name: str, directory: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Where a program is: in `directory`, the directory that the environment names, on PATH, or in the cache.

    Raises:
        StackError: in none of them.
    """
    home = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".cache")
    cached = str(Path(home) / "spanwatch-stack" / "current" / "bin")
    said = directory or environ.get(BIN_VARIABLE)
    for alias in _ALIASES.get(name, (name,)):
        for place in [said] if said else [environ.get("PATH", os.defpath), cached]:
            if (path := shutil.which(alias, path=place)) is not None:
                return Path(path).absolute()
    where = f"in {said} (--bin, {BIN_VARIABLE})" if said else f"on PATH nor in {cached}"
    raise StackError(f"{name} is not {where}: make stack builds it (needs Go 1.26)")
