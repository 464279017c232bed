"""Templates of summaries: `{{ $labels.job }}`, `{{ $value }}` and a few of Prometheus' functions; nothing else runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

MAX_LENGTH = 2_000
_PLACE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_SOURCE = re.compile(r"\$value|\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)|\$labels")
_PRINTF = re.compile(r'printf\s+"((?:[^"\\%]|%%)*%[-+ 0#]?\d{0,3}(?:\.\d{1,2})?[efgsv](?:[^"\\%]|%%)*)"(?:\s+(\$\S+))?')


def check(text: str) -> None:
    """Refuse what cannot be filled in.

    Raises:
        ValueError: the text is too long, or a place of it is none that is known.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a text has {MAX_LENGTH:,} characters at most, not {len(text):,}")
    filled(text, {}, 0.0)
    if "{{" in _PLACE.sub("", text):
        raise ValueError("a {{ is never closed")


def filled(text: str, labels: Mapping[str, str], value: float | None) -> str:
    """The text with its places filled in.

    Raises:
        ValueError: a place is none that is known.
    """
    return _PLACE.sub(lambda found: _place(found[1], labels, value), text)


def _place(place: str, labels: Mapping[str, str], value: float | None) -> str:
    first, *functions = (part.strip() for part in place.split("|"))
    printed = _PRINTF.fullmatch(first)
    if printed is not None and printed[2]:
        return _printed(printed[1], _source(printed[2], labels, value))
    found: str | float | None = _source(first, labels, value)
    for name in functions:
        printed = _PRINTF.fullmatch(name)
        if printed is not None and not printed[2]:
            found = _printed(printed[1], found)
        elif name in _FUNCTIONS:
            found = found if isinstance(found, str) or found is None else _FUNCTIONS[name](found)
        else:
            known = ", ".join(["printf", *_FUNCTIONS])
            raise ValueError(f"{{{{ {place} }}}}: {name!r} is no function here; known are {known}")
    return "unknown" if found is None else found if isinstance(found, str) else plain(found)


def _source(text: str, labels: Mapping[str, str], value: float | None) -> str | float | None:
    found = _SOURCE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no place: write {{{{ $value }}}} or {{{{ $labels.NAME }}}}")
    if text == "$value":
        return value
    if found[1] is None:
        return ", ".join(f"{key}={said}" for key, said in sorted(labels.items()))
    return labels.get(found[1], "")


def _printed(pattern: str, value: str | float | None) -> str:
    if value is None:
        return "unknown"
    kind = re.search(r"%[-+ 0#]?\d*(?:\.\d+)?([efgsv])", pattern)
    if kind is None or kind[1] in "sv":
        text = value if isinstance(value, str) else plain(value)
        return re.sub(r"%[-+ 0#]?\d*(?:\.\d+)?[sv]", lambda _: text, pattern).replace("%%", "%")
    return pattern % (math.nan if isinstance(value, str) else value)


def plain(value: float) -> str:
    """A number as Prometheus writes it."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else f"{value!r}"


def humanize(value: float) -> str:
    """A number with a prefix of the metric system: 1.5k."""
    if not value or not math.isfinite(value):
        return f"{value:.4g}"
    power, prefixes = 0, "" if abs(value) >= 1 else "munpfazy"
    if abs(value) >= 1:
        prefixes = "kMGTPEZY"
        while abs(value) >= 1000 and power < len(prefixes):
            value, power = value / 1000, power + 1
        return f"{value:.4g}{prefixes[power - 1] if power else ''}"
    while abs(value) < 1 and power < len(prefixes):
        value, power = value * 1000, power + 1
    return f"{value:.4g}{prefixes[power - 1]}"


def humanize_percentage(value: float) -> str:
    """A part of 1 in per cent."""
    return f"{value * 100:.4g}%"


def humanize_duration(value: float) -> str:
    """Seconds as days, hours, minutes and seconds."""
    if not math.isfinite(value):
        return f"{value:.4g}"
    if abs(value) < 1:
        return f"{humanize(value)}s" if value else "0s"
    sign, rest = "-" if value < 0 else "", abs(value)
    if rest < 60:
        return f"{sign}{rest:.4g}s"
    minutes, seconds = divmod(int(rest), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    return f"{sign}{hours}h {minutes}m {seconds}s" if hours else f"{sign}{minutes}m {seconds}s"


_FUNCTIONS: dict[str, Callable[[float], str]] = {
    "humanize": humanize,
    "humanizePercentage": humanize_percentage,
    "humanizeDuration": humanize_duration,
}
