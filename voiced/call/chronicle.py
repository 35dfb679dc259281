"""What is told of a call while it goes on: a line in the log, and a record, for each turn."""

import logging
import time
from collections.abc import Mapping
from typing import Final, Protocol

from voiced.dialog import events as ev
from voiced.dialog.conversation import Conversation
from voiced.dialog.history import Ending as Told
from voiced.dialog.history import Entry, Role
from voiced.dialog.turn import Ending, Turn
from voiced.errors import EngineError
from voiced.records.model import EngineFailed, Happened, Record, Said, TurnEnded

log = logging.getLogger(__name__)

_ROLES: Final = {Role.CALLER: "caller", Role.AGENT: "agent"}
_ENDINGS: Final = {Told.COMPLETE: "complete", Told.INTERRUPTED: "interrupted"}


class Journal(Protocol):
    """Takes records, never blocks and never fails; the keeping is its own affair."""

    def put(self, record: Record) -> None: ...


class Nowhere:
    """A journal that keeps nothing."""

    def put(self, record: Record) -> None:
        """Takes the record, and that was it."""


def said(entry: Entry) -> Said:
    """An utterance of the history, for the record."""
    return Said(_ROLES[entry.role], entry.text, round(entry.at_s, 3), _ENDINGS[entry.ending])


def unsaid(kept: Said) -> Entry:
    """The same, the other way round."""
    role = next(role for role, word in _ROLES.items() if word == kept.role)
    ending = next(ending for ending, word in _ENDINGS.items() if word == kept.ending)
    return Entry(role, kept.text, ending, kept.at_s)


class Chronicle:
    """One call's. It knows how far it has told."""

    def __init__(self, call_sid: str, conversation: Conversation, journal: Journal) -> None:
        self._sid = call_sid
        self._conversation = conversation
        self._journal = journal
        self._turns_told = 0
        self._entries_told = len(conversation.history.entries)

    def tell_turns(self) -> None:
        """The turns that have ended since."""
        for turn in self._conversation.turns[self._turns_told :]:
            if turn.ending is Ending.PENDING:
                return
            self._turns_told += 1
            fields = turn.summary(self._conversation.started_at)
            speech = {"caller": turn.utterance, "agent": turn.heard.text}
            log.info("turn ended", extra={"fields": fields, "speech": speech})
            self._journal.put(self._ended(turn))

    def _ended(self, turn: Turn) -> TurnEnded:
        audible = turn.times.first_frame
        began = self._conversation.started_at
        return TurnEnded(
            self._sid,
            turn.number,
            time.time(),
            None if audible is None else round(audible - began, 3),
            turn.ending.value,
            turn.times.stages_ms(),
            self.untold(),
        )

    def untold(self) -> tuple[Said, ...]:
        """What has been said since this was last asked."""
        entries = self._conversation.history.entries[self._entries_told :]
        self._entries_told += len(entries)
        return tuple(said(entry) for entry in entries)

    def note(self, event: ev.Event) -> None:
        """Keeps the events that an operator asks about later."""
        match event:
            case ev.EarFailed(error=error) | ev.ReplyFailed(error=error):
                self._failed(error)
            case ev.FillerSaid(turn=turn):
                self.happened("filler", {"turn": turn})
            case ev.ToolAnswered(tool=tool, status=status, duration_s=duration_s):
                self._used(tool, status, duration_s)
            case ev.MachineDetected(answered_by=answered_by):
                self.happened("answered-by", {"answered_by": answered_by})
            case ev.SayRequested():
                self.happened("say", {})
            case ev.InterruptRequested():
                self.happened("interrupt", {})
            case ev.CloseRequested(parting=parting):
                self.happened("close", {"reason": parting.reason})

    def settle(self, event: ev.Event, now: float) -> None:
        """What the model has asked for belongs to the call, also when that is over."""
        if isinstance(event, ev.ToolEvent | ev.ReplyCommits):
            self.note(event)
            self._conversation.receive(event, now)

    def _used(self, tool: str, status: str, duration_s: float) -> None:
        fields = {"tool": tool, "status": status, "tool_ms": round(1000 * duration_s)}
        log.info("tool used", extra={"fields": fields})
        self.happened("tool", fields)

    def happened(self, kind: str, detail: Mapping[str, object]) -> None:
        """Anything else."""
        self._journal.put(Happened(self._sid, time.time(), kind, detail))

    def _failed(self, error: EngineError) -> None:
        failure = (error.role, error.engine, error.reason, str(error))
        self._journal.put(EngineFailed(self._sid, time.time(), *failure))
