"""Cartesia's own client against the stand-in, and its requests beside ours."""

import json
from typing import Any

import pytest
import trio
from cartesia import Cartesia
from cartesia.types.generation_request import GenerationRequest
from cartesia_lab import FORMAT, QUICK, VOICE, Lab, running
from websockets.exceptions import InvalidStatus

from voiced.lab.cartesia_faults import CartesiaFault, Kind
from voiced.wire.cartesia import More, Speaker

pytestmark = pytest.mark.filterwarnings(
    "ignore:connect\\(\\) must be used as a context manager:DeprecationWarning"
)


def client(lab: Lab, key: str = "lab-key") -> Cartesia:
    return Cartesia(api_key=key, websocket_base_url=lab.base, max_retries=0)


def speak(lab: Lab, *pieces: str) -> list[Any]:
    with client(lab) as official, official.tts.websocket_connect() as connection:
        context = connection.context(
            model_id="sonic-3",
            voice={"mode": "id", "id": VOICE},
            output_format=FORMAT,
            language="en",
            add_timestamps=True,
            max_buffer_delay_ms=0,
            timeout=5,
        )
        for piece in pieces:
            context.push(piece)
        context.no_more_inputs()
        return list(context.receive())


async def test_the_official_client_hears_the_stand_in() -> None:
    async with running() as lab:
        events = await trio.to_thread.run_sync(speak, lab, "Good morning ", "to you.")
    assert {event.type for event in events} == {"timestamps", "chunk", "flush_done", "done"}
    words = [word for e in events if e.type == "timestamps" for word in e.word_timestamps.words]
    assert words == ["Good", "morning", "to", "you."]
    assert sum(len(event.audio) for event in events if event.type == "chunk") > 4000
    assert events[-1].type == "done"
    assert lab.server.contexts[0].transcript == "Good morning to you."


async def test_the_official_client_understands_the_stand_ins_errors() -> None:
    async with running(fault=CartesiaFault(Kind.AT_CAPACITY)) as lab:
        events = await trio.to_thread.run_sync(speak, lab, "Good morning.")
    (error,) = events
    assert (error.status_code, error.error_code) == (429, "concurrency_limited")
    assert error.error == "Too many concurrent requests: Too many concurrent requests"


async def test_the_official_client_is_refused_with_a_wrong_key() -> None:
    def knock() -> None:
        client(lab, "wrong").tts.websocket_connect().enter()

    async with running() as lab:
        with pytest.raises(InvalidStatus) as refused:
            await trio.to_thread.run_sync(knock)
    assert refused.value.response.status_code == 401


async def test_the_official_client_may_cancel() -> None:
    def cancel() -> None:
        with client(lab) as official, official.tts.websocket_connect() as connection:
            context = connection.context(
                model_id="sonic-3", voice={"mode": "id", "id": VOICE}, output_format=FORMAT
            )
            context.push("Good morning. ")
            context.cancel()

    async with running(timing=QUICK) as lab:
        await trio.to_thread.run_sync(cancel)
        assert [context.id for context in lab.server.contexts] == list(lab.server.cancelled)


@pytest.mark.parametrize("manner", [{}, {"speed": 0.6, "volume": 2.0, "emotion": "calm"}])
def test_our_request_is_one_of_the_official_kind(manner: dict[str, float | str]) -> None:
    speaker = Speaker("sonic-3", VOICE, "fr", manner)
    ours = json.loads(speaker.text("turn-7", "Bonjour. ", More.TEXT))
    official = GenerationRequest.model_validate(ours, strict=True)
    assert json.loads(official.to_json()) == ours
