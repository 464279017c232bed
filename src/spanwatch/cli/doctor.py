"""Check the way of telemetry from here to the back ends, and prove it with a marked trace, metric and log record.

One line for each check, with the fix. Looked at: settings, versions, providers of others, double instrumentation,
content switches, journal, losses, then endpoint, protocol, authentication and clock of where telemetry goes. Then a
marked run (service spanwatch-doctor) is sent as the program's own would be; with the back ends' addresses it is looked
for there until it is found. It calls no model and spends nothing.

Examples:
  spanwatch doctor
  spanwatch doctor --endpoint http://localhost:4318
  spanwatch doctor --stack                            endpoint and back ends of a running `spanwatch stack`
  spanwatch doctor --jaeger http://localhost:16686 --prometheus http://localhost:9090 --loki http://localhost:3100
  spanwatch doctor --no-send --json

Exit codes: 0 nothing failed (what is to look at is no failure); 1 a check failed; 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spanwatch.cli import reading
from spanwatch.cli import stack_processes as processes
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.diagnosis import Answer, Finding, Met, Outcome, clock, connection
from spanwatch.core.errors import ConfigurationError, UsageError
from spanwatch.core.settings import Settings
from spanwatch.otel.doctor import keeping, surroundings
from spanwatch.otel.doctor.arrivals import Mark, arrived, back_ends
from spanwatch.otel.doctor.asking import ask
from spanwatch.otel.environment import settings_from
from spanwatch.reports.doctor import doctor_json, failed, finding_line, last_line

_MARK = "spanwatch.otel.doctor.mark"
_SIGNALS = {"traces": "trace", "metrics": "metric", "logs": "log"}
_BACK_ENDS = ("jaeger", "prometheus", "loki")
_START_S = 60.0  # a cold interpreter on a busy machine


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch doctor`."""
    parser.add_argument("--endpoint", metavar="URL", help="OTLP base URL (default: as the program has it)")
    parser.add_argument("--protocol", metavar="NAME", help="http/protobuf or grpc")
    parser.add_argument("--jaeger", metavar="URL", help="where Jaeger answers queries, to look for the trace")
    parser.add_argument("--prometheus", metavar="URL", help="where Prometheus answers, to look for the metric")
    parser.add_argument("--loki", metavar="URL", help="where Loki answers, to look for the log record")
    parser.add_argument("--stack", action="store_true", help="what is not given is that of `spanwatch stack`")
    parser.add_argument(
        "--wait", metavar="SECONDS", type=float, default=60.0, help="for each to be found (default: 60)"
    )
    parser.add_argument("--no-send", action="store_true", help="look only; send no mark")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Print a line for each check; the exit code."""
    if args.stack:
        _of_stack(args)
    _checked(args)
    examined, findings, screen = _Examined(), [], screen_of()
    for finding in _findings(args, examined):
        findings.append(finding)
        if not args.json:
            write(finding_line(finding, screen))
            sys.stdout.flush()
    write(json.dumps(doctor_json(findings, examined.mark)) if args.json else last_line(findings))
    return 1 if failed(findings) else 0


def _of_stack(args: argparse.Namespace) -> None:
    state = processes.load(Path(reading.settings_of(args).home).absolute() / "stack")
    if state is None or not any(map(processes.alive, state.processes.values())):
        raise UsageError("--stack: no stack of this home runs: spanwatch stack up")
    for name, address in (("endpoint", "otlp"), *((name, name) for name in _BACK_ENDS)):
        if getattr(args, name) is None:
            setattr(args, name, state.addresses[address])


def _checked(args: argparse.Namespace) -> None:
    for name in _BACK_ENDS:
        address = getattr(args, name)
        if address is not None and not address.startswith(("http://", "https://")):
            raise UsageError(f"--{name} {address}: give its address, such as http://localhost:9090")
    if not 0 <= args.wait <= 3600:
        raise UsageError(f"--wait {args.wait:g}: give seconds from 0 to 3600")


@dataclass(slots=True)
class _Examined:
    """What earlier checks saw, for later ones."""

    skews: dict[str, float | None] = field(default_factory=dict)
    mark: dict[str, Any] | None = None


def _findings(args: argparse.Namespace, examined: _Examined) -> Iterator[Finding]:
    try:
        settings = settings_from({"home": args.home, "endpoint": args.endpoint, "protocol": args.protocol})
    except ConfigurationError as error:
        yield Finding("settings", Outcome.FAIL, " ".join(str(error).split()), "correct it; then ask again")
        return
    yield surroundings.versions()
    if settings.disabled:
        yield from surroundings.providers(settings, os.environ, {})
        return
    answers = _asked(settings)
    examined.skews.update({answer.target: answer.skew_s for answer in answers})
    taken = [answer for answer in answers if answer.met is Met.TAKEN]
    told = {} if args.no_send else _marked(args, 10.0 if taken else 1.0)
    yield from surroundings.providers(settings, os.environ, told.get("present", {}))
    yield surroundings.instrumentation(settings, told.get("wrapped"))
    yield from surroundings.pairs(settings)
    yield from surroundings.content(settings, os.environ)
    yield keeping.journal(settings)
    yield keeping.loss(settings)
    yield from keeping.delivery(settings)
    yield from connection(answers) or [_nowhere()]
    yield from _arrivals(args, settings, examined, told, {answer.signal for answer in taken})
    if answers:
        yield clock(examined.skews)


def _asked(settings: Settings) -> list[Answer]:
    with ThreadPoolExecutor(max(1, len(settings.exports))) as pool:
        return list(pool.map(lambda export: ask(export, os.environ), settings.exports))


def _nowhere() -> Finding:
    text = "telemetry leaves this machine for nowhere: no endpoint is configured"
    fix = "give --endpoint, or set OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318; the store is kept anyway"
    return Finding("endpoint", Outcome.WARN, text, fix)


def _marked(args: argparse.Namespace, timeout: float) -> dict[str, Any]:
    """Run the mark in a process of its own; what it told, or {"trouble": words}."""
    with tempfile.TemporaryDirectory(prefix="spanwatch-doctor-") as home:
        asked = {"home": home, "endpoint": args.endpoint, "protocol": args.protocol, "timeout": timeout}
        try:
            answer = subprocess.run(  # noqa: S603 (our own module)
                [sys.executable, "-m", _MARK],
                input=json.dumps(asked),
                capture_output=True,
                text=True,
                timeout=_START_S + timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"trouble": "it did not end in time"}
    try:
        return dict(json.loads(answer.stdout.splitlines()[-1]))
    except (IndexError, ValueError):
        words = answer.stderr.strip().splitlines()[-1:] or [f"exit code {answer.returncode}"]
        return {"trouble": words[0]}


def _arrivals(
    args: argparse.Namespace, settings: Settings, examined: _Examined, told: dict[str, Any], taken: set[str]
) -> Iterator[Finding]:
    """Each signal: sent and taken, then found where it can be looked for."""
    if args.no_send:
        yield Finding("trace", Outcome.SKIP, "nothing was sent (--no-send)")
        return
    if "trouble" in told:
        yield Finding("trace", Outcome.FAIL, f"the marked run failed: {told['trouble']}", "run it: python -m " + _MARK)
        return
    examined.mark = {name: told.get(name) for name in ("trace_id", "instance")}
    places = {place.check: place for place in back_ends(args.jaeger, args.prometheus, args.loki)}
    mark = Mark(told["trace_id"], told["instance"], time.time())
    for signal, check in _SIGNALS.items():
        sent = _sent(signal, check, settings, told, taken)
        if sent.outcome is not Outcome.OK or check not in places:
            yield sent
            continue
        found, skew = arrived(places[check], mark, args.wait)
        examined.skews[places[check].name] = skew
        yield found


def _sent(signal: str, check: str, settings: Settings, told: dict[str, Any], taken: set[str]) -> Finding:
    if signal not in {export.signal for export in settings.exports}:
        return Finding(check, Outcome.SKIP, f"{signal} go nowhere")
    if signal in told["joined"] and not settings.ours:
        text = f"{signal} go out by the provider that was set before ours: whether they arrive is its word"
        return Finding(check, Outcome.SKIP, text, "give --endpoint to send what spanwatch makes")
    if told["lost"].get(signal) or signal not in taken:
        return Finding(check, Outcome.FAIL, f"the marked {check} could not be delivered", "see the lines above")
    option = {"trace": "--jaeger", "metric": "--prometheus", "log": "--loki"}[check]
    return Finding(check, Outcome.OK, f"the marked {check} was delivered (give {option} to see that it arrives)")
