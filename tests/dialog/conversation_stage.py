"""The stage for tests of a conversation: one in each phase, and a shell that keeps its promises."""

import re
from collections.abc import Callable

from voiced.dialog import events as ev
from voiced.dialog.conversation import Conversation
from voiced.dialog.history import Ending as Told
from voiced.dialog.history import Entry, Item, Role
from voiced.dialog.manners import (
    Action,
    Ask,
    BringIn,
    Discard,
    Flush,
    Manners,
    Pause,
    Prepare,
    Release,
    Resume,
    Say,
    Stop,
)
from voiced.dialog.parting import Parting
from voiced.dialog.recognition import MARK_GRACE_S
from voiced.dialog.tools import Round, Used
from voiced.dialog.turn import Ending, Turn
from voiced.dialog.turns import Phase
from voiced.errors import EngineBroken, EngineTimeout

P = Phase
KEYPAD = re.compile(r"\(keypad: (.*?)\)")
FINISHED = ev.PauseScored(0.9, 20.0)
LLM_BROKEN = EngineBroken("local", "llm", "cut in mid-stream")
STT_SILENT = EngineTimeout("kyutai", "stt", "no step")


# --- conversations brought into each phase -------------------------------------------


def voice(turn: Turn, text: str) -> list[str]:
    """The voice says a word every half second; returns the mark behind each."""
    words = text.split()
    for index, word in enumerate(words):
        turn.heard.expect(word)
        turn.heard.word(ev.SpokenWord(word, index * 0.5, index * 0.5 + 0.25))
    return [name for _ in range(25 * len(words)) for name in turn.heard.put()]


def words(conversation: Conversation, text: str, now: float) -> tuple[Action, ...]:
    """The caller's words, all at once; returns what the last one leads to."""
    actions: tuple[Action, ...] = ()
    for word in text.split():
        actions = conversation.receive(ev.WordHeard(word, now), now)
    return actions


def listening(manners: Manners | None = None) -> Conversation:
    """The caller was to speak first, and has not yet."""
    conversation = Conversation(manners or Manners("Be brief.", opening=None))
    assert conversation.start(0.0) == ()
    return conversation


def hearing(manners: Manners | None = None) -> Conversation:
    conversation = listening(manners)
    words(conversation, "a table", 1.0)
    return conversation


def flushing(manners: Manners | None = None) -> Conversation:
    conversation = hearing(manners)
    assert conversation.receive(FINISHED, 1.5) == (Flush(),)
    return conversation


def thinking(manners: Manners | None = None) -> Conversation:
    conversation = flushing(manners)
    conversation.receive(ev.Flushed(), 1.6)
    return conversation


def speaking(manners: Manners | None = None) -> Conversation:
    conversation = thinking(manners)
    conversation.receive(ev.ReplyAudible(0), 2.0)
    return conversation


def doubting(manners: Manners | None = None) -> Conversation:
    conversation = speaking(manners)
    conversation.receive(ev.SpeechStarted(), 3.0)
    assert conversation.receive(ev.TimePassed(), 4.5) == (Pause(),)
    return conversation


def closing(manners: Manners | None = None) -> Conversation:
    conversation = speaking(manners)
    conversation.receive(ev.CloseRequested(Parting("operator")), 2.5)
    return conversation


STAGES: dict[Phase, Callable[..., Conversation]] = {
    P.LISTENING: listening,
    P.HEARING: hearing,
    P.FLUSHING: flushing,
    P.THINKING: thinking,
    P.SPEAKING: speaking,
    P.DOUBTING: doubting,
    P.CLOSING: closing,
}
REPLYING = {P.THINKING, P.SPEAKING, P.DOUBTING}


def said(conversation: Conversation) -> list[tuple[Role, str, Told]]:
    return [(entry.role, entry.text, entry.ending) for entry in conversation.history.entries]


def uttered(conversation: Conversation) -> str:
    """All that the caller has said, as the history has it."""
    entries = conversation.history.entries
    return " ".join(entry.text for entry in entries if entry.role is CALLER)


CALLER, AGENT, WHOLE, CUT = Role.CALLER, Role.AGENT, Told.COMPLETE, Told.INTERRUPTED


def finish(call: Conversation, text: str, now: float) -> str:
    """The reply is all in the playout; returns its final mark."""
    turn = call.turns[-1]
    voice(turn, text)
    call.receive(ev.ReplyFinished(turn.number, 2.0), now)
    return turn.heard.finish()


WISH = "wish-"
"""How the reason of a model's wish begins; the number of its turn follows."""

REPLIED = (Ending.HEARD, Ending.EMPTY)
GOES_ON = (ev.ReplyAudible, ev.FillerSaid, ev.ReplyCommits, ev.KeysWanted)
NEWCOMER = Manners("You are new here.", min_interruption_words=1)


class Stage:
    """A shell that keeps its promises and no more: each reply started and not stopped ends in one
    of the three reports, marks come in order, and everything else happens at any time."""

    def __init__(self, call: Conversation, now: float = 0.0) -> None:
        self.call = call
        self.now = now
        self.running = call.turns[-1].number if call.phase in REPLYING | {P.CLOSING} else None
        self.draft: int | None = None
        self.paused = call.phase is P.DOUBTING
        self.marks: list[str] = []
        self.kept: dict[int, str] = {}  # what was heard of the turns that were broken off
        self.due: float | None = None  # when the whole reply has been played, at the latest
        self.was_due = self.due  # of the reply that what happens next may end
        self.said = uttered(call).split()  # by the caller: words and keys

    def start(self) -> None:
        self._obey(self.call.start(self.now))

    def receive(self, event: ev.Event) -> None:
        before, was_over = self.call.history.entries, self.call.phase is P.OVER
        if not was_over and isinstance(event, ev.WordHeard | ev.DigitPressed):
            self.said.append(event.text if isinstance(event, ev.WordHeard) else event.digit)
        self.was_due = self.due
        actions = self.call.receive(event, self.now)
        if was_over:
            assert (self.call.phase, actions, self.call.history.entries) == (P.OVER, (), before)
        self._obey(actions)
        self._check(len(before))

    def reply(self, event: ev.ReplyEvent) -> None:
        """The reply under way reports; all but its first frame and a wish is the end of it."""
        if self.running is None:
            return
        if isinstance(event, ev.ReplyEmpty) and self.call.phase is P.SPEAKING:
            return  # it had words
        if not isinstance(event, GOES_ON):
            self.running = None
        self.receive(event)

    def finish(self) -> None:
        """The reply under way is all in the playout, and lasts a second more."""
        if self.running is not None:
            self.marks.append(self.call.turns[-1].heard.finish())
            self.due = self.now + 1.0 + MARK_GRACE_S
            self.reply(ev.ReplyFinished(self.running, 1.0))

    def echo(self) -> None:
        """The carrier has played, or dropped, the audio up to the next mark."""
        if self.marks and not self.paused and self.call.turns[-1].times.first_frame is not None:
            self.receive(ev.MarkReached(self.marks.pop(0)))

    def abandon(self) -> None:
        """Nobody says anything any more. Replies are said, but their marks lost, and time passes:
        the call must come to its end by itself."""
        for _ in range(60):
            if self.call.phase is P.OVER:
                return
            if self.running is not None:
                self.reply(ev.ReplyAudible(self.running))
                self.finish()
                continue
            deadline = self.call.deadline()
            assert deadline is not None, f"dead air in {self.call.phase}"
            self.now = max(self.now, deadline)
            self.receive(ev.TimePassed())
        raise AssertionError(f"the call does not end: {self.call.phase}")

    def _obey(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Stop():
                    self.running = None  # the carrier echoes its marks all the same
                    self.paused = False
                case Pause():
                    self.paused = True
                case Resume():
                    assert self.paused
                    self.paused = False
                case Discard():
                    assert self.draft is not None, "nothing was prepared"
                    self.draft = None
                case BringIn():
                    assert self.running is None, "an agent leaves while it is speaking"
                    self._obey(self.call.introduce(NEWCOMER))
                case Prepare(turn=turn):
                    assert self.running is self.draft is None, "prepared beside another reply"
                    self.draft = turn.number
                case Ask(turn=turn) | Say(turn=turn) | Release(turn=turn):
                    prepared = turn.number if isinstance(action, Release) else None
                    assert self.draft == prepared, "the draft of another turn"
                    assert self.running is None, "a reply began while another was going on"
                    if isinstance(action, Ask):
                        self._check_announced(action)
                    self.running, self.due, self.draft = turn.number, None, None
                    self.marks = voice(turn, "We open at noon.")

    def _check(self, entries_before: int) -> None:
        call = self.call
        pending = [turn.number for turn in call.turns if turn.ending is Ending.PENDING]
        replying = call.phase in REPLYING | {P.CLOSING}
        assert self.paused == (call.phase is P.DOUBTING)
        assert self.draft is None or call.phase in {P.HEARING, P.FLUSHING}
        assert pending == ([call.turns[-1].number] if replying else [])
        assert self.running is None or [self.running] == pending, "a reply nobody follows"
        deadline = call.deadline()
        if call.phase in {P.HEARING, P.FLUSHING}:
            assert deadline is not None
            assert deadline <= self.now + 8.0
        elif replying:
            assert self.running is not None or deadline is not None, f"dead air in {call.phase}"
        elif call.phase is P.OVER:
            assert deadline is None
            self._check_kept()
        self._check_wishes()
        for turn in call.turns:
            assert turn.heard.said.startswith(turn.heard.text)
            if turn.ending not in (Ending.PENDING, Ending.HEARD):
                assert turn.heard.text == self.kept.setdefault(turn.number, turn.heard.text)
        for entry in call.history.entries[entries_before:]:
            if entry.role is AGENT:
                self._check_heard(entry)

    def _check_kept(self) -> None:
        """Nothing that the caller said or entered is lost or told twice, but mere assent."""
        heard = uttered(self.call)
        entered = "".join(KEYPAD.findall(heard))
        for word in ("table", "no"):
            assert heard.split().count(word) == self.said.count(word)
        for digit in ("1", "5"):
            assert entered.count(digit) == self.said.count(digit)

    def _check_wishes(self) -> None:
        """A wish of the model is carried out when its reply is over, and with no other."""
        parting = self.call.parting
        if parting and parting.reason.startswith(WISH):
            number = int(parting.reason.removeprefix(WISH))
            (wished,) = [turn for turn in self.call.turns if turn.number == number]
            assert wished.ending in REPLIED, "the wish of a reply that was stopped"
        elif parting is None:
            ends = [t for t in self.call.turns if t.wish and isinstance(t.wish.deed, Parting)]
            assert not [turn for turn in ends if turn.ending in REPLIED]
        told = [used.call.id for item in self.call.history.items for used in _used(item)]
        assert len(told) == len(set(told)), "a call of the model's with two results"

    def _check_announced(self, ask: Ask) -> None:
        """Tools that cannot be undone are used when they were announced, and not otherwise."""
        if ask.calls:
            announced = self.call.turns[-2]
            assert announced.wish
            assert announced.wish.calls == ask.calls
            assert announced.ending is Ending.HEARD
            assert announced.heard.is_whole, "no mark vouches for it"
            told = [used.call for item in self.call.history.items for used in _used(item)]
            assert not set(told) & set(ask.calls), "told of what is only now begun"

    def _check_heard(self, entry: Entry) -> None:
        heard = next(t.heard for t in reversed(self.call.turns) if t.ending is not Ending.PENDING)
        if entry.ending is WHOLE and not heard.is_whole:
            assert self.was_due is not None, "taken for heard before its end was even sent"
            assert self.now >= self.was_due, "taken for heard too soon"
        else:
            assert entry.text == heard.text


def _used(item: Item) -> tuple[Used, ...]:
    return item.used if isinstance(item, Round) else ()
