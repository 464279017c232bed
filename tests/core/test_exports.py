import pytest

from spanwatch.core.exports import Export, exports_for


def found(environ, endpoint=None, protocol=None):
    notes = []
    return exports_for(endpoint, protocol, environ, notes), notes


def test_an_endpoint_of_ours_has_a_url_for_each_signal():
    exports, notes = found({}, "http://c:4318/")
    assert [(export.signal, export.url) for export in exports] == [
        ("traces", "http://c:4318/v1/traces"),
        ("metrics", "http://c:4318/v1/metrics"),
        ("logs", "http://c:4318/v1/logs"),
    ]
    assert notes == []


def test_the_environments_endpoint_has_no_url_of_ours():
    exports, _ = found(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t"}
    )
    assert exports == (
        Export("traces", "http/protobuf", "http://t"),
        Export("metrics", "http/protobuf", "http://c:4318"),
        Export("logs", "http/protobuf", "http://c:4318"),
    )


@pytest.mark.parametrize("value", ["none", "console", "none,console"])
def test_a_signal_that_goes_elsewhere_is_not_sent_to_the_environments_endpoint(value):
    exports, _ = found({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": value})
    assert [export.signal for export in exports] == ["metrics", "logs"]


def test_ours_stays_ours_whatever_the_environment_names():
    exports, notes = found({"OTEL_TRACES_EXPORTER": "console"}, "http://c")
    assert [export.signal for export in exports] == ["traces", "metrics", "logs"]
    assert notes == ["OTEL_TRACES_EXPORTER=console left to the application"]


@pytest.mark.parametrize(
    ("environ", "protocol"),
    [
        ({}, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "http/protobuf",
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp_proto_grpc"}, "grpc"),
    ],
)
def test_the_protocol_is_the_nearest_one_named(environ, protocol):
    exports, _ = found({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", **environ})
    assert exports[0].protocol == protocol


def test_an_unknown_protocol_is_noted_once_and_the_default_holds():
    exports, notes = found({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})
    assert {export.protocol for export in exports} == {"http/protobuf"}
    assert notes == ["OTEL_EXPORTER_OTLP_PROTOCOL=http/json ignored, it takes http/protobuf or grpc"]


def test_grpc_takes_the_endpoint_as_it_is():
    exports, _ = found({}, "http://c:4317", "grpc")
    assert {export.url for export in exports} == {"http://c:4317"}
