"""Switching the call site on and off."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from spanwatch.core import names
from spanwatch.core.errors import ConfigurationError
from spanwatch.otel.distro import attempt
from spanwatch.otel.openai.guarding import GuardSite
from spanwatch.otel.openai.opened import OpenCall
from spanwatch.otel.openai.site import CallSite
from spanwatch.otel.telemetry import Telemetry
from spanwatch.otel.version import VERSION

SUPPORTED = "openai >= 1.66, < 4"
_METHOD, _SETUP = "request", "spanwatch.otel.setup"
_ZERO_CODE = "opentelemetry.instrumentation.auto_instrumentation"
_WRAPPED = "__wrapped__"
_Patch = tuple[Any, str, Any, Any]  # who holds the method, under which name, the method, and what stands in front of it


class OpenAIInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # its package is not typed
    """Traces the model calls of the `openai` client, sync and async, of every client made before or after.

    `instrument()` sends calls to the configured process, and configures one from the environment where there is none;
    `tracer_provider=` sends the spans elsewhere. The class is a singleton, so all of it holds for the process.
    """

    _site: CallSite | None = None
    _open: Mapping[str, OpenCall] = MappingProxyType({})  # also after the site is taken out
    _patches: tuple[_Patch, ...] = ()

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions of the client that are supported."""
        return (SUPPORTED,)

    def finish_open(self) -> None:
        """End every call that is still open as abandoned: the process ends before, say, a stream that nobody closed."""
        for call in list(self._open.values()):
            call.abandoned()

    def _instrument(self, **kwargs: Any) -> None:
        if "telemetry" not in kwargs:
            importlib.import_module("openai")  # who loads every instrumentation there is passes over a missing module
        telemetry = kwargs.get("telemetry") or _configured()
        if telemetry is None:
            return
        provider = kwargs.get("tracer_provider")
        if provider is not None:
            telemetry = replace(telemetry, tracer=lambda: provider.get_tracer(names.SCOPE, VERSION, names.SCHEMA_URL))
        self._uninstrument()
        self._patch(telemetry, GuardSite if kwargs.get("guard") else CallSite)

    def _patch(self, telemetry: Telemetry, kind: type[CallSite]) -> None:
        try:
            import openai  # noqa: PLC0415 (an extra; loading it takes half a second)
        except ImportError:
            raise ConfigurationError("the OpenAI client is not installed: pip install 'spanwatch[openai]'") from None
        streams = (openai.Stream, openai.AsyncStream)
        site = kind(telemetry, streams, (openai.AzureOpenAI, openai.AsyncAzureOpenAI))
        self._patches = (
            _patched(*_place(openai.OpenAI), _around, site),
            _patched(*_place(openai.AsyncOpenAI), _around_async, site),
        )
        self._site, self._open = site, site.open

    def _uninstrument(self, **_: Any) -> None:
        if self._site is not None:
            self._site.on, self._site = False, None  # with all that it reports to, but for calls that are open
        for owner, name, original, wrapper in self._patches:
            if getattr(owner, name, None) is wrapper:  # who wrapped it after us keeps what was wrapped, now idle
                setattr(owner, name, original)
        self._patches = ()


def _configured() -> Telemetry | None:
    """That of the configured process; begins one where there is none. None where the settings want another engine.

    By OpenTelemetry's own start a wrong setting costs one line: an error would end it, and with it all that is loaded
    after us.
    """
    setup = importlib.import_module(_SETUP)  # which imports this module
    if setup.INSTANCE.runtime is None:
        if _ZERO_CODE in sys.modules:
            attempt(setup.configure)
        else:
            setup.configure()
    runtime = setup.INSTANCE.runtime
    wanted = runtime is not None and runtime.settings.openai == "spanwatch"
    return runtime.telemetry() if wanted else None


def _patched(owner: Any, name: str, around: Callable[..., Any], site: CallSite) -> _Patch:
    original = getattr(owner, name)
    wrapper = around(original, site)
    setattr(owner, name, wrapper)
    return owner, name, original, wrapper


def _place(client: type) -> tuple[Any, str]:
    """Who holds the method that a client calls, and under which name.

    Another package may have put its own on the client before us, around what it found then and calls ever after: ours
    goes inside of that.
    """
    owner: Any = next(base for base in client.__mro__ if _METHOD in vars(base))
    name, method = _METHOD, vars(owner)[_METHOD]
    while hasattr(type(method), _WRAPPED):  # a proxy, not a function that only says what it was made of
        owner, name, method = method, _WRAPPED, method.__wrapped__
    return owner, name


def _around(original: Callable[..., Any], site: CallSite) -> Callable[..., Any]:
    @functools.wraps(original)
    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        return site.request(original, self, args, kwargs)

    return request


def _around_async(original: Callable[..., Any], site: CallSite) -> Callable[..., Any]:
    @functools.wraps(original)
    async def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await site.arequest(original, self, args, kwargs)

    return request
