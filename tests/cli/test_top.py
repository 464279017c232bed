"""The live view: drawn in a terminal of 80 by 24, driven by its keys, and as plain lines."""

import os
import re
import subprocess
import sys
import textwrap
import time
import xml.etree.ElementTree as ET

import pytest

from spanwatch.cli.top import WINDOWS
from spanwatch.cli.top_app import Top
from spanwatch.cli.top_screens import HelpScreen, TraceScreen
from spanwatch.core import names
from spanwatch.core.health import Thresholds
from spanwatch.core.points import Identity, pack
from spanwatch.core.rules.alert import ALERTNAME, SEVERITY, Alert, State
from spanwatch.core.series import Sample
from spanwatch.reports.watching.views import VIEWS, chosen
from spanwatch.reports.watching.watch import Watch
from spanwatch.reports.watching.words import spark
from spanwatch.store import samples
from spanwatch.store.alerts import AlertBook
from tests.cli.rig import FIRST, GOLDEN, run
from tests.reports.rig import hostile
from tests.store.rig import SECOND, START_NS

NOW_NS = START_NS + 7300 * SECOND
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("SPANWATCH_", "OTEL_", "NO_COLOR"))]:
        monkeypatch.delenv(name)
    hostile(tmp_path / ".spanwatch")
    shared(tmp_path / ".spanwatch")
    return tmp_path / ".spanwatch"


def shared(home):
    """What two processes shared: budgets, calls of the last minutes, and an alert."""
    labels = ((ALERTNAME, "HighErrorRate\x1b[31m"), (SEVERITY, "critical"))
    alert = Alert(labels, State.FIRING, NOW_NS - 90 * SECOND, 0.2, NOW_NS, summary="20 % failed", trace_ids=(FIRST,))
    book = AlertBook(home)
    book.save("HighErrorRate", [alert], [alert], NOW_NS)
    book.close()
    scope = ((names.BUDGET_NAME, "daily"), (names.BUDGET_SCOPE, "user.id=alice"))
    gauges = [(names.BUDGET_UTILIZATION, 0.85), (names.BUDGET_SPENT, 4.25), (names.BUDGET_LIMIT, 5.0)]
    for number in (1, 2):
        news = [(Identity(metric.name, "gauge", "1", "", scope), [Sample(NOW_NS, pack([value]), True)])
                for metric, value in gauges]  # fmt: skip
        for status, count in (("ok", 8.0), ("error", 2.0)):
            identity = Identity(names.CALLS.name, "counter", "{call}", "", ((names.CALL_STATUS, status),))
            before, now = NOW_NS - 100 * SECOND, NOW_NS - 50 * SECOND
            news.append((identity, [Sample(before, pack([0.0]), True), Sample(now, pack([count]))]))
        resource = (("process.pid", str(number)), (names.SERVICE_NAME, "desk\x1b[31m"))
        samples.write(home, f"{number:032x}", resource, news, NOW_NS)


def top(home, *, window="6h", now=lambda: NOW_NS):
    return Top(lambda window_s: Watch(home, window_s, Thresholds()), home, WINDOWS, window, 3600.0, now=now)


async def settled(app, pilot):
    """After a reading, and after everything that it caused."""
    until = time.monotonic() + 60
    while app.snapshot is None or app._reading or app.snapshot.window_s != WINDOWS[app.window]:
        assert time.monotonic() < until
        await pilot.pause(0.02)
    await pilot.pause()


def screen(app):
    """The lines on the screen."""
    rows = {}
    for text in ET.fromstring(app.export_screenshot()).iter(f"{SVG}text"):
        if "terminal" in text.get("class", "") and "title" not in text.get("class", ""):
            rows.setdefault(float(text.get("y")), []).append((float(text.get("x")), "".join(text.itertext())))
    return ["".join(part for _, part in sorted(row)).replace("\xa0", " ").rstrip() for _, row in sorted(rows.items())]


def drawn(svg):
    """What a picture shows and in which colour, whatever its ids are called."""
    styles = dict(re.findall(r"\.terminal-\d+-(r\d+) \{([^}]*)\}", svg))
    return [
        (text.get("x"), text.get("y"), "".join(text.itertext()), styles.get(text.get("class", "").split("-")[-1]))
        for text in ET.fromstring(svg).iter(f"{SVG}text")
    ]


@pytest.mark.parametrize(
    ("name", "keys"), [("top_models", []), ("top_budgets", ["left", "left", "left"]), ("top_help", ["question_mark"])]
)
async def test_it_is_drawn_exactly_so_at_80_by_24(home, name, keys):
    app = top(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press(*keys)
        await pilot.pause(1.0)  # the line under a tab moves for a while
        svg = app.export_screenshot()
    path = GOLDEN / f"{name}.svg"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(svg, encoding="utf-8")
    assert drawn(svg) == drawn(path.read_text(encoding="utf-8"))


async def test_the_head_says_how_it_is_and_why(home):
    app = top(home)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(app, pilot)
        text = "\n".join(screen(app))
    assert "unhealthy" in text
    assert "success rate 80 % of 20 model calls" in text
    assert "2 processes" in text
    assert "alerts   HighErrorRate\\x1b[31m" in text
    assert "≥~$1.2624" in text
    assert "unknown" in text


async def test_arrows_turn_the_tables_and_enter_opens_the_trace(home):
    app = top(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        seen = []
        for _ in VIEWS:
            seen.append(app.view.key)
            await pilot.press("right")
            await pilot.pause()
        assert seen == [view.key for view in VIEWS]
        assert app.view.key == seen[0]
        while app.view.key != "dearest":
            await pilot.press("right")
            await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, TraceScreen)
        assert FIRST in "\n".join(screen(app))
        assert any("execute_tool order_status" in line for line in screen(app))
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, TraceScreen)


async def test_an_alert_is_listed_and_opens_the_trace_that_shows_it(home):
    app = top(home)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(app, pilot)
        await pilot.press("left")
        await pilot.pause()
        assert app.view.key == "alerts"
        assert [row.cells[4].text for row in app.shown] == [f"20 % failed (traces {FIRST})"]
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, TraceScreen)
        assert FIRST in "".join(screen(app))


async def test_s_sorts_by_the_next_column_and_r_turns_it_round(home):
    app = top(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(app, pilot)
        await pilot.press("s", "s")
        await pilot.pause()
        down = [row.values[1] for row in app.shown]
        assert down == sorted(down, reverse=True)
        await pilot.press("r")
        await pilot.pause()
        assert [row.values[1] for row in app.shown] == sorted(down)
        await pilot.press(*["s"] * 5)
        await pilot.pause()
        assert [row.values[6] is None for row in app.shown] == sorted(row.values[6] is None for row in app.shown)


async def test_slash_filters_and_escape_drops_the_filter(home):
    app = top(home)
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(app, pilot)
        every = len(app.shown)
        await pilot.press("slash", *"gpt")
        await pilot.pause()
        assert 0 < len(app.shown) < every
        await pilot.press("enter", "s")
        await pilot.pause()
        assert all("gpt" in row.cells[0].text for row in app.shown)
        await pilot.press("escape")
        await pilot.pause()
        assert len(app.shown) == every


async def test_w_changes_the_window_p_pauses_and_question_mark_helps(home):
    clock = [NOW_NS]
    app = top(home, now=lambda: clock[0])
    async with app.run_test(size=(120, 30)) as pilot:
        await settled(app, pilot)
        assert app.snapshot.look.sums.calls == 7
        await pilot.press("w", "w", "w")
        await settled(app, pilot)
        assert app.window == "15m"
        assert app.snapshot.look.sums.calls == 1
        await pilot.press("p")
        clock[0] += 60 * SECOND
        app._refresh()
        await pilot.pause(0.2)
        assert app.snapshot.at_ns == NOW_NS
        assert any("PAUSED" in line for line in screen(app))
        await pilot.press("p")
        await settled(app, pilot)
        assert app.snapshot.at_ns == NOW_NS + 60 * SECOND
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "q")
    assert app.return_code == 0


async def test_no_hostile_name_reaches_the_terminal_or_becomes_markup(home):
    app = top(home)
    async with app.run_test(size=(200, 40)) as pilot:
        await settled(app, pilot)
        text = ""
        for _ in VIEWS:
            await pilot.press("right")
            await pilot.pause()
            text += "\n".join(screen(app))
    assert "\\x1b]0;owned\\x07\\u202e@all" in text
    assert "<script>document.title" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)


async def test_without_colour_everything_is_grey(home, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = top(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        svg = app.export_screenshot()
    frame = {"#c5c8c6", "#ff5f57", "#febc2e", "#28c840"}  # of the picture's window, drawn by Textual around the screen
    colours = set(re.findall(r"fill[:=][ \"]*(#[0-9a-f]{6})", svg)) - frame
    assert len(colours) > 2
    assert [each for each in colours if not each[1:3] == each[3:5] == each[5:7]] == []


async def test_a_store_that_goes_away_is_said_and_the_view_stays(home):
    app = top(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        for path in home.glob("store.db*"):
            path.unlink()
        (home / "store.db").mkdir()
        app._refresh()
        while app.problem is None:
            await pilot.pause(0.02)
        await pilot.pause()
        assert "store.dbisnotaregularfile" in "".join(screen(app)).replace(" ", "")  # a long path breaks the line
        (home / "store.db").rmdir()


PROGRAM = """
import sys, time, spanwatch
spanwatch.configure(service=sys.argv[2], home=sys.argv[1], live_interval=1)

@spanwatch.tool("look_up")
def look_up(): pass

with spanwatch.agent("orders"):
    look_up()
print("ready", flush=True)
sys.stdin.readline()
spanwatch.shutdown()
"""


def test_several_running_processes_are_one_view(tmp_path, capsys):
    home = tmp_path / "home"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("COVERAGE", "OTEL_"))}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), str(home), f"service-{n}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for n in (1, 2)
    ]  # fmt: skip
    try:
        for each in running:
            assert each.stdout.readline() == "ready\n"
        until = time.monotonic() + 60
        while True:
            code, out, _ = run(capsys, "top", "--once", "--home", str(home))
            if "processes   2:" in out and re.search(r"^look_up +2 ", out, re.MULTILINE):
                break
            assert time.monotonic() < until, out
            time.sleep(0.2)
    finally:
        for each in running:
            each.communicate("\n", timeout=60)
    assert code == 0
    assert "service-1" in out
    assert "service-2" in out
    assert re.search(r"^requests +2, 0 failed$", out, re.MULTILINE)


def test_once_prints_plain_lines_without_drawing_or_codes(home, capsys):
    code, out, err = run(capsys, "top", "--once", "--window", "24h")
    assert (code, err) == (0, "")
    assert re.match(r"spanwatch top at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, last 1d\n", out)
    assert not re.search("[\x00-\x09\x0b-\x1f▁-█│─\u202e]", out)


def test_without_textual_it_says_what_to_install_and_once_still_works(home, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "textual", None)
    code, _, err = run(capsys, "top")
    assert code == 2
    assert "pip install 'spanwatch[top]'" in err
    assert run(capsys, "top", "--once")[0] == 0


@pytest.mark.parametrize("every", ["0", "x", "nan", "-1"])
def test_a_refresh_that_is_none_is_refused(home, capsys, every):
    assert run(capsys, "top", "--once", "--every", every)[0] == 2


def test_processes_that_keep_a_budget_in_their_own_memory_have_a_row_each(home):
    for number, used in ((1, 0.1), (2, 0.9)):
        own = ((names.BUDGET_NAME, "own"), (names.BUDGET_LEDGER, "memory"))
        news = [(Identity(metric.name, "gauge", "1", "", own), [Sample(NOW_NS, pack([value]), True)])
                for metric, value in ((names.BUDGET_UTILIZATION, used), (names.BUDGET_LIMIT, 1.0))]  # fmt: skip
        resource = (("process.pid", str(number)), (names.SERVICE_NAME, "desk\x1b[31m"))
        samples.write(home, f"{number:032x}", resource, news, NOW_NS)
    watch = Watch(home, 21_600.0, Thresholds())
    snapshot = watch.look(NOW_NS)
    watch.close()
    view = next(view for view in VIEWS if view.key == "budgets")
    assert [[cell.text for cell in row.cells[:2]] + [row.values[2]] for row in view.rows(snapshot)] == [
        ["own", "everything in desk\\x1b[31m 2", 0.9],
        ["daily", "user.id=alice", 0.85],
        ["own", "everything in desk\\x1b[31m 1", 0.1],
    ]


def test_rows_are_chosen_by_any_cell_and_unknown_is_last_both_ways(home):
    watch = Watch(home, 21_600.0, Thresholds())
    snapshot = watch.look(NOW_NS)
    watch.close()
    rows = VIEWS[0].rows(snapshot)
    for down in (True, False):
        values = [row.values[6] for row in chosen(rows, column=6, down=down)]
        known = [value for value in values if value is not None]
        assert values == sorted(known, reverse=down) + [None] * (len(values) - len(known))
    assert [row.cells[0].text for row in chosen(rows, text="ACME")] == ["acme-1"]


def test_a_spark_is_as_high_as_its_value_and_empty_where_nothing_was():
    assert spark([None, 0.0, 1.0, 2.0, 4.0]) == " ▁▃▅█"
    assert spark([None, None]) == "  "
