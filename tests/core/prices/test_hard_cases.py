"""One line per trap: who, which model, what was used, when, in which context → dollars, status, reasons."""

import pytest

from tests.core.prices.rig import cost, usd

PRICED, PARTIAL, APPROXIMATE, UNKNOWN = "priced", "partial", "approximate", "unknown"


def used(input_tokens=None, output_tokens=None, **more):
    return {"input_tokens": input_tokens, "output_tokens": output_tokens, **more}


def check(found, dollars, status, *reasons):
    assert (usd(found), found.status, list(found.reasons)) == (dollars, status, list(reasons))


@pytest.mark.parametrize(
    ("provider", "model", "at", "dollars"),
    [
        ("openai", "o3", "2025-05-01", "5"),
        ("openai", "o3", "2025-06-09T23:59:59Z", "5"),
        ("openai", "o3", "2025-06-10", "1"),
        ("openai", "gpt-4o", "2024-09-01", "2"),
        ("openai", "gpt-4o", "2024-10-02", "1.25"),
        ("openai", "gpt-5.6-sol", "2026-08-20", "3.5"),
        ("openai", "gpt-5.6-sol", "2026-08-21", "2.4"),
        ("mistral_ai", "mistral-large-latest", "2025-12-01T23:59:00Z", "0.8"),
        ("mistral_ai", "mistral-large-latest", "2025-12-02", "0.2"),
        # DeepSeek: flat, then peak at 01-04 and 06-10 UTC of Beijing's weekdays that are no holidays.
        ("deepseek", "deepseek-v4-pro", "2026-08-01T02:00:00Z", "0.1305"),
        ("deepseek", "deepseek-v4-pro", "2026-08-16T15:59:00Z", "0.1305"),
        ("deepseek", "deepseek-v4-pro", "2026-08-16T16:00:00Z", "0.264"),
        ("deepseek", "deepseek-v4-pro", "2026-11-02T00:59:00Z", "0.264"),
        ("deepseek", "deepseek-v4-pro", "2026-11-02T01:00:00Z", "0.528"),
        ("deepseek", "deepseek-v4-pro", "2026-11-02T03:59:00Z", "0.528"),
        ("deepseek", "deepseek-v4-pro", "2026-11-02T04:00:00Z", "0.264"),
        ("deepseek", "deepseek-v4-pro", "2026-11-02T09:59:00Z", "0.528"),
        ("deepseek", "deepseek-v4-pro", "2026-11-02T10:00:00Z", "0.264"),
        ("deepseek", "deepseek-v4-pro", "2026-11-07T02:00:00Z", "0.264"),
        ("deepseek", "deepseek-v4-pro", "2026-10-01T02:00:00Z", "0.264"),
        ("deepseek", "deepseek-v4-flash", "2026-08-20T02:00:00Z", "0.176"),
        ("deepseek", "deepseek-v4-flash", "2026-09-11T02:00:00Z", "0.15"),
        ("deepseek", "deepseek-v4-flash", "2026-09-12T02:00:00Z", "0.075"),
        ("deepseek", "deepseek-chat", "2025-10-15T02:00:00Z", "0.07"),
    ],
)
def test_the_price_is_the_one_of_the_call_s_own_time(provider, model, at, dollars):
    check(cost(provider, model, at=at), dollars, PRICED)


@pytest.mark.parametrize(
    ("model", "input_tokens", "dollars"),
    [("gpt-5.5", 272_000, "1.39"), ("gpt-5.5", 272_001, "2.76501"), ("gpt-5.5", 0, "0.03")],
)
def test_a_tier_is_a_cliff_for_every_token_and_begins_strictly_above_its_threshold(model, input_tokens, dollars):
    check(cost("openai", model, used(input_tokens, 1000)), dollars, PRICED)


def test_a_tier_looks_at_the_whole_input_cached_tokens_included():
    check(cost("openai", "gpt-5.5", used(272_001, 0, cache_read_tokens=272_000)), "0.27201", PRICED)


def test_a_threshold_that_the_data_gives_as_199_999_includes_200_000():
    check(cost("x_ai", "grok-4.5", used(199_999, 0)), "0.399998", PRICED)
    check(cost("x_ai", "grok-4.5", used(200_000, 0)), "0.8", PRICED)


@pytest.mark.parametrize(
    ("provider", "model", "at", "context", "dollars", "status", "reasons"),
    [
        ("openai", "gpt-5", "2026-11-02", {"service_tier": "flex"}, "0.5625", PRICED, []),
        ("openai", "gpt-5", "2026-11-02", {"service_tier": "priority"}, "2.25", PRICED, []),
        ("openai", "gpt-5", "2026-11-02", {"service_tier": "default"}, "1.125", PRICED, []),
        ("openai", "gpt-5", "2026-11-02", {"service_tier": "auto"}, "1.125", PRICED, []),
        ("openai", "gpt-5", "2026-11-02", {"service_tier": None}, "1.125", PRICED, []),
        ("openai", "gpt-5", "2026-11-02", {"service_tier": "FLEX"}, "0.5625", PRICED, []),
        ("openai", "gpt-5", "2026-11-02", {"service_tier": "flexx"}, "1.125", APPROXIMATE, ["unknown_context"]),
        ("azure.ai.openai", "gpt-5", "2026-11-02", {"service_tier": "flex"}, "1.125", APPROXIMATE, ["unknown_context"]),
        ("openai", "gpt-5", "2026-10-20", {"processing": "batch"}, "0.5625", PRICED, []),
        ("openai", "gpt-5", "2026-09-01", {"processing": "batch"}, "0.5625", PRICED, []),
        ("openai", "gpt-5", "2026-09-01", {"batch": True}, "0.5625", PRICED, []),
        ("openai", "gpt-5", "2026-09-01", {"service_tier": "batch"}, "0.5625", PRICED, []),
        ("azure", "gpt-5", "2026-11-02", {"batch": True}, "0.5625", PRICED, []),
        ("anthropic", "claude-sonnet-4-5", "2026-11-02", {"processing": "batch"}, "0.9", PRICED, []),
        ("anthropic", "claude-opus-4-6", "2026-11-02", {"inference_geo": "us"}, "3.3", PRICED, []),
        ("anthropic", "claude-opus-4-6", "2026-11-02", {"inference_geo": "global"}, "3", PRICED, []),
        ("anthropic", "claude-sonnet-4-5", "2026-11-02", {"inference_geo": "us"}, "1.8", PRICED, []),
        ("openai", "gpt-4o", "2026-11-02", {"region": "eu"}, "1.25", PRICED, []),
        ("groq", "llama-3.3-70b-versatile", "2026-11-02", {"service_tier": "flex"}, "0.138", PRICED, []),
    ],
)
def test_tier_batch_and_region_move_the_price_and_an_unknown_one_says_so(  # noqa: PLR0917 (a table's columns)
    provider, model, at, context, dollars, status, reasons
):
    check(cost(provider, model, at=at, **context), dollars, status, *reasons)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "dollars"),
    [
        # 5 minutes and an hour, split and together
        ("anthropic", "claude-sonnet-4-5", used(10_000, 0, cache_write_tokens=10_000), "0.0375"),
        ("anthropic", "claude-sonnet-4-5", used(10_000, 0, cache_write_5m_tokens=10_000), "0.0375"),
        ("anthropic", "claude-sonnet-4-5", used(10_000, 0, cache_write_1h_tokens=10_000), "0.06"),
        (
            "anthropic",
            "claude-sonnet-4-5",
            used(10_000, 0, cache_write_tokens=10_000, cache_write_5m_tokens=4_000, cache_write_1h_tokens=6_000),
            "0.051",
        ),
        (
            "anthropic",
            "claude-sonnet-4-5",
            used(10_000, 0, cache_write_5m_tokens=4_000, cache_write_1h_tokens=6_000),
            "0.051",
        ),
        # audio, inside input and output, cached and not
        ("openai", "gpt-audio", used(2000, 0, input_audio_tokens=2000), "0.064"),
        (
            "openai",
            "gpt-4o-audio-preview",
            used(2000, 800, input_audio_tokens=1500, output_audio_tokens=600),
            "0.11125",
        ),
        # images
        ("openai", "gpt-image-1", used(100, 1000, input_text_tokens=50, input_image_tokens=50), "0.04075"),
        ("openai", "gpt-image-1", used(100, None, output_image_tokens=1000), "0.0405"),
        # tools
        ("openai", "gpt-4o", used(1000, 100, web_searches=5), "0.0535"),
        ("openai", "gpt-4.1", used(1000, 100, file_searches=5), "0.0153"),
        ("anthropic", "claude-sonnet-4-5", used(1000, 100, web_searches=5), "0.0545"),
        # seconds, with the least that is billed
        ("groq", "whisper-large-v3", {"audio_seconds": 3}, "0.000308333"),
        ("groq", "whisper-large-v3", {"audio_seconds": 3600}, "0.111"),
        ("openai", "whisper-1", {"audio_seconds": 61.5}, "0.00615"),
        # reasoning is output; the smallest amounts stay
        ("openai", "o3", used(0, 100, reasoning_tokens=100), "0.0008"),
        ("openai", "text-embedding-3-small", {"input_tokens": 7}, "0.00000014"),
        ("openai", "gpt-4o", used(0, 0), "0"),
        # whatever the size
        ("openai", "gpt-4o", used(10**15, 10**15), "12500000000"),
        ("openai", "gpt-4o", used(10**30, 0), "2500000000000000000000000"),
    ],
)
def test_every_unit_has_its_own_price_and_is_counted_once(provider, model, usage, dollars):
    check(cost(provider, model, usage), dollars, PRICED)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "dollars", "status", "reason"),
    [
        ("openai", "gpt-audio", used(1000, 100, web_searches=5), "0.0035", PARTIAL, "unpriced_units"),
        ("openai", "gpt-4o", used(None, 10), "0.0001", PARTIAL, "no_usage"),
        ("openai", "gpt-4o", used(10, None), "0.000025", PARTIAL, "no_usage"),
        ("openai", "gpt-4o", used(1000, 0, input_audio_tokens=900), "0.0025", APPROXIMATE, "parent_unit"),
        ("openai", "whisper-1", used(1000, 100), None, UNKNOWN, "no_price"),
        ("openai", "gpt-4o", {}, None, UNKNOWN, "no_usage"),
        ("openai", "gpt-4o-foobar", {}, None, UNKNOWN, "no_usage"),
        ("openai", None, used(1, 1), None, UNKNOWN, "no_model"),
        ("openai", "", used(1, 1), None, UNKNOWN, "no_model"),
        ("openai", "gpt-4o", used(-1, 10), None, UNKNOWN, "inconsistent_usage"),
        ("openai", "gpt-4o", used(10, -10), None, UNKNOWN, "inconsistent_usage"),
        ("openai", "gpt-4o", used(10, 10, cache_read_tokens=-5), None, UNKNOWN, "inconsistent_usage"),
        ("openai", "o3", used(10, 5, reasoning_tokens=6), None, UNKNOWN, "inconsistent_usage"),
        ("openai", "gpt-audio", used(10, 5, input_audio_tokens=11), None, UNKNOWN, "inconsistent_usage"),
        ("openai", "gpt-audio", used(10, 5, output_audio_tokens=6), None, UNKNOWN, "inconsistent_usage"),
        ("github_copilot", "gpt-4o", used(10, 10), None, UNKNOWN, "subscription"),
    ],
)
def test_what_is_not_known_is_said_and_never_0(  # noqa: PLR0917 (a table's columns)
    provider, model, usage, dollars, status, reason
):
    found = cost(provider, model, usage)
    assert (usd(found), found.status, found.reason) == (dollars, status, reason)


@pytest.mark.parametrize(
    ("provider", "model", "dollars"),
    [
        ("openai", "GPT-4o", "1.25"),
        ("openai", " gpt-4o ", "1.25"),
        ("openai", "gpt-4o-2024-05-13", "2"),
        ("openai", "gpt-4o-2024-08-06", "1.25"),
        ("openai", "openai/gpt-4o", "1.25"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::AbC123", "0.15"),
        ("openai", "ft:gpt-4o-2024-08-06:acme:support:x", "1.875"),
        ("openai", "ft:gpt-4.1-2025-04-14:acme::x", "1.5"),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:acme::x", "0.4"),
        ("openai", "ft:gpt-4.1-nano-2025-04-14:acme::x", "0.1"),
        ("openai", "ft:gpt-3.5-turbo-0125:acme::x", "0.9"),
        ("openai", "ft:davinci-002:acme::x", "2.4"),
        ("azure.ai.openai", "gpt-4o-2024-08-06", "1.25"),
        ("azure.ai.openai", "gpt-4o-mini", "0.075"),
        ("az.ai.openai", "gpt-4o", "1.25"),
        ("aws.bedrock", "amazon.nova-lite-v1:0", "0.03"),
        ("aws.bedrock", "us.amazon.nova-lite-v1:0", "0.03"),
        ("gcp.gemini", "models/gemini-2.5-flash", "0.28"),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-flash", "0.28"),
        ("gcp.vertex_ai", "projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash", "0.28"),
        ("fireworks", "accounts/fireworks/models/deepseek-v3p2", "0.224"),
        ("groq", "llama-3.3-70b-versatile", "0.138"),
        ("x_ai", "grok-4", "1.8"),
        ("together_ai", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "0.176"),
        ("litellm", "groq/llama-3.3-70b-versatile", "0.138"),
        ("litellm_proxy", "azure/gpt-4o", "1.25"),
        ("vercel", "openai/gpt-4o", "1.25"),
        ("openrouter", "openai/gpt-4o", "1.25"),
        ("openrouter", "openrouter/openai/gpt-4o", "1.25"),
        ("openrouter", "meta-llama/llama-3.3-70b-instruct:free", "0"),
        ("openai", "omni-moderation-latest", "0"),
    ],
)
def test_a_name_is_found_by_whatever_route_it_came(provider, model, dollars):
    check(cost(provider, model), dollars, PRICED)


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "0.0198"),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "0.0198"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "0.018"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "0.0198",
        ),
        ("converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "0.0198"),
    ],
)
def test_bedrock_s_regional_profiles_cost_a_tenth_more_than_its_global_ones(model, dollars):
    check(cost("aws.bedrock", model, used(1000, 1000)), dollars, PRICED)


@pytest.mark.parametrize("name", ["claude-sonnet-4-5@20250929", "claude-sonnet-4-5@default", "claude-sonnet-4-5"])
def test_vertex_sells_claude_at_anthropic_s_price(name):
    check(cost("gcp.vertex_ai", name, used(1000, 1000)), "0.018", PRICED)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-foobar"),
        ("openai", "gpt-5-2027-01-01"),
        ("openai", "gpt-7"),
        ("openai", "o9"),
        ("openai", "ft:gpt-4o-foobar:acme::x"),
        ("openai", "ft:"),
        ("openai", "claude-sonnet-4-5"),
        ("anthropic", "claude-opus-9"),
        ("aws.bedrock", "us.anthropic.claude-opus-9-v1:0"),
        ("gcp.gemini", "gemini-9-pro"),
        ("azure.ai.openai", "prod-chat"),
        ("openrouter", "somebody/unheard-of"),
        ("ollama", "llama3"),
        ("_OTHER", "llama-3.3-70b"),
        ("_OTHER", "gpt-oss-120b"),
        (None, "my-model"),
        ("openai", "x" * 300),
        ("openai", "\x00\n'; drop table"),
    ],
)
def test_a_model_that_no_list_names_borrows_no_price(provider, model):
    check(cost(provider, model, used(1000, 1000)), None, UNKNOWN, "no_price")


@pytest.mark.parametrize("provider", ["_OTHER", None, "my-gateway"])
@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gpt-4o", "0.0125"),
        ("openrouter/openai/gpt-4o", "0.0125"),
        ("claude-sonnet-4-5", "0.018"),
        ("gemini-2.5-flash", "0.0028"),
    ],
)
def test_behind_a_gateway_only_a_model_with_a_sole_maker_is_priced_and_says_so(provider, model, dollars):
    check(cost(provider, model, used(1000, 1000)), dollars, APPROXIMATE, "provider_assumed")


def test_another_maker_s_price_stands_in_only_as_an_approximation():
    check(cost("azure.ai.inference", "deepseek-r1", used(1000, 1000)), "0.00274", APPROXIMATE, "provider_assumed")


def test_a_route_of_openrouter_that_may_cost_more_is_approximate():
    check(cost("openrouter", "openai/gpt-4o:nitro", used(1000, 1000)), "0.0125", APPROXIMATE, "unknown_context")


@pytest.mark.parametrize(
    ("usage", "context", "dollars", "status", "reasons"),
    [
        (used(2000, 0, cache_read_tokens=90_000), {}, "0.033", PRICED, ["usage_exclusive_normalised"]),
        (used(2000, 0, cache_write_1h_tokens=10_000), {}, "0.066", PRICED, ["usage_exclusive_normalised"]),
        (used(8000, 0, cache_read_tokens=8000), {}, "0.0024", PRICED, []),
        (
            used(8000, 0, cache_read_tokens=8000),
            {"convention": "exclusive"},
            "0.0264",
            PRICED,
            ["usage_exclusive_normalised"],
        ),
        (used(8000, 0), {"convention": "exclusive"}, "0.024", PRICED, []),
        (used(8000, 0, cache_read_tokens=9000), {"convention": "inclusive"}, None, UNKNOWN, ["inconsistent_usage"]),
    ],
)
def test_counts_that_leave_cached_tokens_out_are_put_right_and_flagged(usage, context, dollars, status, reasons):
    check(cost("anthropic", "claude-sonnet-4-5", usage, **context), dollars, status, *reasons)


@pytest.mark.parametrize(
    ("context", "dollars"),
    [
        ({"aliases": {"prod-chat": "openai/gpt-4o"}}, "1.25"),
        ({"aliases": {"Prod-Chat": "gpt-4o-mini"}}, "0.075"),
        ({"aliases": {"prod-chat": ("azure", "gpt-4o")}}, "1.25"),
        ({"aliases": {"other": "openai/gpt-4o"}}, None),
    ],
)
def test_an_alias_says_what_a_deployment_stands_for(context, dollars):
    assert usd(cost("azure.ai.openai", "prod-chat", **context)) == dollars


def test_a_discount_keeps_the_list_price_beside_what_is_paid():
    found = cost("openai", "gpt-4o", discount="0.85")
    assert (usd(found), found.list_nano_usd, found.status) == ("1.0625", 1_250_000_000, PRICED)
    assert found.input_nano_usd + found.output_nano_usd == found.nano_usd


def test_what_the_provider_states_wins():
    found = cost("openai", "gpt-4o", stated_usd="0.123456789")
    assert (found.nano_usd, found.status, found.source) == (123_456_789, PRICED, "provider")


def test_a_cost_says_whose_price_it_is_and_splits_into_its_directions():
    found = cost("openai", "gpt-4o", used(1000, 100))
    assert (found.source, found.detail) == ("genai-prices", "openai/gpt-4o")
    assert found.price_version.startswith("genai-prices 0.2.")
    assert (found.input_nano_usd, found.output_nano_usd) == (2_500_000, 1_000_000)
    assert found.lines == ()
    assert cost("openai", "ft:davinci-002:a::b", used(1, 1)).source == "spanwatch"


def test_the_lines_of_a_cost_explain_it():
    found = cost("openai", "gpt-5.5", used(300_000, 2000, cache_read_tokens=100_000), lines=True)
    lines = [(line.unit, line.count, line.usd_per, line.per, line.nano_usd) for line in found.lines]
    assert lines == [
        ("input_tokens", 200_000, "10", 1_000_000, 2_000_000_000),
        ("cache_read_tokens", 100_000, "1", 1_000_000, 100_000_000),
        ("output_tokens", 2000, "45", 1_000_000, 90_000_000),
    ]
