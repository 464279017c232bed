import pytest

from spanwatch.core.settings import resolve
from spanwatch.otel.setup import INSTANCE
from tests.otel.setup.conftest import Sink


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def configured(tmp_path, no_providers, monkeypatch):
    """Begins the one instance as configure() does, with samples each second; ends it after the test."""

    def begin(environ=None, **arguments):
        given = {"home": tmp_path / "home", "service": "bot", "live_interval": 1, "banner": "off", **arguments}
        INSTANCE.start(resolve(given, environ or {}), None, engine=False)
        return INSTANCE.runtime

    yield begin
    INSTANCE.stop(2)
