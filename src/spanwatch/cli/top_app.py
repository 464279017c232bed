"""The live view in a terminal: what `reports/watching` says, drawn by Textual; reading never waits for drawing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import DataTable, Footer, Input, Static, Tab, Tabs

from spanwatch.cli.top_screens import HelpScreen, TraceScreen
from spanwatch.core.errors import SpanwatchError
from spanwatch.core.harmless import clean
from spanwatch.core.times import shown
from spanwatch.reports.screen import Style, cells, fit
from spanwatch.reports.table import Cell, Column
from spanwatch.reports.watching.views import VIEWS, Row, chosen
from spanwatch.reports.watching.watch import Shown, Watch
from spanwatch.reports.watching.words import banner, figures, sparks

STYLES: dict[Style, str] = {
    "": "", "bold": "bold", "dim": "dim", "red": "bold red", "yellow": "yellow", "cyan": "cyan",
}  # fmt: skip
_PADDING, _SCROLLBAR, _LEAST = 2, 2, 12  # columns around a cell, of the bar, and of a name however narrow it gets


class Top(App[None]):
    """All tables over one store.

    Args:
        open_watch: A watch over a window of so many seconds.
        home: The store, for traces that are opened.
        windows: Lengths in seconds by the name that is shown.
        window: Which of them at first.
        every: Seconds between two readings.
        now: The time in UNIX nanoseconds.
    """

    CSS_PATH = "top.tcss"
    TITLE = "spanwatch top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("w", "window", "Window"),
        Binding("s", "sort", "Sort"),
        Binding("r", "reverse", "Reverse"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("p", "pause", "Pause"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("left", "turn(-1)", "Previous table", show=False, priority=True),
        Binding("right", "turn(1)", "Next table", show=False, priority=True),
        Binding("escape", "unfilter", "No filter", show=False),
    ]

    def __init__(
        self,
        open_watch: Callable[[float], Watch],
        home: Path,
        windows: Mapping[str, float],
        window: str,
        every: float = 4.0,
        *,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__()
        self._open_watch, self._home, self._windows, self._every, self._now = open_watch, home, windows, every, now
        self.window = window
        self.paused, self.wanted, self.view = False, "", VIEWS[0]
        self.order: dict[str, tuple[int, bool]] = {}  # of each table, the column it is sorted by, and whether downwards
        self.snapshot: Shown | None = None
        self.problem: str | None = None
        self.shown: list[Row] = []
        self._watch = open_watch(windows[window])
        self._reading = False
        self._drawn: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """The head, the tables' names, one table, the filter, the keys."""
        yield Static("reading...", id="banner", markup=False)
        with Horizontal(id="head"):
            yield Static("", id="figures", markup=False)
            yield Static("", id="sparks", markup=False)
        yield Tabs(*(Tab(view.title, id=view.key) for view in VIEWS), id="tables")
        yield DataTable(id="table", cursor_type="row")
        yield Input(placeholder="only rows with this text; Enter keeps it, Escape drops it", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to read."""
        self.query_one("#filter").display = False
        self.query_one(DataTable).focus()
        self.set_interval(self._every, self._refresh)
        self._refresh()

    def on_unmount(self) -> None:
        """Let go of the store, unless a reading is on its way."""
        if not self._reading:
            self._watch.close()

    def _refresh(self) -> None:
        if not self.paused and not self._reading:
            self._reading = True
            self._read(self._watch)

    @work(thread=True)
    def _read(self, watch: Watch) -> None:
        """One reading, on a thread of its own."""
        try:
            snapshot, problem = watch.look(self._now()), None
        except SpanwatchError as error:
            snapshot, problem = None, str(error)
        self.call_from_thread(self._take, watch, snapshot, problem)

    def _take(self, watch: Watch, snapshot: Shown | None, problem: str | None) -> None:
        self._reading = False
        if watch is not self._watch:  # the window was changed meanwhile
            watch.close()
            self._refresh()
            return
        self.problem = problem
        self.snapshot = snapshot or self.snapshot
        self.show()

    def show(self) -> None:
        """Draw what was read last."""
        snapshot = self.snapshot
        if self.problem is not None:
            self.query_one("#banner", Static).update(Text(clean(self.problem), STYLES["red"]))
        if snapshot is None:
            return
        if self.problem is None:
            self.query_one("#banner", Static).update(self._banner(snapshot))
        wide = self.size.width - 48
        self.query_one("#figures", Static).update(_lines([(n, _text(cell)) for n, cell in figures(snapshot)]))
        drawn = [(name, Text(line, "cyan")) for name, line in sparks(snapshot, wide - 8)]
        self.query_one("#sparks", Static).update(_lines(drawn, 7))
        self._tables(snapshot)

    def _banner(self, snapshot: Shown) -> Text:
        state, *reasons = banner(snapshot)
        head = Text.assemble((state.text, f"{STYLES[state.style]} reverse".strip()))
        processes = len(snapshot.processes)
        head.append(f" last {self.window}, {processes} process{'' if processes == 1 else 'es'}, ", "")
        head.append(f"{shown(snapshot.at_ns)[11:]} UTC", "")
        head.append("  PAUSED" if self.paused else "", "bold yellow")
        head.append(f"  only: {clean(self.wanted)}" if self.wanted else "", "bold")
        lines = [head, *(_text(reason) for reason in reasons[:2])]
        return Text("\n").join(Text.assemble(line, overflow="ellipsis", no_wrap=True) for line in lines)

    def _tables(self, snapshot: Shown) -> None:
        table = self.query_one(DataTable)
        column, down = self.order.get(self.view.key, (None, True))
        self.shown = chosen(self.view.rows(snapshot), text=self.wanted, column=column, down=down)
        drawn = (self.view.key, column, down, self.size.width, tuple(self.shown))
        if drawn == self._drawn:
            return
        self._drawn = drawn
        at, top = table.cursor_row, table.scroll_y
        table.clear(columns=True)
        widths = self._widths(column)
        for number, each in enumerate(self.view.columns):
            mark = (" v" if down else " ^") if number == column else ""
            heading = Text(each.heading + mark, justify="right" if each.right else "left")
            table.add_column(heading, key=str(number), width=widths[number])
        for row in self.shown:
            table.add_row(*(self._cell(*each) for each in zip(self.view.columns, row.cells, widths, strict=True)))
        if self.shown:
            table.move_cursor(row=min(at, len(self.shown) - 1), scroll=False)
            table.scroll_to(y=top, animate=False)

    def _widths(self, ordered: int | None) -> list[int]:
        """Columns for each cell: numbers whole, names as wide as they are or as there is room."""
        columns = self.view.columns
        widths = [
            max([cells(each.heading) + 2 * (at == ordered), *(cells(row.cells[at].text) for row in self.shown)])
            for at, each in enumerate(columns)
        ]
        names = [at for at, each in enumerate(columns) if each.flexible]
        left = self.size.width - sum(widths) - _PADDING * len(columns) - _SCROLLBAR
        while left < 0 and names:
            widest = max(names, key=lambda at: widths[at])
            if widths[widest] <= _LEAST:
                break
            widths[widest] -= 1
            left += 1
        return widths

    def _cell(self, column: Column, cell: Cell, room: int) -> Text:
        text = fit(cell.text, room) if column.flexible else cell.text
        return Text(text, STYLES[cell.style], justify="right" if column.right else "left")

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        """Another table."""
        self.view = next(view for view in VIEWS if view.key == event.tab.id)
        self.query_one(DataTable).move_cursor(row=0)
        self.show()

    def on_data_table_row_selected(self) -> None:
        """Enter on a row with a trace opens it."""
        at = self.query_one(DataTable).cursor_row
        trace_id = self.shown[at].trace_id if 0 <= at < len(self.shown) else None
        if trace_id is not None:
            self.push_screen(TraceScreen(self._home, trace_id))

    def on_input_changed(self, event: Input.Changed) -> None:
        """The filter holds while it is typed."""
        self.wanted = event.value
        self.show()

    def on_input_submitted(self) -> None:
        """Enter keeps the filter and goes back to the table."""
        self.query_one("#filter").display = False
        self.query_one(DataTable).focus()

    def action_filter(self) -> None:
        """Ask for a filter."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def action_unfilter(self) -> None:
        """Drop the filter."""
        self.query_one("#filter", Input).value = ""
        self.on_input_submitted()

    def action_turn(self, by: int) -> None:
        """The table to the left or right; in the filter, the cursor."""
        focused = self.focused
        if isinstance(focused, Input):
            focused.cursor_position += by
        elif len(self.screen_stack) == 1:
            tabs, at = self.query_one(Tabs), VIEWS.index(self.view)
            tabs.active = VIEWS[(at + by) % len(VIEWS)].key

    def action_sort(self) -> None:
        """Sort by the next column, numbers downwards and names upwards; after the last one as it was."""
        column, _ = self.order.get(self.view.key, (-1, True))
        if column + 1 >= len(self.view.columns):
            self.order.pop(self.view.key, None)
        else:
            self.order[self.view.key] = (column + 1, self.view.columns[column + 1].right)
        self.show()

    def action_reverse(self) -> None:
        """Turn the order round."""
        column, down = self.order.get(self.view.key, (0, True))
        self.order[self.view.key] = (column, not down)
        self.show()

    def action_pause(self) -> None:
        """Stop reading, or go on."""
        self.paused = not self.paused
        self.show()
        self._refresh()

    def action_window(self) -> None:
        """The next longer window; after the longest the shortest."""
        lengths = list(self._windows)
        self.window = lengths[(lengths.index(self.window) + 1) % len(lengths)]
        if not self._reading:
            self._watch.close()
        self._watch = self._open_watch(self._windows[self.window])
        self._refresh()

    def action_help(self) -> None:
        """What the keys and the figures mean."""
        self.push_screen(HelpScreen())


def _text(cell: Cell) -> Text:
    return Text(cell.text, STYLES[cell.style], overflow="ellipsis", no_wrap=True)


def _lines(pairs: list[tuple[str, Text]], room: int = 9) -> Text:
    lines = [Text.assemble((f"{name:<{room}}", "dim"), text, overflow="ellipsis", no_wrap=True) for name, text in pairs]
    return Text("\n", overflow="ellipsis", no_wrap=True).join(lines)
