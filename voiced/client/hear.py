"""`voiced hear`: plays a sound into an STT as a caller would speak, and tells what it hears."""

from collections.abc import Iterator
from statistics import median
from typing import Final

import trio
from attrs import define, field, frozen

from voiced.client.choice import agent_of, ear_of
from voiced.client.run import Tell
from voiced.client.text import clock, cut, paragraph, shown
from voiced.client.trial import PACKET_S, quietly
from voiced.config import DEFAULT_AGENT, Settings
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.events import Flushed, SpeechStarted, SpeechStopped, SttEvent, WordHeard
from voiced.dialog.listening import Listening
from voiced.dialog.turns import Phase, Signal
from voiced.engines.build import build_engines
from voiced.engines.http import http_client
from voiced.engines.roles import Stt, Transcription
from voiced.errors import EngineError

TAIL_S: Final = 2.0
"""The line goes on behind the file, silent, for so long; and until the turn is over."""

FLUSH_S: Final = 10.0
"""An engine answers a flush much sooner, once it is connected."""

_WORD_COLUMNS: Final = 32


@frozen
class Packet:
    """20 ms of the line, and what that changes on it."""

    mulaw: bytes
    change: SpeechStarted | SpeechStopped | None = None


@frozen
class Line:
    """What is played: a sound of `length_s`, and silence behind it without end."""

    packets: Iterator[Packet]
    length_s: float


async def hear(settings: Settings, ear: str, line: Line, tell: Tell) -> int:
    """Tells every word as it comes, and a summary; `ear` names an `[stt.*]`, empty: that of
    agent.default. 0.

    Raises:
        TrialError: there is no such ear.
        EngineError: as `Transcription.run`.
    """
    quietly()
    agent = agent_of(settings, DEFAULT_AGENT)
    async with http_client() as http:
        stt = ear_of(build_engines(settings, http), agent, ear)
    for told in await heard(stt, line, EndpointingRule.of(agent), tell):
        tell(told)
    return 0


async def heard(stt: Stt, line: Line, rule: EndpointingRule, tell: Tell) -> list[str]:
    """Plays the line in real time; returns the summary.

    Raises:
        EngineError: as `Transcription.run`.
    """
    failure: EngineError | None = None
    ear = stt.transcription()
    caller = _Caller(ear, Listening(rule, None), tell, trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller.play, line, nursery.cancel_scope)
        try:
            await ear.run(caller.hear)
        except EngineError as error:
            failure = error
        nursery.cancel_scope.cancel(reason="over")
    if failure is not None:
        raise failure
    return list(caller.summary())


@define(eq=False)
class _Caller:
    """Speaks, and notes what is heard. Times are seconds of the file, which began at `_began`."""

    _ear: Transcription
    _listening: Listening
    _tell: Tell
    _began: float
    _words: list[str] = field(factory=list)
    _delays: list[float] = field(factory=list)
    _turns: int = 0
    _turn_ended_at: float = 0.0
    _flushed: trio.Event = field(factory=trio.Event)

    async def play(self, line: Line, whole: trio.CancelScope) -> None:
        """A packet comes when it has been spoken. In the end a flush brings the last words."""
        for number, packet in enumerate(line.packets, 1):
            await trio.sleep_until(self._began + number * PACKET_S)
            self._ear.put(packet.mulaw)
            self._line_changed(packet.change)
            is_open = self._listening.deadline(Phase.HEARING) is not None
            if not is_open and number * PACKET_S >= line.length_s + TAIL_S:
                break
        self._ear.flush()
        with trio.move_on_after(FLUSH_S):
            await self._flushed.wait()
        whole.cancel(reason="heard")

    def hear(self, event: SttEvent) -> None:
        """Takes the ear's next event."""
        now = self._now()
        match event:
            case WordHeard(text=text, start_s=start_s):
                self._words.append(text)
                self._delays.append(now - start_s)
                word = cut(shown(text), _WORD_COLUMNS)
                self._tell(f"{clock(start_s)}  {word:<{_WORD_COLUMNS}}  {now - start_s:5.2f} s")
                if start_s < self._turn_ended_at:
                    return  # a call's flush would have brought it into the turn that is over
            case Flushed():
                self._flushed.set()
        if self._listening.receive(event, Phase.HEARING, now) is Signal.PAUSE:
            self._turn_ended(now, "the engine is sure")

    def _line_changed(self, change: SpeechStarted | SpeechStopped | None) -> None:
        now = self._now()
        if change is not None:
            self._listening.receive(change, Phase.HEARING, now)
        if isinstance(change, SpeechStopped):
            self._tell(f"{clock(now - change.quiet_s)}  (quiet)")
        if self._listening.expire(Phase.HEARING, now) is Signal.PAUSE:
            self._turn_ended(now, "the line is silent, or no word comes")

    def _turn_ended(self, now: float, why: str) -> None:
        self._listening.take(now)
        self._turns += 1
        self._turn_ended_at = now
        self._tell(f"{clock(now)}  (end of turn: {why})")

    def summary(self) -> Iterator[str]:
        """What was heard, and how late."""
        yield ""
        yield from paragraph("heard   ", " ".join(self._words) or "nothing")
        late = ""
        if self._delays:
            middle, most = median(self._delays), max(self._delays)
            late = f", told {middle:.2f} s after they began (median; at most {most:.2f} s)"
        yield f"words   {len(self._words)}{late}"
        yield f"turns   {self._turns}"
        yield f"lost    {self._ear.statistics().dropped_ms} ms of audio, the engine being late"

    def _now(self) -> float:
        return trio.current_time() - self._began
