"""spanwatch feedback: what it prints, as text and JSON, and that too little is never a number."""

import json
import os
import time

import pytest

from tests.cli.rig import run
from tests.store import rig
from tests.store.rig import HOUR, SECOND


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("SPANWATCH_", "OTEL_"))]:
        monkeypatch.delenv(name)
    return tmp_path / ".spanwatch"


def rate(home, *values, ago=HOUR, **more):
    now = time.time_ns()
    with rig.segment(home) as found:
        for number, value in enumerate(values):
            body = {"id": rig.new_id(), "at_ns": now - ago + number * SECOND, "kind": "rating", "rating": float(value)}
            found.write("feedback", {**body, "label": str(value), **more})


def test_too_few_ratings_are_no_average(home, capsys):
    rate(home, 5, 1, comment="too slow\x1b[2J", user_id="alice")
    code, out, err = run(capsys, "feedback")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "average  not enough data (n=2)"
    assert "too slow\\x1b[2J" in out
    assert "\x1b" not in out


def test_averages_trend_and_low_ratings(home, capsys):
    rate(home, *[5, 4, 5, 4] * 10, ago=8 * 24 * HOUR, agent="orders")
    rate(home, *[1, 2, 3, 2] * 10, agent="orders", comment="meh")
    code, out, _ = run(capsys, "feedback", "--low", "--limit", "5")
    assert code == 0
    assert out.startswith("average  3.25 (")
    assert "n=80" in out.splitlines()[0]
    assert "significant" in out
    assert "-2.50 (" in out
    rows = out.split("given (UTC)")[1].splitlines()[1:]
    assert len(rows) == 5
    assert {row.split()[2] for row in rows} <= {"1", "2"}


def test_json_is_one_object_and_unknown_is_null(home, capsys):
    rate(home, 1, 5, 5, 5, 5, model="gpt-4o", tags=["web"])
    found = json.loads(run(capsys, "feedback", "--json")[1])
    assert found["average"]["n"] == 5
    assert found["average"]["mean"] == 4.2
    assert found["distribution"] == {"5": 4, "1": 1}
    assert found["trends"]["change"]["p"] is None
    assert found["trends"]["change"]["before"] == {"n": 0, "mean": None, "low": None, "high": None}
    assert found["by"]["model"]["gpt-4o"]["n"] == 5
    last = found["ratings"][-1]
    assert (last["rating"], last["score"], last["tags"], last["comment"], last["user_id"]) == (
        1.0,
        0.0,
        ["web"],
        None,
        None,
    )
    assert last["at"].endswith("Z")


def test_since_and_until_choose(home, capsys):
    rate(home, 1, 1, ago=48 * HOUR)
    rate(home, 5)
    assert json.loads(run(capsys, "feedback", "--since", "1d", "--json")[1])["average"]["n"] == 1
    assert json.loads(run(capsys, "feedback", "--until", "1d", "--json")[1])["average"]["n"] == 2


def test_an_empty_store_and_wrong_options_are_told(home, capsys):
    assert run(capsys, "feedback")[0] == 1
    rig.keep(home, rig.call())
    assert run(capsys, "feedback") == (0, "No feedback here.\n", "")
    code, _, err = run(capsys, "feedback", "--low", "9")
    assert code == 2
    assert "give a rating from 1 to 5" in err
