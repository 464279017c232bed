// Spans of the AI SDK against the demo server: node capture.mjs BASE_URL > vercel.json (npm i ai @ai-sdk/openai @opentelemetry/sdk-trace-base)
import { readFileSync } from "node:fs";
import { embed, generateText, streamText } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const openai = createOpenAI({ baseURL: process.argv[2], apiKey: "demo" });
const telemetry = { isEnabled: true, tracer: provider.getTracer("ai"), recordInputs: false, recordOutputs: false };
const asked = { prompt: "a secret", experimental_telemetry: telemetry };
await generateText({ model: openai.chat("gpt-4o-mini"), ...asked });
const stream = streamText({ model: openai.chat("gpt-4o-mini"), ...asked });
for await (const _ of stream.textStream);
await generateText({ model: openai.responses("gpt-5"), ...asked });
await embed({ model: openai.embedding("text-embedding-3-small"), value: "a secret", experimental_telemetry: telemetry });
const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
const spans = exporter.getFinishedSpans().map((span) => ({
  name: span.name,
  scope: span.instrumentationScope.name,
  failed: span.status.code === 2,
  attributes: span.attributes,
  id: span.spanContext().spanId,
  parent: span.parentSpanContext?.spanId ?? null,
}));
console.log(JSON.stringify({ versions: { ai: version("ai"), "@ai-sdk/openai": version("@ai-sdk/openai") }, spans }, null, 1));
