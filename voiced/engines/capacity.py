"""Whether the engines have room for a call, known before the phone is answered.

A moshi-server is asked every two seconds how many of its slots are taken; a call that is admitted
counts at once. Engines in the cloud tell nothing and count as roomy, but for a `concurrency` that
the configuration states. An LLM is known by what `keep_warm` finds. `rooms` does the counting.
"""

import logging
from collections.abc import Hashable, Iterator, Sequence
from types import TracebackType

import httpx
import trio
from attrs import frozen

from voiced.config import LlmSettings, Settings, SttSettings, TtsSettings
from voiced.engines.moshi_slots import Inquiry
from voiced.engines.rooms import ROOMS, Place, Poll, Reach, Room, RoomState, knowledge
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
        return knowledge(self.settings).free(self.place, self.settings)

    @property
    def can_be_asked(self) -> bool:
        """Whether it is found out, without a call, if it is there."""
        return self.role == "llm" or type(self.settings) in ROOMS

    def room(self) -> Room:
        """For others to see."""
        last = _last(self.place)
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
        ask = knowledge(self.settings).inquiry
        return ask(self.name, self.role, self.settings) if ask else None


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
        self._http = http
        self._timing = timing or CapacityTiming()
        self._places: dict[tuple[str, Hashable], Place] = {}
        self._tried: set[Place] = set()
        self._change = trio.Event()
        self.renew(settings)

    def renew(self, settings: Settings) -> None:
        """Counts by these settings from now on; `watch` must be started anew.

        What is known of an engine's place stays known, with the calls that are there.
        """
        self._agents = settings.agents
        self._engines = {(each.role, each.name): each for each in _engines(settings, self._places)}
        self._changed()

    @property
    def is_tried(self) -> bool:
        """Whether every engine that can be asked has been, once at least."""
        return all(each.place in self._tried for each in self._used() if each.can_be_asked)

    async def wait_change(self) -> None:
        """Returns when what is known of an engine has changed; calls change it too, untold."""
        await self._change.wait()

    def _changed(self) -> None:
        self._change.set()
        self._change = trio.Event()

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
        self._tried.add(place)
        before = place.state
        if outcome is Reach.OK:
            place.found()
        else:
            place.lost()
        _tell(f"{role} {name}", before, place.state, _missed(f"{role} {name}", before))
        self._changed()

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
        known = _last(place), place in self._tried
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
        self._tried.add(place)
        _tell(f"{asked.role} {asked.engine}", before, place.state, why)
        if place.state is not before or known != (_last(place), True):
            self._changed()


def _last(place: Place) -> Poll | None:
    """The latest answer of a server that tells of its slots."""
    return place.polls[-1] if place.polls else None


def _missed(engine: str, before: RoomState) -> str:
    how_often = "" if before is RoomState.UNKNOWN else " twice in a row"
    return f"{engine}: not reached{how_often}"


def _tell(engine: str, before: RoomState, now: RoomState, why: str) -> None:
    """Logs that an engine went away or came back, and nothing in between."""
    if now is before:
        return
    if now is RoomState.UNREACHABLE:
        log.warning("an engine is away: %s", why)
    elif before is RoomState.UNREACHABLE:
        log.info("an engine is back: %s", engine)


def _engines(settings: Settings, places: dict[tuple[str, Hashable], Place]) -> Iterator[_Engine]:
    """All of them; those of one role whose room is the same share their place."""
    by_role = {"stt": settings.stt, "llm": settings.llm, "tts": settings.tts}
    for role in ROLES:
        for name, each in by_role[role].items():
            where = knowledge(each).where(each) or name
            yield _Engine(role, name, each, places.setdefault((role, where), Place()))
