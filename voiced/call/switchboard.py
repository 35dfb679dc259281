"""Who is on the line: admits calls, and conducts each on its media stream."""

import logging
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final

import trio
from attrs import evolve

from voiced.call.call import GOODBYE_S, Call
from voiced.call.errands import Errands
from voiced.call.leg import MediaSocket
from voiced.call.parties import Entry, Parties, Stage
from voiced.call.persona import Persona
from voiced.call.recording import Recording
from voiced.call.register import Register
from voiced.call.stream import Books, Stream
from voiced.dialog import events as ev
from voiced.errors import CallRefused, WireError
from voiced.ops.log import bound_call

log = logging.getLogger(__name__)

PersonaFor = Callable[[Parties], Persona]

SLACK_S: Final = 30.0
"""The carrier's own limit to a call stands this far behind ours, which says goodbye."""


class _State(Enum):
    OPEN = auto()
    DRAINING = auto()


class Switchboard:
    """Takes calls while there is room; once it drains, only those it has been promised to."""

    def __init__(
        self,
        register: Register,
        persona_for: PersonaFor,
        errands: Errands,
        recordings: Path | None = None,
        enquire: Callable[[Entry], None] | None = None,
    ) -> None:
        """`recordings` is the folder for them; None: nothing is recorded. `enquire` begins to find
        out who calls, see `Entry.enquiry`; None: nobody wants to know."""
        self.register = register
        self._persona_for = persona_for
        self._errands = errands
        self._recordings = recordings
        self._enquire = enquire
        self._state = _State.OPEN

    @property
    def live(self) -> Mapping[str, Call]:
        """The calls on a media stream, by call SID."""
        return {entry.sid: entry.call for entry in self.register.calls.values() if entry.call}

    @property
    def is_draining(self) -> bool:
        """Whether new calls are refused."""
        return self._state is _State.DRAINING

    def admit(self, parties: Parties, stage: Stage, within_s: float) -> Entry:
        """Keeps room for a call that rings now, and has its agent ready.

        Raises:
            CallRefused: `draining`, or as `Register.admit`.
        """
        if self.is_draining:
            raise CallRefused("draining")
        entry = self.register.admit(parties, stage, within_s)
        if entry.persona is None:
            self._engage(entry)
        return entry

    def restore(self, entry: Entry) -> None:
        """A call that an earlier run of the daemon left behind, and its agent."""
        self._engage(entry)
        self.register.move(entry, entry.stage, entry.until - trio.current_time())

    def _engage(self, entry: Entry) -> None:
        """An agent for a call that is new here."""
        entry.persona = self._persona_for(entry.parties)
        if self._enquire:
            self._enquire(entry)

    def check(self, agent: str) -> None:
        """Whether a call of this agent could be taken now.

        Raises:
            CallRefused: it could not.
        """
        if self.is_draining:
            raise CallRefused("draining")
        self.register.check(agent)

    def drain(self) -> None:
        """Takes no more calls; those under way go on, and those already answered may come."""
        self._state = _State.DRAINING

    def abandon(self, entry: Entry) -> bool:
        """Ends a call that is on no stream: it rings, or talks elsewhere.

        Returns whether the carrier is asked to; what it then tells of the call closes it.
        """
        if not self._errands.is_possible:
            return False
        if entry.stage is Stage.RINGING:
            self._errands.cancel(entry.sid)
            return True
        if entry.stage is Stage.TRANSFERRING:
            self._errands.end(entry.sid)
            return True
        return False

    def close_all(self, reason: str) -> None:
        """Has every call say goodbye and hang up; those that ring stop ringing."""
        for entry in self.register.calls.values():
            if entry.call:
                entry.call.close(reason)
            elif entry.stage is Stage.RINGING:
                self.abandon(entry)

    async def take(self, entry: Entry, socket: MediaSocket, stream_sid: str) -> None:
        """Conducts a call on an open media socket; returns when nothing of it is left there.

        Raises:
            CallRefused: the call is not awaited, or the stream has an id that we could not write.
        """
        await self._acquaint(entry)
        is_gone = self.register.calls.get(entry.sid) is not entry
        if is_gone or entry.stage is not Stage.AWAITED or entry.persona is None:
            raise CallRefused("duplicate")
        stream = Stream(socket, entry.sid, stream_sid)
        books = self._books(entry)
        try:
            call = Call(_again(entry), stream, entry.past, books, partial(self._bring_in, entry))
        except WireError as error:
            raise CallRefused("malformed-stream") from error
        with bound_call(entry.sid, stream.stream_sid):
            self._begin(entry, call)
            try:
                await call.run()
            finally:  # also when the daemon ends it in the middle
                record = call.record()
                if books.recording:
                    entry.recording = entry.recording or books.recording.name
                log.info("call ended", extra={"fields": record.summary()})
                self.register.left(entry, record)

    async def _acquaint(self, entry: Entry) -> None:
        """Tells the agent what has been found out about the caller, and waits for that where it
        still may come."""
        if entry.enquiry is None:
            return
        await entry.enquiry.wait()
        enquiry, entry.enquiry = entry.enquiry, None
        if enquiry is None:
            return  # another socket of the same call has
        if enquiry.status:
            self.register.diary.happened(entry, "pre-call", {"status": enquiry.status})
        if enquiry.known != entry.parties.known:
            entry.parties = evolve(entry.parties, known=enquiry.known)
            entry.persona = self._persona_for(entry.parties)

    def _bring_in(self, entry: Entry, agent: str) -> Persona:
        """Another agent for this call, on this stream and any other to come."""
        entry.persona = self._persona_for(evolve(entry.parties, agent=agent))
        return entry.persona

    def _begin(self, entry: Entry, call: Call) -> None:
        log.info("call started", extra={"fields": {"agent": entry.parties.agent}})
        self.register.connected(entry, call)
        if entry.persona:  # on each stream: a transfer had it raised
            self._errands.limit(entry.sid, entry.persona.max_call_s + GOODBYE_S + SLACK_S)
        if entry.answered_by:
            call.request(ev.MachineDetected(entry.answered_by))

    def _books(self, entry: Entry) -> Books:
        if self._recordings is None:
            return Books(self.register.diary.journal)
        part = f"-{entry.streams + 1}" if entry.streams else ""
        recording = Recording(self._recordings / f"{entry.sid}{part}.wav")
        return Books(self.register.diary.journal, recording)


def _again(entry: Entry) -> Persona:
    """The agent for the call's next stream: what it says first depends on why there is one."""
    persona = entry.persona
    assert persona is not None
    if entry.opening is None:
        return persona
    opening = entry.opening if entry.opening in persona.texts else None
    return evolve(persona, manners=evolve(persona.manners, opening=opening))
