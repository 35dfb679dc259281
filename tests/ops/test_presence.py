"""Daemons that share a listening socket find each other."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from voiced.ops import presence
from voiced.ops.presence import BACKLOG, MAX_NEIGHBOURS, PLACES, Presence, Sign, marked


@pytest.fixture
def shared() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as there:
        yield there


@pytest.fixture
def two(shared: socket.socket) -> Iterator[tuple[Presence, Presence]]:
    """Each with its own copy of the socket, as two processes have."""
    copy = shared.dup()
    ours, theirs = Presence([shared.fileno()]), Presence([copy.fileno()])
    yield ours, theirs
    ours.hide(Sign.SERVING, Sign.ALIVE)
    theirs.hide(Sign.SERVING, Sign.ALIVE)
    copy.close()


def test_one_that_serves_is_found_by_the_other(two: tuple[Presence, Presence]) -> None:
    ours, theirs = two
    ours.show(Sign.SERVING)
    assert ours.others(Sign.SERVING) == 0
    assert theirs.others(Sign.SERVING) == 1
    theirs.show(Sign.SERVING)
    assert ours.others(Sign.SERVING) == 1
    ours.hide(Sign.SERVING, Sign.ALIVE)
    assert (ours.others(Sign.SERVING), theirs.others(Sign.SERVING)) == (1, 0)


def test_each_sign_is_seen_for_itself(two: tuple[Presence, Presence]) -> None:
    """One that drains is alive, and serves no more."""
    ours, theirs = two
    for sign in Sign:
        theirs.show(sign)
    theirs.hide(Sign.SERVING)
    assert [ours.others(sign) for sign in Sign] == [1, 0]


def test_one_that_is_alone_finds_nobody(two: tuple[Presence, Presence]) -> None:
    ours, _ = two
    assert ours.others(Sign.SERVING) == 0
    ours.show(Sign.SERVING)
    ours.hide(Sign.SERVING, Sign.ALIVE)
    assert ours.others(Sign.SERVING) == 0


def test_one_whose_process_is_gone_is_gone(two: tuple[Presence, Presence]) -> None:
    ours, theirs = two
    child = os.fork()
    if not child:
        theirs.show(Sign.SERVING)
        os._exit(0)
    os.waitpid(child, 0)
    assert ours.others(Sign.SERVING) == 0


def test_another_socket_is_another_place(two: tuple[Presence, Presence]) -> None:
    ours, _ = two
    ours.show(Sign.SERVING)
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert Presence([other.fileno()]).others(Sign.SERVING) == 0


def test_without_a_shared_socket_there_is_nobody(caplog: pytest.LogCaptureFixture) -> None:
    alone = Presence(())
    alone.show(Sign.SERVING)
    assert alone.others(Sign.SERVING) == 0
    alone.hide(Sign.SERVING, Sign.ALIVE)
    assert not caplog.records


def test_too_many_are_told(shared: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    crowd = [Presence([shared.fileno()]) for _ in range(PLACES + 1)]
    for each in crowd:
        each.show(Sign.SERVING)
    assert "too many daemons share the listening socket" in caplog.text
    assert crowd[-1].others(Sign.SERVING) == PLACES
    for each in crowd:
        each.hide(Sign.SERVING, Sign.ALIVE)


def test_one_with_a_full_queue_is_there(two: tuple[Presence, Presence]) -> None:
    ours, theirs = two
    theirs.show(Sign.SERVING)
    assert [ours.others(Sign.SERVING) for _ in range(10)] == [1] * 10


def test_another_user_does_not_count(
    two: tuple[Presence, Presence], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may take an abstract name."""
    ours, theirs = two
    theirs.show(Sign.SERVING)
    monkeypatch.setattr(presence.os, "getuid", lambda: 12_345)
    assert ours.others(Sign.SERVING) == 0


# --- doors ----------------------------------------------------------------------------------------


def test_a_door_is_reached_by_its_name(two: tuple[Presence, Presence]) -> None:
    ours, theirs = two
    door = theirs.open_door()
    assert door
    assert re.fullmatch(r"[0-9a-f]{8}", theirs.name)
    with door:
        caller = ours.reach(theirs.name)
        assert caller
        with caller, door.accept()[0] as there:
            caller.sendall(b"hello")
            assert there.recv(9) == b"hello"
        assert ours.reach("00000000") is None
    assert ours.reach(theirs.name) is None


def test_a_door_on_another_socket_is_not_reached(two: tuple[Presence, Presence]) -> None:
    door = two[0].open_door()
    assert door
    with door, socket.create_server(("127.0.0.1", 0)) as other:
        assert Presence([other.fileno()]).reach(two[0].name) is None


def test_without_a_shared_socket_there_is_no_door() -> None:
    alone = Presence(())
    assert (alone.open_door(), alone.name, alone.reach("00000000")) == (None, "", None)


def test_a_kernel_without_such_sockets_has_no_doors(
    two: tuple[Presence, Presence], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence.secrets, "token_hex", lambda size: "0" * 200)
    assert (two[0].open_door(), two[0].name) == (None, "")


def test_another_user_s_door_is_not_taken(
    two: tuple[Presence, Presence], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = two[0].open_door()
    assert door
    with door:
        monkeypatch.setattr(presence.os, "getuid", lambda: 12_345)
        assert two[1].reach(two[0].name) is None


def test_a_door_at_which_too_many_wait_is_none(two: tuple[Presence, Presence]) -> None:
    door = two[0].open_door()
    assert door
    with door, ExitStack() as callers:
        for _ in range(BACKLOG + 1):
            caller = two[1].reach(two[0].name)
            assert caller
            callers.enter_context(caller)
        assert two[1].reach(two[0].name) is None


@pytest.mark.parametrize(
    ("path", "name", "said"),
    [
        ("/twilio/after", "", "/twilio/after"),
        ("/twilio/after", "0123abcd", "/twilio/after?at=0123abcd"),
        ("/twilio/whisper?call=CA1", "0123abcd", "/twilio/whisper?call=CA1&at=0123abcd"),
    ],
)
def test_a_path_is_marked_with_a_name(path: str, name: str, said: str) -> None:
    assert marked(path, name) == said


# --- neighbours -----------------------------------------------------------------------------------


def test_neighbours_are_the_others_with_a_door(two: tuple[Presence, Presence]) -> None:
    ours, theirs = two
    assert list(ours.neighbours()) == []
    here, there = ours.open_door(), theirs.open_door()
    assert here
    assert there
    with here:
        with there:
            assert list(ours.neighbours()) == [theirs.name]
            assert list(theirs.neighbours()) == [ours.name]
            with socket.create_server(("127.0.0.1", 0)) as other:
                assert list(Presence([other.fileno()]).neighbours()) == []
        assert list(ours.neighbours()) == []


def test_a_guest_at_a_door_makes_no_second_neighbour(two: tuple[Presence, Presence]) -> None:
    """The kernel lists the connections of a door under its name, too."""
    ours, theirs = two
    door = theirs.open_door()
    assert door
    with door:
        caller = ours.reach(theirs.name)
        assert caller
        with caller, door.accept()[0]:
            assert list(ours.neighbours()) == [theirs.name]


def test_the_names_of_strangers_are_bounded_and_must_be_names(
    two: tuple[Presence, Presence], shared: socket.socket
) -> None:
    inode = os.fstat(shared.fileno()).st_ino
    names = [f"{number:08x}" for number in range(MAX_NEIGHBOURS + 3)]
    with ExitStack() as stack:
        for name in [*names, "short", "far-too-long-a-name", "0000000a/x"]:
            door = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            door.bind(f"\0voiced/{inode}/door/{name}")
            door.listen()
        assert list(two[0].neighbours()) == names[:MAX_NEIGHBOURS]


def test_a_door_that_is_shut_is_nobodys(two: tuple[Presence, Presence]) -> None:
    ours, theirs = two
    door = theirs.open_door()
    assert door
    caller = ours.reach(theirs.name)
    assert caller
    inside, _ = door.accept()
    with caller, inside:
        door.close()
        assert list(ours.neighbours()) == []


def test_without_the_kernels_list_there_are_none(
    two: tuple[Presence, Presence], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = two
    door = theirs.open_door()
    assert door
    with door:
        monkeypatch.setattr(presence, "SOCKETS", "/nowhere/net/unix")
        assert list(ours.neighbours()) == []
    assert list(Presence(()).neighbours()) == []
