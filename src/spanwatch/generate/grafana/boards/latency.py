"""Latency and errors: of requests and of model calls, streams apart."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.names import ERROR_TYPE, PROVIDER_NAME, REQUEST_MODEL, REQUEST_NAME
from spanwatch.core.prometheus import label_name
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.declared import THIRD, Board, Query, Row, Step, Variable
from spanwatch.generate.grafana.panels import by, lines, percentiles, spread

_MODEL: list[Variable] = ["model"]
_SLOW = (Step(None, "green"), Step(asking.bound_of("SlowResponses"), "red"))
_ERRORS = f'{label_name(ERROR_TYPE)}!=""'
_FAILED = f'{label_name(names.OUTCOME)}="error"'
_JUDGED = f'{label_name(names.OUTCOME)}=~"ok|error"'
_ALL = asking.rate(names.REQUEST_DURATION, (REQUEST_NAME,), _JUDGED)


def _tokens(title: str, metric: names.Metric) -> Query:
    return Query(asking.quantile(0.95, metric, narrow=_MODEL), title)


REQUESTS = Row(
    "Requests",
    (
        percentiles(names.REQUEST_DURATION, "Duration of requests", steps=_SLOW),
        lines(
            "p95 by request",
            "p95 of each kind of request.",
            "s",
            by(asking.quantile(0.95, names.REQUEST_DURATION, (REQUEST_NAME,)), (REQUEST_NAME,)),
            steps=_SLOW,
        ),
        lines(
            "Part of requests that failed",
            "Failed ones, of those that succeeded or failed. The line is where the rule HighErrorRate fires.",
            "percentunit",
            by(
                f"{asking.or_none(asking.rate(names.REQUEST_DURATION, (REQUEST_NAME,), _FAILED), _ALL)} / {_ALL}",
                (REQUEST_NAME,),
            ),
            steps=(Step(None, "green"), Step(asking.bound_of("HighErrorRate"), "red")),
            highest=1,
        ),
        lines(
            "Failures of requests by kind",
            "Failed requests per second.",
            "reqps",
            by(asking.rate(names.REQUEST_DURATION, (ERROR_TYPE,), _FAILED), (ERROR_TYPE,)),
            stacked=True,
        ),
    ),
)

CALLS = Row(
    "Model calls",
    (
        percentiles(names.INFERENCE_DURATION, "Duration of model calls", narrow=_MODEL),
        spread(names.INFERENCE_DURATION, "Spread of durations", narrow=_MODEL),
        lines(
            "p95 by model",
            "p95 of each model.",
            "s",
            by(asking.quantile(0.95, names.INFERENCE_DURATION, (REQUEST_MODEL,), narrow=_MODEL), (REQUEST_MODEL,)),
        ),
        lines(
            "Failures of model calls by kind",
            "Failed model calls per second, with provider and kind.",
            "reqps",
            by(
                asking.rate(names.INFERENCE_DURATION, (PROVIDER_NAME, ERROR_TYPE), _ERRORS, narrow=_MODEL),
                (PROVIDER_NAME, ERROR_TYPE),
            ),
            stacked=True,
        ),
        percentiles(names.TIME_TO_FIRST_CHUNK, "Time to the first chunk", narrow=_MODEL, width=THIRD),
        percentiles(names.TIME_PER_OUTPUT_CHUNK, "Time between chunks", narrow=_MODEL, width=THIRD),
        percentiles(names.OPERATION_DURATION, "Other operations", narrow=_MODEL, width=THIRD),
    ),
)

SIZES = Row(
    "Sizes",
    (
        lines(
            "Tokens of a call, p95",
            "p95 of the input and output tokens of one call, and of the input of one embeddings call.",
            "short",
            _tokens("input", names.INPUT_TOKENS_PER_CALL),
            _tokens("output", names.OUTPUT_TOKENS_PER_CALL),
            _tokens("embeddings input", names.EMBEDDINGS_INPUT_TOKENS),
        ),
        lines(
            "Output tokens a second of a call",
            "Output tokens over the time that calls took: how fast models write.",
            "short",
            by(
                f"{asking.rate(names.OUTPUT_TOKENS, (REQUEST_MODEL,), narrow=_MODEL)} / "
                f"{asking.rate(names.INFERENCE_DURATION, (REQUEST_MODEL,), narrow=_MODEL, part='_sum')}",
                (REQUEST_MODEL,),
            ),
        ),
    ),
)

EACH = Row(
    "Model $model",
    (
        percentiles(names.INFERENCE_DURATION, "Duration of its calls", narrow=_MODEL, width=THIRD),
        lines(
            "Its calls by status",
            "Calls per second of this model, by how they ended.",
            "reqps",
            by(asking.rate(names.CALLS, (names.CALL_STATUS,), narrow=_MODEL), (names.CALL_STATUS,)),
            width=THIRD,
            stacked=True,
        ),
        lines(
            "Its failures by kind",
            "Failed calls per second of this model.",
            "reqps",
            by(asking.rate(names.INFERENCE_DURATION, (ERROR_TYPE,), _ERRORS, narrow=_MODEL), (ERROR_TYPE,)),
            width=THIRD,
            stacked=True,
        ),
    ),
    repeat="model",
)

BOARD = Board(
    "spanwatch-latency",
    "spanwatch / Latency and errors",
    "How long requests and model calls take, and how they fail.",
    (REQUESTS, CALLS, SIZES, EACH),
    ("model",),
)
