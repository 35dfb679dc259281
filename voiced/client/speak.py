"""`voiced speak`: has a voice say a text, and measures it as a caller would hear it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import trio
from attrs import frozen

from voiced.client.choice import TrialError, agent_of, voice_of
from voiced.client.run import Tell
from voiced.client.text import clock, paragraph, shown
from voiced.client.trial import Sound, quietly, speaking
from voiced.config import Settings
from voiced.dialog.speakable import Speakable
from voiced.engines.build import build_engines
from voiced.engines.http import http_client
from voiced.engines.roles import Tts

_GAPS_SHOWN = 5


@frozen
class Text:
    """What is to be said, by which `[tts.*]` and for which agent; empty: the default."""

    text: str
    voice: str = ""
    agent: str = ""


@frozen
class Keep:
    """Where the sound is left: `write` makes the file of mu-law."""

    path: Path
    write: Callable[[bytes], object]


async def speak(settings: Settings, asked: Text, keep: Keep | None, tell: Tell) -> int:
    """Has it said, tells what came of it; 0.

    Raises:
        TrialError: no such agent or voice, nothing to say, or the file cannot be written.
        EngineError: as `Tts.speak`.
    """
    quietly()
    agent = agent_of(settings, asked.agent)
    async with http_client() as http:
        voice = voice_of(build_engines(settings, http), agent, asked.voice)
    words = words_of(asked.text, agent.language)
    sound = await speaking(voice, words)
    for line in report(voice, words, sound):
        tell(line)
    if keep is not None:
        await _keep(keep, sound.mulaw)
        tell(_line("written", str(keep.path)))
    return 0


def words_of(text: str, language: str) -> list[str]:
    """The words that the voice is given.

    Raises:
        TrialError: there is none.
    """
    speakable = Speakable(language)
    words = [*speakable.feed(text), *speakable.flush()]
    if not words:
        raise TrialError("there is nothing to say in this text: no letter and no digit")
    return words


def report(voice: Tts, words: list[str], sound: Sound) -> Iterator[str]:
    """What was said, and how it came."""
    yield from paragraph(_line("words", ""), " ".join(words))
    if sound.first_s is None:
        yield _line("first audio", "never: the voice said nothing, and reported no failure")
        return
    speed = sound.real_time
    yield _line("first audio", f"{1000 * sound.first_s:.0f} ms")
    yield _line(
        "length",
        f"{sound.length_s:.2f} s, {len(sound.mulaw)} samples, {sound.packets} packets of 20 ms",
    )
    yield _line("speed", "too short to tell" if speed is None else f"{speed:.1f}x real time")
    yield _line("gaps", _gaps(sound))
    yield _line("voice", shown(voice.identity))


def _gaps(sound: Sound) -> str:
    gaps = sound.gaps()
    if not gaps:
        return "none"
    told = [f"{1000 * gap.long_s:.0f} ms at {clock(gap.at_s)}" for gap in gaps[:_GAPS_SHOWN]]
    more = ["..."] if len(gaps) > _GAPS_SHOWN else []
    whole_ms = 1000 * sum(gap.long_s for gap in gaps)
    return f"{len(gaps)}, {whole_ms:.0f} ms in all: {', '.join(told + more)}"


def _line(name: str, value: str) -> str:
    return f"{name:<13}{value}"


async def _keep(keep: Keep, mulaw: bytes) -> None:
    try:
        await trio.to_thread.run_sync(keep.write, mulaw)
    except OSError as error:
        raise TrialError(f"{keep.path}: cannot be written ({error.strerror})") from error
