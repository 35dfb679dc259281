"""Keeps a long call within what its model takes: what was said first is put into fewer words.

That is done by the model itself, while nobody waits for it: when the agent has been heard, and at
most once at a time. Until it is there, and where it fails, the model is told all that fits.
"""

import logging
from typing import Final

import trio

from voiced.call.introduction import Introduction
from voiced.call.persona import Persona
from voiced.call.summary import Summary, asking
from voiced.dialog.history import Digest, Excess, History

log = logging.getLogger(__name__)

MOST: Final = 2000
"""Characters of a digest."""

WRITE_S: Final = 20.0

AGAIN_S: Final = 30.0
"""A model that has failed at it is asked again no sooner."""

ASK: Final = {
    "fr": "Résume la conversation jusqu'ici, pour toi-même : qui appelle, ce qui a été demandé,"
    " répondu, convenu et fait, avec les noms, nombres et dates exacts. N'invente rien. Ne dis"
    " rien d'autre.",
    "en": "Sum up the conversation so far, for yourself: who is calling, what was asked, answered,"
    " agreed and done, with the exact names, numbers and dates. Make nothing up. Say nothing else.",
}
LEAD: Final = {"fr": "Plus tôt dans cet appel :", "en": "Earlier in this call:"}


class Scribe:
    """One call's: it sums up for the agent, and for whoever the call is put through to."""

    def __init__(self, persona: Persona, history: History) -> None:
        self._history = history
        self._due = trio.current_time()
        self._seen = 0
        self.follow(persona)

    def follow(self, persona: Persona) -> None:
        """This agent's model writes from now on."""
        self._llm, self._language = persona.engines.llm, persona.language
        self._history.budget = persona.history_tokens
        self.introduction = Introduction(self._llm, self._language)

    def look(self, nursery: trio.Nursery) -> None:
        """Begins a digest where there is too much, and none is being written. Costs nothing where
        nothing has been said since the last look: it is asked at each event."""
        now = trio.current_time()
        if now < self._due or self._history.size == self._seen:
            return
        self._seen = self._history.size
        if excess := self._history.excess():
            self._due = now + WRITE_S + AGAIN_S
            nursery.start_soon(self._digest, excess)

    async def _digest(self, excess: Excess) -> None:
        messages, language = list(excess.messages), self._language
        summary = Summary(MOST)
        failure = await summary.write(self._llm, asking(messages, ASK, language), WRITE_S)
        if failure:
            log.warning("what was said first in a long call is not summed up: %s", failure)
        elif text := summary.text.strip():
            lead = LEAD.get(language.split("-")[0], LEAD["en"])
            self._history.digest = Digest(excess.items, text, lead)
            self._due = trio.current_time()
