"""The operator's commands on a running daemon. Each returns an exit code."""

import json
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any, Final

from attrs import field, frozen

from voiced.client.api import Api
from voiced.client.drawing import drawing
from voiced.client.find import MOST, every_call, find
from voiced.client.follow import Teller, follow, follow_call, newest
from voiced.client.listing import listing
from voiced.client.model import UNREACHED, Call, Timeline
from voiced.client.text import length, shown

FINE: Final = 0
FAILED: Final = 1

Tell = Callable[[str], None]


@frozen
class NewCall:
    """A call to be placed; the daemon's own agent for outbound calls where `agent` is empty."""

    to: str
    agent: str = ""
    variables: Mapping[str, str] = field(factory=dict)

    def body(self) -> dict[str, Any]:
        """As the API takes it."""
        optional = {"agent": self.agent, "variables": dict(self.variables)}
        return {"to": self.to, **{name: value for name, value in optional.items() if value}}


async def dial(new: NewCall, api: Api, tell: Tell) -> int:
    """Places a call and tells its SID.

    Raises:
        ApiFailed: the daemon was not reached, or will not place it.
    """
    call = await api.post(Call.parse, "/v1/calls", new.body())
    tell(shown(call.sid))
    return FINE


async def dial_and_wait(new: NewCall, api: Api, tell: Tell) -> int:
    """Places a call and follows it to its end; failed where it reached nobody.

    Raises:
        ApiFailed: the daemon was not reached, or will not place it.
    """
    call = await api.post(Call.parse, "/v1/calls", new.body())
    tell(shown(call.sid))
    call = await follow_call(api, call.sid, Teller(tell))
    tell(_ended(call))
    return FAILED if call.reason in UNREACHED else FINE


async def calls(state: str, api: Api, tell: Tell) -> int:
    """Tells the calls as a table.

    Raises:
        ApiFailed: the daemon was not reached, or said no.
    """
    found = await every_call(api, state)
    for line in listing(found):
        tell(line)
    if len(found) >= MOST:
        tell(f"these are the newest {len(found)}; there may be more")
    return FINE


async def calls_json(state: str, api: Api, tell: Tell) -> int:
    """Tells the calls as the API does.

    Raises:
        ApiFailed: the daemon was not reached, or said no.
    """
    tell(json.dumps([call.raw for call in await every_call(api, state)], indent=2))
    return FINE


async def show(given: str, api: Api, tell: Tell, zone: tzinfo | None = None) -> int:
    """Draws a call's timeline.

    Raises:
        ApiFailed: the daemon was not reached, or knows no such call.
    """
    timeline = await api.get(Timeline.parse, f"/v1/calls/{await find(api, given)}")
    for line in drawing(timeline, zone):
        tell(line)
    return FINE


async def show_json(given: str, api: Api, tell: Tell) -> int:
    """Tells all that the API knows of a call.

    Raises:
        ApiFailed: the daemon was not reached, or knows no such call.
    """
    call = await api.get(Call.parse, f"/v1/calls/{await find(api, given)}")
    tell(json.dumps(call.raw, indent=2))
    return FINE


async def act(verb: str, given: str, body: Mapping[str, Any], api: Api, tell: Tell) -> int:
    """Has the daemon `interrupt`, `hangup`, `say` or `transfer` in a live call.

    Raises:
        ApiFailed: the daemon was not reached, or the call cannot do that now.
    """
    sid = await find(api, given, "live")
    call = await api.post(Call.parse, f"/v1/calls/{sid}/{verb}", body)
    tell(f"{shown(call.sid)}: {verb} is on its way; the call is {shown(call.status)}")
    return FINE


async def tail(given: str, api: Api, tell: Tell) -> int:
    """Tells events as they come, until cancelled; those of one call from its beginning to its
    end, where one is given.

    Raises:
        ApiFailed: the daemon was not reached, or knows no such call.
    """
    if not given:
        return await follow(api, await newest(api), Teller(tell))
    tell(_ended(await follow_call(api, await find(api, given), Teller(tell))))
    return FINE


def _ended(call: Call) -> str:
    reason = f" ({call.reason})" if call.reason else ""
    took = f"{length(call.duration_s)}, {call.turns} turns"
    return f"{shown(call.sid)}: {shown(call.status + reason)}, {took}"
