"""From an agent's configuration to the persona that takes one call."""

from collections.abc import Mapping
from datetime import date

from voiced.call.call import Persona
from voiced.call.phrases import PhraseBook
from voiced.config import Agent, EndOfTurn
from voiced.dialog.conversation import Manners
from voiced.dialog.endpointing import EndpointingRule
from voiced.dialog.turn import Phrase
from voiced.engines.roles import Engines


def variables(agent: Agent, *, caller: str, called: str, today: date) -> dict[str, str]:
    """What stands for the names in braces in an agent's texts."""
    return {
        "name": agent.name,
        "company": agent.company,
        "caller": caller,
        "called": called,
        "date": today.isoformat(),
    }


def texts(agent: Agent) -> dict[Phrase, str]:
    """The templates of what an agent says by heart; empty ones are left out."""
    templates = {
        Phrase.GREETING: agent.greeting,
        Phrase.IDLE_PROMPT: agent.idle_prompt,
        Phrase.APOLOGY: agent.apology,
        Phrase.GOODBYE: agent.goodbye,
    }
    return {phrase: template for phrase, template in templates.items() if template.strip()}


def persona(
    name: str, agent: Agent, engines: Engines, book: PhraseBook, said: Mapping[str, str]
) -> Persona:
    """The agent for one call; `said` are the call's `variables`."""
    filled = {phrase: text.format_map(said) for phrase, text in texts(agent).items()}
    by_silence = agent.end_of_turn is EndOfTurn.SILENCE
    rule = EndpointingRule(agent.silence_ms / 1000, uses_score=False) if by_silence else None
    return Persona(
        name=name,
        language=agent.language,
        manners=Manners(
            prompt=agent.prompt.format_map(said),
            speaks_first=Phrase.GREETING in filled,
            interruptible=agent.interruptible,
            min_interruption_words=agent.min_interruption_words,
            endpointing=rule or EndpointingRule(),
            idle_prompt_s=agent.idle_prompt_s if Phrase.IDLE_PROMPT in filled else 0.0,
        ),
        texts=filled,
        engines=engines,
        book=book,
        max_call_s=agent.max_call_s,
    )


def constant_texts(agent: Agent) -> list[str]:
    """The phrases that sound the same in every call, so that they can be rendered beforehand."""
    said = variables(agent, caller="\0", called="\0", today=date.min)
    said["date"] = "\0"
    filled = [template.format_map(said) for template in texts(agent).values()]
    return [text for text in filled if "\0" not in text]
