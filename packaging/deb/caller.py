"""Somebody who calls, and stays on the line until SIGUSR1: `caller.py NAME PORT ACCOUNT TOKEN URL`.

Whoever the call has been put through to hangs up then, or else the carrier ends the call. For the
rest as `voiced phone URL --wav endless.wav --api-port PORT --folder NAME`. It needs voiced, and
what that needs, on PYTHONPATH.
"""

import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import trio

from voiced.lab.exchange import Exchange, run_exchange
from voiced.lab.exchange_settings import ExchangeSettings, Human
from voiced.lab.phone import live, rehearse, save, summary
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_reins import Demand, Order
from voiced.lab.script import Play, Turn
from voiced.lab.transcript import LivePrinter, Said, Speaker


async def end(exchange: Exchange, signals: AsyncIterator[int]) -> None:
    await anext(signals)
    *_, last = (entry for entry in exchange.account.entries.values() if not entry.is_over)
    last.reins.give(Order(Demand.END))


async def main(name: str, port: str, account: str, token: str, url: str) -> None:
    parties = CallSettings(url=url, auth_token=token, account_sid=account, called="+33100000001")
    settings = ExchangeSettings(parties, port=int(port), human=Human(talks_s=600))
    printer = LivePrinter(sys.stdout)
    person = await rehearse([Turn(Play(Path("endless.wav")))])
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        async with trio.open_nursery() as nursery:
            exchange = await nursery.start(run_exchange, settings, person, live(printer))
            nursery.start_soon(end, exchange, signals)
            result = await exchange.call()
            nursery.cancel_scope.cancel(reason="the call is over")
    save(result, Path(name))
    printer.print(Said(result.duration_s, Speaker.NOTE, summary(result)))


trio.run(main, *sys.argv[1:])
