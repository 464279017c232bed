"""Calls → OTel instruments, with each call's own context so that exemplars point at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, Meter
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from spanwatch.core import names
from spanwatch.core.attributes import is_unpriced
from spanwatch.core.call import Call, CallStatus, Usage
from spanwatch.core.money import usd_float
from spanwatch.otel.worker import Counted, Lost, Measured

Label = str | int
Labels = tuple[tuple[str, Label], ...]

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
            else:
                self._histograms[metric.name] = meter.create_histogram(
                    metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=metric.buckets
                )

    def __call__(self, batch: Sequence[Measured]) -> None:
        """Record one batch."""
        sums = _Sums()
        for item in batch:
            if isinstance(item, Lost):
                sums.add(names.TELEMETRY_DROPPED, item.count, ((names.ERROR_TYPE, item.reason),), _NOWHERE)
            else:
                self._call(item, sums)
        for (name, labels), (amount, context) in sums.items():
            self._counters[name].add(amount, dict(labels), context)

    def _call(self, item: Counted, sums: _Sums) -> None:
        call, context = item.call, _context(item.context)
        shared = _shared(call)
        if not item.settled:
            self._times(call, shared, context)
            if call.operation != names.FETCH_RESPONSE:
                _count(call, shared, context, sums)
        if call.usage is not None:
            self._sizes(call, call.usage, shared, context)
            if call.operation in names.INFERENCE_OPERATIONS:
                for metric, amount, modality in _tokens(call.usage):
                    sums.add(metric, amount, (*shared, (names.TOKEN_MODALITY, modality)), context)
        if call.cost is not None and call.cost.nano_usd is not None:
            labels = _with(shared, (names.COST_STATUS, call.cost.status.value), (names.COST_SOURCE, call.cost.source))
            sums.add(names.COST, usd_float(call.cost.nano_usd), _with(labels, (names.AGENT_NAME, call.agent)), context)

    def _times(self, call: Call, shared: Labels, context: Context) -> None:
        inference = call.operation in names.INFERENCE_OPERATIONS
        duration = names.INFERENCE_DURATION if inference else names.OPERATION_DURATION
        error = call.error_type or (names.ERROR_OTHER if call.status is CallStatus.ERROR else None)
        labels = dict(_with(shared, (names.ERROR_TYPE, error)))
        self._histograms[duration.name].record(call.duration_s, labels, context)
        first = call.time_to_first_chunk_s
        if not (inference and call.stream and first is not None):
            return
        self._histograms[names.TIME_TO_FIRST_CHUNK.name].record(first, dict(shared), context)
        if call.chunks > 1:
            gap = max(0.0, call.duration_s - first) / (call.chunks - 1)
            self._histograms[names.TIME_PER_OUTPUT_CHUNK.name].record(gap, dict(shared), context)

    def _sizes(self, call: Call, usage: Usage, shared: Labels, context: Context) -> None:
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
                self._histograms[metric.name].record(tokens, dict(shared), context)


class _Sums(dict[tuple[str, Labels], tuple[float, Context]]):
    """What a batch adds to each counter and attribute set, with the last context."""

    def add(self, metric: names.Metric, amount: float, labels: Labels, context: Context) -> None:
        key = (metric.name, labels)
        before = self.get(key)
        self[key] = (amount if before is None else before[0] + amount, context)


def _count(call: Call, shared: Labels, context: Context, sums: _Sums) -> None:
    labels = _with(shared, (names.CALL_STATUS, call.status.value), (names.AGENT_NAME, call.agent))
    sums.add(names.CALLS, 1, labels, context)
    if is_unpriced(call):
        reason = call.cost.reason if call.cost is not None else None
        sums.add(names.UNPRICED_CALLS, 1, _with(shared, (names.COST_REASON, reason)), context)


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
    found: list[tuple[str, Label]] = [(names.OPERATION_NAME, call.operation)]
    for name, read in _SHARED:
        value = read(call)
        if value is not None:
            found.append((name, value))
    return tuple(found)


def _with(labels: Labels, *more: tuple[str, str | None]) -> Labels:
    return (*labels, *((name, value) for name, value in more if value is not None))


def _context(context: SpanContext | None) -> Context:
    return _NOWHERE if context is None else set_span_in_context(NonRecordingSpan(context), _NOWHERE)


_SHARED: tuple[tuple[str, Callable[[Call], Label | None]], ...] = (
    (names.PROVIDER_NAME, lambda call: call.provider),
    (names.REQUEST_MODEL, lambda call: call.request_model),
    (names.RESPONSE_MODEL, lambda call: call.response_model),
    (names.SERVER_ADDRESS, lambda call: call.server_address),
    (names.SERVER_PORT, lambda call: call.server_port),
)
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
