"""The pytest fixture `spanwatch_capture` and the option `--spanwatch-report`.

pytest loads this module at its start, so it imports nothing heavy.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

_PROPERTY = "spanwatch"
_UNKNOWN = "unknown"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--spanwatch-report`."""
    group = parser.getgroup("spanwatch")
    group.addoption(
        "--spanwatch-report",
        action="store_true",
        help="after the tests, say what each that uses spanwatch_capture called and what that cost",
    )


@pytest.fixture
def spanwatch_capture(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Everything that the code under test does with a model, as a `spanwatch.testing.Captured`."""
    with importlib.import_module("spanwatch.testing").capture() as captured:
        yield captured
    if request.config.getoption("--spanwatch-report"):
        request.node.user_properties.append((_PROPERTY, json.dumps(captured.summary())))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say, for each test that captured, how many calls it made, with how many tokens, at what cost."""
    if not terminalreporter.config.getoption("--spanwatch-report"):
        return
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    found = {
        report.nodeid: json.loads(value)
        for report in reports
        if getattr(report, "when", None) == "teardown"
        for name, value in report.user_properties
        if name == _PROPERTY
    }
    terminalreporter.section("spanwatch")
    for test in sorted(found):
        terminalreporter.write_line(f"{_told(found[test])}  {test}")
    if not found:
        terminalreporter.write_line("no test used the fixture spanwatch_capture")


def _told(each: dict[str, Any]) -> str:
    tokens = " + ".join(
        _UNKNOWN if each[key] is None else f"{each[key]:,}" for key in ("input_tokens", "output_tokens")
    )
    cost = _UNKNOWN if each["usd"] is None else f"${each['usd']}"
    calls = f"{each['calls']} call{'' if each['calls'] == 1 else 's'}"
    if not each["calls"]:
        return calls
    failed = f", {each['errors']} failed" if each["errors"] else ""
    return f"{calls}{failed}, {tokens} tokens, {cost}"
