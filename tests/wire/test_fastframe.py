"""The fast lane agrees with wsproto frame by frame, and hands it what it does not know."""

from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, Ping, TextMessage

from voiced.wire.fastframe import FastLane, text_frame


def masked(*events: TextMessage | BytesMessage | Ping) -> bytes:
    client = Connection(ConnectionType.CLIENT)
    return b"".join(client.send(event) for event in events)


def sorted_in(data: bytes, cuts: set[int] = frozenset()) -> list[str | bytes]:  # type: ignore[assignment]
    lane, found, start = FastLane(), [], 0
    for cut in [*sorted(cut for cut in cuts if cut < len(data)), len(data)]:
        found += lane.feed(data[start:cut])
        start = cut
    return found


@given(st.lists(st.text(max_size=200), max_size=6), st.sets(st.integers(1, 900), max_size=8))
def test_text_is_understood_wherever_it_is_cut(texts: list[str], cuts: set[int]) -> None:
    data = masked(*[TextMessage(text) for text in texts])
    assert sorted_in(data, cuts) == texts


def test_long_text_up_to_the_last_length_of_two_bytes_is_ours() -> None:
    for length in (125, 126, 127, 65_535):
        assert sorted_in(masked(TextMessage("x" * length))) == ["x" * length]


@given(st.text(max_size=70_000 // 4))
def test_what_we_send_is_what_wsproto_would_send(text: str) -> None:
    server = Connection(ConnectionType.SERVER)
    if len(text.encode()) <= 65_535:
        assert text_frame(text) == server.send(TextMessage(text))


def test_a_ping_between_texts_goes_to_wsproto_alone() -> None:
    ping = masked(Ping(b"?"))
    data = masked(TextMessage("a")) + ping + masked(TextMessage("b"))
    assert sorted_in(data) == ["a", ping, "b"]


def test_what_is_not_ours_goes_to_wsproto_with_all_behind_it() -> None:
    after = masked(TextMessage("b"))
    foreign = [
        masked(BytesMessage(b"\x00")),
        masked(TextMessage("frag", message_finished=False)),
        masked(TextMessage("x" * 65_536)),
        b"\x81\x01x",  # unmasked
        b"\xc1\x81",  # an extension's bit
    ]
    for frame in foreign:
        data = masked(TextMessage("a")) + frame + after
        first, *rest = sorted_in(data)
        assert first == "a"
        assert b"".join(rest) == frame + after  # type: ignore[arg-type]
        first, *rest = sorted_in(data, set(range(1, 60)))
        assert b"".join(rest) == frame + after  # type: ignore[arg-type]


def test_text_that_is_none_is_for_wsproto_to_refuse() -> None:
    bad = b"\x81\x82\x00\x00\x00\x00\xff\xfe"
    assert sorted_in(bad) == [bad]
