"""Where a verb writes to: the screen behind a stream."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import TextIO

from spanwatch.reports.screen import Screen


def screen_of(stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> Screen:
    """The screen behind a stream (stdout). NO_COLOR and TERM=dumb are honoured."""
    stream = stream or sys.stdout
    terminal = stream.isatty()
    plain = bool(environ.get("NO_COLOR")) or environ.get("TERM", "dumb") == "dumb"
    width = shutil.get_terminal_size().columns if terminal else None
    return Screen(width, terminal and not plain, _speaks_unicode(stream))


def write(text: str, stream: TextIO | None = None) -> None:
    """Write lines; characters that the stream's encoding lacks are written as escapes."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _speaks_unicode(stream: TextIO) -> bool:
    try:
        "├─…≥".encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
