"""The Redis ledger's ways: round trips, keys, time limits, and what is said when the server is not there."""

import builtins
import socket
import time

import pytest
import redis

from spanwatch.core.budgets import Amount, Refusal, Reserved
from spanwatch.core.errors import LedgerUnavailable
from spanwatch.store.ledger import RedisLedger
from tests.store.ledger.rig import DAY, NOW, SECOND, START, call_id, claim, spent_and_held


@pytest.fixture
def client(redis_url):
    made = redis.Redis.from_url(redis_url, decode_responses=True)
    yield made
    made.close()


@pytest.fixture
def namespace():
    return call_id()


@pytest.fixture
def ledger(redis_url, namespace):
    made = RedisLedger(redis_url, namespace=namespace, timeout_s=20)
    yield made
    made.close()


def commands(client, ledger, work):
    """How many commands clients send while `work` runs; those inside scripts are not sent by anybody."""
    with client.monitor() as monitor:
        work()
        ledger._client.echo("end of work")
        seen = []
        for entry in monitor.listen():
            if entry["command"].endswith("end of work"):
                return seen
            if entry["client_type"] != "lua":
                seen.append(entry["command"].split()[0])
    raise AssertionError


def test_every_step_of_a_call_is_one_round_trip(ledger, client):
    claims = [claim(1, name=name) for name in ("a", "b", "c")]

    def call():
        one = call_id()
        ledger.reserve(claims, one, NOW)
        ledger.renew([one], NOW)
        ledger.settle(claims, one, NOW)
        ledger.release(one, NOW)

    call()  # the server learns the scripts
    assert commands(client, ledger, call) == ["EVALSHA"] * 4


def test_a_server_that_has_forgotten_the_scripts_learns_them_again(ledger, client):
    ledger.settle([claim(1)], call_id(), NOW)
    client.script_flush()
    assert ledger.settle([claim(1)], call_id(), NOW).first is True
    assert spent_and_held(ledger) == (2, 0)


def test_keys_begin_with_the_namespace_and_name_no_user(ledger, client, namespace):
    ledger.reserve([claim(1, user="ann@example.com")], call_id(), NOW)
    ledger.settle([claim(1, user="ann@example.com")], call_id(), NOW)
    keys = list(client.scan_iter(f"*{namespace}*"))
    assert len(keys) == 7
    assert all(key.startswith(f"{{{namespace}}}:") for key in keys)
    assert not any("ann" in key for key in keys)


def test_accounts_expire_after_their_window_and_lifetimes_do_not(ledger, client, namespace):
    late = NOW + (DAY - 100) * SECOND
    ledger.settle([claim(1)], call_id(), late)
    ledger.settle([claim(1, name="ever", window="lifetime")], call_id(), late)
    accounts = {client.hget(key, "b"): client.ttl(key) for key in client.scan_iter(f"{{{namespace}}}:a:*")}
    assert accounts["ever"] == -1
    assert 7_290 <= accounts["daily"] <= 7_300
    assert all(0 < client.ttl(key) <= 86_400 for key in client.scan_iter(f"{{{namespace}}}:d:*"))


def test_a_whole_budget_is_reset_and_read_in_batches(ledger, monkeypatch):
    monkeypatch.setattr("spanwatch.store.ledger.redis.BATCH", 7)
    for user in range(30):
        ledger.settle([claim(user + 60, user=f"u-{user:02}")], call_id(), NOW)
    assert [s.tally.spent_nano for s in ledger.standings(NOW, limit=20)] == list(range(89, 69, -1))
    assert len(ledger.reset("daily", None, NOW, "ann")) == 10
    assert [s.tally.spent_nano for s in ledger.standings(NOW)] == [0] * 30


def test_two_hosts_share_an_account(ledger, redis_url, namespace):
    other = RedisLedger(redis_url, namespace=namespace, timeout_s=20)
    one = call_id()
    assert isinstance(ledger.reserve([claim(60)], one, NOW), Reserved)
    assert isinstance(other.reserve([claim(41)], call_id(), NOW), Refusal)
    assert other.settle([claim(60)], one, NOW).first is True
    assert ledger.settle([claim(60)], one, NOW).first is False
    assert other.raise_("daily", "user.id=u-1", Amount(1), NOW, "ann") is not None
    assert isinstance(ledger.reserve([claim(41)], call_id(), NOW), Reserved)
    other.close()


def test_a_server_that_is_not_there_is_told_without_its_password():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        ledger = RedisLedger(f"redis://me:secret@127.0.0.1:{taken.getsockname()[1]}/0")
        with pytest.raises(LedgerUnavailable, match=r"the Redis ledger at redis://\*\*\*@127.0.0.1") as caught:
            ledger.reserve([claim(1)], call_id(), NOW)
        assert "secret" not in str(caught.value)
        ledger.close()


def test_a_server_that_does_not_answer_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ledger = RedisLedger(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
        began = time.monotonic()
        with pytest.raises(LedgerUnavailable, match=r"cannot be used within 0.2 s: .*; check the server"):
            ledger.settle([claim(1)], call_id(), NOW)
        assert 0.15 < time.monotonic() - began < 5
        ledger.close()


def test_a_connection_that_the_server_closed_is_replaced(ledger, client):
    ledger.settle([claim(1)], call_id(), NOW)
    client.client_kill_filter(_type="normal", skipme=True)
    assert ledger.settle([claim(1)], call_id(), NOW).first is True
    assert spent_and_held(ledger, at=START) == (2, 0)


def test_without_redis_installed_the_error_says_how_to_install_it(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.split(".")[0] == "redis":
            raise ImportError("No module named 'redis'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"the Redis ledger needs redis: pip install 'spanwatch\[redis\]'"):
        RedisLedger("redis://127.0.0.1")
