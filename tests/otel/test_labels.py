"""Users without end, as labels and as budgets: a part of what `python -m benchmarks.bench_labels` does in full."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_40_000_pairs_of_user_and_model_are_2000_series_cost_20_mb_and_every_budget_stands_right():
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("COV", "OTEL_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_labels", "--users", "2000"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=environ,
        check=True,
    )
    found = json.loads(ended.stdout)
    assert (found["pairs"], found["budgets"], found["wrong"]) == (40_000, 2_000, 0)
    assert found["series"] == found["worst"] == 2_001  # the last of them for all others
    assert found["series_mb"] <= 20
