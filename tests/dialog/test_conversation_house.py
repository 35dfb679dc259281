"""What the house does in a conversation: an operator's words, machines, another stream."""

import pytest
from attrs import evolve
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
from voiced.dialog.history import Entry, Message, Role
from voiced.dialog.manners import Ask, Flush, HangUp, Manners, Past, Say, Stop
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.tools import Round, ToolCall, Used
from voiced.dialog.turn import Ending
from voiced.dialog.turns import Phase
from voiced.dialog.wish import NOT_DONE, UNHEARD, Commit, Switch, Wish

TALKING = [phase for phase in STAGES if phase is not P.CLOSING]
SAY = ev.SayRequested("Your taxi is here.")
HUSH = ev.InterruptRequested()


# --- an operator's words ------------------------------------------------------------------------


@pytest.mark.parametrize("phase", TALKING)
def test_what_an_operator_wants_said_is_said_whoever_has_the_floor(phase: Phase) -> None:
    call = STAGES[phase]()
    before = said(call)
    actions = call.receive(SAY, 2.5)
    stops = (Stop(),) if phase in REPLYING else ()
    assert actions == (*stops, Say(call.turns[-1]))
    assert (call.turns[-1].text, call.turns[-1].phrases) == ("Your taxi is here.", ())
    assert (call.phase, call.ended_by) == (P.THINKING, "")
    uttered = [(CALLER, "a table", WHOLE)] if phase in (P.HEARING, P.FLUSHING) else []
    assert said(call) == before + uttered


def test_an_operator_does_not_take_back_a_goodbye() -> None:
    call = closing()
    assert call.receive(SAY, 3.0) == ()
    assert call.receive(HUSH, 3.0) == ()
    assert (call.phase, len(call.turns)) == (P.CLOSING, 2)


def test_what_an_operator_said_and_what_it_cut_off_stand_in_the_history() -> None:
    call = speaking()
    marks = voice(call.turns[0], "Certainly, for how many")
    call.receive(ev.MarkReached(marks[0]), 2.6)
    words(call, "wait", 2.7)
    call.receive(SAY, 3.0)
    assert [turn.ending for turn in call.turns] == [Ending.CUT, Ending.PENDING]
    call.receive(ev.ReplyAudible(1), 3.3)
    call.receive(ev.MarkReached(finish(call, "Your taxi is here.", 3.3)), 4.0)
    assert call.phase is P.LISTENING
    assert said(call)[1:] == [
        (AGENT, "Certainly,", CUT),
        (CALLER, "wait", WHOLE),
        (AGENT, "Your taxi is here.", WHOLE),
    ]


def test_two_wishes_of_an_operator_are_said_the_second_cutting_the_first() -> None:
    call = listening()
    call.receive(SAY, 1.0)
    assert call.receive(ev.SayRequested("Or not."), 1.1) == (Stop(), Say(call.turns[1]))
    assert [turn.ending for turn in call.turns] == [Ending.WITHDRAWN, Ending.PENDING]


def test_a_word_does_not_withdraw_what_an_operator_wants_said_and_is_answered_behind_it() -> None:
    call = hearing()
    call.receive(SAY, 1.5)
    assert words(call, "for four", 1.6) == ()
    assert call.phase is P.THINKING
    call.receive(ev.ReplyAudible(0), 1.8)
    call.receive(ev.MarkReached(finish(call, "Your taxi is here.", 1.8)), 3.0)
    assert call.phase is P.HEARING
    assert call.receive(FINISHED, 3.1) == (Flush(),)
    (ask,) = call.receive(ev.Flushed(), 3.2)
    assert isinstance(ask, Ask)
    assert ask.messages[1:] == (
        Message(CALLER, "a table"),
        Message(AGENT, "Your taxi is here."),
        Message(CALLER, "for four"),
    )


def test_the_caller_may_barge_in_on_an_operators_words_as_on_any() -> None:
    call = listening()
    call.receive(SAY, 1.0)
    call.receive(ev.ReplyAudible(0), 1.3)
    assert words(call, "what taxi", 2.0) == (Stop(),)
    assert call.turns[0].ending is Ending.CUT


def test_words_of_an_operator_that_are_none_give_the_floor_back() -> None:
    call = listening()
    call.receive(ev.SayRequested(" "), 1.0)
    assert call.receive(ev.ReplyEmpty(0), 1.1) == ()
    assert (call.phase, call.deadline()) == (P.LISTENING, 2.1)


# --- an operator's silence ----------------------------------------------------------------------


@pytest.mark.parametrize("phase", STAGES)
def test_an_interrupt_stops_a_reply_and_nothing_else(phase: Phase) -> None:
    call = STAGES[phase]()
    turns = list(call.turns)
    actions = call.receive(HUSH, 2.6)
    assert actions == ((Stop(),) if phase in REPLYING else ())
    assert call.phase is (P.LISTENING if phase in REPLYING else phase)
    assert call.turns == turns
    endings = {P.THINKING: Ending.WITHDRAWN, P.SPEAKING: Ending.CUT}
    if phase in endings:
        assert call.turns[-1].ending is endings[phase]
        assert call.deadline() == 12.6  # the caller is prompted as after any reply


def test_an_interrupt_before_the_first_turn_finds_nothing_to_stop() -> None:
    call = listening()
    assert call.receive(HUSH, 1.0) == ()
    assert call.phase is P.LISTENING


def test_what_the_caller_said_over_an_interrupted_reply_is_answered() -> None:
    call = speaking()
    words(call, "wait", 3.0)
    assert call.receive(HUSH, 3.1) == (Stop(),)
    assert call.phase is P.HEARING
    assert call.receive(FINISHED, 3.2) == (Flush(),)
    (ask,) = call.receive(ev.Flushed(), 3.3)
    assert isinstance(ask, Ask)
    assert ask.messages[-1].text == "a table wait"


def test_assent_to_an_interrupted_reply_is_not() -> None:
    call = speaking()
    words(call, "okay", 3.0)
    call.receive(HUSH, 3.1)
    assert call.phase is P.LISTENING
    assert said(call) == [(CALLER, "a table", WHOLE)]


# --- the model's wish ---------------------------------------------------------------------------

HANG_UP = Parting("agent")
TO_SALES = Parting("transfer", (Phrase.TRANSFER,), Transfer("+33123456789"))


def wishing(parting: Parting = HANG_UP, *, audible: bool = True) -> Conversation:
    """The model's reply is to be its last."""
    call = speaking() if audible else thinking()
    assert call.receive(ev.ReplyCommits(0, Wish(parting)), 2.1) == ()
    return call


@pytest.mark.parametrize("parting", [HANG_UP, TO_SALES])
def test_a_last_reply_is_heard_to_its_end_and_then_the_call_parts(parting: Parting) -> None:
    call = wishing(parting)
    final = finish(call, "Goodbye then.", 2.2)
    assert (call.phase, call.ended_by) == (P.SPEAKING, "")
    assert call.receive(ev.MarkReached(final), 4.0) == (HangUp(parting),)
    assert (call.phase, call.ended_by) == (P.OVER, parting.reason)
    assert call.turns[0].ending is Ending.HEARD
    assert said(call)[1:] == [(AGENT, "Goodbye then.", WHOLE)]


def test_a_last_reply_whose_final_mark_is_lost_is_the_last_all_the_same() -> None:
    call = wishing()
    finish(call, "Goodbye then.", 2.2)
    assert call.receive(ev.TimePassed(), 7.2) == (HangUp(HANG_UP),)


def test_words_over_a_last_reply_are_not_lost() -> None:
    call = wishing()
    final = finish(call, "Goodbye then.", 2.2)
    words(call, "bye", 3.0)
    call.receive(ev.MarkReached(final), 4.0)
    assert said(call)[1:] == [(AGENT, "Goodbye then.", WHOLE), (CALLER, "bye", WHOLE)]


@pytest.mark.parametrize(
    "cut", [ev.WordHeard("no wait", 1.0), ev.DigitPressed("1"), SAY, HUSH], ids=str
)
def test_a_last_reply_that_is_cut_takes_its_wish_with_it(cut: ev.Event) -> None:
    call = wishing()
    finish(call, "Goodbye then.", 2.2)
    words(call, "no", 2.9)
    assert call.receive(cut, 3.0)[0] == Stop()
    assert call.turns[0].ending is Ending.CUT
    assert (call.ended_by, call.parting) == ("", None)
    if call.phase is P.HEARING:
        call.receive(ev.TimePassed(), 8.0)
        call.receive(ev.TimePassed(), 9.0)
    number = call.turns[-1].number
    call.receive(ev.ReplyAudible(number), 9.1)
    final = finish(call, "Very well.", 9.2)
    assert HangUp(HANG_UP) not in call.receive(ev.MarkReached(final), 10.0)
    assert call.phase is not P.OVER


def test_a_last_reply_that_is_withdrawn_takes_its_wish_with_it() -> None:
    call = wishing(audible=False)
    assert words(call, "wait", 2.2) == (Stop(),)
    call.receive(FINISHED, 2.3)
    call.receive(ev.Flushed(), 2.4)
    call.receive(ev.ReplyAudible(1), 2.5)
    assert call.receive(ev.MarkReached(finish(call, "Yes?", 2.5)), 3.0) == ()
    assert (call.phase, call.parting) == (P.LISTENING, None)


def test_the_wish_of_a_stopped_reply_comes_too_late() -> None:
    call = speaking()
    words(call, "no wait", 2.5)
    assert call.receive(ev.ReplyCommits(0, Wish(HANG_UP)), 2.6) == ()
    assert call.turns[0].wish is None
    assert call.phase is P.HEARING


def test_what_a_stopped_reply_asked_for_is_told_of_once_however_late_it_comes() -> None:
    call = speaking()
    book, leave = ToolCall("call_0_0", "book", "{}"), ToolCall("call_0_1", "hang_up", "{}")
    call.receive(ev.ReplyCommits(0, Wish(Commit(), (book,))), 2.1)
    words(call, "no wait", 2.5)
    for _ in range(2):
        call.receive(ev.ReplyCommits(0, Wish(Commit(), (book,), (leave,))), 2.6)
    call.receive(ev.LegEnded("hangup"), 2.7)
    call.receive(ev.ReplyCommits(7, Wish(Switch("x"), (evolve(book, id="call_7_0"),))), 2.8)
    rounds = [item for item in call.history.items if isinstance(item, Round)]
    assert [[(u.call.id, u.result) for u in each.used] for each in rounds] == [
        [("call_0_0", NOT_DONE)],
        [("call_0_1", NOT_DONE)],
    ]


def test_a_booking_that_nobody_has_announced_is_not_made() -> None:
    call = thinking()
    book = ToolCall("call_0_0", "book", "{}")
    call.receive(ev.ReplyCommits(0, Wish(Commit(), (book,))), 2.1)
    assert call.receive(ev.ReplyEmpty(0), 2.2) == ()
    assert call.phase is P.LISTENING
    assert call.history.items[-1] == Round((Used(book, NOT_DONE),))


def test_the_mark_of_a_last_reply_may_be_lost_but_not_that_of_a_booking() -> None:
    call = speaking()
    book = ToolCall("call_0_0", "book", "{}")
    call.receive(ev.ReplyCommits(0, Wish(Commit(), (book,))), 2.1)
    finish(call, "I book it.", 2.2)
    deadline = call.deadline()
    assert deadline is not None
    (ask,) = call.receive(ev.TimePassed(), deadline)
    assert isinstance(ask, Ask)
    assert ask.calls == ()
    assert ask.messages[-1] == Round((Used(book, UNHEARD),), "I book it.")


@pytest.mark.parametrize(
    ("parting", "phrase"), [(HANG_UP, Phrase.GOODBYE), (TO_SALES, Phrase.TRANSFER)]
)
def test_a_wish_without_words_is_said_by_heart(parting: Parting, phrase: Phrase) -> None:
    call = wishing(parting, audible=False)
    assert call.receive(ev.ReplyEmpty(0), 2.2) == (Say(call.turns[1]),)
    assert call.turns[1].phrases == (phrase,)
    assert (call.phase, call.parting) == (P.CLOSING, parting)
    assert call.turns[0].ending is Ending.EMPTY
    call.receive(ev.ReplyAudible(1), 2.3)
    final = finish(call, "One moment.", 2.3)
    assert call.receive(ev.MarkReached(final), 3.0) == (HangUp(parting),)


def test_a_last_reply_that_fails_is_apologised_for_and_not_parted_with() -> None:
    call = wishing(TO_SALES)
    assert call.receive(ev.ReplyFailed(0, LLM_BROKEN), 3.0) == (Say(call.turns[1]),)
    assert call.turns[1].phrases == (Phrase.APOLOGY, Phrase.GOODBYE)
    assert call.parting == Parting("llm-broken", (Phrase.APOLOGY, Phrase.GOODBYE))


def test_a_last_reply_that_the_line_never_took_is_said_by_heart() -> None:
    call = wishing(audible=False)
    finish(call, "Goodbye then.", 2.0)
    assert call.receive(ev.TimePassed(), 7.0) == (Say(call.turns[1]),)
    assert call.turns[1].phrases == (Phrase.GOODBYE,)


def test_an_echo_that_nobody_can_have_sent_parts_nothing() -> None:
    call = wishing(audible=False)
    final = finish(call, "Goodbye then.", 2.0)
    assert call.receive(ev.MarkReached(final), 2.0) == ()
    assert (call.phase, call.parting) == (P.THINKING, None)
    assert words(call, "wait", 2.2) == (Stop(),)
    assert call.parting is None


# --- the end, as the house wants it -------------------------------------------------------------


def test_the_first_parting_is_the_one_that_counts() -> None:
    call = wishing(TO_SALES)
    first = Parting("operator", (Phrase.TRANSFER,), Transfer("+33198765432", warm=True))
    assert call.receive(ev.CloseRequested(first), 3.0) == (Stop(), Say(call.turns[1]))
    assert call.turns[1].phrases == (Phrase.TRANSFER,)
    call.receive(ev.CloseRequested(Parting("max-call")), 3.1)
    call.receive(ev.ReplyAudible(1), 3.2)
    final = finish(call, "One moment.", 3.2)
    assert call.receive(ev.MarkReached(final), 4.0) == (HangUp(first),)


def test_a_parting_without_words_hangs_up_as_soon_as_there_are_none() -> None:
    call = hearing()
    parting = Parting("machine", ())
    assert call.receive(ev.CloseRequested(parting), 3.0) == (Say(call.turns[0]),)
    assert call.turns[0].phrases == ()
    assert call.receive(ev.ReplyEmpty(0), 3.0) == (HangUp(parting),)


RESCUE = Transfer("+33123456789")


@pytest.mark.parametrize("phase", TALKING)
def test_without_ears_the_caller_is_put_through_to_whom_there_is(phase: Phase) -> None:
    call = STAGES[phase](Manners("", opening=None, rescue=RESCUE))
    call.receive(ev.EarFailed(STT_SILENT), 3.0)
    assert call.turns[-1].phrases == (Phrase.APOLOGY, Phrase.TRANSFER)
    assert call.parting == Parting("stt-timeout", (Phrase.APOLOGY, Phrase.TRANSFER), RESCUE)


def test_a_caller_whose_reply_fails_is_put_through_after_the_apology() -> None:
    call = speaking(Manners("", opening=None, rescue=RESCUE))
    (say,) = call.receive(ev.ReplyFailed(0, LLM_BROKEN), 3.0)
    assert say == Say(call.turns[1])
    call.receive(ev.ReplyAudible(1), 3.1)
    (hang_up,) = call.receive(ev.MarkReached(finish(call, "Sorry. One moment.", 3.1)), 4.0)
    assert hang_up == HangUp(Parting("llm-broken", (Phrase.APOLOGY, Phrase.TRANSFER), RESCUE))


def test_a_rescue_that_cannot_even_be_announced_takes_place() -> None:
    call = speaking(Manners("", opening=None, rescue=RESCUE))
    call.receive(ev.ReplyFailed(0, LLM_BROKEN), 3.0)
    (hang_up,) = call.receive(ev.ReplyFailed(1, LLM_BROKEN), 3.1)
    assert isinstance(hang_up, HangUp)
    assert hang_up.parting.transfer == RESCUE


# --- machines -----------------------------------------------------------------------------------

HANG_UP_ON = Parting("machine", ())
LEAVE_MESSAGE = Parting("voicemail", (Phrase.VOICEMAIL,))


@pytest.mark.parametrize(
    ("on_machine", "answered_by", "parts"),
    [
        (HANG_UP_ON, "machine_start", True),
        (HANG_UP_ON, "machine_end_beep", True),
        (HANG_UP_ON, "fax", True),
        (HANG_UP_ON, "human", False),
        (HANG_UP_ON, "unknown", False),
        (LEAVE_MESSAGE, "machine_start", False),
        (LEAVE_MESSAGE, "machine_end_beep", True),
        (LEAVE_MESSAGE, "machine_end_silence", True),
        (LEAVE_MESSAGE, "machine_end_other", True),
        (LEAVE_MESSAGE, "human", False),
        (LEAVE_MESSAGE, "unknown", False),
        (None, "machine_start", False),
        (None, "machine_end_beep", False),
    ],
)
def test_what_is_done_about_a_machine(
    on_machine: Parting | None, answered_by: str, *, parts: bool
) -> None:
    call = listening(Manners("", opening=None, on_machine=on_machine))
    actions = call.receive(ev.MachineDetected(answered_by), 3.0)
    if not parts:
        assert (actions, call.phase, call.parting) == ((), P.LISTENING, None)
        return
    assert actions == (Say(call.turns[0]),)
    assert (call.phase, call.parting) == (P.CLOSING, on_machine)
    assert on_machine is not None
    assert call.turns[0].phrases == on_machine.phrases


def test_a_fax_has_no_tape_to_speak_to() -> None:
    call = listening(Manners("", opening=None, on_machine=LEAVE_MESSAGE))
    call.receive(ev.MachineDetected("fax"), 3.0)
    assert (call.phase, call.parting) == (P.CLOSING, Parting("voicemail", ()))
    assert call.turns[0].phrases == ()


def test_a_machine_that_is_being_greeted_gets_its_message_whole() -> None:
    call = Conversation(Manners("", on_machine=LEAVE_MESSAGE))
    call.start(0.0)
    call.receive(ev.ReplyAudible(0), 0.1)
    assert call.receive(ev.MachineDetected("machine_start"), 0.5) == ()
    assert call.receive(ev.MachineDetected("machine_end_beep"), 5.0) == (
        Stop(),
        Say(call.turns[1]),
    )
    call.receive(ev.ReplyAudible(1), 5.1)
    assert words(call, "please leave a message", 5.5) == ()
    assert call.receive(ev.MachineDetected("machine_end_beep"), 6.0) == ()
    final = finish(call, "Please call back.", 6.0)
    assert call.receive(ev.MarkReached(final), 8.0) == (HangUp(LEAVE_MESSAGE),)


# --- another stream of the same call ------------------------------------------------------------

PAST = Past(
    (Entry(AGENT, "Good morning!", WHOLE, 0.5), Entry(CALLER, "a table", WHOLE, 2.0)), 3, 100.0
)


def resumed() -> Conversation:
    """The call's second stream, at 130 s on the clock; it began at 100."""
    call = Conversation(Manners("Be brief.", opening=Phrase.RESUMED), PAST)
    (say,) = call.start(130.0)
    assert say == Say(call.turns[0])
    return call


def test_a_call_that_goes_on_counts_its_turns_on_and_opens_as_it_should() -> None:
    call = resumed()
    assert (call.turns[0].number, call.turns[0].phrases) == (3, (Phrase.RESUMED,))
    assert call.started_at == 100.0
    call.receive(ev.ReplyAudible(3), 130.2)
    assert call.phase is P.SPEAKING
    call.receive(ev.MarkReached(finish(call, "Here I am again.", 130.2)), 131.0)
    words(call, "for four", 132.0)
    call.receive(FINISHED, 132.5)
    (ask,) = call.receive(ev.Flushed(), 132.6)
    assert isinstance(ask, Ask)
    assert ask.turn.number == 4
    assert ask.messages == (
        Message(Role.SYSTEM, "Be brief."),
        Message(AGENT, "Good morning!"),
        Message(CALLER, "a table"),
        Message(AGENT, "Here I am again."),
        Message(CALLER, "for four"),
    )
    assert call.history.entries[2:] == (
        Entry(AGENT, "Here I am again.", WHOLE, pytest.approx(30.2)),
        Entry(CALLER, "for four", WHOLE, 32.0),
    )


def test_a_call_that_goes_on_twice_has_all_of_its_past() -> None:
    call = resumed()
    call.receive(ev.LegEnded("socket-lost"), 131.0)
    past = call.past()
    assert past == Past(PAST.items, 4, 100.0)
    third = Conversation(Manners("", opening=None), past)
    assert third.start(140.0) == ()
    assert third.turns == []
    words(third, "hello", 141.0)
    third.receive(FINISHED, 141.5)
    third.receive(ev.Flushed(), 141.6)
    assert third.turns[0].number == 4
    assert third.history.entries[-1] == Entry(CALLER, "hello", WHOLE, 41.0)


def test_the_marks_and_reports_of_the_earlier_stream_are_nobodys() -> None:
    call = resumed()
    for event in (ev.ReplyAudible(0), ev.ReplyFailed(2, LLM_BROKEN), ev.MarkReached("2.1")):
        assert call.receive(event, 130.1) == ()
    assert (call.phase, call.ended_by) == (P.THINKING, "")


def test_a_past_without_a_beginning_begins_now() -> None:
    call = Conversation(Manners("", opening=None), Past())
    call.start(7.0)
    assert (call.started_at, call.past()) == (7.0, Past((), 0, 7.0))


def test_an_opening_that_the_caller_talks_over_is_withdrawn_and_the_caller_answered() -> None:
    call = resumed()
    assert words(call, "hello", 130.1) == (Stop(),)
    assert call.phase is P.HEARING


def test_a_flush_that_is_answered_after_an_operators_words_is_ignored() -> None:
    call = flushing()
    call.receive(SAY, 1.6)
    assert call.receive(ev.Flushed(), 1.7) == ()
    assert call.phase is P.THINKING


@pytest.mark.parametrize(
    "event", [SAY, HUSH, ev.MachineDetected("fax"), ev.ReplyCommits(0, Wish(HANG_UP))]
)
def test_nothing_happens_after_the_end(event: ev.Event) -> None:
    call = hearing()
    call.receive(ev.LegEnded("hangup"), 2.0)
    before = said(call)
    assert call.receive(event, 3.0) == ()
    assert (call.phase, call.ended_by, call.deadline()) == (P.OVER, "hangup", None)
    assert said(call) == before
