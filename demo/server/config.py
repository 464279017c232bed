"""Options of the demo server: what it answers, how fast, and which faults it injects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

_TRUE = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True)
class Config:
    """Every option with its default. Times are seconds; a negative or empty value usually means "as usual".

    Three places set options, the later ones win: `DemoServer(Config(...))` or the command line, `POST /__config`
    at run time, and the single request: a header `X-Demo: {"latency": 0.1}` or a model name `gpt-demo;latency=0.1`.
    """

    # timing
    latency: float = 0.0  # before the first byte of an answer
    chunk_delay: float = 0.0  # between the chunks of a stream

    # text
    n_chunks: int = 8  # content deltas of a stream, and words of a plain answer
    chunk_chars: int = 0  # characters per delta instead of one word
    text: str = ""  # a fixed answer
    response_model: str = ""  # "" answers the requested model with the suffix
    response_suffix: str = "-2026-01-01"
    service_tier: str = "default"
    system_fingerprint: str = "fp_demo"
    finish_reason: str = ""  # "" is stop, or tool_calls where a tool is called
    refusal: str = ""
    reasoning_content: str = ""  # a field beside the delta's content that some providers send

    # tools: -1 calls the first tool offered unless a tool's result came last, 0 calls none, k calls k at once.
    # A system text "CALL:<tool>" picks the tool, see `tools.py`.
    tool_calls: int = -1
    tool_args: str = '{"city": "Paris"}'

    # usage
    usage: str = "full"  # full | basic (no details) | null_details | null | none (no key) | zero
    usage_on_stream: str = "auto"  # auto (chat: when stream_options ask for it) | always | never
    prompt_tokens: int = 120
    completion_tokens: int = 48
    cached_tokens: int = 64
    cache_write_tokens: int = 16
    reasoning_tokens: int = 24
    audio_tokens: int = 0
    cost: float = -1.0  # from 0 on: adds `usage.cost` in dollars, as gateways do

    # Responses API
    response_status: str = "completed"  # completed | incomplete | failed | in_progress | queued
    incomplete_reason: str = "max_output_tokens"
    settled_status: str = ""  # what GET answers for a queued response: "" leaves it as it was
    web_searches: int = 0  # web_search_call items in the output
    keep_responses: bool = True  # remember created responses for GET

    # faults
    status: int = 200  # anything else answers an error body with that status
    fail_first: int = 0  # only the first k requests of a path fail with `status`
    retry_after: str = ""  # a Retry-After header on errors
    reject_stream_options: int = 0  # the status (400, 422) of requests that carry `stream_options`
    fault: str = ""  # cut | reset | stall | hang | bad_json | empty_body | error_event | no_done
    after_chunks: int = 3  # where cut, reset, stall and error_event strike
    odd: str = ""  # choices_null | index_order | empty_choices | model_null | usage_in_choice | keepalive
    #                | extra_fields | tool_index_gap | no_output | null_content

    # wire
    crlf: bool = False  # end the lines of a stream with CR LF
    piece: int = 0  # write streams in pieces of that many bytes

    dimensions: int = 64  # of an embedding

    def merged(self, over: Mapping[str, Any]) -> Config:
        """A copy with some options changed; texts are converted to the option's type.

        Raises:
            ValueError: an option is unknown or its value does not fit.
        """
        kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(self)}
        changed: dict[str, Any] = {}
        for name, value in over.items():
            if name not in kinds:
                raise ValueError(f"unknown option {name!r} of the demo server")
            kind = kinds[name]
            changed[name] = value.lower() in _TRUE if kind is bool and isinstance(value, str) else kind(value)
        return replace(self, **changed)


def cue(**options: Any) -> dict[str, str]:
    """The header that sets options for one request, for `extra_headers`."""
    return {"X-Demo": json.dumps(options)}
