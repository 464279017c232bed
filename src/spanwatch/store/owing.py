"""The account of a whole home, for whoever asks: what was emitted for collectors, and what became of it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from spanwatch.store import segments
from spanwatch.store.accounting import Tallied, settled
from spanwatch.store.home import journal_path
from spanwatch.store.owed import is_owed, opened_to_count
from spanwatch.store.segments import Segment


def accounts(home: Path) -> dict[str, Tallied]:
    """By lane (`traces`, `logs`, `metrics`): emitted, delivered, waiting in the journal, dropped by reason.

    Counts the records of every process that ever sent from this home's journal, in records (of the lane `metrics`: in
    reports, one per collection). Reads every segment that owes something: seconds for hundreds of megabytes. What a
    process dropped before it came to the journal is not in it; that is in the process's own metrics.

    Raises:
        OSError: the journal cannot be read.
    """
    found, done = settled(journal_path(home))
    for segment in segments.segments(home):
        if is_owed(segment) and segment.path.stem not in done:
            with contextlib.suppress(FileNotFoundError):
                for lane, tallied in _counted(segment).items():
                    found[lane] = found.get(lane, Tallied()) + tallied
    return found


def _counted(segment: Segment) -> dict[str, Tallied]:
    opened = opened_to_count(segment.path)
    try:
        return {
            lane: Tallied.of(part.position.delivered, part.position.dropped, part.left())
            for lane, part in opened.lanes.items()
        }
    finally:
        opened.release()
