"""The agents' phrases are rendered before a call needs them."""

import logging
from pathlib import Path

import pytest
import trio
from attrs import define, field
from daemon_stage import agent, engine_set, settings
from stories import FakeTts
from trio.testing import MockClock

from voiced.config import Records, Settings
from voiced.daemon import phrases
from voiced.errors import EngineTimeout


@define
class Book:
    """Renders nothing; fails as told, once for each entry."""

    fails: dict[str, list[Exception]] = field(factory=dict)
    asked: list[tuple[float, str]] = field(factory=list)

    async def prepare(self, tts: FakeTts, text: str, language: str) -> None:
        await trio.lowlevel.checkpoint()
        self.asked.append((trio.current_time(), text))
        if self.fails.get(text):
            raise self.fails[text].pop(0)


async def test_a_phrase_that_cannot_be_rendered_is_tried_again_and_holds_up_no_other(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    late = EngineTimeout("voice", "tts", "it did not answer in time")
    book = Book({"Hello": [late, late]})
    await phrases.prepare_all(settings(tmp_path), engine_set(), book)
    first, second = phrases.PHRASE_RETRY_S[:2]
    assert book.asked == [
        (0, "Hello"), (0, "Bye"), (first, "Hello"), (first + second, "Hello"),
    ]  # fmt: skip


async def test_a_voice_that_stays_away_is_told_of_once(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    away = EngineTimeout("voice", "tts", "it did not answer in time")
    other = EngineTimeout("voice", "tts", "no slot in time")
    book = Book({"Hello": [away] * 3 + [other] * 2 + [away], "Bye": [away] * 3 + [other] * 2})
    with caplog.at_level(logging.DEBUG, "voiced"):
        await phrases.prepare_all(settings(tmp_path), engine_set(), book)
    assert len(book.asked) > 10
    lacks = "agent default lacks phrases by heart, trying again: "
    assert [each.message for each in caplog.records if each.levelno >= logging.WARNING] == [
        f"{lacks}{away}", f"{lacks}{other}", f"{lacks}{away}",
    ]  # fmt: skip
    assert "agent default still lacks phrases by heart: " in caplog.text


async def test_a_full_disk_is_told_of_once_for_all_phrases(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    full = OSError(28, "No space left on device")
    book = Book({"Hello": [full], "Bye": [full]})
    await phrases.prepare_all(settings(tmp_path), engine_set(), book)
    assert caplog.text.count("cannot keep a phrase") == 1


async def test_a_full_disk_is_told_and_not_tried_again(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    book = Book({"Hello": [OSError(28, "No space left on device")]})
    with caplog.at_level(logging.WARNING, "voiced"):
        await phrases.prepare_all(settings(tmp_path), engine_set(), book)
    assert [text for _, text in book.asked] == ["Hello", "Bye"]
    assert "cannot keep a phrase of agent default on disk" in caplog.text


async def test_phrases_that_differ_from_call_to_call_are_left_alone(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    of = Settings(
        agents={"default": agent(greeting="Hello {caller}", idle_prompt="It is {date}, {name}")},
        records=Records(directory=tmp_path),
    )
    book = Book()
    await phrases.prepare_all(of, engine_set(), book)
    assert [text for _, text in book.asked] == ["Bye"]
