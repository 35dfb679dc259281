"""The operator of one call: who answers for the exchange while the call runs its documents."""

from collections.abc import Mapping
from datetime import UTC, datetime

import trio
from attrs import define, field

from voiced.lab.exchange_account import Account, Entry
from voiced.lab.exchange_callbacks import Callbacks
from voiced.lab.exchange_dial import Leg, choose
from voiced.lab.exchange_settings import ExchangeSettings
from voiced.lab.phone_call import Next, Over, Page, PhoneCall
from voiced.lab.phone_diary import Diary
from voiced.lab.phone_record import Ended
from voiced.lab.phone_result import Transfer
from voiced.lab.phone_twiml import Dial
from voiced.lab.phone_webhook import Webhooks
from voiced.lab.phone_wire import Connect


@define(eq=False)
class Desk:
    """An `Operator` with an account behind it."""

    settings: ExchangeSettings
    account: Account
    entry: Entry
    diary: Diary
    webhooks: Webhooks
    callbacks: Callbacks
    transfers: list[Transfer] = field(factory=list, init=False)

    def answered(self) -> None:
        """The books know it too."""
        self.entry.answer()

    async def speak(self, text: str) -> None:
        """As long as it takes to say this."""
        await trio.sleep(len(text) / self.settings.chars_per_s)

    def streamed(self, connect: Connect, fields: Mapping[str, str]) -> None:
        """Owes a stream's status callback, where the document asks for one."""
        form = {
            "AccountSid": self.account.sid,
            "CallSid": self.entry.sid,
            "StreamSid": "",
            "StreamName": "",
            "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **fields,
        }
        self.callbacks.put(connect.status_callback, form)

    async def transfer(self, call: PhoneCall, dial: Dial) -> Next:
        """`<Dial>`, from the first ring to the action's document."""
        if not dial.answer_on_bridge:
            call.answer()
        leg = self._leg(call, dial)
        try:
            with trio.move_on_after(self.settings.caller_waits_s) as waiting:
                with leg.entry.reins.interruptible():
                    await leg.live()
        finally:
            self.transfers.append(leg.finish())
        call.ended = Ended.TRANSFERRED if leg.bridged_at is not None else call.ended
        if waiting.cancelled_caught:
            call.ended = Ended.HUNG_UP
            return Over.OVER
        return Page(dial.action, leg.fields()) if dial.action else None

    def _leg(self, call: PhoneCall, dial: Dial) -> Leg:
        target, human = choose(dial, self.settings)
        caller_id = dial.caller_id or call.settings.caller
        entry = Entry(caller_id, target.number, "outbound-dial", parent=self.entry.sid)
        owned = {self.account.number, call.settings.caller}
        return Leg(
            call, dial, target, human, self.account.open(entry), self.speak, self.webhooks, owned
        )
