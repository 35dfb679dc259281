"""Server-sent events, split anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.errors import WireError
from voiced.wire import sse
from voiced.wire.sse import SseEvent, SseParser


def events_of(*pieces: bytes) -> list[SseEvent]:
    parser = SseParser()
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\n", [SseEvent("message", "a")]),
        (b"data:a\n\ndata:  b\n\n", [SseEvent("message", "a"), SseEvent("message", " b")]),
        (b"data: a\ndata\ndata: b\n\n", [SseEvent("message", "a\n\nb")]),
        (b"event: error\ndata: {}\n\ndata: x\n\n",
         [SseEvent("error", "{}"), SseEvent("message", "x")]),
        (b": a comment\n\n:\nid: 7\nretry: 5\nnonsense\ndata: a\n\n", [SseEvent("message", "a")]),
        (b"event: lonely\n\ndata: a\n\n", [SseEvent("message", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [SseEvent("message", "a")]),
        (b"data: \xff\n\n", [SseEvent("message", "\ufffd")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [SseEvent("message", x) for x in "abc"]),
        (b"data: a: b\n\n", [SseEvent("message", "a: b")]),
        ("data: a\u2028b\x85c\x0cd\n\n".encode(), [SseEvent("message", "a\u2028b\x85c\x0cd")]),
        (b"data: cut", []),
        (b"data: cut\n", []),
    ],
)  # fmt: skip
def test_reads_the_standards_forms(stream: bytes, expected: list[SseEvent]) -> None:
    assert events_of(stream) == expected
    assert events_of(*(bytes([byte]) for byte in stream)) == expected


lines = st.lists(
    st.sampled_from(["data: été 😀", "data", "data:", "event: e", ": c", "", "x: y", "data: }"])
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(lines, ends)), st.lists(st.integers(0, 200)))
def test_how_the_bytes_are_split_does_not_matter(
    blocks: list[tuple[list[str], bytes]], cuts: list[int]
) -> None:
    stream = b"".join(line.encode() + end for block, end in blocks for line in [*block, ""])
    borders = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(borders)]
    assert events_of(*pieces) == events_of(stream)


def test_a_line_ending_split_in_two_ends_one_line() -> None:
    assert events_of(b"data: a\r", b"", b"\ndata: b\r", b"\n\r", b"\n") == [
        SseEvent("message", "a\nb")
    ]


def test_an_event_comes_out_with_the_byte_that_ends_it() -> None:
    parser = SseParser()
    assert parser.feed(b"data: a\r\n\r") == [SseEvent("message", "a")]
    assert parser.feed(b"\n") == []


@pytest.mark.parametrize("piece", [b"x" * 65536, b"data: 123\n", b"data\n", b"event: abcd\n"])
def test_an_endless_event_is_refused(piece: bytes) -> None:
    block = piece * (65536 // len(piece))
    with pytest.raises(WireError, match="too long"):
        events_of(*[block] * (sse.MAX_EVENT // len(block) + 2))


def test_comments_may_go_on_for_ever() -> None:
    parser = SseParser()
    block = b": PROCESSING\n" * 5000
    for _ in range(sse.MAX_EVENT // len(block) + 2):
        assert parser.feed(block) == []
    assert parser.feed(b"data: a\n\n") == [SseEvent("message", "a")]
