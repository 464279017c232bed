"""What is left of a configuration after its end: nothing, unless a stream of it is still open."""

from __future__ import annotations

import json

import pytest

LOOK = """
import gc, json, os, threading, time
import spanwatch
from spanwatch import Budget
from spanwatch.otel.runtime import Runtime
from spanwatch.store.forks import HeldMethod

def threads():
    return sorted(each.name for each in threading.enumerate() if each.name.startswith("spanwatch"))

def settled(until_s=10):
    until = time.monotonic() + until_s
    while (gc.collect(), threads())[1] and time.monotonic() < until:
        time.sleep(0.02)
    found = gc.get_objects()
    return threads(), sum(type(each) is Runtime for each in found), sum(type(each) is HeldMethod for each in found)

"""
AGAIN = """
def cycle():
    spanwatch.configure(**WITH)
    chat()
    with spanwatch.agent("bot"):
        pass
    spanwatch.shutdown(1)
    return settled()

WITH = json.loads(os.environ["WITH"])
if WITH.pop("budget", None):
    WITH["budgets"] = [Budget("daily", usd=5, window="1d")]
cycle()
print(json.dumps([cycle() for _ in range(3)]))
"""
THEIRS = """
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
metrics.set_meter_provider(MeterProvider())
"""
OPEN = """
from opentelemetry import trace
spanwatch.configure(banner=False)
stream = chat(stream=True)
next(stream)
spanwatch.shutdown(1)
kept = settled(0.5)[0]
del stream
print(json.dumps([kept, settled()[:2]]))
"""


def ran(place, code, **environ):
    done = place.python(code, **environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("before", "settings"),
    [
        ("", {}),
        ("", {"rules": "default", "endpoint": "http://127.0.0.1:9", "budget": True}),
        ("", {"store": False, "live_interval": 0}),
        (THEIRS, {"budget": True}),
    ],
    ids=["plain", "everything", "nothing kept", "joined"],
)
def test_configure_and_shutdown_again_and_again_leave_no_thread_no_instance_and_no_handler_of_forks(
    place, before, settings
):
    found = ran(place, LOOK + before + AGAIN, WITH=json.dumps({"banner": False, **settings}))
    threads, instances, handlers = zip(*found, strict=True)
    assert threads == ([], [], [])
    assert instances == (0, 0, 0)
    assert len(set(handlers)) == 1


def test_a_stream_that_is_open_at_the_end_keeps_the_thread_that_ends_it_and_is_told(place):
    kept, after = ran(place, LOOK + OPEN)
    assert kept == ["spanwatch-worker"]
    assert after == [[], 0]
    assert place.rows("SELECT status FROM calls") == [("abandoned",)]
