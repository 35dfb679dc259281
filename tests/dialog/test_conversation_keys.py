"""The keypad in a conversation: keys cut, wait, hold the floor, and reach the model as numbers."""

import pytest
from conversation_stage import (
    AGENT,
    CALLER,
    CUT,
    FINISHED,
    STAGES,
    WHOLE,
    P,
    closing,
    finish,
    flushing,
    hearing,
    listening,
    said,
    speaking,
    thinking,
    voice,
    words,
)

from voiced.dialog import events as ev
from voiced.dialog.conversation import Conversation
from voiced.dialog.digits import DigitRule
from voiced.dialog.history import Message
from voiced.dialog.manners import Action, Ask, Flush, HangUp, Manners, Say, Stop
from voiced.dialog.parting import Parting, Phrase
from voiced.dialog.turn import Ending, TurnTimes
from voiced.dialog.turns import Phase

PATIENT = Manners("", opening=None, interruptible=False)


def press(call: Conversation, keys: str, now: float) -> tuple[Action, ...]:
    """The keys in one instant; returns what the last one leads to."""
    actions: tuple[Action, ...] = ()
    for digit in keys:
        actions = call.receive(ev.DigitPressed(digit), now)
    return actions


def asked(actions: tuple[Action, ...]) -> str:
    """What the caller is told to have said last."""
    (ask,) = actions
    assert isinstance(ask, Ask)
    assert ask.messages[-1].role is CALLER
    return ask.messages[-1].text


# --- a number in each phase ---------------------------------------------------------------------


def test_a_number_with_its_terminator_is_the_callers_turn() -> None:
    call = listening()
    assert press(call, "123", 5.0) == ()
    assert call.phase is P.HEARING
    assert asked(press(call, "#", 6.5)) == "(keypad: 123)"
    assert (call.phase, call.turns[0].utterance) == (P.THINKING, "(keypad: 123)")
    assert call.turns[0].times == TurnTimes(speech_ended=6.5, asked=6.5)


def test_a_number_without_terminator_is_over_when_no_key_comes_for_a_while() -> None:
    call = listening()
    press(call, "1", 5.0)
    press(call, "2", 6.0)
    assert call.deadline() == 8.0
    assert call.receive(ev.TimePassed(), 7.9) == ()
    assert asked(call.receive(ev.TimePassed(), 8.0)) == "(keypad: 12)"


def test_a_number_as_long_as_it_may_be_is_over_at_once() -> None:
    call = listening(Manners("", opening=None, digits=DigitRule(most=4)))
    assert asked(press(call, "2580", 5.0)) == "(keypad: 2580)"


def test_a_terminator_by_itself_is_told_too() -> None:
    call = listening()
    assert asked(press(call, "#", 5.0)) == "(keypad: #)"


def test_words_and_keys_are_one_utterance_in_their_order() -> None:
    call = hearing()
    press(call, "4", 1.2)
    words(call, "is my", 1.3)
    press(call, "2", 1.4)
    words(call, "number", 1.5)
    assert asked(press(call, "#", 1.6)) == "a table is my number (keypad: 42)"


def test_a_key_after_the_flush_was_asked_for_goes_on_with_the_utterance() -> None:
    call = flushing()
    assert press(call, "7", 1.6) == ()
    assert call.phase is P.HEARING
    assert call.receive(ev.Flushed(), 1.7) == ()
    assert asked(press(call, "#", 1.8)) == "a table (keypad: 7)"


def test_a_key_before_the_reply_is_audible_withdraws_it() -> None:
    call = thinking()
    assert press(call, "7", 1.7) == (Stop(),)
    assert (call.phase, call.turns[0].ending) == (P.HEARING, Ending.WITHDRAWN)
    assert asked(press(call, "#", 1.8)) == "a table (keypad: 7)"


def test_a_key_cuts_a_reply_off_as_a_word_does() -> None:
    call = speaking()
    marks = voice(call.turns[0], "Please enter your number now")
    call.receive(ev.MarkReached(marks[2]), 3.6)
    assert press(call, "1", 3.7) == (Stop(),)
    assert (call.phase, call.turns[0].ending) == (P.HEARING, Ending.CUT)
    (ask,) = press(call, "2#", 4.0)
    assert isinstance(ask, Ask)
    assert ask.messages[1:] == (
        Message(CALLER, "a table"),
        Message(AGENT, "Please enter your—"),
        Message(CALLER, "(keypad: 12)"),
    )


def test_one_word_over_a_reply_and_then_a_key_lose_nothing() -> None:
    call = speaking()
    words(call, "wait", 3.0)
    assert press(call, "1", 3.1) == (Stop(),)
    assert asked(press(call, "#", 3.2)) == "a table wait (keypad: 1)"


def test_a_whole_input_that_cuts_a_reply_is_answered_like_an_utterance() -> None:
    call = speaking()
    assert press(call, "#", 3.0) == (Stop(),)
    assert call.receive(FINISHED, 3.1) == (Flush(),)
    assert asked(call.receive(ev.Flushed(), 3.2)) == "a table (keypad: #)"


@pytest.mark.parametrize("phase", STAGES)
@pytest.mark.parametrize("nonsense", ["x", "", "12", "a"])
def test_what_is_no_key_of_a_telephone_does_nothing(phase: Phase, nonsense: str) -> None:
    call = STAGES[phase]()
    deadline = call.deadline()
    assert call.receive(ev.DigitPressed(nonsense), 2.6) == ()
    assert (call.phase, call.deadline()) == (phase, deadline)


# --- what does not end a number -----------------------------------------------------------------


def test_no_pause_ends_a_turn_while_a_number_is_being_entered() -> None:
    call = hearing()
    press(call, "1", 1.2)
    call.receive(ev.SpeechStopped(0.3), 1.3)
    assert call.receive(FINISHED, 1.4) == ()
    assert call.receive(ev.TimePassed(), 3.1) == ()
    assert call.deadline() == 3.2
    assert call.phase is P.HEARING
    press(call, "2", 3.1)
    assert call.deadline() == 5.1
    assert asked(call.receive(ev.TimePassed(), 5.1)) == "a table (keypad: 12)"


def test_nobody_is_prompted_who_is_entering_a_number() -> None:
    manners = Manners("", opening=None, idle_prompt_s=1.0, digits=DigitRule(timeout_s=5.0))
    call = listening(manners)
    press(call, "1", 0.9)
    assert call.deadline() == 5.9
    assert call.receive(ev.TimePassed(), 1.0) == ()


def test_a_key_that_comes_when_the_number_before_was_due_begins_another_one_whole() -> None:
    call = listening()
    press(call, "12", 5.0)
    assert press(call, "3", 7.0) == ()  # before anyone looked at the clock
    assert (call.phase, call.deadline()) == (P.HEARING, 9.0)
    assert asked(press(call, "4#", 7.5)) == "(keypad: 12) (keypad: 34)"


def test_a_terminator_that_comes_when_the_number_was_due_is_told_at_once() -> None:
    call = listening()
    press(call, "12", 5.0)
    assert press(call, "#", 7.0) == ()
    assert call.deadline() == 7.0
    assert asked(call.receive(ev.TimePassed(), 7.0)) == "(keypad: 12) (keypad: #)"


# --- a reply that may not be interrupted ----------------------------------------------------------


def test_keys_over_a_reply_that_is_not_interruptible_wait_for_its_end() -> None:
    call = speaking(PATIENT)
    final = finish(call, "Your number, please.", 2.1)
    assert press(call, "12#", 2.5) == ()
    assert call.phase is P.SPEAKING
    assert call.receive(ev.MarkReached(final), 4.1) == ()
    assert call.phase is P.HEARING
    assert call.receive(FINISHED, 4.2) == (Flush(),)
    assert asked(call.receive(ev.Flushed(), 4.3)) == "(keypad: 12)"
    assert said(call)[1] == (AGENT, "Your number, please.", WHOLE)


def test_a_number_begun_over_such_a_reply_is_gone_on_with_behind_it() -> None:
    call = speaking(PATIENT)
    final = finish(call, "Your number, please.", 2.1)
    press(call, "1", 4.0)
    assert call.receive(ev.MarkReached(final), 4.1) == ()
    assert (call.phase, call.deadline()) == (P.HEARING, 6.0)
    assert asked(press(call, "2#", 5.0)) == "(keypad: 12)"


def test_a_number_that_times_out_over_such_a_reply_is_not_lost() -> None:
    call = speaking(PATIENT)
    final = finish(call, "Your number, please. Take all the time you need.", 2.1)
    press(call, "12", 2.2)
    assert call.deadline() == 4.2
    assert call.receive(ev.TimePassed(), 4.2) == ()
    assert call.phase is P.SPEAKING
    call.receive(ev.MarkReached(final), 6.0)
    call.receive(FINISHED, 6.1)
    assert asked(call.receive(ev.Flushed(), 6.2)) == "(keypad: 12)"


# --- the end of the call --------------------------------------------------------------------------


def test_what_was_entered_before_a_hang_up_stands_in_the_history() -> None:
    call = listening()
    press(call, "12", 5.0)
    assert call.receive(ev.LegEnded("hangup"), 5.5) == ()
    assert said(call) == [(CALLER, "(keypad: 12)", WHOLE)]
    assert call.deadline() is None


@pytest.mark.parametrize("phase", [P.LISTENING, P.HEARING, P.FLUSHING, P.THINKING, P.SPEAKING])
def test_what_was_entered_before_a_goodbye_stands_in_the_history(phase: Phase) -> None:
    call = STAGES[phase]()
    press(call, "12", 2.6)
    (say,) = call.receive(ev.CloseRequested(Parting("operator")), 2.7)
    assert isinstance(say, Say)
    assert said(call)[-1][1].endswith("(keypad: 12)")


def test_keys_over_the_goodbye_stand_in_the_history_and_change_nothing() -> None:
    call = closing()
    call.receive(ev.ReplyAudible(1), 2.6)
    final = finish(call, "Goodbye then.", 2.6)
    assert press(call, "1", 3.0) == ()
    assert press(call, "9#3", 3.1) == ()
    assert call.phase is P.CLOSING
    assert call.receive(ev.MarkReached(final), 3.6) == (HangUp(Parting("operator")),)
    assert said(call)[1:] == [
        (AGENT, "Goodbye then.", WHOLE),
        (CALLER, "(keypad: 19) (keypad: 3)", WHOLE),
    ]
    assert call.turns[1].phrases == (Phrase.GOODBYE,)


def test_no_key_is_taken_after_the_end() -> None:
    call = listening()
    call.receive(ev.LegEnded("hangup"), 5.0)
    assert press(call, "12", 5.1) == ()
    assert (call.deadline(), said(call)) == (None, [])


def test_a_reply_that_was_cut_by_a_key_stands_as_it_was_heard() -> None:
    call = speaking()
    marks = voice(call.turns[0], "For sales press one")
    call.receive(ev.MarkReached(marks[1]), 3.0)
    press(call, "1", 3.1)
    assert said(call)[1:] == [(AGENT, "For sales", CUT)]
