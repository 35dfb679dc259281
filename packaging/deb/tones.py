"""Somebody who says something, listens, and says something again: `tones.py TIMES FILE`.

The lab's ear `words` hears a sentence in each burst of sound; the WAV file has one every 4 s.
"""

import math
import struct
import sys
import wave

RATE = 8_000
BURST_S = 1.5
EVERY_S = 4
HERTZ = 300

burst = [int(9_000 * math.sin(math.tau * HERTZ * n / RATE)) for n in range(int(RATE * BURST_S))]
rest = [0] * (RATE * EVERY_S - len(burst))
turn = struct.pack(f"<{RATE * EVERY_S}h", *rest, *burst)
with wave.open(sys.argv[2], "wb") as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(RATE)
    file.writeframes(turn * int(sys.argv[1]))
