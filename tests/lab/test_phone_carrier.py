"""The software telephone's playback model, at exact times."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.lab.carrier import MAX_GAPS, Carrier, CarrierWarning, Clip, Playback

SID = "MZ" + "0" * 32
START = 1234.5
FRAME = b"\x10" * 160


@pytest.fixture
def playback() -> Playback:
    return Playback(START)


def at(seconds: float) -> float:
    return START + seconds


def test_audio_plays_at_8000_bytes_a_second(playback: Playback) -> None:
    playback.media(b"a" * 8_000, at(0))
    assert playback.heard(at(0.25)) == [Clip(0, b"a" * 2_000)]
    assert playback.heard(at(5)) == [Clip(0, b"a" * 8_000)]


def test_audio_after_a_silence_keeps_its_place(playback: Playback) -> None:
    playback.media(b"a" * 160, at(0))
    playback.media(b"b" * 160, at(3))
    assert playback.heard(at(4)) == [Clip(0, b"a" * 160), Clip(24_000, b"b" * 160)]
    assert playback.window(80, 240) == b"a" * 80 + b"\xff" * 80


def test_a_mark_is_echoed_when_the_head_passes_it(playback: Playback) -> None:
    playback.media(FRAME * 5, at(0))
    assert playback.mark("m1", at(0)) == []
    assert playback.next_due() == pytest.approx(at(0.1))
    assert playback.advance(at(0.0999)) == []
    assert playback.advance(at(0.1)) == ["m1"]
    assert playback.next_due() is None


def test_a_mark_on_an_empty_queue_is_echoed_at_once(playback: Playback) -> None:
    assert playback.mark("m1", at(0)) == ["m1"]
    playback.media(FRAME, at(1))
    assert playback.mark("m2", at(1.02)) == ["m2"]


def test_a_mark_never_overtakes_an_earlier_one(playback: Playback) -> None:
    playback.media(FRAME, at(0))
    playback.mark("m1", at(0))
    assert playback.mark("m2", at(2)) == ["m1", "m2"]


def test_clear_drops_what_was_not_heard_and_echoes_every_pending_mark(playback: Playback) -> None:
    playback.media(FRAME * 10, at(0))
    playback.mark("m1", at(0))
    playback.media(FRAME * 10, at(0))
    playback.mark("m2", at(0))
    assert playback.clear(at(0.05)) == ["m1", "m2"]
    assert playback.heard(at(9)) == [Clip(0, b"\x10" * 400)]
    assert playback.statistics.bytes_cleared == 3_200 - 400
    assert playback.statistics.clears == 1


def test_audio_after_a_clear_starts_at_the_moment_it_comes(playback: Playback) -> None:
    playback.media(b"a" * 8_000, at(0))
    playback.clear(at(0.5))
    playback.media(b"b" * 160, at(0.6))
    assert playback.heard(at(9)) == [Clip(0, b"a" * 4_000), Clip(4_800, b"b" * 160)]
    assert playback.statistics.gaps == 0


def test_late_audio_in_a_reply_is_a_gap_and_a_new_reply_is_none(playback: Playback) -> None:
    playback.media(FRAME, at(0))
    playback.media(FRAME, at(0.05))
    assert playback.statistics.gaps == 1
    assert playback.statistics.longest_gap_s == pytest.approx(0.03)
    playback.media(FRAME, at(5))
    assert playback.statistics.gaps == 1
    assert playback.statistics.gap_ends_s == pytest.approx([0.05])


def test_of_very_many_gaps_not_all_are_told_one_by_one(playback: Playback) -> None:
    for n in range(MAX_GAPS + 3):
        playback.media(FRAME, at(n * 0.05))
    assert playback.statistics.gaps == MAX_GAPS + 2
    assert len(playback.statistics.gap_ends_s) == MAX_GAPS


def test_the_most_it_was_ever_ahead_is_remembered(playback: Playback) -> None:
    for n in range(10):
        playback.media(FRAME, at(n * 0.01))
    assert playback.statistics.max_ahead_s == pytest.approx(0.11)


steps = st.lists(
    st.tuples(
        st.sampled_from(["media", "mark", "clear", "advance"]),
        st.integers(0, 50).map(lambda n: n / 100),
        st.integers(0, 1_000),
    ),
    max_size=40,
)


@given(steps)
def test_every_mark_comes_back_once_in_order_and_no_byte_is_invented(
    steps: list[tuple[str, float, int]],
) -> None:
    playback, now = Playback(START), START
    sent, echoed, put = [], [], 0
    for number, (kind, wait, size) in enumerate(steps):
        now += wait
        if kind == "media":
            playback.media(bytes([number]) * size, now)
            put += size
        elif kind == "mark":
            sent.append(str(number))
            echoed += playback.mark(str(number), now)
        else:
            echoed += playback.clear(now) if kind == "clear" else playback.advance(now)
    echoed += playback.advance(now + 1_000)
    clips = playback.heard(now + 1_000)
    assert echoed == sent
    assert sum(len(c.mulaw) for c in clips) + playback.statistics.bytes_cleared == put
    assert all(a.stop <= b.position for a, b in pairwise(clips))


@pytest.fixture
def carrier(playback: Playback) -> Carrier:
    return Carrier(SID, playback)


def test_media_mark_and_clear_are_understood(carrier: Carrier) -> None:
    media = {"event": "media", "streamSid": SID, "media": {"payload": "//8="}}
    mark = {"event": "mark", "streamSid": SID, "mark": {"name": "m1"}}
    assert carrier.receive(json.dumps(media), at(0)) == []
    assert carrier.receive(json.dumps(mark), at(0)) == []
    assert carrier.receive(json.dumps({"event": "clear", "streamSid": SID}), at(0)) == ["m1"]
    assert carrier.playback.statistics.bytes_cleared == 2
    assert carrier.warnings == []


MEDIA = {"event": "media", "streamSid": SID, "media": {"payload": "//8="}}


@pytest.mark.parametrize(
    ("message", "warning"),
    [
        ("{", CarrierWarning(31951, "not JSON")),
        ("[]", CarrierWarning(31951, "unknown event")),
        ({"event": "hangup"}, CarrierWarning(31951, "unknown event")),
        ({"event": ["media"]}, CarrierWarning(31951, "unknown event")),
        (MEDIA | {"track": "x"}, CarrierWarning(31951, "media: missing or extra field")),
        ({"event": "clear"}, CarrierWarning(31951, "clear: missing or extra field")),
        (MEDIA | {"streamSid": "MZ1"}, CarrierWarning(31951, "media: wrong streamSid")),
        (MEDIA | {"media": {"payload": "a", "track": ""}},
            CarrierWarning(31951, "media: missing or extra field")),
        (MEDIA | {"media": {"payload": 1}}, CarrierWarning(31951, "media: payload is no string")),
        (MEDIA | {"media": {"payload": "a!=="}}, CarrierWarning(31951, "media: invalid base64")),
        (MEDIA | {"media": {"payload": "é"}}, CarrierWarning(31951, "media: invalid base64")),
    ],
)  # fmt: skip
def test_what_twilio_would_refuse_is_a_warning_without_effect(
    carrier: Carrier, message: object, warning: CarrierWarning
) -> None:
    text = message if isinstance(message, str) else json.dumps(message)
    assert carrier.receive(text, at(0)) == []
    assert carrier.warnings == [warning]
    assert carrier.playback.statistics.media == 0


def test_binary_messages_are_reported_once(carrier: Carrier) -> None:
    carrier.receive(b"{}", at(0))
    carrier.receive(b"{}", at(0))
    assert carrier.warnings == [CarrierWarning(31950, "binary message")]
