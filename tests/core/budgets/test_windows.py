"""Windows: every instant is in exactly one, whatever clocks and calendars do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.budgets.windows import DAY, HOUR, LIFETIME, WEEK, Period, parse_window, period_of

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",  # until 2011 clocks went back at 00:01, across midnight
    "America/Sao_Paulo",  # clocks went forward at midnight: that day had no 00:00
    "Australia/Lord_Howe",  # half an hour of summer time
    "Asia/Kathmandu",  # 5:45 from UTC
    "Pacific/Apia",  # had no 30 December 2011
    "Asia/Tokyo",
)
INSTANTS = st.integers(
    int(datetime(1999, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2037, 1, 1, tzinfo=UTC).timestamp())
)
CALENDAR = st.sampled_from(
    [f"calendar {kind} {zone}" for kind in ("hour", "day", "week", "month") for zone in (*ZONES, "UTC")]
)


def at(text, zone="UTC", fold=0):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp())


def span(words, instant):
    period = period_of(parse_window(words), instant)
    assert (period.since, period.end) == (period.start, period.until)
    return period.start, period.until


@given(words=CALENDAR, instant=INSTANTS)
def test_a_calendar_window_holds_its_instant_and_both_its_ends_agree_on_it(words, instant):
    start, end = span(words, instant)
    assert start <= instant < end
    assert span(words, start) == span(words, end - 1) == (start, end)


@given(words=CALENDAR, instant=INSTANTS)
def test_calendar_windows_follow_each_other_without_gap_or_overlap(words, instant):
    start, end = span(words, instant)
    assert span(words, end)[0] == end
    assert span(words, start - 1)[1] == start


@given(words=CALENDAR, instants=st.tuples(INSTANTS, INSTANTS))
def test_a_clock_stepping_back_finds_the_earlier_window_again(words, instants):
    earlier, later = sorted(instants)
    first, then, again = span(words, earlier), span(words, later), span(words, earlier)
    assert again == first
    assert first == then or first[1] <= then[0]


@given(kind=st.sampled_from(["hour", "day", "week", "month"]), instant=INSTANTS)
def test_utc_by_arithmetic_is_utc_by_the_calendar(kind, instant):
    assert span(f"calendar {kind} UTC", instant) == span(f"calendar {kind} Etc/UTC", instant)


@given(seconds=st.integers(1, 400 * DAY), instant=INSTANTS)
def test_a_rolling_window_counts_all_of_its_seconds_and_at_most_a_slice_more(seconds, instant):
    period = period_of(parse_window(f"{seconds}s"), instant)
    piece = max(1, seconds // 60)
    assert period.start <= instant < period.until == period.start + piece
    assert period.since <= instant - seconds
    assert instant - seconds - period.since < 2 * piece
    assert period.end == period.until + seconds


@given(seconds=st.integers(1, 100 * DAY), instant=INSTANTS, age=st.integers(0, 200 * DAY))
def test_what_was_charged_counts_for_the_whole_rolling_window(seconds, instant, age):
    window = parse_window(f"{seconds}s")
    charged, now = period_of(window, instant - age), period_of(window, instant)
    if age < seconds:
        assert charged.start >= now.since
        assert instant < charged.end
    if instant >= charged.end:
        assert charged.start < now.since + max(1, seconds // 60)


@pytest.mark.parametrize(
    ("words", "inside", "start", "end"),
    [
        ("calendar day", "2026-11-25T23:59:59", "2026-11-25T00:00:00", "2026-11-26T00:00:00"),
        ("calendar month", "2024-02-29T12:00:00", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        ("month", "2026-12-31T23:59:59", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("calendar week", "2026-11-25T10:00:00", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
        ("week", "2027-01-01T00:00:00", "2026-12-28T00:00:00", "2027-01-04T00:00:00"),
        ("hour", "2026-11-25T10:59:59", "2026-11-25T10:00:00", "2026-11-25T11:00:00"),
    ],
)
def test_windows_in_utc_begin_where_the_calendar_says(words, inside, start, end):
    assert span(words, at(inside)) == (at(start), at(end))


def test_a_day_of_the_change_to_summer_time_has_23_hours_and_back_25():
    for noon, hours in (("2026-03-29T12:00", 23), ("2026-10-25T12:00", 25), ("2026-10-26T12:00", 24)):
        start, end = span("calendar day Europe/Berlin", at(noon, "Europe/Berlin"))
        assert end - start == hours * HOUR
        assert datetime.fromtimestamp(start, ZoneInfo("Europe/Berlin")).time().isoformat() == "00:00:00"


def test_a_week_over_the_change_of_clocks_still_begins_on_monday():
    start, end = span("calendar week Europe/Berlin", at("2026-03-29T12:00", "Europe/Berlin"))
    assert (start, end) == (at("2026-03-23T00:00", "Europe/Berlin"), at("2026-03-30T00:00", "Europe/Berlin"))
    assert end - start == WEEK - HOUR


def test_an_hour_that_is_lived_twice_is_two_windows():
    first, second = (at("2026-10-25T02:30", "Europe/Berlin", fold) for fold in (0, 1))
    assert second - first == HOUR
    assert span("calendar hour Europe/Berlin", first)[1] == span("calendar hour Europe/Berlin", second)[0]


def test_a_day_without_midnight_begins_after_the_gap():
    start, end = span("calendar day America/Sao_Paulo", at("2017-10-15T12:00", "America/Sao_Paulo"))
    assert datetime.fromtimestamp(start, ZoneInfo("America/Sao_Paulo")).isoformat() == "2017-10-15T01:00:00-02:00"
    assert end - start == 23 * HOUR


def test_a_day_goes_on_where_clocks_go_back_across_midnight():
    began = at("2010-11-07T00:00", "America/St_Johns")
    back = began + 60  # 00:01 is 23:01 of the day before again
    assert datetime.fromtimestamp(back, ZoneInfo("America/St_Johns")).isoformat() == "2010-11-06T23:01:00-03:30"
    assert span("calendar day America/St_Johns", back)[0] == began


def test_a_day_that_a_country_skipped_leaves_no_hole():
    last = at("2011-12-29T23:59:59", "Pacific/Apia")
    start, end = span("calendar day Pacific/Apia", last)
    assert end == last + 1
    assert datetime.fromtimestamp(end, ZoneInfo("Pacific/Apia")).date().isoformat() == "2011-12-31"
    assert end - start == DAY


def test_a_lifetime_has_no_end():
    assert period_of(parse_window("lifetime"), at("2026-11-25T00:00")) == LIFETIME == Period(0, None, 0, None)


def test_a_call_is_charged_to_the_window_it_started_in_to_the_second():
    midnight = at("2026-11-26T00:00", "America/New_York")
    before, after = span("day America/New_York", midnight - 1), span("day America/New_York", midnight)
    assert before[1] == after[0] == midnight
    assert timedelta(seconds=after[1] - after[0]) == timedelta(days=1)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("calendar day", "calendar day UTC"),
        ("day Europe/Berlin", "calendar day Europe/Berlin"),
        ("3600s", "3600s"),
        ("rolling 2h", "7200s"),
        ("1d", "86400s"),
        ("lifetime", "lifetime"),
    ],
)
def test_a_window_reads_as_what_it_means(words, shown):
    assert str(parse_window(words)) == shown
    assert parse_window(shown) == parse_window(words)


@pytest.mark.parametrize("words", ["", "0s", "dayly", "calendar", "calendar year", "5", "-5s", "401d", "day UTC UTC"])
def test_an_unknown_window_is_named_with_what_can_be_given(words):
    with pytest.raises(ValueError, match=r"window cannot be .* give 'calendar day'"):
        parse_window(words)


@pytest.mark.parametrize("zone", ["Europe/Berlinn", "../../etc/passwd", "CET5"])
def test_an_unknown_time_zone_is_named(zone):
    with pytest.raises(ValueError, match="unknown time zone"):
        parse_window(f"calendar day {zone}")


def test_a_window_that_is_no_text_is_a_type_error():
    with pytest.raises(TypeError, match="window must be text, not int"):
        parse_window(86_400)
