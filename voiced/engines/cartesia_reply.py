"""One reply in Cartesia's voice: its words into contexts, what comes of them into speech.

A context expires a second after its last audio was made, and audio is made much faster than it is
played. So a reply whose words stop coming, since its model is slow or since ten seconds of audio
wait to be played, needs another context for the rest. It is ended by us, before the server does:
an open one counts as a reply at once (the account's limit), and a piece that crossed the server's
end on its way would be lost, or begin a context that nobody awaits. Where that happens all the
same, or where a context is refused, the pieces that nothing came of are said again in the next.

Contexts follow each other and never overlap, so their audio is the reply's in order; the times of
their words begin at nought again.
"""

import math
from collections import deque
from enum import Enum

import trio
from attrs import define, field, frozen

from voiced.dialog.events import SpeechEvent, SpokenAudio, SpokenWord
from voiced.dialog.sentencegroups import SentenceGroups
from voiced.engines.cartesia_line import Context, Line
from voiced.engines.endpoint import Endpoint
from voiced.errors import EngineBroken, EngineError, EngineTimeout
from voiced.wire import cartesia
from voiced.wire.cartesia import Message, More, Speaker

Words = trio.MemoryReceiveChannel[str]
Speech = trio.MemorySendChannel[SpeechEvent]


@frozen
class ReplyTiming:
    """Deadlines in seconds.

    `first_s`: from a piece of text to its first audio. `next_s`: from the last message to the next
    while the end is told. `quiet_s`: a context of which nothing was sent or heard for so long is
    ended; the server would do it after 1.
    """

    first_s: float = 3.0
    next_s: float = 2.0
    quiet_s: float = 0.5


class _Text(Enum):
    OPEN = 1
    ENDED = 2
    TORN = 3  # a piece was spoken in part, and nobody can tell how far


class Reply:
    """Speaks the words as they come; outlives a connection that ends before it has spoken."""

    def __init__(self, speaker: Speaker, words: Words, speech: Speech, timing: ReplyTiming) -> None:
        self._speaker = speaker
        self._words = words
        self._speech = speech
        self._timing = timing
        self._groups = SentenceGroups()
        self._pieces: deque[str] = deque()
        self._text = _Text.OPEN
        self._spoken_bytes = 0

    @property
    def can_go_on(self) -> bool:
        """After a failure: whether what is not spoken yet may be sent again, to whomever."""
        return self._text is not _Text.TORN

    @property
    def spoken_bytes(self) -> int:
        """Of mu-law, in contexts that are over."""
        return self._spoken_bytes

    async def speak(self, line: Line, endpoint: Endpoint) -> None:
        """Returns when all words are said.

        Raises:
            EngineError: as `CartesiaTts.speak`.
        """
        while await self._wait_piece():
            await self._say(line, endpoint)

    async def _wait_piece(self, until: float = math.inf) -> bool:
        """Whether there is one to be sent by then."""
        while not self._pieces and self._text is _Text.OPEN:
            with trio.move_on_at(until) as waiting:
                await self._read()
            if waiting.cancelled_caught:
                break
        return bool(self._pieces)

    async def _read(self) -> None:
        """Takes the next word and all that are there behind it; the end takes what is left."""
        try:
            self._groups.put(await self._words.receive())
        except trio.EndOfChannel:
            self._text = _Text.ENDED
            piece = self._groups.end()
        else:
            while self._words.statistics().current_buffer_used:
                self._groups.put(self._words.receive_nowait())
            piece = self._groups.take()
        if piece:
            self._pieces.append(piece)

    async def _say(self, line: Line, endpoint: Endpoint) -> None:
        """One context."""
        failure: EngineError | None = None
        with line.context() as context:
            passage = _Passage(context, endpoint, self._timing, self._spoken_bytes)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, passage)
                try:
                    await passage.receive(self._speech)
                except EngineError as error:
                    failure = error
                nursery.cancel_scope.cancel()
        self._settle(passage, failure)

    def _settle(self, passage: "_Passage", failure: EngineError | None) -> None:
        """A context is over: what nothing came of is said again, where that can be told.

        One that ended in order without a sound had nothing to say.
        """
        if passage.spoken_bytes and failure:
            self._text = _Text.TORN
        elif passage.spoken_bytes or failure:
            self._pieces.extendleft(reversed(passage.unheard))
        self._spoken_bytes += passage.spoken_bytes
        if failure:
            raise failure
        if self._text is _Text.ENDED and not (self._pieces or self._spoken_bytes):
            raise passage.endpoint.error(EngineBroken, "it ended the reply without any audio")

    async def _send(self, passage: "_Passage") -> None:
        """Sends the pieces as they come, until the words end or stay away."""
        while self._pieces:
            piece = self._pieces.popleft()
            is_last = self._text is _Text.ENDED and not self._pieces
            await passage.say(self._speaker, piece, More.NONE if is_last else More.TEXT)
            if is_last:
                return
            while not await self._wait_piece(passage.quiet_at()) and not self._is_over(passage):
                pass
        await passage.say(self._speaker, "", More.NONE)

    def _is_over(self, passage: "_Passage") -> bool:
        return self._text is _Text.ENDED or trio.current_time() >= passage.quiet_at()


@define(eq=False)
class _Passage:
    """The part of a reply that one context says; `began_bytes` of its audio came before."""

    _context: Context
    endpoint: Endpoint
    _timing: ReplyTiming
    began_bytes: int
    spoken_bytes: int = 0
    unheard: list[str] = field(factory=list)
    """Pieces behind which no audio came yet."""
    _text: _Text = _Text.OPEN
    _waiting: trio.CancelScope = field(factory=trio.CancelScope)

    async def say(self, speaker: Speaker, piece: str, more: More) -> None:
        """Sends a piece; the server joins them letter for letter."""
        if piece:
            self.unheard.append(piece)
        if more is More.NONE:
            self._text = _Text.ENDED
        if self._waiting.deadline == math.inf:
            self._waiting.deadline = trio.current_time() + self._patience_s()
        await self._context.say(speaker, f"{piece} " if more is More.TEXT else piece, more)

    def quiet_at(self) -> float:
        """When the context has been quiet for long, on Trio's clock: later while it works."""
        since = max(self._context.asked_at, self._context.answered_at)
        return (trio.current_time() if self.unheard else since) + self._timing.quiet_s

    async def receive(self, speech: Speech) -> None:
        """Passes words and audio on until the context is done."""
        began_s = self.began_bytes / cartesia.SAMPLE_RATE
        while True:
            match await self._next():
                case cartesia.Chunk(mulaw=mulaw) if mulaw:
                    self.unheard.clear()
                    self.spoken_bytes += len(mulaw)
                    await speech.send(SpokenAudio(mulaw))
                case cartesia.Timestamps(words=words):
                    for word in filter(_is_seen, words):
                        start_s, stop_s = began_s + word.start_s, began_s + word.stop_s
                        await speech.send(SpokenWord(word.text, start_s, stop_s))
                case cartesia.Done():
                    return

    async def _next(self) -> Message:
        due = trio.current_time() + self._patience_s()
        with trio.CancelScope(deadline=due) as self._waiting:
            return await self._context.receive()
        raise self.endpoint.error(EngineTimeout, "it has words to speak, but no audio comes")

    def _patience_s(self) -> float:
        """How long the server may be silent from now on, in seconds."""
        if self.unheard:
            return self._timing.first_s
        return self._timing.next_s if self._text is _Text.ENDED else math.inf


def _is_seen(word: cartesia.WordTime) -> bool:
    """A time without a word is nobody's."""
    return bool(word.text.strip())
