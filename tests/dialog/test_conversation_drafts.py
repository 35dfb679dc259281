"""Replies begun before it is certain that the caller has finished."""

import pytest
from conversation_stage import FINISHED, STT_SILENT, P, hearing, words

from voiced.dialog import events as ev
from voiced.dialog.conversation import Conversation
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.history import Message, Role
from voiced.dialog.manners import Ask, Discard, Flush, HangUp, Manners, Prepare, Release, Say
from voiced.dialog.parting import Parting

EAGER = Manners("Be brief.", opening=None, endpointing=EndpointingRule(eager=True))


def drafting() -> Conversation:
    """The caller has said "a table", and has likely finished."""
    call = hearing(EAGER)
    (prepare,) = call.receive(ev.TurnLikelyOver(), 1.4)
    assert isinstance(prepare, Prepare)
    return call


def over(call: Conversation, now: float) -> tuple[object, ...]:
    """The turn is over, and the ear has told all."""
    call.receive(FINISHED, now)
    return call.receive(ev.Flushed(), now + 0.1)


def test_the_model_is_asked_as_soon_as_the_turn_is_likely_over() -> None:
    call = hearing(EAGER)
    (prepare,) = call.receive(ev.TurnLikelyOver(), 1.4)
    assert isinstance(prepare, Prepare)
    assert prepare.messages == (
        Message(Role.SYSTEM, "Be brief."),
        Message(Role.CALLER, "a table"),
    )
    assert (call.phase, list(call.turns), call.history.entries) == (P.HEARING, [], ())


def test_a_draft_is_released_when_the_turn_is_over() -> None:
    call = drafting()
    assert over(call, 1.5) == (Release(call.turns[0]),)
    turn = call.turns[0]
    assert (turn.number, turn.utterance, call.phase) == (0, "a table", P.THINKING)
    assert (turn.times.drafted, turn.times.turn_ended, turn.times.asked) == (1.4, 1.5, 1.6)
    assert turn.times.stages_ms()["eager_gain"] == 200
    assert [entry.text for entry in call.history.entries] == ["a table"]
    assert (call.eagerness.hits, call.eagerness.misses) == (1, 0)


def test_nothing_is_begun_at_the_flush_since_the_last_word_may_be_on_its_way() -> None:
    call = hearing(EAGER)
    assert call.receive(FINISHED, 1.5) == (Flush(),)


def test_punctuation_that_comes_late_is_no_reason_to_think_again() -> None:
    call = hearing(EAGER)
    words(call, "for Two", 1.2)
    call.receive(ev.TurnLikelyOver(), 1.4)
    call.receive(FINISHED, 1.5)
    call.receive(ev.WordHeard(".", 1.5), 1.55)
    assert call.receive(ev.Flushed(), 1.6) == (Release(call.turns[0]),)


def test_a_last_word_out_of_the_flush_makes_the_draft_the_wrong_one() -> None:
    call = drafting()
    call.receive(FINISHED, 1.5)
    assert call.receive(ev.WordHeard("please", 1.4), 1.55) == ()
    discard, ask = call.receive(ev.Flushed(), 1.6)
    assert discard == Discard()
    assert isinstance(ask, Ask)
    assert ask.messages[-1].text == "a table please"
    assert "eager_gain" not in call.turns[0].times.stages_ms()
    assert (call.eagerness.hits, call.eagerness.misses) == (0, 1)


@pytest.mark.parametrize(
    "event", [ev.WordHeard("for", 1.4), ev.TurnResumed(), ev.DigitPressed("1")]
)
def test_a_caller_who_goes_on_throws_the_draft_away(event: ev.Event) -> None:
    call = drafting()
    assert call.receive(event, 1.5) == (Discard(),)
    assert (call.phase, list(call.turns)) == (P.HEARING, [])
    assert call.eagerness.misses == 1


def test_after_a_draft_that_was_thrown_away_there_is_another() -> None:
    call = drafting()
    call.receive(ev.WordHeard("please", 1.4), 1.5)
    (prepare,) = call.receive(ev.TurnLikelyOver(), 1.8)
    assert isinstance(prepare, Prepare)
    assert (prepare.turn.number, prepare.turn.utterance) == (0, "a table please")


def test_a_key_pressed_after_the_pause_throws_the_draft_away() -> None:
    call = drafting()
    call.receive(FINISHED, 1.5)
    assert call.receive(ev.DigitPressed("1"), 1.55) == (Discard(),)
    assert call.phase is P.HEARING


def test_nothing_is_begun_while_a_number_is_being_entered() -> None:
    call = hearing(EAGER)
    call.receive(ev.DigitPressed("1"), 1.2)
    assert call.receive(ev.TurnLikelyOver(), 1.4) == ()


@pytest.mark.parametrize(
    "event",
    [
        ev.SayRequested("Your taxi is here."),
        ev.EarFailed(STT_SILENT),
        ev.CloseRequested(Parting("operator")),
    ],
)
def test_whatever_else_is_said_throws_the_draft_away_first(event: ev.Event) -> None:
    discard, say = drafting().receive(event, 1.5)
    assert discard == Discard()
    assert isinstance(say, Say | HangUp)


def test_a_caller_who_hangs_up_takes_the_draft_along() -> None:
    call = drafting()
    assert call.receive(ev.LegEnded("hangup"), 1.5) == (Discard(),)
    assert call.phase is P.OVER


def test_who_is_not_eager_waits() -> None:
    call = hearing()
    assert call.receive(ev.TurnLikelyOver(), 1.4) == ()
    assert call.receive(FINISHED, 1.5) == (Flush(),)
