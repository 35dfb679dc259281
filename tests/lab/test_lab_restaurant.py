"""The restaurant's line in a whole call: a table is booked by tool, then a person comes.

The daemon is configured as the demo's is. All of it talks over real sockets; the voice is tones.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import trio
from test_demo_report import BOOKS, LEAVES, READS

from voiced import daemon
from voiced.config import SecretSources, parse
from voiced.lab.demo_setup import AUTH_TOKEN, CONFIGURATION, OURS, PERSON, free_port
from voiced.lab.engines import Lab, LabSettings, run_lab
from voiced.lab.exchange import Exchange, run_exchange
from voiced.lab.exchange_settings import ExchangeSettings, Human
from voiced.lab.llm_model import LlmTiming
from voiced.lab.moshi_stt import SttTiming
from voiced.lab.moshi_tts import TtsTiming
from voiced.lab.phone_call import CallResult
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_script import Person
from voiced.lab.script import After, Cue, HangUp, Say, Turn
from voiced.lab.voice import FRAME_SAMPLES

SAID = (
    "i would like to book a table for four tomorrow at noon",
    "yes please",
    "can i speak to a person please",
)
FULL = "I am sorry, there is no table left at noon. I could offer you one instead. Shall I book it?"
BURST = b"\x10" * 4_000
"""Half a second of sound: the ear hears the next of its sentences in each."""


class Brisk:
    """Says each word in 80 ms."""

    async def phrase(self, of: Sequence[str], name: str) -> list[Any]:
        await trio.lowlevel.checkpoint()
        sound = 0.3 * np.sin(np.arange(FRAME_SAMPLES) / 12)
        sound[FRAME_SAMPLES // 2 :] = 0
        return [sound.astype(np.float32).reshape(1, -1) for _ in of]


def person(*said: str) -> Person:
    """Says these, one by one, and waits between them until the agent has been quiet for long."""
    turns = [Turn(Say(text), After(Cue.SILENCE, 1.2)) for text in said]
    return Person([*turns, Turn(HangUp(), After(Cue.SILENCE, 10))], [BURST] * len(said) + [b""])


async def call(
    folder: Path, said: Sequence[str], llm: str
) -> tuple[CallResult, dict[str, Any], Lab]:
    """One call to its end; what is on record of it; and the lab that it was made in."""
    quick = LabSettings(
        stt_port=0, tts_port=0, llm_port=0, voice="tone", ear="words", sentences=said,
        stt_timing=SttTiming(step_ms=2, delay_steps=2, pause_ms=160),
        tts_timing=TtsTiming(20, 0.02), llm_timing=LlmTiming(20, 1000),
    )  # fmt: skip
    port = await free_port()
    url = f"http://127.0.0.1:{port}"
    line = CallSettings(url=url, auth_token=AUTH_TOKEN, called=OURS)
    async with trio.open_nursery() as nursery, httpx.AsyncClient(trust_env=False) as http:
        lab: Lab = await nursery.start(partial(run_lab, quick))
        lab.tts.voice = Brisk()
        soon = Human(answers_after_s=0.2, talks_s=0.3)
        exchange: Exchange = await nursery.start(
            partial(run_exchange, ExchangeSettings(line, human=soon), person(*said))
        )
        text = CONFIGURATION.substitute(
            lab=lab.configuration() + lab.tools(), stt="lab", llm=llm, tts="lab", port=port,
            account=line.account_sid, token=AUTH_TOKEN, ours=OURS, person=PERSON,
            exchange=exchange.url, records=folder,
        )  # fmt: skip
        await nursery.start(partial(daemon.run, parse(text, "test", SecretSources({}, {}))))
        result = await exchange.call()
        record: dict[str, Any] = {}
        while not record.get("extraction"):
            record = (await http.get(f"{url}/v1/calls/{result.call_sid}")).json()
            await trio.sleep(0.02)
        nursery.cancel_scope.cancel(reason="the call is over")
    return result, record, lab


def heard(record: dict[str, Any]) -> list[str]:
    return [turn["agent"] for turn in record["timeline"]["turns"][1:]]


async def test_a_table_is_booked_read_back_and_a_person_comes(tmp_path: Path) -> None:
    said = ("i would like to book a table for four tomorrow at eight", SAID[-1])
    with trio.fail_after(30):
        result, record, lab = await call(tmp_path, said, "anthropic")
    assert heard(record) == [BOOKS, READS, LEAVES]
    (booking,) = lab.bookings.book
    assert (booking.wish.guests, booking.wish.time, booking.requests) == (4, "20:00", 1)
    tools = [each["detail"] for each in record["timeline"]["events"] if each["kind"] == "tool"]
    assert [(each["tool"], each["status"]) for each in tools] == [("book_table", "ok")]
    assert [transfer.status for transfer in result.transfers] == ["completed"]
    assert (record["reason"], result.warnings) == ("transferred", ())
    learnt = record["extraction"]
    values = {name: each["value"] for name, each in learnt["fields"].items()}
    assert (learnt["status"], learnt["faults"]) == ("complete", [])
    assert values == {"guests": 4, "day": booking.wish.day, "time": "20:00", "booked": True}


async def test_where_there_is_no_table_another_is_offered_and_booked(tmp_path: Path) -> None:
    with trio.fail_after(30):
        _, record, lab = await call(tmp_path, (*SAID[:2], SAID[-1]), "lab")
    assert heard(record) == [
        BOOKS.replace("eight", "noon"),
        FULL,
        BOOKS.replace("eight", "one"),
        READS.replace("eight", "one"),
        LEAVES,
    ]
    assert [booking.wish.time for booking in lab.bookings.book] == ["13:00"]
    tools = [each["detail"] for each in record["timeline"]["events"] if each["kind"] == "tool"]
    assert [each["status"] for each in tools] == ["denied", "ok"]
    assert record["extraction"]["fields"]["time"] == {"value": "13:00", "words": "one"}
