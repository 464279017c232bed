"""What a process is told from outside: its settings, and the run it belongs to. Loads no opentelemetry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.names import CONFIG_FILE
from spanwatch.core.settings import Settings, resolve

CONFIG_VARIABLE = "SPANWATCH_CONFIG"
RUN_VARIABLE = "SPANWATCH_RUN"


def settings_from(arguments: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process: arguments, environment, and the file that is named there or lies here.

    Raises:
        ConfigurationError: a setting is wrong, or the file cannot be read.
    """
    named = environ.get(CONFIG_VARIABLE, "").strip()
    path = Path(named or CONFIG_FILE)
    try:
        toml = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if named:
            raise ConfigurationError(f"environment variable {CONFIG_VARIABLE} names {named}: no such file") from None
        toml = ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    return resolve(arguments, environ, toml, source=str(path))


def run_id(environ: Mapping[str, str] = os.environ) -> str | None:
    """The id that `spanwatch run` gave to this process, or None."""
    return environ.get(RUN_VARIABLE) or None
