"""Deepgram's messages for Flux models."""

import json

import pytest

from voiced.errors import WireError
from voiced.wire import deepgram_flux
from voiced.wire.deepgram import Word
from voiced.wire.deepgram_flux import (
    Connected,
    Failed,
    FluxOptions,
    Turn,
    TurnEvent,
    Unknown,
    Warned,
    parse_flux,
)

START = """{"type":"TurnInfo","request_id":"a1b2","sequence_id":3,"event":"StartOfTurn",
"turn_index":0,"audio_window_start":0.0,"audio_window_end":0.72,"transcript":"Bonjour",
"words":[{"word":"Bonjour","confidence":0.93}],"end_of_turn_confidence":0.04}"""


def turn(event: str, transcript: str = "", **fields: object) -> str:
    told = {"type": "TurnInfo", "event": event, "turn_index": 2, "audio_window_end": 2.4}
    return json.dumps(told | {"transcript": transcript, "words": []} | fields)


def test_a_multilingual_model_gets_a_hint_without_region() -> None:
    path = FluxOptions("flux-general-multi", "fr-CA").path()
    assert path == (
        "/v2/listen?model=flux-general-multi&encoding=mulaw&sample_rate=8000&language_hint=fr"
    )


@pytest.mark.parametrize(
    ("model", "language"), [("flux-general-en", "en"), ("flux-general-multi", "multi")]
)
def test_no_other_parameter_is_sent_for_they_are_refused(model: str, language: str) -> None:
    path = FluxOptions(model, language).path()
    assert path == f"/v2/listen?model={model}&encoding=mulaw&sample_rate=8000"


def test_what_is_asked_for_is_sent() -> None:
    path = FluxOptions(
        "flux-general-en",
        "en",
        keyterms=("Kyutai", "menu"),
        mip_opt_out=True,
        eot_threshold=0.8,
        eager_eot_threshold=0.4,
        eot_timeout_ms=3000,
    ).path()
    assert path == (
        "/v2/listen?model=flux-general-en&encoding=mulaw&sample_rate=8000&eot_threshold=0.8"
        "&eager_eot_threshold=0.4&eot_timeout_ms=3000&keyterm=Kyutai&keyterm=menu&mip_opt_out=true"
    )


def test_without_a_threshold_of_its_own_there_is_no_eager_end() -> None:
    path = FluxOptions("flux-general-en", "en", eot_threshold=0.6).path()
    assert path.endswith("&eot_threshold=0.6")


def test_commands_are_text() -> None:
    assert json.loads(deepgram_flux.FORCE_END_TURN) == {"type": "ForceEndTurn"}
    assert json.loads(deepgram_flux.CLOSE_STREAM) == {"type": "CloseStream"}


def test_a_turn_has_its_words_and_no_times() -> None:
    assert parse_flux(START) == Turn(
        TurnEvent.START_OF_TURN, 0, (Word("Bonjour", None, None, 0.93),), 0.72
    )


@pytest.mark.parametrize("event", TurnEvent)
def test_each_event_is_known(event: TurnEvent) -> None:
    message = parse_flux(turn(event.value, "Bonjour lundi."))
    assert message == Turn(event, 2, (Word("Bonjour"), Word("lundi.")), 2.4)


def test_an_event_of_tomorrow_is_an_update() -> None:
    message = parse_flux(turn("TurnPondered"))
    assert message == Turn(TurnEvent.UPDATE, 2, (), 2.4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"Connected","request_id":"a1b2","sequence_id":0}', Connected()),
        ('{"type":"Warning","code":"SLOW","description":"x"}', Warned("SLOW")),
        ('{"type":"Error","sequence_id":15,"code":"INTERNAL"}', Failed("INTERNAL")),
        ('{"type":"ConfigureSuccess","request_id":"x"}', Unknown()),
    ],
)
def test_other_messages(text: str, message: deepgram_flux.FluxMessage) -> None:
    assert parse_flux(text) == message


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "[]",
        '{"type":"TurnInfo"}',
        turn("Update", turn_index=None),
        turn("Update", audio_window_end="late"),
        turn("Update", words=[{"confidence": 1}]),
        turn("Update", words="x"),
    ],
)
def test_a_malformed_message_is_an_error(bad: str) -> None:
    with pytest.raises(WireError):
        parse_flux(bad)
