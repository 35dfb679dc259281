"""How the daemon is, in one sentence for `systemctl status`, told whenever it changes."""

import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from enum import Enum, auto
from typing import Final

import trio

from voiced.call.parties import Stage
from voiced.config import DEFAULT_AGENT
from voiced.engines.rooms import Room, RoomState
from voiced.errors import CallRefused
from voiced.house import House
from voiced.ops.systemd import Notifier

log = logging.getLogger(__name__)

READY_S: Final = 10.0
"""How long the engines may take to say that they are there; a daemon without them is ready too,
since they come and go."""

EVERY_S: Final = 1.0
"""No more often than this is a change told."""

EXTENDED_S: Final = 15
"""A daemon that drains asks with each sentence for so much more time, whatever TimeoutStopSec=
says; one that hangs in its drain is killed after it."""


TOKENLESS: Final = (
    "twilio.auth_token is not set (put it into secrets.toml, beside the configuration)"
)


class _Phase(Enum):
    STARTING = auto()
    READY = auto()
    DRAINING = auto()


class Standing:
    """Tells systemd when the daemon is ready, and how it is."""

    def __init__(self, house: House, notifier: Notifier) -> None:
        self._house = house
        self._notifier = notifier
        self._phase = _Phase.STARTING
        self._trouble = ""
        self._since: dict[str, float] = {}
        self._told = ""
        self._wake = trio.Event()

    async def wait_asked(self) -> None:
        """Returns once the engines have been asked, after `READY_S` at the latest."""
        capacity = self._house.capacity
        with trio.move_on_after(READY_S):
            await trio.lowlevel.checkpoint()
            while not capacity.is_tried:
                await capacity.wait_change()

    def ready(self) -> None:
        """Calls are taken, as far as the engines can."""
        self._phase = _Phase.READY
        self._tell(READY=1)
        log.info("ready: %s", self._told)

    def draining(self) -> None:
        """No call is taken any more; those under way are waited for."""
        self._phase = _Phase.DRAINING
        self._tell(STOPPING=1)
        self._wake.set()

    def reloading(self) -> None:
        """The configuration is being read."""
        self._notifier.tell(RELOADING=1)

    def reloaded(self, trouble: str = "") -> None:
        """It has been; `trouble` says why it was not taken."""
        self._trouble = trouble
        self._tell(READY=1)

    async def run(self) -> None:
        """Tells each change until cancelled, and while the daemon drains how long it has."""
        if not self._notifier.is_heard:
            return
        house = self._house
        changes = (house.switchboard.register, house.capacity, house.recorder)
        async with trio.open_nursery() as nursery:
            for each in changes:
                nursery.start_soon(self._follow, each.wait_change)
            while True:
                self._wake = trio.Event()
                self._refresh()
                await trio.sleep(EVERY_S)
                is_restless = self._phase is _Phase.DRAINING or self._notifier.is_behind
                with trio.move_on_after(0 if is_restless else math.inf):
                    await self._wake.wait()

    async def _follow(self, wait: Callable[[], Awaitable[None]]) -> None:
        while True:
            self._wake.set()  # the first time for what changed before anybody listened
            await wait()

    def _refresh(self) -> None:
        self._count()
        if self._phase is _Phase.DRAINING:
            self._tell(EXTEND_TIMEOUT_USEC=EXTENDED_S * 1_000_000)
        elif self.sentence() != self._told or self._notifier.is_behind:
            self._tell()

    def _tell(self, **states: str | int) -> None:
        self._told = self.sentence()
        self._notifier.tell(**states, STATUS=self._told)

    # --- words ----------------------------------------------------------------------------------

    def sentence(self) -> str:
        """How the daemon is now."""
        match self._phase:
            case _Phase.STARTING:
                return "starting: asking the engines"
            case _Phase.DRAINING:
                return self._drain()
        parts = [*_missing(self._house)]
        if parts:
            calls = _calls(self._house)
            parts = [f"{calls}, no other can be taken" if calls else "no call can be taken", *parts]
            told = f"{parts[0]}: {'; '.join(parts[1:])}"
        else:
            told = ", ".join([_calls(self._house) or "no calls", *_slots(self._house)])
        unkept = "" if self._house.recorder.is_keeping else "nothing is recorded: see the log"
        return "; ".join(filter(None, (told, unkept, self._trouble)))

    def _count(self) -> None:
        """Notes since when there is each call that a drain would wait for, on a clock that nobody
        sets."""
        entries = self._house.switchboard.register.calls.values()
        waited = [each.sid for each in entries if each.stage is not Stage.TRANSFERRING]
        now = trio.current_time()
        self._since = {sid: self._since.get(sid, now) for sid in waited}

    def _drain(self) -> str:
        self._count()
        if not self._since:
            return "draining: the last answers"
        longest_s = int(trio.current_time() - min(self._since.values()))
        number = f"{len(self._since)} call{'s' * (len(self._since) != 1)}"
        return f"draining {number}, longest {longest_s // 60:02}:{longest_s % 60:02}"


def _calls(house: House) -> str:
    number = len(house.switchboard.live)
    return f"{number} call{'s' * (number != 1)}" if number else ""


def _missing(house: House) -> Iterator[str]:
    """Why no call of the default agent can be taken; nothing where it can."""
    twilio = house.settings.twilio
    try:
        house.switchboard.check(DEFAULT_AGENT)
    except CallRefused as refused:
        role = refused.reason.partition("-")[0]
        away = [
            f"{room.role} {room.name} is away"
            for room in house.capacity.rooms()
            if room.role == role and room.state is RoomState.UNREACHABLE
        ]
        yield f"{refused.reason} ({', '.join(away)})" if away else refused.reason
    if twilio.verify_signatures and not (twilio.auth_token or twilio.auth_token_secondary):
        yield TOKENLESS


def _slots(house: House) -> Iterator[str]:
    """The free slots of the engines that tell of them; by name where a role has several."""
    rooms = [room for room in house.capacity.rooms() if room.total is not None]
    for role in ("stt", "tts"):
        told = [room for room in rooms if room.role == role]
        for room in told:
            name = f" of {room.name}" if len(told) > 1 else ""
            yield f"{_free(room)} {role.upper()} slots{name} free"


def _free(room: Room) -> int:
    return max(0, (room.total or 0) - (room.used or 0))
