"""Write what is derived from the registry of metrics: Grafana's dashboards, and Prometheus' rules.

  grafana            dashboards as classic JSON (grafana/dashboards), for Grafana 11 and later
  prometheus-rules   the rules configured here, else the shipped ones with their unit tests
                     (collector-config/prometheus/rules)

The same version of spanwatch writes the same bytes. Files of that name are overwritten, others left alone.

Examples:
  spanwatch generate grafana
  spanwatch generate grafana --out /etc/grafana/provisioning/dashboards
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from spanwatch.cli.screen import write
from spanwatch.core.errors import UsageError
from spanwatch.generate.grafana.render import files
from spanwatch.generate.prometheus_rules import files as prometheus_rules
from spanwatch.otel.environment import settings_from

# What can be generated: where it is written by default, and the text of each file.
GENERATORS: Mapping[str, tuple[str, Callable[[], Mapping[str, str]]]] = {
    "grafana": ("grafana/dashboards", files),
    "prometheus-rules": (
        "collector-config/prometheus/rules",
        lambda: prometheus_rules(settings_from({}).rules or None),
    ),
}


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options of `spanwatch generate`."""
    parser.add_argument("what", choices=GENERATORS, help="what to write")
    parser.add_argument("--out", metavar="DIR", type=Path, help="directory (default: as named above)")


def run(args: argparse.Namespace) -> int:
    """Write the files."""
    place, made = GENERATORS[args.what]
    directory: Path = args.out or Path(place)
    texts = made()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{directory} cannot be written: {error.strerror}") from error
    write("\n".join(str(directory / name) for name in texts))
    return 0
