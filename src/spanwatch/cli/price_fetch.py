"""Fetch a price data file: the only request that spanwatch ever makes on its own account, and only when asked to."""

from __future__ import annotations

import http.client
import ipaddress
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from spanwatch.core.errors import PriceDataError, UsageError
from spanwatch.core.prices.data_file import MAX_BYTES
from spanwatch.otel.version import VERSION

DEFAULT_URL = "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
TIMEOUT_S = 30.0


def fetched(url: str, timeout_s: float = TIMEOUT_S) -> bytes:
    """The bytes behind a URL, at most 16 MiB of them.

    Raises:
        UsageError: the URL is neither https nor http on this machine.
        PriceDataError: it cannot be fetched.
    """
    _allow(url)
    request = urllib.request.Request(url, headers={"User-Agent": f"spanwatch/{VERSION}"})  # noqa: S310 (checked above)
    try:
        with urllib.request.build_opener(_Redirects()).open(request, timeout=timeout_s) as answer:
            content: bytes = answer.read(MAX_BYTES + 1)
            left = answer.length if len(content) <= MAX_BYTES else 0
    except urllib.error.HTTPError as error:
        error.close()
        raise PriceDataError(f"{url} answers {error.code} {error.reason}: nothing was changed") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise PriceDataError(f"{url} cannot be fetched: {reason}: nothing was changed") from None
    if left:
        raise PriceDataError(f"{url} cannot be fetched: {left} bytes are missing: nothing was changed")
    if len(content) > MAX_BYTES:
        raise PriceDataError(f"{url} has more than {MAX_BYTES} bytes: nothing was changed")
    return content


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to where a URL may point in the first place."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:  # noqa: PLR0917 (the signature is urllib's)
        _allow(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _allow(url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))):
        raise UsageError(f"--url takes an https URL (http only on this machine), not {url[:200]!r}")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
