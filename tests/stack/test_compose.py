"""docker compose itself reads the shipped files; it needs no engine for that and refuses fields it does not know."""

import json
import subprocess

import pytest
from stack_rig import ROOT


@pytest.fixture(scope="module")
def compose(binaries_here):
    return lambda *words: subprocess.run(
        [str(binaries_here / "docker-compose"), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("file", ["compose.yaml", "compose.dev.yaml"])
def test_compose_reads_the_file_and_knows_every_field(compose, file):
    answer = compose("--file", file, "config", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    for name, service in found["services"].items():
        assert [port["host_ip"] for port in service.get("ports", [])] == ["127.0.0.1"] * len(service.get("ports", []))
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert answer.stderr == ""


def test_a_field_that_compose_does_not_know_is_refused(compose, tmp_path):
    text = (ROOT / "compose.dev.yaml").read_text()
    (tmp_path / "wrong.yaml").write_text(text.replace("mem_limit: 2g", "mem_limt: 2g"))
    answer = compose("--file", str(tmp_path / "wrong.yaml"), "config")
    assert answer.returncode != 0
    assert "mem_limt" in answer.stderr
