"""Whether what happens is kept: the journal's directory, the store, and what was lost so far."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

from spanwatch.core.diagnosis import Finding, Level
from spanwatch.core.errors import StoreError
from spanwatch.core.settings import Settings
from spanwatch.store import home as places
from spanwatch.store.catching_up import caught_up
from spanwatch.store.stats import Stats, stats

_NEEDED_BYTES = 64 * 1024 * 1024
_LATE_BYTES = 256 * 1024 * 1024


def journal(settings: Settings) -> Finding:
    """Whether the journal can be written, with room for what it may grow to."""
    if not settings.store:
        text = "the store is off: what cannot be delivered is lost with the process"
        return Finding("journal", Level.WARN, text, "set SPANWATCH_STORE=on")
    home = Path(settings.home).absolute()
    there = _nearest(home)
    try:
        with tempfile.TemporaryFile(dir=there if there.is_dir() else there.parent) as file:
            file.write(b"\0" * 4096)
        free = shutil.disk_usage(there).free
    except OSError as error:
        fix = "give a directory that this user may write: --home, SPANWATCH_HOME"
        return Finding("journal", Level.FAIL, f"{home} cannot be written: {error.strerror or error}", fix)
    if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        fix = "give a directory that this user may write: --home, SPANWATCH_HOME"
        return Finding("journal", Level.FAIL, f"{there} is no directory that can be written", fix)
    if free < _NEEDED_BYTES:
        fix = "free some room, or give a home elsewhere: --home, SPANWATCH_HOME"
        return Finding("journal", Level.FAIL, f"{home} has {free // 1024**2} MiB of room left", fix)
    if free < settings.retention_bytes:
        text = f"{home} has room for {free // 1024**2} MiB, less than retention_bytes lets the store take"
        return Finding("journal", Level.WARN, text, "set SPANWATCH_RETENTION_BYTES lower, or free some room")
    return Finding("journal", Level.OK, f"{home} can be written")


def loss(settings: Settings) -> Finding:
    """What the store knows to be lost, damaged or waiting."""
    if not settings.store:
        return Finding("loss", Level.SKIP, "the store is off: nobody counts what is lost")
    home = Path(settings.home).absolute()
    if not places.exists(home):
        return Finding("loss", Level.OK, "nothing was kept so far, and nothing lost")
    try:
        with caught_up(home) as place:
            found = stats(place, home)
    except (StoreError, OSError, sqlite3.Error) as error:
        return Finding("loss", Level.FAIL, f"the store cannot be read: {error}", "spanwatch store stats says more")
    return _loss(found)


def _loss(found: Stats) -> Finding:
    kept = f"{dict(found.rows)['calls']} calls and {dict(found.rows)['spans']} spans are kept"
    if found.losses:
        lost = ", ".join(f"{count} {reason}" for reason, count in found.losses)
        fix = "journal_unwritable: room and rights of the home directory; damaged: what a crash or a full disk cut off"
        return Finding("loss", Level.WARN, f"lost so far: {lost}; {kept}", fix)
    if found.journal_bytes > _LATE_BYTES:
        text = f"{found.journal_bytes // 1024**2} MiB of journal wait to be stored; {kept}"
        return Finding("loss", Level.WARN, text, "spanwatch store stats; a running program stores them by itself")
    if found.set_aside:
        text = f"{found.set_aside} damaged database files were set aside; {kept}"
        return Finding("loss", Level.WARN, text, "remove them once you need them no more")
    return Finding("loss", Level.OK, f"nothing was lost; {kept}")


def _nearest(home: Path) -> Path:
    """The directory itself, or the nearest above it that is there."""
    return next((place for place in (home, *home.parents) if place.exists()), Path(home.anchor))
