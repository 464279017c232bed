"""Call: one finished model call, frozen. The value that cost, metrics, roll-ups, journal and store share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from itertools import compress, repeat
from operator import attrgetter, is_not
from typing import Any

from spanwatch.core.frozen import fill, maker
from spanwatch.core.money import to_usd


class CallStatus(StrEnum):
    """How a call ended. Refused calls never reached the provider and are not counted as calls."""

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    REFUSED = "refused"


class CostStatus(StrEnum):
    """How far a cost can be trusted."""

    PRICED = "priced"
    PARTIAL = "partial"  # a lower bound: some of what was used has no price
    APPROXIMATE = "approximate"  # priced by a stand-in: request model, parent unit, assumed provider
    ESTIMATED = "estimated"  # who reported the usage guessed it
    UNKNOWN = "unknown"


class CostReason(StrEnum):
    """Why a cost is not simply `priced`."""

    NO_PRICE = "no_price"
    NO_USAGE = "no_usage"
    NO_MODEL = "no_model"
    INCONSISTENT_USAGE = "inconsistent_usage"
    SUBSCRIPTION = "subscription"
    PROVIDER_ASSUMED = "provider_assumed"
    REQUEST_MODEL = "request_model"
    UNPRICED_UNITS = "unpriced_units"
    PARENT_UNIT = "parent_unit"
    UNKNOWN_CONTEXT = "unknown_context"
    USAGE_EXCLUSIVE = "usage_exclusive_normalised"
    USAGE_ESTIMATED = "usage_estimated"
    NOT_BILLED = "not_billed"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call used, in the units of genai-prices. None is unknown; a parent count includes its subsets.

    `input_tokens` includes cached, written, audio and image tokens; `output_tokens` includes reasoning.
    `other` holds any further unit by its genai-prices name, such as `(("web_searches", 2),)`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_text_tokens: int | None = None
    output_text_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    cache_audio_read_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    cache_image_read_tokens: int | None = None
    other: tuple[tuple[str, int | float], ...] = ()

    def reported(self) -> dict[str, int | float]:
        """Every known count by unit name."""
        values = _usage_values(self)
        known = dict(compress(zip(USAGE_FIELDS, values, strict=True), map(is_not, values, repeat(None))))
        return {**known, **dict(self.other)} if self.other else known

    def __bool__(self) -> bool:
        """Whether anything at all is known; an all-None usage is no usage."""
        return bool(self.other) or any(getattr(self, name) is not None for name in USAGE_FIELDS)


USAGE_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Usage) if field.name != "other")
_usage_values = attrgetter(*USAGE_FIELDS)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call cost. `nano_usd` is None exactly when `status` is unknown: unknown is never 0."""

    nano_usd: int | None
    status: CostStatus
    reasons: tuple[CostReason, ...] = ()
    source: str | None = None  # user | spanwatch | genai-prices | provider
    price_version: str | None = None
    input_nano_usd: int | None = None
    output_nano_usd: int | None = None
    list_nano_usd: int | None = None  # before the user's discount; None when there is none
    lines: tuple[CostLine, ...] = ()
    detail: str | None = None  # the model entry that priced it, or what was missing

    @property
    def usd(self) -> Decimal | None:
        """Dollars, exact, or None when unknown."""
        return None if self.nano_usd is None else to_usd(self.nano_usd)

    @property
    def reason(self) -> str | None:
        """The first reason, or None."""
        return self.reasons[0].value if self.reasons else None


def stated_cost(nano_usd: int) -> Cost:
    """What the application says that something cost."""
    return Cost(nano_usd, CostStatus.PRICED, source="user")


@dataclass(frozen=True, slots=True)
class CostLine:
    """One term of a cost: `count` units at `usd_per` dollars per `per` units."""

    unit: str
    count: int | float
    usd_per: str
    per: int
    nano_usd: int


@dataclass(frozen=True, slots=True)
class Call:
    """One finished model call. Times are UNIX nanoseconds, ids are lower-case hex or None.

    `call_id` is spanwatch's own: span ids are 0 or repeat the parent's when the SDK is disabled.
    """

    call_id: str
    operation: str
    started_ns: int
    ended_ns: int
    status: CallStatus = CallStatus.OK
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    usage: Usage | None = None
    cost: Cost | None = None
    stream: bool = False
    time_to_first_chunk_s: float | None = None
    chunks: int = 0
    error_type: str | None = None
    finish_reasons: tuple[str, ...] = ()
    server_address: str | None = None
    server_port: int | None = None
    service_tier: str | None = None
    price_context: tuple[tuple[str, Any], ...] = ()  # service_tier, processing, speed, geo: see core/prices
    provider_cost_nano_usd: int | None = None  # stated by the server in the answer (`usage.cost`)
    api: str | None = None  # chat_completions | responses
    user_id: str | None = None
    conversation_id: str | None = None
    agent: str | None = None
    app_version: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    sampled: bool = True
    scope: str = "spanwatch"  # name of the instrumentation scope that saw the call
    settles: str | None = None  # response id of an earlier call whose usage this one brings
    charged_nano_usd: int | None = None  # the estimate that budgets were charged, where the usage is unknown

    @property
    def duration_s(self) -> float:
        """Seconds from start to end."""
        return (self.ended_ns - self.started_ns) / 1e9


def changed(call: Call, **changes: Any) -> Call:
    """What `dataclasses.replace` gives, in a sixth of the time: every call is changed once, to have its cost."""
    values = list(_values(call))
    for name, value in changes.items():
        values[_PLACES[name]] = value
    return new_call(*values)


def priced(call: Call, cost: Cost | None) -> Call:
    """The same call, its cost filled in: whoever prices a call has just made it, and nobody else has it yet."""
    fill(call, "cost", cost)
    return call


new_call, new_usage, new_cost = maker(Call), maker(Usage), maker(Cost)
_NAMES = tuple(field.name for field in fields(Call))
_PLACES = {name: place for place, name in enumerate(_NAMES)}
_values = attrgetter(*_NAMES)
