"""Zero code by `opentelemetry-instrument`: our distribution and configurator for OpenTelemetry's own start-up.

Where another distribution is installed too, its configurator sets the providers as ever, and we join them.
"""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]
from opentelemetry.sdk._configuration import _BaseConfigurator

from spanwatch.otel.coverage import ENGINES
from spanwatch.otel.distro import arm_client, attempt
from spanwatch.otel.environment import run_id, settings_from
from spanwatch.otel.setup import INSTANCE

OURS = "spanwatch"
INSTRUMENTOR = "spanwatch-openai"
_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_ANY = "*"
_NAMES = frozenset({INSTRUMENTOR, "openai"})


class Distro(BaseDistro):  # type: ignore[misc]  # its package is not typed
    """Loads every instrumentation that is installed, but of those of the OpenAI client only the engine of the settings.

    Two packages have the same entry-point name `openai`: both would be loaded, and every call would have two spans.
    """

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Load one of them, unless it sees the OpenAI client: the configurator starts the one that is chosen.

        Where that of another distribution was there first, our own instrumentation starts what is chosen.
        """
        if not sees_openai(entry_point) or (entry_point.name == INSTRUMENTOR and not Configurator.ran):
            super().load_instrumentor(entry_point, **kwargs)

    def _configure(self, **_: Any) -> None:
        """Nothing: the configurator does it all."""


class Configurator(_BaseConfigurator):
    """Begins as `spanwatch run` does: our providers, or another distribution's, joined."""

    ran = False

    def _configure(self, **kwargs: Any) -> None:
        Configurator.ran = True
        attempt(lambda: _configure(kwargs))


def sees_openai(entry_point: EntryPoint) -> bool:
    """Whether an instrumentation sees the OpenAI client; those that are no engine of ours have the same name too."""
    module = entry_point.value.partition(":")[0]
    return entry_point.name in _NAMES or any(module == engine.scope for engine in ENGINES.values())


def _configure(kwargs: dict[str, Any]) -> None:
    other = _other_configurator()
    if other is not None:
        other.load()().configure(**kwargs)
    settings = settings_from({"openai": "none"} if _switched_off() else {})
    INSTANCE.start(settings, run_id(), engine=False)
    arm_client()


def _other_configurator() -> EntryPoint | None:
    """That of another distribution, unless ours is asked for by name."""
    if os.environ.get("OTEL_PYTHON_CONFIGURATOR") == OURS:
        return None
    return next((found for found in entry_points(group="opentelemetry_configurator") if found.name != OURS), None)


def _switched_off() -> bool:
    """Whether the instrumentation of the OpenAI client is disabled by the name of the chosen engine's entry point."""
    disabled = {name.strip() for name in os.environ.get(_DISABLED, "").split(",")}
    chosen = settings_from({}).openai
    return bool(disabled & {_ANY, "openai" if chosen in ENGINES else INSTRUMENTOR})
