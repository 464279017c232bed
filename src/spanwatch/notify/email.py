"""E-mail: SMTP with TLS, plain text, and headers that no alert can add to."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid, parseaddr
from typing import Literal

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.harmless import clean
from spanwatch.core.rules.alert import Alert, Notification, labels_text
from spanwatch.core.rules.templates import plain
from spanwatch.notify.addresses import DeliveryError
from spanwatch.notify.posting import TIMEOUT_S
from spanwatch.notify.secret import Secret

MAX_SUBJECT = 200
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class Email:
    """Sends each notification as a mail. `tls` is `starttls`, `tls` from the first byte, or `none`, to loopback only.

    The password is a secret: `env:SMTP_PASSWORD`, `file:/run/secrets/smtp`.

    Raises:
        ConfigurationError: an address or `tls` is none, or the password is not there.
    """

    host: str
    to: str | Sequence[str]
    sender: str
    _: KW_ONLY
    port: int | None = None
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | Secret | None = None
    timeout_s: float = TIMEOUT_S
    context: ssl.SSLContext | None = None
    receiver_name: str = "email"

    def __post_init__(self) -> None:
        addresses = (self.to,) if isinstance(self.to, str) else tuple(self.to)
        for address in (self.sender, *addresses):
            _check(address)
        if not addresses:
            raise ConfigurationError("a mail needs somebody that it is sent to")
        if self.tls not in _PORTS:
            raise ConfigurationError(f"tls is 'starttls', 'tls' or 'none', not {self.tls!r}")
        if self.tls == "none" and self.host not in {"localhost", "127.0.0.1", "::1"}:
            raise ConfigurationError(f"mail to {self.host} needs TLS: tls='none' is for localhost")
        object.__setattr__(self, "to", addresses)
        if self.password is not None:
            object.__setattr__(self, "password", Secret(self.password))

    def __call__(self, notification: Notification) -> None:
        """Tell one notification.

        Raises:
            DeliveryError: the server did not take it.
        """
        mail = message(notification, self.sender, self.to)
        try:
            with contextlib.closing(self._connected()) as server:
                if self.user is not None and self.password is not None:
                    server.login(self.user, Secret(self.password).reveal())
                refused = server.send_message(mail, self.sender, list(self.to))
        except (OSError, smtplib.SMTPException) as error:
            code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
            raise DeliveryError(f"{self.host} did not take the mail: {type(error).__name__}{code}") from None
        if refused:
            raise DeliveryError(f"{self.host} refused {len(refused)} of {len(self.to)} addresses")

    def _connected(self) -> smtplib.SMTP:
        port = self.port or _PORTS[self.tls]
        context = self.context or ssl.create_default_context()
        if self.tls == "tls":
            return smtplib.SMTP_SSL(self.host, port, timeout=self.timeout_s, context=context)
        server = smtplib.SMTP(self.host, port, timeout=self.timeout_s)
        if self.tls == "starttls":
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


def message(notification: Notification, sender: str, to: Sequence[str]) -> EmailMessage:
    """A notification as a mail."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = clean(notification.title)[:MAX_SUBJECT]
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2])
    mail["References"] = f"<spanwatch-{notification.key}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    blocks = ["\n".join(_lines(alert)) for alert in notification.alerts]
    if notification.omitted:
        blocks.append(f"and {notification.omitted} more alerts")
    mail.set_content("\n\n".join(blocks) + "\n")
    return mail


def _lines(alert: Alert) -> list[str]:
    told = [
        (f"{alert.name} ({alert.severity})", alert.state.value),
        ("", alert.summary),
        ("", alert.description),
        ("value", "" if alert.value is None else plain(alert.value)),
        ("since", f"{alert.since:%Y-%m-%d %H:%M:%S} UTC"),
        ("labels", labels_text(alert)),
        ("traces", " ".join(alert.trace_ids)),
        ("runbook", alert.runbook_url),
        ("dashboard", alert.dashboard_url),
    ]
    return [clean(f"{name}: {text}" if name else text) for name, text in told if text]


def _check(address: str) -> None:
    name, found = parseaddr(address if isinstance(address, str) else "")
    if not found or found.count("@") != 1 or not (found + name).isprintable() or " " in found or "," in found:
        raise ConfigurationError(f"{address!r} is no mail address")
