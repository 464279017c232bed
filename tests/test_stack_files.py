"""The stack's files as text: pinned, on loopback, hardened, without secrets, and true to each other."""

import importlib.util
import json
import re
import shutil
import stat
import sys
from pathlib import Path

import pytest
import yaml

from spanwatch.core import names
from spanwatch.core.prometheus import metric_name

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "collector-config"
COMPOSE = {name: yaml.safe_load((ROOT / name).read_text()) for name in ("compose.yaml", "compose.dev.yaml")}
SERVICES = [(file, name, service) for file, text in COMPOSE.items() for name, service in text["services"].items()]
COLLECTOR = sorted([*CONFIG.glob("gateway.yaml"), *CONFIG.glob("agent.yaml"), *CONFIG.glob("overlay-*.yaml")])
SHIPPED = sorted(
    [*CONFIG.rglob("*.y*ml"), *(ROOT / "grafana").rglob("*.yaml"), ROOT / "compose.yaml", ROOT / "compose.dev.yaml"]
)
KINDS = {"receivers": "receiver", "processors": "processor", "connectors": "connector", "exporters": "exporter"}
# A component's type in the configuration → the last part of its module's path.
MODULES = {
    "otlp": "otlpreceiver",
    "kafka receivers": "kafkareceiver",
    "memory_limiter": "memorylimiterprocessor",
    "redaction": "redactionprocessor",
    "resource": "resourceprocessor",
    "tail_sampling": "tailsamplingprocessor",
    "transform": "transformprocessor",
    "forward": "forwardconnector",
    "span_metrics": "spanmetricsconnector",
    "debug": "debugexporter",
    "otlp_grpc": "otlpexporter",
    "otlp_http": "otlphttpexporter",
    "kafka exporters": "kafkaexporter",
    "bearertokenauth": "bearertokenauthextension",
    "health_check": "healthcheckextension",
    "file_storage": "filestorage",
}


def ids(value):
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else str(value)


def script(name):
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def used_components():
    used = set()
    for path in COLLECTOR:
        text = yaml.safe_load(path.read_text())
        for section in ("receivers", "processors", "connectors", "exporters", "extensions"):
            for name in text.get(section) or {}:
                kind = name.partition("/")[0]
                used.add(MODULES.get(f"{kind} {section}") or MODULES[kind])
    return used


def manifest_modules():
    text = yaml.safe_load((CONFIG / "builder.yaml").read_text())
    return [entry["gomod"] for section, entries in text.items() if section != "dist" for entry in entries]


@pytest.mark.parametrize(("file", "name", "service"), SERVICES, ids=ids)
def test_an_image_is_pinned_to_a_version(file, name, service):
    image, _, tag = service["image"].rpartition(":")
    assert image
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag), service["image"]


@pytest.mark.parametrize(("file", "name", "service"), SERVICES, ids=ids)
def test_what_is_published_is_published_on_loopback(file, name, service):
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), port
    assert service.get("network_mode") in {None, "none"}


@pytest.mark.parametrize(("file", "name", "service"), SERVICES, ids=ids)
def test_a_container_has_no_more_rights_than_it_needs(file, name, service):
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"]
    assert service["mem_limit"]
    assert "privileged" not in service
    assert set(service.get("cap_add", [])) <= {"CHOWN"}
    if file == "compose.yaml":
        assert service["read_only"] is True
        assert name == "volumes" or service["restart"] == "unless-stopped"


@pytest.mark.parametrize(("file", "name", "service"), SERVICES, ids=ids)
def test_what_is_mounted_exists(file, name, service):
    for mount in service.get("volumes", []):
        source, target, *mode = mount.split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (ROOT / source).exists(), mount
            assert mode == ["ro"], mount
        else:
            assert source in COMPOSE[file]["volumes"], mount
    for secret in service.get("secrets", []):
        assert secret in COMPOSE[file]["secrets"]


def test_a_health_check_stands_for_every_service_whose_image_can_run_one():
    services = COMPOSE["compose.yaml"]["services"]
    without = {name for name, service in services.items() if "healthcheck" not in service}
    assert without == {"volumes", "otelcol", "loki"}  # no shell in there


def test_the_soft_limit_of_memory_is_four_fifths_of_the_hard_one():
    for _, _, service in SERVICES:
        if "GOMEMLIMIT" in service.get("environment", {}):
            soft = int(service["environment"]["GOMEMLIMIT"].removesuffix("MiB"))
            hard = int(service["mem_limit"][:-1]) * {"g": 1024, "m": 1}[service["mem_limit"][-1]]
            assert 0.79 <= soft / hard <= 0.81, service["image"]


def test_grafana_asks_for_a_password_that_is_a_file_and_dials_nowhere():
    environ = COMPOSE["compose.yaml"]["services"]["grafana"]["environment"]
    assert environ["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/grafana_admin_password"
    assert environ["GF_AUTH_ANONYMOUS_ENABLED"] == environ["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert environ["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert environ["GF_ANALYTICS_CHECK_FOR_UPDATES"] == environ["GF_ANALYTICS_REPORTING_ENABLED"] == "false"


@pytest.mark.parametrize("path", SHIPPED, ids=ids)
def test_no_file_holds_a_secret(path):
    secret = re.compile(r"(?i)(password|secret|token|key|credentials?)(_?[a-z]*)\s*[:=]\s*(?P<value>.+)")
    for line in path.read_text().splitlines():
        found = secret.search(line.partition("#")[0])
        if found is None or not found["value"].strip(" {}[],\"'"):
            continue
        value = found["value"]
        plain = re.sub(r"\$\{[^}]*\}+|/run/secrets/\w+|\.secrets/\w+", "", value).strip(" {}[],\"'")
        assert not re.search(r"(?=[a-zA-Z+/_-]*[0-9])[A-Za-z0-9+/_-]{20,}", plain), line
        assert plain.lower() not in {"admin", "password", "changeme", "secret", "root"}, line


def test_the_manifest_is_what_the_configurations_use_and_nothing_else():
    modules = {module.split()[0].rpartition("/")[2] for module in manifest_modules()}
    providers = {"envprovider", "fileprovider", "yamlprovider"}
    assert modules == used_components() | providers


def test_the_module_requires_what_the_manifest_says():
    required = (ROOT / "tools" / "otelcol" / "go.mod").read_text()
    assert [module for module in manifest_modules() if f"\t{module}\n" not in required] == []
    assert "go.opentelemetry.io/collector/otelcol v0.155.0" in required


@pytest.mark.parametrize("module", sorted((ROOT / "tools").glob("*/go.mod")), ids=ids)
def test_a_module_has_its_checksums_beside_it(module):
    sums = module.with_name("go.sum").read_text()
    for name, version in re.findall(
        r"^\t?(?:require )?([\w./~-]+\.[\w./~-]+) (v\S+)", module.read_text(), re.MULTILINE
    ):
        if f"{name} => " in module.read_text():
            continue
        assert f"{name} {version}/go.mod h1:" in sums, (name, version)


def test_verification_is_never_switched_off():
    for path in [*(ROOT / "tools").rglob("*.py"), ROOT / "Makefile", *filter(Path.is_file, (ROOT / ".ci").rglob("*"))]:
        text = path.read_text()
        for word in (
            "GONOSUM" + "DB",
            "GONOSUM" + "CHECK",
            "GOIN" + "SECURE",
            "GOFLAGS=-in" + "secure",
            "GOSUM" + "DB",
        ):
            assert word not in text, path


@pytest.mark.parametrize("pipeline", ["traces/in", "metrics", "logs"])
def test_memory_is_limited_first_and_secrets_are_hashed_last(pipeline):
    gateway = yaml.safe_load((CONFIG / "gateway.yaml").read_text())
    processors = gateway["service"]["pipelines"][pipeline]["processors"]
    assert processors[0] == "memory_limiter"
    assert processors[-1] == "redaction/secrets"


def test_span_metrics_are_made_before_sampling_and_the_queue_is_on_disk():
    gateway = yaml.safe_load((CONFIG / "gateway.yaml").read_text())
    pipelines = gateway["service"]["pipelines"]
    assert pipelines["traces/in"]["exporters"] == ["span_metrics", "forward/kept"]
    assert "tail_sampling" not in pipelines["traces/in"]["processors"]
    assert pipelines["traces/kept"]["processors"] == ["tail_sampling"]
    jaeger = gateway["exporters"]["otlp_grpc/jaeger"]
    assert jaeger["sending_queue"]["storage"] == "file_storage/queue"
    assert jaeger["retry_on_failure"]["max_elapsed_time"] == "0s"
    assert "batch" not in gateway["processors"]
    cache = gateway["processors"]["tail_sampling"]["decision_cache"]
    assert min(cache.values()) >= 10 * gateway["processors"]["tail_sampling"]["num_traces"]


def test_the_gateway_drops_every_attribute_of_content_that_we_have():
    text = yaml.safe_load((CONFIG / "gateway.yaml").read_text())
    statements = text["processors"]["transform/no_content"]["trace_statements"][0]["statements"]
    patterns = [re.compile(json.loads(re.search(r'"(?:[^"\\]|\\.)*"', one)[0])) for one in statements]
    content = [
        names.SYSTEM_INSTRUCTIONS,
        names.INPUT_MESSAGES,
        names.OUTPUT_MESSAGES,
        names.TOOL_DEFINITIONS,
        names.TOOL_CALL_ARGUMENTS,
        names.TOOL_CALL_RESULT,
        names.RETRIEVAL_QUERY_TEXT,
        names.RETRIEVAL_DOCUMENTS,
    ]
    for name in content:
        assert any(pattern.search(name) for pattern in patterns), name
    kept = [value for key, value in vars(names).items() if isinstance(value, str) and key.isupper() and "." in value]
    for name in set(kept) - set(content):
        assert not any(pattern.search(name) for pattern in patterns), name


def test_rules_on_our_metrics_use_their_names_in_prometheus():
    known = {metric_name(metric.name, metric.kind, metric.unit) for metric in names.METRICS}
    for path in (CONFIG / "rules").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                found = set(re.findall(r"\b(?:spanwatch|gen_ai)_\w+", rule["expr"]))
                assert {name for name in found if name.endswith(("_total", "_count", "_bucket", "_sum"))} <= known
                assert rule["labels"]["severity"] in {"critical", "warning", "info"}
                assert {"summary", "description"} <= rule["annotations"].keys()


def test_data_sources_know_each_other_by_their_ids():
    text = yaml.safe_load((ROOT / "grafana" / "provisioning" / "datasources" / "spanwatch.yaml").read_text())
    sources = {source["uid"]: source for source in text["datasources"]}
    assert sources.keys() == {"prometheus", "jaeger", "loki", "alertmanager"}
    raw = json.dumps(text)
    assert set(re.findall(r'"(?:datasourceUid|alertmanagerUid)": "(\w+)"', raw)) <= sources.keys()
    services = COMPOSE["compose.yaml"]["services"]
    for source in sources.values():
        host = re.fullmatch(r"http://(\w+):\d+", source["url"])[1]
        assert host in services
        assert "inner" in services[host]["networks"]


def test_secrets_are_made_at_random_once_and_refused_when_empty(tmp_path, capsys):
    secrets = script("compose_secrets")
    wanted = {entry["file"] for entry in COMPOSE["compose.yaml"]["secrets"].values()}
    assert wanted == {f".secrets/{name}" for name in (*secrets.RANDOM, *secrets.URLS)}
    place = tmp_path / ".secrets"
    created = secrets.create(place)
    assert len(created) == len(wanted)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    made = {name: (place / name).read_text() for name in secrets.RANDOM}
    assert len(set(made.values())) == len(made)
    assert min(map(len, made.values())) >= 32
    assert secrets.create(place) == []
    assert made == {name: (place / name).read_text() for name in secrets.RANDOM}
    (place / "otlp_token").write_text("\n")
    with pytest.raises(ValueError, match="otlp_token is empty"):
        secrets.create(place)


def test_the_programs_of_the_stack_are_asked_for_by_name(capsys):
    stack = script("stack")
    with pytest.raises(SystemExit):
        stack.main(["no-such-program"])
    assert "there is no no-such-program" in capsys.readouterr().err


def test_the_cache_is_outside_the_checkout_and_its_key_follows_the_modules(tmp_path, monkeypatch):
    stack = script("stack")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert stack.cache() == tmp_path / "spanwatch-stack"
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT / "tools", copy / "tools")
    shutil.copytree(CONFIG, copy / "collector-config")
    monkeypatch.setattr(stack, "TOOLS", copy / "tools")
    monkeypatch.setattr(stack, "MANIFEST", copy / "collector-config" / "builder.yaml")
    before = stack.key()
    assert before == stack.key()
    (copy / "tools" / "loki" / "go.sum").write_text("changed")
    assert stack.key() != before


def test_a_program_on_path_is_used_when_it_works(tmp_path, monkeypatch):
    stack = script("stack")
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    for name, code in (("jaeger", 0), ("loki", 1)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    programs = {program.module: program for program in stack.PROGRAMS}
    assert stack.provide(programs["jaeger"], home, build_all=False) == f"from PATH: {tmp_path / 'jaeger'}"
    assert (home / "bin" / "jaeger").readlink() == tmp_path / "jaeger"
    assert stack.provide(programs["jaeger"], home, build_all=False) == "there"
    with pytest.raises(SystemExit, match="loki is not on PATH, and there is no Go"):
        stack.provide(programs["loki"], home, build_all=False)


def test_every_shipped_file_is_valid_yaml_without_doubled_keys():
    for path in SHIPPED:
        loader = _Strict(path.read_text())
        try:
            assert loader.get_single_data() is not None
        finally:
            loader.dispose()


class _Strict(yaml.SafeLoader):
    """Refuses a key that is there twice: YAML readers take the last and say nothing."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if key.value != "<<"]
        assert len(set(keys)) == len(keys), f"{node.start_mark}: {keys}"
        return super().construct_mapping(node, deep)
