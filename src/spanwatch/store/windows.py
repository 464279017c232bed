"""The windows of time that readers are asked about: UNIX nanoseconds, either end may be open."""

from __future__ import annotations

FOREVER = 1 << 62  # after every time that is stored


def between(since_ns: int | None, until_ns: int | None) -> tuple[int, int]:
    """[`since_ns`, `until_ns`) as statements take it: from the beginning, and for good, where an end is None."""
    return since_ns or 0, FOREVER if until_ns is None else until_ns
