"""Whether the engines have room for a call, known before the phone is answered.

A moshi-server is asked every two seconds how many of its slots are taken; a call that is admitted
counts at once. Engines in the cloud tell nothing and count as roomy, but for a `concurrency` that
the configuration states. An LLM is known by what `keep_warm` finds. `rooms` does the counting.
"""

import logging
import math
from collections.abc import Hashable, Iterator, Sequence
from types import TracebackType

import httpx
import trio
from attrs import frozen

from voiced.config import (
    CartesiaTts,
    LlmSettings,
    MoshiStt,
    MoshiTts,
    Settings,
    SttSettings,
    TtsSettings,
)
from voiced.engines.moshi_slots import Inquiry, inquiry
from voiced.engines.rooms import (
    Place,
    Poll,
    Reach,
    Room,
    RoomState,
    free_contexts,
    free_ears,
    free_voices,
)
from voiced.errors import CallRefused, EngineError

__all__ = ["Capacity", "CapacityTiming", "Lease", "Reach", "Room", "RoomState"]

log = logging.getLogger(__name__)

ROLES = ("stt", "llm", "tts")


@frozen
class CapacityTiming:
    """How often a server is asked, and how long it may take to answer, in seconds."""

    every_s: float = 2.0
    answer_s: float = 1.0


@frozen
class _Engine:
    """An engine of the configuration, and where its room is counted."""

    role: str
    name: str
    settings: SttSettings | LlmSettings | TtsSettings
    place: Place

    @property
    def free(self) -> float:
        """As in `Room`."""
        if self.place.state is RoomState.UNREACHABLE:
            return 0
        match self.settings:
            case MoshiStt():
                return free_ears(self.place)
            case MoshiTts(calls_per_slot=calls_per_slot):
                return free_voices(self.place, calls_per_slot)
            case CartesiaTts(concurrency=concurrency):
                return free_contexts(self.place, concurrency)
        return math.inf

    def room(self) -> Room:
        """For others to see."""
        last = self.place.polls[-1] if self.place.polls else None
        total, used = (last.total, last.used) if last else (None, None)
        return Room(self.role, self.name, self.place.state, total, used, self.free)

    def check(self) -> None:
        """Raises `CallRefused` where it cannot take one more call."""
        if self.place.state is RoomState.UNREACHABLE:
            raise CallRefused(f"{self.role}-unreachable")
        if self.free < 1:
            raise CallRefused(f"{self.role}-slots")

    def inquiry(self) -> Inquiry | None:
        """How to ask it; None for an engine that tells nothing."""
        match self.settings:
            case MoshiStt() | MoshiTts():
                return inquiry(self.name, self.role, self.settings)
        return None


class Lease:
    """The room that one call takes; given back once, however often it is released."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = tuple(places)
        for place in self._places:
            place.leases += 1

    def release(self) -> None:
        """Gives the room back, at once."""
        places, self._places = self._places, ()
        for place in places:
            place.leases -= 1

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


class Capacity:
    """The room of all engines of a configuration."""

    def __init__(
        self,
        settings: Settings,
        http: httpx.AsyncClient,
        timing: CapacityTiming | None = None,
    ) -> None:
        self._agents = settings.agents
        self._http = http
        self._timing = timing or CapacityTiming()
        self._engines = {(each.role, each.name): each for each in _engines(settings)}

    async def watch(self) -> None:
        """Asks each moshi-server that an agent uses, again and again, until cancelled."""
        watched = {id(engine.place): engine for engine in reversed(self._used())}
        async with trio.open_nursery() as nursery:
            for engine in watched.values():
                if asked := engine.inquiry():
                    nursery.start_soon(self._watch, asked, engine.place)
            await trio.sleep_forever()

    def reached(self, role: str, name: str, outcome: Reach) -> None:
        """Takes note of what came of somebody's attempt to reach an engine of the settings."""
        place = self._engines[role, name].place
        before = place.state
        if outcome is Reach.OK:
            place.found()
        else:
            place.lost()
        _tell(f"{role} {name}", before, place.state, f"{role} {name}: not reached twice in a row")

    def lease(self, agent: str) -> Lease:
        """Takes the room for one call of this agent; it counts from now until its release.

        Raises:
            CallRefused: `stt-slots`, `tts-slots`, `stt-unreachable`, `tts-unreachable` or
                `llm-unreachable`.
        """
        return Lease([self._choose(agent, role).place for role in ROLES])

    def rooms(self) -> tuple[Room, ...]:
        """The engines that agents use, spares too, as they stand."""
        return tuple(engine.room() for engine in self._used())

    def _choose(self, agent: str, role: str) -> _Engine:
        """The engine for one more call: the first with room; its calls go to no other before."""
        refusal: CallRefused | None = None
        for engine in self._of(agent, role):
            try:
                engine.check()
                return engine
            except CallRefused as refused:
                refusal = refusal or refused
        assert refusal  # an agent has at least one engine of each role
        raise refusal

    def _of(self, agent: str, role: str) -> list[_Engine]:
        settings = self._agents[agent]
        names = {"stt": settings.stt, "llm": settings.llm, "tts": settings.tts}[role]
        return [self._engines[role, name] for name in names]

    def _used(self) -> list[_Engine]:
        """Each once."""
        engines = [
            each for agent in self._agents for role in ROLES for each in self._of(agent, role)
        ]
        return list({(each.role, each.name): each for each in engines}.values())

    async def _watch(self, asked: Inquiry, place: Place) -> None:
        due = trio.current_time()
        while True:
            await self._poll(asked, place)
            due = max(due + self._timing.every_s, trio.current_time())
            await trio.sleep_until(due)

    async def _poll(self, asked: Inquiry, place: Place) -> None:
        before, leases, why = place.state, place.leases, ""
        try:
            module = await asked.ask(self._http, self._timing.answer_s)
        except EngineError as error:
            place.lost()
            why = str(error)
        else:
            # A call that came or went meanwhile may be in the answer or not. It is left out:
            # a slot is rather taken for another's for two seconds than promised twice.
            ours = min(leases, place.leases)
            place.answered(Poll(module.used, module.total, ours) if module else None)
        _tell(f"{asked.role} {asked.engine}", before, place.state, why)


def _tell(engine: str, before: RoomState, now: RoomState, why: str) -> None:
    """Logs that an engine went away or came back, and nothing in between."""
    if now is before:
        return
    if now is RoomState.UNREACHABLE:
        log.warning("an engine is away: %s", why)
    elif before is RoomState.UNREACHABLE:
        log.info("an engine is back: %s", engine)


def _engines(settings: Settings) -> Iterator[_Engine]:
    """All of them; those of one role whose room is the same share their place."""
    places: dict[tuple[str, Hashable], Place] = {}
    by_role = {"stt": settings.stt, "llm": settings.llm, "tts": settings.tts}
    for role in ROLES:
        for name, each in by_role[role].items():
            yield _Engine(role, name, each, places.setdefault((role, _where(name, each)), Place()))


def _where(name: str, settings: SttSettings | LlmSettings | TtsSettings) -> Hashable:
    """What an engine's room is a part of: a moshi-server's route, a limited account, or its own."""
    match settings:
        case MoshiStt(url=url) | MoshiTts(url=url):
            return url
        case CartesiaTts(url=url, api_key=api_key, concurrency=int()):
            return url, api_key
    return name
