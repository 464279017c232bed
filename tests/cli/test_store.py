"""`spanwatch store`: what it tells, what it removes, what it exports."""

import base64
import json
import os
import subprocess
import sys
import time

import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanwatch.core.records import call_body
from tests.cli.rig import FIRST, fill, run
from tests.store import rig
from tests.store.rig import SECOND, Segment

DAY = 24 * rig.HOUR


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("SPANWATCH_", "OTEL_"))]:
        monkeypatch.delenv(name)
    fill(tmp_path / ".spanwatch")
    return tmp_path / ".spanwatch"


def test_stats_tell_sizes_rows_ends_losses_and_retention(home, capsys):
    writer = Segment(home, alive=True)
    writer.write("dropped", {"n": 3, "reason": "journal_unwritable", "kind": "any"})
    found = json.loads(run(capsys, "store", "stats", "--json")[1])
    assert found["rows"] == {"calls": 6, "spans": 8, "traces": 2, "logs": 1, "feedback": 0}
    assert (found["oldest"], found["newest"]) == ("2026-09-21T14:13:20.000000Z", "2026-09-21T14:14:21.000000Z")
    assert (found["segments"], found["losses"]) == (1, {"journal_unwritable": 3})
    assert (found["retention_days"], found["retention_bytes"]) == (30.0, 1 << 30)
    assert found["database_bytes"] > 4096
    text = run(capsys, "store", "stats")[1]
    for line in ("calls       6", "lost        3 journal_unwritable", "retention   30 days, 1.0 GiB"):
        assert line in text.splitlines()
    writer.close()


def test_prune_obeys_its_options_and_else_the_settings(home, capsys, monkeypatch):
    now = time.time_ns()
    rig.keep(home, *(rig.call(started_ns=now - n * DAY - SECOND) for n in (1, 10, 20)))
    monkeypatch.setenv("SPANWATCH_RETENTION_DAYS", "100000000")
    assert run(capsys, "store", "prune")[0] == 2
    monkeypatch.setenv("SPANWATCH_RETENTION_DAYS", "36500")
    code, out, _ = run(capsys, "store", "prune")
    assert code == 0
    assert out.startswith("removed 0 calls, 0 spans, 0 logs; ")
    calls = len(run(capsys, "calls", "--json")[1].splitlines())
    run(capsys, "store", "prune", "--days", "15")
    kept = [json.loads(line) for line in run(capsys, "calls", "--json")[1].splitlines()]
    assert len(kept) == 2 < calls
    run(capsys, "store", "prune", "--bytes", "0")
    assert json.loads(run(capsys, "report", "--json")[1])["calls"] == 0


def test_forget_tells_what_went_and_nothing_of_it_is_left(home, capsys):
    writer = Segment(home, alive=True)
    writer.write("call", call_body(rig.call(user_id="alice")))
    code, out, _ = run(capsys, "store", "forget", "--user", "alice")
    assert (code, out) == (0, "forgot alice: 5 calls, 4 spans, 0 logs; overwrote 1 journal record\n")
    assert "alice" not in run(capsys, "calls", "--json")[1]
    assert json.loads(run(capsys, "report", "--json")[1])["calls"] == 2
    assert b"alice" not in b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    writer.close()


def test_export_is_otlp_that_the_protocol_reads_and_says_what_it_leaves_out(home, capsys):
    code, out, err = run(capsys, "store", "export")
    assert code == 0
    assert "2 calls without a sampled span left out" in err
    spans, logs = (json.loads(line) for line in out.splitlines())
    found = spans["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert {span["traceId"] for span in found} == {FIRST}
    assert len(found) == 8
    for span in found:
        for name in {"traceId", "spanId", "parentSpanId"} & span.keys():
            span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    assert len(json_format.ParseDict(spans, TracesData()).resource_spans[0].scope_spans[0].spans) == 8
    assert logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["body"] == {"stringValue": "x"}


def test_export_takes_a_window(home, capsys):
    out = run(capsys, "store", "export", "--since", "2026-09-21T14:13:23.030")[1]
    assert [len(scope["spans"]) for scope in json.loads(out.splitlines()[0])["resourceSpans"][0]["scopeSpans"]] == [3]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    for action in (["stats"], ["prune"], ["export"], ["forget", "--user", "x"]):
        command = [sys.executable, "-m", "spanwatch", "store", *action, "--home", str(tmp_path / "file" / "home")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith("spanwatch: ")


def test_help_teaches_every_action(capsys):
    code, out, _ = run(capsys, "store", "--help")
    assert code == 0
    for word in ("stats", "prune", "export", "forget", "Examples:"):
        assert word in out
