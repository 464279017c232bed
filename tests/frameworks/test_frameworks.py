"""Frameworks with their maintained instrumentations, as people set them up, against servers of their protocol.

Every case runs as a program of its own. What it gave goes into the table of docs/reference/frameworks.md.
"""

import importlib.metadata
import importlib.util
import os
from pathlib import Path

import pytest

from demo.server import Config, DemoServer
from tests.frameworks.stub import Stub
from tests.programs import Place

BEGIN = """
import os, spanwatch
spanwatch.configure(openai=os.environ.get("ENGINE", "spanwatch"), banner="off")
"""
END = """
import spanwatch
assert spanwatch.flush()
"""
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
LITELLM = """
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
litellm.suppress_debug_info = True
asked = {"messages": [{"role": "user", "content": "a word"}], "num_retries": 0}
litellm.completion(model="openai/gpt-4o-mini", **asked)
list(litellm.completion(model="openai/gpt-4o-mini", stream=True, **asked))
"""
LITELLM_SPANS = """
os.environ.update(USE_OTEL_LITELLM_REQUEST_SPAN="true", LITELLM_LOCAL_MODEL_COST_MAP="True")
import litellm, time
litellm.callbacks, litellm.turn_off_message_logging = ["otel"], True
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


def instrumented(module, name):
    return f"from {module} import {name}\n{name}().instrument()\n"


TRACELOOP = instrumented("opentelemetry.instrumentation.langchain", "LangchainInstrumentor")
ARIZE = instrumented("openinference.instrumentation.langchain", "LangChainInstrumentor")
MINI, SONNET, FLASH = 42_000, 919_200, 138_720
OK, BAD = "ok", "error"
# What is set up, the program, and its counted calls: status and nano-USD, None where the usage or the price is unknown.
CASES = {
    "LangChain": ("", LANGCHAIN, [(OK, MINI)] * 3 + [(BAD, None)]),
    "LangChain, OpenLLMetry": (TRACELOOP, LANGCHAIN, [(OK, MINI)] * 3 + [(BAD, None)]),
    "LangChain, OpenInference": (ARIZE, LANGCHAIN, [(OK, MINI)] * 3 + [(BAD, None)]),
    "LangGraph, OpenLLMetry": (TRACELOOP, LANGGRAPH, [(OK, MINI)] * 2),
    "LangGraph, OpenInference": (ARIZE, LANGGRAPH, [(OK, MINI)] * 2),
    "LlamaIndex, OpenInference": (
        instrumented("openinference.instrumentation.llama_index", "LlamaIndexInstrumentor"),
        LLAMAINDEX,
        [(OK, MINI)] * 2 + [(BAD, None)],
    ),
    "LiteLLM": ("", LITELLM, [(OK, MINI)] * 2),
    "LiteLLM, its own callback": ("", LITELLM_SPANS, [(OK, MINI), (OK, SONNET)]),
    "Anthropic, by itself": ("", ANTHROPIC, [(OK, SONNET)] * 2 + [(BAD, None)]),
    "Anthropic, OpenLLMetry": (
        instrumented("opentelemetry.instrumentation.anthropic", "AnthropicInstrumentor"),
        ANTHROPIC,
        [(OK, SONNET)] * 2 + [(BAD, None)],
    ),
    "Google GenAI, OpenLLMetry": (
        instrumented("opentelemetry.instrumentation.google_generativeai", "GoogleGenerativeAiInstrumentor"),
        GEMINI,
        [(OK, FLASH)] * 2 + [(BAD, None)],
    ),
    "Google GenAI, OpenInference": (
        instrumented("openinference.instrumentation.google_genai", "GoogleGenAIInstrumentor"),
        GEMINI,
        [(OK, FLASH)] * 2 + [(BAD, None)],
    ),
    "Ollama or vLLM by base_url": ("", LOCAL, [(OK, None)] * 2),
}
NEEDED = {"LangChain": "langchain_openai", "LangGraph": "langchain", "LlamaIndex": "llama_index.llms.openai"}
NEEDED |= {"LiteLLM": "litellm", "Anthropic": "anthropic", "Google GenAI": "google.genai"}


def is_missing(module):
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


# Packages whose versions the table names, by how a case begins.
PACKAGES = {
    "LangChain": ("langchain", "langchain-openai"),
    "LangGraph": ("langgraph", "langchain-openai"),
    "LlamaIndex": ("llama-index-core", "llama-index-llms-openai"),
    "LiteLLM": ("litellm",),
    "Anthropic": ("anthropic",),
    "Google GenAI": ("google-genai",),
    "Ollama": ("openai",),
}
INSTRUMENTATIONS = {
    "LangChain, OpenLLMetry": "opentelemetry-instrumentation-langchain",
    "LangChain, OpenInference": "openinference-instrumentation-langchain",
    "LangGraph, OpenLLMetry": "opentelemetry-instrumentation-langchain",
    "LangGraph, OpenInference": "openinference-instrumentation-langchain",
    "LlamaIndex, OpenInference": "openinference-instrumentation-llama-index",
    "Anthropic, OpenLLMetry": "opentelemetry-instrumentation-anthropic",
    "Google GenAI, OpenLLMetry": "opentelemetry-instrumentation-google-generativeai",
    "Google GenAI, OpenInference": "openinference-instrumentation-google-genai",
}


def row(name, found):
    packages = [package for start, all_of in PACKAGES.items() if name.startswith(start) for package in all_of]
    packages += [INSTRUMENTATIONS[name]] if name in INSTRUMENTATIONS else []
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    priced = sum(nano is not None for _, nano in found)
    failed = sum(status != OK for status, _ in found)
    return f"| {name} | {versions} | {len(found)} | {priced} | {failed} |"


@pytest.fixture(scope="module")
def table():
    """The rows that passed; written to the file that FRAMEWORKS_TABLE names."""
    rows = ["| Set-up | Versions | Calls, each once | Priced | Failed |", "| --- | --- | --- | --- | --- |"]
    yield rows
    if "FRAMEWORKS_TABLE" in os.environ:
        Path(os.environ["FRAMEWORKS_TABLE"]).write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


HEAD = """# Frameworks that were run

Written by the test run: `FRAMEWORKS_TABLE=docs/reference/frameworks.md pytest tests/frameworks`. Every set-up is a
program of its own against a server that speaks the provider's protocol: plain, streamed, with tools, and failing where
the framework lets it. A priced call is priced at what the server's stated usage costs, to the nano-dollar.

"""


@pytest.fixture(scope="module")
def servers():
    with DemoServer(Config()) as server, Stub() as stub:
        yield server, stub


@pytest.mark.parametrize("name", CASES)
def test_every_call_is_counted_once_and_priced(tmp_path, servers, table, name):
    module = next((module for start, module in NEEDED.items() if name.startswith(start)), "openai")
    if is_missing(module):
        pytest.skip(f"needs {module}: pip install --group frameworks")
    set_up, program, expected = CASES[name]
    server, stub = servers
    place = Place(tmp_path, server)
    environ = {"ANTHROPIC_BASE_URL": stub.url, "ANTHROPIC_API_KEY": "demo", "GEMINI_URL": stub.url}
    answer = place.python(BEGIN + set_up + program + END, TRACELOOP_TRACE_CONTENT="false", **environ)
    assert answer.returncode == 0, answer.stderr
    assert place.rows("SELECT status, nano_usd FROM calls WHERE counted ORDER BY started_ns") == expected
    assert place.rows("SELECT count(*) FROM spans")[0][0] >= len(expected)
    table.append(row(name, expected))
