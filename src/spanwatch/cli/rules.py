"""Rules: list those in force here, check a file of them, run their unit tests. Without Prometheus.

Files are Prometheus' rule files (YAML) or spanwatch.toml; tests are in promtool's format.

Exit codes: 0 all is well, 1 a test failed, 2 a file or rule is wrong.

Examples:
  spanwatch rules
  spanwatch rules check collector-config/prometheus/rules/spanwatch.yaml
  spanwatch rules test rules_test.yaml
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from spanwatch.cli import reading
from spanwatch.cli.screen import screen_of, write
from spanwatch.cli.yaml_file import read_yaml
from spanwatch.core.errors import ConfigurationError, UsageError
from spanwatch.core.harmless import clean
from spanwatch.core.rules import Rule, rules_from
from spanwatch.core.rules.files import FromFile, Recording, alerting, rules_in
from spanwatch.core.rules.unit_tests import run as run_tests
from spanwatch.reports.table import Cell, Column, table

OK, FAILED = 0, 1


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch rules`."""
    actions = parser.add_subparsers(dest="action", metavar="{list,check,test}")
    listed = actions.add_parser("list", help="the rules that are configured here (without an action, too)")
    check = actions.add_parser("check", help="whether rule files can be used here")
    check.add_argument("files", nargs="+", metavar="FILE")
    test = actions.add_parser("test", help="run unit tests in promtool's format")
    test.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="a JSON array")
    reading.add_home(parser)
    listed.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="a JSON array")
    listed.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for; the exit code."""
    if args.action == "check":
        return _check([Path(name) for name in args.files])
    if args.action == "test":
        return _test([Path(name) for name in args.files])
    rules = reading.settings_of(args).rules
    if args.json:
        write(json.dumps([_as_dict(rule) for rule in rules], indent=2))
    else:
        write(
            "\n".join(_lines(rules)) if rules else "no rules: rules = 'default' in spanwatch.toml has the shipped ones"
        )
    return OK


def _as_dict(rule: Rule) -> dict[str, object]:
    return {
        "name": rule.name,
        "severity": rule.severity,
        "expr": rule.expr,
        "for_s": rule.for_s,
        "keep_firing_for_s": rule.keep_s,
        "summary": rule.summary,
        "labels": dict(rule.labels),
        "portable": rule.portable,
    }


def _lines(rules: Sequence[Rule]) -> Sequence[str]:
    columns = [Column("rule"), Column("severity"), Column("for", right=True), Column("when", flexible=True)]
    rows = [[Cell(clean(r.name)), Cell(r.severity), Cell(f"{r.for_s:g} s"), Cell(clean(_when(r)))] for r in rules]
    return table(columns, rows, screen_of())


def _when(rule: Rule) -> str:
    if rule.expr is not None:
        return " ".join(rule.expr.split())
    return "what the ledger says" if rule.budget is not None else "a predicate in Python"


def _check(paths: Sequence[Path]) -> int:
    for path in paths:
        found = _rules_of(path)
        records = sum(isinstance(each, Recording) for each in found)
        write(f"{path}: {len(found) - records} alerting and {records} recording rules can be used")
    return OK


def _rules_of(path: Path) -> list[FromFile | Recording]:
    if path.suffix == ".toml":
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from None
        rules = rules_from(content.get("rules", []), str(path))
        return [FromFile(rule, {"summary": rule.summary}, has_severity=True, group="") for rule in rules]
    return rules_in(read_yaml(path), str(path))


def _test(paths: Sequence[Path]) -> int:
    failures = 0
    for path in paths:
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise ConfigurationError(f"{path} is no file of unit tests")
        rules = [each for name in content.get("rule_files") or () for each in _rules_of(_beside(path, str(name)))]
        found = run_tests(content, rules)
        failures += len(found)
        for failure in found:
            sys.stderr.write(f"{path}: {clean(failure.test)}: {clean(failure.text)}\n")
        write(
            f"{path}: {len(content.get('tests') or ())} tests of {len(alerting(rules))} alerting rules: "
            f"{'FAILED' if found else 'passed'}"
        )
    return FAILED if failures else OK


def _beside(path: Path, name: str) -> Path:
    return path.parent / name
