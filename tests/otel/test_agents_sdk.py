"""Runs of the real OpenAI Agents SDK against the demo server, as spans, sums and stored calls."""

import json
from pathlib import Path

import pytest

from spanwatch.core import names

pytest.importorskip("agents.tracing", reason="needs the OpenAI Agents SDK: pip install openai-agents")

MCP_SERVER = Path(__file__).parents[1] / "frameworks" / "mcp_server.py"
SETUP = """
import asyncio, json, os
import agents, spanwatch
if "VENDOR" not in os.environ:
    agents.set_trace_processors([])  # its own exporter calls its vendor
spanwatch.configure(agents=True, openai=os.environ.get("ENGINE", "spanwatch"), content=os.environ.get("CONTENT"))
from agents import Agent, ModelSettings, RunConfig, Runner, function_tool
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
later = openai.AsyncOpenAI(max_retries=0)
def model():
    if os.environ.get("API") == "chat":
        return OpenAIChatCompletionsModel(model="gpt-4o-mini", openai_client=later)
    return agents.OpenAIResponsesModel(model="gpt-4o-mini", openai_client=later)
@function_tool
async def weather(city: str) -> str:
    "The weather of a city."
    return "mild"
def agent(name="Concierge", **more):
    return Agent(name=name, instructions="a secret", model=model(), **more)
CONFIG = RunConfig(workflow_name="Support desk", group_id="thread-7")
"""


def run(place, code, **environ):
    answer = place.python(SETUP + code, OPENAI_AGENTS_DONT_LOG_MODEL_DATA="1", **environ)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


class Span:
    def __init__(self, body):
        self.name, self.id, self.parent, self.attributes = body["n"], body["s"], body.get("p"), body.get("a", {})
        self.failed = body.get("st", [0])[0] == 2

    def __getitem__(self, name):
        return self.attributes.get(name)


def spans(place):
    return [Span(json.loads(body)) for (body,) in place.rows("SELECT body FROM spans ORDER BY started_ns, id")]


def tree(place):
    """Every span's name under its parents', in the order they began."""
    known = {span.id: span for span in spans(place)}

    def path(span):
        above = known.get(span.parent)
        return span.name if above is None else f"{path(above)} > {span.name}"

    return [path(span) for span in known.values()]


def named(place, name):
    return next(span for span in spans(place) if span.name == name)


ONE = "print(Runner.run_sync(agent(tools=[weather]), 'hi', run_config=CONFIG).final_output)"


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_run_with_a_tool_is_one_tree_with_cost_on_calls_and_sums_above(place, api):
    run(place, ONE, API=api)
    top, concierge = "invoke_workflow Support desk", "invoke_workflow Support desk > invoke_agent Concierge"
    turn, call = f"{concierge} > turn Concierge", f"{concierge} > turn Concierge > chat gpt-4o-mini"
    assert sorted(tree(place)) == sorted([top, concierge, turn, call, f"{turn} > execute_tool weather", turn, call])
    calls = place.rows("SELECT nano_usd, agent, conversation_id FROM calls WHERE counted")
    assert calls == [(42_000, "Concierge", "thread-7")] * 2
    workflow, planner = named(place, top), named(place, "invoke_agent Concierge")
    for span in (workflow, planner):
        assert span[names.ROLLUP_COST_USD] == pytest.approx(84_000 / 1e9)
        assert (span[names.ROLLUP_CALLS], span[names.ROLLUP_TOOL_CALLS]) == (2, 1)
        assert span[names.OUTCOME] == "ok"
    assert workflow[names.CONVERSATION_ID] == "thread-7"
    assert [span[names.TURN] for span in spans(place) if span.name == "turn Concierge"] == [1, 2]


def test_content_is_there_only_when_it_is_on(place):
    run(place, ONE)
    assert "a secret" not in str(place.rows("SELECT body FROM spans"))
    assert named(place, "execute_tool weather")[names.TOOL_CALL_RESULT] is None


def test_with_content_on_a_tool_has_its_arguments_and_result(place):
    run(place, ONE, CONTENT="on")
    tool = named(place, "execute_tool weather")
    assert json.loads(tool[names.TOOL_CALL_ARGUMENTS]) == {"city": "Paris"}
    assert tool[names.TOOL_CALL_RESULT] == "mild"


STREAMED = """
async def main():
    result = Runner.run_streamed(agent(tools=[weather]), "hi", run_config=CONFIG)
    async for _ in result.stream_events():
        pass
asyncio.run(main())
"""


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_streamed_run_is_the_same_tree(place, api):
    run(place, STREAMED, API=api)
    paths = tree(place)
    assert len(paths) == 7, paths
    assert all(path.startswith("invoke_workflow Support desk") for path in paths)
    calls = [path for path in paths if path.endswith("chat gpt-4o-mini")]
    assert calls == ["invoke_workflow Support desk > invoke_agent Concierge > turn Concierge > chat gpt-4o-mini"] * 2
    assert place.rows("SELECT nano_usd FROM calls WHERE counted") == [(42_000,)] * 2


CONCURRENT = """
async def main():
    def one(name):
        return Runner.run(agent(name, tools=[weather]), "hi", run_config=RunConfig(workflow_name=name, group_id=name))
    await asyncio.gather(*[one(f"run {number}") for number in range(4)])
asyncio.run(main())
"""


def test_concurrent_runs_do_not_mix(place):
    run(place, CONCURRENT)
    assert len({trace for (trace,) in place.rows("SELECT DISTINCT trace_id FROM spans")}) == 4
    rows = place.rows("SELECT agent, conversation_id, count(*) FROM calls WHERE counted GROUP BY trace_id, 1, 2")
    assert sorted(rows) == [(f"run {number}", f"run {number}", 2) for number in range(4)]


SHARED = """
async def main():
    def one(name, latency):
        slow = ModelSettings(extra_headers={"X-Demo": json.dumps({"latency": latency})})
        desk = agent(name, handoffs=[agent("Billing")], model_settings=slow)
        config = RunConfig(workflow_name=name, group_id=name, trace_id="trace_" + 32 * "a")
        return Runner.run(desk, "hi", run_config=config)
    await asyncio.gather(one("slow", 1), one("quick", 0.1))
asyncio.run(main())
"""


def test_concurrent_runs_that_share_the_id_of_a_trace_do_not_mix(place):
    run(place, SHARED)
    paths = tree(place)
    for name in ("slow", "quick"):
        scopes = [path for path in paths if path.startswith(f"invoke_workflow {name}") and "turn" not in path]
        assert len(scopes) == 3, paths
    rows = place.rows("SELECT agent, conversation_id, count(*) FROM calls WHERE counted GROUP BY 1, 2 ORDER BY 2, 1")
    assert rows == [("Billing", "quick", 1), ("quick", "quick", 1), ("Billing", "slow", 1), ("slow", "slow", 1)]


HANDOFF = """
billing = agent("Billing")
first = agent("Triage", handoffs=[billing])
Runner.run_sync(first, "hi", run_config=CONFIG)
"""


def test_a_handoff_names_both_agents(place):
    run(place, HANDOFF)
    handoff = named(place, "handoff")
    assert (handoff[names.HANDOFF_FROM], handoff[names.HANDOFF_TO]) == ("Triage", "Billing")
    assert {row for (row,) in place.rows("SELECT agent FROM calls WHERE counted")} == {"Triage", "Billing"}
    agents_at = [path for path in tree(place) if path.endswith("invoke_agent Billing")]
    assert agents_at == ["invoke_workflow Support desk > invoke_agent Billing"]


APPROVED = """
@function_tool(needs_approval=True)
async def pay(city: str) -> str:
    "Pays."
    return "paid"
desk = agent("Desk", tools=[pay])
async def plain(given):
    return await Runner.run(desk, given, run_config=CONFIG)
async def streamed(given):
    told = Runner.run_streamed(desk, given, run_config=CONFIG)
    async for _ in told.stream_events():
        pass
    return told
async def main():
    for go in (plain, streamed):
        state = (await go("hi")).to_state()
        for interruption in state.get_interruptions():
            state.approve(interruption)
        print((await go(state)).final_output is not None)
asyncio.run(main())
"""


def test_a_run_that_goes_on_after_an_approval_is_in_its_workflow_and_conversation(place):
    assert run(place, APPROVED) == "True\nTrue\n"
    top = [path for path in tree(place) if " > " not in path]
    assert top == ["invoke_workflow Support desk"] * 4
    calls = place.rows("SELECT nano_usd, agent, conversation_id FROM calls WHERE counted")
    assert calls == [(42_000, "Desk", "thread-7")] * 4
    sums = [span[names.ROLLUP_CALLS] for span in spans(place) if span.name == "invoke_workflow Support desk"]
    assert sums == [1] * 4


LISTED = """
import sys
from agents.mcp import MCPServerStdio
async def main():
    words = {"command": sys.executable, "args": [os.environ["MCP_SERVER"]]}
    async with MCPServerStdio(params=words, name="almanac", client_session_timeout_seconds=30) as almanac:
        await Runner.run(agent(mcp_servers=[almanac]), "hi", run_config=CONFIG)
asyncio.run(main())
"""


def test_a_list_of_mcp_tools_names_its_server_and_a_tool_of_it_is_one_tool_call(place):
    run(place, LISTED, MCP_SERVER=str(MCP_SERVER))
    listed = named(place, "tools/list almanac")
    assert listed[names.MCP_METHOD] == "tools/list"
    assert (listed[names.MCP_SERVER], listed[names.RESULT_ITEMS]) == ("almanac", 1)
    assert named(place, "execute_tool weather")[names.MCP_SERVER] == "almanac"
    workflow = named(place, "invoke_workflow Support desk")
    assert (workflow[names.ROLLUP_CALLS], workflow[names.ROLLUP_TOOL_CALLS]) == (2, 1)


ELSEWHERE = """
asked = {"cached_tokens": 64, "cache_write_tokens": 16}
usage = {"input_tokens": 120, "output_tokens": 48, "input_tokens_details": asked, "output_tokens_details": {}}
with agents.trace("Batch"):
    with agents.generation_span(model="anthropic/claude-sonnet-4-5", model_config={"model_impl": "litellm"}) as span:
        span.span_data.usage = usage
"""


def test_a_model_that_another_library_calls_costs_what_it_wrote_to_the_cache_too(place):
    run(place, ELSEWHERE)
    known = "SELECT input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, nano_usd FROM calls"
    assert place.rows(known) == [(120, 64, 16, 48, 919_200)]


GUARDRAIL = """
from agents import GuardrailFunctionOutput, InputGuardrail
async def strict(context, who, given):
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)
guarded = agent(input_guardrails=[InputGuardrail(guardrail_function=strict, name="strict")])
try:
    Runner.run_sync(guarded, "hi", run_config=CONFIG)
except agents.InputGuardrailTripwireTriggered:
    print("tripped")
"""


def test_a_tripwire_is_told_on_its_guardrail_and_ends_the_run_by_its_name(place):
    assert run(place, GUARDRAIL).endswith("tripped\n")
    guardrail = named(place, "guardrail strict")
    assert (guardrail[names.GUARDRAIL_NAME], guardrail[names.GUARDRAIL_TRIGGERED]) == ("strict", True)
    assert not guardrail.failed
    workflow = named(place, "invoke_workflow Support desk")
    assert workflow.failed
    assert workflow[names.ERROR_TYPE].endswith("InputGuardrailTripwireTriggered")


CANCELLED = """
async def main():
    slow = agent(model_settings=ModelSettings(extra_headers={"X-Demo": json.dumps({"latency": 30})}))
    task = asyncio.create_task(Runner.run(slow, "hi", run_config=CONFIG))
    await asyncio.sleep(1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")
asyncio.run(main())
"""


def test_a_cancelled_run_is_cancelled_and_no_failure(place):
    assert run(place, CANCELLED).endswith("cancelled\n")
    workflow = named(place, "invoke_workflow Support desk")
    assert workflow[names.OUTCOME] == "cancelled"
    assert not workflow.failed
    assert place.rows("SELECT status FROM calls") == [("cancelled",)]


FAILED = """
@function_tool
async def broken(city: str) -> str:
    "Fails."
    raise RuntimeError("a secret")
try:
    raise KeyError("being handled while the runs go on")
except KeyError:
    Runner.run_sync(agent(tools=[broken]), "hi", run_config=CONFIG)
try:
    failing = agent("Failing", model_settings=ModelSettings(extra_headers={"X-Demo": json.dumps({"status": 500})}))
    Runner.run_sync(failing, "hi", run_config=RunConfig(workflow_name="Failing"))
except openai.InternalServerError:
    print("failed")
"""


def test_failures_are_marked_where_they_happened(place):
    assert run(place, FAILED).endswith("failed\n")
    tool = named(place, "execute_tool broken")
    assert (tool.failed, tool[names.ERROR_TYPE], tool[names.OUTCOME]) == (True, "tool_error", "error")
    assert named(place, "invoke_workflow Support desk")[names.OUTCOME] == "ok"
    for name in ("invoke_agent Failing", "invoke_workflow Failing"):
        assert named(place, name).failed
        assert named(place, name)[names.ERROR_TYPE] == "openai.InternalServerError"
    assert "a secret" not in str(place.rows("SELECT body FROM spans"))


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_where_nobody_sees_the_client_the_model_spans_are_the_calls(place, api):
    run(place, ONE, ENGINE="none", API=api)
    calls = place.rows("SELECT input_tokens, output_tokens, cache_read_tokens FROM calls WHERE counted")
    assert calls == [(120, 48, 64)] * 2
    known = place.rows("SELECT request_model, response_model, nano_usd FROM calls")
    assert known == [("gpt-4o-mini", None, 42_000) if api == "chat" else (None, "gpt-4o-mini-2026-01-01", None)] * 2


@pytest.mark.parametrize("engine", ["openllmetry", "genai", "openinference"])
def test_with_another_engine_every_call_counts_once(place, engine):
    run(place, ONE, ENGINE=engine)
    rows = place.rows("SELECT nano_usd, agent FROM calls WHERE counted")
    assert rows == [(42_000, "Concierge")] * 2


CUSTOM = """
with agents.trace("Batch", group_id="b1"):
    with agents.custom_span("load", {"rows": 3}):
        pass
    Runner.run_sync(agent(), "hi")
with spanwatch.agent("outer"):
    Runner.run_sync(agent("Inner"), "hi")
"""


def test_own_traces_custom_spans_and_scopes_of_ours_around_a_run(place):
    run(place, CUSTOM)
    paths = tree(place)
    assert "invoke_workflow Batch > load" in paths
    assert "invoke_workflow Batch > invoke_agent Concierge > turn Concierge > chat gpt-4o-mini" in paths
    assert any(
        path.startswith("invoke_agent outer > invoke_workflow Agent workflow > invoke_agent Inner") for path in paths
    )
    assert named(place, "load")[names.CUSTOM_DATA] is None


def test_other_processors_stay_and_a_second_configure_adds_no_second_one(place):
    code = """
    spanwatch.configure(agents=True, content=False)
    import agents.tracing
    print(len(agents.tracing.get_trace_provider()._multi_processor._processors))
    """
    assert run(place, code.replace("    ", ""), VENDOR="1").strip() == "2"


def test_the_start_line_says_that_the_vendors_exporter_stays(place):
    answer = place.python("import spanwatch\nspanwatch.configure(agents=True, banner='on')")
    assert "openai-agents 0." in answer.stderr
    assert "whose own exporter to its vendor stays" in answer.stderr


BARE = """
import asyncio, agents
agents.set_trace_processors(agents.tracing.get_trace_provider()._multi_processor._processors[1:])
model = agents.OpenAIResponsesModel(model="gpt-4o-mini", openai_client=openai.AsyncOpenAI(max_retries=0))
print(agents.Runner.run_sync(agents.Agent(name="Concierge", model=model), "hi").final_output is not None)
"""


def test_a_program_that_knows_nothing_of_us_is_traced_with_the_setting_alone(place):
    answer = place.app(BARE, SPANWATCH_AGENTS="on")
    assert (answer.returncode, answer.stdout) == (0, "True\n"), answer.stderr
    assert tree(place)[0] == "invoke_workflow Agent workflow"
    assert place.rows("SELECT nano_usd, agent FROM calls WHERE counted") == [(42_000, "Concierge")]


def test_the_missing_sdk_is_told_with_the_install_line(place):
    code = """
    import importlib.metadata as metadata, spanwatch
    version = metadata.version
    def without(name):
        if name == "openai-agents":
            raise metadata.PackageNotFoundError(name)
        return version(name)
    metadata.version = without
    try:
        spanwatch.configure(agents=True)
    except spanwatch.ConfigurationError as error:
        print(error)
    """
    answer = place.python(code)
    assert answer.stdout == "setting agents=True needs the OpenAI Agents SDK: pip install 'spanwatch[agents]'\n"
