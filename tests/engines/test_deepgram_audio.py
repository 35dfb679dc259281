"""Audio on its way to Deepgram: sizes, bounds and pace."""

import pytest

from voiced.engines.deepgram_audio import Outgoing

SECOND = bytes(8_000)


def test_audio_leaves_in_messages_of_one_size_as_soon_as_one_is_whole() -> None:
    audio = Outgoing(320)
    audio.put(bytes([1]) * 160)
    assert not audio.is_ready
    assert audio.take(0) == b""
    audio.put(bytes([2]) * 200)
    assert audio.is_ready
    assert audio.take(0) == bytes([1]) * 160 + bytes([2]) * 160
    assert audio.take(0) == b""
    assert audio.take(0, rest=True) == bytes([2]) * 40
    assert audio.take(0, rest=True) == b""
    assert audio.stream_s == pytest.approx(0.045)


def test_ten_seconds_are_kept_at_the_start_of_a_call() -> None:
    audio = Outgoing(320)
    for second in range(12):
        audio.put(bytes([second]) * 8_000)
    assert audio.dropped_bytes == 16_000
    assert audio.take(0)[0] == 2


def test_later_on_only_a_second_waits_and_the_oldest_goes() -> None:
    audio = Outgoing(320)
    audio.put(SECOND[:320])
    audio.take(0)
    audio.put(bytes([6]) * 4_000 + bytes([7]) * 8_000)
    assert audio.dropped_bytes == 4_000
    assert audio.take(0)[0] == 7


def test_a_backlog_of_the_start_is_not_dropped_while_it_is_worked_off() -> None:
    audio = Outgoing(320)
    audio.put(SECOND * 5)
    audio.take(0)
    audio.put(SECOND[:160])
    assert audio.dropped_bytes == 0


def test_live_audio_is_never_held_back() -> None:
    audio = Outgoing(320)
    now = 0.0
    for _ in range(200):
        now += 0.04
        audio.put(SECOND[:320])
        assert audio.due(now) == now
        audio.take(now)


def test_a_backlog_comes_in_a_burst_of_half_a_second_and_then_at_the_pace_allowed() -> None:
    audio = Outgoing(320)
    audio.put(SECOND * 8)
    now, sent = 0.0, []
    while audio.is_ready:
        now = audio.due(now)
        audio.take(now)
        sent.append(now)
    assert sent.count(0.0) * 0.04 == pytest.approx(0.64, abs=0.04)
    assert sent[-1] == pytest.approx((8 - 0.64) / 1.25, abs=0.06)


def test_silence_fills_a_message_and_goes_behind_what_waits() -> None:
    audio = Outgoing(640)
    audio.put(bytes([1]) * 100)
    audio.put_silence()
    assert audio.take(0) == bytes([1]) * 100 + b"\xff" * 540
    audio.put_silence()
    assert audio.take(0) == b"\xff" * 640


def test_a_message_is_owed_to_two_seconds_of_audio() -> None:
    audio = Outgoing(320)
    audio.put(SECOND * 3)
    for _ in range(49):
        audio.take(0)
    assert not audio.is_owed
    audio.take(0)
    assert audio.is_owed
    audio.answered()
    assert not audio.is_owed
