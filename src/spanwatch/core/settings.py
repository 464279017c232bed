"""Settings: frozen; arguments > environment (passed in) > spanwatch.toml > default.

A wrong value of ours is a `ConfigurationError`. A wrong value of a standard `OTEL_*` variable, which other libraries
read too, is ignored and kept as a note for the start line, as the specification asks.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from spanwatch.core import values
from spanwatch.core.budgets import Budget, budget_from_text, budgets_from, distinct
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.exports import PROTOCOLS, Export, exports_for
from spanwatch.core.health import thresholds_from
from spanwatch.core.names import CONFIG_FILE, SERVICE_NAME, USAGE_COST
from spanwatch.core.redact import redact
from spanwatch.core.rules import Rule, rules_from
from spanwatch.core.rules import distinct as distinct_rules
from spanwatch.core.rules.parsing import SHIPPED

ENGINES = ("spanwatch", "openllmetry", "genai", "openinference", "none")
FSYNCS = ("never", "interval")
BANNERS = ("auto", "on", "off")
LEDGERS = ("memory", "sqlite")
RUN_BUDGETS_VARIABLE = "SPANWATCH_RUN_BUDGETS"  # those of `spanwatch run --budget`, a line each

_CONTENT_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured. Sizes are bytes, times seconds, ages days; None is "not said"."""

    service: str | None = None
    home: str = ".spanwatch"
    endpoint: str | None = None
    protocol: str | None = None
    content: bool = False
    content_max_bytes: int = 65_536
    logs: bool = False
    call_events: bool = False
    openai: str = "spanwatch"
    agents: bool = False
    providers: tuple[tuple[str, str], ...] = ()
    stream_usage: bool = True
    executors: bool = True
    cost_attributes: tuple[str, ...] = (USAGE_COST,)
    prices: str | None = None
    budgets: tuple[Budget, ...] = ()
    ledger: str | None = None
    rules: tuple[Rule, ...] = ()
    notify: tuple[Any, ...] = ()
    store: bool = True
    retention_days: float = 30.0
    retention_bytes: int = 1_073_741_824
    journal_bytes: int = 268_435_456
    fsync: str = "never"
    redact: tuple[str | Callable[[str], str], ...] = ()
    sample: float | None = None
    live_interval: float = 15.0
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    health: str | None = None
    feedback_key: tuple[str, ...] = field(default=(), repr=False)
    exit_timeout: float = 2.0
    banner: str = "auto"
    disabled: bool = False
    exports: tuple[Export, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Every setting, without the secrets in them: passwords in addresses, keys, what notifiers know."""
        told = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
        return f"Settings({', '.join(redact(each) for each in told)})"

    @property
    def ledger_in_force(self) -> str:
        """Where budgets are kept: as said, else in SQLite wherever the store is, else in memory."""
        return self.ledger or ("sqlite" if self.store else "memory")

    @property
    def ours(self) -> bool:
        """Whether the endpoint was given to spanwatch, and not only to every OTel exporter by the environment."""
        return any(export.url is not None for export in self.exports)


@dataclass(frozen=True, slots=True)
class _Value:
    """A raw value and the words that say where it came from."""

    raw: Any
    origin: str


@dataclass(frozen=True, slots=True)
class _Setting:
    parse: Callable[[Any], Any]
    remedy: str
    variables: tuple[str, ...] = ()
    standard: str | None = None  # an OTEL_* variable with the same meaning
    secret: bool = False  # its value is shown nowhere


def resolve(
    arguments: Mapping[str, Any], environ: Mapping[str, str], toml: str = "", *, source: str = CONFIG_FILE
) -> Settings:
    """The settings in force.

    `arguments` are those of `configure()`, None meaning "not said"; `toml` is the text of `source`.

    Raises:
        ConfigurationError: a value or key is wrong; names the setting, its origin, its value and the remedy.
    """
    table = _table(toml, source)
    notes: list[str] = []
    known: dict[str, Any] = {}
    for name, setting in _SETTINGS.items():
        value = _find(name, arguments, environ, table, source)
        if value is not None:
            known[name] = _parsed(name, value)
        elif setting.standard is not None and environ.get(setting.standard, "").strip():
            parsed = _lenient(setting, setting.standard, environ[setting.standard], notes)
            if parsed is not None:
                known[name] = parsed
    if "service" not in known and (service := _resource_service(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))):
        known["service"] = service
    if environ.get(RUN_BUDGETS_VARIABLE, "").strip():
        run = tuple(budget_from_text(line) for line in environ[RUN_BUDGETS_VARIABLE].splitlines())
        known["budgets"] = distinct((*known.get("budgets", ()), *run))
        known.setdefault("ledger", "sqlite")  # every process of the run counts on it, whether there is a store or not
    known["disabled"] = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exports = exports_for(known.get("endpoint"), known.get("protocol"), environ, notes)
    return Settings(**known, exports=exports, notes=tuple(notes))


def _table(toml: str, source: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source} is not valid TOML: {error}") from None
    for key in table:
        if key not in _SETTINGS:
            close = difflib.get_close_matches(key, _SETTINGS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the settings are {', '.join(sorted(_SETTINGS))}"
            raise ConfigurationError(f"unknown setting {key!r} in {source}; {hint}")
    return table


def _find(
    name: str, arguments: Mapping[str, Any], environ: Mapping[str, str], table: Mapping[str, Any], source: str
) -> _Value | None:
    setting = _SETTINGS[name]
    if arguments.get(name) is not None:
        return _Value(arguments[name], f"argument {name}=")
    for variable in setting.variables:
        if environ.get(variable, "").strip():
            return _Value(environ[variable].strip(), f"environment variable {variable}")
    if name in table and not environ.get(setting.standard or "", "").strip():
        return _Value(table[name], f"{name} in {source}")
    return None


def _parsed(name: str, value: _Value) -> Any:
    setting = _SETTINGS[name]
    try:
        return setting.parse(value.raw)
    except ConfigurationError:
        raise
    except (TypeError, ValueError):
        shown = "what it is" if setting.secret else repr(values.masked(value.raw))
        raise ConfigurationError(f"setting {name} ({value.origin}) cannot be {shown}: give {setting.remedy}") from None


def _lenient(setting: _Setting, variable: str, raw: str, notes: list[str]) -> Any:
    try:
        return setting.parse(raw.strip())
    except (TypeError, ValueError):
        notes.append(f"{variable}={raw} ignored, it takes {setting.remedy}")
        return None


def _resource_service(attributes: str) -> str | None:
    pairs = (item.partition("=") for item in attributes.split(","))
    return next((value.strip() for key, _, value in pairs if key.strip() == SERVICE_NAME and value.strip()), None)


def _interval(raw: Any) -> float:
    seconds = values.number(0, 3_600)(raw)
    if 0 < seconds < 1:
        raise ValueError
    return seconds


def _limits(raw: Any) -> str:
    limits = values.text(raw)
    thresholds_from(limits)
    return limits


def _budgets(raw: Any) -> tuple[Budget, ...]:
    if isinstance(raw, list) and raw and all(isinstance(table, Mapping) for table in raw):
        return budgets_from(raw)
    if isinstance(raw, str | bytes | Mapping):
        raise TypeError
    try:
        return distinct(raw)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"setting budgets: {error}") from None


def _rules(raw: Any) -> tuple[Rule, ...]:
    if raw == SHIPPED or (isinstance(raw, list) and raw and all(isinstance(table, Mapping) for table in raw)):
        return rules_from(raw)
    if isinstance(raw, str | bytes | Mapping):
        raise TypeError
    try:
        return distinct_rules(raw)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"setting rules: {error}") from None


def _notify(raw: Any) -> tuple[Any, ...]:
    found = (raw,) if callable(raw) else tuple(raw)
    if isinstance(raw, str | bytes | Mapping) or any(isinstance(each, str | bytes) for each in found):
        raise TypeError
    return found


def _ledger(raw: Any) -> str:
    place = values.text(raw)
    if place not in LEDGERS and not place.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError
    return place


_SWITCH = "on or off"
_SETTINGS: dict[str, _Setting] = {
    "service": _Setting(values.text, "a name, such as 'support-bot'", ("SPANWATCH_SERVICE",), "OTEL_SERVICE_NAME"),
    "home": _Setting(values.path, "a directory", ("SPANWATCH_HOME",)),
    "endpoint": _Setting(values.url, "an OTLP base URL, such as 'http://localhost:4318'", ("SPANWATCH_ENDPOINT",)),
    "protocol": _Setting(values.one_of(*PROTOCOLS), "'http/protobuf' or 'grpc'", ("SPANWATCH_PROTOCOL",)),
    "content": _Setting(values.content, _SWITCH, ("SPANWATCH_CONTENT",), _CONTENT_VARIABLE),
    "content_max_bytes": _Setting(
        values.count(0, 1 << 30), "a number of bytes from 0 to 1073741824", ("SPANWATCH_CONTENT_MAX_BYTES",)
    ),
    "logs": _Setting(values.switch, _SWITCH, ("SPANWATCH_LOGS",)),
    "call_events": _Setting(
        values.switch, _SWITCH, ("SPANWATCH_CALL_EVENTS",), "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
    ),
    "openai": _Setting(
        values.one_of(*ENGINES),
        f"one of {', '.join(repr(engine) for engine in ENGINES)}",
        ("SPANWATCH_OPENAI",),
    ),
    "agents": _Setting(values.switch, _SWITCH, ("SPANWATCH_AGENTS",)),
    "providers": _Setting(
        values.pairs, "hosts and their providers, such as 'llm.internal:8080=openai'", ("SPANWATCH_PROVIDERS",)
    ),
    "stream_usage": _Setting(values.switch, _SWITCH, ("SPANWATCH_STREAM_USAGE",)),
    "executors": _Setting(values.switch, _SWITCH, ("SPANWATCH_EXECUTORS",)),
    "cost_attributes": _Setting(
        values.names, "attribute names separated by commas, or 'none'", ("SPANWATCH_COST_ATTRIBUTES",)
    ),
    "prices": _Setting(values.path, "the path of a price file", ("SPANWATCH_PRICES",)),
    "budgets": _Setting(_budgets, "a list of Budget(...), in a file [[budgets]] tables"),
    "ledger": _Setting(_ledger, "'memory', 'sqlite' or a URL such as 'redis://localhost:6379'", ("SPANWATCH_LEDGER",)),
    "rules": _Setting(_rules, "a list of Rule(...), or 'default', in a file [[rules]] tables", ("SPANWATCH_RULES",)),
    "notify": _Setting(_notify, "a list of notifiers, in a file [[notify]] tables", secret=True),
    "store": _Setting(values.switch, _SWITCH, ("SPANWATCH_STORE",)),
    "retention_days": _Setting(
        values.number(0, 36_500), "a number of days from 0 to 36500", ("SPANWATCH_RETENTION_DAYS",)
    ),
    "retention_bytes": _Setting(
        values.count(0, 1 << 50), "a number of bytes from 0 to 1125899906842624", ("SPANWATCH_RETENTION_BYTES",)
    ),
    "journal_bytes": _Setting(
        values.count(1 << 20, 1 << 50),
        "a number of bytes from 1048576 to 1125899906842624",
        ("SPANWATCH_JOURNAL_BYTES",),
    ),
    "fsync": _Setting(values.one_of(*FSYNCS), "'never' or 'interval'", ("SPANWATCH_FSYNC",)),
    "redact": _Setting(
        values.redactions, "regular expressions, in code also callables from text to text", ("SPANWATCH_REDACT",)
    ),
    "sample": _Setting(values.number(0, 1), "a ratio from 0 to 1, such as 0.01", ("SPANWATCH_SAMPLE",)),
    "live_interval": _Setting(
        _interval, "seconds from 1 to 3600 between samples of the metrics, or 0 for none", ("SPANWATCH_LIVE_INTERVAL",)
    ),
    "metrics_port": _Setting(values.count(0, 65_535), "a TCP port, or 0 for a free one", ("SPANWATCH_METRICS_PORT",)),
    "metrics_host": _Setting(values.text, "an address of this machine", ("SPANWATCH_METRICS_HOST",)),
    "health": _Setting(
        _limits, "limits such as 'success_rate=0.95/0.9, mean_s=5/10, p95_s=off'", ("SPANWATCH_HEALTH",)
    ),
    "feedback_key": _Setting(
        values.secrets, "a secret of 32 characters or more, or several", ("SPANWATCH_FEEDBACK_KEY",), secret=True
    ),
    "exit_timeout": _Setting(values.number(0, 60), "seconds from 0 to 60", ("SPANWATCH_EXIT_TIMEOUT",)),
    "banner": _Setting(values.one_of(*BANNERS), "one of 'auto', 'on', 'off'", ("SPANWATCH_BANNER",)),
}
