"""Who may pass to the API, and how often."""

from http import HTTPStatus
from typing import Final

import trio
from attrs import frozen
from quart import request

from voiced.config import Api as ApiSettings
from voiced.web.guard import Verdict, client_of, judge
from voiced.web.limits import RateLimit
from voiced.web.problem import Fault

GUARDED: Final = ("/v1", "/console", "/metrics")

HERE: Final = "127.0.0.1"
"""The address of who comes in at our door (`ops.presence`): a Unix socket's guests are of this
machine. What a daemon hands on unread of strangers leads to `/twilio` only (`web.forward`)."""


@frozen
class Gate:
    """Stands before every request; only those to the API are looked at."""

    settings: ApiSettings
    limit: RateLimit

    async def check(self) -> None:
        """Lets the request pass.

        Raises:
            Fault: 401 without the token, 429 beyond the limit.
        """
        await trio.lowlevel.checkpoint()
        if not request.path.startswith(GUARDED):
            return
        peer = (request.scope.get("client") or (HERE, 0))[0]
        client = client_of(peer, request.headers.get("X-Forwarded-For", ""))
        if wait_s := self.limit.take(client, trio.current_time()):
            raise Fault(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-many-requests",
                "limits.requests_per_minute is reached",
                retry_after_s=wait_s,
            )
        authorization = request.headers.get("Authorization", "")
        verdict = judge(
            self.settings.token,
            authorization,
            peer,
            request.headers,
            request.headers.get("Host", ""),
        )
        if verdict is Verdict.ALLOWED and self.settings.token is None and _is_foreign():
            raise Fault(HTTPStatus.FORBIDDEN, "foreign-page", "a web page of another site asks")
        if verdict is Verdict.UNAUTHORISED:
            raise Fault(HTTPStatus.UNAUTHORIZED, "unauthorised", _HINT[self.settings.token is None])


def _is_foreign() -> bool:
    """Whether a browser on this machine asks for a page that is not ours.

    Such a page cannot read our answers, but it could have a call placed. Browsers say where a
    page is from with all that may change something.

    Source: the Fetch standard, "Origin header".
    """
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("Host", "")


_HINT: Final = {
    True: "api.token is not set, so the API answers this machine only, and not through a proxy",
    False: "the header `Authorization: Bearer ...` with api.token is missing or wrong",
}
