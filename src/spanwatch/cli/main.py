"""The command `spanwatch`: finds the verb, runs it, and turns errors of ours into one line and an exit code.

Exit codes: 0 done; 1 it failed; 2 the command line or a setting is wrong; 130 interrupted. `spanwatch run` exits as
the program that it ran.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from typing import Any

from spanwatch.core.errors import ConfigurationError, SpanwatchError, UsageError

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
_PROPAGATORS = "OTEL_PROPAGATORS"

VERBS = {
    "run": "run a program and trace every model call it makes, without changing it",
    "doctor": "check the way of telemetry to the back ends, and prove it with a marked run",
    "health": "how the agents are and why, as text, JSON and exit code",
    "top": "a live view of all running processes: health, cost, latency, traces",
    "report": "what was called, what failed, what it cost",
    "traces": "the latest traces, the dearest, the slowest",
    "trace": "one trace as a tree, with durations, tokens and cost",
    "calls": "every model call, one line each",
    "budgets": "what budgets stand at; reset and raise them",
    "feedback": "what users said: averages, trends, low ratings",
    "alerts": "what is wrong now and what was; silences",
    "rules": "the rules in force; check files of them, run their unit tests",
    "price": "explain the price of one call, line by line",
    "prices": "the price data in force, and its update",
    "stack": "collector, Jaeger, Prometheus, Alertmanager and Loki as processes on this machine",
    "generate": "dashboards for Grafana and rules for Prometheus",
    "store": "the embedded store: sizes, pruning, export, forgetting a user",
}

_EPILOG = """\
The first minute:
  spanwatch run -- python app.py     run your program; the summary follows its output
  spanwatch report --since 1h        the same summary, any time later
  spanwatch traces                   then: spanwatch trace TRACE_ID

Each verb explains itself: spanwatch VERB --help
Exit codes: 0 done, 1 it failed, 2 the command line or a setting is wrong, 130 interrupted;
`spanwatch run` exits as the program that it ran.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except (UsageError, ConfigurationError) as error:
        return _complain(error, WRONG)
    except SpanwatchError as error:
        return _complain(error, FAILED)
    except BrokenPipeError:
        _silence()
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED


def _dispatch(arguments: list[str]) -> int:
    top = _top()
    if not arguments or arguments[0].startswith("-"):
        top.parse_args(arguments)
        top.print_help()
        return OK
    verb, rest = arguments[0], arguments[1:]
    if verb not in VERBS:
        close = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "see spanwatch --help"
        raise UsageError(f"there is no verb {verb!r}; {hint}")
    module = _module(verb)
    parser = argparse.ArgumentParser(
        prog=f"spanwatch {verb}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.prepare(parser)
    code: int = module.run(parser.parse_args(rest))
    sys.stdout.flush()
    return code


def _module(verb: str) -> Any:
    """What a verb does. The propagators are the program's: one that is not installed here would end us as we load."""
    said = os.environ.pop(_PROPAGATORS, None)
    try:
        return importlib.import_module(f"{__package__}.{verb}")
    finally:
        if said is not None:
            os.environ[_PROPAGATORS] = said


def _top() -> argparse.ArgumentParser:
    verbs = "\n".join(f"  {name:<10}{text}" for name, text in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="spanwatch",
        usage="spanwatch [--help] [--version] VERB ...",
        description=f"See, price and keep every model call of an agent.\n\nVerbs:\n{verbs}",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"spanwatch {importlib.metadata.version('spanwatch')}")
    return parser


def _complain(error: SpanwatchError, code: int) -> int:
    text = " ".join(str(error).split())
    sys.stderr.write(f"spanwatch: {text}\n")
    return code


def _silence() -> None:
    """The reader went away: nothing more may be written, at interpreter exit neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
