"""How loud a line is, and whether somebody speaks on it, judged by energy alone.

A frame is loud from the start threshold on and quiet below the stop threshold; in between
nothing changes. Speech starts after `attack_ms` of loud frames without a break and stops after
`release_ms` of quiet ones, so that neither a click nor a pause between two words is an event.

The thresholds rise with the noise of the line. Speech has holes, noise has none: the quietest
frame of the last three seconds shows the noise even under a talker who never pauses. How far the
noise may raise them is limited, so that no noise makes the line deaf.

Levels are in dBFS of the mean square: a full-scale square wave is 0, a full-scale sine -3.
"""

import math
from collections import deque
from enum import Enum, auto

import numpy as np
from attrs import field, frozen, validators

from voiced.audio import g711
from voiced.audio.frame import FRAME_MS, FRAME_S, FRAME_SAMPLES

_POWER = g711.decode_float(bytes(range(256))).astype(np.float64) ** 2 / FRAME_SAMPLES
_SILENCE_DBFS = -96.0  # what digital silence is called; a 16-bit sample of +-1 is -90

_NOISE_BLOCK_FRAMES = 25
_NOISE_BLOCKS = 6


def _power(dbfs: float) -> float:
    return math.pow(10.0, dbfs / 10)


class LevelChange(Enum):
    """What a packet changed."""

    SPEECH_STARTED = auto()
    SPEECH_STOPPED = auto()


class LineState(Enum):
    """Whether somebody speaks."""

    QUIET = auto()
    LOUD = auto()


@frozen
class LevelSettings:
    """When a line counts as loud.

    The margins say how far above the line's noise the thresholds stay, and `noise_ceiling_dbfs`
    up to which noise they do.
    """

    start_dbfs: float = -38.0
    stop_dbfs: float = -44.0
    attack_ms: int = field(default=60, validator=validators.ge(FRAME_MS))
    release_ms: int = field(default=300, validator=validators.ge(FRAME_MS))
    start_margin_db: float = 10.0
    stop_margin_db: float = 6.0
    noise_ceiling_dbfs: float = -40.0

    def __attrs_post_init__(self) -> None:
        if self.stop_dbfs > self.start_dbfs or self.stop_margin_db > self.start_margin_db:
            raise ValueError("the stop threshold is above the start threshold")


class _Noise:
    """The quietest frame of the last 2.5 to 3 seconds; silence before the first half second."""

    def __init__(self) -> None:
        self._blocks: deque[float] = deque(maxlen=_NOISE_BLOCKS)
        self._frames = 0
        self._quietest = math.inf

    def feed(self, power: float) -> None:
        self._quietest = min(self._quietest, power)
        self._frames += 1
        if self._frames == _NOISE_BLOCK_FRAMES:
            self._blocks.append(self._quietest)
            self._frames, self._quietest = 0, math.inf

    @property
    def power(self) -> float:
        return min(self._blocks, default=0.0)


class Level:
    """The energy of one line. All times are times of audio: what was fed is the clock."""

    def __init__(self, settings: LevelSettings | None = None) -> None:
        self._settings = settings or LevelSettings()
        self._noise = _Noise()
        self._carry = b""
        self._frame_power = 0.0
        self._state = LineState.QUIET
        self._frames = 0  # since the state began
        self._against = 0  # of them, the last ones that speak for the other state

    def feed(self, mulaw: bytes) -> LevelChange | None:
        """Takes a packet of any length; answers what it changed, taken as a whole.

        Starts and stops alternate. A packet so long that it holds both changes nothing.
        """
        audio = self._carry + mulaw
        frames = len(audio) // FRAME_SAMPLES
        whole = frames * FRAME_SAMPLES
        self._carry = audio[whole:]
        before = self._state
        codes = np.frombuffer(audio, np.uint8, whole).reshape(frames, FRAME_SAMPLES)
        for power in _POWER.take(codes).sum(axis=1).tolist():
            self._judge(power)
        if self._state is before:
            return None
        if self._state is LineState.LOUD:
            return LevelChange.SPEECH_STARTED
        return LevelChange.SPEECH_STOPPED

    def _judge(self, power: float) -> None:
        settings = self._settings
        noise = min(self._noise.power, _power(settings.noise_ceiling_dbfs))
        self._noise.feed(power)
        self._frame_power = power
        if self._state is LineState.QUIET:
            start = max(_power(settings.start_dbfs), noise * _power(settings.start_margin_db))
            against, patience_ms = power >= start, settings.attack_ms
        else:
            stop = max(_power(settings.stop_dbfs), noise * _power(settings.stop_margin_db))
            against, patience_ms = power < stop, settings.release_ms
        self._frames += 1
        self._against = self._against + 1 if against else 0
        if self._against * FRAME_MS >= patience_ms:
            self._state = LineState.LOUD if self._state is LineState.QUIET else LineState.QUIET
            self._frames, self._against = self._against, 0

    @property
    def state(self) -> LineState:
        """Whether somebody speaks now."""
        return self._state

    @property
    def level_dbfs(self) -> float:
        """The level of the last whole frame, -96 at the least."""
        return max(_SILENCE_DBFS, 10 * math.log10(max(self._frame_power, 1e-30)))

    @property
    def noise_dbfs(self) -> float:
        """The level of the line's own noise, -96 at the least."""
        return max(_SILENCE_DBFS, 10 * math.log10(max(self._noise.power, 1e-30)))

    @property
    def quiet_s(self) -> float:
        """How long it has been quiet. Counts from the last speech, not from the event's time.

        Grows in a pause before `SPEECH_STOPPED` too; a click too short to be speech keeps it.
        """
        return (self._frames if self._state is LineState.QUIET else self._against) * FRAME_S

    @property
    def loud_s(self) -> float:
        """How long the present speech has lasted, its short pauses included; 0 while quiet."""
        return self._frames * FRAME_S if self._state is LineState.LOUD else 0.0
