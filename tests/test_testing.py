"""capture(): everything real, nothing left behind."""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import spanwatch
import spanwatch.budgets
from demo.server import Config, DemoServer
from demo.server.config import cue
from spanwatch import Budget, BudgetExceeded
from spanwatch.core import names
from spanwatch.core.call import CallStatus
from spanwatch.otel.openai import OpenAIInstrumentor
from spanwatch.otel.setup import INSTANCE
from spanwatch.testing import capture
from tests.otel.conftest import no_providers  # noqa: F401 (a fixture)

HELLO = [{"role": "user", "content": "a secret"}]
AGENT = {names.OPERATION_NAME: "invoke_agent", names.AGENT_NAME: "planner"}
pytestmark = pytest.mark.usefixtures("no_providers", "elsewhere")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    spanwatch.shutdown(0.5)
    assert not OpenAIInstrumentor().is_instrumented_by_opentelemetry


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.base_url, api_key="demo", max_retries=0) as made:
        yield made


def chat(client, **options):
    return client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **options)


def test_a_call_is_captured_with_its_cost_span_and_metrics_and_nothing_is_left_behind(client, elsewhere):
    with capture() as captured:
        chat(client)
        (call,) = captured.calls
    assert call.status is CallStatus.OK
    assert call.response_model == "gpt-4o-mini-2026-01-01"
    assert call.usage.input_tokens == 120
    assert captured.total_usd == call.cost.usd > 0
    (span,) = captured.spans
    assert (span["id"], span["name"], span["kind"], span["parent"], span["status"]) == (
        1,
        "chat gpt-4o-mini",
        "client",
        None,
        "unset",
    )
    assert span["attributes"][names.COST_USD] == float(call.cost.usd)
    assert span["attributes"][names.RESPONSE_FINISH_REASONS] == ["stop"]
    assert names.INPUT_MESSAGES not in span["attributes"]
    assert [point["value"] for point in captured.metrics[names.CALLS.name]] == [1]
    assert [point["count"] for point in captured.metrics[names.INFERENCE_DURATION.name]] == [1]
    assert captured.logs == []
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert INSTANCE.runtime is None
    assert list(elsewhere.iterdir()) == []
    chat(client)
    assert len(captured.calls) == 1


def test_spans_are_numbered_as_they_began_with_the_agent_above_its_calls(client):
    tracer = trace.get_tracer("app")
    with capture() as captured, tracer.start_as_current_span("invoke_agent planner", attributes=AGENT):
        chat(client)
        chat(client, stream=True).close()
    assert [(span["id"], span["name"], span["parent"]) for span in captured.spans] == [
        (1, "invoke_agent planner", None),
        (2, "chat gpt-4o-mini", 1),
        (3, "chat gpt-4o-mini", 1),
    ]
    assert captured.spans[0]["attributes"][names.ROLLUP_CALLS] == 2
    assert [call.agent for call in captured.calls] == ["planner", "planner"]


def test_a_failed_call_has_an_event_that_names_its_span(client):
    with capture() as captured, pytest.raises(openai.InternalServerError):
        chat(client, extra_headers=cue(status=500))
    (event,) = captured.logs
    assert (event["event"], event["severity"], event["span"]) == (names.EVENT_OPERATION_EXCEPTION, "WARN", 1)
    assert captured.spans[0]["status"] == "error"
    assert captured.calls[0].status is CallStatus.ERROR
    assert captured.total_usd == Decimal(0)


def test_an_unknown_cost_makes_the_total_unknown(client):
    with capture() as captured:
        chat(client)
        client.chat.completions.create(model="no-such-model-9", messages=HELLO)
    assert captured.total_usd is None


def test_content_is_captured_on_request(client):
    with capture(content=True) as captured:
        chat(client)
    assert "a secret" in captured.spans[0]["attributes"][names.INPUT_MESSAGES]


def test_a_dropped_stream_is_captured_as_abandoned(client):
    with capture() as captured:
        next(iter(chat(client, stream=True)))
        for _ in range(3):
            gc.collect()
        assert len(captured.calls) == 1
    assert captured.calls[0].status is CallStatus.ABANDONED


def test_usage_that_a_fetch_brings_is_given_to_its_call_once(client):
    with capture() as captured:
        begun = client.responses.create(
            model="gpt-4o-mini",
            input="x",
            background=True,
            extra_headers=cue(response_status="queued", settled_status="completed"),
        )
        assert captured.total_usd is None
        client.responses.retrieve(begun.id, extra_headers=cue(settled_status="completed"))
    begun, fetched = captured.calls
    assert begun.usage.input_tokens == 120
    assert fetched.operation == names.FETCH_RESPONSE
    assert fetched.cost is None
    assert captured.total_usd == begun.cost.usd > 0


def test_in_a_configured_process_calls_go_to_the_capture_and_then_back_where_they_went(client, elsewhere):
    spanwatch.configure(home=elsewhere / "home", sample=0, banner="off")
    tracer = trace.get_tracer("app")
    runtime, provider = INSTANCE.runtime, trace.get_tracer_provider()
    with capture() as captured, tracer.start_as_current_span("invoke_agent planner", attributes=AGENT):
        chat(client)
    assert [span["name"] for span in captured.spans] == ["invoke_agent planner", "chat gpt-4o-mini"]
    assert runtime.journal.appended == 0
    assert INSTANCE.runtime is runtime
    assert trace.get_tracer_provider() is provider
    with tracer.start_as_current_span("invoke_agent planner", attributes=AGENT):
        chat(client)
    assert len(captured.calls) == 1
    assert runtime.journal.appended == 1


def test_an_application_provider_gets_nothing_meanwhile_and_everything_afterwards(client):
    theirs, exported = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    theirs.add_span_processor(SimpleSpanProcessor(exported))
    trace.set_tracer_provider(theirs)
    early = trace.get_tracer("early")
    with capture() as captured:
        inside = trace.get_tracer("inside")
        early.start_span("one").end()
        inside.start_span("two").end()
        chat(client)
    assert [span["name"] for span in captured.spans] == ["one", "two", "chat gpt-4o-mini"]
    assert exported.get_finished_spans() == ()
    assert trace.get_tracer_provider() is theirs
    early.start_span("three").end()
    inside.start_span("four").end()
    assert [span.name for span in exported.get_finished_spans()] == ["three", "four"]
    assert len(captured.spans) == 3


def test_a_tracer_got_once_serves_every_capture_and_grows_no_chain(client):
    tracer = trace.get_tracer("module")
    for _ in range(300):
        with capture() as captured:
            tracer.start_span("work").end()
        assert [span["name"] for span in captured.spans] == ["work"]
    assert not tracer.start_span("after").is_recording()


def test_configure_and_shutdown_in_the_code_under_test_do_nothing(client, elsewhere):
    with capture() as captured:
        spanwatch.configure(service="bot")
        chat(client)
        assert spanwatch.flush()
        assert spanwatch.shutdown()
        chat(client)
    assert len(captured.calls) == 2
    assert INSTANCE.runtime is None
    assert list(elsewhere.iterdir()) == []


def test_wrong_settings_in_the_code_under_test_are_still_an_error():
    with capture(), pytest.raises(spanwatch.ConfigurationError, match="openai"):
        spanwatch.configure(openai="nonsense")


def test_a_second_capture_inside_is_a_clear_error_and_harms_nothing(client):
    with capture() as captured:
        with pytest.raises(RuntimeError, match="captured already"), capture():
            pass
        chat(client)
    assert len(captured.calls) == 1


def test_an_error_in_the_block_passes_and_everything_is_put_back(client):
    def failing():
        with capture() as captured:
            kept.append(captured)
            chat(client)
            raise KeyError

    kept = []
    with pytest.raises(KeyError):
        failing()
    assert len(kept[0].calls) == 1
    with capture() as again:
        chat(client)
    assert len(again.calls) == 1


def test_calls_of_many_threads_and_tasks_are_all_captured_and_rolled_up(client, server):
    tracer = trace.get_tracer("app")

    async def tasks():
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="demo") as later:
            with tracer.start_as_current_span("invoke_agent tasks", attributes=AGENT):
                await asyncio.gather(*(chat(later) for _ in range(20)))

    def thread(_):
        with tracer.start_as_current_span("invoke_agent thread", attributes=AGENT):
            chat(client)
            chat(client)

    with capture() as captured:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(thread, range(20)))
        asyncio.run(tasks())
    assert len(captured.calls) == len({call.call_id for call in captured.calls}) == 60
    agents = [span["attributes"] for span in captured.spans if span["name"].startswith("invoke_agent")]
    assert sorted(found[names.ROLLUP_CALLS] for found in agents) == [2] * 20 + [20]
    assert sum(found[names.ROLLUP_COST_USD] for found in agents) == pytest.approx(float(captured.total_usd))
    (point,) = captured.metrics[names.CALLS.name]
    assert point["value"] == 60


def test_no_thread_is_left_behind(client):
    before = threading.active_count()
    with capture():
        chat(client)
    assert threading.active_count() == before


def test_the_fixture_captures(spanwatch_capture, client):
    chat(client)
    assert len(spanwatch_capture.calls) == 1


def test_a_span_of_another_instrumentation_around_our_call_is_the_same_call_and_counts_once(client):
    request = {names.OPERATION_NAME: "chat", names.PROVIDER_NAME: "openai", names.REQUEST_MODEL: "gpt-4o-mini"}
    official = trace.get_tracer("opentelemetry.instrumentation.genai.openai")
    with capture() as captured, trace.get_tracer("app").start_as_current_span("invoke_agent a", attributes=AGENT) as a:
        with official.start_as_current_span("chat gpt-4o-mini", attributes=request) as span:
            answer = chat(client)
            span.set_attributes(
                {
                    names.RESPONSE_ID: answer.id,
                    names.RESPONSE_MODEL: answer.model,
                    names.USAGE_INPUT_TOKENS: answer.usage.prompt_tokens,
                    names.USAGE_OUTPUT_TOKENS: answer.usage.completion_tokens,
                }
            )
        a.set_attributes({names.USAGE_INPUT_TOKENS: 120, names.USAGE_OUTPUT_TOKENS: 48})  # as agents repeat it
    (call,) = captured.calls
    assert call.scope == "opentelemetry.instrumentation.genai.openai"
    assert (call.usage.cache_read_tokens, call.usage.reasoning_tokens) == (64, 24)  # which only ours knew
    agent, outer, inner = (span["attributes"] for span in captured.spans)
    assert agent[names.ROLLUP_CALLS] == 1
    assert names.COST_USD not in agent
    assert outer[names.COST_USD] == float(captured.total_usd) > 0
    assert inner[names.CALL_DUPLICATE] is True
    assert names.COST_USD not in inner
    assert [point["value"] for point in captured.metrics[names.CALLS.name]] == [1]


@pytest.mark.parametrize(
    ("request_names", "usage_names"),
    [
        ({"gen_ai.provider.name": "openai"}, ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")),
        ({"gen_ai.system": "openai"}, ("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens")),
    ],
    ids=["current", "older"],
)
def test_a_span_made_by_hand_is_priced_and_goes_on_with_its_cost(request_names, usage_names):
    given = {**request_names, "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
    with capture() as captured, trace.get_tracer("mine").start_as_current_span("call", attributes=given) as span:
        span.set_attributes(dict(zip(usage_names, (1_000_000, 0), strict=True)))
    (call,) = captured.calls
    assert call.cost.usd == Decimal("0.15")
    assert captured.spans[0]["attributes"][names.COST_USD] == 0.15


def test_spans_are_a_tree_too(client):
    with capture() as captured:
        with spanwatch.agent("planner"), spanwatch.tool("search"):
            chat(client)
        with spanwatch.tool("alone"):
            pass
    planner, alone = captured.tree
    (search,) = planner["children"]
    assert [planner["name"], search["name"], alone["name"]] == [
        "invoke_agent planner",
        "execute_tool search",
        "execute_tool alone",
    ]
    assert [span["name"] for span in search["children"]] == ["chat gpt-4o-mini"]
    assert search["children"][0]["children"] == alone["children"] == []


def test_a_cost_below_a_limit_is_asserted_exactly(client):
    with capture() as captured:
        chat(client)
    total = captured.total_usd
    captured.assert_cost_below(total + Decimal("0.000000001"))
    captured.assert_cost_below(1)
    captured.assert_cost_below("0.5")
    with pytest.raises(AssertionError, match=f"1 calls cost {total} USD, not below {total} USD: chat gpt-4o-mini"):
        captured.assert_cost_below(total)


def test_an_unknown_cost_is_below_nothing(client):
    with capture() as captured:
        client.chat.completions.create(model="acme-1", messages=HELLO)
    with pytest.raises(AssertionError, match=r"the cost of 1 of 1 calls is unknown: chat acme-1.* \(no_price\)"):
        captured.assert_cost_below(1_000)


def test_nothing_at_all_costs_less_than_anything():
    with capture() as captured:
        pass
    captured.assert_cost_below("0.000000001")
    captured.assert_no_errors()
    captured.assert_tools_called()


def test_errors_of_calls_and_tools_are_named(client):
    with capture() as captured:
        with pytest.raises(openai.APIStatusError):
            chat(client, extra_headers=cue(status=500))
        with pytest.raises(KeyError), spanwatch.tool("search"):
            raise KeyError("x")
    with pytest.raises(AssertionError, match=r"2 failed: chat gpt-4o-mini \(.*\), execute_tool search \(KeyError\)"):
        captured.assert_no_errors()


def test_tools_that_were_not_called_are_named_with_those_that_were():
    with capture() as captured:
        for _ in range(2):
            with spanwatch.tool("search"):
                pass
    captured.assert_tools_called("search")
    with pytest.raises(AssertionError, match=r"not called: read, write; tools called: search \(2 x\)"):
        captured.assert_tools_called("search", "read", "write")


def test_budgets_that_a_capture_is_given_are_enforced_in_it_and_kept_nowhere(client, elsewhere):
    with capture(budgets=[Budget("run", usd="0.0001")]) as captured:
        chat(client, max_tokens=100)
        (status,) = spanwatch.budgets.status("run")
        assert status.cost == captured.total_usd > 0
        with pytest.raises(BudgetExceeded, match="budget 'run'"):
            chat(client, max_tokens=100_000)
        assert [call.status for call in captured.calls] == [CallStatus.OK, CallStatus.REFUSED]
        assert captured.metrics[names.BUDGET_REFUSED.name] == [
            {"attributes": {"spanwatch.budget.name": "run"}, "value": 1}
        ]
    with capture(budgets=[Budget("run", usd="0.0001")]) as captured:
        chat(client, max_tokens=100)
        captured.assert_no_errors()
    assert list(elsewhere.iterdir()) == []


def test_two_budgets_of_one_name_are_an_error_of_capture():
    with pytest.raises(ValueError, match="two budgets are named 'b'"), capture(budgets=[Budget("b", usd=1)] * 2):
        pass


def test_a_summary_says_what_is_not_known(client):
    with capture() as captured:
        chat(client)
        client.chat.completions.create(model="acme-1", messages=HELLO)
    found = captured.summary()
    assert (found["calls"], found["errors"], found["usd"]) == (2, 0, None)
    assert found["input_tokens"] == sum(call.usage.input_tokens for call in captured.calls)
