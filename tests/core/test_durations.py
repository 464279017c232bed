from datetime import timedelta

import pytest

from spanwatch.core.durations import seconds, written


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5_400),
        ("3d", 259_200),
        ("500ms", 0.5),
        (15, 15),
        (timedelta(minutes=2), 120),
    ],
)
def test_a_length_is_read_as_prometheus_writes_it(text, length):
    assert seconds(text) == length


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 parsecs", "-5m", "0s", 0, -1, True, None, float("nan"), float("inf")]
)
def test_what_is_no_length_is_refused_with_how_to_write_one(text):
    with pytest.raises(ValueError, match="is no length of time: write '90s', '5m', '1h30m' or '3d'"):
        seconds(text)


@pytest.mark.parametrize(
    ("length", "text"), [(300, "5m"), (5_400, "1h30m"), (259_200, "3d"), (0.5, "0.5s"), (90, "1m30s")]
)
def test_a_length_is_written_shortly(length, text):
    assert written(length) == text
    assert seconds(text) == length
