"""One port: who gets what, and that no guest costs more than its own connection."""

import json
import random
import ssl
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
import trio
from guests import (
    CALL,
    FORM,
    PUBLIC,
    START,
    STREAM,
    TOKEN,
    Guest,
    House,
    code,
    frame,
    get,
    house,
    post,
    settings,
)
from trio.testing import MockClock
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from voiced.config import Server, Tls
from voiced.errors import CallRefused, StartupError, WireError
from voiced.lab.phone_wire import sign
from voiced.web.server import EXCHANGE_S, START_S, open_listeners
from voiced.wire.twilio import MAX_MESSAGE

URL = "wss://voice.example.com/twilio/media/t0"
START_TEXT = TextMessage(json.dumps(START))


async def connected(open_house: House) -> Guest:
    guest = open_house.knock()
    answer = await guest.upgrade(open_house.mint())
    assert answer.startswith(b"HTTP/1.1 101")
    return guest


# --- the upgrade ---------------------------------------------------------------------------------


async def test_a_call_goes_through_its_media_socket(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        guest = await connected(open_house)
        await guest.say(TextMessage('{"event":"connected"}'), START_TEXT, TextMessage("12345"))
        assert await guest.hear() == TextMessage("5")
        ((parties, stream),) = open_house.switchboard.taken
        assert (parties.call_sid, stream) == (CALL, STREAM)


async def test_the_end_of_a_call_closes_its_socket(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        guest = await connected(open_house)
        await guest.say(START_TEXT, CloseConnection(1000))
        assert isinstance(await guest.hear(), CloseConnection)
        assert await guest.rest() == b""


@pytest.mark.parametrize("signature", ["", "AAAA", "\xff"])
async def test_an_unsigned_upgrade_is_forbidden_and_burns_no_token(signature: str) -> None:
    async with house() as open_house:
        open_house.mint()
        guest = open_house.knock()
        answer = await guest.upgrade(URL, signature)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 403 ")
        assert code(body) == "forbidden"
        assert (await open_house.knock().upgrade(URL)).startswith(b"HTTP/1.1 101")


async def test_a_token_opens_one_socket(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        await connected(open_house)
        assert (await open_house.knock().upgrade(URL)).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("path", ["", "t1", "t0?x=1", "%740", "t0/x", "../media/t0"])
async def test_another_token_opens_none(path: str) -> None:
    async with house(settings(verify_signatures=False)) as open_house:
        open_house.mint()
        guest = open_house.knock()
        answer = await guest.upgrade(f"wss://voice.example.com/twilio/media/{path}", "")
        assert answer.startswith(b"HTTP/1.1 403")


async def test_an_expired_token_opens_none(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        url = open_house.mint()
        await trio.sleep(61)
        assert (await open_house.knock().upgrade(url)).startswith(b"HTTP/1.1 403")


async def test_a_slash_that_a_proxy_added_is_forgiven() -> None:
    async with house() as open_house:
        guest = open_house.knock()
        request = get(
            "/twilio/media/t0/", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            f"X-Twilio-Signature: {sign(TOKEN, open_house.mint())}",
        )  # fmt: skip
        await guest.send(request)
        assert bytes(await guest.stream.receive_some()).startswith(b"HTTP/1.1 101")


async def test_what_is_no_upgrade_is_a_bad_request() -> None:
    async with house() as open_house:
        status, _, body = await open_house.knock().ask(get("/twilio/media/t0"))
        assert (status, code(body)) == (400, "bad-request")


@pytest.mark.parametrize("path", ["/", "/healthz", "/twilio/voice"])
@pytest.mark.parametrize("value", ["x", "x, \xff"])
async def test_no_other_path_speaks_another_protocol(path: str, value: str) -> None:
    async with house() as open_house:
        for upgrade in ("websocket", "h2c"):
            request = get(
                path, f"Connection: Upgrade, HTTP2-Settings, {value}", f"Upgrade: {upgrade}",
                "HTTP2-Settings: \x80!", f"Sec-WebSocket-Protocol: {value}",
                "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA",
            ).decode().encode("latin-1")  # fmt: skip
            status, _, _ = await open_house.knock().ask(request)
            assert status in {200, 404, 405}


# --- the start -----------------------------------------------------------------------------------


async def test_a_socket_without_a_start_is_closed(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        guest = await connected(open_house)
        await guest.say(TextMessage('{"event":"connected"}'))
        assert isinstance(await guest.hear(), CloseConnection)
        assert trio.current_time() == START_S
        assert open_house.switchboard.taken == []


async def test_the_start_of_another_call_is_not_taken(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        guest = open_house.knock()
        await guest.upgrade(open_house.mint(call="CA9"))
        await guest.say(START_TEXT)
        assert isinstance(await guest.hear(), CloseConnection)
        assert open_house.switchboard.taken == []


async def test_what_comes_before_the_start_is_passed_over(autojump_clock: MockClock) -> None:
    media = json.dumps({"event": "media", "media": {"payload": b64encode(b"x").decode()}})
    async with house() as open_house:
        guest = await connected(open_house)
        await guest.say(
            BytesMessage(b"\x00\xff"), TextMessage("no JSON"), TextMessage(media), Ping(),
            TextMessage("x" * (MAX_MESSAGE + 1)), START_TEXT,
        )  # fmt: skip
        await trio.testing.wait_all_tasks_blocked()
        assert len(open_house.switchboard.taken) == 1


async def test_chatter_before_the_start_has_an_end(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        guest = await connected(open_house)
        await guest.say(*[TextMessage('{"event":"connected"}')] * 10)
        assert isinstance(await guest.hear(), CloseConnection)
        assert trio.current_time() < START_S


@pytest.mark.parametrize("error", [CallRefused("duplicate"), WireError("streamSid: malformed")])
async def test_a_call_that_is_not_taken_ends_its_socket(
    error: Exception, autojump_clock: MockClock
) -> None:
    async with house() as open_house:
        open_house.switchboard.fails = error
        guest = await connected(open_house)
        await guest.say(START_TEXT)
        assert isinstance(await guest.hear(), CloseConnection)


# --- time ----------------------------------------------------------------------------------------


async def test_a_guest_who_says_nothing_is_cut_off(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        assert await open_house.knock().rest() == b""


async def test_a_guest_who_never_ends_its_body_is_cut_off(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        guest = open_house.knock()
        await guest.send(post("/twiml", b"x" * 100)[:-50])
        assert await guest.rest() == b""
        assert trio.current_time() <= EXCHANGE_S + 1


async def test_a_connection_serves_one_request(autojump_clock: MockClock) -> None:
    async with house() as open_house:
        guest = open_house.knock()
        await guest.send(get("/healthz") * 3)
        answer = await guest.rest()
        assert answer.count(b"HTTP/1.1") == 1
        assert b"connection: close" in answer.lower()
        assert trio.current_time() < 1


# --- hostility -----------------------------------------------------------------------------------


def mutated(data: bytes, dice: random.Random) -> bytes:
    """With a few bytes changed, doubled, dropped or cut off."""
    spoilt = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(spoilt))
        match dice.randrange(5):
            case 0:
                spoilt[at] = dice.randrange(256)
            case 1:
                del spoilt[at : at + dice.randint(1, 10)]
            case 2:
                spoilt[at:at] = dice.randbytes(dice.randint(1, 10))
            case 3:
                spoilt[at:at] = spoilt[at : at + 40]
            case 4:
                spoilt[at:at] = dice.choice([b"\r\n", b"\xff", b"\0", b":", b" ", b"\n"])
        spoilt = spoilt or bytearray(b"x")
    return bytes(spoilt)


HEADS = (
    get("/healthz"),
    get("/x?y=%ff", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMA"),
    get("/ws", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
    post("/twiml", FORM, signed=f"{PUBLIC}/twiml"),
    post("/twiml", b"5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    post("/twiml", FORM, "Expect: 100-continue", "Range: bytes=0-1", "Cookie: a=b; c"),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
)


@pytest.mark.parametrize("seed", range(6))
async def test_no_mutated_request_ends_the_server(seed: int, autojump_clock: MockClock) -> None:
    dice = random.Random(seed)
    async with house() as open_house:
        for _ in range(40):
            guest = open_house.knock()
            await guest.send(mutated(dice.choice(HEADS), dice))
            if dice.randrange(2):
                await guest.stream.send_stream.aclose()
            await guest.rest()
        status, _, _ = await open_house.knock().ask(get("/healthz"))
        assert status == 200


@pytest.mark.parametrize("seed", range(4))
async def test_no_mutated_media_socket_ends_the_server(
    seed: int, autojump_clock: MockClock
) -> None:
    dice = random.Random(seed)
    async with house() as open_house:
        for n in range(25):
            guest = open_house.knock()
            await guest.upgrade(open_house.mint(f"t{n}"))
            frames = [
                frame(0x81, START_TEXT.data.encode()),
                frame(0x81, b"x" * 100),
                frame(0x01, b"part"),
                frame(0x89, b"ping"),
                frame(0x82, b"\0"),
            ]
            dice.shuffle(frames)
            await guest.send(mutated(b"".join(frames), dice))
            await trio.sleep(dice.choice([0, 0, START_S * 2]))
            await guest.stream.send_stream.aclose()
            await guest.rest()
        assert (await open_house.knock().ask(get("/healthz")))[0] == 200


# --- real sockets --------------------------------------------------------------------------------


async def test_a_port_that_is_taken_is_told_in_a_sentence() -> None:
    (holder,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with holder:
        port = holder.socket.getsockname()[1]
        with pytest.raises(StartupError, match=f"127.0.0.1:{port}.*another voiced"):
            await open_listeners(Server(host="127.0.0.1", port=port))


@pytest.mark.parametrize("host", ["192.0.2.77", "a..b"])
async def test_a_wrong_host_is_told_in_a_sentence(host: str) -> None:
    with pytest.raises(StartupError, match=r"server\.host"):
        await open_listeners(Server(host=host, port=0))


async def test_a_certificate_that_is_missing_is_told_in_a_sentence(tmp_path: Path) -> None:
    tls = Tls(certificate=tmp_path / "no.pem", private_key=tmp_path / "no.key")
    with pytest.raises(StartupError, match=r"no\.pem.*No such file"):
        await open_listeners(Server(host="127.0.0.1", port=0, tls=tls))


async def test_a_guest_who_takes_nothing_does_not_outlive_the_house() -> None:
    async with house() as open_house:
        (listener,) = await open_listeners(Server(host="127.0.0.1", port=0))
        open_house.listening._app.app.add_url_rule("/big", "big", big)
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(open_house.listening.serve, [listener], nursery)
                port = listener.socket.getsockname()[1]
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                await stream.send_all(get("/big"))
                await stream.receive_some(1)
                await trio.testing.wait_all_tasks_blocked(0.05)
                nursery.cancel_scope.cancel()
        await stream.aclose()


async def big() -> bytes:
    await trio.lowlevel.checkpoint()
    return b"x" * 50_000_000


async def test_tls_is_spoken_with_a_certificate_of_our_own(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    try:
        await trio.run_process(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-days", "2", "-keyout", str(key), "-out", str(certificate)],
            capture_stdout=True, capture_stderr=True,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no certificate without openssl: {error}")
    tls = Tls(certificate=certificate, private_key=key)
    (listener,) = await open_listeners(Server(host="127.0.0.1", port=0, tls=tls))
    async with house() as open_house:
        open_house.nursery.start_soon(open_house.listening.serve, [listener], open_house.nursery)
        port = listener.transport_listener.socket.getsockname()[1]
        plain = await trio.open_tcp_stream("127.0.0.1", port)
        await plain.send_all(get("/healthz"))  # without TLS
        trusting = ssl.create_default_context(cafile=str(certificate))
        stream = trio.SSLStream(
            await trio.open_tcp_stream("127.0.0.1", port), trusting,
            server_hostname="localhost",
            https_compatible=True,
        )  # fmt: skip
        async with plain, stream:
            with trio.fail_after(5):
                await stream.send_all(get("/healthz"))
                answer = b""
                while data := await stream.receive_some():
                    answer += data
            assert answer.startswith(b"HTTP/1.1 200")
