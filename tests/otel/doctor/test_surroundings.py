"""What else is installed is told from what double counts."""

import importlib.metadata

import pytest

from spanwatch.core.diagnosis import Outcome
from spanwatch.core.settings import resolve
from spanwatch.otel.doctor import surroundings


@pytest.fixture
def installed(monkeypatch):
    """Says which distributions there are."""

    def only(*names):
        def version(name):
            if name not in names:
                raise importlib.metadata.PackageNotFoundError(name)
            return "1"

        monkeypatch.setattr(importlib.metadata, "version", version)

    return only


def test_two_instrumentations_of_one_framework_are_named_with_the_remedy(installed):
    installed("opentelemetry-instrumentation-langchain", "openinference-instrumentation-langchain")
    (finding,) = surroundings.pairs(resolve({}, {}))
    assert (finding.check, finding.outcome) == ("frameworks", Outcome.WARN)
    assert (
        "langchain has opentelemetry-instrumentation-langchain and openinference-instrumentation-lang" in finding.text
    )
    assert finding.fix == "keep one of them: pip uninstall openinference-instrumentation-langchain"


def test_one_instrumentation_of_each_framework_is_nothing_to_say(installed):
    installed("opentelemetry-instrumentation-langchain", "openinference-instrumentation-llama-index")
    assert surroundings.pairs(resolve({}, {})) == []


def test_the_agents_sdk_traced_by_us_and_by_another_is_a_pair(installed):
    installed("opentelemetry-instrumentation-openai-agents")
    assert surroundings.pairs(resolve({}, {})) == []
    (finding,) = surroundings.pairs(resolve({"agents": True}, {}))
    assert "spanwatch (agents=True) and opentelemetry-instrumentation-openai-agents" in finding.text


@pytest.mark.parametrize("engine", ["openllmetry", "genai", "openinference"])
def test_the_chosen_engine_is_no_other_instrumentation(installed, engine):
    names = ("opentelemetry-instrumentation-openai", "opentelemetry-instrumentation-genai-openai")
    installed("openai", *names, "openinference-instrumentation-openai")
    text = surroundings.instrumentation(resolve({"openai": engine}, {}), None).text
    assert text.startswith(f"the OpenAI client is seen by {engine}; installed too, and counted once")
    assert text.count("instrumentation-") == 2


@pytest.mark.parametrize("engine", ["openllmetry", "genai", "openinference"])
def test_an_engine_whose_package_is_missing_sees_nothing(installed, engine):
    installed("openai")
    finding = surroundings.instrumentation(resolve({"openai": engine}, {}), None)
    assert (finding.outcome, finding.fix) == (Outcome.FAIL, f"pip install 'spanwatch[{engine}]'")
    assert finding.text.endswith("which is not installed: no call is seen")
