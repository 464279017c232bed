"""Running the demo server: in the foreground, in a thread of this process, or in a child process."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from demo.server.config import Config
from demo.server.protocol import Connection
from demo.server.state import State

_ROOT = Path(__file__).resolve().parents[2]


async def serve(state: State, host: str, port: int, ready: Callable[[int], None], *, shared: bool = False) -> None:
    """Serve until cancelled; `ready` gets the bound port, `shared` lets several processes have it."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(state), host, port, backlog=1024, reuse_port=shared or None)
    ready(server.sockets[0].getsockname()[1])
    try:
        await server.serve_forever()
    finally:
        server.close()
        for connection in list(state.connections):
            connection.abort()
        await asyncio.sleep(0)  # the loop closes the sockets


class DemoServer:
    """The server in a daemon thread: `with DemoServer(Config(latency=0.01)) as server: server.base_url`."""

    def __init__(self, config: Config | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self.state = State(config or Config())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()

    @property
    def root(self) -> str:
        """The server's address."""
        return f"http://{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What the client takes as `base_url`."""
        return f"{self.root}/v1"

    @property
    def seen(self) -> list[dict[str, Any]]:
        """The requests so far: method, path, query, headers, body."""
        return list(self.state.seen)

    def start(self) -> Self:
        """Begin to serve.

        Raises:
            RuntimeError: the server is not up after ten seconds.
        """
        self._thread = threading.Thread(target=self._run, name="demo-server", daemon=True)
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the demo server did not start")
        return self

    def stop(self) -> None:
        """Stop serving and drop every connection."""
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread is not None:
            self._thread.join(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        await serve(self.state, self.host, self.port, self._ready)

    def _ready(self, port: int) -> None:
        self.port = port
        self._started.set()


class DemoProcess:
    """The server in a child process, its CPU time outside ours: `with DemoProcess(latency=0.01) as server: ...`."""

    def __init__(self, **options: Any) -> None:
        self.root = ""
        self._options = options

    @property
    def base_url(self) -> str:
        """What the client takes as `base_url`."""
        return f"{self.root}/v1"

    def __enter__(self) -> Self:
        options = [f"--{name.replace('_', '-')}={value}" for name, value in self._options.items()]
        command = [sys.executable, "-m", "demo.server", "--port", "0", "--print-url", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
        assert self._process.stdout is not None
        self.root = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait(5)
        if self._process.stdout is not None:
            self._process.stdout.close()
