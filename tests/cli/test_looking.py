"""The looking verbs as people run them: what they print, what they exit with, and that unknown is never 0."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from spanwatch.cli.run_summary import NOTHING, exit_summary
from spanwatch.cli.trace_text import trace_text
from spanwatch.reports.screen import Screen
from spanwatch.reports.summary_text import summary_text
from spanwatch.store.projection import project
from spanwatch.store.summary import summary
from spanwatch.store.trace import trace
from tests.cli.rig import GOLDEN, fill, run
from tests.store import rig
from tests.store.rig import SECOND, START_NS


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("SPANWATCH_", "OTEL_"))]:
        monkeypatch.delenv(name)
    fill(tmp_path / ".spanwatch")
    return tmp_path / ".spanwatch"


def golden(name, text):
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("report.txt", ["report"]),
        ("report_by_user.txt", ["report", "--by", "user"]),
        ("report.json", ["report", "--json", "--by", "agent"]),
        ("traces.txt", ["traces"]),
        ("traces.jsonl", ["traces", "--json"]),
        ("trace.txt", ["trace", "4bf"]),
        ("trace_unsampled.txt", ["trace", "4c"]),
        ("calls.txt", ["calls"]),
        ("calls.jsonl", ["calls", "--json"]),
    ],
)
def test_a_verb_prints_exactly_this_when_piped(home, capsys, name, words):
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    golden(name, out)


def test_traces_come_the_dearest_or_the_slowest_first(home, capsys):
    def ordered(by):
        return [json.loads(line) for line in run(capsys, "traces", "--json", "--by", by)[1].splitlines()]

    costs = [float(trace["cost_usd"]) for trace in ordered("cost")]  # those whose cost is known
    assert (costs, len(costs) > 1) == (sorted(costs, reverse=True), True)
    durations = [trace["duration_s"] for trace in ordered("duration")]
    assert (durations, len(durations) > 1) == (sorted(durations, reverse=True), True)
    assert ordered("start") == [json.loads(line) for line in run(capsys, "traces", "--json")[1].splitlines()]


def test_report_tells_the_sums_and_what_is_unknown_about_them(home, capsys):
    found = json.loads(run(capsys, "report", "--json")[1])
    assert (found["calls"], found["errors"], found["abandoned"]) == (6, 1, 1)
    assert found["tokens"] == {
        "input_tokens": 9250,
        "cache_read_tokens": 8080,
        "output_tokens": 1227,
        "reasoning_tokens": 5,
    }
    assert (found["cost_usd"], found["cost_is_lower_bound"]) == ("1.262397895", True)
    assert {(each["reason"], each["calls"]) for each in found["unpriced"]} == {("no_price", 1), ("no_usage", 1)}
    (acme,) = [each for each in found["models"] if each["model"] == "acme-1"]
    assert acme["cost_usd"] is None
    text = run(capsys, "report")[1]
    assert "at least $1.2624" in text
    assert "unknown for 2 calls, budgets charged ~$0.000021 for those, approximate for 1 call" in text
    assert found["charged_estimate_usd"] == "0.00002145"
    assert "abandoned, budgets charged ~$0.000021" in run(capsys, "trace", "4c")[1]
    assert "1 failed, 1 abandoned" in text


def test_calls_json_has_exactly_these_keys(home, capsys):
    lines = [json.loads(line) for line in run(capsys, "calls", "--json")[1].splitlines()]
    assert [line["status"] for line in lines] == ["ok", "ok", "error", "ok", "ok", "abandoned"]
    promised = {
        *("trace_id", "span_id", "parent_span_id", "operation", "provider", "request_model", "response_model"),
        *("response_id", "started_at", "duration_s", "stream", "time_to_first_chunk_s", "usage", "cost_usd"),
        *("cost_status", "cost_reason", "cost_source", "status", "error_type", "finish_reasons", "user_id"),
        *("conversation_id", "agent"),
    }
    more = {"service", "service_tier", "price_version", "call_id", "sampled", "charged_estimate_usd"}
    assert {frozenset(line) for line in lines} == {frozenset(promised | more)}
    assert lines[1]["usage"] == {
        "input_tokens": 9000,
        "cache_read_tokens": 8000,
        "cache_write_tokens": None,
        "output_tokens": 1200,
        "reasoning_tokens": None,
    }
    assert (lines[1]["cost_usd"], lines[1]["started_at"]) == ("1.23456789", "2026-09-21T14:13:21.000000Z")
    assert (lines[1]["time_to_first_chunk_s"], lines[1]["duration_s"], lines[0]["finish_reasons"]) == (
        0.42,
        1.5,
        ["stop"],
    )
    assert (lines[5]["usage"], lines[5]["cost_usd"], lines[5]["cost_reason"]) == (None, None, "no_usage")
    assert [line["charged_estimate_usd"] for line in lines] == [None] * 5 + ["0.00002145"]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--since", "2026-09-21T14:14:00"], 2),
        (["--since", "2026-09-21T16:14:00+02:00"], 2),
        (["--until", "2026-09-21T14:14:00Z"], 4),
        (["--limit", "1"], 1),
        (["--since", "100000d"], 6),
        (["--since", "1s"], 0),
    ],
)
def test_a_window_and_a_limit_choose_calls(home, capsys, words, count):
    assert len(run(capsys, "calls", "--json", *words)[1].splitlines()) == count


def test_every_verb_takes_in_what_was_journaled_a_moment_ago(home, capsys):
    run(capsys, "report")
    rig.keep(home, rig.call(trace_id="77" + "0" * 30))
    assert json.loads(run(capsys, "report", "--json")[1])["calls"] == 7
    rig.keep(home, rig.call(trace_id="78" + "0" * 30))
    assert len(run(capsys, "calls", "--json")[1].splitlines()) == 8
    rig.keep(home, rig.call(trace_id="79" + "0" * 30))
    assert run(capsys, "trace", "79")[0] == 0
    rig.keep(home, rig.call())
    assert len(run(capsys, "traces", "--json")[1].splitlines()) == 6


@pytest.mark.parametrize(
    "verb", [["report"], ["traces"], ["trace", "ab"], ["calls"], ["store", "stats"], ["store", "prune"]]
)
def test_without_a_store_a_verb_says_so_in_one_line(tmp_path, monkeypatch, capsys, verb):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPANWATCH_HOME", raising=False)
    code, out, err = run(capsys, *verb)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "no store in .spanwatch: trace a program first (spanwatch run -- python app.py)" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ["report", "--since", "yesterday"],
            2,
            "--since takes an age such as 30m, 1h or 7d, or a time such as 2026-11-26T09:30, not 'yesterday'",
        ),
        (
            ["report", "--since", "2025-01-02", "--until", "2025-01-02"],
            2,
            "between --since 2025-01-02 (2025-01-02 00:00:00) and --until 2025-01-02 (2025-01-02 00:00:00)",
        ),
        (["calls", "--since", "1h", "--until", "2h"], 2, "nothing lies between --since 1h ("),
        (["traces", "--limit", "ten"], 2, "argument --limit: give a number from 1, not 'ten'"),
        (["store", "prune", "--days", "1,5"], 2, "argument --days: give a number from 0, not '1,5'"),
        (["feedback", "--low", "bad"], 2, "argument --low: give a rating from 1 to 5, not 'bad'"),
        (["top", "--every", "fast"], 2, "argument --every: give seconds from 0.2 to 3600, not 'fast'"),
        (["report", "--by", "moon"], 2, "invalid choice"),
        (["traces", "--limit", "0"], 2, "give a number from 1"),
        (["trace", "zz"], 2, "hexadecimal"),
        (["trace", "4"], 2, "more than one trace begins with 4"),
        (["trace", "ffff"], 1, "no trace in .spanwatch begins with ffff"),
        (["store"], 2, "required: ACTION"),
        (["store", "forget"], 2, "--user"),
        (["store", "prune", "--days", "-1"], 2, "give a number from 0"),
    ],
)
def test_what_cannot_be_is_refused_without_a_traceback(home, capsys, words, code, said):
    found = run(capsys, *words)
    assert found[0] == code
    assert said in found[2]
    assert "Traceback" not in found[2]


def test_the_home_comes_from_option_variable_or_file(home, tmp_path, monkeypatch, capsys):
    def calls():
        return len(run(capsys, "calls", "--json")[1].splitlines())

    for name, count in (("a", 1), ("b", 2), ("c", 3)):
        rig.keep(tmp_path / name, *(rig.call() for _ in range(count)))
    (tmp_path / "spanwatch.toml").write_text('home = "a"')
    assert calls() == 1
    monkeypatch.setenv("SPANWATCH_HOME", str(tmp_path / "b"))
    assert calls() == 2
    assert len(run(capsys, "calls", "--json", "--home", "c")[1].splitlines()) == 3


def test_hostile_names_move_no_cursor_and_turn_no_text(tmp_path, monkeypatch, capsys):
    evil = "\x1b[2J\x1b]0;pwned\x07\u202egnp.exe\n\r\x9b31m\ud800"
    trace_id = "ee" + "0" * 30
    call = rig.call(
        trace_id=trace_id, span_id=f"{1:016x}", request_model=evil, response_model=evil, user_id=evil, agent=evil,
        error_type=evil, operation=evil,
    )  # fmt: skip
    rig.keep(tmp_path, call, spans=[rig.span(t=trace_id, s=f"{1:016x}", n=evil)], service=evil)
    monkeypatch.setenv("SPANWATCH_HOME", str(tmp_path))
    for words in (["report", "--by", "user"], ["report", "--by", "agent"], ["traces"], ["trace", "ee"], ["calls"]):
        code, out, _ = run(capsys, *words)
        assert code == 0
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out), words
        assert "\\x1b[2J" in out


def test_text_fits_the_terminal_and_colour_is_asked_for(home, capsys):
    project(home)
    found, one = summary(home, by="user"), trace(home, "4bf")
    for width in (70, 80, 120):
        assert max(len(line) for line in list(trace_text(one, Screen(width)))[3:]) <= width
        assert "invoke_agent orders" in "\n".join(trace_text(one, Screen(width)))
    plain, coloured = summary_text(found, Screen(100)), summary_text(found, Screen(100, colour=True))
    assert "\x1b[31m" in "\n".join(coloured)
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == plain
    assert all(line.isascii() for line in trace_text(one, Screen(80, unicode=False)))


def in_a_terminal(words, home, **environ):
    master, slave = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
    done = subprocess.run(
        [sys.executable, "-m", "spanwatch", *words], stdout=slave, stdin=slave, stderr=subprocess.PIPE, check=True,
        env={**clean, "SPANWATCH_HOME": str(home), **environ},
    )  # fmt: skip
    os.close(slave)
    found = b""
    try:
        while piece := os.read(master, 65536):
            found += piece
    except OSError:
        pass  # Linux: the other end has closed
    finally:
        os.close(master)
    assert done.stderr == b""
    return found.decode()


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({}, False)],
)
def test_a_terminal_gets_colour_unless_it_or_the_user_says_no(home, environ, coloured):
    assert ("\x1b[" in in_a_terminal(["report"], home, **environ)) is coloured


def test_a_reader_that_goes_away_is_no_error(home):
    rig.keep(home, *(rig.call() for _ in range(3000)))
    command = [sys.executable, "-m", "spanwatch", "calls", "--json", "--home", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_a_narrow_encoding_gets_escapes_and_plain_branches(home):
    rig.keep(home, spans=[rig.span(t="ee" + "0" * 30, n="größe 世界")])
    command = [sys.executable, "-m", "spanwatch", "trace", "--home", str(home)]
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for prefix, said in (("ee", b"gr\\xf6\\xdfe \\u4e16\\u754c"), ("4bf", b"|- chat gpt-4o")):
        done = subprocess.run([*command, prefix], capture_output=True, check=True, env=environ)
        assert said in done.stdout


def test_the_summary_of_a_run_is_of_that_run_only(home, tmp_path):
    rig.keep(home, rig.call(), run="r2")
    text = exit_summary(home, "r1", START_NS + SECOND)
    assert text.startswith("spanwatch: run r1\n")
    assert re.search(r"^calls +6 ", text, re.MULTILINE)
    assert exit_summary(home, "r3", START_NS) == NOTHING
    assert exit_summary(tmp_path / "nowhere", "r1", START_NS) == NOTHING


def test_a_summary_that_cannot_be_is_one_line(home):
    project(home)
    (home / "store.db").unlink()
    (home / "store.db").mkdir()
    assert exit_summary(home, "r1", START_NS).startswith("spanwatch: no summary: ")
    assert "\n" not in exit_summary(home, "r1", START_NS)


def test_a_report_becomes_one_file_for_its_owner_only(home, capsys):
    code, out, err = run(capsys, "report", "--html", "week.html")
    assert (code, err) == (0, "")
    assert out == "week.html: open it in a browser, or send it; it loads nothing\n"
    assert (home.parent / "week.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (home.parent / "week.html").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in home.parent.iterdir()) == [".spanwatch", "week.html"]


def test_a_report_that_cannot_be_written_says_where(home, capsys):
    code, _, err = run(capsys, "report", "--html", "nowhere/week.html")
    assert (code, err) == (1, "spanwatch: nowhere/week.html cannot be written: No such file or directory\n")


def test_without_pygal_a_page_says_what_to_install_and_markdown_needs_nothing(home, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygal", None)
    code, _, err = run(capsys, "report", "--html", "week.html")
    assert code == 2
    assert "pip install 'spanwatch[html]'" in err
    code, out, _ = run(capsys, "report", "--markdown")
    assert code == 0
    assert "## Coverage of cost" in out
