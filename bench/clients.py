"""What each engine's client costs by itself: CPU time in a process that does nothing else."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count, takewhile
from time import process_time

import trio
from attrs import evolve, frozen

from bench.casts import SENTENCE
from bench.farside import sound
from bench.rig import cores
from bench.table import Cell, Extent, Table
from bench.webhooks import TOKEN
from voiced.audio.frame import FRAME_S, FRAME_SAMPLES, MULAW_SILENCE, SAMPLE_RATE
from voiced.config import Settings, parse
from voiced.dialog.events import Flushed, SpeechEvent, SpokenAudio, SttEvent, WordHeard
from voiced.dialog.history import Message, Role
from voiced.engines.build import build_engines
from voiced.engines.http import http_client
from voiced.engines.roles import Kept, Llm, Stt, SttStatistics, Transcription, Tts
from voiced.engines.rooms import Reach
from voiced.lab.commands import READY

CALLS = 12
"""That are listened to at once: with fewer, most of the cost is the core's waking up."""

REPLIES = 4
"""At once; the stand-in of Cartesia lets in five."""

WARM_S = 1.5
PATIENCE_S = 60.0
QUESTION = (
    Message(Role.SYSTEM, "You answer the telephone."),
    Message(Role.CALLER, "where are you"),
)
REPLY = (
    "We are at twelve Garden Street, right behind the old market. The nearest station is two"
    " minutes away on foot."
)
"""What the lab's models answer to that."""

CYCLE_FRAMES, TALK_FRAMES, FLUSH_FRAME = 200, 50, 66
"""A caller speaks for one second of four; what was said is asked for a third of a second later."""

LAB = ("-m", "voiced", "lab", "--stt-port=0", "--tts-port=0", "--llm-port=0", "--voice=tone",
       "--ear=words", f"--sentence={SENTENCE}")  # fmt: skip

MORE = f"""
[twilio]
auth_token = "{TOKEN}"
[agent.default]
stt = ["lab", "deepgram", "flux"]
llm = ["lab", "anthropic"]
tts = ["lab", "cartesia"]
"""
EARS = {"moshi STT": "lab", "Deepgram Nova": "deepgram", "Deepgram Flux": "flux"}
VOICES = {"moshi TTS": "lab", "Cartesia": "cartesia"}
MINDS = {"OpenAI's protocol": "lab", "Anthropic": "anthropic"}


@frozen
class Cost:
    """CPU milliseconds of so many `units`: seconds of a call, or replies; `seconds` of sound."""

    cpu_ms: float
    units: float
    sound_s: float = 0.0


@frozen
class Plan:
    """How long is listened, and how many rounds of replies are made."""

    seconds: float
    rounds: int


PLANS = {
    Extent.FULL: Plan(6.0, 3),
    Extent.QUICK: Plan(2.0, 1),
    Extent.TRIAL: Plan(2.0, 1),
}


def table(extent: Extent) -> Table:
    """A row for each client."""
    mine = os.sched_getaffinity(0)
    try:
        with _lab() as settings:
            os.sched_setaffinity(0, {cores()[0]})
            costs = trio.run(_costs, settings, PLANS[extent])
    finally:
        os.sched_setaffinity(0, mine)
    columns = ("client", "CPU ms per second of a call", "per reply", "per second of sound")
    rows = tuple(_row(name, cost) for name, cost in costs.items())
    notes = (
        "Each client alone in a process on a core of its own, the stand-ins in another process on"
        f" the other core. {CALLS} calls at once: an ear hears sound in one second of four, in"
        " packets of 20 ms as they come, and is flushed behind it; what a deaf one costs, which"
        f" is the clock of the packets, is taken off. {REPLIES} replies at once, of"
        f" {len(REPLY.split())} words; a voice is given them all at the beginning. On a core that"
        " is mostly idle much of the cost is its waking up.",
    )
    return Table("What an engine's client costs", columns, rows, notes)


def _row(name: str, cost: Cost) -> tuple[Cell, ...]:
    each = cost.cpu_ms / cost.units
    sound: Cell = cost.cpu_ms / cost.sound_s if cost.sound_s else "-"
    return (name, each, "-", "-") if name in EARS else (name, "-", each, sound)


@contextmanager
def _lab() -> Iterator[Settings]:
    """The stand-ins on the far core; yields the settings that lead to them."""
    lab = subprocess.Popen([sys.executable, *LAB], stdout=subprocess.PIPE, text=True)
    try:
        os.sched_setaffinity(lab.pid, {cores()[1]})
        assert lab.stdout is not None
        told = "".join(takewhile(lambda line: line != f"{READY}\n", lab.stdout))
        yield parse(told + MORE, "the lab's configuration")
    finally:
        lab.terminate()
        lab.communicate()


async def _costs(settings: Settings, plan: Plan) -> dict[str, Cost]:
    costs = {}
    async with http_client() as http:
        engines = build_engines(settings, http)
        deaf = await _patiently(_listening, _Deaf(), plan)
        for name, key in EARS.items():
            cost = await _patiently(_listening, engines.stt[key], plan)
            costs[name] = evolve(cost, cpu_ms=cost.cpu_ms - deaf.cpu_ms)
        for name, key in VOICES.items():
            costs[name] = await _patiently(_speaking, engines.tts[key], plan)
        for name, key in MINDS.items():
            costs[name] = await _patiently(_thinking, engines.llm[key], plan)
    return costs


async def _patiently(cost: Callable[..., Awaitable[Cost]], engine: object, plan: Plan) -> Cost:
    with trio.fail_after(PATIENCE_S):
        return await cost(engine, plan)


# --- ears -----------------------------------------------------------------------------------------


async def _listening(stt: Stt, plan: Plan) -> Cost:
    heard: list[SttEvent] = []
    calls = [stt.transcription() for _ in range(CALLS)]
    async with trio.open_nursery() as nursery:
        for each in calls:
            nursery.start_soon(each.run, heard.append)
        due, used_s = trio.current_time(), 0.0
        for frame in range(round((WARM_S + plan.seconds) / FRAME_S)):
            if frame == round(WARM_S / FRAME_S):
                used_s = process_time()
            at = frame % CYCLE_FRAMES
            for each in calls:
                each.put(_SOUND if at < TALK_FRAMES else _SILENCE)
                if at == FLUSH_FRAME:
                    each.flush()
            due += FRAME_S
            await trio.sleep_until(due)
        used_s = process_time() - used_s
        nursery.cancel_scope.cancel(reason="measured")
    if not any(isinstance(each, WordHeard) for each in heard) or Flushed() not in heard:
        raise SystemExit(f"bench.clients: {stt.name} has not heard what was said")
    return Cost(1000 * used_s, CALLS * plan.seconds)


class _Deaf:
    """Does nothing, and says that it has heard."""

    name = "deaf"

    def transcription(self) -> Transcription:
        """One for each call."""
        return self

    async def run(self, hear: Callable[[SttEvent], None]) -> None:
        """Until it is cancelled."""
        hear(WordHeard("nothing", 0.0))
        hear(Flushed())
        await trio.sleep_forever()

    def put(self, mulaw: bytes) -> None:
        """Does not listen."""

    def flush(self) -> None:
        """Has nothing to say."""

    def statistics(self) -> SttStatistics:
        return SttStatistics()


_SILENCE = bytes([MULAW_SILENCE]) * FRAME_SAMPLES
_SOUND = sound(FRAME_S)


# --- voices and minds -----------------------------------------------------------------------------


async def _speaking(tts: Tts, plan: Plan) -> Cost:
    async with trio.open_nursery() as nursery:
        if isinstance(tts, Kept):
            nursery.start_soon(tts.run, _told)
        cost = await _rounds(partial(_spoken_s, tts), plan)
        nursery.cancel_scope.cancel(reason="measured")
    return cost


def _told(reach: Reach) -> None:
    """Whether a connection came about shows in what is said over it."""


async def _thinking(llm: Llm, plan: Plan) -> Cost:
    return await _rounds(partial(_thought, llm), plan)


async def _rounds(reply: Callable[[], Awaitable[float]], plan: Plan) -> Cost:
    """Some replies at once, and that some times; the first round warms up."""
    used_s, sounds_s = 0.0, [0.0]

    async def one() -> None:
        sounds_s.append(await reply())

    for number in count():
        if number == 1:
            used_s, sounds_s = process_time(), [0.0]
        if number > plan.rounds:
            break
        async with trio.open_nursery() as replies:
            for _ in range(REPLIES):
                replies.start_soon(one)
    used_s = process_time() - used_s
    return Cost(1000 * used_s, REPLIES * plan.rounds, sum(sounds_s))


async def _spoken_s(tts: Tts) -> float:
    """How many seconds of sound a reply had."""
    words_out, words = trio.open_memory_channel[str](len(REPLY))
    speech, speech_in = trio.open_memory_channel[SpeechEvent](64)
    for word in REPLY.split():
        words_out.send_nowait(word)
    words_out.close()
    async with trio.open_nursery() as nursery:

        async def speak() -> None:
            with speech:
                await tts.speak(words, speech)

        nursery.start_soon(speak)
        size = 0
        async for event in speech_in:
            size += len(event.mulaw) if isinstance(event, SpokenAudio) else 0
    if not size:
        raise SystemExit(f"bench.clients: {tts.name} has said nothing")
    return size / SAMPLE_RATE


async def _thought(llm: Llm) -> float:
    text, text_in = trio.open_memory_channel[str](64)
    async with trio.open_nursery() as nursery:

        async def complete() -> None:
            with text:
                await llm.complete(QUESTION, text)

        nursery.start_soon(complete)
        whole = "".join([piece async for piece in text_in])
    if whole.strip() != REPLY:
        raise SystemExit(f"bench.clients: {llm.name} has answered something else")
    return 0.0
