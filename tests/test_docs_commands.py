"""The commands in the pages' shell blocks are run, page by page, in a user's own directory; what cannot be is read."""

import argparse
import importlib
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from demo.server import Config, DemoServer
from spanwatch.cli.main import VERBS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("deploy/**/*.md")]
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELLS = {"console", "sh", "bash"}
APP = """
import openai
import spanwatch

spanwatch.configure()
with spanwatch.request(user_id="alice"), spanwatch.agent("orders"):
    openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
"""
RULES = "groups: [{name: one, rules: [{alert: Down, expr: up == 0}]}]"
RULES_TEST = """
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series: [{series: 'up{job="a"}', values: '0x3'}]
    alert_rule_test: [{eval_time: 1m, alertname: Down, exp_alerts: [{exp_labels: {job: a}}]}]
"""
# What is read only, and where it is run.
ELSEWHERE = {
    "pip install": "packages; the extras' names are compared here, the wheel is installed by .ci/run",
    "make ": "targets; .ci/run runs the README's",
    "kubectl ": "a cluster; tests/deploy compares the manifests",
    "spanwatch stack": "the real programs: tests/stack",
    "spanwatch doctor --": "the real programs: tests/stack/test_doctor.py",
    "gunicorn ": "tests/servers",
    "celery ": "tests/servers",
    "git ": "a release",
}


def commands(page):
    """The commands of a page's shell blocks; in a block with prompts, other lines are what is printed."""
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind in SHELLS:
            lines = text.replace("\\\n", " ").splitlines()
            prompted = any(line.startswith("$ ") for line in lines)
            for line in lines:
                if line.strip() and not line.startswith("#") and (line.startswith("$ ") or not prompted):
                    yield line.removeprefix("$ ")


WITH_COMMANDS = [page for page in PAGES if page.name != "README.md" or page.parent != ROOT if list(commands(page))]


def options(parser):
    """Every option of a verb, those of its own verbs too."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices
            for below in action.choices.values():
                yield from options(below)


def known(verb):
    parser = argparse.ArgumentParser(prog=f"spanwatch {verb}")
    importlib.import_module(f"spanwatch.cli.{verb}").prepare(parser)
    return set(options(parser))


def of_spanwatch(text):
    """The words behind each `spanwatch` in a command line, up to the program that it runs."""
    for found in (
        () if "pip install" in text else re.findall(r"(?<![\w./-])spanwatch ([a-z]+)(?= |$)([^|&;)`\n]*)", text)
    ):
        if found[0] != "import":
            yield found[0], found[1].split(" -- ")[0]


def wrong_options(verb, rest):
    return [word for word in re.findall(r"(?<!\S)--[a-z][\w-]*", rest) if word not in known(verb)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_verb_option_module_file_and_extra_that_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    shown = [*commands(page), *re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in shown:
        for verb, rest in of_spanwatch(line):
            assert verb in VERBS, line
            assert wrong_options(verb, rest) == [], line
        for module in re.findall(r"python -m ((?:spanwatch|demo|benchmarks|tests)[\w.]*)", line):
            assert importlib.util.find_spec(module), line
        for path in re.findall(r"(?:python|apply -k|cat) ((?:examples|deploy|tools|docs|benchmarks)/[\w./]+)", line):
            assert (ROOT / path).exists(), line
        for extra in re.findall(r"\bspanwatch\[([\w,]+)\]", line):
            assert set(extra.split(",")) <= set(project["optional-dependencies"]), line
        assert set(re.findall(r"(?:^|[\s;])make ([a-z]+)(?=$| [A-Z]+=)", line)) <= targets, line


NEEDED = {"spanwatch top": "top", "--html ": "html", "spanwatch rules check": "rules"}


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_the_extras_that_its_commands_need(page):
    told = "\n".join(commands(page))
    wanted = {extra for start, extra in NEEDED.items() if start in told and f"{start} --once" not in told}
    named = re.findall(r"spanwatch\[([\w,]+)\]|extra: (\w+)", page.read_text(encoding="utf-8"))
    assert wanted <= {word for pair in named for part in pair for word in part.split(",")}


def test_a_wrong_option_and_a_wrong_verb_are_noticed():
    assert wrong_options("report", "--since 1h --sinze 1h -o") == ["--sinze"]
    assert list(of_spanwatch("A=1 spanwatch reports --x | head && spanwatch run --y -- spanwatch")) == [
        ("reports", " --x "),
        ("run", " --y"),
    ]


class Taking(BaseHTTPRequestHandler):
    """A collector that takes everything."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def collector():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def demo():
    with DemoServer(Config(tool_args='{"query": "heat pumps", "to": "shipping"}')) as server:
        yield server.base_url


@pytest.fixture
def bash(tmp_path, demo):
    """Runs lines in one shell, in a directory with what the pages say is there."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", "")])
    environment = {**clean, "OPENAI_BASE_URL": demo, "OPENAI_API_KEY": "demo", "PATH": path}
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    (tmp_path / "rules_test.yaml").write_text(RULES_TEST, encoding="utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")

    def run(*lines):
        script = "\n".join(["set -eo pipefail", *(part for line in lines for part in (f": {shlex.quote(line)}", line))])
        return subprocess.run(
            ["bash", "-xc", script],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip

    assert run("python app.py").returncode == 0
    return run


def runnable(page, bash, demo, collector):
    """A page's commands as they can be run here: against servers of ours, and not on a screen."""
    trace_id = json.loads(bash("spanwatch traces --json 2>/dev/null").stdout.splitlines()[0])["trace_id"]
    for line in commands(page):
        if any(line.startswith(start) or f"-- {start}" in line for start in ELSEWHERE):
            continue
        if "stack status" in line or "cat .secrets" in line or "demo.server" in line:
            continue
        line = re.sub(r"\bTRACE_ID\b", trace_id, line).replace("https://otlp.example.com:443", collector)  # noqa: PLW2901
        line = re.sub(r"http://(127\.0\.0\.1|localhost):4318", collector, line)  # noqa: PLW2901
        line = re.sub(r"http://127\.0\.0\.1:8123/v1", demo, line)  # noqa: PLW2901
        yield line.replace("spanwatch top", "spanwatch top --once").replace("PATH=$PWD/.venv/bin:$PATH", "")


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_run_in_their_order(page, bash, demo, collector, tmp_path):
    for text in re.findall(
        r"^```toml\n(# ([\w-]+\.toml)\n.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        (tmp_path / text[1]).write_text(text[0], encoding="utf-8")
    lines = list(runnable(page, bash, demo, collector))
    answer = bash(*lines)
    assert answer.returncode == 0, answer.stderr[-3000:] + answer.stdout[-1000:]
    assert "Traceback" not in answer.stderr


def test_something_of_most_pages_with_commands_is_run():
    total = [line for page in WITH_COMMANDS for line in commands(page)]
    read = [line for line in total if any(line.startswith(s) or f"-- {s}" in line for s in ELSEWHERE)]
    assert len(total) >= 50
    assert len(read) < len(total) / 2, read
