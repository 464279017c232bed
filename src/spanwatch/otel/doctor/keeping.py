"""Whether what happens is kept: the journal's directory, the store, and what was lost so far."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

from spanwatch.core.diagnosis import Finding, Outcome
from spanwatch.core.errors import StoreError
from spanwatch.core.settings import Settings
from spanwatch.store import home as places
from spanwatch.store.accounting import Tallied
from spanwatch.store.catching_up import caught_up
from spanwatch.store.owing import accounts
from spanwatch.store.stats import StoreStats, stats

_NEEDED_BYTES = 64 * 1024 * 1024
_LATE_BYTES = 256 * 1024 * 1024


def journal(settings: Settings) -> Finding:
    """Whether the journal can be written, with room for what it may grow to."""
    if not settings.store:
        text = "the store is off: what cannot be delivered is lost with the process"
        return Finding("journal", Outcome.WARN, text, "set SPANWATCH_STORE=on")
    home = Path(settings.home).absolute()
    there = _nearest(home)
    try:
        with tempfile.TemporaryFile(dir=there if there.is_dir() else there.parent) as file:
            file.write(b"\0" * 4096)
        free = shutil.disk_usage(there).free
    except OSError as error:
        fix = "give a directory that this user may write: --home, SPANWATCH_HOME"
        return Finding("journal", Outcome.FAIL, f"{home} cannot be written: {error.strerror or error}", fix)
    if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        fix = "give a directory that this user may write: --home, SPANWATCH_HOME"
        return Finding("journal", Outcome.FAIL, f"{there} is no directory that can be written", fix)
    if free < _NEEDED_BYTES:
        fix = "free some room, or give a home elsewhere: --home, SPANWATCH_HOME"
        return Finding("journal", Outcome.FAIL, f"{home} has {free // 1024**2} MiB of room left", fix)
    if free < settings.retention_bytes:
        text = f"{home} has room for {free // 1024**2} MiB, less than retention_bytes lets the store take"
        return Finding("journal", Outcome.WARN, text, "set SPANWATCH_RETENTION_BYTES lower, or free some room")
    return Finding("journal", Outcome.OK, f"{home} can be written")


def loss(settings: Settings) -> Finding:
    """What the store knows to be lost, damaged or waiting."""
    if not settings.store:
        return Finding("loss", Outcome.SKIP, "the store is off: nobody counts what is lost")
    home = Path(settings.home).absolute()
    if not places.exists(home):
        return Finding("loss", Outcome.OK, "nothing was kept so far, and nothing lost")
    try:
        with caught_up(home) as place:
            found = stats(place, home)
    except (StoreError, OSError, sqlite3.Error) as error:
        return Finding("loss", Outcome.FAIL, f"the store cannot be read: {error}", "spanwatch store stats says more")
    return _loss(found)


def _loss(found: StoreStats) -> Finding:
    kept = f"{dict(found.rows)['calls']} calls and {dict(found.rows)['spans']} spans are kept"
    if found.losses:
        lost = ", ".join(f"{count} {reason}" for reason, count in found.losses)
        fix = (
            "journal_unwritable: room and rights of the home directory; journal_stalled: a disk that took nothing for "
            "too long; damaged: what a crash or a full disk cut off"
        )
        return Finding("loss", Outcome.WARN, f"lost so far: {lost}; {kept}", fix)
    if found.journal_bytes > _LATE_BYTES:
        text = f"{found.journal_bytes // 1024**2} MiB of journal wait to be stored; {kept}"
        return Finding("loss", Outcome.WARN, text, "spanwatch store stats; a running program stores them by itself")
    if found.set_aside:
        text = f"{found.set_aside} damaged database files were set aside; {kept}"
        return Finding("loss", Outcome.WARN, text, "remove them once you need them no more")
    return Finding("loss", Outcome.OK, f"nothing was lost; {kept}")


def delivery(settings: Settings) -> list[Finding]:
    """The account of what was emitted for collectors: delivered, waiting in the journal, dropped by reason."""
    if not settings.store:
        return []
    home = Path(settings.home).absolute()
    try:
        found = accounts(home)
    except (OSError, ValueError) as error:
        return [Finding("delivery", Outcome.FAIL, f"the journal cannot be read: {error}", "spanwatch store stats")]
    return [_delivery(lane, tallied) for lane, tallied in sorted(found.items())]


def _delivery(lane: str, tallied: Tallied) -> Finding:
    counted = f"{lane}: {tallied.emitted} emitted = {tallied.delivered} delivered + {tallied.waiting} waiting"
    dropped = "".join(f" + {count} dropped ({reason})" for reason, count in sorted(tallied.dropped.items()))
    if tallied.unaccounted:
        text = f"{counted}{dropped} + {tallied.unaccounted} unaccounted for"
        return Finding("delivery", Outcome.FAIL, text, "this must not be: please report it")
    if dropped:
        fix = "journal_full: set SPANWATCH_JOURNAL_BYTES higher; refused, rejected: the collector's log says why"
        return Finding("delivery", Outcome.WARN, counted + dropped, fix)
    if tallied.waiting:
        fix = "the next program with this home sends them, once the collector takes them"
        return Finding("delivery", Outcome.WARN, counted, fix)
    return Finding("delivery", Outcome.OK, counted)


def _nearest(home: Path) -> Path:
    """The directory itself, or the nearest above it that is there."""
    return next((place for place in (home, *home.parents) if place.exists()), Path(home.anchor))
