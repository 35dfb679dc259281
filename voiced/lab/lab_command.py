"""`voiced lab`: the stand-in engines and a restaurant's book, until a signal."""

import argparse
import signal
from functools import partial

import trio

from voiced.lab.commands import READY
from voiced.lab.engines import Lab, LabSettings, run_lab
from voiced.lab.llm import LlmTiming
from voiced.lab.moshi_stt import SttTiming
from voiced.lab.moshi_tts import TtsTiming


def run(arguments: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT; prints the configuration of a daemon that uses it."""
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
        **({} if arguments.bookings_port is None else {"bookings_port": arguments.bookings_port}),
    )
    trio.run(_serve, settings)
    return 0


async def _serve(settings: LabSettings) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            lab: Lab = await nursery.start(partial(run_lab, settings))
            print(lab.configuration(), lab.tools(), READY, sep="\n", flush=True)  # noqa: T201
            await anext(aiter(signals))
            nursery.cancel_scope.cancel(reason="told to stop")
