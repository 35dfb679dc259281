"""Engines fail in mid-call, over real sockets, and the caller hears an answer all the same.

Each role has a spare of another kind: Deepgram behind moshi's ear, Anthropic behind OpenAI's mind,
Cartesia behind moshi's voice. All are the lab's, and so is the caller.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio
from test_end_to_end import TOKEN, free_port

from voiced import daemon
from voiced.config import SecretSources, parse
from voiced.lab.engines import Lab, LabSettings, run_lab
from voiced.lab.faults import Fault, Kind, LlmFault
from voiced.lab.phone import call
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Kind as Told
from voiced.lab.phone_record import PhoneEvent
from voiced.lab.script import After, Cue, HangUp, Say, Turn

SCRIPT = (Turn(Say("what is on the menu")), Turn(HangUp(), After(Cue.INTO_REPLY, 1.5)))


def configuration(lab: Lab, port: int, records: Path) -> str:
    return f"""
        [server]
        port = {port}
        [twilio]
        auth_token = "{TOKEN}"
        {lab.configuration()}
        [agent.default]
        language = "en"
        greeting = "Hello, this is Chez Sesame."
        stt = ["lab", "deepgram"]
        llm = ["lab", "anthropic"]
        tts = ["lab", "cartesia"]
        [records]
        directory = "{records}"
        """


def mind_refuses(lab: Lab) -> None:
    lab.llm.fault = LlmFault.SERVER_ERROR


def mind_breaks_off(lab: Lab) -> None:
    lab.llm.fault = LlmFault.CUT


def voice_has_no_slot(lab: Lab) -> None:
    lab.tts.fault = Fault(Kind.AT_CAPACITY)


def voice_breaks_off(lab: Lab) -> None:
    lab.tts.fault = Fault(Kind.DROP, 10)


def ear_breaks_off(lab: Lab) -> None:
    lab.stt.fault = Fault(Kind.DROP)


@pytest.mark.parametrize(
    ("fails", "role"),
    [
        (mind_refuses, "llm"),
        (mind_breaks_off, "llm"),
        (voice_has_no_slot, "tts"),
        (voice_breaks_off, "tts"),
        (ear_breaks_off, "stt"),
    ],
)
async def test_a_caller_is_answered_although_an_engine_fails(
    fails: Callable[[Lab], None], role: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = await free_port()

    def tell(event: PhoneEvent) -> None:
        """The plug is pulled while the caller is greeted."""
        if event.kind is Told.CONNECTED:
            fails(lab)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            lab: Lab = await nursery.start(
                partial(run_lab, LabSettings(stt_port=0, tts_port=0, llm_port=0))
            )
            settings = parse(configuration(lab, port, tmp_path), "test", SecretSources({}, {}))
            await nursery.start(partial(daemon.run, settings))
            url = f"http://127.0.0.1:{port}"
            result: CallResult = await call(
                CallSettings(url=url, auth_token=TOKEN), SCRIPT, tell=tell
            )
            nursery.cancel_scope.cancel()
    assert result.warnings == ()
    assert result.missed == ()
    (answered,) = result.turns
    assert answered.answer_s is not None
    assert answered.answer_s < 4.0
    spares = [
        record.getMessage()
        for record in caplog.records
        if getattr(record, "fields", {}).get("spare")
    ]
    assert spares, "no spare took over"
    assert all(message.startswith(f"{role} lab") for message in spares)
