import dataclasses

import pytest

from spanwatch.core.budgets import Budget
from spanwatch.core.errors import ConfigurationError
from spanwatch.core.exports import Export
from spanwatch.core.settings import _SETTINGS, Settings, resolve


def test_nothing_said_gives_the_defaults():
    assert resolve({}, {}) == Settings()


def test_every_name_is_a_field():
    assert set(_SETTINGS) < {field.name for field in dataclasses.fields(Settings)}


def test_an_argument_wins_over_environment_file_and_default():
    environ, toml = {"SPANWATCH_SERVICE": "env"}, 'service = "file"'
    assert resolve({"service": "code"}, environ, toml).service == "code"
    assert resolve({"service": None}, environ, toml).service == "env"
    assert resolve({}, {}, toml).service == "file"
    assert resolve({}, {}).service is None


def test_our_variable_wins_over_the_standard_one_and_that_over_the_file():
    environ = {"SPANWATCH_CONTENT": "off", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}
    assert resolve({}, environ, 'content = "on"').content is False
    del environ["SPANWATCH_CONTENT"]
    assert resolve({}, environ, "content = false").content is True


@pytest.mark.parametrize(
    ("word", "on"),
    [
        ("true", True),
        ("SPAN_ONLY", True),
        ("span_and_event", True),
        ("1", True),
        ("false", False),
        ("no_content", False),
        ("EVENT_ONLY", False),
    ],
)
def test_content_follows_the_words_of_the_convention(word, on):
    assert resolve({}, {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": word}).content is on


def test_a_wrong_standard_variable_is_ignored_and_noted():
    settings = resolve({}, {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "maybe"})
    assert settings.content is False
    assert settings.notes == ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=maybe ignored, it takes on or off",)


@pytest.mark.parametrize(
    ("arguments", "environ", "toml", "message"),
    [
        (
            {"openai": "langchain"},
            {},
            "",
            (
                "setting openai (argument openai=) cannot be 'langchain': "
                "give one of 'spanwatch', 'openllmetry', 'genai', 'openinference', 'none'"
            ),
        ),
        (
            {},
            {"SPANWATCH_EXIT_TIMEOUT": "61"},
            "",
            (
                "setting exit_timeout (environment variable SPANWATCH_EXIT_TIMEOUT) cannot be '61': "
                "give seconds from 0 to 60"
            ),
        ),
        (
            {},
            {"SPANWATCH_RULES": "defaults"},
            "",
            (
                "setting rules (environment variable SPANWATCH_RULES) cannot be 'defaults': "
                "give a list of Rule(...), or 'default', in a file [[rules]] tables"
            ),
        ),
        (
            {},
            {},
            "sample = 2",
            "setting sample (sample in spanwatch.toml) cannot be 2: give a ratio from 0 to 1, such as 0.01",
        ),
        (
            {"endpoint": "ftp://me:secret@host"},
            {},
            "",
            (
                "setting endpoint (argument endpoint=) cannot be 'ftp://***@host': "
                "give an OTLP base URL, such as 'http://localhost:4318'"
            ),
        ),
    ],
)
def test_a_wrong_value_names_setting_origin_value_and_remedy(arguments, environ, toml, message):
    with pytest.raises(ConfigurationError) as caught:
        resolve(arguments, environ, toml)
    assert str(caught.value) == message


def test_an_unknown_key_of_the_file_is_an_error_with_a_suggestion():
    with pytest.raises(ConfigurationError, match=r"unknown setting 'servce' in app.toml; did you mean 'service'\?"):
        resolve({}, {}, 'servce = "x"', source="app.toml")
    with pytest.raises(ConfigurationError, match=r"unknown setting 'zzzz' .*; the settings are agents, banner, "):
        resolve({}, {}, "zzzz = 1")


def test_a_broken_file_is_named():
    with pytest.raises(ConfigurationError, match=r"spanwatch\.toml is not valid TOML: "):
        resolve({}, {}, "service =")


@pytest.mark.parametrize("value", [True, "1e999", "nan", [], "x"])
def test_numbers_refuse_what_is_no_number_in_range(value):
    with pytest.raises(ConfigurationError, match="setting sample"):
        resolve({"sample": value}, {})


@pytest.mark.parametrize("value", [True, 1.5, "-1", "many"])
def test_counts_refuse_what_is_no_whole_number(value):
    with pytest.raises(ConfigurationError, match="setting content_max_bytes"):
        resolve({"content_max_bytes": value}, {})


def test_values_are_typed_whatever_their_origin():
    environ = {"SPANWATCH_STORE": "off", "SPANWATCH_SAMPLE": "0.01", "SPANWATCH_CONTENT_MAX_BYTES": "10"}
    settings = resolve({"banner": False, "cost_attributes": "none", "stream_usage": False}, environ, "retention_days=1")
    assert settings.store is False
    assert settings.sample == 0.01
    assert settings.content_max_bytes == 10
    assert settings.banner == "off"
    assert settings.cost_attributes == ()
    assert settings.stream_usage is False
    assert settings.retention_days == 1.0


def test_the_service_may_come_from_the_resource_attributes():
    assert resolve({}, {"OTEL_RESOURCE_ATTRIBUTES": "a=b, service.name=bot ,c=d"}).service == "bot"
    both = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a", "OTEL_SERVICE_NAME": "b"}
    assert resolve({}, both).service == "b"


def test_the_disabled_sdk_is_seen():
    assert resolve({}, {"OTEL_SDK_DISABLED": " True "}).disabled is True


def test_an_endpoint_of_ours_gives_every_signal_its_url():
    settings = resolve({"endpoint": "http://collector:4318/"}, {"OTEL_TRACES_EXPORTER": "none"})
    assert settings.ours
    assert settings.exports == tuple(
        Export(signal, "http/protobuf", "http://collector:4318/", f"http://collector:4318/v1/{signal}")
        for signal in ("traces", "metrics", "logs")
    )


def test_grpc_keeps_the_endpoint_as_it_is():
    settings = resolve({"endpoint": "http://collector:4317", "protocol": "grpc"}, {})
    assert {(export.protocol, export.url) for export in settings.exports} == {("grpc", "http://collector:4317")}


def test_the_standard_variables_are_left_to_the_stock_exporters():
    environ = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces:4317",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4318",
        "OTEL_METRICS_EXPORTER": "none",
    }
    settings = resolve({}, environ)
    assert not settings.ours
    assert settings.exports == (
        Export("traces", "grpc", "http://traces:4317"),
        Export("logs", "http/protobuf", "http://all:4318"),
    )


def test_exporters_of_other_kinds_are_left_to_the_application():
    settings = resolve({}, {"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4318"})
    assert [export.signal for export in settings.exports] == ["metrics", "logs"]
    assert settings.notes == ("OTEL_TRACES_EXPORTER=console left to the application",)


def test_an_unknown_standard_protocol_is_noted_once():
    environ = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4318"}
    settings = resolve({}, environ)
    assert {export.protocol for export in settings.exports} == {"http/protobuf"}
    assert settings.notes == ("OTEL_EXPORTER_OTLP_PROTOCOL=http/json ignored, it takes http/protobuf or grpc",)


def test_no_endpoint_is_no_export():
    assert resolve({}, {"OTEL_TRACES_EXPORTER": "otlp"}).exports == ()


@pytest.mark.parametrize("name", ["otlp_proto_grpc", "otlp"])
def test_a_named_exporter_says_its_protocol(name):
    environ = {"OTEL_TRACES_EXPORTER": name, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x:1"}
    expected = "grpc" if name.endswith("grpc") else "http/protobuf"
    assert resolve({}, environ).exports == (Export("traces", expected, "http://x:1"),)


def test_budgets_come_from_code_from_tables_and_from_a_run_together():
    from_code = resolve({"budgets": [Budget("a", usd=1)]}, {}, '[[budgets]]\nname = "t"\nusd = 2\n')
    assert from_code.budgets == (Budget("a", usd=1),)
    from_file = resolve({}, {}, '[[budgets]]\nname = "t"\nusd = 2\nper = "user"\n')
    assert from_file.budgets == (Budget("t", usd=2, per="user"),)
    run = resolve({}, {"SPANWATCH_RUN_BUDGETS": "run-1=5\nteam=3/day"}, '[[budgets]]\nname = "t"\nusd = 2\n')
    assert [budget.name for budget in run.budgets] == ["t", "run-1", "team"]


@pytest.mark.parametrize(
    ("arguments", "environ", "place"),
    [
        ({}, {}, "sqlite"),
        ({"store": False}, {}, "memory"),
        ({"ledger": "redis://h:1/0"}, {}, "redis://h:1/0"),
        ({}, {"SPANWATCH_LEDGER": "memory"}, "memory"),
        ({"store": False}, {"SPANWATCH_RUN_BUDGETS": "5"}, "sqlite"),
        ({}, {"SPANWATCH_RUN_BUDGETS": "5", "SPANWATCH_LEDGER": "memory"}, "memory"),
    ],
)
def test_the_ledger_is_where_the_store_is_unless_it_is_said(arguments, environ, place):
    assert resolve(arguments, environ).ledger_in_force == place


@pytest.mark.parametrize(
    ("arguments", "toml", "message"),
    [
        ({"budgets": "5"}, "", "setting budgets (argument budgets=) cannot be '5': give a list of Budget(...)"),
        ({"budgets": [5]}, "", "setting budgets: budgets must be Budget(...), not 5"),
        ({"budgets": [Budget("a", usd=1)] * 2}, "", "setting budgets: two budgets are named 'a'"),
        (
            {},
            '[[budgets]]\nname = "a"\nusd = "much"',
            "[[budgets]] number 1 in spanwatch.toml: budget 'a': usd must be",
        ),
        ({}, "[[budgets]]\nusd = 1", "[[budgets]] number 1 in spanwatch.toml has no name"),
        ({"ledger": "postgres://h"}, "", "setting ledger (argument ledger=) cannot be 'postgres://h': give 'memory',"),
    ],
)
def test_wrong_budgets_and_ledgers_are_told_at_the_border(arguments, toml, message):
    with pytest.raises(ConfigurationError) as caught:
        resolve(arguments, {}, toml)
    assert str(caught.value).startswith(message)
