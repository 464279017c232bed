"""Empty OTLP requests to where each signal goes, with the very headers and certificates that exporters would use."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]  # (of the stock exporter; it ships no types)
from opentelemetry.util.re import parse_env_headers

from spanwatch.core.diagnosis import Answer, Met
from spanwatch.core.exports import Export
from spanwatch.core.values import masked
from spanwatch.otel.delivery.endpoint import Endpoint, endpoint_of, said, tls_of, url_of

TIMEOUT_S = 5.0
_METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_PLAIN_HEADERS = ("content-type", "user-agent")
_OF_STATUS = {401: Met.UNAUTHENTICATED, 403: Met.UNAUTHENTICATED, 404: Met.NO_SUCH_PATH, 405: Met.NO_SUCH_PATH}
_OF_CODE = {
    grpc.StatusCode.OK: Met.TAKEN,
    grpc.StatusCode.UNAUTHENTICATED: Met.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: Met.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED: Met.NO_SUCH_PATH,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Met.BUSY,
    grpc.StatusCode.DEADLINE_EXCEEDED: Met.UNREACHABLE,
}


def ask(export: Export, environ: Mapping[str, str], timeout: float = TIMEOUT_S) -> Answer:
    """What the endpoint of one signal answers to a request without anything in it; never raises."""
    target = str(masked(url_of(export, environ)))
    try:
        endpoint = endpoint_of(export, environ) if export.protocol != "grpc" else None
    except ValueError as error:
        return Answer(export.signal, export.protocol, target, Met.UNREACHABLE, str(error))
    if endpoint is None:
        headers = dict(parse_env_headers(said(export, environ, "HEADERS") or "", liberal=True))
        met, words, skew = _grpc(export, url_of(export, environ), headers, environ, timeout)
    else:
        headers = {name: value for name, value in endpoint.headers if name not in _PLAIN_HEADERS}
        met, words, skew = _http(endpoint, timeout)
    return Answer(export.signal, export.protocol, target, met, words, tuple(sorted(headers)), skew)


def skew_of(date: str | None, now: float) -> float | None:
    """How many seconds a `Date` header is ahead of `now` (UNIX seconds); None without one that can be read."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp() + 0.5 - now
    except (TypeError, ValueError):
        return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Exporters follow none, so neither do we."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect."""


def _http(endpoint: Endpoint, timeout: float) -> tuple[Met, str, float | None]:
    scheme, host = "https" if endpoint.secure else "http", endpoint.host
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{endpoint.port}{endpoint.path}"
    try:
        request = urllib.request.Request(url, data=b"", headers=dict(endpoint.headers))  # noqa: S310 (as configured)
        https = urllib.request.HTTPSHandler(context=tls_of(endpoint))
        with urllib.request.build_opener(https, _NoRedirect).open(request, timeout=timeout) as response:
            return Met.TAKEN, "", skew_of(response.headers.get("Date"), time.time())
    except urllib.error.HTTPError as error:
        with error:
            return *_refused(error), skew_of(error.headers.get("Date"), time.time())
    except (http.client.HTTPException, ConnectionResetError) as error:
        return Met.OTHER_PROTOCOL, _words(error), None
    except urllib.error.URLError as error:
        return *_failed(error.reason), None
    except (OSError, ValueError) as error:
        return *_failed(error), None


def _refused(error: urllib.error.HTTPError) -> tuple[Met, str]:
    words = f"HTTP {error.code} {error.reason}".strip()
    if error.code == 400 and b"HTTPS server" in error.read(1024):  # Go's answer to plain HTTP
        return Met.OTHER_PROTOCOL, f"{words}: it speaks TLS"
    if error.code in _OF_STATUS:
        return _OF_STATUS[error.code], words
    if 300 <= error.code < 400:
        return Met.REDIRECTED, f"{words} to {masked(error.headers.get('Location', 'nowhere'))}"
    if error.code in {429, 502, 503, 504}:
        return Met.BUSY, words
    return (Met.OTHER_PROTOCOL if error.code == 415 else Met.REFUSED), words


def _failed(reason: object) -> tuple[Met, str]:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Met.CERTIFICATE, reason.verify_message
    if isinstance(reason, ssl.SSLError):
        return Met.OTHER_PROTOCOL, f"no TLS there ({reason.reason or reason})"
    if isinstance(reason, ConnectionResetError | http.client.HTTPException):
        return Met.OTHER_PROTOCOL, _words(reason)
    return Met.UNREACHABLE, _words(reason)


def _grpc(
    export: Export, url: str, headers: Mapping[str, str], environ: Mapping[str, str], timeout: float
) -> tuple[Met, str, float | None]:
    parts = urlsplit(url)
    target = parts.netloc.rpartition("@")[2] or url
    try:
        channel = grpc.insecure_channel(target) if _plain(export, url, environ) else _secure(export, target, environ)
    except (OSError, ValueError) as error:
        return *_failed(error), None
    with channel:
        call = channel.unary_unary(_METHODS[export.signal], request_serializer=bytes, response_deserializer=bytes)
        try:
            call(b"", timeout=timeout, metadata=tuple(headers.items()))
        except grpc.RpcError as error:
            return *_declined(error), None
    return Met.TAKEN, "", None


def _declined(error: Any) -> tuple[Met, str]:
    code, details = error.code(), " ".join(str(error.details() or "").split())
    words = f"{code.name}: {details[:200]}"
    if code in _OF_CODE:
        return _OF_CODE[code], words
    low = details.lower()
    if "certificate" in low:
        return Met.CERTIFICATE, details[:200]
    if any(
        sign in low for sign in ("http1", "http/1", "http/2", "socket closed", "wrong_version", "ssl", "protocol error")
    ):
        return Met.OTHER_PROTOCOL, details[:200]
    if code is grpc.StatusCode.UNAVAILABLE:
        down = ("failed to connect", "refused", "resolution", "unreachable", "timed out")
        return (Met.UNREACHABLE if any(sign in low for sign in down) else Met.BUSY), details[:200]
    return Met.REFUSED, words


def _plain(export: Export, url: str, environ: Mapping[str, str]) -> bool:
    """Whether the stock exporter would use no TLS."""
    scheme = urlsplit(url).scheme
    if scheme == "https" or export.url is not None:
        return scheme != "https"
    insecure = environ.get("OTEL_EXPORTER_OTLP_INSECURE")
    return insecure.lower() == "true" if insecure is not None else scheme == "http"


def _secure(export: Export, target: str, environ: Mapping[str, str]) -> Any:
    files = (_file(export, environ, what) for what in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"))
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(*files))


def _file(export: Export, environ: Mapping[str, str], what: str) -> bytes | None:
    path = said(export, environ, what)
    if not path:
        return None
    with open(path, "rb") as file:  # noqa: PTH123 (a path as the environment gives it)
        return file.read()


def _words(reason: object) -> str:
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return " ".join(text.split())[:200] or type(reason).__name__
