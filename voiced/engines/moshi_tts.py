"""Speaks through moshi-server: one connection per reply, since one utterance is all it takes.

The connection is opened at once, while the model still thinks, and nothing is sent before
`Ready`: a server without a free slot closes with our words unread, and the reset that follows may
swallow its explanation. A connection that is open holds a slot for ever, so none outlives
`speak`, and none is kept for later.

Source: moshi-server 0.6.4, rust/moshi-server/src/py_module.rs and tts.rs, and its tts.py.
"""

from urllib.parse import urlencode

import trio
from attrs import frozen

from voiced.audio import g711
from voiced.audio.resample import Downsampler
from voiced.config import engines as config
from voiced.dialog.events import SpeechEvent, SpokenAudio, SpokenWord
from voiced.dialog.wordgroups import WordGroups
from voiced.engines.dial import Dial, dial
from voiced.engines.moshi_gate import Gate
from voiced.engines.moshi_server import decoded, moshi_endpoint, wait_ready
from voiced.engines.retries import Retries
from voiced.engines.socket import Socket, open_socket
from voiced.engines.watch import Watch
from voiced.errors import EngineAtCapacity, EngineBroken
from voiced.wire import moshi
from voiced.wire.pcm import Pcm

Words = trio.MemoryReceiveChannel[str]
Speech = trio.MemorySendChannel[SpeechEvent]


@frozen
class TtsTiming:
    """Deadlines in seconds.

    `ready_s`: from the open connection to `Ready`. `first_s`: from the moment the server has all
    it needs to its first word or audio; `next_s`: from then on between any two of them.
    `slot_s`: from the first refusal for want of a slot to the last attempt; 0: no other attempt.
    `alive_s`: how often to show that we still listen; the server gives up after 30.
    """

    ready_s: float = 2.0
    first_s: float = 4.0
    next_s: float = 2.0
    slot_s: float = 0.3
    alive_s: float = 10.0


class MoshiTts:
    """A `Py` module of a moshi-server."""

    def __init__(
        self,
        name: str,
        settings: config.MoshiTts,
        *,
        timing: TtsTiming | None = None,
        connect: Dial = dial,
    ) -> None:
        self.name = name
        self.identity = f"moshi {settings.url} {settings.voice}"
        query = urlencode({"format": "PcmMessagePack", "voice": settings.voice})
        key = settings.api_key.reveal() if settings.api_key else ""
        self._endpoint = moshi_endpoint(name, "tts", f"{settings.url}?{query}", key)
        self._timing = timing or TtsTiming()
        self._connect = connect

    async def speak(self, words: Words, speech: Speech) -> None:
        """Speaks the words as they come; returns when the last audio is in `speech`.

        Raises:
            EngineRefused: wrong key, wrong path, not a moshi-server.
            EngineAtCapacity: all slots are taken, also `slot_s` after the first refusal.
            EngineTimeout: no connection, no `Ready`, or no audio although there are words.
            EngineBroken: not reachable, dropped, spoke nonsense, or closed too early.
        """
        retries = Retries(self._timing.slot_s)
        while True:
            try:
                return await self._speak(words, speech)
            except EngineAtCapacity:  # known before the first word is taken
                pause_s = retries.pause_s(trio.current_time())
                if pause_s is None:
                    raise
            await trio.sleep(pause_s)

    async def _speak(self, words: Words, speech: Speech) -> None:
        async with open_socket(self._endpoint, bytes, self._connect) as socket:
            await wait_ready(socket, self._timing.ready_s)
            utterance = _Utterance(socket, self._timing)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(utterance.keep_alive)
                nursery.start_soon(utterance.send, words, nursery.cancel_scope)
                await utterance.receive(speech)
                nursery.cancel_scope.cancel()


class _Utterance:
    """One reply on one connection that has a slot."""

    def __init__(self, socket: Socket[bytes], timing: TtsTiming) -> None:
        self._socket = socket
        self._alive_s = timing.alive_s
        self._gate = Gate(timing.first_s, timing.next_s)
        self._watch = Watch(self._gate.patience_s, "it has words to speak, but no audio comes")
        self._downsampler = Downsampler()

    async def send(self, words: Words, whole: trio.CancelScope) -> None:
        """Sends the words in groups and the end behind them; without any word, ends it all."""
        groups = WordGroups()
        async for word in words:
            groups.put(word)
            while words.statistics().current_buffer_used:
                groups.put(words.receive_nowait())
            await self._say(groups.take())
        await self._say(groups.end())
        if not self._gate.has_words:
            whole.cancel()
            return
        self._gate.end()
        self._watch.remind()
        await self._socket.send(moshi.TTS_EOS)

    async def _say(self, message: str | None) -> None:
        if message is not None:
            self._gate.say(message)
            self._watch.remind()
            await self._socket.send(moshi.tts_text(message))

    async def receive(self, speech: Speech) -> None:
        """Passes words and audio on until the server closes, as it does after the last."""
        while (data := await self._watch.receive(self._socket)) is not None:
            match decoded(self._socket.endpoint, moshi.parse_tts, data):
                case moshi.Text(text=text, start_s=start_s, stop_s=stop_s) if text.strip():
                    self._gate.word()
                    await speech.send(SpokenWord(text, start_s, stop_s))
                case moshi.Audio(pcm=pcm):
                    self._gate.audio()
                    await self._pass_on(self._downsampler.feed(pcm), speech)
                case moshi.ServerError(message=message):
                    raise self._broken(f"it reported: {message}")
        if not self._gate.is_done:
            raise self._broken("it closed the connection before it had spoken all words")
        await self._pass_on(self._downsampler.flush(), speech)

    async def keep_alive(self) -> None:
        """Its pings queue up behind audio that we take no faster than it is played."""
        while True:
            await trio.sleep(self._alive_s)
            await self._socket.keep_alive()

    async def _pass_on(self, pcm: Pcm, speech: Speech) -> None:
        if len(pcm):
            await speech.send(SpokenAudio(g711.encode_float(pcm)))

    def _broken(self, message: str) -> EngineBroken:
        return self._socket.endpoint.error(EngineBroken, message)
