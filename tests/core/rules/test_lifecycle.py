"""From inactive to pending, firing and resolved; damping; what is told and when."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwatch.core.errors import UsageError
from spanwatch.core.rules import Alert, Firing, Rule, State
from spanwatch.core.rules.alert import from_json, to_json
from spanwatch.core.rules.lifecycle import FLAP_HOLD_NS, shown, step
from spanwatch.core.rules.silences import Silence, conditions_of, silenced
from spanwatch.core.rules.telling import Receiver, Told, audible, due, told_from
from spanwatch.core.series import SECOND_NS

T0 = 1_700_000_000 * SECOND_NS
FOUND = [Firing((("job", "bot"),), 0.5, ("a" * 32,))]
PLAIN = Rule("High", "x > 1", severity="critical", summary="{{ $labels.job }} at {{ $value }}", labels={"team": "t"})


def played(rule, turns, every_s=15):
    """The states after each turn: what is found, or whether anything is."""
    alerts, states = {}, []
    for n, found in enumerate(turns):
        result = step(rule, alerts, FOUND if found is True else found or [], T0 + n * every_s * SECOND_NS)
        alerts = result.alerts
        states.append("".join(each.state.value[0] for each in alerts.values()))
    return states, alerts


def test_without_a_time_to_wait_it_fires_at_once_and_ends_at_once():
    states, alerts = played(PLAIN, [False, True, True, False, False])
    assert states == ["", "f", "f", "r", "r"]
    (alert,) = alerts.values()
    assert dict(alert.labels) == {"alertname": "High", "job": "bot", "severity": "critical", "team": "t"}
    assert (alert.summary, alert.since_ns, alert.value) == ("bot at 0.5", T0 + 15 * SECOND_NS, 0.5)
    assert (alert.trace_ids, alert.ended_ns) == (("a" * 32,), T0 + 45 * SECOND_NS)


def test_it_is_pending_until_it_was_true_for_long_enough():
    rule = dataclasses.replace(PLAIN, for_="30s")
    assert played(rule, [True, True, True, True])[0] == ["p", "p", "f", "f"]
    assert played(rule, [True, True, False, True])[0] == ["p", "p", "", "p"]


def test_it_keeps_firing_for_as_long_as_it_says():
    rule = dataclasses.replace(PLAIN, keep_firing_for="30s")
    assert played(rule, [True, False, False, False])[0] == ["f", "f", "r", "r"]
    assert played(rule, [True, False, True, False, False])[0] == ["f", "f", "f", "f", "r"]


def test_one_that_flaps_stands_until_it_is_quiet():
    turns = [True, False] * 6 + [False] * 25
    states, _ = played(PLAIN, turns)
    assert states[:5] == ["f", "r", "f", "r", "f"]
    assert set(states[4:30]) == {"f"}
    assert states[-1] == "r"
    assert FLAP_HOLD_NS == 300 * SECOND_NS


def test_what_began_and_what_ended_is_told_once():
    one = step(PLAIN, {}, FOUND, T0)
    assert [each.name for each in one.fired] == ["High"]
    assert step(PLAIN, one.alerts, FOUND, T0 + SECOND_NS).fired == ()
    assert len(step(PLAIN, one.alerts, [], T0 + SECOND_NS).resolved) == 1


def test_a_clock_that_steps_back_breaks_nothing():
    one = step(PLAIN, {}, FOUND, T0)
    back = step(PLAIN, one.alerts, FOUND, T0 - 3_600 * SECOND_NS)
    assert [each.state for each in back.alerts.values()] == [State.FIRING]
    gone = step(PLAIN, one.alerts, [], T0 - 3_600 * SECOND_NS)
    assert [each.state for each in gone.alerts.values()] == [State.RESOLVED]


def test_too_many_label_sets_are_left_out_and_counted():
    found = [Firing((("n", str(n)),), 1.0) for n in range(600)]
    result = step(PLAIN, {}, found, T0)
    assert (len(result.alerts), result.left_out) == (500, 100)


@given(st.lists(st.booleans(), max_size=40), st.sampled_from(["0s", "20s", "1m"]), st.sampled_from(["0s", "40s"]))
def test_it_never_fires_without_having_been_true_and_every_end_was_a_fire(turns, wait, keep):
    rule = dataclasses.replace(PLAIN, for_=wait, keep_firing_for=keep)
    alerts, fired, resolved = {}, 0, 0
    for n, found in enumerate(turns):
        result = step(rule, alerts, FOUND if found else [], T0 + n * 15 * SECOND_NS)
        fired, resolved, alerts = fired + len(result.fired), resolved + len(result.resolved), result.alerts
        assert fired - resolved == sum(each.state is State.FIRING for each in alerts.values())
    assert fired <= sum(turns)


def test_an_alert_survives_the_store():
    (alert,) = step(PLAIN, {}, FOUND, T0).alerts.values()
    assert from_json(to_json(alert)) == alert


def alert_of(name="High", state=State.FIRING, severity="critical", at=T0, **labels):
    found = {"alertname": name, "severity": severity, "job": "bot", **labels}
    return Alert(tuple(sorted(found.items())), state, at, 1.0, fired_ns=at)


ALL = Receiver("chat", frozenset({"info", "warning", "critical"}))


def told_of(found):
    return {key: told for each in found for key, told in each.told}


def test_alerts_of_one_name_and_service_are_one_notification():
    found = due(ALL, [alert_of(model="a"), alert_of(model="b"), alert_of("Other")], {}, T0, service="bot")
    assert sorted(len(each.notification.alerts) for each in found) == [1, 2]
    assert found[0].notification.service == "bot"


def test_the_same_again_is_told_only_when_it_is_time_to_repeat():
    alerts = [alert_of()]
    known = told_of(due(ALL, alerts, {}, T0))
    assert due(ALL, alerts, known, T0 + SECOND_NS) == []
    assert len(due(ALL, alerts, known, T0 + 4 * 3_600 * SECOND_NS)) == 1
    assert len(due(ALL, [*alerts, alert_of(model="b")], known, T0 + SECOND_NS)) == 1


def test_the_end_is_told_once_and_only_of_what_was_told():
    alert = alert_of()
    over = dataclasses.replace(alert, state=State.RESOLVED, ended_ns=T0)
    known = told_of(due(ALL, [alert], {}, T0))
    (ended,) = due(ALL, [over], known, T0 + SECOND_NS)
    assert ended.notification.status == "resolved"
    assert due(ALL, [over], told_of([ended]), T0 + SECOND_NS) == []
    assert due(ALL, [over], {}, T0) == []


def test_pending_alerts_and_other_severities_are_not_told():
    assert due(ALL, [alert_of(state=State.PENDING)], {}, T0) == []
    assert due(Receiver("pager", frozenset({"critical"})), [alert_of(severity="warning")], {}, T0) == []


def test_a_storm_is_one_summary_that_counts_for_all_groups():
    alerts = [alert_of(f"Rule{n}") for n in range(70)]
    (one,) = due(ALL, alerts, {}, T0)
    assert (len(one.notification.alerts), one.notification.omitted, len(one.told)) == (50, 20, 71)
    assert due(ALL, alerts, told_of([one]), T0 + SECOND_NS) == []


def test_what_fires_is_told_of_a_storm_however_many_groups_are_over():
    alerts = [alert_of(f"Rule{n}") for n in range(60)]
    over = [dataclasses.replace(alert, state=State.RESOLVED, ended_ns=T0) for alert in alerts]
    for one in range(60):
        known = told_of([each for alert in alerts[:one] + alerts[one + 1 :] for each in due(ALL, [alert], {}, T0)])
        (storm,) = due(ALL, [*over[:one], alerts[one], *over[one + 1 :]], known, T0)
        assert (storm.notification.status, storm.notification.firing) == ("firing", (alerts[one],))


def test_the_end_of_a_storm_is_told_under_its_own_key():
    alerts = [alert_of(f"Rule{n}") for n in range(30)]
    known = told_of(due(ALL, alerts, {}, T0))
    over = [dataclasses.replace(alert, state=State.RESOLVED, ended_ns=T0) for alert in alerts]
    part = due(ALL, [*over[:5], *alerts[5:]], known, T0)
    assert {each.notification.status for each in part} == {"resolved"}
    assert "storm" not in {each.notification.key for each in part}
    known |= told_of(part)
    keys = [each.notification.key for each in due(ALL, over[:15] + alerts[15:], known, T0)]
    assert "storm" not in keys
    known |= told_of(due(ALL, over[:20] + alerts[20:], known, T0))
    (*_, last) = due(ALL, over, known, T0)
    assert (last.notification.key, last.notification.status) == ("storm", "resolved")
    assert due(ALL, over, known | told_of(due(ALL, over, known, T0)), T0) == []


def test_told_survives_the_store():
    told = Told(frozenset({"a", "b"}), T0)
    assert told_from(told.as_json()) == told


def test_one_alert_keeps_another_quiet_where_shared_labels_agree():
    rules = {"High": Rule("High", "x", inhibits=("Low",)), "Low": Rule("Low", "y")}
    here, elsewhere = alert_of("Low", job="bot"), alert_of("Low", job="other")
    found = audible([alert_of(), here, elsewhere], rules, [], T0)
    assert here not in found
    assert elsewhere in found
    assert audible([here], rules, [], T0) == [here]


def test_a_silence_keeps_what_meets_all_of_its_conditions_quiet_for_a_while():
    silence = Silence("s1", conditions_of(["High", "job=~b.*", "model!=x"]), T0, T0 + 60 * SECOND_NS)
    assert silenced(alert_of(), [silence], T0) == "s1"
    assert silenced(alert_of(), [silence], T0 + 60 * SECOND_NS) is None
    assert silenced(alert_of(model="x"), [silence], T0) is None
    assert audible([alert_of()], {}, [silence], T0) == []


@pytest.mark.parametrize("texts", [[], ["job=~("]])
def test_conditions_that_cannot_be_are_refused(texts):
    with pytest.raises(UsageError):
        conditions_of(texts)


def test_the_worst_are_shown_first():
    found = shown([alert_of("A", severity="info"), alert_of("B"), alert_of("C", state=State.RESOLVED)])
    assert [each.name for each in found] == ["B", "A"]
