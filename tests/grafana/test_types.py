"""Every dashboard is a literal of Grafana's own types: checked by tsc --strict, the options of each panel included.

npm's packages lie in a cache outside of the checkout, installed once for each content of package.json. Without npm, or
without a network and a cache, this is skipped; with CI=true it fails.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DASHBOARDS = sorted((HERE.parent.parent / "grafana" / "dashboards").glob("*.json"))
# Names of panel types in the package; an alert list has no types there.
TYPED = {
    "timeseries": "TimeSeries", "stat": "Stat", "bargauge": "BarGauge", "table": "Table", "heatmap": "Heatmap",
    "logs": "Logs",
}  # fmt: skip
OF_COMMON = {"timeseries": "GraphFieldConfig", "table": "TableFieldOptions"}  # field configs that live in the root

HEAD = """\
import * as schema from '@grafana/schema';
%s
// Enumerations as JSON has them: text. Numbers, records and lists as they are, deeply.
type Plain<T> = T extends string ? `${T}` : T extends readonly (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
// A mark's query is the data source's own, as a panel's is; what it is called is written as Prometheus' has it.
type Query = schema.DataQuery & Record<string, unknown>;
type Mark = schema.AnnotationQuery<Query> & { titleFormat?: string; textFormat?: string };
type Marks = { list?: Mark[] };
type Board = Plain<Omit<schema.Dashboard, 'annotations'> & { annotations?: Marks }>;
"""


def cache():
    key = hashlib.sha256((HERE / "package.json").read_bytes()).hexdigest()[:16]
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanwatch-grafana" / key


@pytest.fixture(scope="session")
def packages():
    place = cache()
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers of xdist may come at once
        return installed(place)


def installed(place):
    if (place / "ready").exists():
        return place
    reason = None
    if shutil.which("npm") is None:
        reason = "npm is not here (Debian: apt install nodejs npm)"
    else:
        shutil.copy(HERE / "package.json", place)
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        answer = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=600, check=False)
        if answer.returncode:
            reason = f"npm cannot install {place.name}: {answer.stderr[-500:]}"
    if reason is not None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    (place / "ready").touch()
    return place


def panels(board):
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def written(board):
    """A dashboard as TypeScript: itself, and for each panel its options and what it says of fields."""
    kinds = sorted({panel["type"] for panel in panels(board)} & set(TYPED))
    imports = [
        f"import type * as {TYPED[kind]} from "
        f"'@grafana/schema/dist/esm/raw/composable/{kind}/panelcfg/x/{TYPED[kind]}PanelCfg_types.gen';"
        for kind in kinds
    ]
    lines = [HEAD % "\n".join(imports), f"export const board: Board = {json.dumps(board)};"]
    for number, panel in enumerate(panels(board)):
        kind = panel["type"]
        if kind not in TYPED:
            continue
        options = json.dumps(panel.get("options", {}))
        lines.append(f"export const options{number}: Plain<Partial<{TYPED[kind]}.Options>> = {options};")
        custom = json.dumps(panel.get("fieldConfig", {}).get("defaults", {}).get("custom", {}))
        if kind in OF_COMMON:
            lines.append(f"export const custom{number}: Plain<Partial<schema.{OF_COMMON[kind]}>> = {custom};")
        else:
            assert custom in {"{}", "null"}, f"{kind} is not expected to say more of fields"
    return "\n".join(lines)


def compiled(packages, folder, texts):
    """What the compiler says of these files."""
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "node_modules").symlink_to(packages / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    modules = ["--module", "nodenext", "--moduleResolution", "nodenext", "--target", "es2022"]
    flags = ["--noEmit", "--strict", "--skipLibCheck", *modules]
    command = ["node", str(packages / "node_modules" / "typescript" / "bin" / "tsc"), *flags, *texts]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.slow
def test_every_dashboard_is_of_grafana_s_own_types(packages, tmp_path):
    texts = {f"{path.stem}.ts": written(json.loads(path.read_text(encoding="utf-8"))) for path in DASHBOARDS}
    answer = compiled(packages, tmp_path, texts)
    assert answer.stdout == ""
    assert answer.returncode == 0


def _figure(board):
    return next(panel for panel in panels(board) if panel["type"] == "stat")


def _curve(board):
    return next(panel for panel in panels(board) if panel["type"] == "timeseries")


WRONG = {
    "choice": lambda board: _figure(board)["options"].update(graphMode="curve"),
    "option": lambda board: _figure(board)["options"].update(no_such_option=1),
    "number": lambda board: _curve(board)["fieldConfig"]["defaults"]["custom"].update(lineWidth="1"),
    "place": lambda board: _curve(board)["gridPos"].update(h="8"),
    "field": lambda board: _curve(board).update(no_such_field=1),
    "variable": lambda board: board["templating"]["list"][0].update(refresh="often"),
}


@pytest.mark.slow
def test_the_compiler_notices_what_is_wrong(packages, tmp_path):
    texts = {}
    for name, spoil in WRONG.items():
        board = json.loads((DASHBOARDS[0].parent / "spanwatch-overview.json").read_text(encoding="utf-8"))
        spoil(board)
        texts[f"{name}.ts"] = written(board)
    found = compiled(packages, tmp_path, texts).stdout
    assert {name for name in texts if f"{name}(" in found} == set(texts)
