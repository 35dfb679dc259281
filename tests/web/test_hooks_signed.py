"""Who is believed to be Twilio: signatures made by Twilio's own library, and forged ones."""

from hashlib import sha256
from urllib.parse import urlencode

import pytest
import trio
from attrs import evolve
from guests import CALL, PUBLIC, TOKEN, House, code, get, house, settings
from twilio.request_validator import RequestValidator
from twilio_side import RINGS, Pairs, raw, signature, told, twiml, webhook

from voiced.config import Secret, Server
from voiced.web import front, hooks, server

VOICE = "/twilio/voice"

KNOWN = [
    ("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675309"), ("Digits", "1234"),
    ("From", "+14158675309"), ("To", "+18005551212"),
]  # fmt: skip
REPEATED = [("Sid", "CA123"), ("SidAccount", "AC123")] + [
    ("Digits", each) for each in ("5678", "1234", "1234")
]
JSON = b'{"property": "value", "boolean": true}'
HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
QUERY = "/myapp.php?foo=1&bar=2"

VECTORS: list[tuple[str, str, Pairs, str, int]] = [
    ("https://mycompany.com", QUERY, KNOWN, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", 200),
    ("https://mycompany.com:443", QUERY, KNOWN, "kvajT1Ptam85bY51eRf/AJRuM3w=", 200),
    ("http://mycompany.com:80", QUERY, KNOWN, "0ZXoZLH/DfblKGATFgpif+LLRf4=", 200),
    ("http://mycompany.com:1234", QUERY, KNOWN, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", 200),
    # These name no call, so that whoever signed them is told 400.
    ("https://mycompany.com", QUERY, REPEATED, "IK+Dwps556ElfBT0I3Rgjkr1wJU=", 400),
    ("https://mycompany.com", "/voice", [("A", ""), ("B", " x ")],
     "sC48IcG6LD48dDMawKnAbQrNu98=", 400),
]  # fmt: skip
"""The public address, the path, the form, Twilio's signature with the token 12345, our answer."""


def at(public_url: str) -> House:
    return evolve(settings(), server=Server(public_url=public_url, max_calls=2))


@pytest.mark.parametrize(("public", "path", "pairs", "known", "answer"), VECTORS)
async def test_known_signatures_open_the_door(
    public: str, path: str, pairs: Pairs, known: str, answer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "VOICE", ("/myapp.php", "/voice"))
    async with house(at(public)) as open_house:
        assert known == signature(public + path, pairs)
        assert (await told(open_house, webhook(path, pairs, signed=known)))[0] == answer
        for tampered in ([*pairs, ("Extra", "")], pairs[1:]):
            assert (await told(open_house, webhook(path, tampered, signed=known)))[0] == 403
        assert (await told(open_house, webhook(path + "&", pairs, signed=known)))[0] in (403, 404)


async def test_the_known_signature_of_a_body_opens_the_door(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hooks, "VOICE", ("/myapp.php",))
    path, known = f"{QUERY}&bodySHA256={HASH}", "a9nBmqA0ju/hNViExpshrM61xv4="
    async with house(at("https://mycompany.com")) as open_house:
        kind = "application/json"
        assert (await told(open_house, raw(path, JSON, known, kind)))[0] == 400  # names no call
        assert (await told(open_house, raw(path, JSON + b" ", known, kind)))[0] == 403
        other = path.replace("0a1f", "0a1e")
        assert (await told(open_house, raw(other, JSON, known, kind)))[0] == 403


@pytest.mark.parametrize(
    ("spelling", "known"),
    [("", "Ngey1rZUgD+rgJGoZ/V1xROpzXk="), ("/", "Ngey1rZUgD+rgJGoZ/V1xROpzXk=")],
)
async def test_the_known_signature_of_a_media_socket_opens_it(
    spelling: str, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (front, server):
        monkeypatch.setattr(module, "MEDIA_PATH", "/media/")
    async with house(at("https://voice.example.test")) as open_house:
        open_house.mint("abc")
        guest = open_house.knock()
        url = f"wss://voice.example.test/media/abc{spelling}"
        assert (await guest.upgrade(url, known)).startswith(b"HTTP/1.1 101")


async def test_the_signature_of_an_address_that_we_did_not_give_opens_no_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (front, server):
        monkeypatch.setattr(module, "MEDIA_PATH", "/media/")
    async with house(at("https://voice.example.test")) as open_house:
        open_house.mint("abc")
        known = "HqPGrBQbYTtkydUNDZsNTf88jZo="  # of the address with a slash behind it
        answer = await open_house.knock().upgrade("wss://voice.example.test/media/abc/", known)
        assert answer.startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "path", [*hooks.VOICE, hooks.AFTER, hooks.DIALLED, hooks.WHISPER, hooks.STATUS]
)
async def test_twilios_library_and_we_agree_on_every_webhook(path: str) -> None:
    form = RINGS | {"DialCallStatus": "busy", "CallerName": "É & <co> 😀+%"}
    given = signature(PUBLIC + path, list(form.items()))
    assert RequestValidator(TOKEN).validate(PUBLIC + path, form, given)
    async with house() as open_house:
        assert (await told(open_house, webhook(path, form)))[0] in (200, 204)
        for forged in (
            webhook(path, form, signed=""),
            webhook(path, form, signed=given[::-1]),
            webhook(path, form, signed="\x7f" * 28),
            webhook(path, form, token="54321"),
            webhook(path, form, token=""),
            webhook(path, form | {"From": "+15550100009"}, signed=given),
            webhook(path, form | {"AccountSid": "AC2"}, signed=given),
            webhook(path, [*form.items(), ("CallSid", "CA2")], signed=given),
            webhook(path, {}, signed=given),
            webhook(f"{path}?call=out-1", form, signed=given),
            webhook(path, form, public="http://voice.example.com"),
            webhook(path, form, public="https://voice.example.org"),
        ):
            status, body = await told(open_house, forged)
            assert (status, code(body)) == (403, "forbidden")


async def test_what_is_not_signed_changes_nothing() -> None:
    async with house() as open_house:
        open_house.mint()
        before = dict(open_house.desk.register.calls)
        for path in (*hooks.VOICE, hooks.AFTER, hooks.DIALLED, hooks.STATUS):
            for form in (RINGS | {"CallStatus": "completed"}, RINGS | {"CallSid": "CA2"}):
                form = form | {"DialCallStatus": "completed"}
                assert (await told(open_house, webhook(path, form, signed="")))[0] == 403
        assert dict(open_house.desk.register.calls) == before


async def test_both_auth_tokens_are_good_during_a_rotation() -> None:
    chosen = settings(auth_token=Secret("new"), auth_token_secondary=Secret("old"))
    async with house(chosen) as open_house:
        for token, status in (("new", 200), ("old", 200), (TOKEN, 403), ("", 403)):
            assert (await told(open_house, webhook(VOICE, RINGS, token=token)))[0] == status


async def test_a_secondary_auth_token_alone_is_enough() -> None:
    chosen = settings(auth_token=None, auth_token_secondary=Secret("old"))
    async with house(chosen) as open_house:
        assert (await told(open_house, webhook(VOICE, RINGS, token="old")))[0] == 200
        assert (await told(open_house, webhook(VOICE, RINGS, token="")))[0] == 403


@pytest.mark.parametrize("secondary", [None, Secret("")])
async def test_an_empty_auth_token_signs_nothing(secondary: Secret | None) -> None:
    chosen = settings(auth_token=Secret(""), auth_token_secondary=secondary)
    async with house(chosen) as open_house:
        assert (await told(open_house, webhook(VOICE, RINGS, token="")))[0] == 403


async def test_a_form_in_disguise_names_no_call() -> None:
    """With `bodySHA256` the fields are not in the signature; so none of them counts."""
    body = urlencode(RINGS).encode()
    path = f"{VOICE}?bodySHA256={sha256(body).hexdigest()}"
    async with house() as open_house:
        status, answer = await told(open_house, raw(path, body, signature(PUBLIC + path, [])))
        assert (status, code(answer)) == (400, "bad-request")
        assert dict(open_house.desk.register.calls) == {}


async def test_the_kind_of_another_signature_is_no_way_around() -> None:
    async with house() as open_house:
        wish = b"\r\nX-Twilio-Webhooks-Signature-Settings: key=k,algorithm=HMAC_SHA256"
        for given, answer in ((None, 200), ("AAAA", 403)):
            head, blank, body = webhook(VOICE, RINGS, signed=given).partition(b"\r\n\r\n")
            assert (await told(open_house, head + wish + blank + body))[0] == answer


async def test_the_first_of_repeated_fields_counts() -> None:
    pairs = [("CallSid", CALL), *list(RINGS.items())[1:], ("CallSid", "CA2"), ("CallSid", "CA1")]
    async with house() as open_house:
        await twiml(open_house, webhook(VOICE, pairs))
        assert list(open_house.desk.register.calls) == [CALL]


@pytest.mark.parametrize(("fields", "status"), [(200, 200), (201, 400), (2000, 400)])
async def test_a_form_has_so_many_fields_at_most(fields: int, status: int) -> None:
    form = RINGS | {f"X{n}": "" for n in range(fields - len(RINGS))}
    async with house() as open_house:
        assert (await told(open_house, webhook(VOICE, form)))[0] == status


@pytest.mark.parametrize("body", [b"CallSid=\xff", b"\x80=1&CallSid=CA1", b"\xed\xa0\x80"])
async def test_a_body_that_is_not_utf_8_is_a_bad_request(body: bytes) -> None:
    async with house() as open_house:
        assert (await told(open_house, raw(VOICE, body, "AAAA")))[0] == 400


@pytest.mark.parametrize("body", [b"", b"&&&", b"CallSid", b"=", b"%zz=%", b"\0", b"a=b;c=d"])
async def test_a_strange_body_is_not_signed(body: bytes) -> None:
    async with house() as open_house:
        assert (await told(open_house, raw(VOICE, body, "AAAA")))[0] == 403


async def test_a_body_of_a_mebibyte_is_too_large() -> None:
    async with house() as open_house:
        guest = open_house.knock()
        request = webhook(VOICE, RINGS | {"X": "x" * 2**20})
        # The answer may come before the body has gone out.
        with trio.fail_after(5):
            status, _, body = await guest.ask(request[: 2**17])
        assert (status, code(body)) == (413, "too-large")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", [VOICE, hooks.STATUS])
async def test_webhooks_are_posted(method: str, path: str) -> None:
    request = get(path, f"X-Twilio-Signature: {signature(PUBLIC + path, [])}")
    async with house() as open_house:
        status, headers, _ = await open_house.knock().ask(request.replace(b"GET", method.encode()))
        assert (status, headers["allow"]) == (405, "POST")


async def test_a_flood_of_unsigned_webhooks_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house() as open_house:
        for _ in range(5):
            await told(open_house, webhook(VOICE, RINGS, signed=""))
    assert [record.getMessage() for record in caplog.records] == [hooks.UNSIGNED]
