"""One telephone call as Twilio drives it: webhook, TwiML verb by verb, media streams."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Protocol

import trio
from attrs import define, field, frozen

from voiced.audio.frame import SAMPLE_RATE
from voiced.errors import WireError
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_diary import Diary
from voiced.lab.phone_ear import measure
from voiced.lab.phone_record import Ended, Kind, PhoneEvent
from voiced.lab.phone_reins import Demand, Order, Reins
from voiced.lab.phone_result import CallResult as CallResult
from voiced.lab.phone_result import as_long_as, total
from voiced.lab.phone_script import Person
from voiced.lab.phone_streams import ENDED_BY, Streams
from voiced.lab.phone_twiml import Dial, Pause, Sound, Step, parse_document
from voiced.lab.phone_webhook import NO_FIELDS, Webhooks, call_form, open_webhooks
from voiced.lab.phone_wire import Announce, Connect, Leave, Redirect
from voiced.lab.script import Turn

MAX_DOCUMENTS = 30
"""Of one call: documents that lead to each other end somewhere."""


@frozen
class Page:
    """A document to run: at an address, asked for with more fields; or as it stands."""

    url: str = ""
    fields: Mapping[str, str] = NO_FIELDS
    twiml: str = ""


class Over(Enum):
    """The call ends here, whatever the document has left."""

    OVER = auto()


Next = Page | Over | None
"""What follows a verb: a document, nothing at all, or the verb behind it."""


class Phase(Enum):
    """A call's state at the carrier."""

    RINGING = "ringing"
    IN_PROGRESS = "in-progress"


class Operator(Protocol):
    """What an exchange does for a call."""

    def answered(self) -> None: ...

    async def speak(self, text: str) -> None: ...

    async def transfer(self, call: "PhoneCall", dial: Dial) -> Next: ...

    def streamed(self, connect: Connect, fields: Mapping[str, str]) -> None: ...


class NoOperator:
    """A telephone without an exchange: speech takes no time, and nobody else can be dialled."""

    def answered(self) -> None:
        """Nobody else has to know."""

    async def speak(self, text: str) -> None:
        await trio.lowlevel.checkpoint()

    async def transfer(self, call: "PhoneCall", dial: Dial) -> Next:
        await trio.lowlevel.checkpoint()
        call.diary.note(Kind.SKIPPED, "Dial")
        return None

    def streamed(self, connect: Connect, fields: Mapping[str, str]) -> None:
        """Nobody asked."""


async def place_call(
    settings: CallSettings,
    turns: Sequence[Turn],
    speech: Sequence[bytes],
    tell: Callable[[PhoneEvent], None] = lambda event: None,
) -> CallResult:
    """Calls, and plays the turns. `speech` holds the mu-law of each, empty where it says nothing.

    A daemon that does not answer, refuses or misbehaves is no error here: it is the result.
    """
    async with open_webhooks(settings) as webhooks:
        call = PhoneCall(settings, Person(turns, speech), Diary(tell), webhooks)
        await call.run(call.front_door)
    return call.result()


@define(eq=False)
class PhoneCall:
    """A call, from its first document to its end. It may hold several streams, one by one."""

    settings: CallSettings
    person: Person
    diary: Diary
    webhooks: Webhooks
    operator: Operator = field(factory=NoOperator)
    direction: str = "inbound"
    call_sid: str = field(factory=lambda: "CA" + secrets.token_hex(16))
    phase: Phase = Phase.RINGING
    reins: Reins = field(factory=Reins)
    ended: Ended | None = field(default=None, init=False)
    """How it ended, where that was not with its last stream."""
    streams: Streams = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.streams = Streams(
            self.settings,
            self.call_sid,
            self.person,
            self.diary,
            self.reins,
            self.operator.streamed,
        )

    @property
    def front_door(self) -> Page:
        """The document that an inbound call begins with."""
        return Page(self.settings.line.public("/twilio/voice"))

    async def run(self, page: Page) -> None:
        """Fetches documents and carries out their verbs until nothing is left to do."""
        following: Next = page
        for _ in range(MAX_DOCUMENTS):
            if not isinstance(following, Page):
                return
            following = await self._play(following)

    def answer(self) -> None:
        """The first verb that needs a line takes the call."""
        if self.phase is Phase.RINGING:
            self.phase = Phase.IN_PROGRESS
            self.operator.answered()

    def result(self) -> CallResult:
        """The call, when it is over."""
        recording, streams, diary = self.streams.recording, self.streams.all, self.diary
        ended, agent = self.ended, bytes(recording.agent)
        if ended is None and streams:
            ended = streams[-1].ended
        if ended is None:
            ended = Ended.REFUSED if diary.warnings else Ended.TWIML
        end_s = max(len(agent) / SAMPLE_RATE, diary.last_s)
        diary.tell(PhoneEvent(end_s, Kind.ENDED, ended.value))
        heard = [warning for stream in streams for warning in stream.carrier.warnings]
        runs = tuple(recording.agent_ear.runs)
        return CallResult(
            call_sid=self.call_sid,
            ended=ended,
            events=tuple(diary.events),
            turns=measure(recording.utterances, recording.caller_ear.runs, runs),
            caller=as_long_as(bytes(recording.caller), agent),
            agent=agent,
            agent_runs=runs,
            warnings=(*diary.warnings, *heard),
            playback=total([stream.carrier.playback.statistics for stream in streams]),
            missed=tuple(self.streams.player.missed),
            direction=self.direction,
            streams=len(streams),
        )

    async def _play(self, page: Page) -> Next:
        """Runs a document, or as much of it as the API allows; returns what follows."""
        following: Next = None
        with self.reins.interruptible():
            try:
                following = await self._carry_out(await self._read(page))
            except WireError as error:
                self.diary.warn(error)
        if following is Over.OVER or (order := self.reins.take()) is None:
            return following
        return self._obey(order)

    def _obey(self, order: Order) -> Next:
        if order.demand is not Demand.DOCUMENT:
            self.ended = ENDED_BY[order.demand]
            return Over.OVER
        self.diary.note(Kind.REDIRECTED)
        return Page(order.url, twiml=order.twiml)

    async def _read(self, page: Page) -> list[Step]:
        document = page.twiml.encode()
        if not page.twiml:
            status, direction = self.phase.value, self.direction
            form = call_form(self.settings, self.call_sid, status, direction, page.fields)
            document = await self.webhooks.post(page.url, form)
        return parse_document(document, self.settings.line)

    async def _carry_out(self, steps: Sequence[Step]) -> Next:
        """Carries out a document, to its end or to the verb that leads away from it."""
        following: Next = None
        for step in steps:
            match step:
                case Redirect(url):
                    return Page(url)
                case Leave():
                    return Over.OVER
                case Dial():
                    following = await self.operator.transfer(self, step)
                case Connect():
                    following = await self._connect(step)
                case _:
                    await self._perform(step)
            if following is not None or self.reins.order is not None:
                return following
        return None

    async def _connect(self, connect: Connect) -> Next:
        self.answer()
        self.ended = None
        await self.streams.connect(connect)
        if self.streams.caller_left:
            return Over.OVER
        return Page(connect.action) if connect.action else None

    async def _perform(self, step: Step) -> None:
        """The verbs that a caller only listens to."""
        match step:
            case Announce(text):
                self.answer()
                self.diary.note(Kind.ANNOUNCED, text)
                await self.operator.speak(text)
            case Pause(seconds):
                self.answer()
                await trio.sleep(seconds)
            case Sound(url, digits):
                self.answer()
                self.diary.note(Kind.PLAYED, url or digits)
                if url:
                    await self.webhooks.get(url)
            case _:
                self.diary.note(Kind.SKIPPED, type(step).__name__)
