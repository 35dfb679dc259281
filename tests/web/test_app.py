"""The webhooks and health, as a guest sees them on the wire."""

import json
import re
from xml.etree import ElementTree

import pytest
from attrs import evolve
from guests import CALL, FORM, PUBLIC, code, get, house, post, settings

from voiced.config import Server


async def ask_voice(form: dict[str, str], path: str = "/twilio/voice", **of: object) -> bytes:
    async with house(settings(**of)) as open_house:
        guest = open_house.knock()
        status, headers, body = await guest.ask(post(path, form, signed=PUBLIC + path))
        assert status == 200
        assert headers["content-type"] == "text/xml; charset=utf-8"
        return body


@pytest.mark.parametrize("path", ["/twilio/voice", "/twiml", "/incoming-call", "/voice/incoming"])
async def test_a_signed_webhook_is_connected_to_a_media_socket_of_its_own(path: str) -> None:
    response = ElementTree.fromstring(await ask_voice(FORM, path))
    (connect,) = response
    (stream,) = connect
    assert (response.tag, connect.tag, stream.tag) == ("Response", "Connect", "Stream")
    assert re.fullmatch(
        r"wss://voice\.example\.com/twilio/media/[A-Za-z0-9_-]{32}", stream.get("url", "")
    )


async def test_the_token_is_good_for_the_call_that_rang_and_its_agent() -> None:
    async with house() as open_house:
        request = post("/twilio/voice", FORM, signed=f"{PUBLIC}/twilio/voice")
        _, _, body = await open_house.knock().ask(request)
        token = re.findall(rb"/media/([^\"]+)", body)[0].decode()
        assert open_house.door.tokens.redeem(token, 0) == CALL
        assert open_house.desk.register.calls[CALL].parties.agent == "english"


@pytest.mark.parametrize(
    ("path", "signed"),
    [
        ("/twilio/voice", ""),
        ("/twilio/voice", "https://evil.example.com/twilio/voice"),
        ("/twilio/voice?tenant=2", f"{PUBLIC}/twilio/voice"),
        ("/twilio/status", ""),
    ],
)
async def test_a_webhook_that_twilio_did_not_sign_is_forbidden(path: str, signed: str) -> None:
    async with house() as open_house:
        status, headers, body = await open_house.knock().ask(post(path, FORM, signed=signed))
        assert (status, code(body)) == (403, "forbidden")
        assert headers["content-type"] == "application/json"
        assert dict(open_house.desk.register.calls) == {}


async def test_without_an_auth_token_all_webhooks_are_forbidden() -> None:
    async with house(settings(auth_token=None)) as open_house:
        request = post("/twilio/voice", FORM, signed=f"{PUBLIC}/twilio/voice")
        assert (await open_house.knock().ask(request))[0] == 403


async def test_with_verification_off_an_unsigned_webhook_is_served() -> None:
    async with house(settings(verify_signatures=False)) as open_house:
        assert (await open_house.knock().ask(post("/twiml", FORM)))[0] == 200


@pytest.mark.parametrize("path", ["/twilio/%76oice", "/twilio/voice?x=%C3%A9&y="])
async def test_the_signature_is_over_the_address_as_it_was_sent(path: str) -> None:
    await ask_voice(FORM, path)


async def test_a_prefix_of_the_public_address_is_part_of_both_addresses() -> None:
    prefixed = evolve(settings(), server=Server(public_url=f"{PUBLIC}/phone/"))
    async with house(prefixed) as open_house:
        request = post("/twilio/voice", FORM, signed=f"{PUBLIC}/phone/twilio/voice")
        status, _, body = await open_house.knock().ask(request)
        assert status == 200
        assert b'"wss://voice.example.com/phone/twilio/media/' in body


async def test_status_callbacks_are_taken() -> None:
    async with house() as open_house:
        request = post("/twilio/status", FORM, signed=f"{PUBLIC}/twilio/status")
        status, _, body = await open_house.knock().ask(request)
        assert (status, body) == (204, b"")


@pytest.mark.parametrize("sid", [None, "", "CA\n1", "x" * 65])
async def test_a_webhook_that_names_no_call_is_a_bad_request(sid: str | None) -> None:
    form = {"To": "+1"} if sid is None else {"CallSid": sid}
    async with house() as open_house:
        request = post("/twilio/voice", form, signed=f"{PUBLIC}/twilio/voice")
        status, _, body = await open_house.knock().ask(request)
        assert (status, code(body)) == (400, "bad-request")


async def test_a_body_that_is_not_utf_8_is_survived() -> None:
    async with house(settings(verify_signatures=False)) as open_house:
        status, _, _ = await open_house.knock().ask(post("/twiml", b"CallSid=\xff\xfe&\xff=%ff"))
        assert status == 400


@pytest.mark.parametrize(
    ("called", "language", "words"),
    [
        ("+15550100002", "en-US", "All our lines"),
        ("+33100000001", "fr-FR", "Toutes nos lignes"),
        ("+491", "de-DE", "All our lines"),
    ],
)
@pytest.mark.parametrize("reason", ["draining", "stt-slots", "llm-unreachable"])
async def test_who_cannot_be_served_is_told_so_in_the_agents_language(
    called: str, language: str, words: str, reason: str
) -> None:
    form = FORM | {"To": called}
    async with house() as open_house:
        if reason == "draining":
            open_house.switchboard.drain()
        else:
            open_house.desk.rooms.reason = reason
        request = post("/twilio/voice", form, signed=f"{PUBLIC}/twilio/voice")
        _, _, body = await open_house.knock().ask(request)
        say, hang_up = ElementTree.fromstring(body)
        assert (say.tag, hang_up.tag) == ("Say", "Hangup")
        assert say.get("language") == language
        assert (say.text or "").startswith(words)


async def test_a_call_answered_and_not_yet_connected_takes_a_place() -> None:
    async with house() as open_house:  # two places
        for call, place in [("CA1", True), ("CA2", True), ("CA3", False), ("CA2", True)]:
            form = FORM | {"CallSid": call}
            request = post("/twilio/voice", form, signed=f"{PUBLIC}/twilio/voice")
            _, _, body = await open_house.knock().ask(request)
            assert (b"<Connect " in body) is place
        status, _, body = await open_house.knock().ask(get("/readyz"))
        ready = json.loads(body)
        assert (status, ready["calls"], ready["free"]) == (503, 0, 0)
        assert ready["status"] == "max-calls"


async def test_health_and_readiness_answer_without_a_signature() -> None:
    async with house() as open_house:
        status, _, body = await open_house.knock().ask(get("/healthz"))
        assert (status, body.strip()) == (200, b'{"status":"ok"}')
        status, _, body = await open_house.knock().ask(get("/readyz"))
        assert status == 200
        assert json.loads(body) == {
            "status": "ready",
            "calls": 0,
            "free": 2,
            "engines": [
                {"role": "stt", "name": "kyutai", "state": "open", "slots": 16, "used": 2,
                 "free": 13},
                {"role": "llm", "name": "local", "state": "unreachable", "slots": None,
                 "used": None, "free": None},
            ],
        }  # fmt: skip
        open_house.switchboard.drain()
        status, _, body = await open_house.knock().ask(get("/readyz"))
        assert status == 503
        assert b'"draining"' in body


@pytest.mark.parametrize(
    ("request_", "status", "name"),
    [
        (get("/"), 404, "not-found"),
        (get("/twilio/voice/"), 404, "not-found"),
        (get("/static/voiced.toml"), 404, "not-found"),
        (get("/%00%ff/../etc/passwd"), 404, "not-found"),
        (get("/twilio/voice"), 405, "method-not-allowed"),
        (post("/healthz"), 405, "method-not-allowed"),
        (get("/healthz").replace(b"GET", b"OPTIONS"), 405, "method-not-allowed"),
        (post("/twiml", b"x" * (64 * 1024 + 1)), 413, "too-large"),
    ],
)
async def test_anything_else_is_an_error_in_json(request_: bytes, status: int, name: str) -> None:
    async with house() as open_house:
        answer, headers, body = await open_house.knock().ask(request_)
        assert (answer, code(body)) == (status, name)
        assert ("allow" in headers) is (status == 405)


async def test_a_body_without_a_length_is_bounded_as_well() -> None:
    piece = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    request = post("/twiml", piece * 17 + b"0\r\n\r\n", "Transfer-Encoding: chunked")
    async with house() as open_house:
        status, _, body = await open_house.knock().ask(request)
        assert (status, code(body)) == (413, "too-large")


async def test_the_answer_says_nothing_of_the_server() -> None:
    async with house() as open_house:
        _, headers, _ = await open_house.knock().ask(get("/healthz"))
        assert "server" not in headers
