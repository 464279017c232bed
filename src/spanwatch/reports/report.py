"""A report: its sections are a plain list of callables, so that a feature adds its own."""

from __future__ import annotations

import json as encoding
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanwatch.core.health import Health
from spanwatch.reports.screen import Screen
from spanwatch.store.summary import Axis, Group, Summary, grouped, summary
from spanwatch.store.work import Work, work

_PLAIN = Screen()


@dataclass(frozen=True, slots=True)
class Material:
    """What a section may look at: the store, the window, and what is read of both anyway."""

    home: Path
    calls: Summary
    agents: tuple[Group, ...]
    work: Work
    health: Health


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report: its keys of the JSON object, and its lines for a screen, none where it says nothing."""

    data: dict[str, Any]
    lines: Callable[[Screen], Sequence[str]]


Build = Callable[[Material], Section]


@dataclass(frozen=True, slots=True)
class Report:
    """What was asked of agents and models in a window, how it went, and what it cost. Unknown is None, never 0.

    `calls` are the sums over model calls, `work` requests, agents, tools and failures, `health` is the verdict of now.
    """

    calls: Summary
    work: Work
    health: Health
    sections: tuple[Section, ...]

    def as_dict(self) -> dict[str, Any]:
        """All sections as plain values: times in ISO 8601, money as decimal text, durations in seconds."""
        return {name: value for section in self.sections for name, value in section.data.items()}

    def json(self, indent: int | None = 2) -> str:
        """The same as JSON text."""
        return encoding.dumps(self.as_dict(), indent=indent)

    def text(self, screen: Screen = _PLAIN) -> str:
        """All sections that have something to say, for people."""
        blocks = ["\n".join(lines) for section in self.sections if (lines := section.lines(screen))]
        return "\n\n".join(blocks)

    def __str__(self) -> str:
        return self.text()


def report_of(
    home: Path,
    health: Callable[[], Health],
    sections: Sequence[Build],
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    by: Axis | None = None,
) -> Report:
    """The report of what began in [`since_ns`, `until_ns`). Project first: this reads what is stored.

    Raises:
        StoreError: there is no store here, or it cannot be read.
    """
    calls = summary(home, since_ns=since_ns, until_ns=until_ns, by=by)
    done, now = work(home, since_ns=since_ns, until_ns=until_ns), health()
    by_agent = calls.groups if by == "agent" else grouped(home, "agent", since_ns=since_ns, until_ns=until_ns)
    material = Material(home, calls, by_agent, done, now)
    return Report(calls, done, now, tuple(build(material) for build in sections))
