"""`voiced route`: what an agent's intents make of a text, without a call."""

from collections.abc import Iterator
from typing import Final

import trio
from attrs import frozen

from voiced.client.choice import TrialError, agent_of
from voiced.client.run import Tell
from voiced.client.text import paragraph, table
from voiced.client.trial import quietly
from voiced.config import DEFAULT_AGENT, Settings
from voiced.dialog.router import decide
from voiced.engines.http import http_client
from voiced.engines.router import By, Comparison, build_embeddings, router_of
from voiced.errors import EngineError

HEADER: Final = ("INTENT", "SCORE", "NEAREST PHRASE")


@frozen
class Routed:
    """What came of it. `by` names what decided, `took_s` is what a caller would have waited, and
    `failure` is why the embeddings did not decide, where they failed."""

    compared: Comparison
    by: str
    took_s: float
    failure: str = ""


async def route(settings: Settings, agent: str, text: str, tell: Tell) -> int:
    """Compares the text with the intents of the agent (empty: the default one), and tells the
    scores and the decision; 0.

    Raises:
        TrialError: no such agent, or it has no intents.
    """
    quietly()
    for line in report(await routed(settings, agent, text)):
        tell(line)
    return 0


async def routed(settings: Settings, agent: str, text: str) -> Routed:
    """As `route`, for programs."""
    chosen = agent_of(settings, agent)
    if not chosen.intent:
        name = agent or DEFAULT_AGENT
        raise TrialError(f"agent.{name} has no intents: give it some as [[agent.{name}.intent]]")
    async with http_client() as http:
        router, failure = router_of(chosen, build_embeddings(settings, http)), ""
        try:
            await router.prepare()
        except EngineError as error:
            failure = str(error)
        began = trio.current_time()
        compared = await router.compare(text)
        took_s = trio.current_time() - began
    named = compared.by is By.EMBEDDINGS
    by = f"embeddings.{chosen.embeddings}" if named else compared.by.value
    return Routed(compared, by, took_s, failure)


def report(found: Routed) -> Iterator[str]:
    """The table and the verdict, for people."""
    scores, clear = found.compared.scores, found.compared.clear
    yield from table(HEADER, [(each.intent, f"{each.score:.3f}", each.phrase) for each in scores])
    yield ""
    yield from paragraph("decision     ", _verdict(found.compared))
    yield f"clear        from {clear.threshold:.2f}, by {clear.margin:.2f} before the next"
    yield f"compared by  {found.by}, in {1000 * found.took_s:.1f} ms"
    if found.failure:
        yield from paragraph("", f"the embeddings do not work: {found.failure}")


def _verdict(compared: Comparison) -> str:
    decision = decide(compared.scores, compared.clear)
    if decision.intent is not None:
        return decision.intent
    best, clear = decision.best, compared.clear
    if best is None or best.score < clear.threshold:
        why = "a near miss" if decision.near_miss else "no intent is like it"
    else:
        next_to = decision.runner_up.intent if decision.runner_up else "nothing"
        why = f"{best.intent} is too close to {next_to}"
    return f"the model's: {why}"
