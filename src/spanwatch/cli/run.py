r"""Run a program and trace every model call it makes, without changing it.

One line on stderr says at the start where data goes and what is seen; the summary follows the program's end. Its own
output and its exit code stay as they are. Programs that it starts are traced too.

Examples:
  spanwatch run -- python app.py
  spanwatch run --service support-bot -- gunicorn app:server
  spanwatch run --endpoint http://localhost:4318 --content on -- python -m agent --verbose
  spanwatch run --budget 5 -- python app.py           at most five dollars; also 5/day, 'team=100000 tokens/day'

With --budget calls that do not fit are refused. One without a window is of this run alone.

Exit code: the program's own, but 3 when a --budget was hit; 127 when it is not found, 126 when it cannot be started,
2 when an option is wrong.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from spanwatch.cli.launch import Launcher, end_like
from spanwatch.cli.run_budgets import BUDGET_HIT, hit, open_to_all, run_budgets
from spanwatch.cli.run_summary import exit_summary
from spanwatch.core.errors import SpanwatchError, UsageError
from spanwatch.core.names import CONFIG_FILE
from spanwatch.core.settings import RUN_BUDGETS_VARIABLE, Settings, resolve
from spanwatch.otel import startup
from spanwatch.otel.coverage import expected
from spanwatch.otel.environment import CONFIG_VARIABLE, RUN_VARIABLE, settings_from
from spanwatch.otel.price_file import described, price_book
from spanwatch.otel.reach import reach
from spanwatch.otel.status import start_line
from spanwatch.otel.version import VERSION

NOT_FOUND, NOT_STARTED = 127, 126
_OPTIONS = {
    "service": "the name of the program in traces and metrics",
    "home": "directory of the embedded store (default: .spanwatch)",
    "endpoint": "OTLP base URL to send spans, metrics and logs to",
    "content": "on: record prompts and completions (default: off)",
    "openai": "who sees the OpenAI client's calls: spanwatch, openllmetry, genai, openinference or none",
    "sample": "ratio of traces to keep, such as 0.01; every call is counted anyway",
}
_PYTHON = re.compile(r"(python|pypy)[0-9.]*\Z")
_TAKES_VALUE = ("-W", "-X", "--check-hash-based-pycs")


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch run`."""
    for name, text in _OPTIONS.items():
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument(
        "--budget", action="append", default=[], metavar="LIMIT", help="dollars that may be spent; may be given again"
    )
    parser.add_argument("--no-summary", action="store_true", help="print no summary after the program's end")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the program and its arguments, after --")


def run(args: argparse.Namespace) -> int:
    """Run the program; its exit code."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise UsageError("name the program to run, such as: spanwatch run -- python app.py")
    options = {name: getattr(args, name) for name in _OPTIONS if getattr(args, name) is not None}
    run_id = uuid.uuid4().hex
    budgets = run_budgets(args.budget, run_id)
    resolve(options, {})
    executable = shutil.which(command[0])
    if executable is None:
        return _not_found(command[0])
    began = time.time_ns()
    environ, settings = _announced(_environ(options, run_id, budgets), command, has_budgets=bool(budgets))
    try:
        code = Launcher(command, executable, environ).run()
    except OSError as error:
        _say(f"spanwatch: {command[0]} cannot be started: {error.strerror}")
        return NOT_STARTED
    if settings is None:
        return end_like(code)
    if settings.store and not settings.disabled and not args.no_summary:
        _say(exit_summary(Path(settings.home), run_id, began))
    told = hit(settings, budgets) if budgets else []
    _say("\n".join(told))
    return BUDGET_HIT if told else end_like(code)


def _announced(
    environ: dict[str, str], command: Sequence[str], *, has_budgets: bool
) -> tuple[dict[str, str], Settings | None]:
    """What the program gets, after the start line: our variables and settings, or neither where it runs untraced.

    Raises:
        SpanwatchError: a setting is wrong, and there are budgets: a program that nobody watches would spend unlimited.
    """
    try:
        settings = settings_from({}, environ)
        _say(_start_line(settings, command))
        if has_budgets:
            open_to_all(settings)
    except SpanwatchError as error:
        if has_budgets:
            raise
        _say(f"spanwatch: this program runs untraced: {' '.join(str(error).split())}")
        return dict(os.environ), None
    return environ, settings


def _environ(options: Mapping[str, str], run_id: str, budgets: Sequence[str]) -> dict[str, str]:
    """The program's environment: as ours, with the start-up directory in front, and our own variables."""
    environ = dict(os.environ)
    for name, value in options.items():
        environ[f"SPANWATCH_{name.upper()}"] = value
    environ["SPANWATCH_HOME"] = str(Path(_home(environ)).absolute())
    environ[RUN_VARIABLE] = run_id
    if budgets:
        environ[RUN_BUDGETS_VARIABLE] = "\n".join(budgets)
    if CONFIG_VARIABLE not in environ and Path(CONFIG_FILE).is_file():
        environ[CONFIG_VARIABLE] = str(Path(CONFIG_FILE).absolute())
    front, behind = str(Path(startup.__file__).parent), environ.get("PYTHONPATH")
    environ["PYTHONPATH"] = front if not behind else f"{front}{os.pathsep}{behind}"
    return environ


def _home(environ: Mapping[str, str]) -> str:
    try:
        return settings_from({}, environ).home
    except SpanwatchError:  # told with the start line
        return Settings().home


def _start_line(settings: Settings, command: Sequence[str]) -> str:
    limit = untraceable(command)
    return start_line(
        settings,
        expected(settings),
        version=VERSION,
        prices=described(price_book(settings)),
        reach={target: reach(target) for target in {export.target for export in settings.exports}},
        limits=() if limit is None else (limit,),
    )


def untraceable(command: Sequence[str]) -> str | None:
    """Why a Python command line shuts us out, or None: flags that ignore PYTHONPATH or skip start-up files."""
    if not _PYTHON.match(Path(command[0]).name):
        return None
    words = iter(command[1:])
    for word in words:
        if word in _TAKES_VALUE:
            next(words, None)
        elif not word.startswith("-") or word.startswith(("-c", "-m", "--")) or word == "-":
            return None
        elif not word.startswith(("-W", "-X")) and (flag := next((flag for flag in "IES" if flag in word), None)):
            return f"everything, because python -{flag} keeps spanwatch from being loaded"
    return None


def _not_found(name: str) -> int:
    hint = f"; did you mean: spanwatch run -- python {name}" if name.endswith(".py") and Path(name).is_file() else ""
    _say(f"spanwatch: command not found: {name}{hint}")
    return NOT_FOUND


def _say(text: str) -> None:
    if text:
        sys.stderr.write(text.rstrip("\n") + "\n")
        sys.stderr.flush()
