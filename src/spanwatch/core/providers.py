"""Providers: from a host to OpenTelemetry's name, from any spelling to genai-prices' id, from a model to its maker.

Names follow `gen_ai.provider.name`; what the convention does not list keeps the provider's own short name.
"""

from __future__ import annotations

import re

from spanwatch.core.names import PROVIDER_OTHER

_AZURE_ZONES = ("com", "us", "cn")
# Host suffix → provider. A host matches when it is the suffix or ends in `.suffix`.
_HOSTS: dict[str, str] = {
    "api.openai.com": "openai",  # eu.api.openai.com and its regional siblings too
    **{f"{part}.azure.{zone}": "azure.ai.openai" for part in ("openai", "cognitiveservices") for zone in _AZURE_ZONES},
    "services.ai.azure.com": "azure.ai.openai",
    "azure-api.net": "azure.ai.openai",
    "models.ai.azure.com": "azure.ai.inference",
    "models.inference.ai.azure.com": "azure.ai.inference",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.mistral.ai": "mistral_ai",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.perplexity.ai": "perplexity",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.cerebras.ai": "cerebras",
    "api.novita.ai": "novita",
    "api.minimax.io": "minimax",
    "api.minimax.chat": "minimax",
    "api.minimaxi.com": "minimax",
    "api.z.ai": "zai",
    "open.bigmodel.cn": "zhipuai",
    "inference.baseten.co": "baseten",
    "api.arcee.ai": "arcee",
    "api.avian.io": "avian",
    "api.voyageai.com": "voyageai",
    "api.meta.ai": "meta",
    "api.githubcopilot.com": "github-copilot",
    "cloud.databricks.com": "databricks",
    "azuredatabricks.net": "databricks",
    "oai.endpoints.kepler.ai.cloud.ovh.net": "ovhcloud",
    "ml.cloud.ibm.com": "ibm.watsonx.ai",
}
_BEDROCK = re.compile(r"bedrock(-runtime|-mantle)?(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|api\.aws)")
_VERTEX = re.compile(r"[a-z0-9-]+-aiplatform\.googleapis\.com")
_OPENAI_REGION = re.compile(r"([a-z]{2})\.api\.openai\.com")
_VERTEX_REGION = re.compile(r"([a-z]+-[a-z]+\d+)-aiplatform\.googleapis\.com")

# Any spelling of a provider → the id under which genai-prices files its models.
_PRICE_IDS: dict[str, str] = {
    "azure": "azure",
    "azure_openai": "azure",
    "azure-openai": "azure",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "azure_ai": "azure",
    "amazon_bedrock": "aws",
    "aws.bedrock": "aws",
    "aws_bedrock": "aws",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "google-vertex": "google",
    "google-gla": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "vertex": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot_ai": "moonshotai",
    "moonshot": "moonshotai",
    "fireworks_ai": "fireworks",
    "fireworks-ai": "fireworks",
    "together_ai": "together",
    "together-ai": "together",
    "together.ai": "together",
    "togetherai": "together",
    "github_copilot": "github-copilot",
    "githubcopilot": "github-copilot",
    "cohere_chat": "cohere",
    "perplexity_ai": "perplexity",
    "voyage": "voyageai",
    "novita_ai": "novita",
    "z_ai": "zai",
    "z.ai": "zai",
}
# Words before a `/` that say by which route a model is reached, not who made it.
ROUTERS = frozenset({"litellm", "litellm_proxy", "portkey", "helicone", "vercel", "vercel-ai-gateway", "bifrost"})

# (First word of an instrumentation's scope, provider) whose input tokens leave out the cached ones.
EXCLUSIVE_SCOPES = frozenset({("openlit", "anthropic")})

_FIRST_PARTY: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(ft:)?(gpt-(?!oss)|gpt-?35|chatgpt-|o\d(-|$)|text-embedding-(3|ada)|codex-mini|davinci-)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "google"),
)


def provider_of(host: str | None) -> str:
    """The provider behind a host name, `_OTHER` when the host names none (a gateway, localhost)."""
    if not host:
        return PROVIDER_OTHER
    name = host.lower().rstrip(".")
    if _BEDROCK.search(name):
        return "aws.bedrock"
    if _VERTEX.fullmatch(name):
        return "gcp.vertex_ai"
    suffix = name
    while suffix:
        if suffix in _HOSTS:
            return _HOSTS[suffix]
        suffix = suffix.partition(".")[2]
    return PROVIDER_OTHER


def region_of(host: str | None) -> str | None:
    """The processing region that a host name states, such as `eu` or `europe-west1`; None when it states none."""
    if not host:
        return None
    name = host.lower().rstrip(".")
    match = _OPENAI_REGION.fullmatch(name) or _VERTEX_REGION.fullmatch(name)
    return match.group(1) if match else None


def price_id(provider: str | None) -> str | None:
    """The genai-prices id of a provider in any known spelling; an unknown name as it is, `_OTHER` as None."""
    if not provider or provider == PROVIDER_OTHER:
        return None
    name = provider.strip().lower()
    return _PRICE_IDS.get(name, name)


def first_party(model: str) -> str | None:
    """The one provider that makes this model, or None when several may serve it (open weights) or nobody is known.

    Only families that exist nowhere else: OpenAI's gpt-* and o*, Anthropic's claude-*, Google's gemini-*.
    """
    name = model.lower()
    return next((provider for pattern, provider in _FIRST_PARTY if pattern.match(name)), None)
