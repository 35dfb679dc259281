"""What the HTTP side works on, and its two judgements: is this Twilio, and is there room."""

from collections.abc import Mapping, Sequence

import trio
from attrs import frozen

from voiced.call.switchboard import Parties, Switchboard
from voiced.config import Settings
from voiced.errors import CallRefused
from voiced.web.tokens import Tokens
from voiced.wire import signature

SIGNATURE = "X-Twilio-Signature"


@frozen
class Door:
    """The settings, the calls, and the tokens of those whose media socket is still to come."""

    settings: Settings
    switchboard: Switchboard
    tokens: Tokens

    @property
    def free(self) -> int:
        """How many more calls there is room for; calls answered and not yet connected count."""
        live = self.switchboard.live.keys()
        taken = live | self.tokens.awaited(trio.current_time())
        return max(0, self.settings.server.max_calls - len(taken))

    def admit(self, parties: Parties, token: str) -> None:
        """Keeps a place for a call that rings now: `token` opens its media socket.

        Raises:
            CallRefused: `draining` or `max-calls`.
        """
        self.switchboard.admit()
        if not self.free:
            raise CallRefused("max-calls")
        self.tokens.mint(token, parties, trio.current_time())

    def public_url(self, path: str) -> str:
        """A path of ours, with its query, as Twilio calls it."""
        return self.settings.server.public_url.rstrip("/") + path

    def media_url(self, path: str) -> str:
        """A path of ours as the `ws://` or `wss://` address that Twilio connects to."""
        scheme, rest = self.public_url(path).split("://", 1)
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}"

    def is_signed(self, url: str, form: Mapping[str, Sequence[str]], given: str) -> bool:
        """Whether Twilio signed this; true for all where signatures are not verified."""
        twilio = self.settings.twilio
        if not twilio.verify_signatures:
            return True
        tokens = [twilio.auth_token.reveal()] if twilio.auth_token else []
        return signature.is_valid(tokens, url, form, given)
