"""Forgetting one user: nothing of theirs is left in any table or byte, and nothing of anybody else's is missing."""

import threading
from dataclasses import replace

import pytest

from spanwatch.core.errors import StoreError
from spanwatch.core.points import Identity, pack
from spanwatch.core.records import call_body
from spanwatch.core.series import Sample
from spanwatch.store import samples
from spanwatch.store.alerts import AlertBook
from spanwatch.store.forget import forget
from spanwatch.store.projection import project
from spanwatch.store.summary import summary
from tests.notify.rig import T0, alert
from tests.store.rig import SECOND, START_NS, Segment, adds_up, call, keep, rows, span

ALICE = "alice-7c21"
TRACE = "a" * 32


def count(home, table):
    return rows(home, f"SELECT count(*) FROM {table}")[0][0]


def everything(home):
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def of(user, n, **more):
    return span(t=TRACE, s=f"{n:016x}", a={"user.id": user} if user else {}, **more)


def test_calls_spans_and_logs_of_the_user_go_and_are_counted(tmp_path):
    keep(
        tmp_path,
        call(user_id=ALICE),
        call(user_id=ALICE, started_ns=START_NS + SECOND, response_id="resp_1"),
        call(user_id="bob"),
        call(),
        spans=[of(ALICE, 1), of("bob", 2), of(None, 3)],
        logs=[{"ts": START_NS, "a": {"user.id": ALICE}, "body": "hers"}, {"ts": START_NS, "body": "nobody's"}],
    )
    gone = forget(tmp_path, ALICE)
    assert (gone.calls, gone.spans, gone.logs, gone.journal_records) == (2, 1, 1, 0)
    assert [count(tmp_path, table) for table in ("calls", "spans", "logs")] == [2, 2, 1]
    assert {group.key for group in summary(tmp_path, by="user").groups} == {"bob", ""}
    assert summary(tmp_path).sums.calls == 2
    adds_up(tmp_path)
    assert ALICE.encode() not in everything(tmp_path)
    assert forget(tmp_path, ALICE).calls == 0


def test_spans_below_the_users_go_unless_they_name_somebody_else(tmp_path):
    spans = [
        of(None, 1),
        of(ALICE, 2, p=f"{1:016x}"),
        of(None, 3, p=f"{2:016x}"),
        of(None, 4, p=f"{3:016x}"),
        of("bob", 5, p=f"{3:016x}"),
        of(None, 6, p=f"{5:016x}"),
        of(None, 7, p=f"{1:016x}"),
    ]
    below = [call(trace_id=TRACE, span_id=f"{4:016x}"), call(trace_id=TRACE, span_id=f"{6:016x}")]
    logs = [{"ts": START_NS, "t": TRACE, "s": f"{n:016x}", "body": "x"} for n in (4, 6)]
    keep(tmp_path, *below, spans=spans, logs=logs)
    gone = forget(tmp_path, ALICE)
    assert (gone.calls, gone.spans, gone.logs) == (1, 3, 1)
    assert [int(row[0], 16) for row in rows(tmp_path, "SELECT span_id FROM spans ORDER BY span_id")] == [1, 5, 6, 7]


def test_the_span_of_the_users_call_goes_with_it(tmp_path):
    keep(tmp_path, call(user_id=ALICE, trace_id=TRACE, span_id=f"{1:016x}"), spans=[of(None, 1), of(None, 2)])
    gone = forget(tmp_path, ALICE)
    assert (gone.calls, gone.spans, count(tmp_path, "spans"), count(tmp_path, "traces")) == (1, 1, 1, 1)


def test_a_trace_of_which_nothing_is_left_is_gone(tmp_path):
    keep(tmp_path, call(user_id=ALICE, trace_id=TRACE), spans=[of(ALICE, 1)])
    forget(tmp_path, ALICE)
    assert count(tmp_path, "traces") == 0


def test_records_in_a_journal_still_written_are_overwritten_and_the_writer_goes_on(tmp_path):
    writer = Segment(tmp_path, alive=True)
    writer.write("call", call_body(call(user_id=ALICE)))
    writer.write("span", of(ALICE, 1))
    writer.write("span", of(None, 2, p=f"{1:016x}"))
    writer.write("log", {"ts": START_NS, "a": {"user.id": ALICE}, "body": ALICE})
    writer.write("call", call_body(call(user_id="bob")))
    project(tmp_path)
    size = writer.path.stat().st_size
    gone = forget(tmp_path, ALICE)
    assert (gone.calls, gone.spans, gone.logs, gone.journal_records) == (1, 2, 1, 4)
    assert writer.path.stat().st_size == size
    assert ALICE.encode() not in everything(tmp_path)
    writer.write("call", call_body(call(user_id="bob")))
    assert (project(tmp_path).records, count(tmp_path, "calls")) == (1, 2)
    writer.close()
    assert project(tmp_path).damaged == 0


def test_a_rebuilt_store_has_nothing_of_the_user_either(tmp_path):
    writer = Segment(tmp_path, alive=True)
    writer.write("call", call_body(call(user_id=ALICE)))
    writer.write("call", call_body(call(user_id="bob")))
    forget(tmp_path, ALICE)
    for path in tmp_path.glob("store.db*"):
        path.unlink()
    done = project(tmp_path)
    assert (done.records, done.damaged) == (1, 0)
    writer.close()


def test_usage_that_waits_for_the_users_call_is_forgotten(tmp_path):
    began = call(user_id=ALICE, response_id="resp_9")
    keep(tmp_path, began, call(operation="fetch_response", response_id="resp_9", settles="resp_9", user_id=ALICE))
    forget(tmp_path, ALICE)
    assert count(tmp_path, "settlements") == 0


def test_samples_that_the_users_id_or_account_labels_go_and_those_of_others_stay(tmp_path):
    keep(tmp_path, call(user_id=ALICE))
    labels = [
        (("user.id", ALICE),),
        (("spanwatch.budget.name", "daily"), ("spanwatch.budget.scope", f"user.id={ALICE}")),
        (("spanwatch.budget.name", "team"), ("spanwatch.budget.scope", f"tags.team=a,user.id={ALICE}")),
        (("spanwatch.budget.name", "daily"), ("spanwatch.budget.scope", "user.id=bob")),
        (("spanwatch.budget.name", "daily"), ("spanwatch.budget.scope", "user.id=alice-7c")),
        (("kind", "a"),),
    ]
    news = [(Identity("spent", "gauge", "{USD}", "", each), (Sample(START_NS, pack((1.0,))),)) for each in labels]
    samples.write(tmp_path, "i" * 32, (("service.name", "bot"),), news, START_NS)
    forget(tmp_path, ALICE)
    left = [series.identity.labels for series in samples.read(tmp_path, "spent", 0, START_NS)]
    assert left == labels[3:]
    assert count(tmp_path, "samples") == 3
    assert ALICE.encode() not in everything(tmp_path)


def test_the_history_of_alerts_loses_the_users_and_keeps_others_and_what_still_stands(tmp_path):
    keep(tmp_path, call(user_id=ALICE))
    named = [
        (("alertname", "Errors"), ("user_id", ALICE)),
        (("alertname", "Spend"), ("scope", f"tags.team=a,user.id={ALICE}")),
        (("alertname", "Budget"), ("spanwatch_budget_scope", f"user.id={ALICE}")),
        (("alertname", "Errors"), ("agent", ALICE)),
        (("alertname", "Spend"), ("scope", "user.id=alice-7c")),
        (("alertname", "Errors"),),
    ]
    book = AlertBook(tmp_path)
    alerts = [replace(alert(), labels=labels, summary=f"said of {dict(labels)}") for labels in named]
    book.save("R", [], alerts, T0)
    book.save("R", alerts[2:3], [], T0)
    assert forget(tmp_path, ALICE).alerts == 3
    assert [change.alert.labels for change in book.history()] == [alert.labels for alert in reversed(alerts[3:])]
    assert book.alerts() == {"R": alerts[2:3]}
    book.close()


def test_no_byte_of_the_history_of_alerts_names_the_user(tmp_path):
    keep(tmp_path, call(user_id=ALICE))
    book = AlertBook(tmp_path)
    book.save("R", [], [replace(alert(), labels=(("alertname", "Errors"), ("user.id", ALICE)))], T0)
    assert ALICE.encode() in everything(tmp_path)
    assert forget(tmp_path, ALICE).alerts == 1
    book.close()
    assert ALICE.encode() not in everything(tmp_path)


def test_damaged_databases_that_were_set_aside_go_whole(tmp_path):
    keep(tmp_path, call(user_id=ALICE))
    (tmp_path / "store.db.corrupt-1").write_text(ALICE)
    assert forget(tmp_path, ALICE).set_aside == 1
    assert ALICE.encode() not in everything(tmp_path)


@pytest.mark.parametrize("user", ["%", "'; DROP TABLE calls; --", "", "ALICE-7C21"])
def test_only_exactly_that_id_is_meant(tmp_path, user):
    keep(tmp_path, call(user_id=ALICE))
    assert forget(tmp_path, user).calls == 0
    assert count(tmp_path, "calls") == 1


def test_a_directory_without_a_store_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="no store in"):
        forget(tmp_path / "nowhere", ALICE)


def test_forgetting_while_others_write_and_project_costs_nobody_else_anything(tmp_path):
    writer, stop, wrong = Segment(tmp_path, alive=True), threading.Event(), []
    written = {ALICE: 0, "bob": 0}

    def write():
        for _ in range(300):
            for user in written:
                writer.write("call", call_body(call(user_id=user)))
                written[user] += 1

    def catch_up():
        while not stop.is_set():
            try:
                project(tmp_path)
            except Exception as error:  # noqa: BLE001 (told to the test)
                wrong.append(error)

    threads = [threading.Thread(target=target) for target in (write, catch_up)]
    for thread in threads:
        thread.start()
    gone = sum(forget(tmp_path, ALICE).calls for _ in range(3))
    stop.set()
    for thread in threads:
        thread.join()
    writer.close()
    gone += forget(tmp_path, ALICE).calls
    assert wrong == []
    assert gone == written[ALICE]
    assert rows(tmp_path, "SELECT user_id, count(*) FROM calls GROUP BY user_id") == [("bob", written["bob"])]
    adds_up(tmp_path)
    assert ALICE.encode() not in everything(tmp_path)
