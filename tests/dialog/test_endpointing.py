"""When has the caller finished? Three judges, at literal times."""

import math

import pytest

from voiced.config import Agent, EndOfTurn
from voiced.dialog.endpointing import Endpointing, EndpointingRule
from voiced.dialog.events import PauseScored

FINISHED = PauseScored(0.9, 20.0)
SILENCE = EndpointingRule(4.0, uses_score=False)


def talking(rule: EndpointingRule | None = None, *, word_at: float = 10.0) -> Endpointing:
    """The line is loud and a word has just come."""
    endpointing = Endpointing(rule or EndpointingRule())
    endpointing.loud()
    endpointing.word(word_at)
    return endpointing


def test_without_a_word_there_is_nothing_to_end() -> None:
    endpointing = Endpointing(EndpointingRule())
    endpointing.quiet(5.0)
    assert not endpointing.scored(FINISHED)
    assert endpointing.deadline() is None


def test_a_high_score_ends_an_utterance() -> None:
    assert talking().scored(FINISHED)


@pytest.mark.parametrize("score", [None, 0.0, 0.6, math.nan])
def test_a_score_that_does_not_say_so_ends_nothing(score: float | None) -> None:
    assert not talking().scored(PauseScored(score, 20.0))


def test_the_first_twelve_steps_of_a_stream_mean_nothing() -> None:
    assert not talking().scored(PauseScored(0.9, 0.96))
    assert talking().scored(PauseScored(0.9, 1.04))


def test_an_utterance_that_is_over_is_not_ended_again() -> None:
    endpointing = talking()
    endpointing.reset()
    assert not endpointing.scored(FINISHED)
    assert endpointing.deadline() is None


def test_a_quiet_line_ends_an_utterance_whose_score_stays_low() -> None:
    endpointing = talking()
    endpointing.quiet(10.2)
    assert endpointing.deadline() == 11.7


def test_a_line_that_gets_loud_again_takes_the_pause_back() -> None:
    endpointing = talking()
    endpointing.quiet(10.2)
    endpointing.loud()
    assert endpointing.deadline() == 14.0


def test_on_a_line_that_never_gets_quiet_four_seconds_without_a_word_end_it() -> None:
    endpointing = talking()
    assert endpointing.deadline() == 14.0
    endpointing.word(12.5)
    assert endpointing.deadline() == 16.5


def test_a_word_that_comes_late_leaves_the_next_a_moment() -> None:
    endpointing = talking()
    endpointing.quiet(8.0)  # ended by 9.5, but a word came at 10.0
    assert endpointing.deadline() == 10.6


def test_by_silence_only_four_quiet_seconds_end_an_utterance() -> None:
    endpointing = talking(SILENCE)
    endpointing.quiet(9.5)
    assert not endpointing.scored(FINISHED)
    assert endpointing.deadline() == 13.5


def test_by_silence_a_pause_for_thought_is_waited_through() -> None:
    endpointing = talking(SILENCE)
    endpointing.quiet(9.8)
    endpointing.loud()  # at 13.7, just in time; its word is reported at 14.3
    assert endpointing.deadline() == 16.0
    endpointing.word(14.3)
    endpointing.quiet(14.6)
    assert endpointing.deadline() == 18.6


def test_a_patient_rule_is_not_overruled_by_the_want_of_words() -> None:
    assert talking(EndpointingRule(7.0, uses_score=False)).deadline() == 19.0


def test_an_agent_says_how_its_caller_is_taken_to_have_finished() -> None:
    assert EndpointingRule.of(Agent(language="en", eager_reply=False)) == EndpointingRule()
    silent = Agent(end_of_turn=EndOfTurn.SILENCE, silence_ms=700, dictation_ms=100)
    assert EndpointingRule.of(silent) == EndpointingRule(
        0.7, uses_score=False, dictation_s=0.1, language="fr", eager=True
    )
