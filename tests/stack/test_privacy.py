"""Content arrives only when it is switched on at both ends, planted secrets never."""

import importlib.util
import json
import time
from pathlib import Path

import pytest
from stack_rig import Collector, enough, eventually, post_spans, run_traffic, values

from spanwatch.core import names

SPEC = importlib.util.spec_from_file_location("stack_traffic", Path(__file__).parent / "traffic.py")
traffic = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(traffic)
SECRETS = (traffic.SECRET_KEY, traffic.SECRET_MAIL)
TEXTS = (traffic.PROMPT, traffic.ANSWER)


def everything(stack, service, traces):
    """All that the back ends have of a service, as text."""
    found = [stack.jaeger.spans(trace_id) for trace_id in traces]
    found += [stack.jaeger.legacy(trace_id) for trace_id in traces]
    found += stack.loki.records(f'{{service_name="{service}"}}')
    found += [stack.prometheus.query(f'{{job="{service}"}}')]
    return json.dumps(found)


@pytest.fixture(scope="module")
def open_gateway(stack, tmp_path_factory):
    layers = ("gateway.yaml", "overlay-dev.yaml", "overlay-content.yaml")
    with Collector(tmp_path_factory.mktemp("open"), stack.bin / "otelcol", stack.ports, layers) as collector:
        yield collector


def spans_of(stack, trace_id, at_least):
    return enough(lambda: stack.jaeger.spans(trace_id), at_least, f"{at_least} spans of {trace_id}")


def test_by_default_neither_content_nor_secrets_arrive(stack, run):
    for trace_id in run.traces:
        spans_of(stack, trace_id, len(run.spans) // len(run.traces))
    eventually(lambda: stack.loki.records('{service_name="proven"}'), "log records")
    told = everything(stack, run.service, run.traces)
    assert "ask " in told
    assert [text for text in (*SECRETS, *TEXTS) if text in told] == []


def test_content_on_in_the_application_alone_does_not_arrive(stack, server, tmp_path):
    said = run_traffic(server, "half-open", tmp_path, stack.endpoint, SPANWATCH_CONTENT="on")
    spans = spans_of(stack, said["traces"][0], 12)
    assert names.RESPONSE_MODEL in {key for span in spans.values() for key in values(span.get("attributes", []))}
    told = everything(stack, "half-open", said["traces"])
    assert [text for text in (*SECRETS, traffic.PROMPT) if text in json.dumps(spans)] == []
    assert [text for text in SECRETS if text in told] == []


def test_content_on_at_both_ends_arrives_without_secrets(stack, server, tmp_path, open_gateway):
    said = run_traffic(server, "open", tmp_path, open_gateway.endpoint, SPANWATCH_CONTENT="on")
    spans = spans_of(stack, said["traces"][0], 12)
    texts = [values(span["attributes"]).get(names.INPUT_MESSAGES) for span in spans.values()]
    assert any(text is not None and traffic.PROMPT in json.dumps(text) for text in texts)
    told = everything(stack, "open", said["traces"])
    assert [text for text in SECRETS if text in told] == []


def test_what_other_instrumentations_call_content_and_secrets_is_caught_by_the_gateway(stack):
    trace_id = f"{time.time_ns():032x}"
    attributes = {
        "gen_ai.prompt.0.content": traffic.PROMPT,
        "gen_ai.completion.0.content": traffic.ANSWER,
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": traffic.PROMPT}]),
        "input.value": traffic.PROMPT,
        "llm.input_messages.0.message.content": traffic.PROMPT,
        "traceloop.entity.input": traffic.PROMPT,
        "note": f"mail {traffic.SECRET_MAIL}, key {traffic.SECRET_KEY}",
        "x_api_key": "plain-but-secret",
        "gen_ai.usage.input_tokens": 7,
    }
    event = {"name": "gen_ai.content.prompt", "attributes": _pairs({"gen_ai.prompt": traffic.PROMPT})}
    post_spans(stack.endpoint, [_span(trace_id, attributes, events=[event])], "foreign")
    (span,) = spans_of(stack, trace_id, 1).values()
    told, kept = json.dumps(span), values(span["attributes"])
    assert [text for text in (*SECRETS, *TEXTS, "plain-but-secret") if text in told] == []
    assert kept["gen_ai.usage.input_tokens"] == 7
    assert kept["note"].startswith("mail ")
    assert (
        not {key for key in attributes if key not in {"note", "x_api_key", "gen_ai.usage.input_tokens"}} & kept.keys()
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"gen_ai.system": "az.ai.openai"}, {"gen_ai.provider.name": "azure.ai.openai"}),
        ({"gen_ai.system": "openai"}, {"gen_ai.provider.name": "openai"}),
        (
            {"gen_ai.usage.prompt_tokens": 5, "gen_ai.usage.completion_tokens": 6},
            {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 6},
        ),
        (
            {"llm.model_name": "m", "llm.token_count.prompt": 3, "openinference.span.kind": "LLM"},
            {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3, "gen_ai.operation.name": "chat"},
        ),
        ({"traceloop.span.kind": "agent"}, {"gen_ai.operation.name": "invoke_agent"}),
        (
            {"gen_ai.usage.cache_creation.input_tokens": 2, "gen_ai.usage.reasoning_tokens": 4},
            {"gen_ai.usage.cache_write.input_tokens": 2, "gen_ai.usage.reasoning.output_tokens": 4},
        ),
    ],
)
def test_older_spellings_arrive_as_today_s(stack, old, new):
    trace_id = f"{time.time_ns():032x}"
    post_spans(stack.endpoint, [_span(trace_id, old)], "foreign")
    (span,) = spans_of(stack, trace_id, 1).values()
    kept = values(span["attributes"])
    assert new.items() <= kept.items()
    assert not {key for key in old if key.startswith("gen_ai.")} & kept.keys()


def _pairs(attributes):
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue", bool: "boolValue"}
    return [{"key": key, "value": {kinds[type(value)]: value}} for key, value in attributes.items()]


def _span(trace_id, attributes, **more):
    now = time.time_ns()
    return {
        "traceId": trace_id,
        "spanId": trace_id[-16:],
        "name": "by hand",
        "kind": 1,
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
        "attributes": _pairs(attributes),
        **more,
    }
