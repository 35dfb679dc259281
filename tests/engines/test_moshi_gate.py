"""When moshi-server's TTS owes a sign of life, and when it waits for us."""

import math

from voiced.engines.moshi_gate import Gate


def test_nothing_is_owed_before_there_are_words():
    gate = Gate(4, 2)
    assert gate.patience_s() == math.inf
    assert not gate.has_words


def test_three_words_without_an_end_may_freeze_it():
    gate = Gate(4, 2)
    gate.say("one two three")
    assert gate.patience_s() == math.inf
    gate.say("four")
    assert gate.patience_s() == 4


def test_after_the_first_sign_the_next_is_due_sooner():
    gate = Gate(4, 2)
    gate.say("one two three four five")
    gate.word()
    assert gate.patience_s() == 2


def test_a_starved_server_owes_nothing_until_more_words_come():
    gate = Gate(4, 2)
    gate.say("one two three four")
    gate.word()
    assert gate.patience_s() == math.inf
    gate.say("five")
    assert gate.patience_s() == 2


def test_the_end_makes_it_owe_all_the_rest():
    gate = Gate(4, 2)
    gate.say("one")
    gate.end()
    assert gate.patience_s() == 4
    gate.word()
    gate.audio()
    assert gate.patience_s() == 2


def test_a_colon_makes_two_words_of_one():
    gate = Gate(4, 2)
    gate.say("at 14:30 sharp")
    assert gate.patience_s() == 4


def test_only_audio_behind_the_end_makes_it_done():
    gate = Gate(4, 2)
    gate.say("one")
    gate.audio()
    assert not gate.is_done
    gate.end()
    assert gate.is_done
