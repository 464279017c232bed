"""The soak, for part of a minute, and its arithmetic; `python -m tests.faults.soak --write` is the whole."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.soak import FIRST, HOUR_S, Sample, Soaked, clock, events, page, soak

PAGE = Path(__file__).resolve().parents[2] / "docs" / "soak.md"


def soaked(*, grows=0.0, spikes=0.0, files=0, threads=0, **more):
    """1,200 s at 90 MB, with some growth in MB a second and something that takes memory every minute."""
    samples = [
        Sample(
            at_s=600.0 + second,
            memory_mb=90 + grows * second + spikes * (second % 60 < 20),
            files=10 + files * (second > 900),
            threads=8 + threads * (second > 900),
        )
        for second in range(1_200)
    ]
    found = {"minutes": 30, "rate": 200, "outages": 10, "emitted": 360_000, "lost": 0, "lost_logs": 0}
    return Soaked(**{**found, "repeated": 0, "waiting": 0, "samples": samples, "stderr": "", **more})


def test_nothing_is_said_of_a_run_in_which_memory_comes_and_goes():
    assert soaked(spikes=20.0).complaints() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grows": 0.002}, "memory grows by 1.20 MB in 10 minutes"),
        ({"grows": 0.002, "spikes": 20.0}, "memory grows by 1.20 MB in 10 minutes"),
        ({"files": 1}, "open files went from 10 to 11"),
        ({"threads": 1}, "threads went from 8 to 9"),
        ({"lost": 1}, "1 spans and 0 log records were lost"),
        ({"lost_logs": 2}, "0 spans and 2 log records were lost"),
        ({"waiting": 3}, "3 records wait still"),
    ],
)
def test_each_thing_that_is_not_as_it_must_be_is_said(changes, said):
    assert soaked(**changes).complaints() == [said]


def test_outages_are_spread_evenly_and_the_clock_comes_back():
    assert events(60, 2) == [(10.0, "down"), (15.0, "ok"), (40.0, "down"), (45.0, "ok"), (60, "end")]
    assert clock(160, 4) == [(30.0, HOUR_S), (70.0, 0), (110.0, -HOUR_S), (150.0, 0)]


def test_the_page_that_is_kept_has_every_row_and_a_run_without_a_complaint():
    kept = PAGE.read_text(encoding="utf-8")
    made = page(soaked(), "Measured once:")
    assert kept.startswith(FIRST)
    names = [line.split("|")[1] for line in made.splitlines() if line.startswith("|")]
    assert names == [line.split("|")[1] for line in kept.splitlines() if line.startswith("|")]
    assert "| lost, log records included | 0 |" in kept
    assert made.split("Measured")[0] == kept.split("Measured")[0]


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="a process is read from /proc")
def test_half_a_minute_of_it_loses_nothing_and_keeps_its_threads(rig):
    found = soak(rig, minutes=0.5, outages=3)
    still = replace(found, samples=soaked().samples)  # so short a time says nothing of how memory and files grow
    assert found.emitted == 6_000
    assert still.complaints() == []
    before, after = found.thirds(lambda each: each.threads)
    assert max(after) <= max(before)
    assert max(each.files for each in found.samples) <= 40
    assert found.samples[-1].memory_mb - found.samples[0].memory_mb <= 32
