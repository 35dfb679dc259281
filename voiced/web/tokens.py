"""Single-use tokens: who may open the media socket of which call.

The voice webhook mints one into the path of the stream's URL; the upgrade redeems it. A token
is worth nothing for another call, a second time, a minute later, or once its call has been given
another. Pure: `now` in seconds.
"""

from collections import OrderedDict
from typing import Final

from attrs import frozen

LIFETIME_S: Final = 60.0

MAX_TOKENS: Final = 10_000
"""Webhooks are signed, so this many in a minute are no attack by a stranger, but a bound is due;
beyond it the oldest token is forgotten."""


@frozen
class _Grant:
    call_sid: str
    expires_at: float


class Tokens:
    """The tokens that have been minted and not redeemed, oldest first."""

    def __init__(self, at: str = "") -> None:
        """`at` is the name of our daemon, where others share its port (`ops.presence`)."""
        self._grants: OrderedDict[str, _Grant] = OrderedDict()
        self._of: dict[str, str] = {}
        self.at = at

    @property
    def prefix(self) -> str:
        """What a token is to begin with, so that its upgrade finds the daemon that knows it."""
        return f"{self.at}." if self.at else ""

    def mint(self, token: str, call_sid: str, now: float) -> None:
        """Makes `token`, which must be unguessable, good for one upgrade of this call.

        The call's earlier token, which the carrier may never have received, is good no more.
        """
        self._forget_expired(now)
        self._drop(token)
        self._drop(self._of.get(call_sid, ""))
        if len(self._grants) >= MAX_TOKENS:
            self._drop(self._oldest)
        self._grants[token] = _Grant(call_sid, now + LIFETIME_S)
        self._of[call_sid] = token

    def redeem(self, token: str, now: float) -> str | None:
        """The SID of the call that the token was minted for, once; None for any other token."""
        grant = self._drop(token)
        return grant.call_sid if grant and now < grant.expires_at else None

    def _forget_expired(self, now: float) -> None:
        while self._grants and self._grants[self._oldest].expires_at <= now:
            self._drop(self._oldest)

    @property
    def _oldest(self) -> str:
        return next(iter(self._grants))

    def _drop(self, token: str) -> _Grant | None:
        grant = self._grants.pop(token, None)
        if grant:
            del self._of[grant.call_sid]
        return grant
