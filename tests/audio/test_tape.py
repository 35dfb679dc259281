import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.audio import g711
from voiced.audio.tape import AHEAD_SAMPLES, HOLE_SAMPLES, LATE_SAMPLES, Tape
from voiced.lab.carrier import Playback

LOUD, VOICE = b"\x00", b"\x10"
SILENCE = b"\xff"


def lines(pcm: bytes) -> tuple[bytes, bytes]:
    """Both lines as mu-law: every code but -0 survives the way to PCM and back."""
    both = np.frombuffer(pcm, "<i2").reshape(-1, 2)
    return g711.encode(both[:, 0].copy()), g711.encode(both[:, 1].copy())


def quiet(tape: Tape, start_ms: int, stop_ms: int) -> None:
    """The caller says nothing, in packets of 20 ms."""
    for now_ms in range(start_ms, stop_ms, 20):
        tape.caller(now_ms, SILENCE * 160)


# --- the caller's line --------------------------------------------------------------------------


def test_after_ten_minutes_each_word_is_where_it_was_said() -> None:
    tape, pcm = Tape(), bytearray()
    for number in range(30_000):
        word = LOUD if number % 3_000 == 1_234 else SILENCE
        tape.caller(20 * number, word * 160)
        if number % 3_000 == 2_000:
            tape.agent(VOICE * 160)
        if number % 50 == 0:
            pcm += tape.take()
    pcm += tape.finish()
    assert len(pcm) == 4 * 4_800_000
    assert tape.samples == 4_800_000
    left, right = lines(bytes(pcm))
    assert [left.find(LOUD, at) for at in range(0, 4_800_000, 480_000)] == [
        (3_000 * minute + 1_234) * 160 for minute in range(10)
    ]
    assert left.count(LOUD) == 10 * 160
    assert [right.find(VOICE, at) for at in range(0, 4_800_000, 480_000)] == [
        (3_000 * minute + 2_001) * 160 for minute in range(10)
    ]


@pytest.mark.parametrize("size", [37, 80, 160, 161, 320])
def test_rounded_timestamps_of_any_packet_size_make_no_clicks(size: int) -> None:
    said = bytes(code for code in range(256) if code != 0x7F) * 200
    tape = Tape()
    for at in range(0, len(said), size):
        tape.caller(at // 8, said[at : at + size])
    assert lines(tape.finish())[0] == said


def test_a_stream_may_begin_with_a_later_packet() -> None:
    tape = Tape()
    tape.caller(25, LOUD * 160)
    assert lines(tape.finish())[0] == SILENCE * 200 + LOUD * 160


def test_lost_packets_leave_silence_of_their_length() -> None:
    tape = Tape()
    tape.caller(0, LOUD * 160)
    tape.caller(100, LOUD * 160)
    assert lines(tape.finish())[0] == LOUD * 160 + SILENCE * 640 + LOUD * 160


def test_without_a_timestamp_a_packet_continues() -> None:
    tape = Tape()
    tape.caller(40, LOUD * 160)
    tape.caller(None, VOICE * 160)
    assert lines(tape.finish())[0] == SILENCE * 320 + LOUD * 160 + VOICE * 160


def test_a_packet_that_comes_late_fills_its_hole() -> None:
    tape = Tape()
    tape.caller(0, LOUD * 160)
    tape.caller(40, LOUD * 160)
    tape.caller(20, VOICE * 160)
    tape.caller(60, LOUD * 160)
    assert lines(tape.finish())[0] == LOUD * 160 + VOICE * 160 + LOUD * 320


def test_a_packet_that_comes_twice_leaves_no_trace() -> None:
    tape = Tape()
    for now_ms in (0, 20, 20, 40):
        tape.caller(now_ms, bytes([now_ms]) * 160)
    assert lines(tape.finish())[0] == b"\0" * 160 + b"\x14" * 160 + b"\x28" * 160


@pytest.mark.parametrize("timestamp_ms", [-(2**60), -1_000, 0, 13_600_000, 11_000, 2**60])
def test_a_timestamp_beyond_belief_moves_nothing(timestamp_ms: int) -> None:
    tape = Tape()
    quiet(tape, 0, 600)
    tape.caller(timestamp_ms, LOUD * 160)
    tape.caller(620, VOICE * 160)
    assert lines(tape.finish())[0] == SILENCE * 4_800 + LOUD * 160 + VOICE * 160


def test_a_negative_timestamp_at_the_start_moves_nothing() -> None:
    tape = Tape()
    tape.caller(-100, LOUD * 160)
    assert lines(tape.finish())[0] == LOUD * 160


def test_a_clock_that_was_set_back_does_not_end_the_recording() -> None:
    tape = Tape()
    quiet(tape, 0, 2_000)
    for now_ms in range(0, 1_000, 20):
        tape.caller(now_ms, LOUD * 160)
    assert lines(tape.finish())[0] == SILENCE * 16_000 + LOUD * 8_000


def test_ten_seconds_are_the_longest_hole() -> None:
    tape = Tape()
    tape.caller(10_000, LOUD)
    tape.caller(20_001, VOICE)
    assert lines(tape.finish())[0] == SILENCE * HOLE_SAMPLES + LOUD + VOICE


def test_holes_are_believed_again_after_as_much_audio() -> None:
    tape = Tape()
    tape.caller(9_000, LOUD * 160)
    quiet(tape, 9_020, 18_000)
    tape.caller(27_000, LOUD * 160)
    assert len(tape.finish()) == 4 * (8 * 27_000 + 160)


def test_timestamps_that_always_jump_make_little_silence() -> None:
    tape = Tape()
    for number in range(1_000):
        tape.caller(9_000 * number, LOUD * 160)
    samples = len(tape.finish()) // 4
    assert samples <= 2 * 160_000 + HOLE_SAMPLES


def test_a_clock_that_stands_still_holds_no_memory() -> None:
    tape = Tape()
    for _ in range(1_000):
        tape.caller(0, LOUD * 160)
    assert len(tape.finish()) == 4 * 160


def test_a_packet_after_the_end_is_not_laid_before_it() -> None:
    tape = Tape()
    quiet(tape, 0, 400)
    tape.finish()
    tape.caller(300, LOUD * 160)
    assert lines(tape.finish())[0] == LOUD * 160


# --- the agent's line ---------------------------------------------------------------------------


def test_the_agent_is_heard_from_the_callers_present_on() -> None:
    tape = Tape()
    quiet(tape, 0, 100)
    tape.agent(VOICE * 160)
    quiet(tape, 100, 200)
    assert lines(tape.finish())[1] == SILENCE * 800 + VOICE * 160 + SILENCE * 640


def test_what_is_sent_ahead_is_heard_in_one_piece() -> None:
    tape = Tape()
    quiet(tape, 0, 100)
    for number in range(5):
        tape.agent(bytes([number]) * 160)
    for number in range(5, 10):
        quiet(tape, 20 * number, 20 * number + 20)
        tape.agent(bytes([number]) * 160)
    quiet(tape, 200, 300)
    reply = b"".join(bytes([number]) * 160 for number in range(10))
    assert lines(tape.finish())[1] == SILENCE * 800 + reply


def test_a_clear_cuts_at_the_present_and_the_next_reply_begins_there() -> None:
    tape = Tape()
    quiet(tape, 0, 20)
    tape.agent(VOICE * 800)
    quiet(tape, 20, 60)
    tape.caller(60, SILENCE * 37)
    tape.clear()
    tape.agent(LOUD * 160)
    quiet(tape, 64, 144)
    right = lines(tape.finish())[1]
    assert right == SILENCE * 160 + VOICE * (320 + 37) + LOUD * 160 + SILENCE * 480


def test_a_clear_with_nothing_to_drop_changes_nothing() -> None:
    tape = Tape()
    tape.agent(VOICE * 160)
    quiet(tape, 0, 100)
    tape.clear()
    assert lines(tape.finish())[1] == VOICE * 160 + SILENCE * 640


def test_what_is_sent_after_the_callers_last_packet_was_not_heard() -> None:
    tape = Tape()
    quiet(tape, 0, 20)
    tape.agent(VOICE * 160)
    assert len(tape.finish()) == 4 * 160
    assert tape.finish() == b""


def test_of_what_is_sent_ahead_thirty_seconds_are_kept() -> None:
    tape = Tape()
    quiet(tape, 0, 100)
    for _ in range(3):
        tape.agent(VOICE * 100_000)
    tape.take()
    quiet(tape, 100, 40_000)
    tape.agent(LOUD)
    quiet(tape, 40_000, 40_100)
    right = lines(tape.finish())[1]
    assert right.count(VOICE) == AHEAD_SAMPLES
    assert right.index(LOUD) == 320_000


# --- taking -------------------------------------------------------------------------------------


def test_what_is_younger_than_the_margin_is_not_taken() -> None:
    tape = Tape()
    quiet(tape, 0, 200)
    assert tape.pending == 0
    assert tape.take() == b""
    quiet(tape, 200, 220)
    assert tape.pending == 160
    assert len(tape.take()) == 4 * 160
    assert (tape.samples, tape.pending) == (160, 0)
    assert len(tape.finish()) == 4 * LATE_SAMPLES


STEPS = st.one_of(
    st.tuples(
        st.just("caller"),
        st.one_of(st.none(), st.integers(-300, 300), st.integers(-(2**62), 2**62)),
        st.integers(0, 700),
    ),
    st.tuples(st.just("agent"), st.none(), st.integers(0, 5_000)),
    st.tuples(st.just("clear"), st.none(), st.just(0)),
    st.tuples(st.just("take"), st.none(), st.just(0)),
)


def play(tape: Tape, steps: list[tuple[str, int | None, int]], *, taking: bool) -> bytes:
    pcm, clock_ms = b"", 0
    for number, (what, offset_ms, size) in enumerate(steps):
        audio = bytes([number % 120]) * size
        if what == "caller":
            tape.caller(None if offset_ms is None else clock_ms + offset_ms, audio)
            clock_ms += size // 8
        elif what == "agent":
            tape.agent(audio)
        elif what == "clear":
            tape.clear()
        elif taking:
            pcm += tape.take()
    return pcm + tape.finish()


@given(st.lists(STEPS, max_size=60))
def test_taking_in_any_rhythm_gives_the_same_samples(
    steps: list[tuple[str, int | None, int]],
) -> None:
    often, once = Tape(), Tape()
    assert play(often, steps, taking=True) == play(once, steps, taking=False)
    assert often.samples == once.samples


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2_000)), max_size=80))
def test_the_agents_line_is_what_the_far_end_played(script: list[tuple[int, int]]) -> None:
    """An independent model of the carrier's playback buffer has the last word."""
    tape, far_end, now_ms = Tape(), Playback(0.0), 0
    for number, (packets, size) in enumerate(script):
        audio = bytes([number]) * size
        if size == 0:
            tape.clear()
            far_end.clear(now_ms / 1_000)
        else:
            tape.agent(audio)
            far_end.media(audio, now_ms / 1_000)
        quiet(tape, now_ms, now_ms + 20 * packets)
        now_ms += 20 * packets
    expected = bytearray(SILENCE * (8 * now_ms))
    for clip in far_end.heard(now_ms / 1_000):
        expected[clip.position : clip.position + len(clip.mulaw)] = clip.mulaw
    assert lines(tape.finish())[1] == expected
