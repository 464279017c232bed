"""A store whose every name is hostile, and what a report of it finds."""

from spanwatch.core.call import CallStatus
from spanwatch.core.feedback.rating import Rating, rating_body
from spanwatch.core.health import Measures, Thresholds, verdict
from spanwatch.core.records import call_body
from spanwatch.reports.findings import findings
from spanwatch.store.projection import project
from tests.cli.rig import fill
from tests.store import rig
from tests.store.rig import SECOND, START_NS

EVIL = "<img src=//evil.example onerror=document.title='owned'><script>document.title='owned'</script>\"'`|[x](//e)"
CODES = "\x1b]0;owned\x07\u202e@all"
NOW_NS = START_NS + 86_400 * SECOND


def hostile(home):
    """The store of the command line's tests, and one trace of which everything is hostile."""
    fill(home)
    trace = "e" * 32
    with rig.segment(home, service=EVIL, resource={"service.name": EVIL}) as segment:
        call = rig.call(
            started_ns=START_NS + 7200 * SECOND, trace_id=trace, request_model=EVIL, response_model=EVIL, agent=EVIL,
            user_id=CODES, error_type=EVIL, status=CallStatus.ERROR, parent_span_id="1" * 16,
        )  # fmt: skip
        segment.write("span", rig.span(t=trace, s="1" * 16, n=EVIL, b=call.started_ns, e=call.ended_ns, st=[2, EVIL]))
        segment.write("call", call_body(call))
        for number, comment in enumerate([f"{EVIL} far too slow", f"too slow {CODES}", "too slow, a@b.example"] * 4):
            rating = Rating(f"r{number}", call.ended_ns + number, "rating", 1.0, "1", comment, trace_id=trace)
            segment.write("feedback", rating_body(rating))
    project(home)


def healthy():
    """A verdict over ten requests."""
    measures = Measures(succeeded=9, failed=1, mean_s=6.0, errors=((EVIL, 1),))
    return verdict(measures, at_ns=NOW_NS, window_s=300.0, thresholds=Thresholds())


def found(home, **window):
    """The findings of a store."""
    return findings(home, healthy, at_ns=NOW_NS, **window)
