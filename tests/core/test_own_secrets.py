"""What spanwatch itself is given and nobody may see: not in a repr, not in an error."""

import pytest

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.settings import Settings, resolve
from spanwatch.notify import PagerDuty, Secret, Slack, Webhook
from spanwatch.notify.alertmanager import Alertmanager
from spanwatch.notify.email import Email
from spanwatch.notify.tables import TYPES

HIDDEN = "Zq8xW2vB7nM4"
KEY = f"{HIDDEN}{HIDDEN}{HIDDEN}"
NOTIFIERS = {
    "slack": lambda: Slack(url=f"https://hooks.slack.com/services/T0/B0/{HIDDEN}"),
    "pagerduty": lambda: PagerDuty(routing_key=HIDDEN),
    "webhook": lambda: Webhook(url=f"https://example.com/x?token={HIDDEN}1", secret=HIDDEN),
    "webhook headers": lambda: Webhook(url="https://example.com/x", headers={"X-Key": HIDDEN}),
    "alertmanager": lambda: Alertmanager("https://example.com", headers={"Authorization": f"Bearer {HIDDEN}"}),
    "email": lambda: Email("smtp.example.com", sender="a@example.com", to=("b@example.com",), password=HIDDEN),
    "secret": lambda: Secret(HIDDEN),
}


def test_every_notifier_that_sends_is_among_them():
    assert set(TYPES) - {"console", "log"} <= set(NOTIFIERS)


@pytest.mark.parametrize("kind", NOTIFIERS)
def test_no_notifier_shows_what_it_knows(kind):
    made = NOTIFIERS[kind]()
    assert HIDDEN not in f"{made!r} {made}"
    assert HIDDEN not in repr(Settings(notify=(made,)))


@pytest.mark.parametrize(
    "said",
    [
        {"endpoint": f"https://bob:{HIDDEN}@collector:4318"},
        {"endpoint": f"https://{HIDDEN}@collector:4318"},
        {"endpoint": f"https://collector:4318/otlp?api_key={HIDDEN}"},
        {"ledger": f"redis://:{HIDDEN}@cache:6379/0"},
        {"ledger": f"rediss://bob:p@{HIDDEN}@cache"},
        {"feedback_key": KEY},
    ],
)
def test_no_setting_shows_its_secret_and_all_is_there_for_use(said):
    settings = resolve(said, {})
    assert HIDDEN not in f"{settings!r} {settings.exports!r}"
    assert HIDDEN in str(getattr(settings, next(iter(said))))
    assert f"{next(iter(said))}=" in repr(settings) or "feedback_key" in said


def test_an_ordinary_setting_is_shown_as_it_is():
    shown = repr(resolve({"service": "bot", "endpoint": "http://localhost:4318", "ledger": "sqlite"}, {}))
    for words in ("service='bot'", "endpoint='http://localhost:4318'", "ledger='sqlite'", "Export('traces'"):
        assert words in shown


@pytest.mark.parametrize(
    ("said", "environ"),
    [
        ({"endpoint": f"ftp://bob:{HIDDEN}@collector"}, {}),
        ({"endpoint": f"ws://bob:p@{HIDDEN}@collector"}, {}),
        ({"ledger": f"mysql://bob:{HIDDEN}@host"}, {}),
        ({"feedback_key": HIDDEN}, {}),
        ({"notify": HIDDEN}, {}),
        ({}, {"SPANWATCH_FEEDBACK_KEY": HIDDEN}),
        ({}, {"SPANWATCH_LEDGER": f"http://bob:{HIDDEN}@host"}),
    ],
)
def test_an_error_about_a_setting_does_not_quote_its_secret(said, environ):
    with pytest.raises(ConfigurationError) as failed:
        resolve(said, environ)
    assert HIDDEN not in str(failed.value)
    assert next(iter(said or ["feedback_key", "ledger"])).partition("_")[0] in str(failed.value) or not said


@pytest.mark.parametrize("seconds", [-1, -0.001, 60.001, 61, float("nan"), float("inf"), "soon"])
def test_an_exit_timeout_out_of_its_range_is_refused_with_the_range(seconds):
    with pytest.raises(ConfigurationError, match="seconds from 0 to 60"):
        resolve({"exit_timeout": seconds}, {})
    with pytest.raises(ConfigurationError, match="SPANWATCH_EXIT_TIMEOUT"):
        resolve({}, {"SPANWATCH_EXIT_TIMEOUT": str(seconds)})


@pytest.mark.parametrize("seconds", [0, 0.5, 60])
def test_an_exit_timeout_from_0_to_60_holds(seconds):
    assert resolve({"exit_timeout": seconds}, {}).exit_timeout == seconds
