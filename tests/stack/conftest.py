"""The real programs, started once for all tests of this directory, by the verb that users have.

On a machine without them these tests are skipped; with CI=true they fail. They want the machine for themselves: under
xdist they are skipped too, and `make proof` runs them.
"""

import importlib.util
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.server import Config, DemoServer
from spanwatch.cli.stack_processes import free_ports

HERE = Path(__file__).parent


def _rig():
    """rig.py as a module, once, by a name that tests can import."""
    spec = importlib.util.spec_from_file_location("stack_rig", HERE / "rig.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["stack_rig"] = module
    spec.loader.exec_module(module)
    return module


rig = sys.modules.get("stack_rig") or _rig()


def missing():
    """Why these tests cannot run here, or None."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return "these tests want the machine for themselves: pytest tests/stack"
    if not binaries().is_dir() or not (binaries() / "loki").exists():
        return "the programs of the stack are not here: make stack"
    return None


def binaries():
    """Where the programs are: what SPANWATCH_STACK_BIN says, or what `make stack` left for this checkout."""
    if said := os.environ.get("SPANWATCH_STACK_BIN"):
        return Path(said)
    tools = rig.tools()
    return tools.cache() / tools.key() / "bin"


@pytest.fixture(scope="session", autouse=True)
def _here():
    reason = missing()
    if reason is not None and os.environ.get("CI") == "true" and "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.fail(f"in CI the stack is proven, not skipped: {reason}")
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def binaries_here():
    return binaries()


@dataclass
class Stack:
    """The running stack: where its programs are, and each back end's API."""

    home: Path
    bin: Path
    ports: dict
    addresses: dict
    jaeger: object
    prometheus: object
    loki: object

    @property
    def endpoint(self):
        return self.addresses["otlp"]

    def verb(self, *words):
        """`spanwatch stack WORDS` on this stack."""
        return rig.command_line("stack", *words, "--home", str(self.home), bin_directory=self.bin)


@pytest.fixture(scope="session")
def rules(tmp_path_factory):
    """A directory for rule files; Prometheus reads it at its start."""
    directory = tmp_path_factory.mktemp("rules")
    (directory / "test.yaml").write_text(
        """
groups:
  - name: test
    rules:
      - alert: SpendProven
        expr: sum by (job) (spanwatch_cost_usd_total{job="alerted"}) > 0 unless on() (stop_alerts > 0)
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.job }} spent ${{ $value }}"}
      - alert: SpendProven
        expr: sum by (job) (spanwatch_cost_usd_total{job="alerted"}) > 0
        labels: {severity: warning}
        annotations: {summary: "the same, milder"}
""",
        encoding="utf-8",
    )
    return directory


@pytest.fixture(scope="session")
def hook():
    """A real webhook."""
    with rig.Webhook() as webhook:
        yield webhook


@pytest.fixture(scope="session")
def stack(tmp_path_factory, rules, hook):
    home = tmp_path_factory.mktemp("stack-home")
    bin_directory = binaries()
    up = ("up", "--keep", "--quick", "--rules", str(rules), "--webhook", hook.url)
    answer = rig.command_line("stack", *up, "--home", str(home), bin_directory=bin_directory)
    try:
        assert answer.returncode == 0, answer.stdout + answer.stderr
        state = json.loads((home / "stack" / "state.json").read_text(encoding="utf-8"))
        at = state["addresses"]
        yield Stack(
            home,
            bin_directory,
            state["ports"],
            at,
            rig.Jaeger(at["jaeger"]),
            rig.Prometheus(at["prometheus"]),
            rig.Loki(at["loki"]),
        )
    finally:
        rig.command_line("stack", "down", "--home", str(home))


@pytest.fixture(scope="session")
def server():
    config = Config(latency=0.005, prompt_tokens=1240, cached_tokens=1024, completion_tokens=86, response_suffix="")
    with DemoServer(config) as running:
        yield running


@dataclass
class Run:
    """A run of traffic.py: its service, its traces, and what its own store kept."""

    service: str
    home: Path
    traces: list
    spans: dict
    logs: list


@pytest.fixture(scope="session")
def run(stack, server, tmp_path_factory):
    """The demo's kind of traffic, once, through the gateway; content off as it is by default."""
    home = tmp_path_factory.mktemp("run")
    told = rig.run_traffic(server, "proven", home, stack.endpoint, repeats=3)
    return Run("proven", home, told["traces"], *rig.stored_spans(home))


TIGHT = "receivers: {otlp: {protocols: {http: {max_request_body_size: 100000}}}}"


@pytest.fixture(scope="session")
def faults(stack, server, tmp_path_factory):
    """Traffic whose collector is away; then in the same home some whose ledger is, and more faults (see traffic.py)."""
    home, nobody = tmp_path_factory.mktemp("faulty"), free_ports(["nobody"])["nobody"]
    rig.run_traffic(server, "left-behind", home, f"http://127.0.0.1:{nobody}", SPANWATCH_EXIT_TIMEOUT="0.5")
    layers = ("gateway.yaml", "overlay-dev.yaml", "tight.yaml")
    gateway = rig.Collector(
        tmp_path_factory.mktemp("tight"), stack.bin / "otelcol", stack.ports, layers, files={layers[-1]: TIGHT}
    )
    with gateway:
        rig.run_traffic(server, "faulty", home, gateway.endpoint, "faults")
    return home
