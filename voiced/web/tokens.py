"""Single-use tokens: who may open the media socket of which call.

The voice webhook mints one into the path of the stream's URL; the upgrade redeems it. A token
is worth nothing for another call, a second time, or a minute later. Pure: `now` in seconds.
"""

from collections import OrderedDict
from typing import Final

from attrs import frozen

from voiced.call.switchboard import Parties

LIFETIME_S: Final = 60.0

MAX_TOKENS: Final = 10_000
"""Webhooks are signed, so this many in a minute are no attack by a stranger, but a bound is due;
beyond it the oldest token is forgotten."""


@frozen
class _Grant:
    parties: Parties
    expires_at: float


class Tokens:
    """The tokens that have been minted and not redeemed, oldest first."""

    def __init__(self) -> None:
        self._grants: OrderedDict[str, _Grant] = OrderedDict()

    def mint(self, token: str, parties: Parties, now: float) -> None:
        """Makes `token`, which must be unguessable, good for one upgrade of this call."""
        self._forget_expired(now)
        if len(self._grants) >= MAX_TOKENS:
            self._grants.popitem(last=False)
        self._grants[token] = _Grant(parties, now + LIFETIME_S)

    def redeem(self, token: str, now: float) -> Parties | None:
        """The call that the token was minted for, once; None for any other token."""
        grant = self._grants.pop(token, None)
        return grant.parties if grant and now < grant.expires_at else None

    def awaited(self, now: float) -> set[str]:
        """The SIDs of the calls whose media socket is still to come."""
        self._forget_expired(now)
        return {grant.parties.call_sid for grant in self._grants.values()}

    def _forget_expired(self, now: float) -> None:
        while self._grants and next(iter(self._grants.values())).expires_at <= now:
            self._grants.popitem(last=False)
