"""What a doctor found, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spanwatch.core.diagnosis import Finding, Outcome
from spanwatch.core.harmless import clean
from spanwatch.reports.screen import Screen, Style

_STYLES: dict[Outcome, Style] = {Outcome.OK: "cyan", Outcome.WARN: "yellow", Outcome.FAIL: "red", Outcome.SKIP: "dim"}


def finding_line(finding: Finding, screen: Screen) -> str:
    """One line: how it ended, which check, what was seen, and the fix."""
    word = screen.style(f"{finding.outcome.value:<5}", _STYLES[finding.outcome])
    fix = f"; fix: {clean(finding.fix)}" if finding.fix else ""
    return f"{word} {finding.check:<16}{clean(finding.text)}{fix}"


def last_line(findings: Sequence[Finding]) -> str:
    """How many checks ended how."""
    counts = {outcome: sum(finding.outcome is outcome for finding in findings) for outcome in Outcome}
    words = {Outcome.OK: "good", Outcome.WARN: "to look at", Outcome.FAIL: "failed", Outcome.SKIP: "skipped"}
    return ", ".join(f"{count} {words[outcome]}" for outcome, count in counts.items() if count)


def doctor_json(findings: Sequence[Finding], mark: Mapping[str, Any] | None) -> dict[str, Any]:
    """One object: whether all is well, every check, and what was sent as the mark."""
    checks = [
        {"check": one.check, "level": one.outcome.value, "text": one.text, "fix": one.fix or None} for one in findings
    ]
    return {"ok": not failed(findings), "checks": checks, "mark": mark}


def failed(findings: Sequence[Finding]) -> bool:
    """Whether any check failed; what is to look at is no failure."""
    return any(finding.outcome is Outcome.FAIL for finding in findings)
