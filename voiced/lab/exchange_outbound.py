"""A call that the API places: it waits its turn, rings, and is answered by somebody or nobody.

Source: Twilio's "Make outbound phone calls" and "Answering Machine Detection".
"""

import numpy as np
import trio
from attrs import define, field
from numpy.typing import NDArray

from voiced.audio import g711
from voiced.audio.frame import SAMPLE_RATE
from voiced.lab.exchange_account import Status
from voiced.lab.exchange_calls import delivering, live, open_call, progress, result_of
from voiced.lab.exchange_desk import Desk
from voiced.lab.exchange_request import Detection, NewCall, Waiting
from voiced.lab.exchange_settings import Verdict
from voiced.lab.phone_call import CallResult, Page, Phase, PhoneCall
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Ended, Kind
from voiced.lab.phone_script import Person
from voiced.lab.script import After, Cue, HangUp, Say, Turn

BEEP_S = 0.4
BEEP_SILENCE_S = 0.3
"""After the beep, until the detector is sure."""


@define(eq=False)
class Outbound:
    """One placed call. `due` is when its turn comes at the account's pace, on Trio's clock."""

    desk: Desk
    new: NewCall
    parties: CallSettings
    person: Person
    due: float
    told: int = field(default=0, init=False)
    """Status callbacks so far."""

    async def run(self) -> CallResult:
        """From the queue to the last callback."""
        entry, desk = self.desk.entry, self.desk
        async with delivering(desk):
            with entry.reins.interruptible():
                await trio.sleep_until(self.due)
                await self._ring()
                if entry.answered_at is not None and self.new.waiting is Waiting.SYNC:
                    await self._detect()
            call = open_call(desk, self.parties, self._who(), Phase.IN_PROGRESS)
            if entry.answered_at is None:
                entry.finish(Status.CANCELED)
                call.ended = Ended.NOT_ANSWERED
            else:
                await self._talk(call)
                entry.finish(Status.COMPLETED)
            self._tell("completed", entry.status)
        return result_of(call, desk)

    async def _ring(self) -> None:
        entry, settings = self.desk.entry, self.desk.settings
        self._tell("initiated", Status.INITIATED)
        verdict = settings.verdict_of(self.new.to)
        if verdict is Verdict.FAILED:
            entry.finish(Status.FAILED)
            return
        entry.status = Status.RINGING
        self.desk.diary.note(Kind.RINGING, self.new.to)
        self._tell("ringing", Status.RINGING)
        if verdict is Verdict.NO_ANSWER or settings.rings_s > self.new.ring_s:
            await trio.sleep(self.new.ring_s)
            entry.finish(Status.NO_ANSWER)
            return
        await trio.sleep(settings.rings_s)
        if verdict is Verdict.BUSY:
            entry.finish(Status.BUSY)
            return
        entry.answer()
        entry.limit(self.new.time_limit_s)
        self.desk.diary.note(Kind.ANSWERED, self.new.to)
        self._tell("answered", Status.IN_PROGRESS)

    async def _talk(self, call: PhoneCall) -> None:
        twiml = "" if self.new.url else self.new.twiml
        page = Page(self.new.url, self._detected() if self.desk.entry.answered_by else {}, twiml)
        beside = [self._detect] if self.new.waiting is Waiting.ASYNC else []
        await live(call, page, *beside)

    async def _detect(self) -> None:
        """Decides who answered, and tells it where that was asked for."""
        if self.new.detection is Detection.OFF:
            return
        entry, settings = self.desk.entry, self.desk.settings
        verdict, after_s = "human", settings.detection_s
        if settings.verdict_of(self.new.to) is Verdict.MACHINE:
            verdict = "machine_start"
            if self.new.detection is Detection.MESSAGE_END:
                verdict = "machine_end_beep"
                after_s = settings.greeting_s + BEEP_S + BEEP_SILENCE_S
        await trio.sleep(after_s)
        entry.answered_by = verdict
        self.desk.diary.note(Kind.VERDICT, verdict)
        if self.new.waiting is Waiting.ASYNC:
            sids = {"CallSid": entry.sid, "AccountSid": self.desk.account.sid}
            self.desk.callbacks.put(self.new.verdict_callback, sids | self._detected())

    def _detected(self) -> dict[str, str]:
        entry = self.desk.entry
        return {
            "AnsweredBy": entry.answered_by or "unknown",
            "MachineDetectionDuration": str(round(entry.duration_s * 1000)),
        }

    def _tell(self, event: str, status: Status) -> None:
        if event in self.new.events and self.new.status_callback:
            form = progress(self.parties, self.desk.entry, status, self.told)
            self.told += 1
            self.desk.callbacks.put(self.new.status_callback, form)

    def _who(self) -> Person:
        """Who holds the telephone; a machine began its greeting when it answered."""
        settings = self.desk.settings
        if settings.verdict_of(self.new.to) is not Verdict.MACHINE:
            return self.person
        spoken = int(self.desk.entry.duration_s * SAMPLE_RATE)
        return machine(settings.greeting_s, settings.machine_waits_s, spoken)


def machine(greeting_s: float, waits_s: float, spoken: int = 0) -> Person:
    """An answering machine that has already played `spoken` samples of its greeting."""
    sound = np.concatenate([_tone(440.0, greeting_s), _tone(1000.0, BEEP_S)])
    turns = (
        Turn(Say("(an answering machine: greeting, beep)"), After(Cue.SILENCE, 0.0)),
        Turn(HangUp(), After(Cue.SILENCE, waits_s)),
    )
    return Person(turns, (g711.encode_float(sound)[spoken:], b""))


def _tone(hertz: float, seconds: float) -> NDArray[np.float32]:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)
