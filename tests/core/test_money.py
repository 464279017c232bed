"""Money: exact in nano-USD, plain as text, never rounded twice."""

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.money import to_nano, to_usd, usd_float, usd_text


@pytest.mark.parametrize(
    ("usd", "nano"),
    [
        ("0", 0),
        (1, 1_000_000_000),
        (Decimal("0.00000014"), 140),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("0.0000000025", 2),
        ("-0.5", -500_000_000),
        ("1e9", 10**18),
    ],
)
def test_dollars_become_nano_usd_rounded_half_to_even(usd, nano):
    assert to_nano(usd) == nano


@pytest.mark.parametrize("amount", ["NaN", "inf", "-inf", "a lot", "", "1e400", "1e41"])
def test_what_is_no_amount_is_refused(amount):
    with pytest.raises(ValueError, match="an amount in USD must be a finite number"):
        to_nano(amount)


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "0"), (140, "0.00000014"), (10**10, "10"), (12_500_000_000, "12.5"), (-5, "-0.000000005")],
)  # fmt: skip
def test_nano_usd_read_as_plain_decimals(nano, text):
    assert usd_text(nano) == text
    assert to_usd(nano) == Decimal(text)


def test_whole_dollars_print_without_an_exponent():
    assert str(to_usd(12_500_000_000_000_000_000)) == "12500000000"


def test_a_double_holds_what_a_call_costs():
    assert usd_float(140) == 1.4e-07


@given(nano=st.integers(-(10**30), 10**30))
def test_there_and_back_is_the_same(nano):
    with decimal.localcontext(prec=2):
        assert to_nano(to_usd(nano)) == nano
    assert to_nano(usd_text(nano)) == nano
