"""Names of metrics that other instrumentations make of the spans that we measure too."""

from __future__ import annotations

OUTDATED = ("gen_ai.client.token.usage",)  # no longer of the convention: nobody else means anything by it
DOUBLED = (
    "gen_ai.client.operation.duration",
    "gen_ai.client.operation.time_to_first_chunk",
    "gen_ai.client.operation.time_per_output_chunk",
)
