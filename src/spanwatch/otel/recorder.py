"""Calls → OTel instruments, with each call's own context so that exemplars point at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, Meter
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from spanwatch.core import names
from spanwatch.core.attributes import is_unpriced
from spanwatch.core.call import Call, CallStatus, Usage
from spanwatch.core.money import usd_float
from spanwatch.otel.worker import Added, Lost, Measured, Measurement, Observed

Label = str | int
Labels = tuple[tuple[str, Label | None], ...]

_NOWHERE = Context()


class Recorder:
    """Records batches of calls on the instruments of `names.METRICS`.

    Histograms get one measurement per call. Counters are added once per batch and attribute set, in the context of the
    last call that had it. Only attributes that the instrument lists are given, so that label sets stay few.
    """

    def __init__(self, meter: Meter) -> None:
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in names.METRICS:
            if metric.kind == "counter":
                self._counters[metric.name] = meter.create_counter(metric.name, metric.unit, metric.description)
            elif metric.kind == "histogram":
                self._histograms[metric.name] = meter.create_histogram(
                    metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=metric.buckets
                )

    def __call__(self, batch: Sequence[Measured]) -> None:
        """Record one batch."""
        groups: dict[Labels, _Sums] = {}
        for item in batch:
            if isinstance(item, Lost):
                groups.setdefault((), _Sums()).add(names.TELEMETRY_DROPPED, item.count, (names.ERROR_TYPE, item.reason))
                continue
            if isinstance(item, Added):
                self._counters[item.metric.name].add(item.amount, item.labels)
                continue
            if isinstance(item, Observed):
                for metric, value, labels in item.values():
                    if metric.kind == "counter":
                        self._counters[metric.name].add(value, labels, _context(item.context))
                    else:
                        self._histograms[metric.name].record(value, labels, _context(item.context))
                continue
            shared = _shared(item.call)
            sums = groups.get(shared)
            if sums is None:
                sums = groups[shared] = _Sums()
            sums.context = _context(item.context)
            self._call(item, shared, sums)
        for shared, sums in groups.items():
            for (name, *more), amount in sums.items():
                self._counters[name].add(amount, _labels(shared, more), sums.context)

    def _call(self, item: Measurement, shared: Labels, sums: _Sums) -> None:
        call, labels = item.call, _labels(shared)
        if not item.settled:
            self._times(call, labels, sums.context)
            if call.operation != names.FETCH_RESPONSE:
                _count(call, sums)
        if call.usage is not None:
            self._sizes(call, call.usage, labels, sums.context)
            if call.operation in names.INFERENCE_OPERATIONS:
                for metric, amount, modality in _tokens(call.usage):
                    sums.add(metric, amount, (names.TOKEN_MODALITY, modality))
        cost = call.cost
        if cost is not None and cost.nano_usd is not None:
            status, source = (names.COST_STATUS, cost.status.value), (names.COST_SOURCE, cost.source)
            sums.add(names.COST, usd_float(cost.nano_usd), status, source, *_told(call))

    def _times(self, call: Call, labels: dict[str, Label], context: Context) -> None:
        inference = call.operation in names.INFERENCE_OPERATIONS
        duration = names.INFERENCE_DURATION if inference else names.OPERATION_DURATION
        error = call.error_type or (names.ERROR_OTHER if call.status is CallStatus.ERROR else None)
        timed = labels if error is None else {**labels, names.ERROR_TYPE: error}
        self._histograms[duration.name].record(max(0.0, call.duration_s), timed, context)
        first = call.time_to_first_chunk_s
        if not (inference and call.stream and first is not None):
            return
        self._histograms[names.TIME_TO_FIRST_CHUNK.name].record(first, labels, context)
        if call.chunks > 1:
            gap = max(0.0, call.duration_s - first) / (call.chunks - 1)
            self._histograms[names.TIME_PER_OUTPUT_CHUNK.name].record(gap, labels, context)

    def _sizes(self, call: Call, usage: Usage, labels: dict[str, Label], context: Context) -> None:
        sizes: tuple[tuple[names.Metric, int | None], ...] = ()
        if call.operation == names.EMBEDDINGS:
            sizes = ((names.EMBEDDINGS_INPUT_TOKENS, usage.input_tokens),)
        elif call.operation in names.INFERENCE_OPERATIONS:
            sizes = (
                (names.INPUT_TOKENS_PER_CALL, usage.input_tokens),
                (names.OUTPUT_TOKENS_PER_CALL, usage.output_tokens),
            )
        for metric, tokens in sizes:
            if tokens is not None:
                self._histograms[metric.name].record(tokens, labels, context)


class _Sums(dict[tuple[Any, ...], float]):
    """What a batch adds to the counters of one set of shared labels, by name and further labels; the last context."""

    context: Context = _NOWHERE

    def add(self, metric: names.Metric, amount: float, *more: tuple[str, Label | None]) -> None:
        """Add to the sum of one counter and attribute set."""
        key = (metric.name, *more)
        self[key] = self.get(key, 0) + amount


def _count(call: Call, sums: _Sums) -> None:
    sums.add(names.CALLS, 1, (names.CALL_STATUS, call.status.value), *_told(call))
    if is_unpriced(call):
        sums.add(names.UNPRICED_CALLS, 1, (names.COST_REASON, call.cost.reason if call.cost is not None else None))


def _told(call: Call) -> tuple[tuple[str, str | None], ...]:
    """What the application told of itself, as far as it is of low cardinality."""
    return (names.AGENT_NAME, call.agent), (names.APP_VERSION, call.app_version)


def _tokens(usage: Usage) -> Iterable[tuple[names.Metric, int, str]]:
    """Every known count by instrument and modality; what no modality was reported for is `unknown`."""
    for metric, total, parts in _SPLITS:
        count = total(usage)
        if count is None:
            continue
        split = [(known, modality) for modality, part in parts if (known := part(usage))]
        rest = count - sum(known for known, _ in split)
        if rest < 0:  # parts that exceed their whole say nothing: keep the whole
            split, rest = [], count
        for known, modality in split:
            yield metric, known, modality
        if rest or not split:
            yield metric, rest, "unknown"


def _shared(call: Call) -> Labels:
    return (
        (names.OPERATION_NAME, call.operation),
        (names.PROVIDER_NAME, call.provider),
        (names.REQUEST_MODEL, call.request_model),
        (names.RESPONSE_MODEL, call.response_model),
        (names.SERVER_ADDRESS, call.server_address),
        (names.SERVER_PORT, call.server_port),
    )


def _labels(shared: Labels, more: Iterable[tuple[str, Label | None]] = ()) -> dict[str, Label]:
    return {name: value for name, value in (*shared, *more) if value is not None}


def _context(context: SpanContext | None) -> Context:
    if context is None or not context.trace_flags.sampled:  # exemplars point at stored spans only
        return _NOWHERE
    return set_span_in_context(NonRecordingSpan(context), _NOWHERE)


_Count = Callable[[Usage], int | None]
_SPLITS: tuple[tuple[names.Metric, _Count, tuple[tuple[str, _Count], ...]], ...] = (
    (
        names.INPUT_TOKENS,
        lambda usage: usage.input_tokens,
        (
            ("text", lambda usage: usage.input_text_tokens),
            ("audio", lambda usage: usage.input_audio_tokens),
            ("image", lambda usage: usage.input_image_tokens),
        ),
    ),
    (
        names.OUTPUT_TOKENS,
        lambda usage: usage.output_tokens,
        (
            ("text", lambda usage: usage.output_text_tokens),
            ("audio", lambda usage: usage.output_audio_tokens),
            ("image", lambda usage: usage.output_image_tokens),
        ),
    ),
    (
        names.CACHE_READ_TOKENS,
        lambda usage: usage.cache_read_tokens,
        (
            ("audio", lambda usage: usage.cache_audio_read_tokens),
            ("image", lambda usage: usage.cache_image_read_tokens),
        ),
    ),
    (names.CACHE_WRITE_TOKENS, lambda usage: usage.cache_write_tokens, ()),
    (names.REASONING_TOKENS, lambda usage: usage.reasoning_tokens, ()),
)
