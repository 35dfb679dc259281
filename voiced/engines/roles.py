"""What a call asks of its engines: hear, think, speak. Everything else is theirs to know.

Audio is the telephone's own on both sides: mu-law, 8 kHz, so an engine that speaks it natively
converts nothing. Engines raise `EngineError` and nothing else; none outlives the scope that
awaits it, and leaving that scope closes their sockets without waiting for the far end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import trio
from attrs import frozen

from voiced.dialog.events import SpeechEvent, SttEvent
from voiced.dialog.history import Told
from voiced.dialog.tools import Tool, ToolCall
from voiced.engines.rooms import Reach


@frozen
class SttStatistics:
    """Counters of one transcription: packets of audio dropped because the engine was late."""

    dropped_ms: int = 0
    steps: int = 0


class Transcription(Protocol):
    """One call's ear. `put` may be called before `run`: what it hears early is kept."""

    async def run(self, hear: Callable[[SttEvent], None]) -> None:
        """Connects and listens until cancelled; `hear` is called for each event and never blocks.

        Raises:
            EngineError: refused, no slot, silent or dropped.
        """

    def put(self, mulaw: bytes) -> None:
        """Takes the caller's audio, any length; never blocks; drops the oldest when late."""

    def flush(self) -> None:
        """Asks for everything said so far, soon; answered by one `Flushed`."""

    def statistics(self) -> SttStatistics: ...


class Stt(Protocol):
    """Hears. One `Transcription` per call."""

    @property
    def name(self) -> str: ...

    def transcription(self) -> Transcription: ...


class Tts(Protocol):
    """Speaks. One `speak` per reply."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str:
        """All that shapes its sound (type, address, model, voice): names phrases kept on disk."""
        ...

    async def speak(
        self,
        words: trio.MemoryReceiveChannel[str],
        speech: trio.MemorySendChannel[SpeechEvent],
    ) -> None:
        """Connects at once, speaks the words as they come, returns after the last audio is sent.

        Each item of `words` is one whole word without spaces; closing its send side ends the
        utterance. Closes neither channel.

        Raises:
            EngineError: refused, no slot, silent or dropped.
        """


@runtime_checkable
class Multilingual(Protocol):
    """A voice that speaks several languages, and has to be told which."""

    def in_language(self, language: str) -> Tts:
        """The same voice for an agent of this language (`fr`, `pt-BR` ...)."""
        ...


@runtime_checkable
class Kept(Protocol):
    """An engine with a connection for all calls, which is there before the first one."""

    async def run(self, tell: Callable[[Reach], None]) -> None:
        """Keeps the connection until cancelled; `tell` learns what came of each attempt to
        connect. It raises nothing: whoever uses the engine finds out.
        """


@frozen
class InWords:
    """The answer is to be spoken: no tool may be asked for, also if there are some."""


@frozen
class AsJson:
    """The answer is to be one JSON object that fits `schema`, a JSON Schema; `name` is what that
    is called. A server that cannot promise it gives what it gives: who asks has to validate.
    `tokens` are allowed for it where the engine's `max_tokens`, meant for speech, are fewer."""

    name: str
    schema: Mapping[str, object]
    tokens: int = 1000


Form = InWords | AsJson
"""What an answer must be like."""


@frozen
class Completion:
    """How an answer of the model ended."""

    finish_reason: str
    tool_calls: tuple[ToolCall, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Llm(Protocol):
    """Thinks. One `complete` per reply.

    `last_used` is when its connection was, on Trio's clock; `-inf` if never.
    """

    @property
    def last_used(self) -> float: ...

    @property
    def name(self) -> str: ...

    async def complete(
        self,
        messages: Sequence[Told],
        text: trio.MemorySendChannel[str],
        tools: Sequence[Tool] = (),
        form: Form | None = None,
    ) -> Completion:
        """Sends the answer's text as it comes, pieces of any size; does not close the channel.

        `tools` are those that the model may ask for; what it asks for is in the `Completion`. Those
        of the rounds in `messages` may be others, of an agent that has handed over. `form`: what
        the answer must be like.

        Raises:
            EngineError: refused, late for the first token, cut in mid-stream, malformed.
        """

    async def warm(self) -> None:
        """Opens the connection that the next `complete` will use.

        Raises:
            EngineError: it cannot.
        """


@frozen
class Engines:
    """The engines of one agent: in each role one, which may be several with one face."""

    stt: Stt
    llm: Llm
    tts: Tts
