"""The resampler 24 kHz -> 8 kHz: quality and cost, beside what others use."""

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import soxr
from attrs import frozen
from numpy.typing import NDArray

from bench.table import Cell, Extent, Table, cost_us
from voiced.audio.resample import Downsampler

FROM_HZ, TO_HZ = 24_000, 8_000
PACKET = 1_920
PASSBAND_HZ, STOPBAND_HZ = 3_400, 4_600
TONES_HZ = (5_000, 6_000, 8_500)
SECONDS = 2

Signal = NDArray[np.float32]
Feed = Callable[[Signal], Signal]


@frozen
class Candidate:
    """`start` returns a new stream's `feed`: packets of 80 ms in, what is ready out."""

    name: str
    start: Callable[[], Feed]


def measure(extent: Extent) -> list[Table]:
    """One table: a row for each resampler."""
    columns = ("24 -> 8 kHz", "ripple to 3.4 kHz, dB", "worst above 4.6 kHz, dB",
               *(f"{hz / 1000:g} kHz, dB" for hz in TONES_HZ),
               "held back, ms", "us per 80 ms")  # fmt: skip
    rows = tuple(_row(candidate, extent.seconds) for candidate in _candidates())
    notes = [
        "Gain of tones at full level, as they come out of a stream of 80 ms packets; above 4 kHz"
        " whatever comes out is alias. Held back: audio fed less audio returned, the most over the"
        " first two seconds and after a packet.",
    ]
    if not any("audioop" in str(row[0]) for row in rows):
        notes.append("audioop is gone from this Python (3.13 and later) and not in the table.")
    return [Table("Resampler", columns, rows, tuple(notes))]


def _candidates() -> list[Candidate]:
    found = [
        Candidate("voiced", lambda: Downsampler().feed),
        Candidate("soxr HQ", lambda: _soxr("HQ")),
        Candidate("soxr QQ", lambda: _soxr("QQ")),
    ]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            audioop = importlib.import_module("audioop")
    except ModuleNotFoundError:
        return found
    return [*found, Candidate("audioop.ratecv", lambda: _ratecv(audioop))]


def _soxr(quality: str) -> Feed:
    stream = soxr.ResampleStream(FROM_HZ, TO_HZ, 1, dtype="float32", quality=quality)
    return stream.resample_chunk


def _ratecv(audioop: Any) -> Feed:
    state = None

    def feed(pcm: Signal) -> Signal:
        nonlocal state
        samples = (pcm * 32_767).astype(np.int16).tobytes()
        out, state = audioop.ratecv(samples, 2, 1, FROM_HZ, TO_HZ, state)
        return (np.frombuffer(out, np.int16) / np.float32(32_768)).astype(np.float32)

    return feed


def _row(candidate: Candidate, seconds: float) -> tuple[Cell, ...]:
    band = [_gain_db(candidate, hz) for hz in range(200, PASSBAND_HZ + 1, 100)]
    stop = [_gain_db(candidate, hz) for hz in range(STOPBAND_HZ, 12_000, 100)]
    tones = [_gain_db(candidate, hz) for hz in TONES_HZ]
    feed = candidate.start()
    packet = _tone(440.0)[:PACKET]
    cost = cost_us(lambda: feed(packet), seconds)
    ripple = max(band) - min(band)
    gains = [f"{round(db, 1) + 0.0:.1f}" for db in (max(stop), *tones)]  # + 0.0: no "-0.0"
    return (candidate.name, f"{ripple:.3f}", *gains,
            f"{_held_back_ms(candidate):.1f}", f"{cost:.1f}")  # fmt: skip


def _tone(hz: float) -> Signal:
    times = np.arange(FROM_HZ * SECONDS) / FROM_HZ
    return (0.9 * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def _packets(feed: Feed, signal: Signal) -> list[Signal]:
    return [feed(signal[at : at + PACKET]) for at in range(0, len(signal), PACKET)]


def _gain_db(candidate: Candidate, hz: float) -> float:
    """Power out over power in, of the middle."""
    signal = _tone(hz)
    heard = np.concatenate(_packets(candidate.start(), signal))[TO_HZ // 2 : 3 * TO_HZ // 2]
    ratio = np.mean(np.square(heard, dtype=float)) / np.mean(np.square(signal, dtype=float))
    return float(10 * np.log10(max(ratio, 1e-12)))


def _held_back_ms(candidate: Candidate) -> float:
    lengths = [len(out) for out in _packets(candidate.start(), _tone(440.0)[: 2 * FROM_HZ])]
    fed = np.arange(1, len(lengths) + 1) * PACKET / FROM_HZ
    return float(np.max(fed - np.cumsum(lengths) / TO_HZ) * 1000)
