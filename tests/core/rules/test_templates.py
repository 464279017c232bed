"""Templates of summaries, as Prometheus fills them in."""

import pytest

from spanwatch.core.rules.templates import check, filled


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{{ $labels.job }} is {{ $value }}", 0.25, "bot is 0.25"),
        ("{{ $value | humanizePercentage }}", 0.1234, "12.34%"),
        ("{{ $value | humanize }}", 1_234_567.0, "1.235M"),
        ("{{ $value | humanize }}", 0.0012, "1.2m"),
        ("{{ $value | humanizeDuration }}", 3_725.0, "1h 2m 5s"),
        ("{{ $value | humanizeDuration }}", 0.25, "250ms"),
        ('{{ $value | printf "%.2f" }}', 3.14159, "3.14"),
        ('{{ printf "%.1f%%" $value }}', 3.14159, "3.1%"),
        ("{{ $value }}", 5.0, "5"),
        ("{{ $value }}", None, "unknown"),
        ("{{ $labels.nothing }}", 1.0, ""),
        ("{{$labels}}", 1.0, "job=bot, model=gpt-4o"),
    ],
)
def test_places_are_filled_in(text, value, expected):
    assert filled(text, {"job": "bot", "model": "gpt-4o"}, value) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{ .Values }}",
        "{{ $value.__class__ }}",
        "{{ query `up` }}",
        '{{ printf "%d%d" $value }}',
        "{{ open",
        "x" * 2_001,
    ],
)
def test_what_is_no_place_is_refused(text):
    with pytest.raises(ValueError, match=r"place|never closed|function|at most"):
        check(text)


def test_what_a_label_says_is_not_filled_in_again():
    assert filled("{{ $labels.a }}", {"a": "{{ $value }}"}, 1.0) == "{{ $value }}"
