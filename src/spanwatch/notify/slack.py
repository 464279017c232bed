"""Slack: an incoming webhook, with blocks. What alerts say is escaped: it pings nobody and links nowhere by itself.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from spanwatch.core.harmless import clean
from spanwatch.core.rules.alert import Alert, Notification, State, labels_text
from spanwatch.core.rules.templates import humanize
from spanwatch.notify.addresses import target_of
from spanwatch.notify.posting import TIMEOUT_S, post_json
from spanwatch.notify.secret import Secret

MOST_ALERTS = 20
MAX_TEXT = 2_900  # of a section; Slack takes 3,000
MAX_TITLE = 150
_MARKS = {"critical": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_blue_circle:"}


@dataclass(frozen=True, slots=True)
class Slack:
    """Posts each notification to an incoming webhook, whose URL is a secret: `env:SLACK_URL`, `file:PATH`.

    Raises:
        ConfigurationError: the URL cannot be used, or is not there.
    """

    url: str | Secret
    _: KW_ONLY
    internal: Sequence[str] = ()
    timeout_s: float = TIMEOUT_S
    context: ssl.SSLContext | None = None
    receiver_name: str = "slack"

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", Secret(self.url))
        target_of(Secret(self.url).reveal(), self.internal)

    def __call__(self, notification: Notification) -> None:
        """Tell one notification.

        Raises:
            DeliveryError: it did not arrive.
        """
        post_json(
            Secret(self.url).reveal(),
            message(notification),
            internal=self.internal,
            timeout_s=self.timeout_s,
            context=self.context,
        )


def message(notification: Notification) -> dict[str, Any]:
    """A notification as Slack has it."""
    title = _cut(escaped(notification.title), MAX_TITLE)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}},
        *(_section(alert) for alert in notification.alerts[:MOST_ALERTS]),
    ]
    more = notification.omitted + max(0, len(notification.alerts) - MOST_ALERTS)
    if more:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": f"and {more} more alerts"}]})
    return {"text": title, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _section(alert: Alert) -> dict[str, Any]:
    mark = ":white_check_mark:" if alert.state is State.RESOLVED else _MARKS.get(alert.severity, ":warning:")
    lines = [f"{mark} *{escaped(alert.name)}* {escaped(alert.summary)}"]
    if alert.description:
        lines.append(escaped(alert.description))
    if alert.value is not None:
        lines.append(f"value {humanize(alert.value)}, since {alert.since:%Y-%m-%d %H:%M:%S} UTC")
    lines += [escaped(labels)] if (labels := labels_text(alert)) else []
    lines += [f"traces {escaped(' '.join(alert.trace_ids))}"] if alert.trace_ids else []
    links = [(alert.runbook_url, "runbook"), (alert.dashboard_url, "dashboard")]
    told = [f"<{escaped(url)}|{name}>" for url, name in links if url]
    lines += [" ".join(told)] if told else []
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut("\n".join(lines), MAX_TEXT)}}


def escaped(text: str) -> str:
    """Text in which nothing has a meaning to Slack: no mention, no link, no formatting that runs away."""
    plain = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.translate(_FORMATTING)


_FORMATTING = str.maketrans({"*": "\u2217", "`": "\u02cb", "~": "\u223c"})


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
