"""One call's conversation, told at literal times: what is done about each happening."""

import pytest
from conversation_stage import (
    AGENT,
    CALLER,
    CUT,
    FINISHED,
    LLM_BROKEN,
    REPLYING,
    STAGES,
    STT_SILENT,
    WHOLE,
    P,
    Stage,
    closing,
    doubting,
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
from voiced.dialog.conversation import MAX_IDLE_PROMPTS, Conversation
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.history import Entry, Message, Role
from voiced.dialog.manners import Ask, Flush, HangUp, Manners, Pause, Resume, Say, Stop
from voiced.dialog.parting import Parting, Phrase
from voiced.dialog.recognition import MARK_GRACE_S, REPEATED_S
from voiced.dialog.turn import Ending, Turn, TurnTimes
from voiced.dialog.turns import Phase


@pytest.mark.parametrize("phase", STAGES)
def test_the_stage_is_set(phase: Phase) -> None:
    assert STAGES[phase]().phase is phase


# --- a round ------------------------------------------------------------------------------------


def test_a_call_from_the_greeting_to_the_second_turn() -> None:
    call = Conversation(Manners("Be brief."))
    (say,) = call.start(100.0)
    assert isinstance(say, Say)
    assert (say.turn.number, say.turn.phrases) == (0, (Phrase.GREETING,))
    voice(say.turn, "Good morning!")
    assert call.receive(ev.ReplyFinished(0, 1.0), 100.0) == ()
    assert call.receive(ev.ReplyAudible(0), 100.02) == ()
    assert call.receive(ev.MarkReached(say.turn.heard.finish()), 101.2) == ()
    assert (call.phase, say.turn.ending) == (P.LISTENING, Ending.HEARD)

    call.receive(ev.SpeechStarted(), 102.0)
    assert words(call, "A table", 103.0) == ()
    call.receive(ev.SpeechStopped(0.3), 103.5)
    assert call.receive(FINISHED, 103.6) == (Flush(),)
    assert words(call, "please.", 103.7) == ()
    (ask,) = call.receive(ev.Flushed(), 103.75)
    assert ask == Ask(
        call.turns[1],
        (
            Message(Role.SYSTEM, "Be brief."),
            Message(AGENT, "Good morning!"),
            Message(CALLER, "A table please."),
        ),
    )
    assert call.turns[1].utterance == "A table please."
    assert call.turns[1].times == TurnTimes(speech_ended=103.2, turn_ended=103.6, asked=103.75)
    assert call.history.entries == (
        Entry(AGENT, "Good morning!", WHOLE, pytest.approx(0.02)),
        Entry(CALLER, "A table please.", WHOLE, 3.0),
    )


def test_a_key_pressed_leaves_the_floor_with_the_caller() -> None:
    call = hearing()
    assert call.receive(ev.DigitPressed("1"), 1.2) == ()
    assert call.phase is P.HEARING


def test_a_mark_before_the_first_turn_is_nobodys() -> None:
    assert listening().receive(ev.MarkReached("0.1"), 1.0) == ()


# --- turn-taking --------------------------------------------------------------------------------


def test_a_caller_who_talks_for_two_minutes_without_pause_is_heard_out() -> None:
    call = listening()
    call.receive(ev.SpeechStarted(), 0.5)
    for step in range(240):
        now = 1.0 + step * 0.5
        assert words(call, "and", now) == ()
        assert call.receive(ev.PauseScored(0.1, now), now) == ()
        deadline = call.deadline()
        assert deadline == now + 4.0
    assert call.receive(ev.TimePassed(), 124.5) == (Flush(),)
    (ask,) = call.receive(ev.Flushed(), 124.6)
    assert isinstance(ask, Ask)
    assert ask.turn.utterance == " ".join(["and"] * 240)


def test_an_engine_without_scores_is_helped_by_the_quiet_line() -> None:
    call = hearing()
    call.receive(ev.PauseScored(None, 20.0), 1.3)
    call.receive(ev.SpeechStopped(0.3), 1.5)
    assert call.deadline() == 2.7
    assert call.receive(ev.TimePassed(), 2.69) == ()
    assert call.receive(ev.TimePassed(), 2.7) == (Flush(),)


def test_by_silence_the_caller_has_four_seconds_whatever_the_score() -> None:
    rule = EndpointingRule(4.0, uses_score=False)
    call = hearing(Manners("", opening=None, endpointing=rule))
    call.receive(ev.SpeechStopped(0.5), 1.5)
    assert call.receive(FINISHED, 2.0) == ()
    assert call.deadline() == 5.0
    assert call.receive(ev.TimePassed(), 5.0) == (Flush(),)


def test_an_ear_that_never_answers_the_flush_is_not_waited_for() -> None:
    call = flushing()
    assert call.deadline() == 2.5
    (ask,) = call.receive(ev.TimePassed(), 2.5)
    assert ask == Ask(call.turns[0], call.history.messages())
    assert call.receive(ev.Flushed(), 2.5) == ()
    assert (call.phase, call.turns[0].ending) == (P.THINKING, Ending.PENDING)


def test_late_words_withdraw_the_reply_again_and_again_and_none_is_lost() -> None:
    call = thinking()
    assert words(call, "for", 1.7) == (Stop(),)
    assert call.phase is P.HEARING
    call.receive(FINISHED, 1.8)
    call.receive(ev.Flushed(), 1.9)
    assert words(call, "four", 2.0) == (Stop(),)
    call.receive(FINISHED, 2.1)
    (ask,) = call.receive(ev.Flushed(), 2.2)
    assert isinstance(ask, Ask)
    assert ask.messages[1:] == (Message(CALLER, "a table for four"),)
    assert [turn.ending for turn in call.turns] == [
        Ending.WITHDRAWN,
        Ending.WITHDRAWN,
        Ending.PENDING,
    ]


@pytest.mark.parametrize(
    "late",
    [
        ev.ReplyAudible(0),
        ev.ReplyFinished(0, 1.0),
        ev.ReplyEmpty(0),
        ev.ReplyFailed(0, LLM_BROKEN),
    ],
)
def test_what_a_withdrawn_reply_still_had_to_tell_is_ignored(late: ev.ReplyEvent) -> None:
    call = thinking()
    words(call, "for", 1.7)
    call.receive(FINISHED, 1.8)
    assert call.receive(late, 1.8) == ()
    assert (call.phase, call.deadline(), call.ended_by) == (P.FLUSHING, 2.8, "")


def test_an_event_of_another_turn_is_ignored() -> None:
    call = speaking()
    assert call.receive(ev.ReplyFailed(7, LLM_BROKEN), 2.1) == ()
    assert call.phase is P.SPEAKING


def test_a_model_with_nothing_to_say_gives_the_floor_back() -> None:
    call = thinking()
    assert call.receive(ev.ReplyEmpty(0), 3.0) == ()
    assert (call.phase, call.turns[0].ending) == (P.LISTENING, Ending.EMPTY)
    assert call.deadline() == 4.0
    assert said(call) == [(CALLER, "a table", WHOLE)]


# --- barge-in -----------------------------------------------------------------------------------


def test_a_barge_in_stops_the_reply_and_keeps_only_what_was_heard() -> None:
    call = speaking()
    marks = voice(call.turns[0], "Certainly, for how many people?")
    call.receive(ev.MarkReached(marks[0]), 2.6)
    call.receive(ev.MarkReached(marks[1]), 3.1)
    assert words(call, "wait", 3.2) == ()
    assert words(call, "please", 3.3) == (Stop(),)
    assert (call.phase, call.turns[0].ending) == (P.HEARING, Ending.CUT)
    for name in marks[2:]:  # echoed because of the `clear`
        assert call.receive(ev.MarkReached(name), 3.4) == ()
    assert call.turns[0].heard.text == "Certainly, for"
    call.receive(FINISHED, 4.0)
    (ask,) = call.receive(ev.Flushed(), 4.1)
    assert isinstance(ask, Ask)
    assert ask.messages[1:] == (
        Message(CALLER, "a table"),
        Message(AGENT, "Certainly, for—"),
        Message(CALLER, "wait please"),
    )


def test_two_barge_ins_within_a_tenth_of_a_second_are_one() -> None:
    call = speaking()
    assert words(call, "no no", 3.0) == (Stop(),)
    assert words(call, "no no", 3.1) == ()
    assert [turn.ending for turn in call.turns] == [Ending.CUT]


@pytest.mark.parametrize("text", ["d'accord oui", "uh huh", "Mm-hm. Oui, D’accord!"])
def test_assent_over_a_reply_is_no_barge_in_and_no_utterance(text: str) -> None:
    call = speaking()
    final = finish(call, "We open at noon.", 2.1)
    assert words(call, text, 3.9) == ()
    assert call.receive(ev.MarkReached(final), 4.2) == ()
    assert call.phase is P.LISTENING
    assert said(call)[1:] == [(AGENT, "We open at noon.", WHOLE)]


def test_a_yes_over_the_end_of_a_question_is_answered() -> None:
    call = speaking()
    final = finish(call, "Shall I book it?", 2.1)
    words(call, "yes", 3.9)
    assert call.receive(ev.MarkReached(final), 4.2) == ()
    assert call.phase is P.HEARING
    assert call.receive(FINISHED, 4.3) == (Flush(),)


def test_noise_without_a_word_pauses_the_reply_until_it_is_known_to_be_nothing() -> None:
    call = doubting()
    call.receive(ev.SpeechStopped(0.3), 5.0)
    assert call.deadline() == 5.7
    assert call.receive(ev.TimePassed(), 5.7) == (Resume(),)
    assert call.phase is P.SPEAKING


def test_a_word_after_all_ends_a_paused_reply() -> None:
    call = doubting()
    assert call.receive(ev.WordHeard("wait", 4.0), 4.8) == (Stop(),)
    assert (call.phase, call.turns[0].ending) == (P.HEARING, Ending.CUT)


def test_no_mark_is_overdue_while_nothing_is_played() -> None:
    call = speaking()
    finish(call, "We open at noon.", 2.1)
    call.receive(ev.SpeechStarted(), 3.0)
    assert call.receive(ev.TimePassed(), 4.5) == (Pause(),)
    call.receive(ev.SpeechStopped(0.3), 7.0)
    assert call.receive(ev.TimePassed(), 7.7) == (Resume(),)
    assert call.deadline() == pytest.approx(2.1 + 2.0 + MARK_GRACE_S + 3.2 + REPEATED_S)


@pytest.mark.parametrize(
    ("event", "following"),
    [
        (ev.ReplyFailed(0, LLM_BROKEN), P.CLOSING),
        (ev.MarkReached("0.5"), P.LISTENING),
    ],
)
def test_whatever_ends_a_paused_reply_sets_the_line_free_again(
    event: ev.Event, following: Phase
) -> None:
    call = speaking()
    finish(call, "We open at noon.", 2.1)
    call.receive(ev.SpeechStarted(), 3.0)
    assert call.receive(ev.TimePassed(), 4.5) == (Pause(),)
    assert call.receive(event, 4.6)[0] == Resume()
    assert call.phase is following


def test_an_operator_who_speaks_into_a_pause_is_heard() -> None:
    call = doubting()
    assert call.receive(ev.SayRequested("Your taxi is here."), 4.6)[0] == Stop()


def test_a_line_that_was_loud_all_along_does_not_cut_a_reply_at_its_first_frame() -> None:
    call = thinking()
    call.receive(ev.SpeechStarted(), 1.7)
    call.receive(ev.ReplyAudible(0), 9.0)
    assert call.receive(ev.TimePassed(), 9.0) == ()
    assert call.deadline() == 10.5


def test_a_line_that_is_never_quiet_is_not_prompted_for_ever() -> None:
    call = speaking()
    call.receive(ev.SpeechStarted(), 2.0)
    stage = Stage(call, 2.0)
    stage.abandon()
    assert (call.phase, call.ended_by) == (P.OVER, "idle")
    assert call.turns[0].ending is Ending.HEARD
    assert [turn.phrases for turn in call.turns[1:]] == [(Phrase.IDLE_PROMPT,)] * 2 + [
        (Phrase.GOODBYE,)
    ]
    assert stage.now < 60.0


def test_a_reply_that_may_not_be_interrupted_is_heard_out() -> None:
    call = speaking(Manners("", opening=None, interruptible=False))
    call.receive(ev.SpeechStarted(), 2.1)
    assert words(call, "stop it now please", 2.5) == ()
    assert call.deadline() is None
    final = finish(call, "We open at noon.", 2.6)
    call.receive(ev.MarkReached(final), 5.0)
    assert call.phase is P.HEARING


# --- marks --------------------------------------------------------------------------------------


def test_a_final_mark_that_never_comes_is_not_waited_for() -> None:
    call = speaking()
    finish(call, "We open at noon.", 2.1)
    assert call.deadline() == 2.1 + 2.0 + MARK_GRACE_S
    assert call.receive(ev.TimePassed(), 7.0) == ()
    assert call.phase is P.SPEAKING
    assert call.receive(ev.TimePassed(), 7.1) == ()
    assert (call.phase, call.turns[0].ending) == (P.LISTENING, Ending.HEARD)
    assert said(call)[1:] == [(AGENT, "We open at noon.", WHOLE)]


def test_a_finished_reply_that_the_line_never_took_was_not_said() -> None:
    call = thinking()
    finish(call, "We open at noon.", 2.0)
    assert call.receive(ev.TimePassed(), 7.0) == ()
    assert (call.phase, call.turns[0].ending) == (P.LISTENING, Ending.EMPTY)
    assert said(call)[1:] == []


# --- idleness -----------------------------------------------------------------------------------


def test_digital_silence_is_prompted_twice_and_then_bidden_goodbye() -> None:
    call = listening()
    for prompt, now in enumerate((10.0, 20.5)):
        assert call.deadline() == now
        (say,) = call.receive(ev.TimePassed(), now)
        assert say == Say(call.turns[prompt])
        assert call.turns[prompt].phrases == (Phrase.IDLE_PROMPT,)
        call.receive(ev.ReplyAudible(prompt), now)
        call.receive(ev.MarkReached(finish(call, "Hello?", now)), now + 0.5)
    (say,) = call.receive(ev.TimePassed(), 31.0)
    assert say == Say(call.turns[2])
    assert call.turns[2].phrases == (Phrase.GOODBYE,)
    call.receive(ev.ReplyAudible(2), 31.0)
    final = finish(call, "Goodbye.", 31.0)
    assert call.receive(ev.MarkReached(final), 31.6) == (HangUp(Parting("idle")),)
    assert call.phase is P.OVER


def test_a_caller_who_speaks_again_is_prompted_as_often_as_before() -> None:
    call = listening()
    for _ in range(MAX_IDLE_PROMPTS + 2):
        prompted = call.deadline()
        assert prompted is not None
        (say,) = call.receive(ev.TimePassed(), prompted)
        assert isinstance(say, Say)
        assert say.turn.phrases == (Phrase.IDLE_PROMPT,)
        assert words(call, "yes", prompted + 0.1) == (Stop(),)
        call.receive(FINISHED, prompted + 0.2)
        call.receive(ev.Flushed(), prompted + 0.3)
        call.receive(ev.ReplyEmpty(call.turns[-1].number), prompted + 0.4)


def test_who_wants_no_idle_prompts_gets_none() -> None:
    assert listening(Manners("", opening=None, idle_prompt_s=0)).deadline() is None


# --- the end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", STAGES)
def test_a_hang_up_ends_everything_at_each_stage(phase: Phase) -> None:
    call = STAGES[phase]()
    stops = (Stop(),) if phase in REPLYING | {P.CLOSING} else ()
    assert call.receive(ev.LegEnded("hangup"), 3.0) == stops
    assert (call.phase, call.deadline()) == (P.OVER, None)
    assert call.ended_by == ("operator" if phase is P.CLOSING else "hangup")
    assert [turn.ending for turn in call.turns[-1:]] in ([], [Ending.HUNG_UP])


@pytest.mark.parametrize("phase", STAGES)
def test_a_close_stops_the_reply_and_says_goodbye_once(phase: Phase) -> None:
    call = STAGES[phase]()
    turns = list(call.turns)
    actions = call.receive(ev.CloseRequested(Parting("max-call")), 3.0)
    if phase is P.CLOSING:
        assert (actions, call.turns, call.ended_by) == ((), turns, "operator")
        return
    stops = (Stop(),) if phase in REPLYING else ()
    assert actions == (*stops, Say(call.turns[-1]))
    assert call.turns[-1].phrases == (Phrase.GOODBYE,)
    assert (call.phase, call.ended_by) == (P.CLOSING, "max-call")
    assert [turn.ending for turn in turns] == [Ending.ABANDONED] * len(stops)


@pytest.mark.parametrize("phase", [phase for phase in STAGES if phase is not P.CLOSING])
def test_a_call_without_ears_apologises_and_says_goodbye(phase: Phase) -> None:
    call = STAGES[phase]()
    stops = (Stop(),) if phase in REPLYING else ()
    assert call.receive(ev.EarFailed(STT_SILENT), 3.0) == (*stops, Say(call.turns[-1]))
    assert call.turns[-1].phrases == (Phrase.APOLOGY, Phrase.GOODBYE)
    assert (call.phase, call.ended_by) == (P.CLOSING, "stt-timeout")


@pytest.mark.parametrize("event", [ev.EarFailed(STT_SILENT), ev.Flushed(), ev.TimePassed()])
def test_nothing_that_comes_late_cuts_the_goodbye_off(event: ev.Event) -> None:
    call = closing()
    assert call.receive(event, 3.0) == ()
    assert (call.phase, call.ended_by) == (P.CLOSING, "operator")


def test_the_goodbye_is_said_to_its_end_and_stands_in_the_history() -> None:
    call = closing()
    call.receive(ev.ReplyAudible(1), 2.6)
    final = finish(call, "Goodbye then.", 2.6)
    words(call, "bye bye now", 3.0)
    assert call.receive(ev.MarkReached(final), 3.6) == (HangUp(Parting("operator")),)
    assert (call.phase, call.turns[1].ending) == (P.OVER, Ending.HEARD)
    assert said(call)[1:] == [(AGENT, "Goodbye then.", WHOLE), (CALLER, "bye bye now", WHOLE)]


@pytest.mark.parametrize(
    ("event", "ending"),
    [(ev.ReplyEmpty(1), Ending.EMPTY), (ev.ReplyFailed(1, LLM_BROKEN), Ending.FAILED)],
)
def test_a_goodbye_that_cannot_be_said_ends_the_call(event: ev.ReplyEvent, ending: Ending) -> None:
    call = closing()
    assert call.receive(event, 3.0) == (HangUp(Parting("operator")),)
    assert (call.phase, call.turns[1].ending) == (P.OVER, ending)


def test_the_last_words_before_a_hang_up_are_not_lost() -> None:
    call = flushing()
    words(call, "goodbye", 1.7)
    call.receive(ev.LegEnded("hangup"), 1.8)
    assert call.history.entries == (Entry(CALLER, "a table goodbye", WHOLE, 1.0),)


def test_a_reply_that_fails_in_the_middle_was_said_as_far_as_it_was_heard() -> None:
    call = speaking()
    marks = voice(call.turns[0], "Certainly, for how many")
    call.receive(ev.MarkReached(marks[1]), 3.1)
    assert call.receive(ev.ReplyFailed(0, LLM_BROKEN), 3.2) == (Say(call.turns[1]),)
    assert call.turns[1].phrases == (Phrase.APOLOGY, Phrase.GOODBYE)
    assert (call.turns[0].ending, call.ended_by) == (Ending.FAILED, "llm-broken")
    assert said(call)[1:] == [(AGENT, "Certainly, for", CUT)]


def test_a_reply_that_fails_before_its_first_frame_is_apologised_for() -> None:
    call = thinking()
    assert call.receive(ev.ReplyFailed(0, LLM_BROKEN), 3.2) == (Say(call.turns[1]),)
    assert said(call) == [(CALLER, "a table", WHOLE)]


# --- the stages of an answer --------------------------------------------------------------------


def test_the_stages_of_an_answer_are_measured_from_one_to_the_next() -> None:
    times = TurnTimes(10.0, 10.2, 10.25, 10.45, 10.7, 10.72)
    assert times.stages_ms() == {
        "turn_ended": 200,
        "asked": 50,
        "first_token": 200,
        "first_audio": 250,
        "first_frame": 20,
        "answer": 720,
    }


def test_a_stage_that_did_not_take_place_is_left_out() -> None:
    assert TurnTimes().stages_ms() == {}
    assert TurnTimes(speech_ended=1.0).stages_ms() == {}
    assert TurnTimes(asked=2.0, first_frame=2.5).stages_ms() == {"first_frame": 500}


def test_a_turn_is_told_without_what_was_said() -> None:
    turn = Turn(3, "a table", times=TurnTimes(speech_ended=10.0, first_frame=10.5))
    assert turn.summary(9.0) == {
        "turn": 3,
        "ending": "pending",
        "at_s": 1.5,
        "first_frame_ms": 500,
        "answer_ms": 500,
    }
    assert Turn(0).summary(9.0) == {"turn": 0, "ending": "pending"}
