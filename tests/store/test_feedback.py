"""Stored ratings: arrived once, found by every id, told who and what was rated, forgotten and pruned with the rest."""

import sqlite3
import time

import pytest

from spanwatch.core import names
from spanwatch.store import database, schema
from spanwatch.store.feedback import Stretch, averages, distribution, overall, rated, ratings, response_rate, root_span
from spanwatch.store.forget import forget
from spanwatch.store.projection import project
from spanwatch.store.retention import Limits, prune
from spanwatch.store.trends import trends
from tests.store.rig import HOUR, SECOND, START_NS, Segment, call, keep, new_id, rows, segment, span

DAY = 24 * HOUR
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
EVER = Stretch()


def rating(**more):
    given = {"id": new_id(), "at_ns": START_NS, "kind": "rating", "rating": 3.0, "label": "3", **more}
    return {name: value for name, value in given.items() if value is not None}


def rate(home, *bodies, **options):
    with segment(home, **options) as found:
        for body in bodies:
            found.write("feedback", body)


def test_a_rating_is_stored_once_however_often_it_comes(tmp_path):
    body = rating(trace_id=TRACE, comment="x")
    rate(tmp_path, body, body)
    project(tmp_path)
    rate(tmp_path, {**body, "rating": 1.0, "comment": "forged", "user_id": "alice"})
    project(tmp_path)
    (found,) = ratings(tmp_path, EVER)
    assert (found.rating, found.comment, found.user_id) == (3.0, "x", "alice")


@pytest.mark.parametrize("first", ["rating", "work"])
@pytest.mark.parametrize("way", ["response", "interaction", "conversation"])
def test_a_rating_by_an_id_of_the_application_is_found_whichever_came_first(tmp_path, first, way):
    said = {names.REQUEST_NAME: "ask", names.INTERACTION_ID: "i-1", names.APP_VERSION: "v2", names.USER_ID: "alice"}
    one = call(trace_id=TRACE, span_id="c" * 16, response_id="resp_1", conversation_id="c-1", agent="orders")
    prompt = {names.PROMPT_NAME: "greet", names.PROMPT_VERSION: "3"}
    spans = [span(t=TRACE, s="a" * 16, a=said), span(t=TRACE, s="c" * 16, p="a" * 16, a=prompt)]
    body = rating(
        reference={"response": "resp_1", "interaction": "i-1", "conversation": "c-1"}[way], at_ns=START_NS + HOUR
    )
    steps = [lambda: rate(tmp_path, body), lambda: keep(tmp_path, one, spans=spans)]
    for step in steps if first == "rating" else reversed(steps):
        step()
        project(tmp_path)
    (found,) = ratings(tmp_path, EVER)
    assert (found.trace_id, found.span_id) == (TRACE, "a" * 16 if way == "interaction" else "c" * 16)
    assert (found.agent, found.model, found.conversation_id) == ("orders", "gpt-4o-2024-08-06", "c-1")
    assert found.prompt == "greet@3"
    assert (found.user_id, found.app_version) == (("alice", "v2") if way == "interaction" else (None, None))


def test_a_conversation_is_rated_at_its_latest_call_before_the_rating(tmp_path):
    calls = [call(conversation_id="c", trace_id=f"{n:032x}", started_ns=START_NS + n * HOUR) for n in (1, 2, 3)]
    keep(tmp_path, *calls)
    rate(tmp_path, rating(reference="c", at_ns=START_NS + 2 * HOUR + SECOND), rating(reference="c", at_ns=START_NS))
    project(tmp_path)
    assert [each.trace_id for each in ratings(tmp_path, EVER)] == [f"{2:032x}", f"{1:032x}"]


def test_ratings_of_unknown_traces_and_ids_are_kept_and_in_every_sum(tmp_path):
    rate(tmp_path, rating(trace_id=TRACE, rating=1.0), rating(reference="nobody", rating=5.0), rating(rating=3.0))
    project(tmp_path)
    assert overall(tmp_path, EVER).n == 3
    assert {each.rating.rating: each.models for each in rated(tmp_path, EVER)} == {1.0: (), 5.0: (), 3.0: ()}
    assert root_span(tmp_path, TRACE) is None
    assert averages(tmp_path, EVER, "agent")[""].n == 3


def test_clocks_that_are_wrong_lose_nothing(tmp_path):
    keep(tmp_path, call(trace_id=TRACE, started_ns=START_NS))
    rate(tmp_path, rating(trace_id=TRACE, at_ns=START_NS - DAY), rating(trace_id=TRACE, at_ns=START_NS + 3650 * DAY))
    project(tmp_path)
    assert overall(tmp_path, EVER).n == 2
    assert [each.models for each in rated(tmp_path, EVER)] == [("gpt-4o-2024-08-06",)] * 2
    assert response_rate(tmp_path, EVER).count == 1


@pytest.mark.parametrize(
    "wrong",
    [{"rating": 9.0}, {"rating": "x"}, {"at_ns": -1}, {"at_ns": 1 << 63}, {"at_ns": None}, {"id": None}, {"tags": 5}],
)
def test_a_record_that_is_no_rating_is_counted_as_damaged_and_stops_nothing(tmp_path, wrong):
    rate(tmp_path, rating(**wrong), rating())
    assert project(tmp_path).damaged == 1
    assert overall(tmp_path, EVER).n == 1


@pytest.mark.parametrize("text", ["'); DROP TABLE feedback; --", "\ud800", "\0", "\u202eabc", "👩‍👩‍👧‍👦", "\x1b[2J"])
def test_hostile_text_is_data(tmp_path, text):
    rate(tmp_path, rating(comment=text, user_id=text, agent=text, reference=text, tags=[text]))
    project(tmp_path)
    (found,) = ratings(tmp_path, EVER)
    clean = text.encode("utf-8", "replace").decode()
    assert (found.comment, found.user_id, found.agent) == (clean, clean, clean)
    assert averages(tmp_path, EVER, "user")[clean].n == 1


def test_averages_distribution_low_and_recent(tmp_path):
    users = ["alice"] * 6 + ["bob"] * 3
    rate(
        tmp_path,
        *(
            rating(user_id=user, rating=float(1 + n % 5), label=str(1 + n % 5), at_ns=START_NS + n)
            for n, user in enumerate(users)
        ),
        rating(kind="label", rating=None, label="confusing"),
    )
    project(tmp_path)
    found = averages(tmp_path, EVER, "user")
    assert list(found) == ["alice", "bob"]
    assert (found["alice"].n, found["alice"].mean) == (6, pytest.approx(16 / 6))
    assert (found["bob"].n, found["bob"].mean) == (3, None)
    assert distribution(tmp_path, EVER) == {"1": 2, "2": 2, "3": 2, "4": 2, "5": 1, "confusing": 1}
    assert [each.rating for each in ratings(tmp_path, EVER, low=2.0)] == [2.0, 1.0, 2.0, 1.0]
    assert [each.at_ns - START_NS for each in ratings(tmp_path, EVER, limit=2)] == [8, 7]
    assert overall(tmp_path, Stretch(START_NS + 3, START_NS + 5)).n == 2


def test_the_response_rate_counts_each_trace_once(tmp_path):
    traces = [f"{n:032x}" for n in range(1, 11)]
    keep(tmp_path, *(call(trace_id=trace) for trace in traces))
    rate(tmp_path, *(rating(trace_id=traces[n]) for n in (0, 0, 1)), rating(trace_id=TRACE))
    project(tmp_path)
    found = response_rate(tmp_path, EVER)
    assert (found.count, found.n) == (2, 10)


def test_trends_tell_what_low_ratings_have_in_common(tmp_path):
    calls, spans, bodies = [], [], []
    for n in range(200):
        trace, tool = f"{n + 1:032x}", "search" if n % 2 else "mail"
        begun = START_NS + n * SECOND
        dear = {"duration_ns": 20 * SECOND} if tool == "search" else {}
        calls.append(call(trace_id=trace, agent="orders", started_ns=begun, **dear))
        spans.append(
            span(t=trace, n=f"execute_tool {tool}", b=begun, e=begun + 1, **({"st": [2, "x"]} if n % 8 == 1 else {}))
        )
        low = tool == "search" and n % 10 < 7
        bodies.append(
            rating(trace_id=trace, rating=1.0 if low else 5.0, at_ns=begun + DAY if n < 100 else begun + 8 * DAY)
        )
    keep(tmp_path, *calls, spans=spans)
    rate(tmp_path, *bodies)
    project(tmp_path)
    found = trends(tmp_path, Stretch(START_NS + 7 * DAY, START_NS + 14 * DAY))
    assert (found.change.now.n, found.change.before.n) == (100, 100)
    assert not found.change.is_significant
    common = {(each.dimension, each.value) for each in found.lifts if each.is_significant and each.lift > 1}
    assert {("tool", "search"), ("latency", "up to 30 s")} <= common
    assert set(found.by) == {"agent", "model", "tool", "error", "latency", "cost"}
    assert found.by["tool"]["search"].now.n == 50
    assert found.by["error"]["tool search"].now.n == 12
    assert found.by["error"]["none"].now.n == 88


def test_old_ratings_go_with_the_rest(tmp_path):
    now = START_NS + 60 * DAY
    keep(tmp_path, call(started_ns=now - HOUR))
    rate(tmp_path, rating(at_ns=START_NS), rating(at_ns=now - HOUR))
    project(tmp_path)
    assert prune(tmp_path, Limits(days=30), now).feedback == 1
    assert overall(tmp_path, EVER).n == 1


def test_forgetting_a_user_takes_ratings_by_and_of_him_also_from_running_journals(tmp_path):
    keep(tmp_path, call(trace_id=TRACE, span_id="a" * 16, user_id="alice"))
    writer = Segment(tmp_path, alive=True)
    for body in (
        rating(user_id="alice", comment="mine"),
        rating(trace_id=TRACE, span_id="a" * 16),
        rating(user_id="bob"),
    ):
        writer.write("feedback", body)
    project(tmp_path)
    gone = forget(tmp_path, "alice")
    assert (gone.feedback, gone.journal_records) == (2, 2)
    assert b"mine" not in writer.path.read_bytes()
    writer.close()
    assert [each.user_id for each in ratings(tmp_path, EVER)] == ["bob"]


def test_a_store_of_the_version_before_is_upgraded_and_keeps_what_it_has(tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:3])
        before.setattr(schema, "VERSION", 3)
        with database.writing(tmp_path) as db:
            db.execute("INSERT INTO traces VALUES (?, 1, 2)", (TRACE,))
    rate(tmp_path, rating(trace_id=TRACE))
    project(tmp_path)
    assert rows(tmp_path, "SELECT count(*) FROM traces") == [(1,)]
    assert overall(tmp_path, EVER).n == 1
    assert rows(tmp_path, "PRAGMA user_version") == [(schema.VERSION,)]


def test_waiting_ratings_do_not_slow_down_what_comes(tmp_path):
    rate(tmp_path, *(rating(reference=f"nobody-{n}") for n in range(20_000)))
    project(tmp_path)
    keep(tmp_path, *(call(response_id=f"resp_{n}") for n in range(2_000)))
    began = time.process_time()
    project(tmp_path)
    assert time.process_time() - began < 2


def test_reading_a_store_that_is_not_there_says_so(tmp_path):
    with pytest.raises(Exception, match="no store in"):
        overall(tmp_path, EVER)
    assert sqlite3.sqlite_version_info >= (3, 35)
