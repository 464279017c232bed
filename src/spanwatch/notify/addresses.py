"""Where a notification may be sent: https, to a public address, which is looked up once and then connected to.

A rule file or configuration may come from somebody who is trusted less than the process. So nobody gets to addresses
of this machine or its network unless the host is named as `internal`, and no answer can lead elsewhere.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from spanwatch.core.errors import ConfigurationError

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,252}[a-z0-9])?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Iterable[str]]


class DeliveryError(Exception):
    """A notification did not arrive; the text names the host and what it said, and no secret."""

    harmless = True


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL: `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


_PORTS = {"https": 443, "http": 80}


def target_of(url: str, internal: Iterable[str] = ()) -> Target:
    """The target of a URL.

    Raises:
        ConfigurationError: it is no https URL of a host by name or address; http only to a host that is `internal`.
    """
    if not isinstance(url, str) or not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise ConfigurationError("the URL has characters that do not belong into one")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("the URL cannot be read") from None
    host = (parts.hostname or "").lower().rstrip(".")
    if parts.scheme not in _PORTS:
        raise ConfigurationError(f"the URL must begin with https://, not {parts.scheme[:20]!r}")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ConfigurationError("the URL may have neither user, password nor fragment")
    if not (_HOST.fullmatch(host) or _is_address(host)) or "%" in host:
        raise ConfigurationError("the URL names no host")
    if parts.scheme == "http" and host not in {each.lower() for each in internal}:
        raise ConfigurationError(f"{host} may be sent to by https only, or named in internal=[...]")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or _PORTS[parts.scheme], path)


def resolved(target: Target, internal: Iterable[str] = (), resolve: Resolve | None = None) -> str:
    """One address of the target, looked up once; connect to it and to nothing else.

    Raises:
        DeliveryError: the host has no address, or one of its addresses is not public and it is not `internal`.
    """
    try:
        found = list((resolve or addresses)(target.host, target.port))
    except OSError:
        raise DeliveryError(f"{target.host} has no address") from None
    if not found:
        raise DeliveryError(f"{target.host} has no address")
    if target.host not in {each.lower() for each in internal}:
        for address in found:
            if not is_public(ipaddress.ip_address(address.partition("%")[0])):
                raise DeliveryError(
                    f"{target.host} is at an address of this machine or network: name it in internal=[...] to allow it"
                )
    return found[0]


def addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system has them."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address in _NAT64_LOCAL or (int(address) >> 32 == 0):  # what stands for IPv4 in the oldest way
            return False
        if inner is not None:
            return is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
