"""Which provider is behind a host, under which id its prices are, and who alone makes a model."""

from pathlib import Path

import pytest

from spanwatch.core import providers
from spanwatch.core.providers import EXCLUSIVE_SCOPES, first_party, price_id, provider_of, region_of


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("API.OpenAI.com.", "openai"),
        ("eu.api.openai.com", "openai"),
        ("acme.openai.azure.com", "azure.ai.openai"),
        ("acme.openai.azure.us", "azure.ai.openai"),
        ("acme.cognitiveservices.azure.com", "azure.ai.openai"),
        ("acme.services.ai.azure.com", "azure.ai.openai"),
        ("api.groq.com", "groq"),
        ("api.x.ai", "x_ai"),
        ("openrouter.ai", "openrouter"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("europe-west1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("api.deepseek.com", "deepseek"),
        ("localhost", "_OTHER"),
        ("127.0.0.1", "_OTHER"),
        ("api.openai.com.evil.example", "_OTHER"),
        ("notapi.openai.com", "_OTHER"),
        ("azure.com", "_OTHER"),
        ("", "_OTHER"),
        (None, "_OTHER"),
    ],
)
def test_a_host_names_its_provider_or_none(host, provider):
    assert provider_of(host) == provider


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("eu.api.openai.com", "eu"),
        ("api.openai.com", None),
        ("europe-west1-aiplatform.googleapis.com", "europe-west1"),
        ("aiplatform.googleapis.com", None),
        ("localhost", None),
        (None, None),
    ],
)
def test_a_host_states_a_region_or_none(host, region):
    assert region_of(host) == region


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("openai", "openai"),
        ("azure.ai.openai", "azure"),
        ("AZ.AI.OpenAI", "azure"),
        ("gcp.vertex_ai", "google"),
        ("aws.bedrock", "aws"),
        ("x_ai", "x-ai"),
        ("mistral_ai", "mistral"),
        ("somebody-else", "somebody-else"),
        ("_OTHER", None),
        ("", None),
        (None, None),
    ],
)
def test_a_provider_has_one_price_id_in_every_spelling(name, found):
    assert price_id(name) == found


@pytest.mark.parametrize(
    ("model", "maker"),
    [
        ("gpt-4o", "openai"),
        ("GPT-4o", "openai"),
        ("o3", "openai"),
        ("o4-mini", "openai"),
        ("chatgpt-4o-latest", "openai"),
        ("ft:gpt-4o-mini-2024-07-18:acme::x", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-pro", "google"),
        ("gpt-oss-120b", None),
        ("llama-3.3-70b", None),
        ("olmo-2", None),
        ("my-gpt-4o", None),
    ],
)
def test_only_a_family_that_one_company_makes_has_a_first_party(model, maker):
    assert first_party(model) == maker


def test_whose_input_leaves_out_cached_tokens_is_written_once():
    core = Path(providers.__file__).parent
    words = [f'"{scope}"' for scope, _ in EXCLUSIVE_SCOPES]
    assert words == ['"openlit"']
    for word in words:
        named = [path.name for path in core.rglob("*.py") if word in path.read_text(encoding="utf-8")]
        assert named == ["providers.py"]
