"""A transfer's other leg: a number that rings, and the human behind it.

Source: Twilio's TwiML `<Dial>` and `<Number>`: all numbers ring at once and the first to answer
is taken; the document of `<Number url>` is for the human alone, before the bridge.
"""

from collections.abc import Awaitable, Callable, Set

import trio
from attrs import define, evolve, field

from voiced.errors import WireError
from voiced.lab.exchange_account import Entry, Status, is_number
from voiced.lab.exchange_settings import Answer, ExchangeSettings, Human
from voiced.lab.phone_call import PhoneCall
from voiced.lab.phone_record import Kind
from voiced.lab.phone_result import Transfer
from voiced.lab.phone_twiml import Dial, Pause, Step, Target, parse_document
from voiced.lab.phone_webhook import Webhooks, call_form
from voiced.lab.phone_wire import Announce, Leave

NOBODY = Target("")
UNANSWERED = {
    Answer.BUSY: Status.BUSY,
    Answer.NO_ANSWER: Status.NO_ANSWER,
    Answer.FAILED: Status.FAILED,
}


def choose(dial: Dial, settings: ExchangeSettings) -> tuple[Target, Human]:
    """Who decides what becomes of the dial: the first to answer, else the first of all."""
    people = [(target, settings.human_of(target.number)) for target in dial.targets]
    answering = [one for one in people if one[1].answer is Answer.ANSWERED]
    if answering:
        return min(answering, key=lambda one: one[1].answers_after_s)
    return people[0] if people else (NOBODY, Human(Answer.FAILED))


@define(eq=False)
class Leg:
    """The child call. It may be cancelled anywhere; `finish` says how far it came."""

    call: PhoneCall
    dial: Dial
    target: Target
    human: Human
    entry: Entry
    speak: Callable[[str], Awaitable[None]]
    webhooks: Webhooks
    owned: Set[str]
    """The numbers that a transfer may show."""
    status: Status = field(default=Status.CANCELED, init=False)
    heard: list[str] = field(factory=list, init=False)
    bridged_at: float | None = field(default=None, init=False)

    async def live(self) -> None:
        """Rings, whispers, connects."""
        self.call.diary.note(Kind.DIALLED, ", ".join(t.number for t in self.dial.targets))
        try:
            self._check()
            if not await self._ring():
                return
            self.entry.answer()
            self.status = Status.COMPLETED
            self.call.diary.note(Kind.ANSWERED, self.target.number)
            if self.target.url and not await self._whisper():
                return
        except WireError as error:
            self.call.diary.warn(error)
            self.status = Status.FAILED
            return
        self.call.answer()
        self.bridged_at = trio.current_time()
        self.call.diary.note(Kind.BRIDGED, self.target.number)
        await trio.sleep(min(self.human.talks_s, self.dial.time_limit_s))

    def finish(self) -> Transfer:
        """What has become of it by now."""
        self.entry.finish(self.status)
        self.call.diary.note(Kind.TRANSFER_ENDED, self.status.value)
        return Transfer(
            self.target.number,
            self.entry.sid,
            self.status.value,
            tuple(self.heard),
            self.entry.duration_s,
            None if self.bridged_at is None else trio.current_time() - self.bridged_at,
        )

    def fields(self) -> dict[str, str]:
        """What the dial's action is told."""
        fields = {
            "DialCallSid": self.entry.sid,
            "DialCallStatus": self.status.value,
            "DialBridged": "false" if self.bridged_at is None else "true",
        }
        if self.entry.answered_at is not None:
            fields["DialCallDuration"] = str(round(self.entry.duration_s))
        return fields

    def _check(self) -> None:
        if not is_number(self.target.number):
            raise WireError("13224: <Dial> has no number that can be dialled")
        if self.entry.sender not in self.owned:
            raise WireError("13214: <Dial> must show a number of the account or the caller's")

    async def _ring(self) -> bool:
        """Whether it is answered."""
        self.entry.status = Status.RINGING
        answer, after_s = self.human.answer, self.human.answers_after_s
        if answer is Answer.ANSWERED and after_s > self.dial.timeout_s:
            answer = Answer.NO_ANSWER
        if answer is not Answer.FAILED:
            await trio.sleep(self.dial.timeout_s if answer is Answer.NO_ANSWER else after_s)
        self.status = UNANSWERED.get(answer, Status.CANCELED)
        return answer is Answer.ANSWERED

    async def _whisper(self) -> bool:
        """Runs the human's own document; whether they stay."""
        parties = evolve(self.call.settings, caller=self.entry.sender, called=self.target.number)
        parent = {"ParentCallSid": self.entry.parent or ""}
        form = call_form(parties, self.entry.sid, "in-progress", "outbound-dial", parent)
        document = await self.webhooks.post(self.target.url, form)
        for step in parse_document(document, self.call.settings.line):
            if isinstance(step, Leave):
                return False
            await self._perform(step)
        return True

    async def _perform(self, step: Step) -> None:
        match step:
            case Announce(text):
                self.heard.append(text)
                self.call.diary.note(Kind.HUMAN_HEARS, text)
                await self.speak(text)
            case Pause(seconds):
                await trio.sleep(seconds)
            case _:
                self.call.diary.note(Kind.SKIPPED, f"{type(step).__name__}, to the human")
