"""What model calls take on Jaeger's disk: the stack as `spanwatch stack up --keep` runs it, filled and stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.pipeline.load import offer
from benchmarks.pipeline.recording import Body


def stored(load: list[Body], calls_per_s: float, seconds: float) -> float:
    """Kilobytes on disk for each call, every trace kept, content dropped by the gateway."""
    with tempfile.TemporaryDirectory(prefix="spanwatch-pipeline-") as home:
        verb("up", "jaeger", "otelcol", "--keep", home=home)
        try:
            addresses = json.loads(verb("status", "--json", home=home))["addresses"]
            sent = offer(int(addresses["otlp"].rpartition(":")[2]), load, calls_per_s, seconds)
            verb("down", "otelcol", home=home)  # sends what it has first
        finally:
            verb("down", home=home)
        size = sum(
            path.stat().st_blocks * 512 for path in (Path(home) / "stack" / "jaeger").rglob("*") if path.is_file()
        )
    return size / 1000 / sent.calls


def verb(*words: str, home: str) -> str:
    """`spanwatch stack WORDS`; what it said."""
    command = [sys.executable, "-m", "spanwatch", "stack", *words, "--home", home]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=240).stdout
