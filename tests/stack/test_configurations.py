"""Every shipped configuration is accepted by the program that it is for."""

import itertools
import os
import subprocess

import pytest
from stack_rig import HMAC_KEY, ROOT

CONFIG = ROOT / "collector-config"
AGENTS = ("agent.yaml", "overlay-agent-token.yaml")
OVERLAYS = sorted(path.name for path in CONFIG.glob("overlay-*.yaml") if path.name not in AGENTS)


@pytest.fixture
def ask(binaries_here):
    def asked(*words, **environ):
        return subprocess.run(
            [str(binaries_here / words[0]), *words[1:]],
            cwd=CONFIG,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return asked


@pytest.mark.parametrize(
    "layers", [("gateway.yaml",), ("agent.yaml",), AGENTS, *(("gateway.yaml", one) for one in OVERLAYS)]
)
def test_the_collector_accepts(ask, layers, tmp_path):
    (tmp_path / "redaction_hmac_key").write_text(HMAC_KEY)
    words = itertools.chain.from_iterable(("--config", layer) for layer in layers)
    answer = ask("otelcol", "validate", *words, REDACTION_HMAC_KEY=HMAC_KEY, SECRETS_DIR=str(tmp_path))
    assert answer.returncode == 0, answer.stderr


def test_without_a_key_the_gateway_does_not_start(ask):
    answer = ask("otelcol", "validate", "--config", "gateway.yaml", REDACTION_HMAC_KEY="")
    assert answer.returncode != 0
    assert "hmac_key must not be empty" in answer.stderr + answer.stdout


def test_a_short_key_is_refused_too(ask):
    answer = ask("otelcol", "validate", "--config", "gateway.yaml", REDACTION_HMAC_KEY="short")
    assert answer.returncode != 0


def test_promtool_accepts_the_configuration_and_every_rule(ask):
    for words in (("check", "config", "prometheus.yml"), ("check", "rules", "rules/pipeline.yaml", "rules/cost.yaml")):
        answer = ask("promtool", *words)
        assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_rules_fire_when_they_should_and_not_otherwise(ask):
    answer = ask("promtool", "test", "rules", str(ROOT / "tests" / "stack" / "rules_test.yaml"))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_amtool_accepts_alertmanager_s_and_routes_by_severity(ask):
    answer = ask("amtool", "check-config", "alertmanager.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    for severity, receivers in (("critical", "pager,chat"), ("warning", "chat"), ("info", "nobody")):
        answer = ask("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", f"severity={severity}")
        assert answer.stdout.strip() == receivers


def test_the_collector_has_the_components_of_the_manifest_and_no_more(ask):
    answer = ask("otelcol", "components")
    assert answer.returncode == 0
    for name in ("tail_sampling", "span_metrics", "redaction", "bearertokenauth", "file_storage", "kafka"):
        assert f"name: {name}" in answer.stdout
    assert "name: prometheus_remote_write" not in answer.stdout
