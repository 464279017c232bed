"""Bad inputs: each gives one span something that no telemetry should meet, by the plain OpenTelemetry API."""

from __future__ import annotations

from functools import partial

from opentelemetry.trace import SpanContext, Status, StatusCode

HALF = "half \ud83d pair"


class Raises:
    """Every way to text raises."""

    def __str__(self):
        raise RuntimeError("no str")

    def __repr__(self):
        raise RuntimeError("no repr")


class HostError(Exception):
    """An exception of the application that has no text."""

    def __str__(self):
        raise RuntimeError("no str")


class Unequal:
    def __eq__(self, other):
        raise RuntimeError("no eq")

    def __hash__(self):
        raise RuntimeError("no hash")


def cyclic_list():
    found = [1]
    found.append(found)
    return found


def cyclic_dict():
    found = {"a": 1}
    found["self"] = found
    return found


def deep(levels):
    found = {}
    for _ in range(levels):
        found = {"a": found}
    return found


def value(make, span):
    span.set_attribute("value", make())


def key(name, span):
    span.set_attribute(name, "value")


def event(name, span):
    span.add_event(name, {"text": name})


def status(span):
    span.set_status(Status(StatusCode.ERROR, HALF))


def error(make, span):
    span.record_exception(make())


def renamed(name, span):
    span.update_name(name)


def many(span):
    kept = span.attributes["faults.id"]
    for number in range(5_000):
        span.set_attribute(f"key.{number}", number)
    span.set_attribute("faults.id", kept)  # the limit of the SDK takes the oldest


def many_events(span):
    for number in range(5_000):
        span.add_event(f"event {number}")


def linked(span):
    span.add_link(SpanContext(1, 1, is_remote=True), {"text": HALF})


def strange_time(span):
    span.add_event("early", timestamp=-1)


def ended_twice(span):
    span.end()
    span.set_attribute("late", 1)
    span.end()


def ends_before_it_began(span):
    span.end(end_time=1)


def far_end(span):
    span.end(end_time=2**70)


VALUES = {
    "half a surrogate pair in a value": lambda: HALF,
    "half a surrogate pair in a list": lambda: ["fine", HALF],
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "2 to the 63rd": lambda: 2**63,
    "2 to the 200th": lambda: 2**200,
    "an integer of 5,000 digits": lambda: 10**5_000,
    "bytes that are no text": lambda: b"\xff\x00",
    "NUL in a value": lambda: "a\0b",
    "control sequences": lambda: "\x1b]0;title\x07\x1b[2J\r\n",
    "None": lambda: None,
    "a list of mixed types": lambda: [1, "a", None, 2.5],
    "a list that holds itself": cyclic_list,
    "a dictionary that holds itself": cyclic_dict,
    "a dictionary 2,000 deep": partial(deep, 2_000),
    "an object without a text": Raises,
    "a list of objects without a text": lambda: [Raises()],
    "an object that cannot be compared": Unequal,
    "a value of 70 MB": lambda: "x" * 70_000_000,
    "a list of 100,000": lambda: list(range(100_000)),
}

INPUTS = {
    **{name: partial(value, make) for name, make in VALUES.items()},
    "an empty key": partial(key, ""),
    "half a surrogate pair in a key": partial(key, HALF),
    "a key that is no text": partial(key, 7),
    "a key of 1 MB": partial(key, "k" * 1_000_000),
    "half a surrogate pair in its name": partial(renamed, HALF),
    "a name that is no text": partial(renamed, 7),
    "half a surrogate pair in an event": partial(event, HALF),
    "an event without a name": partial(event, None),
    "half a surrogate pair in its status": status,
    "half a surrogate pair in an exception": partial(error, lambda: ValueError(HALF)),
    "an exception without a text": partial(error, HostError),
    "half a surrogate pair in a link": linked,
    "5,000 attributes": many,
    "5,000 events": many_events,
    "an event before 1970": strange_time,
    "two ends": ended_twice,
    "an end before its beginning": ends_before_it_began,
    "an end in the year 39000": far_end,
}
