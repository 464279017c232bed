"""agent(), workflow(), tool(), retrieval() and request()."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from opentelemetry.util.types import AttributeValue

from spanwatch.core import names
from spanwatch.otel.context import BAGGAGE, NOTHING, Carried
from spanwatch.otel.spans.kinds import AGENT, REQUEST, RETRIEVAL, TOOL, WORKFLOW, Kind, Plan
from spanwatch.otel.spans.scope import Scope
from spanwatch.otel.spans.values import Cleaner

Id = str | int | UUID
Further = Mapping[str, Any]


def agent(name: str, *, description: str | None = None, attributes: Further | None = None) -> Scope:
    """A run of an agent, as decorator or context manager: span `invoke_agent {name}`, of kind INTERNAL.

    The name is also on every span, log record and call under it. Of what a decorated function takes and returns the
    span has types and sizes, and with content switched on the texts.

    Raises:
        TypeError: the name is no text.
        ValueError: it is empty.
    """
    return _scope(AGENT, name, {names.AGENT_DESCRIPTION: description}, attributes, carries_name=True)


def workflow(name: str, *, attributes: Further | None = None) -> Scope:
    """A run of a workflow, as decorator or context manager: span `invoke_workflow {name}`, of kind INTERNAL.

    Raises:
        TypeError: the name is no text.
        ValueError: it is empty.
    """
    return _scope(WORKFLOW, name, {}, attributes)


def tool(
    name: str,
    *,
    call_id: str | None = None,
    arguments: Any = None,
    description: str | None = None,
    type: str = "function",  # noqa: A002 (the convention's word)
    attributes: Further | None = None,
) -> Scope:
    """An execution of a tool, as decorator or context manager: span `execute_tool {name}`, of kind INTERNAL.

    Args:
        name: The tool's name.
        call_id: The model's id of this tool call.
        arguments: What it is called with, where no decorated function shows it; recorded as content is.
        description: What the tool does.
        type: `function`, `extension` or `datastore`.
        attributes: Further attributes of the span.

    Raises:
        TypeError: the name is no text.
        ValueError: it is empty.
    """
    further = {names.TOOL_TYPE: type, names.TOOL_CALL_ID: call_id, names.TOOL_DESCRIPTION: description}
    return _scope(TOOL, name, further, attributes, labelled=(names.TOOL_TYPE,), arguments=arguments)


def retrieval(
    name: str, *, provider: str | None = None, top_k: int | None = None, attributes: Further | None = None
) -> Scope:
    """A look-up in the data source `name`, as decorator or context manager: span `retrieval {name}`, of kind CLIENT.

    Args:
        name: The data source: an index, a collection, a knowledge base.
        provider: Whose service it is.
        top_k: How many results are asked for.
        attributes: Further attributes of the span.

    Raises:
        TypeError: the name is no text.
        ValueError: it is empty.
    """
    further = {names.PROVIDER_NAME: provider, names.RETRIEVAL_TOP_K: top_k}
    return _scope(RETRIEVAL, name, further, attributes, labelled=(names.PROVIDER_NAME,))


def request(
    name: str = "request",
    *,
    user_id: Id | None = None,
    conversation_id: Id | None = None,
    interaction_id: Id | None = None,
    tags: Iterable[str] = (),
    app_version: str | None = None,
    baggage: Sequence[str] = (),
    trust_baggage: bool = False,
    attributes: Further | None = None,
) -> Scope:
    """A request to the application, as decorator or context manager: span `request {name}`, of kind INTERNAL.

    What it names is on every span, log record and call below, whoever makes them, until it ends. The outermost request,
    workflow or agent also records `spanwatch.request.duration` by its outcome.

    Args:
        name: What is asked for; few different ones, for it is on a metric.
        user_id: Who asks.
        conversation_id: Which conversation it belongs to.
        interaction_id: Your own id of this one request, by which it can be rated later.
        tags: Any words to find it by; those of requests around it are kept.
        app_version: The application's version; also on metrics.
        baggage: What of it goes to other services as W3C baggage: `user_id`, `conversation_id`,
            `interaction_id`, `agent`, `app_version`, `tags`. Nothing by default.
        trust_baggage: Whether the same names are taken from baggage that came in, where they are not given here. Only
            for callers that may speak for any user.
        attributes: Further attributes of the span.

    Raises:
        TypeError: the name is no text, or the tags are none.
        ValueError: the name is empty, or `baggage` lists what cannot go there.
    """
    unknown = [item for item in ((baggage,) if isinstance(baggage, str) else baggage) if item not in BAGGAGE]
    if unknown:
        raise ValueError(f"request(baggage=...) cannot be {unknown[0]!r}: give some of {', '.join(BAGGAGE)}")
    carries = {
        "user_id": user_id,
        "conversation_id": conversation_id,
        "interaction_id": interaction_id,
        "app_version": app_version,
        "tags": (tags,) if isinstance(tags, str) else tuple(tags),
        "propagated": (baggage,) if isinstance(baggage, str) else tuple(baggage),
    }
    return _scope(REQUEST, name, {}, attributes, carries=carries, trusts_baggage=trust_baggage)


def agent_request(
    name: str,
    *,
    user_id: Id | None = None,
    conversation_id: Id | None = None,
    tags: Iterable[str] = (),
    app_version: str | None = None,
    attributes: Further | None = None,
) -> Scope:
    """A request to an agent: `agent()` that carries what `request()` does, in one span.

    Raises:
        TypeError: the name is no text, or the tags are none.
        ValueError: the name is empty.
    """
    carries = {
        "user_id": user_id,
        "conversation_id": conversation_id,
        "app_version": app_version,
        "tags": (tags,) if isinstance(tags, str) else tuple(tags),
    }
    return _scope(AGENT, name, {}, attributes, carries=carries, carries_name=True)


def _scope(
    kind: Kind,
    name: str,
    further: Mapping[str, Any],
    attributes: Further | None,
    *,
    carries: Mapping[str, Any] | None = None,
    carries_name: bool = False,
    labelled: Sequence[str] = (),
    trusts_baggage: bool = False,
    arguments: Any = None,
) -> Scope:
    if not isinstance(name, str):
        raise TypeError(f"{kind.word}() takes a name, as in {kind.word}('planner'); it was given {type(name).__name__}")
    if not name:
        raise ValueError(f"{kind.word}() takes a name that is not empty")
    cleaner = Cleaner()
    cleaned = cleaner.text(name)
    found: dict[str, AttributeValue] = cleaner.attributes(attributes)
    found.update(cleaner.attributes({key: value for key, value in further.items() if value is not None}))
    labels: dict[str, str | int] = {} if kind is RETRIEVAL else {kind.called: cleaned}
    if kind.operation is not None:
        found[kind.called] = cleaned
        found[names.OPERATION_NAME] = labels[names.OPERATION_NAME] = kind.operation
    labels.update({key: str(found[key]) for key in labelled if key in found})
    kept = {key: _kept(cleaner, value) for key, value in (carries or {}).items() if _is_given(value)}
    if carries_name:
        kept["agent"] = cleaned
    carried = Carried(**kept) if kept else NOTHING
    return Scope(Plan(kind, cleaned, found, labels, carried, trusts_baggage, cleaner.replaced, arguments))


def _is_given(value: Any) -> bool:
    return value is not None and not (type(value) is tuple and not value)


def _kept(cleaner: Cleaner, value: Any) -> Any:
    return cleaner.texts(value) if type(value) is tuple else cleaner.text(value)
