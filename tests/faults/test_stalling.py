"""A disk that stalls under an application with a collector: nobody waits for it, and every span is accounted for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.rig import SinkProcess, bare_environment

PROGRAM = Path(__file__).resolve().parent / "stalling.py"


@pytest.fixture
def sink():
    made = SinkProcess()
    yield made
    made.close()


def run(sink, home, *, resumes):
    plan = {"home": str(home), "endpoint": sink.url, "resumes": resumes}
    done = subprocess.run(
        [sys.executable, PROGRAM, json.dumps(plan)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=bare_environment(),
    )
    return json.loads(done.stdout), done.stderr


def test_what_waits_for_the_disk_is_in_the_account_and_arrives_once_when_the_disk_works_again(sink, tmp_path):
    told, said = run(sink, tmp_path / "home", resumes=True)
    assert told["held_up"]
    stalled, resumed = told["stalled"], told["resumed"]
    assert (stalled["all"], stalled["delivered"], stalled["in_memory"], stalled["dropped"]) == (False, 10, 489, {})
    assert stalled["emitted"] == 500 == stalled["delivered"] + stalled["in_memory"] + stalled["journaled"]
    assert (resumed["all"], resumed["emitted"], resumed["delivered"], resumed["dropped"]) == (True, 500, 500, {})
    assert sink.copies() == dict.fromkeys(range(500), 1)
    assert "Traceback" not in said


def test_a_process_whose_disk_never_works_again_ends_and_sends_what_waits_from_memory(sink, tmp_path):
    told, said = run(sink, tmp_path / "home", resumes=False)
    assert told["held_up"]
    assert sink.copies() == {number: 1 for number in range(500) if number != 10}  # whose thread is held up to this day
    (count, sent) = re.search(
        r"has not taken the last (\d+) records: (\d+) are sent from memory, 0 lost", said
    ).groups()
    assert count == sent
    assert int(count) >= 489  # and what is told of metrics at the end
    assert "Traceback" not in said
