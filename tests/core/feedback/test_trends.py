import math
import random
import statistics

import pytest

from spanwatch.core.feedback.averages import Sums, sums
from spanwatch.core.feedback.trends import change, change_points, changes, cost, gathered, latency, lifts


def test_a_drop_is_significant_and_noise_is_not():
    found = change(sums([2, 3, 2, 3, 2, 1] * 5), sums([4, 5, 4, 5, 3, 5] * 5))
    assert found.is_significant
    assert found.difference == pytest.approx(2.1667 - 4.3333, abs=1e-3)
    assert found.low < found.difference < found.high < 0
    assert not change(sums([3, 4, 5, 2] * 5), sums([4, 3, 5, 3] * 5)).is_significant


def test_p_is_the_area_under_students_t_beyond_the_statistic():
    a = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4]
    b = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 24.4]
    first, second = statistics.variance(a) / 15, statistics.variance(b) / 15
    t = abs(statistics.mean(a) - statistics.mean(b)) / math.sqrt(first + second)
    df = (first + second) ** 2 / (first**2 / 14 + second**2 / 14)
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(df * math.pi)
    step = t / 20_000
    inside = sum(scale * (1 + ((k + 0.5) * step) ** 2 / df) ** (-(df + 1) / 2) * step for k in range(20_000))
    assert change(sums(a), sums(b)).p == pytest.approx(1 - 2 * inside, abs=1e-6)


def test_too_few_ratings_have_no_significance():
    found = change(sums([1, 1, 1]), sums([5] * 100))
    assert (found.p, found.difference, found.is_significant) == (None, None, False)
    assert str(found.now) == "not enough data (n=3)"


def test_windows_without_spread_are_compared_all_the_same():
    assert change(sums([2] * 9), sums([5] * 9)).p == 0
    assert change(sums([5] * 9), sums([5] * 9)).p == 1
    assert change(Sums(), Sums()).p is None


def made(rng, n=2_000):
    """Ratings that are low three times as often when the search tool is used; models make no difference."""
    for _ in range(n):
        tools = [tool for tool in ("search", "mail", "calendar") if rng.random() < 0.4]
        low = rng.random() < (0.45 if "search" in tools else 0.15)
        yield (1.0 if low else 5.0), {"tool": tools or ["none"], "model": [rng.choice(["a", "b", "c"])]}


def test_what_low_ratings_have_in_common_is_found_and_nothing_else():
    found = lifts(gathered(made(random.Random(1))))
    first = found[0]
    assert (first.dimension, first.value) == ("tool", "search")
    assert first.low < 3 < first.high
    assert first.is_significant
    assert [each.value for each in found if each.is_significant and (each.lift or 0) > 1] == ["search"]
    assert first.average.n == first.n


def test_looking_at_many_properties_of_noise_finds_hardly_any():
    rng = random.Random(2)
    noise = [(rng.choice([1.0, 5.0]), {f"d{k}": [str(rng.randrange(5))] for k in range(20)}) for _ in range(1_000)]
    assert sum(each.is_significant for each in lifts(gathered(noise))) <= 2


def test_a_property_of_everything_or_of_too_few_has_no_lift():
    rated = [(1.0, {"model": ["all"], "tool": ["rare"]})] * 3 + [(5.0, {"model": ["all"], "tool": ["none"]})] * 50
    assert {each.value: each.lift for each in lifts(gathered(rated))} == {"all": None, "rare": None, "none": None}


def test_a_property_with_only_low_ratings_has_a_finite_lift():
    rated = [(1.0, {"tool": ["bad"]})] * 20 + [(5.0, {"tool": ["good"]})] * 20
    bad = next(each for each in lifts(gathered(rated)) if each.value == "bad")
    assert bad.is_significant
    assert 1 < bad.low < bad.lift < bad.high < 1e4


def test_changes_are_by_property():
    now = gathered([(1.0, {"model": ["x"]}), (2.0, {"model": ["x"]}), (5.0, {"model": ["y"]})] * 10)
    before = gathered([(5.0, {"model": ["x"]}), (4.0, {"model": ["x"]}), (5.0, {"model": ["z"]})] * 10)
    found = changes(now, before)["model"]
    assert list(found) == ["x", "y", "z"]
    assert found["x"].difference == pytest.approx(-3.0)
    assert found["x"].is_significant
    assert found["z"].now.n == 0


def test_change_points_are_where_the_level_moved():
    rng = random.Random(3)
    levels = [4.5] * 300 + [2.5] * 200 + [4.5] * 300
    rated = [(at, min(5.0, max(1.0, rng.gauss(level, 0.8)))) for at, level in enumerate(levels)]
    found = change_points(rated)
    assert [round(point.at_ns / 20) * 20 for point in found] == [300, 500]
    assert found[0].before - found[0].after > 1.5
    assert found[1].after - found[1].before > 1.5


def test_steady_ratings_have_no_change_point():
    false = 0
    for seed in range(50):
        rng = random.Random(seed)
        false += bool(change_points([(at, rng.choice([1.0, 3.0, 5.0, 5.0])) for at in range(500)]))
    assert false <= 2
    assert change_points([]) == []
    assert change_points([(at, 5.0) for at in range(500)]) == []
    assert len(change_points([(at, 5.0 if at < 100 else 1.0) for at in range(200)])) == 1


def test_buckets_are_in_words():
    assert [latency(v)[0] for v in (0.2, 1.0, 9, 31)] == ["up to 1 s", "up to 1 s", "up to 10 s", "over 30 s"]
    assert [cost(v)[0] for v in (0, 10_000_001, 10**12)] == ["up to $0.001", "up to $0.1", "over $1"]
