"""What budgets stand at, and what operators may do about it: list, reset, raise, log.

Examples:
  spanwatch budgets                                   the accounts that spent most
  spanwatch budgets --scope user.id=u-1 --json        one user, as JSON lines
  spanwatch budgets raise per-user --usd 5 --scope user.id=u-1
  spanwatch budgets reset per-user --scope user.id=u-1
  spanwatch budgets reset per-user --all
  spanwatch budgets log                               who reset or raised what, and when

What is raised lasts until the window ends. `reset` sets the spend of the window that is open to nothing. Both are kept
in the ledger with the time and --by.
"""

from __future__ import annotations

import argparse
import getpass
import json
import socket
import time
from datetime import UTC, datetime
from decimal import Decimal

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.budgets import Action, Amount, scope_from
from spanwatch.core.errors import UsageError
from spanwatch.core.harmless import clean
from spanwatch.core.money import to_nano, usd_text
from spanwatch.core.settings import Settings
from spanwatch.otel.budgets.asking import Status, statuses
from spanwatch.otel.budgets.ledgers import ledger_of
from spanwatch.reports.screen import Style
from spanwatch.reports.table import Cell, Column, table
from spanwatch.store.ledger import Ledger

ACTIONS = ("list", "reset", "raise", "log")
_COLUMNS = (
    Column("budget", flexible=True),
    Column("scope", flexible=True),
    Column("spent", right=True),
    Column("reserved", right=True),
    Column("limit", right=True),
    Column("used", right=True),
    Column("resets at"),
)


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch budgets`."""
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="list", help="what to do (default: list)")
    parser.add_argument("name", nargs="?", help="the budget; needed to reset and to raise")
    parser.add_argument("--scope", metavar="SCOPE", help="one account, such as user.id=u-1,tags.team=search")
    parser.add_argument("--all", action="store_true", help="reset: every account of the budget")
    parser.add_argument("--usd", metavar="AMOUNT", help="raise: dollars to give on top of the limit")
    parser.add_argument("--tokens", metavar="N", help="raise: tokens to give on top of the limit")
    parser.add_argument("--by", metavar="WHO", help="who does it (default: this user at this host)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line; unknown is null")
    reading.add_limit(parser, 100, "how many lines at most (default: 100)")
    reading.add_home(parser)


def run(args: argparse.Namespace) -> int:
    """Do one action."""
    settings = reading.settings_of(args)
    if settings.ledger_in_force == "memory":
        raise UsageError(
            "the ledger is in the memory of each process: ask there with spanwatch.budgets.status(), or set "
            "ledger='sqlite' or a redis:// URL"
        )
    scope = _scope(args.scope)
    ledger = ledger_of(settings)
    try:
        _DO[args.action](args, settings, ledger, scope)
    finally:
        ledger.close()
    return 0


def _list(args: argparse.Namespace, settings: Settings, ledger: Ledger, scope: str | None) -> None:
    found = statuses(ledger, settings.budgets, args.name, scope, args.limit)
    if args.json:
        for status in found:
            write(json.dumps(as_json(status)))
        return
    if not found:
        write("no spend in a window that is open" + ("" if settings.budgets else ", and no budgets are declared here"))
        return
    write("\n".join(table(_COLUMNS, [_row(status) for status in found], screen_of())))


def as_json(status: Status) -> dict[str, object]:
    """An account as JSON: dollars as text, for they are exact."""

    def plain(number: Decimal | int) -> str | int:
        return f"{number:f}" if isinstance(number, Decimal) else number

    return {
        "name": status.name,
        "scope": status.scope,
        "unit": "tokens" if isinstance(status.budget, int) else "usd",
        "cost": plain(status.cost),
        "budget": plain(status.budget),
        "remaining": plain(status.remaining),
        "reserved": plain(status.reserved),
        "percentage": round(status.percentage, 4),
        "tokens": status.tokens,
        "token_limit": status.token_limit,
        "unpriced_calls": status.unpriced_calls,
        "resets_at": None if status.resets_at is None else status.resets_at.isoformat(),
    }


def _row(status: Status) -> list[Cell]:
    full: Style = "red" if status.percentage >= 100 else "yellow" if status.percentage >= 80 else ""
    unit = "" if isinstance(status.budget, Decimal) else " tokens"
    return [
        Cell(clean(status.name)),
        Cell(clean(status.scope) or "everything"),
        *(Cell(f"{_money(number)}{unit}") for number in (status.cost, status.reserved, status.budget)),
        Cell(f"{status.percentage:.1f} %", full),
        Cell("never" if status.resets_at is None else f"{status.resets_at:%Y-%m-%d %H:%M} UTC"),
    ]


def _money(number: Decimal | int) -> str:
    return f"${number:f}" if isinstance(number, Decimal) else f"{number:,}"


def _reset(args: argparse.Namespace, _settings: Settings, ledger: Ledger, scope: str | None) -> None:
    if scope is None and not args.all:
        raise UsageError("say whose account: --scope user.id=u-1, --scope '' for a budget of everything, or --all")
    name = _name(args)
    ledger.reset(name, scope, time.time_ns(), _who(args))
    write(f"reset {clean(name)}: {'every account' if scope is None else clean(scope) or 'everything'}")


def _raise(args: argparse.Namespace, _settings: Settings, ledger: Ledger, scope: str | None) -> None:
    name, amount = _name(args), Amount(_nano(args.usd), _tokens(args.tokens))
    if not (amount.nano_usd or amount.tokens):
        raise UsageError("say by how much: --usd 5 or --tokens 100000")
    before = ledger.raise_(name, scope or "", amount, time.time_ns(), _who(args))
    if before is None:
        raise UsageError(
            f"budget {name!r} has no account {scope or 'of everything'!r} in an open window; see: spanwatch budgets"
        )
    given = [f"${usd_text(amount.nano_usd)}"] if amount.nano_usd else []
    given += [f"{amount.tokens:,} tokens"] if amount.tokens else []
    write(f"raised {clean(name)} by {' and '.join(given)}: {clean(scope or '') or 'everything'}, until its window ends")


def _log(args: argparse.Namespace, _settings: Settings, ledger: Ledger, _scope: str | None) -> None:
    for action in ledger.actions(args.limit):
        if args.name not in {None, action.budget}:
            continue
        write(json.dumps(_action_json(action)) if args.json else _action_text(action))


def _action_json(action: Action) -> dict[str, object]:
    return {
        "at": _time(action),
        "who": action.who,
        "action": action.action,
        "name": action.budget,
        "scope": action.scope,
        "usd": usd_text(action.amount.nano_usd),
        "tokens": action.amount.tokens,
    }


def _action_text(action: Action) -> str:
    scope = "every account" if action.scope is None else clean(action.scope) or "everything"
    given = [f"${usd_text(action.amount.nano_usd)}"] if action.amount.nano_usd else []
    given += [f"{action.amount.tokens:,} tokens"] if action.amount.tokens else []
    by = f" by {' and '.join(given)}" if given else ""
    return f"{_time(action)}  {clean(action.who)}  {action.action} {clean(action.budget)}{by}: {scope}"


def _time(action: Action) -> str:
    return datetime.fromtimestamp(action.at_ns // 10**9, UTC).isoformat().replace("+00:00", "Z")


def _name(args: argparse.Namespace) -> str:
    if args.name is None:
        raise UsageError(f"name the budget, such as: spanwatch budgets {args.action} per-user")
    return str(args.name)


def _who(args: argparse.Namespace) -> str:
    if args.by:
        return str(args.by)
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name; Windows without USERNAME
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _scope(text: str | None) -> str | None:
    try:
        return None if text is None else scope_from(text)
    except ValueError as error:
        raise UsageError(f"--scope: {error}") from None


def _nano(text: str | None) -> int:
    try:
        nano = 0 if text is None else to_nano(text)
    except (ValueError, ArithmeticError):
        nano = -1
    if nano < 0:
        raise UsageError(f"--usd must be a number of dollars above 0, not {text!r}")
    return nano


def _tokens(text: str | None) -> int:
    digits = (text or "0").replace("_", "")
    if not digits.isdecimal():
        raise UsageError(f"--tokens must be a whole number above 0, not {text!r}")
    return int(digits)


_DO = {"list": _list, "reset": _reset, "raise": _raise, "log": _log}
