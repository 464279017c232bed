"""Figures, moments, columns and foreign text, one by one."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.cli.screen import screen_of, write
from spanwatch.core.errors import UsageError
from spanwatch.core.harmless import clean
from spanwatch.core.times import iso, moment, shown
from spanwatch.reports.figures import cost, counted, dollars, number, seconds, size
from spanwatch.reports.screen import Screen, cells, fit
from spanwatch.reports.table import Cell, Column, table

NOW = 1_790_000_000_000_000_000
HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (None, "-"), (0, "$0.000000"), (1, "$0.000000001"), (-1, "-$0.000000001"), (1_000, "$0.000001"),
        (27_830_000, "$0.027830"), (1_234_567_890, "$1.2346"), (123_456_000_000, "$123.46"),
        (1_234_567_000_000_000, "$1,234,567.00"), (-2_500_000_000, "-$2.5000"),
    ],
)  # fmt: skip
def test_amounts_show_what_matters_and_never_zero_for_something(nano, text):
    assert dollars(nano) == text


@given(st.integers(1, 10**16))
def test_no_amount_above_nothing_reads_as_nothing(nano):
    assert any(digit in dollars(nano) for digit in "123456789")


def test_marks_say_at_least_and_about():
    assert cost(10**9, Screen(), lower_bound=True) == "≥$1.0000"
    assert cost(10**9, Screen(unicode=False), lower_bound=True, guessed=True) == ">=~$1.0000"
    assert cost(None, Screen(), lower_bound=True) == "-"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"), (0, "0 us"), (0.00085, "850 us"), (0.0123, "12.3 ms"), (0.85, "850 ms"), (0.9996, "1 s"),
        (1.5, "1.5 s"), (99.94, "99.9 s"), (99.96, "1m 40s"), (200, "3m 20s"), (7500, "2h 05m"),
    ],
)  # fmt: skip
def test_durations_read_well(value, text):
    assert seconds(value) == text


def test_counts_and_sizes():
    assert (number(None), number(1234567), counted(1, "call"), counted(2, "call")) == (
        "-",
        "1,234,567",
        "1 call",
        "2 calls",
    )
    assert [size(n) for n in (0, 1023, 1536, 1 << 30, 3 << 41)] == ["0 B", "1023 B", "1.5 KiB", "1.0 GiB", "6.0 TiB"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None), ("1h", NOW - HOUR),
        ("30 m", NOW - HOUR // 2), ("1.5D", NOW - 36 * HOUR), ("2w", NOW - 336 * HOUR),
        ("1d 12h", NOW - 36 * HOUR), ("1h30m", NOW - 3 * HOUR // 2), (f"{'9' * 400}d", 0),
        ("999999w", 0), ("2026-09-21T14:13:20", NOW), ("2026-09-21T16:13:20+02:00", NOW), ("2026-09-21 14:13:20Z", NOW),
        ("1960-01-01", 0), ("9999-12-31", 1 << 62),
    ],
)  # fmt: skip
def test_a_moment_is_an_age_or_a_time(text, expected):
    assert moment(text, "--since", NOW) == expected


@pytest.mark.parametrize("text", ["", "h", "-1h", "1y", "2026-13-01", "1e9", "nan", "1h\x1b", "1h 2026-09-21"])
def test_what_is_no_moment_is_refused_with_the_options_name(text):
    with pytest.raises(UsageError, match="--until takes an age"):
        moment(text, "--until", NOW)


def test_moments_are_shown_in_utc():
    assert (iso(NOW + 1_999), shown(NOW)) == ("2026-09-21T14:13:20.000001Z", "2026-09-21 14:13:20")
    assert iso(1 << 70) == f"{1 << 70} ns"


@given(st.text())
def test_clean_text_has_nothing_that_moves_or_hides(text):
    found = clean(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E for c in found)
    found.encode()


@given(st.text(), st.integers(1, 40))
def test_text_is_cut_to_the_columns_there_are(text, room):
    assert cells(fit(clean(text), room)) <= max(room, 2)


def test_wide_characters_take_two_columns_and_marks_none():
    assert (cells("世界"), cells("e\u0301"), cells("abc")) == (4, 1, 3)
    assert fit("世界世界", 5) == "世界…"


def test_columns_are_aligned_and_the_flexible_one_gives_way():
    columns = [Column("name", flexible=True), Column("n", right=True)]
    rows = [[Cell("世界"), Cell("1")], [Cell("a" * 40, "red"), Cell("1,000")]]
    assert table(columns, rows, Screen(30)) == [
        "name                         n", "世界                         1", f"{'a' * 22}…  1,000",
    ]  # fmt: skip
    assert table(columns, rows, Screen())[2] == f"{'a' * 40}  1,000"
    assert "\x1b[31m" in table(columns, rows, Screen(30, colour=True))[2]
    assert max(map(len, table(columns, [[Cell("b" * 5000), Cell("1")]], Screen()))) < 200


def test_what_the_stream_cannot_write_is_escaped():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    write("größe", stream)
    stream.flush()
    assert stream.buffer.getvalue() == b"gr\\xf6\\xdfe\n"
    assert screen_of(stream, {"TERM": "xterm"}) == Screen(None, colour=False, unicode=False)
