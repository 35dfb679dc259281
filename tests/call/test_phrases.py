"""Phrases by heart: rendered once, kept on disk, rendered again where the disk lies."""

import os
from pathlib import Path

import msgpack
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stories import FakeTts

from voiced.call.phrases import PhraseBook, Rendered, key
from voiced.dialog.events import SpokenAudio, SpokenWord
from voiced.errors import EngineBroken

TEXT = "Hello how can I help"


def quick_voice() -> FakeTts:
    """The disk is real here, and so is the clock."""
    return FakeTts(first_audio_s=0, speed=0)


async def prepared(directory: Path, tts: FakeTts, text: str = TEXT) -> PhraseBook:
    book = PhraseBook(directory)
    await book.prepare(tts, text, "en")
    return book


async def test_a_phrase_is_rendered_once_and_survives_a_restart(tmp_path: Path) -> None:
    tts = quick_voice()
    first = (await prepared(tmp_path / "phrases", tts)).get(tts, TEXT)
    second = (await prepared(tmp_path / "phrases", tts)).get(tts, TEXT)
    assert tts.replies == 1
    assert first is not None
    assert first == second
    assert first.words == ("Hello", "how", "can", "I", "help")
    assert len(first.mulaw) == 5 * 2400
    assert first.times[1] == SpokenWord("how", 0.3, 0.6)
    assert first.speech == (*first.times, SpokenAudio(first.mulaw))


def test_a_phrase_that_was_not_prepared_is_not_at_hand(tmp_path: Path) -> None:
    assert PhraseBook(tmp_path).get(quick_voice(), TEXT) is None


async def test_another_text_or_another_voice_is_another_phrase(tmp_path: Path) -> None:
    book = await prepared(tmp_path, quick_voice())
    assert book.get(quick_voice(), "Hello") is None
    assert book.get(evolve(quick_voice(), identity="another voice"), TEXT) is None
    assert key(quick_voice(), TEXT) != key(evolve(quick_voice(), identity="another voice"), TEXT)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xc1",
        msgpack.packb(17),
        msgpack.packb([]),
        msgpack.packb({}),
        msgpack.packb({"words": ["a"], "times": [["a"]], "mulaw": b""}),
        msgpack.packb({"words": ["a"], "times": [], "mulaw": 5}),
        msgpack.packb({"words": 5, "times": [], "mulaw": b""}),
    ],
)
async def test_a_file_that_is_not_a_phrase_is_rendered_again(
    tmp_path: Path, content: bytes
) -> None:
    tts = quick_voice()
    await prepared(tmp_path, tts)
    file = tmp_path / f"{key(tts, TEXT)}.phrase"
    file.write_bytes(content)
    book = await prepared(tmp_path, tts)
    assert tts.replies == 2
    assert book.get(tts, TEXT) is not None
    await prepared(tmp_path, tts)
    assert tts.replies == 2  # and is on disk again


@given(cut=st.integers(0, 12_000))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_half_a_file_is_rendered_again(tmp_path: Path, cut: int) -> None:
    tts = quick_voice()
    await prepared(tmp_path, tts)
    file = tmp_path / f"{key(tts, TEXT)}.phrase"
    file.write_bytes(file.read_bytes()[:cut])
    await prepared(tmp_path, tts)
    assert tts.replies >= 1
    assert len(file.read_bytes()) > 12_000


async def test_a_directory_that_cannot_be_written_costs_the_file_and_not_the_phrase(
    tmp_path: Path,
) -> None:
    in_the_way = tmp_path / "phrases"
    in_the_way.write_text("not a directory")
    book = PhraseBook(in_the_way)
    with pytest.raises(OSError, match=r"phrases"):
        await book.prepare(quick_voice(), TEXT, "en")
    assert book.get(quick_voice(), TEXT) is not None


async def test_a_voice_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    tts = evolve(quick_voice(), fails=EngineBroken("voice", "tts", "it failed"), fails_after=2)
    book = PhraseBook(tmp_path)
    with pytest.raises(EngineBroken):
        await book.prepare(tts, TEXT, "en")
    assert os.listdir(tmp_path) == []
    assert book.get(tts, TEXT) is None


def test_a_text_without_a_word_is_a_phrase_without_a_sound() -> None:
    assert Rendered((), (), b"").speech == (SpokenAudio(b""),)
