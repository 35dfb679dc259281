"""Where a daemon's API is, and the key to it."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from voiced.config import Secret, Settings

_ANY: Final = frozenset({"0.0.0.0", "::", ""})  # compared with, not listened on


@frozen
class Address:
    """`url` without a slash at its end; `tls_name` is the certificate's name where the host in
    `url` is another: a daemon is asked on loopback, but proves to be the public one.
    """

    url: str
    token: Secret | None = None
    tls_name: str = ""

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, as far as the address tells."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def configured(settings: Settings, token: Secret | None = None) -> Address:
    """The daemon that runs with these settings; `token` instead of its own, where given."""
    server = settings.server
    host = "127.0.0.1" if server.host in _ANY else server.host
    host = f"[{host}]" if ":" in host else host
    token = token or settings.api.token
    if server.tls is None:
        return Address(f"http://{host}:{server.port}", token)
    name = urlsplit(server.public_url).hostname or ""
    return Address(f"https://{host}:{server.port}", token, name)


def elsewhere(url: str, token: Secret | None) -> Address:
    """Another daemon. The key of the one configured here is not for it."""
    return Address(url.rstrip("/"), token)
