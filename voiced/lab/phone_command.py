"""`voiced phone`: its options as settings. Imports nothing that an installed daemon may lack."""

import argparse

import trio
from attrs import evolve

from voiced.lab.exchange_settings import Answer, ExchangeSettings, Human, Verdict
from voiced.lab.phone import PhoneOptions, run_phone
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Ended


def run(arguments: argparse.Namespace) -> int:
    """Calls, or is called; 1 if the daemon did not take the call."""
    call = CallSettings(
        url=arguments.url,
        public_url=arguments.public_url,
        auth_token=arguments.auth_token,
    )
    given = {
        "account_sid": arguments.api_account,
        "caller": arguments.sender,
        "called": arguments.to,
    }
    exchange = None
    if arguments.api_port is not None:
        human = Human(Answer(arguments.human))
        verdict = Verdict(arguments.verdict)
        exchange = ExchangeSettings(port=arguments.api_port, human=human, verdict=verdict)
    options = PhoneOptions(
        call=evolve(call, **{name: value for name, value in given.items() if value}),
        say=arguments.say or (),
        wav=arguments.wav,
        script=arguments.script,
        folder=arguments.folder,
        exchange=exchange,
        answers=arguments.calls if arguments.answer else 0,
    )
    result = trio.run(run_phone, options)
    return 1 if result.ended in (Ended.REFUSED, Ended.TWIML) else 0
