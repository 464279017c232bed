"""Every ledger, each on its own: memory, a file, and a real Redis server that the tests start."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from spanwatch.store.ledger import MemoryLedger, RedisLedger, SQLiteLedger
from tests.store.ledger.rig import call_id


@pytest.fixture(scope="session")
def redis_url():
    """A Redis server of this session's own, on a socket in a private directory."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (Debian: apt install redis-server)")
    with tempfile.TemporaryDirectory() as folder:  # a socket's path may not be long
        socket = Path(folder) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", folder]
        server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        try:
            while not socket.exists():
                assert server.poll() is None, "redis-server ended"
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def ledger(request, tmp_path):
    if request.param == "memory":
        made = MemoryLedger()
    elif request.param == "sqlite":
        made = SQLiteLedger(tmp_path / "home")
    else:
        made = RedisLedger(request.getfixturevalue("redis_url"), namespace=call_id(), timeout_s=20)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "redis"])
def shared(request, tmp_path):
    """How several processes open one ledger: a kind, and where it lies."""
    if request.param == "sqlite":
        return "sqlite", str(tmp_path / "home")
    return "redis", request.getfixturevalue("redis_url")
