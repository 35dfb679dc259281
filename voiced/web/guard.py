"""Who may use the API and the console, and whom to count a request against.

With a token, whoever shows it. Without one, this machine only: a loopback peer is not enough,
for a reverse proxy is one too, and a web page may have its reader's browser ask us by a name
that its own DNS server points at 127.0.0.1 (DNS rebinding). So a request that came through a
proxy is turned away, and one that does not ask for this machine by a name of its own.
"""

import hmac
import re
from collections.abc import Iterable
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Protocol

from voiced.config import Secret

_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z.-]+))(?::[0-9]{1,5})?")
_PROXIED: Final = frozenset({"forwarded", "via", "x-real-ip"})


class Verdict(Enum):
    """Whether a request is served."""

    ALLOWED = auto()
    UNAUTHORISED = auto()


class HeaderNames(Protocol):
    """The headers of a request, of which the names matter; a `dict`, or Quart's own class."""

    def keys(self) -> Iterable[str]: ...


def client_of(peer: str, forwarded_for: str) -> str:
    """The address to count a request by.

    It is the peer's; behind a proxy on this machine, the last entry of X-Forwarded-For. The
    proxy has added that one; those before it are whatever the client wrote. (nginx:
    $proxy_add_x_forwarded_for; Caddy, HAProxy and Apache append as well.)
    """
    address = _address(peer)
    if address is None:
        return peer
    if address.is_loopback and (client := _address(forwarded_for.rpartition(",")[2].strip())):
        return str(client)
    return str(address)


def judge(
    token: Secret | None, authorization: str, peer: str, headers: HeaderNames, host: str
) -> Verdict:
    """Whether this request may use what is not everybody's.

    `authorization` and `host` are the headers of these names, empty where absent; `peer` is the
    address that the connection comes from.
    """
    if token is not None:
        allowed = _shows(token, authorization)
    else:
        allowed = _is_local(peer) and not _is_proxied(headers) and _is_own_name(host)
    return Verdict.ALLOWED if allowed else Verdict.UNAUTHORISED


def _shows(token: Secret, authorization: str) -> bool:
    """Source: RFC 6750, section 2.1; RFC 9110, section 11.1: the scheme knows no case."""
    scheme, _, given = authorization.strip(" ").partition(" ")
    expected = token.reveal().encode()
    # A header's bytes come as Latin-1 text; what is not can be no token.
    same = hmac.compare_digest(given.strip(" ").encode("latin-1", "replace"), expected)
    return same and scheme.lower() == "bearer" and bool(expected)


def _is_local(peer: str) -> bool:
    address = _address(peer)
    return address is not None and address.is_loopback


def _is_proxied(headers: HeaderNames) -> bool:
    names = {name.lower() for name in headers.keys()}  # noqa: SIM118  # Quart's are pairs
    return any(name in _PROXIED or name.startswith("x-forwarded-") for name in names)


def _is_own_name(host: str) -> bool:
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match[1] or match[2]
    return name.lower() == "localhost" or _is_local(name)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address; an IPv4 one that came through an IPv6 socket as what it is."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
