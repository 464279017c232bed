"""Set-ups of frameworks as people have them: the lines of a page of docs/frameworks, a program, what it must give."""

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

from spanwatch.core import names

MCP_SERVER = Path(__file__).with_name("mcp_server.py")
PAGES = Path(__file__).resolve().parents[2] / "docs" / "frameworks"
LANGCHAIN = """
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
@tool
def weather(city: str) -> str:
    "The weather of a city."
    return "mild"
model = ChatOpenAI(model="gpt-4o-mini", max_retries=0)
(ChatPromptTemplate.from_template("say {x}") | model).invoke({"x": "a word"})
list(model.stream("a word"))
model.bind_tools([weather]).invoke("hi")
try:
    ChatOpenAI(model="gpt-4o-mini", max_retries=0, default_headers={"X-Demo": '{"status": 500}'}).invoke("hi")
except openai.InternalServerError:
    pass
"""
LEFT = """
from langchain_openai import ChatOpenAI
model = ChatOpenAI(model="gpt-4o-mini", max_retries=0)
model.invoke("a word")
for _ in model.stream("a word"):
    break
"""
LANGGRAPH = """
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
@tool
def weather(city: str) -> str:
    "The weather of a city."
    return "mild"
graph = create_agent(ChatOpenAI(model="gpt-4o-mini"), tools=[weather])
graph.invoke({"messages": [{"role": "user", "content": "hi"}]})
"""
BRANCHES = """
import asyncio, operator
from typing import Annotated, TypedDict
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
def model(options):
    return ChatOpenAI(model="gpt-4o-mini", max_retries=0, default_headers={"X-Demo": options})
class State(TypedDict):
    said: Annotated[list, operator.add]
slow, quick, failing = (model(options) for options in ('{"latency": 1}', "{}", '{"status": 500}'))
async def asked(state):
    return {"said": [(await slow.ainvoke("a word")).content]}
async def streamed(state):
    return {"said": ["".join([piece.content async for piece in slow.astream("a word")])]}
async def mended(state):
    await asyncio.sleep(0.5)
    return {"said": [(await failing.with_fallbacks([quick]).ainvoke("a word")).content]}
def summed(state):
    return {"said": [quick.invoke("a word").content]}
graph = StateGraph(State)
for branch in (asked, streamed, mended):
    graph.add_node(branch.__name__, branch)
    graph.add_edge(START, branch.__name__)
    graph.add_edge(branch.__name__, "summed")
graph.add_node("summed", summed)
graph.add_edge("summed", END)
with spanwatch.request(user_id="u-1"):
    asyncio.run(graph.compile().ainvoke({"said": []}))
"""
RETRIED = """
import json
from langchain_openai import ChatOpenAI
headers = {"X-Demo": json.dumps({"status": 500, "fail_first": 2})}
model = ChatOpenAI(model="gpt-4o-mini", max_retries=0, default_headers=headers)
model.with_retry(stop_after_attempt=3, wait_exponential_jitter=False).invoke("a word")
"""
LLAMAINDEX = """
from llama_index.llms.openai import OpenAI
model = OpenAI(model="gpt-4o-mini", api_base=os.environ["OPENAI_BASE_URL"], max_retries=0)
model.complete("a word")
list(model.stream_complete("a word"))
try:
    failing = OpenAI(model="gpt-4o-mini", api_base=os.environ["OPENAI_BASE_URL"], max_retries=0,
                     default_headers={"X-Demo": '{"status": 500}'})
    failing.complete("a word")
except openai.InternalServerError:
    pass
"""
LLAMAINDEX_AGENT = """
import asyncio
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI
async def weather(city: str) -> str:
    "The weather of a city."
    return "mild"
model = OpenAI(model="gpt-4o-mini", api_base=os.environ["OPENAI_BASE_URL"], max_retries=0)
async def main():
    with spanwatch.request(user_id="u-1"):
        await FunctionAgent(tools=[weather], llm=model).run(user_msg="hi")
asyncio.run(main())
"""
LITELLM = """
import litellm
litellm.suppress_debug_info = True
asked = {"messages": [{"role": "user", "content": "a word"}], "num_retries": 0}
litellm.completion(model="openai/gpt-4o-mini", **asked)
list(litellm.completion(model="openai/gpt-4o-mini", stream=True, **asked))
"""
LITELLM_SPANS = """
import time
asked = {"messages": [{"role": "user", "content": "a word"}], "num_retries": 0}
litellm.completion(model="openai/gpt-4o-mini", **asked)
litellm.completion(model="anthropic/claude-sonnet-4-5", api_base=os.environ["ANTHROPIC_BASE_URL"], **asked)
time.sleep(3)  # its callbacks run on a thread
"""
ANTHROPIC = """
import anthropic
asker = anthropic.Anthropic(max_retries=0)
asked = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "a word"}]}
asker.messages.create(**asked)
list(asker.messages.create(**asked, stream=True))
try:
    asker.messages.create(**{**asked, "messages": [{"role": "user", "content": "fail"}]})
except anthropic.APIStatusError:
    pass
"""
GEMINI = """
from google import genai
asker = genai.Client(api_key="demo", http_options={"base_url": os.environ["GEMINI_URL"]})
asker.models.generate_content(model="gemini-2.5-flash", contents="a word")
list(asker.models.generate_content_stream(model="gemini-2.5-flash", contents="a word"))
try:
    asker.models.generate_content(model="gemini-2.5-flash", contents="fail")
except Exception as error:
    assert "500" in str(error)
"""
LOCAL = """
local = openai.OpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key="none", max_retries=0)  # Ollama, vLLM, ...
local.chat.completions.create(model="llama3.2", messages=[{"role": "user", "content": "a word"}])
list(local.chat.completions.create(model="llama3.2", messages=[{"role": "user", "content": "a word"}], stream=True))
"""


AGENTS = """
import asyncio
from agents import Agent, Runner, function_tool
@function_tool
def weather(city: str = "") -> str:
    "The weather of a city."
    return "mild"
desk = Agent(name="desk", model="gpt-4o-mini", tools=[weather])
from agents import ModelSettings
failing = ModelSettings(extra_headers={"X-Demo": '{"status": 400}'})
async def main():
    await Runner.run(desk, "hi")
    async for _ in Runner.run_streamed(Agent(name="plain", model="gpt-4o-mini"), "a word").stream_events():
        pass
    try:
        await Runner.run(Agent(name="plain", model="gpt-4o-mini", model_settings=failing), "a word")
    except openai.BadRequestError:
        pass
asyncio.run(main())
"""
AGENTS_LITELLM = """
import asyncio, litellm
from agents import Agent, ModelSettings, Runner
from agents.extensions.models.litellm_model import LitellmModel
litellm.suppress_debug_info = True
places = {"openai/gpt-4o-mini": None, "anthropic/claude-sonnet-4-5": os.environ["ANTHROPIC_BASE_URL"]}
async def main():
    for name, url in places.items():
        model = LitellmModel(model=name, base_url=url, api_key="demo")
        desk = Agent(name="desk", model=model, model_settings=ModelSettings(include_usage=True))
        await Runner.run(desk, "a word")
        async for _ in Runner.run_streamed(desk, "a word").stream_events():
            pass
asyncio.run(main())
"""
PYDANTIC_AI = """
import asyncio
from pydantic_ai.exceptions import ModelHTTPError
desk, plain = Agent("openai-chat:gpt-4o-mini", name="desk"), Agent("openai-chat:gpt-4o-mini", name="plain")
@desk.tool_plain
def weather(city: str = "") -> str:
    "The weather of a city."
    return "mild"
desk.run_sync("hi")
async def streamed():
    async with plain.run_stream("a word") as answer:
        await answer.get_output()
asyncio.run(streamed())
try:
    plain.run_sync("a word", model_settings={"extra_headers": {"X-Demo": '{"status": 400}'}})
except ModelHTTPError:
    pass
"""
BEDROCK = """
import boto3, json
from botocore.config import Config
from botocore.exceptions import ClientError
asker = boto3.client("bedrock-runtime", config=Config(retries={"total_max_attempts": 1}))
tools = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]}
def asked(text, model="global.anthropic.claude-sonnet-4-5-20250929-v1:0"):
    return {"modelId": model, "messages": [{"role": "user", "content": [{"text": text}]}]}
with spanwatch.agent("desk"):
    asker.converse(**asked("a word"))
    for event in asker.converse_stream(**asked("a word"))["stream"]:
        pass
    asker.converse(**asked("a word", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"), toolConfig=tools)
    asker.converse(**asked("a word", "us.nobody.unlisted-v1:0"))
    try:
        asker.converse(**asked("fail"))
    except ClientError:
        pass
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    asker.invoke_model(modelId=asked("")["modelId"], body=json.dumps(body))["body"].read()
"""
BEDROCK_RETRIED = """
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
MODEL = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
def asked(text):
    return {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": text}]}]}
plain = boto3.client("bedrock-runtime")
standard = boto3.client("bedrock-runtime", config=Config(retries={"mode": "standard", "total_max_attempts": 2}))
with spanwatch.agent("desk"):
    assert plain.converse(**asked("busy"))["ResponseMetadata"]["RetryAttempts"] == 1
    assert standard.converse(**asked("throttled"))["ResponseMetadata"]["RetryAttempts"] == 1
    answer = standard.converse_stream(**asked("throttled"))
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
    for event in answer["stream"]:
        pass
    try:
        standard.converse(**asked("fail"))
    except ClientError:
        pass
"""
MCP_STDIO = """
import asyncio, sys
from mcp import Client, StdioServerParameters, stdio_client
server = stdio_client(StdioServerParameters(command=sys.executable, args=[os.environ["MCP_SERVER"]]))
"""
MCP_HTTP = """
import asyncio, subprocess, sys
from mcp import Client
words = [sys.executable, os.environ["MCP_SERVER"], "http"]
serving = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
server = f"http://127.0.0.1:{serving.stdout.readline().strip()}/mcp"
"""
MCP_WORK = """
M = [{"role": "user", "content": "x"}]
async def work():
    async with Client(server) as almanac, openai.AsyncOpenAI() as asker:
        with spanwatch.agent("desk"):
            await almanac.list_tools()
            await asker.chat.completions.create(model="gpt-4o-mini", messages=M)
            await almanac.call_tool("weather", {"city": "Oslo"})
            await almanac.call_tool("weather", {"city": "nowhere"})
            with spanwatch.tool("weather"):
                await almanac.call_tool("weather", {"city": "Oslo"})
asyncio.run(work())
"""
MCP = MCP_STDIO + MCP_WORK
MCP_BY_HTTP = MCP_HTTP + MCP_WORK + "serving.stdin.close()\nassert serving.wait(30) == 0\n"
TOOL_CALLS = (
    f"SELECT json_extract(body, '$.a.\"{names.ROLLUP_TOOL_CALLS}\"') FROM spans WHERE name LIKE 'invoke_agent%'"
)
ROLLED_UP = (
    f"SELECT json_extract(body, '$.a.\"{names.ROLLUP_CALLS}\"'), "
    f"json_extract(body, '$.a.\"{names.ROLLUP_COST_USD}\"') FROM spans WHERE name = 'request'"
)
JOINED = """
SELECT agent.name, asked.name, done.name, done.source != asked.source FROM spans done
JOIN spans asked ON asked.trace_id = done.trace_id AND asked.span_id = done.parent_id
JOIN spans agent ON agent.trace_id = asked.trace_id AND agent.name = 'invoke_agent desk'
WHERE done.name LIKE 'tools/call%' ORDER BY done.started_ns
"""


class Setup(NamedTuple):
    """`lines` set it up, by default those of its page; `calls` are the counted ones: status and nano-USD, or None."""

    program: str
    calls: list[tuple[str, int | None]]
    packages: tuple[str, ...]
    page: str = ""
    lines: str = ""
    more: tuple[tuple[str, list[tuple[object, ...]]], ...] = ()  # further SQL, and what it must give
    attempts: int | None = None  # requests that the stub is sent, where they are more than the calls
    picture: bool = False  # whether its page shows the largest tree of this run


def lines_of(page):
    """The lines that a page says to add."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.search(r"^```py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]


def instrumented(module, name):
    return f"import spanwatch\nspanwatch.configure()\nfrom {module} import {name}\n{name}().instrument()\n"


TREES = (AGENTS, PYDANTIC_AI, BEDROCK, BEDROCK_RETRIED, MCP, MCP_BY_HTTP)  # have an agent of their own around
ALONE = "import spanwatch\nspanwatch.configure()\n"
QUIET = "import agents\nagents.set_trace_processors([])  # its own exporter calls its vendor\n"
MINI, SONNET, FLASH = 42_000, 919_200, 138_720
GLOBAL, US = 877_200, 964_920  # 40 tokens in, 24 read, 8 written and 48 out; an in-region profile is a tenth dearer
OK, BAD = "ok", "error"
CHAIN, GRAPH = ("langchain", "langchain-openai"), ("langgraph", "langchain-openai")
OF_TRACELOOP, OF_ARIZE = "opentelemetry-instrumentation-{}", "openinference-instrumentation-{}"
TRACELOOP = instrumented("opentelemetry.instrumentation.langchain", "LangchainInstrumentor")
BOTH_OF_BEDROCK = (
    instrumented("opentelemetry.instrumentation.bedrock", "BedrockInstrumentor")
    + instrumented("opentelemetry.instrumentation.botocore", "BotocoreInstrumentor").partition("configure()\n")[2]
)
THREE, FAILING = [(OK, MINI)] * 3, [(BAD, None)]
SERVED = ("invoke_agent desk", "MCP send tools/call weather", "tools/call weather", 1)
SETUPS = {
    "OpenAI Agents SDK": Setup(AGENTS, THREE + FAILING, ("openai-agents",), "openai-agents", "", picture=True),
    "OpenAI Agents SDK, models of LiteLLM": Setup(
        AGENTS_LITELLM,
        [(OK, MINI)] * 2 + [(OK, SONNET)] * 2,
        ("openai-agents", "litellm"),
        "openai-agents",
    ),
    "LangChain": Setup(LANGCHAIN, THREE + FAILING, CHAIN, lines=ALONE),
    "LangChain, OpenLLMetry": Setup(
        LANGCHAIN, THREE + FAILING, (*CHAIN, OF_TRACELOOP.format("langchain")), lines=TRACELOOP
    ),
    "LangChain, OpenInference": Setup(LANGCHAIN, THREE + FAILING, (*CHAIN, OF_ARIZE.format("langchain")), "langchain"),
    "LangChain that retries, OpenInference": Setup(
        RETRIED, FAILING * 2 + THREE[:1], (*CHAIN, OF_ARIZE.format("langchain")), "langchain"
    ),
    "LangChain whose stream is left, OpenInference": Setup(
        LEFT, [(OK, MINI), ("abandoned", None)], (*CHAIN, OF_ARIZE.format("langchain")), "langchain"
    ),
    "LangGraph, OpenLLMetry": Setup(LANGGRAPH, THREE[:2], (*GRAPH, OF_TRACELOOP.format("langchain")), lines=TRACELOOP),
    "LangGraph, OpenInference": Setup(
        LANGGRAPH, THREE[:2], (*GRAPH, OF_ARIZE.format("langchain")), "langchain", picture=True
    ),
    "LangGraph whose branches run at once, OpenInference": Setup(
        BRANCHES,
        [*THREE[:2], *FAILING, *THREE[:2]],
        (*GRAPH, OF_ARIZE.format("langchain")),
        "langchain",
        more=((ROLLED_UP, [(5, 4 * MINI / 1e9)]),),
    ),
    "LlamaIndex, OpenInference": Setup(
        LLAMAINDEX,
        THREE[:2] + FAILING,
        ("llama-index-core", "llama-index-llms-openai", OF_ARIZE.format("llama-index")),
        "llamaindex",
        picture=True,
    ),
    "LlamaIndex's agent, OpenInference": Setup(
        LLAMAINDEX_AGENT,
        THREE[:2],
        ("llama-index-core", "llama-index-llms-openai", OF_ARIZE.format("llama-index")),
        "llamaindex",
        more=((ROLLED_UP, [(2, 2 * MINI / 1e9)]),),
    ),
    "Pydantic AI": Setup(PYDANTIC_AI, THREE + FAILING, ("pydantic-ai-slim",), "pydantic-ai", picture=True),
    "LiteLLM": Setup(LITELLM, THREE[:2], ("litellm",), lines=ALONE),
    "LiteLLM, its own callback": Setup(
        LITELLM_SPANS, [(OK, MINI), (OK, SONNET)], ("litellm",), "litellm", picture=True
    ),
    "Anthropic, by itself": Setup(ANTHROPIC, [(OK, SONNET)] * 2 + FAILING, ("anthropic",), lines=ALONE),
    "Anthropic, OpenLLMetry": Setup(
        ANTHROPIC,
        [(OK, SONNET)] * 2 + FAILING,
        ("anthropic", OF_TRACELOOP.format("anthropic")),
        "anthropic",
        picture=True,
    ),
    "Google GenAI, OpenLLMetry": Setup(
        GEMINI,
        [(OK, FLASH)] * 2 + FAILING,
        ("google-genai", OF_TRACELOOP.format("google-generativeai")),
        "google-genai",
        picture=True,
    ),
    "Google GenAI, OpenInference": Setup(
        GEMINI,
        [(OK, FLASH)] * 2 + FAILING,
        ("google-genai", OF_ARIZE.format("google-genai")),
        lines=instrumented("openinference.instrumentation.google_genai", "GoogleGenAIInstrumentor"),
    ),
    "Bedrock, OpenTelemetry": Setup(
        BEDROCK,
        [(OK, GLOBAL), (OK, GLOBAL), (OK, US), (OK, None), (BAD, None), (OK, 840_000)],
        ("boto3", OF_TRACELOOP.format("botocore")),
        "bedrock",
        picture=True,
    ),
    "Bedrock, OpenLLMetry": Setup(  # cuts the model's name, so that its price is that of one region
        BEDROCK,
        [*[(OK, US)] * 3, (OK, None), (BAD, None), (OK, None)],
        ("boto3", OF_TRACELOOP.format("bedrock")),
        lines=instrumented("opentelemetry.instrumentation.bedrock", "BedrockInstrumentor"),
    ),
    "Bedrock that retries, OpenTelemetry": Setup(
        BEDROCK_RETRIED,
        [(OK, GLOBAL)] * 3 + FAILING,
        ("boto3", OF_TRACELOOP.format("botocore")),
        "bedrock",
        attempts=8,
    ),
    "Bedrock that retries, OpenLLMetry": Setup(
        BEDROCK_RETRIED,
        [(OK, US)] * 3 + FAILING,
        ("boto3", OF_TRACELOOP.format("bedrock")),
        lines=instrumented("opentelemetry.instrumentation.bedrock", "BedrockInstrumentor"),
        attempts=8,
    ),
    "Bedrock that retries, both": Setup(
        BEDROCK_RETRIED,
        [(OK, GLOBAL)] * 2 + [(OK, US)] + FAILING,  # of a stream the span with the cut name is told first
        ("boto3", OF_TRACELOOP.format("bedrock"), OF_TRACELOOP.format("botocore")),
        lines=BOTH_OF_BEDROCK,
        attempts=8,
    ),
    "Ollama or vLLM by base_url": Setup(LOCAL, [(OK, None)] * 2, ("openai",), "local-models", picture=True),
    "Tools by MCP": Setup(MCP, [(OK, MINI)], ("mcp",), "mcp", more=((TOOL_CALLS, [(3,)]),), picture=True),
    "Tools by MCP over HTTP, both sides": Setup(
        MCP_BY_HTTP, [(OK, MINI)], ("mcp",), "mcp", more=((TOOL_CALLS, [(3,)]), (JOINED, [SERVED] * 3))
    ),
}


def environment(server, stub):
    """What the programs find in their environment beside the demo server's address."""
    return {
        "ANTHROPIC_BASE_URL": stub.url,
        "ANTHROPIC_API_KEY": "demo",
        "GEMINI_URL": stub.url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": stub.url,
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_DEFAULT_REGION": "us-west-2",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "MCP_SERVER": str(MCP_SERVER),
        "TRACELOOP_TRACE_CONTENT": "false",
        "USE_OTEL_LITELLM_REQUEST_SPAN": "true",
    }


def run(place, setup, environ):
    """Run a set-up as a program of its own."""
    quiet = QUIET if setup.page == "openai-agents" else ""
    lines = setup.lines or lines_of(setup.page)
    begin, end = "import os\n", "import spanwatch\nassert spanwatch.flush()\n"
    program = setup.program
    if setup.picture and program not in TREES:
        program = 'with spanwatch.agent("desk"):\n' + textwrap.indent(program, "    ")
    answer = place.python(begin + quiet + lines + program + end, SPANWATCH_BANNER="off", **environ)
    assert answer.returncode == 0, answer.stderr


def tree(place):
    """The largest tree of a run, the first of them, as `spanwatch trace` tells it."""
    spans = "SELECT trace_id FROM spans GROUP BY trace_id ORDER BY count(*) DESC, min(started_ns) LIMIT 1"
    words = ("trace", place.rows(spans)[0][0])
    answer = place.verb(*words, PYTHONIOENCODING="utf-8")
    assert answer.returncode == 0, answer.stderr
    return answer.stdout
