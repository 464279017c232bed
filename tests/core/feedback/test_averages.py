import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.feedback.averages import Average, Share, Sums, average, share, sums, t_p, t_quantile


@pytest.mark.parametrize(
    ("df", "value"), [(1, 12.7062), (2, 4.30265), (5, 2.57058), (10, 2.22814), (30, 2.04227), (math.inf, 1.95996)]
)
def test_quantiles_of_t_are_those_of_the_tables(df, value):
    assert t_quantile(df) == pytest.approx(value, abs=1e-4)
    assert t_p(value, df) == pytest.approx(0.05, abs=1e-5)


def test_few_ratings_are_not_enough_data_and_say_how_many():
    assert average(sums([5, 5, 5, 5])) == Average(4)
    assert str(average(sums([5, 5, 5, 5]))) == "not enough data (n=4)"
    assert str(average(Sums())) == "not enough data (n=0)"


def test_a_handful_of_equal_ratings_is_no_certainty():
    found = average(sums([5.0] * 5))
    assert found.mean == 5.0 == found.high
    assert found.low < 4


@given(st.lists(st.floats(1, 5), min_size=5, max_size=60))
def test_an_average_lies_in_its_interval_on_the_scale(values):
    found = average(sums(values))
    assert found.n == len(values)
    assert 1 <= found.low <= found.mean + 1e-9
    assert found.mean <= found.high + 1e-9 <= 5 + 1e-8


@given(st.lists(st.floats(1, 5), max_size=20), st.lists(st.floats(1, 5), max_size=20))
def test_sums_add_up(one, other):
    both, whole = sums(one) + sums(other), sums(one + other)
    assert both.n == whole.n
    assert both.total == pytest.approx(whole.total)
    assert both.variance == pytest.approx(whole.variance, abs=1e-6)


@pytest.mark.parametrize("weights", [(1, 1, 1, 1, 1), (0, 0, 0, 1, 9), (5, 0, 0, 0, 5), (1, 0, 0, 0, 30)])
@pytest.mark.parametrize("n", [8, 40, 400])
def test_intervals_hold_the_true_mean_in_at_least_93_of_100_samples(weights, n):
    rng = random.Random(8)
    stars = [1.0, 2.0, 3.0, 4.0, 5.0]
    true = sum(star * weight for star, weight in zip(stars, weights, strict=True)) / sum(weights)
    held = 0
    for _ in range(400):
        found = average(sums(rng.choices(stars, weights, k=n)))
        held += found.low <= true <= found.high
    assert held >= 372


def test_a_share_has_wilsons_interval():
    found = share(15, 50)
    assert (found.count, found.n, found.share) == (15, 50, 0.3)
    assert (found.low, found.high) == (pytest.approx(0.19103, abs=1e-4), pytest.approx(0.43751, abs=1e-4))
    assert share(0, 10).low == 0.0
    assert share(0, 4) == Share(0, 4)
    assert str(share(1, 4)) == "not enough data (1 of 4)"
