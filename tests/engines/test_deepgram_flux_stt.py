"""Deepgram's Flux from the outside: its turns, its silence, its failures."""

from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
import trio
from attrs import evolve
from deepgram_peers import (
    CONNECTED,
    STEP,
    Deepgram,
    flushes_of,
    pauses_of,
    turn,
    words_of,
)
from engine_peers import Handler, Line, Peer

from voiced.config.engines import DeepgramStt as Settings
from voiced.config.secrets import Secret
from voiced.dialog.events import Flushed, PauseScored, TurnLikelyOver, TurnResumed, WordHeard
from voiced.engines.deepgram import DeepgramStt
from voiced.engines.deepgram_call import DeepgramTranscription
from voiced.errors import EngineBroken, EngineError, EngineTimeout

SETTINGS = Settings(
    url="wss://deepgram", api_key=Secret("very-secret"), model="flux-general-multi", language="fr"
)


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Callable[[Handler], Peer]]:
    yield lambda handler: Peer(nursery, handler)
    nursery.cancel_scope.cancel()


def engine(peer: Peer) -> DeepgramTranscription:
    call = DeepgramStt("flux", SETTINGS, connect=peer.connect).transcription()
    assert isinstance(call, DeepgramTranscription)
    return call


def flux(script: dict[float, list[str]] | None = None, **options) -> Deepgram:
    return Deepgram(script or {}, hello=[CONNECTED], **options)


async def speak(call: DeepgramTranscription, seconds: float) -> None:
    for _ in range(round(seconds * 50)):
        call.put(STEP[:160])
        await trio.sleep(0.02)


async def listen(call: DeepgramTranscription, caller) -> list:
    heard: list = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run, heard.append)
        await caller()
        nursery.cancel_scope.cancel()
    return heard


async def failure(call: DeepgramTranscription, seconds: float = 0.0) -> EngineError:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak, call, seconds)
        with pytest.raises(EngineError) as caught:
            await call.run(lambda event: None)
        nursery.cancel_scope.cancel()
    assert "very-secret" not in str(caught.value)
    return caught.value


async def test_a_flux_model_is_asked_on_its_own_path(peer, autojump_clock):
    served = peer(flux())
    await listen(engine(served), partial(trio.sleep, 0.1))
    assert served.lines[0].url == (
        "wss://deepgram/v2/listen?model=flux-general-multi&encoding=mulaw&sample_rate=8000"
        "&language_hint=fr"
    )


async def test_flux_is_asked_for_what_the_configuration_says(peer, autojump_clock):
    served = peer(flux())
    settings = evolve(
        SETTINGS, keyterms=("Kyutai",), mip_opt_out=True, eot_threshold=0.8,
        eager_eot_threshold=0.4, eot_timeout_ms=3000,
    )  # fmt: skip
    call = DeepgramStt("flux", settings, connect=served.connect).transcription()
    await listen(call, partial(trio.sleep, 0.1))
    assert served.lines[0].url.endswith(
        "&language_hint=fr&eot_threshold=0.8&eager_eot_threshold=0.4&eot_timeout_ms=3000"
        "&keyterm=Kyutai&mip_opt_out=true"
    )


async def test_no_audio_goes_before_connected_and_then_in_steps_of_80_ms(peer, autojump_clock):
    server = flux({float(n): [turn("Update")] for n in range(1, 5)}, hello_after_s=1.0)
    server.hello.insert(0, '{"type":"Forecast"}')
    began = trio.current_time()
    call = engine(peer(server))
    await listen(call, partial(speak, call, 4))
    assert server.audio[0][0] == began + 1
    assert {len(data) for _, data in server.audio} == {640}


async def test_a_turn_is_heard_word_by_word_and_its_end_at_once(peer, autojump_clock):
    script = {
        0.72: [turn("StartOfTurn", "Attendez")],
        0.96: [turn("Update", "Attendez je")],
        1.2: [turn("Update", "Attendez je vou")],
        2.4: [turn("EagerEndOfTurn", "Attendez, je voudrais")],
        2.64: [turn("TurnResumed", "Attendez, je voudrais un thé")],
        3.6: [turn("EndOfTurn", "Attendez, je voudrais un thé.", stop_s=3.6)],
    }
    heard = await listen(call := engine(peer(flux(script))), partial(speak, call, 3.9))
    assert words_of(heard) == "Attendez je voudrais un thé."
    assert [event if not isinstance(event, WordHeard) else event.text for event in heard[:7]] == [
        "Attendez", "je", "voudrais", TurnLikelyOver(), TurnResumed(), "un", "thé.",
    ]  # fmt: skip
    assert heard[7] == PauseScored(1.0, pytest.approx(3.6, abs=0.09))
    assert {pause.score for pause in pauses_of(heard)} == {1.0}
    assert len(pauses_of(heard)) == pytest.approx(5, abs=1)


async def test_a_turn_that_was_likely_over_and_is_brings_no_more_words(peer, autojump_clock):
    script = {
        0.72: [turn("StartOfTurn", "Oui")],
        1.2: [turn("EagerEndOfTurn", "Oui merci")],
        1.6: [turn("EndOfTurn", "Oui, merci.")],
    }
    call = engine(peer(flux(script)))
    heard = await listen(call, partial(speak, call, 1.6))
    assert heard[:3] == [WordHeard("Oui", 1.0), WordHeard("merci", 1.0), TurnLikelyOver()]
    assert {type(event) for event in heard[3:]} == {PauseScored}


async def test_where_the_telephone_is_silent_silence_goes_on(peer, autojump_clock):
    """Flux tells the time by its audio, so without any a turn would never end."""
    server = flux({float(n): [turn("Update")] for n in range(1, 12)})
    call = engine(peer(server))

    async def caller() -> None:
        await speak(call, 1.04)
        await trio.sleep(10)

    await listen(call, caller)
    assert server.heard_s == pytest.approx(10.6, abs=0.2)
    assert server.kinds() == ["CloseStream"]


async def test_a_flush_forces_the_end_of_the_turn(peer, autojump_clock):
    server = flux({0.72: [turn("StartOfTurn", "Un")]})
    server.answers["ForceEndTurn"] = [turn("EndOfTurn", "Un rendez-vous")]
    call = engine(peer(server))

    async def caller() -> None:
        await speak(call, 0.8)
        call.flush()
        await trio.sleep(0.01)

    heard = await listen(call, caller)
    assert words_of(heard) == "Un rendez-vous"
    assert heard[-1] == Flushed()


async def test_a_flush_after_the_end_of_the_turn_forces_nothing(peer, autojump_clock):
    server = flux({0.72: [turn("EndOfTurn", "Oui.")]})
    call = engine(peer(server))

    async def caller() -> None:
        await speak(call, 0.8)
        call.flush()
        await trio.sleep(0.001)

    assert flushes_of(await listen(call, caller)) == 1
    assert "ForceEndTurn" not in server.kinds()


async def test_a_flush_without_answer_is_answered_with_the_words_so_far(peer, autojump_clock):
    call = engine(peer(flux({0.72: [turn("StartOfTurn", "Oui")]})))

    async def caller() -> None:
        await speak(call, 0.8)
        call.flush()
        await trio.sleep(1)

    assert (await listen(call, caller))[-2:] == [WordHeard("Oui", 1.0), Flushed()]


async def test_no_connected_is_a_timeout(peer, autojump_clock):
    began = trio.current_time()
    error = await failure(engine(peer(Deepgram())), 20)
    assert isinstance(error, EngineTimeout)
    assert trio.current_time() == began + 3


async def test_no_update_while_audio_flows_is_a_timeout(peer, autojump_clock):
    began = trio.current_time()
    assert isinstance(await failure(engine(peer(flux())), 20), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(4, abs=0.1)


async def test_an_error_names_its_code_and_quotes_nothing(peer, autojump_clock):
    fatal = '{"type":"Error","sequence_id":1,"code":"INTERNAL","description":"bonjour"}'
    server = flux({0.08: [fatal]})
    error = await failure(engine(peer(server)), 1)
    assert isinstance(error, EngineBroken)
    assert "it gave up (INTERNAL)" in str(error)
    assert "bonjour" not in str(error)


async def test_a_warning_is_logged_and_survived(peer, autojump_clock, caplog):
    server = flux({0.08: ['{"type":"Warning","code":"SLOW","description":"x"}']})
    await listen(call := engine(peer(server)), partial(speak, call, 1))
    assert [r.fields for r in caplog.records if r.levelname == "WARNING"] == [
        {"engine": "flux", "code": "SLOW"}
    ]


async def close_with(code: int, reason: str | None, line: Line) -> None:
    await line.websocket.aclose(code, reason)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Line.drop, "dropped"),
        (Line.reset, "dropped"),
        (Line.close_without_code, "closed the connection in mid-call"),
        (partial(close_with, 1000, None), "closed the connection in mid-call"),
        (partial(close_with, 1008, "DATA-0000"), "decode"),
        (partial(close_with, 1011, "NET-0000"), "no transcript in time"),
        (partial(close_with, 1011, "NET-0001"), "no audio for ten seconds"),
    ],
)
async def test_an_end_in_mid_call_is_broken_and_told(peer, autojump_clock, end, words):
    served = peer(flux(ending=end))
    error = await failure(engine(served), 1)
    assert isinstance(error, EngineBroken)
    assert words in str(error)
    assert served.all_closed


@pytest.mark.parametrize(
    "bad", ["", "{", "[]", "null", '{"type":"TurnInfo"}', '{"type":"TurnInfo","event":"Update"}']
)
@pytest.mark.parametrize("first", [[], [CONNECTED]])
async def test_a_malformed_message_is_broken(peer, autojump_clock, first, bad):
    error = await failure(engine(peer(Deepgram(hello=[*first, bad]))))
    assert isinstance(error, EngineBroken)
    assert "malformed" in str(error)


async def test_an_error_in_the_place_of_connected_is_told(peer, autojump_clock):
    server = Deepgram(hello=['{"type":"Error","code":"BAD_AUDIO"}'])
    assert "it gave up (BAD_AUDIO)" in str(await failure(engine(peer(server))))


async def test_falling_silent_in_mid_call_is_a_timeout(peer, autojump_clock):
    began = trio.current_time()
    script = {0.48 * n: [turn("Update")] for n in range(1, 11)}
    assert isinstance(await failure(engine(peer(flux(script))), 20), EngineTimeout)
    assert trio.current_time() - began == pytest.approx(4.8 + 4, abs=0.2)


async def test_an_end_of_turn_after_the_deadline_answers_nobody(peer, autojump_clock):
    script = {0.72: [turn("StartOfTurn", "Oui")], 2.4: [turn("EndOfTurn", "Oui.")]}
    call = engine(peer(flux(script)))

    async def caller() -> None:
        await speak(call, 0.8)
        call.flush()
        await speak(call, 2)

    heard = await listen(call, caller)
    assert flushes_of(heard) == 1
    assert words_of(heard) == "Oui"
