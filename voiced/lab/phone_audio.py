"""The telephone's sound files: WAV in at any rate, stereo WAV out."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voiced.audio import g711
from voiced.audio.frame import SAMPLE_RATE
from voiced.audio.stereo import StereoTrack, wav
from voiced.errors import ConfigError


def read_wav(path: Path) -> bytes:
    """The mu-law of a 16-bit WAV file, its channels mixed, at 8 kHz.

    Raises:
        ConfigError: it is not there, or not 16-bit PCM.
    """
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2:
                raise ConfigError([f"{path}: must be 16-bit PCM; `sox IN -b 16 OUT` makes one"])
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            mono = pcm.reshape(-1, file.getnchannels()).mean(axis=1) / 32_768
            rate = file.getframerate()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from None
    except (wave.Error, EOFError):
        raise ConfigError([f"{path}: not a PCM WAV file; `sox IN -b 16 OUT` makes one"]) from None
    return g711.encode_float(_to_telephone_rate(mono, rate))


def write_stereo(path: Path, caller: bytes, agent: bytes) -> None:
    """Writes both lines, mu-law of equal length: the caller left, the agent right."""
    track = StereoTrack()
    track.left(0, caller)
    track.right(0, agent)
    path.write_bytes(wav(track.take(track.end)))


def _to_telephone_rate(pcm: NDArray[np.float64], rate: int) -> NDArray[np.float32]:
    """Any rate to 8 kHz over the whole file's spectrum: exact, and a file has no latency."""
    if rate == SAMPLE_RATE or not pcm.size:
        return pcm.astype(np.float32)
    samples = round(pcm.size * SAMPLE_RATE / rate)
    spectrum = np.fft.rfft(pcm)[: samples // 2 + 1]
    return (np.fft.irfft(spectrum, samples) * samples / pcm.size).astype(np.float32)
