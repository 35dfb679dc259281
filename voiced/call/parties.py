"""Who is on a call, and where in its life a call is."""

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

import trio
from attrs import define, field, frozen

from voiced.call.call import Call
from voiced.call.persona import Persona
from voiced.dialog.manners import Past
from voiced.dialog.parting import Parting, Phrase
from voiced.dialog.progress import Progress
from voiced.records.model import Direction, Said


@frozen
class Known:
    """What is known of the person before the first word: `facts` are variables that the pre-call
    webhook told, `memory` is a paragraph for the prompt, about an earlier call."""

    facts: Mapping[str, str] = field(factory=dict, repr=False)
    memory: str = field(default="", repr=False)


@frozen
class Parties:
    """Who calls whom, as the carrier told us; either may be withheld or no number at all.

    `variables` fill the agent's texts; `account_sid` is the carrier's account, "" if not known.
    """

    call_sid: str
    agent: str
    caller: str
    called: str
    direction: Direction = Direction.INBOUND
    variables: Mapping[str, str] = field(factory=dict)
    account_sid: str = ""
    known: Known = Known()

    @property
    def person(self) -> str:
        """The number of whoever the agent talks with."""
        return self.called if self.direction is Direction.OUTBOUND else self.caller


class Stage(Enum):
    """Where in its life a call is."""

    QUEUED = "queued"  # placed by us; the carrier has not begun to ring
    RINGING = "ringing"
    AWAITED = "awaited"  # answered; its media socket is to come
    LIVE = "live"
    LOST = "lost"  # its stream broke, and the carrier may ask what to do about it
    PARTING = "parting"  # its stream is over, and the carrier will ask where to put it through
    TRANSFERRING = "transferring"  # it rings or talks elsewhere


class Lease(Protocol):
    """Room for one call, held until it is released; to release twice is no error."""

    def release(self) -> None: ...


@define
class Enquiry:
    """What is being found out about a call's person, `until` a time on Trio's clock.

    `status` is what came of the pre-call webhook, "" where nobody was asked. Cancel `scope` where
    nobody wants to know any more.
    """

    until: float
    known: Known = Known()
    status: str = ""
    done: trio.Event = field(factory=trio.Event)
    scope: trio.CancelScope = field(factory=trio.CancelScope)

    async def wait(self) -> None:
        """Returns when all of it is there, or its time is over."""
        with trio.move_on_at(self.until):
            await self.done.wait()


@define
class Entry:
    """A call that is not over. `until`: when its stage is given up, on Trio's clock."""

    parties: Parties
    stage: Stage
    until: float
    opened_at: float
    lease: Lease | None = None
    persona: Persona | None = None
    enquiry: Enquiry | None = None
    """Under way, or done and not made use of yet."""
    call: Call | None = None
    left: trio.Event = field(factory=trio.Event)
    """Set when its latest media socket is closed."""
    past: Past | None = None
    opening: Phrase | None = None
    parting: Parting | None = None
    answered_by: str = ""
    streams: int = 0
    returns: int = 0
    fetching: trio.CancelScope | None = None
    """The request to the carrier to come back; None: it has not been asked."""
    progress: Progress = field(factory=Progress)
    summary: Mapping[str, object] = field(factory=dict)
    unsaid: tuple[Said, ...] = ()
    recording: str = ""
    since: float | None = None
    """Unix seconds at which a person began to talk; None: not yet."""
    turns: int = 0

    @property
    def is_named(self) -> bool:
        """Whether the carrier has given it a SID yet."""
        return self.stage is not Stage.QUEUED

    @property
    def sid(self) -> str:
        """The carrier's name for the call."""
        return self.parties.call_sid

    def free(self) -> None:
        """The engines are not needed any more."""
        if self.lease:
            self.lease.release()
            self.lease = None
