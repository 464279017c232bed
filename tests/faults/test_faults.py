"""The reduced tier: `make faults` runs every kind, beside the stock SDK, and writes docs/faults.md."""

import pytest

from tests.faults.kinds import KINDS
from tests.faults.rig import SLACK_S

pytestmark = pytest.mark.faults
EXIT_S = 2.0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.reduced and kind.disk], ids=lambda kind: kind.name)
def test_no_span_is_lost_where_the_disk_fails(rig, kind):
    found = kind.run(rig)
    assert found.emitted > 0
    assert found.lost == 0, found
    assert found.exit_s <= EXIT_S + SLACK_S


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if kind.reduced and not kind.rejected and not kind.disk],
    ids=lambda kind: kind.name,
)
def test_no_span_is_lost(rig, kind):
    found = kind.run(rig)
    assert found.emitted > 0
    assert found.lost == 0, found
    assert (found.exit_s or 0) <= EXIT_S + SLACK_S
    account = rig.account()
    assert account.unaccounted == 0
    assert (account.emitted, account.dropped) == (found.emitted, {})


def test_what_a_collector_rejects_is_counted_and_told(rig):
    kind = next(kind for kind in KINDS if kind.rejected)
    found = kind.run(rig)
    account = rig.account()
    assert account.dropped == {"rejected": found.lost}
    assert found.lost > 0
    assert account.emitted == found.emitted
    assert "rejected" in found.stderr


def test_in_memory_only_what_was_dropped_is_what_is_missing(rig):
    found = rig.outcome(rig.run(count=30_000, threads=4, flush=30, store=False, padding=2_000, timeout=120))
    account = found.told["accounts"]["traces"]
    assert account["emitted"] == found.emitted == 30_000
    assert account["delivered"] + sum(account["dropped"].values()) + account["in_memory"] == 30_000
    assert found.lost == sum(account["dropped"].values()) + account["in_memory"]


def test_in_memory_only_with_a_dead_collector_the_loss_is_said_with_its_number(rig):
    rig.sink.mode("down")
    found = rig.outcome(rig.run(count=500, store=False))
    assert found.lost == 500
    assert "500" in found.stderr
    assert "being lost" in found.stderr or "not delivered" in found.stderr
