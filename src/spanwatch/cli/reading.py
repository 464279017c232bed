"""What every verb that reads the store shares: where it is, which part of it, and catching up first."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from spanwatch.core.errors import UsageError
from spanwatch.core.settings import Settings
from spanwatch.core.times import moment, shown
from spanwatch.otel.environment import settings_from
from spanwatch.store.catching_up import caught_up

N = TypeVar("N", int, float)


def add_home(parser: argparse.ArgumentParser) -> None:
    """The option that says where the store is."""
    parser.add_argument("--home", metavar="DIR", help="directory of the store (SPANWATCH_HOME, else .spanwatch)")


def add_window(parser: argparse.ArgumentParser) -> None:
    """The options that say which part of the store."""
    parser.add_argument("--since", metavar="WHEN", help="from then on: an age such as 30m, 1h, 7d, or a time (UTC)")
    parser.add_argument("--until", metavar="WHEN", help="before then: an age, or a time (UTC)")


def add_limit(parser: argparse.ArgumentParser, default: int | None, text: str) -> None:
    """The option that says how many."""
    count = number(int, 1, math.inf, "a number from 1")
    parser.add_argument("--limit", metavar="N", type=count, default=default, help=text)


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings in force.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    return settings_from({"home": args.home})


@dataclass(frozen=True, slots=True)
class SinceUntil:
    """From `since_ns` on and before `until_ns`; None is open."""

    since_ns: int | None
    until_ns: int | None


def window_of(args: argparse.Namespace, now_ns: int) -> SinceUntil:
    """What --since and --until say.

    Raises:
        UsageError: an option is no moment, or nothing can lie between the two.
    """
    window = SinceUntil(moment(args.since, "--since", now_ns), moment(args.until, "--until", now_ns))
    if window.since_ns is not None and window.until_ns is not None and window.since_ns >= window.until_ns:
        begin, end = f"{args.since} ({shown(window.since_ns)})", f"{args.until} ({shown(window.until_ns)})"
        raise UsageError(f"nothing lies between --since {begin} and --until {end}: give a later --until")
    return window


@contextlib.contextmanager
def opened(args: argparse.Namespace) -> Iterator[Path]:
    """The directory to read from, caught up with the journal.

    Raises:
        ConfigurationError: a setting is wrong.
        StoreError: there is no store here, or it cannot be read.
    """
    with caught_up(Path(settings_of(args).home)) as home:
        yield home


def number(kind: Callable[[str], N], least: N, most: float, wanted: str) -> Callable[[str], N]:
    """How an option reads a number from `least` to `most`; a wrong one is told with what is `wanted` instead."""

    def read(text: str) -> N:
        with contextlib.suppress(ValueError):
            value = kind(text)
            if least <= value <= most:
                return value
        raise argparse.ArgumentTypeError(f"give {wanted}, not {text[:64]!r}")

    return read
