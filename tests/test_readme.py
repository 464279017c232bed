"""The README is run, not trusted: its code, its commands, its tables and its links."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.bench_calls import quoted
from demo.server import DemoServer
from spanwatch.cli.main import VERBS
from spanwatch.core import settings
from spanwatch.core.call import CostStatus

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md"), *(ROOT / "benchmarks").glob("*.md")]
)


def blocks(language):
    return [text for kind, text in BLOCKS if kind == language]


def lines(language):
    return [line for text in blocks(language) for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A user's directory: no checkout in sight, a server behind OPENAI_BASE_URL, and app.py from the README."""
    home = tmp_path_factory.mktemp("user")
    (home / "app.py").write_text(next(text for text in blocks("python") if "configure" in text), encoding="utf-8")
    with DemoServer() as server:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
        environment = {**clean, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "demo"}
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", "")])
        yield lambda *command: subprocess.run(
            command, cwd=home, env=environment, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.mark.parametrize("code", blocks("python"))
def test_every_python_block_runs_as_it_stands(place, code):
    answer = place(sys.executable, "-c", code)
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_price_in_the_readme_is_exact(place):
    code = next(text for text in blocks("python") if "cost.status" in text)
    # 216 new input tokens at 0.15, 1024 cached at 0.075 and 86 output tokens at 0.60 dollars per million.
    assert place(sys.executable, "-c", code).stdout.split() == ["0.0001608", "priced"]


def test_every_command_runs_in_the_order_given(place):
    ran = []
    for line in lines("console"):
        words = shlex.split(line.removeprefix("$ "))
        if words[0] == "pip":
            continue
        if "TRACE_ID" in words:
            traces = place("spanwatch", "traces", "--json").stdout
            words[words.index("TRACE_ID")] = (
                json.loads(traces.splitlines()[0])["trace_id"]
                if traces[:1] == "{"
                else (json.loads(traces)[0]["trace_id"])
            )
        answer = place(*words)
        assert answer.returncode == 0, (line, answer.stderr)
        assert answer.stdout, line
        ran.append(words[1])
    assert set(ran) <= set(VERBS)
    assert {"run", "report", "traces", "trace", "calls", "price", "store"} <= set(ran)


def test_what_pip_is_told_to_install_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (line,) = [line for line in lines("console") if "pip install" in line]
    name, extra = re.fullmatch(r'\$ pip install "(\w+)\[(\w+)\]"', line).groups()
    assert name == project["name"]
    assert extra in project["optional-dependencies"]


def test_every_make_target_named_in_a_document_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for line in lines("sh") for target in re.findall(r"^make (\w+)$", line)}
    assert {"demo", "test"} <= named
    assert named <= targets


def test_every_shell_line_is_a_make_target_or_a_standard_variable():
    for line in lines("sh"):
        assert re.fullmatch(r"make \w+|export OTEL_EXPORTER_OTLP_\w+=\S+", line), line


def test_no_block_is_of_a_kind_that_nothing_checks():
    assert {kind for kind, _ in BLOCKS} <= {"python", "console", "sh", "toml"}


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_toml_block_is_a_configuration(text):
    settings.resolve({}, {}, text)


def as_written(default):
    if default is None:
        return ""
    if isinstance(default, bool):
        return "`on`" if default else "`off`"
    if isinstance(default, tuple):
        return ", ".join(f"`{item}`" for item in default)
    return f"`{default}`" if isinstance(default, int | str) else f"`{default:g}`"


def test_the_settings_table_is_what_the_code_takes():
    defaults = {field.name: field.default for field in fields(settings.Settings)}
    expected = []
    for name, setting in settings._SETTINGS.items():
        variables = [*setting.variables, *([setting.standard] if setting.standard else [])]
        expected.append((f"`{name}`", ", ".join(f"`{v}`" for v in variables), as_written(defaults[name])))
    table = README.split("| Setting | Environment | Default |")[1].split("\n\n")[0]
    rows = [tuple(cell.strip() for cell in row.split("|")[1:4]) for row in table.splitlines()[2:]]
    assert rows == expected


def test_the_status_table_has_every_status():
    table = README.split("| `cost_status` |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [status.value for status in CostStatus]


def test_the_readme_quotes_the_last_benchmark_word_for_word():
    results = (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8")
    assert quoted(README, results) == README


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(path):
    links = re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (path.parent / link).exists()] == []
