"""Who gets through to the API, how often, and what the others learn: nothing."""

import pytest
import trio
from attrs import evolve
from guests import CALL, ENGLISH, PUBLIC, House, api, code, get, house
from operators import TO, Answer, ask, carrier_takes, live, office
from trio.testing import MockClock
from twilio_side import RINGS, webhook

from voiced.config import Api, Limits, Secret, Settings

TOKEN = "s3cret-t0ken"
AFAR = "203.0.113.7"
GOOD = f"Authorization: Bearer {TOKEN}"
LIVE = "/v1/calls?state=live"

EVERYTHING = [
    ("GET", "/v1/calls"), ("POST", "/v1/calls"), ("GET", f"/v1/calls/{CALL}"),
    ("GET", f"/v1/calls/{CALL}/transcript"), ("GET", f"/v1/calls/{CALL}/recording"),
    ("POST", f"/v1/calls/{CALL}/hangup"), ("POST", f"/v1/calls/{CALL}/say"),
    ("GET", "/v1/events"), ("HEAD", "/v1/events"), ("PUT", "/v1/calls"), ("OPTIONS", "/v1/calls"),
    ("GET", "/v1"), ("GET", "/v1/"), ("GET", "/v1/nothing"), ("GET", "/v1x"), ("GET", "/v1/../v1"),
    ("GET", "//v1/calls"), ("GET", "///v1/calls"), ("GET", "/%76%31/calls"), ("GET", "/v1%2Fcalls"),
    ("GET", "/%2Fv1/calls"), ("GET", "/v1//calls"), ("GET", "/console"), ("GET", "/metrics"),
]  # fmt: skip


def locked(limits: Limits | None = None) -> Settings:
    return evolve(office(limits), api=Api(token=Secret(TOKEN)))


def is_shut(answer: Answer) -> bool:
    """Whether it is a refusal that says nothing of what is behind it."""
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN.encode() not in answer.body
    return answer.status == 401


# --- with a token -------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
@pytest.mark.parametrize("peer", [AFAR, "127.0.0.1"])
async def test_nothing_answers_without_the_token(method: str, path: str, peer: str) -> None:
    async with house(locked()) as there:
        carrier_takes(there)
        entry = live(there)
        answer = await ask(there, method, path, {"to": TO}, peer=peer)
        assert is_shut(answer)
        assert (there.desk.carrier.asked, entry.call.requests) == ([], [])  # type: ignore[union-attr]
        if method != "HEAD":
            assert answer.error == (401, "unauthorised", "")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_everybodys(path: str) -> None:
    async with house(locked()) as there:
        assert (await ask(there, "GET", path, peer=AFAR)).status == 200


async def test_the_token_opens_from_anywhere() -> None:
    async with house(locked()) as there:
        for header in (GOOD, f"authorization: bearer {TOKEN}", f"AUTHORIZATION:BEARER  {TOKEN}"):
            answer = await ask(there, "GET", LIVE, b"", header, "Via: 1.1 x", peer=AFAR)
            assert answer.status == 200


@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer", "Authorization: Bearer ", f"Authorization: {TOKEN}",
        f"Authorization: Basic {TOKEN}", f"Authorization: Bearer {TOKEN}x",
        f"Authorization: Bearer {TOKEN[:-1]}", f"Authorization: Bearer {TOKEN.upper()}",
        f"Authorization: Bearer {TOKEN} {TOKEN}", "Authorization: Bearer s3cr\xe9t\xff",
        f"Authorization: Token {TOKEN}", f"X-Authorization: Bearer {TOKEN}",
        f"Cookie: token={TOKEN}", "Authorization: Bearer " + "x" * 8000,
    ],
)  # fmt: skip
async def test_nothing_else_is_the_token(header: str) -> None:
    async with house(locked()) as there:
        assert is_shut(await ask(there, "GET", LIVE, b"", header))


async def test_the_token_in_the_address_is_not_read() -> None:
    async with house(locked()) as there:
        assert is_shut(await ask(there, "GET", f"{LIVE}&token={TOKEN}&access_token={TOKEN}"))


async def test_behind_the_gate_what_is_not_there_is_told() -> None:
    async with house(locked()) as there:
        for method, path, status in (
            ("GET", "/v1/nothing", 404), ("PUT", "/v1/calls", 405), ("GET", "/console", 404),
        ):  # fmt: skip
            assert (await ask(there, method, path, b"", GOOD, peer=AFAR)).status == status


async def test_a_page_may_use_the_token() -> None:
    async with house(locked()) as there:
        header = "Origin: https://desk.example.com"
        assert (await ask(there, "GET", LIVE, b"", GOOD, header, peer=AFAR)).status == 200


# --- without one --------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9"])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1:8765", "[::1]:8765"])
async def test_without_a_token_this_machine_is_let_in(peer: str, host: str) -> None:
    async with house(office()) as there:
        answer = Answer(*await there.knock(peer).ask(api("GET", LIVE, host=host)))
        assert answer.status == 200


@pytest.mark.parametrize("peer", [AFAR, "10.0.0.1", "192.168.1.2", "0.0.0.0"])
async def test_without_a_token_nobody_else_is(peer: str) -> None:
    async with house(office()) as there:
        answer = await ask(there, "GET", LIVE, peer=peer)
        assert is_shut(answer)
        assert b"api.token is not set" in answer.body


@pytest.mark.parametrize(
    "host", ["voice.example.com", "localhost.evil.example", "x", "", "127.1.evil"]
)
async def test_a_name_that_is_not_this_machines_is_not_let_in(host: str) -> None:
    async with house(office()) as there:
        answer = Answer(*await there.knock("127.0.0.1").ask(api("GET", LIVE, host=host)))
        assert is_shut(answer)


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded: for=203.0.113.7", "Via: 1.1 proxy", "X-Real-IP: 127.0.0.1",
        "X-Forwarded-For: 127.0.0.1", "X-FORWARDED-HOST: localhost", "x-forwarded-proto: https",
        "X-Forwarded-For:",
    ],
)  # fmt: skip
async def test_what_comes_through_a_proxy_is_not_let_in(header: str) -> None:
    async with house(office()) as there:
        assert is_shut(await ask(there, "GET", LIVE, b"", header))


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://localhost", "http://localhost:3000", "null", "", "file://",
     "http://127.0.0.1:8765"],
)  # fmt: skip
async def test_a_page_of_another_site_cannot_have_a_call_placed(origin: str) -> None:
    async with house(office()) as there:
        carrier_takes(there)
        headers = (f"Origin: {origin}", "Content-Type: text/plain")
        answer = await ask(there, "POST", "/v1/calls", {"to": TO}, *headers)
        assert answer.error == (403, "foreign-page", "")
        assert there.desk.carrier.asked == []


async def test_a_page_of_our_own_may_ask() -> None:
    async with house(office()) as there:
        answer = await ask(there, "GET", LIVE, b"", "Origin: http://localhost:8765")
        assert answer.status == 200


# --- how often ----------------------------------------------------------------------------------


async def statuses(there: House, count: int, *headers: str, peer: str) -> list[int]:
    return [(await ask(there, "GET", LIVE, b"", *headers, peer=peer)).status for _ in range(count)]


async def test_each_client_has_its_own_measure(autojump_clock: MockClock) -> None:
    async with house(locked(Limits(requests_per_minute=3))) as there:
        assert await statuses(there, 5, GOOD, peer=AFAR) == [200, 200, 200, 429, 429]
        assert await statuses(there, 1, GOOD, peer="203.0.113.8") == [200]
        answer = await ask(there, "GET", LIVE, b"", GOOD, peer=AFAR)
        assert answer.error == (429, "too-many-requests", "")
        assert answer.headers["retry-after"] == "20"
        await trio.sleep(19.9)
        assert await statuses(there, 1, GOOD, peer=AFAR) == [429]
        await trio.sleep(0.2)
        assert await statuses(there, 2, GOOD, peer=AFAR) == [200, 429]


async def test_guesses_at_the_token_are_counted_as_well(autojump_clock: MockClock) -> None:
    async with house(locked(Limits(requests_per_minute=3))) as there:
        wrong = "Authorization: Bearer guess"
        assert await statuses(there, 4, wrong, peer=AFAR) == [401, 401, 401, 429]
        assert await statuses(there, 1, GOOD, peer=AFAR) == [429]


async def test_behind_a_proxy_of_ours_its_clients_are_told_apart(
    autojump_clock: MockClock,
) -> None:
    async with house(locked(Limits(requests_per_minute=1))) as there:
        for last, status in (("1", 200), ("2", 200), ("1", 429)):
            header = f"X-Forwarded-For: 127.0.0.1, 198.51.100.{last}"
            assert await statuses(there, 1, GOOD, header, peer="127.0.0.1") == [status]


async def test_a_client_cannot_write_itself_another_address(autojump_clock: MockClock) -> None:
    async with house(locked(Limits(requests_per_minute=1))) as there:
        for last, status in (("1", 200), ("2", 429)):
            header = f"X-Forwarded-For: 198.51.100.{last}"
            assert await statuses(there, 1, GOOD, header, peer=AFAR) == [status]


async def test_what_is_not_the_apis_is_not_counted(autojump_clock: MockClock) -> None:
    async with house(locked(Limits(requests_per_minute=1))) as there:
        for _ in range(5):
            for request in (
                get("/healthz"), get("/readyz"), webhook("/twilio/voice", RINGS),
                webhook("/twilio/status", {"CallSid": CALL, "To": ENGLISH}),
            ):  # fmt: skip
                status, _, _ = await there.knock(AFAR).ask(request)
                assert status in (200, 204)
            status, _, body = await there.knock(AFAR).ask(webhook("/twiml", RINGS, signed=""))
            assert (status, code(body)) == (403, "forbidden")
        assert await statuses(there, 2, GOOD, peer=AFAR) == [200, 429]


async def test_a_webhook_needs_no_token_and_the_token_no_webhook() -> None:
    async with house(locked()) as there:
        request = webhook("/twilio/voice", RINGS, signed="", public=PUBLIC)
        with_token = request.replace(b"\r\n", f"\r\n{GOOD}\r\n".encode(), 1)
        assert (await there.knock(AFAR).ask(with_token))[0] == 403
