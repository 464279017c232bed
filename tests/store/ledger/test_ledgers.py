"""What every ledger does alike."""

import pytest

from spanwatch.core.budgets import Action, Amount, Refusal, Reserved, Settled, Tally
from spanwatch.core.budgets.claims import MOST
from tests.store.ledger.rig import DAY, NOW, SECOND, START, call_id, claim, counter, spent_and_held, tally


def test_a_call_holds_its_estimate_and_settles_to_what_it_cost(ledger):
    one = call_id()
    assert ledger.reserve([claim(60, 7)], one, NOW) == Reserved((Amount(60, 7),))
    assert tally(ledger) == Tally(held_nano=60, held_tokens=7)
    assert ledger.settle([claim(20, 3)], one, NOW) == Settled(first=True)
    assert tally(ledger) == Tally(spent_nano=20, spent_tokens=3)


def test_a_call_that_does_not_fit_is_refused_with_the_numbers_and_holds_nothing(ledger):
    ledger.settle([claim(30)], call_id(), NOW)
    ledger.reserve([claim(40)], call_id(), NOW)
    refusal = ledger.reserve([claim(31)], call_id(), NOW)
    assert isinstance(refusal, Refusal)
    assert (refusal.unit, refusal.limit, refusal.spent, refusal.held, refusal.estimate) == ("usd", 100, 30, 40, 31)
    assert spent_and_held(ledger) == (30, 40)
    assert ledger.reserve([claim(30)], call_id(), NOW) == Reserved((Amount(30),))


def test_a_free_call_is_let_through_where_nothing_is_left(ledger):
    ledger.settle([claim(101)], call_id(), NOW)
    assert isinstance(ledger.reserve([claim(1)], call_id(), NOW), Refusal)
    assert ledger.reserve([claim(0, 50)], call_id(), NOW) == Reserved((Amount(0, 50),))


def test_tokens_are_refused_in_tokens(ledger):
    refusal = ledger.reserve([claim(0, 11, usd=None, tokens=10)], call_id(), NOW)
    assert (refusal.unit, refusal.limit, refusal.estimate) == ("tokens", 10, 11)


def test_all_budgets_hold_a_call_or_none_does(ledger):
    small = {"name": "small", "usd": "0.00000001"}
    for claims in ([claim(11), claim(11, **small)], [claim(11, **small), claim(11)]):
        refusal = ledger.reserve(claims, call_id(), NOW)
        assert refusal.claim == claim(11, **small)
    assert spent_and_held(ledger) == spent_and_held(ledger, **small) == (0, 0)


def test_a_budget_that_does_not_block_lets_the_call_through_and_says_so(ledger):
    over = claim(101, mode="warn")
    assert ledger.reserve([over], call_id(), NOW) == Reserved((Amount(101),), (over,))
    assert tally(ledger, mode="warn").held_nano == 101


def test_a_resizing_budget_holds_what_is_left_for_the_last_call(ledger):
    ledger.settle([claim(90, 5)], call_id(), NOW)
    resize = {"estimate": "resize"}
    assert ledger.reserve([claim(50, 9, **resize)], call_id(), NOW) == Reserved((Amount(10, 9),))
    assert isinstance(ledger.reserve([claim(1, **resize)], call_id(), NOW), Refusal)
    assert spent_and_held(ledger, **resize) == (90, 10)


def test_a_call_is_charged_once_however_often_it_is_settled(ledger):
    one = call_id()
    assert ledger.settle([claim(20)], one, NOW).first is True
    assert ledger.settle([claim(20)], one, NOW) == Settled(first=False)
    assert ledger.settle([claim(99)], one, NOW + DAY // 2 * SECOND) == Settled(first=False)
    assert spent_and_held(ledger) == (20, 0)


def test_a_reservation_that_is_repeated_is_not_held_twice(ledger):
    one = call_id()
    first = ledger.reserve([claim(60)], one, NOW)
    assert ledger.reserve([claim(60)], one, NOW) == first
    assert spent_and_held(ledger) == (0, 60)
    ledger.settle([claim(10)], one, NOW)
    assert isinstance(ledger.reserve([claim(60)], one, NOW), Reserved)
    assert spent_and_held(ledger) == (10, 0)


def test_a_released_call_leaves_no_trace_and_may_still_be_settled(ledger):
    one = call_id()
    ledger.reserve([claim(60)], one, NOW)
    assert ledger.release(one, NOW) is True
    assert ledger.release(one, NOW) is False
    assert spent_and_held(ledger) == (0, 0)
    assert ledger.settle([claim(5)], one, NOW).first is True
    assert ledger.release(one, NOW) is False
    assert spent_and_held(ledger) == (5, 0)


def test_a_lease_that_runs_out_frees_what_was_held_and_a_late_settlement_still_counts(ledger):
    one = call_id()
    ledger.reserve([claim(100)], one, NOW, lease_s=10)
    assert isinstance(ledger.reserve([claim(100)], call_id(), NOW + 10 * SECOND - 10**6, lease_s=1), Refusal)
    assert isinstance(ledger.reserve([claim(100)], two := call_id(), NOW + 10 * SECOND, lease_s=1), Reserved)
    assert ledger.settle([claim(70)], one, NOW + 11 * SECOND).first is True
    assert ledger.release(two, NOW + 11 * SECOND) is False
    assert spent_and_held(ledger) == (70, 0)


def test_a_renewed_lease_lasts_from_then_on(ledger):
    one, gone = call_id(), call_id()
    ledger.reserve([claim(100)], one, NOW, lease_s=10)
    assert ledger.renew([one, gone], NOW + 9 * SECOND, lease_s=10) == 1
    assert isinstance(ledger.reserve([claim(1)], call_id(), NOW + 18 * SECOND), Refusal)
    assert isinstance(ledger.reserve([claim(1)], call_id(), NOW + 19 * SECOND), Reserved)
    assert ledger.renew([one], NOW + 19 * SECOND) == 0


def test_scopes_budgets_and_windows_have_accounts_of_their_own(ledger):
    for options in ({}, {"user": "u-2"}, {"name": "other"}, {"at": START + DAY}):
        assert isinstance(ledger.reserve([claim(100, **options)], call_id(), NOW), Reserved)
        assert isinstance(ledger.reserve([claim(1, **options)], call_id(), NOW), Refusal)


def test_a_call_that_ends_after_midnight_is_charged_to_the_day_it_started_in(ledger):
    one = call_id()
    ledger.reserve([claim(60, at=START + DAY - 1)], one, NOW + (DAY - 1) * SECOND)
    ledger.settle([claim(60, at=START + DAY - 1)], one, NOW + (DAY + 30) * SECOND)
    assert spent_and_held(ledger) == (60, 0)
    assert spent_and_held(ledger, at=START + DAY) == (0, 0)
    assert isinstance(ledger.reserve([claim(100, at=START + DAY)], call_id(), NOW + (DAY + 30) * SECOND), Reserved)


def test_a_clock_that_steps_back_finds_the_account_of_the_day_before(ledger):
    ledger.settle([claim(90)], call_id(), NOW)
    ledger.settle([claim(10, at=START + DAY)], call_id(), NOW + DAY * SECOND)
    assert isinstance(ledger.reserve([claim(11, at=START + DAY - 5)], call_id(), NOW + (DAY - 5) * SECOND), Refusal)
    assert isinstance(ledger.reserve([claim(10, at=START + DAY - 5)], call_id(), NOW + (DAY - 5) * SECOND), Reserved)


def test_a_rolling_window_counts_what_its_seconds_saw_and_forgets_the_rest(ledger):
    rolling = {"window": "60s"}
    for second in range(0, 60, 20):
        ledger.settle([claim(30, at=START + second, **rolling)], call_id(), NOW + second * SECOND)
    for second, left in ((59, 10), (60, 10), (61, 40), (81, 70), (101, 100)):
        now = NOW + second * SECOND
        assert isinstance(ledger.reserve([claim(left + 1, at=START + second, **rolling)], call_id(), now), Refusal), (
            second
        )
        one = call_id()
        assert isinstance(ledger.reserve([claim(left, at=START + second, **rolling)], one, now), Reserved), second
        ledger.release(one, now)


def test_a_rolling_window_still_counts_what_it_saw_before_the_clock_stepped_back(ledger):
    ledger.settle([claim(90, at=START + 30, window="60s")], call_id(), NOW + 30 * SECOND)
    refusal = ledger.reserve([claim(11, at=START, window="60s")], call_id(), NOW)
    assert (refusal.spent, refusal.limit) == (90, 100)


def test_each_level_fires_once_in_a_window_and_again_in_the_next(ledger):
    def levels(nano, at=START):
        settled = ledger.settle([claim(nano, at=at)], call_id(), at * SECOND)
        assert all(crossing.counter == counter(at=at) and not crossing.refused for crossing in settled.crossings)
        return [crossing.level for crossing in settled.crossings]

    assert [levels(79), levels(1), levels(19), levels(1), levels(50)] == [[], [0.8], [], [1.0], []]
    assert levels(200, START + DAY) == [0.8, 1.0]


def test_a_crossing_tells_what_was_spent(ledger):
    (crossing,) = ledger.settle([claim(85, 4)], call_id(), NOW).crossings
    assert (crossing.level, crossing.spent) == (0.8, Tally(spent_nano=85, spent_tokens=4))


def test_a_level_of_a_rolling_window_does_not_fire_again_while_what_fired_it_counts(ledger):
    def levels(nano, second):
        settled = ledger.settle([claim(nano, at=START + second, window="60s")], call_id(), NOW + second * SECOND)
        return [crossing.level for crossing in settled.crossings]

    assert [levels(80, 0), levels(10, 30), levels(1, 62), levels(90, 63)] == [[0.8], [], [], [0.8, 1.0]]


def test_the_first_refusal_reaches_the_level_of_the_whole_limit(ledger):
    first, second = (ledger.reserve([claim(101)], call_id(), NOW) for _ in range(2))
    assert [(crossing.level, crossing.refused) for crossing in first.crossings] == [(1.0, True)]
    assert second.crossings == ()
    assert [crossing.level for crossing in ledger.settle([claim(100)], call_id(), NOW).crossings] == [0.8]


def test_levels_by_tokens_fire_too(ledger):
    settled = ledger.settle([claim(0, 8, usd=None, tokens=10)], call_id(), NOW)
    assert [crossing.level for crossing in settled.crossings] == [0.8]


def test_calls_without_a_price_are_counted_beside_the_sum(ledger):
    ledger.settle([claim(0, 5, unpriced=1)], call_id(), NOW)
    ledger.settle([claim(10, 5, unpriced=1)], call_id(), NOW)
    assert tally(ledger) == Tally(spent_nano=10, spent_tokens=10, unpriced=2)


def test_standings_are_the_highest_first_and_only_of_open_windows(ledger):
    for user, nano in (("u-1", 10), ("u-2", 30), ("u-3", 20)):
        ledger.settle([claim(nano, user=user)], call_id(), NOW)
    ledger.settle([claim(40, user="u-2", at=START - DAY)], call_id(), NOW)
    ledger.settle([claim(25, name="other", usd=None, tokens=9)], call_id(), NOW)

    def found(now=NOW, **asked):
        return [(s.budget, s.scope, s.tally.spent_nano) for s in ledger.standings(now, **asked)]

    assert found(budget="daily", limit=2) == [("daily", "user.id=u-2", 30), ("daily", "user.id=u-3", 20)]
    assert found(limit=2) == [("daily", "user.id=u-2", 30), ("other", "user.id=u-1", 25)]
    assert found(scope="user.id=u-1") == [("other", "user.id=u-1", 25), ("daily", "user.id=u-1", 10)]
    assert found(budget="daily", scope="user.id=u-9") == found(budget="none") == found(limit=0) == []
    assert found(NOW + DAY * SECOND) == []
    (one,) = ledger.standings(NOW, budget="other")
    assert (one.start, one.end, one.limit_nano, one.limit_tokens) == (START, START + DAY, None, 9)


def test_the_standing_of_a_rolling_window_is_the_sum_of_its_slices(ledger):
    for second in (0, 10, 20):
        ledger.settle([claim(second + 1, at=START + second, window="60s")], call_id(), NOW + second * SECOND)
    (one,) = ledger.standings(NOW + 20 * SECOND)
    assert (one.start, one.end, one.tally.spent_nano) == (START, START + 61, 33)
    (one,) = ledger.standings(NOW + 65 * SECOND)
    assert (one.start, one.end, one.tally.spent_nano) == (START + 10, START + 71, 32)


def test_a_reset_clears_one_scope_tells_what_had_fired_and_keeps_what_calls_hold(ledger):
    ledger.settle([claim(90)], call_id(), NOW)
    ledger.settle([claim(95, user="u-2")], call_id(), NOW)
    ledger.reserve([claim(5)], call_id(), NOW)
    (was,) = ledger.reset("daily", "user.id=u-1", NOW, "ann")
    assert (was.scope, was.tally.spent_nano, was.tally.fired) == ("user.id=u-1", 90, 0b01)
    assert tally(ledger) == Tally(held_nano=5)
    assert tally(ledger, user="u-2").spent_nano == 95
    assert [crossing.level for crossing in ledger.settle([claim(80)], call_id(), NOW).crossings] == [0.8]


def test_a_reset_of_a_budget_clears_all_of_its_scopes(ledger):
    for user, nano in (("u-1", 90), ("u-2", 10)):
        ledger.settle([claim(nano, user=user)], call_id(), NOW)
    ledger.settle([claim(50, name="other")], call_id(), NOW)
    assert [was.scope for was in ledger.reset("daily", None, NOW, "ann")] == ["user.id=u-1"]
    assert tally(ledger) == tally(ledger, user="u-2") == Tally()
    assert tally(ledger, name="other").spent_nano == 50
    assert [s.tally.spent_nano for s in ledger.standings(NOW, budget="daily")] == [0, 0]


def test_a_raise_gives_one_scope_more_until_its_window_ends(ledger):
    ledger.settle([claim(100)], call_id(), NOW)
    was = ledger.raise_("daily", "user.id=u-1", Amount(50, 7), NOW, "ann")
    assert (was.tally.spent_nano, was.tally.extra_nano, was.tally.fired) == (100, 0, 0b11)
    assert isinstance(ledger.reserve([claim(51)], call_id(), NOW), Refusal)
    assert isinstance(ledger.reserve([claim(50)], call_id(), NOW), Reserved)
    assert tally(ledger)[4:6] == (50, 7)
    assert isinstance(ledger.reserve([claim(101, at=START + DAY)], call_id(), NOW + DAY * SECOND), Refusal)
    settled = ledger.settle([claim(20)], call_id(), NOW)
    assert [crossing.level for crossing in settled.crossings] == [0.8]


def test_a_raise_of_a_rolling_window_lasts_as_long_as_the_window(ledger):
    ledger.settle([claim(100, window="60s")], call_id(), NOW)
    assert ledger.raise_("daily", "user.id=u-1", Amount(50), NOW, "ann").tally.spent_nano == 100
    assert isinstance(ledger.reserve([claim(50, at=START + 1, window="60s")], call_id(), NOW + SECOND, 1), Reserved)
    assert isinstance(ledger.reserve([claim(101, at=START + 90, window="60s")], call_id(), NOW + 90 * SECOND), Refusal)


def test_a_scope_without_an_open_window_cannot_be_raised(ledger):
    ledger.settle([claim(10)], call_id(), NOW)
    assert ledger.raise_("daily", "user.id=u-2", Amount(50), NOW, "ann") is None
    assert ledger.raise_("daily", "user.id=u-1", Amount(50), NOW + DAY * SECOND, "ann") is None
    assert ledger.actions() == []


def test_what_operators_do_is_written_down_with_who_and_when(ledger):
    ledger.settle([claim(10)], call_id(), NOW)
    ledger.raise_("daily", "user.id=u-1", Amount(50, 7), NOW + 1, "ann")
    ledger.reset("daily", None, NOW + 2, "bob")
    raised = Action(NOW + 1, "ann", "raise", "daily", "user.id=u-1", Amount(50, 7))
    cleared = Action(NOW + 2, "bob", "reset", "daily", None)
    assert ledger.actions() == [cleared, raised]
    assert ledger.actions(1) == [cleared]
    assert ledger.actions(0) == []


def test_sums_are_exact_at_the_largest_limit(ledger):
    most = {"usd": "9007199.254740991", "window": "lifetime"}
    ledger.settle([claim(MOST - 1, **most)], call_id(), NOW)
    assert isinstance(ledger.reserve([claim(2, **most)], call_id(), NOW), Refusal)
    one = call_id()
    assert ledger.reserve([claim(1, **most)], one, NOW) == Reserved((Amount(1),))
    ledger.settle([claim(1, **most)], one, NOW)
    assert spent_and_held(ledger, **most) == (MOST, 0)


def test_scopes_of_any_spelling_are_kept_apart(ledger):
    users = ["", "?", "a b", "a;b", "a:b", "ü", "\0", "x" * 300, "%3F", "{a}", "\ud800", '"']
    for number, user in enumerate(users, 1):
        ledger.settle([claim(number, user=user)], call_id(), NOW)
    assert [tally(ledger, user=user).spent_nano for user in users] == list(range(1, len(users) + 1))
    assert len(ledger.standings(NOW)) == len(users)


@pytest.mark.parametrize("late", [3 * 3600, 2 * DAY])
def test_an_account_that_has_ended_is_dropped_and_a_call_that_ends_even_later_harms_nothing(ledger, late):
    ledger.settle([claim(90)], call_id(), NOW)
    now = NOW + (DAY + late) * SECOND
    ledger.settle([claim(10, at=START + DAY)], call_id(), now)
    assert ledger.settle([claim(5)], call_id(), now).first is True
    assert [(s.start, s.tally.spent_nano) for s in ledger.standings(NOW + DAY * SECOND)] == [(START + DAY, 10)]
