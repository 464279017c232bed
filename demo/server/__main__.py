"""`python -m demo.server`: serve until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import fields

from demo.server.config import Config
from demo.server.running import serve
from demo.server.state import State


def main() -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m demo.server", description="An OpenAI-compatible demo server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8089, help="0 takes a free one")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port")
    parser.add_argument("--print-url", action="store_true", help="print http://host:port once ready")
    for field in fields(Config):
        parser.add_argument(f"--{field.name.replace('_', '-')}", help=f"default: {field.default!r}")
    args = parser.parse_args()
    given = {field.name: getattr(args, field.name) for field in fields(Config)}
    if args.workers > 1 and args.port == 0:
        parser.error("--workers needs a fixed --port")
    _fork(args.workers)

    def ready(port: int) -> None:
        if args.print_url:
            print(f"http://{args.host}:{port}", flush=True)

    state = State(Config().merged({name: value for name, value in given.items() if value is not None}))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(state, args.host, args.port, ready, shared=args.workers > 1))
    return 0


def _fork(workers: int) -> None:
    """Start the further processes; they end with the first one."""
    children: list[int] = []
    for _ in range(workers - 1):
        child = os.fork()
        if child == 0:
            return
        children.append(child)

    def stop(*_: object) -> None:
        for child in children:
            os.kill(child, signal.SIGTERM)
        os._exit(0)

    if children:
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)


if __name__ == "__main__":
    sys.exit(main())
