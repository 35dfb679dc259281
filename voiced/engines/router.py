"""Routes what a caller says: by an engine's embeddings where they are there in time, else by
n-grams, which always are. Whoever asks learns only the decision."""

import logging
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Final

import httpx
import trio
from attrs import frozen

from voiced.config import Agent, Settings
from voiced.dialog.router import WORDS, Clear, Decision, Examples, Scored, decide
from voiced.dialog.router_ngrams import NgramSpace
from voiced.dialog.router_vectors import VectorSpace, texts_of
from voiced.dialog.router_words import fold
from voiced.engines.breaker import Breaker
from voiced.engines.embeddings import Embeddings
from voiced.errors import EngineError

AGAIN_S: Final = 30.0
"""The phrases are embedded again this long after a failure, or after they were last, in seconds."""

log = logging.getLogger(__name__)


class By(Enum):
    """What an utterance was compared by."""

    NGRAMS = "n-grams"
    EMBEDDINGS = "embeddings"


@frozen
class Comparison:
    """What came of an utterance: the scores, the best first, and how they are judged."""

    scores: list[Scored]
    by: By
    clear: Clear


class Router:
    """One agent's intents. Any number of calls may ask it at once."""

    def __init__(
        self, ngrams: NgramSpace, clear: Clear, embeddings: Embeddings | None = None
    ) -> None:
        """With embeddings the threshold and the margin are for their scores; n-grams, which stand
        in for them, then never route with less than their own defaults."""
        own = Clear()
        stand_in = Clear(max(clear.threshold, own.threshold), max(clear.margin, own.margin))
        self._ngrams = ngrams
        self._clear = clear
        self._ngrams_clear = stand_in if embeddings else clear
        self._embeddings = embeddings
        self._vectors: VectorSpace | None = None
        self._breaker = Breaker()
        self._stale = trio.Event()
        self._by = By.NGRAMS

    @property
    def embeddings(self) -> Embeddings | None:
        """What it asks, to be kept warm; None: nobody."""
        return self._embeddings

    async def run(self) -> None:
        """Embeds the phrases, again where that failed, and again where the engine has changed the
        length of its vectors; until cancelled. Returns at once without embeddings."""
        if self._embeddings is None:
            return
        while True:
            try:
                await self.prepare()
            except EngineError as error:
                self._decided_by(By.NGRAMS, error)
            else:
                await self._stale.wait()
            # An engine that changes each time would keep us busy.
            await trio.sleep_until(trio.current_time() + AGAIN_S)

    async def prepare(self) -> None:
        """Embeds the phrases, once.

        Raises:
            EngineError: as `Embeddings.many`.
        """
        if self._embeddings is None or not self._ngrams.book.phrases:
            return
        self._stale = trio.Event()
        vectors = await self._embeddings.many(texts_of(self._ngrams))
        self._vectors = VectorSpace(self._ngrams, vectors)

    async def route(self, text: str) -> Decision:
        """What a caller's words are routed to; takes no longer than the embeddings may. Raises
        nothing."""
        compared = await self.compare(text)
        decision = decide(compared.scores, compared.clear)
        if decision.near_miss and decision.best:
            fields: dict[str, object] = {
                "intent": decision.best.intent,
                "score": round(decision.best.score, 3),
                "by": compared.by.value,
            }
            if decision.runner_up:
                fields["next_intent"] = decision.runner_up.intent
                fields["next_score"] = round(decision.runner_up.score, 3)
            log.info("nearly routed", extra={"fields": fields})
        return decision

    async def compare(self, text: str) -> Comparison:
        """How well each intent fits; as `route`."""
        scores = self._ngrams.scores(text)
        settled = not 1 < len(fold(text)) <= WORDS or any(each.score == 1 for each in scores)
        if not settled and (embedded := await self._embedded(text)) is not None:
            return Comparison(embedded, By.EMBEDDINGS, self._clear)
        return Comparison(scores, By.NGRAMS, self._ngrams_clear)

    async def _embedded(self, text: str) -> list[Scored] | None:
        """The scores by embeddings; None where they cannot be had."""
        space, engine, now = self._vectors, self._embeddings, trio.current_time()
        if space is None or engine is None or not self._breaker.allows(now):
            return None
        probe = self._breaker.begin(now)
        try:
            vectors = await engine.vectors([text], now + engine.timeout_s)
        except EngineError as error:
            self._breaker.failed(trio.current_time(), retryable=error.retryable)
            self._decided_by(By.NGRAMS, error)
            return None
        finally:
            self._breaker.abandoned(probe)
        self._breaker.succeeded()
        if vectors.shape[1] != space.dimensions:
            self._outdated(space)
            return None
        self._decided_by(By.EMBEDDINGS)
        return space.scores(text, vectors[0])

    def _outdated(self, space: VectorSpace) -> None:
        """The engine's vectors have another length than the phrases'."""
        if self._vectors is space:
            self._vectors = None
            self._stale.set()
        self._decided_by(By.NGRAMS)

    def _decided_by(self, by: By, error: EngineError | None = None) -> None:
        """Logs what decides from now on, where that is new."""
        if by is self._by or self._embeddings is None:
            return
        self._by = by
        fields = {"engine": self._embeddings.name, "by": by.value}
        if error is not None:
            fields["reason"] = error.reason
        log.warning("intents are compared by other means", extra={"fields": fields})


def build_embeddings(settings: Settings, http: httpx.AsyncClient) -> dict[str, Embeddings]:
    """The clients of `[embeddings.*]`, by name."""
    return {name: Embeddings(name, each, http) for name, each in settings.embeddings.items()}


def routers_of(settings: Settings, http: httpx.AsyncClient) -> dict[str, Router]:
    """The routers of all agents that have intents, by the agent's name."""
    embeddings = build_embeddings(settings, http)
    agents = settings.agents.items()
    return {name: router_of(agent, embeddings) for name, agent in agents if agent.intent}


def router_of(agent: Agent, embeddings: Mapping[str, Embeddings]) -> Router:
    """The router of an agent's intents, with those of the embeddings that it names."""
    clear = Clear(agent.intent_threshold, agent.intent_margin)
    return Router(_space(_examples(agent)), clear, embeddings.get(agent.embeddings))


def learn(settings: Settings) -> None:
    """Compares the phrases of all agents beforehand. That takes too long for a loop that serves
    calls, and may be done in a thread; `router_of` finds it done."""
    for agent in settings.agents.values():
        _space(_examples(agent))


def _examples(agent: Agent) -> tuple[Examples, ...]:
    return tuple(Examples(each.name, each.phrases) for each in agent.intent)


@lru_cache(maxsize=64)
def _space(examples: tuple[Examples, ...]) -> NgramSpace:
    return NgramSpace(examples)
