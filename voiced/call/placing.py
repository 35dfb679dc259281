"""Calls that we place: where to, by whom, and through the carrier."""

import secrets
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from voiced.call.call import GOODBYE_S
from voiced.call.parties import Entry, Parties, Stage
from voiced.call.switchboard import SLACK_S, Switchboard
from voiced.carrier.destinations import Destinations
from voiced.carrier.twilio import Carrier
from voiced.config import OnMachine, Settings
from voiced.errors import CallRefused, CarrierError
from voiced.ops.presence import marked
from voiced.records.model import Direction
from voiced.wire.twilio_rest import Machine, NewCall

ANSWER_S: Final = 60.0
"""Beyond the time that it rings: for the request, the carrier's queue and the webhook."""

_MACHINES: Final = {
    OnMachine.CONTINUE: Machine.NONE,
    OnMachine.HANG_UP: Machine.DETECT,
    OnMachine.LEAVE_MESSAGE: Machine.MESSAGE_END,
}


@frozen
class Placing:
    """Places calls. `at` is the name of our daemon, where others share its port."""

    settings: Settings
    switchboard: Switchboard
    carrier: Carrier
    destinations: Destinations
    at: str = ""

    async def place(self, to: str, agent: str, variables: Mapping[str, str]) -> Entry:
        """Has the carrier ring a number; returns once it has taken the order.

        Room is kept from now on: nobody who picks up hears that we are busy.

        Raises:
            CallRefused: `destination` with a sentence; no room; `not-configured`.
            CarrierError: the carrier refused or did not answer.
        """
        if fault := self.destinations.fault(to):
            raise CallRefused("destination", fault)
        twilio = self.settings.twilio
        if not twilio.phone_number:
            raise CallRefused("not-configured", "twilio.phone_number is not set: who is calling?")
        if not self.carrier.is_configured:
            keys = "twilio.account_sid and twilio.auth_token"
            raise CallRefused("not-configured", f"{keys} must be set to place calls")
        ours = f"out-{secrets.token_urlsafe(16)}"
        parties = Parties(
            ours, agent, twilio.phone_number, to, Direction.OUTBOUND, variables, twilio.account_sid
        )
        entry = self.switchboard.admit(parties, Stage.QUEUED, twilio.ring_s + ANSWER_S)
        try:
            made = await self.carrier.create(self._order(ours, to, agent))
        except CarrierError as error:
            if entry.is_named:
                return entry  # its answer was lost, but the carrier has asked about the call
            if error.retryable or error.code:
                self.switchboard.register.close(entry, "failed")
            raise  # else it may ring all the same, and whoever picks up is expected for a while
        self.switchboard.register.name(ours, made.sid)
        return entry

    def _order(self, ours: str, to: str, agent: str) -> NewCall:
        settings = self.settings
        public = settings.server.public_url.rstrip("/")
        chosen = settings.agents[agent]
        return NewCall(
            to=to,
            sender=settings.twilio.phone_number,
            url=marked(f"{public}/twilio/voice?call={ours}", self.at),
            status_callback=marked(f"{public}/twilio/status?call={ours}", self.at),
            time_limit_s=round(chosen.max_call_s + GOODBYE_S + SLACK_S),
            ring_s=settings.twilio.ring_s,
            machine=_MACHINES[chosen.on_machine],
        )
