"""Asks each engine for real: a slot of an STT, a token of an LLM, a word of a TTS."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import httpx
import trio
from attrs import define, evolve

from voiced.client.check_report import Answer, Row, State
from voiced.config import MoshiStt, MoshiTts, OpenAiLlm
from voiced.dialog.events import SpeechEvent, SpokenAudio
from voiced.dialog.history import Message, Role
from voiced.engines import moshi_tts, openai
from voiced.engines.dial import dial
from voiced.engines.moshi_server import KEY_HEADER, moshi_endpoint, wait_ready
from voiced.engines.socket import open_socket
from voiced.errors import EngineAtCapacity, EngineError, WireError
from voiced.wire.moshi_modules import parse_modules

READY_S: Final = 5.0
MODULES_S: Final = 2.0
LLM_TIMING: Final = openai.LlmTiming(first_s=7.0, warm_s=2.0)
"""With these, an engine's own words on what was late come before our deadline does."""

WORD: Final = "Hello"
QUESTION: Final = "Say OK."

_MULAW_BYTES_S: Final = 8000
_LEAST_TO_JUDGE_S: Final = 0.16
"""Two frames of the voice; how fast fewer of them came says nothing."""

_KEY_REFUSED: Final = "does not accept the api_key"
_NEVER_CONNECTED: Final = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)  # fmt: skip


@define
class NotingDial:
    """Dials as `dial` does, and knows whether anybody was there."""

    reachable: Answer = Answer.NO

    async def __call__(self, url: str) -> trio.abc.Stream:
        stream = await dial(url)
        self.reachable = Answer.YES
        return stream


async def ask_stt(row: Row, settings: MoshiStt, http: httpx.AsyncClient) -> Row:
    """Takes a slot and gives it back."""
    key = settings.api_key.reveal() if settings.api_key else ""
    row = await _with_slots(row, settings.url, key, http)
    door = NotingDial()
    began = trio.current_time()
    try:
        endpoint = moshi_endpoint(row.name, row.role, settings.url, key)
        async with open_socket(endpoint, door) as socket:
            await wait_ready(socket, READY_S)
            return _works(row, first_ms=_ms(trio.current_time() - began))
    except EngineError as error:
        return _failed(row, error, door.reachable)


async def ask_llm(row: Row, settings: OpenAiLlm, http: httpx.AsyncClient) -> Row:
    """Has it answer; the first token is enough. Its connection is opened before, as the daemon's
    is between two calls.
    """
    llm = openai.OpenAiLlm(row.name, settings, http, LLM_TIMING)
    with suppress(EngineError):  # a server need not list its models; the answer is what counts
        await llm.warm()
    began = trio.current_time()
    token = Token()
    failure = await token.ask(llm)
    if failure is not None:
        return _failed(row, failure, _reached(failure))
    if token.at is None:
        told = "it answered nothing: a model that thinks first may need a higher max_tokens"
        return evolve(row, reachable=Answer.YES, authorised=Answer.YES, hint=told)
    return _works(row, first_ms=_ms(token.at - began))


async def ask_tts(row: Row, settings: MoshiTts, http: httpx.AsyncClient) -> Row:
    """Has it say one word."""
    key = settings.api_key.reveal() if settings.api_key else ""
    row = await _with_slots(row, settings.url, key, http)
    door = NotingDial()
    sound = Sound()
    began = trio.current_time()
    failure = await sound.ask(moshi_tts.MoshiTts(row.name, settings, connect=door))
    if failure is not None:
        return _failed(row, failure, door.reachable)
    real_time = sound.real_time
    slow = real_time is not None and real_time < 1
    hint = "it speaks slower than real time: its callers hear gaps; is the GPU busy?"
    row = _works(row, first_ms=_ms(sound.first_at - began))
    return evolve(row, real_time=real_time, hint=hint if slow else "")


@define
class Token:
    """`at`: when the first text came, on Trio's clock."""

    at: float | None = None

    async def ask(self, llm: openai.OpenAiLlm) -> EngineError | None:
        """Returns at the first text, at the end of an answer without any, or with the failure."""
        failure: EngineError | None = None
        to_us, text = trio.open_memory_channel[str](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wait, text, nursery.cancel_scope)
            try:
                await llm.complete([Message(Role.CALLER, QUESTION)], to_us)
            except EngineError as error:
                failure = error
            nursery.cancel_scope.cancel()
        return failure

    async def _wait(self, text: trio.MemoryReceiveChannel[str], whole: trio.CancelScope) -> None:
        async for _ in text:
            self.at = trio.current_time()
            whole.cancel()


@define
class Sound:
    """When the sound of a word came, on Trio's clock, and how much of it."""

    first_at: float = 0.0
    last_at: float = 0.0
    first_bytes: int = 0
    later_bytes: int = 0

    @property
    def real_time(self) -> float | None:
        """Seconds of sound in a second, from the first packet to the last."""
        sound_s, took_s = self.later_bytes / _MULAW_BYTES_S, self.last_at - self.first_at
        return sound_s / took_s if sound_s >= _LEAST_TO_JUDGE_S and took_s > 0 else None

    async def ask(self, tts: moshi_tts.MoshiTts) -> EngineError | None:
        """Returns at the end of the word, or with the failure."""
        failure: EngineError | None = None
        words_in, words = trio.open_memory_channel[str](1)
        with words_in:
            words_in.send_nowait(WORD)
        to_us, speech = trio.open_memory_channel[SpeechEvent](64)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, speech)
            with to_us:
                try:
                    await tts.speak(words, to_us)
                except EngineError as error:
                    failure = error
        return failure

    async def _listen(self, speech: trio.MemoryReceiveChannel[SpeechEvent]) -> None:
        async for event in speech:
            if not isinstance(event, SpokenAudio):
                continue
            self.last_at = trio.current_time()
            if self.first_bytes:
                self.later_bytes += len(event.mulaw)
            else:
                self.first_at, self.first_bytes = self.last_at, len(event.mulaw)


async def _with_slots(row: Row, url: str, key: str, http: httpx.AsyncClient) -> Row:
    """With the slots that moshi-server tells; without, where it does not."""
    path = urlsplit(url).path
    with trio.move_on_after(MODULES_S), suppress(httpx.HTTPError, WireError):
        answer = await http.get(modules_url(url), headers={KEY_HEADER: key} if key else {})
        for module in parse_modules(answer.content) if answer.is_success else ():
            if path.endswith(module.path):
                return evolve(row, free=max(0, module.total - module.used), slots=module.total)
    return row


def modules_url(url: str) -> str:
    """Where the moshi-server that serves this route tells its slots."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}[parts.scheme]
    return f"{scheme}://{parts.netloc}{parts.path.partition('/api/')[0]}/api/modules_info"


def _works(row: Row, first_ms: int) -> Row:
    yes = Answer.YES
    works = State.WORKS
    return evolve(row, state=works, reachable=yes, authorised=yes, first_ms=first_ms, hint="")


def _failed(row: Row, error: EngineError, reachable: Answer) -> Row:
    told = str(error).removeprefix(f"{row.what}: ")
    authorised = Answer.YES if isinstance(error, EngineAtCapacity) else Answer.UNKNOWN
    if _KEY_REFUSED in told:
        authorised = Answer.NO
    return evolve(row, reachable=reachable, authorised=authorised, hint=told)


def _reached(error: BaseException) -> Answer:
    """Whether a connection was there before the request failed."""
    never = any(isinstance(cause, _NEVER_CONNECTED) for cause in _causes(error))
    return Answer.NO if never else Answer.YES


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
