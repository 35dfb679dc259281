"""No sequence of events breaks a conversation, or leaves the line in silence."""

from typing import Any

from conversation_stage import AGENT, LLM_BROKEN, STT_SILENT, WHOLE, WISH, P, Stage
from hypothesis import given
from hypothesis import strategies as st

from voiced.dialog import events as ev
from voiced.dialog.conversation import Conversation
from voiced.dialog.digits import DigitRule
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.history import Entry
from voiced.dialog.manners import Manners, Past
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.tools import ToolCall
from voiced.dialog.turn import Ending
from voiced.dialog.wish import Commit, Switch, Wish

SALES = Transfer("+33123456789", warm=True)
MESSAGE = Parting("voicemail", (Phrase.VOICEMAIL,))
MANNERS = st.builds(
    Manners,
    prompt=st.sampled_from(["", "Be brief."]),
    opening=st.sampled_from([None, Phrase.GREETING, Phrase.RESUMED]),
    interruptible=st.booleans(),
    min_interruption_words=st.integers(0, 3),
    endpointing=st.sampled_from(
        [EndpointingRule(), EndpointingRule(4.0, uses_score=False), EndpointingRule(eager=True)]
    ),
    idle_prompt_s=st.sampled_from([2.0, 10.0]),
    digits=st.sampled_from([DigitRule(), DigitRule(end="", timeout_s=0.5, most=2)]),
    rescue=st.sampled_from([None, SALES]),
    on_machine=st.sampled_from([None, Parting("machine", ()), MESSAGE]),
)
PAST = st.sampled_from([None, Past((Entry(AGENT, "Hello.", WHOLE, 1.0),), 4, -30.0)])
WORLD = st.one_of(
    st.builds(ev.WordHeard, st.sampled_from(["table", "no", "oui", "...", " "]), st.just(1.0)),
    st.builds(ev.PauseScored, st.sampled_from([None, 0.1, 0.9]), st.sampled_from([0.5, 20.0])),
    st.sampled_from(
        [
            ev.Flushed(),
            ev.TurnLikelyOver(),
            ev.TurnResumed(),
            ev.SpeechStarted(),
            ev.SpeechStopped(0.3),
            ev.DigitPressed("#"),
            ev.DigitPressed("1"),
            ev.DigitPressed("5"),
            ev.DigitPressed("x"),
            ev.SayRequested("Your taxi is here."),
            ev.SayRequested(""),
            ev.InterruptRequested(),
            ev.MachineDetected("human"),
            ev.MachineDetected("machine_start"),
            ev.MarkReached("0.1"),
            ev.MarkReached("unknown"),
            ev.TimePassed(),
        ]
    ),
)
LAST = st.sampled_from(
    [
        ev.LegEnded("hangup"),
        ev.EarFailed(STT_SILENT),
        ev.CloseRequested(Parting("operator")),
        ev.CloseRequested(Parting("transfer", (Phrase.TRANSFER,), SALES)),
        ev.CloseRequested(Parting("silently", ())),
        ev.MachineDetected("machine_end_beep"),
    ]
)
REPLY = st.sampled_from(
    [
        ev.ReplyAudible,
        ev.ReplyEmpty,
        lambda turn: ev.ReplyCommits(turn, Wish(Parting(f"{WISH}{turn}"))),
        lambda turn: ev.ReplyCommits(
            turn, Wish(Commit(), (ToolCall(f"call_{turn}", "book", "{}"),))
        ),
        lambda turn: ev.ReplyCommits(
            turn, Wish(Switch("sales"), (ToolCall(f"switch_{turn}", "switch_agent", "{}"),))
        ),
        lambda turn: ev.KeysWanted(turn, DigitRule(most=1)),
        lambda turn: ev.FillerSaid(turn, 1.0),
        lambda turn: ev.ReplyFinished(turn, 1.0),
        lambda turn: ev.ReplyFailed(turn, LLM_BROKEN),
    ]
)
GAP = st.sampled_from([0.0, 0.0, 0.02, 0.5, 1.5, 4.0])
STRANGER = st.tuples(st.just("stranger"), REPLY)  # of a turn that is no longer or not yet
HAPPENING = st.one_of(
    st.tuples(st.just("world"), WORLD),
    st.tuples(st.just("reply"), REPLY),
    st.tuples(st.sampled_from(["mark", "finish", "wait"]), st.none()),
    STRANGER,
    st.tuples(st.just("world"), st.one_of(WORLD, WORLD, WORLD, LAST)),
)


def happen(stage: Stage, kind: str, what: Any) -> None:
    if kind == "world":
        stage.receive(what)
    elif kind == "stranger":
        last = stage.call.turns[-1]
        stopped = () if last.ending is Ending.PENDING else (last.number,)
        for turn in (*stopped, last.number - 1, last.number + 1, -1):
            stage.receive(what(turn))
    elif kind == "reply" and stage.running is not None:
        event = what(stage.running)
        stage.finish() if isinstance(event, ev.ReplyFinished) else stage.reply(event)
    elif kind == "finish":
        stage.finish()
    elif kind == "mark":
        stage.echo()
    elif kind == "wait" and (deadline := stage.call.deadline()) is not None:
        stage.now = max(stage.now, deadline)
        stage.receive(ev.TimePassed())


@given(MANNERS, PAST, st.lists(st.tuples(GAP, HAPPENING), max_size=40))
def test_no_sequence_of_events_breaks_a_conversation_or_leaves_it_in_silence(
    manners: Manners, past: Past | None, happenings: list[tuple[float, tuple[str, Any]]]
) -> None:
    call = Conversation(manners, past)
    stage = Stage(call)
    stage.start()
    for gap, (kind, what) in happenings:
        stage.now += gap
        if kind != "stranger" or call.turns:
            happen(stage, kind, what)
    now = stage.now
    stage.abandon()
    assert stage.now < now + 120.0


@given(
    st.lists(
        st.tuples(
            GAP, st.one_of(WORLD, LAST, st.builds(lambda f, t: f(t), REPLY, st.integers(0, 3)))
        ),
        max_size=30,
    )
)
def test_not_even_a_shell_that_talks_nonsense_breaks_a_conversation(
    events: list[tuple[float, ev.Event]],
) -> None:
    call, now = Conversation(Manners("")), 0.0
    call.start(now)
    for gap, event in events:
        now += gap
        was = call.phase
        call.receive(event, now)
        assert was is not P.OVER or call.phase is P.OVER
        assert all(turn.ending is not Ending.PENDING for turn in call.turns[:-1])
        assert [turn.number for turn in call.turns] == list(range(len(call.turns)))
