"""`voiced lab`, `voiced phone` and `voiced demo`."""

import argparse
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import trio
from attrs import evolve

from voiced.lab.demo import Chosen, run_demo
from voiced.lab.engines import Lab, LabSettings, run_lab
from voiced.lab.exchange_settings import Answer, ExchangeSettings, Human, Verdict
from voiced.lab.llm import LlmTiming
from voiced.lab.moshi_stt import SttTiming
from voiced.lab.moshi_tts import TtsTiming
from voiced.lab.phone import PhoneOptions, run_phone
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Ended

_LAB: Final = {"moshi": "lab", "openai": "lab"}
"""The types of engine that the lab's configuration names otherwise."""

READY: Final = "# the lab is ready"
"""The last line that `voiced lab` prints before it serves."""


def _lab(arguments: argparse.Namespace) -> int:
    settings = LabSettings(
        stt_port=arguments.stt_port,
        tts_port=arguments.tts_port,
        llm_port=arguments.llm_port,
        stt_batch_size=arguments.stt_slots,
        tts_batch_size=arguments.tts_slots,
        stt_timing=SttTiming(delay_steps=arguments.stt_delay_steps),
        tts_timing=TtsTiming(arguments.first_audio_ms, arguments.speed),
        llm_timing=LlmTiming(arguments.first_token_ms, arguments.tokens_per_s),
        voice=arguments.voice,
        ear=arguments.ear,
        sentences=arguments.sentence or (),
        llm_log=arguments.llm_log,
    )
    trio.run(_serve, settings)
    return 0


async def _serve(settings: LabSettings) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            lab: Lab = await nursery.start(partial(run_lab, settings))
            print(lab.configuration(), READY, sep="\n", flush=True)  # noqa: T201
            await anext(aiter(signals))
            nursery.cancel_scope.cancel(reason="told to stop")


def _phone(arguments: argparse.Namespace) -> int:
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


def _demo(arguments: argparse.Namespace) -> int:
    chosen = Chosen(
        _LAB.get(arguments.stt, arguments.stt),
        _LAB.get(arguments.llm, arguments.llm),
        _LAB.get(arguments.tts, arguments.tts),
    )
    return trio.run(run_demo, arguments.folder, chosen)


COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "lab": _lab,
    "phone": _phone,
    "demo": _demo,
}
