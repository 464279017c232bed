"""Where one signal goes by OTLP/HTTP, by what the standard variables and the settings say."""

from __future__ import annotations

import ssl
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from opentelemetry.util.re import parse_env_headers

from spanwatch.core.exports import Export
from spanwatch.core.values import masked
from spanwatch.otel.version import VERSION

TIMEOUT_S = 10.0
_PREFIX = "OTEL_EXPORTER_OTLP_"
Compression = Literal["gzip", "deflate", "none"]
_COMPRESSIONS: dict[str, Compression] = {"gzip": "gzip", "deflate": "deflate", "none": "none"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One collector's address for one signal. Headers, which often hold a token, are in no repr.

    `timeout_s` bounds connecting, each read and each answer as a whole; `proxy` is host and port of an HTTP proxy.
    """

    secure: bool
    host: str
    port: int
    path: str
    timeout_s: float = TIMEOUT_S
    compression: Compression = "gzip"
    certificate: str | None = None
    client_key: str | None = field(default=None, repr=False)
    client_certificate: str | None = None
    proxy: tuple[str, int] | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def endpoint_of(export: Export, environ: Mapping[str, str]) -> Endpoint:
    """The endpoint of one signal: each `OTEL_EXPORTER_OTLP_<SIGNAL>_*` variable before the one for all signals.

    Raises:
        ValueError: the address is none of http or https, or has no host.
    """

    def of(name: str) -> str | None:
        return said(export, environ, name)

    url = url_of(export, environ)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        wanted = "give an http or https URL, such as http://localhost:4318"
        raise ValueError(f"{export.signal} cannot go to {masked(url)!r}: {wanted}")
    secure = parts.scheme == "https"
    headers = {"content-type": "application/x-protobuf", "user-agent": f"OTel-OTLP-Exporter-spanwatch/{VERSION}"}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["authorization"] = "Basic " + b64encode(pair.encode()).decode("ascii")
    headers.update(parse_env_headers(of("HEADERS") or "", liberal=True))
    return Endpoint(
        secure,
        parts.hostname,
        parts.port or (443 if secure else 80),
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        timeout_s=_seconds(of("TIMEOUT")),
        compression=_COMPRESSIONS.get((of("COMPRESSION") or "gzip").lower(), "gzip"),
        certificate=of("CERTIFICATE"),
        client_key=of("CLIENT_KEY"),
        client_certificate=of("CLIENT_CERTIFICATE"),
        proxy=_proxy(parts.scheme, parts.hostname),
        headers=tuple(headers.items()),
    )


def url_of(export: Export, environ: Mapping[str, str]) -> str:
    """Where a signal goes: one address for all signals lacks the path of each, which only gRPC does without."""
    if export.url is not None:
        return export.url
    if export.protocol == "grpc" or environ.get(f"{_PREFIX}{export.signal.upper()}_ENDPOINT", "").strip():
        return export.target
    return f"{export.target.rstrip('/')}/v1/{export.signal}"


def said(export: Export, environ: Mapping[str, str], name: str) -> str | None:
    """A standard variable of the signal, else of all signals."""
    own = environ.get(f"{_PREFIX}{export.signal.upper()}_{name}", "").strip()
    return own or environ.get(_PREFIX + name, "").strip() or None


def tls_of(endpoint: Endpoint) -> ssl.SSLContext:
    """What a TLS connection there needs.

    Raises:
        OSError: a file cannot be read, or is no certificate.
    """
    context = ssl.create_default_context(cafile=endpoint.certificate)
    if endpoint.client_certificate is not None:
        context.load_cert_chain(endpoint.client_certificate, endpoint.client_key)
    return context


def _seconds(raw: str | None) -> float:
    try:
        given = float(raw or TIMEOUT_S)
    except ValueError:
        return TIMEOUT_S
    return given if 0 < given < 86_400 else TIMEOUT_S


def _proxy(scheme: str, host: str) -> tuple[str, int] | None:
    found = urllib.request.getproxies().get(scheme)
    if not found or urllib.request.proxy_bypass(host):
        return None
    parts = urlsplit(found if "://" in found else f"http://{found}")
    return None if parts.hostname is None else (parts.hostname, parts.port or 8080)
