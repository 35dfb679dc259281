"""Phrases said by heart: rendered once by the agent's own voice, kept on disk, always at hand.

A phrase on disk is one msgpack map; its name is the hash of everything that shapes its sound, so
a changed text, voice or engine is another file and a stale phrase is never said.
"""

import hashlib
from pathlib import Path
from typing import Final

import msgpack
import trio
from attrs import asdict, astuple, define, field, frozen

from voiced.call.pipeline import reading, speak
from voiced.dialog.events import SpeechEvent, SpokenAudio, SpokenWord
from voiced.engines.roles import Tts

VERSION: Final = 1


@frozen
class Rendered:
    """A phrase as the voice says it: the words it was given, and what came of them."""

    words: tuple[str, ...]
    times: tuple[SpokenWord, ...]
    mulaw: bytes

    @property
    def speech(self) -> tuple[SpeechEvent, ...]:
        """What the voice would send: the times first, so that the marks find their places."""
        return (*self.times, SpokenAudio(self.mulaw))


@define
class _Rendering:
    words: list[str] = field(factory=list)
    times: list[SpokenWord] = field(factory=list)
    audio: list[bytes] = field(factory=list)

    def text(self) -> None:
        """It was there from the start."""

    async def word(self, word: str) -> None:
        self.words.append(word)

    def speech(self, event: SpeechEvent) -> None:
        if isinstance(event, SpokenWord):
            self.times.append(event)
        else:
            self.audio.append(event.mulaw)

    def result(self) -> Rendered:
        return Rendered(tuple(self.words), tuple(self.times), b"".join(self.audio))


async def render(tts: Tts, text: str, language: str) -> Rendered:
    """Has the voice say the text, as fast as it can.

    Raises:
        EngineError: as `Tts.speak`.
    """
    rendering = _Rendering()
    await speak(reading(text), tts, language, rendering)
    return rendering.result()


class PhraseBook:
    """The phrases on disk, under `directory`, and those asked for so far, in memory."""

    def __init__(self, directory: Path) -> None:
        self._directory = trio.Path(directory)
        self._known: dict[str, Rendered] = {}

    def get(self, tts: Tts, text: str) -> Rendered | None:
        """The phrase if it is at hand; never waits."""
        return self._known.get(key(tts, text))

    async def prepare(self, tts: Tts, text: str, language: str) -> Rendered:
        """Loads the phrase from disk, or has the voice render it and keeps it.

        Raises:
            EngineError: the voice is needed and fails.
            OSError: the rendered phrase cannot be written; it is at hand all the same.
        """
        name = key(tts, text)
        path = self._directory / f"{name}.phrase"
        rendered = await _load(path)
        if rendered is None:
            rendered = self._known[name] = await render(tts, text, language)
            await _save(path, rendered)
        self._known[name] = rendered
        return rendered


def key(tts: Tts, text: str) -> str:
    """Names a phrase by all that shapes its sound."""
    return hashlib.sha256("\0".join((str(VERSION), tts.identity, text)).encode()).hexdigest()


async def _load(path: trio.Path) -> Rendered | None:
    try:
        content = msgpack.unpackb(await path.read_bytes())
        times = tuple(SpokenWord(*time) for time in content["times"])
        return Rendered(tuple(content["words"]), times, memoryview(content["mulaw"]).tobytes())
    except (OSError, ValueError, TypeError, KeyError):
        return None  # absent, half-written by a crash, or of another version: render it again


async def _save(path: trio.Path, rendered: Rendered) -> None:
    content = asdict(rendered) | {"times": [astuple(time) for time in rendered.times]}
    await path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    await partial.write_bytes(msgpack.packb(content))
    await partial.rename(path)
