"""The version of spanwatch, as its spans, metrics and resource carry it."""

from __future__ import annotations

import importlib.metadata

VERSION = importlib.metadata.version("spanwatch")
