"""Text -> speakable words -> voice, as one structured piece of work.

The three stages run at once: the voice's connection opens while the text is still being thought
of, and the first audio comes while the last words are.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio
from attrs import frozen

from voiced.call import channels
from voiced.dialog.events import SpeechEvent
from voiced.dialog.speakable import Speakable
from voiced.engines.roles import Tts
from voiced.errors import EngineError

TextSource = Callable[[trio.MemorySendChannel[str]], Awaitable[None]]
"""Sends pieces of text as they come, and returns after the last."""


def reading(text: str) -> TextSource:
    """A source whose text is already there."""

    async def read(out: trio.MemorySendChannel[str]) -> None:
        await out.send(text)

    return read


class Listener(Protocol):
    """What becomes of it."""

    def text(self) -> None:
        """A piece of text came."""

    async def word(self, word: str) -> None:
        """The next word for the voice; returns when it may go there."""

    def speech(self, event: SpeechEvent) -> None:
        """The voice's next word time or piece of audio; must not block."""


async def speak(source: TextSource, tts: Tts, language: str, listener: Listener) -> None:
    """Speaks the text of `source` with `tts`; returns after the last audio.

    Raises:
        EngineError: the source's or the voice's, whichever came first.
    """
    text_out, text_in = channels.text()
    words_out, words_in = channels.words()
    speech_out, speech_in = channels.speech()
    failure: EngineError | None = None
    voice = trio.CancelScope()
    try:
        # The receiving ends close after the nursery: were they closed by a stage that fails, its
        # neighbour would fail too, of a broken channel, and hide the cause.
        with text_out, text_in, words_out, words_in, speech_out, speech_in:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_think, source, text_out)
                picking = _Picking(Speakable(language), listener, voice)
                nursery.start_soon(picking.run, text_in, words_out)
                nursery.start_soon(_voice, tts, words_in, speech_out, voice)
                async for event in speech_in:
                    listener.speech(event)
    except* EngineError as group:
        failure = first(group)
    if failure is not None:
        raise failure  # not above: Python 3.11.2, Debian 12's, would wrap it in a group again


async def _think(source: TextSource, text: trio.MemorySendChannel[str]) -> None:
    with text:
        await source(text)


@frozen
class _Picking:
    """The words that are spoken. Where there are none, the voice is let go at once: it may still
    be waiting for its engine, and an answer that only asks for tools has no use for that."""

    speakable: Speakable
    listener: Listener
    voice: trio.CancelScope

    async def run(
        self, text: trio.MemoryReceiveChannel[str], words: trio.MemorySendChannel[str]
    ) -> None:
        count = 0
        with words:
            async for piece in text:
                self.listener.text()
                for word in self.speakable.feed(piece):
                    count += 1
                    await self._pass_on(word, words)
            for word in self.speakable.flush():
                count += 1
                await self._pass_on(word, words)
            if not count:
                self.voice.cancel(reason="there is nothing to say")

    async def _pass_on(self, word: str, words: trio.MemorySendChannel[str]) -> None:
        await self.listener.word(word)
        await words.send(word)


async def _voice(
    tts: Tts,
    words: trio.MemoryReceiveChannel[str],
    speech: trio.MemorySendChannel[SpeechEvent],
    scope: trio.CancelScope,
) -> None:
    with speech, scope:
        await tts.speak(words, speech)


def first(group: BaseExceptionGroup[EngineError]) -> EngineError:
    """The first leaf of a group of engine errors, with its traceback."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, EngineError)
    return error
