"""A small support desk on the plain `openai` client and the plain OpenTelemetry API: nothing in here knows spanwatch.

Two customers write in. Each ticket is a workflow, each desk an agent, each tool a span; the model calls in between are
traced, priced and kept by spanwatch without a line of code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import openai
from opentelemetry import trace

CHAT = "gpt-4o-mini"
REASONING = "gpt-5-mini"
EMBEDDING = "text-embedding-3-small"
IN_HOUSE = "acme-support-2"  # a model of our own: no price list knows it, and spanwatch says so
RETIRED = "gpt-4-vision-preview"  # no longer served: the call fails

MAX_TOKENS = 300  # of each answer

tracer = trace.get_tracer("support-desk")


@dataclass(frozen=True)
class Desk:
    """The client, and how to cue the demo server: `cue(latency=0.2)` gives the headers (none for a real API)."""

    client: openai.OpenAI
    cue: Callable[..., dict[str, str]]

    def chat(self, model: str, messages: list[dict[str, Any]], *, cue: dict[str, Any], **options: Any) -> Any:
        """One chat completion."""
        return self.client.chat.completions.create(
            model=model, messages=messages, max_completion_tokens=MAX_TOKENS, extra_headers=self.cue(**cue), **options
        )


@contextmanager
def span(operation: str, kind: str, name: str, **more: str) -> Iterator[trace.Span]:
    """A span by the GenAI conventions: what is done (`invoke_agent`), to what kind of thing, called what."""
    attributes = {"gen_ai.operation.name": operation, f"gen_ai.{kind}.name": name, **more}
    with tracer.start_as_current_span(f"{operation} {name}", attributes=attributes) as current:
        yield current


# --- tools ------------------------------------------------------------------------------------------------------

ORDERS = {"1042": {"item": "tent", "status": "shipped", "arrives": "Friday"}}


def order_status(order: str) -> dict[str, str]:
    """Where an order is."""
    return ORDERS.get(order, {"status": "unknown"})


def delivery_forecast(order: str) -> dict[str, str]:
    """When an order arrives."""
    return {"order": order, "arrives": ORDERS.get(order, {}).get("arrives", "unknown"), "between": "9:00 and 12:00"}


def issue_refund(order: str) -> dict[str, str]:
    """Pay an order back."""
    return {"order": order, "refund": "issued", "amount": "89.00 EUR"}


TOOLS = {tool.__name__: tool for tool in (order_status, delivery_forecast, issue_refund)}
ORDER = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}


def offered(*names: str) -> list[dict[str, Any]]:
    """Tools as the API wants them described."""
    return [
        {"type": "function", "function": {"name": n, "description": TOOLS[n].__doc__, "parameters": ORDER}}
        for n in names
    ]


def use_tools(reply: Any) -> list[dict[str, Any]]:
    """Run every tool the model asked for; returns the messages that tell it what came out."""
    if not reply.tool_calls:
        return []
    messages = [{"role": "assistant", "tool_calls": [call.model_dump() for call in reply.tool_calls]}]
    for call in reply.tool_calls:
        with span("execute_tool", "tool", call.function.name):
            result = TOOLS[call.function.name](**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
    return messages


# --- the two tickets --------------------------------------------------------------------------------------------


def where_is_my_order(desk: Desk) -> trace.Span:
    """Alice asks for her order: a plain call, an embedding, parallel tools behind a rate limit, a streamed answer."""
    question = "Where is my order 1042, and when will it arrive?"
    with span(
        "invoke_workflow", "workflow", "ticket", **{"user.id": "alice", "gen_ai.conversation.id": "t-17"}
    ) as root:
        print(f"alice: {question}")
        messages = [
            {"role": "system", "content": "You answer for a camping shop."},
            {"role": "user", "content": question},
        ]
        desk.chat(
            CHAT, [{"role": "user", "content": f"Which topic? {question}"}], cue={"text": "orders", "latency": 0.12}
        )
        desk.client.embeddings.create(model=EMBEDDING, input=question, extra_headers=desk.cue(latency=0.04))
        with span("invoke_agent", "agent", "orders"):
            tools = offered("order_status", "delivery_forecast")
            reply = desk.chat(
                CHAT,
                messages,
                tools=tools,
                # The first try is refused with 429; the client waits and tries again, and it is still one call.
                cue={"tool_calls": 2, "tool_args": '{"order": "1042"}', "status": 429, "fail_first": 1, "latency": 0.2},
            )
            messages += use_tools(reply.choices[0].message)
            answer = "Your tent has shipped and arrives on Friday between nine and noon."
            stream = desk.chat(CHAT, messages, stream=True, cue={"text": answer, "latency": 0.15, "chunk_delay": 0.02})
            print("desk:  " + "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))
    return root


def i_want_my_money_back(desk: Desk) -> trace.Span:
    """Bob wants a refund: a Responses call, a tool, a failing call, an unpriced model, a stream he leaves."""
    question = "The tent leaks. I want my money back for order 1042."
    with span("invoke_workflow", "workflow", "ticket", **{"user.id": "bob", "gen_ai.conversation.id": "t-18"}) as root:
        print(f"bob:   {question}")
        messages = [{"role": "system", "content": "You grant refunds."}, {"role": "user", "content": question}]
        with span("invoke_agent", "agent", "refunds"):
            desk.client.responses.create(
                model=REASONING,
                input=f"May this be refunded? {question}",
                max_output_tokens=MAX_TOKENS,
                extra_headers=desk.cue(text="Yes, it is within thirty days.", latency=0.4),
            )
            reply = desk.chat(
                CHAT, messages, tools=offered("issue_refund"), cue={"tool_args": '{"order": "1042"}', "latency": 0.2}
            )
            messages += use_tools(reply.choices[0].message)
            tone(desk, messages)
            text = "You get 89 euros back within three days, and we are sorry about the wet night you had."
            stream = desk.chat(CHAT, messages, stream=True, cue={"text": text, "latency": 0.1, "chunk_delay": 0.02})
            words = []
            for chunk in stream:
                words.append(chunk.choices[0].delta.content or "" if chunk.choices else "")
                if len(words) == 6:
                    break  # Bob has read enough and leaves
            stream.close()
            print(f"desk:  {''.join(words)} ... (bob has left)")
    return root


def tone(desk: Desk, messages: list[dict[str, Any]]) -> None:
    """Ask a retired model how the customer feels, and our own when that fails."""
    for model, cue in ((RETIRED, {"status": 404}), (IN_HOUSE, {"text": "annoyed", "latency": 0.05})):
        try:
            desk.chat(model, messages, cue=cue)
        except openai.APIStatusError as error:
            print(f"       ({model}: {error.status_code}, trying the next)")
