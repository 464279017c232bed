"""Draw a dashboard's panels with Grafana's own panel library: npm's packages in a cache, a build, and Chromium."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCES = ("package.json", "index.html", "main.jsx")
STEP_S = 5


def places() -> tuple[Path, Path]:
    """Where npm's packages lie, and where the built page does."""
    key = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()[:16]
    packages = hashlib.sha256((HERE / "package.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanwatch-grafana"
    return cache / f"render-{packages}", cache / f"page-{key}"


def built() -> Path:
    """The built page, without data: made once for each content of its sources, outside of the checkout.

    Raises:
        RuntimeError: npm is not here, or it failed.
    """
    place, page = places()
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (page / "index.html").exists():
            return page
        for name in SOURCES:
            shutil.copy(HERE / name, place)
        if not (place / "node_modules" / "vite").exists():
            _run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"], place)
        shutil.rmtree(page, ignore_errors=True)
        _run(["npx", "vite", "build", "--base=./", "--target=esnext", f"--outDir={page}", "--emptyOutDir"], place)
    return page


def asked(board: dict[str, Any], prometheus: str, variables: dict[str, str], seconds: int) -> dict[str, Any]:
    """The dashboard with what Prometheus answers now: range queries over so many seconds, instant ones at their end."""
    end = time.time()
    panels = [panel for panel in board["panels"] if not (panel["type"] == "row" and panel.get("panels"))]
    for panel in panels:
        if panel["type"] != "row":
            panel["frames"] = _frames(panel, prometheus, variables, (end - seconds, end))
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    return {"panels": panels, "height": height, "from": (end - seconds) * 1000, "to": end * 1000}


def drawn(page: Path, board: dict[str, Any], scratch: Path, picture: Path, *, whole: bool = False) -> None:
    """Write the picture; `whole` is without a panel that has no data.

    Raises:
        RuntimeError: there is no Chromium, or a panel could not be drawn, or has no data where `whole` wants all.
    """
    place = scratch / "page"
    shutil.copytree(page, place, dirs_exist_ok=True)
    (place / "data.json").write_text(json.dumps(board), encoding="utf-8")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        raise RuntimeError("dashboards are drawn in Chromium, which is not here")
    handler = functools.partial(_Quiet, directory=str(place))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=20000"]
        flags += [f"--user-data-dir={scratch / 'profile'}", f"--window-size=1308,{board['height'] * 34 + 12}"]
        answer = _run([browser, *flags, "--dump-dom", url], scratch)
        title = re.search(r"<title>([^<]*)</title>", answer)
        if title is None or title[1] != "drawn":
            raise RuntimeError(f"the page says {title and title[1]}: {answer[-500:]}")
        empty = re.findall(r'data-empty="([^"]*)"', answer)
        if whole and empty:
            raise RuntimeError(f"no data in {', '.join(empty)}")
        _run([browser, *flags, f"--screenshot={picture}", url], scratch)
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class calls it so)
        pass


def _frames(
    panel: dict[str, Any], prometheus: str, variables: dict[str, str], range_s: tuple[float, float]
) -> list[dict[str, Any]]:
    found = []
    for target in panel.get("targets", ()):
        if "expr" not in target or panel.get("datasource", {}).get("type") != "prometheus":
            continue
        expr = target["expr"]
        for name, text in variables.items():
            expr = expr.replace(name, text)
        answer = _ask(prometheus, expr, range_s, instant=bool(target.get("instant")))
        found += [_frame(each, target) for each in answer]
    return [_table(panel, found)] if panel["type"] == "table" and found else found


def _ask(prometheus: str, expr: str, range_s: tuple[float, float], *, instant: bool) -> list[dict[str, Any]]:
    start, end = range_s
    what, query = ("query", {"query": expr, "time": end}) if instant else ("query_range", {"query": expr})
    if not instant:
        query |= {"start": start, "end": end, "step": STEP_S}
    with urllib.request.urlopen(f"{prometheus}/api/v1/{what}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return result


def _frame(series: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    pairs = series.get("values") or [series["value"]]
    labels = series["metric"]
    legend = target.get("legendFormat") or " ".join(labels.values()) or "value"
    name = re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)
    times, values = [at * 1000 for at, _ in pairs], [float(value) for _, value in pairs]
    known = [None if value != value else value for value in values]  # noqa: PLR0124 (JSON has no NaN)
    fields = [{"name": "Time", "type": "time", "values": times}, {"name": name, "type": "number", "values": known}]
    return {"name": name, "refId": target["refId"], "labels": labels, "fields": fields}


def _table(panel: dict[str, Any], frames: list[dict[str, Any]]) -> dict[str, Any]:
    """What the dashboard's transformations make of the frames: joined by labels, columns named."""
    titles = panel["transformations"][1]["options"]["renameByName"]
    units = {
        each["matcher"]["options"]: prop["value"]
        for each in panel["fieldConfig"]["overrides"]
        for prop in each["properties"]
        if prop["id"] == "unit"
    }
    keys = list(dict.fromkeys(key for frame in frames for key in frame["labels"]))
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for frame in frames:
        row = rows.setdefault(tuple(frame["labels"].get(key, "") for key in keys), {})
        row[frame["refId"]] = frame["fields"][1]["values"][-1]
    fields: list[dict[str, Any]] = [
        {"name": titles.get(key, key), "type": "string", "values": [row[at] for row in rows]}
        for at, key in enumerate(keys)
    ]
    for title, name in titles.items():
        if not title.startswith("Value"):
            continue
        values = [row.get(title[-1]) for row in rows.values()]
        fields.append({"name": name, "type": "number", "unit": units.get(name), "values": values})
    return {"name": "", "refId": "A", "fields": fields}


def _run(command: list[str], place: Path) -> str:
    try:
        answer = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=900, check=False)
    except FileNotFoundError as error:
        raise RuntimeError(f"{command[0]} is not here") from error
    if answer.returncode:
        raise RuntimeError(f"{command[0]}: {answer.stdout[-1000:]}{answer.stderr[-2000:]}")
    return answer.stdout
