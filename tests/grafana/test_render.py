"""Every panel that Grafana's own library can draw is drawn by it, in a real Chromium.

npm's packages for this take 500 MB: `make pictures` installs and builds them once, and without that this is skipped.
With CI=true they are installed here, once for each content of package.json.
"""

import importlib.util
import json
import os
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DASHBOARDS = sorted((HERE.parent.parent / "grafana" / "dashboards").glob("*.json"))
MOMENTS = 12


def loaded():
    spec = importlib.util.spec_from_file_location("render", HERE / "render" / "render.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


render = loaded()


@pytest.fixture(scope="module")
def page():
    if os.environ.get("CI") == "true":
        return render.built()
    _, built = render.places()
    if not (built / "index.html").exists():
        pytest.skip("the page that draws dashboards is not built here: make pictures")
    return built


def answered(monkeypatch, board):
    """The dashboard as if Prometheus had two series for each query."""
    end = time.time()

    def ask(_prometheus, _expr, _range_s, *, instant):
        labels = [{"gen_ai_request_model": f"model-{n}", "gen_ai_agent_name": f"agent-{n}"} for n in (1, 2)]
        values = [[end - 5 * (MOMENTS - at), str(at / MOMENTS)] for at in range(MOMENTS)]
        return [{"metric": each, **({"value": values[-1]} if instant else {"values": values})} for each in labels]

    monkeypatch.setattr(render, "_ask", ask)
    return render.asked(board, "", {}, 60)


@pytest.mark.slow
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_is_drawn_by_grafana_s_own_library(page, path, tmp_path, monkeypatch):
    board = answered(monkeypatch, json.loads(path.read_text(encoding="utf-8")))
    render.drawn(page, board, tmp_path, tmp_path / "picture.png", whole=True)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_panel_that_cannot_be_drawn_is_noticed(page, tmp_path, monkeypatch):
    board = answered(monkeypatch, json.loads((DASHBOARDS[0]).read_text(encoding="utf-8")))
    next(panel for panel in board["panels"] if panel["type"] == "timeseries")["fieldConfig"]["defaults"] = None
    with pytest.raises(RuntimeError, match="failed"):
        render.drawn(page, board, tmp_path, tmp_path / "picture.png")


@pytest.mark.slow
def test_a_panel_without_data_is_noticed(page, tmp_path, monkeypatch):
    board = answered(monkeypatch, json.loads((DASHBOARDS[0]).read_text(encoding="utf-8")))
    emptied = [next(panel for panel in board["panels"] if panel["type"] == kind) for kind in ("timeseries", "table")]
    for panel in emptied:
        panel["frames"] = []
    with pytest.raises(RuntimeError, match=f"no data in .*{emptied[0]['title']}"):
        render.drawn(page, board, tmp_path, tmp_path / "picture.png", whole=True)
