"""Times as the application gives them: every form is the same moment, and a wrong one is told by its name."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from spanwatch.otel.feedback import FeedbackCollector
from spanwatch.otel.moments import moment

NOW = 1_800_000_000_000_000_000
NOON = 1_764_158_400_000_000_000  # 2025-11-26 12:00 UTC


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("1h", NOW - 3_600 * 10**9),
        (90, NOW - 90 * 10**9),
        (timedelta(minutes=1), NOW - 60 * 10**9),
        (datetime(2025, 11, 26, 12), NOON),  # noqa: DTZ001 (what this is about)
        (datetime(2025, 11, 26, 12, tzinfo=UTC), NOON),
        (datetime(2025, 11, 26, 14, tzinfo=timezone(timedelta(hours=2))), NOON),
        ("2025-11-26T12:00", NOON),
        ("2025-11-26 14:00+02:00", NOON),
        (datetime(1960, 1, 1, tzinfo=UTC), 0),
        ("9999-12-31", 1 << 62),  # a store takes no later one
    ],
)
def test_every_form_is_a_moment(given, found):
    assert moment("since", given, NOW) == found


def test_a_time_is_exact_to_the_microsecond():
    for microsecond in range(0, 1_000_000, 997):
        at = datetime(2025, 11, 26, 12, microsecond=microsecond, tzinfo=UTC)
        assert moment("since", at, NOW) == NOON + microsecond * 1_000


def test_what_is_no_time_is_told_by_its_name(tmp_path):
    words = r"until is 'soon': give an age such as '30m', '1h' or '7d', or a time"
    with pytest.raises(ValueError, match=words):
        moment("until", "soon", NOW)
    (tmp_path / "store.db").touch()
    with pytest.raises(ValueError, match=words):
        FeedbackCollector(tmp_path).average(until="soon")
