"""What a call leaves in the log at its most talkative: nothing of who said what to whom."""

import logging

import pytest
from attrs import evolve
from call_desk import FakeCall, record
from guests import CALL, ENGLISH, STREAM, TOKEN, House, house
from operators import OWN, TO, ask, carrier_takes, live, office
from twilio_side import CALLER, RINGS, stream_url, told, twiml, webhook
from wsproto.events import TextMessage

from voiced.config import Agent, Api, Secret
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.errors import CarrierError

COLLEAGUE = "+15550107777"
API_TOKEN = "api-s3cret"
SECONDARY = "s3condary-t0ken"
SPEECH = ("secret summary", "bienvenue chez", "secret words", "toutes nos lignes")
GOOD = f"Authorization: Bearer {API_TOKEN}"


async def transferred(there: House, urls: list[str]) -> None:
    """A call from the first ring to a transfer that nobody took, with all that may go wrong."""
    voice = webhook("/twilio/voice", RINGS)
    urls += [stream_url(await twiml(there, voice)) for _ in range(2)]
    for url in urls:
        await there.knock().upgrade(url, "forged")
        guest = there.knock()
        await guest.upgrade(url)
        await guest.stream.aclose()
    register = there.desk.register
    entry = register.calls[CALL]
    register.connected(entry, FakeCall())  # type: ignore[arg-type]
    entry.call.parting = Parting(  # type: ignore[union-attr, misc]
        "transfer", (Phrase.TRANSFER,), Transfer(COLLEAGUE, warm=True, summary=SPEECH[0])
    )
    register.left(entry, record("transfer"))
    goes_on = RINGS | {"CallStatus": "in-progress"}
    await twiml(there, webhook("/twilio/after", goes_on))
    await twiml(there, webhook(f"/twilio/whisper?call={CALL}", RINGS))
    there.desk.rooms.reason = "stt-slots"
    await twiml(there, webhook("/twilio/dialled", goes_on | {"DialCallStatus": "busy"}))
    await twiml(there, webhook("/twilio/voice", RINGS | {"CallSid": "CA2", "To": "+33111111111"}))


async def reported(there: House) -> None:
    error = {"StreamSid": STREAM, "StreamEvent": "stream-error", "StreamError": f"{CALLER} wss://x"}
    for form in (
        RINGS | {"CallStatus": "failed", "SequenceNumber": "1"},
        {"CallSid": CALL, "AnsweredBy": CALLER},
        {"CallSid": CALL, **error},
        {"CallSid": CALLER},
    ):
        for signed in (None, "", "forged"):
            await told(there, webhook("/twilio/status", form, signed=signed))


async def operated(there: House) -> None:
    there.desk.rooms.reason = ""
    carrier_takes(there)
    for body in ({"to": TO}, {"to": "+18765550100"}, {"to": TO, "x": SPEECH[2]}, b'{"to": "+336'):
        await ask(there, "POST", "/v1/calls", body, GOOD)
        await ask(there, "POST", "/v1/calls", body, "Authorization: Bearer guess")
    there.desk.carrier.error = CarrierError("it is down", retryable=True)
    await ask(there, "POST", "/v1/calls", {"to": TO}, GOOD)
    live(there, "CA5")
    for deed, wish in (("say", {"text": SPEECH[2]}), ("transfer", {"to": COLLEAGUE}), ("sing", {})):
        await ask(there, "POST", f"/v1/calls/CA5/{deed}", wish, GOOD)
    for path in ("CA5", "CA6", "CA6/transcript", "CA6/recording", CALLER):
        await ask(there, "GET", f"/v1/calls/{path}", b"", GOOD)


async def test_no_number_token_or_word_is_in_any_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    chosen = evolve(
        office(), api=Api(token=Secret(API_TOKEN)),
        agents={"default": Agent(), "english": Agent(greeting=f"{SPEECH[1]} nous")},
    )  # fmt: skip
    chosen = evolve(chosen, twilio=evolve(chosen.twilio, auth_token_secondary=Secret(SECONDARY)))
    urls: list[str] = []
    async with house(chosen) as there:
        there.desk.carrier.error = CarrierError("it is down", code=20500)
        there.nursery.start_soon(there.desk.errands.run)
        await transferred(there, urls)
        await reported(there)
        await operated(there)
        guest = there.knock()
        await guest.upgrade(there.mint("t9", "CA9"))
        await guest.say(
            TextMessage(SPEECH[2]), TextMessage(f'{{"event":"start","from":"{CALLER}"}}')
        )
        await guest.stream.aclose()
        await guest.over.wait()
    log = "\n".join(
        f"{each.getMessage()} {getattr(each, 'fields', '')} {each.exc_text or ''}"
        for each in caplog.records
    ).lower()
    assert "call refused" in log  # it does say something
    assert "did not do as asked" in log
    tokens = [url.rpartition("/")[2] for url in urls]
    numbers = [CALLER, ENGLISH, COLLEAGUE, OWN, TO, "+33111111111", "+18765550100"]
    for secret in (TOKEN, SECONDARY, API_TOKEN, "forged", *tokens, *SPEECH, *numbers):
        assert secret.lower().lstrip("+") not in log
