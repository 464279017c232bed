"""Averages of ratings with their n and a confidence interval, or the words that there is not enough data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from spanwatch.core.feedback.rating import HIGHEST, LOWEST

ENOUGH = 5  # ratings below which there is no average
CONFIDENCE = 0.95
NOT_ENOUGH = "not enough data"


@dataclass(frozen=True, slots=True)
class Sums:
    """n, sum and sum of squares of numbers: all that means and their intervals need."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.n + other.n, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """The mean; of nothing it is not a number."""
        return self.total / self.n if self.n else math.nan

    @property
    def variance(self) -> float:
        """The sample variance; of fewer than two it is 0."""
        if self.n < 2:
            return 0.0
        return max(0.0, (self.squares - self.total * self.total / self.n) / (self.n - 1))


@dataclass(frozen=True, slots=True)
class Average:
    """A mean of `n` ratings on the scale from 1 to 5 and its 95 % interval; None while there is not enough data."""

    n: int
    mean: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.mean is None or self.low is None or self.high is None:
            return f"{NOT_ENOUGH} (n={self.n})"
        return f"{self.mean:.2f} ({self.low:.2f} to {self.high:.2f}, n={self.n:,})"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole and its 95 % interval (Wilson), each from 0 to 1; None while there is not enough data."""

    count: int
    n: int
    share: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.share is None or self.low is None or self.high is None:
            return f"{NOT_ENOUGH} ({self.count} of {self.n})"
        return f"{self.share:.1%} ({self.low:.1%} to {self.high:.1%}, {self.count:,} of {self.n:,})"


def sums(values: Iterable[float]) -> Sums:
    """The sums of numbers."""
    found = list(values)
    return Sums(len(found), math.fsum(found), math.fsum(value * value for value in found))


def average(found: Sums, *, enough: int = ENOUGH) -> Average:
    """The mean of ratings and its interval.

    The interval is Student's t after two imagined ratings, one at each end of the scale, so that a handful of equal
    ratings does not pass for certainty; it always holds the mean itself.
    """
    if found.n < max(enough, 2):
        return Average(found.n)
    padded = found + Sums(2, LOWEST + HIGHEST, LOWEST**2 + HIGHEST**2)
    half = t_quantile(padded.n - 1) * math.sqrt(padded.variance / padded.n)
    low, high = max(LOWEST, padded.mean - half), min(HIGHEST, padded.mean + half)
    return Average(found.n, found.mean, min(low, found.mean), max(high, found.mean))


def share(count: int, n: int, *, enough: int = ENOUGH) -> Share:
    """A share with Wilson's interval."""
    if n < max(enough, 1):
        return Share(count, n)
    z = t_quantile(math.inf)
    part, weight = count / n, 1 + z * z / n
    middle = (part + z * z / (2 * n)) / weight
    half = z / weight * math.sqrt(part * (1 - part) / n + z * z / (4 * n * n))
    return Share(count, n, part, max(0.0, middle - half), min(1.0, middle + half))


def normal_p(z: float) -> float:
    """How likely a standard normal value is that far from 0 on either side."""
    return math.erfc(abs(z) / math.sqrt(2))


def t_p(t: float, df: float) -> float:
    """How likely a value of Student's t is that far from 0 on either side."""
    return normal_p(t) if math.isinf(df) else _beta(df / (df + t * t), df / 2, 0.5)


@lru_cache(maxsize=1024)
def t_quantile(df: float, confidence: float = CONFIDENCE) -> float:
    """Where Student's t leaves `confidence` between itself and its negative."""
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_p(middle, df) > 1 - confidence else (low, middle)
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Lentz)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny, c = 1e-300, 1.0
    d = 1.0 / (1.0 - (a + b) * x / (a + 1.0) or tiny)
    found = d
    for m in range(1, 500):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / (1.0 + term * d or tiny)
            c = 1.0 + term / c or tiny
            found *= c * d
        if abs(c * d - 1.0) < 1e-12:
            break
    return front * found
