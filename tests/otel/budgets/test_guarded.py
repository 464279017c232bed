"""What was held for a call that another instrumentation reports: charged once, by whichever knows."""

import itertools

from spanwatch.core.budgets import Amount, Asked, Budget, estimate
from spanwatch.core.budgets.claims import Claim
from spanwatch.core.call import Call, CallStatus, Cost, CostStatus, Usage
from spanwatch.otel.budgets.guarded import GRACE_NS, Guarded
from spanwatch.otel.budgets.holds import Asking, Hold

BUDGET = Budget("all", usd=1)
USAGE = Usage(input_tokens=10, output_tokens=5)
serial = itertools.count(1)


def nano_a_token(usage):
    return Cost((usage.input_tokens or 0) + (usage.output_tokens or 0), CostStatus.PRICED)


class Rig:
    def __init__(self):
        self.settled, self.now = [], 1
        self.guarded = Guarded(self.settle, lambda: self.now)

    def settle(self, hold, claims):
        self.settled.append((hold.asking.call_id, [claim.amount.nano_usd for claim in claims]))

    def began(self, call_id, key):
        asked = Asked(model="m", input_bytes=40, whole=True, max_output_tokens=10)
        asking = Asking(call_id, 1, asked, {}, nano_a_token)
        counter = BUDGET.counter({}, 1)
        hold = Hold(asking, ((BUDGET, counter),), estimate(asked, nano_a_token), (Claim(counter, Amount(100)),), 1)
        self.guarded.began(hold, key)
        return hold

    def saw(self, call_id, **fields):
        self.guarded.ended(Call(call_id, "chat", 1, 2, **fields))

    def report(self, **fields):
        cost = Cost(70, CostStatus.PRICED) if fields.get("usage") else None
        return self.guarded.reported(Call(f"f{next(serial)}", "chat", 1, 2, cost=cost, scope="theirs", **fields))


def test_the_report_is_charged_once_and_what_the_guard_saw_is_not():
    rig = Rig()
    rig.began("a", 0xAB)
    rig.saw("a", usage=USAGE)
    assert rig.report(span_id="00000000000000ab", usage=USAGE)
    assert rig.settled == [("a", [70])]
    rig.now += 2 * GRACE_NS
    rig.guarded.overdue(rig.now)
    rig.guarded.close()
    assert len(rig.settled) == 1


def test_a_report_that_comes_first_is_charged_at_once_or_waits_for_the_guard_where_it_knows_no_usage():
    rig = Rig()
    rig.began("a", 0xAB)
    assert rig.report(span_id="00000000000000ab", usage=USAGE)
    rig.began("b", 0xCD)
    assert rig.report(span_id="00000000000000cd")
    assert rig.settled == [("a", [70])]
    rig.saw("a", usage=USAGE)
    rig.saw("b", usage=USAGE)
    assert rig.settled == [("a", [70]), ("b", [15])]


def test_where_no_span_is_open_both_meet_by_the_id_of_the_response():
    rig = Rig()
    rig.began("a", None)
    rig.saw("a", usage=USAGE, response_id="r1")
    assert rig.report(response_id="r1", usage=USAGE)
    assert rig.settled == [("a", [70])]


def test_what_nobody_reports_is_charged_by_what_the_guard_saw_and_a_late_report_changes_nothing():
    rig = Rig()
    rig.began("a", 0xAB)
    rig.saw("a", usage=USAGE, response_id="r1")
    rig.guarded.overdue(rig.now + GRACE_NS)
    assert rig.settled == []
    rig.guarded.overdue(rig.now + GRACE_NS + 1)
    assert rig.settled == [("a", [15])]
    assert rig.report(response_id="r1", usage=USAGE)
    assert len(rig.settled) == 1


def test_a_call_that_failed_at_once_costs_nothing_and_its_repetition_in_the_same_span_is_the_call():
    rig = Rig()
    rig.began("a", 0xAB)
    rig.saw("a", status=CallStatus.ERROR)
    rig.began("b", 0xAB)
    rig.saw("b", usage=USAGE)
    assert rig.report(span_id="00000000000000ab", usage=USAGE)
    assert rig.settled == [("a", []), ("b", [70])]


def test_a_report_of_another_call_is_none_of_ours():
    rig = Rig()
    rig.began("a", 0xAB)
    rig.saw("a", response_id="r1")
    assert not rig.report(span_id="00000000000000cd", response_id="r2", usage=USAGE)
    assert rig.settled == []
