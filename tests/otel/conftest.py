import pytest
from opentelemetry import metrics, trace
from opentelemetry._logs import _internal as logs_internal
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.util._once import Once

from demo.server import Config, DemoServer
from tests.programs import Place


@pytest.fixture(scope="module")
def server():
    """The demo server, for the programs of one module."""
    with DemoServer(Config()) as running:
        yield running


@pytest.fixture
def place(tmp_path, server):
    """Where such a program runs: its folder, home and environment."""
    return Place(tmp_path, server)


@pytest.fixture
def no_providers(monkeypatch):
    """The OTel API as in a process that has set no provider yet."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", None)
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(metrics_internal, "_PROXY_METER_PROVIDER", metrics_internal._ProxyMeterProvider())
    monkeypatch.setattr(logs_internal, "_LOGGER_PROVIDER", None)
    monkeypatch.setattr(logs_internal, "_LOGGER_PROVIDER_SET_ONCE", Once())
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert isinstance(metrics.get_meter_provider(), metrics_internal._ProxyMeterProvider)
