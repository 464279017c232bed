"""Zero code by `opentelemetry-instrument`, started for real."""

import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from spanwatch.otel.autostart import sees_openai
from spanwatch.otel.coverage import ENGINES

HTTPX = "opentelemetry.instrumentation.httpx"  # where it is installed it is loaded too, and has a span of its own
INSTRUMENT = shutil.which("opentelemetry-instrument", path=str(Path(sys.executable).parent))


def instrumented(place, code, **environ):
    command = [sys.executable, INSTRUMENT, sys.executable, str(place.write(code))]
    env = {**place.environ, **environ}
    return subprocess.run(command, cwd=place.path, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_installed_package_names_distribution_and_configurator():
    for group in ("opentelemetry_distro", "opentelemetry_configurator"):
        assert "spanwatch" in {found.name for found in entry_points(group=group)}


def test_a_program_is_traced_unchanged(place):
    answer = instrumented(place, "print(chat().model)", OTEL_SERVICE_NAME="desk")
    assert (answer.returncode, answer.stdout) == (0, "gpt-4o-mini-2026-01-01\n"), answer.stderr
    assert place.rows("SELECT scope, nano_usd FROM calls WHERE counted") == [(None, 42_000)]
    assert place.rows("SELECT DISTINCT service FROM sources") == [("desk",)]


@pytest.mark.parametrize(
    ("engine", "scope"),
    [
        ("openllmetry", "opentelemetry.instrumentation.openai.v1"),
        ("genai", "opentelemetry.instrumentation.genai.openai"),
        ("openinference", "openinference.instrumentation.openai"),
    ],
)
def test_of_packages_with_one_entry_point_name_exactly_the_chosen_one_is_loaded(place, engine, scope):
    answer = instrumented(place, "chat()", SPANWATCH_OPENAI=engine)
    assert answer.returncode == 0, answer.stderr
    assert place.rows("SELECT scope FROM calls") == [(scope,)]
    scopes = [found for (found,) in place.rows("SELECT json_extract(body, '$.sc[0]') FROM spans")]
    assert [found for found in scopes if found != HTTPX] == [scope]


def test_opentelemetrys_own_variables_keep_their_meaning(place):
    code = """
    chat()
    from opentelemetry import trace, propagate
    from opentelemetry.propagators.composite import CompositePropagator
    provider = trace.get_tracer_provider()
    print(provider.resource.attributes["team"], provider.resource.attributes["service.name"])
    print(provider.sampler.get_description())
    print(sorted(propagate.get_global_textmap().fields))
    """
    answer = instrumented(
        place,
        code,
        OTEL_RESOURCE_ATTRIBUTES="team=search,service.name=ignored",
        OTEL_SERVICE_NAME="desk",
        OTEL_TRACES_SAMPLER="always_off",
        OTEL_PROPAGATORS="tracecontext",
    )
    assert answer.stdout.splitlines() == [
        "search desk",
        "GenAISampler{AlwaysOffSampler}",
        "['traceparent', 'tracestate']",
    ], answer.stderr
    assert place.rows("SELECT nano_usd FROM calls WHERE counted") == [(42_000,)]
    assert place.rows("SELECT span_id FROM spans") == []


def test_a_disabled_sdk_is_disabled_and_the_program_runs(place):
    answer = instrumented(place, "print(chat().model)", OTEL_SDK_DISABLED="true")
    assert (answer.returncode, answer.stdout) == (0, "gpt-4o-mini-2026-01-01\n")
    assert not (place.path / ".spanwatch").exists()


@pytest.mark.parametrize(
    ("environ", "calls"),
    [
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "spanwatch-openai"}, 0),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}, 0),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "flask, openai"}, 1),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "openai", "SPANWATCH_OPENAI": "genai"}, 0),
    ],
)
def test_a_disabled_instrumentation_is_not_loaded(place, environ, calls):
    answer = instrumented(place, "chat()", **environ)
    assert answer.returncode == 0, answer.stderr
    assert len(place.rows("SELECT 1 FROM calls")) == calls


def test_a_wrong_setting_costs_one_line_and_the_program_runs(place):
    answer = instrumented(place, "print(chat().model)", SPANWATCH_SAMPLE="often")
    assert (answer.returncode, answer.stdout) == (0, "gpt-4o-mini-2026-01-01\n")
    assert answer.stderr.startswith("spanwatch: this program runs untraced: setting sample ")


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("openai", "opentelemetry.instrumentation.openai:OpenAIInstrumentor", True),
        ("openai", "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor", True),
        ("openai", "opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor", True),
        ("spanwatch-openai", "spanwatch.otel.openai:OpenAIInstrumentor", True),
        ("flask", "opentelemetry.instrumentation.flask:FlaskInstrumentor", False),
        ("openai-agents", "opentelemetry.instrumentation.openai_agents:OpenAIAgentsInstrumentor", False),
    ],
)
def test_engines_are_told_from_other_instrumentations(name, value, seen):
    assert sees_openai(EntryPoint(name, value, "opentelemetry_instrumentor")) is seen


ANOTHER = """
from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.sdk._configuration import _BaseConfigurator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_tracer_provider

class Distro(BaseDistro):
    def _configure(self, **kwargs):
        pass

class Configurator(_BaseConfigurator):
    def _configure(self, **kwargs):
        set_tracer_provider(TracerProvider())
"""
NAMED = """
[opentelemetry_distro]
another = another:Distro
[opentelemetry_configurator]
another = another:Configurator
"""


def beside_another(place, **environ):
    """A program where another distribution is installed, and found first."""
    told = place.path / "another-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1.0\n", encoding="utf-8")
    (told / "entry_points.txt").write_text(NAMED, encoding="utf-8")
    (place.path / "another.py").write_text(ANOTHER, encoding="utf-8")
    return instrumented(place, "print(chat().model)", PYTHONPATH=str(place.path), **environ)


def kept(place):
    """Scopes of the spans of model calls."""
    return [found for (found,) in place.rows("SELECT json_extract(body, '$.sc[0]') FROM spans") if found != HTTPX]


def test_another_distribution_that_was_there_first_is_joined(place):
    answer = beside_another(place, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="openai")
    assert (answer.returncode, answer.stdout) == (0, "gpt-4o-mini-2026-01-01\n"), answer.stderr
    assert place.rows("SELECT scope, nano_usd FROM calls WHERE counted") == [(None, 42_000)]
    assert kept(place) == ["spanwatch"]


@pytest.mark.parametrize(("engine", "scope"), [("spanwatch", "spanwatch"), ("genai", ENGINES["genai"].scope)])
def test_ours_asked_for_by_name_starts_the_chosen_engine_alone_though_anothers_configurator_ran(place, engine, scope):
    answer = beside_another(place, OTEL_PYTHON_DISTRO="spanwatch", SPANWATCH_OPENAI=engine)
    assert (answer.returncode, answer.stdout) == (0, "gpt-4o-mini-2026-01-01\n"), answer.stderr
    assert place.rows("SELECT nano_usd FROM calls WHERE counted") == [(42_000,)]
    assert kept(place) == [scope]


def test_a_wrong_setting_beside_another_distribution_costs_one_line_too(place):
    answer = beside_another(place, SPANWATCH_SAMPLE="often")
    assert (answer.returncode, answer.stdout) == (0, "gpt-4o-mini-2026-01-01\n")
    assert "spanwatch: this program runs untraced: setting sample " in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "Failed to auto initialize" not in answer.stderr
