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
from voiced.engines.retries import Retries
from voiced.engines.rooms import Reach
from voiced.errors import EngineAtCapacity
from voiced.wire import cartesia


@frozen
class CartesiaTiming:
    """`slot_s`: where the account's limit is reached, the seconds from the first refusal to the
    last attempt; 0: no other attempt.
    """

    slot_s: float = 0.3
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
        self._speaker = _speaker(settings, language)
        self._trunk = trunk or Trunk(_endpoint(name, settings), self._timing.trunk, connect)

    @property
    def identity(self) -> str:
        """As in the role `Tts`: the language is a part of it, and the manner, where one is set."""
        speaker = self._speaker
        manner = "".join(f" {key}={value}" for key, value in speaker.manner.items())
        return (
            f"cartesia {self._trunk.endpoint.url} {speaker.model} {speaker.voice} "
            f"{speaker.language or 'own-language'}{manner}"
        )

    def in_language(self, language: str) -> "CartesiaTts":
        """The same voice on the same connection, told to speak this language, without its country.

        Untold, Cartesia goes by the voice, or takes the words for English.
        """
        spoken = language.partition("-")[0]
        return CartesiaTts(
            self.name, self._settings, self._timing, language=spoken, trunk=self._trunk
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
            EngineAtCapacity: more replies at once than the account may, also `slot_s` after the
                first refusal.
            EngineTimeout: no connection, or no audio although there are words.
            EngineBroken: not reachable, dropped, spoke nonsense, or ended without any audio.
        """
        reply = Reply(self._speaker, words, speech, self._timing.reply)
        retries, spoken = Retries(self._timing.slot_s), 0
        while True:
            try:
                return await self._trunk.speak(reply)
            except EngineAtCapacity:
                if reply.spoken_bytes > spoken:  # it is another context that is refused
                    retries, spoken = Retries(self._timing.slot_s), reply.spoken_bytes
                pause_s = retries.pause_s(trio.current_time()) if reply.can_go_on else None
                if pause_s is None:
                    raise
            await trio.sleep(pause_s)


def _speaker(settings: config.CartesiaTts, language: str) -> cartesia.Speaker:
    """What is as the voice has it by itself is not told."""
    manner = {
        "speed": settings.speed if settings.speed != 1 else None,
        "volume": settings.volume if settings.volume != 1 else None,
        "emotion": settings.emotion or None,
    }
    told = {key: value for key, value in manner.items() if value is not None}
    return cartesia.Speaker(settings.model, settings.voice, language, told)


def _endpoint(name: str, settings: config.CartesiaTts) -> Endpoint:
    headers = {cartesia.VERSION_HEADER: cartesia.VERSION}
    if settings.api_key:
        headers[cartesia.KEY_HEADER] = settings.api_key.reveal()
    url = settings.url.rstrip("/") + cartesia.PATH
    return Endpoint(name, "tts", url, "Cartesia", headers, REFUSALS)
