"""grafana-foundation-sdk, which is no dependency: whoever only uses the shipped dashboards never needs it."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from spanwatch.core.errors import UsageError

INSTALL = "pip install 'spanwatch[grafana]'"


def sdk(module: str) -> Any:
    """A module of the SDK.

    Raises:
        UsageError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of classic dashboards, which every Grafana reads
            return importlib.import_module(f"grafana_foundation_sdk.{module}")
    except ImportError:
        raise UsageError(f"dashboards are written with grafana-foundation-sdk: {INSTALL}") from None


def source(kind: str, variable: str) -> Any:
    """A reference to the data source that a variable of the dashboard names."""
    return sdk("models.common").DataSourceRef(type_val=kind, uid=f"${{{variable}}}")
