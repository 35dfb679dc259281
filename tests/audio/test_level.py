import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.audio import g711
from voiced.audio.frame import SAMPLE_RATE, SILENT_FRAME
from voiced.audio.level import Level, LevelChange, LevelSettings, LineState

STARTED, STOPPED = LevelChange.SPEECH_STARTED, LevelChange.SPEECH_STOPPED


def noise(dbfs: float, seconds: float, seed: int = 1) -> bytes:
    """White noise of this level, as a line has it."""
    samples = np.random.default_rng(seed).normal(0, 10 ** (dbfs / 20), round(seconds * SAMPLE_RATE))
    return g711.encode_float(samples.astype(np.float32))


def talk(dbfs: float, seconds: float) -> bytes:
    """Syllables: five a second, with holes of 40 ms down to a line noise of -60 dBFS."""
    return b"".join(
        noise(dbfs, 0.16, seed) + noise(-60, 0.04, seed) for seed in range(round(seconds * 5))
    )


def listen(level: Level, audio: bytes, packet: int = 160) -> list[tuple[float, LevelChange]]:
    """The changes and the second after which each was told."""
    return [
        (min(at + packet, len(audio)) / SAMPLE_RATE, change)
        for at in range(0, len(audio), packet)
        if (change := level.feed(audio[at : at + packet]))
    ]


def test_speech_starts_after_the_attack_and_stops_after_the_release() -> None:
    audio = noise(-60, 1) + noise(-20, 1) + noise(-60, 1)
    assert listen(Level(), audio) == [(1.06, STARTED), (2.3, STOPPED)]


def test_settings_say_how_long_attack_and_release_are() -> None:
    level = Level(LevelSettings(attack_ms=200, release_ms=1_000))
    audio = noise(-60, 1) + noise(-20, 1) + noise(-60, 2)
    assert listen(level, audio) == [(1.2, STARTED), (3.0, STOPPED)]


def test_a_click_is_no_speech() -> None:
    level = Level()
    assert listen(level, noise(-60, 1) + noise(-5, 0.04) + noise(-60, 1)) == []
    assert level.quiet_s == pytest.approx(2.04)


def test_a_pause_between_words_is_no_end() -> None:
    audio = noise(-20, 0.5) + noise(-60, 0.28) + noise(-20, 0.5)
    assert listen(Level(), audio) == [(0.06, STARTED)]


def test_between_the_thresholds_nothing_changes() -> None:
    fixed = LevelSettings(noise_ceiling_dbfs=-96)
    assert listen(Level(fixed), noise(-60, 0.4) + noise(-41, 1)) == []
    assert listen(Level(fixed), noise(-20, 0.4) + noise(-41, 1)) == [(0.06, STARTED)]


def test_two_minutes_without_a_pause_are_one_speech() -> None:
    level = Level()
    assert listen(level, talk(-25, 120)) == [(0.06, STARTED)]
    assert level.loud_s == pytest.approx(120)


def test_a_noisy_line_is_quiet_and_speech_on_it_is_still_found() -> None:
    level = Level()
    changes = listen(level, noise(-42, 10))
    assert level.state is LineState.QUIET
    assert changes == []
    assert level.noise_dbfs == pytest.approx(-43.5, abs=1)
    assert [change for _, change in listen(level, noise(-22, 1) + noise(-42, 1))] == [
        STARTED,
        STOPPED,
    ]


def test_a_line_that_becomes_noisy_is_taken_for_speech_only_for_a_while() -> None:
    level = Level()
    changes = listen(level, noise(-65, 5) + noise(-37, 10, seed=2))
    assert [change for _, change in changes] == [STARTED, STOPPED]
    assert changes[1][0] < 9


def test_no_noise_makes_the_line_deaf() -> None:
    level = Level()
    listen(level, noise(-32, 10))
    assert level.noise_dbfs > -35
    listen(level, noise(-60, 1))
    assert STARTED in [change for _, change in listen(level, noise(-24, 1))]


def test_digital_silence_is_quiet_for_as_long_as_it_lasts() -> None:
    level = Level()
    assert listen(level, SILENT_FRAME * 500) == []
    assert level.quiet_s == pytest.approx(10)
    assert level.loud_s == 0
    assert level.level_dbfs == level.noise_dbfs == -96
    assert [change for _, change in listen(level, noise(-25, 0.1))] == [STARTED]


def test_a_quiet_time_counts_from_the_last_speech_not_from_its_report() -> None:
    level = Level()
    listen(level, noise(-20, 1) + noise(-60, 0.2))
    assert level.state is LineState.LOUD
    assert level.quiet_s == pytest.approx(0.2)
    assert level.loud_s == pytest.approx(1.2)
    listen(level, noise(-60, 0.8))
    assert level.state is LineState.QUIET
    assert level.quiet_s == pytest.approx(1.0)
    assert level.loud_s == 0


def test_the_time_of_speech_includes_the_attack() -> None:
    level = Level()
    listen(level, noise(-60, 1) + noise(-20, 0.5))
    assert level.loud_s == pytest.approx(0.5)
    assert level.quiet_s == 0


@pytest.mark.parametrize("dbfs", [-50, -30, -10])
def test_the_level_is_the_mean_square_below_full_scale(dbfs: float) -> None:
    level = Level()
    level.feed(noise(dbfs, 0.02))
    assert level.level_dbfs == pytest.approx(dbfs, abs=1.5)


def test_a_full_scale_sine_is_minus_3_dbfs() -> None:
    level = Level()
    sine = np.sin(2 * np.pi * 1_000 * np.arange(160) / SAMPLE_RATE).astype(np.float32)
    level.feed(g711.encode_float(sine))
    assert level.level_dbfs == pytest.approx(-3, abs=0.3)


@given(st.lists(st.integers(0, 700), max_size=80))
def test_packets_of_any_length_are_judged_alike(lengths: list[int]) -> None:
    audio = noise(-60, 0.5) + noise(-20, 1) + noise(-60, 1)
    cuts = np.cumsum([0, *lengths]).clip(max=len(audio)).tolist()
    uneven, even = Level(), Level()
    changes = [
        change
        for first, last in zip(cuts, [*cuts[1:], len(audio)], strict=True)
        if (change := uneven.feed(audio[first:last]))
    ]
    listen(even, audio)
    assert changes in ([STARTED, STOPPED], [])  # none where one packet holds both
    assert (uneven.state, uneven.quiet_s) == (even.state, even.quiet_s)
    assert uneven.level_dbfs == even.level_dbfs


def test_a_packet_that_holds_a_whole_speech_changes_nothing() -> None:
    level = Level()
    assert level.feed(noise(-60, 1) + noise(-20, 1) + noise(-60, 1)) is None
    assert level.quiet_s == pytest.approx(1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_dbfs": -50.0},
        {"stop_margin_db": 11.0},
        {"attack_ms": 19},
        {"release_ms": 0},
    ],
)
def test_settings_without_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"above|must be"):
        LevelSettings(**wrong)  # type: ignore[arg-type]
