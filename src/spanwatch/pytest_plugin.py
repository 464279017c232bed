"""The pytest fixture `spanwatch_capture`; pytest loads this module at its start, so it imports nothing heavy."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def spanwatch_capture() -> Iterator[Any]:
    """Everything that the code under test does with a model, as a `spanwatch.testing.Captured`."""
    with importlib.import_module("spanwatch.testing").capture() as captured:
        yield captured
