"""The sizes everything is measured in, and packets of any length -> frames."""

import numpy as np

from voiced.audio import g711

SAMPLE_RATE = 8_000
"""Telephone audio: samples per second; one mu-law byte is one sample."""

FRAME_MS = 20
FRAME_S = 0.020
FRAME_SAMPLES = 160
"""A frame is exactly 20 ms: 160 samples, 160 bytes of mu-law."""

MULAW_SILENCE = 0xFF
"""Mu-law for +0 (0x7F is -0)."""

SILENT_FRAME = bytes([MULAW_SILENCE]) * FRAME_SAMPLES


class Framer:
    """Cuts mu-law packets of any length into frames; what is left over waits for the next."""

    def __init__(self) -> None:
        self._carry = b""

    def feed(self, mulaw: bytes) -> list[bytes]:
        """The frames that are whole now, 160 bytes each."""
        audio = self._carry + mulaw
        whole = len(audio) - len(audio) % FRAME_SAMPLES
        self._carry = audio[whole:]
        return [audio[at : at + FRAME_SAMPLES] for at in range(0, whole, FRAME_SAMPLES)]

    def flush(self) -> list[bytes]:
        """The signal has ended: returns the last, partial frame, padded, if there is one.

        The padding fades from the last sample to silence: a straight drop would be a click.
        """
        if not self._carry:
            return []
        last, self._carry = self._carry, b""
        missing = FRAME_SAMPLES - len(last)
        level = int(g711.decode(last[-1:])[0])
        fade = np.linspace(level, 0, missing + 1)[1:].astype(np.int16)
        return [last + g711.encode(fade)]
