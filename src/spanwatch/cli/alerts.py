"""Alerts of this store: what is pending and what fires, what was, and silences.

Exit codes: 0, or with --check: 0 nothing fires, 1 something does.

Examples:
  spanwatch alerts
  spanwatch alerts --severity critical --json
  spanwatch alerts history --since 1d
  spanwatch alerts silence HighErrorRate job=support-bot --for 2h --comment "known, being fixed"
  spanwatch alerts silences
  spanwatch alerts unsilence 1f0c2a9b
"""

from __future__ import annotations

import argparse
import getpass
import json
import secrets
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.durations import seconds
from spanwatch.core.errors import StoreError, UsageError
from spanwatch.core.harmless import clean
from spanwatch.core.rules import Alert, State
from spanwatch.core.rules.alert import SEVERITIES, moment
from spanwatch.core.rules.silences import Silence, conditions_of
from spanwatch.core.times import moment as time_of
from spanwatch.reports.alerts import alert_rows, known
from spanwatch.store.alerts import AlertBook, is_kept

OK, FIRES = 0, 1
_SECOND_NS = 1_000_000_000


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch alerts`."""
    parser.add_argument("--severity", choices=SEVERITIES, help="only alerts of this severity")
    parser.add_argument("--json", action="store_true", help="a JSON array; unknown is null")
    parser.add_argument("--check", action="store_true", help="exit code 1 when an alert fires that is not silenced")
    reading.add_home(parser)
    actions = parser.add_subparsers(dest="action", metavar="{history,silence,silences,unsilence}")
    history = actions.add_parser("history", help="what began to fire and what ended, latest first")
    history.add_argument("--since", metavar="WHEN", help="an age such as 1h, or a time (UTC)")
    reading.add_limit(history, 100, "how many (default: 100)")
    history.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="a JSON array")
    silence = actions.add_parser("silence", help="keep alerts quiet for a while")
    silence.add_argument(
        "conditions", nargs="+", metavar="CONDITION", help="an alert's name, or label=value, !=, =~, !~"
    )
    silence.add_argument("--for", dest="length", default="1h", metavar="LENGTH", help="how long (default: 1h)")
    silence.add_argument("--comment", default="", help="why")
    actions.add_parser("silences", help="the silences in force")
    unsilence = actions.add_parser("unsilence", help="end a silence")
    unsilence.add_argument("id", metavar="ID", help="the silence's id, as `spanwatch alerts silences` has it")
    for each in actions.choices.values():
        each.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="directory of the store")


def run(args: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    home = Path(reading.settings_of(args).home)
    book, now = AlertBook(home), time.time_ns()
    if not is_kept(home) and args.action != "silence":
        return _nothing(args)
    try:
        actions = {"history": _history, "silence": _silence, "silences": _silences, "unsilence": _unsilence}
        return actions.get(args.action, _alerts)(args, book, now)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the alerts in {home} cannot be read: {error}") from error
    finally:
        book.close()


def _nothing(args: argparse.Namespace) -> int:
    as_json = args.json and args.action in {None, "history"}
    write("[]" if as_json else "no alerts: nothing has evaluated rules here; see spanwatch rules")
    return OK


def _alerts(args: argparse.Namespace, book: AlertBook, now_ns: int) -> int:
    found = [alert for alert in known(book, now_ns) if args.severity in {None, alert.severity}]
    troubles = book.troubles()
    if args.json:
        write(json.dumps([alert.as_dict() for alert in found], indent=2))
    else:
        lines = list(alert_rows(found, now_ns, screen_of())) or ["no alerts"]
        lines += [f"rule {clean(rule)} cannot be evaluated: {clean(text)}" for rule, text in troubles.items()]
        write("\n".join(lines))
    fires = any(alert.state is State.FIRING and alert.silenced_by is None for alert in found)
    return FIRES if args.check and fires else OK


def _history(args: argparse.Namespace, book: AlertBook, now_ns: int) -> int:
    changes = book.history(time_of(args.since, "--since", now_ns) or 0, args.limit)
    if args.json:
        write(json.dumps([{"at": moment(change.at_ns), **change.alert.as_dict()} for change in changes], indent=2))
        return OK
    write("\n".join(f"{moment(change.at_ns)}  {_told(change.alert)}" for change in changes) or "no alerts in that time")
    return OK


def _told(alert: Alert) -> str:
    return clean(f"{alert.state.value:<9} {alert.severity:<9} {alert.name}: {alert.summary}")


def _silence(args: argparse.Namespace, book: AlertBook, now_ns: int) -> int:
    try:
        length_ns = int(seconds(args.length) * _SECOND_NS)
    except ValueError as error:
        raise UsageError(f"--for {error}") from None
    made = Silence(
        secrets.token_hex(4), conditions_of(args.conditions), now_ns, now_ns + length_ns, _who(), args.comment[:1_000]
    )
    book.silence(made)
    write(f"silence {made.id} until {moment(made.until_ns)}: {clean(', '.join(made.conditions))}")
    return OK


def _silences(_args: argparse.Namespace, book: AlertBook, now_ns: int) -> int:
    lines = [_silence_line(each) for each in book.silences(now_ns)]
    write("\n".join(lines) or "no silences")
    return OK


def _silence_line(silence: Silence) -> str:
    why: Sequence[str] = [part for part in (silence.by, silence.comment) if part]
    about = f" ({': '.join(why)})" if why else ""
    return clean(f"{silence.id}  until {moment(silence.until_ns)}  {', '.join(silence.conditions)}{about}")


def _unsilence(args: argparse.Namespace, book: AlertBook, _now_ns: int) -> int:
    if not book.unsilence(args.id):
        raise UsageError(f"there is no silence {args.id!r}; see spanwatch alerts silences")
    write(f"silence {args.id} ended")
    return OK


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name; Windows without USERNAME
        return ""
