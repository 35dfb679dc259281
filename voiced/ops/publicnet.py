"""A guard for addresses that others choose: nothing is sent into a private network.

A name is resolved once, every address that it has is judged, and the caller connects to the one
that comes back. To judge a name and connect to it by name would resolve it twice, and the second
answer may be another one. The resolver also reads the odd notations (`0x7f.1`, `2130706433`), so
what is judged is what they mean.
"""

import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from socket import SOCK_STREAM, gaierror
from typing import Final

import httpx
import trio

from voiced.errors import VoicedError

_UNICAST: Final = IPv6Network("2000::/3")
"""All of IPv6 that is given out for the open internet."""

_NOT_OPEN: Final = tuple(
    ip_network(network) for network in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")
)
"""Of the special-purpose addresses, those that `is_global` of some Python lets pass.

Source: IANA's special-purpose address registries of IPv4 and IPv6.
"""

_CARRY_IPV4: Final = {
    IPv6Network("::ffff:0:0/96"): 0,  # IPv4-mapped
    IPv6Network("64:ff9b::/96"): 0,  # NAT64
    IPv6Network("2002::/16"): 80,  # 6to4
}
"""IPv6 networks that lead to an IPv4 address, and how far from the right that stands, in bits."""


_PORTS: Final = {"http": 80, "https": 443}


class PrivateAddress(VoicedError):
    """A host is, or may be, in a network that is not the open internet."""


SENDING_FAULTS: Final = (
    PrivateAddress, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError
)  # fmt: skip
"""What may be raised where a request is pinned and sent; `kind_of` tells them apart."""


async def pin(url: httpx.URL) -> tuple[httpx.URL, str]:
    """The same URL at an address that was judged, and the name that it had for a host.

    The request needs that name twice: in its `Host` header, and as httpx's extension
    `sni_hostname`, so that TLS verifies the name and not the address.

    Raises:
        PrivateAddress, OSError, UnicodeError: as `resolve_public`.
    """
    name = url.raw_host.decode("ascii")
    address = await resolve_public(name, url.port or _PORTS[url.scheme])
    return url.copy_with(host=address), name


async def resolve_public(host: str, port: int) -> str:
    """One numeric address of the host, to connect to; all of its addresses are on the internet.

    `host` is a name or an address in any notation that the system's resolver takes, without
    brackets. Waits for as long as the resolver does; the caller sets the deadline.

    Raises:
        PrivateAddress: at least one of them is not.
        OSError: the host is not known.
        UnicodeError: the host is no name at all.
    """
    found = await trio.socket.getaddrinfo(host, port, type=SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found]
    if not all(map(is_public, addresses)):
        raise PrivateAddress(f"{host} has an address that is not on the open internet")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether a numeric address is an ordinary one of the open internet.

    Not so: private, loopback, link-local, carrier-grade NAT, multicast, reserved, unspecified,
    documentation; IPv6 that leads to such an IPv4; and what is no address.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return _is_open(_behind(parsed))


def _behind(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one leads to; else itself."""
    if isinstance(address, IPv6Address):
        for network, shift in _CARRY_IPV4.items():
            if address in network:
                return IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address


def _is_open(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    ordinary = address.is_global and not address.is_multicast
    return ordinary and not any(address in network for network in _NOT_OPEN)


def direct_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client for pinned requests; its owner closes it and sets the deadlines.

    With a transport of its own it takes no proxy from the environment: a proxy would resolve
    names itself, past the guard. It keeps no cookies, for an endpoint could fill the memory.
    """
    return httpx.AsyncClient(
        transport=transport or httpx.AsyncHTTPTransport(),
        timeout=None,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


def kind_of(error: BaseException) -> str:
    """A short stable word for why a request could not be sent, without the address."""
    if isinstance(error, PrivateAddress):
        return "private-address"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls"
        if isinstance(cause, gaierror):
            return "unknown-host"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError | OSError):
        return "unreachable"
    return "broken" if isinstance(error, httpx.HTTPError) else "bad-address"
