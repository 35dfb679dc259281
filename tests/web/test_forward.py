"""Two houses on one port: a request finds the one that it is meant for."""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from attrs import define
from guests import CALL, ENGLISH, FORM, PUBLIC, Guest, House, Wire, get, house, post
from trio.testing import memory_stream_pair
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from voiced.call.parties import Parties, Stage
from voiced.dialog.parting import Parting, Transfer
from voiced.ops import presence
from voiced.ops.presence import Presence, marked
from voiced.web import forward
from voiced.web.forward import MAX_FORWARDED, Forwarder, named
from voiced.web.front import read_head

NOBODY = "00000000"
AFTER = "/twilio/after"


@pytest.fixture
def shared() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as there:
        yield there


def serve(there: House, opened: socket.socket) -> None:
    door = trio.SocketListener(trio.socket.from_stdlib_socket(opened))
    there.nursery.start_soon(there.listening.serve, [door], there.nursery)


@asynccontextmanager
async def neighbour(shared: socket.socket, *, serves: bool = True) -> AsyncIterator[House]:
    """A house with a name and a door; who does not serve lets them stand there."""
    async with house() as there:
        at = Presence([shared.fileno()])
        opened = at.open_door()
        assert opened
        with opened:
            there.listening.forwarder = Forwarder(at)
            there.door.tokens.at = at.name
            if serves:
                serve(there, opened)
            yield there


@define
class Two:
    old: House
    new: House

    @property
    def name(self) -> str:
        return self.old.listening.forwarder.presence.name

    @property
    def url(self) -> str:
        return marked(PUBLIC + AFTER, self.name)

    @property
    def after(self) -> bytes:
        return post(marked(AFTER, self.name), FORM, signed=self.url)


@pytest.fixture
async def two(shared: socket.socket) -> AsyncIterator[Two]:
    async with neighbour(shared) as old, neighbour(shared) as new:
        yield Two(old, new)


def lose(there: House) -> None:
    """A call whose stream broke: it is connected again when the carrier asks."""
    parties = Parties(CALL, "english", "+15550100001", ENGLISH, account_sid="AC1")
    entry = there.switchboard.admit(parties, Stage.AWAITED, 60.0)
    there.desk.register.move(entry, Stage.LOST, 60.0)


# --- whose it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (b"/twilio/after?at=0123abcd", "0123abcd"),
        (b"/twilio/whisper?call=CA1&at=0123abcd", "0123abcd"),
        (b"/twilio/after?at=0123abcd&bodySHA256=f", "0123abcd"),
        (b"/twilio/media/0123abcd.t0", "0123abcd"),
        (b"/twilio/media/0123abcd", ""),
        (b"/twilio/media/t0", ""),
        (b"/twilio/after", ""),
        (b"/twilio/after?at=", ""),
        (b"/twilio/after?at=0123ABCD", ""),
        (b"/twilio/after?at=0123abcde", ""),
        (b"/twilio/after?what=0123abcd", ""),
        (b"/twilio/after?at=../../../x", ""),
        (b"/v1/calls?at=0123abcd", ""),
        (b"/x/twilio/after?at=0123abcd", ""),
    ],
)
def test_a_target_names_a_daemon_or_none(target: bytes, name: str) -> None:
    assert named(target) == name


async def test_what_is_minted_names_its_daemon(two: Two) -> None:
    voice = post("/twilio/voice", FORM, signed=f"{PUBLIC}/twilio/voice")
    _, _, body = await two.old.knock().ask(voice)
    assert f"{PUBLIC}/twilio/after?at={two.name}".encode() in body
    assert f"{PUBLIC}/twilio/status?at={two.name}".encode() in body
    assert f"wss://voice.example.com/twilio/media/{two.name}.".encode() in body


async def test_a_transfer_and_its_whisper_name_it_too(two: Two) -> None:
    lose(two.old)
    register = two.old.desk.register
    entry = register.calls[CALL]
    transfer = Transfer("+33700000009", warm=True, summary="A table for two.")
    entry.parting = Parting("transfer", (), transfer)
    register.move(entry, Stage.PARTING, 60.0)
    _, _, body = await two.new.knock().ask(two.after)
    assert f'action="{marked(PUBLIC + "/twilio/dialled", two.name)}"'.encode() in body
    assert f"/twilio/whisper?call={CALL}&amp;at={two.name}".encode() in body


# --- webhooks -------------------------------------------------------------------------------------


async def test_a_webhook_reaches_the_daemon_that_knows_the_call(two: Two) -> None:
    lose(two.old)
    status, headers, body = await two.new.knock().ask(two.after)
    assert (status, headers["connection"]) == (200, "close")
    assert b"<Stream" in body


async def test_who_serves_it_judges_the_signature(two: Two) -> None:
    lose(two.old)
    forged = post(marked(AFTER, two.name), FORM, signed=PUBLIC + AFTER)
    status, _, _ = await two.new.knock().ask(forged)
    assert status == 403


async def test_one_s_own_is_served_here(two: Two) -> None:
    lose(two.old)
    _, _, body = await two.old.knock().ask(two.after)
    assert b"<Stream" in body


async def test_a_request_in_pieces_passes_whole(two: Two) -> None:
    lose(two.old)
    guest = two.new.knock()
    await guest.send(two.after[:-10])
    await trio.testing.wait_all_tasks_blocked(0.02)
    await guest.send(two.after[-10:])
    assert (await guest.rest()).startswith(b"HTTP/1.1 200")


async def test_a_daemon_that_is_not_there_is_answered_for(two: Two) -> None:
    url = marked(PUBLIC + AFTER, NOBODY)
    status, _, body = await two.new.knock().ask(post(marked(AFTER, NOBODY), FORM, signed=url))
    assert status == 200
    assert b"<Hangup" in body
    status, _, _ = await two.new.knock().ask(get(f"/twilio/media/{NOBODY}.t0"))
    assert status == 400


async def test_another_user_s_door_is_none(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(two.old)
    uid = os.getuid()
    monkeypatch.setattr(presence.os, "getuid", lambda: uid + 1)
    _, _, body = await two.new.knock().ask(two.after)
    assert b"<Hangup" in body


async def test_alone_on_the_port_there_is_nobody(two: Two) -> None:
    lose(two.old)
    async with house() as alone:
        _, _, body = await alone.knock().ask(two.after)
        assert b"<Hangup" in body


# --- media sockets --------------------------------------------------------------------------------


async def on_a_stream(two: Two) -> Guest:
    """A call of the old one's, on a socket that came in at the new one."""
    guest = two.new.knock()
    url = two.old.mint(f"{two.name}.t0")
    assert (await guest.upgrade(url)).startswith(b"HTTP/1.1 101")
    start = '{"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"%s",'
    await guest.say(TextMessage(start % CALL + '"accountSid":"AC1"}}'))
    return guest


async def test_a_media_socket_reaches_the_daemon_that_minted_its_token(two: Two) -> None:
    guest = await on_a_stream(two)
    await guest.say(TextMessage("hello"))
    heard = await guest.hear()
    assert isinstance(heard, TextMessage | BytesMessage)
    assert str(heard.data) == "5"
    assert (len(two.old.switchboard.taken), len(two.new.switchboard.taken)) == (1, 0)
    await guest.say(CloseConnection(1000))
    assert isinstance(await guest.hear(), CloseConnection)
    await guest.over.wait()


async def test_a_guest_that_vanishes_ends_the_call(two: Two) -> None:
    guest = await on_a_stream(two)
    await guest.say(TextMessage("hello"))
    await guest.hear()
    entry = two.old.desk.register.calls[CALL]
    await guest.stream.aclose()
    await guest.over.wait()
    with trio.fail_after(5):
        await entry.left.wait()


async def test_a_daemon_that_ends_meanwhile_ends_the_socket(shared: socket.socket) -> None:
    async with neighbour(shared) as new:
        async with neighbour(shared) as old:
            guest = await on_a_stream(Two(old, new))
            await guest.say(TextMessage("hello"))
            await guest.hear()
        assert await guest.rest() is not None
        assert new.listening.forwarder.crowd.present == 0


# --- bounds ---------------------------------------------------------------------------------------


async def test_too_many_are_refused(shared: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "MAX_FORWARDED", 1)
    async with neighbour(shared, serves=False) as old, neighbour(shared) as new:
        between = Two(old, new)
        first = new.knock()
        await first.send(between.after)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert new.listening.forwarder.crowd.present == 1
        status, _, _ = await new.knock().ask(between.after)
        assert status == 503
        await first.stream.aclose()
        await first.over.wait()
        assert new.listening.forwarder.crowd.present == 0
    assert MAX_FORWARDED == 128


async def test_a_guest_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a pump that waits for it for ever."""
    monkeypatch.setattr(forward, "TAKE_S", 0.05)
    ours, theirs = memory_stream_pair()
    left, right = socket.socketpair()
    left.settimeout(0)

    class Fake:
        name = "fffffff0"

        def reach(self, name: str) -> socket.socket:
            return left

    async def full(data: bytes) -> None:
        await trio.sleep_forever()

    theirs.send_stream.send_all = full  # type: ignore[method-assign]
    with right:
        right.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        await ours.send_all(get(marked(AFTER, NOBODY)))
        head = await read_head(theirs)
        with trio.fail_after(5):
            assert await Forwarder(Fake()).took(Wire(theirs), head)  # type: ignore[arg-type]
        right.settimeout(1)
        assert right.recv(65_536).startswith(b"GET /twilio/after?at=")
