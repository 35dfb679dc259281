"""The ear's bookkeeping: what waits, what is under way, when a flush is done."""

from hypothesis import given
from hypothesis import strategies as st

from voiced.engines.moshi_ear import STEP_BYTES, Ear, EarLimits, EarModel

STEP = bytes(STEP_BYTES)
SECOND = bytes(8000)


def steps_of(taken: bytes) -> int:
    assert len(taken) % STEP_BYTES == 0
    return len(taken) // STEP_BYTES


def test_only_whole_steps_are_sent():
    ear = Ear()
    ear.put(STEP[:-1])
    assert ear.take() == b""
    ear.put(b"\x01\x02")
    assert ear.take() == STEP[:-1] + b"\x01"
    ear.put(STEP[:-1])
    assert ear.take()[:1] == b"\x02"


@given(st.lists(st.binary(max_size=900), max_size=30))
def test_audio_keeps_its_order_whatever_the_packets(packets):
    ear = Ear(limits=EarLimits(early_s=60, late_s=60, under_way_s=60))
    sent = b""
    for packet in packets:
        ear.put(packet)
        sent += ear.take()
    whole = b"".join(packets)
    assert sent == whole[: len(whole) // STEP_BYTES * STEP_BYTES]
    assert ear.dropped_bytes == 0


def test_early_audio_is_kept_for_ten_seconds():
    ear = Ear()
    for second in range(12):
        ear.put(bytes([second]) * 8000)
    assert ear.dropped_bytes == 16_000
    assert ear.take()[0] == 2


def test_later_on_only_a_second_waits_and_the_oldest_goes():
    ear = Ear()
    ear.put(SECOND * 2)
    ear.take()  # the server has 2 s to work on
    ear.put(bytes([6]) * 4_000 + bytes([7]) * 8_000)
    assert ear.dropped_bytes == 4_000
    ear.step()
    assert ear.take() == bytes([7]) * STEP_BYTES


def test_no_more_than_two_seconds_are_under_way():
    ear = Ear()
    ear.put(SECOND * 5)
    assert steps_of(ear.take()) == 25
    assert ear.take() == b""
    ear.step()
    assert steps_of(ear.take()) == 1


def test_the_clock_counts_steps_and_knows_what_is_owed():
    ear = Ear()
    assert not ear.is_owed
    ear.put(STEP * 2)
    ear.take()
    ear.step()
    assert ear.is_owed
    assert ear.stream_s == 0.08
    ear.step()
    assert not ear.is_owed


def test_a_flush_sends_the_rest_and_the_delay_and_one_step_more():
    ear = Ear()
    ear.put(STEP * 3 + b"\x01" * 100)
    assert ear.flush()
    taken = ear.take()
    assert steps_of(taken) == 3 + 1 + 6 + 1
    assert taken[3 * STEP_BYTES :] == b"\x01" * 100 + b"\xff" * (8 * STEP_BYTES - 100)


def test_a_flush_is_done_after_the_last_step_of_speech_and_the_delay():
    ear = Ear()
    ear.put(STEP * 3)
    ear.flush()
    ear.take()
    ear.put(STEP * 5)  # the caller goes on
    ear.take()
    assert [ear.step() for _ in range(12)] == [False] * 9 + [True] + [False] * 2


def test_a_flush_waits_for_the_audio_before_it():
    ear = Ear()
    ear.put(SECOND * 3)
    ear.flush()
    assert steps_of(ear.take()) == 25
    for _ in range(25):
        assert not ear.step()
    assert steps_of(ear.take()) == 12 + 1 + 7
    assert [ear.step() for _ in range(20)] == [False] * 19 + [True]


def test_flushes_that_overlap_are_answered_as_one():
    ear = Ear()
    assert ear.flush()
    assert not ear.flush()
    assert steps_of(ear.take()) == 7
    ear.put(STEP)
    assert not ear.flush()
    assert steps_of(ear.take()) == 8
    assert [ear.step() for _ in range(15)].index(True) == 14
    assert ear.flush()


def test_a_flush_can_be_given_up_once():
    ear = Ear()
    ear.flush()
    assert ear.give_up()
    assert not ear.give_up()


def test_a_model_without_steps_has_the_audio_sent_for_a_clock():
    ear = Ear(EarModel(delay_s=2.56, pause_head=None))
    ear.put(SECOND * 4)
    assert steps_of(ear.take()) == 25
    assert steps_of(ear.take()) == 25
    assert not ear.is_owed
    assert ear.stream_s == 4.0
    ear.flush()
    assert steps_of(ear.take()) == 33
