"""Draw docs/pictures/grafana-*.png: panels of the dashboards, by Grafana's own panel library, from a real Prometheus.

The programs of the stack (`make stack`), npm and Chromium are needed. What only Grafana itself draws (alert list, heat
maps, logs, traces) is left blank in them, and said so.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

from demo.server import DemoServer
from docs.pictures.draw_views import HERE, SERVICES, USAGE

ROOT = HERE.parents[1]
DASHBOARDS = ("spanwatch-overview", "spanwatch-cost", "spanwatch-agents")
SECONDS = 150
VARIABLES = {
    "$__rate_interval": "30s", "$__range_s": str(SECONDS), "$__range": f"{SECONDS}s", "$__interval": "5s",
    "$service": ".*", "$environment": ".*", "$model": ".*", "$agent": ".*",
}  # fmt: skip


def main() -> None:
    """Run the stack and the desk; draw while it works."""
    render = loaded(ROOT / "tests" / "grafana" / "render" / "render.py")
    page = render.built()
    with tempfile.TemporaryDirectory() as scratch, DemoServer(USAGE) as server:
        home = Path(scratch) / "home"
        stack(home, "up", "--quick")
        try:
            state = json.loads((home / "stack" / "state.json").read_text(encoding="utf-8"))["addresses"]
            desks = [desk(server.base_url, state["otlp"], service, home) for service in SERVICES]
            time.sleep(SECONDS)
            for name in DASHBOARDS:
                board = json.loads((ROOT / "grafana" / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))
                asked = render.asked(board, state["prometheus"], VARIABLES, SECONDS)
                picture = HERE / f"{name.replace('spanwatch', 'grafana')}.png"
                render.drawn(page, asked, Path(scratch), picture)
            for each in desks:
                each.terminate()
                each.wait()
        finally:
            stack(home, "down")


def desk(base_url: str, endpoint: str, service: str, home: Path) -> subprocess.Popen[bytes]:
    """One process that sends what it does to the collector."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "SPANWATCH_", "OTEL_"))}
    told = {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "demo",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        "SPANWATCH_BANNER": "off",
    }
    command = [sys.executable, str(HERE / "scene.py"), service, str(home / service), str(SECONDS + 120)]
    return subprocess.Popen(command, env={**clean, **told}, stderr=subprocess.DEVNULL)


def stack(home: Path, *words: str) -> None:
    """`spanwatch stack`."""
    subprocess.run([sys.executable, "-m", "spanwatch", "stack", *words, "--home", str(home)], check=True)


def loaded(path: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
