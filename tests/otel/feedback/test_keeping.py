"""Feedback across processes: the row, the score's span in the original trace, tokens, ids, forks and crashes."""

import json

import pytest

from spanwatch.core import names
from spanwatch.store.feedback import Stretch, overall, rated, ratings
from spanwatch.store.forget import forget
from spanwatch.store.projection import project
from tests.otel.feedback.programs import run
from tests.store.rig import rows

WORK = """
with spanwatch.request("ask", user_id="alice", conversation_id="c-1", interaction_id="i-1", app_version="v7") as span:
    span = get_current_span()
    token = spanwatch.feedback_token()
context = span.get_span_context()
print(token, f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-01")
spanwatch.shutdown()
"""
RATE = """
import sys
for target in sys.argv[1:]:
    done = spanwatch.feedback(target, rating=2, comment="no")
    print(done.duplicate)
spanwatch.shutdown()
"""


@pytest.fixture
def work(tmp_path):
    token, traceparent = run(tmp_path, WORK).split()
    return tmp_path, token, traceparent


def spans(home):
    found = rows(home / ".spanwatch", "SELECT trace_id, parent_id, body FROM spans WHERE name = 'user_feedback'")
    return [(trace, parent, json.loads(body)) for trace, parent, body in found]


@pytest.mark.parametrize("way", ["token", "traceparent", "trace", "interaction"])
def test_another_process_puts_the_score_under_the_rated_span(work, way):
    place, token, traceparent = work
    _, trace_id, span_id, _ = traceparent.split("-")
    target = {"token": token, "traceparent": traceparent, "trace": trace_id, "interaction": "i-1"}[way]
    assert run(place, RATE, target) == "False"
    project(place / ".spanwatch")
    ((trace, parent, body),) = spans(place)
    assert (trace, parent) == (trace_id, span_id)
    assert body["a"][names.FEEDBACK_RATING] == 2.0
    (found,) = rated(place / ".spanwatch", Stretch())
    rating = found.rating
    assert (rating.trace_id, rating.span_id, rating.user_id, rating.app_version) == (trace_id, span_id, "alice", "v7")
    assert (rating.comment, rating.rating) == ("no", 2.0)


def test_a_late_score_does_not_make_the_trace_longer(work):
    place, _, traceparent = work
    trace_id = traceparent.split("-")[1]
    project(place / ".spanwatch")
    before = rows(place / ".spanwatch", "SELECT ended_ns FROM traces WHERE trace_id = ?", trace_id)
    run(place, RATE, traceparent)
    project(place / ".spanwatch")
    assert len(spans(place)) == 1
    assert rows(place / ".spanwatch", "SELECT ended_ns FROM traces WHERE trace_id = ?", trace_id) == before


def test_a_replayed_token_is_refused_by_every_process_of_the_home(work):
    place, token, _ = work
    assert run(place, RATE, token, token) == "False\nTrue"
    assert run(place, RATE, token) == "True"
    project(place / ".spanwatch")
    assert len(ratings(place / ".spanwatch", Stretch())) == len(spans(place)) == 1


def test_an_idempotency_key_holds_across_processes_and_a_fork(tmp_path):
    code = """
import os, sys
def rate():
    print(spanwatch.feedback("c-9", label="up", idempotency_key="k").duplicate, flush=True)
rate()
if len(sys.argv) > 1:
    child = os.fork()
    if child == 0:
        rate()
        spanwatch.shutdown()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
spanwatch.shutdown()
"""
    assert run(tmp_path, code, "fork") == "False\nTrue"
    assert run(tmp_path, code) == "True"
    project(tmp_path / ".spanwatch")
    assert overall(tmp_path / ".spanwatch", Stretch()).n == 1


def test_tokens_open_in_another_home_with_the_same_configured_key(work, tmp_path):
    key = "0123456789abcdef0123456789abcdef"
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    token = run(first, WORK, SPANWATCH_FEEDBACK_KEY=key).split()[0]
    assert run(second, RATE, token, SPANWATCH_FEEDBACK_KEY=f"{'n' * 40}, {key}") == "False"
    project(second / ".spanwatch")
    (found,) = ratings(second / ".spanwatch", Stretch())
    assert (found.user_id, found.app_version) == ("alice", "v7")
    with pytest.raises(AssertionError, match="the feedback token is forged"):
        run(second, RATE, token, SPANWATCH_FEEDBACK_KEY="n" * 40)


def test_without_store_and_key_there_is_no_token_and_the_error_says_what_to_do(tmp_path):
    code = """
try:
    spanwatch.feedback_token("4bf92f3577b34da6a3ce929d0e0e4736")
except spanwatch.ConfigurationError as error:
    print(error)
"""
    assert "set feedback_key (SPANWATCH_FEEDBACK_KEY)" in run(tmp_path, code, SPANWATCH_STORE="off")


def test_the_key_and_the_claims_are_private_files_without_ids(work):
    place, token, traceparent = work
    run(place, RATE, token)
    for name in ("feedback.key", "claims.db"):
        assert (place / ".spanwatch" / name).stat().st_mode & 0o777 == 0o600
    data = (place / ".spanwatch" / "claims.db").read_bytes()
    assert traceparent.split("-")[1].encode() not in data


def test_a_key_file_behind_a_symbolic_link_is_not_followed(tmp_path):
    home = tmp_path / ".spanwatch"
    home.mkdir()
    (tmp_path / "elsewhere").write_text("k" * 64)
    (home / "feedback.key").symlink_to(tmp_path / "elsewhere")
    code = 'spanwatch.feedback_token("4bf92f3577b34da6a3ce929d0e0e4736")'
    with pytest.raises(AssertionError, match="cannot be used"):
        run(tmp_path, code)


def test_a_rating_survives_a_process_that_is_killed_right_after(tmp_path):
    code = """
import os, signal
spanwatch.feedback("4bf92f3577b34da6a3ce929d0e0e4736", rating=1)
child = os.fork()
if child == 0:
    spanwatch.feedback("4bf92f3577b34da6a3ce929d0e0e4736", rating=5)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
"""
    run(tmp_path, code)
    project(tmp_path / ".spanwatch")
    assert sorted(each.rating for each in ratings(tmp_path / ".spanwatch", Stretch())) == [1.0, 5.0]


def test_forgetting_the_user_forgets_what_he_said(work):
    place, token, traceparent = work
    run(place, RATE, token, traceparent)
    gone = forget(place / ".spanwatch", "alice")
    assert gone.feedback == 2
    assert ratings(place / ".spanwatch", Stretch()) == []
    for table in ("interactions", "feedback", "spans"):
        assert rows(place / ".spanwatch", f"SELECT count(*) FROM {table}") == [(0,)]
