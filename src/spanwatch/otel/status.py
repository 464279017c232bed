"""The start line: where data goes, what is recorded, what is seen and what is not, on one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanwatch.core.exports import Signal
from spanwatch.core.settings import Settings
from spanwatch.core.values import masked


@dataclass(frozen=True, slots=True)
class Instrumented:
    """What the engine did: a phrase such as `openai 3.57.0: chat, responses`, and what it left out."""

    phrase: str | None = None
    skipped: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()


def start_line(
    settings: Settings,
    instrumented: Instrumented,
    *,
    version: str,
    prices: str,
    reach: Mapping[str, str],
    joined: Sequence[Signal] = (),
    limits: Sequence[str] = (),
) -> str:
    """One line. `reach` maps each target to words such as `reachable`; `prices` names data and date."""
    if settings.disabled:
        return f"spanwatch {version}: off, because OTEL_SDK_DISABLED=true"
    parts = [
        f"to {_destinations(settings, reach, joined)}",
        f"content {'on' if settings.content else 'off'}",
        f"prices {prices}",
        instrumented.phrase or "no client library is instrumented",
    ]
    if instrumented.not_covered:
        parts.append(f"not covered: {', '.join(instrumented.not_covered)}")
    if "traces" in joined:
        parts.append("joined the application's TracerProvider: its sampler stays, spans that it drops are not seen")
    skipped = [*instrumented.skipped, *limits, *settings.notes]
    if skipped:
        parts.append(f"skipped: {', '.join(skipped)}")
    return f"spanwatch {version}: {'; '.join(parts)}".replace("\n", " ")


def joined_line(note: str | None) -> str:
    """What is said when the application sets its own TracerProvider later."""
    limit = "" if note is None else f"; {note}"
    return (
        "spanwatch: the application set its own TracerProvider, which is joined: its sampler and exporters stay, "
        f"what it drops is not seen{limit}"
    )


def exit_line(owed: Sequence[tuple[Signal, int, str]], timeout: float, home: str | None) -> str:
    """What could not be handed over at exit: signal, count and target of each."""
    counted = [f"{count} {_unit(signal, count)} to {masked(target)}" for signal, count, target in owed]
    kept = "" if home is None else f"; what is not sent is kept in {home}, and sent by the next process that uses it"
    return f"{', '.join(counted)} not delivered within {timeout:g} s{kept}"


def _unit(signal: Signal, count: int) -> str:
    singular = {"traces": "span", "metrics": "metric report", "logs": "log record"}[signal]
    return singular if count == 1 else f"{singular}s"


def _destinations(settings: Settings, reach: Mapping[str, str], joined: Sequence[Signal]) -> str:
    places = [settings.home] if settings.store else []
    for target in dict.fromkeys(
        export.target for export in settings.exports if export.signal not in joined or export.url is not None
    ):
        words = reach.get(target)
        places.append(str(masked(target)) + (f" ({words})" if words else ""))
    return " and ".join(places) or "nowhere (store off, no endpoint)"
