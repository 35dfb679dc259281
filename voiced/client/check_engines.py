"""Asks each engine for real: an STT to listen, an LLM for a token, a TTS for a word."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Final, TypeAlias

import httpx
import trio
from attrs import evolve, fields

from voiced.client.check_report import Answer, Row, State
from voiced.client.trial import SILENCE, listening, speaking, thinking
from voiced.config import LlmSettings, SttSettings, TtsSettings
from voiced.config.declare import key_of
from voiced.engines.dial import dial
from voiced.engines.moshi_slots import Inquiry
from voiced.engines.roles import Llm, Stt, Tts
from voiced.errors import EngineAtCapacity, EngineError, EngineRefused

Ask: TypeAlias = Callable[[Row], Awaitable[Row]]
EngineSettings: TypeAlias = SttSettings | LlmSettings | TtsSettings

MODULES_S: Final = 2.0
DIAL_S: Final = 3.0

WORD: Final = "Hello"
HALF_A_SECOND: Final = SILENCE * 25

_NEVER_CONNECTED: Final = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)  # fmt: skip


async def ask_stt(row: Row, stt: Stt, settings: SttSettings) -> Row:
    """Has it listen to silence until it answers: connected, let in, and with a slot."""
    try:
        first_s = await listening(stt, HALF_A_SECOND)
    except EngineError as error:
        return _failed(row, error, await _is_there(settings.address), settings)
    return _works(row, first_s)


async def ask_llm(row: Row, llm: Llm, settings: LlmSettings) -> Row:
    """Has it answer; the first token is enough. Its connection is opened before, as the daemon's
    is between two calls.
    """
    with suppress(EngineError):  # a server need not list its models; the answer is what counts
        await llm.warm()
    try:
        first_s = await thinking(llm)
    except EngineError as error:
        return _failed(row, error, _reached(error), settings)
    if first_s is None:
        told = "it answered nothing: a model that thinks first may need a higher max_tokens"
        return evolve(row, reachable=Answer.YES, authorised=Answer.YES, hint=told)
    return _works(row, first_s)


async def ask_tts(row: Row, tts: Tts, settings: TtsSettings) -> Row:
    """Has it say one word."""
    try:
        sound = await speaking(tts, [WORD])
    except EngineError as error:
        return _failed(row, error, await _is_there(settings.address), settings)
    row, real_time = _works(row, sound.first_s), sound.real_time
    slow = real_time is not None and real_time < 1
    hint = "it speaks slower than real time: its callers hear gaps; is the GPU busy?"
    return evolve(row, real_time=real_time, hint=hint if slow else "")


async def ask_with_slots(row: Row, ask: Ask, inquiry: Inquiry, http: httpx.AsyncClient) -> Row:
    """Asks, and shows the slots that moshi-server tells, as they were before; none, where it
    does not."""
    with suppress(EngineError):
        module = await inquiry.ask(http, MODULES_S)
        if module is not None:
            free = max(0, module.total - module.used)
            row = evolve(row, free=free, slots=module.total)
    return await ask(row)


def _works(row: Row, first_s: float | None) -> Row:
    yes = Answer.YES
    first_ms = None if first_s is None else round(1000 * first_s)
    works = State.WORKS
    return evolve(row, state=works, reachable=yes, authorised=yes, first_ms=first_ms, hint="")


def _failed(row: Row, error: EngineError, reachable: Answer, settings: EngineSettings) -> Row:
    told = str(error).removeprefix(f"{row.what}: ")
    authorised = Answer.YES if isinstance(error, EngineAtCapacity) else Answer.UNKNOWN
    if isinstance(error, EngineRefused) and error.key == "api_key":
        authorised = Answer.NO
        told += f". {_where_the_key_is(row, settings)}"
    return evolve(row, reachable=reachable, authorised=authorised, hint=told)


def _where_the_key_is(row: Row, settings: EngineSettings) -> str:
    """What to mend where a key is refused."""
    variable = key_of(fields(type(settings)).api_key).variable
    named = f", or {variable({'base_url': row.where})}" if variable else ""
    given = "None is set" if settings.api_key is None else "Mend it"
    return f"{given}: api_key in [{row.role}.{row.name}]{named}"


async def _is_there(url: str) -> Answer:
    """Whether anybody takes a connection: an engine that failed may have been reached or not."""
    with trio.move_on_after(DIAL_S):
        try:
            stream = await dial(url)
        except (OSError, trio.BrokenResourceError):
            return Answer.NO
        await trio.aclose_forcefully(stream)
        return Answer.YES
    return Answer.NO


def _reached(error: BaseException) -> Answer:
    """Whether a connection was there before the request failed."""
    never = any(isinstance(cause, _NEVER_CONNECTED) for cause in _causes(error))
    return Answer.NO if never else Answer.YES


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
