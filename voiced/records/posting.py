"""A request to an endpoint of the operator's: signed, and sent to no private network."""

from typing import Protocol

import httpx

from voiced import __version__
from voiced.config import Secret
from voiced.ops.publicnet import pin
from voiced.records.signing import HEADER, sign


class Endpoint(Protocol):
    """Where it goes, as the configuration says: `[webhook.*]`, `[agent.*.pre_call]`."""

    @property
    def url(self) -> str: ...

    @property
    def secret(self) -> Secret | None: ...

    @property
    def allow_private(self) -> bool: ...


async def signed_request(
    endpoint: Endpoint, event: str, event_id: str, body: bytes, now: float
) -> httpx.Request:
    """A POST of a JSON body, signed at `now` (Unix seconds); waits for the resolver.

    It is made without a client, whose headers and cookies are not for all.

    Raises:
        PrivateAddress, OSError, UnicodeError: as `pin`.
        httpx.InvalidURL: the address cannot be used.
    """
    url, extensions = httpx.URL(endpoint.url), {}
    headers = {
        "Host": url.netloc.decode("ascii"),
        "Content-Type": "application/json",
        "User-Agent": f"voiced/{__version__}",
        "Voiced-Event": event,
        "Voiced-Delivery": event_id,
        # A packed answer could be a thousand times as long as what is read of it.
        "Accept-Encoding": "identity",
        # A connection is verified for one name; the next name may have the same address.
        "Connection": "close",
    }
    if endpoint.secret is not None:
        headers[HEADER] = sign(endpoint.secret.reveal(), body, now)
    if not endpoint.allow_private:
        url, extensions["sni_hostname"] = await pin(url)
    return httpx.Request("POST", url, headers=headers, content=body, extensions=extensions)
