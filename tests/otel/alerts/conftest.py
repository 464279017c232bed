import pytest

from tests.otel.alerts.rig import Process
from tests.otel.budgets.conftest import client, server

__all__ = ["client", "server"]


@pytest.fixture(autouse=True)
def over():
    yield
    Process.over()
