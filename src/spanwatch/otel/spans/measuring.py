"""The metrics of one run, worked out where it costs its caller nothing: on the worker."""

from __future__ import annotations

from typing import NamedTuple

from spanwatch.core import names
from spanwatch.otel.spans.kinds import TOOL, Plan
from spanwatch.otel.worker import Values

Labels = dict[str, str | int]


class Ended(NamedTuple):
    """How a run ended. `counts` are the inference and tool calls under an agent, None where nobody counted."""

    plan: Plan
    seconds: float
    outcome: str
    kind: str | None
    agent: str | None
    version: str | None
    is_request: bool
    counts: tuple[int, int] | None

    def values(self) -> Values:
        """Its values for histograms, each with its labels."""
        plan, labels = self.plan, self._labels()
        ended = labels if self.kind is None else {**labels, names.ERROR_TYPE: self.kind}
        found: list[tuple[names.Metric, float, Labels]] = []
        if plan.kind.duration is not None:
            found.append((plan.kind.duration, self.seconds, ended))
        if self.counts is not None:
            found.append((names.AGENT_INFERENCE_CALLS, self.counts[0], labels))
            found.append((names.AGENT_TOOL_CALLS, self.counts[1], labels))
        if self.is_request:
            found.append((names.REQUEST_DURATION, self.seconds, self._request_labels(ended)))
        return tuple(found)

    @property
    def measured(self) -> bool:
        """Whether there is any value at all."""
        return self.is_request or self.counts is not None or self.plan.kind.duration is not None

    def _labels(self) -> Labels:
        labels: Labels = {**self.plan.labels}
        if self.version is not None:
            labels[names.APP_VERSION] = self.version
        if self.plan.kind is TOOL and self.agent is not None:
            labels[names.AGENT_NAME] = self.agent
        return labels

    def _request_labels(self, ended: Labels) -> Labels:
        kept = {name: ended[name] for name in names.REQUEST_DURATION.attributes if name in ended}
        return {**kept, names.REQUEST_NAME: self.plan.name, names.OUTCOME: self.outcome}
