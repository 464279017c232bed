"""`spanwatch health`: what it prints, and its exit codes."""

import json
import time

import pytest

from demo.server import Config, DemoServer
from spanwatch.cli.main import main
from spanwatch.core import names
from spanwatch.core.points import Identity, Point, pack
from spanwatch.core.series import SECOND_NS, Ring
from spanwatch.store import samples
from tests.programs import Place


@pytest.fixture
def home(tmp_path, monkeypatch):
    for variable in ("SPANWATCH_HEALTH", "SPANWATCH_HOME", "SPANWATCH_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def ended(home, *, ok=0, error=0, ago_s=20.0, seconds=0.5, instance="a"):
    """A process whose requests ended so many seconds ago."""
    at_ns = time.time_ns() - int(ago_s * SECOND_NS)
    ring, metric = Ring(), names.REQUEST_DURATION
    points = []
    for outcome, count in (("ok", ok), ("error", error)):
        labels = (((names.ERROR_TYPE, "Timeout"),) if outcome == "error" else ()) + ((names.OUTCOME, outcome),)
        identity = Identity(metric.name, "histogram", "s", names.SCOPE, labels, metric.buckets)
        place = next(n for n, bound in enumerate(metric.buckets) if seconds <= bound)
        counts = [count if n == place else 0 for n in range(len(metric.buckets) + 1)]
        points.append(Point(identity, at_ns - SECOND_NS, pack((seconds * count, seconds, seconds, *counts))))
    ring.take(points, at_ns)
    samples.write(home, instance, (), ring.news(), at_ns)


@pytest.mark.parametrize(
    ("given", "code", "state"),
    [
        ({"ok": 20}, 0, "healthy"),
        ({"ok": 19, "error": 2}, 1, "degraded"),
        ({"ok": 5, "error": 5}, 2, "unhealthy"),
        ({"ok": 5, "seconds": 7.0}, 1, "degraded"),
        ({}, 3, "no data"),
    ],
)
def test_the_exit_code_is_the_state(home, capsys, given, code, state):
    ended(home, **given)
    assert main(["health", "--home", str(home)]) == code
    assert capsys.readouterr().out.splitlines()[0] == f"{state} (last 5m)"


def test_every_reason_has_a_line(home, capsys):
    ended(home, ok=5, error=5)
    assert main(["health", "--home", str(home)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  unhealthy  success rate 50 % of 10 requests [degraded 95 %, unhealthy 90 %]"
    assert lines[4] == "  healthy    errors: Timeout 5"


def test_processes_are_one_and_the_window_counts(home, capsys):
    ended(home, ok=50, instance="a")
    ended(home, error=1, instance="b")
    ended(home, error=50, ago_s=1_000, instance="c")
    assert main(["health", "--home", str(home)]) == 0
    assert main(["health", "--home", str(home), "--window", "1h"]) == 2
    assert "(last 1h)" in capsys.readouterr().out


def test_json_is_one_object(home, capsys):
    ended(home, ok=5, error=5)
    assert main(["health", "--home", str(home), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["errors"], told["window_s"]) == ("unhealthy", {"Timeout": 5.0}, 300.0)
    assert told["reasons"][0] == {
        "name": "success_rate",
        "state": "unhealthy",
        "value": 0.5,
        "degraded": 0.95,
        "unhealthy": 0.9,
        "text": "success rate 50 % of 10 requests [degraded 95 %, unhealthy 90 %]",
    }


def test_the_setting_has_the_limits(home, capsys, monkeypatch):
    ended(home, ok=5, error=5)
    monkeypatch.setenv("SPANWATCH_HEALTH", "success_rate=off")
    assert main(["health", "--home", str(home)]) == 0


def test_a_state_a_minute_ago_is_left_only_when_it_is_clearly_better(home, capsys):
    ended(home, ok=94, error=6, ago_s=100, instance="a")
    ended(home, ok=20, ago_s=10, instance="b")
    assert main(["health", "--home", str(home)]) == 1
    assert "not yet clearly better" in capsys.readouterr().out


def test_a_program_that_was_run_is_judged_by_its_model_calls_after_it_ended(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("SPANWATCH_HEALTH", raising=False)
    with DemoServer(Config()) as server:
        place = Place(tmp_path, server)
        assert place.app("chat(); chat()").returncode == 0
    assert main(["health", "--home", str(tmp_path / ".spanwatch")]) == 0
    assert "success rate 100 % of 2 model calls" in capsys.readouterr().out


def test_where_no_store_is_there_is_no_data(home, capsys):
    assert main(["health", "--home", str(home)]) == 3
    assert capsys.readouterr().out.splitlines()[0] == "no data (last 5m)"
    assert not home.exists()


@pytest.mark.parametrize("window", ["soon", "4d"])
def test_a_wrong_window_is_a_wrong_command_line(home, capsys, window):
    assert main(["health", "--window", window]) == 2
    assert "--window" in capsys.readouterr().err


def test_the_help_names_the_exit_codes(capsys):
    with pytest.raises(SystemExit):
        main(["health", "--help"])
    assert "Exit codes: 0 healthy, 1 degraded, 2 unhealthy, 3 no data" in capsys.readouterr().out
