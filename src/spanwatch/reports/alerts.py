"""Alerts of a store: what is pending and what fires, as rows and as a section of the report."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from spanwatch.core.durations import written
from spanwatch.core.harmless import clean
from spanwatch.core.rules.alert import Alert, State
from spanwatch.core.rules.lifecycle import shown
from spanwatch.core.rules.telling import marked
from spanwatch.reports.report import Material, Section
from spanwatch.reports.screen import Screen, Style
from spanwatch.reports.table import Cell, Column, table
from spanwatch.store.alerts import AlertBook, is_kept

_STYLES: dict[str, Style] = {"critical": "red", "warning": "yellow"}
COLUMNS = (
    Column("alert"),
    Column("severity"),
    Column("state"),
    Column("for", right=True),
    Column("what", flexible=True),
)


def alerts(material: Material) -> Section:
    """What is pending and what fires now, whatever the window."""
    found = alerts_of(material.home, material.health.at_ns)
    data = [{key: value for key, value in alert.as_dict().items() if key != "fingerprint"} for alert in found]
    return Section({"alerts": data}, partial(alert_rows, found, material.health.at_ns))


def alerts_of(home: Path, now_ns: int) -> list[Alert]:
    """The alerts of a store, none where nothing has evaluated rules or the file cannot be read."""
    if not is_kept(home):
        return []
    book = AlertBook(home)
    try:
        return known(book, now_ns)
    except (OSError, sqlite3.Error):
        return []
    finally:
        book.close()


def known(book: AlertBook, now_ns: int) -> list[Alert]:
    """The alerts of a book that are pending or fire, each with the silence that keeps it quiet."""
    found = [alert for alerts in book.alerts().values() for alert in alerts]
    return marked(shown(found), book.silences(now_ns), now_ns)


def alert_rows(found: Sequence[Alert], now_ns: int, screen: Screen) -> Sequence[str]:
    """A line for each alert; none without alerts."""
    return table(COLUMNS, [alert_row(alert, now_ns) for alert in found], screen) if found else []


def alert_row(alert: Alert, now_ns: int) -> list[Cell]:
    """An alert as cells: name, severity, state, how long it has stood, and what it says."""
    state = "silenced" if alert.silenced_by else alert.state.value
    style = _STYLES.get(alert.severity, "") if alert.state is State.FIRING and not alert.silenced_by else "dim"
    stood = written(max(0, (now_ns - alert.since_ns) // 1_000_000_000))
    traces = f" (traces {' '.join(alert.trace_ids)})" if alert.trace_ids else ""
    return [
        Cell(clean(alert.name), style),
        Cell(alert.severity),
        Cell(state, style),
        Cell(stood),
        Cell(clean(alert.summary + traces)),
    ]
