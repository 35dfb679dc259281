"""From an agent's configuration to the persona that takes one call."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import httpx
from attrs import field, frozen

from voiced.call.equipment import Reflexes, reflexes, spoken, toolbox
from voiced.call.phrases import PhraseBook, Rendered
from voiced.call.toolbox import Toolbox
from voiced.config import Agent, OnMachine
from voiced.dialog.digits import DigitRule
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.manners import Manners
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.engines.roles import Engines, Tts
from voiced.engines.router import Router

_NOTHING: Final[Mapping[str, str]] = {}


@frozen
class Persona:
    """An agent, ready to take a call; `texts` has a text for each phrase that it says.

    `filler_s`: how long an answer may take before a filler is said; 0: for ever. `voices`: those
    that phrases by heart may have been rendered with, the preferred one first. `variables` are the
    call's. `history_tokens` is what its model takes of a conversation.
    """

    name: str
    language: str
    manners: Manners
    texts: Mapping[Phrase, str]
    engines: Engines
    book: PhraseBook
    max_call_s: float
    toolbox: Toolbox = field(factory=Toolbox)
    filler_s: float = 1.5
    voices: Sequence[Tts] = ()
    variables: Mapping[str, str] = field(factory=dict)
    reflexes: Reflexes | None = None
    history_tokens: float = math.inf

    def by_heart(self, text: str) -> Rendered | None:
        """The text as the agent's own voice says it, or a spare, if that is at hand."""
        known = (self.book.get(voice, text) for voice in self.voices or (self.engines.tts,))
        return next((rendered for rendered in known if rendered), None)


def variables(
    agent: Agent, *, caller: str, called: str, today: date, facts: Mapping[str, str] = _NOTHING
) -> dict[str, str]:
    """What stands for the names in braces in an agent's texts. Of the `facts` about the caller
    those count that the agent declares, over its own words for them."""
    return {
        **agent.variables,
        **{name: text for name, text in facts.items() if name in agent.variables},
        "name": agent.name,
        "company": agent.company,
        "caller": caller,
        "called": called,
        "date": today.isoformat(),
    }


def texts(agent: Agent) -> dict[Phrase, str]:
    """The templates of what an agent says by heart; empty ones are left out."""
    templates = {phrase: getattr(agent, phrase.value) for phrase in Phrase}
    return {phrase: template for phrase, template in templates.items() if template.strip()}


@frozen
class Cast:
    """What an agent's personas have in common. `http` is for its tools: a
    `publicnet.direct_client`."""

    agent: Agent
    engines: Engines
    voices: Sequence[Tts]
    book: PhraseBook
    filler_s: float
    http: httpx.AsyncClient | None = None
    router: Router | None = None


def persona(name: str, cast: Cast, said: Mapping[str, str], memory: str = "") -> Persona:
    """The agent for one call; `said` are the call's `variables`, and `memory` is a paragraph that
    stands at the end of the prompt as it is."""
    agent = cast.agent
    prompt = "\n\n".join(filter(None, (agent.prompt.format_map(said), memory)))
    filled = {phrase: text.format_map(said) for phrase, text in texts(agent).items()}
    return Persona(
        name=name,
        language=agent.language,
        manners=manners(agent, filled, prompt),
        texts=filled,
        engines=cast.engines,
        book=cast.book,
        max_call_s=agent.max_call_s,
        toolbox=toolbox(agent, said, cast.http),
        reflexes=reflexes(agent, said, cast.router),
        history_tokens=agent.history_tokens,
        variables=said,
        filler_s=cast.filler_s,
        voices=cast.voices,
    )


def manners(agent: Agent, said: Mapping[Phrase, str], prompt: str) -> Manners:
    """How this agent converses; `said` are the phrases that it has."""
    rescue = next(iter(agent.transfers.values()), None)
    return Manners(
        prompt=prompt,
        opening=Phrase.GREETING if Phrase.GREETING in said else None,
        interruptible=agent.interruptible,
        min_interruption_words=agent.min_interruption_words,
        endpointing=EndpointingRule.of(agent),
        idle_prompt_s=agent.idle_prompt_s if Phrase.IDLE_PROMPT in said else 0.0,
        digits=DigitRule(agent.digits_end, agent.digits_timeout_s),
        rescue=None if rescue is None else Transfer(rescue),
        on_machine=_ON_MACHINE[agent.on_machine],
        languages=agents_by_language(agent),
    )


def agents_by_language(agent: Agent) -> dict[str, str]:
    """To whom callers go that speak another language than the agent's, by its first letters."""
    short = {tag.split("-")[0].lower(): name for tag, name in agent.languages.items()}
    short.pop(agent.language.split("-")[0].lower(), None)
    return short


_ON_MACHINE: Mapping[OnMachine, Parting | None] = {
    OnMachine.CONTINUE: None,
    OnMachine.HANG_UP: Parting("machine", ()),
    OnMachine.LEAVE_MESSAGE: Parting("voicemail", (Phrase.VOICEMAIL,)),
}


def constant_texts(agent: Agent) -> list[str]:
    """The phrases that sound the same in every call, so that they can be rendered beforehand."""
    said = variables(agent, caller="\0", called="\0", today=date.min)
    said["date"] = "\0"
    templates = [*texts(agent).values(), *spoken(agent)]
    filled = dict.fromkeys(template.format_map(said) for template in templates)
    return [text for text in filled if text and "\0" not in text]
