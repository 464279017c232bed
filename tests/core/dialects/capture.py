"""Record the spans of real packages: `python -m tests.core.dialects.capture NAME...`, one file each in `recorded/`.

Run it in the environment of the group `frameworks`. The AI SDK's are recorded by `vercel.mjs`.
"""

import contextlib
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, format_span_id

from demo.server import Config, DemoServer
from tests.frameworks.stub import Stub

HERE = Path(__file__).parent / "recorded"
ASKED = [{"role": "user", "content": "a secret"}]
USAGE = {"stream": True, "stream_options": {"include_usage": True}}


def openai_calls(client=None):
    """One call of each kind."""
    import openai

    client = client or openai.OpenAI(max_retries=0)
    client.chat.completions.create(model="gpt-4o-mini", messages=ASKED)
    list(client.chat.completions.create(model="gpt-4o-mini", messages=ASKED, **USAGE))
    list(client.chat.completions.create(model="gpt-4o-mini", messages=ASKED, stream=True))
    client.embeddings.create(model="text-embedding-3-small", input="a secret")
    made = client.responses.create(model="gpt-5", input="a secret")
    client.responses.retrieve(made.id)
    with contextlib.suppress(openai.InternalServerError):
        client.chat.completions.create(model="gpt-4o-mini", messages=ASKED, extra_headers={"X-Demo": '{"status": 500}'})


def openllmetry():
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    openai_calls()


def genai():
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    openai_calls()


def openinference():
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
    openai_calls()


def langchain_openinference():
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument()
    langchain()


def langchain_openllmetry():
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    LangchainInstrumentor().instrument()
    langchain()


def langchain():
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
    (ChatPromptTemplate.from_template("say {x}") | model).invoke({"x": "a word"})
    list(model.stream("a word"))


def llamaindex():
    from llama_index.llms.openai import OpenAI
    from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

    LlamaIndexInstrumentor().instrument()
    OpenAI(model="gpt-4o-mini", api_base=os.environ["OPENAI_BASE_URL"]).complete("a word")


def litellm():
    os.environ.update(USE_OTEL_LITELLM_REQUEST_SPAN="true", LITELLM_LOCAL_MODEL_COST_MAP="True")
    import litellm as client

    client.callbacks = ["otel"]
    client.turn_off_message_logging = True
    client.completion(model="openai/gpt-4o-mini", messages=ASKED, api_base=os.environ["OPENAI_BASE_URL"])
    client.completion(model="anthropic/claude-sonnet-4-5", messages=ASKED, api_base=os.environ["ANTHROPIC_BASE_URL"])
    time.sleep(2)  # its callbacks run on a thread


def anthropic():
    from anthropic import Anthropic
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor

    AnthropicInstrumentor().instrument()
    client = Anthropic(max_retries=0)
    asked = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": ASKED}
    client.messages.create(**asked)
    list(client.messages.create(**asked, stream=True))


def google_openllmetry():
    from opentelemetry.instrumentation.google_generativeai import GoogleGenerativeAiInstrumentor

    GoogleGenerativeAiInstrumentor().instrument()
    gemini()


def google_openinference():
    from openinference.instrumentation.google_genai import GoogleGenAIInstrumentor

    GoogleGenAIInstrumentor().instrument()
    gemini()


def gemini():
    from google import genai as google

    client = google.Client(api_key="demo", http_options={"base_url": os.environ["GEMINI_URL"]})
    client.models.generate_content(model="gemini-2.5-flash", contents="a word")
    list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="a word"))


def bedrock_botocore():
    from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

    BotocoreInstrumentor().instrument()
    bedrock()


def bedrock_openllmetry():
    from opentelemetry.instrumentation.bedrock import BedrockInstrumentor

    BedrockInstrumentor().instrument()
    bedrock()


def bedrock():
    import boto3
    from botocore.config import Config as Settings

    settings = Settings(retries={"total_max_attempts": 1})
    client = boto3.client("bedrock-runtime", config=settings)
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    asked = {"modelId": model, "messages": [{"role": "user", "content": [{"text": "a secret"}]}]}
    client.converse(**asked)
    client.converse(**{**asked, "modelId": model.replace("us.", "global.", 1)})
    list(client.converse_stream(**asked)["stream"])
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9}
    body["messages"] = [{"role": "user", "content": "a secret"}]
    client.invoke_model(modelId=model, body=json.dumps(body))["body"].read()
    body = {"prompt": "a secret", "max_tokens": 9}
    client.invoke_model(modelId="mistral.mistral-large-2402-v1:0", body=json.dumps(body))["body"].read()


def mcp():
    import asyncio

    from mcp import Client, StdioServerParameters, stdio_client

    from tests.frameworks import mcp_server

    async def ask(server):
        async with Client(server) as client:
            await client.list_tools()
            await client.call_tool("weather", {})

    asyncio.run(ask(mcp_server.app))
    asyncio.run(ask(stdio_client(StdioServerParameters(command=sys.executable, args=[mcp_server.__file__]))))


def langfuse():
    from langfuse import Langfuse
    from langfuse.openai import OpenAI

    kit = Langfuse(
        public_key="p", secret_key="s", base_url="http://127.0.0.1:9", tracer_provider=trace.get_tracer_provider()
    )
    client = OpenAI(max_retries=0)
    client.chat.completions.create(model="gpt-4o-mini", messages=ASKED)
    list(client.chat.completions.create(model="gpt-4o-mini", messages=ASKED, **USAGE))
    observed, generation = kit.start_as_current_observation, {"as_type": "generation", "model": "gpt-4o-mini"}
    with observed(as_type="agent", name="planner"), observed(name="by hand", **generation) as span:
        span.update(usage_details={"input": 56, "input_cached_tokens": 64, "output": 48})


def logfire(exporter):
    import logfire as kit
    import openai

    processors = [SimpleSpanProcessor(exporter)]
    kit.configure(send_to_logfire=False, console=False, additional_span_processors=processors)
    kit.instrument_openai()
    client = openai.OpenAI(max_retries=0)
    client.chat.completions.create(model="gpt-4o-mini", messages=ASKED)
    list(client.chat.completions.create(model="gpt-4o-mini", messages=ASKED, **USAGE))
    client.responses.create(model="gpt-5", input="a secret")
    client.embeddings.create(model="text-embedding-3-small", input="a secret")


def pydantic_ai():
    from google import genai as google
    from pydantic_ai import Agent, InstrumentationSettings
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    Agent.instrument_all(InstrumentationSettings(include_content=False))
    client = google.Client(api_key="demo", http_options={"base_url": os.environ["GEMINI_URL"]})
    gemini = GoogleModel("gemini-2.5-flash", provider=GoogleProvider(client=client))
    for model in ("openai-chat:gpt-4o-mini", "openai-responses:gpt-5", gemini):
        Agent(model, name="desk").run_sync("a secret")


PACKAGES = {
    openllmetry: ("openai", "opentelemetry-instrumentation-openai"),
    genai: ("openai", "opentelemetry-instrumentation-genai-openai"),
    openinference: ("openai", "openinference-instrumentation-openai"),
    langchain_openinference: ("langchain", "langchain-openai", "openinference-instrumentation-langchain"),
    langchain_openllmetry: ("langchain", "langchain-openai", "opentelemetry-instrumentation-langchain"),
    llamaindex: ("llama-index-core", "openinference-instrumentation-llama-index"),
    litellm: ("litellm",),
    anthropic: ("anthropic", "opentelemetry-instrumentation-anthropic"),
    google_openllmetry: ("google-genai", "opentelemetry-instrumentation-google-generativeai"),
    google_openinference: ("google-genai", "openinference-instrumentation-google-genai"),
    bedrock_botocore: ("boto3", "opentelemetry-instrumentation-botocore"),
    bedrock_openllmetry: ("boto3", "opentelemetry-instrumentation-bedrock"),
    mcp: ("mcp",),
    langfuse: ("langfuse",),
    logfire: ("logfire",),
    pydantic_ai: ("pydantic-ai-slim", "openai", "google-genai"),
}
BY_NAME = {source.__name__: source for source in PACKAGES}


def plain(value):
    return list(value) if isinstance(value, tuple) else value


def body(span):
    attributes = {name: plain(value) for name, value in span.attributes.items() if value not in {"", None}}
    exceptions = [event.attributes["exception.type"] for event in span.events if event.name == "exception"]
    return {
        "name": span.name,
        "scope": span.instrumentation_scope.name,
        "failed": span.status.status_code is StatusCode.ERROR,
        "exception": exceptions[0] if exceptions else None,
        "attributes": attributes,
        "id": format_span_id(span.context.span_id),
        "parent": None if span.parent is None else format_span_id(span.parent.span_id),
    }


def record(name):
    exporter, source = InMemorySpanExporter(), BY_NAME[name]
    with DemoServer(Config()) as server, Stub() as stub:
        os.environ.update(
            OPENAI_BASE_URL=server.base_url,
            OPENAI_API_KEY="demo",
            ANTHROPIC_BASE_URL=stub.url,
            ANTHROPIC_API_KEY="demo",
            GEMINI_URL=stub.url,
            AWS_ACCESS_KEY_ID="demo",
            AWS_SECRET_ACCESS_KEY="demo",
            AWS_DEFAULT_REGION="us-west-2",
            AWS_ENDPOINT_URL_BEDROCK_RUNTIME=stub.url,
            TRACELOOP_TRACE_CONTENT="false",
            OPENINFERENCE_HIDE_EMBEDDINGS_VECTORS="true",
        )
        if source is logfire:
            logfire(exporter)
        else:
            provider = TracerProvider()
            provider.add_span_processor(SimpleSpanProcessor(exporter))
            trace.set_tracer_provider(provider)
            source()
        versions = {package: importlib.metadata.version(package) for package in PACKAGES[source]}
        spans = [body(span) for span in exporter.get_finished_spans()]
    text = json.dumps({"versions": versions, "spans": spans}, indent=1)
    (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    os._exit(0)  # some packages wait for their own backends at the end


if __name__ == "__main__":
    if len(sys.argv) == 2:
        record(sys.argv[1])
    for each in sys.argv[1:] or BY_NAME:
        print(each, subprocess.run([sys.executable, "-m", __spec__.name, each], check=False, timeout=120).returncode)
