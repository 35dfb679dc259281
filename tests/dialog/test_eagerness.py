"""A draft: kept, released, thrown away."""

import pytest

from voiced.dialog.eagerness import Eagerness
from voiced.dialog.letters import letters
from voiced.dialog.turn import Turn, TurnTimes


def drafting(utterance: str = "a table for two") -> tuple[Eagerness, Turn]:
    eagerness, turn = Eagerness(), Turn(3, utterance)
    eagerness.begin(turn, 10.0)
    return eagerness, turn


@pytest.mark.parametrize("said", ["a table for two", "A table, for two.", "atable fortwo"])
def test_a_draft_that_answers_what_was_said_is_the_reply(said: str) -> None:
    eagerness, turn = drafting()
    assert eagerness.settle(said) is turn
    assert turn.times.drafted == 10.0
    assert not eagerness.drop()
    assert (eagerness.hits, eagerness.misses) == (1, 0)


@pytest.mark.parametrize("said", ["a table for two please", "a table for", ""])
def test_a_draft_that_answers_something_else_is_not(said: str) -> None:
    eagerness, _ = drafting()
    assert eagerness.settle(said) is None
    assert eagerness.drop()
    assert not eagerness.drop()
    assert (eagerness.hits, eagerness.misses) == (0, 1)


def test_letters_of_any_language_count() -> None:
    assert letters("D’accord, ÇA va ? 42 €") == "daccordçava42"


STAGES = TurnTimes(speech_ended=10.0, turn_ended=14.0, asked=14.1, first_frame=14.11, drafted=10.7)


@pytest.mark.parametrize(
    ("first_audio", "gain_ms"),
    [(11.3, 600), (14.1, 3400), (15.0, 3400)],
    ids=["ready long before", "ready at the end", "not ready yet"],
)
def test_the_gain_is_what_the_answer_would_have_taken_longer(
    first_audio: float, gain_ms: int
) -> None:
    STAGES.first_audio = first_audio
    assert STAGES.stages_ms()["eager_gain"] == gain_ms


def test_what_a_draft_did_before_the_end_of_the_turn_took_no_time() -> None:
    STAGES.first_token, STAGES.first_audio = 10.9, 11.3
    stages = STAGES.stages_ms()
    assert (stages["asked"], stages["first_token"], stages["first_audio"]) == (100, 0, 0)
    assert stages["first_frame"] == 10
    assert stages["answer"] == 4110
