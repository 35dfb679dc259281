"""How many more calls an engine can take, and how that is known: counting, without a clock.

A server tells how many of its slots are taken, every few seconds; our own calls come and go in
between. So each answer is kept together with the calls that were ours when it was given.
"""

import math
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from attrs import define, field, frozen

from voiced.config import CartesiaTts, MoshiStt, MoshiTts
from voiced.engines.moshi_slots import Inquiry, inquiry

LOST_IN_A_ROW: Final = 2
"""A server that does not answer once may have been busy; twice, and it is away. Of one that has
never answered nothing better is known, so once is enough."""

FULL_IN_A_ROW: Final = 3
"""Answers that find every voice slot taken before we believe that others hold them."""

CALLS_PER_CONTEXT: Final = 4.0
"""Conversations that one context at once carries in Cartesia's voice, since a reply is generated
much faster than it is heard. Source: Cartesia's "Concurrency and WebSocket Limits".
"""

_ROUNDING: Final = 1e-9


class Reach(Enum):
    """What came of one attempt to reach an engine."""

    OK = "ok"
    FAILED = "failed"


class RoomState(Enum):
    """Whether an engine can be reached; unknown until it has been tried."""

    UNKNOWN = "unknown"
    OPEN = "open"
    UNREACHABLE = "unreachable"


@frozen
class Room:
    """One engine, as it stands.

    `total` and `used` are its slots as it told last, None where it tells none. `free` is how many
    more calls it can take: infinite where nothing limits them or nothing is known of a limit.
    """

    role: str
    name: str
    state: RoomState
    total: int | None
    used: int | None
    free: float


@frozen
class Poll:
    """One answer of a server, and how many calls were ours then."""

    used: int
    total: int
    leases: int


@define(eq=False)
class Place:
    """One address that engines are reached at, and the calls that we have there.

    Two engines may share it: the same server with two voices has its slots but once.
    """

    leases: int = 0
    _state: RoomState = RoomState.UNKNOWN
    _lost: int = 0
    _polls: deque[Poll] = field(factory=lambda: deque(maxlen=FULL_IN_A_ROW))

    @property
    def state(self) -> RoomState:
        """What the last attempts have shown."""
        return self._state

    @property
    def polls(self) -> Sequence[Poll]:
        """The last answers, oldest first; none where it tells nothing of slots."""
        return self._polls

    def found(self) -> None:
        """It is there."""
        self._lost = 0
        self._state = RoomState.OPEN

    def answered(self, poll: Poll | None) -> None:
        """It is there and has told its slots; without a poll it tells nothing of them."""
        self.found()
        if poll is None:
            self._polls.clear()
        else:
            self._polls.append(poll)

    def lost(self) -> None:
        """It was tried in vain; what it told before is forgotten once it counts as away."""
        self._lost += 1
        if self._state is RoomState.UNKNOWN or self._lost >= LOST_IN_A_ROW:
            self._state = RoomState.UNREACHABLE
            self._polls.clear()


def free_ears(place: Place) -> float:
    """Calls that an STT has room for: a call takes a slot for as long as it lasts."""
    if not place.polls:
        return math.inf
    last = place.polls[-1]
    others = max(0, last.used - last.leases)
    return max(0, last.total - others - place.leases)


def free_voices(place: Place, calls_per_slot: float) -> float:
    """Calls that a TTS has room for: a call takes a slot for each reply only.

    Which of the taken slots are ours just now cannot be told. Only where all are taken time and
    again, and we have not calls enough to fill them, do others fill it.
    """
    if not place.polls:
        return math.inf
    if len(place.polls) == FULL_IN_A_ROW and all(
        poll.used >= poll.total > poll.leases for poll in place.polls
    ):
        return 0
    return max(0, calls_for(place.polls[-1].total, calls_per_slot) - place.leases)


def free_contexts(place: Place, concurrency: int | None) -> float:
    """Calls that Cartesia has room for where its account may generate so many replies at once; None
    where nobody says how many. What others do with the account is not known.
    """
    if concurrency is None:
        return math.inf
    return max(0, calls_for(concurrency, CALLS_PER_CONTEXT) - place.leases)


def calls_for(slots: int, calls_per_slot: float) -> int:
    """Calls that so many slots carry; one slot carries one, whatever the share."""
    return max(min(slots, 1), math.floor(slots * calls_per_slot + _ROUNDING))


@frozen
class Knowledge:
    """What is known of the room of one type of engine, by its settings.

    `free` counts the calls that a place has room for. `where` tells what that room is a part of,
    with that of others: None where it is the engine's own. `inquiry` is how to ask for its slots.
    """

    free: Callable[[Place, Any], float] = lambda place, settings: math.inf
    where: Callable[[Any], Hashable] = lambda settings: None
    inquiry: Callable[[str, str, Any], Inquiry] | None = None


ROOMS: Final[Mapping[type, Knowledge]] = {
    MoshiStt: Knowledge(
        lambda place, settings: free_ears(place), lambda settings: settings.url, inquiry
    ),
    MoshiTts: Knowledge(
        lambda place, settings: free_voices(place, settings.calls_per_slot),
        lambda settings: settings.url,
        inquiry,
    ),
    CartesiaTts: Knowledge(
        lambda place, settings: free_contexts(place, settings.concurrency),
        lambda settings: (settings.url, settings.api_key) if settings.concurrency else None,
    ),
}
"""The ears and voices that are asked or `Kept`, so that it is known without a call whether they are
there. Of the others nothing is known; a model is known by what `keep_warm` finds."""


def knowledge(settings: object) -> Knowledge:
    """As in the table; that nothing is known, where the type is not in it."""
    return ROOMS.get(type(settings), Knowledge())
