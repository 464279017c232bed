"""Callbacks of instruments that keep nothing alive: a provider never lets go of those it was given."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Observation

Observe = Callable[[CallbackOptions], Iterable[Observation]]


def observing(method: Observe) -> Observe:
    """A callback that asks a bound method as long as its object is there, and then has nothing to say."""
    held = weakref.WeakMethod(method)

    def observe(options: CallbackOptions) -> Iterable[Observation]:
        found = held()
        return () if found is None else found(options)

    return observe
