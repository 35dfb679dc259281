"""What the HTTP side works on, and its judgement: is this Twilio?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from voiced.call.afterwards import Afterwards
from voiced.call.errands import Errands
from voiced.call.switchboard import Switchboard
from voiced.config import Settings
from voiced.ops.presence import marked
from voiced.web.tokens import Tokens
from voiced.wire import signature

SIGNATURE: Final = "X-Twilio-Signature"


def _unheard(reason: str) -> None:
    """For who does not count."""


@frozen
class Door:
    """Where the carrier comes in: the settings, the calls, and what becomes of them.

    `refused` is told why, for each call that is not taken.
    """

    settings: Settings
    switchboard: Switchboard
    afterwards: Afterwards
    errands: Errands
    refused: Callable[[str], None] = _unheard
    tokens: Tokens = field(factory=Tokens)

    def public_url(self, path: str) -> str:
        """A path of ours, with its query, as Twilio calls it."""
        return self.settings.server.public_url.rstrip("/") + path

    def hook_url(self, path: str) -> str:
        """The same for Twilio to come back to: to this daemon, where others share its port."""
        return self.public_url(marked(path, self.tokens.at))

    def media_url(self, path: str) -> str:
        """A path of ours as the `ws://` or `wss://` address that Twilio connects to."""
        scheme, rest = self.public_url(path).split("://", 1)
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}"

    def is_signed(self, url: str, form: Mapping[str, Sequence[str]], given: str) -> bool:
        """Whether Twilio signed this; true for all where signatures are not verified."""
        return not self._verifies or signature.is_valid(self._auth_tokens, url, form, given)

    def is_signed_body(self, url: str, body: bytes, given: str) -> bool:
        """The same for a body that is no form."""
        return not self._verifies or signature.is_valid_body(self._auth_tokens, url, body, given)

    @property
    def _verifies(self) -> bool:
        return self.settings.twilio.verify_signatures

    @property
    def _auth_tokens(self) -> list[str]:
        """Two during a rotation."""
        twilio = self.settings.twilio
        tokens = (twilio.auth_token, twilio.auth_token_secondary)
        return [token.reveal() for token in tokens if token]
