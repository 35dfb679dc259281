"""Who is on the line: the live calls, whether another can be taken, and which agent takes it."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, auto

import trio
from attrs import frozen

from voiced.call.call import Call, Persona
from voiced.call.leg import MediaSocket
from voiced.call.record import CallRecord
from voiced.errors import CallRefused, WireError
from voiced.ops.log import bound_call

log = logging.getLogger(__name__)


@frozen
class Parties:
    """Who calls whom, as the carrier told us; either may be withheld or no number at all."""

    call_sid: str
    agent: str
    caller: str
    called: str


class _State(Enum):
    OPEN = auto()
    DRAINING = auto()


PersonaFor = Callable[[Parties], Persona]


class Switchboard:
    """Takes calls, up to `max_calls`; once it drains, only those it has been promised to."""

    def __init__(self, persona_for: PersonaFor, max_calls: int) -> None:
        self._persona_for = persona_for
        self._max_calls = max_calls
        self._state = _State.OPEN
        self._live: dict[str, Call] = {}
        self._empty = trio.Event()
        self._empty.set()

    @property
    def live(self) -> Mapping[str, Call]:
        """The calls under way, by call SID."""
        return self._live

    def admit(self) -> None:
        """Judges whether a call that rings now could be served.

        Raises:
            CallRefused: `draining` or `max-calls`.
        """
        if self._state is _State.DRAINING:
            raise CallRefused("draining")
        self._check_room()

    def _check_room(self) -> None:
        if len(self._live) >= self._max_calls:
            raise CallRefused("max-calls")

    def drain(self) -> None:
        """Takes no more calls; those under way go on, and those already answered may come."""
        self._state = _State.DRAINING

    async def wait_empty(self) -> None:
        """Returns when no call is under way."""
        await self._empty.wait()

    def close_all(self, reason: str) -> None:
        """Has every call say goodbye and hang up."""
        for call in self._live.values():
            call.close(reason)

    async def take(self, parties: Parties, socket: MediaSocket, stream_sid: str) -> CallRecord:
        """Conducts a call on an open media socket; returns when nothing of it is left.

        Raises:
            CallRefused: no room any more, the call is on another socket already, or the stream
                has an id that we could not write.
        """
        self._check_room()
        if parties.call_sid in self._live:
            raise CallRefused("duplicate")
        persona = self._persona_for(parties)
        try:
            call = Call(persona, socket, call_sid=parties.call_sid, stream_sid=stream_sid)
        except WireError as error:
            raise CallRefused("malformed-stream") from error
        with bound_call(parties.call_sid), self._registered(call):
            log.info("call started", extra={"fields": {"agent": parties.agent}})
            try:
                return await call.run()
            finally:  # also when the daemon ends it in the middle
                log.info("call ended", extra={"fields": call.record().summary()})

    @contextmanager
    def _registered(self, call: Call) -> Iterator[None]:
        if not self._live:
            self._empty = trio.Event()
        self._live[call.call_sid] = call
        try:
            yield
        finally:
            del self._live[call.call_sid]
            if not self._live:
                self._empty.set()
