"""The pages under docs/ are run, not trusted: every Python block works as it stands, in a user's own directory."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from demo.server import DemoServer
from spanwatch.core import settings
from spanwatch.core.prices.overlay_file import overlay_from

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCKS = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.rglob("*.md"))
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL), 1
    )
]


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Runs code with a demo server behind the OpenAI client and no setting of ours in the environment."""
    home = tmp_path_factory.mktemp("user")
    with DemoServer() as server:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
        environment = {**clean, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "demo"}
        yield lambda code: subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.mark.parametrize("code", BLOCKS)
def test_every_python_block_runs_as_it_stands(python, code):
    answer = python(code)
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr
    assert "spanwatch:" not in answer.stderr


def fenced(language):
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in sorted(DOCS.rglob("*.md"))
        for number, text in enumerate(
            re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL), 1
        )
    ]


@pytest.mark.parametrize("text", fenced("toml"))
def test_every_toml_block_is_a_configuration_or_a_file_of_prices(text):
    if text.startswith("# my-prices.toml"):
        overlay_from(text, source="my-prices.toml")
    else:
        settings.resolve({}, {}, text)


@pytest.mark.parametrize("text", fenced("yaml"))
def test_every_yaml_block_is_yaml(text):
    assert isinstance(yaml.safe_load(text), dict | list)


def test_the_agent_page_has_its_blocks():
    assert sum(block.id.startswith("instrument-an-agent") for block in BLOCKS) == 6


def test_the_classic_classes_are_there_one_by_one():
    text = (DOCS / "classic-classes.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    classes = [name for heading in headings for name in re.findall(r"[A-Z]\w+[A-Z]\w+|Tracer", heading)]
    assert classes == [
        *("AgentLogger", "Tracer", "MetricsCollector", "CostMonitor", "FeedbackCollector", "FeedbackAnalyzer"),
        *("AlertManager", "MetricsDashboard", "AgentMonitor"),
    ]
    assert sum(block.id.startswith("classic-classes") for block in BLOCKS) == 10


def test_every_page_has_its_place_in_the_navigation():
    text = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"^ +- (?:[\w ]+: )?([\w/-]+\.md)$", text, re.MULTILINE)
    assert sorted(named) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
