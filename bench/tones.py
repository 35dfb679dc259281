"""Audio that says what it is.

Each caller speaks with two levels of its own, one sample loud upwards, the next loud downwards;
its silences are as faint as a good line's noise, and count the packets. The stand-in of the STT
reads both off a single pair of samples, for voiced's upsampler passes every sample of the
telephone on unchanged. Each reply of the stand-in of the TTS is one constant level, which the
telephone knows again, so that not a frame of an old reply can hide among those of a new one.
"""

from base64 import b64encode

import numpy as np

from voiced.audio import g711
from voiced.audio.frame import FRAME_SAMPLES, SILENT_FRAME
from voiced.wire import moshi
from voiced.wire.pcm import pack_floats

LEVELS = 40
CALLERS = LEVELS * LEVELS
"""As many callers can be told apart."""

COUNT = 15 * 15
"""Packets of silence are counted modulo this: 4.5 s."""

REPLIES = 12
_LOUDEST, _ZERO, _SIGN = 0x80, 0xFF, 0x80  # mu-law codes; the sign bit is set for positives
_PAIR_AT = 5 * moshi.FRAME_SAMPLES // 2  # bytes into a frame's samples: the middle one
_SAMPLES_AT = len(moshi.stt_audio(np.zeros(moshi.FRAME_SAMPLES, np.float32))) - 5 * 1_920

PACKETS_BEHIND = 2
"""The pair read lies in the second of a step's four packets: two more complete the step."""


def _alternating(up: int, down: int) -> bytes:
    return bytes([up, down & ~_SIGN]) * (FRAME_SAMPLES // 2)


def speech(caller: int) -> bytes:
    """A frame of this caller's voice, base64."""
    first, second = divmod(caller, LEVELS)
    return b64encode(_alternating(_LOUDEST + first, _LOUDEST + second))


SILENCES = [b64encode(_alternating(_ZERO - 1 - n // 15, _ZERO - 1 - n % 15)) for n in range(COUNT)]
"""A caller's silence, by its packet's number modulo `COUNT`; base64."""

_VALUES = {
    int(value): code - _LOUDEST
    for code, value in zip(
        range(_LOUDEST, _ZERO + 1), g711.decode(bytes(range(_LOUDEST, _ZERO + 1))), strict=True
    )
}


def pair_at() -> tuple[int, int]:
    """Where in an STT's audio message the pair of samples stands: from and to, in bytes."""
    return _SAMPLES_AT + _PAIR_AT, _SAMPLES_AT + _PAIR_AT + 4 * 5


def read_pair(raw: bytes) -> tuple[int, int] | None:
    """The two levels, counted down from the loudest; None where they are none of ours.

    The two are three samples apart at 24 kHz.
    """
    first, second = np.frombuffer(raw[1:5] + raw[16:20], ">f4") * g711.FULL_SCALE
    up, down = _VALUES.get(round(float(first))), _VALUES.get(round(-float(second)))
    return None if up is None or down is None else (up, down)


def caller_of(pair: tuple[int, int]) -> int | None:
    """Who speaks."""
    return pair[0] * LEVELS + pair[1] if max(pair) < LEVELS else None


def packet_of(pair: tuple[int, int]) -> int | None:
    """Which packet of silence this is, modulo `COUNT`; None for silence that voiced made."""
    first, second = (_ZERO - 1 - _LOUDEST - level for level in pair)
    return first * 15 + second if 0 <= first < 15 and 0 <= second < 15 else None


def _reply_code(reply: int) -> int:
    return _LOUDEST + 8 + 4 * (reply % REPLIES)


def reply_audio(reply: int) -> bytes:
    """80 ms of a reply, as moshi-server sends them."""
    level = g711.decode_float(bytes([_reply_code(reply)]))[0]
    samples = np.full(moshi.FRAME_SAMPLES, level, np.float32)
    silence = moshi.stt_audio(samples)  # the message is the same both ways
    assert silence.endswith(pack_floats(samples))
    return silence


_REPLIES = {b64encode(bytes([_reply_code(n)]) * 3): n for n in range(REPLIES)}
SILENT = b64encode(SILENT_FRAME)


def reply_of(payload: bytes) -> int | None:
    """Which reply a frame belongs to, by the middle of its base64; None at its edges."""
    middle = len(payload) // 8 * 4
    return _REPLIES.get(payload[middle : middle + 4])
