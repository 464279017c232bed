from tests.otel.budgets.conftest import client, server

__all__ = ["client", "server"]
