import math

import pytest

from voiced.audio.frame import FRAME_S
from voiced.audio.playout import AGAIN_FRAMES, Mark, Playout, PlayoutState, Unplayed

START = 1_000.0


def frame(number: int) -> bytes:
    return number.to_bytes(4, "big") * 40


def frames(start: int, stop: int) -> list[bytes | Mark]:
    return [frame(number) for number in range(start, stop)]


def put(playout: Playout, start: int, stop: int) -> None:
    for number in range(start, stop):
        playout.put(frame(number))


def playout_with_words(*ends: int) -> Playout:
    """Each number is where a word ends, in frames; a mark of that name stands behind it."""
    playout, start = Playout(), 0
    for end in ends:
        put(playout, start, end)
        playout.mark(str(end))
        start = end
    return playout


def play(playout: Playout, now: float, until: float) -> list[bytes | Mark]:
    """Ticks as a pacer does, from `now` on; what was sent."""
    sent = []
    while (when := playout.next_tick()) is not None and max(now, when) < until:
        now = max(now, when)
        sent += playout.tick(now)
    return sent


def rest_of(playout: Playout, now: float) -> list[bytes | Mark]:
    return play(playout, now, math.inf)


def test_a_pause_keeps_everything_back() -> None:
    playout = playout_with_words(20)
    playout.tick(START)
    playout.pause(START + 0.01)
    assert playout.next_tick() is None
    assert playout.tick(START + 0.02) == []
    assert playout.tick(START + 5) == []
    assert playout.buffered_s == pytest.approx(15 * FRAME_S)
    assert playout.statistics().frames == 5


def test_the_word_that_was_not_sent_whole_is_said_again_from_its_beginning() -> None:
    playout = playout_with_words(4, 12)
    playout.end()
    assert play(playout, START, START + 0.05) == [*frames(0, 4), Mark("4"), *frames(4, 7)]
    playout.pause(START + 0.05)
    playout.resume(START + 0.5)
    assert playout.buffered_s == pytest.approx(8 * FRAME_S)
    assert rest_of(playout, START + 0.5) == [*frames(4, 12), Mark("12")]
    assert playout.state is PlayoutState.IDLE
    assert playout.statistics().frames == 12 + 3


def test_the_first_word_begins_with_the_reply() -> None:
    playout = playout_with_words(9)
    playout.tick(START)
    playout.pause(START)
    playout.resume(START + 1)
    assert play(playout, START + 1, START + 2) == [*frames(0, 9), Mark("9")]


def test_a_pause_between_two_words_repeats_nothing_and_no_mark() -> None:
    playout = playout_with_words(5, 10)
    assert playout.tick(START) == [*frames(0, 5), Mark("5")]
    playout.pause(START + 0.01)
    playout.resume(START + 1)
    assert play(playout, START + 1, START + 2) == [*frames(5, 10), Mark("10")]


def test_a_word_is_said_again_as_often_as_it_is_broken_off() -> None:
    playout = playout_with_words(10)
    playout.tick(START)
    for now in (START + 1, START + 2, START + 3):
        playout.pause(now - 0.5)
        playout.resume(now)
        assert playout.tick(now) == frames(0, 5)
    assert playout.tick(START + 3.02) == frames(5, 6)
    assert playout.statistics().pauses == 3


def test_two_pauses_with_nothing_sent_between_repeat_once() -> None:
    playout = playout_with_words(10)
    playout.tick(START)
    for now in (START + 1, START + 2):
        playout.pause(now)
        playout.resume(now + 0.5)
    assert playout.clear() == Unplayed(tuple(frame(n) for n in range(10)), ("10",))


def test_what_is_put_in_a_pause_follows() -> None:
    playout = playout_with_words(4)
    put(playout, 4, 6)
    playout.tick(START)
    playout.pause(START + 0.01)
    put(playout, 6, 8)
    playout.mark("8")
    playout.end()
    assert (playout.state, playout.next_tick()) == (PlayoutState.ENDING, None)
    playout.resume(START + 1)
    assert rest_of(playout, START + 1) == [*frames(4, 8), Mark("8")]


def test_a_mark_that_comes_in_a_pause_is_sent_behind_its_word() -> None:
    playout = Playout()
    put(playout, 0, 4)
    playout.tick(START)
    playout.pause(START + 0.01)
    playout.mark("4")
    playout.resume(START + 1)
    assert play(playout, START + 1, START + 2)[:5] == [*frames(0, 4), Mark("4")]


def test_a_reply_that_begins_in_a_pause_waits_for_its_end() -> None:
    playout = Playout()
    playout.pause(START)
    put(playout, 0, 6)
    assert playout.next_tick() is None
    playout.resume(START + 1)
    assert playout.tick(START + 1) == frames(0, 5)


def test_a_reply_all_sent_has_nothing_to_say_again() -> None:
    playout = playout_with_words(5)
    playout.end()
    assert len(playout.tick(START)) == 6
    playout.pause(START + 0.02)
    playout.resume(START + 1)
    assert playout.state is PlayoutState.IDLE
    assert playout.next_tick() is None
    assert playout.tick(START + 1) == []


@pytest.mark.parametrize("ended", ["when all is sent", "before all is sent"])
def test_a_reply_broken_off_is_not_said_again_in_the_next(ended: str) -> None:
    playout = Playout()
    put(playout, 0, 3)
    if ended == "before all is sent":
        playout.end()
    assert playout.tick(START) == frames(0, 3)
    playout.end()
    playout.end()
    put(playout, 3, 9)
    assert playout.tick(START + 0.01) == frames(3, 5)
    playout.pause(START + 0.01)
    playout.resume(START + 1)
    assert play(playout, START + 1, START + 1.05) == frames(3, 9)


def test_the_end_of_a_reply_broken_off_stays_its_end_behind_others() -> None:
    playout = Playout()
    put(playout, 0, 6)
    playout.end()
    put(playout, 6, 9)
    assert playout.tick(START) == frames(0, 5)
    playout.pause(START)
    playout.resume(START + 1)
    assert play(playout, START + 1, START + 1.05) == frames(0, 7)
    playout.pause(START + 1.05)
    playout.resume(START + 2)
    assert playout.clear() == Unplayed(tuple(frame(n) for n in range(6, 9)), ())


def test_the_end_of_a_reply_is_no_mark() -> None:
    playout = Playout()
    put(playout, 0, 7)
    playout.end()
    assert rest_of(playout, START) == frames(0, 7)
    assert playout.state is PlayoutState.IDLE
    put(playout, 7, 8)
    playout.end()
    assert playout.clear() == Unplayed((frame(7),), ())


def test_clear_ends_a_pause_and_forgets_the_word() -> None:
    playout = playout_with_words(9)
    playout.tick(START)
    playout.pause(START + 0.01)
    assert playout.clear() == Unplayed(tuple(frame(n) for n in range(5, 9)), ("9",))
    put(playout, 20, 23)
    assert playout.tick(START + 0.3) == frames(20, 23)
    playout.pause(START + 0.4)
    playout.resume(START + 0.5)
    assert playout.tick(START + 0.5) == frames(20, 23)


def test_a_word_without_end_is_said_again_from_1500_ms_before() -> None:
    playout = Playout()
    put(playout, 0, 200)
    assert play(playout, START, START + 2.41) == frames(0, 125)
    playout.pause(START + 2.41)
    playout.resume(START + 3)
    assert playout.buffered_s == pytest.approx((75 + AGAIN_FRAMES) * FRAME_S)
    assert playout.tick(START + 3) == frames(50, 55)


def test_after_a_pause_there_is_a_lead_of_100_ms_again() -> None:
    playout = playout_with_words(40)
    play(playout, START, START + 0.05)
    playout.pause(START + 0.05)
    playout.resume(START + 0.337)
    assert len(playout.tick(START + 0.338)) == 5
    assert playout.next_tick() == START + 0.338 + FRAME_S
    assert len(playout.tick(START + 0.338 + FRAME_S)) == 1


def test_a_pause_shorter_than_the_lead_does_not_make_it_longer() -> None:
    playout = playout_with_words(40)
    playout.tick(START)
    playout.pause(START + 0.01)
    playout.resume(START + 0.05)  # in its third slot: the far end has 50 ms left
    assert playout.tick(START + 0.05) == frames(0, 2)
    assert playout.next_tick() == START + 3 * FRAME_S
    assert playout.statistics().gaps == 0


def test_a_pause_is_neither_underrun_nor_gap() -> None:
    playout = playout_with_words(8, 30)
    play(playout, START, START + 0.05)
    playout.pause(START + 0.05)
    assert playout.tick(START + 0.5) == []
    playout.resume(START + 2)
    assert len(play(playout, START + 2.013, START + 2.3)) == 20
    statistics = playout.statistics()
    assert (statistics.underruns, statistics.gaps, statistics.longest_gap_ms) == (0, 0, 0.0)
    assert statistics.pauses == 1


def test_a_short_pause_with_nothing_to_send_is_no_underrun() -> None:
    playout = playout_with_words(5)
    playout.tick(START)
    playout.pause(START + 0.01)
    playout.resume(START + 0.05)
    assert playout.next_tick() == START + 3 * FRAME_S
    assert playout.tick(START + 0.05) == []
    assert playout.statistics().underruns == 0
    assert playout.tick(START + 0.06) == []
    assert playout.statistics().underruns == 1


def test_a_hole_before_the_pause_is_a_gap_without_the_pause() -> None:
    playout = playout_with_words(5)
    playout.tick(START)
    put(playout, 5, 9)
    playout.pause(START + 0.16)
    playout.resume(START + 3)
    playout.tick(START + 3.04)
    assert playout.statistics().gaps == 1
    assert playout.statistics().longest_gap_ms == pytest.approx(60)


def test_a_hole_on_both_sides_of_a_pause_is_one_gap() -> None:
    playout = playout_with_words(5)
    playout.tick(START)
    playout.pause(START + 0.16)
    playout.resume(START + 3)
    assert playout.next_tick() == pytest.approx(START + 3.02)
    put(playout, 5, 9)
    assert len(playout.tick(START + 3.04)) == 4
    assert playout.statistics().gaps == 1
    assert playout.statistics().longest_gap_ms == pytest.approx(100)


def test_the_words_said_again_count_among_those_that_waited() -> None:
    playout = Playout()
    put(playout, 0, 5)
    playout.tick(START)
    put(playout, 5, 9)
    playout.pause(START)
    playout.resume(START + 1)
    assert playout.statistics().peak_frames == 9


def test_a_pause_in_a_pause_and_a_resume_without_one_change_nothing() -> None:
    playout = playout_with_words(9)
    playout.tick(START)
    playout.resume(START + 0.01)
    assert playout.buffered_s == pytest.approx(4 * FRAME_S)
    playout.pause(START + 0.01)
    playout.pause(START + 0.5)
    playout.resume(START + 1)
    playout.resume(START + 1)
    assert playout.buffered_s == pytest.approx(9 * FRAME_S)
    assert playout.statistics().pauses == 1
