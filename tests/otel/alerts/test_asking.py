"""Alerts as an application has them: configured, asked, silenced, and a breaker that opens."""

import pytest
from opentelemetry import metrics

import spanwatch
from spanwatch import alerts, notify, rules
from spanwatch.core.errors import CircuitOpen, ConfigurationError, UsageError
from tests.otel.alerts.rig import Heard, eventually


@pytest.fixture
def configured(tmp_path, no_providers):
    """Begins with these settings, with a sample every second."""

    def begin(**settings):
        spanwatch.configure(
            **{
                "service": "bot",
                "home": tmp_path / "home",
                "live_interval": 1,
                "banner": "off",
                "openai": "none",
                **settings,
            }
        )

    yield begin
    spanwatch.shutdown(2)


def fail_requests(count=3):
    for _ in range(count):
        with pytest.raises(ZeroDivisionError), spanwatch.request("chat"):
            1 / 0  # noqa: B018 (it fails)


@pytest.mark.parametrize("store", [True, False])
def test_failing_requests_raise_an_alert_with_value_labels_and_traces(configured, store):
    heard = Heard()
    rule = rules.error_rate(0.1, runbook_url="https://example.com/runbook")
    configured(rules=[rule], notify=[heard], store=store)
    fail_requests()
    (told,) = heard.wait(1)
    (alert,) = told.alerts
    assert (alert.name, alert.severity, alert.value) == ("HighErrorRate", "critical", 1.0)
    assert (alert.summary, alert.runbook_url) == ("100% of requests failed in 5m.", "https://example.com/runbook")
    if store:
        assert len(alert.trace_ids) == 3
        assert spanwatch.trace(alert.trace_ids[0])
    assert [each.name for each in alerts.active(severity="critical")] == ["HighErrorRate"]
    assert alerts.active(severity="info") == []
    assert [change.alert.name for change in alerts.history(since="1h")] == ["HighErrorRate"]


def test_a_breaker_is_open_while_its_rule_fires(configured):
    configured(
        rules=[spanwatch.Rule("Broken", "sum(broken) > 0", summary="it is broken"), spanwatch.Rule("Fine", "nothing")]
    )
    broken = metrics.get_meter("app").create_gauge("broken")
    broken.set(1)
    alerts.check()
    with pytest.raises(CircuitOpen, match="it is broken"), spanwatch.breaker("Broken"):
        pytest.fail("the block must not begin")
    with spanwatch.breaker("Fine"):
        pass
    broken.set(0)
    alerts.check()
    with spanwatch.breaker("Broken"):
        pass

    @spanwatch.breaker("Fine")
    def guarded():
        return 1

    assert guarded() == 1
    with pytest.raises(ConfigurationError, match="no rule 'Brocken'"), spanwatch.breaker("Brocken"):
        pass


def test_silences_are_kept_and_ended(configured):
    configured(rules=[spanwatch.Rule("Up", "vector(1) > 0")])
    made = alerts.silence("Up", lasts="2h", comment="known")
    assert [(each.id, each.comment) for each in alerts.silences()] == [(made, "known")]
    alerts.check()
    assert alerts.active()[0].silenced_by == made
    assert alerts.unsilence(made)
    assert not alerts.unsilence(made)
    with pytest.raises(UsageError):
        alerts.silence()


def test_call_rules_fire_at_once_with_the_trace_of_the_call(configured, client):
    heard = Heard()
    rule = spanwatch.Rule("AnyCall", when=lambda call: call.request_model == "gpt-4o-mini", severity="info")
    configured(rules=[rule], notify=[notify.to(heard, severities=["info"])], openai="spanwatch", live_interval=3_600)
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}])
    (told,) = heard.wait(1)
    (alert,) = told.alerts
    assert dict(alert.labels)["gen_ai_request_model"] == "gpt-4o-mini"
    assert len(alert.trace_ids) == 1
    assert alert.value > 0


def test_what_a_user_spends_is_asked_of_the_ledger(configured, client):
    heard = Heard()
    configured(rules=[rules.spend(0.000001, by="user")], notify=[heard], openai="spanwatch")
    with spanwatch.request("chat", user_id="alice"):
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}])
    (told,) = heard.wait(1)
    (alert,) = told.alerts
    assert (alert.name, dict(alert.labels)["scope"]) == ("SpendByUser", "user.id=alice")
    assert alert.summary.startswith("user.id=alice spent $")


def test_rules_out_of_a_file(configured, tmp_path, monkeypatch):
    path = tmp_path / "spanwatch.toml"
    path.write_text('[[rules]]\nname = "Up"\nexpr = "vector(1) > 0"\n[[notify]]\ntype = "log"\n')
    monkeypatch.setenv("SPANWATCH_CONFIG", str(path))
    configured()
    assert [alert.name for alert in alerts.check()] == ["Up"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rules": "some"}, r"setting rules \(argument rules=\) cannot be 'some': give a list of Rule"),
        ({"rules": [5]}, "must be Rule"),
        ({"rules": "default", "live_interval": 0}, "needs samples"),
        ({"rules": "default", "notify": [{"type": "pigeon"}]}, "'pigeon'"),
        ({"rules": "default", "notify": "slack"}, "notify"),
    ],
)
def test_settings_that_cannot_be_are_refused(configured, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        configured(**settings)


def test_without_rules_nothing_is_active_and_nothing_is_open(configured):
    configured()
    assert (alerts.active(), alerts.check(), alerts.history(), alerts.silences()) == ([], [], [], [])
    with spanwatch.breaker("Anything"):
        pass
    with pytest.raises(ConfigurationError, match="no rules"):
        alerts.silence("x")


def test_the_shipped_rules_work_on_an_empty_service(configured):
    configured(rules="default")
    assert alerts.check() == []
    with spanwatch.request("chat"):
        pass
    assert eventually(lambda: alerts.check() == [])
