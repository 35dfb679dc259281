"""What it costs to keep a call: its records, and its recording."""

import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time
from unittest.mock import patch

import trio
from attrs import frozen

from bench.table import Cell, Extent, Table, percentiles
from voiced.audio.frame import FRAME_MS, FRAME_SAMPLES
from voiced.audio.tape import LATE_SAMPLES
from voiced.call import recording as recordings
from voiced.call.recording import WRITE_SAMPLES, Recording
from voiced.records.feed import Feed
from voiced.records.model import (
    CallClosed,
    CallOpened,
    CallStatus,
    Direction,
    Record,
    Said,
    TurnEnded,
)
from voiced.records.opening import FILE
from voiced.records.recorder import Recorder

MINUTE_S = 60
CALLS_PER_MINUTE = 5
"""Records are measured over more calls, for the file grows by whole pages."""

TURNS = 10
"""Of a call of a minute: six seconds for a question and its answer."""

QUESTION = "Do you have a table for four on Saturday evening?"
ANSWER = "We do, at eight o'clock. Under what name may I put it down for you?"
PATIENCE_S = 30.0
PACKET = bytes(range(FRAME_SAMPLES))
SUMMARY = {"agent": "default", "reason": "hangup", "duration_s": 60.0, "turns": TURNS}


@frozen
class Cost:
    """Of some call-minutes; `waits_s` from handing over to being written, of each write."""

    minutes: int
    cpu_s: float
    disk_bytes: int
    waits_s: list[float]


def table(extent: Extent) -> Table:
    """One row each for the records and the recording of a call of a minute."""
    minutes = 10 if extent is Extent.FULL else 2
    costs = {
        "records: a call's beginning and end, ten turns": _cost(_records, minutes),
        "recording, where it is on": _cost(_recording, minutes),
    }
    columns = ("kept", "CPU ms", "writes", "a write p50, ms", "p99", "on disk, KiB")
    notes = (
        "Of a call of a minute, in a process that does nothing else, its threads' work included:"
        " each record, each second of sound is handed over when the one before has been written."
        " Both talk all the time, which costs a recording the most. The disk is the one that holds"
        " the temporary files. Without `records.recording` the second row falls away.",
    )
    return Table("Keeping a call of a minute", columns,
                 tuple(_row(name, cost) for name, cost in costs.items()), notes)  # fmt: skip


def _row(name: str, cost: Cost) -> tuple[Cell, ...]:
    waits_ms = [1000 * wait_s for wait_s in cost.waits_s]
    return (name, 1000 * cost.cpu_s / cost.minutes, round(len(waits_ms) / cost.minutes),
            *percentiles(waits_ms, 50, 99), cost.disk_bytes / 1024 / cost.minutes)  # fmt: skip


def _cost(keep: Callable[[Path, int], Awaitable[Cost]], minutes: int) -> Cost:
    async def within() -> Cost:
        with trio.fail_after(PATIENCE_S):
            return await keep(Path(name), minutes)

    with tempfile.TemporaryDirectory() as name:
        return trio.run(within)


# --- records --------------------------------------------------------------------------------------


async def _records(folder: Path, minutes: int) -> Cost:
    calls = minutes * CALLS_PER_MINUTE
    await _write(folder, [])
    before = (folder / FILE).stat().st_size
    cpu_s, waits_s = await _write(folder, [each for n in range(calls) for each in _call(n)])
    return Cost(calls, cpu_s, (folder / FILE).stat().st_size - before, waits_s)


async def _write(folder: Path, records: list[Record]) -> tuple[float, list[float]]:
    """Each when the one before is on disk; CPU seconds, and the seconds that each took."""
    recorder, waits_s = Recorder(folder, {}), []
    feed = Feed(recorder.put)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        used_s = process_time()
        for record in records:
            began = perf_counter()
            feed.put(record)
            await recorder.flush()
            waits_s.append(perf_counter() - began)
        used_s = process_time() - used_s
        nursery.cancel_scope.cancel(reason="written")
    if recorder.statistics().written < len(records):
        raise SystemExit("bench.keeping: records were not written")
    return used_s, waits_s


def _call(number: int) -> Iterator[Record]:
    sid, now = f"CA{number:032x}", time.time()
    yield CallOpened(sid, Direction.INBOUND, "default", "+33100000000", "+33199999999", now)
    yield CallStatus(sid, "live", now)
    stages = {"end_of_turn_ms": 320, "first_token_ms": 200, "first_audio_ms": 250,
              "first_frame_ms": 800}  # fmt: skip
    for turn in range(TURNS):
        at_s = turn * MINUTE_S / TURNS
        said = (
            Said("caller", QUESTION, at_s, "complete"),
            Said("agent", ANSWER, at_s + 2, "complete"),
        )
        yield TurnEnded(sid, turn, now, at_s, "heard", stages, said)
    yield CallClosed(sid, now, "hangup", MINUTE_S, SUMMARY)


# --- a recording ----------------------------------------------------------------------------------


async def _recording(folder: Path, minutes: int) -> Cost:
    path, token = folder / "call.wav", trio.lowlevel.current_trio_token()
    append, written = recordings.append, trio.Event()

    def appended(path: Path, start: int, pcm: bytes) -> None:
        append(path, start, pcm)
        token.run_sync_soon(lambda: written.set())

    recording, waits_s, taken = Recording(path), [], 0
    with patch.object(recordings, "append", appended):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recording.run)
            used_s = process_time()
            for frame in range(minutes * MINUTE_S * 1000 // FRAME_MS):
                recording.caller(frame * FRAME_MS, PACKET)
                recording.agent(PACKET)
                if (frame + 1) * FRAME_SAMPLES - LATE_SAMPLES - taken < WRITE_SAMPLES:
                    continue
                began = perf_counter()
                await written.wait()
                waits_s.append(perf_counter() - began)
                written, taken = trio.Event(), taken + WRITE_SAMPLES
            used_s = process_time() - used_s
            nursery.cancel_scope.cancel(reason="measured")
    return Cost(minutes, used_s, path.stat().st_size, waits_s)
