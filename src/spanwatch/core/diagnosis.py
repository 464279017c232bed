"""What `spanwatch doctor` finds: findings, and what a collector's answers to an empty request say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from spanwatch.core.exports import Signal

SKEW_WARN_S = 10.0
SKEW_FAIL_S = 300.0  # Prometheus takes samples that are ten minutes late, and none that are from the future
_LOOPBACK = ("127.", "localhost", "::1", "[::1]")


class Outcome(Enum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: which check, how it ended, what was seen, and what to do about it."""

    check: str
    outcome: Outcome
    text: str
    fix: str = ""


class Met(Enum):
    """What an OTLP endpoint did with an empty request."""

    TAKEN = "taken"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    OTHER_PROTOCOL = "other protocol"
    NO_SUCH_PATH = "no such path"
    UNAUTHENTICATED = "unauthenticated"
    REDIRECTED = "redirected"
    BUSY = "busy"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one signal's endpoint answered.

    `target` is where it was asked, without secrets; `headers` are the names of those sent; `skew_s` is how far the
    other side's clock is ahead, known to the second, None where it tells no time.
    """

    signal: Signal
    protocol: str
    target: str
    met: Met
    words: str = ""
    headers: tuple[str, ...] = ()
    skew_s: float | None = None


_Judged = tuple[Outcome, str, str]
_Judge = Callable[[Answer], _Judged]


def connection(answers: Sequence[Answer]) -> list[Finding]:
    """The findings `endpoint`, `protocol` and `auth`, a line for each different outcome."""
    found: list[Finding] = []
    for outcome, text, fix in _merged(answers, _endpoint):
        found.append(Finding("endpoint", outcome, text, fix))
    reached = [answer for answer in answers if answer.met not in {Met.UNREACHABLE, Met.CERTIFICATE}]
    for outcome, text, fix in _merged(reached, _protocol):
        found.append(Finding("protocol", outcome, text, fix))
    spoken = [answer for answer in reached if answer.met not in {Met.OTHER_PROTOCOL, Met.NO_SUCH_PATH, Met.REDIRECTED}]
    for outcome, text, fix in _merged(spoken, _auth):
        found.append(Finding("auth", outcome, text, fix))
    return found


def clock(skews: Mapping[str, float | None]) -> Finding:
    """Whether this machine's clock agrees with those asked: seconds that each is ahead, by its name."""
    known = {name: skew for name, skew in skews.items() if skew is not None}
    if not known:
        return Finding("clock", Outcome.SKIP, "nobody asked tells the time: gRPC does not, HTTP answers do")
    name, worst = max(known.items(), key=lambda item: abs(item[1]))
    way = "behind" if worst > 0 else "ahead of"
    if abs(worst) < SKEW_WARN_S:
        return Finding("clock", Outcome.OK, f"within {max(1.0, abs(worst)):.0f} s of {', '.join(known)}")
    outcome = Outcome.WARN if abs(worst) < SKEW_FAIL_S else Outcome.FAIL
    fix = "let NTP set the clock of both machines (timedatectl set-ntp true): back ends refuse or misplace the rest"
    return Finding("clock", outcome, f"this machine is {abs(worst):.0f} s {way} {name}", fix)


def _merged(answers: Sequence[Answer], judge: _Judge) -> list[_Judged]:
    """Signals with the same outcome share a line; `{signals}` in a text says which."""
    groups: dict[_Judged, list[str]] = {}
    for answer in answers:
        groups.setdefault(judge(answer), []).append(answer.signal)
    return [
        (outcome, text.replace("{signals}", ", ".join(signals)), fix.replace("{SIGNAL}", signals[0].upper()))
        for (outcome, text, fix), signals in groups.items()
    ]


def _endpoint(answer: Answer) -> _Judged:
    if answer.met is Met.UNREACHABLE:
        fix = "start the collector there, or correct the endpoint (--endpoint, OTEL_EXPORTER_OTLP_ENDPOINT)"
        return Outcome.FAIL, f"{_place(answer)} cannot be reached: {answer.words}", fix
    if answer.met is Met.CERTIFICATE:
        fix = "name the authority's certificate in OTEL_EXPORTER_OTLP_CERTIFICATE, or use the name that it is made for"
        return Outcome.FAIL, f"{_place(answer)} is not trusted: {answer.words}", fix
    return Outcome.OK, f"{_place(answer)} can be reached", ""


def _protocol(answer: Answer) -> _Judged:
    what = f"{answer.protocol}: {{signals}}"
    if answer.met is Met.OTHER_PROTOCOL:
        other = "grpc (port 4317)" if answer.protocol != "grpc" else "http/protobuf (port 4318)"
        fix = f"try https:// in place of http:// or the reverse, OTEL_EXPORTER_OTLP_PROTOCOL={other}, or the other port"
        return Outcome.FAIL, f"{what} are not understood there: {answer.words}", fix
    if answer.met is Met.NO_SUCH_PATH:
        fix = (
            "the base URL ends before /v1/...; OTEL_EXPORTER_OTLP_{SIGNAL}_ENDPOINT is used as it is; or the collector "
            "has no pipeline for this signal"
        )
        return Outcome.FAIL, f"{what}: nothing takes them there: {answer.words}", fix
    if answer.met is Met.REDIRECTED:
        return Outcome.FAIL, f"{what} are sent elsewhere: {answer.words}", "exporters follow no redirect: name that URL"
    if answer.met is Met.BUSY:
        fix = "the collector refuses for a while (memory_limiter, full queue): look at its log and its own metrics"
        return Outcome.WARN, f"{what} are put off: {answer.words}", fix
    if answer.met is Met.REFUSED:
        return Outcome.FAIL, f"{what} are refused: {answer.words}", "the collector's log says why"
    return Outcome.OK, f"{what}", ""


def _auth(answer: Answer) -> _Judged:
    sent = f"with the header {', '.join(answer.headers)}" if answer.headers else "without any header"
    if answer.met is Met.UNAUTHENTICATED:
        fix = (
            "its value is not the one that the collector wants: correct OTEL_EXPORTER_OTLP_HEADERS"
            if answer.headers
            else 'set OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20..." as the collector wants it'
        )
        return Outcome.FAIL, f"{{signals}} {sent} are refused: {answer.words}", fix
    if answer.headers and _in_the_open(answer):
        return Outcome.WARN, f"{{signals}} go {sent} over plain text to another machine", "use an https:// endpoint"
    return Outcome.OK, f"{{signals}} are taken {sent}", ""


def _place(answer: Answer) -> str:
    return answer.target.partition("/v1/")[0] if answer.protocol != "grpc" else answer.target


def _in_the_open(answer: Answer) -> bool:
    scheme, _, rest = answer.target.partition("://")
    host = rest.rpartition("@")[2] if rest else scheme
    return scheme != "https" and not host.startswith(_LOOPBACK)
