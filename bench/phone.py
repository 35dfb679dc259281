"""One caller: rings, talks, listens, interrupts, hangs up."""

from enum import Enum, auto
from time import monotonic

from attrs import define, field, frozen

from bench import tones
from bench.findings import Answer, Findings
from bench.line import Line
from bench.reactor import Link, Reactor
from bench.webhooks import CALLED

PATIENCE_S = 6.0
"""A caller who has had no answer for so long speaks again."""


@frozen
class Manner:
    """How a caller behaves.

    `interrupts_after_s`: into every other reply; `leaves_after_s`: into the first reply, and then
    without a word. `says`: words, again and again; else the caller's own name. `has_used`: how many
    tools the model asks for before it answers, in each answer of its own that comes to that.
    """

    talks_s: float = 1.0
    thinks_s: float = 0.5
    interrupts_after_s: float | None = 1.5
    leaves_after_s: float | None = None
    called: str = CALLED
    says: tuple[str, ...] = ()
    has_used: tuple[int, ...] = ()


class Mood(Enum):
    """What the caller does."""

    RINGING = auto()
    LISTENING = auto()
    TALKING = auto()
    WAITING = auto()  # for the answer
    GONE = auto()


@define(eq=False)
class Phone:
    """Calls as soon as it is `start`ed."""

    reactor: Reactor
    number: int
    manner: Manner
    findings: Findings
    answer: Answer | None = None
    replies: int = 0
    engine_links: set[Link] = field(factory=set)
    line: Line = field(init=False)
    _mood: Mood = Mood.RINGING
    _since: float = 0.0

    def start(self, port: int) -> None:
        """Rings."""
        self.line = Line(self.reactor, self, self.findings, self.manner.called)
        self.line.ring(port)

    @property
    def is_over(self) -> bool:
        """Whether it has hung up, or was hung up on."""
        return self._mood is Mood.GONE

    # --- what the caller does -------------------------------------------------------------------

    def tick(self, now: float, packet: int) -> bytes | None:
        """The next 20 ms of the caller, base64; None when the call is over."""
        self._make_up_mind(now)
        if self._mood is Mood.GONE:
            return None
        if self._mood is Mood.TALKING:
            return tones.speech(self.number)
        return tones.SILENCES[packet % tones.COUNT]

    def _make_up_mind(self, now: float) -> None:
        manner, line, since_s = self.manner, self.line, now - self._since
        heard_s = line.heard_s(now)
        match self._mood:
            case Mood.RINGING:
                self._turn_to(Mood.LISTENING, now)
            case Mood.TALKING if since_s >= manner.talks_s:
                self.answer = Answer(line.last_sent)
                self._turn_to(Mood.WAITING, now)
            case Mood.WAITING if since_s > PATIENCE_S:
                self.findings.unanswered += 1
                self._turn_to(Mood.TALKING, now)
            case Mood.LISTENING if self._is_answered and _later(heard_s, manner.leaves_after_s):
                self.leave()
            case Mood.LISTENING if self.replies % 2 and _later(heard_s, manner.interrupts_after_s):
                self._turn_to(Mood.TALKING, now)
            case Mood.LISTENING if not heard_s and self._has_thought(now):
                self._turn_to(Mood.TALKING, now)

    @property
    def _is_answered(self) -> bool:
        return self.answer is not None and self.answer.first_frame is not None

    def _has_thought(self, now: float) -> bool:
        return now - max(self.line.plays_until, self._since) > self.manner.thinks_s

    def _turn_to(self, mood: Mood, now: float) -> None:
        self._mood, self._since = mood, now

    def hears(self, now: float) -> None:
        """A frame came; if it is the first of an answer, the caller listens."""
        if self._mood is Mood.WAITING and self.answer:
            self.answer.first_frame = now
            self.findings.answers.append(self.answer)
            self._turn_to(Mood.LISTENING, now)

    def leave(self) -> None:
        """Hangs up."""
        self._turn_to(Mood.GONE, monotonic())
        self.line.hang_up()
        self._all_closed()

    def lost(self) -> None:
        """The call could not be made, or the daemon ended it."""
        if self._mood is not Mood.GONE:
            self.findings.problems.append(f"lost while {self._mood.name.lower()}")
            self._turn_to(Mood.GONE, monotonic())

    def word(self, number: int) -> str:
        """The word of that number, from 0, of what the caller says."""
        says = self.manner.says
        return says[number % len(says)] if says else f"caller{self.number}x"

    # --- what the engines tell ------------------------------------------------------------------

    def signalled(self, packet: int, arrived: float) -> None:
        """The STT takes the caller to have finished; `packet` (modulo) completed the step."""
        if self.answer and self.answer.signalled is None:
            self.answer.completed = self.line.sent_at(packet)
            self.answer.signalled = arrived

    def engine_opened(self, link: Link) -> None:
        """An engine's connection turns out to be this call's."""
        self.engine_links.add(link)

    def engine_closed(self, link: Link) -> None:
        """An engine has seen the end of one of this call's connections."""
        if link in self.engine_links:
            self.engine_links.discard(link)
            self._all_closed()

    def _all_closed(self) -> None:
        if self._mood is Mood.GONE and not self.engine_links:
            self.findings.closings_ms.append(1000 * (monotonic() - self._since))


def _later(heard_s: float, limit_s: float | None) -> bool:
    return limit_s is not None and heard_s > limit_s
