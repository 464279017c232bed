"""`spanwatch doctor` against real servers: each trouble is named, with its fix, and what arrives is proven."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.cli import rig
from tests.cli.doctor_rig import BackEnd, Grpc, Http
from tests.store.rig import segment


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    for variable in list(os.environ):
        if variable.startswith(("OTEL_", "SPANWATCH_", "TRACELOOP_", "COVERAGE_")):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def doctor(capsys):
    def ask(*words):
        code, out, err = rig.run(capsys, "doctor", *words, "--json")
        assert err == ""
        told = json.loads(out)
        assert told["ok"] is (code == 0)
        return code, told

    return ask


def of(told, check):
    return [(one["level"], one["text"], one["fix"]) for one in told["checks"] if one["check"] == check]


def one(told, check):
    (found,) = of(told, check)
    return found


def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_a_whole_pipeline_is_proven_from_here_to_the_back_ends(doctor):
    with Http(BackEnd()) as there:
        addresses = ("--jaeger", there.url, "--prometheus", there.url, "--loki", there.url)
        code, told = doctor("--endpoint", there.url, *addresses)
        assert code == 0
        for check, name in (("trace", "Jaeger"), ("metric", "Prometheus"), ("log", "Loki")):
            level, text, _ = one(told, check)
            assert (level, text.startswith(f"found in {name} at {there.url} after ")) == ("ok", True)
        assert there.back_end.trace_ids("traces") == {told["mark"]["trace_id"]}
        assert there.back_end.instances() == {told["mark"]["instance"]}
        services = {resource["service.name"] for resource, _ in there.back_end.resources("traces")}
        assert services == {"spanwatch-doctor"}
    assert one(told, "endpoint")[:2] == ("ok", f"{there.url} can be reached")
    assert one(told, "protocol")[:2] == ("ok", "http/protobuf: traces, metrics, logs")
    assert one(told, "auth")[:2] == ("ok", "traces, metrics, logs are taken without any header")
    assert one(told, "clock")[0] == "ok"


def test_the_same_goes_by_grpc_which_tells_no_time(doctor):
    with Grpc(BackEnd(token="Bearer right")) as there, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url)
        patch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        patch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20right")
        code, told = doctor()
    assert code == 0
    assert one(told, "protocol")[:2] == ("ok", "grpc: traces, metrics, logs")
    assert one(told, "auth")[:2] == ("ok", "traces, metrics, logs are taken with the header authorization")
    assert one(told, "trace")[0] == "ok"
    assert one(told, "clock")[0] == "skip"


def test_nothing_of_the_mark_is_left_in_the_store(doctor, clean):
    with Http(BackEnd()) as there:
        code, _ = doctor("--endpoint", there.url)
    assert code == 0
    assert list(clean.iterdir()) == []


def test_a_closed_port_is_unreachable_and_nothing_is_promised(doctor):
    port = closed_port()
    code, told = doctor("--endpoint", f"http://127.0.0.1:{port}")
    assert code == 1
    level, text, fix = one(told, "endpoint")
    assert (level, text) == ("fail", f"http://127.0.0.1:{port} cannot be reached: Connection refused")
    assert fix.startswith("start the collector there")
    assert of(told, "protocol") == []
    assert one(told, "trace")[:2] == ("fail", "the marked trace could not be delivered")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("headers", [None, "authorization=Bearer%20wrong-secret"])
def test_wrong_authentication_is_named_without_its_secret(doctor, monkeypatch, headers, protocol):
    if headers is not None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)
    back_end = BackEnd(token="Bearer right")
    with (Http if protocol != "grpc" else Grpc)(back_end) as there:
        code, told = doctor("--endpoint", there.url, "--protocol", protocol, "--no-send")
    assert code == 1
    level, text, fix = one(told, "auth")
    sent = "without any header" if headers is None else "with the header authorization"
    assert level == "fail"
    assert text.startswith(f"traces, metrics, logs {sent} are refused: ")
    assert "OTEL_EXPORTER_OTLP_HEADERS" in fix
    assert "secret" not in json.dumps(told)
    assert one(told, "endpoint")[0] == "ok"


def test_a_base_url_with_a_path_too_many_is_no_such_path(doctor):
    with Http(BackEnd()) as there:
        code, told = doctor("--endpoint", f"{there.url}/v1/traces", "--no-send")
    level, text, fix = one(told, "protocol")
    assert (code, level) == (1, "fail")
    assert text == "http/protobuf: traces, metrics, logs: nothing takes them there: HTTP 404 Not Found"
    assert fix.startswith("the base URL ends before /v1/...")


@pytest.mark.parametrize(("server", "protocol"), [(Http, "http/protobuf"), (Grpc, "grpc")])
def test_a_collector_without_a_pipeline_for_logs_takes_the_rest(doctor, server, protocol):
    with server(BackEnd(paths=("traces", "metrics"))) as there:
        code, told = doctor("--endpoint", there.url, "--protocol", protocol)
    assert code == 1
    assert [level for level, _, _ in of(told, "protocol")] == ["ok", "fail"]
    assert of(told, "protocol")[1][1].startswith(f"{protocol}: logs: nothing takes them there: ")
    assert (one(told, "trace")[0], one(told, "metric")[0], one(told, "log")[0]) == ("ok", "ok", "fail")


def test_http_to_a_grpc_port_and_grpc_to_an_http_port_are_the_other_protocol(doctor):
    with Grpc(BackEnd()) as there:
        code, told = doctor("--endpoint", there.url, "--no-send")
    assert code == 1
    assert "grpc (port 4317)" in one(told, "protocol")[2]
    with Http(BackEnd()) as there:
        code, told = doctor("--endpoint", there.url, "--protocol", "grpc", "--no-send")
    assert code == 1
    assert "http/protobuf (port 4318)" in one(told, "protocol")[2]


def test_tls_to_a_plain_port_is_the_other_protocol(doctor):
    with Http(BackEnd()) as there:
        code, told = doctor("--endpoint", there.url.replace("http://", "https://"), "--no-send")
    assert code == 1
    assert "no TLS there" in one(told, "protocol")[1]


@pytest.mark.parametrize(
    ("status", "level", "words"),
    [
        (503, "warn", "are put off: HTTP 503"),
        (429, "warn", "are put off: HTTP 429"),
        (302, "fail", "are sent elsewhere: HTTP 302 Found to http://elsewhere.example/v1/traces"),
        (415, "fail", "are not understood there: HTTP 415"),
        (400, "fail", "are refused: HTTP 400"),
    ],
)
def test_another_status_is_told_as_what_it_is(doctor, status, level, words):
    with Http(BackEnd(status=status)) as there:
        _, told = doctor("--endpoint", there.url, "--no-send")
    assert one(told, "protocol")[0] == level
    assert words in one(told, "protocol")[1]


@pytest.mark.parametrize(("ahead_s", "level", "way"), [(120.0, "warn", "behind"), (-4000.0, "fail", "ahead of")])
def test_a_clock_that_differs_is_told_by_the_date_of_the_answers(doctor, ahead_s, level, way):
    with Http(BackEnd(ahead_s=ahead_s)) as there:
        code, told = doctor("--endpoint", there.url, "--no-send")
    assert code == (1 if level == "fail" else 0)
    found, text, fix = one(told, "clock")
    assert found == level
    seconds = int(text.removeprefix("this machine is ").split(" ")[0])
    assert abs(seconds - abs(ahead_s)) <= 5
    assert f" s {way} {there.url}" in text
    assert "NTP" in fix


@pytest.mark.parametrize("lost", ["traces", "metrics", "logs"])
def test_what_the_collector_took_and_the_back_end_has_not_is_a_failure(doctor, lost):
    keeps = tuple({"traces", "metrics", "logs"} - {lost})
    with Http(BackEnd(keeps=keeps)) as there:
        addresses = ("--jaeger", there.url, "--prometheus", there.url, "--loki", there.url)
        code, told = doctor("--endpoint", there.url, *addresses, "--wait", "1")
    assert code == 1
    check = lost.removesuffix("s")
    levels = {name: one(told, name)[0] for name in ("trace", "metric", "log")}
    assert levels == {name: "fail" if name == check else "ok" for name in levels}
    _, text, fix = one(told, check)
    assert "within 1 s, though the collector took it" in text
    assert fix.startswith("look at the collector's log")


def test_a_back_end_that_is_not_there_is_no_lost_trace(doctor):
    with Http(BackEnd()) as there:
        away = f"http://127.0.0.1:{closed_port()}"
        code, told = doctor("--endpoint", there.url, "--jaeger", away, "--wait", "0")
    assert code == 1
    assert one(told, "trace")[1].startswith(f"Jaeger at {away} cannot be asked: ")
    assert one(told, "trace")[2] == "correct --jaeger, or start it there"


def test_no_endpoint_is_to_look_at_and_no_failure(doctor):
    code, told = doctor()
    assert code == 0
    assert one(told, "endpoint")[0] == "warn"
    assert [one(told, check)[0] for check in ("trace", "metric", "log")] == ["skip"] * 3


def test_only_the_signals_that_go_out_are_looked_for(doctor, monkeypatch):
    with Http(BackEnd()) as there:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{there.url}/v1/traces")
        code, told = doctor("--jaeger", there.url)
    assert code == 0
    assert one(told, "trace")[1].startswith("found in Jaeger")
    assert one(told, "metric")[:2] == ("skip", "metrics go nowhere")


def test_the_switches_for_content_are_told_ours_and_others(doctor, monkeypatch):
    monkeypatch.setenv("TRACELOOP_TRACE_CONTENT", "false")
    _, told = doctor("--no-send")
    assert one(told, "content")[:2] == ("ok", "off: no prompt and no completion is recorded")
    monkeypatch.setenv("SPANWATCH_CONTENT", "on")
    _, told = doctor("--no-send")
    assert one(told, "content")[0] == "warn"
    monkeypatch.setenv("SPANWATCH_CONTENT", "off")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only")
    monkeypatch.delenv("TRACELOOP_TRACE_CONTENT")
    _, told = doctor("--no-send")
    assert [level for level, _, _ in of(told, "content")] == ["ok", "warn", "warn"]
    assert {fix for _, _, fix in of(told, "content")[1:]} == {
        "unset OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        "set TRACELOOP_TRACE_CONTENT=false",
    }


@pytest.fixture
def started(clean, monkeypatch):
    """A provider and OpenLLMetry's instrumentation are there when the marked process starts."""
    start = clean / "start"
    start.mkdir()
    (start / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'spanwatch.otel.doctor.mark' in sys.orig_argv:\n"
        "    from opentelemetry import trace\n"
        "    from opentelemetry.sdk.trace import TracerProvider\n"
        "    trace.set_tracer_provider(TracerProvider())\n"
        "    from opentelemetry.instrumentation.openai import OpenAIInstrumentor\n"
        "    OpenAIInstrumentor().instrument(skip_dep_check=True)\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(start), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.usefixtures("started")
def test_an_engine_that_runs_already_is_not_taken_for_a_second_one(doctor, monkeypatch):
    monkeypatch.setenv("SPANWATCH_OPENAI", "openllmetry")
    _, told = doctor()
    level, text, _ = one(told, "instrumentation")
    assert level == "ok"
    assert text.startswith("the OpenAI client is seen by openllmetry; ")


@pytest.mark.usefixtures("started")
def test_a_provider_and_wrappers_of_others_at_python_s_start_are_seen(doctor):
    _, told = doctor()
    assert one(told, "providers")[0] == "warn"
    assert "traces: TracerProvider" in one(told, "providers")[1]
    level, text, fix = one(told, "instrumentation")
    assert level == "warn"
    assert "wrapped already, by opentelemetry.instrumentation.openai" in text
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=openai" in fix


def test_the_sdk_switched_off_is_the_whole_answer(doctor, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    code, told = doctor()
    assert code == 1
    assert one(told, "providers")[2] == "unset OTEL_SDK_DISABLED"
    assert of(told, "trace") == []


def test_a_wrong_setting_is_a_finding_and_not_a_crash(doctor, monkeypatch):
    monkeypatch.setenv("SPANWATCH_SAMPLE", "often")
    code, told = doctor()
    assert code == 1
    assert "SPANWATCH_SAMPLE" in one(told, "settings")[1]


def test_an_ignored_standard_variable_is_to_look_at(doctor, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    _, told = doctor("--no-send")
    assert one(told, "providers")[0] == "warn"
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/json ignored" in one(told, "providers")[1]


def test_what_was_lost_before_is_told(doctor, clean):
    home = clean / "home"
    with segment(home) as found:
        found.write("dropped", {"n": 3, "reason": "journal_unwritable", "kind": "any"})
    _, told = doctor("--home", str(home), "--no-send")
    level, text, _ = one(told, "loss")
    assert level == "warn"
    assert text.startswith("lost so far: 3 journal_unwritable; ")


def test_what_was_emitted_is_accounted_for_to_the_last_span(doctor, clean):
    program = (
        "import spanwatch\n"
        "spanwatch.configure(home='home', openai='none', banner='off', exit_timeout=0.5, live_interval=0)\n"
        "for _ in range(3):\n"
        "    with spanwatch.tool('search'):\n"
        "        pass\n"
    )
    away = {**os.environ, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{closed_port()}/v1/traces"}
    subprocess.run([sys.executable, "-c", program], env=away, check=True, capture_output=True, timeout=60)
    _, told = doctor("--home", str(clean / "home"), "--no-send")
    assert one(told, "delivery")[:2] == ("warn", "traces: 3 emitted = 0 delivered + 3 waiting")
    with Http(BackEnd()) as there:
        here = {**os.environ, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{there.url}/v1/traces"}
        program += (
            "import time\n"
            "from pathlib import Path\n"
            "while len(list(Path('home/journal').glob('*.owed'))) > 1:\n"
            "    time.sleep(0.1)\n"
        )
        subprocess.run([sys.executable, "-c", program], env=here, check=True, capture_output=True, timeout=60)
    _, told = doctor("--home", str(clean / "home"), "--no-send")
    assert one(told, "delivery")[:2] == ("ok", "traces: 6 emitted = 6 delivered + 0 waiting")


def test_userinfo_in_the_endpoint_is_sent_and_never_shown(doctor, monkeypatch):
    with Http(BackEnd(token="Basic bWU6c2VjcmV0")) as there:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url.replace("://", "://me:secret@"))
        code, told = doctor()
    assert code == 0
    assert one(told, "auth")[1].endswith("are taken with the header authorization")
    assert "secret" not in json.dumps(told)


def test_a_home_that_is_a_file_cannot_be_written(doctor, clean):
    (clean / "taken").write_text("", encoding="utf-8")
    code, told = doctor("--home", str(clean / "taken" / "home"), "--no-send")
    assert code == 1
    assert one(told, "journal")[0] == "fail"


@pytest.mark.parametrize("words", [("--jaeger", "localhost:16686"), ("--wait", "-1"), ("--wait", "x")])
def test_a_wrong_command_line_is_two(capsys, words):
    code, _, err = rig.run(capsys, "doctor", *words)
    assert code == 2
    assert words[0] in err


def test_the_stack_s_addresses_are_taken_only_from_one_that_runs(capsys, clean):
    code, _, err = rig.run(capsys, "doctor", "--stack", "--home", str(clean))
    assert code == 2
    assert "spanwatch stack up" in err


def test_people_get_a_line_for_each_check_with_its_fix(capsys):
    with Http(BackEnd(status=503)) as there:
        code, out, _ = rig.run(capsys, "doctor", "--endpoint", there.url, "--no-send")
    assert code == 0
    lines = out.splitlines()
    assert any(line.startswith("ok    endpoint        http://") for line in lines)
    assert any(
        line.startswith("warn  protocol        http/protobuf: ") and "; fix: the collector" in line for line in lines
    )
    assert lines[-1].endswith("1 skipped")
