import pytest

from spanwatch.core.exports import Export
from spanwatch.otel.delivery.endpoint import endpoint_of

TRACES = Export("traces", "http/protobuf", "http://collector:4318")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_the_base_address_gets_the_signals_path():
    found = endpoint_of(TRACES, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
    assert (found.secure, found.host, found.port, found.path) == (False, "collector", 4318, "/v1/traces")
    assert (found.timeout_s, found.compression) == (10, "gzip")
    assert dict(found.headers)["content-type"] == "application/x-protobuf"


def test_an_address_in_code_and_one_for_the_signal_are_taken_as_they_are():
    given = endpoint_of(Export("logs", "http/protobuf", "https://c", "https://c/otlp/v1/logs"), {})
    assert (given.secure, given.port, given.path) == (True, 443, "/otlp/v1/logs")
    own = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/mine?x=1"}
    assert endpoint_of(Export("traces", "http/protobuf", "http://c/mine?x=1"), own).path == "/mine?x=1"


def test_a_variable_of_the_signal_goes_before_the_one_for_all():
    found = endpoint_of(
        TRACES,
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-all=1",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "authorization=Bearer%20abc,x-tenant=t",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2.5",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "none",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem",
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY": "/key.pem",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/cert.pem",
        },
    )
    headers = dict(found.headers)
    assert (headers["authorization"], headers["x-tenant"], "x-all" in headers) == ("Bearer abc", "t", False)
    assert (found.timeout_s, found.compression) == (2.5, "none")
    assert (found.certificate, found.client_key, found.client_certificate) == ("/ca.pem", "/key.pem", "/cert.pem")


@pytest.mark.parametrize("raw", ["", "x", "-1", "0", "nan", "inf"])
def test_a_timeout_that_is_none_is_the_default(raw):
    assert endpoint_of(TRACES, {"OTEL_EXPORTER_OTLP_TIMEOUT": raw}).timeout_s == 10


def test_user_and_password_of_the_address_become_a_header_and_no_header_is_in_a_repr():
    found = endpoint_of(Export("traces", "http/protobuf", "", "http://me:s%20cret@c/v1/traces"), {})
    assert dict(found.headers)["authorization"] == "Basic bWU6cyBjcmV0"
    assert found.host == "c"
    assert "bWU6" not in repr(found)
    assert "cret" not in repr(found)


@pytest.mark.parametrize("url", ["ftp://c", "c:4318", "http://", "file:///etc/passwd"])
def test_an_address_that_is_none_of_http_is_refused(url):
    with pytest.raises(ValueError, match=f"traces cannot go to '{url}': give an http or https URL, such as"):
        endpoint_of(Export("traces", "http/protobuf", url, url), {})


def test_an_address_that_is_refused_shows_no_password():
    url = "ftp://me:s3cret@c"
    with pytest.raises(ValueError, match="traces cannot go to 'ftp") as caught:
        endpoint_of(Export("traces", "http/protobuf", url, url), {})
    assert "s3cret" not in str(caught.value)


def test_the_proxy_of_the_environment_is_taken_but_for_hosts_that_go_past_it(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside")
    assert endpoint_of(TRACES, {}).proxy == ("proxy", 3128)
    assert endpoint_of(Export("traces", "http/protobuf", "", "http://inside/v1/traces"), {}).proxy is None
