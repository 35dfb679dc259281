"""The lab's telephone exchange: a Twilio account on this machine, for both directions.

The daemon's `twilio.api_url` is the exchange's `url`. Inbound calls are made with `call`; calls
that the daemon places are answered by `person`; either can be transferred, redirected and ended
through the API. `calls` holds what has ended.

    async with trio.open_nursery() as nursery:
        exchange = await nursery.start(run_exchange, settings, person)
        result = await exchange.call()
"""

import math
from collections.abc import Callable
from functools import partial

import trio
from attrs import define, evolve, field

from voiced.lab.exchange_account import Account, Entry
from voiced.lab.exchange_callbacks import Callbacks
from voiced.lab.exchange_calls import receive_call
from voiced.lab.exchange_desk import Desk
from voiced.lab.exchange_outbound import Outbound
from voiced.lab.exchange_request import NewCall
from voiced.lab.exchange_rest import Rest
from voiced.lab.exchange_settings import ApiFault, ExchangeSettings
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_diary import Diary
from voiced.lab.phone_record import Kind, PhoneEvent
from voiced.lab.phone_script import Person
from voiced.lab.phone_webhook import Webhooks, open_webhooks
from voiced.lab.server import serve

Tell = Callable[[PhoneEvent], None]


@define(eq=False)
class Exchange:
    """A running exchange."""

    settings: ExchangeSettings
    person: Person
    """Who answers the calls that are placed; may be changed between two of them."""
    tell: Tell
    account: Account
    webhooks: Webhooks
    nursery: trio.Nursery = field(repr=False)
    url: str = field(default="", init=False)
    calls: list[CallResult] = field(factory=list, init=False)
    """Those that have ended, their last callback delivered, in that order."""
    rest: Rest = field(init=False)
    _free_at: float = field(default=-math.inf, init=False)
    _waiting: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    def __attrs_post_init__(self) -> None:
        token = self.settings.call.auth_token
        self.rest = Rest(self.account, token, self.place, self._asked, self.settings.gone)

    async def call(
        self,
        person: Person | None = None,
        parties: CallSettings | None = None,
        tell: Tell | None = None,
    ) -> CallResult:
        """An inbound call to the daemon, lived to its end."""
        parties = parties or self.settings.call
        entry = self.account.open(Entry(parties.caller, parties.called, "inbound"))
        desk = self._desk(entry, parties, tell or self.tell)
        result = await receive_call(desk, parties, person or self.person)
        self._keep(result)
        return result

    def place(self, new: NewCall) -> Entry:
        """Takes a call that the daemon wants placed; it begins when its turn comes."""
        now = trio.current_time()
        due = max(now, self._free_at)
        self._free_at = due + 1 / self.settings.calls_per_s
        entry = Entry(new.sender, new.to, "outbound-api", queue_ms=round((due - now) * 1000))
        self.account.open(entry)
        parties = evolve(self.settings.call, caller=new.sender, called=new.to)
        desk = self._desk(entry, parties, self.tell)
        outbound = Outbound(desk, new, parties, self.person, due)
        self.nursery.start_soon(self._run, outbound)
        return entry

    def fail(self, fault: ApiFault, times: int = 1) -> None:
        """The next requests of the API meet this."""
        self.rest.faults.extend([fault] * times)

    async def wait_calls(self, count: int = 1) -> list[CallResult]:
        """Returns when so many calls have ended, with all that have."""
        while len(self.calls) < count:
            await self._waiting.park()
        return self.calls

    async def _run(self, outbound: Outbound) -> None:
        self._keep(await outbound.run())

    def _keep(self, result: CallResult) -> None:
        self.calls.append(result)
        self._waiting.unpark_all()

    def _asked(self, text: str) -> None:
        self.tell(PhoneEvent(0.0, Kind.API_REQUEST, text))

    def _desk(self, entry: Entry, parties: CallSettings, tell: Tell) -> Desk:
        diary, webhooks = Diary(tell), Webhooks(self.webhooks.http, parties)
        entry.note = diary.note
        callbacks = Callbacks(webhooks, diary.warn, self.settings.delivery)
        return Desk(self.settings, self.account, entry, diary, webhooks, callbacks)


async def run_exchange(
    settings: ExchangeSettings,
    person: Person | None = None,
    tell: Tell = lambda event: None,
    *,
    task_status: trio.TaskStatus[Exchange] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs an exchange until cancelled; reports it once its API answers.

    Raises:
        StartupError: the port is taken.
    """
    call = settings.call
    account = Account(
        call.account_sid,
        call.called,
        call.line.public("/twilio/voice"),
        settings.status_callback,
    )
    async with open_webhooks(call) as webhooks, trio.open_nursery() as nursery:
        exchange = Exchange(settings, person or Person(), tell, account, webhooks, nursery)
        port = await nursery.start(
            partial(serve, exchange.rest.handle, settings.host, settings.port)
        )
        exchange.url = f"http://{settings.host}:{port}"
        task_status.started(exchange)
