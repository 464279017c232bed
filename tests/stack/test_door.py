"""The gateway behind TLS and a bearer token (overlay-tls-auth.yaml): who may in, and what the doctor says to others."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from stack_rig import Collector

TOKEN = "a-token-of-this-test"
LAYERS = ("gateway.yaml", "overlay-dev.yaml", "overlay-tls-auth.yaml")
GIVEN = f"authorization=Bearer%20{TOKEN}"


def openssl(place, *words):
    subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    """The files that the overlay wants: a token, and a certificate for 127.0.0.1 by an authority of ours."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here to make certificates")
    place = tmp_path_factory.mktemp("secrets")
    (place / "otlp_token").write_text(TOKEN, encoding="utf-8")
    (place / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n", encoding="utf-8")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(place, "req", "-x509", *key, "-days", "2", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.crt")
    openssl(place, "req", *key, "-subj", "/CN=127.0.0.1", "-keyout", "tls.key", "-out", "tls.csr")
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl(place, "x509", "-req", "-in", "tls.csr", *signed, "-out", "tls.crt")
    return place


@pytest.fixture(scope="module")
def door(stack, secrets, tmp_path_factory):
    """A gateway that answers nobody without the token; its health has neither."""
    more = {"SECRETS_DIR": str(secrets)}
    with Collector(tmp_path_factory.mktemp("door"), stack.bin / "otelcol", stack.ports, LAYERS, more) as collector:
        yield collector


def doctor(stack, endpoint, *words, **environ):
    """`spanwatch doctor` with these variables: its checks by name."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANWATCH_"))}
    addresses = ("--jaeger", stack.jaeger.root, "--prometheus", stack.prometheus.root, "--loki", stack.loki.root)
    command = [sys.executable, "-m", "spanwatch", "doctor", "--endpoint", endpoint, *addresses, *words, "--json"]
    answer = subprocess.run(command, env={**clean, **environ}, capture_output=True, text=True, timeout=240, check=False)
    assert "Traceback" not in answer.stderr  # gRPC's core may say there what it thinks of a certificate
    assert TOKEN not in answer.stdout + answer.stderr
    return {check["check"]: check for check in json.loads(answer.stdout)["checks"]}


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_with_the_authority_and_the_token_everything_arrives(stack, secrets, door, protocol):
    port = door.ports["otlp_http" if protocol != "grpc" else "otlp_grpc"]
    said = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(secrets / "ca.crt"), "OTEL_EXPORTER_OTLP_HEADERS": GIVEN}
    found = doctor(stack, f"https://127.0.0.1:{port}", "--protocol", protocol, **said)
    assert found["auth"]["text"] == "traces, metrics, logs are taken with the header authorization"
    for check in ("endpoint", "protocol", "auth", "trace", "metric", "log"):
        assert found[check]["level"] == "ok", found[check]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("given", [None, "authorization=Bearer%20wrong"])
def test_without_the_token_nobody_is_let_in_and_the_doctor_says_so(stack, secrets, door, protocol, given):
    port = door.ports["otlp_http" if protocol != "grpc" else "otlp_grpc"]
    said = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(secrets / "ca.crt")}
    if given is not None:
        said["OTEL_EXPORTER_OTLP_HEADERS"] = given
    found = doctor(stack, f"https://127.0.0.1:{port}", "--protocol", protocol, "--no-send", **said)
    assert found["endpoint"]["level"] == "ok"
    assert found["auth"]["level"] == "fail", found["auth"]
    assert "OTEL_EXPORTER_OTLP_HEADERS" in found["auth"]["fix"]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_without_the_authority_the_certificate_is_not_trusted(stack, door, protocol):
    port = door.ports["otlp_http" if protocol != "grpc" else "otlp_grpc"]
    found = doctor(stack, f"https://127.0.0.1:{port}", "--protocol", protocol, "--no-send")
    assert found["endpoint"]["level"] == "fail"
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in found["endpoint"]["fix"], found["endpoint"]


def test_plain_http_to_it_is_told_to_be_https(stack, door):
    found = doctor(stack, f"http://127.0.0.1:{door.ports['otlp_http']}", "--no-send")
    assert found["protocol"]["level"] == "fail"
    assert "https://" in found["protocol"]["fix"]


@pytest.fixture(scope="module")
def node(stack, tmp_path_factory):
    """The two collectors of deploy/kubernetes: an agent that shows the gateway its token."""
    secrets = tmp_path_factory.mktemp("kubernetes-secrets")
    (secrets / "otlp_token").write_text(TOKEN, encoding="utf-8")
    (secrets / "redaction_hmac_key").write_text("k" * 32, encoding="utf-8")
    shared, binary = {"SECRETS_DIR": str(secrets)}, stack.bin / "otelcol"
    layers = ("gateway.yaml", "overlay-dev.yaml", "overlay-compose.yaml")
    gateway = Collector(tmp_path_factory.mktemp("gateway"), binary, stack.ports, layers, shared)
    more = {**shared, "GATEWAY_OTLP": gateway.endpoint}
    layers = ("agent.yaml", "overlay-agent-token.yaml")
    agent = Collector(tmp_path_factory.mktemp("agent"), binary, stack.ports, layers, more)
    with gateway, agent:
        yield agent, gateway


def test_an_agent_of_a_node_has_the_token_so_that_applications_need_none(stack, node):
    agent, gateway = node
    found = doctor(stack, agent.endpoint)
    for check in ("endpoint", "protocol", "auth", "trace", "metric", "log"):
        assert found[check]["level"] == "ok", found[check]
    assert doctor(stack, gateway.endpoint, "--no-send")["auth"]["level"] == "fail"
