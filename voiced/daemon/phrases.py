"""The agents' phrases: rendered before a call needs them, again and again until they are there."""

import logging
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Final

import trio
from attrs import define, field, frozen

from voiced.call.persona import constant_texts
from voiced.call.phrases import PhraseBook
from voiced.config import Settings
from voiced.engines.build import EngineSet
from voiced.engines.roles import Tts
from voiced.errors import EngineError

log = logging.getLogger(__name__)

AWAY: Final = 2
"""One phrase may be at fault itself; of two, the voice is."""

PHRASE_RETRY_S: Final = (5.0, 15.0, 60.0)
"""Pauses between attempts to render the phrases while a voice is away; the last one repeats."""


async def prepare_all(settings: Settings, engines: EngineSet, book: PhraseBook) -> None:
    """Has every phrase at hand that sounds the same in every call; tries until it has."""
    missing = [
        _Missing(name, rank, voice, text, agent.language)
        for name, agent in settings.agents.items()
        for rank, voice in enumerate(engines.voices(agent))
        for text in constant_texts(agent)
    ]
    missing.sort(key=lambda phrase: phrase.rank)  # first what every call needs
    troubles = _Troubles()
    for pause_s in chain(PHRASE_RETRY_S, repeat(PHRASE_RETRY_S[-1])):
        missing = await _prepare(missing, book, troubles)
        if not missing:
            break
        await trio.sleep(pause_s)
        troubles.next_round()
    log.info("the agents' phrases are at hand")


@define
class _Troubles:
    """What keeps agents from their phrases. One that stays is worth one line of the log, not one
    for each phrase and minute."""

    before: set[tuple[str, str]] = field(factory=set)
    now: set[tuple[str, str]] = field(factory=set)

    def next_round(self) -> None:
        """What does not come again from here on is over."""
        self.before, self.now = self.now, set()

    def is_new(self, agent: str, trouble: Exception) -> bool:
        """Takes note of it."""
        this = agent, str(trouble)
        is_known = this in self.before or this in self.now
        self.now.add(this)
        return not is_known


async def _prepare(
    missing: Sequence["_Missing"], book: PhraseBook, troubles: _Troubles
) -> list["_Missing"]:
    """Returns those that are not at hand now. A voice that has failed twice is taken to be away,
    and not tried again in the same round."""
    failed: list[_Missing] = []
    for phrase in missing:
        failures = sum(each.voice.identity == phrase.voice.identity for each in failed)
        if failures >= AWAY or not await phrase.prepare(book, troubles):
            failed.append(phrase)
    return failed


@frozen
class _Missing:
    """A phrase that an agent does not know by heart yet."""

    agent: str
    rank: int  # of the voice: a spare's is above 0
    voice: Tts
    text: str
    language: str

    async def prepare(self, book: PhraseBook, troubles: _Troubles) -> bool:
        """Whether it is at hand now."""
        try:
            await book.prepare(self.voice, self.text, self.language)
        except EngineError as error:
            if troubles.is_new(self.agent, error):
                log.warning("agent %s lacks phrases by heart, trying again: %s", self.agent, error)
            else:
                log.debug("agent %s still lacks phrases by heart: %s", self.agent, error)
            return False
        except OSError as error:
            if troubles.is_new(self.agent, error):
                log.warning("cannot keep a phrase of agent %s on disk: %s", self.agent, error)
        return True
