"""From an agent's configuration to the persona that takes one call."""

from collections.abc import Mapping
from datetime import date

from attrs import field, frozen

from voiced.call.phrases import PhraseBook
from voiced.call.toolbox import Toolbox
from voiced.config import Agent, EndOfTurn, OnMachine
from voiced.dialog.digits import DigitRule
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.manners import Manners
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.engines.roles import Engines


@frozen
class Persona:
    """An agent, ready to take a call; `texts` has a text for each phrase that it says."""

    name: str
    language: str
    manners: Manners
    texts: Mapping[Phrase, str]
    engines: Engines
    book: PhraseBook
    max_call_s: float
    toolbox: Toolbox = field(factory=Toolbox)


def variables(agent: Agent, *, caller: str, called: str, today: date) -> dict[str, str]:
    """What stands for the names in braces in an agent's texts."""
    return {
        **agent.variables,
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


def persona(
    name: str, agent: Agent, engines: Engines, book: PhraseBook, said: Mapping[str, str]
) -> Persona:
    """The agent for one call; `said` are the call's `variables`."""
    filled = {phrase: text.format_map(said) for phrase, text in texts(agent).items()}
    return Persona(
        name=name,
        language=agent.language,
        manners=manners(agent, filled, agent.prompt.format_map(said)),
        texts=filled,
        engines=engines,
        book=book,
        max_call_s=agent.max_call_s,
        toolbox=Toolbox(agent.tools, agent.transfers, agent.warm_transfer),
    )


def manners(agent: Agent, said: Mapping[Phrase, str], prompt: str) -> Manners:
    """How this agent converses; `said` are the phrases that it has."""
    by_silence = agent.end_of_turn is EndOfTurn.SILENCE
    rule = EndpointingRule(agent.silence_ms / 1000, uses_score=False) if by_silence else None
    rescue = next(iter(agent.transfers.values()), None)
    return Manners(
        prompt=prompt,
        opening=Phrase.GREETING if Phrase.GREETING in said else None,
        interruptible=agent.interruptible,
        min_interruption_words=agent.min_interruption_words,
        endpointing=rule or EndpointingRule(),
        idle_prompt_s=agent.idle_prompt_s if Phrase.IDLE_PROMPT in said else 0.0,
        digits=DigitRule(agent.digits_end, agent.digits_timeout_s),
        rescue=None if rescue is None else Transfer(rescue),
        on_machine=_ON_MACHINE[agent.on_machine],
    )


_ON_MACHINE: Mapping[OnMachine, Parting | None] = {
    OnMachine.CONTINUE: None,
    OnMachine.HANG_UP: Parting("machine", ()),
    OnMachine.LEAVE_MESSAGE: Parting("voicemail", (Phrase.VOICEMAIL,)),
}


def constant_texts(agent: Agent) -> list[str]:
    """The phrases that sound the same in every call, so that they can be rendered beforehand."""
    said = variables(agent, caller="\0", called="\0", today=date.min)
    said["date"] = "\0"
    filled = [template.format_map(said) for template in texts(agent).values()]
    return [text for text in filled if "\0" not in text]
