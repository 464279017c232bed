"""The call site: opens a call around the client's `request`, asks for usage, and hands the answer to who watches it.

Every model call of the client goes through one method, `request` of its base class, sync or async: plain, parsed,
streamed, raw, retried, on Azure or any other server, from a resource made before instrumenting or after it. The body
is final there: defaults filled in, iterators read into lists, values that were not given left out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.context import attach, detach
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import SpanKind, get_current_span, set_span_in_context

from spanwatch.core.providers import provider_of
from spanwatch.otel.guard import Guard
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

    def request(self, original: Callable[..., Any], client: Any, args: Arguments, kwargs: Options) -> Any:
        """The client's `request` with a call around it."""
        opened = self._guard.run("opening a call", self._opened, client, args, kwargs)
        if opened is None:
            return original(client, *args, **kwargs)
        call, changed = opened
        token = attach(call.context)
        try:
            while True:
                try:
                    result = original(client, *(changed if changed is not None else args), **kwargs)
                    break
                except Exception as error:
                    if not self._refused(client, call, error):
                        raise
                    changed = None
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
        opened = self._guard.run("opening a call", self._opened, client, args, kwargs)
        if opened is None:
            return await original(client, *args, **kwargs)
        call, changed = opened
        token = attach(call.context)
        try:
            while True:
                try:
                    result = await original(client, *(changed if changed is not None else args), **kwargs)
                    break
                except Exception as error:
                    if not self._refused(client, call, error):
                        raise
                    changed = None
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            detach(token)
        self._returned(call, result)
        return result

    def finish_open(self) -> None:
        """End every call that is still open as abandoned: the process ends before they do."""
        for call in list(self.open.values()):
            call.abandoned()

    # --- before ------------------------------------------------------------------------------------------------

    def _opened(self, client: Any, args: Arguments, kwargs: Options) -> tuple[OpenCall, Arguments | None] | None:
        """A started call and, where the request is changed for it, the arguments to use; None to stand aside."""
        if len(args) < 2:
            return None
        options = args[1]
        found = endpoint_of(options.method, options.url)
        if found is None or not self._telemetry.active() or not is_instrumentation_enabled():
            return None
        body = options.json_data if isinstance(options.json_data, Mapping) else _NO_BODY
        if options.extra_json:
            body = {**body, **options.extra_json}
        endpoint, fetched_id = found
        cursor = None if fetched_id is None else get(options.params, "starting_after")
        stream = bool(kwargs.get("stream"))
        request = request_of(endpoint, self._server(client), body, stream=stream, fetched_id=fetched_id, cursor=cursor)
        call = self._started(request, body)
        if stream and endpoint.usage_option and self._asks(client, body):
            call.hides = True
            return call, (args[0], with_usage(options), *args[2:])
        if endpoint.shape in _PARSED and callable(options.post_parser):
            return call, (args[0], _reading_first(options, call), *args[2:])
        return call, None

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
        known = self._servers.get(client)
        if known is not None and known[0] is url:
            return known[1]
        provider = AZURE if isinstance(client, self._azure) else provider_of(url.host)
        server = Server(url.host or None, url.port or _PORTS.get(url.scheme), provider)
        self._servers[client] = url, server
        return server

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


def _reading_first(options: Any, call: OpenCall) -> Any:
    """Options whose parser shows us the answer before it parses: that may fail, and the answer is paid all the same."""
    parser = options.post_parser

    def reading(result: Any) -> Any:
        call.whole(result)
        return parser(result)

    changed = copied(options)
    changed.post_parser = reading
    return changed
