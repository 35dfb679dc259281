"""Whole calls with any pair of engines: the lab's stand-ins, at the pace that is published for the
real ones, a daemon, and the lab's telephones.

The stand-ins of the STT recognise nothing: a burst of sound is the sentence that they were told, a
word each 240 ms. Those of the TTS speak in tones. So nobody guesses, and time is taken by nothing
but what is told to take it.
"""

import json
import os
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from enum import Enum, auto
from functools import partial
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any

import numpy as np
import trio
from attrs import define, evolve, field

from bench.casts import SENTENCE, Cast, called, configuration
from bench.rig import PROBE, START_S, STOP_S, cores
from bench.webhooks import TOKEN
from voiced.audio import g711
from voiced.audio.frame import MULAW_SILENCE, SAMPLE_RATE
from voiced.lab.cartesia_context import CartesiaTiming
from voiced.lab.ear import Ear, scripted_ears
from voiced.lab.engines import EarKind, Lab, LabSettings, VoiceKind, run_lab
from voiced.lab.llm import LlmTiming
from voiced.lab.moshi_server import STT_PATH, MoshiServer
from voiced.lab.moshi_stt import SttModule, SttSlot, SttTiming
from voiced.lab.moshi_tts import TtsTiming
from voiced.lab.phone_call import CallResult, place_call
from voiced.lab.phone_dial import CallSettings
from voiced.lab.script import Say, Turn
from voiced.lab.server import serve
from voiced.lab.stt_stream import STEP_S
from voiced.records.opening import FILE

PACE = LabSettings(
    stt_port=0,
    tts_port=0,
    llm_port=0,
    stt_timing=SttTiming(delay_steps=6),
    tts_timing=TtsTiming(first_audio_ms=350.0),
    llm_timing=LlmTiming(first_token_ms=250.0, tokens_per_s=60.0),
    voice=VoiceKind.TONE,
    ear=EarKind.WORDS,
    sentences=(SENTENCE,),
)
REHEARSAL = TtsTiming(first_audio_ms=10.0, speed=0.02)
"""For the phrases that the daemon learns by heart when it starts."""

CARTESIA_PACE = CartesiaTiming(first_audio_ms=90.0)
UNSURE = SttTiming(delay_steps=6, pause_ms=1300.0)
"""Of an STT whose pause score rises late, as it does behind what sounds unfinished."""

KEYS = frozenset({"public_token"})
AT_ONCE = 16
"""As many calls are never refused for want of a place."""

TONE_HZ = 440
SPEAK_S = (0.94, 0.96, 0.98, 1.0)
"""In turn, so that speech does not always end at the same place of a step. Four words of the ear's
take as long, so the last of them is told at its end."""

PAUSES_EVERY = 4
BEFORE_S = 0.96
"""How long a caller speaks before a pause for thought."""

READY = b"phrases are at hand"


@define
class Outcome:
    """What came of the call of a cast: the stages of each answer as the record has them, the
    silence that the telephone heard before each, and the summary of the call.
    """

    stages: list[dict[str, int]] = field(factory=list)
    heard_ms: list[float] = field(factory=list)
    summary: dict[str, Any] = field(factory=dict)


def hold_calls(casts: Sequence[Cast], answers: int, at_once: int) -> Mapping[Cast, Outcome]:
    """A call for each cast, so many at once; in each the caller speaks so often."""
    mine = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as name:
        try:
            os.sched_setaffinity(0, {cores()[1]})
            calls = trio.run(_hold, Path(name), casts, answers, at_once)
        finally:
            os.sched_setaffinity(0, mine)
        return {
            cast: _outcome(Path(name) / FILE, result)
            for cast, result in zip(casts, calls, strict=True)
        }


async def _hold(
    folder: Path, casts: Sequence[Cast], answers: int, at_once: int
) -> list[CallResult]:
    results: dict[int, CallResult] = {}
    async with trio.open_nursery() as nursery:
        lab: Lab = await nursery.start(run_lab, evolve(PACE, tts_timing=REHEARSAL))
        places = await _open(nursery, lab) | {"port": _free_port(), "folder": folder}
        daemon = await _start(nursery, _written(configuration(places, casts), folder))
        lab.tts.timing = PACE.tts_timing

        async def call(number: int, cast: Cast) -> None:
            url = f"http://127.0.0.1:{places['port']}"
            settings = CallSettings(url, auth_token=TOKEN, called=called(number))
            turns = [Turn(Say(SENTENCE))] * answers
            speech = [_speech(turn, cast.pauses_s) for turn in range(answers)]
            results[number] = await place_call(settings, turns, speech)

        numbered = [*enumerate(casts)]
        for first in range(0, len(casts), at_once):
            async with trio.open_nursery() as calls:
                for each in numbered[first : first + at_once]:
                    calls.start_soon(call, *each)
        daemon.terminate()
        with trio.move_on_after(STOP_S):
            await daemon.wait()
        nursery.cancel_scope.cancel(reason="all calls are over")
    return [results[number] for number, _ in numbered]


# --- engines and daemon ---------------------------------------------------------------------------


async def _open(nursery: trio.Nursery, lab: Lab) -> dict[str, object]:
    """Has the lab keep the pace too where its settings have none, and two more STTs beside it."""
    lab.cloud.cartesia.timing = CARTESIA_PACE
    lab.cloud.cartesia.concurrency = AT_ONCE
    ears = scripted_ears(PACE.sentences)
    patient = await _open_stt(nursery, PatientStt(AT_ONCE, ears, PACE.stt_timing))
    unsure = await _open_stt(nursery, SttModule(AT_ONCE, ears, UNSURE))
    return {"lab": lab, "patient": patient, "unsure": unsure}


async def _open_stt(nursery: trio.Nursery, stt: SttModule) -> str:
    """Its address, once it listens."""
    await nursery.start(stt.run)
    port = await nursery.start(serve, MoshiServer(KEYS, stt=stt).handle, "127.0.0.1", 0)
    return f"ws://127.0.0.1:{port}{STT_PATH}"


class Pace(Enum):
    """What a patient STT is at."""

    AT_ONCE = auto()
    FLUSH = auto()
    CATCHING_UP = auto()


@define(eq=False)
class PatientStt(SttModule):
    """Has all the time in the world for a flush: works through its silence as if it were spoken,
    and catches up with the caller only then. For one call at a time.
    """

    _pace: Pace = Pace.AT_ONCE
    _owed: int = 0

    BURST = 4
    """So many messages at once are a flush."""

    async def _step(self, ear: Ear, slot: SttSlot, frame: Any) -> None:
        await super()._step(ear, slot, frame)
        waiting = slot.inbox.statistics().current_buffer_used
        if self._pace is Pace.AT_ONCE and waiting >= self.BURST:
            self._pace, self._owed = Pace.FLUSH, waiting + 1
        if self._pace is Pace.FLUSH:
            self._owed -= 1
            await trio.sleep(STEP_S)
            self._pace = Pace.FLUSH if self._owed else Pace.CATCHING_UP
        elif not waiting:
            self._pace = Pace.AT_ONCE


def _written(configuration: str, folder: Path) -> Path:
    file = folder / "voiced.toml"
    file.write_text(configuration)
    file.chmod(0o600)
    return file


async def _start(nursery: trio.Nursery, config: Path) -> trio.Process:
    """A daemon on its core, with its phrases at hand."""
    command = [sys.executable, *PROBE, str(config), str(cores()[0]), ""]
    pipes = {"stdout": PIPE, "stderr": STDOUT, "check": False}
    daemon: trio.Process = await nursery.start(partial(trio.run_process, command, **pipes))
    log, ready = bytearray(), trio.Event()
    nursery.start_soon(_follow, daemon, log, ready)
    with trio.move_on_after(START_S):
        await ready.wait()
        return daemon
    raise SystemExit(f"the daemon did not start:\n{log.decode()}")


async def _follow(daemon: trio.Process, log: bytearray, ready: trio.Event) -> None:
    """Keeps its log up to the line that matters; takes the rest, so that it can go on writing."""
    assert daemon.stdout is not None
    async for data in daemon.stdout:
        if not ready.is_set():
            log += data
        if READY in log:
            ready.set()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# --- callers and what came of them ----------------------------------------------------------------


def _speech(turn: int, pauses_s: float) -> bytes:
    """What a caller says in this turn, mu-law."""
    said = sound(SPEAK_S[turn % len(SPEAK_S)])
    if not pauses_s or turn % PAUSES_EVERY:
        return said
    return sound(BEFORE_S) + bytes([MULAW_SILENCE]) * round(SAMPLE_RATE * pauses_s) + said


def sound(seconds: float) -> bytes:
    """A tone, mu-law."""
    at = np.arange(round(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    return g711.encode_float((0.3 * np.sin(2 * np.pi * TONE_HZ * at)).astype(np.float32))


def _outcome(records: Path, result: CallResult) -> Outcome:
    outcome = Outcome()
    outcome.heard_ms = [1000 * turn.answer_s for turn in result.turns if turn.answer_s is not None]
    with closing(sqlite3.connect(f"file:{records}?mode=ro", uri=True)) as db:
        turns = db.execute(
            "SELECT stages FROM turns WHERE sid = ? AND caller != ''", (result.call_sid,)
        )
        outcome.stages = [each for (text,) in turns if "answer" in (each := json.loads(text))]
        for (text,) in db.execute("SELECT summary FROM calls WHERE sid = ?", (result.call_sid,)):
            outcome.summary = json.loads(text)
    return outcome
