"""The listening half: what an event of the ear means to whoever has the floor."""

import pytest

from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.events import (
    Flushed,
    PauseScored,
    SpeechStarted,
    SpeechStopped,
    TurnLikelyOver,
    TurnResumed,
    WordHeard,
)
from voiced.dialog.listening import Listened, Listening
from voiced.dialog.turns import Phase, Signal

FINISHED = PauseScored(0.9, 20.0)
P, S = Phase, Signal


def listening(
    words: str = "",
    *,
    at: float = 10.0,
    min_words: int | None = 2,
    rule: EndpointingRule | None = None,
) -> Listening:
    """An ear that has heard these words, all at once."""
    ear = Listening(rule or EndpointingRule(), min_words)
    for word in words.split():
        ear.receive(WordHeard(word, at), P.LISTENING, at)
    return ear


@pytest.mark.parametrize("phase", [phase for phase in P if phase not in (P.SPEAKING, P.DOUBTING)])
def test_a_word_is_a_word_unless_the_agent_speaks(phase: Phase) -> None:
    assert listening().receive(WordHeard("oui", 1.0), phase, 1.5) is S.WORD


@pytest.mark.parametrize("phase", P)
def test_white_space_is_no_word(phase: Phase) -> None:
    ear = listening()
    assert ear.receive(WordHeard(" \n", 1.0), phase, 1.5) is None
    assert ear.take(2.0).text == ""


def test_the_second_word_over_a_reply_is_a_barge_in() -> None:
    ear = listening()
    assert ear.receive(WordHeard("wait", 1.0), P.SPEAKING, 1.5) is None
    assert ear.receive(WordHeard("please", 1.3), P.SPEAKING, 1.8) is S.BARGE_IN


def test_a_reply_that_cannot_be_interrupted_is_not() -> None:
    ear = listening(min_words=None)
    ear.reply_audible(0.5)
    ear.receive(SpeechStarted(), P.SPEAKING, 1.0)
    said = [ear.receive(WordHeard(word, 1.0), P.SPEAKING, 1.5) for word in ("stop", "it", "now")]
    assert said == [None, None, None]
    assert ear.deadline(P.SPEAKING) is None
    ear.receive(SpeechStopped(0.3), P.SPEAKING, 2.0)
    assert ear.left_over("We open at noon.", 9.0) is S.WORD
    assert ear.take(9.0) == Listened("stop it now", 1.5, 1.7, None)


@pytest.mark.parametrize(("phase", "signal"), [(P.HEARING, S.PAUSE), (P.SPEAKING, None)])
def test_a_pause_counts_only_while_the_caller_has_the_floor(
    phase: Phase, signal: Signal | None
) -> None:
    assert listening("hello").receive(FINISHED, phase, 10.1) is signal


def test_a_flush_is_answered_with_words_or_without() -> None:
    assert listening("hello").receive(Flushed(), P.FLUSHING, 10.2) is S.FLUSHED
    assert listening().receive(Flushed(), P.FLUSHING, 10.2) is S.IDLE


@pytest.mark.parametrize("phase", [phase for phase in P if phase is not P.FLUSHING])
def test_an_answer_to_a_flush_that_nobody_waits_for_any_more_means_nothing(phase: Phase) -> None:
    assert listening().receive(Flushed(), phase, 10.2) is None


def test_an_ear_that_never_answers_a_flush_is_waited_for_one_second() -> None:
    ear = listening("a table for", at=10.0)
    ear.flush(11.0)
    assert ear.deadline(P.FLUSHING) == 12.0
    assert ear.expire(P.FLUSHING, 11.99) is None
    assert ear.expire(P.FLUSHING, 12.0) is S.FLUSHED


def test_nothing_is_due_where_nothing_is_awaited() -> None:
    ear = listening("hello")
    assert [ear.deadline(phase) for phase in (P.LISTENING, P.THINKING, P.CLOSING, P.OVER)] == [
        None
    ] * 4
    assert ear.deadline(P.FLUSHING) is None
    assert ear.expire(P.LISTENING, 1e9) is None


def test_a_quiet_line_ends_an_utterance() -> None:
    ear = listening("hello", at=10.0)
    ear.receive(SpeechStopped(0.3), P.HEARING, 10.5)
    assert ear.deadline(P.HEARING) == 11.7
    assert ear.expire(P.HEARING, 11.7) is S.PAUSE


def test_sustained_noise_over_a_reply_is_a_noise_until_a_word_comes() -> None:
    ear = listening()
    ear.reply_audible(1.0)
    ear.receive(SpeechStarted(), P.SPEAKING, 2.0)
    assert ear.expire(P.SPEAKING, 3.49) is None
    assert ear.expire(P.SPEAKING, 3.5) is S.NOISE
    ear.reply_paused(3.5)
    assert ear.receive(WordHeard("oui", 3.0), P.DOUBTING, 3.6) is None
    assert ear.receive(WordHeard("wait", 3.0), P.DOUBTING, 3.7) is S.BARGE_IN


def test_a_noise_that_was_nothing_is_over_a_second_after_its_end() -> None:
    ear = listening()
    ear.reply_audible(1.0)
    ear.receive(SpeechStarted(), P.SPEAKING, 2.0)
    ear.reply_paused(3.5)
    ear.receive(SpeechStopped(0.3), P.DOUBTING, 4.3)
    assert ear.deadline(P.DOUBTING) == 5.0
    assert ear.expire(P.DOUBTING, 4.99) is None
    assert ear.expire(P.DOUBTING, 5.0) is S.CALM


def test_one_word_that_goes_on_and_on_ends_a_reply() -> None:
    ear = listening()
    ear.reply_audible(1.0)
    ear.receive(SpeechStarted(), P.SPEAKING, 2.0)
    ear.receive(WordHeard("listen", 2.0), P.SPEAKING, 2.5)
    assert ear.expire(P.SPEAKING, 3.0) is S.BARGE_IN


# --- likely over --------------------------------------------------------------------------------

EAGER = EndpointingRule(eager=True, language="fr")


def test_a_turn_is_likely_over_when_the_engine_says_so_once() -> None:
    ear = listening("a table", rule=EAGER)
    assert ear.receive(TurnLikelyOver(), P.HEARING, 10.2) is S.LIKELY
    assert ear.receive(TurnLikelyOver(), P.HEARING, 10.3) is None
    assert ear.receive(TurnResumed(), P.HEARING, 10.4) is S.RESUMED
    ear.receive(WordHeard("please", 10.4), P.HEARING, 10.5)
    assert ear.receive(TurnLikelyOver(), P.HEARING, 10.6) is S.LIKELY


def test_a_turn_is_likely_over_after_a_shorter_silence_than_it_takes_to_be_sure() -> None:
    ear = listening("a table", at=10.0, rule=EAGER)
    ear.receive(SpeechStopped(0.3), P.HEARING, 10.3)
    assert ear.deadline(P.HEARING) == 10.7
    assert ear.expire(P.HEARING, 10.69) is None
    assert ear.expire(P.HEARING, 10.7) is S.LIKELY
    assert ear.deadline(P.HEARING) == 11.5
    assert ear.expire(P.HEARING, 11.5) is S.PAUSE


def test_nobody_says_likely_where_a_short_silence_is_enough_to_be_sure() -> None:
    rule = EndpointingRule(0.6, uses_score=False, eager=True)
    ear = listening("a table", at=10.0, rule=rule)
    ear.receive(SpeechStopped(0.25), P.HEARING, 10.5)
    assert ear.deadline(P.HEARING) == 10.85
    assert ear.expire(P.HEARING, 10.85) is S.PAUSE


@pytest.mark.parametrize("phase", [phase for phase in P if phase is not P.HEARING])
def test_a_turn_that_nobody_has_is_not_likely_over(phase: Phase) -> None:
    ear = listening("a table", rule=EAGER)
    assert ear.receive(TurnLikelyOver(), phase, 10.2) is None
    assert ear.receive(TurnResumed(), phase, 10.2) is None


def test_who_is_not_eager_is_not_told() -> None:
    ear = listening("a table")
    assert ear.receive(TurnLikelyOver(), P.HEARING, 10.2) is None


# --- dictation ----------------------------------------------------------------------------------


def test_a_pause_in_mid_dictation_ends_nothing() -> None:
    ear = listening("mon numéro est le zéro six", at=10.0, rule=EAGER)
    ear.receive(SpeechStopped(0.3), P.HEARING, 10.3)
    assert ear.receive(FINISHED, P.HEARING, 10.5) is None
    assert ear.receive(TurnLikelyOver(), P.HEARING, 10.6) is None
    assert ear.deadline(P.HEARING) == 12.5


def test_the_end_of_what_was_dictated_is_an_end() -> None:
    ear = listening("zéro six douze trente-quatre cinquante-six soixante-dix-huit", rule=EAGER)
    assert ear.receive(FINISHED, P.HEARING, 10.5) is S.PAUSE


def test_a_longer_silence_than_dictation_asks_for_stays_as_long() -> None:
    rule = EndpointingRule(4.0, uses_score=False, language="fr")
    ear = listening("zéro six", at=10.0, rule=rule)
    ear.receive(SpeechStopped(0.3), P.HEARING, 10.3)
    assert ear.deadline(P.HEARING) == 14.0


def test_dictation_may_make_no_difference() -> None:
    ear = listening("zéro six", rule=EndpointingRule(dictation_s=0, language="fr"))
    assert ear.receive(FINISHED, P.HEARING, 10.5) is S.PAUSE


def test_an_utterance_is_handed_over_once_with_its_times() -> None:
    ear = listening()
    ear.receive(SpeechStarted(), P.LISTENING, 9.0)
    ear.receive(WordHeard(" a ", 9.0), P.LISTENING, 9.5)
    ear.receive(WordHeard("table", 9.3), P.HEARING, 9.9)
    ear.receive(SpeechStopped(0.3), P.HEARING, 10.0)
    ear.flush(10.4)
    assert ear.take(10.5) == Listened("a table", 9.5, 9.7, 10.4)
    assert ear.take(11.0) == Listened("", 11.0, 9.7, None)


def test_the_end_of_an_earlier_speech_is_not_taken_for_the_end_of_this_one() -> None:
    ear = listening()
    ear.receive(SpeechStopped(0.3), P.HEARING, 5.0)
    ear.receive(SpeechStarted(), P.LISTENING, 9.0)
    ear.receive(WordHeard("yes", 9.0), P.LISTENING, 9.5)
    assert ear.take(9.6).speech_ended is None


def test_assent_over_a_statement_is_forgotten_even_in_its_last_second() -> None:
    ear = listening("oui, d’accord", at=9.9)
    assert ear.left_over("Nous ouvrons à midi.", 10.0) is None
    assert ear.take(11.0).text == ""


def test_a_yes_said_over_the_end_of_a_question_is_its_answer() -> None:
    assert listening("Yes.", at=9.0).left_over("Shall I book it?", 10.49) is S.WORD


def test_a_yes_said_long_before_the_end_of_a_question_is_assent() -> None:
    assert listening("Yes.", at=9.0).left_over("Shall I book it?", 10.5) is None


def test_one_word_that_did_not_end_the_reply_is_taken_up_after_it() -> None:
    assert listening("mm-hm tomorrow", at=2.0).left_over("We open at noon.", 10.0) is S.WORD


def test_after_a_reply_over_which_nobody_spoke_nothing_is_left() -> None:
    assert listening().left_over("Shall I book it?", 10.0) is None
