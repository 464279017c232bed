from collections.abc import Iterator
from typing import Any

import openai
import pytest

from demo.server import Config, DemoServer
from tests.store.ledger.conftest import redis_url  # noqa: F401 (a fixture)


@pytest.fixture(scope="session")
def server() -> Iterator[DemoServer]:
    with DemoServer(Config()) as running:
        yield running


@pytest.fixture
def client(server: DemoServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="sk-secret", max_retries=0) as made:
        yield made


@pytest.fixture
async def later(server: DemoServer) -> Any:
    """An asynchronous client."""
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="sk-secret", max_retries=0) as made:
        yield made


@pytest.fixture
def asked(server: DemoServer) -> Any:
    """How many requests the server saw since the test began."""
    before = server.state.requests
    return lambda: server.state.requests - before
