# ruff: noqa: T201 - these tests print the figures they measure (pytest -s)

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voiced.audio import resample
from voiced.audio.resample import Downsampler, Upsampler

Resampler = Downsampler | Upsampler
FloatArray = NDArray[np.float32]
HIGH, LOW = 24_000, 8_000
BOTH = pytest.mark.parametrize("kind", [Downsampler, Upsampler])


def noise(samples: int, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32)


def tone(hz: float, rate: int, samples: int) -> FloatArray:
    return (0.9 * np.sin(2 * np.pi * hz * np.arange(samples) / rate)).astype(np.float32)


def pieces(signal: FloatArray, lengths: Iterable[int]) -> list[FloatArray]:
    return np.split(signal, np.cumsum(list(lengths)).clip(max=len(signal)))


def through(resampler: Resampler, packets: Iterable[FloatArray]) -> FloatArray:
    return np.concatenate([*(resampler.feed(packet) for packet in packets), resampler.flush()])


def decibels(ratio: float) -> float:
    return 20 * float(np.log10(max(ratio, 1e-12)))


def rms(signal: FloatArray) -> float:
    """Of the middle: the ends are where the tone is switched on and off."""
    return float(
        np.sqrt(np.mean(np.square(signal[len(signal) // 4 : -len(signal) // 4], dtype=float)))
    )


def spectrum(signal: FloatArray, rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies in Hz and the amplitude of the tone at each."""
    window = np.kaiser(len(signal), 20)
    amplitudes = np.abs(np.fft.rfft(signal * window)) * 2 / window.sum()
    return np.fft.rfftfreq(len(signal), 1 / rate), amplitudes


@BOTH
@given(lengths=st.lists(st.integers(0, 400), max_size=20), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_packet_boundaries_change_not_one_bit(
    kind: type[Resampler], lengths: list[int], seed: int
) -> None:
    signal = noise(2_000, seed)
    whole = through(kind(), [signal])
    assert through(kind(), pieces(signal, lengths)).tobytes() == whole.tobytes()


@BOTH
def test_one_sample_at_a_time_is_the_same_too(kind: type[Resampler]) -> None:
    signal = noise(500)
    alone = through(kind(), pieces(signal, [1] * 500))
    assert alone.tobytes() == through(kind(), [signal]).tobytes()


@given(st.integers(0, 5_000), st.integers(1, 2_000))
@settings(max_examples=60)
def test_lengths_are_exact(samples: int, packet: int) -> None:
    packets = pieces(noise(samples), [packet] * (samples // packet))
    assert len(through(Downsampler(), packets)) == -(-samples // 3)
    assert len(through(Upsampler(), packets)) == 3 * samples


@BOTH
def test_after_a_flush_it_is_as_new(kind: type[Resampler]) -> None:
    used = kind()
    through(used, [noise(777)])
    assert through(used, [noise(500, 2)]).tobytes() == through(kind(), [noise(500, 2)]).tobytes()
    assert len(used.flush()) == 0


def test_down_the_passband_is_flat_to_a_tenth_of_a_decibel() -> None:
    gains = {}
    for hz in (20, 100, 300, 1_000, 2_000, 3_000, 3_200, 3_400):
        source = tone(hz, HIGH, HIGH // 2)
        gains[hz] = decibels(rms(through(Downsampler(), [source])) / rms(source))
    print("24 -> 8 kHz passband, dB:", {hz: round(gain, 4) for hz, gain in gains.items()})
    assert max(abs(gain) for gain in gains.values()) < 0.1


def test_down_nothing_above_the_stop_band_folds_back() -> None:
    gains = {}
    for hz in (4_600, 4_700, 5_000, 6_000, 7_900, 8_100, 9_000, 11_500):
        source = tone(hz, HIGH, HIGH // 2)
        gains[hz] = decibels(rms(through(Downsampler(), [source])) / rms(source))
    print("24 -> 8 kHz stop band, dB:", {hz: round(gain, 1) for hz, gain in gains.items()})
    assert max(gains.values()) < -60


def test_down_a_sweep_through_the_stop_band_stays_silent() -> None:
    seconds = np.arange(2 * HIGH) / HIGH
    low, high = 4_600, 11_900
    phase = 2 * np.pi * (low * seconds + (high - low) * seconds**2 / 4)
    fade = np.minimum(1, np.minimum(seconds, seconds[::-1]) / 0.05)
    sweep = (0.9 * np.sin(phase) * np.sin(np.pi / 2 * fade) ** 2).astype(np.float32)
    peak = decibels(float(np.abs(through(Downsampler(), [sweep])).max()) / 0.9)
    print(f"24 -> 8 kHz sweep {low} to {high} Hz, loudest sample: {peak:.1f} dB")
    assert peak < -60


def test_up_the_passband_is_flat_and_its_images_are_gone() -> None:
    gains, images = {}, {}
    for hz in (20, 100, 300, 1_000, 2_000, 3_000, 3_200, 3_400):
        frequencies, amplitudes = spectrum(through(Upsampler(), [tone(hz, LOW, LOW)]), HIGH)
        gains[hz] = decibels(float(amplitudes[frequencies < 4_000].max()) / 0.9)
        images[hz] = decibels(float(amplitudes[frequencies > 4_500].max()) / 0.9)
    print("8 -> 24 kHz passband, dB:", {hz: round(gain, 4) for hz, gain in gains.items()})
    print("8 -> 24 kHz images, dB:", {hz: round(image, 1) for hz, image in images.items()})
    assert max(abs(gain) for gain in gains.values()) < 0.1
    assert max(images.values()) < -60


def test_up_keeps_each_sample_of_the_telephone() -> None:
    source = noise(1_000)
    assert np.abs(through(Upsampler(), [source])[::3] - source).max() < 1e-7


@BOTH
@pytest.mark.parametrize("hz", [200, 1_000, 3_000])
def test_the_output_is_in_line_with_the_input(kind: type[Resampler], hz: int) -> None:
    rate_in, rate_out = (HIGH, LOW) if kind is Downsampler else (LOW, HIGH)
    output = through(kind(), [tone(hz, rate_in, rate_in // 10)])
    expected = tone(hz, rate_out, rate_out // 10)
    middle = slice(len(output) // 4, -len(output) // 4)
    assert np.abs(output - expected)[middle].max() < 0.002


@BOTH
def test_no_sample_waits_for_4_ms(kind: type[Resampler]) -> None:
    rate_in, rate_out = (HIGH, LOW) if kind is Downsampler else (LOW, HIGH)
    resampler, ready, waits = kind(), 0, []
    for fed in range(1, rate_in // 10):
        ready += len(resampler.feed(np.zeros(1, np.float32)))
        waits.append(fed / rate_in - ready / rate_out)
    print(f"{kind.__name__}: at most {1000 * max(waits):.2f} ms behind")
    assert max(waits) < 0.004


@BOTH
def test_the_input_is_left_as_it_was(kind: type[Resampler]) -> None:
    source = noise(300)
    kind().feed(source)
    assert source.tobytes() == noise(300).tobytes()


@pytest.mark.parametrize("rows", [resample._DOWN, resample._UP])
def test_sums_are_exact_in_float64_so_their_order_cannot_matter(rows: resample._Rows) -> None:
    taps = rows.matrix * resample._TAP_GRID * resample._SAMPLE_GRID
    assert np.array_equal(taps, np.rint(taps))
    largest = 32 * resample._SAMPLE_GRID * np.abs(taps).sum(axis=0).max()
    assert largest < 2**53


@BOTH
def test_samples_are_rounded_to_their_grid(kind: type[Resampler]) -> None:
    below = np.full(2_000, 0.4 / resample._SAMPLE_GRID, np.float32)
    assert not through(kind(), [below]).any()
    assert through(kind(), [2 * below]).any()
