"""What is said aloud: few lines, whatever happens."""

import logging

import pytest

from spanwatch.otel.delivery.telling import OutageTelling


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def lines():
    """When each line was said."""
    said, clock = [], Clock()

    class Kept(logging.Handler):
        def emit(self, record):
            said.append((clock.now, record.getMessage()))

    handler = Kept()
    logging.getLogger("spanwatch").addHandler(handler)
    yield said, clock, OutageTelling("spans to x", lambda: "they are kept", clock)
    logging.getLogger("spanwatch").removeHandler(handler)


def busiest_minute(said):
    times = [at for at, _ in said]
    return max(sum(begin <= at < begin + 60 for at in times) for begin in times)


@pytest.mark.parametrize("step_s", [0.5, 3.0, 11.0, 31.0])
def test_one_lane_says_ten_lines_a_minute_at_most_whatever_the_collector_does(lines, step_s):
    said, clock, telling = lines
    for turn in range(int(1_800 / step_s)):
        for _ in range(3):
            telling.failed(f"it answers {turn}")
        telling.delivered(f"it warns: {turn}")
        telling.losing("rejected", 1)
        clock.now += step_s
        telling.tick()
    assert said
    assert busiest_minute(said) <= 10


def test_another_odd_answer_is_said_later_and_each_once(lines):
    said, clock, telling = lines
    for _ in range(3):
        telling.delivered("one")
        telling.delivered("another")
        clock.now += 31
    assert [text for _, text in said] == [
        f"spanwatch: spans to x: the collector took a request, but {text}; this is said once"
        for text in ("one", "another")
    ]
