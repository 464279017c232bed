"""What the live view opens on top of itself: one trace as a tree, and the help."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from spanwatch.cli.trace_text import trace_text
from spanwatch.core.errors import SpanwatchError
from spanwatch.core.harmless import clean
from spanwatch.reports.screen import Screen
from spanwatch.store.trace import trace

MOST_LINES = 2_000

HELP = """\
 left right   another table          w   window: 5m 15m 1h 6h 24h
 up down      a row                  s   sort by the next column
 Enter        the row's trace        r   the order turned round
 /            only rows with a text  p   pause, and go on
 Escape       no filter, back        q   the end

 calls      model calls that began in the window; refused ones are not counted
 success    those that did not fail, of those that were not cancelled or abandoned
 latency    within 1 %, which ~ says
 cost       >= or ≥ at least so much, because some calls have no known cost;
            ~ some of it is approximate or estimated
 burn       dollars an hour at the pace of the window, at most of its last hour
 today      spent since midnight UTC, and what that comes to by the next
 health     of the last 5 minutes, whatever the window
 lost       spans, calls and logs that telemetry itself had to drop
"""


class HelpScreen(ModalScreen[None]):
    """The keys, and what figures mean."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", "Back"),
    ]

    def compose(self) -> ComposeResult:
        """One box."""
        with VerticalScroll(classes="box"):
            yield Static(Text(HELP), markup=False)


class TraceScreen(ModalScreen[None]):
    """One trace as a tree."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Back")]

    def __init__(self, home: Path, trace_id: str) -> None:
        super().__init__()
        self._home, self._trace_id = home, trace_id

    def compose(self) -> ComposeResult:
        """One box."""
        with VerticalScroll(classes="box"):
            yield Static(self._text(), markup=False, id="trace")

    def _text(self) -> Text:
        screen = Screen(width=max(self.app.size.width - 6, 40))
        try:
            lines = list(trace_text(trace(self._home, self._trace_id), screen))
        except SpanwatchError as error:  # it was pruned or forgotten meanwhile
            return Text(clean(error), "bold red")
        if len(lines) > MOST_LINES:
            lines = [*lines[:MOST_LINES], f"and {len(lines) - MOST_LINES:,} more: spanwatch trace {self._trace_id}"]
        return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
