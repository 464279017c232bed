"""Any interleaving of steps keeps every ledger equal to a plain model, written without the ledgers' arithmetic."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from spanwatch.core.budgets import Amount, Budget, Claim, Refusal
from spanwatch.core.names import USER_ID
from spanwatch.store.ledger import MemoryLedger, RedisLedger, SQLiteLedger
from tests.store.ledger.rig import DAY, SECOND, START, call_id

PER_USER = Budget("per-user", "0.0000001", tokens=50, per="user.id", levels=(0.5, 0.8, 1.0))
RESIZED = Budget("resized", "0.00000015", window="lifetime", levels=(0.9,), estimate="resize")
WARNED = Budget("warned", "0.00000005", per="user.id", window="hour", mode="warn")
ROLLING = Budget("rolling", "0.0000001", window="60s", levels=(0.5, 1.0))
USERS = ("ann", "bob")
NANO, TOKENS = st.integers(0, 60), st.integers(0, 20)
CALLS = st.integers(0, 7)  # few ids, so that steps are repeated and meet


@dataclass
class Account:
    spent: list[int] = field(default_factory=lambda: [0, 0])
    held: list[int] = field(default_factory=lambda: [0, 0])
    extra: list[int] = field(default_factory=lambda: [0, 0])
    fired: set[float] = field(default_factory=set)


class Model(RuleBasedStateMachine):
    """The ledger under test is `make()`."""

    make = None

    def __init__(self):
        super().__init__()
        self.ledger = type(self).make()
        self.names = [call_id() for _ in range(8)]
        self.now = self.latest = START
        self.accounts = {}
        self.open = {}
        self.settled = set()
        self.budgets = []

    @initialize(rolling=st.booleans())
    def declare(self, rolling):
        self.budgets = [PER_USER, ROLLING] if rolling else [PER_USER, RESIZED, WARNED]

    def teardown(self):
        self.ledger.close()

    # --- the model ---

    def counting(self, counter):
        """The accounts that count together: one, or all slices of a rolling window that it still sees."""
        for (budget, scope, start), account in self.accounts.items():
            if (budget, scope) == (counter.budget, counter.scope):
                same = start == counter.start
                if same or (counter.since < counter.start and counter.since <= start):
                    yield account

    def sums(self, counter, what):
        found = [getattr(account, what) for account in self.counting(counter)]
        return [sum(values[0] for values in found), sum(values[1] for values in found)]

    def account(self, counter):
        return self.accounts.setdefault((counter.budget, counter.scope, counter.start), Account())

    def limits(self, counter):
        extra = self.sums(counter, "extra")
        known = (counter.limits.nano_usd, counter.limits.tokens)
        return [None if limit is None else limit + more for limit, more in zip(known, extra, strict=True)]

    def expire(self):
        for name, (due, holds) in list(self.open.items()):
            if due <= self.now:
                self.free(name, holds)

    def free(self, name, holds):
        for account, amount in holds:
            account.held[0] -= amount[0]
            account.held[1] -= amount[1]
        del self.open[name]

    def claims(self, user, amount, at):
        counters = [budget.counter({USER_ID: user}, at) for budget in self.budgets]
        return [Claim(counter, Amount(*amount)) for counter in counters]

    def admitted(self, claims):
        """What is held for each claim, or None when one refuses."""
        given = []
        for counter, amount in claims:
            want = list(amount[:2])
            spent, held = self.sums(counter, "spent"), self.sums(counter, "held")
            left = [None if m is None else m - s - h for m, s, h in zip(self.limits(counter), spent, held, strict=True)]
            short = [room is not None and asked > max(room, 0) for asked, room in zip(want, left, strict=True)]
            if any(short) and counter.limits.blocking:
                cut = [
                    asked if room is None else max(min(asked, room), 0) for asked, room in zip(want, left, strict=True)
                ]
                nothing = any(new <= 0 < old for new, old in zip(cut, want, strict=True))
                if not counter.limits.resize or nothing:
                    return None, counter
                want = cut
            given.append(tuple(want))
        return given, None

    def reached(self, counter, levels):
        spent, found = self.sums(counter, "spent"), set()
        for level in levels:
            for amount, limit in zip(spent, self.limits(counter), strict=True):
                if limit is not None and amount * 1_000_000 >= round(level * 1_000_000) * limit:
                    found.add(level)
        return found

    def fired(self, counter):
        return set().union(*(account.fired for account in self.counting(counter)))

    # --- the steps ---

    @rule(seconds=st.sampled_from([1, 7, 30, 60, 61, 600, 3_600]))
    def time_passes(self, seconds):
        if self.now + seconds < START + DAY + 3_600:  # accounts of the first day are kept for two hours
            self.now += seconds
            self.latest = max(self.latest, self.now)

    @rule(seconds=st.sampled_from([1, 30, 3_600, 7_200]))
    def the_clock_steps_back(self, seconds):
        if ROLLING not in self.budgets:  # slices that have passed are gone for good, ended windows after two hours
            self.now = max(START, self.latest - 7_200, self.now - seconds)

    @rule()
    def midnight_comes(self):
        self.now = max(self.now, START + DAY - 1)
        self.latest = max(self.latest, self.now)

    @rule(call=CALLS, user=st.sampled_from(USERS), nano=NANO, tokens=TOKENS, lease=st.sampled_from([5, 120, 10**6]))
    def reserve(self, call, user, nano, tokens, lease):
        name, claims = self.names[call], self.claims(user, (nano, tokens), self.now)
        self.expire()
        answer = self.ledger.reserve(claims, name, self.now * SECOND, lease)
        if name in self.open:
            assert [amount[:2] for amount in answer.amounts] == [amount for _, amount in self.open[name][1]]
            return
        if name in self.settled:
            assert answer.amounts == tuple(claim.amount for claim in claims)
            return
        given, refusing = self.admitted(claims)
        if given is None:
            assert isinstance(answer, Refusal)
            assert answer.claim.counter == refusing
            new = {1.0} & {level / 1_000_000 for level in refusing.limits.levels} - self.fired(refusing)
            assert {crossing.level for crossing in answer.crossings} == new
            if new:
                self.account(refusing).fired |= new
            return
        assert [amount[:2] for amount in answer.amounts] == given
        holds = []
        for (counter, _), amount in zip(claims, given, strict=True):
            account = self.account(counter)
            account.held[0] += amount[0]
            account.held[1] += amount[1]
            holds.append((account, amount))
        self.open[name] = (self.now + lease, holds)

    @rule(call=CALLS, user=st.sampled_from(USERS), nano=NANO, tokens=TOKENS, ago=st.sampled_from([0, 45, 3_600]))
    def settle(self, call, user, nano, tokens, ago):
        ago = 0 if ROLLING in self.budgets else ago  # the slices before that one may be gone
        name, claims = self.names[call], self.claims(user, (nano, tokens), max(START, self.now - ago))
        self.expire()
        answer = self.ledger.settle(claims, name, self.now * SECOND)
        if name in self.open:
            self.free(name, self.open[name][1])
        assert answer.first is (name not in self.settled)
        expected = []
        if answer.first:
            self.settled.add(name)
            for counter, amount in claims:
                account = self.account(counter)
                account.spent[0] += amount[0]
                account.spent[1] += amount[1]
                levels = [level / 1_000_000 for level in counter.limits.levels]
                new = self.reached(counter, levels) - self.fired(counter)
                account.fired |= new
                expected += [(counter, level) for level in sorted(new)]
        assert [(crossing.counter, crossing.level) for crossing in answer.crossings] == expected

    @rule(call=CALLS)
    def a_new_call_takes_the_place(self, call):
        self.names[call] = call_id()

    @rule(call=CALLS)
    def release(self, call):
        name = self.names[call]
        self.expire()
        assert self.ledger.release(name, self.now * SECOND) is (name in self.open)
        if name in self.open:
            self.free(name, self.open[name][1])

    @rule(calls=st.lists(CALLS, unique=True), lease=st.sampled_from([5, 10**6]))
    def renew(self, calls, lease):
        self.expire()
        names = [self.names[call] for call in calls]
        assert self.ledger.renew(names, self.now * SECOND, lease) == len([name for name in names if name in self.open])
        for name in names:
            if name in self.open:
                self.open[name] = (self.now + lease, self.open[name][1])

    @rule(user=st.sampled_from([*USERS, None]))
    def reset(self, user):
        if ROLLING in self.budgets:
            return
        self.expire()
        day = START + DAY if self.now >= START + DAY else START
        scope = None if user is None else f"user.id={user}"
        self.ledger.reset("per-user", scope, self.now * SECOND, "ann")
        for (budget, who, start), account in self.accounts.items():
            if budget == "per-user" and start == day and scope in (None, who):
                account.spent, account.fired = [0, 0], set()

    @rule(user=st.sampled_from(USERS), nano=NANO)
    def give_more(self, user, nano):
        self.expire()
        day = START + DAY if self.now >= START + DAY else START
        account = self.accounts.get(("per-user", f"user.id={user}", day))
        answer = self.ledger.raise_("per-user", f"user.id={user}", Amount(nano), self.now * SECOND, "ann")
        assert (answer is None) is (account is None)
        if account is not None:
            account.extra[0] += nano
            account.fired = set()

    @invariant()
    def every_account_is_what_the_model_says(self):
        for budget in self.budgets:
            for user in USERS:
                counter = budget.counter({USER_ID: user}, self.now)
                tally = self.ledger.standing(counter).tally
                assert [tally.spent_nano, tally.spent_tokens] == self.sums(counter, "spent")
                assert [tally.held_nano, tally.held_tokens] == self.sums(counter, "held")
                assert [tally.extra_nano, tally.extra_tokens] == self.sums(counter, "extra")


def run(make, examples, *, shrink=True):
    machine = type("Machine", (Model,), {"make": staticmethod(make)})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    phases = [phase for phase in Phase if shrink or phase not in {Phase.shrink, Phase.explain}]
    options = settings(
        max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=checks, phases=phases
    )
    run_state_machine_as_test(machine, settings=options)


def test_the_memory_ledger_is_the_model():
    run(MemoryLedger, 150)


def test_the_sqlite_ledger_is_the_model(tmp_path):
    run(lambda: SQLiteLedger(Path(tempfile.mkdtemp(dir=tmp_path))), 40)


def test_the_redis_ledger_is_the_model(redis_url):
    run(lambda: RedisLedger(redis_url, namespace=call_id(), timeout_s=20), 25)


def test_a_ledger_that_counts_wrongly_is_found_out():
    class Forgetful(MemoryLedger):
        def release(self, call_id, now_ns):
            return call_id in self._open and now_ns >= 0

    with pytest.raises(AssertionError):
        run(Forgetful, 150, shrink=False)
