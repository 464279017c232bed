"""Switching the call site on and off."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, ClassVar

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from spanwatch.core.errors import ConfigurationError
from spanwatch.otel.openai.site import CallSite
from spanwatch.otel.telemetry import Telemetry

SUPPORTED = "openai >= 1.66, < 4"
_METHOD = "request"


class OpenAIInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # its package is not typed
    """Traces the model calls of the `openai` client, sync and async, of every client made before or after.

    `instrument(telemetry=...)` says where calls go. Without it `default_telemetry` is asked, which a configured
    process sets; the class is a singleton, so both hold for the process.
    """

    default_telemetry: ClassVar[Callable[[], Telemetry] | None] = None

    _site: CallSite | None = None
    _originals: tuple[tuple[type, Any], ...] = ()

    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions of the client that are supported."""
        return (SUPPORTED,)

    def finish_open(self) -> None:
        """End every call that is still open, such as a stream that nobody closed; for the end of the process."""
        if self._site is not None:
            self._site.finish_open()

    def _instrument(self, **kwargs: Any) -> None:
        import openai  # noqa: PLC0415 (an extra; loading it takes half a second)

        telemetry = kwargs.get("telemetry") or self._default()
        streams = (openai.Stream, openai.AsyncStream)
        site = CallSite(telemetry, streams, (openai.AzureOpenAI, openai.AsyncAzureOpenAI))
        sync, later = _owner(openai.OpenAI), _owner(openai.AsyncOpenAI)
        originals = (sync, vars(sync)[_METHOD]), (later, vars(later)[_METHOD])
        setattr(sync, _METHOD, _around(originals[0][1], site))
        setattr(later, _METHOD, _around_async(originals[1][1], site))
        self._site, self._originals = site, originals

    def _uninstrument(self, **_: Any) -> None:
        for owner, original in self._originals:
            setattr(owner, _METHOD, original)
        self._originals = ()

    def _default(self) -> Telemetry:
        if OpenAIInstrumentor.default_telemetry is None:
            raise ConfigurationError("nobody said where calls go: call spanwatch.configure(), which instruments too")
        return OpenAIInstrumentor.default_telemetry()


def _owner(client: type) -> type:
    """The class of a client's bases that defines the method."""
    return next(base for base in client.__mro__ if _METHOD in vars(base))


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
