"""The stack as processes on one machine: which programs, with which arguments, environment and files. Pure.

The texts are those of collector-config/, with addresses, directories and secrets of this run put in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

HOST = "127.0.0.1"
PORTS = (
    "otlp_grpc",
    "otlp_http",
    "otelcol_health",
    "otelcol_metrics",
    "jaeger_otlp",
    "jaeger_http",
    "jaeger_grpc",
    "jaeger_health",
    "prometheus",
    "alertmanager",
    "loki_http",
    "loki_grpc",
)
TEXTS = (
    "gateway.yaml",
    "overlay-dev.yaml",
    "overlay-content.yaml",
    "jaeger-memory.yaml",
    "jaeger-badger.yaml",
    "prometheus.yml",
    "rules/pipeline.yaml",
    "rules/cost.yaml",
    "alertmanager.yml",
    "loki.yaml",
)
SECRETS = "/run/secrets"
Pairs = tuple[tuple[str, str], ...]  # what is in a text, and what stands for it here
_QUICK: dict[str, Pairs] = {
    "prometheus.yml": (
        ("scrape_interval: 15s", "scrape_interval: 1s"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
    ),
    "alertmanager.yml": (
        ("group_wait: 30s", "group_wait: 1s"),
        ("group_wait: 10s", "group_wait: 1s"),
        ("group_interval: 5m", "group_interval: 1s"),
    ),
}


@dataclass(frozen=True, slots=True)
class Service:
    """One program: its name, its arguments, what the environment tells it, and where it says that it is ready."""

    name: str
    arguments: tuple[str, ...]
    environ: Mapping[str, str]
    ready: str


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose. `rules` are directories with further rule files."""

    sampling: bool = False
    content: bool = False
    keep: bool = False
    quick: bool = False
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Files by their path below the directory, directories to make, and the programs in the order of their start."""

    files: Mapping[str, str]
    directories: tuple[str, ...]
    services: tuple[Service, ...]
    addresses: Mapping[str, str] = field(default_factory=dict)


def plan(
    texts: Mapping[str, str], directory: str, ports: Mapping[str, int], hmac_key: str, options: Options | None = None
) -> Plan:
    """The stack below an absolute directory, on these ports.

    Raises:
        KeyError: a port or a text is missing.
        ValueError: a text lacks what is to be replaced in it.
    """
    chosen = options or Options()
    at = {name: f"{HOST}:{ports[name]}" for name in PORTS}
    files = dict(texts)
    for name, pairs in (*(_QUICK.items() if chosen.quick else ()), *_of_this_run(directory, at, chosen)):
        files[name] = replaced(name, files[name], pairs)
    services = (
        _jaeger(directory, ports, chosen),
        _loki(directory, ports),
        _alertmanager(directory, at),
        _prometheus(directory, at),
        collector(directory, ports, hmac_key, _layers(chosen)),
    )
    return Plan(files, ("queue", "jaeger", "loki", "prometheus", "alertmanager", "secrets"), services, _addresses(at))


def _of_this_run(directory: str, at: Mapping[str, str], chosen: Options) -> Iterator[tuple[str, Pairs]]:
    """What each text has of a container's, and what stands for it here."""
    rules = "\n".join(f'  - "{place}/*.yaml"' for place in (f"{directory}/rules", *chosen.rules))
    yield (
        "prometheus.yml",
        (
            ("alertmanager:9093", at["alertmanager"]),
            ("otelcol:8888", at["otelcol_metrics"]),
            ("prometheus:9090", at["prometheus"]),
            ("  - rules/*.yaml", rules),
        ),
    )
    yield "alertmanager.yml", ((f"url_file: {SECRETS}", f"url_file: {directory}/secrets"),)


def replaced(name: str, text: str, pairs: Pairs) -> str:
    """A text with every pair's first part replaced by its second.

    Raises:
        ValueError: one of them is not in it.
    """
    for old, new in pairs:
        if old not in text:
            raise ValueError(f"{name} has no {old!r} to put this run's value in: is it a changed copy?")
        text = text.replace(old, new)
    return text


def collector(
    directory: str,
    ports: Mapping[str, int],
    hmac_key: str,
    layers: tuple[str, ...],
    more: Mapping[str, str] | None = None,
) -> Service:
    """The collector with these configurations, the later over the earlier; `more` is further environment."""
    environ = {
        "OTELCOL_HOST": HOST,
        "OTLP_GRPC_PORT": str(ports["otlp_grpc"]),
        "OTLP_HTTP_PORT": str(ports["otlp_http"]),
        "OTELCOL_HEALTH_PORT": str(ports["otelcol_health"]),
        "OTELCOL_METRICS_PORT": str(ports["otelcol_metrics"]),
        "OTELCOL_QUEUE": f"{directory}/queue",
        "JAEGER_OTLP": f"{HOST}:{ports['jaeger_otlp']}",
        "PROMETHEUS_OTLP": f"http://{HOST}:{ports['prometheus']}/api/v1/otlp",
        "LOKI_OTLP": f"http://{HOST}:{ports['loki_http']}/otlp",
        "REDACTION_HMAC_KEY": hmac_key,
        "SECRETS_DIR": f"{directory}/secrets",
        **(more or {}),
    }
    arguments = tuple(word for layer in layers for word in ("--config", f"{directory}/{layer}"))
    return Service("otelcol", arguments, environ, f"http://{HOST}:{ports['otelcol_health']}/")


def _layers(options: Options) -> tuple[str, ...]:
    return (
        "gateway.yaml",
        *(() if options.sampling else ("overlay-dev.yaml",)),
        *(("overlay-content.yaml",) if options.content else ()),
    )


def _jaeger(directory: str, ports: Mapping[str, int], options: Options) -> Service:
    environ = {
        "JAEGER_HOST": HOST,
        "JAEGER_OTLP_PORT": str(ports["jaeger_otlp"]),
        "JAEGER_HTTP_PORT": str(ports["jaeger_http"]),
        "JAEGER_GRPC_PORT": str(ports["jaeger_grpc"]),
        "JAEGER_HEALTH_PORT": str(ports["jaeger_health"]),
        "JAEGER_DATA": f"{directory}/jaeger",
    }
    kind = "badger" if options.keep else "memory"
    arguments = ("--config", f"{directory}/jaeger-{kind}.yaml")
    return Service("jaeger", arguments, environ, f"http://{HOST}:{ports['jaeger_health']}/status")


def _loki(directory: str, ports: Mapping[str, int]) -> Service:
    environ = {
        "LOKI_HOST": HOST,
        "LOKI_HTTP_PORT": str(ports["loki_http"]),
        "LOKI_GRPC_PORT": str(ports["loki_grpc"]),
        "LOKI_DATA": f"{directory}/loki",
    }
    arguments = (f"-config.file={directory}/loki.yaml", "-config.expand-env=true")
    return Service("loki", arguments, environ, f"http://{HOST}:{ports['loki_http']}/ready")


def _alertmanager(directory: str, at: Mapping[str, str]) -> Service:
    arguments = (
        f"--config.file={directory}/alertmanager.yml",
        f"--storage.path={directory}/alertmanager",
        f"--web.listen-address={at['alertmanager']}",
        "--cluster.listen-address=",
        "--log.level=warn",
    )
    return Service("alertmanager", arguments, {}, f"http://{at['alertmanager']}/-/ready")


def _prometheus(directory: str, at: Mapping[str, str]) -> Service:
    arguments = (
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/prometheus",
        "--storage.tsdb.retention.time=15d",
        f"--web.listen-address={at['prometheus']}",
        "--web.enable-otlp-receiver",
        "--enable-feature=exemplar-storage,created-timestamp-zero-ingestion",
        "--log.level=warn",
    )
    return Service("prometheus", arguments, {}, f"http://{at['prometheus']}/-/ready")


def _addresses(at: Mapping[str, str]) -> dict[str, str]:
    return {
        "otlp": f"http://{at['otlp_http']}",
        "otlp grpc": f"http://{at['otlp_grpc']}",
        "jaeger": f"http://{at['jaeger_http']}",
        "prometheus": f"http://{at['prometheus']}",
        "alertmanager": f"http://{at['alertmanager']}",
        "loki": f"http://{at['loki_http']}",
        "collector metrics": f"http://{at['otelcol_metrics']}/metrics",
    }
