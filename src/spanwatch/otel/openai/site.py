"""The call site: opens a call around the client's `request`, asks for usage, and hands the answer to who watches it.

Every model call of the client goes through one method, `request` of its base class, sync or async: plain, parsed,
streamed, raw, retried, on Azure or any other server, from a resource made before instrumenting or after it. The body
is final there: defaults filled in, iterators read into lists, values that were not given left out.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.context import attach, detach, get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import SpanKind, get_current_span, set_span_in_context

from spanwatch.core.providers import provider_of
from spanwatch.otel.budgets.elsewhere import elsewhere
from spanwatch.otel.guard import Guard
from spanwatch.otel.openai.asked import asking_of
from spanwatch.otel.openai.content import input_attributes
from spanwatch.otel.openai.endpoints import Shape, endpoint_of
from spanwatch.otel.openai.opened import OpenCall, Registry
from spanwatch.otel.openai.raw import watch_raw
from spanwatch.otel.openai.reading import get
from spanwatch.otel.openai.request import Request, Server, request_of
from spanwatch.otel.openai.streams import watch
from spanwatch.otel.openai.usage_option import Refusals, copied, is_open, is_refusal, with_usage
from spanwatch.otel.telemetry import Telemetry

AZURE = "azure.ai.openai"
_PORTS = {"https": 443, "http": 80}
_NO_BODY: Mapping[str, Any] = {}
_PARSED = frozenset({Shape.CHAT, Shape.RESPONSE})

Arguments = tuple[Any, ...]
Options = dict[str, Any]


class CallSite:
    """Everything the wrapped methods share.

    Args:
        telemetry: Where finished calls go.
        streams: The client's `Stream` and `AsyncStream`.
        azure: The client classes whose server is Azure, whatever its address.
    """

    def __init__(self, telemetry: Telemetry, streams: tuple[type, ...], azure: tuple[type, ...]) -> None:
        self._telemetry, self._streams, self._azure = telemetry, streams, azure
        self._guard = Guard()
        self._servers: WeakKeyDictionary[Any, tuple[Any, Server]] = WeakKeyDictionary()
        self._refusals = Refusals()
        self.open: Registry = {}
        self.on = True  # False once taken out: wrappers of others may still hold the wrapped methods

    def request(self, original: Callable[..., Any], client: Any, args: Arguments, kwargs: Options) -> Any:
        """The client's `request` with a call around it."""
        call = self._guard.run("opening a call", self._opened, client, args, kwargs)
        if call is None:
            return original(client, *args, **kwargs)
        changed = self._guard.run("changing a request", self._changed, call, client, args, kwargs) or (args, kwargs)
        token = attach(call.context)
        try:
            self._admit(call)
            while True:
                try:
                    result = original(client, *changed[0], **changed[1])
                    break
                except Exception as error:
                    if not self._refused(client, call, error):
                        raise
                    changed = args, kwargs
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            detach(token)
        self._returned(call, result)
        return result

    async def arequest(
        self, original: Callable[..., Awaitable[Any]], client: Any, args: Arguments, kwargs: Options
    ) -> Any:
        """The asynchronous client's `request` with a call around it."""
        call = self._guard.run("opening a call", self._opened, client, args, kwargs, blocking=False)
        if call is None:
            return await original(client, *args, **kwargs)
        changed = self._guard.run("changing a request", self._changed, call, client, args, kwargs) or (args, kwargs)
        token = attach(call.context)
        try:
            await self._aadmit(call)
            while True:
                try:
                    result = await original(client, *changed[0], **changed[1])
                    break
                except Exception as error:
                    if not self._refused(client, call, error):
                        raise
                    changed = args, kwargs
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            # A coroutine that is dropped may be closed in another context, where there is nothing to detach.
            if get_current() is call.context or not isinstance(sys.exception(), GeneratorExit):
                detach(token)
        self._returned(call, result)
        return result

    # --- before ------------------------------------------------------------------------------------------------

    def _opened(self, client: Any, args: Arguments, kwargs: Options, *, blocking: bool = True) -> OpenCall | None:
        """A started call, or None to stand aside."""
        options = _options(args, kwargs)
        found = endpoint_of(options.method, options.url)
        if found is None or not self.on or not self._telemetry.active() or not is_instrumentation_enabled():
            return None
        endpoint, fetched_id = found
        cursor = None if fetched_id is None else get(options.params, "starting_after")
        stream, body = bool(kwargs.get("stream")), _body(options)
        request = request_of(endpoint, self._server(client), body, stream=stream, fetched_id=fetched_id, cursor=cursor)
        call = self._started(request, body)
        budgets = self._telemetry.budgets
        if budgets is not None and request.fetched_id is None:
            facts = partial(asking_of, call, body, self._telemetry, budgets, blocking=blocking)
            asking = self._guard.run("reading a request", facts)
            if asking is not None:
                call.hold = self._guard.run("estimating a call", budgets.hold, asking)
        return call

    def _admit(self, call: OpenCall) -> None:
        """Reserve what the call may cost.

        Raises:
            BudgetExceeded: a budget has no room for it.
        """
        if call.hold is not None and self._telemetry.budgets is not None:
            self._telemetry.budgets.reserve(call.hold)

    async def _aadmit(self, call: OpenCall) -> None:
        """The same; a ledger that may take long is asked on another thread."""
        hold, budgets = call.hold, self._telemetry.budgets
        if hold is None or budgets is None:
            return
        if budgets.quick:
            budgets.reserve(hold)
            return
        try:
            await elsewhere(lambda: budgets.reserve(hold))
        except BaseException:
            budgets.given_up(hold)
            raise

    def _changed(
        self, call: OpenCall, client: Any, args: Arguments, kwargs: Options
    ) -> tuple[Arguments, Options] | None:
        """The arguments of a request that is changed for the call, None where nothing is."""
        options, endpoint = _options(args, kwargs), call.request.endpoint
        if call.request.stream and endpoint.usage_option and self._asks(client, _body(options)):
            asking = with_usage(options)
            call.hides = True
            return _replaced(args, kwargs, asking)
        if endpoint.shape in _PARSED and callable(options.post_parser):
            return _replaced(args, kwargs, _reading_first(options, call))
        return None

    def _started(self, request: Request, body: Mapping[str, Any]) -> OpenCall:
        telemetry = self._telemetry
        if telemetry.content.on:
            seen = self._guard.run("reading content", input_attributes, request, body, telemetry.content.max_bytes)
            request.attributes.update(seen or {})
        parent = get_current_span().get_span_context()
        started_ns = telemetry.clock()
        span = telemetry.tracer().start_span(
            request.span_name, kind=SpanKind.CLIENT, attributes=request.attributes, start_time=started_ns
        )
        context = set_span_in_context(span)
        return OpenCall(
            telemetry, self._guard, self.open, request, span, context=context, parent=parent, started_ns=started_ns
        )

    def _asks(self, client: Any, body: Mapping[str, Any]) -> bool:
        if not self._telemetry.ask_usage or not is_open(body):
            return False
        return not self._refusals or str(client.base_url) not in self._refusals

    def _server(self, client: Any) -> Server:
        url = client.base_url
        try:
            known = self._servers.get(client)
        except TypeError:  # a subclass of the application's that cannot be hashed
            return self._server_at(client, url)
        if known is None or known[0] is not url:
            known = self._servers[client] = url, self._server_at(client, url)
        return known[1]

    def _server_at(self, client: Any, url: Any) -> Server:
        host, port = url.host, url.port or _PORTS.get(url.scheme)
        named = self._telemetry.providers
        provider = named.get(f"{host}:{port}".lower()) or named.get(host.lower())
        if provider is None:
            provider = AZURE if isinstance(client, self._azure) else provider_of(host)
        return Server(host or None, port, provider)

    # --- after -------------------------------------------------------------------------------------------------

    def _refused(self, client: Any, call: OpenCall, error: Exception) -> bool:
        """Whether to repeat a request without the usage option."""
        if not call.hides or not is_refusal(error):
            return False
        self._refusals.add(str(client.base_url))
        call.hides = False
        return True

    def _returned(self, call: OpenCall, result: Any) -> None:
        if self._guard.run("watching an answer", self._watched, call, result) is None:
            call.succeeded()

    def _watched(self, call: OpenCall, result: Any) -> bool:
        """Read an answer that is whole, or leave that to who watches the rest of it come."""
        if isinstance(result, self._streams):
            watch(result, call)
        elif hasattr(result, "http_response") or hasattr(result, "iter_bytes"):
            watch_raw(result, call, self._is_stream)
        else:
            if not call.read:
                call.whole(result)
            call.succeeded()
        return True

    def _is_stream(self, value: Any) -> bool:
        return isinstance(value, self._streams)


def _options(args: Arguments, kwargs: Options) -> Any:
    """The options of a request, which the client passes second and a caller of `request` perhaps by name."""
    return args[1] if len(args) > 1 else kwargs["options"]


def _replaced(args: Arguments, kwargs: Options, options: Any) -> tuple[Arguments, Options]:
    if len(args) > 1:
        return (args[0], options, *args[2:]), kwargs
    return args, {**kwargs, "options": options}


def _body(options: Any) -> Mapping[str, Any]:
    """The JSON that is sent."""
    body = options.json_data if isinstance(options.json_data, Mapping) else _NO_BODY
    return {**body, **options.extra_json} if options.extra_json else body


def _reading_first(options: Any, call: OpenCall) -> Any:
    """Options whose parser shows us the answer before it parses: that may fail, and the answer is paid all the same."""
    parser = options.post_parser

    def reading(result: Any) -> Any:
        call.whole(result)
        return parser(result)

    changed = copied(options)
    changed.post_parser = reading
    return changed
