"""What each pure step of a call costs."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np

from bench.table import Extent, Table, cost_us
from voiced.audio import g711
from voiced.audio.frame import Framer
from voiced.audio.level import Level
from voiced.audio.playout import Playout
from voiced.audio.resample import Upsampler
from voiced.dialog.speakable import Speakable
from voiced.wire import moshi, twilio

FRAME_S = 0.020
TEXT = (
    "Of course, **Madam**: we open at 9 o'clock, and a table for 4 costs nothing to book. "
    "Our address is on [the site](https://example.com/address), or ask me again at any time! "
)


def measure(extent: Extent) -> list[Table]:
    """One table; a row is a step, microseconds of CPU, and how often a call needs it."""
    rows = tuple((name, cost_us(work, extent.seconds), often) for name, often, work in _steps())
    words = len(TEXT.split())
    rows += (("Speakable, a word", cost_us(_speakable, extent.seconds) / words, "3/s of reply"),)
    notes = ("CPU time, warm caches, nothing else in the process.",)
    return [Table("Pure steps", ("step", "us", "in a call"), rows, notes)]


def _steps() -> Iterator[tuple[str, str, Callable[[], object]]]:
    rng = np.random.default_rng(1)
    packet = bytes(rng.integers(0, 256, 160, np.uint8))
    voice = rng.uniform(-0.5, 0.5, moshi.FRAME_SAMPLES).astype(np.float32)
    spoken, pcm = voice[:640], g711.decode(packet)
    level, framer, outgoing, upsampler = Level(), Framer(), twilio.Outgoing("MZ1"), Upsampler()
    media = _media(packet)
    audio_message, step_message = moshi.stt_audio(voice), _step()
    yield "twilio.parse, a media message", "50/s", lambda: twilio.parse(media)
    yield "Level.feed, 20 ms", "50/s", lambda: level.feed(packet)
    yield "twilio media message, written", "50/s of reply", lambda: outgoing.media(packet)
    yield "Playout put, next_tick, tick", "50/s of reply", _playout(packet)
    yield "g711.decode, 20 ms", "", lambda: g711.decode(packet)
    yield "g711.encode, 20 ms", "", lambda: g711.encode(pcm)
    yield "g711.decode_float, 80 ms", "12.5/s", lambda: g711.decode_float(packet * 4)
    yield "g711.encode_float, 80 ms", "12.5/s of reply", lambda: g711.encode_float(spoken)
    yield "Framer.feed, 80 ms", "12.5/s of reply", lambda: framer.feed(packet * 4)
    yield "Upsampler.feed, 80 ms", "12.5/s", lambda: upsampler.feed(spoken)
    yield "moshi.stt_audio, written", "12.5/s", lambda: moshi.stt_audio(voice)
    yield "moshi.parse_stt, a Step", "12.5/s", lambda: moshi.parse_stt(step_message)
    yield "moshi.parse_tts, audio", "12.5/s of reply", lambda: moshi.parse_tts(audio_message)
    yield "moshi.tts_text, written", "3/s of reply", lambda: moshi.tts_text("one two three")


def _media(packet: bytes) -> str:
    media = {"track": "inbound", "chunk": "2", "timestamp": "5",
             "payload": b64encode(packet).decode()}  # fmt: skip
    return json.dumps(
        {"event": "media", "sequenceNumber": "3", "media": media, "streamSid": "MZ" + "1" * 32}
    )


def _step() -> bytes:
    scores = b"".join(b"\xca\x3f\x00\x00\x00" for _ in range(4))
    return (
        b"\x84\xa4type\xa4Step\xa8step_idx\xce\x00\x01\xe2\x40\xa3prs\x94"
        + scores
        + b"\xacbuffered_pcm\x00"
    )


def _playout(frame: bytes) -> Callable[[], object]:
    playout, slots = Playout(), count()

    def tick() -> None:
        playout.put(frame)
        playout.next_tick()
        playout.tick(next(slots) * FRAME_S)

    return tick


def _speakable() -> None:
    speakable = Speakable("en")
    for start in range(0, len(TEXT), 5):  # a token has some five characters
        speakable.feed(TEXT[start : start + 5])
    speakable.flush()
