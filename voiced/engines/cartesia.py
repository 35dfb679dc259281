"""Speaks through Cartesia: one reply is one context, or a few; many replies share a connection.

Source: Cartesia's API reference "TTS (WebSocket)", "Contexts" and "Concurrency and WebSocket
Limits".
"""

import trio
from attrs import field, frozen

from voiced.config import engines as config
from voiced.engines.cartesia_failures import REFUSALS
from voiced.engines.cartesia_reply import Reply, ReplyTiming, Speech, Words
from voiced.engines.cartesia_trunk import Tell, Trunk, TrunkTiming
from voiced.engines.dial import Dial, dial
from voiced.engines.endpoint import Endpoint
from voiced.engines.rooms import Reach
from voiced.errors import EngineAtCapacity
from voiced.wire import cartesia


@frozen
class CartesiaTiming:
    """`retries_s`: pauses in seconds before asking again where the account's limit is reached."""

    retries_s: tuple[float, ...] = (0.05, 0.1, 0.15)
    reply: ReplyTiming = field(factory=ReplyTiming)
    trunk: TrunkTiming = field(factory=TrunkTiming)


def _keep_to_oneself(outcome: Reach) -> None:
    """For a caller who does not ask what came of it."""


class CartesiaTts:
    """One of Cartesia's voices, in its own language; `in_language` gives it in another."""

    def __init__(
        self,
        name: str,
        settings: config.CartesiaTts,
        timing: CartesiaTiming | None = None,
        *,
        language: str = "",
        connect: Dial = dial,
        trunk: Trunk | None = None,
    ) -> None:
        self.name = name
        self._settings = settings
        self._timing = timing or CartesiaTiming()
        self._speaker = cartesia.Speaker(settings.model, settings.voice, language)
        self._trunk = trunk or Trunk(_endpoint(name, settings), self._timing.trunk, connect)

    @property
    def identity(self) -> str:
        """As in the role `Tts`: the language is a part of it."""
        speaker = self._speaker
        return (
            f"cartesia {self._trunk.endpoint.url} {speaker.model} {speaker.voice} "
            f"{speaker.language or 'own-language'}"
        )

    def in_language(self, language: str) -> "CartesiaTts":
        """The same voice on the same connection, told to speak this language (`fr`, `en` ...).

        Untold, Cartesia goes by the voice, or takes the words for English.
        """
        return CartesiaTts(
            self.name, self._settings, self._timing, language=language, trunk=self._trunk
        )

    async def run(self, tell: Tell = _keep_to_oneself) -> None:
        """Keeps a connection for all replies, in all languages, until cancelled: a handshake with
        TLS costs a caller a fifth of a second. Without it every reply opens its own.

        `tell` learns what came of each attempt to connect; a server that has no room just now is
        there. A failure is logged, once until it works again, and that is all.
        """
        await self._trunk.run(tell)

    async def speak(self, words: Words, speech: Speech) -> None:
        """Speaks the words as they come; returns when the last audio is in `speech`.

        Raises:
            EngineRefused: wrong key, no credit, unknown voice or model.
            EngineAtCapacity: more replies at once than the account may, also after the retries.
            EngineTimeout: no connection, or no audio although there are words.
            EngineBroken: not reachable, dropped, spoke nonsense, or ended without any audio.
        """
        reply = Reply(self._speaker, words, speech, self._timing.reply)
        for pause_s in self._timing.retries_s:
            try:
                return await self._trunk.speak(reply)
            except EngineAtCapacity:
                if not reply.can_go_on:
                    raise
            await trio.sleep(pause_s)
        await self._trunk.speak(reply)


def _endpoint(name: str, settings: config.CartesiaTts) -> Endpoint:
    headers = {cartesia.VERSION_HEADER: cartesia.VERSION}
    if settings.api_key:
        headers[cartesia.KEY_HEADER] = settings.api_key.reveal()
    url = settings.url.rstrip("/") + cartesia.PATH
    return Endpoint(name, "tts", url, "Cartesia", headers, REFUSALS)
